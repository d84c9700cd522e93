/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repairs go Lease by Lease: the one of the pool where an address comes from a node's slice (then a
 * Lease of the pool's name exists), else the common one. A few at a time, because everybody else
 * waits meanwhile.
 *
 * The order of an ADD is no protection here: ours makes the reservation first, others the entry.
 * The protection is that neither is at work while we hold the Lease, and for those that take none
 * the preconditions: a reservation is deleted as it was seen, and created where there is none.
 */
#include "repair.h"

#include <string.h>

#include "core/clock.h"
#include "lock.h"

#define APART_MS   2000
#define CHUNK      32U
#define CONNECT_MS 3000
#define REPEAT_MS  15000

/* ---- looking ---- */

static int parse_lists(const struct k8s_request *pools, const struct k8s_request *reservations,
                       struct snapshot *ret, struct err *err)
{
        struct snapshot snapshot = { 0 };
        int r;

        if (pools->end != K8S_DONE)
                return k8s_error(pools, err);
        if (reservations->end != K8S_DONE)
                return k8s_error(reservations, err);
        r = pool_list_parse(buf_text(&pools->answer), pools->answer.len, &snapshot.pools, err);
        if (r == 0)
                r = reservation_list_parse(buf_text(&reservations->answer),
                                           reservations->answer.len, &snapshot.reservations, err);
        if (r < 0) {
                snapshot_done(&snapshot);
                return r;
        }
        *ret = snapshot;
        return 0;
}

int snapshot_read(struct k8s *k8s, bool fresh, const struct k8s_limits *limits,
                  struct snapshot *ret, struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request pools;
        _cleanup_(k8s_request_done) struct k8s_request reservations;
        struct k8s_request *const both[] = { &pools, &reservations };
        int r;

        k8s_request_init(&pools, K8S_GET, K8S_POOL, NULL);
        k8s_request_init(&reservations, K8S_GET, K8S_RESERVATION, NULL);
        pools.query = reservations.query = fresh ? NULL : "resourceVersion=0";
        r = k8s_run(k8s, both, ARRAY_SIZE(both), limits, err);
        return r < 0 ? r : parse_lists(&pools, &reservations, ret, err);
}

void inquiry_done(struct inquiry *inquiry)
{
        audit_done(&inquiry->audit);
        snapshot_done(&inquiry->snapshot);
        free(inquiry->repairs);
        *inquiry = (struct inquiry){ 0 };
}

static int look(struct inquiry *inquiry, struct k8s *k8s, bool fresh,
                const struct k8s_limits *limits, struct err *err)
{
        int r = snapshot_read(k8s, fresh, limits, &inquiry->snapshot, err);

        return r < 0 ? r : audit_run(&inquiry->snapshot, &inquiry->audit, err);
}

/* Questions that are asked side by side. */
struct question {
        struct k8s_request get;
        size_t about; /* which repair, or which pool */
        char *podref; /* owned; the texts of a pod's name. NULL: it is not about one */
};

struct questions {
        struct question *items;    /* owned */
        struct k8s_request **list; /* owned */
        size_t count;
};

static void questions_done(struct questions *questions)
{
        for (size_t i = 0; i < questions->count; i++) {
                k8s_request_done(&questions->items[i].get);
                free(questions->items[i].podref);
        }
        free(questions->items);
        free(questions->list);
}

/* Without memory the arrays are NULL. */
static struct questions questions_new(size_t room)
{
        return (struct questions){ calloc(room + 1, sizeof(struct question)),
                                   calloc(room + 1, sizeof(struct k8s_request *)), 0 };
}

/* The request is initialized; the podref is taken over. */
static struct k8s_request *add_question(struct questions *questions, size_t about,
                                        enum k8s_resource resource, const char *name, char *podref)
{
        struct question *question = &questions->items[questions->count];

        k8s_request_init(&question->get, K8S_GET, resource, name);
        question->about = about;
        question->podref = podref;
        questions->list[questions->count++] = &question->get;
        return &question->get;
}

static int ask_for_pod(struct questions *questions, size_t about,
                       const struct reservation *reservation, struct err *err)
{
        char *podref = strdup(reservation->podref), *slash;
        struct k8s_request *get;

        if (!podref)
                return err_oom(err);
        slash = strchr(podref, '/'); /* there is one, or the reservation would be left alone */
        if (slash)
                *slash = '\0';
        get = add_question(questions, about, K8S_POD, slash ? slash + 1 : podref, podref);
        get->namespace = podref;
        get->brief = true;
        return 0;
}

static const char *doubt_pod(const struct k8s_request *get)
{
        if (get->end == K8S_NOT_FOUND)
                return NULL;
        return get->end == K8S_DONE ? "its pod exists, and may be using the address"
                                    : "whether its pod exists cannot be seen";
}

