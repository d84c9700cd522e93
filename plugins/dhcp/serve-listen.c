/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the socket comes to its path. Until it has a listener it stands under a name of its own, so
 * whoever finds the path finds somebody there. That name is always the same: what a daemon that was
 * killed has left there is in nobody's way for longer than until the next start.
 */
#include "serve.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/fs.h"

#define BACKLOG   1024
#define TEMPORARY ".new" /* behind the path */

static int set_address(const char *path, const char *end, struct sockaddr_un *ret, struct err *err)
{
        int len;

        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        len = snprintf(ret->sun_path, sizeof(ret->sun_path), "%s%s", path, end);
        if (len < 0 || (size_t)len >= sizeof(ret->sun_path))
                return err_set(err, -ENAMETOOLONG, CNI_ERR_CONFIG, "listen on '%s'", path);
        return 0;
}

/* Looks whether what stands at the path may be replaced. */
static int look_at_former(const char *path, struct err *err)
{
        _cleanup_(closep) int fd = -1;
        struct sockaddr_un address;
        struct stat st;
        int r = set_address(path, "", &address, err);

        if (r < 0)
                return r;
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : err_set(err, -errno, CNI_ERR_IO, "look at '%s'", path);
        if (!S_ISSOCK(st.st_mode))
                return err_text(err, -EEXIST, CNI_ERR_IO, "listen on '%s': it is no socket", path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "make a socket");
        if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
                if (errno == ECONNREFUSED || errno == ENOENT)
                        return 0;
                if (errno != EAGAIN) /* that is a listener with a full backlog */
                        return err_set(err, -errno, CNI_ERR_IO, "connect to '%s'", path);
        }
        return err_text(err, -EADDRINUSE, CNI_ERR_IO,
                        "listen on '%s': a dhcp daemon is already running", path);
}

static int make_directory(const char *path, gid_t gid, struct err *err)
{
        _cleanup_(freep) char *dir = strdup(path);
        char *slash;

        if (!dir)
                return err_oom(err);
        slash = strrchr(dir, '/');
        if (!slash || slash == dir)
                return 0;
        *slash = '\0';
        /* The group must be able to pass. */
        return fs_make_directories(dir, gid == 0 ? 0700 : 0711, err);
}

/* Nobody can connect before there is a listener, so the owner and the mode come in time. */
static int bind_and_listen(int fd, const struct sockaddr_un *address, gid_t gid, struct err *err)
{
        const char *name = address->sun_path;

        if (unlink(name) < 0 && errno != ENOENT)
                return err_set(err, -errno, CNI_ERR_IO, "remove '%s'", name);
        if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "bind to '%s'", name);
        if (gid != 0 && lchown(name, (uid_t)-1, gid) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "give '%s' to group %u", name, gid);
        if (chmod(name, gid == 0 ? 0600 : 0660) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "change the mode of '%s'", name);
        if (listen(fd, BACKLOG) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "listen on '%s'", name);
        return 0;
}

int serve_listen(const char *path, gid_t gid, int *ret_fd, struct err *err)
{
        _cleanup_(closep) int fd = -1;
        struct sockaddr_un address;
        int r = set_address(path, TEMPORARY, &address, err);

        if (r == 0)
                r = make_directory(path, gid, err);
        if (r == 0)
                r = look_at_former(path, err);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "make a socket");
        r = bind_and_listen(fd, &address, gid, err);
        if (r == 0 && rename(address.sun_path, path) < 0)
                r = err_set(err, -errno, CNI_ERR_IO, "rename '%s'", address.sun_path);
        if (r < 0) {
                (void)unlink(address.sun_path);
                return r;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}
