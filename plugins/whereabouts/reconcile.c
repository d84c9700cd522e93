/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of pods only tells whom to ask for. It leaves those out that have ended, so they are
 * asked for as well.
 */
#include "reconcile.h"

#include <string.h>

void reconcile_done(struct reconcile *reconcile)
{
        for (size_t i = 0; i < reconcile->holder_count; i++) {
                free(reconcile->holders[i].podref);
                free(reconcile->holders[i].namespace);
                pod_done(&reconcile->holders[i].pod);
        }
        free(reconcile->holders);
        free(reconcile->subjects);
        *reconcile = (struct reconcile){ 0 };
}

void suspects_done(struct suspects *suspects)
{
        for (size_t i = 0; i < suspects->count; i++) {
                free(suspects->items[i].what);
                free(suspects->items[i].why);
        }
        free(suspects->items);
        *suspects = (struct suspects){ 0 };
}

/* ---- subjects and holders ---- */

/* A name that the API server can have, and that means nothing else in a URL. */
static bool is_name(const char *text, size_t len)
{
        if (len == 0 || len > 253 || *text == '.')
                return false;
        for (size_t i = 0; i < len; i++)
                if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-.", text[i]))
                        return false;
        return true;
}

static bool is_pod(const char *podref)
{
        size_t len = strcspn(podref, "/");

        return podref[len] == '/' && is_name(podref, len) &&
               is_name(podref + len + 1, strlen(podref + len + 1));
}

static const char *podref_of(const struct subject *subject)
{
        return subject->item ? subject->item->entry->podref : subject->reservation->podref;
}

static int compare_subjects(const void *a, const void *b)
{
        return strcmp(podref_of(a), podref_of(b));
}

/* Everything behind a '-', and the whole, as far as it is an address. What is no address in a
 * longer name stays out of the readings; the right one is always among them. */
static void read_name(struct subject *subject, const char *name)
{
        for (const char *p = name; p; p = strchr(p, '-')) {
                char text[IP_TEXT_MAX];

                if (p != name)
                        p++;
                if (strlen(p) >= sizeof(text))
                        continue;
                (void)snprintf(text, sizeof(text), "%s", p);
                for (char *c = text; *c; c++)
                        if (*c == '-')
                                *c = ':';
                if (subject->ip_count < READINGS_MAX &&
                    ip_parse(text, &subject->ips[subject->ip_count]) == 0)
                        subject->ip_count++;
        }
}

static void collect(const struct audit *audit, struct reconcile *reconcile)
{
        for (size_t i = 0; i < audit->item_count; i++) {
                const struct audit_item *item = &audit->items[i];

                if (is_pod(item->entry->podref) && *item->entry->id)
                        reconcile->subjects[reconcile->subject_count++] =
                                (struct subject){ .ifname = item->entry->ifname,
                                                  .ips = { item->entry->ip },
                                                  .ip_count = 1,
                                                  .item = item };
        }
        for (size_t i = 0; i < audit->finding_count && !reconcile->blind; i++) {
                const struct reservation *reservation = audit->findings[i].reservation;
                struct subject *subject = &reconcile->subjects[reconcile->subject_count];

                if (audit->findings[i].kind != FINDING_ORPHAN || !is_pod(reservation->podref))
                        continue;
                *subject = (struct subject){ .ifname = reservation->ifname,
                                             .reservation = reservation };
                read_name(subject, reservation->name);
                reconcile->subject_count++;
        }
}

static int add_holder(struct reconcile *reconcile, size_t first, struct err *err)
{
        struct holder_pod *holder = &reconcile->holders[reconcile->holder_count];
        const char *podref = podref_of(&reconcile->subjects[first]);

        *holder = (struct holder_pod){ .podref = strdup(podref),
                                       .namespace = strndup(podref, strcspn(podref, "/")),
                                       .first = first };
        reconcile->holder_count++;
        if (!holder->podref || !holder->namespace)
                return err_oom(err);
        holder->name = holder->podref + strlen(holder->namespace) + 1;
        return 0;
}

static int group_subjects(struct reconcile *reconcile, struct err *err)
{
        for (size_t i = 0; i < reconcile->subject_count; i++) {
                struct subject *subject = &reconcile->subjects[i];
                int r = 0;

                subject->suspicious = true;
                if (i == 0 || strcmp(podref_of(subject), podref_of(subject - 1)) != 0)
                        r = add_holder(reconcile, i, err);
                if (r < 0)
                        return r;
                subject->holder = &reconcile->holders[reconcile->holder_count - 1];
                subject->holder->count++;
        }
        return 0;
}

