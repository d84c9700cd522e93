/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record is ours alone, but a power cut or a hand may leave anything under a name: so all of it
 * is checked when it is read, and a record that we could not read again is not written.
 */
#include "record.h"

#include <string.h>

#include "core/cni.h"

#define RECORD_VERSION 1

void record_done(struct record *record)
{
        key_done(&record->key);
        free(record->netns);
        profile_done(&record->profile);
        grant_done(&record->grant);
        free(record->routes.items);
        *record = (struct record){ 0 };
}

static int no_sense(struct err *err, const char *what)
{
        return err_text(err, -EINVAL, CNI_ERR_DECODE, "record: invalid %s", what);
}

/* What must be true of a record, whether it is read or written. */
static int check(const struct record *record, struct err *err)
{
        const struct key *key = &record->key;
        struct err unused;

        if (!cni_is_name(key->container_id))
                return no_sense(err, "containerID");
        if (!cni_is_name(key->network))
                return no_sense(err, "network");
        if (cni_check_ifname(key->ifname, &unused) < 0)
                return no_sense(err, "ifname");
        if (!record->netns || (*record->netns && *record->netns != '/'))
                return no_sense(err, "netns");
        if (record->nsid < -1)
                return no_sense(err, "nsid");
        if (record->ifindex <= 0)
                return no_sense(err, "ifindex");
        if (record->offer.address.family != IP_UNSET &&
            (!grant_is_host(&record->offer.address) || !grant_is_host(&record->offer.server)))
                return no_sense(err, "offer");
        return 0;
}

/* ---- writing ---- */

static void put_offer(struct json_writer *w, const struct offer *offer)
{
        if (offer->address.family == IP_UNSET)
                return;
        json_begin(w, "offer", '{');
        result_put_ip(w, "address", &offer->address);
        result_put_ip(w, "server", &offer->server);
        profile_put_hex(w, "serverHardware", offer->server_hardware.bytes,
                        offer->server_hardware.len);
        json_end(w, '}');
}

static void put_route(struct json_writer *w, const struct link_route *route)
{
        char text[IPNET_TEXT_MAX];

        json_begin(w, NULL, '{');
        json_put_string(w, "dst", ipnet_format(&route->dst, text));
        result_put_ip(w, "gw", &route->gw);
        result_put_ip(w, "src", &route->src);
        json_put_i64(w, "table", route->table);
        json_put_i64(w, "metric", route->metric);
        json_put_i64(w, "mtu", route->mtu);
        json_put_i64(w, "advmss", route->advmss);
        json_put_i64(w, "scope", route->scope);
        json_put_i64(w, "protocol", route->protocol);
        json_put_i64(w, "type", route->type);
        json_put_i64(w, "tos", route->tos);
        json_put_i64(w, "hopFlags", route->hop_flags);
        json_end(w, '}');
}

int record_encode(const struct record *record, const char *boot_id, struct buf *buf,
                  struct err *err)
{
        struct json_writer w;
        int r = check(record, err);

        if (r < 0)
                return r;
        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "version", RECORD_VERSION);
        json_put_string(&w, "bootID", boot_id);
        key_put(&record->key, &w);
        json_put_string(&w, "netns", record->netns);
        json_put_i64(&w, "cookie", (int64_t)record->cookie);
        json_put_i64(&w, "nsid", record->nsid);
        json_put_i64(&w, "ifindex", record->ifindex);
        json_put_i64(&w, "hardwareType", record->hardware_type);
        profile_put_hex(&w, "hardware", record->hardware.bytes, record->hardware.len);
        profile_put(&record->profile, "profile", &w);
        put_offer(&w, &record->offer);
        grant_put(&record->grant, "grant", &w);
        json_put_bool(&w, "lost", record->lost);
        json_put_bool(&w, "withdrawn", record->withdrawn);
        json_begin(&w, "routes", '[');
        for (size_t i = 0; i < record->routes.count; i++)
                put_route(&w, &record->routes.items[i]);
        json_end(&w, ']');
        json_end(&w, '}');
        buf_putc(buf, '\n');
        return buf_check(buf, err);
}

/* ---- reading ---- */

static int decode_in_range(const struct json_at *at, int64_t min, int64_t max, int64_t *ret,
                           struct err *err)
{
        int64_t number = 0;
        int r = json_decode_i64(at, &number, err);

        if (r < 0)
                return r;
        if (number < min || number > max)
                return json_invalid(at, err, "out of range");
        *ret = number;
        return 0;
}

static int decode_u8(const struct json_at *at, void *dst, struct err *err)
{
        int64_t number = 0;
        int r = decode_in_range(at, 0, UINT8_MAX, &number, err);

        if (r == 0)
                *(uint8_t *)dst = (uint8_t)number;
        return r;
}

static int decode_u16(const struct json_at *at, void *dst, struct err *err)
{
        int64_t number = 0;
        int r = decode_in_range(at, 0, UINT16_MAX, &number, err);

        if (r == 0)
                *(uint16_t *)dst = (uint16_t)number;
        return r;
}

