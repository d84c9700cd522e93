/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 2131 section 4.4.5 for the times, RFC 3442 and upstream for the routes. What a server says is
 * not believed: check() is what must be true of a grant, whether it comes from a message or is read
 * again from JSON.
 */
#include "grant.h"

#include <string.h>

#define LEASE_DEFAULT_S 3600U
#define T1_FLOOR_S      10U
#define SHORT_S         3U /* a lease of less has no whole seconds for T1 and T2 */
#define MTU_MIN         68U
#define SCOPE_LINK      253

void grant_done(struct grant *grant)
{
        free(grant->routes.items);
        dns_done(&grant->dns);
        *grant = (struct grant){ 0 };
}

/* ---- what can be ---- */

bool grant_is_host(const struct ip *ip)
{
        return ip->family == IP_V4 && ip->bytes[0] != 0 && ip->bytes[0] != 127 &&
               ip->bytes[0] < 224;
}

bool grant_is_default_route(const struct ipnet *dst)
{
        const struct ip zero = { IP_V4, { 0 } };

        return dst->prefix == 0 && ip_equal(&dst->ip, &zero);
}

/* Whether a host of the subnet can have the address. RFC 3021: with 31 bits there is neither a
 * network's nor a broadcast address. */
static bool is_host_in(const struct ipnet *net)
{
        struct ip first = ipnet_first(net), last = ipnet_last(net);

        return grant_is_host(&net->ip) &&
               (net->prefix > 30 || (!ip_equal(&net->ip, &first) && !ip_equal(&net->ip, &last)));
}

static bool is_v4_or_unset(const struct ip *ip)
{
        return ip->family == IP_UNSET || ip->family == IP_V4;
}

static bool is_route(const struct grant *grant, const struct route *route)
{
        return route->dst.ip.family == IP_V4 && is_v4_or_unset(&route->gw) &&
               !ip_equal(&route->gw, &grant->address.ip);
}

/* What makes no sense in it; NULL for a good one. */
static const char *check(const struct grant *grant)
{
        if (!is_host_in(&grant->address))
                return "address";
        if (!grant_is_host(&grant->server))
                return "server";
        if (!is_v4_or_unset(&grant->broadcast))
                return "broadcast";
        if (!is_v4_or_unset(&grant->router) || ip_equal(&grant->router, &grant->address.ip))
                return "router";
        if (grant->mtu != 0 && (grant->mtu < MTU_MIN || grant->mtu > UINT16_MAX))
                return "mtu";
        for (size_t i = 0; i < grant->routes.count; i++)
                if (!is_route(grant, &grant->routes.items[i]))
                        return "routes";
        return NULL;
}

/* ---- times ---- */

static uint32_t least(uint32_t a, uint32_t b)
{
        return a < b ? a : b;
}

static uint32_t part(uint32_t whole_s, uint32_t of, uint32_t parts)
{
        return (uint32_t)((uint64_t)whole_s * of / parts);
}

/* Makes the three sane, in the order in which they depend on each other. */
static void set_times(struct grant *grant, uint32_t lease_s, uint32_t t1_s, uint32_t t2_s)
{
        uint32_t floor_s = least(T1_FLOOR_S, lease_s / 3);

        if (lease_s == GRANT_FOREVER) {
                t1_s = t2_s = GRANT_FOREVER;
        } else if (lease_s < SHORT_S) {
                lease_s = lease_s > 0 ? lease_s : 1;
                t1_s = t2_s = 0;
        } else {
                if (t2_s >= lease_s || t2_s <= floor_s)
                        t2_s = part(lease_s, 7, 8);
                if (t1_s >= t2_s || t1_s == 0)
                        t1_s = lease_s / 2 < t2_s ? lease_s / 2 : part(t2_s, 4, 7);
                if (t1_s < floor_s)
                        t1_s = floor_s;
        }
        grant->lease_s = lease_s;
        grant->t1_s = t1_s;
        grant->t2_s = t2_s;
}

static void read_times(const struct opts *opts, struct grant *grant)
{
        uint32_t lease_s = LEASE_DEFAULT_S, t1_s = 0, t2_s = 0;

        (void)opts_get_u32(opts, OPT_LEASE_TIME, &lease_s);
        (void)opts_get_u32(opts, OPT_T1, &t1_s);
        (void)opts_get_u32(opts, OPT_T2, &t2_s);
        set_times(grant, lease_s, t1_s, t2_s);
}

int64_t grant_end_ms(const struct grant *grant)
{
        if (grant->lease_s == GRANT_FOREVER)
                return INT64_MAX;
        return grant->from_ms + INT64_C(1000) * grant->lease_s;
}

