/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For CHECK the pools are read as a DEL would read them, and compared: an entry of this container
 * and interface for each address that the attachment is said to have.
 */
#include "inspect.h"

#include <string.h>

/* The pools of a request's ranges, in a view of their own. */
struct inspection {
        const struct request *request;
        struct k8s *k8s;
        struct view view;
        struct view_pool **pools; /* owned list: one for each range */
};

static void inspection_done(struct inspection *inspection)
{
        view_done(&inspection->view);
        k8s_free(inspection->k8s);
        free(inspection->pools);
}

static int read_pools(struct inspection *inspection, struct err *err)
{
        const struct request *request = inspection->request;
        struct ipnet slice = { 0 };
        int r = 0;

        inspection->pools = calloc(request->range_count + 1, sizeof(struct view_pool *));
        if (!inspection->pools)
                return err_oom(err);
        if (request->slice_pool)
                r = view_slice(&inspection->view, request, &slice, err);
        for (size_t i = 0; i < request->range_count && r == 0; i++) {
                _cleanup_(buf_done) struct buf name;

                buf_init(&name, 4096);
                pool_name(&name, request->network_name, request->slice_pool ? request->node : NULL,
                          request->slice_pool ? &slice : &request->ranges[i].net);
                r = buf_check(&name, err);
                if (r < 0)
                        return r;
                inspection->pools[i] =
                        view_pool(&inspection->view, buf_text(&name), NULL, false, err);
                r = inspection->pools[i] ? 0 : -ENOMEM;
        }
        return r == 0 ? view_fetch(&inspection->view, err) : -EIO;
}

static bool holds(const struct inspection *inspection, const struct view_pool *pool,
                  const struct ip *ip)
{
        const struct request *request = inspection->request;
        const struct pool_entry *entry = NULL;

        while (!pool->absent && (entry = pool_find_container(&pool->pool, request->container_id,
                                                             request->ifname, entry)))
                if (!ip || ip_equal(&entry->ip, ip))
                        return true;
        return false;
}

static int missing(const struct inspection *inspection, const char *what, const char *pool,
                   struct err *err)
{
        return err_text(err, -ENOENT, CNI_ERR_INTERNAL,
                        "whereabouts: no entry of container %s, interface %s for %s in IPPool %s",
                        inspection->request->container_id, inspection->request->ifname, what, pool);
}

static int compare(const struct inspection *inspection, const struct ipam_result *previous,
                   struct err *err)
{
        const struct request *request = inspection->request;
        char text[IP_TEXT_MAX];

        for (size_t i = 0; i < request->range_count; i++) {
                const struct view_pool *pool = inspection->pools[i];

                if (pool->r < 0) {
                        *err = pool->err;
                        return pool->r;
                }
                if (!holds(inspection, pool, NULL))
                        return missing(inspection, "any address", pool->name, err);
                for (size_t j = 0; j < previous->ip_count; j++) {
                        const struct ip *ip = &previous->ips[j].address.ip;

                        if (ipnet_contains(&request->ranges[i].net, ip) &&
                            !holds(inspection, pool, ip))
                                return missing(inspection, ip_format(ip, text), pool->name, err);
                }
        }
        return 0;
}

int inspect_attachment(const struct request *request, const struct kubeconfig *kubeconfig,
                       const struct ipam_result *previous, const struct k8s_limits *limits,
                       struct err *err)
{
        _cleanup_(inspection_done) struct inspection inspection = { .request = request };
        int r = k8s_new(kubeconfig, &inspection.k8s, err);

        inspection.view.k8s = inspection.k8s;
        inspection.view.limits = *limits;
        if (r == 0)
                r = read_pools(&inspection, err);
        return r == 0 ? compare(&inspection, previous, err) : r;
}

int inspect_server(const struct kubeconfig *kubeconfig, const struct k8s_limits *limits,
                   struct err *err)
{
        _cleanup_(k8s_freep) struct k8s *k8s = NULL;
        _cleanup_(k8s_request_done) struct k8s_request get;
        int r = k8s_new(kubeconfig, &k8s, err);

        k8s_request_init(&get, K8S_GET, K8S_LEASE, "whereabouts");
        if (r == 0)
                r = k8s_run_one(k8s, &get, limits, err);
        if (r < 0 || get.end == K8S_DONE || get.end == K8S_NOT_FOUND)
                return r;
        *err = get.err;
        return -EIO;
}
