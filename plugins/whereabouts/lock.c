/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client-go's leader election by LeaseLock, as far as one who only wants the lock needs it. A
 * holder's time is measured by our own clock, from the moment we saw its record change: the clocks
 * of two nodes may differ. Unlike client-go we look again after 20 to 60 ms, since a hand-over
 * otherwise costs more than the work, and know our own node's dead by their name.
 */
#include "lock.h"

#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/fs.h"

#define BOOT_ID        "/proc/sys/kernel/random/boot_id"
#define RENEW_AFTER_MS 500
#define DURATION_MAX_S 3600 /* whatever somebody wrote there */
#define POLL_MIN_MS    20
#define POLL_SPAN_MS   41

static int read_boot_id(struct buf *buf)
{
        _cleanup_(closep) int fd = fs_open_regular(BOOT_ID);

        return fd < 0 ? fd : fs_read(fd, buf);
}

int lock_init(struct lock *lock, struct k8s *k8s, const char *identity, bool alone,
              int64_t duration_ms, struct err *err)
{
        _cleanup_(buf_done) struct buf boot_id;
        uint64_t random;
        int r = digest_random(&random, err);

        *lock = (struct lock){ .k8s = k8s, .duration_s = duration_ms / 1000 };
        buf_init(&boot_id, 64);
        if (r == 0 && read_boot_id(&boot_id) < 0)
                alone = false; /* then nobody can be recognized */
        if (r == 0 && alone &&
            asprintf(&lock->family, "cni-ipam/%.36s/%.12s/", buf_text(&boot_id), identity) < 0)
                r = err_oom(err);
        if (r == 0 && asprintf(&lock->holder, "%s%016" PRIx64, alone ? lock->family : "cni-ipam/",
                               random) < 0)
                r = err_oom(err);
        return r;
}

void lock_done(struct lock *lock)
{
        free(lock->name);
        free(lock->family);
        free(lock->holder);
        lease_done(&lock->lease);
}

/* ---- requests ---- */

/* Outcomes of a step, beside 0 for "it is ours now". */
enum step {
        STEP_AGAIN = 1, /* somebody was faster */
        STEP_HELD,      /* somebody else has it */
};

static int keep_answer(struct lock *lock, const struct k8s_request *request, struct err *err)
{
        struct lease lease = { 0 };
        int r = lease_parse(buf_text(&request->answer), request->answer.len, &lease, err);

        if (r < 0) {
                k8s_blame_answer(request, err);
                return r;
        }
        lease_done(&lock->lease);
        lock->lease = lease;
        return 0;
}

/* Reads the Lease; one that does not exist has no resource version. */
static int look(struct lock *lock, const struct k8s_limits *limits, struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request get;
        int r;

        k8s_request_init(&get, K8S_GET, K8S_LEASE, lock->name);
        r = k8s_run_one(lock->k8s, &get, limits, err);
        if (r < 0)
                return r;
        if (get.end == K8S_DONE)
                return keep_answer(lock, &get, err);
        if (get.end != K8S_NOT_FOUND)
                return k8s_error(&get, err);
        lease_done(&lock->lease);
        lock->lease = (struct lease){ 0 };
        return 0;
}

/* Writes `holder` into it, over just what was read. */
static int write_holder(struct lock *lock, const char *holder, int64_t duration_s,
                        const struct k8s_limits *limits, struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request put;
        bool exists = lock->lease.resource_version != NULL;
        int r;

        k8s_request_init(&put, exists ? K8S_PUT : K8S_POST, K8S_LEASE, lock->name);
        lease_write(&put.body, lock->name, k8s_namespace(lock->k8s), &lock->lease, holder,
                    duration_s, clock_real_ms() * 1000);
        r = k8s_run_one(lock->k8s, &put, limits, err);
        if (r < 0)
                return r;
        if (put.end == K8S_CONFLICT || put.end == K8S_NOT_FOUND)
                return STEP_AGAIN; /* also when it was we, in a sending whose answer was lost */
        if (put.end != K8S_DONE)
                return k8s_error(&put, err);
        lock->renewed_ms = clock_boot_ms();
        return keep_answer(lock, &put, err);
}

