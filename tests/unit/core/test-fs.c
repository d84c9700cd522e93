/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files: bounded reading, complete writing, replacement, directories, locks, joined paths.
 */
#include "core/fs.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/time.h>
#include <time.h>

#include "unit.h"

/* ---- reading and writing ---- */

START_TEST(a_file_is_read_to_its_end)
{
        static char big[50000];
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct buf buf;
        int fd;

        memset(big, 'x', sizeof(big));
        unit_write_bytes(unit_dir(dir), "f", big, sizeof(big));
        buf_init(&buf, sizeof(big));
        fd = fs_open_regular(unit_path(dir, "f", path));
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(fs_read(fd, &buf), 0);
        ck_assert_uint_eq(buf.len, sizeof(big));
        close(fd);
        buf_done(&buf);
}
END_TEST

START_TEST(a_file_larger_than_the_ceiling_is_refused)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct buf buf;
        int fd;

        unit_write(unit_dir(dir), "f", "123456");
        buf_init(&buf, 5);
        fd = fs_open_regular(unit_path(dir, "f", path));
        ck_assert_int_eq(fs_read(fd, &buf), -EFBIG);
        close(fd);
        buf_done(&buf);
}
END_TEST

START_TEST(reading_what_cannot_be_read_is_told)
{
        struct buf buf;
        int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        buf_init(&buf, 5);
        ck_assert_int_eq(fs_read(fd, &buf), -EISDIR);
        close(fd);
        ck_assert_int_eq(fs_read(-1, &buf), -EBADF);
        buf_done(&buf);
}
END_TEST

START_TEST(only_a_regular_file_is_opened)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], target[UNIT_PATH_MAX];
        int fd;

        unit_dir(dir);
        ck_assert_int_eq(fs_open_regular(dir), -EISDIR);
        ck_assert_int_eq(fs_open_regular(unit_path(dir, "none", path)), -ENOENT);
        ck_assert_int_eq(mkfifo(unit_path(dir, "fifo", path), 0600), 0);
        ck_assert_int_eq(fs_open_regular(path), -EINVAL); /* and at once */
        ck_assert_int_eq(fs_open_regular("/dev/null"), -EINVAL);
        unit_write(dir, "f", "x");
        ck_assert_int_eq(symlink(unit_path(dir, "f", target), unit_path(dir, "link", path)), 0);
        fd = fs_open_regular(path);
        ck_assert_int_ge(fd, 0);
        close(fd);
}
END_TEST

START_TEST(everything_is_written)
{
        static char big[200000];
        int pipes[2];
        pid_t pid;
        int status;

        /* A pipe takes 64 KiB at a time, so that one write is not enough. */
        ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
        (void)fflush(NULL);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                close(pipes[0]);
                ck_assert_int_eq(fcntl(pipes[1], F_SETFL, O_WRONLY), 0);
                _exit(fs_write_all(pipes[1], big, sizeof(big)) == 0 ? 0 : 1);
        }
        close(pipes[1]);
        {
                struct buf buf;

                buf_init(&buf, sizeof(big));
                ck_assert_int_eq(fs_read(pipes[0], &buf), 0);
                ck_assert_uint_eq(buf.len, sizeof(big));
                buf_done(&buf);
        }
        close(pipes[0]);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_full_device_is_told)
{
        int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

        ck_assert_int_eq(fs_write_all(fd, "x", 1), -ENOSPC);
        ck_assert_int_eq(fs_write_all(fd, "x", 0), 0);
        close(fd);
        ck_assert_int_eq(fs_write_all(-1, "x", 1), -EBADF);
}
END_TEST

/* ---- replacement ---- */

static int replace(const char *dir, const char *name, const char *text, struct err *err)
{
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r = fs_replace(fd, name, text, strlen(text), 0640, err);

        close(fd);
        return r;
}

START_TEST(a_file_is_replaced_as_a_whole)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct stat st;
        struct err err;

        unit_dir(dir);
        unit_assert_ok(replace(dir, "f", "new", &err), &err);
        ck_assert_str_eq(unit_read(dir, "f"), "new");
        ck_assert_int_eq(stat(unit_path(dir, "f", path), &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0640);
        unit_assert_ok(replace(dir, "f", "newer, and longer", &err), &err);
        unit_assert_ok(replace(dir, "f", "short", &err), &err);
        ck_assert_str_eq(unit_read(dir, "f"), "short");
        ck_assert_uint_eq(unit_count(dir), 1);
}
END_TEST

