/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record follows the objects: it names an address before its first object is written, is marked
 * before the first one is removed, and goes when nothing is left that a request still on its way
 * could bring back.
 */
#include "job.h"

#include <string.h>

#include "core/clock.h"
#include "lease.h"
#include "slice.h"

/* Why an ADD fails beside a DEL of the same attachment. */
#define RELEASED "a DEL of the same attachment came meanwhile"

void job_init(struct job *job, const struct request *request)
{
        *job = (struct job){ .request = request, .fd = -1 };
}

static void drop_claims(struct job *job)
{
        for (size_t i = 0; i < job->claim_count; i++)
                claim_done(&job->claims[i]);
        free(job->claims);
        job->claims = NULL;
        job->claim_count = 0;
}

static void drop_removals(struct job *job)
{
        for (size_t i = 0; i < job->removal_count; i++) {
                removal_done(job->removals[i]);
                free(job->removals[i]);
        }
        free(job->removals);
        job->removals = NULL;
        job->removal_count = 0;
}

void job_done(struct job *job)
{
        drop_claims(job);
        drop_removals(job);
        record_done(&job->record);
        answer_done(&job->answer);
        free(job->pools);
        free(job->lease);
}

bool job_same_attachment(const struct request *a, const struct request *b)
{
        return strcmp(a->network, b->network) == 0 &&
               strcmp(a->container_id, b->container_id) == 0 && strcmp(a->ifname, b->ifname) == 0;
}

bool job_conflicts(const struct job *a, const struct job *b)
{
        const struct request *x = a->request, *y = b->request;

        if (job_same_attachment(x, y))
                return true;
        if (strcmp(x->ifname, y->ifname) != 0 ||
            !request_same_text(x->network_name, y->network_name))
                return false;
        /* A DEL may come without the pod's name: then it may be any pod's. */
        return !x->podref || !y->podref || strcmp(x->podref, y->podref) == 0;
}

static void answer_error(struct job *job, const struct err *why)
{
        job->answer.r = -EIO;
        job->answer.err = *why;
        if (job->request->verb == REQUEST_ADD)
                err_wrap(&job->answer.err, "error at storage engine: ");
        job->state = JOB_DONE;
}

void job_cancel(struct job *job)
{
        answer_done(&job->answer);
        job->answer.r = err_text(&job->answer.err, -ECANCELED, CNI_ERR_TRY_LATER,
                                 "error at storage engine: " RELEASED);
        job->state = JOB_DONE;
}

bool job_is_released(const struct job *job, const struct job_context *context)
{
        return job->on_disk && record_is_marked(context->records, &job->record);
}

/* ---- the record ---- */

static int copy_text(char **ret, const char *text, struct err *err)
{
        *ret = text ? strdup(text) : NULL;
        return text && !*ret ? err_oom(err) : 0;
}

/* A text and who gets a copy of it. */
struct text_copy {
        char **to;
        const char *from; /* NULL: none */
};

static int copy_texts(const struct text_copy *texts, size_t count, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < count && r == 0; i++)
                r = copy_text(texts[i].to, texts[i].from, err);
        return r;
}

static int new_record(struct job *job, const struct job_context *context, struct err *err)
{
        const struct request *request = job->request;
        struct record *record = &job->record;
        const struct text_copy texts[] = {
                { &record->network, request->network },
                { &record->container_id, request->container_id },
                { &record->ifname, request->ifname },
                { &record->podref, request->podref },
                { &record->network_name, request->network_name },
                { &record->server, context->kubeconfig->server },
                { &record->namespace, context->kubeconfig->namespace },
                { &record->kubeconfig, context->node->kubeconfig },
        };

        return copy_texts(texts, ARRAY_SIZE(texts), err);
}

static void note_sending(struct job *job, int64_t sent_ms)
{
        if (sent_ms > 0 && sent_ms + JOB_SETTLED_AFTER_MS > job->record.settled_ms)
                job->record.settled_ms = sent_ms + JOB_SETTLED_AFTER_MS;
}

