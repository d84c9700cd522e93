/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading happens in rounds of requests that run side by side. A list of reservations is asked for
 * with resourceVersion=0: the server's cache is good enough for who only wants to avoid what is
 * taken, and a list past the cache costs more than everything else together.
 */
#include "view.h"

#include <string.h>

#define FETCH_ROUNDS 20

static void view_pool_free(struct view_pool *pool)
{
        free(pool->name);
        pool_done(&pool->pool);
        free(pool);
}

static void view_slice_free(struct view_slice *slice)
{
        free(slice->slice_pool);
        free(slice->node);
        slice_done(&slice->slice);
        free(slice);
}

void view_done(struct view *view)
{
        for (size_t i = 0; i < view->pool_count; i++)
                view_pool_free(view->pools[i]);
        free(view->pools);
        reservation_list_done(&view->reservations);
        text_list_done(&view->lost);
        free(view->blocked);
        for (size_t i = 0; i < view->slice_count; i++)
                view_slice_free(view->slices[i]);
        free(view->slices);
}

struct view_pool *view_pool(struct view *view, const char *name, const struct ipnet *net,
                            bool create, struct err *err)
{
        struct view_pool **pools, *pool;

        for (size_t i = 0; i < view->pool_count; i++) {
                pool = view->pools[i];
                if (strcmp(pool->name, name) != 0)
                        continue;
                if (create && !pool->create) {
                        pool->create = true;
                        pool->net = *net;
                        pool->stale |= pool->absent;
                }
                return pool;
        }
        pools = reallocarray(view->pools, view->pool_count + 1, sizeof(struct view_pool *));
        if (pools)
                view->pools = pools;
        pool = calloc(1, sizeof(*pool));
        if (pool)
                pool->name = strdup(name);
        if (!pools || !pool || !pool->name) {
                if (pool)
                        view_pool_free(pool);
                (void)err_oom(err);
                return NULL;
        }
        if (net)
                pool->net = *net;
        pool->create = create;
        pool->stale = true;
        pool->patch_max = SIZE_MAX;
        view->pools[view->pool_count++] = pool;
        return pool;
}

/* ---- reading pools ---- */

static int take_pool(struct view_pool *pool, const struct k8s_request *request)
{
        struct pool parsed = { 0 };

        if (pool_parse(buf_text(&request->answer), request->answer.len, &parsed, &pool->err) < 0) {
                k8s_blame_answer(request, &pool->err);
                return -EIO;
        }
        pool_done(&pool->pool);
        pool->pool = parsed;
        pool->stale = pool->absent = false;
        return 0;
}

/* The answer to the GET or to the POST of a pool. A POST that came too late leaves it stale. */
static void take_answer(struct view_pool *pool, const struct k8s_request *request)
{
        pool->r = 0;
        if (request->end == K8S_DONE) {
                pool->r = take_pool(pool, request);
        } else if (request->verb == K8S_POST) {
                if (request->end != K8S_CONFLICT)
                        pool->r = k8s_error(request, &pool->err);
        } else if (request->end == K8S_NOT_FOUND) {
                pool->absent = true;
                pool->stale = pool->create;
        } else {
                pool->r = k8s_error(request, &pool->err);
        }
}

static bool is_wanted(const struct view_pool *pool)
{
        return pool->stale && pool->r == 0;
}

static void prepare_request(const struct view_pool *pool, struct k8s_request *ret)
{
        bool make = pool->absent && pool->create;

        k8s_request_init(ret, make ? K8S_POST : K8S_GET, K8S_POOL, pool->name);
        if (make)
                pool_write_new(&ret->body, pool->name, &pool->net);
}

/* One request for each pool that needs one. Returns 1 when there was none. */
static int fetch_round(struct view *view, struct err *err)
{
        struct k8s_request *requests = calloc(view->pool_count + 1, sizeof(*requests));
        struct k8s_request **list = calloc(view->pool_count + 1, sizeof(struct k8s_request *));
        size_t n = 0;
        int r = 0;

        if (!requests || !list) {
                free(requests);
                free(list);
                return err_oom(err);
        }
        for (size_t i = 0; i < view->pool_count; i++)
                if (is_wanted(view->pools[i])) {
                        prepare_request(view->pools[i], &requests[n]);
                        list[n] = &requests[n];
                        n++;
                }
        if (n > 0)
                r = k8s_run(view->k8s, list, n, &view->limits, err);
        for (size_t i = 0, j = 0; i < view->pool_count && r == 0; i++)
                if (is_wanted(view->pools[i])) {
                        struct view_pool *pool = view->pools[i];

                        take_answer(pool, &requests[j++]);
                        if (requests[j - 1].verb == K8S_POST)
                                pool->absent = false;
                }
        for (size_t i = 0; i < n; i++)
                k8s_request_done(&requests[i]);
        free(requests);
        free(list);
        return r < 0 ? r : n == 0;
}

void view_forget_pools(struct view *view)
{
        for (size_t i = 0; i < view->pool_count; i++)
                view->pools[i]->stale = true;
}

int view_fetch(struct view *view, struct err *err)
{
        int r = 0;

        for (int round = 0; round < FETCH_ROUNDS && r == 0; round++)
                r = fetch_round(view, err);
        for (size_t i = 0; i < view->pool_count && r == 0; i++)
                if (is_wanted(view->pools[i]))
                        view->pools[i]->r = err_text(&view->pools[i]->err, -EIO, CNI_ERR_INTERNAL,
                                                     "pool %s: it is made and removed all the time",
                                                     view->pools[i]->name);
        return r < 0 ? r : 0;
}

