/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames. Both sides are the same program, but maybe not the same release of it, and the one that
 * leads acts for the others: so it believes nothing that it has not checked.
 */
#include "request.h"

#include <limits.h>
#include <string.h>

#include "core/cni.h"
#include "core/json.h"
#include "core/utf8.h"

#define FRAME_VERSION 1

#define PODREF_MAX 512U
#define PREFIX_MAX 253U /* of a whole DNS-1123 subdomain */

void request_done(struct request *request)
{
        free(request->network);
        free(request->container_id);
        free(request->ifname);
        free(request->podref);
        free(request->network_name);
        free(request->slice_pool);
        free(request->node);
        for (size_t i = 0; i < request->range_count; i++)
                range_done(&request->ranges[i]);
        free(request->ranges);
        *request = (struct request){ 0 };
}

void answer_done(struct answer *answer)
{
        free(answer->addresses);
        *answer = (struct answer){ 0 };
}

int answer_add(struct answer *answer, const struct ipnet *address, struct err *err)
{
        struct ipnet *addresses =
                realloc(answer->addresses, (answer->count + 1) * sizeof(*addresses));

        if (!addresses)
                return err_oom(err);
        answer->addresses = addresses;
        addresses[answer->count++] = *address;
        return 0;
}

/* ---- names ---- */

/* Whether a JSON text can carry it unchanged, and a log can show it. */
static bool is_printable(const char *text)
{
        size_t len = strlen(text);

        while (len > 0) {
                size_t n = utf8_len(text, len);

                if (n == 0 || (unsigned char)*text < 0x20 || *text == 0x7f)
                        return false;
                text += n;
                len -= n;
        }
        return true;
}

bool request_is_podref(const char *text)
{
        const char *slash = strchr(text, '/');

        return slash && slash[1] && strlen(text) <= PODREF_MAX && is_printable(text);
}

bool request_is_prefix(const char *text)
{
        bool inside = false; /* of a label that has begun with a letter or digit */
        size_t len = strlen(text);

        for (size_t i = 0; i < len; i++) {
                bool plain =
                        (text[i] >= 'a' && text[i] <= 'z') || (text[i] >= '0' && text[i] <= '9');

                if (!plain && !(inside && (text[i] == '-' || text[i] == '.')))
                        return false;
                if (text[i] == '.' && text[i - 1] == '-')
                        return false;
                inside = text[i] != '.';
        }
        return inside && len <= PREFIX_MAX;
}

bool request_same_text(const char *a, const char *b)
{
        return strcmp(a ? a : "", b ? b : "") == 0;
}

static int bad(struct err *err, const char *what)
{
        return err_text(err, -EINVAL, CNI_ERR_DECODE, "%s is missing or no good", what);
}

static int check_range(const struct range *range, struct err *err)
{
        struct ip first = ipnet_first(&range->net);
        const struct ip *const ends[] = { &range->start, &range->end };

        if (range->net.ip.family == IP_UNSET || range->net.mapped ||
            !ip_equal(&first, &range->net.ip))
                return bad(err, "net");
        for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
                if (ends[i]->family != IP_UNSET && ends[i]->family != first.family)
                        return bad(err, i == 0 ? "start" : "end");
        return 0;
}

/* What must be true of every request that goes over the socket. */
static int check_request(const struct request *request, struct err *err)
{
        const struct {
                const char *what;
                const char *text;
                bool needed;
                bool (*is_good)(const char *text);
        } rows[] = {
                { "network", request->network, true, cni_is_name },
                { "container_id", request->container_id, true, cni_is_name },
                { "ifname", request->ifname, true, is_printable },
                { "podref", request->podref, request->verb == REQUEST_ADD, request_is_podref },
                { "network_name", request->network_name, false, request_is_prefix },
                { "slice_pool", request->slice_pool, request->node != NULL, cni_is_name },
                { "node", request->node, request->slice_pool != NULL, cni_is_name },
        };
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (rows[i].text ? !rows[i].is_good(rows[i].text) : rows[i].needed)
                        return bad(err, rows[i].what);
        if (request->deadline_ms < 0)
                return bad(err, "deadline_ms");
        for (size_t i = 0; i < request->range_count && r == 0; i++)
                r = check_range(&request->ranges[i], err);
        return r < 0 ? r : cni_check_ifname(request->ifname, err);
}

