/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the socket comes to its path, and who may use it.
 */
#include <grp.h>
#include <stdarg.h>

#include "talk.h"

#define GROUP  54321
#define NOBODY 65534

/* ---- the path ---- */

static int listen_at(const char *path, gid_t gid)
{
        struct err err;
        int fd = -1;

        unit_assert_ok(serve_listen(path, gid, &fd, &err), &err);
        ck_assert_int_ge(fd, 0);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        return fd;
}

/* One that nobody listens on, as a daemon that was killed leaves it; or one that is no stream. */
static int bind_at(const char *path, int type)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        memcpy(address.sun_path, path, strlen(path));
        ck_assert_int_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

static mode_t mode_of(const char *dir, const char *name, gid_t *ret_gid)
{
        char path[UNIT_PATH_MAX];
        struct stat st;

        ck_assert_int_eq(lstat(unit_path(dir, name, path), &st), 0);
        *ret_gid = st.st_gid;
        return st.st_mode & 07777;
}

START_TEST(the_socket_is_for_root_or_for_a_group)
{
        gid_t gid = _i ? GROUP : 0, found;
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        int fd;

        fd = listen_at(unit_path(unit_dir(dir), "a/b/" SOCKET_NAME, path), gid);
        ck_assert_uint_eq(mode_of(dir, "a/b/" SOCKET_NAME, &found), gid ? 0660 : 0600);
        ck_assert_uint_eq(found, gid);
        ck_assert_uint_eq(mode_of(dir, "a/b", &found), gid ? 0711 : 0700);
        ck_assert_uint_eq(mode_of(dir, "a", &found), gid ? 0711 : 0700);
        close(plug_in(path));
        ck_assert_uint_eq(unit_count(unit_path(dir, "a/b", path)), 1);
        close(fd);
}
END_TEST

START_TEST(a_path_may_be_relative)
{
        char dir[UNIT_PATH_MAX];
        int fd;

        ck_assert_int_eq(chdir(unit_dir(dir)), 0);
        fd = listen_at(SOCKET_NAME, 0);
        close(plug_in(SOCKET_NAME));
        close(fd);
}
END_TEST

START_TEST(what_a_killed_daemon_left_is_replaced)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], temporary[UNIT_PATH_MAX];
        int fd;

        unit_dir(dir);
        close(bind_at(unit_path(dir, SOCKET_NAME, path), SOCK_STREAM));
        close(bind_at(unit_path(dir, SOCKET_NAME ".new", temporary), SOCK_STREAM));
        fd = listen_at(path, 0);
        close(plug_in(path));
        ck_assert_uint_eq(unit_count(dir), 1);
        close(fd);
}
END_TEST

static void refused(const char *path, const char *fmt, ...) _printf_(2, 3);

/* serve_listen() fails in these words, in which %s is the path. */
static void refused(const char *path, const char *fmt, ...)
{
        char text[1024];
        struct err err;
        va_list args;
        int fd = -7;

        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        ck_assert_int_lt(serve_listen(path, 0, &fd, &err), 0);
        ck_assert_str_eq(err.msg, text);
        ck_assert_int_eq(fd, -7);
}

START_TEST(a_living_daemon_keeps_its_socket)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        int first = listen_at(unit_path(unit_dir(dir), SOCKET_NAME, path), 0), accepted;

        refused(path, "listen on '%s': a dhcp daemon is already running", path);
        ck_assert_uint_eq(unit_count(dir), 1);
        accepted = accept(first, NULL, NULL); /* the question whether somebody is there */
        close(accepted);
        close(plug_in(path));
        accepted = accept(first, NULL, NULL);
        ck_assert_int_ge(accepted, 0);
        close(accepted);
        close(first);
}
END_TEST