static int load_record(struct job *job, const struct job_context *context, struct err *err)
{
        const struct request *request = job->request;
        int r = record_read(context->records, request->network, request->container_id,
                            request->ifname, &job->record, err);

        job->loaded = r >= 0;
        if (r == RECORD_NONE)
                return new_record(job, context, err);
        if (r < 0)
                return r;
        job->recorded = job->on_disk = true;
        job->before = job->record.state;
        /* Its writer died: what it had sent may still be carried out. */
        if (job->before == RECORD_ADDING)
                note_sending(job, clock_real_ms());
        return 0;
}

static int write_record(struct job *job, const struct job_context *context, bool durable,
                        struct err *err)
{
        const struct record *const list[] = { &job->record };

        job->dirty = false;
        job->on_disk = true;
        return record_write(context->records, list, 1, durable, err);
}

/* Leaves everything that a later call needs to finish the removal. */
static int remember(struct job *job, const struct job_context *context, struct err *err)
{
        int r = write_record(job, context, true, err);

        return r < 0 ? r : record_mark(context->records, &job->record, true, err);
}

/* ---- beginning ---- */

/* The slice, unless a record already says where everything is. */
static int find_slice(struct job *job, const struct job_context *context, struct err *err)
{
        const struct request *request = job->request;
        const struct view_slice *found;
        struct err why;
        int r;

        if (!request->slice_pool)
                return 0;
        if (request->verb == REQUEST_DEL && job->record.item_count > 0)
                return 0;
        r = view_slice(context->view, request, &found, err);
        if (r < 0)
                return r;
        if (found->r == 0)
                job->slice = &found->slice;
        if (found->r == 0 || (found->r == SLICE_NONE && request->verb == REQUEST_DEL))
                return 0; /* without a slice this node has given no address */
        why = found->err;
        if (found->r == SLICE_NONE)
                why.code = CNI_ERR_TRY_LATER;
        job_refuse(job, context, &why);
        return 0;
}

static int enter_pool(struct job *job, const struct job_context *context, const char *name,
                      const struct ipnet *net, bool create, struct view_pool **ret, struct err *err)
{
        struct view_pool **pools;

        *ret = view_pool(context->view, name, net, create, err);
        if (!*ret)
                return -ENOMEM;
        for (size_t i = 0; i < job->pool_count; i++)
                if (job->pools[i] == *ret)
                        return 0;
        pools = reallocarray(job->pools, job->pool_count + 1, sizeof(struct view_pool *));
        if (!pools)
                return err_oom(err);
        job->pools = pools;
        pools[job->pool_count++] = *ret;
        return 0;
}

/* The pool of a range, or of the node's slice of it. */
static int enter_range(struct job *job, const struct job_context *context,
                       const struct range *range, bool create, struct view_pool **ret,
                       struct err *err)
{
        _cleanup_(buf_done) struct buf name;
        const struct ipnet *net = job->slice ? &job->slice->net : &range->net;
        int r;

        buf_init(&name, 4096);
        pool_name(&name, job->request->network_name, job->slice ? job->slice->node : NULL, net);
        r = buf_check(&name, err);
        return r < 0 ? r : enter_pool(job, context, buf_text(&name), net, create, ret, err);
}

static int name_lease(struct job *job, const struct job_context *context, struct err *err)
{
        const struct request *request = job->request;
        const char *name = NULL;

        if (context->node->locking == LOCKING_OPTIMISTIC)
                return 0;
        if (job->slice && request->overlap && job->pool_count > 0)
                name = job->pools[job->pool_count - 1]->name;
        else if (job->record.lease)
                name = job->record.lease;
        else if (request->overlap)
                name = LEASE_NAME;
        if (!name)
                return 0;
        job->lease = strdup(name);
        if (job->lease && !job->record.lease)
                job->record.lease = strdup(name);
        return job->lease && job->record.lease ? 0 : err_oom(err);
}

