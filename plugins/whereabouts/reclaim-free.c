/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A few at a time under each Lease, because everybody else waits meanwhile. Under it all is read
 * once more: what was condemned goes only as it was seen.
 */
#include "reclaim-free.h"

#include <signal.h>
#include <string.h>

#include "core/clock.h"
#include "lock.h"
#include "repair.h"

#define CHUNK             64U
#define PATIENCE_MS       30000 /* for a Lease and what is done under it */
#define CONNECT_MS        5000
#define REPEAT_MS         15000
#define LEASE_DURATION_MS 1500
#define PATCHES_MAX       16 /* of one pool, when others change it at the same time */
#define EVENTS_MAX        64 /* a run; more say nothing new */

enum end {
        END_NONE,    /* it was not come to */
        END_READY,   /* its reservation is gone or somebody else's, its entry can go */
        END_FREED,   /* all of it is gone */
        END_CHANGED, /* it is not what was condemned any more */
        END_FAILED,
};

/* Something that was condemned. */
struct target {
        const struct subject *subject;
        const char *lease; /* NULL: it cannot be told */
        bool taken;
        enum end end;
        char *reservation; /* of the object that was deleted for it; owned; NULL: none was */
};

/* The work under one Lease. */
struct chunk {
        const struct reclaim_way *way;
        struct lock *lock;
        struct k8s_limits limits;
        struct snapshot snapshot; /* as it is now */
        struct audit audit;
        struct target *targets[CHUNK];
        size_t count;
};

static void chunk_done(struct chunk *chunk)
{
        audit_done(&chunk->audit);
        snapshot_done(&chunk->snapshot);
}

/* ---- telling ---- */

static const char *describe(const struct subject *subject, char text[static 1024])
{
        char address[IP_TEXT_MAX];

        if (subject->item)
                (void)snprintf(text, 1024, "%s of %s, container %s, in pool %s",
                               ip_format(&subject->item->entry->ip, address),
                               subject->holder->podref, subject->item->entry->id,
                               subject->item->pool->name);
        else
                (void)snprintf(text, 1024, "reservation %s of %s", subject->reservation->name,
                               subject->holder->podref);
        return text;
}

static void fail(const struct chunk *chunk, struct target *target, const char *why)
{
        char what[1024], text[2048];

        target->end = END_FAILED;
        (void)snprintf(text, sizeof(text), "cannot free %s: %.*s", describe(target->subject, what),
                       900, why);
        chunk->way->note(true, text);
}

static void tell_freed(const struct reclaim_way *way, const struct target *target)
{
        char what[1024], text[2048];

        (void)snprintf(text, sizeof(text), "freed %s: %s", describe(target->subject, what),
                       reconcile_reason(target->subject->verdict));
        way->note(false, text);
}

static int keep_lease(struct chunk *chunk, struct err *err)
{
        int r = lock_keep(chunk->lock, &chunk->limits, err);

        return r == LOCK_TIMEOUT ? -ETIMEDOUT : r;
}

/* ---- as it is now ---- */

static const struct audit_item *find_item(const struct audit *audit, const struct audit_item *was)
{
        for (size_t i = 0; i < audit->item_count; i++) {
                const struct audit_item *item = &audit->items[i];

                if (strcmp(item->entry->key, was->entry->key) == 0 &&
                    strcmp(item->entry->id, was->entry->id) == 0 &&
                    strcmp(item->entry->podref, was->entry->podref) == 0 &&
                    strcmp(item->pool->name, was->pool->name) == 0)
                        return item;
        }
        return NULL;
}

/* The orphan, if it is one still, and is the same to the last byte. */
static const struct reservation *find_orphan(const struct audit *audit,
                                             const struct reservation *was)
{
        for (size_t i = 0; i < audit->finding_count; i++) {
                const struct reservation *reservation = audit->findings[i].reservation;

                if (audit->findings[i].kind == FINDING_ORPHAN &&
                    strcmp(reservation->uid, was->uid) == 0 &&
                    strcmp(reservation->resource_version, was->resource_version) == 0)
                        return reservation;
        }
        return NULL;
}

