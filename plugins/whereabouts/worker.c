/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each turn begins with waiting: for a call, or for the time of the next look. Then everything that
 * may have changed is looked at again, the files and the place in the group; and then one thing is
 * done.
 *
 * A call must not have to wait longer than it would without us. So what was left is worked off in
 * small pieces, and only while nobody asks; whoever we cannot serve is let go at once and leads
 * himself; and a connection that was idle for a while is not trusted to be alive.
 */
#include "worker.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/log.h"
#include "nodefiles.h"
#include "record.h"

#define WAIT_MS       1000   /* for a call, before files and places are looked at again */
#define TURN_MS       10000  /* a turn without a batch takes no longer */
#define BATCH_MS      130000 /* a caller waits 100 s at most, and undoing takes its time */
#define LED_MS        10     /* another leads: look again */
#define GIVE_WAY_MS   200    /* others look for the lock every few milliseconds */
#define TROUBLE_MS    1000
#define CONNECTION_MS 20000 /* idle for longer: a new one */
/* Between two pieces of what was left: at once as long as it gets less. */
#define SWEEP_MIN_MS  20
#define SWEEP_STEP_MS 1000
#define SWEEP_MAX_MS  60000
#define SWEEP_LOOK_MS 10000 /* nothing is left */

struct state {
        struct worker_shared *shared;
        struct nodefiles files;
        struct group_term *term; /* NULL: does not lead */
        struct group_tally tally;
        int64_t used_ms;            /* when the connection was used last */
        int64_t sweep_ms, pause_ms; /* when the next piece is due, and after what pause */
        size_t left;                /* before the last piece */
        struct err trouble;         /* what was said last; an empty message: all is well */
};

/* ---- telling ---- */

static void promise(const struct state *state, int64_t ms)
{
        atomic_store(&state->shared->promise_ms, clock_boot_ms() + ms);
}

/* The same trouble is said once. */
static void say(struct state *state, const struct err *err)
{
        if (strcmp(state->trouble.msg, err->msg) == 0)
                return;
        log_line(LOG_LEVEL_ERROR, "leader: %s; calls do their work themselves", err->msg);
        state->trouble = *err;
}

static void tell_tally(const struct state *state, int64_t took_ms)
{
        struct worker_shared *shared = state->shared;

        /* The sums go on where a killed predecessor had to stop: they are added, not set. */
        atomic_fetch_add(&shared->batches, state->tally.batches);
        atomic_fetch_add(&shared->batch_ms, (uint64_t)took_ms);
        for (size_t verb = 0; verb < ARRAY_SIZE(state->tally.requests); verb++)
                for (size_t result = 0; result < GROUP_RESULT_COUNT; result++)
                        atomic_fetch_add(&shared->requests[verb][result],
                                         state->tally.requests[verb][result]);
}

/* ---- leading ---- */

static void end_term(struct state *state)
{
        group_term_end(state->term);
        state->term = NULL;
        atomic_store(&state->shared->leads, false);
}

/* Ends it because of an error of ours. */
static void fail(struct state *state, const struct err *err)
{
        say(state, err);
        end_term(state);
        clock_sleep_ms(TROUBLE_MS);
}

static void begin_term(struct state *state)
{
        struct group group;
        struct err err;
        int r = nodefiles_group(&state->files, false, &group, &err);

        if (r == 0)
                r = group_term_begin(&group, &state->term, &err);
        if (r < 0) {
                fail(state, &err);
        } else if (r == GROUP_LED) {
                clock_sleep_ms(LED_MS);
        } else {
                if (*state->trouble.msg)
                        log_line(LOG_LEVEL_INFO, "leader: all is well again");
                *state->trouble.msg = '\0';
                atomic_store(&state->shared->leads, true);
                state->sweep_ms = clock_boot_ms();
        }
}

/* The group with a connection that can be believed to be alive. */
static int connected(struct state *state, struct group *ret, struct err *err)
{
        int64_t now_ms = clock_boot_ms();
        bool is_new;
        int r;

        if (now_ms - state->used_ms > CONNECTION_MS)
                nodefiles_disconnect(&state->files);
        is_new = !state->files.k8s;
        r = nodefiles_group(&state->files, true, ret, err);
        if (r == 0 && is_new)
                atomic_fetch_add(&state->shared->connections, 1);
        return r;
}

