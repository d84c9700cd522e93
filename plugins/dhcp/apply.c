/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order matters: a route needs its address, and the kernel takes it when the address goes.
 */
#include "apply.h"

#include <linux/rtnetlink.h>

/* A container may have any number of routes; a record is to stay small. */
#define ROUTES_KEPT 1024

/* The lifetime of an address is that of its lease with `kernelLifetime`, else without end. */
static struct address address_of(const struct record *record, int64_t now_ms)
{
        const struct grant *grant = &record->grant;
        struct address address = { grant->address, grant->broadcast, LINK_FOREVER, LINK_FOREVER };
        int64_t left_ms = grant_end_ms(grant);

        if (record->profile.kernel_lifetime && left_ms != INT64_MAX) {
                left_ms = left_ms > now_ms ? left_ms - now_ms : 0;
                address.valid_s = (uint32_t)((left_ms + 999) / 1000);
                if (address.valid_s == 0)
                        address.valid_s = 1; /* 0 would be refused */
                address.preferred_s = address.valid_s;
        }
        return address;
}

/* A route of a result as one of the kernel's. */
static struct link_route route_of(const struct record *record, const struct route *route)
{
        const struct ip zero = { IP_V4, { 0 } };
        bool by_gateway = route->gw.family == IP_V4 && !ip_equal(&route->gw, &zero);
        int64_t priority = record->profile.priority;
        uint32_t metric = priority > 0 && priority <= UINT32_MAX ? (uint32_t)priority : 0;

        return (struct link_route){
                .dst = route->dst,
                .gw = by_gateway ? route->gw : (struct ip){ 0 },
                .table = RT_TABLE_MAIN,
                .metric = metric,
                .scope = by_gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                .protocol = RTPROT_BOOT,
                .type = RTN_UNICAST,
        };
}

static bool is_wanted(const struct record *record, const struct route *route)
{
        return !record->profile.suppress_gateway || !grant_is_default_route(&route->dst);
}

static int add_granted_routes(struct net *net, const struct record *record, struct err *err)
{
        const struct route_list *routes = &record->grant.routes;
        int r = 0;

        for (size_t i = 0; i < routes->count && r == 0; i++) {
                const struct link_route route = route_of(record, &routes->items[i]);

                if (is_wanted(record, &routes->items[i]))
                        r = link_add_route(net, record->ifindex, &route, err);
        }
        return r;
}

/* Those that came with the lease, where nobody knows what was there. */
static int remember_granted(struct record *record, struct err *err)
{
        const struct route_list *granted = &record->grant.routes;
        struct link_routes *routes = &record->routes;

        if (granted->count == 0)
                return 0;
        routes->items = calloc(granted->count, sizeof(*routes->items));
        if (!routes->items)
                return err_oom(err);
        for (size_t i = 0; i < granted->count; i++)
                if (is_wanted(record, &granted->items[i]))
                        routes->items[routes->count++] = route_of(record, &granted->items[i]);
        return 0;
}

int apply_withdraw(struct net *net, struct record *record, struct err *err)
{
        _cleanup_(link_routes_done) struct link_routes routes = { 0 };
        struct err later;
        int listed = 0, r;

        if (record->profile.loss == LOSS_DOWN) {
                r = link_set_up(net, record->ifindex, false, err);
                record->withdrawn = r == 0;
                return r;
        }
        listed = link_list_routes(net, record->ifindex, &routes, err);
        r = link_remove_address(net, record->ifindex, &record->grant.address,
                                listed < 0 ? &later : err);
        if (r < 0)
                return r;
        record->withdrawn = true;
        if (listed == 0 && routes.count > ROUTES_KEPT) {
                routes.count = ROUTES_KEPT;
                listed = err_text(err, -E2BIG, CNI_ERR_INTERNAL,
                                  "only %d of its routes are remembered", ROUTES_KEPT);
        }
        link_routes_done(&record->routes);
        if (r == LINK_ABSENT || (listed < 0 && routes.count == 0)) /* they have gone before */
                return remember_granted(record, err) < 0 ? -ENOMEM : listed;
        record->routes = routes;
        routes = (struct link_routes){ 0 };
        return listed;
}

/* Adds them all as far as they can be; the first failure is told. Links first: a gateway has to be
 * reachable before a route by it is accepted. */
static int add_routes(struct net *net, int ifindex, const struct link_routes *routes,
                      struct err *err)
{
        struct err later;
        int result = 0;

        for (int by_gateway = 0; by_gateway < 2; by_gateway++)
                for (size_t i = 0; i < routes->count; i++) {
                        const struct link_route *route = &routes->items[i];
                        int r = 0;

                        if ((route->gw.family != IP_UNSET) == by_gateway)
                                r = link_add_route(net, ifindex, route, result < 0 ? &later : err);
                        if (r < 0 && result == 0)
                                result = r;
                }
        return result;
}

/* Who takes other addresses over gets the routes that came with this one. Those of somebody else
 * may not fit any more. */
static int restore_routes(struct net *net, const struct record *record, struct err *err)
{
        struct err unused;
        int r;

        if (record->profile.loss != LOSS_REPLACE)
                return add_routes(net, record->ifindex, &record->routes, err);
        r = add_granted_routes(net, record, err);
        (void)add_routes(net, record->ifindex, &record->routes, &unused);
        return r;
}

int apply_restore(struct net *net, struct record *record, int64_t now_ms, struct err *err)
{
        const struct address address = address_of(record, now_ms);
        int r = link_set_address(net, record->ifindex, &address, err);

        if (r != 0)
                return r;
        record->withdrawn = false;
        r = restore_routes(net, record, err);
        link_routes_done(&record->routes);
        return r;
}

/* Leaves out those that the former grant had brought, and what depends on its address. */
static void keep_foreign(struct link_routes *routes, const struct grant *former)
{
        size_t kept = 0;

        for (size_t i = 0; i < routes->count; i++) {
                const struct link_route *route = &routes->items[i];
                bool ours = ip_equal(&route->src, &former->address.ip) ||
                            (route->gw.family == IP_V4 && ip_equal(&route->gw, &former->router));

                for (size_t k = 0; k < former->routes.count && !ours; k++)
                        ours = ip_equal(&former->routes.items[k].dst.ip, &route->dst.ip) &&
                               former->routes.items[k].dst.prefix == route->dst.prefix;
                if (!ours)
                        routes->items[kept++] = *route;
        }
        routes->count = kept;
}

int apply_forget(struct net *net, struct record *record, const struct grant *former,
                 struct err *err)
{
        int r = link_remove_address(net, record->ifindex, &former->address, err);

        keep_foreign(&record->routes, former);
        record->withdrawn = true;
        return r < 0 ? r : 0;
}

int apply_lifetime(struct net *net, const struct record *record, int64_t now_ms, struct err *err)
{
        const struct address wanted = address_of(record, now_ms);
        struct address there;
        int r = link_find_address(net, record->ifindex, &record->grant.address, &there, err);

        if (r != 0)
                return r < 0 ? r : 0;
        return link_set_address(net, record->ifindex, &wanted, err);
}
