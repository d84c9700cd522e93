/* SPDX-License-Identifier: Apache-2.0 */
/*
 * It uses the pod's own credentials, which the kubelet renews in their files, and releases through
 * the node's group, with the plugin's.
 */
#include "keeper.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "incluster.h"
#include "nodefiles.h"
#include "owned.h"

#define WAIT_MS 5000
#define TURN_MS 120000 /* no turn takes longer */
#define LOOK_MS 60000

struct state {
        const struct keeper *keeper;
        struct owned owned;
        struct nodefiles files;
        bool files_are_open;
        int64_t look_ms;                        /* when the next look is due */
        struct err files_trouble, look_trouble; /* what was said last; empty: all is well */
};

/* The same trouble is said once. */
static void say(struct err *said, const char *what, const struct err *err)
{
        if (strcmp(said->msg, err->msg) != 0)
                log_line(LOG_LEVEL_WARNING, "%s: %s", what, err->msg);
        *said = *err;
}

static void all_is_well(struct err *said, const char *what)
{
        if (*said->msg)
                log_line(LOG_LEVEL_INFO, "%s: all is well again", what);
        *said->msg = '\0';
}

/* ---- credentials ---- */

static const struct {
        unsigned news;
        const char *text;
} written[] = {
        { CREDENTIALS_TOKEN, "token" },
        { CREDENTIALS_KUBECONFIG, "whereabouts.kubeconfig" },
        { CREDENTIALS_FLAT, "whereabouts.conf" },
        { CREDENTIALS_NODENAME, "nodename" },
};

static void tell_news(const struct credentials_pass *pass)
{
        for (size_t i = 0; i < ARRAY_SIZE(written); i++)
                if (pass->news & written[i].news)
                        log_line(LOG_LEVEL_INFO, "%s is written", written[i].text);
        if (pass->news & CREDENTIALS_FLAT_BAD)
                log_line(LOG_LEVEL_WARNING, "the former whereabouts.conf could not be read and is "
                                            "whereabouts.conf.bad");
        if (pass->news & CREDENTIALS_WARNING)
                log_line(LOG_LEVEL_WARNING, "%s", pass->warning.msg);
}

int keeper_refresh(struct credentials *credentials, struct keeper_shared *shared, struct err *err)
{
        const struct incluster where = incluster_environment();
        _cleanup_(kubeconfig_done) struct kubeconfig own = { 0 };
        struct credentials_pass pass = { 0 };
        int r = incluster_read(&where, &own, err);

        if (r == 0)
                r = credentials_refresh(credentials, &own, &pass, err);
        tell_news(&pass);
        atomic_store(&shared->files_failed, r < 0);
        if (r == 0)
                atomic_store(&shared->files_ms, clock_real_ms());
        return r;
}

/* ---- pods ---- */

static int open_files(struct state *state, struct err *err)
{
        const struct keeper *keeper = state->keeper;
        int r = 0;

        if (!state->files_are_open)
                r = nodefiles_open(keeper->flat_file, keeper->kubeconfig_file, &state->files, err);
        state->files_are_open |= r == 0;
        if (r == 0)
                r = nodefiles_refresh(&state->files, err);
        return r < 0 ? r : 0;
}

static int look(struct state *state, size_t *ret_released, struct err *err)
{
        const struct incluster where = incluster_environment();
        _cleanup_(kubeconfig_done) struct kubeconfig own = { 0 };
        _cleanup_(k8s_freep) struct k8s *k8s = NULL;
        struct owned_look look = { .node = state->keeper->node,
                                   .grace_ms = state->keeper->grace_ms };
        struct group group;
        int r = open_files(state, err);

        if (r == 0)
                r = nodefiles_group(&state->files, false, &group, err);
        if (r == 0)
                r = incluster_read(&where, &own, err);
        if (r == 0)
                r = k8s_new(&own, &k8s, err);
        if (r < 0)
                return r;
        look.own = k8s;
        look.group = &group;
        return owned_look(&state->owned, &look, ret_released, err);
}

static void look_and_tell(struct state *state)
{
        struct keeper_shared *shared = state->keeper->shared;
        size_t released = 0;
        struct err err;
        int r = look(state, &released, &err);

        atomic_fetch_add(&shared->looks, 1);
        if (r < 0)
                atomic_fetch_add(&shared->looks_failed, 1);
        atomic_store(&shared->suspects, state->owned.count);
        atomic_fetch_add(&shared->released, released);
        if (r < 0)
                say(&state->look_trouble, "pods of this node", &err);
        else
                all_is_well(&state->look_trouble, "pods of this node");
}

/* ---- */

static void turn(struct state *state)
{
        const struct keeper *keeper = state->keeper;
        int64_t every_ms = keeper->grace_ms < LOOK_MS ? keeper->grace_ms : LOOK_MS;
        struct err err;

        atomic_store(&keeper->shared->promise_ms, clock_boot_ms() + TURN_MS);
        if (keeper_refresh(keeper->credentials, keeper->shared, &err) < 0)
                say(&state->files_trouble, "credentials", &err);
        else
                all_is_well(&state->files_trouble, "credentials");
        if (!keeper->node || !keeper->may_release || clock_boot_ms() < state->look_ms)
                return;
        look_and_tell(state);
        /* With jitter: nodes that start together do not ask together. */
        state->look_ms = clock_boot_ms() + every_ms - every_ms / 10 +
                         (int64_t)digest_jitter((uint64_t)every_ms / 5 + 1);
}

void keeper_run(void *arg)
{
        struct state state = { .keeper = arg };

        for (;;) {
                int64_t until_look_ms;

                turn(&state);
                until_look_ms = state.look_ms - clock_boot_ms();
                clock_sleep_ms(until_look_ms > 0 && until_look_ms < WAIT_MS
                                       ? (unsigned)until_look_ms
                                       : WAIT_MS);
        }
}
