/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of this node's pods only spares requests. That a pod is gone says a direct GET of it,
 * which the API server answers from its store and not from a cache.
 */
#include "owned.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "http/digest.h"
#include "job.h"
#include "k8s-list.h"
#include "pod.h"

#define SUSPECTS_MAX 256U  /* whose pods are asked for in one look */
#define ASK_MS       20000 /* for all requests about pods */
#define CONNECT_MS   3000
#define REPEAT_MS    3000
#define DEL_MS       10000
#define RELEASE_MS   30000 /* for all DELs of a look; the next one goes on */

void owned_done(struct owned *owned)
{
        free(owned->suspects);
        *owned = (struct owned){ 0 };
}

/* ---- pure ---- */

void owned_begin(struct owned *owned)
{
        for (size_t i = 0; i < owned->count; i++)
                owned->suspects[i].seen = false;
}

static struct owned_suspect *find(struct owned *owned, const char *key)
{
        for (size_t i = 0; i < owned->count; i++)
                if (strcmp(owned->suspects[i].key, key) == 0)
                        return &owned->suspects[i];
        return NULL;
}

static struct owned_suspect *add(struct owned *owned, const char *key, int64_t now_ms)
{
        struct owned_suspect *suspects =
                reallocarray(owned->suspects, owned->count + 1, sizeof(*suspects));
        struct owned_suspect *suspect;

        if (!suspects)
                return NULL;
        owned->suspects = suspects;
        suspect = &suspects[owned->count++];
        *suspect = (struct owned_suspect){ .since_ms = now_ms };
        (void)snprintf(suspect->key, sizeof(suspect->key), "%s", key);
        return suspect;
}

int owned_judge(struct owned *owned, const struct request *attachment, enum owned_pod pod,
                int64_t now_ms, int64_t grace_ms, struct err *err)
{
        const char *const fields[] = { attachment->network, attachment->container_id,
                                       attachment->ifname };
        struct owned_suspect *suspect;
        char key[DIGEST_TEXT_MAX];
        int r = digest_fields(fields, ARRAY_SIZE(fields), key, err);

        if (r < 0 || pod == OWNED_HERE)
                return r; /* not `seen`: forgotten */
        suspect = find(owned, key);
        if (!suspect && pod == OWNED_UNKNOWN)
                return 0;
        if (!suspect)
                suspect = add(owned, key, now_ms);
        if (!suspect)
                return err_oom(err);
        suspect->seen = true;
        return pod == OWNED_GONE && suspect->since_ms < now_ms &&
               now_ms - suspect->since_ms >= grace_ms;
}

void owned_end(struct owned *owned)
{
        size_t n = 0;

        for (size_t i = 0; i < owned->count; i++)
                if (owned->suspects[i].seen)
                        owned->suspects[n++] = owned->suspects[i];
        owned->count = n;
}

/* ---- the pods of this node ---- */

static int add_pod(const struct json_at *at, void *dst, struct err *err)
{
        _cleanup_(freep) char *name = NULL;
        struct pod pod = { 0 };
        int r = pod_read(at, &pod, err);

        if (r < 0)
                return r;
        if (asprintf(&name, "%s/%s", pod.namespace, pod.name) < 0)
                name = NULL;
        pod_done(&pod);
        return name ? text_list_add(dst, name, strlen(name), err) : err_oom(err);
}

static int list_pods(const struct owned_look *look, const struct k8s_limits *limits,
                     struct text_list *ret, struct err *err)
{
        _cleanup_(freep) char *selector = NULL;
        struct k8s_list list = {
                .resource = K8S_POD, .everywhere = true, .brief = true, .cached = true
        };
        int r;

        if (asprintf(&selector, "spec.nodeName%%3D%s", look->node) < 0)
                return err_oom(err);
        list.selector = selector;
        r = k8s_list_each(look->own, &list, limits, add_pod, ret, err);
        text_list_sort(ret);
        return r;
}

/* ---- the attachments whose pods are not among them ---- */

struct candidate {
        struct request request; /* the DEL */
        char *namespace, *name; /* the pod's; owned */
        struct k8s_request question;
        enum owned_pod pod;
};

struct candidates {
        const struct owned_look *look;
        const struct text_list *here; /* "NAMESPACE/NAME" of each pod of the node; sorted */
        struct candidate *items;      /* owned; room for SUSPECTS_MAX */
        size_t count;
};

static void candidates_done(struct candidates *candidates)
{
        for (size_t i = 0; i < candidates->count; i++) {
                struct candidate *candidate = &candidates->items[i];

                request_done(&candidate->request);
                k8s_request_done(&candidate->question);
                free(candidate->namespace);
                free(candidate->name);
        }
        free(candidates->items);
}