/* Too busy to accept anybody is not gone. */
START_TEST(a_busy_daemon_is_a_living_one)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        int first = bind_at(unit_path(unit_dir(dir), SOCKET_NAME, path), SOCK_STREAM), waiting;

        ck_assert_int_eq(listen(first, 0), 0);
        waiting = plug_in(path);
        refused(path, "listen on '%s': a dhcp daemon is already running", path);
        close(waiting);
        close(first);
}
END_TEST

START_TEST(what_is_no_socket_of_ours_stays)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        int fd;

        unit_write(unit_dir(dir), "file", "precious");
        unit_path(dir, "file", path);
        refused(path, "listen on '%s': it is no socket", path);
        ck_assert_str_eq(unit_read(dir, "file"), "precious");
        ck_assert_int_eq(symlink("file", unit_path(dir, "link", path)), 0);
        refused(path, "listen on '%s': it is no socket", path);
        fd = bind_at(unit_path(dir, "datagrams", path), SOCK_DGRAM);
        refused(path, "connect to '%s': %s", path, err_errno_text(EPROTOTYPE));
        ck_assert_uint_eq(unit_count(dir), 3);
        close(fd);
}
END_TEST

START_TEST(a_path_that_cannot_be_is_told)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], name[UNIT_PATH_MAX];

        unit_write(unit_dir(dir), "file", "");
        unit_path(dir, "file/" SOCKET_NAME, path);
        refused(path, "mkdir %s/file: not a directory", dir);
        unit_path(dir, SOCKET_NAME ".new", path);
        ck_assert_int_eq(mkdir(path, 0700), 0);
        refused(unit_path(dir, SOCKET_NAME, name), "remove '%s': is a directory", path);
        memset(path, 'x', sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        path[0] = '/';
        refused(path, "listen on '%s': file name too long", path);
}
END_TEST

/* ---- a socket that was handed over ---- */

START_TEST(a_listener_that_blocks_is_served)
{
        struct service service = { .stop_on_request = true, .stop_on_end = true };
        struct err err;
        int listener, fd;

        unit_path(unit_dir(service.dir), SOCKET_NAME, service.path);
        listener = bind_at(service.path, SOCK_STREAM);
        ck_assert_int_eq(listen(listener, 5), 0);
        unit_assert_ok(loop_new(&service.loop, &err), &err);
        unit_assert_ok(
                serve_new(service.loop, listener, 0, &handler, &service, &service.serve, &err),
                &err);
        fd = plug_in_and_ask(&service, RPC_STATUS);
        close(fd);
        service_run(&service);
        ck_assert_uint_eq(service.lost, 1);
        service_done(&service);
        ck_assert_int_lt(fcntl(listener, F_GETFD), 0);
}
END_TEST

START_TEST(what_cannot_be_served_is_an_error)
{
        struct service service = { 0 };
        struct err err;
        int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        unit_assert_ok(loop_new(&service.loop, &err), &err);
        ck_assert_int_lt(serve_new(service.loop, fd, 0, &handler, NULL, &service.serve, &err), 0);
        ck_assert_ptr_null(service.serve);
        ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
        service_done(&service);
}
END_TEST

/* ---- who may speak ---- */

#define MANY 1000

static const struct {
        uid_t uid;
        gid_t gid;
        size_t others; /* supplementary groups: 1, 2, 3 and so on ... */
        bool member;   /* ... and the group */
        gid_t service_gid;
        uid_t service_uid;
        bool welcome;
} peers[] = {
        { 0, 0, 0, false, 0, 0, true },
        { 0, 0, 0, false, GROUP, 0, true },
        { 0, 0, 0, false, 0, NOBODY, true },
        { NOBODY, NOBODY, 0, false, 0, 0, false },
        { NOBODY, 0, 0, false, 0, 0, false },
        { NOBODY, 0, 0, false, GROUP, 0, false },
        { NOBODY, NOBODY, 0, true, 0, 0, false },
        { NOBODY, NOBODY, 3, false, GROUP, 0, false },
        { NOBODY, GROUP, 0, false, GROUP, 0, true },
        { NOBODY, NOBODY, 0, true, GROUP, 0, true },
        { NOBODY, NOBODY, 3, true, GROUP, 0, true },
        { NOBODY, NOBODY, MANY, true, GROUP, 0, true },
        { NOBODY, NOBODY, MANY, false, GROUP, 0, false },
        { NOBODY, NOBODY, 0, false, 0, NOBODY, true },
        { NOBODY - 1, NOBODY, 0, false, 0, NOBODY, false },
};