START_TEST(what_a_killed_process_left_is_in_nobodys_way)
{
        char dir[UNIT_PATH_MAX], left[64];
        struct err err;

        (void)snprintf(left, sizeof(left), ".f.%ld", (long)getpid());
        unit_write(unit_dir(dir), left, "half a fi");
        unit_assert_ok(replace(dir, "f", "whole", &err), &err);
        ck_assert_str_eq(unit_read(dir, "f"), "whole");
        ck_assert_uint_eq(unit_count(dir), 1);
}
END_TEST

START_TEST(the_mode_counts_whatever_the_umask)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        mode_t mask = umask(0077);
        struct stat st;
        struct err err;

        unit_assert_ok(replace(unit_dir(dir), "f", "new", &err), &err);
        umask(mask);
        ck_assert_int_eq(stat(unit_path(dir, "f", path), &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0640);
}
END_TEST

START_TEST(only_what_a_replacement_left_is_removed)
{
        static const char *const left[] = { ".f.1", ".f.4711" };
        static const char *const kept[] = { "f",     "f.1",   ".f",    ".f.",  ".f.1x",
                                            ".g.12", ".ff.1", ".f.x1", "x.f.1" };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct err err;
        int fd = open(unit_dir(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        for (size_t i = 0; i < ARRAY_SIZE(left); i++)
                unit_write(dir, left[i], "half");
        for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
                unit_write(dir, kept[i], "whole");
        unit_assert_ok(fs_remove_temporary(fd, "f", &err), &err);
        ck_assert_uint_eq(unit_count(dir), ARRAY_SIZE(kept));
        for (size_t i = 0; i < ARRAY_SIZE(left); i++)
                ck_assert(!unit_exists(dir, left[i]));
        ck_assert_int_eq(mkdir(unit_path(dir, ".f.12", path), 0755), 0);
        unit_assert_err(fs_remove_temporary(fd, "f", &err), &err, CNI_ERR_IO,
                        "unlink .f.12: is a directory");
        close(fd);
        unit_assert_err(fs_remove_temporary(-1, "f", &err), &err, CNI_ERR_IO,
                        "list the directory: bad file descriptor");
}
END_TEST

START_TEST(a_symlink_is_replaced_and_not_followed)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], target[UNIT_PATH_MAX];
        struct err err;

        unit_write(unit_dir(dir), "target", "old");
        ck_assert_int_eq(symlink(unit_path(dir, "target", target), unit_path(dir, "f", path)), 0);
        unit_assert_ok(replace(dir, "f", "new", &err), &err);
        ck_assert_str_eq(unit_read(dir, "target"), "old");
        ck_assert_str_eq(unit_read(dir, "f"), "new");
}
END_TEST

START_TEST(a_failed_replacement_leaves_things_as_they_were)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], name[202];
        struct err err;

        ck_assert_int_eq(mkdir(unit_path(unit_dir(dir), "d", path), 0755), 0);
        unit_assert_err(replace(dir, "d", "x", &err), &err, CNI_ERR_IO, "write d: is a directory");
        ck_assert_uint_eq(unit_count(dir), 1);
        (void)snprintf(name, sizeof(name), ".f.%ld", (long)getpid());
        ck_assert_int_eq(mkdir(unit_path(dir, name, path), 0755), 0);
        unit_assert_err(replace(dir, "f", "x", &err), &err, CNI_ERR_IO, "write f: is a directory");
        ck_assert(!unit_exists(dir, "f"));
        unit_assert_err(replace(dir, "none/f", "x", &err), &err, CNI_ERR_IO,
                        "write none/f: no such file or directory");
        memset(name, 'n', sizeof(name) - 1);
        name[201] = '\0';
        ck_assert_int_eq(replace(dir, name, "x", &err), -ENAMETOOLONG);
        name[200] = '\0';
        unit_assert_ok(replace(dir, name, "x", &err), &err);
}
END_TEST

/* ---- several files ---- */

#define MANY 150 /* more than are open at the same time */

/* Files f0, f1, ... with their own names as text. */
static void name_files(struct fs_file *files, char names[][24], size_t count, bool durable)
{
        for (size_t i = 0; i < count; i++) {
                (void)snprintf(names[i], sizeof(names[i]), "f%zu", i);
                files[i] = (struct fs_file){ names[i], names[i], strlen(names[i]), durable };
        }
}