/* Whether the pods of the orphans are gone. */
static int ask_for_pods(struct inquiry *inquiry, struct k8s *k8s, const struct k8s_limits *limits,
                        struct err *err)
{
        _cleanup_(questions_done) struct questions questions = questions_new(inquiry->count);
        int r = 0;

        if (!questions.items || !questions.list)
                return err_oom(err);
        for (size_t i = 0; i < inquiry->count && r == 0; i++) {
                const struct repair *repair = &inquiry->repairs[i];

                if (!repair->unsure && repair->finding->kind == FINDING_ORPHAN)
                        r = ask_for_pod(&questions, i, repair->finding->reservation, err);
        }
        if (r == 0)
                r = k8s_run(k8s, questions.list, questions.count, limits, err);
        for (size_t i = 0; i < questions.count && r == 0; i++)
                inquiry->repairs[questions.items[i].about].unsure =
                        doubt_pod(&questions.items[i].get);
        return r;
}

static int compare_looks(struct inquiry *inquiry, const struct audit *before, struct err *err)
{
        inquiry->count = 0;
        inquiry->repairs = calloc(inquiry->audit.finding_count + 1, sizeof(*inquiry->repairs));
        if (!inquiry->repairs)
                return err_oom(err);
        for (size_t i = 0; i < inquiry->audit.finding_count; i++) {
                const struct finding *finding = &inquiry->audit.findings[i];
                struct repair *repair = &inquiry->repairs[inquiry->count];

                if (!audit_find(before, finding))
                        continue;
                repair->finding = finding;
                repair->unsure = finding->unsure;
                inquiry->count++;
        }
        return 0;
}

int inquiry_run(struct inquiry *inquiry, struct k8s *k8s, bool fresh,
                const struct k8s_limits *limits, struct err *err)
{
        _cleanup_(inquiry_done) struct inquiry before = { 0 };
        int r = look(&before, k8s, fresh, limits, err);

        if (r == 0 && before.audit.finding_count > 0)
                clock_sleep_ms(APART_MS);
        if (r == 0)
                r = look(inquiry, k8s, fresh, limits, err);
        if (r == 0)
                r = compare_looks(inquiry, &before.audit, err);
        return r == 0 ? ask_for_pods(inquiry, k8s, limits, err) : r;
}

/* ---- which Lease ---- */

/* The pools that nodes have slices of: those with a Lease of their name. */
int repair_find_slices(const struct audit *audit, const struct repair_way *way, bool *ret,
                       struct err *err)
{
        const struct k8s_limits limits = { clock_boot_ms() + way->patience_ms, CONNECT_MS,
                                           REPEAT_MS };
        const struct pool_list *pools = &audit->snapshot->pools;
        _cleanup_(questions_done) struct questions questions = questions_new(pools->count);
        int r;

        if (!questions.items || !questions.list)
                return err_oom(err);
        for (size_t i = 0; i < pools->count; i++)
                if (*audit_prefix(audit, i))
                        (void)add_question(&questions, i, K8S_LEASE, pools->items[i].name, NULL);
        r = k8s_run(way->k8s, questions.list, questions.count, &limits, err);
        for (size_t i = 0; i < questions.count && r == 0; i++) {
                const struct k8s_request *get = &questions.items[i].get;

                ret[questions.items[i].about] = get->end == K8S_DONE;
                if (get->end != K8S_DONE && get->end != K8S_NOT_FOUND)
                        r = k8s_error(get, err);
        }
        return r;
}

/* Of all pools that the object may belong to. */
const char *repair_lease(const struct audit *audit, const bool *slices,
                         const struct finding *finding)
{
        const struct pool_list *pools = &audit->snapshot->pools;
        const char *lease = NULL;

        for (size_t i = 0; i < pools->count; i++) {
                bool meant = finding->pool ? &pools->items[i] == finding->pool
                                           : audit_is_near(audit, i, finding->reservation);

                if (!slices[i] || !meant)
                        continue;
                if (lease)
                        return NULL;
                lease = pools->items[i].name;
        }
        return lease ? lease : LEASE_NAME;
}

/* ---- mending ---- */

/* One repair on its way. */
struct step {
        struct repair *repair;
        const char *lease;
        bool taken;
};

static void end(struct repair *repair, enum repair_end how, const char *text)
{
        repair->end = how;
        (void)snprintf(repair->text, sizeof(repair->text), "%.*s", (int)sizeof(repair->text) - 1,
                       text);
}

/* The request that mends it, after a look of now. False when it is not so any more. */
static bool compose(const struct finding *finding, const char *namespace, struct k8s_request *ret)
{
        if (!finding || finding->unsure)
                return false;
        if (finding->kind == FINDING_ORPHAN) {
                k8s_request_init(ret, K8S_DELETE, K8S_RESERVATION, finding->reservation->name);
                reservation_write_delete(&ret->body, finding->reservation);
        } else {
                k8s_request_init(ret, K8S_POST, K8S_RESERVATION, finding->name);
                ret->brief = true;
                reservation_write_new(&ret->body, finding->name, namespace, finding->entry->podref,
                                      finding->entry->ifname, finding->entry->id);
        }
        return true;
}

