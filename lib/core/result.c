/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three layouts: 0.1 and 0.2 have one address per family and split the routes by family; 0.3 and
 * 0.4 have lists and a version at each address; from 1.0 on members are in alphabetical order and
 * an empty dns is left out.
 */
#include "core/result.h"

#include <assert.h>
#include <string.h>

void text_list_done(struct text_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                free(list->items[i]);
        free(list->items);
        *list = (struct text_list){ 0 };
}

int text_list_add(struct text_list *list, const char *text, size_t len, struct err *err)
{
        char **items = realloc(list->items, (list->count + 1) * sizeof(*items));

        if (!items)
                return err_oom(err);
        list->items = items;
        items[list->count] = strndup(text, len);
        if (!items[list->count])
                return err_oom(err);
        list->count++;
        return 0;
}

static int decode_text(const struct json_at *at, void *dst, struct err *err)
{
        const char *text;
        int r = json_text(at, &text, err);

        return r < 0 ? r : text_list_add(dst, text, strlen(text), err);
}

int text_list_decode(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_text, dst, err);
}

int text_compare_items(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void text_list_sort(struct text_list *list)
{
        if (list->count > 1)
                qsort(list->items, list->count, sizeof(*list->items), text_compare_items);
}

bool text_list_find(const struct text_list *list, const char *text, size_t *ret)
{
        char **found = list->count > 0 ? bsearch(&text, list->items, list->count,
                                                 sizeof(*list->items), text_compare_items)
                                       : NULL;

        if (found)
                *ret = (size_t)(found - list->items);
        return found != NULL;
}

void dns_done(struct dns *dns)
{
        text_list_done(&dns->nameservers);
        text_list_done(&dns->search);
        text_list_done(&dns->options);
        free(dns->domain);
        *dns = (struct dns){ 0 };
}

void result_done(struct ipam_result *result)
{
        free(result->ips);
        free(result->routes.items);
        dns_done(&result->dns);
        *result = (struct ipam_result){ 0 };
}

int result_add_ip(struct ipam_result *result, const struct result_ip *ip, struct err *err)
{
        struct result_ip *ips = realloc(result->ips, (result->ip_count + 1) * sizeof(*ips));

        if (!ips)
                return err_oom(err);
        result->ips = ips;
        ips[result->ip_count++] = *ip;
        return 0;
}

/* ---- writing ---- */

enum layout {
        LAYOUT_02, /* 0.1.0, 0.2.0 */
        LAYOUT_04, /* 0.3.0, 0.3.1, 0.4.0 */
        LAYOUT_1,  /* 1.0.0, 1.1.0 */
};

static enum layout layout_of(const char *version)
{
        if (strcmp(version, "0.1.0") == 0 || strcmp(version, "0.2.0") == 0)
                return LAYOUT_02;
        return version[0] == '0' ? LAYOUT_04 : LAYOUT_1;
}

void result_put_ip(struct json_writer *w, const char *key, const struct ip *ip)
{
        char text[IP_TEXT_MAX];

        if (ip->family != IP_UNSET)
                json_put_string(w, key, ip_format(ip, text));
}

static void put_cidr(struct json_writer *w, const char *key, const struct ipnet *net)
{
        char text[IPNET_TEXT_MAX];

        json_put_string(w, key, ipnet_format(net, text));
}

static void put_texts(struct json_writer *w, const char *key, const struct text_list *list)
{
        if (list->count == 0)
                return;
        json_begin(w, key, '[');
        for (size_t i = 0; i < list->count; i++)
                json_put_string(w, NULL, list->items[i]);
        json_end(w, ']');
}

static bool dns_is_empty(const struct dns *dns)
{
        return dns->nameservers.count == 0 && dns->search.count == 0 && dns->options.count == 0 &&
               (!dns->domain || !*dns->domain);
}

static void put_dns(struct json_writer *w, const struct dns *dns, enum layout layout)
{
        bool alphabetical = layout == LAYOUT_1;

        if (alphabetical && dns_is_empty(dns))
                return;
        json_begin(w, "dns", '{');
        if (!alphabetical)
                put_texts(w, "nameservers", &dns->nameservers);
        json_put_given(w, "domain", dns->domain);
        if (alphabetical) {
                put_texts(w, "nameservers", &dns->nameservers);
                put_texts(w, "options", &dns->options);
        }
        put_texts(w, "search", &dns->search);
        if (!alphabetical)
                put_texts(w, "options", &dns->options);
        json_end(w, '}');
}

static void put_number(struct json_writer *w, const char *key, int64_t number, int64_t none)
{
        if (number != none)
                json_put_i64(w, key, number);
}

static void put_route(struct json_writer *w, const struct route *route, enum layout layout)
{
        json_begin(w, NULL, '{');
        if (layout == LAYOUT_1)
                put_number(w, "advmss", route->advmss, 0);
        put_cidr(w, "dst", &route->dst);
        result_put_ip(w, "gw", &route->gw);
        if (layout != LAYOUT_02)
                put_number(w, "mtu", route->mtu, 0);
        if (layout == LAYOUT_04)
                put_number(w, "advmss", route->advmss, 0);
        if (layout != LAYOUT_02)
                put_number(w, "priority", route->priority, 0);
        if (layout == LAYOUT_04)
                put_number(w, "table", route->table, ROUTE_UNSET);
        if (layout != LAYOUT_02)
                put_number(w, "scope", route->scope, ROUTE_UNSET);
        if (layout == LAYOUT_1)
                put_number(w, "table", route->table, ROUTE_UNSET);
        json_end(w, '}');
}

/* The routes of one family, or all for IP_UNSET. Nothing when there is none. */
static void put_routes(struct json_writer *w, const struct route_list *routes, uint8_t family,
                       enum layout layout)
{
        bool open = false;

        for (size_t i = 0; i < routes->count; i++) {
                const struct route *route = &routes->items[i];

                if (family != IP_UNSET && route->dst.ip.family != family)
                        continue;
                if (!open)
                        json_begin(w, "routes", '[');
                open = true;
                put_route(w, route, layout);
        }
        if (open)
                json_end(w, ']');
}

void result_put_routes(struct json_writer *w, const struct route_list *routes)
{
        put_routes(w, routes, IP_UNSET, LAYOUT_1);
}

void result_put_dns(struct json_writer *w, const struct dns *dns)
{
        put_dns(w, dns, LAYOUT_1);
}

/* 0.1 and 0.2: the first address of a family, with that family's routes. */
static bool put_family(struct json_writer *w, const struct ipam_result *result, uint8_t family)
{
        for (size_t i = 0; i < result->ip_count; i++) {
                const struct result_ip *ip = &result->ips[i];

                if (ip->address.ip.family != family)
                        continue;
                json_begin(w, family == IP_V4 ? "ip4" : "ip6", '{');
                put_cidr(w, "ip", &ip->address);
                result_put_ip(w, "gateway", &ip->gateway);
                put_routes(w, &result->routes, family, LAYOUT_02);
                json_end(w, '}');
                return true;
        }
        return false;
}

static void put_ips(struct json_writer *w, const struct ipam_result *result, enum layout layout)
{
        if (result->ip_count == 0)
                return;
        json_begin(w, "ips", '[');
        for (size_t i = 0; i < result->ip_count; i++) {
                const struct result_ip *ip = &result->ips[i];

                json_begin(w, NULL, '{');
                if (layout == LAYOUT_04)
                        json_put_string(w, "version", ip->address.ip.family == IP_V4 ? "4" : "6");
                put_cidr(w, "address", &ip->address);
                result_put_ip(w, "gateway", &ip->gateway);
                json_end(w, '}');
        }
        json_end(w, ']');
}

int result_encode(const struct ipam_result *result, const char *version, struct buf *buf,
                  struct err *err)
{
        enum layout layout = layout_of(version);
        struct json_writer w;

        json_writer_init(&w, buf);
        w.replacement = layout == LAYOUT_1;
        json_begin(&w, NULL, '{');
        json_put_string(&w, "cniVersion", version);
        if (layout == LAYOUT_1)
                put_dns(&w, &result->dns, layout);
        if (layout == LAYOUT_02) {
                bool v4 = put_family(&w, result, IP_V4), v6 = put_family(&w, result, IP_V6);

                if (!v4 && !v6)
                        return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                        "cannot convert: no valid IP addresses");
        } else {
                put_ips(&w, result, layout);
                put_routes(&w, &result->routes, IP_UNSET, layout);
        }
        if (layout != LAYOUT_1)
                put_dns(&w, &result->dns, layout);
        json_end(&w, '}');
        return buf_check(buf, err);
}

