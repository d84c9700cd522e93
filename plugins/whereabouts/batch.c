/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Phases. All jobs that need the same Lease go through them together: read the pools, choose all
 * addresses, write all records, run the reservations side by side, patch each pool once; and again
 * for those who lost a race, until each job has its answer.
 *
 * Jobs about one pod's interface never share a round: what the first does is what the second finds.
 */
#include "batch.h"

#include <string.h>

#include "core/clock.h"

#define CONNECT_MS    4000 /* a server that is away is waited for so long; a DEL has 5 s in all */
#define REPEAT_MS     15000
#define RELEASE_MS    2000 /* for giving the Lease back, whatever time is left */
#define SWEEP_MS      1000 /* for what earlier calls have left */
#define LEFTOVERS_MAX 16U
#define ROUNDS_MAX    1000 /* no end that deadlines would not bring earlier */

static void free_k8s(struct batch *batch)
{
        if (!batch->k8s_is_kept)
                k8s_free(batch->k8s);
}

int batch_open(struct batch *batch, const struct conf_node *node,
               const struct kubeconfig *kubeconfig, struct k8s *k8s, int records, bool alone,
               struct err *err)
{
        int r = 0;

        *batch = (struct batch){ .node = node,
                                 .kubeconfig = kubeconfig,
                                 .records = records,
                                 .alone = alone,
                                 .k8s = k8s,
                                 .k8s_is_kept = k8s != NULL };
        if (!k8s)
                r = k8s_new(kubeconfig, &batch->k8s, err);
        if (r == 0)
                r = lock_init(&batch->lock, batch->k8s, kubeconfig->identity, !alone,
                              node->lease_duration_ms, err);
        batch->view.k8s = batch->k8s;
        if (r < 0) {
                free_k8s(batch);
                batch->k8s = NULL;
        }
        return r;
}

void batch_release(struct batch *batch)
{
        const struct k8s_limits limits = k8s_limits_within(RELEASE_MS);

        lock_release(&batch->lock, &limits);
}

void batch_close(struct batch *batch)
{
        batch_release(batch);
        view_done(&batch->view);
        lock_done(&batch->lock);
        free_k8s(batch);
}

static struct job_context context_of(struct batch *batch)
{
        return (struct job_context){ &batch->view, batch->node, batch->kubeconfig, batch->records };
}

/* The limits of a set of jobs: nobody waits longer than the most patient of them. */
static void set_limits(struct batch *batch, struct job *const *jobs, size_t count)
{
        struct k8s_limits limits = { .connect_ms = CONNECT_MS, .repeat_ms = REPEAT_MS };

        for (size_t i = 0; i < count; i++)
                if (jobs[i]->request->deadline_ms > limits.deadline_ms)
                        limits.deadline_ms = jobs[i]->request->deadline_ms;
        batch->view.limits = limits;
}

int batch_prepare(struct batch *batch, struct job *job, struct err *err)
{
        const struct job_context context = context_of(batch);
        int r;

        set_limits(batch, &job, 1);
        r = job_begin(job, &context, err);
        if (r < 0 || job->state == JOB_DONE)
                return r;
        if (job->lease)
                r = lock_take(&batch->lock, job->lease, &batch->view.limits, err);
        batch->terms = batch->lock.terms;
        if (r == 0)
                r = view_fetch(&batch->view, err);
        return r == 0 ? 0 : -EIO;
}

void batch_fail(struct batch *batch, struct job **jobs, size_t count, const struct err *why)
{
        const struct job_context context = context_of(batch);

        for (size_t i = 0; i < count; i++)
                if (jobs[i]->state != JOB_DONE)
                        job_refuse(jobs[i], &context, why);
}

/* ---- reservations ---- */

/* A request about a reservation, and whose it is. */
struct asked {
        struct job *job;
        struct claim *claim; /* or */
        struct removal *removal;
        struct k8s_request request;
};

struct questions {
        struct asked *items; /* owned; room for one of each claim and removal */
        size_t count;
};

static void questions_done(struct questions *questions)
{
        for (size_t i = 0; i < questions->count; i++)
                k8s_request_done(&questions->items[i].request);
        free(questions->items);
}

