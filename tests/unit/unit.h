/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

/*
 * What the unit tests share: the main, and small helpers for errors and files.
 *
 * All files of a binary lie below one directory in /tmp, which its main makes and removes, so that
 * a test that fails or crashes leaves nothing behind either.
 */

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/err.h"

#define UNIT_PATH_MAX 512

extern char unit_base[];

/* A test per row of the table; the test finds its row at [_i]. */
#define unit_add_table(tests, test, table) \
        tcase_add_loop_test(tests, test, 0, (int)ARRAY_SIZE(table))

/* `r` must be a failure with this code and message. */
#define unit_assert_err(r, err, wanted_code, wanted_msg)      \
        do {                                                  \
                ck_assert_int_lt((r), 0);                     \
                ck_assert_str_eq((err)->msg, (wanted_msg));   \
                ck_assert_int_eq((err)->code, (wanted_code)); \
        } while (0)

/* `r` must be success. */
#define unit_assert_ok(r, err) ck_assert_msg((r) == 0, "%d: %s", (r), (err)->msg)

static inline int unit_remove_one(const char *path, _unused_ const struct stat *st,
                                  _unused_ int type, _unused_ struct FTW *place)
{
        return remove(path);
}

static inline void unit_remove_tree(const char *path)
{
        (void)nftw(path, unit_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Says that tests are left out, which MUST_RUN=1 forbids. Returns false. */
static inline bool unit_leave_out(const char *what, const char *need)
{
        const char *must = getenv("MUST_RUN");

        if (must && *must == '1') {
                (void)fprintf(stderr, "%s: needs %s\n", what, need);
                unit_remove_tree(unit_base);
                exit(1);
        }
        (void)printf("# left out: %s needs %s\n", what, need);
        return false;
}

/* Whether we are root, which some tests need. */
static inline bool unit_is_root(const char *what)
{
        return geteuid() == 0 || unit_leave_out(what, "root");
}

/* Whether files may have the extended attributes of users where the tests put them. */
static inline bool unit_has_tags(const char *what)
{
        int r = setxattr(unit_base, "user.cni-ipam.test", "x", 1, 0);

        return r == 0 || unit_leave_out(what, "extended attributes in /tmp");
}

/* dir + "/" + name. */
static inline const char *unit_path(const char *dir, const char *name, char path[UNIT_PATH_MAX])
{
        int len = snprintf(path, UNIT_PATH_MAX, "%s/%s", dir, name);

        ck_assert_int_lt(len, UNIT_PATH_MAX);
        return path;
}

/* Makes a fresh directory of the test's own. */
static inline const char *unit_dir(char path[UNIT_PATH_MAX])
{
        unit_path(unit_base, "XXXXXX", path);
        ck_assert_ptr_nonnull(mkdtemp(path));
        ck_assert_int_eq(chmod(path, 0755), 0);
        return path;
}

static inline void unit_write_bytes(const char *dir, const char *name, const void *bytes,
                                    size_t len)
{
        char path[UNIT_PATH_MAX];
        int fd = open(unit_path(dir, name, path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
        ck_assert_int_eq(close(fd), 0);
}

static inline void unit_write(const char *dir, const char *name, const char *text)
{
        unit_write_bytes(dir, name, text, strlen(text));
}

/* The content of a small file; NULL when there is none. Valid until the next call. */
static inline const char *unit_read(const char *dir, const char *name)
{
        static char text[65536];
        char path[UNIT_PATH_MAX];
        int fd = open(unit_path(dir, name, path), O_RDONLY | O_CLOEXEC);
        ssize_t n;

        if (fd < 0)
                return NULL;
        n = read(fd, text, sizeof(text) - 1);
        close(fd);
        ck_assert_int_ge(n, 0);
        text[n] = '\0';
        return text;
}

static inline bool unit_exists(const char *dir, const char *name)
{
        char path[UNIT_PATH_MAX];
        struct stat st;

        return lstat(unit_path(dir, name, path), &st) == 0;
}

/* How many names a directory holds. */
static inline size_t unit_count(const char *dir)
{
        DIR *listing = opendir(dir);
        const struct dirent *entry;
        size_t count = 0;

        ck_assert_ptr_nonnull(listing);
        while ((entry = readdir(listing)))
                count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        closedir(listing);
        return count;
}

/* Runs `body` in a process of its own, for what cannot be taken back; fails when it fails. */
static inline void unit_in_child(void (*body)(const char *dir), const char *dir)
{
        int status;
        pid_t pid;

        (void)fflush(NULL);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0) {
                body(dir);
                /* Who was another user for a while cannot be looked into by LeakSanitizer. */
                if (seteuid(getuid()) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
                        exit(1);
                exit(0);
        }
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child's status is %#x",
                      (unsigned)status);
}

/* The main of a binary: `add` puts its tests into a case. */
#define UNIT_MAIN(module, add)                                \
        char unit_base[] = "/tmp/cni-ipam-" module ".XXXXXX"; \
                                                              \
        int main(void)                                        \
        {                                                     \
                return unit_run(module, add);                 \
        }

static inline int unit_run(const char *module, void (*add)(TCase *tests))
{
        Suite *suite = suite_create(module);
        TCase *tests = tcase_create(module);
        SRunner *runner;
        int failed;

        umask(0022);
        if (!mkdtemp(unit_base) || chmod(unit_base, 0755) < 0) {
                perror(unit_base);
                return 1;
        }
        tcase_set_timeout(tests, 30);
        add(tests);
        suite_add_tcase(suite, tests);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        unit_remove_tree(unit_base);
        return failed > 0 ? 1 : 0;
}

#endif
