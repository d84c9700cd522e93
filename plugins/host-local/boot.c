/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot tags. Without /proc, or on another file system, there are none and nothing is ever stale.
 */
#include "boot.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "core/util.h"

#ifndef XFS_SUPER_MAGIC
#define XFS_SUPER_MAGIC 0x58465342
#endif

static bool is_local(int dirfd)
{
        static const unsigned long local[] = {
                EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,
                F2FS_SUPER_MAGIC, TMPFS_MAGIC,     OVERLAYFS_SUPER_MAGIC,
        };
        struct statfs fs;

        if (fstatfs(dirfd, &fs) < 0)
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(local); i++)
                if (((unsigned long)fs.f_type & 0xffffffffUL) == local[i])
                        return true;
        return false;
}

void boot_init(struct boot *boot, int dirfd)
{
        _cleanup_(closep) int fd = -1;
        struct statfs fs;
        ssize_t n;

        boot->id[0] = '\0';
        if (!is_local(dirfd))
                return;
        fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        /* Some container managers mount a file over it: then callers would disagree. */
        if (fd < 0 || fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
                return;
        n = read(fd, boot->id, sizeof(boot->id) - 1);
        boot->id[n == sizeof(boot->id) - 1 ? n : 0] = '\0';
}

void boot_tag(const struct boot *boot, int fd)
{
        /* Without the tag the file is one that only DEL and GC free, as it was before tags. */
        if (*boot->id)
                (void)fsetxattr(fd, BOOT_ATTRIBUTE, boot->id, strlen(boot->id), 0);
}

/* The tag of a file; "" for none. */
static void read_tag(const struct boot *boot, int fd, char id[static BOOT_ID_SIZE])
{
        ssize_t n = *boot->id ? fgetxattr(fd, BOOT_ATTRIBUTE, id, BOOT_ID_SIZE - 1) : 0;

        id[n > 0 ? n : 0] = '\0';
}

bool boot_is_stale(const struct boot *boot, int fd)
{
        char id[BOOT_ID_SIZE];

        read_tag(boot, fd, id);
        return *id && strcmp(id, boot->id) != 0;
}

bool boot_is_current(const struct boot *boot, int fd)
{
        char id[BOOT_ID_SIZE];

        read_tag(boot, fd, id);
        return *id && strcmp(id, boot->id) == 0;
}