static int questions_init(struct questions *questions, struct job *const *jobs, size_t count,
                          struct err *err)
{
        size_t room = 1;

        for (size_t i = 0; i < count; i++)
                room += jobs[i]->claim_count + jobs[i]->removal_count;
        questions->items = calloc(room, sizeof(*questions->items));
        return questions->items ? 0 : err_oom(err);
}

static void ask_job(struct questions *questions, struct job *job, const char *namespace)
{
        for (size_t i = 0; i < job->claim_count && job->state == JOB_WORKING; i++) {
                struct asked *asked = &questions->items[questions->count];

                if (!claim_ask(&job->claims[i], job->request, namespace, &asked->request))
                        continue;
                asked->job = job;
                asked->claim = &job->claims[i];
                questions->count++;
        }
        for (size_t i = 0; i < job->removal_count && job->state != JOB_DONE; i++) {
                struct asked *asked = &questions->items[questions->count];

                if (!removal_ask(job->removals[i], job->request, namespace, &asked->request))
                        continue;
                asked->job = job;
                asked->removal = job->removals[i];
                questions->count++;
        }
}

static int take_answers(struct batch *batch, struct questions *questions, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < questions->count && r == 0; i++) {
                struct asked *asked = &questions->items[i];
                const struct request *request = asked->job->request;

                if (asked->claim)
                        r = claim_answer(asked->claim, &batch->view, request, &asked->request, err);
                else
                        r = removal_answer(asked->removal, request, &asked->request, err);
        }
        return r;
}

/* All that anybody wants to know or do about a reservation now. Returns 1 when that was nothing. */
static int reserve_round(struct batch *batch, struct job *const *jobs, size_t count,
                         struct err *err)
{
        _cleanup_(questions_done) struct questions questions = { 0 };
        _cleanup_(freep) struct k8s_request **list = NULL;
        int r = questions_init(&questions, jobs, count, err);

        for (size_t i = 0; i < count && r == 0; i++)
                ask_job(&questions, jobs[i], k8s_namespace(batch->k8s));
        if (r < 0 || questions.count == 0)
                return r < 0 ? r : 1;
        list = calloc(questions.count, sizeof(struct k8s_request *));
        if (!list)
                return err_oom(err);
        for (size_t i = 0; i < questions.count; i++)
                list[i] = &questions.items[i].request;
        r = lock_keep(&batch->lock, &batch->view.limits, err);
        if (r == 0)
                r = k8s_run(batch->k8s, list, questions.count, &batch->view.limits, err);
        return r == 0 ? take_answers(batch, &questions, err) : -EIO;
}

/* ---- pools ---- */

/* One pool's patch, and who is in it. */
struct change {
        struct view_pool *pool;
        struct pool_patch patch;
        struct k8s_request request;
        struct job **jobs; /* owned list */
        size_t count;
};

static void change_done(struct change *change)
{
        pool_patch_done(&change->patch);
        k8s_request_done(&change->request);
        free(change->jobs);
}

static bool is_entering(const struct claim *claim, const struct change *change)
{
        return claim->state == CLAIM_ENTER && claim->pool == change->pool;
}

static bool is_leaving(const struct removal *removal, const struct change *change)
{
        return removal->state == REMOVAL_ENTRY && removal->pool == change->pool;
}

/* Adds what the job wants of this pool. */
static void enter_job(struct change *change, struct job *job)
{
        size_t before = change->patch.count;

        for (size_t i = 0; i < job->claim_count && job->state == JOB_WORKING; i++)
                if (is_entering(&job->claims[i], change))
                        claim_enter(&job->claims[i], job->request, &change->patch);
        for (size_t i = 0; i < job->removal_count; i++)
                if (is_leaving(job->removals[i], change))
                        removal_enter(job->removals[i], job->request, &change->patch);
        if (change->patch.count > before)
                change->jobs[change->count++] = job;
}