/* The reservation that has to go with the target; NULL: none, or it names another container. */
static const struct reservation *reservation_of(struct chunk *chunk, struct target *target)
{
        const struct audit_item *was = target->subject->item, *item;
        const struct reservation *own;

        target->end = END_CHANGED;
        if (!was) {
                own = find_orphan(&chunk->audit, target->subject->reservation);
                target->end = own ? END_READY : END_CHANGED;
                return own;
        }
        item = find_item(&chunk->audit, was);
        if (!item)
                return NULL;
        target->end = END_READY;
        own = item->own;
        return own && (!own->containerid || strcmp(own->containerid, item->entry->id) == 0) ? own
                                                                                            : NULL;
}

/* ---- reservations ---- */

static int judge_deletion(struct chunk *chunk, struct target *target,
                          const struct k8s_request *request, struct err *err)
{
        if (request->end == K8S_DONE || request->end == K8S_NOT_FOUND) {
                target->reservation = strdup(request->name);
                if (!target->reservation)
                        return err_oom(err);
                if (!target->subject->item)
                        target->end = END_FREED;
        } else if (request->end == K8S_CONFLICT) {
                target->end = END_CHANGED; /* the entry as well: it waits for another look */
        } else {
                fail(chunk, target, request->err.msg);
        }
        return 0;
}

static int delete_reservations(struct chunk *chunk, struct err *err)
{
        struct k8s_request requests[CHUNK], *list[CHUNK];
        struct target *whose[CHUNK];
        size_t n = 0;
        int r;

        for (size_t i = 0; i < chunk->count; i++) {
                const struct reservation *own = reservation_of(chunk, chunk->targets[i]);

                if (!own)
                        continue;
                k8s_request_init(&requests[n], K8S_DELETE, K8S_RESERVATION, own->name);
                reservation_write_delete(&requests[n].body, own);
                list[n] = &requests[n];
                whose[n++] = chunk->targets[i];
        }
        r = n > 0 ? keep_lease(chunk, err) : 0;
        if (r == 0)
                r = k8s_run(chunk->way->k8s, list, n, &chunk->limits, err);
        for (size_t i = 0; i < n; i++) {
                if (r == 0)
                        r = judge_deletion(chunk, whose[i], &requests[i], err);
                k8s_request_done(&requests[i]);
        }
        return r;
}

/* The entry was taken over by another container of the pod, and we have deleted its reservation. */
static int restore(struct chunk *chunk, const struct target *target, const struct pool_entry *heir,
                   struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request post;
        int r;

        k8s_request_init(&post, K8S_POST, K8S_RESERVATION, target->reservation);
        post.brief = true;
        reservation_write_new(&post.body, target->reservation, k8s_namespace(chunk->way->k8s),
                              heir->podref, heir->ifname ? heir->ifname : "", heir->id);
        r = k8s_run_one(chunk->way->k8s, &post, &chunk->limits, err);
        if (r == 0 && post.end != K8S_DONE && post.end != K8S_CONFLICT)
                chunk->way->note(true, post.err.msg);
        return r;
}

/* ---- pools ---- */

static const struct pool_entry *find_entry(const struct pool *pool, const char *key)
{
        for (size_t i = 0; i < pool->count; i++)
                if (strcmp(pool->entries[i].key, key) == 0)
                        return &pool->entries[i];
        return NULL;
}

static bool is_ready(const struct target *target, const struct pool *pool)
{
        return target->end == END_READY &&
               strcmp(target->subject->item->pool->name, pool->name) == 0;
}

/* With the pool as it is: what is still there goes into the patch, for the rest all is done. */
static int enter(struct chunk *chunk, const struct pool *pool, struct pool_patch *patch,
                 struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < chunk->count && r == 0; i++) {
                struct target *target = chunk->targets[i];
                const struct pool_entry *was, *now;

                if (!is_ready(target, pool))
                        continue;
                was = target->subject->item->entry;
                now = find_entry(pool, was->key);
                if (now && strcmp(now->id, was->id) == 0 && strcmp(now->podref, was->podref) == 0) {
                        pool_patch_remove(patch, now);
                        continue;
                }
                target->end = now ? END_CHANGED : END_FREED;
                if (now && target->reservation && strcmp(now->podref, was->podref) == 0)
                        r = restore(chunk, target, now, err);
        }
        return r;
}