static int take_candidate(const struct record *record, void *context)
{
        struct candidates *candidates = context;
        const struct group *group = candidates->look->group;
        struct candidate *candidate = &candidates->items[candidates->count];
        const char *slash = record->podref ? strchr(record->podref, '/') : NULL;
        size_t at;

        if (!slash || slash == record->podref ||
            text_list_find(candidates->here, record->podref, &at) ||
            !record_is_of(record, group->kubeconfig->server, group->kubeconfig->namespace) ||
            record_is_marked(group->records, record))
                return 0;
        if (candidates->count == SUSPECTS_MAX)
                return 1; /* the others have their turn when these are gone */
        candidates->count++;
        *candidate = (struct candidate){ .pod = OWNED_UNKNOWN };
        candidate->namespace = strndup(record->podref, (size_t)(slash - record->podref));
        candidate->name = strdup(slash + 1);
        k8s_request_init(&candidate->question, K8S_GET, K8S_POD, candidate->name);
        candidate->question.namespace = candidate->namespace;
        if (!candidate->namespace || !candidate->name)
                return -ENOMEM;
        return request_of_record(record, &candidate->request);
}

static enum owned_pod judge_answer(const struct candidate *candidate, const char *node)
{
        enum owned_pod result = OWNED_HERE;
        struct pod pod = { 0 };
        struct err ignored;

        if (candidate->question.end == K8S_NOT_FOUND)
                return OWNED_GONE;
        if (candidate->question.end != K8S_DONE ||
            pod_parse(buf_text(&candidate->question.answer), candidate->question.answer.len, &pod,
                      &ignored) < 0)
                return OWNED_UNKNOWN;
        if (*pod.node && strcmp(pod.node, node) != 0)
                result = OWNED_GONE;
        pod_done(&pod);
        return result;
}

static int ask(struct candidates *candidates, const struct k8s_limits *limits, struct err *err)
{
        _cleanup_(freep) struct k8s_request **list =
                calloc(candidates->count + 1, sizeof(struct k8s_request *));
        int r;

        if (!list)
                return err_oom(err);
        for (size_t i = 0; i < candidates->count; i++)
                list[i] = &candidates->items[i].question;
        r = k8s_run(candidates->look->own, list, candidates->count, limits, err);
        for (size_t i = 0; i < candidates->count && r == 0; i++)
                candidates->items[i].pod =
                        judge_answer(&candidates->items[i], candidates->look->node);
        return r;
}

/* ---- the look ---- */

/* Returns whether it is done. */
static bool release(const struct owned_look *look, struct candidate *candidate)
{
        _cleanup_(answer_done) struct answer answer = { 0 };

        candidate->request.deadline_ms = clock_boot_ms() + DEL_MS;
        group_run(look->group, &candidate->request, &answer);
        log_line(answer.r == 0 ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING,
                 "pod %s/%s is gone: container %s interface %s is released%s%s",
                 candidate->namespace, candidate->name, candidate->request.container_id,
                 candidate->request.ifname,
                 answer.r == 0 ? "" : " later: ", answer.r == 0 ? "" : answer.err.msg);
        return answer.r == 0;
}

static int judge_all(struct owned *owned, struct candidates *candidates, size_t *ret_released,
                     struct err *err)
{
        int64_t now_ms = clock_boot_ms();
        size_t released = 0;
        bool go_on = true;
        int r = 0;

        owned_begin(owned);
        for (size_t i = 0; i < candidates->count && r >= 0; i++) {
                struct candidate *candidate = &candidates->items[i];

                r = owned_judge(owned, &candidate->request, candidate->pod, now_ms,
                                candidates->look->grace_ms, err);
                if (r <= 0 || !go_on)
                        continue;
                go_on = release(candidates->look, candidate) &&
                        clock_boot_ms() < now_ms + RELEASE_MS;
                released += go_on;
        }
        owned_end(owned);
        *ret_released = released;
        return r < 0 ? r : 0;
}

int owned_look(struct owned *owned, const struct owned_look *look, size_t *ret_released,
               struct err *err)
{
        const struct k8s_limits limits = { clock_boot_ms() + ASK_MS, CONNECT_MS, REPEAT_MS };
        _cleanup_(text_list_done) struct text_list here = { 0 };
        _cleanup_(candidates_done) struct candidates candidates = { .look = look, .here = &here };
        int r = list_pods(look, &limits, &here, err);

        if (r < 0)
                return r;
        candidates.items = calloc(SUSPECTS_MAX, sizeof(*candidates.items));
        if (!candidates.items)
                return err_oom(err);
        r = record_each(look->group->records, false, take_candidate, &candidates, err);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r >= 0)
                r = ask(&candidates, &limits, err);
        return r < 0 ? r : judge_all(owned, &candidates, ret_released, err);
}