static int begin_claim(struct job *job, const struct job_context *context,
                       const struct range *range, struct claim *ret, struct err *err)
{
        struct err why;
        int r = enter_range(job, context, range, true, &ret->pool, err);

        ret->range = range;
        ret->prefix = range->net.prefix;
        if (r < 0 || !job->slice)
                return r;
        r = slice_cut(range, &job->slice->net, &ret->cut, &why);
        if (r == -ENOMEM)
                return err_oom(err);
        ret->range = &ret->cut;
        if (r < 0)
                answer_error(job, &why);
        return 0;
}

static int begin_claims(struct job *job, const struct job_context *context, struct err *err)
{
        const struct request *request = job->request;
        int r = 0;

        job->claims = calloc(request->range_count + 1, sizeof(*job->claims));
        if (!job->claims)
                return err_oom(err);
        for (size_t i = 0; i < request->range_count && r == 0; i++) {
                job->claim_count++;
                r = begin_claim(job, context, &request->ranges[i], &job->claims[i], err);
        }
        return r;
}

/* Where something may have to be removed: in the pools of the ranges, and in those of the record.
 */
static int begin_removals(struct job *job, const struct job_context *context, struct err *err)
{
        const struct request *request = job->request;
        bool known = !request->slice_pool || job->slice;
        struct view_pool *unused;
        int r = 0;

        for (size_t i = 0; i < request->range_count && known && r == 0; i++)
                r = enter_range(job, context, &request->ranges[i], false, &unused, err);
        for (size_t i = 0; i < job->record.item_count && r == 0; i++)
                r = enter_pool(job, context, job->record.items[i].pool, NULL, false, &unused, err);
        return r;
}

int job_begin(struct job *job, const struct job_context *context, struct err *err)
{
        struct err why;
        int r = load_record(job, context, &why);

        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0) {
                err_wrap(&why, "%s: ", RECORD_DIR);
                answer_error(job, &why);
                return 0;
        }
        r = find_slice(job, context, err);
        if (r < 0 || job->state == JOB_DONE)
                return r;
        job->again = job->request->verb == REQUEST_ADD &&
                     record_is_marked(context->records, &job->record);
        job->state = job->again || job->request->verb == REQUEST_DEL ? JOB_UNDOING : JOB_WORKING;
        if (job->state == JOB_UNDOING)
                r = begin_removals(job, context, err);
        if (r == 0 && job->request->verb == REQUEST_ADD)
                r = begin_claims(job, context, err);
        return r < 0 ? r : name_lease(job, context, err);
}

/* ---- planning ---- */

static int add_removal(struct job *job, struct view_pool *pool, const struct ip *ip, bool reserved,
                       struct err *err)
{
        const char *podref = job->record.podref ? job->record.podref : job->request->podref;
        struct removal **removals =
                reallocarray(job->removals, job->removal_count + 1, sizeof(struct removal *));
        struct removal *removal = calloc(1, sizeof(*removal));

        if (removals)
                job->removals = removals;
        if (!removals || !removal) {
                free(removal);
                return err_oom(err);
        }
        removals[job->removal_count++] = removal;
        return removal_start(removal, pool, ip, job->request, podref, reserved, err);
}

static bool is_planned(const struct job *job, const struct view_pool *pool, const struct ip *ip)
{
        for (size_t i = 0; i < job->removal_count; i++)
                if (job->removals[i]->pool == pool && ip_equal(&job->removals[i]->ip, ip))
                        return true;
        return false;
}

/* Everything that the container has in this pool. */
static int plan_entries(struct job *job, const struct job_context *context, struct view_pool *pool,
                        struct err *err)
{
        const struct request *request = job->request;
        const struct pool_entry *entry = NULL;
        int r = 0;

        while (r == 0 && (entry = pool_find_container(&pool->pool, request->container_id,
                                                      request->ifname, entry))) {
                r = view_block(context->view, request, pool, &entry->ip, true, err);
                if (r == 0)
                        r = add_removal(job, pool, &entry->ip, job->lease || request->overlap, err);
        }
        return r;
}