/* Becomes the peer of the row and asks. Returns the exit status: 0 welcome, 1 refused, 2 neither.
 */
static int be_peer(int row, const char *path, const char *frame, size_t len)
{
        static gid_t groups[MANY + 1];
        size_t count = peers[row].others;
        char text[sizeof(RPC_HELLO)];
        ssize_t n;
        int fd;

        for (size_t i = 0; i < count; i++)
                groups[i] = (gid_t)i + 1;
        if (peers[row].member)
                groups[count++] = GROUP;
        if (setgroups(count, groups) < 0 ||
            setresgid(peers[row].gid, peers[row].gid, peers[row].gid) < 0 ||
            setresuid(peers[row].uid, peers[row].uid, peers[row].uid) < 0)
                return 2;
        fd = try_to_plug_in(path);
        if (fd < 0)
                return 2;
        (void)!send(fd, frame, len, MSG_NOSIGNAL); /* it may be closed already */
        n = recv(fd, text, sizeof(text) - 1, MSG_WAITALL);
        if (n == (ssize_t)strlen(RPC_HELLO))
                return 0;
        return n == 0 || (n < 0 && errno == ECONNRESET) ? 1 : 2;
}

START_TEST(only_root_ourselves_and_the_group_may_speak)
{
        _cleanup_(buf_done) struct buf frame;
        struct service service;
        int status, alive[2];
        pid_t pid;

        put_request(&frame, RPC_STATUS);
        service_init(&service, peers[_i].service_gid);
        service.answer_at_once = true;
        ck_assert_int_eq(chmod(service.path, 0666), 0); /* else the kernel would refuse them */
        ck_assert_int_eq(pipe2(alive, O_CLOEXEC), 0);
        (void)fflush(NULL);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                _exit(be_peer(_i, service.path, frame.text, frame.len));
        close(alive[1]);
        ck_assert_int_eq(seteuid(peers[_i].service_uid), 0);
        wait_to_read(&service, alive[0]); /* it ends with the child */
        ck_assert_int_eq(seteuid(0), 0);
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == (peers[_i].welcome ? 0 : 1),
                      "row %d: status %#x", _i, (unsigned)status);
        ck_assert_uint_eq(service.requests, peers[_i].welcome ? 1 : 0);
        close(alive[0]);
        service_done(&service);
        /* Who was another user for a while cannot be looked into by LeakSanitizer. */
        ck_assert_int_eq(prctl(PR_SET_DUMPABLE, 1), 0);
}
END_TEST

static void add(TCase *tests)
{
        tcase_add_test(tests, a_path_may_be_relative);
        tcase_add_test(tests, what_a_killed_daemon_left_is_replaced);
        tcase_add_test(tests, a_living_daemon_keeps_its_socket);
        tcase_add_test(tests, a_busy_daemon_is_a_living_one);
        tcase_add_test(tests, what_is_no_socket_of_ours_stays);
        tcase_add_test(tests, a_path_that_cannot_be_is_told);
        tcase_add_test(tests, a_listener_that_blocks_is_served);
        tcase_add_test(tests, what_cannot_be_served_is_an_error);
        if (!unit_is_root("other users and groups"))
                return;
        tcase_add_loop_test(tests, the_socket_is_for_root_or_for_a_group, 0, 2);
        unit_add_table(tests, only_root_ourselves_and_the_group_may_speak, peers);
}

UNIT_MAIN("serve-listen", add)
