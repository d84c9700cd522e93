/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a service manager hands over and is told. The tests are the manager.
 */
#include "loop/sd.h"

#include <limits.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "unit.h"

/* ---- sockets handed over ---- */

enum passed {
        NOTHING,
        LISTENING,
        UNCONNECTED, /* a stream socket that does not listen */
        DATAGRAM,
        PLAIN_FILE,
};

static const struct listen_row {
        const char *pid; /* "own" for ours */
        const char *fds;
        enum passed passed;
        int r;             /* as sd_listen_fd() returns it; -1 for any failure */
        const char *error; /* then its text */
} listen_rows[] = {
        { "own", "1", LISTENING, 0, NULL },
        { NULL, NULL, NOTHING, SD_NONE, NULL },
        { NULL, "1", LISTENING, SD_NONE, NULL },
        { "own", NULL, LISTENING, SD_NONE, NULL },
        { "own", "0", LISTENING, SD_NONE, NULL },
        { "own", "", LISTENING, SD_NONE, NULL },
        { "own", "-1", LISTENING, SD_NONE, NULL },
        { "own", "one", LISTENING, SD_NONE, NULL },
        { "1", "1", LISTENING, SD_NONE, NULL },
        { "", "1", LISTENING, SD_NONE, NULL },
        { "0", "1", LISTENING, SD_NONE, NULL },
        { "1", "2", NOTHING, SD_NONE, NULL },
        { "own", "2", LISTENING, -1, "Too many (2) FDs passed through socket activation" },
        { "own", "4294967297", LISTENING, -1,
          "Too many (4294967297) FDs passed through socket activation" },
        { "own", "1", NOTHING, -1, "LISTEN_FDS=1 but no FD found" },
        { "own", "1", UNCONNECTED, -1, "LISTEN_FDS=1 but no FD found" },
        { "own", "1", DATAGRAM, -1, "LISTEN_FDS=1 but no FD found" },
        { "own", "1", PLAIN_FILE, -1, "LISTEN_FDS=1 but no FD found" },
};

static const struct listen_row *listen_row; /* for the child */

static int open_passed(enum passed passed)
{
        const struct sockaddr_un autobind = { .sun_family = AF_UNIX };
        int type = passed == DATAGRAM ? SOCK_DGRAM : SOCK_STREAM;
        int fd;

        if (passed == NOTHING)
                return -1;
        if (passed == PLAIN_FILE)
                return open("/dev/null", O_RDONLY | O_CLOEXEC);
        fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
        if (passed == LISTENING) {
                ck_assert_int_eq(bind(fd, (const struct sockaddr *)&autobind, sizeof(sa_family_t)),
                                 0);
                ck_assert_int_eq(listen(fd, 1), 0);
        }
        return fd;
}

static void set(const char *name, const char *value, const char *own)
{
        if (!value)
                ck_assert_int_eq(unsetenv(name), 0);
        else
                ck_assert_int_eq(setenv(name, strcmp(value, "own") == 0 ? own : value, 1), 0);
}

/* Without O_CLOEXEC, as it is inherited. */
static void pass(enum passed passed)
{
        int fd = open_passed(passed);

        if (fd != 3) {
                close(3);
                if (fd >= 0)
                        ck_assert_int_eq(dup2(fd, 3), 3);
                close(fd);
        } else {
                ck_assert_int_eq(fcntl(fd, F_SETFD, 0), 0);
        }
}

static void take_over(_unused_ const char *dir)
{
        const struct listen_row *row = listen_row;
        int fd = -7, r;
        char own[32];
        struct err err;

        (void)snprintf(own, sizeof(own), "%d", (int)getpid());
        set("LISTEN_PID", row->pid, own);
        set("LISTEN_FDS", row->fds, own);
        set("LISTEN_FDNAMES", "a name", own);
        pass(row->passed);
        r = sd_listen_fd(&fd, &err);
        if (row->error)
                unit_assert_err(r, &err, CNI_ERR_IO, row->error);
        else
                ck_assert_int_eq(r, row->r);
        ck_assert_int_eq(fd, r == 0 ? 3 : -7);
        if (r == 0)
                ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        ck_assert_ptr_null(getenv("LISTEN_PID"));
        ck_assert_ptr_null(getenv("LISTEN_FDS"));
        ck_assert_ptr_null(getenv("LISTEN_FDNAMES"));
        ck_assert_int_eq(sd_listen_fd(&fd, &err), SD_NONE); /* it is given once */
}

START_TEST(one_listening_socket_is_taken_over)
{
        listen_row = &listen_rows[_i];
        unit_in_child(take_over, NULL);
}
END_TEST

/* ---- notifications ---- */

/* A manager's socket below this name; "@..." is an abstract one. */
static int open_manager(const char *name)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        size_t len = strlen(name);

        ck_assert_uint_lt(len, sizeof(address.sun_path));
        memcpy(address.sun_path, name, len);
        if (*name == '@')
                address.sun_path[0] = '\0';
        len += offsetof(struct sockaddr_un, sun_path);
        ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, (socklen_t)len), 0);
        ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
        return fd;
}