/* Addresses that the record names and no entry shows: a reservation may be there. */
static int plan_items(struct job *job, const struct job_context *context, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < job->record.item_count && r == 0; i++) {
                const struct record_item *item = &job->record.items[i];
                struct view_pool *pool = view_pool(context->view, item->pool, NULL, false, err);

                if (!pool)
                        return -ENOMEM;
                if (item->ip.family && pool->r == 0 && !is_planned(job, pool, &item->ip))
                        r = add_removal(job, pool, &item->ip,
                                        item->reservation || job->request->overlap, err);
        }
        return r;
}

static void unsettle(struct job *job, const struct err *why)
{
        job->unsettled = true;
        job->why = *why;
}

static int plan_removals(struct job *job, const struct job_context *context, struct err *err)
{
        struct err ignored;
        int r = 0;

        /* Without a mark the removal is as good, as long as nobody kills us. */
        (void)record_mark(context->records, &job->record, false, &ignored);
        job->planned = true;
        for (size_t i = 0; i < job->pool_count && r == 0; i++) {
                struct view_pool *pool = job->pools[i];

                if (pool->r < 0)
                        unsettle(job, &pool->err);
                else if (!pool->absent)
                        r = plan_entries(job, context, pool, err);
        }
        return r < 0 ? r : plan_items(job, context, err);
}

static int plan_claim(struct job *job, const struct job_context *context, struct claim *claim,
                      struct err *err)
{
        const struct request *request = job->request;
        size_t before = job->record.item_count;
        int r;

        if (claim->pool->r < 0) {
                claim_fail(claim, &claim->pool->err);
                return 0;
        }
        r = claim_choose(claim, context->view, request, job->recorded ? &job->record : NULL, err);
        if (r < 0 || claim->state == CLAIM_FAILED)
                return r;
        r = record_add_item(&job->record, claim->pool->name, &claim->ip, request->overlap,
                            claim->found, err);
        job->dirty |= job->record.item_count != before || job->record.state != RECORD_ADDING;
        return r;
}

int job_plan(struct job *job, const struct job_context *context, struct err *err)
{
        int r = 0;

        if (job->state == JOB_UNDOING)
                return job->planned ? 0 : plan_removals(job, context, err);
        for (size_t i = 0; i < job->claim_count && r == 0; i++)
                if (job->claims[i].state == CLAIM_CHOOSE)
                        r = plan_claim(job, context, &job->claims[i], err);
        return r;
}

int job_take_back(struct job *job, const struct claim *claim, struct err *err)
{
        int r = add_removal(job, claim->pool, &claim->ip, job->request->overlap, err);

        if (r < 0 || !claim->found)
                return r;
        return copy_text(&job->removals[job->removal_count - 1]->heir, claim->found_id, err);
}

/* ---- ending ---- */

static bool is_settled(const struct job *job)
{
        return job->record.settled_ms <= clock_real_ms();
}

bool job_was_held(const struct job *job)
{
        return job->recorded && job->before == RECORD_HELD;
}

static int undo_claims(struct job *job, bool hopeless, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < job->claim_count && r == 0; i++) {
                const struct claim *claim = &job->claims[i];

                note_sending(job, claim->sent_ms);
                if (!claim->written ||
                    (claim->found && strcmp(claim->found_id, job->request->container_id) == 0))
                        continue; /* the container had it before */
                if (hopeless)
                        unsettle(job, &job->answer.err);
                else
                        r = job_take_back(job, claim, err);
        }
        return r;
}

int job_fail(struct job *job, const struct job_context *context, const struct err *why,
             bool hopeless, struct err *err)
{
        struct err ignored;

        job->answer.r = -EIO;
        job->answer.err = *why;
        err_wrap(&job->answer.err, "error at storage engine: ");
        job->state = JOB_UNDOING;
        job->planned = true;
        job->again = false;
        if (job->on_disk && !job_was_held(job))
                (void)record_mark(context->records, &job->record, false, &ignored);
        return undo_claims(job, hopeless, err);
}