int64_t grant_t1_ms(const struct grant *grant)
{
        if (grant->lease_s == GRANT_FOREVER)
                return INT64_MAX;
        if (grant->lease_s < SHORT_S)
                return grant->from_ms + INT64_C(1000) * grant->lease_s / 3;
        return grant->from_ms + INT64_C(1000) * grant->t1_s;
}

int64_t grant_t2_ms(const struct grant *grant)
{
        if (grant->lease_s == GRANT_FOREVER)
                return INT64_MAX;
        if (grant->lease_s < SHORT_S)
                return grant->from_ms + INT64_C(2000) * grant->lease_s / 3;
        return grant->from_ms + INT64_C(1000) * grant->t2_s;
}

/* ---- from a message ---- */

static int add_default_route(struct route_list *routes, const struct ip *router, struct err *err)
{
        struct route *items = realloc(routes->items, (routes->count + 1) * sizeof(*items));

        if (!items)
                return err_oom(err);
        routes->items = items;
        items[routes->count++] = (struct route){ .dst = { .ip = { IP_V4, { 0 } } },
                                                 .gw = *router,
                                                 .table = ROUTE_UNSET,
                                                 .scope = ROUTE_UNSET };
        return 0;
}

/* A host is no gateway to itself. The rest of what the server says is good. */
static void leave_out_own(struct grant *grant)
{
        struct route_list *routes = &grant->routes;
        size_t kept = 0;

        for (size_t i = 0; i < routes->count; i++)
                if (!ip_equal(&routes->items[i].gw, &grant->address.ip))
                        routes->items[kept++] = routes->items[i];
        routes->count = kept;
        if (ip_equal(&grant->router, &grant->address.ip))
                grant->router = (struct ip){ 0 };
}

static int read_routes(const struct opts *opts, struct grant *grant, struct err *err)
{
        bool given = false;
        int r = opts_read_classless_routes(opts, &grant->routes, &given, err);

        if (r == 0 && !given)
                r = opts_read_static_routes(opts, &grant->routes, err);
        if (r == 0 && !given && grant->router.family != IP_UNSET)
                r = add_default_route(&grant->routes, &grant->router, err);
        leave_out_own(grant);
        return r;
}

static int read_dns(const struct opts *opts, struct dns *dns, struct err *err)
{
        struct text_list domain = { 0 };
        int r = opts_read_addresses(opts, OPT_DNS, &dns->nameservers, err);

        if (r == 0)
                r = opts_read_domains(opts, &dns->search, err);
        if (r == 0)
                r = opts_get_text(opts, OPT_DOMAIN, &domain, err);
        if (r == 0 && domain.count > 0)
                dns->domain = TAKE_PTR(domain.items[0]);
        text_list_done(&domain);
        return r;
}

static int read_values(const struct msg *msg, int64_t from_ms, struct grant *grant, struct err *err)
{
        const struct opts *opts = &msg->opts;
        uint32_t mask;
        uint16_t mtu = 0;
        int r;

        /* One of a wrong length is as good as none. */
        if (!opts_get_u32(opts, OPT_SUBNET_MASK, &mask))
                return GRANT_NO_MASK;
        if (!opts_get_mask(opts, &grant->address.prefix) ||
            !opts_get_ip(opts, OPT_SERVER, &grant->server))
                return GRANT_BAD;
        grant->address.ip = msg->yiaddr;
        grant->server_hardware = msg->source;
        grant->from_ms = from_ms;
        (void)opts_get_ip(opts, OPT_BROADCAST, &grant->broadcast);
        (void)opts_get_first_ip(opts, OPT_ROUTERS, &grant->router);
        (void)opts_get_u16(opts, OPT_MTU, &mtu);
        grant->mtu = mtu >= MTU_MIN ? mtu : 0;
        read_times(opts, grant);
        r = read_routes(opts, grant, err);
        if (r == 0)
                r = read_dns(opts, &grant->dns, err);
        return r == 0 && check(grant) ? GRANT_BAD : r;
}

int grant_read(const struct msg *msg, int64_t from_ms, struct grant *ret, struct err *err)
{
        struct grant grant = { 0 };
        int r = read_values(msg, from_ms, &grant, err);

        if (r == 0)
                *ret = grant;
        else
                grant_done(&grant);
        return r;
}

/* ---- the result ---- */

static int copy_routes(const struct grant *grant, const struct profile *profile,
                       struct route_list *ret, struct err *err)
{
        if (grant->routes.count == 0)
                return 0;
        ret->items = calloc(grant->routes.count, sizeof(*ret->items));
        if (!ret->items)
                return err_oom(err);
        for (size_t i = 0; i < grant->routes.count; i++) {
                const struct route *route = &grant->routes.items[i];

                if (profile->suppress_gateway && grant_is_default_route(&route->dst))
                        continue;
                ret->items[ret->count] = *route;
                ret->items[ret->count++].priority = profile->priority;
        }
        return 0;
}

