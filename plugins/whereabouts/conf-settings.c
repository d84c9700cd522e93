/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of members. Members that the Go program reads and does not use (etcd's, the cron
 * expression, sleep_for_race, k8s_api_root) pass unread.
 */
#include "conf-settings.h"

#include <string.h>

#include "core/json.h"

/* GATEWAY= of CNI_ARGS compares with all of them. */
#define ADDRESSES_MAX 4096U

void settings_init(struct settings *settings)
{
        *settings = (struct settings){ .overlap = true };
}

static void range_settings_done(struct settings_range *range)
{
        free(range->range);
        text_list_done(&range->excludes);
}

void settings_done(struct settings *settings)
{
        char *const texts[] = { settings->type,       settings->network_name,
                                settings->gateway,    settings->node_slice_size,
                                settings->kubeconfig, settings->configuration_path,
                                settings->log_file,   settings->log_level,
                                settings->locking };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                free(texts[i]);
        range_settings_done(&settings->single);
        for (size_t i = 0; i < settings->range_count; i++)
                range_settings_done(&settings->ranges[i]);
        free(settings->ranges);
        for (size_t i = 0; i < settings->address_count; i++)
                free(settings->addresses[i].address);
        free(settings->addresses);
        free(settings->routes.items);
        dns_done(&settings->dns);
        settings_init(settings);
}

/* ---- decoders ---- */

/* For range_start and range_end beside `range`: what is no address counts as not given. */
static int decode_ip_or_none(const struct json_at *at, void *dst, struct err *err)
{
        const char *text;
        int r = json_text(at, &text, err);

        if (r == 0 && ip_parse_lenient(text, dst) < 0)
                *(struct ip *)dst = (struct ip){ 0 };
        return r;
}

static int decode_switch(const struct json_at *at, void *dst, struct err *err)
{
        bool on = false;
        int r = json_decode_bool(at, &on, err);

        if (r == 0)
                *(enum settings_switch *)dst = on ? SWITCH_ON : SWITCH_OFF;
        return r;
}

/* Where nothing may fail for it: a value of another type counts as not given. */
static int decode_string_or_none(const struct json_at *at, void *dst, struct err *err)
{
        struct err type_err;
        int r = json_decode_string(at, dst, &type_err);

        if (r == -ENOMEM)
                return err_oom(err);
        return 0;
}

static int decode_bool_or_none(const struct json_at *at, void *dst, _unused_ struct err *err)
{
        struct err type_err;

        (void)json_decode_bool(at, dst, &type_err);
        return 0;
}

static int decode_kubernetes(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "kubeconfig", json_decode_string, 0, JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

static int decode_address(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "address", json_decode_string, offsetof(struct settings_address, address),
                  JSON_PLAIN },
                { "gateway", result_decode_ip, offsetof(struct settings_address, gateway),
                  JSON_PLAIN },
        };
        struct settings *settings = dst;

        return json_object(at, fields, ARRAY_SIZE(fields),
                           &settings->addresses[settings->address_count++], err);
}

static int decode_addresses(const struct json_at *at, void *dst, struct err *err)
{
        struct settings *settings = dst;

        if (json_count(at) > ADDRESSES_MAX)
                return json_invalid(at, err, "more than %u addresses", ADDRESSES_MAX);
        settings->addresses = calloc(json_count(at) + 1, sizeof(*settings->addresses));
        if (!settings->addresses)
                return err_oom(err);
        return json_list(at, decode_address, settings, err);
}

static int decode_range(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "range", json_decode_string, offsetof(struct settings_range, range), JSON_PLAIN },
                { "range_start", result_decode_ip, offsetof(struct settings_range, start),
                  JSON_PLAIN },
                { "range_end", result_decode_ip, offsetof(struct settings_range, end), JSON_PLAIN },
                { "exclude", text_list_decode, offsetof(struct settings_range, excludes),
                  JSON_PLAIN },
        };
        struct settings *settings = dst;
        struct settings_range *range = &settings->ranges[settings->range_count++];

        if (json_is_null(at)) /* a range without a network, which is refused later */
                return 0;
        return json_object(at, fields, ARRAY_SIZE(fields), range, err);
}