static void judge(struct repair *repair, const struct k8s_request *request)
{
        if (request->end == K8S_DONE ||
            (request->verb == K8S_DELETE && request->end == K8S_NOT_FOUND))
                end(repair, REPAIR_DONE, "");
        else if (request->end == K8S_CONFLICT)
                end(repair, REPAIR_GONE, "");
        else
                end(repair, REPAIR_FAILED, request->err.msg);
}

/* Under the Lease. */
static int mend(struct step *const *steps, size_t count, const struct repair_way *way,
                struct lock *lock, const struct k8s_limits *limits, struct err *err)
{
        _cleanup_(inquiry_done) struct inquiry now = { 0 };
        struct k8s_request requests[CHUNK], *list[CHUNK];
        struct repair *whose[CHUNK];
        size_t n = 0;
        int r = look(&now, way->k8s, true, limits, err);

        for (size_t i = 0; i < count && r == 0; i++) {
                struct repair *repair = steps[i]->repair;

                if (!compose(audit_find(&now.audit, repair->finding), k8s_namespace(way->k8s),
                             &requests[n])) {
                        end(repair, REPAIR_GONE, "");
                        continue;
                }
                list[n] = &requests[n];
                whose[n++] = repair;
        }
        if (r == 0)
                r = lock_keep(lock, limits, err);
        if (r == 0)
                r = k8s_run(way->k8s, list, n, limits, err);
        for (size_t i = 0; i < n; i++) {
                if (r == 0)
                        judge(whose[i], list[i]);
                k8s_request_done(list[i]);
        }
        return r;
}

/* Takes the Lease of these steps, and mends what is theirs. */
static int run_chunk(struct step *const *steps, size_t count, const struct repair_way *way,
                     struct lock *lock, struct err *err)
{
        struct k8s_limits limits = { clock_boot_ms() + way->patience_ms, CONNECT_MS, REPEAT_MS };
        struct err why;
        int r = lock_take(lock, steps[0]->lease, &limits, &why);

        if (r == 0)
                r = mend(steps, count, way, lock, &limits, &why);
        limits.deadline_ms = clock_boot_ms() + CONNECT_MS;
        lock_release(lock, &limits);
        if (r == -ENOMEM)
                return err_oom(err);
        for (size_t i = 0; i < count && r != 0; i++)
                if (steps[i]->repair->end == REPAIR_NONE)
                        end(steps[i]->repair, REPAIR_FAILED, why.msg);
        return 0;
}

/* Everything in chunks of one Lease each. */
static int run_steps(struct step *steps, size_t count, const struct repair_way *way,
                     struct lock *lock, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < count && r == 0; i++) {
                struct step *chunk[CHUNK];
                size_t n = 0;

                for (size_t j = i; j < count && n < CHUNK; j++) {
                        if (steps[j].taken || strcmp(steps[j].lease, steps[i].lease) != 0)
                                continue;
                        steps[j].taken = true;
                        chunk[n++] = &steps[j];
                }
                if (n > 0)
                        r = run_chunk(chunk, n, way, lock, err);
        }
        return r;
}

/* What can be mended, each with its Lease. */
static size_t plan(struct inquiry *inquiry, const bool *slices, struct step *steps)
{
        size_t n = 0;

        for (size_t i = 0; i < inquiry->count; i++) {
                struct repair *repair = &inquiry->repairs[i];
                const char *lease;

                if (repair->unsure)
                        continue;
                lease = repair_lease(&inquiry->audit, slices, repair->finding);
                if (lease)
                        steps[n++] = (struct step){ repair, lease, false };
                else
                        end(repair, REPAIR_FAILED, "it may belong to the slices of several nodes");
        }
        return n;
}

static bool is_certain(const struct inquiry *inquiry)
{
        for (size_t i = 0; i < inquiry->count; i++)
                if (!inquiry->repairs[i].unsure)
                        return true;
        return false;
}

int inquiry_repair(struct inquiry *inquiry, const struct repair_way *way, struct err *err)
{
        _cleanup_(freep) struct step *steps = calloc(inquiry->count + 1, sizeof(*steps));
        _cleanup_(freep) bool *slices = calloc(inquiry->audit.pool_count + 1, sizeof(*slices));
        _cleanup_(lock_done) struct lock lock = { 0 };
        int r;

        if (!steps || !slices)
                return err_oom(err);
        if (!is_certain(inquiry))
                return 0;
        r = lock_init(&lock, way->k8s, way->identity, false, way->lease_duration_ms, err);
        if (r == 0)
                r = repair_find_slices(&inquiry->audit, way, slices, err);
        return r == 0 ? run_steps(steps, plan(inquiry, slices, steps), way, &lock, err) : r;
}