static void end_all(struct chunk *chunk, const struct pool *pool, const char *failure)
{
        for (size_t i = 0; i < chunk->count; i++) {
                struct target *target = chunk->targets[i];

                if (!is_ready(target, pool))
                        continue;
                if (failure)
                        fail(chunk, target, failure);
                else
                        target->end = END_FREED;
        }
}

static int send_patch(struct chunk *chunk, const struct pool *pool, const struct pool_patch *patch,
                      struct k8s_request *ret, struct err *err)
{
        int r;

        k8s_request_init(ret, K8S_PATCH, K8S_POOL, pool->name);
        ret->brief = true;
        r = pool_patch_write(patch, pool, &ret->body, err);
        if (r == 0)
                r = keep_lease(chunk, err);
        return r == 0 ? k8s_run_one(chunk->way->k8s, ret, &chunk->limits, err) : r;
}

/* Outcome > 0 of one patch. */
enum {
        PATCH_AGAIN = 1, /* the pool has changed */
};

/* After a refusal: reads the pool into *ret, which may be the one that was. The same pool will be
 * refused again; the error is the refusal then. */
static int read_again(struct chunk *chunk, const struct pool *before, struct pool *ret,
                      struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request get;
        struct pool pool = { 0 };
        struct err why;
        int r;

        k8s_request_init(&get, K8S_GET, K8S_POOL, before->name);
        r = k8s_run_one(chunk->way->k8s, &get, &chunk->limits, &why);
        if (r == 0 && get.end != K8S_DONE)
                r = k8s_error(&get, &why);
        if (r == 0)
                r = pool_parse(buf_text(&get.answer), get.answer.len, &pool, &why);
        if (r != 0) {
                *err = why;
                return r < 0 ? r : -EIO;
        }
        r = strcmp(before->resource_version, pool.resource_version) != 0 ? PATCH_AGAIN : -EIO;
        pool_done(ret);
        *ret = pool;
        return r;
}

static int patch_once(struct chunk *chunk, const struct pool *pool, struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request request = { 0 };
        struct pool_patch patch;
        int r;

        pool_patch_init(&patch);
        r = enter(chunk, pool, &patch, err);
        if (r == 0 && patch.count > 0)
                r = send_patch(chunk, pool, &patch, &request, err);
        if (r == 0 && (patch.count == 0 || request.end == K8S_DONE || request.end == K8S_NOT_FOUND))
                end_all(chunk, pool, NULL);
        else if (r == 0 && request.end == K8S_INVALID)
                r = PATCH_AGAIN;
        else if (r == 0)
                r = k8s_error(&request, err);
        if (r == PATCH_AGAIN)
                *err = request.err;
        pool_patch_done(&patch);
        return r;
}

/* Removes the entries of one pool. What goes wrong is one pool's affair, but for memory. */
static int patch_pool(struct chunk *chunk, const struct pool *listed, struct err *err)
{
        _cleanup_(pool_done) struct pool fresh = { 0 };
        const struct pool *pool = listed;
        struct err why;
        int r = PATCH_AGAIN;

        for (int i = 0; i < PATCHES_MAX && r == PATCH_AGAIN; i++) {
                r = patch_once(chunk, pool, &why);
                if (r == PATCH_AGAIN)
                        r = read_again(chunk, pool, &fresh, &why);
                pool = &fresh;
        }
        if (r == -ENOMEM)
                return err_oom(err);
        if (r != 0)
                end_all(chunk, listed, why.msg);
        return 0;
}

static int patch_pools(struct chunk *chunk, struct err *err)
{
        const struct pool_list *pools = &chunk->snapshot.pools;
        int r = 0;

        for (size_t i = 0; i < pools->count && r == 0; i++)
                for (size_t j = 0; j < chunk->count && r == 0; j++)
                        if (is_ready(chunk->targets[j], &pools->items[i]))
                                r = patch_pool(chunk, &pools->items[i], err);
        return r;
}

/* ---- chunks ---- */

