/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the network's directory: making it, waiting for its lock, what operators do meanwhile,
 * and the probe that does none of it. What is in the directory is in test-store.c.
 */
#include <signal.h>
#include <sys/file.h>

#include "core/fs.h"
#include "hl.h"
#include "store.h"

#define NOBODY 65534U

/* ---- opening ---- */

START_TEST(the_directory_and_the_lock_are_made)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], lock[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct stat st;
        int other;

        unit_path(unit_dir(dir), "a/mynet", path);
        hl_open(&store, path, STORE_CREATE);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0755);
        ck_assert_int_eq(stat(unit_path(path, "lock", lock), &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0750);
        ck_assert_int_eq(st.st_size, 0);
        ck_assert_str_eq(store.path, path);
        /* L2: it is locked, and closing unlocks */
        other = open(lock, O_RDONLY | O_CLOEXEC);
        ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), -1);
        store_close(&store);
        ck_assert_int_eq(store.dirfd, -1);
        ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0);
        close(other);
        store_close(&store);
}
END_TEST

START_TEST(a_missing_directory_is_an_outcome)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct err err;

        unit_path(unit_dir(dir), "a/mynet", path);
        ck_assert_int_eq(store_open(path, 0, &store, &err), STORE_ABSENT);
        ck_assert_int_eq(store_open(path, STORE_NO_LOCK, &store, &err), STORE_ABSENT);
        ck_assert(!unit_exists(dir, "a"));
        ck_assert_int_eq(store.dirfd, -1);
}
END_TEST

START_TEST(looking_makes_and_locks_nothing)
{
        char dir[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;

        hl_open(&store, unit_dir(dir), STORE_NO_LOCK);
        ck_assert_int_eq(store.lockfd, -1);
        ck_assert_uint_eq(unit_count(dir), 0);
        store_close(&store);
}
END_TEST

START_TEST(the_directory_may_be_a_symlink)
{
        char dir[UNIT_PATH_MAX], target[UNIT_PATH_MAX], link[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;

        ck_assert_int_eq(mkdir(unit_path(unit_dir(dir), "there", target), 0755), 0);
        ck_assert_int_eq(symlink(target, unit_path(dir, "link", link)), 0);
        hl_open(&store, link, STORE_CREATE);
        ck_assert(unit_exists(target, "lock"));
        store_close(&store);
}
END_TEST

/* What stands in the way: S24. */
static void make_lock_directory(const char *path)
{
        char name[UNIT_PATH_MAX];

        ck_assert_int_eq(mkdir(path, 0755), 0);
        ck_assert_int_eq(mkdir(unit_path(path, "lock", name), 0755), 0);
}

static void make_lock_link(const char *path)
{
        char name[UNIT_PATH_MAX];

        ck_assert_int_eq(mkdir(path, 0755), 0);
        ck_assert_int_eq(symlink("/dev/null", unit_path(path, "lock", name)), 0);
}

static void make_file(const char *path)
{
        unit_write("/", path + 1, "");
}

static const struct {
        void (*make)(const char *path);
        const char *below, *msg, *details; /* "@" stands for the directory */
} open_rows[] = {
        { make_lock_directory, "", "is a directory", "open '@/lock'" },
        { make_lock_link, "", "too many levels of symbolic links", "open '@/lock'" },
        { make_file, "", "mkdir @: not a directory", "" },
        { make_file, "/mynet", "mkdir @: not a directory", "" },
};

/* Puts `path` in place of "@". */
static const char *expand(const char *text, const char *path, char *out, size_t size)
{
        const char *at = strchr(text, '@');

        (void)snprintf(out, size, "%.*s%s%s", at ? (int)(at - text) : (int)strlen(text), text,
                       at ? path : "", at ? at + 1 : "");
        return out;
}

START_TEST(what_stands_in_the_way_is_told)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], whole[2 * UNIT_PATH_MAX];
        char want[2 * UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct err err;
        int r;

        open_rows[_i].make(unit_path(unit_dir(dir), "n", path));
        (void)snprintf(whole, sizeof(whole), "%s%s", path, open_rows[_i].below);
        r = store_open(whole, STORE_CREATE, &store, &err);
        unit_assert_err(r, &err, CNI_ERR_IO, expand(open_rows[_i].msg, path, want, sizeof(want)));
        ck_assert_str_eq(err.details, expand(open_rows[_i].details, path, want, sizeof(want)));
        ck_assert_int_eq(store.dirfd, -1);
        ck_assert_int_lt(store_open(whole, 0, &store, &err), 0);
        ck_assert_int_lt(store_probe(whole, &err), 0);
}
END_TEST

START_TEST(a_fifo_in_place_of_the_lock_blocks_nobody)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;

        ck_assert_int_eq(mkfifo(unit_path(unit_dir(dir), "lock", path), 0600), 0);
        hl_open(&store, dir, 0);
        store_close(&store);
}
END_TEST

