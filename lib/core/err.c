/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fixed-size errors. Text that does not fit is cut before the character that would be split.
 */
#include "core/err.h"

#include <stdarg.h>
#include <string.h>

#include "core/utf8.h"

/* Scripts search for these texts; the libcs disagree about capitals and about some words. */
static const struct {
        int number;
        const char *text;
} errno_texts[] = {
        { EPERM, "operation not permitted" },
        { ENOENT, "no such file or directory" },
        { EINTR, "interrupted system call" },
        { EIO, "input/output error" },
        { ENXIO, "no such device or address" },
        { EBADF, "bad file descriptor" },
        { EAGAIN, "resource temporarily unavailable" },
        { ENOMEM, "cannot allocate memory" },
        { EACCES, "permission denied" },
        { EEXIST, "file exists" },
        { ENOTDIR, "not a directory" },
        { EISDIR, "is a directory" },
        { EINVAL, "invalid argument" },
        { ENFILE, "too many open files in system" },
        { EMFILE, "too many open files" },
        { EFBIG, "file too large" },
        { ENOSPC, "no space left on device" },
        { EROFS, "read-only file system" },
        { EPIPE, "broken pipe" },
        { ENAMETOOLONG, "file name too long" },
        { ELOOP, "too many levels of symbolic links" },
        { EDQUOT, "disk quota exceeded" },
        { ESTALE, "stale file handle" },
        { ENODEV, "no such device" },
        { EMLINK, "too many links" },
        { ENOLCK, "no locks available" },
        { ENOTEMPTY, "directory not empty" },
        { EOVERFLOW, "value too large for defined data type" },
        { ENOTSUP, "operation not supported" },
        { EUCLEAN, "structure needs cleaning" },
        { ECONNREFUSED, "connection refused" },
        { ECONNRESET, "connection reset by peer" },
        { ETIMEDOUT, "connection timed out" },
        { EHOSTUNREACH, "no route to host" },
        { ENETUNREACH, "network is unreachable" },
};

const char *err_errno_text(int number)
{
        for (size_t i = 0; i < ARRAY_SIZE(errno_texts); i++)
                if (errno_texts[i].number == number)
                        return errno_texts[i].text;
        return strerror(number);
}

/* Takes the rest of a character that was cut off from the end of a full buffer. */
static void cut_at_character(char *text)
{
        size_t len = strlen(text), start = len;

        while (start > 0 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
                start--;
        if (start > 0 && utf8_len(text + start - 1, len - start + 1) == 0)
                text[start - 1] = '\0';
}

static void _printf_(3, 0) format(char *text, size_t size, const char *fmt, va_list args)
{
        int len = vsnprintf(text, size, fmt, args); /* what does not fit is cut on purpose */

        if (len >= 0 && (size_t)len >= size)
                cut_at_character(text);
}

int err_text(struct err *err, int r, enum err_code code, const char *fmt, ...)
{
        va_list args;

        err->code = (int)code;
        err->details[0] = '\0';
        va_start(args, fmt);
        format(err->msg, sizeof(err->msg), fmt, args);
        va_end(args);
        return r;
}

int err_set(struct err *err, int r, enum err_code code, const char *fmt, ...)
{
        va_list args;
        size_t len;

        err->code = (int)code;
        err->details[0] = '\0';
        va_start(args, fmt);
        format(err->msg, sizeof(err->msg) - 64, fmt, args);
        va_end(args);
        len = strlen(err->msg);
        (void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", err_errno_text(-r));
        return r;
}

int err_oom(struct err *err)
{
        return err_text(err, -ENOMEM, CNI_ERR_INTERNAL, "out of memory");
}

void err_wrap(struct err *err, const char *fmt, ...)
{
        char msg[sizeof(err->msg)];
        va_list args;
        size_t len;

        memcpy(msg, err->msg, sizeof(msg));
        va_start(args, fmt);
        format(err->msg, sizeof(err->msg), fmt, args);
        va_end(args);
        len = strlen(err->msg);
        if (snprintf(err->msg + len, sizeof(err->msg) - len, "%s", msg) >=
            (int)(sizeof(err->msg) - len))
                cut_at_character(err->msg);
}

void err_details(struct err *err, const char *fmt, ...)
{
        va_list args;

        va_start(args, fmt);
        format(err->details, sizeof(err->details), fmt, args);
        va_end(args);
}