static int check_answer(const struct answer *answer, struct err *err)
{
        if (answer->r > ANSWER_REMEMBERED || answer->r < -4095)
                return bad(err, "r");
        if (answer->r == 0)
                return 0;
        if (answer->err.code < 1 || answer->err.msg[0] == '\0' || answer->count > 0)
                return bad(err, "error");
        return 0;
}

/* ---- writing ---- */

static void put_ip(struct json_writer *w, const char *key, const struct ip *ip)
{
        char text[IP_TEXT_MAX];

        if (ip->family != IP_UNSET)
                json_put_string(w, key, ip_format(ip, text));
}

static void put_net(struct json_writer *w, const char *key, const struct ipnet *net)
{
        char text[IPNET_TEXT_MAX];

        json_put_string(w, key, ipnet_format(net, text));
}

static void put_range(struct json_writer *w, const struct range *range)
{
        json_begin(w, NULL, '{');
        put_net(w, "net", &range->net);
        put_ip(w, "start", &range->start);
        put_ip(w, "end", &range->end);
        if (range->exclude_count > 0) {
                json_begin(w, "excludes", '[');
                for (size_t i = 0; i < range->exclude_count; i++)
                        json_put_string(w, NULL, range->exclude_texts[i]);
                json_end(w, ']');
        }
        json_end(w, '}');
}

/* The end of every encoder: what was written from `start` on is a frame that a decoder takes. */
static int end_frame(const struct buf *buf, size_t start, struct err *err)
{
        int r = buf_check(buf, err);

        if (r == 0 && buf->len - start > REQUEST_FRAME_MAX)
                r = err_text(err, -EFBIG, CNI_ERR_INTERNAL, "frame longer than %u bytes",
                             REQUEST_FRAME_MAX);
        return r;
}

int request_encode(const struct request *request, struct buf *buf, struct err *err)
{
        size_t start = buf->len;
        struct json_writer w;
        int r = check_request(request, err);

        if (r < 0) {
                err->code = CNI_ERR_INTERNAL;
                return r;
        }
        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "version", FRAME_VERSION);
        json_put_string(&w, "verb", request->verb == REQUEST_ADD ? "ADD" : "DEL");
        json_put_i64(&w, "deadline_ms", request->deadline_ms);
        json_put_given(&w, "network", request->network);
        json_put_given(&w, "container_id", request->container_id);
        json_put_given(&w, "ifname", request->ifname);
        json_put_given(&w, "podref", request->podref);
        json_put_given(&w, "network_name", request->network_name);
        json_put_given(&w, "slice_pool", request->slice_pool);
        json_put_given(&w, "node", request->node);
        json_begin(&w, "ranges", '[');
        for (size_t i = 0; i < request->range_count; i++)
                put_range(&w, &request->ranges[i]);
        json_end(&w, ']');
        put_ip(&w, "gateway", &request->gateway);
        json_put_bool(&w, "allocate_gateway", request->allocate_gateway);
        json_put_bool(&w, "overlap", request->overlap);
        json_end(&w, '}');
        return end_frame(buf, start, err);
}

