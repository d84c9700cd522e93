/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_SPACE_H
#define TESTS_SPACE_H

/*
 * Network namespaces of a test's own, and iproute2 in them: what the tests see does not come from
 * the code that they test.
 */

#include <sched.h>
#include <stdarg.h>
#include <time.h>

#include "unit.h"

/* A test whose body runs in a process that may change its namespace, with a directory of its own.
 */
#define SPACE_TEST(name)                                     \
        static void name##_inside(const char *dir);          \
        START_TEST(name)                                     \
        {                                                    \
                char dir[UNIT_PATH_MAX];                     \
                                                             \
                unit_in_child(name##_inside, unit_dir(dir)); \
        }                                                    \
        END_TEST                                             \
        static void name##_inside(_unused_ const char *dir)

/* Goes into a fresh namespace; the descriptor leads back there. */
static inline int space_enter(void)
{
        int fd;

        ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
        fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        return fd;
}

/* Runs `ip` with words that blanks separate; its output goes to dir/out. */
static inline void space_run(const char *dir, const char *line)
{
        char copy[512], path[UNIT_PATH_MAX], program[] = "ip", *words[64] = { program };
        char *rest = copy;
        size_t count = 1;
        int status;
        pid_t pid;

        ck_assert_int_lt(snprintf(copy, sizeof(copy), "%s", line), (int)sizeof(copy));
        while ((words[count] = strsep(&rest, " ")))
                ck_assert_uint_lt(++count, ARRAY_SIZE(words));
        unit_path(dir, "out", path);
        (void)fflush(NULL);
        pid = fork();
        if (pid == 0) {
                int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

                if (fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0)
                        execvp(program, words);
                _exit(127);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(status == 0, "ip %s: %#x", line, (unsigned)status);
}

/* What `ip` says. Valid until the next call. */
static inline const char *space_read(const char *dir, const char *line)
{
        space_run(dir, line);
        return unit_read(dir, "out");
}

/* What it says, to keep; freed by the caller. */
static inline char *space_keep(const char *dir, const char *line)
{
        char *text = strdup(space_read(dir, line));

        ck_assert_ptr_nonnull(text);
        return text;
}

/* Some lines for space_run(), up to a NULL. */
static inline void space_set_up(const char *dir, ...)
{
        const char *line;
        va_list lines;

        va_start(lines, dir);
        while ((line = va_arg(lines, const char *)))
                space_run(dir, line);
        va_end(lines);
}

/* Waits a moment between two looks at something; false when ten seconds have passed. `start` begins
 * as zero. */
static inline bool space_wait(struct timespec *start)
{
        const struct timespec moment = { .tv_nsec = 5000000 };
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        if (start->tv_sec == 0)
                *start = now;
        (void)nanosleep(&moment, NULL);
        return now.tv_sec - start->tv_sec < 10;
}

#endif