static int free_under_lease(struct chunk *chunk, struct err *err)
{
        int r = snapshot_read(chunk->way->k8s, true, &chunk->limits, &chunk->snapshot, err);

        if (r == 0)
                r = audit_run(&chunk->snapshot, &chunk->audit, err);
        if (r == 0)
                r = delete_reservations(chunk, err);
        return r == 0 ? patch_pools(chunk, err) : r;
}

/* A Lease whose holder was killed keeps everybody waiting until it runs out. */
static void hold_back_end(bool yes)
{
        sigset_t end;

        sigemptyset(&end);
        sigaddset(&end, SIGTERM);
        (void)sigprocmask(yes ? SIG_BLOCK : SIG_UNBLOCK, &end, NULL);
}

static int run_chunk(struct chunk *chunk, struct err *err)
{
        struct err why;
        int r;

        chunk->limits = (struct k8s_limits){ clock_boot_ms() + PATIENCE_MS, CONNECT_MS, REPEAT_MS };
        hold_back_end(true);
        r = lock_take(chunk->lock, chunk->targets[0]->lease, &chunk->limits, &why);
        if (r == 0)
                r = free_under_lease(chunk, &why);
        chunk->limits.deadline_ms = clock_boot_ms() + CONNECT_MS;
        lock_release(chunk->lock, &chunk->limits);
        hold_back_end(false);
        if (r == -ENOMEM)
                return err_oom(err);
        for (size_t i = 0; i < chunk->count; i++)
                if (r != 0 &&
                    (chunk->targets[i]->end == END_NONE || chunk->targets[i]->end == END_READY))
                        fail(chunk, chunk->targets[i], why.msg);
        return 0;
}

static int run_targets(const struct reclaim_way *way, struct target *targets, size_t count,
                       struct lock *lock, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < count && r == 0; i++) {
                _cleanup_(chunk_done) struct chunk chunk = { .way = way, .lock = lock };

                for (size_t j = i; j < count && chunk.count < CHUNK; j++) {
                        if (targets[j].taken || !targets[j].lease ||
                            strcmp(targets[j].lease, targets[i].lease ? targets[i].lease : "") != 0)
                                continue;
                        targets[j].taken = true;
                        chunk.targets[chunk.count++] = &targets[j];
                }
                if (chunk.count > 0)
                        r = run_chunk(&chunk, err);
                if (!targets[i].lease)
                        fail(&chunk, &targets[i], "it may belong to the slices of several nodes");
        }
        return r;
}

/* ---- events ---- */

/* At the pod if there is one, else at the pool: an event wants something to be looked at. */
static void write_event(const struct reclaim_way *way, const struct target *target, int64_t now_us,
                        struct buf *body)
{
        const struct subject *subject = target->subject;
        const struct holder_pod *holder = subject->holder;
        char now[LEASE_TIME_MAX], what[1024], text[1200];
        struct json_writer w;

        (void)snprintf(text, sizeof(text), "freed %s: %.100s", describe(subject, what),
                       reconcile_reason(subject->verdict));
        text[1023] = '\0'; /* the API server takes no longer one */
        lease_format_time(now_us, now);
        now[19] = 'Z'; /* whole seconds */
        now[20] = '\0';
        json_writer_init_compact(&w, body);
        json_begin(&w, NULL, '{');
        json_put_string(&w, "kind", "Event");
        json_put_string(&w, "apiVersion", "v1");
        json_begin(&w, "metadata", '{');
        json_put_string(&w, "generateName", "whereabouts-");
        json_put_string(&w, "namespace",
                        holder->gone ? k8s_namespace(way->k8s) : holder->namespace);
        json_end(&w, '}');
        json_begin(&w, "involvedObject", '{');
        json_put_string(&w, "kind", holder->gone ? "IPPool" : "Pod");
        json_put_string(&w, "apiVersion", holder->gone ? "whereabouts.cni.cncf.io/v1alpha1" : "v1");
        json_put_string(&w, "namespace",
                        holder->gone ? k8s_namespace(way->k8s) : holder->namespace);
        json_put_string(&w, "name", holder->gone ? subject->item->pool->name : holder->name);
        json_put_given(&w, "uid", holder->gone ? NULL : holder->pod.uid);
        json_end(&w, '}');
        json_put_string(&w, "reason", "IPAddressGarbageCollected");
        json_put_string(&w, "message", text);
        json_put_string(&w, "type", "Normal");
        json_begin(&w, "source", '{');
        json_put_string(&w, "component", "whereabouts-controller");
        json_end(&w, '}');
        json_put_string(&w, "firstTimestamp", now);
        json_put_string(&w, "lastTimestamp", now);
        json_put_i64(&w, "count", 1);
        json_end(&w, '}');
}

