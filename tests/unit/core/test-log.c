/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines. The log's place is the process' own, so each test runs in a process of its own.
 */
#include "core/log.h"

#include <sys/sysmacros.h>

#include "unit.h"

/* Puts the file "stderr" of the directory in place of standard error. */
static void redirect(const char *dir)
{
        char path[UNIT_PATH_MAX];
        int fd = open(unit_path(dir, "stderr", path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                      0600);

        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
        close(fd);
}

/* "2026/11/24 10:02:46 " */
static void assert_dated(const char *line, const char *rest)
{
        static const char form[] = "dddd/dd/dd dd:dd:dd ";

        for (size_t i = 0; form[i]; i++)
                ck_assert_msg(form[i] == 'd' ? line[i] >= '0' && line[i] <= '9'
                                             : line[i] == form[i],
                              "no date: %s", line);
        ck_assert_str_eq(line + strlen(form), rest);
}

static void write_dated(const char *dir)
{
        redirect(dir);
        unsetenv("JOURNAL_STREAM");
        log_line(LOG_LEVEL_WARNING, "%d things in %s", 3, "x");
        assert_dated(unit_read(dir, "stderr"), "3 things in x\n");
}

static void write_levels(const char *dir)
{
        redirect(dir);
        setenv("JOURNAL_STREAM", "1:2", 1); /* somebody else's */
        log_line(LOG_LEVEL_DEBUG, "dropped");
        ck_assert_str_eq(unit_read(dir, "stderr"), "");
        log_set_level(LOG_LEVEL_ERROR);
        log_line(LOG_LEVEL_WARNING, "dropped");
        ck_assert_str_eq(unit_read(dir, "stderr"), "");
        log_set_level(LOG_LEVEL_DEBUG);
        log_line(LOG_LEVEL_DEBUG, "kept");
        assert_dated(unit_read(dir, "stderr"), "kept\n");
}

static void write_journal(const char *dir)
{
        char stream[64];
        struct stat st;

        redirect(dir);
        ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
        (void)snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
                       (uintmax_t)st.st_ino);
        setenv("JOURNAL_STREAM", stream, 1);
        log_set_level(LOG_LEVEL_DEBUG);
        log_line(LOG_LEVEL_ERROR, "a");
        log_line(LOG_LEVEL_WARNING, "b");
        log_line(LOG_LEVEL_INFO, "c");
        log_line(LOG_LEVEL_DEBUG, "d");
        ck_assert_str_eq(unit_read(dir, "stderr"), "<3>a\n<4>b\n<6>c\n<7>d\n");
}

static void write_files(const char *dir)
{
        char path[UNIT_PATH_MAX];
        struct stat st;
        struct err err;

        redirect(dir);
        unit_assert_ok(log_set_file(unit_path(dir, "one", path), &err), &err);
        ck_assert_int_eq(stat(path, &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0600);
        log_line(LOG_LEVEL_ERROR, "first");
        unit_assert_ok(log_set_file(unit_path(dir, "two", path), &err), &err);
        log_line(LOG_LEVEL_ERROR, "second");
        assert_dated(unit_read(dir, "one"), "first\n");
        assert_dated(unit_read(dir, "two"), "second\n");
        ck_assert_str_eq(unit_read(dir, "stderr"), "");
}

static void refuse_files(const char *dir)
{
        char path[UNIT_PATH_MAX], link[UNIT_PATH_MAX];
        struct err err;
        int r;

        r = log_set_file(unit_path(dir, "none/log", path), &err);
        ck_assert_int_eq(r, -ENOENT);
        ck_assert_int_eq(err.code, CNI_ERR_IO);
        unit_path(dir, "target", path);
        ck_assert_int_eq(symlink(path, unit_path(dir, "link", link)), 0);
        ck_assert_int_eq(log_set_file(link, &err), -ELOOP);
        ck_assert(!unit_exists(dir, "target"));
}

static void refuse_links_on_the_way(const char *dir)
{
        char path[UNIT_PATH_MAX], link[UNIT_PATH_MAX];
        struct err err;

        redirect(dir);
        ck_assert_int_eq(mkdir(unit_path(dir, "real", path), 0755), 0);
        ck_assert_int_eq(symlink(path, unit_path(dir, "link", link)), 0);
        unit_assert_ok(log_set_file_strictly(unit_path(dir, "real//log", path), &err), &err);
        log_line(LOG_LEVEL_ERROR, "first");
        assert_dated(unit_read(dir, "real/log"), "first\n");
        ck_assert_int_lt(log_set_file_strictly(unit_path(dir, "link/log2", path), &err), 0);
        ck_assert_int_eq(err.code, CNI_ERR_IO);
        ck_assert_int_lt(log_set_file_strictly(unit_path(dir, "real/../log3", path), &err), 0);
        ck_assert_int_lt(log_set_file_strictly(unit_path(dir, "link", path), &err), 0);
        ck_assert_int_lt(log_set_file_strictly(unit_path(dir, "none/log4", path), &err), 0);
        ck_assert(!unit_exists(dir, "real/log2") && !unit_exists(dir, "log3"));
        log_line(LOG_LEVEL_ERROR, "second"); /* still where it went before */
        ck_assert(strstr(unit_read(dir, "real/log"), "second"));
}

static void write_long(const char *dir)
{
        static char text[9000];
        const char *line;

        redirect(dir);
        memset(text, 'x', sizeof(text) - 1);
        log_line(LOG_LEVEL_ERROR, "%s", text);
        line = unit_read(dir, "stderr");
        ck_assert_uint_gt(strlen(line), 4000);
        ck_assert_uint_lt(strlen(line), 4200);
        ck_assert_int_eq(line[strlen(line) - 1], '\n');
}

static void write_nowhere(_unused_ const char *dir)
{
        int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

        ck_assert_int_eq(dup2(fd, STDERR_FILENO), STDERR_FILENO);
        log_line(LOG_LEVEL_ERROR, "lost");
}

static const struct {
        void (*body)(const char *dir);
} bodies[] = {
        { write_dated }, { write_levels },  { write_journal },
        { write_files }, { refuse_files },  { refuse_links_on_the_way },
        { write_long },  { write_nowhere },
};

START_TEST(lines_go_where_and_how_they_should)
{
        char dir[UNIT_PATH_MAX];

        unit_in_child(bodies[_i].body, unit_dir(dir));
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, lines_go_where_and_how_they_should, bodies);
}

UNIT_MAIN("log", add_tests)
