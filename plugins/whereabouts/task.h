/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_TASK_H
#define WHEREABOUTS_TASK_H

/*
 * The controller's tasks, and the process that carries them out one after the other.
 *
 * They take as long as the API server lets them, so they run in a process of their own, which the
 * controller kills when it does not lead any more or has to go. A task must therefore bear to end
 * anywhere; where others would have to wait for it, it may hold SIGTERM back, which comes a moment
 * before SIGKILL when the controller is told to go. What it remembers from one run to the next
 * lives as long as the process does.
 */

#include <sys/types.h>

#include "k8s.h"
#include "metrics.h"

/* How everybody here gets to the API server: by a kubeconfig file, else as a pod does. */
struct access {
        struct kubeconfig kubeconfig;
        struct k8s *k8s; /* NULL: it is not open */
};

/* Opens it anew; credentials that were read some minutes ago may be old. `path` NULL: as a pod. On
 * failure it stays as it was. */
int access_open(struct access *access, const char *path, struct err *err);
void access_close(struct access *access);

struct task_settings {
        const char *kubeconfig; /* path; NULL: as a pod */
        int64_t grace_ms;
        bool evicted;
};

#define TASK_VALUES_MAX 8

/* What came of a run. It goes through a socket as it is. */
struct task_report {
        bool failed;
        int64_t due_ms; /* clock_boot_ms() of the next run that the task itself wants; INT64_MAX */
        uint64_t values[TASK_VALUES_MAX];
};

struct task_memory;

struct task {
        const char *name, *switch_off; /* "reconcile", "--no-reconcile" */
        bool scheduled;                /* it runs as the schedule says; else: */
        int64_t period_ms;
        int (*run)(struct task_memory *memory, const struct task_settings *settings,
                   const struct access *access, struct task_report *ret, struct err *err);
        /* What its values mean; a counter's are summed up. */
        struct {
                const char *name, *help;
                enum metric_kind kind;
        } values[TASK_VALUES_MAX];
};

extern const struct task tasks[];
#define TASK_COUNT 2

/* Starts the process. *ret_fd is a socket (SOCK_SEQPACKET): a byte that is written is the index of
 * a task to run, and one struct task_report is its answer. It ends when the socket is closed, or
 * its parent dies. */
int task_start(const struct task_settings *settings, pid_t *ret_pid, int *ret_fd, struct err *err);

#endif
