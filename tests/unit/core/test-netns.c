/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network namespaces by path. What changes the namespace runs in a process of its own.
 */
#include "core/netns.h"

#include <sched.h>

#include "unit.h"

#define OWN_PATH "/proc/self/ns/net"

START_TEST(a_namespace_is_opened)
{
        struct err err;
        int fd = -1;

        unit_assert_ok(netns_open(OWN_PATH, &fd, &err), &err);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        close(fd);
}
END_TEST

START_TEST(what_is_no_namespace_is_refused)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct err err;
        int fd = -7, r;

        r = netns_open("/dev/null", &fd, &err);
        unit_assert_err(r, &err, CNI_ERR_NETNS, "/dev/null is not a namespace");
        r = netns_open("/proc/self/none", &fd, &err);
        unit_assert_err(r, &err, CNI_ERR_NETNS, "open /proc/self/none: no such file or directory");
        ck_assert_int_eq(mkfifo(unit_path(unit_dir(dir), "fifo", path), 0600), 0);
        ck_assert_int_eq(netns_open(path, &fd, &err), -EINVAL); /* and at once */
        ck_assert_int_eq(fd, -7);
}
END_TEST

static const struct {
        const char *path;
        bool own;
} own_rows[] = {
        { OWN_PATH, true },
        { "/proc/thread-self/ns/net", true },
        { "/proc/self/ns/mnt", false },
        { "/some/where", false },
        { "/dev/null", false },
        { "", false },
};

START_TEST(our_own_namespace_is_recognized)
{
        struct err err;
        bool own = !own_rows[_i].own;

        unit_assert_ok(netns_is_own(own_rows[_i].path, &own, &err), &err);
        ck_assert_int_eq(own, own_rows[_i].own);
}
END_TEST

static void go_and_come_back(_unused_ const char *dir)
{
        char old_path[64];
        int old, previous;
        struct err err;
        bool own;

        unit_assert_ok(netns_open(OWN_PATH, &old, &err), &err);
        (void)snprintf(old_path, sizeof(old_path), "/proc/self/fd/%d", old);
        ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
        unit_assert_ok(netns_is_own(old_path, &own, &err), &err);
        ck_assert(!own);
        unit_assert_ok(netns_enter(old, &previous, &err), &err);
        unit_assert_ok(netns_is_own(old_path, &own, &err), &err);
        ck_assert(own);
        unit_assert_ok(netns_leave(previous, &err), &err);
        unit_assert_ok(netns_is_own(old_path, &own, &err), &err);
        ck_assert(!own);
        ck_assert_int_eq(fcntl(previous, F_GETFD), -1);
        close(old);
}

START_TEST(a_thread_goes_into_a_namespace_and_comes_back)
{
        unit_in_child(go_and_come_back, NULL);
}
END_TEST

START_TEST(what_is_no_namespace_cannot_be_entered)
{
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), previous = -7;
        struct err err;
        int r = netns_enter(fd, &previous, &err);

        unit_assert_err(r, &err, CNI_ERR_NETNS, "enter namespace: invalid argument");
        ck_assert_int_eq(previous, -7);
        r = netns_leave(fd, &err);
        unit_assert_err(r, &err, CNI_ERR_NETNS, "leave namespace: invalid argument");
        ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, a_namespace_is_opened);
        tcase_add_test(tests, what_is_no_namespace_is_refused);
        unit_add_table(tests, our_own_namespace_is_recognized, own_rows);
        if (unit_is_root("a_thread_goes_into_a_namespace_and_comes_back"))
                tcase_add_test(tests, a_thread_goes_into_a_namespace_and_comes_back);
        tcase_add_test(tests, what_is_no_namespace_cannot_be_entered);
}

UNIT_MAIN("netns", add_tests)
