/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rounds: all requests that have no certain end yet are sent side by side, their answers are
 * judged, and those that need it wait a little, with jitter, before the next round.
 *
 * Judging is a matter of the answer alone. Certain are 2xx and 4xx. A 429 says that nothing was
 * done. A 5xx says nothing: the server may have answered for a write that etcd carries out a moment
 * later. No answer says nothing either, unless the request never left.
 */
#include "k8s.h"

#include <string.h>

#include "core/clock.h"
#include "core/json.h"
#include "core/utf8.h"

#define ANSWER_MAX     (64U * 1024U * 1024U)
#define BODY_MAX       (8U * 1024U * 1024U)
#define ATTEMPT_MS     15000 /* one sending; etcd may take its time over a large pool */
#define PAUSE_FIRST_MS 20
#define PAUSE_MAX_MS   1000
#define QUOTE_MAX      512 /* of a server's message in ours */

struct k8s {
        struct http *http; /* owned */
        const struct kubeconfig *kubeconfig;
        bool away; /* the last request that had an end found no server */
};

static const struct {
        const char *method, *what;
} verbs[] = {
        [K8S_GET] = { "GET", "get" },          [K8S_POST] = { "POST", "create" },
        [K8S_PUT] = { "PUT", "update" },       [K8S_PATCH] = { "PATCH", "patch" },
        [K8S_DELETE] = { "DELETE", "delete" },
};

#define WHEREABOUTS "/apis/whereabouts.cni.cncf.io/v1alpha1"

static const struct {
        const char *root, *plural;
        bool of_cluster; /* not of a namespace */
} resources[] = {
        [K8S_POOL] = { WHEREABOUTS, "ippools", false },
        [K8S_RESERVATION] = { WHEREABOUTS, "overlappingrangeipreservations", false },
        [K8S_SLICE_POOL] = { WHEREABOUTS, "nodeslicepools", false },
        [K8S_LEASE] = { "/apis/coordination.k8s.io/v1", "leases", false },
        [K8S_POD] = { "/api/v1", "pods", false },
        [K8S_NODE] = { "/api/v1", "nodes", true },
        [K8S_NETWORK] = { "/apis/k8s.cni.cncf.io/v1", "network-attachment-definitions", false },
        [K8S_EVENT] = { "/api/v1", "events", false },
        [K8S_ACCOUNT] = { "/api/v1", "serviceaccounts", false },
};

int k8s_new(const struct kubeconfig *kubeconfig, struct k8s **ret, struct err *err)
{
        const struct http_server server = kubeconfig_server(kubeconfig);
        struct k8s *k8s = calloc(1, sizeof(*k8s));
        int r;

        if (!k8s)
                return err_oom(err);
        k8s->kubeconfig = kubeconfig;
        r = http_new(&server, &k8s->http, err);
        if (r < 0) {
                k8s_free(k8s);
                return r;
        }
        *ret = k8s;
        return 0;
}

void k8s_free(struct k8s *k8s)
{
        if (!k8s)
                return;
        http_free(k8s->http);
        free(k8s);
}

bool k8s_is_away(const struct k8s *k8s)
{
        return k8s->away;
}

const char *k8s_namespace(const struct k8s *k8s)
{
        return k8s->kubeconfig->namespace;
}

void k8s_request_init(struct k8s_request *request, enum k8s_verb verb, enum k8s_resource resource,
                      const char *name)
{
        *request = (struct k8s_request){ .verb = verb, .resource = resource, .name = name };
        buf_init(&request->body, BODY_MAX);
        buf_init(&request->answer, ANSWER_MAX);
}

void k8s_request_done(struct k8s_request *request)
{
        buf_done(&request->body);
        buf_done(&request->answer);
}

int k8s_error(const struct k8s_request *request, struct err *err)
{
        *err = request->err;
        return -EIO;
}

void k8s_blame_answer(const struct k8s_request *request, struct err *err)
{
        err_wrap(err, "k8s answer error: %s %s: ", resources[request->resource].plural,
                 request->name);
}

struct k8s_limits k8s_limits_within(int64_t ms)
{
        return (struct k8s_limits){ clock_boot_ms() + ms, ms, ms };
}

/* ---- one request ---- */

