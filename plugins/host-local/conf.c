/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the checks is the reference plugin's: types and texts first, then a missing ipam,
 * CNI_ARGS, the requested addresses, the range sets one by one, the sets against each other.
 */
#include "conf.h"

#include <string.h>

#include "core/fs.h"

/* Comparing all with all must end soon, whatever a tenant writes. */
#define RANGES_MAX    4096U
#define REQUESTED_MAX 4096U

void place_done(struct place *place)
{
        free(place->path);
        *place = (struct place){ 0 };
}

static void range_set_list_done(struct range_set_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                free(list->items[i].ranges);
        free(list->items);
        *list = (struct range_set_list){ 0 };
}

void conf_done(struct conf *conf)
{
        place_done(&conf->place);
        range_set_list_done(&conf->sets);
        free(conf->requested.items);
        free(conf->routes.items);
        free(conf->resolv_conf);
        *conf = (struct conf){ 0 };
}

/* ---- what stands in the document ---- */

/* The members of `ipam`. */
struct ipam {
        char *type, *name; /* must be texts; not used */
        char *data_dir, *resolv_conf;
        struct range single; /* subnet, rangeStart, rangeEnd, gateway: the old form */
        struct range_set_list ranges;
        struct route_list routes;
        bool reclaim_on_boot, strict_status;
};

/* The document. */
struct document {
        bool has_ipam;
        struct ipam ipam;
        struct range_set_list runtime_ranges;
        struct text_list args_ips, runtime_ips;
};

static void document_done(struct document *document)
{
        free(document->ipam.type);
        free(document->ipam.name);
        free(document->ipam.data_dir);
        free(document->ipam.resolv_conf);
        range_set_list_done(&document->ipam.ranges);
        free(document->ipam.routes.items);
        range_set_list_done(&document->runtime_ranges);
        text_list_done(&document->args_ips);
        text_list_done(&document->runtime_ips);
}

#define RANGE_FIELDS(offset)                                                                    \
        { "subnet", result_decode_cidr, (offset) + offsetof(struct range, subnet), JSON_NULL }, \
                { "rangeStart", result_decode_ip, (offset) + offsetof(struct range, start),     \
                  JSON_PLAIN },                                                                 \
                { "rangeEnd", result_decode_ip, (offset) + offsetof(struct range, end),         \
                  JSON_PLAIN },                                                                 \
        {                                                                                       \
                "gateway", result_decode_ip, (offset) + offsetof(struct range, gateway),        \
                        JSON_PLAIN                                                              \
        }

static int decode_range(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = { RANGE_FIELDS(0) };
        struct range_set *set = dst;

        set->ranges[set->count] = (struct range){ 0 };
        set->count++;
        if (json_is_null(at)) /* a range without a subnet, which is refused later */
                return 0;
        return json_object(at, fields, ARRAY_SIZE(fields), &set->ranges[set->count - 1], err);
}

static int decode_range_set(const struct json_at *at, void *dst, struct err *err)
{
        struct range_set_list *list = dst;
        struct range_set *set = &list->items[list->count];

        *set = (struct range_set){ .ranges = calloc(json_count(at) + 1, sizeof(*set->ranges)) };
        if (!set->ranges)
                return err_oom(err);
        list->count++;
        return json_is_null(at) ? 0 : json_list(at, decode_range, set, err);
}

static int decode_range_sets(const struct json_at *at, void *dst, struct err *err)
{
        struct range_set_list *list = dst;

        list->items = calloc(json_count(at) + 1, sizeof(*list->items));
        if (!list->items)
                return err_oom(err);
        return json_list(at, decode_range_set, list, err);
}

static bool parse_ip_or_cidr(const char *text, struct ip *ret)
{
        struct ipnet net;

        if (ip_parse(text, ret) == 0)
                return true;
        if (ipnet_parse(text, &net) < 0)
                return false;
        *ret = net.ip;
        return true;
}

static int decode_requested(const struct json_at *at, void *dst, struct err *err)
{
        const char *text;
        struct ip ip;
        int r = json_text(at, &text, err);

        if (r < 0)
                return r;
        /* An empty text is found later, behind errors in CNI_ARGS. */
        if (*text && !parse_ip_or_cidr(text, &ip))
                return json_invalid(at, err, "invalid IP address %s", text);
        return text_list_add(dst, text, strlen(text), err);
}

static int decode_requested_list(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_requested, dst, err);
}

