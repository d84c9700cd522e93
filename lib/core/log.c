/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each line is composed in memory and written with one call, so that the lines of several processes
 * do not mix in one file.
 */
#include "core/log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "core/buf.h"
#include "core/utf8.h"

#define LINE_CEILING 8192U

static struct {
        enum log_level level;
        int fd;
} sink = { LOG_LEVEL_INFO, STDERR_FILENO };

void log_set_level(enum log_level level)
{
        sink.level = level;
}

static int open_at(int dirfd, const char *name)
{
        return openat(dirfd, name,
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK |
                              O_NOCTTY,
                      0600);
}

static int use(int fd, const char *path, struct err *err)
{
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", path);
        if (sink.fd != STDERR_FILENO)
                close(sink.fd);
        sink.fd = fd;
        return 0;
}

int log_set_file(const char *path, struct err *err)
{
        return use(open_at(AT_FDCWD, path), path, err);
}

/* Opens the directory that holds the path's last component, one step after the other. */
static int open_parent(char *path, char **ret_name)
{
        _cleanup_(closep) int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        char *name = path + strspn(path, "/"), *slash;

        while (fd >= 0 && (slash = strchr(name, '/'))) {
                int next;

                *slash = '\0';
                if (strcmp(name, "..") == 0) {
                        errno = EPERM;
                        return -1;
                }
                next = openat(fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                closep(&fd);
                fd = next;
                name = slash + 1 + strspn(slash + 1, "/");
        }
        *ret_name = name;
        return TAKE_FD(fd);
}

int log_set_file_strictly(const char *path, struct err *err)
{
        _cleanup_(freep) char *copy = strdup(path);
        _cleanup_(closep) int dirfd = -1;
        char *name = NULL;

        if (!copy)
                return err_oom(err);
        dirfd = open_parent(copy, &name);
        return use(dirfd < 0 ? -1 : open_at(dirfd, name), path, err);
}

/* Whether stderr is the journal's: JOURNAL_STREAM, which children inherit, names it by device and
 * inode (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        char own[64];
        struct stat st;

        if (!stream || fstat(STDERR_FILENO, &st) < 0)
                return false;
        (void)snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
        return strcmp(stream, own) == 0;
}

void log_set_level_by_name(const char *name)
{
        if (strcmp(name, "debug") == 0)
                log_set_level(LOG_LEVEL_DEBUG);
        else if (strcmp(name, "error") == 0 || strcmp(name, "panic") == 0)
                log_set_level(LOG_LEVEL_ERROR);
}

static void put_prefix(struct buf *line, enum log_level level)
{
        /* syslog(3) priorities, as sd-daemon(3) wants them. */
        static const int priorities[] = { 3, 4, 6, 7 };
        time_t now = time(NULL);
        char stamp[32];
        struct tm tm;

        if (sink.fd == STDERR_FILENO && stderr_is_journal()) {
                buf_printf(line, "<%d>", priorities[level]);
                return;
        }
        localtime_r(&now, &tm);
        strftime(stamp, sizeof(stamp), "%Y/%m/%d %H:%M:%S ", &tm);
        buf_puts(line, stamp);
}

void log_line(enum log_level level, const char *fmt, ...)
{
        struct buf line;
        va_list args;
        char text[4096];

        if (level > sink.level)
                return;
        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args); /* a longer line is cut */
        va_end(args);
        buf_init(&line, LINE_CEILING);
        put_prefix(&line, level);
        utf8_make_printable(text); /* names in it may be a tenant's */
        buf_puts(&line, text);
        buf_putc(&line, '\n');
        /* A log that cannot be written is no reason to fail. */
        if (line.len > 0 && write(sink.fd, line.text, line.len) < 0)
                errno = 0;
        buf_done(&line);
}