/* A request on its way: what is sent, and when again. */
struct sending {
        struct k8s_request *request;
        struct buf path;
        struct http_request http;
        unsigned attempts;
        int64_t started_ms;    /* of the last attempt */
        int64_t first_ms;      /* of the row of uncertain answers that goes on; 0: none */
        int64_t away_since_ms; /* of the row of failed connections; 0: none */
        int64_t not_before_ms;
};

/* Names come from configurations: no character of theirs has a meaning in a URL. */
static void put_escaped(struct buf *buf, const char *text)
{
        static const char plain[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

        for (; *text; text++) {
                if (strchr(plain, *text))
                        buf_putc(buf, *text);
                else
                        buf_printf(buf, "%%%02X", (unsigned)(unsigned char)*text);
        }
}

static void write_path(const struct k8s *k8s, struct sending *sending)
{
        const struct k8s_request *request = sending->request;

        buf_puts(&sending->path, resources[request->resource].root);
        if (!request->everywhere && !resources[request->resource].of_cluster) {
                buf_puts(&sending->path, "/namespaces/");
                put_escaped(&sending->path,
                            request->namespace ? request->namespace : k8s->kubeconfig->namespace);
        }
        buf_printf(&sending->path, "/%s", resources[request->resource].plural);
        if (request->name && (request->verb != K8S_POST || request->part)) {
                buf_putc(&sending->path, '/');
                put_escaped(&sending->path, request->name);
        }
        if (request->part)
                buf_printf(&sending->path, "/%s", request->part);
        if (request->query)
                buf_printf(&sending->path, "?%s", request->query);
}

/* What the answer shall be. */
static const char *accepted(const struct k8s_request *request)
{
        if (!request->brief)
                return "application/json";
        if (request->verb == K8S_GET && !request->name)
                return "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,"
                       "application/json";
        return "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
}

static int start_sending(const struct k8s *k8s, struct k8s_request *request, struct sending *ret,
                         struct err *err)
{
        int r = buf_check(&request->body, err);

        buf_init(&ret->path, 4096);
        ret->request = request;
        request->end = K8S_PENDING;
        write_path(k8s, ret);
        if (r == 0)
                r = buf_check(&ret->path, err);
        if (r < 0)
                return r;
        ret->http = (struct http_request){
                .method = verbs[request->verb].method,
                .path = buf_text(&ret->path),
                .accept = accepted(request),
                .body = request->body.len > 0 ? buf_text(&request->body) : NULL,
                .body_len = request->body.len,
        };
        if (request->verb == K8S_PATCH)
                ret->http.content_type = "application/json-patch+json";
        else if (ret->http.body)
                ret->http.content_type = "application/json";
        return 0;
}

/* ---- judging an answer ---- */

/* What a Status object says. */
struct status {
        char *message;
        char *name; /* of the object that it is about */
};

static void status_done(struct status *status)
{
        free(status->message);
        free(status->name);
}

static int decode_details(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "name", json_decode_string, offsetof(struct status, name), JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

/* A few words in plain text, such as servers give to whom they do not understand. */
static char *plain_message(const struct buf *answer)
{
        char *text = answer->len > 0 && answer->len < QUOTE_MAX ? strdup(buf_text(answer)) : NULL;

        if (text) {
                text[strcspn(text, "\r\n")] = '\0';
                utf8_make_printable(text);
        }
        return text;
}

/* Best effort: an answer that is no Status leaves all members but the message NULL. */
static void read_status(const struct buf *answer, struct status *ret)
{
        static const struct json_field fields[] = {
                { "message", json_decode_string, offsetof(struct status, message), JSON_PLAIN },
                { "details", decode_details, 0, JSON_PLAIN },
        };
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_at top;
        struct err ignored;

        if (json_parse(buf_text(answer), answer->len, &document, &ignored) < 0) {
                ret->message = plain_message(answer);
                return;
        }
        top = (struct json_at){ .value = document };
        (void)json_object(&top, fields, ARRAY_SIZE(fields), ret, &ignored);
}

static void refuse(struct k8s_request *request, enum k8s_end end, const char *cause)
{
        const char *name = request->name ? request->name : "(list)";

        request->end = end;
        (void)err_text(&request->err, -EIO, CNI_ERR_INTERNAL, "k8s %s error: %s %s: %s",
                       verbs[request->verb].what, resources[request->resource].plural, name, cause);
}

/* What a person can do about it. */
static const char *advice(int status, enum k8s_end end, const struct k8s_request *request)
{
        if (end == K8S_NOT_FOUND)
                return "";
        switch (status) {
        case 401:
                return ": the credentials of the kubeconfig are not (or no longer) valid";
        case 403:
                return ": the account of the kubeconfig lacks a permission";
        case 404:
                return request->resource == K8S_LEASE ? "" : ": are the CRDs installed?";
        case 413:
                return ": the pool has no room for more entries; use several ranges or node slices";
        default:
                return "";
        }
}

static void judge_refusal(struct sending *sending, enum k8s_end end, const struct status *status)
{
        struct k8s_request *request = sending->request;
        char cause[QUOTE_MAX + 256];

        (void)snprintf(cause, sizeof(cause), "the API server answers %d%s%s%.*s",
                       sending->http.status, advice(sending->http.status, end, request),
                       status->message ? ": " : "", QUOTE_MAX,
                       status->message ? status->message : "");
        refuse(request, end, cause);
}

/* A 404 for an object differs from one for a resource that the server does not have. */
static enum k8s_end judge_not_found(const struct k8s_request *request, const struct status *status)
{
        bool object = request->name && status->name && request->verb != K8S_POST &&
                      strcmp(status->name, request->name) == 0;

        return object ? K8S_NOT_FOUND : K8S_REFUSED;
}

/* etcd's limit comes as a 500, but it is as certain as can be. */
static bool is_too_large(const struct status *status)
{
        return status->message && strstr(status->message, "request is too large");
}

static void judge_answer(struct sending *sending)
{
        struct k8s_request *request = sending->request;
        _cleanup_(status_done) struct status status = { 0 };
        int code = sending->http.status;
        enum k8s_end end = K8S_REFUSED;

        if (code >= 200 && code < 300) {
                request->end = K8S_DONE;
                return;
        }
        read_status(&sending->http.answer, &status);
        if (code == 404)
                end = judge_not_found(request, &status);
        else if (code == 409)
                end = K8S_CONFLICT;
        else if (code == 422)
                end = K8S_INVALID;
        else if (code == 429 || (code >= 500 && !is_too_large(&status)))
                end = K8S_UNKNOWN;
        if (code >= 500 && end == K8S_REFUSED)
                sending->http.status = 413;
        judge_refusal(sending, end, &status);
        if (end == K8S_UNKNOWN && code != 429)
                request->sent_ms = clock_real_ms();
}

static void judge_silence(struct sending *sending)
{
        struct k8s_request *request = sending->request;
        struct http_request *http = &sending->http;

        if (!http->started) { /* the ones before it took all of the attempt's time */
                refuse(request, K8S_UNKNOWN, http->err.msg);
                return;
        }
        if (http->sent)
                request->sent_ms = clock_real_ms();
        if (!http->sent && !http->refused) {
                /* certainly not done now; an earlier sending may have been */
                refuse(request, request->sent_ms ? K8S_UNKNOWN : K8S_REFUSED, http->err.msg);
                return;
        }
        refuse(request, http->sent || request->sent_ms ? K8S_UNKNOWN : K8S_AWAY, http->err.msg);
}

/* What the server asks for, else more from time to time, with jitter. */
static int64_t pause_ms(const struct sending *sending)
{
        unsigned doublings = sending->attempts < 6 ? sending->attempts : 6;
        int64_t pause = (int64_t)PAUSE_FIRST_MS << doublings;

        if (sending->http.retry_after_ms >= 0)
                return sending->http.retry_after_ms;
        if (pause > PAUSE_MAX_MS)
                pause = PAUSE_MAX_MS;
        return pause / 2 + (int64_t)digest_jitter((uint64_t)(pause / 2 + 1));
}

/* Whether the request is sent again, and when. `end` says how it ends if not. */
static bool wants_repetition(struct sending *sending, const struct k8s_limits *limits)
{
        const struct k8s_request *request = sending->request;
        int64_t end_ms = limits->deadline_ms, patience_ms;

        if (request->end != K8S_UNKNOWN && request->end != K8S_AWAY)
                return false;
        if (!sending->http.started)
                return clock_boot_ms() < end_ms;
        if (!sending->http.refused)
                sending->away_since_ms = 0;
        else if (sending->away_since_ms == 0)
                sending->away_since_ms = sending->started_ms;
        if (sending->first_ms == 0)
                sending->first_ms = clock_boot_ms();
        sending->not_before_ms = clock_boot_ms() + pause_ms(sending);
        if (sending->away_since_ms &&
            sending->not_before_ms >= sending->away_since_ms + limits->connect_ms)
                return false;
        /* A server that only asks for patience is given more of it. */
        patience_ms = request->status == 429 ? 2 * limits->repeat_ms : limits->repeat_ms;
        if (end_ms > sending->first_ms + patience_ms)
                end_ms = sending->first_ms + patience_ms;
        return sending->not_before_ms < end_ms;
}

static void judge(struct k8s *k8s, struct sending *sending, const struct k8s_limits *limits)
{
        struct k8s_request *request = sending->request;

        sending->attempts++;
        request->status = sending->http.status;
        if (sending->http.status > 0)
                judge_answer(sending);
        else
                judge_silence(sending);
        buf_done(&request->answer);
        request->answer = sending->http.answer;
        sending->http.answer = (struct buf){ 0 };
        k8s->away = request->end == K8S_AWAY;
        if (wants_repetition(sending, limits))
                request->end = K8S_PENDING;
}

/* ---- rounds ---- */

/* Sends what is due. */
static int run_round(struct k8s *k8s, struct sending *sendings, size_t count,
                     const struct k8s_limits *limits, struct err *err)
{
        struct http_request *batch = calloc(count, sizeof(*batch));
        int64_t now = clock_boot_ms(), deadline = now + ATTEMPT_MS, connect = deadline;
        size_t n = 0;
        int r;

        if (!batch)
                return err_oom(err);
        if (deadline > limits->deadline_ms)
                deadline = limits->deadline_ms;
        for (size_t i = 0; i < count; i++) {
                struct sending *sending = &sendings[i];
                int64_t since = sending->away_since_ms ? sending->away_since_ms : now;

                if (sending->request->end != K8S_PENDING || sending->not_before_ms > now)
                        continue;
                if (connect > since + limits->connect_ms)
                        connect = since + limits->connect_ms;
                sending->started_ms = now;
                batch[n] = sending->http;
                buf_init(&batch[n].answer, ANSWER_MAX);
                n++;
        }
        r = http_run(k8s->http, batch, n, deadline, connect, err);
        n = 0;
        for (size_t i = 0; i < count; i++) {
                struct sending *sending = &sendings[i];

                if (sending->request->end != K8S_PENDING || sending->not_before_ms > now)
                        continue;
                sending->http = batch[n++];
                if (r == 0)
                        judge(k8s, sending, limits);
                else
                        buf_done(&sending->http.answer);
        }
        free(batch);
        return r;
}

/* When the next round is due; -1 when there is nothing more to send. */
static int64_t next_round_ms(const struct sending *sendings, size_t count)
{
        int64_t next = -1;

        for (size_t i = 0; i < count; i++)
                if (sendings[i].request->end == K8S_PENDING &&
                    (next < 0 || sendings[i].not_before_ms < next))
                        next = sendings[i].not_before_ms;
        return next;
}

int k8s_run(struct k8s *k8s, struct k8s_request *const *requests, size_t count,
            const struct k8s_limits *limits, struct err *err)
{
        struct sending *sendings;
        int r = 0;

        if (count == 0)
                return 0;
        sendings = calloc(count, sizeof(*sendings));
        if (!sendings)
                return err_oom(err);
        for (size_t i = 0; i < count && r == 0; i++)
                r = start_sending(k8s, requests[i], &sendings[i], err);
        while (r == 0) {
                int64_t next = next_round_ms(sendings, count), now = clock_boot_ms();

                if (next < 0)
                        break;
                if (next > now)
                        clock_sleep_ms((unsigned)(next - now));
                r = run_round(k8s, sendings, count, limits, err);
        }
        for (size_t i = 0; i < count; i++)
                buf_done(&sendings[i].path);
        free(sendings);
        return r;
}

int k8s_run_one(struct k8s *k8s, struct k8s_request *request, const struct k8s_limits *limits,
                struct err *err)
{
        struct k8s_request *const list[] = { request };

        return k8s_run(k8s, list, 1, limits, err);
}
