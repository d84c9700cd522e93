/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces are nsfs files; two paths are one namespace when device and inode are equal.
 */
#include "core/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define OWN "/proc/thread-self/ns/net"

int netns_open(const char *path, int *ret_fd, struct err *err)
{
        _cleanup_(closep) int place = open(path, O_PATH | O_CLOEXEC), fd = -1;
        char self[40];
        struct statfs fs;

        /* Opening anything else may wait, or do something. */
        if (place < 0 || fstatfs(place, &fs) < 0)
                return err_set(err, -errno, CNI_ERR_NETNS, "open %s", path);
        if (fs.f_type != NSFS_MAGIC)
                return err_text(err, -EINVAL, CNI_ERR_NETNS, "%s is not a namespace", path);
        (void)snprintf(self, sizeof(self), "/proc/self/fd/%d", place);
        fd = open(self, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_NETNS, "open %s", path);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int netns_is_own(const char *path, bool *ret_own, struct err *err)
{
        struct stat theirs, own;

        *ret_own = false;
        if (*path == '\0' || stat(path, &theirs) < 0)
                return 0;
        if (stat(OWN, &own) < 0)
                return err_text(err, -errno, CNI_ERR_NETNS, "get plugin's netns failed");
        *ret_own = theirs.st_dev == own.st_dev && theirs.st_ino == own.st_ino;
        return 0;
}

int netns_enter(int fd, int *ret_previous, struct err *err)
{
        _cleanup_(closep) int previous = open(OWN, O_RDONLY | O_CLOEXEC);

        if (previous < 0)
                return err_set(err, -errno, CNI_ERR_NETNS, "open %s", OWN);
        if (setns(fd, CLONE_NEWNET) < 0)
                return err_set(err, -errno, CNI_ERR_NETNS, "enter namespace");
        *ret_previous = TAKE_FD(previous);
        return 0;
}

int netns_leave(int previous, struct err *err)
{
        int r = setns(previous, CLONE_NEWNET) < 0 ? -errno : 0;

        close(previous);
        return r < 0 ? err_set(err, r, CNI_ERR_NETNS, "leave namespace") : 0;
}
