/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame from another process: as a request and as an answer. What decodes is right, and survives
 * the way through an encoder.
 */
#include "core/cni.h"
#include "fuzz.h"
#include "request.h"

/* Only a frame that grows by its escapes may be too long for its encoder. */
static bool encode_failed(int r, const struct buf *buf)
{
        fuzz_must(r == 0 || r == -EFBIG);
        fuzz_must(r == 0 || buf->len > REQUEST_FRAME_MAX);
        return r < 0;
}

static void check_request(const struct request *request)
{
        struct err err;

        fuzz_must(cni_is_name(request->network) && cni_is_name(request->container_id));
        fuzz_must(cni_check_ifname(request->ifname, &err) == 0);
        fuzz_must(request->podref || request->verb == REQUEST_DEL);
        fuzz_must(!request->podref || request_is_podref(request->podref));
        fuzz_must(!request->network_name || request_is_prefix(request->network_name));
        fuzz_must(!request->slice_pool == !request->node);
        fuzz_must(request->range_count <= REQUEST_RANGES_MAX && request->deadline_ms >= 0);
        for (size_t i = 0; i < request->range_count; i++) {
                const struct range *range = &request->ranges[i];
                struct ip first = ipnet_first(&range->net);

                fuzz_must(first.family != IP_UNSET && ip_equal(&first, &range->net.ip));
                fuzz_must(range->start.family == IP_UNSET || range->start.family == first.family);
                fuzz_must(range->end.family == IP_UNSET || range->end.family == first.family);
        }
}

static void try_request(const uint8_t *data, size_t size)
{
        _cleanup_(request_done) struct request request = { 0 }, back = { 0 };
        _cleanup_(buf_done) struct buf once, twice;
        struct err err;

        buf_init(&once, 16 * REQUEST_FRAME_MAX);
        buf_init(&twice, 16 * REQUEST_FRAME_MAX);
        if (request_decode((const char *)data, size, &request, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_DECODE);
                return;
        }
        check_request(&request);
        if (encode_failed(request_encode(&request, &once, &err), &once))
                return;
        fuzz_must(request_decode(once.text, once.len, &back, &err) == 0);
        check_request(&back);
        fuzz_must(request_encode(&back, &twice, &err) == 0);
        fuzz_must(strcmp(once.text, twice.text) == 0);
}

static void try_answer(const uint8_t *data, size_t size)
{
        _cleanup_(answer_done) struct answer answer = { 0 }, back = { 0 };
        _cleanup_(buf_done) struct buf once, twice;
        struct err err;

        buf_init(&once, 16 * REQUEST_FRAME_MAX);
        buf_init(&twice, 16 * REQUEST_FRAME_MAX);
        if (answer_decode((const char *)data, size, &answer, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_DECODE);
                return;
        }
        fuzz_must(answer.r <= ANSWER_REMEMBERED);
        if (answer.r != 0)
                fuzz_must(answer.count == 0 && answer.err.code > 0 && *answer.err.msg);
        if (encode_failed(answer_encode(&answer, &once, &err), &once))
                return;
        fuzz_must(answer_decode(once.text, once.len, &back, &err) == 0);
        fuzz_must(back.r == answer.r && back.count == answer.count);
        for (size_t i = 0; i < back.count; i++)
                fuzz_must(ip_equal(&back.addresses[i].ip, &answer.addresses[i].ip) &&
                          back.addresses[i].prefix == answer.addresses[i].prefix);
        fuzz_must(answer_encode(&back, &twice, &err) == 0);
        fuzz_must(strcmp(once.text, twice.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        try_request(data, size);
        try_answer(data, size);
        return 0;
}