int answer_encode(const struct answer *answer, struct buf *buf, struct err *err)
{
        size_t start = buf->len;
        struct json_writer w;
        int r = check_answer(answer, err);

        if (r < 0) {
                err->code = CNI_ERR_INTERNAL;
                return r;
        }
        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "version", FRAME_VERSION);
        json_put_i64(&w, "r", answer->r);
        if (answer->r != 0) {
                json_put_i64(&w, "code", answer->err.code);
                json_put_string(&w, "msg", answer->err.msg);
                json_put_string(&w, "details", answer->err.details);
        } else {
                json_begin(&w, "addresses", '[');
                for (size_t i = 0; i < answer->count; i++)
                        put_net(&w, NULL, &answer->addresses[i]);
                json_end(&w, ']');
                if (answer->held)
                        json_put_bool(&w, "held", true);
        }
        json_end(&w, '}');
        return end_frame(buf, start, err);
}

/* ---- reading ---- */

static int decode_int(const struct json_at *at, void *dst, struct err *err)
{
        int64_t number;
        int r = json_decode_i64(at, &number, err);

        if (r == 0 && (number < -INT32_MAX || number > INT32_MAX))
                r = json_invalid(at, err, "must be a small integer");
        if (r == 0)
                *(int *)dst = (int)number;
        return r;
}

static int decode_verb(const struct json_at *at, void *dst, struct err *err)
{
        const char *text;
        int r = json_text(at, &text, err);

        if (r < 0)
                return r;
        if (strcmp(text, "ADD") != 0 && strcmp(text, "DEL") != 0)
                return json_invalid(at, err, "unknown verb");
        *(enum request_verb *)dst = *text == 'A' ? REQUEST_ADD : REQUEST_DEL;
        return 0;
}

static int decode_exclude(const struct json_at *at, void *dst, struct err *err)
{
        const char *text;
        int r = json_text(at, &text, err);

        return r < 0 ? r : range_add_exclude(dst, text, err);
}

static int decode_excludes(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_exclude, dst, err);
}

static int decode_range(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "net", result_decode_cidr, offsetof(struct range, net), JSON_NULL },
                { "start", result_decode_ip, offsetof(struct range, start), JSON_PLAIN },
                { "end", result_decode_ip, offsetof(struct range, end), JSON_PLAIN },
                { "excludes", decode_excludes, 0, JSON_PLAIN },
        };
        struct request *request = dst;

        return json_object(at, fields, ARRAY_SIZE(fields), &request->ranges[request->range_count++],
                           err);
}

static int decode_ranges(const struct json_at *at, void *dst, struct err *err)
{
        struct request *request = dst;

        if (json_count(at) > REQUEST_RANGES_MAX)
                return json_invalid(at, err, "more than %u ranges", REQUEST_RANGES_MAX);
        request->ranges = calloc(json_count(at) + 1, sizeof(*request->ranges));
        if (!request->ranges)
                return err_oom(err);
        return json_list(at, decode_range, request, err);
}

/* A text that fits into `size` bytes of a struct err, cut at a character like any other. */
static int decode_msg(const struct json_at *at, void *dst, struct err *err)
{
        struct err *answered = dst;
        const char *text;
        int r = json_text(at, &text, err);

        if (r == 0)
                (void)err_text(answered, -EINVAL, CNI_ERR_INTERNAL, "%s", text);
        return r;
}

static int decode_details(const struct json_at *at, void *dst, struct err *err)
{
        const char *text;
        int r = json_text(at, &text, err);

        if (r == 0)
                err_details(dst, "%s", text);
        return r;
}