/* Best effort, and not repeated: nothing depends on them. */
static int send_events(const struct reclaim_way *way, const struct target *targets, size_t count,
                       struct err *err)
{
        struct k8s_limits limits = { clock_boot_ms() + CONNECT_MS, 1, 1 };
        struct k8s_request posts[EVENTS_MAX], *list[EVENTS_MAX];
        size_t n = 0;
        int r;

        for (size_t i = 0; i < count && n < EVENTS_MAX; i++) {
                const struct subject *subject = targets[i].subject;

                if (targets[i].end != END_FREED || !subject->item)
                        continue;
                k8s_request_init(&posts[n], K8S_POST, K8S_EVENT, NULL);
                posts[n].brief = true;
                if (!subject->holder->gone)
                        posts[n].namespace = subject->holder->namespace;
                write_event(way, &targets[i], clock_real_ms() * 1000, &posts[n].body);
                list[n] = &posts[n];
                n++;
        }
        r = k8s_run(way->k8s, list, n, &limits, err);
        while (n > 0)
                k8s_request_done(&posts[--n]);
        return r;
}

/* ---- the whole ---- */

static size_t plan(const struct audit *audit, const struct reconcile *reconcile, const bool *slices,
                   struct target *targets)
{
        size_t n = 0;

        for (size_t i = 0; i < reconcile->subject_count; i++) {
                const struct subject *subject = &reconcile->subjects[i];
                const struct finding finding = {
                        .pool = subject->item ? subject->item->pool : NULL,
                        .reservation = subject->reservation,
                };

                if (subject->condemned)
                        targets[n++] =
                                (struct target){ .subject = subject,
                                                 .lease = repair_lease(audit, slices, &finding) };
        }
        return n;
}

static void sum_up(const struct reclaim_way *way, const struct target *targets, size_t count,
                   struct reclaim_report *report)
{
        for (size_t i = 0; i < count; i++) {
                if (targets[i].end == END_FREED) {
                        tell_freed(way, &targets[i]);
                        report->freed_entries += targets[i].subject->item != NULL;
                        report->freed_reservations += targets[i].reservation != NULL;
                }
                report->failures += targets[i].end == END_FAILED;
                report->changed += targets[i].end == END_CHANGED;
        }
}

int reclaim_free(const struct reclaim_way *way, const struct audit *audit,
                 const struct reconcile *reconcile, struct reclaim_report *report, struct err *err)
{
        const struct repair_way slice_way = { .k8s = way->k8s, .patience_ms = PATIENCE_MS };
        _cleanup_(freep) struct target *targets =
                calloc(reconcile->subject_count + 1, sizeof(*targets));
        _cleanup_(freep) bool *slices = calloc(audit->pool_count + 1, sizeof(*slices));
        _cleanup_(lock_done) struct lock lock = { 0 };
        size_t count = 0;
        int r = 0;

        if (!targets || !slices)
                return err_oom(err);
        for (size_t i = 0; i < reconcile->subject_count; i++)
                count += reconcile->subjects[i].condemned;
        if (count == 0)
                return 0;
        r = lock_init(&lock, way->k8s, way->identity, false, LEASE_DURATION_MS, err);
        if (r == 0)
                r = repair_find_slices(audit, &slice_way, slices, err);
        if (r < 0)
                return r;
        count = plan(audit, reconcile, slices, targets);
        r = run_targets(way, targets, count, &lock, err);
        sum_up(way, targets, count, report);
        if (r == 0)
                r = send_events(way, targets, count, err);
        for (size_t i = 0; i < count; i++)
                free(targets[i].reservation);
        return r;
}
