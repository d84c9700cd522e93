/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame from the other end of the daemon's socket: its first line, and what stands behind it (or
 * the whole input) as a request and as a reply. What decodes is right, and survives the way through
 * an encoder.
 */
#include "core/cni.h"
#include "fuzz.h"
#include "rpc.h"

#define OUT_MAX (256U * 1024U * 1024U)

/* Returns how many bytes the first line has; 0 when there is none. */
static size_t try_head(const char *bytes, size_t size)
{
        size_t head = 0, len = 0, ignored;
        struct err err;
        int r = rpc_head(bytes, size, RPC_REQUEST_MAX, &head, &len, &err);

        if (r < 0)
                fuzz_check_err(&err, CNI_ERR_DECODE);
        if (r == RPC_MORE)
                fuzz_must(size < RPC_HEAD_MAX);
        if (r != 0)
                return 0;
        fuzz_must(head <= RPC_HEAD_MAX && head <= size && len <= RPC_REQUEST_MAX && len > 0);
        for (size_t n = 0; n < head; n++)
                fuzz_must(rpc_head(bytes, n, RPC_REQUEST_MAX, &ignored, &ignored, &err) ==
                          RPC_MORE);
        return head;
}

/* A frame that we made: its first line tells what it has. */
static const char *body_of(const struct buf *frame, size_t *ret_len)
{
        size_t head = 0;
        struct err err;

        fuzz_must(rpc_head(frame->text, frame->len, RPC_REPLY_MAX, &head, ret_len, &err) == 0);
        fuzz_must(head + *ret_len == frame->len);
        return frame->text + head;
}

static void check_request(const struct rpc_request *request)
{
        const struct key *key = &request->key;
        struct err err;

        fuzz_must(key->container_id && key->network && key->ifname && request->netns);
        fuzz_must(*request->netns == '\0' || *request->netns == '/');
        fuzz_must(request->timeout_ms >= 0);
        if (request->op == RPC_LIST)
                fuzz_must(*key->network == '\0' || cni_is_name(key->network));
        if (request->op > RPC_DEL)
                return;
        fuzz_must(cni_is_name(key->container_id) && cni_is_name(key->network));
        fuzz_must(cni_check_ifname(key->ifname, &err) == 0);
}

static void try_request(const char *text, size_t size)
{
        _cleanup_(rpc_request_done) struct rpc_request request = { 0 }, back = { 0 };
        _cleanup_(buf_done) struct buf once, twice;
        const char *body;
        size_t len = 0;
        struct err err;

        buf_init(&once, OUT_MAX);
        buf_init(&twice, OUT_MAX);
        if (rpc_decode_request(text, size, &request, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_DECODE);
                return;
        }
        check_request(&request);
        fuzz_must(rpc_encode_request(&request, &once, &err) == 0);
        body = body_of(&once, &len);
        fuzz_must(rpc_decode_request(body, len, &back, &err) == 0);
        check_request(&back);
        fuzz_must(back.op == request.op);
        fuzz_must(rpc_encode_request(&back, &twice, &err) == 0);
        fuzz_must(strcmp(once.text, twice.text) == 0);
}

static void try_reply(const char *text, size_t size)
{
        _cleanup_(rpc_reply_done) struct rpc_reply reply = { 0 }, back = { 0 };
        _cleanup_(buf_done) struct buf once, twice;
        const char *body;
        size_t len = 0;
        struct err err;

        buf_init(&once, OUT_MAX);
        buf_init(&twice, OUT_MAX);
        if (rpc_decode_reply(text, size, &reply, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_DECODE);
                return;
        }
        fuzz_must(reply.code >= 0 && (reply.code == 0 || *reply.msg));
        fuzz_must(rpc_encode_reply(&reply, &once, &err) == 0);
        body = body_of(&once, &len);
        fuzz_must(rpc_decode_reply(body, len, &back, &err) == 0);
        fuzz_must(back.code == reply.code && grant_is(&back.grant) == grant_is(&reply.grant));
        fuzz_must(rpc_encode_reply(&back, &twice, &err) == 0);
        fuzz_must(strcmp(once.text, twice.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const char *bytes = (const char *)data;
        size_t head = try_head(bytes, size);

        try_request(bytes + head, size - head);
        try_reply(bytes + head, size - head);
        return 0;
}