/* Parses the text and looks at its version. The document belongs to the caller, in any case. */
static int open_frame(const char *text, size_t len, struct json **ret, struct err *err)
{
        static const struct json_field fields[] = { { "version", decode_int, 0, JSON_PLAIN } };
        struct json_at at = { 0 };
        int version = 0;
        int r;

        if (len > REQUEST_FRAME_MAX)
                return err_text(err, -EFBIG, CNI_ERR_DECODE, "longer than %u bytes",
                                REQUEST_FRAME_MAX);
        r = json_parse(text, len, ret, err);
        if (r < 0)
                return r;
        at.value = *ret;
        r = json_object(&at, fields, ARRAY_SIZE(fields), &version, err);
        if (r == 0 && version != FRAME_VERSION)
                r = err_text(err, -EINVAL, CNI_ERR_DECODE, "version %d is not ours", version);
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

int request_decode(const char *text, size_t len, struct request *ret, struct err *err)
{
        static const struct json_field fields[] = {
                { "verb", decode_verb, offsetof(struct request, verb), JSON_NULL },
                { "deadline_ms", json_decode_i64, offsetof(struct request, deadline_ms),
                  JSON_PLAIN },
                { "network", json_decode_string, offsetof(struct request, network), JSON_PLAIN },
                { "container_id", json_decode_string, offsetof(struct request, container_id),
                  JSON_PLAIN },
                { "ifname", json_decode_string, offsetof(struct request, ifname), JSON_PLAIN },
                { "podref", json_decode_string, offsetof(struct request, podref), JSON_PLAIN },
                { "network_name", json_decode_string, offsetof(struct request, network_name),
                  JSON_PLAIN },
                { "slice_pool", json_decode_string, offsetof(struct request, slice_pool),
                  JSON_PLAIN },
                { "node", json_decode_string, offsetof(struct request, node), JSON_PLAIN },
                { "ranges", decode_ranges, 0, JSON_PLAIN },
                { "gateway", result_decode_ip, offsetof(struct request, gateway), JSON_PLAIN },
                { "allocate_gateway", json_decode_bool, offsetof(struct request, allocate_gateway),
                  JSON_PLAIN },
                { "overlap", json_decode_bool, offsetof(struct request, overlap), JSON_PLAIN },
        };
        _cleanup_(json_freep) struct json *document = NULL;
        _cleanup_(request_done) struct request request = { 0 };
        struct json_at at = { 0 }, verb;
        int r = open_frame(text, len, &document, err);

        at.value = document;
        if (r == 0)
                r = json_object(&at, fields, ARRAY_SIZE(fields), &request, err);
        if (r == 0)
                r = json_member(&at, "verb", &verb) ? check_request(&request, err)
                                                    : bad(err, "verb");
        if (r < 0)
                return close_frame(r, "request", err);
        *ret = request;
        request = (struct request){ 0 };
        return 0;
}

static int decode_address(const struct json_at *at, void *dst, struct err *err)
{
        struct ipnet address = { 0 };
        int r = result_decode_cidr(at, &address, err);

        if (r == 0 && address.mapped)
                r = json_invalid(at, err, "mapped address");
        return r < 0 ? r : answer_add(dst, &address, err);
}

static int decode_addresses(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_address, dst, err);
}

int answer_decode(const char *text, size_t len, struct answer *ret, struct err *err)
{
        static const struct json_field fields[] = {
                { "r", decode_int, offsetof(struct answer, r), JSON_PLAIN },
                { "addresses", decode_addresses, 0, JSON_PLAIN },
                { "held", json_decode_bool, offsetof(struct answer, held), JSON_PLAIN },
                { "msg", decode_msg, offsetof(struct answer, err), JSON_PLAIN },
        };
        /* Behind the message, which resets them. */
        static const struct json_field more_fields[] = {
                { "code", decode_int, offsetof(struct answer, err.code), JSON_PLAIN },
                { "details", decode_details, offsetof(struct answer, err), JSON_PLAIN },
        };
        _cleanup_(json_freep) struct json *document = NULL;
        _cleanup_(answer_done) struct answer answer = { .r = INT_MAX };
        struct json_at at = { 0 };
        int r = open_frame(text, len, &document, err);

        at.value = document;
        if (r == 0)
                r = json_object(&at, fields, ARRAY_SIZE(fields), &answer, err);
        if (r == 0)
                r = json_object(&at, more_fields, ARRAY_SIZE(more_fields), &answer, err);
        if (r == 0)
                r = check_answer(&answer, err);
        if (r < 0)
                return close_frame(r, "answer", err);
        *ret = answer;
        answer = (struct answer){ 0 };
        return 0;
}