static void notify_and_look(const char *name)
{
        static const char state[] = "READY=1\nSTATUS=two leases";
        int manager = open_manager(name);
        char text[100];
        struct err err;

        unit_assert_ok(sd_notify(state, &err), &err);
        ck_assert_int_eq(recv(manager, text, sizeof(text), 0), (ssize_t)strlen(state));
        ck_assert_mem_eq(text, state, strlen(state));
        close(manager);
        ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
}

START_TEST(the_manager_is_told_by_a_path)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];

        notify_and_look(unit_path(unit_dir(dir), "notify", path));
}
END_TEST

START_TEST(the_manager_is_told_by_an_abstract_name)
{
        char name[64];

        (void)snprintf(name, sizeof(name), "@cni-ipam-test-sd-%d", (int)getpid());
        notify_and_look(name);
}
END_TEST

START_TEST(without_a_manager_nothing_is_said)
{
        struct err err;

        ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
        unit_assert_ok(sd_notify("READY=1", &err), &err);
        ck_assert_int_eq(setenv("NOTIFY_SOCKET", "", 1), 0);
        unit_assert_ok(sd_notify("READY=1", &err), &err);
        ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
}
END_TEST

#define TEN     "/123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

static const struct {
        const char *socket, *error;
} unreachable_rows[] = {
        { "/none/notify", "notify '/none/notify': no such file or directory" },
        { "/dev/null", "notify '/dev/null': connection refused" },
        { "notify", "notify 'notify': invalid argument" },
        { "vsock:2:1234", "notify 'vsock:2:1234': invalid argument" },
        { "@cni-ipam-nobody", "notify '@cni-ipam-nobody': connection refused" },
        { HUNDRED "/123456", "notify '" HUNDRED "/123456': no such file or directory" },
        { HUNDRED "/1234567", "notify '" HUNDRED "/1234567': file name too long" },
};

START_TEST(a_manager_that_is_not_there_is_an_error)
{
        struct err err;
        int r;

        ck_assert_int_eq(setenv("NOTIFY_SOCKET", unreachable_rows[_i].socket, 1), 0);
        r = sd_notify("READY=1", &err);
        unit_assert_err(r, &err, CNI_ERR_IO, unreachable_rows[_i].error);
        ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
}
END_TEST

START_TEST(a_manager_that_reads_nothing_holds_nobody_for_ever)
{
        char name[64];
        int manager, r = 0;
        struct err err;

        (void)snprintf(name, sizeof(name), "@cni-ipam-test-sd-full-%d", (int)getpid());
        manager = open_manager(name);
        for (int i = 0; i < 100000 && r == 0; i++)
                r = sd_notify("WATCHDOG=1", &err);
        ck_assert_int_eq(r, -EAGAIN);
        close(manager);
        ck_assert_int_eq(unsetenv("NOTIFY_SOCKET"), 0);
}
END_TEST

/* ---- the watchdog ---- */

static const struct {
        const char *usec, *pid; /* pid: "own" for ours */
        unsigned ms;
} watchdog_rows[] = {
        { NULL, NULL, 0 },
        { "30000000", NULL, 15000 },
        { "30000000", "own", 15000 },
        { "30000000", "1", 0 },
        { "30000000", "", 0 },
        { "30000000", "x", 0 },
        { NULL, "own", 0 },
        { "", "own", 0 },
        { "0", "own", 0 },
        { "-1", "own", 0 },
        { "30s", "own", 0 },
        { "1", "own", 1 },
        { "2000", "own", 1 },
        { "4001", "own", 2 },
        { "18446744073709551615", "own", UINT_MAX },
        { "18446744073709551616", "own", 0 },
};

START_TEST(the_watchdog_is_fed_twice_in_its_time)
{
        char own[32];

        (void)snprintf(own, sizeof(own), "%d", (int)getpid());
        set("WATCHDOG_USEC", watchdog_rows[_i].usec, own);
        set("WATCHDOG_PID", watchdog_rows[_i].pid, own);
        ck_assert_uint_eq(sd_watchdog_ms(), watchdog_rows[_i].ms);
        set("WATCHDOG_USEC", NULL, own);
        set("WATCHDOG_PID", NULL, own);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, one_listening_socket_is_taken_over, listen_rows);
        tcase_add_test(tests, the_manager_is_told_by_a_path);
        tcase_add_test(tests, the_manager_is_told_by_an_abstract_name);
        tcase_add_test(tests, without_a_manager_nothing_is_said);
        unit_add_table(tests, a_manager_that_is_not_there_is_an_error, unreachable_rows);
        tcase_add_test(tests, a_manager_that_reads_nothing_holds_nobody_for_ever);
        unit_add_table(tests, the_watchdog_is_fed_twice_in_its_time, watchdog_rows);
}

UNIT_MAIN("sd", add_tests)
