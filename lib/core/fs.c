/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files. Every call that may be interrupted is repeated; nothing here waits for a FIFO.
 */
#include "core/fs.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <time.h>

#define FILES_AT_ONCE 64U /* fs_replace_all(): descriptors are few */

/* Whether the failed call is to be made again: it was interrupted, or it is on a standard
 * descriptor, which our caller may have made non-blocking, and has now been waited for. A file that
 * has nothing to give, such as /proc/kmsg, is not: a tenant may have named it. */
static bool may_repeat(int fd, short events)
{
        struct pollfd wait = { .fd = fd, .events = events };

        if (errno == EAGAIN && fd <= STDERR_FILENO)
                return poll(&wait, 1, -1) >= 0 || errno == EINTR;
        return errno == EINTR;
}

int fs_read(int fd, struct buf *buf)
{
        char block[16384];
        ssize_t n;

        for (;;) {
                n = read(fd, block, sizeof(block));
                if (n < 0 && may_repeat(fd, POLLIN))
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return buf->failed;
                buf_append(buf, block, (size_t)n);
                if (buf->failed)
                        return buf->failed;
        }
}

int fs_open_regular(const char *path)
{
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        struct stat st;

        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (S_ISDIR(st.st_mode))
                return -EISDIR;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        return TAKE_FD(fd);
}

int fs_write_all(int fd, const void *bytes, size_t len)
{
        const char *p = bytes;

        while (len > 0) {
                ssize_t n = write(fd, p, len);

                if (n < 0 && may_repeat(fd, POLLOUT))
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        return -ENOSPC;
                p += n;
                len -= (size_t)n;
        }
        return 0;
}

/* A file on its way to its name. */
struct pending {
        char temporary[256];
        int fd;
};

/* Creates the temporary file, complete. Returns 0 or -errno. */
static int write_temporary(int dirfd, const struct fs_file *file, mode_t mode,
                           struct pending *pending)
{
        int r;

