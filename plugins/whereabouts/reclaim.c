/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pools are read before pods: an entry that is made meanwhile is not seen, a pod that is made
 * meanwhile is. All lists may come from the API server's cache, since they only say whom to ask;
 * what is asked directly comes from the store.
 */
#include "reclaim.h"

#include <string.h>

#include "core/clock.h"
#include "core/result.h"
#include "k8s-list.h"
#include "reclaim-free.h"
#include "repair.h"

#define LOOK_MS      60000
#define CONNECT_MS   5000
#define REPEAT_MS    3000  /* what is not known now may be so at the next look */
#define RETRY_MS     60000 /* after a look that could not do all */
#define SIDE_BY_SIDE 32U

static struct k8s_limits limits_of_now(void)
{
        return (struct k8s_limits){ clock_boot_ms() + LOOK_MS, CONNECT_MS, REPEAT_MS };
}

/* ---- pods ---- */

static int glance(const struct json_at *at, void *dst, struct err *err)
{
        _cleanup_(pod_done) struct pod pod = { 0 };
        int r = pod_read(at, &pod, err);

        if (r == 0)
                reconcile_glance(dst, &pod);
        return r;
}

/* Those that have ended stay out: whoever is not in the list is asked for. */
static int list_pods(const struct reclaim_way *way, struct reconcile *reconcile, struct err *err)
{
        const struct k8s_list list = {
                .resource = K8S_POD,
                .selector = "status.phase!=Succeeded,status.phase!=Failed",
                .everywhere = true,
                .brief = true,
        };
        const struct k8s_limits limits = limits_of_now();
        int r = k8s_list_each(way->k8s, &list, &limits, glance, reconcile, err);

        if (r < 0 && r != -ENOMEM)
                err_wrap(err, "list of pods: ");
        return r;
}

/* Runs a few requests side by side; those before them have been judged. */
static int run_some(const struct reclaim_way *way, struct k8s_request *requests, size_t count,
                    struct err *err)
{
        const struct k8s_limits limits = limits_of_now();
        struct k8s_request *list[SIDE_BY_SIDE];

        for (size_t i = 0; i < count; i++)
                list[i] = &requests[i];
        return k8s_run(way->k8s, list, count, &limits, err);
}

/* Why something is not known, once in a look: mostly it is a permission that lacks. */
static void doubt(const struct reclaim_way *way, const struct k8s_request *get, bool *said)
{
        if (!*said && get->end != K8S_DONE && get->end != K8S_NOT_FOUND)
                way->note(true, get->err.msg);
        *said |= get->end != K8S_DONE && get->end != K8S_NOT_FOUND;
}

/* An answer that makes no sense is none. */
static int take_pod(struct holder_pod *holder, const struct k8s_request *get, struct err *err)
{
        struct err why;
        int r;

        if (get->end == K8S_NOT_FOUND)
                holder->answered = holder->gone = true;
        if (get->end != K8S_DONE)
                return 0;
        r = pod_parse(buf_text(&get->answer), get->answer.len, &holder->pod, &why);
        holder->answered = r == 0 && strcmp(holder->pod.name, holder->name) == 0 &&
                           strcmp(holder->pod.namespace, holder->namespace) == 0;
        return r == -ENOMEM ? err_oom(err) : 0;
}

/* Asks for the next of those that have to be, and moves *next behind them. */
static int ask_some_pods(const struct reclaim_way *way, struct reconcile *reconcile, size_t *next,
                         bool *said, struct err *err)
{
        struct k8s_request gets[SIDE_BY_SIDE];
        struct holder_pod *whose[SIDE_BY_SIDE];
        size_t n = 0;
        int r;

        for (; *next < reconcile->holder_count && n < SIDE_BY_SIDE; (*next)++) {
                struct holder_pod *holder = &reconcile->holders[*next];

                if (!holder->suspicious)
                        continue;
                k8s_request_init(&gets[n], K8S_GET, K8S_POD, holder->name);
                gets[n].namespace = holder->namespace;
                whose[n++] = holder;
        }
        r = run_some(way, gets, n, err);
        for (size_t i = 0; i < n; i++) {
                if (r == 0)
                        doubt(way, &gets[i], said);
                if (r == 0)
                        r = take_pod(whose[i], &gets[i], err);
                k8s_request_done(&gets[i]);
        }
        return r;
}

/* ---- nodes ---- */

/* The nodes of deleted pods, each once. */
static const char **nodes_to_ask(const struct reconcile *reconcile, size_t *ret_count)
{
        const char **names = calloc(reconcile->holder_count + 1, sizeof(*names));
        size_t count = 0, unique = 0;

        if (!names)
                return NULL;
        for (size_t i = 0; i < reconcile->holder_count; i++) {
                const struct pod *pod = &reconcile->holders[i].pod;

                if (reconcile->holders[i].answered && pod->terminating && *pod->node)
                        names[count++] = pod->node;
        }
        if (count > 1)
                qsort(names, count, sizeof(*names), text_compare_items);
        for (size_t i = 0; i < count; i++)
                if (i == 0 || strcmp(names[i], names[unique - 1]) != 0)
                        names[unique++] = names[i];
        *ret_count = unique;
        return names;
}

