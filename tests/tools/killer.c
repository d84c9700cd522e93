/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a program under ptrace(2) and, at its N-th system call, kills it or makes that call fail.
 * The crash tests walk N over every call of a program, so that no window between two of them stays
 * untested.
 *
 *      killer [-o REPORT] trace -- PROGRAM [ARG...]          let it run
 *      killer [-o REPORT] enter N -- PROGRAM [ARG...]        SIGKILL before the call is done
 *      killer [-o REPORT] exit N -- PROGRAM [ARG...]         SIGKILL after it was done
 *      killer [-o REPORT] fail ERRNO N -- PROGRAM [ARG...]   it is not done and returns -ERRNO
 *
 * Calls are counted from 1, beginning after execve(2). NAME:N in place of N is the N-th call of
 * this name: network and time change the number of calls between them from run to run. The report
 * (standard error without -o) has a line `N NAME FIRST-ARGUMENT` for each call that was entered,
 * and a last one: `killed N` or `failed N` with the call, or `ended N` with the number of all. The
 * exit status is the program's own, 128 and the signal if one ended it, and 125 if this program is
 * in trouble itself.
 *
 * One process and one thread are followed, no children: the programs under test have none.
 */
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum mode {
        MODE_TRACE,
        MODE_ENTER,
        MODE_EXIT,
        MODE_FAIL,
};

struct plan {
        enum mode mode;
        unsigned long at; /* the call that is meant, from 1 */
        char name[32];    /* of those that `at` counts; empty: all */
        int error;        /* MODE_FAIL: an errno */
        FILE *report;
};

static const struct {
        long number;
        const char *name;
} names[] = {
#define NAME(x)             \
        {                   \
                SYS_##x, #x \
        }
#ifdef SYS_access
        NAME(access),
        NAME(arch_prctl),
        NAME(mkdir),
        NAME(open),
        NAME(poll),
        NAME(readlink),
        NAME(rename),
        NAME(stat),
        NAME(unlink),
#endif
        NAME(accept4),
        NAME(bind),
        NAME(brk),
        NAME(clock_gettime),
        NAME(clock_nanosleep),
        NAME(clone3),
        NAME(close),
        NAME(connect),
        NAME(dup),
        NAME(epoll_create1),
        NAME(epoll_ctl),
        NAME(epoll_pwait),
        NAME(eventfd2),
        NAME(exit_group),
        NAME(faccessat),
        NAME(fchmod),
        NAME(fcntl),
        NAME(fdatasync),
        NAME(fgetxattr),
        NAME(flock),
        NAME(fsetxattr),
        NAME(fstat),
        NAME(fstatfs),
        NAME(fsync),
        NAME(ftruncate),
        NAME(futex),
        NAME(getdents64),
        NAME(geteuid),
        NAME(getpeername),
        NAME(getpid),
        NAME(getrandom),
        NAME(getsockname),
        NAME(getsockopt),
        NAME(getuid),
        NAME(ioctl),
        NAME(listen),
        NAME(lseek),
        NAME(madvise),
        NAME(mkdirat),
        NAME(mmap),
        NAME(mprotect),
        NAME(mremap),
        NAME(munmap),
        NAME(nanosleep),
        NAME(newfstatat),
        NAME(openat),
        NAME(pipe2),
        NAME(ppoll),
        NAME(pread64),
        NAME(prlimit64),
        NAME(pwrite64),
        NAME(read),
        NAME(readlinkat),
        NAME(readv),
        NAME(recvfrom),
        NAME(recvmsg),
        NAME(renameat),
        NAME(renameat2),
        NAME(rseq),
        NAME(rt_sigaction),
        NAME(rt_sigprocmask),
        NAME(rt_sigreturn),
        NAME(sched_getaffinity),
        NAME(sendmmsg),
        NAME(sendmsg),
        NAME(sendto),
        NAME(set_robust_list),
        NAME(set_tid_address),
        NAME(setitimer),
        NAME(setsockopt),
        NAME(shutdown),
        NAME(socket),
        NAME(socketpair),
        NAME(statx),
        NAME(sysinfo),
        NAME(timer_create),
        NAME(timer_settime),
        NAME(umask),
        NAME(uname),
        NAME(unlinkat),
        NAME(utimensat),
        NAME(write),
        NAME(writev),
#undef NAME
};

static const char *name_of(long number, char *text, size_t size)
{
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (names[i].number == number)
                        return names[i].name;
        snprintf(text, size, "#%ld", number);
        return text;
}

/* At the entry of a call: the kernel finds no such call and does nothing. */
static int skip_call(pid_t pid)
{
#if defined(__x86_64__)
        return (int)ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.orig_rax), -1L);
#elif defined(__aarch64__)
        int number = -1;
        struct iovec part = { &number, sizeof(number) };

        return (int)ptrace(PTRACE_SETREGSET, pid, NT_ARM_SYSTEM_CALL, &part);
#else
#error "how to skip a system call is not known for this machine"
#endif
}

/* At its exit: what the program gets to see. */
static int set_result(pid_t pid, long value)
{
#if defined(__x86_64__)
        return (int)ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, regs.rax), value);
#elif defined(__aarch64__)
        struct user_regs_struct regs;
        struct iovec part = { &regs, sizeof(regs) };

        if (ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &part) < 0)
                return -1;
        regs.regs[0] = (unsigned long)value;
        return (int)ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &part);
#endif
}

static int trouble(const char *what)
{
        fprintf(stderr, "killer: %s: %s\n", what, strerror(errno));
        return 125;
}