/* After the use of a connection. One to a server that was not there is not used again. */
static void note_use(struct state *state)
{
        state->used_ms = clock_boot_ms();
        if (state->files.k8s && k8s_is_away(state->files.k8s))
                nodefiles_disconnect(&state->files);
}

static void work(struct state *state)
{
        int64_t start_ms = clock_boot_ms();
        struct group group;
        struct err err;

        if (connected(state, &group, &err) < 0) {
                fail(state, &err);
                return;
        }
        promise(state, BATCH_MS);
        state->tally = (struct group_tally){ 0 };
        if (group_term_work(state->term, &group, &state->tally) == GROUP_GIVE_WAY) {
                end_term(state);
                clock_sleep_ms(GIVE_WAY_MS);
        }
        note_use(state);
        tell_tally(state, state->used_ms - start_ms);
        /* What was just left, or met a server that is there again, need not wait for long. */
        if (state->tally.requests[REQUEST_DEL][GROUP_REMEMBERED] > 0 || state->left > 0)
                if (state->sweep_ms > state->used_ms + SWEEP_STEP_MS)
                        state->sweep_ms = state->used_ms + SWEEP_STEP_MS;
}

static void sweep(struct state *state)
{
        struct group group;
        struct err err;
        size_t left = 0;

        if (connected(state, &group, &err) < 0 || group_term_sweep(&group, &left, &err) < 0) {
                fail(state, &err);
                return;
        }
        note_use(state);
        if (left == 0)
                state->pause_ms = SWEEP_LOOK_MS;
        else if (left < state->left)
                state->pause_ms = SWEEP_MIN_MS;
        else if (state->pause_ms < SWEEP_STEP_MS || state->left == 0)
                state->pause_ms = SWEEP_STEP_MS;
        else if ((state->pause_ms *= 2) > SWEEP_MAX_MS)
                state->pause_ms = SWEEP_MAX_MS;
        state->left = left;
        atomic_store(&state->shared->marked, left);
        state->sweep_ms = state->used_ms + state->pause_ms;
}

static void turn(struct state *state)
{
        int64_t until_ms = clock_boot_ms() + WAIT_MS;
        bool asked = false;
        struct err err;
        int r;

        promise(state, TURN_MS);
        if (state->sweep_ms < until_ms)
                until_ms = state->sweep_ms;
        if (state->term)
                asked = group_term_wait(state->term, until_ms);
        r = nodefiles_refresh(&state->files, &err);
        if (r < 0) {
                fail(state, &err);
                return;
        }
        if (state->term && (r == NODEFILES_MOVED || !group_term_stands(state->term)))
                end_term(state);
        if (!state->term)
                begin_term(state);
        else if (asked)
                work(state);
        else if (clock_boot_ms() >= state->sweep_ms)
                sweep(state);
}

void worker_run(void *arg)
{
        const struct worker *worker = arg;
        struct state state = { .shared = worker->shared };
        struct err err;

        atomic_store(&worker->shared->leads, false);
        if (nodefiles_open(worker->flat_file, worker->kubeconfig_file, &state.files, &err) < 0) {
                say(&state, &err);
                return;
        }
        for (;;)
                turn(&state);
}

/* ---- mounts ---- */

/* The mount that a path, or the first one above it that is there, belongs to; 0: not known. */
static uint64_t mount_of(const char *path)
{
        _cleanup_(freep) char *copy = strdup(path);
        struct statx st;
        char *slash;

        while (copy && *copy) {
                if (statx(AT_FDCWD, copy, 0, STATX_MNT_ID, &st) == 0)
                        return st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0;
                slash = strrchr(copy, '/');
                if (errno != ENOENT || !slash)
                        return 0;
                *slash = '\0';
        }
        return copy ? mount_of("/") : 0;
}

int worker_check_mounts(struct err *err)
{
        static const char *const paths[] = { GROUP_DIR, RECORD_DIR };
        static const char *const wanted[] = { "/run/cni-ipam", "/var/lib/cni/whereabouts" };
        uint64_t root = mount_of("/");

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
                if (root && mount_of(paths[i]) == root)
                        return err_text(err, -ENOENT, CNI_ERR_CONFIG,
                                        "%s of the node is not mounted here at the same path",
                                        wanted[i]);
        return 0;
}