int reconcile_begin(const struct audit *audit, struct reconcile *ret, struct err *err)
{
        _cleanup_(reconcile_done) struct reconcile reconcile = { 0 };
        const struct pool_list *pools = &audit->snapshot->pools;
        size_t room = audit->item_count + audit->finding_count + 1;
        int r;

        reconcile.subjects = calloc(room, sizeof(*reconcile.subjects));
        reconcile.holders = calloc(room, sizeof(*reconcile.holders));
        if (!reconcile.subjects || !reconcile.holders)
                return err_oom(err);
        for (size_t i = 0; i < pools->count; i++)
                reconcile.blind |= !pools->items[i].range.ip.family;
        collect(audit, &reconcile);
        if (reconcile.subject_count > 1)
                qsort(reconcile.subjects, reconcile.subject_count, sizeof(*reconcile.subjects),
                      compare_subjects);
        r = group_subjects(&reconcile, err);
        if (r < 0)
                return r;
        *ret = reconcile;
        reconcile = (struct reconcile){ 0 };
        return 0;
}

/* ---- what the list says ---- */

static bool shows(const struct pod *pod, const struct subject *subject)
{
        for (size_t i = 0; i < subject->ip_count; i++)
                if (pod_shows(pod, &subject->ips[i]))
                        return true;
        return false;
}

/* Whether the annotation is a proof. A reservation whose name says nothing stays. */
static bool has_others(const struct pod *pod, const struct subject *subject)
{
        return subject->ip_count > 0 && pod_tells(pod, subject->ifname) && !shows(pod, subject);
}

static int compare_holder(const void *key, const void *item)
{
        const struct pod *pod = key;
        const struct holder_pod *holder = item;
        int order;

        /* As strcmp() of the whole podrefs, which the array is sorted by. */
        order = strncmp(pod->namespace, holder->podref, strlen(pod->namespace));
        if (order != 0)
                return order;
        order = '/' - (int)(unsigned char)holder->podref[strlen(pod->namespace)];
        return order != 0 ? order : strcmp(pod->name, holder->name);
}

void reconcile_glance(struct reconcile *reconcile, const struct pod *pod)
{
        struct holder_pod *holder =
                reconcile->holder_count == 0
                        ? NULL
                        : bsearch(pod, reconcile->holders, reconcile->holder_count,
                                  sizeof(*reconcile->holders), compare_holder);

        for (size_t i = 0; holder && i < holder->count; i++) {
                struct subject *subject = &reconcile->subjects[holder->first + i];

                subject->suspicious = pod->terminating || has_others(pod, subject);
        }
}

void reconcile_sum_up(struct reconcile *reconcile)
{
        for (size_t i = 0; i < reconcile->subject_count; i++)
                reconcile->subjects[i].holder->suspicious |= reconcile->subjects[i].suspicious;
}

/* ---- what the pod itself says ---- */

static bool has_ended(const struct pod *pod)
{
        return !pod->working &&
               (strcmp(pod->phase, "Succeeded") == 0 || strcmp(pod->phase, "Failed") == 0);
}

static enum verdict judge(const struct subject *subject, bool evicted)
{
        const struct holder_pod *holder = subject->holder;
        const struct pod *pod = &holder->pod;

        if (!holder->suspicious || (holder->answered && !holder->gone && !*pod->uid))
                return VERDICT_LIVE;
        if (!holder->answered)
                return VERDICT_UNKNOWN;
        if (holder->gone)
                return VERDICT_GONE;
        if (has_ended(pod))
                return VERDICT_ENDED;
        if (strcmp(pod->phase, "Running") == 0 && has_others(pod, subject))
                return VERDICT_OTHER;
        if (!pod->terminating)
                return VERDICT_LIVE;
        if (evicted && pod->evicted)
                return VERDICT_EVICTED;
        switch (holder->node) {
        case NODE_GONE:
                return VERDICT_NODE;
        case NODE_OUT:
                return VERDICT_OUT;
        case NODE_UNKNOWN:
                return VERDICT_UNKNOWN;
        case NODE_THERE:
                break;
        }
        return VERDICT_LIVE;
}

void reconcile_judge(struct reconcile *reconcile, bool evicted)
{
        for (size_t i = 0; i < reconcile->subject_count; i++)
                reconcile->subjects[i].verdict = judge(&reconcile->subjects[i], evicted);
}