static int decode_range_name(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "range", json_decode_string, offsetof(struct settings_range, range), JSON_PLAIN },
        };
        struct settings *settings = dst;
        struct settings_range *range = &settings->ranges[settings->range_count++];

        return json_is_null(at) ? 0 : json_object(at, fields, ARRAY_SIZE(fields), range, err);
}

static int decode_range_list(const struct json_at *at,
                             int (*decode)(const struct json_at *at, void *dst, struct err *err),
                             struct settings *settings, struct err *err)
{
        if (json_count(at) > REQUEST_RANGES_MAX)
                return json_invalid(at, err, "more than %u ranges", REQUEST_RANGES_MAX);
        settings->ranges = calloc(json_count(at) + 1, sizeof(*settings->ranges));
        if (!settings->ranges)
                return err_oom(err);
        return json_list(at, decode, settings, err);
}

static int decode_ranges(const struct json_at *at, void *dst, struct err *err)
{
        return decode_range_list(at, decode_range, dst, err);
}

static int decode_range_names(const struct json_at *at, void *dst, struct err *err)
{
        return decode_range_list(at, decode_range_name, dst, err);
}

/* ---- the tables ---- */

#define AT(member) offsetof(struct settings, member)

/* What names objects and the way to them. */
#define NAME_FIELDS                                                                          \
        { "type", json_decode_string, AT(type), JSON_PLAIN },                                \
                { "range", json_decode_string, AT(single.range), JSON_PLAIN },               \
                { "network_name", json_decode_string, AT(network_name), JSON_PLAIN },        \
                { "node_slice_size", json_decode_string, AT(node_slice_size), JSON_PLAIN },  \
                { "kubernetes", decode_kubernetes, AT(kubeconfig), JSON_PLAIN },             \
        {                                                                                    \
                "configuration_path", json_decode_string, AT(configuration_path), JSON_PLAIN \
        }

static const struct json_field release_fields[] = {
        NAME_FIELDS,
        { "ipRanges", decode_range_names, 0, JSON_PLAIN },
        { "enable_overlapping_ranges", decode_bool_or_none, AT(overlap), JSON_PLAIN },
        { "log_file", decode_string_or_none, AT(log_file), JSON_PLAIN },
        { "log_level", decode_string_or_none, AT(log_level), JSON_PLAIN },
};

static const struct json_field all_fields[] = {
        NAME_FIELDS,
        { "range_start", decode_ip_or_none, AT(single.start), JSON_PLAIN },
        { "range_end", decode_ip_or_none, AT(single.end), JSON_PLAIN },
        { "exclude", text_list_decode, AT(single.excludes), JSON_PLAIN },
        { "ipRanges", decode_ranges, 0, JSON_PLAIN },
        { "gateway", json_decode_string, AT(gateway), JSON_PLAIN },
        { "routes", result_decode_routes, AT(routes), JSON_PLAIN },
        { "dns", result_decode_dns, AT(dns), JSON_PLAIN },
        { "addresses", decode_addresses, 0, JSON_PLAIN },
        { "enable_overlapping_ranges", json_decode_bool, AT(overlap), JSON_PLAIN },
        { "log_file", json_decode_string, AT(log_file), JSON_PLAIN },
        { "log_level", json_decode_string, AT(log_level), JSON_PLAIN },
        { "allocate_gateway", decode_switch, AT(allocate_gateway), JSON_PLAIN },
        { "strictStatus", decode_switch, AT(strict_status), JSON_PLAIN },
};

int settings_decode(const struct json_at *at, enum conf_use use, struct settings *ret,
                    struct err *err)
{
        if (use == CONF_RELEASE)
                return json_object(at, release_fields, ARRAY_SIZE(release_fields), ret, err);
        return json_object(at, all_fields, ARRAY_SIZE(all_fields), ret, err);
}

