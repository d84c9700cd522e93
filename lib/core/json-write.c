/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer. The layout and the escapes are those of Go's json.MarshalIndent with four blanks,
 * because tests and scripts compare what these programs print.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "core/json.h"
#include "core/utf8.h"

void json_writer_init(struct json_writer *w, struct buf *buf)
{
        *w = (struct json_writer){ .buf = buf, .empty = true };
}

void json_writer_init_compact(struct json_writer *w, struct buf *buf)
{
        json_writer_init(w, buf);
        w->compact = true;
}

/* How many of the first bytes stand for themselves, ASCII alone: nearly always all. */
static size_t plain_len(const char *text)
{
        size_t len = 0;

        while (text[len] >= 0x20 && text[len] < 0x7f && text[len] != '"' && text[len] != '\\' &&
               text[len] != '<' && text[len] != '>' && text[len] != '&')
                len++;
        return len;
}

static void put_text(struct json_writer *w, const char *text)
{
        size_t len = strlen(text);

        buf_putc(w->buf, '"');
        while (len > 0) {
                unsigned char byte = (unsigned char)*text;
                size_t plain = plain_len(text), n = plain > 0 ? plain : utf8_len(text, len);

                if (n == 0)
                        buf_puts(w->buf, w->replacement ? "\xef\xbf\xbd" : "\\ufffd");
                else if (byte == '"' || byte == '\\')
                        buf_printf(w->buf, "\\%c", byte);
                else if (byte == '\n' || byte == '\r' || byte == '\t' || byte == '\b' ||
                         byte == '\f')
                        buf_printf(w->buf, "\\%c", "btn?fr"[byte - '\b']);
                else if (byte < 0x20 || byte == '<' || byte == '>' || byte == '&')
                        buf_printf(w->buf, "\\u%04x", byte);
                else if (n == 3 && memcmp(text, "\xe2\x80", 2) == 0 && (text[2] & 0xfe) == 0xa8)
                        buf_printf(w->buf, "\\u202%x", (unsigned char)text[2] & 0xfU);
                else
                        buf_append(w->buf, text, n);
                text += n > 0 ? n : 1;
                len -= n > 0 ? n : 1;
        }
        buf_putc(w->buf, '"');
}

static void new_line(struct json_writer *w)
{
        if (w->compact)
                return;
        buf_putc(w->buf, '\n');
        for (unsigned i = 0; i < w->depth; i++)
                buf_puts(w->buf, "    ");
}

/* What stands before a value: comma, line, key. */
static void lead(struct json_writer *w, const char *key)
{
        if (w->depth > 0) {
                if (!w->empty)
                        buf_putc(w->buf, ',');
                new_line(w);
        }
        if (key) {
                put_text(w, key);
                buf_puts(w->buf, w->compact ? ":" : ": ");
        }
        w->empty = false;
}

void json_begin(struct json_writer *w, const char *key, char bracket)
{
        lead(w, key);
        buf_putc(w->buf, bracket);
        w->depth++;
        w->empty = true;
}

void json_end(struct json_writer *w, char bracket)
{
        assert(w->depth > 0);
        w->depth--;
        if (!w->empty)
                new_line(w);
        buf_putc(w->buf, bracket);
        w->empty = false;
}

void json_put_string(struct json_writer *w, const char *key, const char *text)
{
        lead(w, key);
        put_text(w, text);
}

void json_put_given(struct json_writer *w, const char *key, const char *text)
{
        if (text && *text)
                json_put_string(w, key, text);
}

void json_put_i64(struct json_writer *w, const char *key, int64_t number)
{
        lead(w, key);
        buf_printf(w->buf, "%" PRId64, number);
}

void json_put_u64(struct json_writer *w, const char *key, uint64_t number)
{
        lead(w, key);
        buf_printf(w->buf, "%" PRIu64, number);
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
        lead(w, key);
        buf_puts(w->buf, value ? "true" : "false");
}

void json_put_null(struct json_writer *w, const char *key)
{
        lead(w, key);
        buf_puts(w->buf, "null");
}