/* Composes the pool's patch for the first jobs that want something of it, at most patch_max. */
static int compose_once(struct change *change, struct view_pool *pool, struct job *const *jobs,
                        size_t count, struct err *err)
{
        *change = (struct change){ .pool = pool };
        pool_patch_init(&change->patch);
        k8s_request_init(&change->request, K8S_PATCH, K8S_POOL, pool->name);
        change->request.brief = true;
        change->jobs = calloc(count + 1, sizeof(struct job *));
        if (!change->jobs)
                return err_oom(err);
        for (size_t i = 0; i < count && change->count < pool->patch_max; i++)
                if (jobs[i]->state != JOB_DONE)
                        enter_job(change, jobs[i]);
        if (change->patch.count == 0)
                return 0;
        return pool_patch_write(&change->patch, &pool->pool, &change->request.body, err);
}

/* The same, for fewer if the text becomes too long. It stays empty when nobody wants anything. */
static int compose(struct change *change, struct view_pool *pool, struct job *const *jobs,
                   size_t count, struct err *err)
{
        int r;

        while ((r = compose_once(change, pool, jobs, count, err)) == -EFBIG && change->count > 1) {
                pool->patch_max = change->count / 2;
                change_done(change);
        }
        return r;
}

/* Everything that stands in this patch ends as its request did. After a good end the answer has
 * metadata only; what stands in the pool now is known all the same. */
static void end_change(const struct change *change)
{
        bool done = change->request.end == K8S_DONE;

        for (size_t i = 0; i < change->count; i++) {
                struct job *job = change->jobs[i];

                for (size_t j = 0; j < job->claim_count; j++) {
                        if (!is_entering(&job->claims[j], change))
                                continue;
                        if (done)
                                job->claims[j].state = CLAIM_DONE;
                        else
                                claim_fail_by(&job->claims[j], &change->request);
                }
                for (size_t j = 0; j < job->removal_count; j++) {
                        if (!is_leaving(job->removals[j], change))
                                continue;
                        if (done)
                                job->removals[j]->state = REMOVAL_DONE;
                        else
                                removal_fail(job->removals[j], &change->request.err);
                }
        }
}

/* Whether no smaller patch could do better: the server refuses the account, not the text. */
static bool is_hopeless(const struct change *change)
{
        return change->request.end == K8S_AWAY || change->request.end == K8S_UNKNOWN ||
               (change->request.end == K8S_REFUSED &&
                (change->request.status == 401 || change->request.status == 403 ||
                 change->request.status == 404));
}

/* Was the patch refused because of what it says, or because the pool had changed meanwhile? The
 * pool is read again to know; if it is the same, the patch is halved until the guilty one stands
 * alone. */
static int judge_refusal(struct batch *batch, struct change *change, struct err *err)
{
        struct view_pool *pool = change->pool;
        _cleanup_(freep) char *before = strdup(pool->pool.resource_version);
        int r;

        if (!before)
                return err_oom(err);
        r = view_fetch(&batch->view, err);
        if (r < 0 || pool->r < 0 || pool->absent ||
            strcmp(before, pool->pool.resource_version) != 0)
                return r;
        pool->patch_max = change->count / 2;
        if (change->count == 1) {
                end_change(change);
                pool->patch_max = SIZE_MAX;
        }
        return 0;
}

static int judge_change(struct batch *batch, struct change *change, struct err *err)
{
        if (change->count == 0)
                return 0;
        change->pool->stale = true;
        if (change->request.end == K8S_DONE || change->request.end == K8S_NOT_FOUND)
                return 0; /* a pool that was removed meanwhile is made again, if anybody needs it */
        if (is_hopeless(change)) {
                end_change(change);
                return 0;
        }
        return judge_refusal(batch, change, err);
}