int settings_decode_node(const struct json_at *at, enum conf_use use, struct settings *ret,
                         struct err *err)
{
        static const struct json_field fields[] = {
                { "locking", json_decode_string, AT(locking), JSON_PLAIN },
                { "leader_lease_duration", json_decode_i64, AT(lease_duration_ms), JSON_PLAIN },
                { "leader_renew_deadline", json_decode_i64, AT(renew_deadline_ms), JSON_PLAIN },
                { "leader_retry_period", json_decode_i64, AT(retry_period_ms), JSON_PLAIN },
        };
        int r = json_object(at, fields, ARRAY_SIZE(fields), ret, err);

        if (r >= 0 || r == -ENOMEM || use != CONF_RELEASE)
                return r;
        free(ret->locking);
        ret->locking = NULL;
        ret->lease_duration_ms = ret->renew_deadline_ms = ret->retry_period_ms = 0;
        return 0;
}

/* ---- merging ---- */

static bool fill_text(char **to, char **from)
{
        if ((*to && **to) || !*from || !**from)
                return false;
        free(*to);
        *to = TAKE_PTR(*from);
        return true;
}

static bool fill_texts(struct text_list *to, struct text_list *from)
{
        if (to->count > 0 || from->count == 0)
                return false;
        text_list_done(to);
        *to = *from;
        *from = (struct text_list){ 0 };
        return true;
}

static void fill_ip(struct ip *to, const struct ip *from)
{
        if (to->family == IP_UNSET)
                *to = *from;
}

static void fill_switch(enum settings_switch *to, enum settings_switch from)
{
        if (*to == SWITCH_UNSET)
                *to = from;
}

/* A list that is not one of texts: its items, how many there are. */
#define FILL_LIST(to, from, items, count)                           \
        __extension__({                                             \
                bool fill_ = (to)->count == 0 && (from)->count > 0; \
                if (fill_) {                                        \
                        free((to)->items);                          \
                        (to)->items = TAKE_PTR((from)->items);      \
                        (to)->count = (from)->count;                \
                        (from)->count = 0;                          \
                }                                                   \
                fill_;                                              \
        })

void settings_fill(struct settings *settings, struct settings *flat)
{
        const struct {
                unsigned member;
                bool filled;
        } rows[] = {
                { MEMBER_RANGE, fill_text(&settings->single.range, &flat->single.range) },
                { MEMBER_EXCLUDE, fill_texts(&settings->single.excludes, &flat->single.excludes) },
                { MEMBER_IP_RANGES, FILL_LIST(settings, flat, ranges, range_count) },
                { MEMBER_GATEWAY, fill_text(&settings->gateway, &flat->gateway) },
                { MEMBER_ADDRESSES, FILL_LIST(settings, flat, addresses, address_count) },
                { MEMBER_ROUTES, FILL_LIST(&settings->routes, &flat->routes, items, count) },
                { MEMBER_NETWORK_NAME, fill_text(&settings->network_name, &flat->network_name) },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                settings->filled |= rows[i].filled ? rows[i].member : 0;
        fill_ip(&settings->single.start, &flat->single.start);
        fill_ip(&settings->single.end, &flat->single.end);
        (void)fill_text(&settings->node_slice_size, &flat->node_slice_size);
        (void)fill_text(&settings->kubeconfig, &flat->kubeconfig);
        (void)fill_text(&settings->log_level, &flat->log_level);
        (void)fill_texts(&settings->dns.nameservers, &flat->dns.nameservers);
        (void)fill_texts(&settings->dns.search, &flat->dns.search);
        (void)fill_texts(&settings->dns.options, &flat->dns.options);
        (void)fill_text(&settings->dns.domain, &flat->dns.domain);
        fill_switch(&settings->allocate_gateway, flat->allocate_gateway);
        fill_switch(&settings->strict_status, flat->strict_status);
}
