/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot tags. Files lie in /tmp; where its file system has no extended attributes of users, the
 * tests that need them are left out, which MUST_RUN=1 forbids.
 */
#include "boot.h"

#include <sys/xattr.h>

#include "core/util.h"
#include "unit.h"

#define OTHER "00000000-1111-2222-3333-444444444444"

static int open_dir(const char *path)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        ck_assert_int_ge(fd, 0);
        return fd;
}

/* A fresh file, and the boot as its directory tells. */
static int open_file(struct boot *boot)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        int dirfd = open_dir(unit_dir(dir)), fd;

        boot_init(boot, dirfd);
        close(dirfd);
        fd = open(unit_path(dir, "f", path), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        ck_assert_int_ge(fd, 0);
        return fd;
}

START_TEST(the_boot_is_the_kernels)
{
        char dir[UNIT_PATH_MAX];
        struct boot boot;
        int fd = open_dir(unit_dir(dir));

        boot_init(&boot, fd);
        ck_assert_uint_eq(strlen(boot.id), BOOT_ID_SIZE - 1);
        ck_assert_int_eq(
                strncmp(unit_read("/proc/sys/kernel/random", "boot_id"), boot.id, BOOT_ID_SIZE - 1),
                0);
        close(fd);
}
END_TEST

START_TEST(there_are_no_tags_on_other_file_systems)
{
        struct boot boot = { .id = "x" };
        int fd = open_dir("/proc/self");

        boot_init(&boot, fd);
        ck_assert_str_eq(boot.id, "");
        close(fd);
        boot_init(&boot, -1);
        ck_assert_str_eq(boot.id, "");
}
END_TEST

START_TEST(an_untagged_file_is_never_stale)
{
        struct boot boot;
        int fd = open_file(&boot);

        ck_assert(!boot_is_stale(&boot, fd));
        ck_assert(!boot_is_current(&boot, fd));
        close(fd);
}
END_TEST

START_TEST(a_tagged_file_is_of_this_boot)
{
        char text[64] = "";
        struct boot boot;
        int fd = open_file(&boot);

        boot_tag(&boot, fd);
        ck_assert(!boot_is_stale(&boot, fd));
        ck_assert(boot_is_current(&boot, fd));
        ck_assert_int_eq(fgetxattr(fd, BOOT_ATTRIBUTE, text, sizeof(text)), BOOT_ID_SIZE - 1);
        ck_assert_str_eq(text, boot.id);
        boot_tag(&boot, fd); /* again */
        ck_assert(boot_is_current(&boot, fd));
        close(fd);
}
END_TEST

START_TEST(another_tag_is_of_another_boot)
{
        struct boot boot;
        int fd = open_file(&boot);

        ck_assert_int_eq(fsetxattr(fd, BOOT_ATTRIBUTE, OTHER, strlen(OTHER), 0), 0);
        ck_assert(boot_is_stale(&boot, fd));
        ck_assert(!boot_is_current(&boot, fd));
        boot_tag(&boot, fd);
        ck_assert(!boot_is_stale(&boot, fd));
        close(fd);
}
END_TEST

/* What nobody of us wrote: longer than an id, empty. */
static const struct {
        const char *tag;
        bool stale;
} strange_rows[] = {
        { OTHER "-and-more", false },
        { "", false },
        { "x", true },
};

START_TEST(a_tag_that_is_no_id_is_only_compared)
{
        struct boot boot;
        int fd = open_file(&boot);

        ck_assert_int_eq(fsetxattr(fd, BOOT_ATTRIBUTE, strange_rows[_i].tag,
                                   strlen(strange_rows[_i].tag), 0),
                         0);
        ck_assert_int_eq(boot_is_stale(&boot, fd), strange_rows[_i].stale);
        ck_assert(!boot_is_current(&boot, fd));
        close(fd);
}
END_TEST

START_TEST(without_a_boot_id_nothing_is_stale_or_tagged)
{
        const struct boot none = { .id = "" };
        char text[64];
        struct boot boot;
        int fd = open_file(&boot);

        boot_tag(&none, fd);
        ck_assert_int_lt(fgetxattr(fd, BOOT_ATTRIBUTE, text, sizeof(text)), 0);
        ck_assert_int_eq(fsetxattr(fd, BOOT_ATTRIBUTE, OTHER, strlen(OTHER), 0), 0);
        ck_assert(!boot_is_stale(&none, fd));
        ck_assert(!boot_is_current(&none, fd));
        close(fd);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, there_are_no_tags_on_other_file_systems);
        tcase_add_test(tests, an_untagged_file_is_never_stale);
        if (!unit_has_tags("boot tags"))
                return;
        tcase_add_test(tests, the_boot_is_the_kernels);
        tcase_add_test(tests, a_tagged_file_is_of_this_boot);
        tcase_add_test(tests, another_tag_is_of_another_boot);
        unit_add_table(tests, a_tag_that_is_no_id_is_only_compared, strange_rows);
        tcase_add_test(tests, without_a_boot_id_nothing_is_stale_or_tagged);
}

UNIT_MAIN("boot", add_tests)
