/* SPDX-License-Identifier: Apache-2.0 */
/*
 * It is SIGKILL that ends a child: what it does is made for that, and nothing else is as prompt.
 */
#include "child.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/util.h"

#define FIRST_PROMISE_MS 30000 /* from the start to the child's first own one */
#define PAUSE_FIRST_MS   500
#define PAUSE_MAX_MS     30000
#define PROVEN_MS        60000 /* after so long a life the next end is a first one again */

/* ---- in the child ---- */

static void begin(const struct child *child, pid_t parent)
{
        sigset_t none;

        /* The parent may have ended before that counts. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                _exit(1);
        (void)prctl(PR_SET_NAME, child->name);
        (void)close_range(3, ~0U, 0); /* the parent's sockets are none of ours */
        (void)signal(SIGTERM, SIG_DFL);
        (void)signal(SIGINT, SIG_DFL);
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        child->run(child->arg);
        _exit(1);
}

/* ---- in the parent ---- */

static void start(struct child *child, int64_t now_ms)
{
        pid_t parent = getpid(), pid;

        atomic_store(child->promise_ms, now_ms + FIRST_PROMISE_MS);
        pid = fork();
        if (pid == 0)
                begin(child, parent);
        if (pid < 0) {
                log_line(LOG_LEVEL_ERROR, "%s: cannot be started: %s", child->name,
                         strerror(errno));
                child->due_ms = now_ms + PAUSE_MAX_MS;
                return;
        }
        child->pid = pid;
        child->is_killed = false;
        child->started_ms = now_ms;
        child->starts++;
}

static void note_end(struct child *child, int status, int64_t now_ms)
{
        int64_t pause = PAUSE_FIRST_MS;

        if (WIFSIGNALED(status))
                log_line(LOG_LEVEL_ERROR, "%s: ended by signal %d", child->name, WTERMSIG(status));
        else
                log_line(LOG_LEVEL_ERROR, "%s: ended with status %d", child->name,
                         WEXITSTATUS(status));
        child->pid = 0;
        if (now_ms - child->started_ms >= PROVEN_MS)
                child->failures = 0;
        for (unsigned i = 0; i < child->failures && pause < PAUSE_MAX_MS; i++)
                pause *= 2;
        child->failures++;
        child->due_ms = now_ms + (pause < PAUSE_MAX_MS ? pause : PAUSE_MAX_MS);
}

static void kill_it(struct child *child, const char *why)
{
        log_line(LOG_LEVEL_ERROR, "%s: %s, so it is killed", child->name, why);
        (void)kill(child->pid, SIGKILL);
        child->is_killed = true;
}

void child_turn(struct child *child, int64_t now_ms)
{
        int status;

        if (child->pid > 0 && waitpid(child->pid, &status, WNOHANG | WUNTRACED) == child->pid) {
                /* Who has stopped it does not know that all calls of the node wait for it. */
                if (WIFSTOPPED(status))
                        kill_it(child, "it was stopped");
                else
                        note_end(child, status, now_ms);
        }
        if (child->pid > 0 && !child->is_killed && now_ms > atomic_load(child->promise_ms))
                kill_it(child, "it hangs");
        if (child->pid == 0 && !child->is_off && now_ms >= child->due_ms)
                start(child, now_ms);
}

bool child_is_well(const struct child *child, int64_t now_ms)
{
        return child->pid > 0 && !child->is_killed && now_ms <= atomic_load(child->promise_ms);
}

void child_kill(const struct child *child)
{
        if (child->pid > 0)
                (void)kill(child->pid, SIGKILL);
}