static int send_changes(struct batch *batch, struct change *changes, size_t count, struct err *err)
{
        _cleanup_(freep) struct k8s_request **list =
                calloc(count + 1, sizeof(struct k8s_request *));
        size_t n = 0;
        int r;

        if (!list)
                return err_oom(err);
        for (size_t i = 0; i < count; i++)
                if (changes[i].count > 0)
                        list[n++] = &changes[i].request;
        if (n == 0)
                return 0;
        r = lock_keep(&batch->lock, &batch->view.limits, err);
        if (r == 0)
                r = k8s_run(batch->k8s, list, n, &batch->view.limits, err);
        if (r != 0)
                return -EIO;
        for (size_t i = 0; i < count; i++)
                if (changes[i].request.end == K8S_DONE)
                        end_change(&changes[i]);
        for (size_t i = 0; i < count && r == 0; i++)
                r = judge_change(batch, &changes[i], err);
        return r;
}

/* One patch for every pool that somebody wants changed. */
static int patch_pools(struct batch *batch, struct job *const *jobs, size_t count, struct err *err)
{
        struct change *changes = calloc(batch->view.pool_count + 1, sizeof(*changes));
        size_t n = 0;
        int r = 0;

        if (!changes)
                return err_oom(err);
        for (size_t i = 0; i < batch->view.pool_count && r == 0; i++)
                if (batch->view.pools[i]->r == 0 && !batch->view.pools[i]->absent)
                        r = compose(&changes[n++], batch->view.pools[i], jobs, count, err);
        if (r == 0)
                r = send_changes(batch, changes, n, err);
        while (n > 0)
                change_done(&changes[--n]);
        free(changes);
        return r;
}

/* ---- rounds ---- */

/* Looks again at what waits for its pool, with the pools as they are now. */
static int review_job(struct batch *batch, struct job *job, struct err *err)
{
        bool restore = batch->node->locking == LOCKING_LEASE;
        int r = 0;

        for (size_t i = 0; i < job->claim_count && job->state == JOB_WORKING && r == 0; i++) {
                struct claim *claim = &job->claims[i];

                if (claim->state != CLAIM_ENTER)
                        continue;
                if (claim->pool->r < 0)
                        claim_fail(claim, &claim->pool->err);
                else if (!claim_review(claim, job->request) && job->request->overlap)
                        r = job_take_back(job, claim, err);
        }
        for (size_t i = 0; i < job->removal_count; i++) {
                struct removal *removal = job->removals[i];

                if (removal->state != REMOVAL_ENTRY)
                        continue;
                if (removal->pool->r < 0)
                        removal_fail(removal, &removal->pool->err);
                else
                        removal_review(removal, job->request, restore);
        }
        return r;
}

static int review(struct batch *batch, struct job *const *jobs, size_t count, struct err *err)
{
        int r;

        if (batch->terms != batch->lock.terms)
                view_forget_pools(&batch->view);
        batch->terms = batch->lock.terms;
        r = view_fetch(&batch->view, err);
        for (size_t i = 0; i < count && r == 0; i++)
                if (jobs[i]->state != JOB_DONE)
                        r = review_job(batch, jobs[i], err);
        return r;
}

/* What a job chose is on disk before the first object is. One write for all of them. */
static int write_records(struct batch *batch, struct job *const *jobs, size_t count,
                         struct err *err)
{
        const struct job_context context = context_of(batch);
        _cleanup_(freep) const struct record **list = calloc(count + 1, sizeof(struct record *));
        struct err why;
        size_t n = 0;
        int r;

