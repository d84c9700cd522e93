/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 routes of an interface, as they are written down to be put back. A route over several
 * interfaces is none of ours.
 */
#include <string.h>

#include "net/link.h"
#include "net/talk.h"

#define ROUTES_MAX 65536

void link_routes_done(struct link_routes *routes)
{
        free(routes->items);
        *routes = (struct link_routes){ 0 };
}

static int append(struct link_routes *routes, const struct link_route *route)
{
        struct link_route *items;

        if (routes->count >= ROUTES_MAX)
                return -E2BIG;
        items = reallocarray(routes->items, routes->count + 1, sizeof(*items));
        if (!items)
                return -ENOMEM;
        routes->items = items;
        routes->items[routes->count++] = *route;
        return 0;
}

/* ---- from the kernel ---- */

/* A gateway of the other family has a form of its own. */
static struct ip decode_gateway(struct nlattr *const attributes[static RTA_MAX + 1])
{
        struct ip ip = attribute_ip(attributes[RTA_GATEWAY]);
        const struct rtvia *via;

        if (attributes[RTA_VIA] && nla_len(attributes[RTA_VIA]) == sizeof(*via) + 16) {
                via = nla_data(attributes[RTA_VIA]);
                ip.family = IP_V6;
                memcpy(ip.bytes, via->rtvia_addr, 16);
        }
        return ip;
}

static uint32_t value_of(const struct nlattr *attribute)
{
        return attribute ? nla_get_u32(attribute) : 0;
}

static void decode_metrics(struct nlattr *metrics, struct link_route *route)
{
        struct nlattr *attributes[RTAX_MAX + 1];

        if (!metrics || nla_parse_nested(attributes, RTAX_MAX, metrics, NULL) < 0)
                return;
        route->mtu = value_of(attributes[RTAX_MTU]);
        route->advmss = value_of(attributes[RTAX_ADVMSS]);
}

struct listing {
        int ifindex;
        size_t before; /* routes that the caller had already */
        struct link_routes *routes;
};

static int take_route(void *user, struct nlmsghdr *answer)
{
        struct listing *listing = user;
        struct nlattr *attributes[RTA_MAX + 1];
        const struct rtmsg *header;
        struct link_route route = { 0 };

        if (!answer) {
                listing->routes->count = listing->before;
                return 0;
        }
        header = nlmsg_data(answer);
        if (nlmsg_parse(answer, sizeof(*header), attributes, RTA_MAX, NULL) < 0)
                return -EBADMSG;
        route.table = attributes[RTA_TABLE] ? value_of(attributes[RTA_TABLE]) : header->rtm_table;
        if (header->rtm_family != AF_INET || header->rtm_flags & RTM_F_CLONED ||
            header->rtm_protocol == RTPROT_KERNEL || route.table == RT_TABLE_LOCAL ||
            value_of(attributes[RTA_OIF]) != (uint32_t)listing->ifindex)
                return 0;
        route.dst.ip = header->rtm_dst_len ? attribute_ip(attributes[RTA_DST])
                                           : (struct ip){ .family = IP_V4 };
        route.dst.prefix = header->rtm_dst_len;
        route.gw = decode_gateway(attributes);
        route.src = attribute_ip(attributes[RTA_PREFSRC]);
        route.metric = value_of(attributes[RTA_PRIORITY]);
        decode_metrics(attributes[RTA_METRICS], &route);
        route.scope = header->rtm_scope;
        route.protocol = header->rtm_protocol;
        route.type = header->rtm_type;
        route.tos = header->rtm_tos;
        route.hop_flags = header->rtm_flags & RTNH_F_ONLINK;
        return append(listing->routes, &route);
}

int link_list_routes(struct net *net, int ifindex, struct link_routes *ret, struct err *err)
{
        struct listing listing = { ifindex, ret->count, ret };
        struct rtmsg header = { .rtm_family = AF_INET };
        _cleanup_(request_done) struct request request =
                request_make(RTM_GETROUTE, NLM_F_DUMP, &header, sizeof(header));
        int r;

        request_put_u32(&request, RTA_OIF, (uint32_t)ifindex);
        r = net_dump(net, &request, take_route, &listing);
        if (r == 0)
                return 0;
        ret->count = listing.before;
        if (r == -ENODEV)
                return LINK_ABSENT;
        return err_set(err, r, CNI_ERR_INTERNAL, "list the routes of interface %d", ifindex);
}

/* ---- to the kernel ---- */

static void put_gateway(struct request *request, const struct ip *gw)
{
        const __kernel_sa_family_t family = AF_INET6;
        uint8_t via[sizeof(family) + 16]; /* a struct rtvia */

        if (gw->family == IP_V4)
                request_put_ip(request, RTA_GATEWAY, gw);
        if (gw->family == IP_V6) {
                memcpy(via, &family, sizeof(family));
                memcpy(via + sizeof(family), gw->bytes, 16);
                request_put(request, RTA_VIA, via, sizeof(via));
        }
}

static void put_metrics(struct request *request, const struct link_route *route)
{
        struct nlattr *metrics;

        if (request->failed || (!route->mtu && !route->advmss))
                return;
        metrics = nla_nest_start(request->msg, RTA_METRICS);
        request->failed = !metrics;
        if (route->mtu)
                request_put_u32(request, RTAX_MTU, route->mtu);
        if (route->advmss)
                request_put_u32(request, RTAX_ADVMSS, route->advmss);
        if (!request->failed)
                (void)nla_nest_end(request->msg, metrics);
}

int link_add_route(struct net *net, int ifindex, const struct link_route *route, struct err *err)
{
        struct rtmsg header = { .rtm_family = AF_INET,
                                .rtm_dst_len = route->dst.prefix,
                                .rtm_tos = route->tos,
                                .rtm_table = RT_TABLE_UNSPEC,
                                .rtm_protocol = route->protocol,
                                .rtm_scope = route->scope,
                                .rtm_type = route->type,
                                .rtm_flags = route->hop_flags };
        /* Appended, so that only the very same route counts as one that is there. */
        _cleanup_(request_done) struct request request =
                request_make(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, &header, sizeof(header));
        const struct ip first = ipnet_first(&route->dst); /* host bits would be refused */
        char text[IPNET_TEXT_MAX];
        int r;

        request_put_ip(&request, RTA_DST, &first);
        request_put_u32(&request, RTA_OIF, (uint32_t)ifindex);
        request_put_u32(&request, RTA_TABLE, route->table);
        put_gateway(&request, &route->gw);
        if (route->src.family == IP_V4)
                request_put_ip(&request, RTA_PREFSRC, &route->src);
        if (route->metric)
                request_put_u32(&request, RTA_PRIORITY, route->metric);
        put_metrics(&request, route);
        r = net_ask(net, &request, NULL, NULL);
        if (r == 0 || r == -EEXIST)
                return 0;
        return err_set(err, r, CNI_ERR_INTERNAL, "add route %s over interface %d",
                       ipnet_format(&route->dst, text), ifindex);
}