/* ---- reading ---- */

int result_decode_ip(const struct json_at *at, void *dst, struct err *err)
{
        const char *text;
        int r = json_text(at, &text, err);

        if (r < 0)
                return r;
        if (*text == '\0') {
                *(struct ip *)dst = (struct ip){ 0 };
                return 0;
        }
        if (ip_parse(text, dst) < 0)
                return json_invalid(at, err, "invalid IP address: %s", text);
        return 0;
}

int result_decode_cidr(const struct json_at *at, void *dst, struct err *err)
{
        const char *text = "";
        int r = json_is_null(at) ? 0 : json_text(at, &text, err);

        if (r < 0)
                return r;
        if (ipnet_parse(text, dst) < 0)
                return json_invalid(at, err, "invalid CIDR address: %s", text);
        return 0;
}

static int decode_route(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "dst", result_decode_cidr, offsetof(struct route, dst), JSON_NULL },
                { "gw", result_decode_ip, offsetof(struct route, gw), JSON_PLAIN },
                { "mtu", json_decode_i64, offsetof(struct route, mtu), JSON_PLAIN },
                { "advmss", json_decode_i64, offsetof(struct route, advmss), JSON_PLAIN },
                { "priority", json_decode_i64, offsetof(struct route, priority), JSON_PLAIN },
                { "table", json_decode_i64, offsetof(struct route, table), JSON_PLAIN },
                { "scope", json_decode_i64, offsetof(struct route, scope), JSON_PLAIN },
        };
        struct route_list *list = dst;
        struct route *route = &list->items[list->count];
        int r;

        *route = (struct route){ .table = ROUTE_UNSET, .scope = ROUTE_UNSET };
        r = json_object(at, fields, ARRAY_SIZE(fields), route, err);
        if (r < 0)
                return r;
        list->count++;
        return 0;
}

