/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every run reads the credentials and connects anew: a run comes some minutes after the last one,
 * and what it starts with is as good as it can be.
 */
#include "task.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "core/clock.h"
#include "core/log.h"
#include "incluster.h"
#include "reclaim.h"
#include "slices.h"

struct task_memory {
        struct suspects suspects;
        struct slices slices;
};

/* ---- the API server ---- */

void access_close(struct access *access)
{
        k8s_free(access->k8s);
        kubeconfig_done(&access->kubeconfig);
        *access = (struct access){ 0 };
}

static int read_file(const char *path, struct kubeconfig *ret, struct err *err)
{
        _cleanup_(trust_done) struct trust trust = { 0 };
        const char *namespace = getenv("WHEREABOUTS_NAMESPACE");
        char *copy;
        int r = trust_load(TRUST_CONF, &trust, err);

        if (r == 0)
                r = kubeconfig_read(path, &trust, ret, err);
        if (r < 0 || !namespace || !*namespace)
                return r;
        copy = strdup(namespace);
        if (!copy) {
                kubeconfig_done(ret);
                return err_oom(err);
        }
        free(ret->namespace);
        ret->namespace = copy;
        return 0;
}

int access_open(struct access *access, const char *path, struct err *err)
{
        struct incluster where = incluster_environment();
        struct kubeconfig kubeconfig = { 0 };
        struct k8s *k8s;
        int r = path ? read_file(path, &kubeconfig, err) : incluster_read(&where, &kubeconfig, err);

        if (r < 0)
                return r;
        access_close(access);
        access->kubeconfig = kubeconfig;
        r = k8s_new(&access->kubeconfig, &k8s, err);
        if (r < 0)
                access_close(access);
        else
                access->k8s = k8s;
        return r;
}

/* ---- the tasks ---- */

static void note(bool failure, const char *text)
{
        log_line(failure ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "%s", text);
}

static int run_reconcile(struct task_memory *memory, const struct task_settings *settings,
                         const struct access *access, struct task_report *ret, struct err *err)
{
        const struct reclaim_way way = { access->k8s, access->kubeconfig.identity,
                                         settings->grace_ms, settings->evicted, note };
        struct reclaim_report report;
        int r = reclaim_run(&way, &memory->suspects, &report, err);

        if (r < 0)
                return r;
        *ret = (struct task_report){
                .due_ms = report.due_ms,
                .values = { report.entries, report.reservations, report.suspects,
                            report.freed_entries, report.freed_reservations, report.failures },
        };
        log_line(LOG_LEVEL_DEBUG, "%ju entries, %ju reservations of nobody, %ju suspects",
                 (uintmax_t)report.entries, (uintmax_t)report.reservations,
                 (uintmax_t)report.suspects);
        return 0;
}

static int run_slices(struct task_memory *memory, _unused_ const struct task_settings *settings,
                      const struct access *access, struct task_report *ret, struct err *err)
{
        struct slices_outcome outcome = { 0 };
        int r = slices_run(&memory->slices, access->k8s, &outcome, err);

        if (r < 0)
                return r;
        *ret = (struct task_report){
                .due_ms = INT64_MAX,
                .values = { outcome.networks, outcome.without,
                            outcome.created + outcome.changed + outcome.deleted, outcome.failed },
        };
        return 0;
}

#define METRIC "whereabouts_controller_"

const struct task tasks[TASK_COUNT] = {
        { "reconcile",
          "--no-reconcile",
          true,
          0,
          run_reconcile,
          { { METRIC "entries", "Entries of all pools.", METRIC_GAUGE },
            { METRIC "orphaned_reservations", "Reservations without an entry.", METRIC_GAUGE },
            { METRIC "suspects", "What may have no owner any more.", METRIC_GAUGE },
            { METRIC "freed_entries_total", "Entries removed from pools.", METRIC_COUNTER },
            { METRIC "freed_reservations_total", "Reservations deleted.", METRIC_COUNTER },
            { METRIC "free_failures_total", "What could not be freed.", METRIC_COUNTER } } },
        { "slices",
          "--no-slices",
          false,
          5000,
          run_slices,
          { { METRIC "slice_networks", "Networks with node slices.", METRIC_GAUGE },
            { METRIC "nodes_without_slice", "Nodes that got no slice.", METRIC_GAUGE },
            { METRIC "slice_writes_total", "NodeSlicePools written.", METRIC_COUNTER },
            { METRIC "slice_failures_total", "NodeSlicePools not written.", METRIC_COUNTER } } },
};

/* ---- the process ---- */

static void run(const struct task *task, struct task_memory *memory,
                const struct task_settings *settings, struct task_report *ret)
{
        struct access access = { 0 };
        struct err err;
        int r = access_open(&access, settings->kubeconfig, &err);

        *ret = (struct task_report){ .due_ms = INT64_MAX };
        if (r == 0)
                r = task->run(memory, settings, &access, ret, &err);
        access_close(&access);
        if (r == 0)
                return;
        ret->failed = true;
        log_line(LOG_LEVEL_ERROR, "%s: %s%s%s", task->name, err.msg, *err.details ? ": " : "",
                 err.details);
}

/* Until the other side closes. */
static void serve(int fd, const struct task_settings *settings)
{
        struct task_memory memory = { 0 };
        struct task_report report;
        uint8_t index;

        while (recv(fd, &index, sizeof(index), 0) == sizeof(index) && index < TASK_COUNT) {
                run(&tasks[index], &memory, settings, &report);
                if (send(fd, &report, sizeof(report), MSG_NOSIGNAL) != sizeof(report))
                        break;
        }
        suspects_done(&memory.suspects);
        slices_done(&memory.slices);
}

/* The parent's signals are its own: they are blocked there, and told to its loop. */
static void become_worker(int fd, const struct task_settings *settings, pid_t parent)
{
        sigset_t none;

        sigemptyset(&none);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent &&
            sigprocmask(SIG_SETMASK, &none, NULL) == 0)
                serve(fd, settings);
        _exit(0);
}

int task_start(const struct task_settings *settings, pid_t *ret_pid, int *ret_fd, struct err *err)
{
        pid_t parent = getpid(), pid;
        int fds[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "make a socket");
        pid = fork();
        if (pid == 0) {
                close(fds[0]);
                become_worker(fds[1], settings, parent);
        }
        if (pid < 0)
                (void)err_set(err, -errno, CNI_ERR_IO, "start a process");
        close(fds[1]);
        if (pid < 0) {
                close(fds[0]);
                return -EAGAIN;
        }
        *ret_pid = pid;
        *ret_fd = fds[0];
        return 0;
}
