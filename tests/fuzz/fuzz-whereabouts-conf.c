/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole configuration as whereabouts reads it, for every use. The member CNI_ARGS of the input
 * stands for the variable, the member `flat` for the flat file.
 */
#include "conf.h"
#include "fuzz-call.h"

static bool nothing_is_taken(_unused_ const struct ip *ip, _unused_ const void *context)
{
        return false;
}

/* A range gives an address between its bounds that is in no exclude, or tells why not. */
static void check_range(const struct range *range)
{
        struct ip first, last, chosen;
        struct err err;
        int r = choose_bounds(range, &first, &last, &err);

        if (r == 0)
                r = choose_address(range, nothing_is_taken, NULL, &chosen, &err);
        if (r != 0) {
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
                return;
        }
        fuzz_must(ip_compare(&first, &chosen) <= 0 && ip_compare(&chosen, &last) <= 0);
        fuzz_must(ipnet_contains(&range->net, &chosen));
        for (size_t i = 0; i < range->exclude_count; i++)
                fuzz_must(!ipnet_contains(&range->excludes[i], &chosen));
}

/* It can be handed to the process that leads. */
static void check_request(struct request *request)
{
        _cleanup_(request_done) struct request back = { 0 };
        struct buf buf;
        struct err err;
        int r;

        if (request->slice_pool)
                request->node = strdup("node"); /* which conf_read() finds out */
        buf_init(&buf, 64U * 1024U * 1024U);
        r = request_encode(request, &buf, &err);
        fuzz_must(r == 0 || buf.len > REQUEST_FRAME_MAX);
        if (r == 0) {
                fuzz_must(request_decode(buf.text, buf.len, &back, &err) == 0);
                fuzz_must(back.range_count == request->range_count);
        }
        buf_done(&buf);
}

/* The answer that is made of it can be told. */
static void check_result(const struct conf *conf, const char *version)
{
        struct ipam_result result = { .ips = conf->static_addresses,
                                      .ip_count = conf->static_count,
                                      .routes = conf->routes,
                                      .dns = conf->dns };
        struct buf buf;
        struct err err;

        buf_init(&buf, 64U * 1024U * 1024U);
        if (result_encode(&result, version, &buf, &err) == 0)
                fuzz_must(!strstr(buf_text(&buf), "\"<nil>\""));
        buf_done(&buf);
}

static void check_node(const struct conf_node *node)
{
        fuzz_must(node->lease_duration_ms >= 1000);
        fuzz_must(node->lease_duration_ms > node->renew_deadline_ms);
        fuzz_must(node->renew_deadline_ms * 10 > node->retry_period_ms * 12);
        fuzz_must(node->retry_period_ms >= 1);
        fuzz_must(node->kubeconfig && *node->kubeconfig);
        if (node->log_file_is_tenants)
                fuzz_must(strncmp(node->log_file, "/var/log/", 9) == 0);
}

static void check_err(const struct err *err)
{
        fuzz_must(*err->msg != '\0');
        fuzz_must(err->code == CNI_ERR_INTERNAL || err->code == CNI_ERR_ENVIRONMENT);
}

/* What was held under a configuration is found again for its release. */
static void check_same(const struct conf *held, const struct conf *released)
{
        const struct request *a = &held->request, *b = &released->request;

        fuzz_must(a->range_count == b->range_count && a->overlap == b->overlap);
        for (size_t i = 0; i < a->range_count; i++)
                fuzz_must(ip_equal(&a->ranges[i].net.ip, &b->ranges[i].net.ip) &&
                          a->ranges[i].net.prefix == b->ranges[i].net.prefix);
        fuzz_must(b->podref && strcmp(a->podref, b->podref) == 0);
        fuzz_must(!a->network_name == !b->network_name);
        fuzz_must(!a->network_name || strcmp(a->network_name, b->network_name) == 0);
        fuzz_must(!a->slice_pool == !b->slice_pool);
        fuzz_must(strcmp(held->node.kubeconfig, released->node.kubeconfig) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(json_freep) struct json *document = NULL, *nothing = NULL;
        _cleanup_(conf_done) struct conf held = { 0 };
        _cleanup_(conf_done) struct conf status = { 0 };
        _cleanup_(conf_done) struct conf released = { 0 };
        struct cni_call call;
        struct json_at flat = { 0 };
        struct err err;
        int r_add, r_status, r_release;

        if (json_parse((const char *)data, size, &document, &err) < 0)
                return 0;
        fuzz_must(json_parse("null", 4, &nothing, &err) == 0);
        call = fuzz_call(document);
        if (!json_member(&call.config, "flat", &flat))
                flat.value = nothing;
        r_add = conf_compose(&call, CONF_ADD, "/f", flat.value, &held, &err);
        if (r_add < 0)
                check_err(&err);
        r_status = conf_compose(&call, CONF_STATUS, "/f", flat.value, &status, &err);
        if (r_status < 0)
                check_err(&err);
        r_release = conf_compose(&call, CONF_RELEASE, "/f", flat.value, &released, &err);
        if (r_release < 0)
                check_err(&err);
        fuzz_must(r_add < 0 || (r_status == 0 && r_release == 0));
        if (r_release == 0) {
                check_node(&released.node);
                check_request(&released.request);
        }
        if (r_add < 0)
                return 0;
        check_node(&held.node);
        check_same(&held, &released);
        check_request(&held.request);
        check_result(&held, call.version);
        for (size_t i = 0; i < held.request.range_count; i++)
                check_range(&held.request.ranges[i]);
        return 0;
}
