/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole configuration as host-local reads it, for every verb. The member CNI_ARGS of the input
 * stands for the variable.
 */
#include "conf.h"
#include "fuzz-call.h"
#include "release.h"

static void check_sets(const struct range_set_list *sets)
{
        fuzz_must(sets->count > 0);
        for (size_t i = 0; i < sets->count; i++) {
                const struct range_set *set = &sets->items[i];

                fuzz_must(set->count > 0);
                for (size_t j = 0; j < set->count; j++) {
                        const struct range *range = &set->ranges[j];

                        fuzz_must(range->start.family == set->ranges[0].start.family);
                        fuzz_must(ip_compare(&range->start, &range->end) <= 0);
                        fuzz_must(ipnet_contains(&range->subnet, &range->start));
                        fuzz_must(ipnet_contains(&range->subnet, &range->end));
                        fuzz_must(range_set_find(set, &range->start) == range);
                }
                for (size_t j = 0; j < i; j++)
                        fuzz_must(!range_set_overlaps(set, &sets->items[j]));
        }
}

/* What was accepted can be told. */
static void check_routes(const struct conf *conf, const char *version)
{
        struct ipam_result result = { .routes = conf->routes };
        struct result_ip ip = { .address = conf->sets.items[0].ranges[0].subnet };
        struct buf buf;
        struct err err;

        fuzz_must(result_add_ip(&result, &ip, &err) == 0);
        buf_init(&buf, 64U * 1024U * 1024U);
        fuzz_must(result_encode(&result, version, &buf, &err) == 0);
        fuzz_must(!strstr(buf_text(&buf), "nil"));
        buf_done(&buf);
        free(result.ips);
}

static void check_requested(const struct ip_list *requested)
{
        for (size_t i = 0; i < requested->count; i++)
                for (size_t j = 0; j < i; j++)
                        fuzz_must(!ip_equal(&requested->items[i], &requested->items[j]));
}

static void read_attachments(const struct json_at *config)
{
        struct attachments attachments = { 0 };
        struct json_at at;
        struct err err;

        if (attachments_find(config, &at) && attachments_decode(&at, &attachments, &err) < 0)
                fuzz_must(*err.msg != '\0');
        attachments_done(&attachments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(json_freep) struct json *document = NULL;
        _cleanup_(place_done) struct place place = { 0 };
        _cleanup_(conf_done) struct conf conf = { 0 };
        struct cni_call call;
        struct err err;

        if (json_parse((const char *)data, size, &document, &err) < 0)
                return 0;
        call = fuzz_call(document);
        read_attachments(&call.config);
        if (conf_read_place(&call, &place, &err) == 0)
                fuzz_must(place.path && *place.path);
        if (conf_read(&call, &conf, &err) < 0) {
                fuzz_must(*err.msg != '\0');
                fuzz_must(err.code == CNI_ERR_ENVIRONMENT || err.code == CNI_ERR_DECODE ||
                          err.code == CNI_ERR_CONFIG || err.code == CNI_ERR_INTERNAL);
                return 0;
        }
        /* What ADD takes, DEL finds, in the same place. */
        fuzz_must(place.path && strcmp(place.path, conf.place.path) == 0);
        check_sets(&conf.sets);
        check_routes(&conf, call.version);
        check_requested(&conf.requested);
        return 0;
}
