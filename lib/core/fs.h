/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_FS_H
#define CORE_FS_H

/*
 * Files: bounded reading, complete writing, atomic replacement, directories, flock(2).
 *
 * Everything is opened with O_CLOEXEC. Functions that take a directory descriptor and a name follow
 * no symlink at that name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"

/* Outcomes > 0. */
enum {
        FS_BUSY = 1, /* fs_lock(): somebody else held the lock until the end of the wait */
};

/* Appends what can be read from fd until its end; more than `buf->ceiling` bytes is -EFBIG.
 * Returns 0 or -errno; what was read before a failure is in the buffer. */
int fs_read(int fd, struct buf *buf);

/* Opens a regular file for reading; a path's symlinks are followed. A FIFO or device is refused
 * with -EINVAL instead of waiting for it; a directory with -EISDIR. Returns the descriptor or
 * -errno. */
int fs_open_regular(const char *path);

/* Writes all of it. Returns 0 or -errno; a device that takes nothing is -ENOSPC. */
int fs_write_all(int fd, const void *bytes, size_t len);

/* Puts a file in place of `name`, complete or not at all, and durable: temporary name, fsync,
 * rename, fsync of the directory. `name` is at most 200 bytes long. The mode counts as it is given,
 * whatever the umask. */
int fs_replace(int dirfd, const char *name, const void *bytes, size_t len, mode_t mode,
               struct err *err);

/* The same for several, at little more than the price of one: all are written before any is waited
 * for. Each file is whole or not at all; on failure some may be in place. A file that is not
 * `durable` may be empty, old or missing after a power cut. */
struct fs_file {
        const char *name;
        const void *bytes;
        size_t len;
        bool durable;
};
int fs_replace_all(int dirfd, const struct fs_file *files, size_t count, mode_t mode,
                   struct err *err);

/* Removes what killed processes left of their replacements of `name`. That nobody is replacing it
 * now is the caller's to know. */
int fs_remove_temporary(int dirfd, const char *name, struct err *err);

/* Makes a directory and its missing parents. An error names the path that could not be made. */
int fs_make_directories(const char *path, mode_t mode, struct err *err);

/* flock(LOCK_EX), waiting at most timeout_ms. BSD locks, because the programs that share our
 * directories use them; fcntl(2) locks exclude nobody there. Returns 0, FS_BUSY or -errno.
 * While it waits, the process' real-time timer and SIGALRM belong to it. */
int fs_lock(int fd, unsigned timeout_ms);

/* The process that holds a flock(2) lock on the file, as /proc/locks tells; 0 when it does not. */
pid_t fs_lock_holder(int fd);

/* a + "/" + b in a clean form: no "//", "." or "..", as far as text alone can tell. `b` is one safe
 * name. Returns an owned string, NULL without memory. */
char *fs_join(const char *a, const char *b);

#endif