/* At one stop of the call that is meant: does what is planned. Returns 1 when that was to kill. */
static int act(const struct plan *plan, pid_t pid, bool entry)
{
        switch (plan->mode) {
        case MODE_TRACE:
                return 0;
        case MODE_ENTER:
        case MODE_EXIT:
                if (entry != (plan->mode == MODE_ENTER))
                        return 0;
                return kill(pid, SIGKILL) < 0 ? -1 : 1;
        case MODE_FAIL:
                return entry ? skip_call(pid) : set_result(pid, -plan->error);
        }
        return 0;
}

/* How far the program has come. */
struct progress {
        unsigned long count;   /* of the calls so far */
        unsigned long counted; /* of those that the plan counts */
        unsigned long meant;   /* the number of the call that was meant; 0: it did not come yet */
        bool killed;
};

static int ended(const struct plan *plan, int status, const struct progress *progress)
{
        if (plan->mode == MODE_FAIL && progress->meant > 0)
                fprintf(plan->report, "failed %lu\n", progress->meant);
        else
                fprintf(plan->report, "%s %lu\n", progress->killed ? "killed" : "ended",
                        progress->count);
        if (fclose(plan->report) != 0)
                return trouble("report");
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void enter(const struct plan *plan, struct progress *progress,
                  const struct __ptrace_syscall_info *info)
{
        char number[24];
        const char *name = name_of((long)info->entry.nr, number, sizeof(number));

        progress->count++;
        fprintf(plan->report, "%lu %s %lld\n", progress->count, name,
                (long long)info->entry.args[0]);
        if (*plan->name && strcmp(plan->name, name) != 0)
                return;
        progress->counted++;
        if (progress->counted == plan->at)
                progress->meant = progress->count;
}

/* Follows the child, which has just stopped itself, to its end. */
static int follow(const struct plan *plan, pid_t pid)
{
        struct progress progress = { 0 };
        bool started = false;
        int deliver = 0;

        for (;;) {
                struct __ptrace_syscall_info info;
                int status, r = 0;

                /* ESRCH: SIGKILL was faster than the restart; the wait below tells how it ended */
                if (ptrace(PTRACE_SYSCALL, pid, 0, (long)deliver) < 0 && errno != ESRCH)
                        return trouble("restart");
                if (waitpid(pid, &status, 0) < 0)
                        return trouble("wait");
                if (!WIFSTOPPED(status))
                        return ended(plan, status, &progress);
                deliver = 0;
                if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
                        if (status >> 16 == 0)
                                deliver = WSTOPSIG(status);
                        continue;
                }
                if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
                        return trouble("system call");
                if (!started) { /* the program's calls begin where a successful execve ends */
                        started = info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval == 0;
                        continue;
                }
                if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
                        enter(plan, &progress, &info);
                if (progress.count == progress.meant && progress.count > 0)
                        r = act(plan, pid, info.op == PTRACE_SYSCALL_INFO_ENTRY);
                if (r < 0)
                        return trouble("act");
                progress.killed = progress.killed || r > 0;
        }
}

static int run(const struct plan *plan, char **argv)
{
        int status;
        pid_t pid = fork();

        if (pid < 0)
                return trouble("fork");
        if (pid == 0) {
                if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0 || raise(SIGSTOP) != 0)
                        _exit(125);
                execv(argv[0], argv);
                _exit(125);
        }
        if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
                return trouble("start");
        if (ptrace(PTRACE_SETOPTIONS, pid, 0,
                   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL) < 0)
                return trouble("options");
        return follow(plan, pid);
}

static int usage(void)
{
        fputs("usage: killer [-o REPORT] trace | enter [NAME:]N | exit [NAME:]N | "
              "fail ERRNO [NAME:]N -- PROGRAM [ARG...]\n",
              stderr);
        return 125;
}

static bool number(const char *text, unsigned long *ret)
{
        char *end;

        errno = 0;
        *ret = strtoul(text, &end, 10);
        return errno == 0 && end != text && *end == '\0' && *ret > 0;
}

/* "N" or "NAME:N", the call that is meant. */
static bool call(const char *text, struct plan *plan)
{
        const char *colon = strchr(text, ':');

        if (!colon)
                return number(text, &plan->at);
        if ((size_t)(colon - text) >= sizeof(plan->name))
                return false;
        memcpy(plan->name, text, (size_t)(colon - text));
        return number(colon + 1, &plan->at);
}

/* What stands before "--"; the index of the program, or -1. */
static int parse(int argc, char **argv, int at, struct plan *plan)
{
        static const char *const words[] = {
                [MODE_TRACE] = "trace",
                [MODE_ENTER] = "enter",
                [MODE_EXIT] = "exit",
                [MODE_FAIL] = "fail",
        };
        size_t mode = 0;
        unsigned long error = 0;

        while (argc > at && mode < sizeof(words) / sizeof(words[0]) &&
               strcmp(argv[at], words[mode]) != 0)
                mode++;
        if (argc <= at || mode == sizeof(words) / sizeof(words[0]))
                return -1;
        at++;
        plan->mode = (enum mode)mode;
        if (plan->mode == MODE_FAIL && (argc <= at || !number(argv[at++], &error)))
                return -1;
        if (plan->mode != MODE_TRACE && (argc <= at || !call(argv[at++], plan)))
                return -1;
        plan->error = (int)error;
        return argc > at + 1 && strcmp(argv[at], "--") == 0 ? at + 1 : -1;
}

int main(int argc, char **argv)
{
        struct plan plan = { .report = stderr };
        int at = 1;

        if (argc > at + 1 && strcmp(argv[at], "-o") == 0) {
                plan.report = fopen(argv[at + 1], "we");
                if (!plan.report)
                        return trouble(argv[at + 1]);
                at += 2;
        }
        setvbuf(plan.report, NULL, _IOLBF, 0); /* whoever waits for a call to come reads it */
        at = parse(argc, argv, at, &plan);
        return at < 0 ? usage() : run(&plan, argv + at);
}
