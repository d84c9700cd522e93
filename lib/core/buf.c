/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growing text. It doubles, never passes its ceiling, and keeps a NUL behind its end.
 */
#include "core/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

void buf_init(struct buf *buf, size_t ceiling)
{
        assert(ceiling < SIZE_MAX / 2);
        *buf = (struct buf){ .ceiling = ceiling };
}

void buf_done(struct buf *buf)
{
        free(buf->text);
        *buf = (struct buf){ .ceiling = buf->ceiling };
}

/* Makes room for `more` bytes and the NUL; false when the buffer has failed. */
static bool reserve(struct buf *buf, size_t more)
{
        size_t size;
        char *text;

        if (buf->failed)
                return false;
        if (more > buf->ceiling - buf->len) {
                buf->failed = -EFBIG;
                return false;
        }
        if (more < buf->size - buf->len)
                return true;
        size = buf->size < 256 ? 256 : buf->size * 2;
        while (size <= buf->len + more)
                size *= 2;
        text = realloc(buf->text, size);
        if (!text) {
                buf->failed = -ENOMEM;
                return false;
        }
        buf->text = text;
        buf->size = size;
        return true;
}

void buf_append(struct buf *buf, const void *bytes, size_t len)
{
        if (!reserve(buf, len))
                return;
        if (len > 0)
                memcpy(buf->text + buf->len, bytes, len);
        buf->len += len;
        buf->text[buf->len] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
        buf_append(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char c)
{
        if (!reserve(buf, 1))
                return;
        buf->text[buf->len++] = c;
        buf->text[buf->len] = '\0';
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
        va_list args;
        int len;

        va_start(args, fmt);
        len = vsnprintf(NULL, 0, fmt, args);
        va_end(args);
        if (len < 0) {
                buf->failed = -ENOMEM;
                return;
        }
        if (!reserve(buf, (size_t)len))
                return;
        va_start(args, fmt);
        (void)vsnprintf(buf->text + buf->len, (size_t)len + 1, fmt, args);
        va_end(args);
        buf->len += (size_t)len;
}

int buf_check(const struct buf *buf, struct err *err)
{
        if (buf->failed == -ENOMEM)
                return err_oom(err);
        if (buf->failed)
                return err_text(err, buf->failed, CNI_ERR_INTERNAL, "text longer than %zu bytes",
                                buf->ceiling);
        return 0;
}

const char *buf_text(const struct buf *buf)
{
        return buf->text ? buf->text : "";
}

int parse_u64(const char *text, size_t len, uint64_t max, uint64_t *ret)
{
        uint64_t value = 0;

        if (len == 0)
                return -EINVAL;
        for (size_t i = 0; i < len; i++)
                if (text[i] < '0' || text[i] > '9')
                        return -EINVAL;
        for (size_t i = 0; i < len; i++) {
                uint64_t digit = (uint64_t)(text[i] - '0');

                if (value > (max - digit) / 10 || digit > max)
                        return -ERANGE;
                value = value * 10 + digit;
        }
        *ret = value;
        return 0;
}

int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret)
{
        bool negative = text[0] == '-';
        uint64_t limit = negative ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
        uint64_t magnitude;
        int64_t value;
        int r;

        text += negative;
        r = parse_u64(text, strlen(text), limit, &magnitude);
        if (r < 0)
                return r;
        value = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
        if (value < min || value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}
