/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One check for both directions: what a decoder would refuse is not sent.
 */
#include "rpc.h"

#include <limits.h>
#include <string.h>

#include "core/cni.h"

#define PREFIX     "cni-ipam 1 "
#define DIGITS_MAX 8
/* Nobody waits for days; and sums with a clock must not overflow. */
#define TIMEOUT_MAX_MS (24 * 3600 * 1000)

/* An operation: its name, and what comes with it. */
static const struct operation {
        const char *name;
        bool attachment; /* a whole key, and the namespace */
        bool profile;
        bool network; /* of the key, this alone, and it may lack */
} operations[] = {
        [RPC_ADD] = { "add", true, true, false },
        [RPC_CHECK] = { "check", true, false, false },
        [RPC_DEL] = { "del", true, false, false },
        [RPC_STATUS] = { "status", false, false, false },
        [RPC_LIST] = { "list", false, false, true },
        [RPC_INFO] = { "info", false, false, false },
};

void rpc_request_done(struct rpc_request *request)
{
        key_done(&request->key);
        free(request->netns);
        profile_done(&request->profile);
        *request = (struct rpc_request){ 0 };
}

void rpc_reply_done(struct rpc_reply *reply)
{
        free(reply->msg);
        free(reply->details);
        grant_done(&reply->grant);
        free(reply->document);
        *reply = (struct rpc_reply){ 0 };
}

/* ---- what must be true of every frame ---- */

static int bad(struct err *err, const char *what)
{
        return err_text(err, -EINVAL, CNI_ERR_DECODE, "%s is missing or no good", what);
}

static int check_key(const struct key *key, struct err *err)
{
        if (!key->container_id || !cni_is_name(key->container_id))
                return bad(err, "containerID");
        if (!key->network || !cni_is_name(key->network))
                return bad(err, "network");
        return key->ifname ? cni_check_ifname(key->ifname, err) : bad(err, "ifname");
}

static int check_request(const struct rpc_request *request, struct err *err)
{
        const struct operation *operation = &operations[request->op];
        const char *netns = request->netns, *network = request->key.network;

        if (netns && *netns && (*netns != '/' || strlen(netns) >= PATH_MAX))
                return bad(err, "netns");
        if (request->timeout_ms < 0 || request->timeout_ms > TIMEOUT_MAX_MS)
                return bad(err, "timeout_ms");
        if (operation->network && network && *network && !cni_is_name(network))
                return bad(err, "network");
        return operation->attachment ? check_key(&request->key, err) : 0;
}

static int check_reply(const struct rpc_reply *reply, struct err *err)
{
        if (reply->code < 0)
                return bad(err, "code");
        if ((reply->code > 0) != (reply->msg && *reply->msg))
                return bad(err, "msg");
        return 0;
}

/* ---- writing ---- */

/* Puts the first line in front of what `body` holds. */
static int put_frame(const struct buf *body, struct buf *buf, struct err *err)
{
        int r = buf_check(body, err);

        if (r < 0)
                return r;
        buf_printf(buf, PREFIX "%zu\n", body->len);
        buf_append(buf, body->text, body->len);
        return buf_check(buf, err);
}

int rpc_encode_request(const struct rpc_request *request, struct buf *buf, struct err *err)
{
        const struct operation *operation = &operations[request->op];
        _cleanup_(buf_done) struct buf body;
        struct json_writer w;
        int r = check_request(request, err);

        buf_init(&body, RPC_REQUEST_MAX);
        if (r < 0) {
                err->code = CNI_ERR_INTERNAL;
                return r;
        }
        json_writer_init_compact(&w, &body);
        json_begin(&w, NULL, '{');
        json_put_string(&w, "op", operation->name);
        if (operation->attachment)
                key_put(&request->key, &w);
        if (operation->network)
                json_put_given(&w, "network", request->key.network);
        json_put_given(&w, "netns", request->netns);
        if (operation->profile)
                profile_put(&request->profile, "profile", &w);
        if (request->timeout_ms > 0)
                json_put_i64(&w, "timeout_ms", request->timeout_ms);
        json_end(&w, '}');
        return put_frame(&body, buf, err);
}

int rpc_encode_reply(const struct rpc_reply *reply, struct buf *buf, struct err *err)
{
        _cleanup_(buf_done) struct buf body;
        struct json_writer w;
        int r = check_reply(reply, err);

        buf_init(&body, RPC_REPLY_MAX);
        if (r < 0) {
                err->code = CNI_ERR_INTERNAL;
                return r;
        }
        json_writer_init_compact(&w, &body);
        json_begin(&w, NULL, '{');
        if (reply->code > 0) {
                json_put_i64(&w, "code", reply->code);
                json_put_string(&w, "msg", reply->msg);
                json_put_given(&w, "details", reply->details);
        }
        if (grant_is(&reply->grant))
                grant_put(&reply->grant, "grant", &w);
        if (reply->document)
                json_put_string(&w, "document", reply->document);
        json_end(&w, '}');
        return put_frame(&body, buf, err);
}

/* ---- the first line ---- */

/* Whether the bytes are the beginning of `word`, or it of them. */
static bool agrees(const char *bytes, size_t len, const char *word)
{
        size_t word_len = strlen(word);

        return memcmp(bytes, word, len < word_len ? len : word_len) == 0;
}

int rpc_head(const char *bytes, size_t len, size_t max, size_t *ret_head, size_t *ret_len,
             struct err *err)
{
        static const char *const http_words[] = { "CONNECT ", "HTTP/1." };
        const size_t prefix_len = strlen(PREFIX);
        size_t digits = 0;
        uint64_t number;