static enum node_sight judge_node(const struct k8s_request *get)
{
        struct err ignored;
        bool out;

        if (get->end == K8S_NOT_FOUND)
                return NODE_GONE;
        if (get->end != K8S_DONE ||
            node_parse(buf_text(&get->answer), get->answer.len, &out, &ignored) < 0)
                return NODE_UNKNOWN;
        return out ? NODE_OUT : NODE_THERE;
}

static int ask_some_nodes(const struct reclaim_way *way, struct reconcile *reconcile,
                          const char *const *names, size_t count, bool *said, struct err *err)
{
        struct k8s_request gets[SIDE_BY_SIDE];
        int r;

        for (size_t i = 0; i < count; i++)
                k8s_request_init(&gets[i], K8S_GET, K8S_NODE, names[i]);
        r = run_some(way, gets, count, err);
        for (size_t i = 0; i < count; i++) {
                enum node_sight sight = r == 0 ? judge_node(&gets[i]) : NODE_UNKNOWN;

                if (r == 0)
                        doubt(way, &gets[i], said);
                for (size_t j = 0; j < reconcile->holder_count; j++) {
                        struct holder_pod *holder = &reconcile->holders[j];

                        if (holder->pod.node && strcmp(holder->pod.node, names[i]) == 0)
                                holder->node = sight;
                }
                k8s_request_done(&gets[i]);
        }
        return r;
}

static int ask_nodes(const struct reclaim_way *way, struct reconcile *reconcile, bool *said,
                     struct err *err)
{
        size_t count = 0;
        _cleanup_(freep) const char **names = nodes_to_ask(reconcile, &count);
        int r = 0;

        if (!names)
                return err_oom(err);
        for (size_t i = 0; i < count && r == 0; i += SIDE_BY_SIDE)
                r = ask_some_nodes(way, reconcile, names + i,
                                   count - i < SIDE_BY_SIDE ? count - i : SIDE_BY_SIDE, said, err);
        return r;
}

/* ---- a look ---- */

/* Everything of one look. */
struct look {
        struct snapshot snapshot;
        struct audit audit;
        struct reconcile reconcile;
};

static void look_done(struct look *look)
{
        reconcile_done(&look->reconcile);
        audit_done(&look->audit);
        snapshot_done(&look->snapshot);
}

static int take_look(const struct reclaim_way *way, struct look *look, struct err *err)
{
        const struct k8s_limits limits = limits_of_now();
        bool said = false;
        size_t next = 0;
        int r = snapshot_read(way->k8s, false, &limits, &look->snapshot, err);

        if (r == 0)
                r = audit_run(&look->snapshot, &look->audit, err);
        if (r == 0)
                r = reconcile_begin(&look->audit, &look->reconcile, err);
        if (r == 0 && look->reconcile.subject_count > 0)
                r = list_pods(way, &look->reconcile, err);
        if (r < 0)
                return r;
        reconcile_sum_up(&look->reconcile);
        while (r == 0 && next < look->reconcile.holder_count)
                r = ask_some_pods(way, &look->reconcile, &next, &said, err);
        if (r == 0)
                r = ask_nodes(way, &look->reconcile, &said, err);
        if (r == 0)
                reconcile_judge(&look->reconcile, way->evicted);
        return r;
}

static void count(const struct look *look, const struct suspects *suspects,
                  struct reclaim_report *ret)
{
        ret->entries = look->audit.item_count;
        ret->suspects = suspects->count;
        for (size_t i = 0; i < look->reconcile.subject_count; i++)
                ret->unknown += look->reconcile.subjects[i].verdict == VERDICT_UNKNOWN;
        for (size_t i = 0; i < look->audit.finding_count; i++)
                ret->reservations += look->audit.findings[i].kind == FINDING_ORPHAN;
}

int reclaim_run(const struct reclaim_way *way, struct suspects *suspects,
                struct reclaim_report *ret, struct err *err)
{
        _cleanup_(look_done) struct look look = { 0 };
        struct reclaim_report report = { 0 };
        int64_t began_ms = clock_boot_ms();
        int r = take_look(way, &look, err);

        if (r == 0)
                r = suspects_update(suspects, &look.reconcile, began_ms, clock_boot_ms(),
                                    way->grace_ms, err);
        if (r < 0)
                return r;
        count(&look, suspects, &report);
        r = reclaim_free(way, &look.audit, &look.reconcile, &report, err);
        if (r < 0)
                return r;
        report.due_ms = suspects_due_ms(suspects, began_ms, way->grace_ms);
        if ((report.failures > 0 || report.changed > 0 || report.unknown > 0) &&
            report.due_ms > clock_boot_ms() + RETRY_MS)
                report.due_ms = clock_boot_ms() + RETRY_MS;
        *ret = report;
        return 0;
}