        if (!list)
                return err_oom(err);
        for (size_t i = 0; i < count; i++)
                if (jobs[i]->dirty && jobs[i]->state == JOB_WORKING) {
                        jobs[i]->record.state = RECORD_ADDING;
                        list[n++] = &jobs[i]->record;
                }
        r = record_write(batch->records, list, n, true, &why);
        for (size_t i = 0; i < count; i++) {
                const struct record *const record[] = { &jobs[i]->record };

                if (!jobs[i]->dirty || jobs[i]->state != JOB_WORKING)
                        continue;
                jobs[i]->on_disk = true;
                jobs[i]->dirty = false;
                /* One that cannot be written harms only itself. */
                if (r == 0 || record_write(batch->records, record, 1, true, &why) == 0)
                        continue;
                err_wrap(&why, "%s: ", RECORD_DIR);
                if (job_fail(jobs[i], &context, &why, false, err) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* An ADD for which nobody waits any more is given up. */
static int drop_unwanted(struct batch *batch, struct job *const *jobs, size_t count,
                         struct err *err)
{
        const struct job_context context = context_of(batch);
        struct err why;
        int r = 0;

        (void)err_text(&why, -ECANCELED, CNI_ERR_TRY_LATER, "the caller has gone");
        for (size_t i = 0; i < count && r == 0; i++)
                if (jobs[i]->state == JOB_WORKING && jobs[i]->is_wanted &&
                    !jobs[i]->is_wanted(jobs[i]))
                        r = job_fail(jobs[i], &context, &why, false, err);
        return r;
}

static int for_each_job(struct batch *batch, struct job *const *jobs, size_t count,
                        int (*step)(struct job *job, const struct job_context *context,
                                    struct err *err),
                        struct err *err)
{
        const struct job_context context = context_of(batch);
        int r = 0;

        for (size_t i = 0; i < count && r == 0; i++)
                if (jobs[i]->state != JOB_DONE)
                        r = step(jobs[i], &context, err);
        return r;
}

static bool has_to_choose(const struct job *job)
{
        for (size_t i = 0; i < job->claim_count && job->state == JOB_WORKING; i++)
                if (job->claims[i].state == CLAIM_CHOOSE)
                        return true;
        return false;
}

/* Up to the patch of the pools, but for those who have lost their address: they choose again first,
 * so that one patch serves all. */
static int run_round(struct batch *batch, struct job *const *jobs, size_t count, struct err *err)
{
        bool choose_again = false;
        int r = review(batch, jobs, count, err);

        if (r == 0)
                r = drop_unwanted(batch, jobs, count, err);
        if (r == 0)
                r = for_each_job(batch, jobs, count, job_plan, err);
        if (r == 0)
                r = for_each_job(batch, jobs, count, job_advance, err);
        if (r == 0)
                r = write_records(batch, jobs, count, err);
        while (r == 0)
                r = reserve_round(batch, jobs, count, err);
        if (r == 1)
                r = for_each_job(batch, jobs, count, job_advance, err);
        for (size_t i = 0; i < count && r == 0; i++)
                choose_again |= has_to_choose(jobs[i]);
        if (r < 0 || choose_again)
                return r;
        r = review(batch, jobs, count, err);
        if (r == 0)
                r = drop_unwanted(batch, jobs, count, err);
        if (r == 0)
                r = patch_pools(batch, jobs, count, err);
        return r < 0 ? r : for_each_job(batch, jobs, count, job_advance, err);
}

static bool all_done(struct job *const *jobs, size_t count)
{
        for (size_t i = 0; i < count; i++)
                if (jobs[i]->state != JOB_DONE)
                        return false;
        return true;
}

/* Jobs of one Lease, from their beginning to their answers. */
static void transact(struct batch *batch, struct job *const *jobs, size_t count)
{
        const struct job_context context = context_of(batch);
        struct err err;
        int r = 0;

        if (jobs[0]->lease)
                r = lock_take(&batch->lock, jobs[0]->lease, &batch->view.limits, &err);
        else
                batch_release(batch);
        for (int round = 0; r == 0 && !all_done(jobs, count); round++) {
                r = run_round(batch, jobs, count, &err);
                if (r == 0 && round == ROUNDS_MAX)
                        r = err_text(&err, -ELOOP, CNI_ERR_TRY_LATER,
                                     "other writers change the same addresses all the time");
        }
        for (size_t i = 0; r != 0 && i < count; i++)
                if (jobs[i]->state != JOB_DONE)
                        job_abandon(jobs[i], &context, &err);
        view_unblock(&batch->view, false);
}

/* ---- which jobs go together ---- */

/* A DEL wins over an ADD of the same attachment that waits beside it. */
static void cancel_adds(struct job *const *jobs, size_t count)
{
        for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < count; j++) {
                        if (jobs[i]->request->verb != REQUEST_ADD || jobs[i]->state == JOB_DONE ||
                            jobs[j]->request->verb != REQUEST_DEL ||
                            !job_same_attachment(jobs[i]->request, jobs[j]->request))
                                continue;
                        job_cancel(jobs[i]);
                }
}

/* Takes the next jobs that can go together: of one Lease, and none about the same pod's interface
 * as one that came before it. */
static size_t pick(struct batch *batch, struct job *const *jobs, size_t count, struct job **ret)
{
        const struct job_context context = context_of(batch);
        struct err err;
        size_t n = 0;

        for (size_t i = 0; i < count; i++) {
                bool waits = jobs[i]->state == JOB_DONE;

                for (size_t j = 0; j < i && !waits; j++)
                        waits = jobs[j]->state != JOB_DONE && job_conflicts(jobs[i], jobs[j]);
                if (!waits && jobs[i]->state == JOB_WAITING &&
                    job_begin(jobs[i], &context, &err) < 0)
                        job_refuse(jobs[i], &context, &err);
                if (!waits && jobs[i]->state != JOB_DONE &&
                    (n == 0 || request_same_text(ret[0]->lease, jobs[i]->lease)))
                        ret[n++] = jobs[i];
        }
        return n;
}

static void run_waves(struct batch *batch, struct job *const *jobs, size_t count, struct job **wave)
{
        size_t n;

        while ((n = pick(batch, jobs, count, wave)) > 0)
                transact(batch, wave, n);
        view_unblock(&batch->view, true);
}

void batch_run(struct batch *batch, struct job **jobs, size_t count)
{
        _cleanup_(freep) struct job **wave = calloc(count + 1, sizeof(struct job *));
        struct err err;

        if (!wave) {
                (void)err_oom(&err);
                batch_fail(batch, jobs, count, &err);
                return;
        }
        cancel_adds(jobs, count);
        set_limits(batch, jobs, count);
        run_waves(batch, jobs, count, wave);
}

bool batch_is_released(struct batch *batch, const struct job *job)
{
        const struct job_context context = context_of(batch);

        return job_is_released(job, &context);
}

/* ---- what earlier calls have left ---- */

/* Marked records, as DELs that nobody waits for. */
struct leftovers {
        const struct batch *batch;
        struct request requests[LEFTOVERS_MAX];
        size_t count, seen;
};

static bool is_ours(const struct batch *batch, const struct record *record)
{
        return record_is_of(record, batch->kubeconfig->server, batch->kubeconfig->namespace) &&
               strcmp(record->kubeconfig, batch->node->kubeconfig) == 0;
}

/* Any of them is as likely to be taken as any other: some may be hopeless, and must not keep the
 * rest waiting. */
static int take_leftover(const struct record *record, void *context)
{
        struct leftovers *leftovers = context;
        struct request request = { .deadline_ms = leftovers->batch->view.limits.deadline_ms };
        size_t place = leftovers->seen;

        if (!is_ours(leftovers->batch, record))
                return 0;
        leftovers->seen++;
        if (place >= LEFTOVERS_MAX) {
                place = (size_t)digest_jitter(leftovers->seen);
        }
        if (place >= LEFTOVERS_MAX)
                return 0;
        if (request_of_record(record, &request) < 0) {
                request_done(&request);
                return 1;
        }
        if (place == leftovers->count)
                leftovers->count++;
        else
                request_done(&leftovers->requests[place]);
        leftovers->requests[place] = request;
        return 0;
}

size_t batch_sweep(struct batch *batch)
{
        struct leftovers leftovers = { .batch = batch };
        struct job jobs[LEFTOVERS_MAX], *list[LEFTOVERS_MAX], *wave[LEFTOVERS_MAX];
        struct err ignored;

        batch->view.limits = k8s_limits_within(SWEEP_MS);
        if (batch->alone)
                return 0;
        (void)record_each(batch->records, true, take_leftover, &leftovers, &ignored);
        for (size_t i = 0; i < leftovers.count; i++) {
                job_init(&jobs[i], &leftovers.requests[i]);
                list[i] = &jobs[i];
        }
        run_waves(batch, list, leftovers.count, wave);
        for (size_t i = 0; i < leftovers.count; i++) {
                job_done(&jobs[i]);
                request_done(&leftovers.requests[i]);
        }
        return leftovers.seen;
}