static int end_add(struct job *job, const struct job_context *context, struct err *err)
{
        struct err ignored;
        int r = 0;

        if (job_is_released(job, context)) {
                (void)err_text(&ignored, -ECANCELED, CNI_ERR_TRY_LATER, RELEASED);
                return job_fail(job, context, &ignored, false, err);
        }
        for (size_t i = 0; i < job->claim_count && r == 0; i++) {
                const struct claim *claim = &job->claims[i];
                const struct ipnet address = { .ip = claim->ip, .prefix = claim->prefix };

                note_sending(job, claim->sent_ms);
                r = answer_add(&job->answer, &address, err);
        }
        if (r < 0)
                return r;
        job->answer.held = job_was_held(job);
        job->record.state = RECORD_HELD;
        if (job->record.item_count > 0) /* if this fails, a DEL is only more careful than needed */
                (void)write_record(job, context, false, &ignored);
        job->state = JOB_DONE;
        return 0;
}

static void end_failed_add(struct job *job, const struct job_context *context)
{
        struct err ignored;

        job->state = JOB_DONE;
        job->record.state = RECORD_HELD;
        if (job_was_held(job))
                (void)write_record(job, context, false, &ignored);
        else if (job->unsettled || !is_settled(job) || job->recorded)
                (void)remember(job, context, &ignored);
        else if (job->on_disk)
                (void)record_remove(context->records, &job->record, &ignored);
}

/* A record that names nothing yet names the pools in which the container may have an address. */
static int record_pools(struct job *job, struct err *err)
{
        const struct request *request = job->request;
        const struct ip any = { 0 };
        int r = 0;

        if (job->record.item_count > 0)
                return 0;
        for (size_t i = 0; i < job->pool_count && r == 0; i++)
                r = record_add_item(&job->record, job->pools[i]->name, &any, request->overlap,
                                    false, err);
        if (job->pool_count > 0 || r < 0)
                return r;
        if (request->slice_pool)
                return err_text(err, -ENOENT, CNI_ERR_TRY_LATER,
                                "the slice of this node cannot be looked up");
        for (size_t i = 0; i < request->range_count && r == 0; i++) {
                _cleanup_(buf_done) struct buf name;

                buf_init(&name, 4096);
                pool_name(&name, request->network_name, NULL, &request->ranges[i].net);
                r = buf_check(&name, err);
                if (r == 0)
                        r = record_add_item(&job->record, buf_text(&name), &any, request->overlap,
                                            false, err);
        }
        return r;
}

/* A DEL that could not even begin: the record is somebody else's to write, who may be doing that.
 */
static int remember_as_is(struct job *job, const struct job_context *context, struct err *err)
{
        if (!job->recorded) {
                job->record.state = RECORD_HELD; /* no request of ours is on its way */
                return remember(job, context, err);
        }
        return record_mark(context->records, &job->record, true, err);
}

/* A DEL that could not be finished is good if a later call can finish it. */
static void end_remembered(struct job *job, const struct job_context *context,
                           int (*how)(struct job *job, const struct job_context *context,
                                      struct err *err),
                           const struct err *why)
{
        struct err err;

        job->state = JOB_DONE;
        job->answer.err = *why;
        job->answer.r = ANSWER_REMEMBERED;
        if (record_pools(job, &err) == 0 && how(job, context, &err) == 0)
                return;
        job->answer.r = -EIO;
        job->answer.err.code = CNI_ERR_TRY_LATER;
        err_details(&job->answer.err, "and it cannot be left for later: %s: %s", RECORD_DIR,
                    err.msg);
}

static void end_del(struct job *job, const struct job_context *context)
{
        bool settled = is_settled(job);
        struct err ignored;

        job->record.state = RECORD_HELD;
        if (job->unsettled) {
                end_remembered(job, context, remember, &job->why);
                return;
        }
        job->state = JOB_DONE;
        if (settled)
                (void)record_remove(context->records, &job->record, &ignored);
        else
                (void)remember(job, context, &ignored);
}