/* A child that holds the lock of `dir` until it is killed; it does `then` after 100 ms. */
static pid_t hold(const char *dir, void (*then)(const char *dir, pid_t parent))
{
        char path[UNIT_PATH_MAX], byte;
        int ready[2];
        pid_t pid;

        ck_assert_int_eq(pipe2(ready, O_CLOEXEC), 0);
        (void)fflush(NULL);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                int fd = open(unit_path(dir, "lock", path), O_RDONLY | O_CREAT | O_CLOEXEC, 0750);

                if (fs_lock(fd, 0) != 0 || write(ready[1], "x", 1) != 1)
                        _exit(1);
                usleep(100000);
                then(dir, getppid());
                pause();
                _exit(0);
        }
        close(ready[1]);
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        return pid;
}

/* The signal with which the wait ends. */
static void end_wait(_unused_ const char *dir, pid_t parent)
{
        for (int i = 0; i < 50; i++) {
                kill(parent, SIGALRM);
                usleep(100000);
        }
}

static void wait_too_long(const char *dir)
{
        struct store store = STORE_CLOSED;
        char want[UNIT_PATH_MAX + 128];
        struct err err;
        pid_t pid;
        int r;

        signal(SIGALRM, SIG_IGN);
        pid = hold(dir, end_wait);
        r = store_open(dir, 0, &store, &err);
        (void)snprintf(want, sizeof(want),
                       "lock '%s/lock' was held by process %ld for more than 60 s; try again later",
                       dir, (long)pid);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        unit_assert_err(r, &err, CNI_ERR_TRY_LATER, want);
        ck_assert_int_eq(store.dirfd, -1);
}

START_TEST(waiting_too_long_names_the_holder)
{
        char dir[UNIT_PATH_MAX];

        unit_in_child(wait_too_long, unit_dir(dir));
}
END_TEST

/* An operator cleans up while somebody waits for the lock. */
static void delete_lock(const char *dir, _unused_ pid_t parent)
{
        char path[UNIT_PATH_MAX];

        unlink(unit_path(dir, "lock", path));
        _exit(0);
}