static int decode_cni_args(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "ips", decode_requested_list, 0, JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

static int decode_args(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "cni", decode_cni_args, offsetof(struct document, args_ips), JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

static int decode_runtime_config(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "ipRanges", decode_range_sets, offsetof(struct document, runtime_ranges),
                  JSON_PLAIN },
                { "ips", decode_requested_list, offsetof(struct document, runtime_ips),
                  JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

/* For DEL, which must not fail for this: what is no boolean is false. */
static int decode_bool_or_false(const struct json_at *at, void *dst, _unused_ struct err *err)
{
        struct err ignored;

        (void)json_decode_bool(at, dst, &ignored);
        return 0;
}

static int decode_ipam_place(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "dataDir", json_decode_string, offsetof(struct ipam, data_dir), JSON_PLAIN },
                { "reclaimOnBoot", decode_bool_or_false, offsetof(struct ipam, reclaim_on_boot),
                  JSON_PLAIN },
        };
        struct document *document = dst;

        document->has_ipam = true;
        return json_object(at, fields, ARRAY_SIZE(fields), &document->ipam, err);
}

static int decode_ipam(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "dataDir", json_decode_string, offsetof(struct ipam, data_dir), JSON_PLAIN },
                { "reclaimOnBoot", json_decode_bool, offsetof(struct ipam, reclaim_on_boot),
                  JSON_PLAIN },
                { "type", json_decode_string, offsetof(struct ipam, type), JSON_PLAIN },
                { "name", json_decode_string, offsetof(struct ipam, name), JSON_PLAIN },
                RANGE_FIELDS(offsetof(struct ipam, single)),
                { "ranges", decode_range_sets, offsetof(struct ipam, ranges), JSON_PLAIN },
                { "routes", result_decode_routes, offsetof(struct ipam, routes), JSON_PLAIN },
                { "resolvConf", json_decode_string, offsetof(struct ipam, resolv_conf),
                  JSON_PLAIN },
                { "strictStatus", json_decode_bool, offsetof(struct ipam, strict_status),
                  JSON_PLAIN },
        };
        struct document *document = dst;

        document->has_ipam = true;
        return json_object(at, fields, ARRAY_SIZE(fields), &document->ipam, err);
}

/* ---- what becomes of it ---- */

static int take_place(const struct cni_call *call, const struct document *document,
                      struct place *place, struct err *err)
{
        const char *data_dir = document->ipam.data_dir;

        if (!document->has_ipam)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "IPAM config missing 'ipam' key");
        place->reclaim_on_boot = document->ipam.reclaim_on_boot;
        place->path = fs_join(data_dir && *data_dir ? data_dir : CONF_DATA_DIR, call->name);
        return place->path ? 0 : err_oom(err);
}

int conf_read_place(const struct cni_call *call, struct place *ret, struct err *err)
{
        static const struct json_field fields[] = {
                { "ipam", decode_ipam_place, 0, JSON_PLAIN },
        };
        _cleanup_(document_done) struct document document = { 0 };
        int r = json_object(&call->config, fields, ARRAY_SIZE(fields), &document, err);

        return r < 0 ? r : take_place(call, &document, ret, err);
}

static int parse_arg_ip(const char *value, void *dst, struct err *err)
{
        struct ip *ip = dst;

        if (*value == '\0') {
                *ip = (struct ip){ 0 };
                return 0;
        }
        if (!parse_ip_or_cidr(value, ip))
                return err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT, "invalid IP address %s", value);
        return 0;
}

static void add_requested(struct ip_list *list, const struct ip *ip)
{
        for (size_t i = 0; i < list->count; i++)
                if (ip_equal(&list->items[i], ip))
                        return;
        list->items[list->count++] = *ip;
}

/* The union of the three sources, in this order: CNI_ARGS, args.cni.ips, runtimeConfig.ips. */
static int take_requested(const struct cni_call *call, const struct document *document,
                          struct ip_list *list, struct err *err)
{
        const struct text_list *sources[] = { &document->args_ips, &document->runtime_ips };
        struct ip ip = { 0 };
        const struct cni_arg known[] = { { "IP", parse_arg_ip, &ip } };
        int r = cni_parse_args(call->args, known, ARRAY_SIZE(known), err);

        if (r < 0)
                return r;
        if (sources[0]->count + sources[1]->count > REQUESTED_MAX)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "more than %u requested IPs",
                                REQUESTED_MAX);
        list->items = calloc(1 + sources[0]->count + sources[1]->count, sizeof(*list->items));
        if (!list->items)
                return err_oom(err);
        if (ip.family != IP_UNSET)
                add_requested(list, &ip);
        for (size_t s = 0; s < ARRAY_SIZE(sources); s++)
                for (size_t i = 0; i < sources[s]->count; i++) {
                        if (!parse_ip_or_cidr(sources[s]->items[i], &ip))
                                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                                "cannot understand ip: IP <nil> not v4 nor v6");
                        add_requested(list, &ip);
                }
        return 0;
}

/* A set of the final list, and where in the document it came from. */
struct origin {
        const char *list; /* NULL: the old single range */
        size_t index;
};

static void name_origin(struct err *err, const struct origin *origin, bool empty, size_t range,
                        enum range_member member)
{
        static const char *const members[] = { "subnet", "rangeStart", "rangeEnd" };

        if (origin->list && empty)
                err_details(err, "%s[%zu]", origin->list, origin->index);
        else if (origin->list)
                err_details(err, "%s[%zu][%zu].%s", origin->list, origin->index, range,
                            members[member]);
        else
                err_details(err, "ipam.%s", members[member]);
}