/* ---- taking ---- */

static bool is_ours(const struct lock *lock)
{
        return lock->lease.holder && strcmp(lock->lease.holder, lock->holder) == 0;
}

/* A reading of the Lease and since when it is the same. */
struct watch {
        char version[256]; /* a longer one is never seen to be the same: nobody is robbed */
        int64_t since_ms;
};

static void watch_look(struct watch *watch, const struct lease *lease)
{
        const char *version = lease->resource_version ? lease->resource_version : "";

        if (strcmp(watch->version, version) == 0)
                return;
        (void)snprintf(watch->version, sizeof(watch->version), "%s", version);
        watch->since_ms = clock_boot_ms();
}

static bool is_free(const struct lock *lock, const struct watch *watch)
{
        const struct lease *lease = &lock->lease;

        if (!lease->resource_version || *lease->holder == '\0' || is_ours(lock))
                return true;
        if (lock->family && strncmp(lease->holder, lock->family, strlen(lock->family)) == 0)
                return true;
        return clock_boot_ms() >
               watch->since_ms +
                       (lease->duration_s < DURATION_MAX_S ? lease->duration_s : DURATION_MAX_S) *
                               1000;
}

static int try_to_take(struct lock *lock, struct watch *watch, const struct k8s_limits *limits,
                       struct err *err)
{
        int r = look(lock, limits, err);

        if (r < 0)
                return r;
        watch_look(watch, &lock->lease);
        if (!is_free(lock, watch))
                return STEP_HELD;
        return write_holder(lock, lock->holder, lock->duration_s, limits, err);
}

static int time_out(const struct lock *lock, struct err *err)
{
        (void)err_text(err, -ETIMEDOUT, CNI_ERR_TRY_LATER,
                       "time limit exceeded while waiting to become leader");
        err_details(err, "the Lease '%s' is held by '%s'", lock->name,
                    lock->lease.holder ? lock->lease.holder : "");
        return LOCK_TIMEOUT;
}

static int take(struct lock *lock, const struct k8s_limits *limits, struct err *err)
{
        struct watch watch = { .since_ms = clock_boot_ms() };
        int r;

        while ((r = try_to_take(lock, &watch, limits, err)) > 0) {
                if (clock_boot_ms() + POLL_MIN_MS + POLL_SPAN_MS >= limits->deadline_ms)
                        return time_out(lock, err);
                clock_sleep_ms(POLL_MIN_MS + (unsigned)digest_jitter(POLL_SPAN_MS));
        }
        lock->terms += r == 0;
        return r;
}

int lock_take(struct lock *lock, const char *name, const struct k8s_limits *limits, struct err *err)
{
        int r;

        if (lock->name && strcmp(lock->name, name) == 0)
                return lock_keep(lock, limits, err);
        lock_release(lock, limits);
        lock->name = strdup(name);
        if (!lock->name)
                return err_oom(err);
        r = take(lock, limits, err);
        if (r != 0) {
                free(lock->name);
                lock->name = NULL;
        }
        return r;
}

int lock_keep(struct lock *lock, const struct k8s_limits *limits, struct err *err)
{
        int r;

        if (!lock->name || clock_boot_ms() < lock->renewed_ms + RENEW_AFTER_MS)
                return 0;
        r = write_holder(lock, lock->holder, lock->duration_s, limits, err);
        return r > 0 ? take(lock, limits, err) : r;
}

void lock_release(struct lock *lock, const struct k8s_limits *limits)
{
        struct err ignored;

        if (!lock->name)
                return;
        /* A conflict means that it is no longer ours, or that our own renewal's answer was lost. */
        if (write_holder(lock, "", 1, limits, &ignored) == STEP_AGAIN &&
            look(lock, limits, &ignored) == 0 && is_ours(lock))
                (void)write_holder(lock, "", 1, limits, &ignored);
        free(lock->name);
        lock->name = NULL;
}