static int copy_texts(const struct text_list *list, struct text_list *ret, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < list->count && r == 0; i++)
                r = text_list_add(ret, list->items[i], strlen(list->items[i]), err);
        return r;
}

static int copy_dns(const struct dns *dns, struct dns *ret, struct err *err)
{
        int r = copy_texts(&dns->nameservers, &ret->nameservers, err);

        if (r == 0)
                r = copy_texts(&dns->search, &ret->search, err);
        if (r == 0 && dns->domain) {
                ret->domain = strdup(dns->domain);
                if (!ret->domain)
                        r = err_oom(err);
        }
        return r;
}

int grant_result(const struct grant *grant, const struct profile *profile, struct ipam_result *ret,
                 struct err *err)
{
        struct result_ip ip = { .address = grant->address };
        struct ipam_result result = { 0 };
        int r;

        if (!profile->suppress_gateway)
                ip.gateway = grant->router;
        r = result_add_ip(&result, &ip, err);
        if (r == 0)
                r = copy_routes(grant, profile, &result.routes, err);
        if (r == 0 && profile->dns)
                r = copy_dns(&grant->dns, &result.dns, err);
        if (r == 0)
                *ret = result;
        else
                result_done(&result);
        return r;
}

/* ---- as JSON ---- */

void grant_put(const struct grant *grant, const char *key, struct json_writer *w)
{
        char text[IPNET_TEXT_MAX];

        if (!grant_is(grant))
                return;
        json_begin(w, key, '{');
        json_put_string(w, "address", ipnet_format(&grant->address, text));
        result_put_ip(w, "server", &grant->server);
        profile_put_hex(w, "serverHardware", grant->server_hardware.bytes,
                        grant->server_hardware.len);
        result_put_ip(w, "broadcast", &grant->broadcast);
        result_put_ip(w, "router", &grant->router);
        json_put_i64(w, "fromMs", grant->from_ms);
        json_put_i64(w, "leaseS", grant->lease_s);
        json_put_i64(w, "t1S", grant->t1_s);
        json_put_i64(w, "t2S", grant->t2_s);
        json_put_i64(w, "mtu", grant->mtu);
        result_put_routes(w, &grant->routes);
        result_put_dns(w, &grant->dns);
        json_end(w, '}');
}

/* Whether set_times() would leave them as they are. */
static bool has_sane_times(const struct grant *grant)
{
        struct grant sane;

        set_times(&sane, grant->lease_s, grant->t1_s, grant->t2_s);
        return grant->from_ms >= 0 && grant->from_ms <= INT64_MAX / 2 &&
               sane.lease_s == grant->lease_s && sane.t1_s == grant->t1_s &&
               sane.t2_s == grant->t2_s;
}

int grant_decode(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "address", result_decode_cidr, offsetof(struct grant, address), JSON_NULL },
                { "server", result_decode_ip, offsetof(struct grant, server), JSON_PLAIN },
                { "serverHardware", profile_decode_hardware,
                  offsetof(struct grant, server_hardware), JSON_PLAIN },
                { "broadcast", result_decode_ip, offsetof(struct grant, broadcast), JSON_PLAIN },
                { "router", result_decode_ip, offsetof(struct grant, router), JSON_PLAIN },
                { "fromMs", json_decode_i64, offsetof(struct grant, from_ms), JSON_PLAIN },
                { "leaseS", profile_decode_u32, offsetof(struct grant, lease_s), JSON_PLAIN },
                { "t1S", profile_decode_u32, offsetof(struct grant, t1_s), JSON_PLAIN },
                { "t2S", profile_decode_u32, offsetof(struct grant, t2_s), JSON_PLAIN },
                { "mtu", profile_decode_u32, offsetof(struct grant, mtu), JSON_PLAIN },
                { "routes", result_decode_routes, offsetof(struct grant, routes), JSON_PLAIN },
                { "dns", result_decode_dns, offsetof(struct grant, dns), JSON_PLAIN },
        };
        struct grant *grant = dst;
        const char *wrong;
        int r = json_object(at, fields, ARRAY_SIZE(fields), grant, err);

        if (r < 0)
                return r;
        wrong = check(grant);
        if (!wrong && !has_sane_times(grant))
                wrong = "times";
        return wrong ? json_invalid(at, err, "a grant with invalid %s", wrong) : 0;
}