int result_decode_routes(const struct json_at *at, void *dst, struct err *err)
{
        struct route_list *list = dst;

        assert(!list->items);
        list->items = calloc(json_count(at) + 1, sizeof(*list->items));
        if (!list->items)
                return err_oom(err);
        return json_list(at, decode_route, list, err);
}

int result_decode_dns(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "nameservers", text_list_decode, offsetof(struct dns, nameservers), JSON_PLAIN },
                { "domain", json_decode_string, offsetof(struct dns, domain), JSON_PLAIN },
                { "search", text_list_decode, offsetof(struct dns, search), JSON_PLAIN },
                { "options", text_list_decode, offsetof(struct dns, options), JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

/* An object with the address under `key`; anything else is passed over. */
static int read_address(const struct json_at *at, const char *key, struct ipam_result *result,
                        struct err *err)
{
        struct result_ip ip = { 0 };
        struct json_at address;
        struct err ignored;

        if (!json_member(at, key, &address) ||
            result_decode_cidr(&address, &ip.address, &ignored) < 0)
                return 0;
        return result_add_ip(result, &ip, err);
}

static int read_list_element(const struct json_at *at, void *dst, struct err *err)
{
        return read_address(at, "address", dst, err);
}

int result_read_previous(const struct json_at *config, struct ipam_result *ret, struct err *err)
{
        static const char *const families[] = { "ip4", "ip6" };
        struct json_at previous, inner;
        struct err list_err;
        int r = 0;

        if (!json_member(config, "prevResult", &previous))
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(families) && r == 0; i++)
                if (json_member(&previous, families[i], &inner))
                        r = read_address(&inner, "ip", ret, err);
        if (r == 0 && json_member(&previous, "ips", &inner)) {
                r = json_list(&inner, read_list_element, ret, &list_err);
                if (r != -ENOMEM)
                        return 0;
                *err = list_err;
        }
        return r;
}