static int decode_int(const struct json_at *at, void *dst, struct err *err)
{
        int64_t number = 0;
        int r = decode_in_range(at, INT32_MIN, INT32_MAX, &number, err);

        if (r == 0)
                *(int *)dst = (int)number;
        return r;
}

/* All 64 bits pass through the sign. */
static int decode_cookie(const struct json_at *at, void *dst, struct err *err)
{
        int64_t number = 0;
        int r = json_decode_i64(at, &number, err);

        if (r == 0)
                *(uint64_t *)dst = (uint64_t)number;
        return r;
}

static int decode_offer(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "address", result_decode_ip, offsetof(struct offer, address), JSON_PLAIN },
                { "server", result_decode_ip, offsetof(struct offer, server), JSON_PLAIN },
                { "serverHardware", profile_decode_hardware,
                  offsetof(struct offer, server_hardware), JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

#define ROUTE(name, decode, member)                                           \
        {                                                                     \
                name, decode, offsetof(struct link_route, member), JSON_PLAIN \
        }

static int decode_route(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "dst", result_decode_cidr, offsetof(struct link_route, dst), JSON_NULL },
                ROUTE("gw", result_decode_ip, gw),
                ROUTE("src", result_decode_ip, src),
                ROUTE("table", profile_decode_u32, table),
                ROUTE("metric", profile_decode_u32, metric),
                ROUTE("mtu", profile_decode_u32, mtu),
                ROUTE("advmss", profile_decode_u32, advmss),
                ROUTE("scope", decode_u8, scope),
                ROUTE("protocol", decode_u8, protocol),
                ROUTE("type", decode_u8, type),
                ROUTE("tos", decode_u8, tos),
                ROUTE("hopFlags", decode_u8, hop_flags),
        };
        struct link_routes *routes = dst;
        struct link_route route = { 0 };
        int r = json_object(at, fields, ARRAY_SIZE(fields), &route, err);

        if (r < 0)
                return r;
        if (route.dst.ip.family != IP_V4 || route.src.family == IP_V6)
                return json_invalid(at, err, "no IPv4 route");
        routes->items[routes->count++] = route;
        return 0;
}

static int decode_routes(const struct json_at *at, void *dst, struct err *err)
{
        struct link_routes *routes = dst;

        routes->items = calloc(json_count(at) + 1, sizeof(*routes->items));
        if (!routes->items)
                return err_oom(err);
        return json_list(at, decode_route, routes, err);
}

#define RECORD(name, decode, member)                                      \
        {                                                                 \
                name, decode, offsetof(struct record, member), JSON_PLAIN \
        }

static const struct json_field record_fields[] = {
        RECORD("netns", json_decode_string, netns),
        RECORD("cookie", decode_cookie, cookie),
        RECORD("nsid", decode_int, nsid),
        RECORD("ifindex", decode_int, ifindex),
        RECORD("hardwareType", decode_u16, hardware_type),
        RECORD("hardware", profile_decode_hardware, hardware),
        RECORD("profile", profile_decode, profile),
        RECORD("offer", decode_offer, offer),
        RECORD("grant", grant_decode, grant),
        RECORD("lost", json_decode_bool, lost),
        RECORD("withdrawn", json_decode_bool, withdrawn),
        RECORD("routes", decode_routes, routes),
};

/* What says whether the rest is for us. */
struct head {
        int64_t version;
        const char *boot_id; /* borrowed */
};

static int read_record(const struct json_at *at, const char *boot_id, struct record *record,
                       struct err *err)
{
        static const struct json_field fields[] = {
                { "version", json_decode_i64, offsetof(struct head, version), JSON_PLAIN },
                { "bootID", json_decode_text, offsetof(struct head, boot_id), JSON_PLAIN },
        };
        struct head head = { 0 };
        int r = json_object(at, fields, 1, &head, err);

        if (r < 0)
                return r;
        if (head.version <= 0)
                return no_sense(err, "version");
        if (head.version != RECORD_VERSION)
                return RECORD_OTHER_VERSION;
        r = json_object(at, fields, ARRAY_SIZE(fields), &head, err);
        if (r < 0)
                return r;
        if (!head.boot_id)
                return no_sense(err, "bootID");
        if (strcmp(head.boot_id, boot_id) != 0)
                return RECORD_OTHER_BOOT;
        r = key_decode(at, &record->key, err);
        if (r == 0)
                r = json_object(at, record_fields, ARRAY_SIZE(record_fields), record, err);
        if (r == 0 && !record->netns)
                r = no_sense(err, "netns");
        return r < 0 ? r : check(record, err);
}

int record_decode(const char *text, size_t len, const char *boot_id, struct record *ret,
                  struct err *err)
{
        _cleanup_(json_freep) struct json *tree = NULL;
        struct record record = { .nsid = -1 };
        struct json_at at = { 0 };
        int r = json_parse(text, len, &tree, err);

        at.value = tree;
        if (r == 0)
                r = read_record(&at, boot_id, &record, err);
        if (r == 0)
                *ret = record;
        else
                record_done(&record);
        return r;
}