        (void)snprintf(pending->temporary, sizeof(pending->temporary), ".%s.%ld", file->name,
                       (long)getpid());
        /* A left-over of a killed process; a live one has another pid. */
        if (unlinkat(dirfd, pending->temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        pending->fd = openat(dirfd, pending->temporary,
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (pending->fd < 0)
                return -errno;
        /* The umask is asked only where it may have taken something. */
        if ((mode & 0077) && fchmod(pending->fd, mode) < 0)
                return -errno;
        r = fs_write_all(pending->fd, file->bytes, file->len);
        /* Started for all before any is waited for, so that they get to the disk together. It is
         * fsync(2) that promises. */
        if (r == 0 && file->durable)
                (void)sync_file_range(pending->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
        return r;
}

/* Closes a complete file and gives it its name. Returns 0 or -errno. */
static int put_in_place(int dirfd, const struct fs_file *file, struct pending *pending)
{
        if (close(TAKE_FD(pending->fd)) < 0)
                return -errno; /* some file systems find out here that they are full */
        if (renameat(dirfd, pending->temporary, dirfd, file->name) < 0)
                return -errno;
        pending->temporary[0] = '\0';
        return 0;
}

/* Returns 0, or -errno and the file that failed. */
static int replace_files(int dirfd, const struct fs_file *files, size_t count, mode_t mode,
                         struct pending *pending, size_t *ret_failed)
{
        int r = 0;

        for (*ret_failed = 0; *ret_failed < count; ++*ret_failed) {
                r = write_temporary(dirfd, &files[*ret_failed], mode, &pending[*ret_failed]);
                if (r < 0)
                        return r;
        }
        for (*ret_failed = 0; *ret_failed < count; ++*ret_failed)
                if (files[*ret_failed].durable && fsync(pending[*ret_failed].fd) < 0)
                        return -errno;
        for (*ret_failed = 0; *ret_failed < count; ++*ret_failed) {
                r = put_in_place(dirfd, &files[*ret_failed], &pending[*ret_failed]);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* As fs_replace_all() without the directory, for as many as may be open at the same time. */
static int replace_some(int dirfd, const struct fs_file *files, size_t count, mode_t mode,
                        struct err *err)
{
        struct pending pending[FILES_AT_ONCE] = { 0 };
        size_t failed;
        int r;

        for (size_t i = 0; i < count; i++)
                pending[i].fd = -1;
        r = replace_files(dirfd, files, count, mode, pending, &failed);
        if (r == 0)
                return 0;
        for (size_t i = 0; i < count; i++) {
                closep(&pending[i].fd);
                if (pending[i].temporary[0]) /* the first error is the one to tell */
                        (void)unlinkat(dirfd, pending[i].temporary, 0);
        }
        return err_set(err, r, CNI_ERR_IO, "write %s", files[failed].name);
}

int fs_replace_all(int dirfd, const struct fs_file *files, size_t count, mode_t mode,
                   struct err *err)
{
        const struct fs_file *durable = NULL;

        for (size_t i = 0; i < count; i++) {
                if (strlen(files[i].name) > 200)
                        return err_set(err, -ENAMETOOLONG, CNI_ERR_IO, "write %s", files[i].name);
                if (files[i].durable)
                        durable = &files[i];
        }
        for (size_t i = 0; i < count; i += FILES_AT_ONCE) {
                size_t some = count - i < FILES_AT_ONCE ? count - i : FILES_AT_ONCE;
                int r = replace_some(dirfd, files + i, some, mode, err);

                if (r < 0)
                        return r;
        }
        if (durable && fsync(dirfd) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "write %s", durable->name);
        return 0;
}

int fs_replace(int dirfd, const char *name, const void *bytes, size_t len, mode_t mode,
               struct err *err)
{
        const struct fs_file file = { name, bytes, len, true };

        return fs_replace_all(dirfd, &file, 1, mode, err);
}

static void closedirp(DIR **listing)
{
        if (*listing)
                closedir(*listing);
}

/* Whether write_temporary() calls a file on its way to `name` so. */
static bool is_temporary(const char *file, const char *name)
{
        size_t len = strlen(name), digits;

        if (file[0] != '.' || strncmp(file + 1, name, len) != 0 || file[1 + len] != '.')
                return false;
        digits = strspn(file + len + 2, "0123456789");
        return digits > 0 && file[len + 2 + digits] == '\0';
}

int fs_remove_temporary(int dirfd, const char *name, struct err *err)
{
        _cleanup_(closep) int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *listing = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        if (!listing)
                return err_set(err, -errno, CNI_ERR_IO, "list the directory");
        (void)TAKE_FD(fd);
        while (errno = 0, (entry = readdir(listing)))
                if (is_temporary(entry->d_name, name) && unlinkat(dirfd, entry->d_name, 0) < 0 &&
                    errno != ENOENT)
                        return err_set(err, -errno, CNI_ERR_IO, "unlink %s", entry->d_name);
        return errno == 0 ? 0 : err_set(err, -errno, CNI_ERR_IO, "list the directory");
}

/* mkdir(2) that takes an existing directory, also behind a symlink, for done. */
static int make_directory(const char *path, mode_t mode)
{
        struct stat st;

        if (mkdir(path, mode) == 0)
                return 0;
        if (errno != EEXIST)
                return -errno;
        if (stat(path, &st) < 0)
                return -errno;
        return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* Ends `path` before its last component. Returns false when there is no parent to make. */
static bool cut_to_parent(char *path)
{
        char *slash = strrchr(path, '/');

        while (slash && slash > path && slash[-1] == '/')
                slash--;
        if (!slash || slash == path)
                return false;
        *slash = '\0';
        return true;
}

int fs_make_directories(const char *path, mode_t mode, struct err *err)
{
        _cleanup_(freep) char *parent = NULL;
        int r = make_directory(path, mode);

        if (r == 0)
                return 0;
        parent = strdup(path);
        if (!parent)
                return err_oom(err);
        /* Only a missing or unusable parent is worth a look at it: its error says more. */
        if ((r == -ENOENT || r == -ENOTDIR) && cut_to_parent(parent)) {
                r = fs_make_directories(parent, mode, err);
                if (r < 0)
                        return r;
                r = make_directory(path, mode);
                if (r == 0)
                        return 0;
        }
        return err_set(err, r, CNI_ERR_IO, "mkdir %s", path);
}

static void on_alarm(_unused_ int number)
{
}

int fs_lock(int fd, unsigned timeout_ms)
{
        /* The alarm repeats: one that rings between the check and flock(2) must not be the last. */
        const struct itimerval off = { 0 },
                               timer = { .it_value = { .tv_sec = timeout_ms / 1000,
                                                       .tv_usec = timeout_ms % 1000 * 1000 },
                                         .it_interval = { .tv_usec = 100000 } };
        struct sigaction action = { .sa_handler = on_alarm }, old;
        sigset_t alarm_only, mask;
        int r;

        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                return 0;
        if (errno != EWOULDBLOCK)
                return -errno;
        if (timeout_ms == 0)
                return FS_BUSY;
        sigemptyset(&alarm_only);
        sigaddset(&alarm_only, SIGALRM);
        sigaction(SIGALRM, &action, &old);
        sigprocmask(SIG_UNBLOCK, &alarm_only, &mask); /* what is blocked is inherited */
        setitimer(ITIMER_REAL, &timer, NULL);
        r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
        setitimer(ITIMER_REAL, &off, NULL);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        sigaction(SIGALRM, &old, NULL);
        return r == -EINTR ? FS_BUSY : r;
}

pid_t fs_lock_holder(int fd)
{
        _cleanup_(fclosep) FILE *locks = fopen("/proc/locks", "re");
        char line[256], wanted[64];
        struct stat st;

        if (!locks || fstat(fd, &st) < 0)
                return 0;
        (void)snprintf(wanted, sizeof(wanted), " %02x:%02x:%ju ", major(st.st_dev),
                       minor(st.st_dev), (uintmax_t)st.st_ino);
        /* "1: FLOCK  ADVISORY  WRITE 4711 fe:00:131 0 EOF" */
        while (fgets(line, sizeof(line), locks)) {
                char *end = strstr(line, wanted), *start = end;
                uint64_t pid;

                if (!end || !strstr(line, "FLOCK") || strstr(line, "->"))
                        continue;
                while (start > line && start[-1] != ' ')
                        start--;
                if (parse_u64(start, (size_t)(end - start), INT32_MAX, &pid) == 0)
                        return (pid_t)pid;
        }
        return 0;
}

char *fs_join(const char *a, const char *b)
{
        bool absolute = a[0] == '/';
        char *path = malloc(strlen(a) + strlen(b) + 3), *out = path, *floor;

        if (!path)
                return NULL;
        if (absolute)
                *out++ = '/';
        floor = out; /* ".." does not take away what stands before here */
        for (const char *part = a; *part;) {
                size_t len = strcspn(part, "/");
                bool up = len == 2 && part[0] == '.' && part[1] == '.';

                if (up && out > floor) {
                        out--;
                        while (out > floor && out[-1] != '/')
                                out--;
                } else if (len > 0 && !(len == 1 && part[0] == '.') && !(up && absolute)) {
                        memcpy(out, part, len);
                        out += len;
                        *out++ = '/';
                        if (up)
                                floor = out;
                }
                part += len + (part[len] == '/');
        }
        memcpy(out, b, strlen(b) + 1);
        return path;
}