/* ---- addresses of others ---- */

static int list_reservations(struct view *view, struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request list;
        int r;

        k8s_request_init(&list, K8S_GET, K8S_RESERVATION, NULL);
        list.query = "resourceVersion=0";
        r = k8s_run_one(view->k8s, &list, &view->limits, err);
        if (r < 0)
                return r;
        view->listed = true; /* without it every collision costs a request; that is all */
        if (list.end == K8S_DONE)
                r = reservation_list_parse(buf_text(&list.answer), list.answer.len,
                                           &view->reservations, err);
        return r == -ENOMEM ? r : 0;
}

int view_lose(struct view *view, const char *reservation, struct err *err)
{
        int r = text_list_add(&view->lost, reservation, strlen(reservation), err);

        if (r == 0 && !view->listed)
                r = list_reservations(view, err);
        return r;
}

bool view_is_lost(const struct view *view, const struct request *request, const struct ip *ip)
{
        _cleanup_(buf_done) struct buf name;
        const struct reservation *found;

        buf_init(&name, 4096);
        if (view->lost.count == 0)
                return false;
        reservation_name(&name, request->network_name, ip);
        for (size_t i = 0; i < view->lost.count; i++)
                if (strcmp(view->lost.items[i], buf_text(&name)) == 0)
                        return true;
        found = reservation_list_find(&view->reservations, buf_text(&name));
        return found && reservation_owner(found, request->podref, request->ifname,
                                          request->container_id) != OWNER_CONTAINER;
}

int view_block(struct view *view, const struct request *request, const struct view_pool *pool,
               const struct ip *ip, bool freed, struct err *err)
{
        struct view_blocked *blocked =
                reallocarray(view->blocked, view->blocked_count + 1, sizeof(*blocked));

        if (!blocked)
                return err_oom(err);
        view->blocked = blocked;
        blocked[view->blocked_count++] = (struct view_blocked){
                .network_name = request->network_name,
                .pool = pool,
                .overlap = request->overlap,
                .freed = freed,
                .ip = *ip,
        };
        return 0;
}

void view_unblock(struct view *view, bool freed)
{
        size_t kept = 0;

        for (size_t i = 0; i < view->blocked_count; i++)
                if (view->blocked[i].freed && !freed)
                        view->blocked[kept++] = view->blocked[i];
        view->blocked_count = kept;
}

bool view_is_blocked(const struct view *view, const struct request *request,
                     const struct view_pool *pool, const struct ip *ip)
{
        for (size_t i = 0; i < view->blocked_count; i++) {
                const struct view_blocked *blocked = &view->blocked[i];

                if (!ip_equal(&blocked->ip, ip))
                        continue;
                if (blocked->pool == pool)
                        return true;
                if (blocked->overlap && request->overlap &&
                    request_same_text(blocked->network_name, request->network_name))
                        return true;
        }
        return false;
}

/* ---- slices ---- */

static const struct view_slice *find_slice(const struct view *view, const struct request *request)
{
        for (size_t i = 0; i < view->slice_count; i++)
                if (strcmp(view->slices[i]->slice_pool, request->slice_pool) == 0 &&
                    strcmp(view->slices[i]->node, request->node) == 0)
                        return view->slices[i];
        return NULL;
}

static struct view_slice *new_slice(struct view *view, const struct request *request)
{
        struct view_slice **slices =
                reallocarray(view->slices, view->slice_count + 1, sizeof(struct view_slice *));
        struct view_slice *slice = calloc(1, sizeof(*slice));

        if (slices)
                view->slices = slices;
        if (slice) {
                slice->slice_pool = strdup(request->slice_pool);
                slice->node = strdup(request->node);
        }
        if (!slices || !slice || !slice->slice_pool || !slice->node) {
                if (slice)
                        view_slice_free(slice);
                return NULL;
        }
        slice->r = err_oom(&slice->err); /* until there is an answer */
        view->slices[view->slice_count++] = slice;
        return slice;
}

static int ask_for_slice(struct view *view, struct view_slice *slice, struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request get;
        int r;

        k8s_request_init(&get, K8S_GET, K8S_SLICE_POOL, slice->slice_pool);
        r = k8s_run_one(view->k8s, &get, &view->limits, err);
        if (r < 0)
                return r;
        if (get.end != K8S_DONE) {
                slice->r = k8s_error(&get, &slice->err);
                if (get.end == K8S_NOT_FOUND)
                        slice->r = SLICE_NONE;
                return 0;
        }
        slice->r = slice_find(buf_text(&get.answer), get.answer.len, slice->node, &slice->slice,
                              &slice->err);
        if (slice->r == -ENOMEM)
                return err_oom(err);
        if (slice->r < 0)
                k8s_blame_answer(&get, &slice->err);
        return 0;
}

int view_slice(struct view *view, const struct request *request, const struct view_slice **ret,
               struct err *err)
{
        struct view_slice *slice;

        *ret = find_slice(view, request);
        if (*ret)
                return 0;
        slice = new_slice(view, request);
        *ret = slice;
        return slice ? ask_for_slice(view, slice, err) : err_oom(err);
}