        if (len == 0)
                return RPC_MORE;
        for (size_t i = 0; i < ARRAY_SIZE(http_words); i++)
                if (agrees(bytes, len, http_words[i]))
                        return len < strlen(http_words[i]) ? RPC_MORE : RPC_HTTP;
        if (!agrees(bytes, len, PREFIX))
                return err_text(err, -EPROTO, CNI_ERR_DECODE, "this is no frame of cni-ipam 1");
        if (len <= prefix_len)
                return RPC_MORE;
        while (prefix_len + digits < len && bytes[prefix_len + digits] >= '0' &&
               bytes[prefix_len + digits] <= '9')
                digits++;
        if (digits > DIGITS_MAX || (digits > 0 && bytes[prefix_len] == '0'))
                return bad(err, "the frame's length");
        if (prefix_len + digits == len)
                return RPC_MORE;
        if (digits == 0 || bytes[prefix_len + digits] != '\n' ||
            parse_u64(bytes + prefix_len, digits, UINT32_MAX, &number) < 0)
                return bad(err, "the frame's length");
        if (number > max)
                return err_text(err, -EFBIG, CNI_ERR_DECODE, "frame longer than %zu bytes", max);
        *ret_head = prefix_len + digits + 1;
        *ret_len = (size_t)number;
        return 0;
}

/* ---- reading ---- */

static int decode_op(const struct json_at *at, void *dst, struct err *err)
{
        enum rpc_op *op = dst;
        const char *text;
        int r = json_text(at, &text, err);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(operations); i++)
                if (strcmp(operations[i].name, text) == 0) {
                        *op = (enum rpc_op)i;
                        return 0;
                }
        return json_invalid(at, err, "unknown operation '%s'", text);
}

static int decode_code(const struct json_at *at, void *dst, struct err *err)
{
        int64_t number;
        int r = json_decode_i64(at, &number, err);

        if (r == 0 && (number < 1 || number > INT_MAX))
                r = json_invalid(at, err, "must be a positive number");
        if (r == 0)
                *(int *)dst = (int)number;
        return r;
}

/* Every error of a frame says so and has the same code; only memory is nobody's fault. */
static int close_frame(int r, const char *what, struct err *err)
{
        if (r == -ENOMEM || r == 0)
                return r;
        err->code = CNI_ERR_DECODE;
        err_wrap(err, "%s frame: ", what);
        return r;
}

/* What an operation needs and is no text of the table. */
static int read_members(const struct json_at *at, struct rpc_request *request, struct err *err)
{
        const struct operation *operation = &operations[request->op];
        struct json_at member;
        int r;

        if (!json_member(at, "op", &member))
                return bad(err, "op");
        if (operation->profile) {
                if (!json_member(at, "profile", &member) || json_is_null(&member))
                        return bad(err, "profile");
                r = profile_decode(&member, &request->profile, err);
                if (r < 0)
                        return r;
        }
        if (!request->netns) {
                request->netns = strdup("");
                if (!request->netns)
                        return err_oom(err);
        }
        return key_decode(at, &request->key, err);
}

int rpc_decode_request(const char *text, size_t len, struct rpc_request *ret, struct err *err)
{
        static const struct json_field fields[] = {
                { "op", decode_op, offsetof(struct rpc_request, op), JSON_NULL },
                { "netns", json_decode_string, offsetof(struct rpc_request, netns), JSON_PLAIN },
                { "timeout_ms", json_decode_i64, offsetof(struct rpc_request, timeout_ms),
                  JSON_PLAIN },
        };
        _cleanup_(json_freep) struct json *document = NULL;
        _cleanup_(rpc_request_done) struct rpc_request request = { 0 };
        struct json_at at = { 0 };
        int r = json_parse(text, len, &document, err);

        at.value = document;
        if (r == 0)
                r = json_object(&at, fields, ARRAY_SIZE(fields), &request, err);
        if (r == 0)
                r = read_members(&at, &request, err);
        if (r == 0)
                r = check_request(&request, err);
        if (r < 0)
                return close_frame(r, "request", err);
        *ret = request;
        request = (struct rpc_request){ 0 };
        return 0;
}

int rpc_decode_reply(const char *text, size_t len, struct rpc_reply *ret, struct err *err)
{
        static const struct json_field fields[] = {
                { "code", decode_code, offsetof(struct rpc_reply, code), JSON_PLAIN },
                { "msg", json_decode_string, offsetof(struct rpc_reply, msg), JSON_PLAIN },
                { "details", json_decode_string, offsetof(struct rpc_reply, details), JSON_PLAIN },
                { "grant", grant_decode, offsetof(struct rpc_reply, grant), JSON_PLAIN },
                { "document", json_decode_string, offsetof(struct rpc_reply, document),
                  JSON_PLAIN },
        };
        _cleanup_(json_freep) struct json *document = NULL;
        _cleanup_(rpc_reply_done) struct rpc_reply reply = { 0 };
        struct json_at at = { 0 };
        int r = json_parse(text, len, &document, err);

        at.value = document;
        if (r == 0)
                r = json_object(&at, fields, ARRAY_SIZE(fields), &reply, err);
        if (r == 0)
                r = check_reply(&reply, err);
        if (r < 0)
                return close_frame(r, "reply", err);
        *ret = reply;
        reply = (struct rpc_reply){ 0 };
        return 0;
}