static void move_sets(struct range_set_list *to, struct range_set_list *from, const char *name,
                      struct origin *origins)
{
        for (size_t i = 0; i < from->count; i++) {
                origins[to->count] = (struct origin){ name, i };
                to->items[to->count++] = from->items[i];
        }
        from->count = 0;
}

/* Puts the sets in their order: runtimeConfig.ipRanges, the single range, ipam.ranges. */
static int assemble_sets(struct document *document, struct range_set_list *sets,
                         struct origin *origins, struct err *err)
{
        struct ipam *ipam = &document->ipam;
        size_t ranges = 0;

        move_sets(sets, &document->runtime_ranges, "runtimeConfig.ipRanges", origins);
        if (ipam->single.subnet.ip.family != IP_UNSET) {
                struct range *range = malloc(sizeof(*range));

                if (!range)
                        return err_oom(err);
                *range = ipam->single;
                origins[sets->count] = (struct origin){ NULL, 0 };
                sets->items[sets->count++] = (struct range_set){ range, 1 };
        }
        move_sets(sets, &ipam->ranges, "ipam.ranges", origins);
        for (size_t i = 0; i < sets->count; i++)
                ranges += sets->items[i].count;
        if (sets->count == 0)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "no IP ranges specified");
        if (sets->count + ranges > RANGES_MAX)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "more than %u IP ranges", RANGES_MAX);
        return 0;
}

/* Versions before 0.3.0 can tell one address per family. */
static int check_families(const struct cni_call *call, const struct range_set_list *sets,
                          struct err *err)
{
        size_t v4 = 0, v6 = 0;

        if (strcmp(call->version, "0.3.0") >= 0)
                return 0;
        for (size_t i = 0; i < sets->count; i++)
                *(sets->items[i].ranges[0].subnet.ip.family == IP_V4 ? &v4 : &v6) += 1;
        if (v4 > 1 || v6 > 1)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "CNI version %s does not support more than 1 address per family",
                                call->version_given ? call->version : "");
        return 0;
}

static int check_sets(const struct cni_call *call, struct range_set_list *sets,
                      const struct origin *origins, struct err *err)
{
        int r;

        for (size_t i = 0; i < sets->count; i++) {
                enum range_member member;
                size_t range;

                r = range_set_canonicalize(&sets->items[i], &range, &member, err);
                if (r < 0) {
                        err_wrap(err, "invalid range set %zu: ", i);
                        name_origin(err, &origins[i], sets->items[i].count == 0, range, member);
                        return r;
                }
        }
        r = check_families(call, sets, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < sets->count; i++)
                for (size_t j = i + 1; j < sets->count; j++)
                        if (range_set_overlaps(&sets->items[i], &sets->items[j]))
                                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                                "range set %zu overlaps with %zu", i, j);
        return 0;
}

static int take_sets(const struct cni_call *call, struct document *document,
                     struct range_set_list *sets, struct err *err)
{
        size_t most = document->runtime_ranges.count + 1 + document->ipam.ranges.count;
        _cleanup_(freep) struct origin *origins = calloc(most, sizeof(*origins));
        int r;

        sets->items = calloc(most, sizeof(*sets->items));
        if (!origins || !sets->items)
                return err_oom(err);
        r = assemble_sets(document, sets, origins, err);
        return r < 0 ? r : check_sets(call, sets, origins, err);
}

/* A route without a destination cannot be told from 0.3.0 on; before, it was silently left out. */
static int take_routes(const struct cni_call *call, struct document *document,
                       struct route_list *routes, struct err *err)
{
        const struct route_list *found = &document->ipam.routes;

        for (size_t i = 0; i < found->count; i++) {
                if (found->items[i].dst.ip.family != IP_UNSET || strcmp(call->version, "0.3.0") < 0)
                        continue;
                (void)err_text(err, -EINVAL, CNI_ERR_CONFIG, "invalid CIDR address: ");
                err_details(err, "ipam.routes[%zu].dst", i);
                return -EINVAL;
        }
        *routes = *found;
        document->ipam.routes = (struct route_list){ 0 };
        return 0;
}

int conf_read(const struct cni_call *call, struct conf *ret, struct err *err)
{
        static const struct json_field fields[] = {
                { "ipam", decode_ipam, 0, JSON_PLAIN },
                { "runtimeConfig", decode_runtime_config, 0, JSON_PLAIN },
                { "args", decode_args, 0, JSON_PLAIN },
        };
        _cleanup_(document_done) struct document document = { 0 };
        _cleanup_(conf_done) struct conf conf = { 0 };
        int r = json_object(&call->config, fields, ARRAY_SIZE(fields), &document, err);

        if (r == 0)
                r = take_place(call, &document, &conf.place, err);
        if (r == 0)
                r = take_requested(call, &document, &conf.requested, err);
        if (r == 0)
                r = take_sets(call, &document, &conf.sets, err);
        if (r == 0)
                r = take_routes(call, &document, &conf.routes, err);
        if (r < 0)
                return r;
        conf.resolv_conf = TAKE_PTR(document.ipam.resolv_conf);
        conf.strict_status = document.ipam.strict_status;
        *ret = conf;
        conf = (struct conf){ 0 };
        return 0;
}