/* What an interrupted DEL had left is gone; the ADD starts as if nothing had been. */
static int end_repair(struct job *job, const struct job_context *context, struct err *err)
{
        struct err why;
        int r;

        if (job->unsettled) {
                why = job->why;
                err_wrap(&why, "an earlier DEL of this attachment is not finished: ");
                answer_error(job, &why);
                return 0;
        }
        for (size_t i = 0; i < job->pool_count; i++)
                job->pools[i]->stale = true;
        drop_removals(job);
        job->planned = job->recorded = false;
        job->state = JOB_WORKING;
        job->record.state = RECORD_ADDING;
        r = write_record(job, context, true, &why);
        if (r == 0)
                r = record_unmark(context->records, &job->record, &why);
        return r < 0 ? job_fail(job, context, &why, false, err) : 0;
}

/* Whether every removal has come to an end; the last failure is kept. */
static bool removals_ended(struct job *job)
{
        bool ended = true;

        for (size_t i = 0; i < job->removal_count; i++) {
                const struct removal *removal = job->removals[i];

                ended &= removal->state == REMOVAL_DONE || removal->state == REMOVAL_FAILED;
                note_sending(job, removal->sent_ms);
                if (removal->state == REMOVAL_FAILED)
                        unsettle(job, &removal->err);
        }
        return ended;
}

static int advance_add(struct job *job, const struct job_context *context, struct err *err)
{
        bool ended = removals_ended(job);

        for (size_t i = 0; i < job->claim_count; i++) {
                const struct claim *claim = &job->claims[i];

                if (claim->state == CLAIM_FAILED)
                        return job_fail(job, context, &claim->err, claim->hopeless, err);
                ended &= claim->state == CLAIM_DONE;
        }
        return ended ? end_add(job, context, err) : 0;
}

int job_advance(struct job *job, const struct job_context *context, struct err *err)
{
        if (job->state == JOB_WORKING)
                return advance_add(job, context, err);
        if (job->state != JOB_UNDOING || !job->planned || !removals_ended(job))
                return 0;
        if (job->request->verb == REQUEST_DEL)
                end_del(job, context);
        else if (job->again)
                return end_repair(job, context, err);
        else
                end_failed_add(job, context);
        return 0;
}

void job_abandon(struct job *job, const struct job_context *context, const struct err *why)
{
        struct err ignored;

        if (job->state == JOB_WORKING)
                (void)job_fail(job, context, why, true, &ignored);
        if (!job->planned)
                unsettle(job, why);
        job->planned = true;
        for (size_t i = 0; i < job->removal_count; i++)
                if (job->removals[i]->state != REMOVAL_DONE)
                        removal_fail(job->removals[i], why);
        if (job->state == JOB_WAITING || job_advance(job, context, &ignored) < 0)
                job_refuse(job, context, why);
}

int request_of_record(const struct record *record, struct request *ret)
{
        const struct text_copy texts[] = {
                { &ret->network, record->network },
                { &ret->container_id, record->container_id },
                { &ret->ifname, record->ifname },
                { &ret->podref, record->podref },
                { &ret->network_name, record->network_name },
        };
        struct err ignored;

        ret->verb = REQUEST_DEL;
        for (size_t i = 0; i < record->item_count; i++)
                ret->overlap |= record->items[i].reservation;
        return copy_texts(texts, ARRAY_SIZE(texts), &ignored);
}

void job_refuse(struct job *job, const struct job_context *context, const struct err *why)
{
        struct err err;
        int r = job->loaded ? 0 : load_record(job, context, &err);

        if (r == 0 && job->request->verb == REQUEST_DEL) {
                end_remembered(job, context, remember_as_is, why);
                return;
        }
        answer_error(job, why);
        if (r < 0)
                err_details(&job->answer.err, "%s", err.msg);
}
