/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The service manager's variables. One that is not as it should be counts as absent, as with
 * libsystemd's users: a program must start from a shell that inherited odd things.
 */
#include "loop/sd.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "core/buf.h"

#define LISTEN_FD      3 /* the first one: sd_listen_fds(3) */
#define SEND_TIMEOUT_S 1

/* A number from the environment; 0 without one. */
static uint64_t number_of(const char *name)
{
        const char *text = getenv(name);
        uint64_t number = 0;

        if (text && parse_u64(text, strlen(text), UINT64_MAX, &number) < 0)
                return 0;
        return number;
}

int sd_listen_fd(int *ret_fd, struct err *err)
{
        uint64_t count = number_of("LISTEN_FDS");
        bool for_us = number_of("LISTEN_PID") == (uint64_t)getpid();
        socklen_t len = sizeof(int);
        int listening = 0;

        (void)unsetenv("LISTEN_PID");
        (void)unsetenv("LISTEN_FDS");
        (void)unsetenv("LISTEN_FDNAMES");
        if (!for_us || count == 0)
                return SD_NONE;
        if (count > 1)
                return err_text(err, -E2BIG, CNI_ERR_IO,
                                "Too many (%llu) FDs passed through socket activation",
                                (unsigned long long)count);
        if (getsockopt(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening ||
            fcntl(LISTEN_FD, F_SETFD, FD_CLOEXEC) < 0)
                return err_text(err, -EBADF, CNI_ERR_IO, "LISTEN_FDS=1 but no FD found");
        *ret_fd = LISTEN_FD;
        return 0;
}

/* The address that the text names: "/path", or "@name" for an abstract one. */
static int parse_address(const char *text, struct sockaddr_un *ret, socklen_t *ret_len)
{
        size_t len = strlen(text);

        if (*text != '/' && *text != '@')
                return -EINVAL;
        if (len >= sizeof(ret->sun_path))
                return -ENAMETOOLONG;
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        memcpy(ret->sun_path, text, len);
        if (*text == '@')
                ret->sun_path[0] = '\0';
        *ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
        return 0;
}

int sd_notify(const char *state, struct err *err)
{
        /* One thread: a manager that reads no longer may not hold it for ever. */
        const struct timeval timeout = { .tv_sec = SEND_TIMEOUT_S };
        const char *path = getenv("NOTIFY_SOCKET");
        _cleanup_(closep) int fd = -1;
        struct sockaddr_un address;
        socklen_t address_len;
        int r;

        if (!path || *path == '\0')
                return 0;
        r = parse_address(path, &address, &address_len);
        if (r < 0)
                return err_set(err, r, CNI_ERR_IO, "notify '%s'", path);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
            sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address,
                   address_len) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "notify '%s'", path);
        return 0;
}

unsigned sd_watchdog_ms(void)
{
        bool for_us = !getenv("WATCHDOG_PID") || number_of("WATCHDOG_PID") == (uint64_t)getpid();
        uint64_t usec = number_of("WATCHDOG_USEC");
        uint64_t half_ms = usec > 2000 ? usec / 2000 : 1;

        if (!for_us || usec == 0)
                return 0;
        return half_ms < UINT_MAX ? (unsigned)half_ms : UINT_MAX;
}