static void move_directory(const char *dir, _unused_ pid_t parent)
{
        char path[UNIT_PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s.old", dir);
        (void)!rename(dir, path);
        _exit(0);
}

static void replace_directory(const char *dir, pid_t parent)
{
        char path[UNIT_PATH_MAX];

        (void)snprintf(path, sizeof(path), "%s.old", dir);
        (void)!rename(dir, path);
        (void)!mkdir(dir, 0755);
        _exit((int)parent & 0);
}

static const struct {
        void (*then)(const char *dir, pid_t parent);
        unsigned flags;
        int r;
} vanish_rows[] = {
        { delete_lock, 0, 0 },
        { move_directory, STORE_CREATE, 0 },
        { move_directory, 0, STORE_ABSENT },
        { replace_directory, 0, 0 },
};

START_TEST(a_lock_that_nobody_else_will_see_is_not_kept)
{
        char base[UNIT_PATH_MAX], dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct stat opened, named;
        struct err err;
        pid_t pid;

        ck_assert_int_eq(mkdir(unit_path(unit_dir(base), "n", dir), 0755), 0);
        pid = hold(dir, vanish_rows[_i].then);
        ck_assert_int_eq(store_open(dir, vanish_rows[_i].flags, &store, &err), vanish_rows[_i].r);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        if (vanish_rows[_i].r)
                return;
        ck_assert_int_eq(fstat(store.lockfd, &opened), 0);
        ck_assert_int_eq(stat(unit_path(dir, "lock", path), &named), 0);
        ck_assert_uint_eq(opened.st_ino, named.st_ino);
        ck_assert_int_eq(fstat(store.dirfd, &opened), 0);
        ck_assert_int_eq(stat(dir, &named), 0);
        ck_assert_uint_eq(opened.st_ino, named.st_ino);
        store_close(&store);
}
END_TEST

/* ---- probing ---- */

static const struct {
        const char *path, *error; /* below the directory; "@" in it stands for the directory */
} probe_rows[] = {
        { "", NULL },
        { "/there", NULL },
        { "/locked", NULL },
        { "/none", NULL },
        { "/none/a/b", NULL },
        { "/link", NULL },
        /* nothing can be made behind a link to nothing */
        { "/dangling", "no such file or directory" },
        { "/dangling/x", "no such file or directory" },
        { "/file", "not a directory" },
        { "/file/x", "not a directory" },
        { "/baddir", "is a directory" },
        { "/badlink", "too many levels of symbolic links" },
};

START_TEST(a_probe_tells_whether_opening_would_work)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct err err;
        size_t before;
        int r;

        ck_assert_int_eq(mkdir(unit_path(unit_dir(dir), "there", path), 0755), 0);
        ck_assert_int_eq(mkdir(unit_path(dir, "locked", path), 0755), 0);
        unit_write(path, "lock", "");
        make_lock_directory(unit_path(dir, "baddir", path));
        make_lock_link(unit_path(dir, "badlink", path));
        unit_write(dir, "file", "");
        ck_assert_int_eq(symlink("there", unit_path(dir, "link", path)), 0);
        ck_assert_int_eq(symlink("nothing", unit_path(dir, "dangling", path)), 0);
        before = unit_count(dir);
        (void)snprintf(path, sizeof(path), "%.400s%s", dir, probe_rows[_i].path);
        r = store_probe(path, &err);
        ck_assert_uint_eq(unit_count(dir), before);
        if (!probe_rows[_i].error) {
                unit_assert_ok(r, &err);
                return;
        }
        ck_assert_int_lt(r, 0);
        ck_assert_int_eq(err.code, CNI_ERR_IO);
        ck_assert_ptr_nonnull(strstr(err.msg, probe_rows[_i].error));
}
END_TEST

static void probe_relative(const char *dir)
{
        struct err err;

        ck_assert_int_eq(chdir(dir), 0);
        unit_assert_ok(store_probe("none", &err), &err);
        unit_assert_ok(store_probe("none/a", &err), &err);
        /* Up to the root itself, where only root may make something. */
        ck_assert_int_eq(store_probe("/none-here/a", &err) == 0, geteuid() == 0);
}

START_TEST(a_relative_path_is_probed)
{
        char dir[UNIT_PATH_MAX];

        unit_in_child(probe_relative, unit_dir(dir));
}
END_TEST

static void probe_as_nobody(const char *dir)
{
        char path[UNIT_PATH_MAX];
        struct err err;
        int r;

        ck_assert_int_eq(mkdir(unit_path(dir, "there", path), 0755), 0);
        ck_assert_int_eq(seteuid(NOBODY), 0);
        r = store_probe(path, &err);
        unit_assert_err(r, &err, CNI_ERR_IO, "permission denied");
        r = store_probe(unit_path(dir, "none", path), &err);
        ck_assert_int_eq(r, -EACCES);
        ck_assert_ptr_nonnull(strstr(err.msg, ": permission denied"));
        ck_assert_int_eq(err.code, CNI_ERR_IO);
}

START_TEST(a_probe_minds_permissions)
{
        char dir[UNIT_PATH_MAX];

        unit_in_child(probe_as_nobody, unit_dir(dir));
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, the_directory_and_the_lock_are_made);
        tcase_add_test(tests, a_missing_directory_is_an_outcome);
        tcase_add_test(tests, looking_makes_and_locks_nothing);
        tcase_add_test(tests, the_directory_may_be_a_symlink);
        unit_add_table(tests, what_stands_in_the_way_is_told, open_rows);
        tcase_add_test(tests, a_fifo_in_place_of_the_lock_blocks_nobody);
        tcase_add_test(tests, waiting_too_long_names_the_holder);
        unit_add_table(tests, a_lock_that_nobody_else_will_see_is_not_kept, vanish_rows);
        unit_add_table(tests, a_probe_tells_whether_opening_would_work, probe_rows);
        tcase_add_test(tests, a_relative_path_is_probed);
        if (unit_is_root("a_probe_minds_permissions"))
                tcase_add_test(tests, a_probe_minds_permissions);
}

UNIT_MAIN("store-open", add_tests)
