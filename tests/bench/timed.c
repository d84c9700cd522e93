/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in a plugin's place, runs the program NAME.real beside itself, and appends a line to
 * /var/log/calls: the verb, microseconds from start to end, microseconds of processor time.
 */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_us(void)
{
        struct timespec at;

        clock_gettime(CLOCK_MONOTONIC, &at);
        return at.tv_sec * 1000000LL + at.tv_nsec / 1000;
}

static long long us(const struct timeval *t)
{
        return t->tv_sec * 1000000LL + t->tv_usec;
}

int main(int argc, char **argv)
{
        const long long start = now_us();
        const char *verb = getenv("CNI_COMMAND");
        char path[PATH_MAX];
        struct rusage used;
        int status, fd;
        pid_t pid;

        (void)argc;
        snprintf(path, sizeof(path), "%s.real", argv[0]);
        pid = fork();
        if (pid == 0) {
                execv(path, argv);
                _exit(127);
        }
        if (pid < 0 || wait4(pid, &status, 0, &used) < 0)
                return 1;
        fd = open("/var/log/calls", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (fd < 0 || dprintf(fd, "%s %lld %lld\n", verb ? verb : "-", now_us() - start,
                              us(&used.ru_utime) + us(&used.ru_stime)) < 0)
                return 1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