const char *reconcile_reason(enum verdict verdict)
{
        static const char *const reasons[] = {
                [VERDICT_UNKNOWN] = "nothing is known of its pod",
                [VERDICT_LIVE] = "its pod may be using it",
                [VERDICT_GONE] = "there is no such pod",
                [VERDICT_ENDED] = "the pod has run to its end",
                [VERDICT_OTHER] = "the pod has other addresses",
                [VERDICT_NODE] = "the pod is deleted and its node is gone",
                [VERDICT_OUT] = "the pod is deleted and its node is out of service",
                [VERDICT_EVICTED] = "the pod was evicted from a node that does not answer",
        };

        return reasons[verdict];
}

/* ---- looks ---- */

/* What it is: the container's id is part of it, so that an entry that was taken over is another
 * one. */
static char *name_subject(const struct subject *subject)
{
        const struct audit_item *item = subject->item;
        char *what;
        int len =
                item ? asprintf(&what, "entry\n%s\n%s\n%s\n%s", item->pool->name, item->entry->key,
                                item->entry->id, item->entry->podref)
                     : asprintf(&what, "reservation\n%s\n%s\n%s", subject->reservation->name,
                                subject->reservation->uid, subject->reservation->resource_version);

        return len < 0 ? NULL : what;
}

/* Why: another pod of the same name is another reason. */
static char *name_reason(const struct subject *subject)
{
        const struct holder_pod *holder = subject->holder;
        char *why;

        return asprintf(&why, "%d %s", (int)subject->verdict,
                        holder->pod.uid ? holder->pod.uid : "") < 0
                       ? NULL
                       : why;
}

static int compare_suspects(const void *a, const void *b)
{
        const struct suspect *x = a, *y = b;

        return strcmp(x->what, y->what);
}

static int compare_what(const void *key, const void *item)
{
        const struct suspect *suspect = item;

        return strcmp(key, suspect->what);
}

static const struct suspect *find_suspect(const struct suspects *suspects, const char *what)
{
        return suspects->count == 0 ? NULL
                                    : bsearch(what, suspects->items, suspects->count,
                                              sizeof(*suspects->items), compare_what);
}

/* One subject's place in the memory of this look; `ret` stays empty for one that has none. */
static int review(const struct suspects *before, const struct subject *subject, int64_t ended_ms,
                  struct suspect *ret, struct err *err)
{
        _cleanup_(freep) char *what = name_subject(subject);
        _cleanup_(freep) char *why = name_reason(subject);
        const struct suspect *known;

        if (!what || !why)
                return err_oom(err);
        known = find_suspect(before, what);
        if (subject->verdict == VERDICT_UNKNOWN && !known)
                return 0;
        if (subject->verdict == VERDICT_UNKNOWN) { /* as if we had not looked */
                free(why);
                why = strdup(known->why);
                if (!why)
                        return err_oom(err);
        }
        *ret = (struct suspect){ .since_ms = known && strcmp(known->why, why) == 0 ? known->since_ms
                                                                                   : ended_ms };
        ret->what = TAKE_PTR(what);
        ret->why = TAKE_PTR(why);
        return 0;
}

int suspects_update(struct suspects *suspects, struct reconcile *reconcile, int64_t began_ms,
                    int64_t ended_ms, int64_t grace_ms, struct err *err)
{
        _cleanup_(suspects_done) struct suspects now = { 0 };

        now.items = calloc(reconcile->subject_count + 1, sizeof(*now.items));
        if (!now.items)
                return err_oom(err);
        for (size_t i = 0; i < reconcile->subject_count; i++) {
                struct subject *subject = &reconcile->subjects[i];
                struct suspect *suspect = &now.items[now.count];
                int r;

                subject->condemned = false;
                if (subject->verdict == VERDICT_LIVE)
                        continue;
                r = review(suspects, subject, ended_ms, suspect, err);
                if (r < 0)
                        return r;
                if (!suspect->what)
                        continue;
                now.count++;
                subject->condemned = subject->verdict != VERDICT_UNKNOWN &&
                                     suspect->since_ms <= began_ms - grace_ms;
        }
        if (now.count > 1)
                qsort(now.items, now.count, sizeof(*now.items), compare_suspects);
        suspects_done(suspects);
        *suspects = now;
        now = (struct suspects){ 0 };
        return 0;
}

int64_t suspects_due_ms(const struct suspects *suspects, int64_t after_ms, int64_t grace_ms)
{
        int64_t due_ms = INT64_MAX;

        for (size_t i = 0; i < suspects->count; i++) {
                int64_t its_ms = suspects->items[i].since_ms + grace_ms;

                if (its_ms > after_ms && its_ms < due_ms)
                        due_ms = its_ms;
        }
        return due_ms;
}