START_TEST(many_files_are_replaced)
{
        struct fs_file files[MANY];
        char dir[UNIT_PATH_MAX], names[MANY][24];
        struct err err;
        int fd = open(unit_dir(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        unit_write(dir, "f7", "a text that is longer than the new one");
        name_files(files, names, MANY, _i == 1);
        unit_assert_ok(fs_replace_all(fd, files, MANY, 0600, &err), &err);
        ck_assert_uint_eq(unit_count(dir), MANY);
        for (size_t i = 0; i < MANY; i++)
                ck_assert_str_eq(unit_read(dir, names[i]), names[i]);
        unit_assert_ok(fs_replace_all(fd, NULL, 0, 0600, &err), &err);
        close(fd);
}
END_TEST

START_TEST(a_file_that_cannot_be_replaced_leaves_no_temporary_one)
{
        struct fs_file files[3];
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], names[3][24];
        struct err err;
        int fd = open(unit_dir(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_eq(mkdir(unit_path(dir, "f1", path), 0755), 0);
        name_files(files, names, 3, true);
        unit_assert_err(fs_replace_all(fd, files, 3, 0600, &err), &err, CNI_ERR_IO,
                        "write f1: is a directory");
        ck_assert_uint_eq(unit_count(dir), 2);
        ck_assert_str_eq(unit_read(dir, "f0"), "f0");
        files[2].name = "none/f2"; /* before any is in place */
        files[0].bytes = "xx";
        unit_assert_err(fs_replace_all(fd, files, 3, 0600, &err), &err, CNI_ERR_IO,
                        "write none/f2: no such file or directory");
        ck_assert_uint_eq(unit_count(dir), 2);
        ck_assert_str_eq(unit_read(dir, "f0"), "f0");
        close(fd);
}
END_TEST

/* ---- directories ---- */

static const struct {
        const char *path, *error; /* below the directory; NULL: it is made */
} directory_rows[] = {
        { "new", NULL },
        { "a/b/c/d", NULL },
        { "a//b/", NULL },
        { "there", NULL },
        { "there/x", NULL },
        { "link", NULL },
        { "link/x/y", NULL },
        { "file", "file: not a directory" },
        { "file/x", "file: not a directory" },
        { "file/x/y", "file: not a directory" },
        { "dangling", "dangling: no such file or directory" },
        { "loop/x", "loop/x: too many levels of symbolic links" },
};

START_TEST(a_directory_is_made_with_its_parents)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], want[2 * UNIT_PATH_MAX];
        struct stat st;
        struct err err;
        int r;

        unit_write(unit_dir(dir), "file", "");
        ck_assert_int_eq(mkdir(unit_path(dir, "there", path), 0700), 0);
        ck_assert_int_eq(symlink("there", unit_path(dir, "link", path)), 0);
        ck_assert_int_eq(symlink("none", unit_path(dir, "dangling", path)), 0);
        ck_assert_int_eq(symlink("loop", unit_path(dir, "loop", path)), 0);
        unit_path(dir, directory_rows[_i].path, path);
        r = fs_make_directories(path, 0755, &err);
        if (directory_rows[_i].error) {
                (void)snprintf(want, sizeof(want), "mkdir %s/%s", dir, directory_rows[_i].error);
                unit_assert_err(r, &err, CNI_ERR_IO, want);
                return;
        }
        unit_assert_ok(r, &err);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert(S_ISDIR(st.st_mode));
        unit_assert_ok(fs_make_directories(path, 0755, &err), &err);
}
END_TEST

static void make_relative(const char *dir)
{
        struct err err;

        umask(0027);
        ck_assert_int_eq(chdir(dir), 0);
        unit_assert_ok(fs_make_directories("x/y", 0755, &err), &err);
        unit_assert_ok(fs_make_directories("z", 0755, &err), &err);
}

START_TEST(relative_directories_and_the_umask_are_minded)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct stat st;

        unit_in_child(make_relative, unit_dir(dir));
        ck_assert_int_eq(stat(unit_path(dir, "x/y", path), &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0750);
        ck_assert(unit_exists(dir, "z"));
}
END_TEST

START_TEST(the_root_is_there)
{
        struct err err;

        unit_assert_ok(fs_make_directories("/", 0755, &err), &err);
}
END_TEST

/* ---- locks ---- */

/* A process that holds the lock of `path` until its pipe is closed, or it is killed. */
struct holder {
        pid_t pid;
        int pipe;
};

static struct holder hold(const char *path)
{
        struct holder holder;
        int ready[2], end[2];
        char byte;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        ck_assert_int_eq(pipe2(end, O_CLOEXEC), 0);
        (void)fflush(NULL);
        holder.pid = fork();
        ck_assert_int_ge(holder.pid, 0);
        if (holder.pid == 0) {
                int fd = open(path, O_RDONLY | O_CLOEXEC);

                close(end[1]);
                if (fs_lock(fd, 0) != 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                (void)!read(end[0], &byte, 1);
                _exit(0);
        }
        close(ready[1]);
        close(end[0]);
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        holder.pipe = end[1];
        return holder;
}

static void let_go(struct holder *holder)
{
        close(holder->pipe);
        ck_assert_int_eq(waitpid(holder->pid, NULL, 0), holder->pid);
}

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Makes a file and opens it. */
static int lock_file(char path[UNIT_PATH_MAX])
{
        char dir[UNIT_PATH_MAX];
        int fd;

        unit_write(unit_dir(dir), "lock", "");
        fd = open(unit_path(dir, "lock", path), O_RDONLY | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        return fd;
}

START_TEST(a_free_lock_is_taken_at_once) /* L1 */
{
        char path[UNIT_PATH_MAX];
        int fd = lock_file(path), other = open(path, O_RDONLY | O_CLOEXEC);

        ck_assert_int_eq(fs_lock(fd, 1000), 0);
        ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), -1); /* it is a BSD lock */
        close(fd);
        ck_assert_int_eq(fs_lock(other, 1000), 0);
        close(other);
}
END_TEST

START_TEST(the_wait_for_a_lock_is_bounded)
{
        static const unsigned waits_ms[] = { 0, 1, 300 };
        unsigned wait_ms = waits_ms[_i];
        char path[UNIT_PATH_MAX];
        int fd = lock_file(path);
        struct holder holder = hold(path);
        int64_t start = now_ms();

        ck_assert_int_eq(fs_lock(fd, wait_ms), FS_BUSY);
        ck_assert_int_ge(now_ms() - start, wait_ms);
        ck_assert_int_eq(fs_lock_holder(fd), holder.pid);
        let_go(&holder);
        close(fd);
}
END_TEST

START_TEST(a_lock_that_becomes_free_is_taken)
{
        char path[UNIT_PATH_MAX];
        int fd = lock_file(path);
        struct holder holder = hold(path);
        struct itimerval timer;
        struct sigaction action;

        if (fork() == 0) { /* lets go a little later */
                usleep(100000);
                kill(holder.pid, SIGKILL); /* check has a handler for SIGTERM */
                _exit(0);
        }
        ck_assert_int_eq(fs_lock(fd, 20000), 0);
        /* The timer and its signal are as they were. */
        ck_assert_int_eq(getitimer(ITIMER_REAL, &timer), 0);
        ck_assert_int_eq(timer.it_value.tv_sec + timer.it_value.tv_usec, 0);
        ck_assert_int_eq(sigaction(SIGALRM, NULL, &action), 0);
        ck_assert(!(action.sa_flags & SA_SIGINFO));
        let_go(&holder);
        (void)wait(NULL);
        close(fd);
}
END_TEST

/* What a caller may have done to SIGALRM neither makes the wait endless nor is it undone. */
START_TEST(the_wait_ends_whatever_became_of_its_signal)
{
        static void (*const handlers[])(int) = { SIG_DFL, SIG_IGN };
        struct sigaction action = { .sa_handler = handlers[_i / 2] }, after;
        char path[UNIT_PATH_MAX];
        int fd = lock_file(path);
        struct holder holder = hold(path);
        sigset_t mask;

        ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
        sigemptyset(&mask);
        sigaddset(&mask, SIGALRM);
        ck_assert_int_eq(sigprocmask(_i % 2 ? SIG_BLOCK : SIG_UNBLOCK, &mask, NULL), 0);
        ck_assert_int_eq(fs_lock(fd, 100), FS_BUSY);
        ck_assert_int_eq(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
        ck_assert_int_eq(sigismember(&mask, SIGALRM), _i % 2);
        ck_assert_int_eq(sigaction(SIGALRM, NULL, &after), 0);
        ck_assert(after.sa_handler == handlers[_i / 2]);
        let_go(&holder);
        close(fd);
        /* As a program starts, for those who do not fork. */
        sigemptyset(&mask);
        ck_assert_int_eq(sigprocmask(SIG_SETMASK, &mask, NULL), 0);
        ck_assert(signal(SIGALRM, SIG_DFL) != SIG_ERR);
}
END_TEST

START_TEST(a_killed_process_holds_no_lock)
{
        char path[UNIT_PATH_MAX];
        int fd = lock_file(path);
        struct holder holder = hold(path);

        ck_assert_int_eq(fs_lock(fd, 0), FS_BUSY);
        ck_assert_int_eq(kill(holder.pid, SIGKILL), 0);
        let_go(&holder);
        ck_assert_int_eq(fs_lock(fd, 0), 0);
        close(fd);
}
END_TEST

START_TEST(nobody_holds_a_free_lock)
{
        char path[UNIT_PATH_MAX];
        int fd = lock_file(path);

        ck_assert_int_eq(fs_lock_holder(fd), 0);
        ck_assert_int_eq(fs_lock_holder(-1), 0);
        /* A lock of the other kind excludes nobody and is not named. */
        {
                struct flock lock = { .l_type = F_RDLCK };

                ck_assert_int_eq(fcntl(fd, F_SETLK, &lock), 0);
        }
        ck_assert_int_eq(fs_lock_holder(fd), 0);
        ck_assert_int_eq(fs_lock(fd, 0), 0);
        ck_assert_int_eq(fs_lock_holder(fd), getpid());
        close(fd);
}
END_TEST

START_TEST(what_cannot_be_locked_is_told)
{
        ck_assert_int_eq(fs_lock(-1, 10), -EBADF);
}
END_TEST

/* ---- paths ---- */

/* What filepath.Join(a, "n") gives. */
static const struct {
        const char *a, *want;
} join_rows[] = {
        { "/var/lib/cni/networks", "/var/lib/cni/networks/n" },
        { "/var/lib/cni/networks/", "/var/lib/cni/networks/n" },
        { "/var//lib///cni", "/var/lib/cni/n" },
        { "//", "/n" },
        { "/", "/n" },
        { "", "n" },
        { ".", "n" },
        { "./", "n" },
        { "./a/./b/.", "a/b/n" },
        { "a", "a/n" },
        { "a/b/../c", "a/c/n" },
        { "a/..", "n" },
        { "a/../..", "../n" },
        { "a/../../b", "../b/n" },
        { "..", "../n" },
        { "../..", "../../n" },
        { "../a/..", "../n" },
        { "../a/../..", "../../n" },
        { "../../a/b/../../..", "../../../n" },
        { "/..", "/n" },
        { "/../a", "/a/n" },
        { "/a/../../b", "/b/n" },
        { "/a/b/../..", "/n" },
        { "...", ".../n" },
        { "a/..b", "a/..b/n" },
        { "a/b..", "a/b../n" },
        { " ", " /n" },
};

START_TEST(paths_are_joined_as_go_does)
{
        _cleanup_(freep) char *path = fs_join(join_rows[_i].a, "n");

        ck_assert_str_eq(path, join_rows[_i].want);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, a_file_is_read_to_its_end);
        tcase_add_test(tests, a_file_larger_than_the_ceiling_is_refused);
        tcase_add_test(tests, reading_what_cannot_be_read_is_told);
        tcase_add_test(tests, only_a_regular_file_is_opened);
        tcase_add_test(tests, everything_is_written);
        tcase_add_test(tests, a_full_device_is_told);
        tcase_add_test(tests, a_file_is_replaced_as_a_whole);
        tcase_add_test(tests, what_a_killed_process_left_is_in_nobodys_way);
        tcase_add_test(tests, the_mode_counts_whatever_the_umask);
        tcase_add_test(tests, only_what_a_replacement_left_is_removed);
        tcase_add_test(tests, a_symlink_is_replaced_and_not_followed);
        tcase_add_test(tests, a_failed_replacement_leaves_things_as_they_were);
        tcase_add_loop_test(tests, many_files_are_replaced, 0, 2);
        tcase_add_test(tests, a_file_that_cannot_be_replaced_leaves_no_temporary_one);
        unit_add_table(tests, a_directory_is_made_with_its_parents, directory_rows);
        tcase_add_test(tests, relative_directories_and_the_umask_are_minded);
        tcase_add_test(tests, the_root_is_there);
        tcase_add_test(tests, a_free_lock_is_taken_at_once);
        tcase_add_loop_test(tests, the_wait_for_a_lock_is_bounded, 0, 3);
        tcase_add_test(tests, a_lock_that_becomes_free_is_taken);
        tcase_add_loop_test(tests, the_wait_ends_whatever_became_of_its_signal, 0, 4);
        tcase_add_test(tests, a_killed_process_holds_no_lock);
        tcase_add_test(tests, nobody_holds_a_free_lock);
        tcase_add_test(tests, what_cannot_be_locked_is_told);
        unit_add_table(tests, paths_are_joined_as_go_does, join_rows);
}

UNIT_MAIN("fs", add_tests)
