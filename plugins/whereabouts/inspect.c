/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For CHECK the pools are read as a DEL would read them, and compared: an entry of this container
 * and interface for each address that the attachment is said to have.
 */
#include "inspect.h"

#include <string.h>

#include "lease.h"

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
        const struct view_slice *found = NULL;
        const struct slice *slice = NULL;
        int r = 0;

        inspection->pools = calloc(request->range_count + 1, sizeof(struct view_pool *));
        if (!inspection->pools)
                return err_oom(err);
        if (request->slice_pool)
                r = view_slice(&inspection->view, request, &found, err);
        if (r == 0 && found) {
                *err = found->err;
                r = found->r;
                slice = &found->slice;
        }
        for (size_t i = 0; i < request->range_count && r == 0; i++) {
                _cleanup_(buf_done) struct buf name;

                buf_init(&name, 4096);
                pool_name(&name, request->network_name, slice ? slice->node : NULL,
                          slice ? &slice->net : &request->ranges[i].net);
                r = buf_check(&name, err);
                if (r < 0)
                        return r;
                inspection->pools[i] =
                        view_pool(&inspection->view, buf_text(&name), NULL, false, err);
                r = inspection->pools[i] ? 0 : -ENOMEM;
        }
        return r == 0 ? view_fetch(&inspection->view, err) : -EIO;
}

static bool has_address(const struct ipam_result *previous, const struct ip *ip)
{
        for (size_t i = 0; i < previous->ip_count; i++)
                if (ip_equal(&previous->ips[i].address.ip, ip))
                        return true;
        return previous->ip_count == 0;
}

/* Static addresses of the attachment may lie in the range as well, and no pool knows them. So each
 * pool has to show one of the addresses, not each address a pool. */
static bool is_entered(const struct inspection *inspection, const struct view_pool *pool,
                       const struct ipam_result *previous)
{
        const struct request *request = inspection->request;
        const struct pool_entry *entry = NULL;

        while (!pool->absent && (entry = pool_find_container(&pool->pool, request->container_id,
                                                             request->ifname, entry)))
                if (has_address(previous, &entry->ip))
                        return true;
        return false;
}

static int compare(const struct inspection *inspection, const struct ipam_result *previous,
                   struct err *err)
{
        const struct request *request = inspection->request;

        for (size_t i = 0; i < request->range_count; i++) {
                const struct view_pool *pool = inspection->pools[i];

                if (pool->r < 0) {
                        *err = pool->err;
                        return pool->r;
                }
                if (!is_entered(inspection, pool, previous))
                        return err_text(err, -ENOENT, CNI_ERR_INTERNAL,
                                        "whereabouts: no entry of container %s, interface %s with "
                                        "an address of its result in IPPool %s",
                                        request->container_id, request->ifname, pool->name);
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

        k8s_request_init(&get, K8S_GET, K8S_LEASE, LEASE_NAME);
        if (r == 0)
                r = k8s_run_one(k8s, &get, limits, err);
        if (r < 0 || get.end == K8S_DONE || get.end == K8S_NOT_FOUND)
                return r;
        return k8s_error(&get, err);
}
