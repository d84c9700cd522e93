/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: crowd PROGRAM VERB CONF FIRST COUNT PLACE...
 *
 * COUNT calls of a plugin at one moment, for the pods FIRST, FIRST + 1 and so on, spread over
 * places. A place is a process id, whose mount namespace the call enters: its node; or the path of
 * a network namespace: its container. Prints the milliseconds until the last one had ended, their
 * median, and how many failed. Everything but the start of the program itself is done before the
 * clock runs.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void redirect(int to, const char *path, int flags)
{
        int fd = open(path, flags | O_CLOEXEC);

        if (fd < 0 || dup2(fd, to) < 0)
                err(126, "%s", path);
}

static void enter(const char *pid)
{
        char path[64];
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%s/ns/mnt", pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0 || setns(fd, CLONE_NEWNS) < 0)
                err(126, "%s", path);
}

/* One call: says that it is ready, and starts when the other end of the barrier is closed. */
static void call(char **argv, long number, const char *place, int ready, int barrier)
{
        bool is_netns = place[0] == '/';
        char verb[64], id[64], args[128], netns[128], c;
        char *const env[] = { verb, id, args, netns, "CNI_IFNAME=net1", "CNI_PATH=/opt/cni/bin",
                              NULL };
        char *const words[] = { argv[1], NULL };

        (void)snprintf(verb, sizeof(verb), "CNI_COMMAND=%s", argv[2]);
        (void)snprintf(id, sizeof(id), "CNI_CONTAINERID=container-%ld", number);
        (void)snprintf(args, sizeof(args), "CNI_ARGS=K8S_POD_NAMESPACE=bench;K8S_POD_NAME=pod-%ld",
                       number);
        (void)snprintf(netns, sizeof(netns), "CNI_NETNS=%s", is_netns ? place : "/none/netns");
        redirect(STDIN_FILENO, argv[3], O_RDONLY);
        redirect(STDOUT_FILENO, "/dev/null", O_WRONLY);
        redirect(STDERR_FILENO, "/dev/null", O_WRONLY);
        if (!is_netns)
                enter(place);
        if (write(ready, "", 1) != 1 || read(barrier, &c, 1) != 0)
                _exit(126);
        (void)execve(argv[1], words, env);
        _exit(127);
}

static int compare(const void *a, const void *b)
{
        const double *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
        long first = argc > 6 ? (long)strtoumax(argv[4], NULL, 10) : 0;
        long count = argc > 6 ? (long)strtoumax(argv[5], NULL, 10) : 0;
        double *ms = calloc((size_t)count + 1, sizeof(*ms)), start;
        int barrier[2], ready[2], failed = 0;

        if (argc < 7 || count < 1 || !ms)
                errx(2, "usage: crowd PROGRAM VERB CONF FIRST COUNT PLACE...");
        if (pipe2(barrier, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0)
                err(1, "pipe");
        for (long i = 0; i < count; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        err(1, "fork");
                if (pid == 0) {
                        (void)close(barrier[1]);
                        (void)close(ready[0]);
                        call(argv, first + i, argv[6 + i % (argc - 6)], ready[1], barrier[0]);
                }
        }
        (void)close(ready[1]);
        for (long i = 0; i < count; i++)
                if (read(ready[0], &(char){ 0 }, 1) != 1)
                        errx(1, "a call ended before it began");
        start = now_ms();
        (void)close(barrier[1]);
        for (long i = 0; i < count; i++) {
                int status;

                if (wait(&status) < 0)
                        err(1, "wait");
                ms[i] = now_ms() - start;
                failed += !WIFEXITED(status) || WEXITSTATUS(status) != 0;
        }
        qsort(ms, (size_t)count, sizeof(*ms), compare);
        (void)printf("%.3f %.3f %d\n", ms[count - 1], ms[count / 2], failed);
        return 0;
}
