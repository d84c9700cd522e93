/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A recursive descent over RFC 8259's grammar that copies what it accepts. The words of its errors
 * are those of Go's decoder where people know them.
 */
#include "core/json-scan.h"

#include <stdbool.h>
#include <string.h>

#include "core/json.h"
#include "core/utf8.h"

struct cursor {
        const char *at, *end;
        struct json_scan *out;
        struct err *err;
};

static int scan_value(struct cursor *c, unsigned depth);

/* "invalid character 'x' after array element", or the end of the text. */
static int unexpected(const struct cursor *c, const char *where)
{
        unsigned char byte;

        if (c->at == c->end)
                return err_text(c->err, -EINVAL, CNI_ERR_DECODE, "unexpected end of JSON input");
        byte = (unsigned char)*c->at;
        if (byte == '\'' || byte == '\\')
                return err_text(c->err, -EINVAL, CNI_ERR_DECODE, "invalid character '\\%c' %s",
                                byte, where);
        if (byte < 0x20 || byte >= 0x7f)
                return err_text(c->err, -EINVAL, CNI_ERR_DECODE, "invalid character '\\x%02x' %s",
                                byte, where);
        return err_text(c->err, -EINVAL, CNI_ERR_DECODE, "invalid character '%c' %s", byte, where);
}

static void skip_space(struct cursor *c)
{
        while (c->at < c->end &&
               (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
                c->at++;
}

static bool at_byte(const struct cursor *c, char byte)
{
        return c->at < c->end && *c->at == byte;
}

static bool at_digit(const struct cursor *c)
{
        return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static bool take(struct cursor *c, char byte)
{
        if (!at_byte(c, byte))
                return false;
        buf_putc(&c->out->text, byte);
        c->at++;
        return true;
}

static int scan_word(struct cursor *c, const char *word)
{
        for (const char *p = word; *p; p++)
                if (!take(c, *p))
                        return unexpected(c, "in a literal (true, false or null)");
        return 0;
}

static int scan_digits(struct cursor *c)
{
        if (!at_digit(c))
                return unexpected(c, "in numeric literal");
        while (at_digit(c))
                c->at++;
        return 0;
}

static int scan_number(struct cursor *c)
{
        const char *start = c->at;
        int r = 0;

        if (at_byte(c, '-'))
                c->at++;
        if (at_byte(c, '0'))
                c->at++;
        else
                r = scan_digits(c);
        if (r == 0 && at_byte(c, '.')) {
                c->at++;
                r = scan_digits(c);
        }
        if (r == 0 && (at_byte(c, 'e') || at_byte(c, 'E'))) {
                c->at++;
                if (at_byte(c, '+') || at_byte(c, '-'))
                        c->at++;
                r = scan_digits(c);
        }
        buf_append(&c->out->literals, start, (size_t)(c->at - start));
        buf_putc(&c->out->literals, '\0');
        buf_putc(&c->out->text, '0');
        return r;
}

/* Four hexadecimal digits at `p`; -1 when they are not. */
static int hex4(const char *p, const char *end)
{
        int value = 0;

        if (end - p < 4)
                return -1;
        for (int i = 0; i < 4; i++) {
                const char *digits = "0123456789abcdef0123456789ABCDEF", *found;

                found = p[i] ? strchr(digits, p[i]) : NULL;
                if (!found)
                        return -1;
                value = value * 16 + (int)((found - digits) % 16);
        }
        return value;
}

/* A "\uXXXX", the cursor behind the 'u'. */
static int scan_unicode_escape(struct cursor *c)
{
        int unit = hex4(c->at, c->end), low = -1;

        if (unit < 0)
                return err_text(c->err, -EINVAL, CNI_ERR_DECODE,
                                "a \\u escape must have four hexadecimal digits");
        if (unit == 0)
                return err_text(c->err, -EINVAL, CNI_ERR_DECODE,
                                "the escape \\u0000 is not accepted in a string");
        if (unit >= 0xd800 && unit < 0xdc00 && c->end - c->at >= 10 && c->at[4] == '\\' &&
            c->at[5] == 'u')
                low = hex4(c->at + 6, c->end);
        if (low >= 0xdc00 && low < 0xe000) {
                buf_append(&c->out->text, "\\u", 2);
                buf_append(&c->out->text, c->at, 10);
                c->at += 10;
        } else if (unit >= 0xd800 && unit < 0xe000) {
                buf_puts(&c->out->text, "\\ufffd"); /* a lone surrogate */
                c->at += 4;
        } else {
                buf_append(&c->out->text, "\\u", 2);
                buf_append(&c->out->text, c->at, 4);
                c->at += 4;
        }
        return 0;
}

static int scan_escape(struct cursor *c)
{
        c->at++;
        if (at_byte(c, 'u')) {
                c->at++;
                return scan_unicode_escape(c);
        }
        if (c->at == c->end || *c->at == '\0' || !strchr("\"\\/bfnrt", *c->at))
                return unexpected(c, "in string escape code");
        buf_putc(&c->out->text, '\\');
        buf_putc(&c->out->text, *c->at++);
        return 0;
}

/* The bytes up to the next one that needs a closer look: nearly all of any document. */
static size_t plain_len(const struct cursor *c)
{
        const char *p = c->at;

        while (p < c->end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
               *p != '\\')
                p++;
        return (size_t)(p - c->at);
}

static int scan_string(struct cursor *c, const char *where)
{
        int r;

        if (!take(c, '"'))
                return unexpected(c, where);
        while (!take(c, '"')) {
                size_t len;

                if (c->at == c->end || (unsigned char)*c->at < 0x20)
                        return unexpected(c, "in string literal");
                if (*c->at == '\\') {
                        r = scan_escape(c);
                        if (r < 0)
                                return r;
                        continue;
                }
                len = plain_len(c);
                if (len == 0)
                        len = utf8_len(c->at, (size_t)(c->end - c->at));
                if (len == 0)
                        buf_puts(&c->out->text, "\xef\xbf\xbd");
                else
                        buf_append(&c->out->text, c->at, len);
                c->at += len > 0 ? len : 1;
        }
        return 0;
}

static int scan_member(struct cursor *c, unsigned depth)
{
        int r = scan_string(c, "looking for beginning of object key string");

        if (r < 0)
                return r;
        skip_space(c);
        if (!take(c, ':'))
                return unexpected(c, "after object key");
        return scan_value(c, depth);
}

/* The inside of an object or a list, behind its opening bracket. */
static int scan_members(struct cursor *c, bool object, unsigned depth)
{
        char close = object ? '}' : ']';
        int r;

        if (depth > JSON_DEPTH_MAX)
                return err_text(c->err, -EINVAL, CNI_ERR_DECODE, "nested deeper than %d levels",
                                JSON_DEPTH_MAX);
        skip_space(c);
        if (take(c, close))
                return 0;
        for (;;) {
                skip_space(c);
                r = object ? scan_member(c, depth) : scan_value(c, depth);
                if (r < 0)
                        return r;
                skip_space(c);
                if (take(c, close))
                        return 0;
                if (!take(c, ','))
                        return unexpected(c, object ? "after object key:value pair"
                                                    : "after array element");
        }
}

static int scan_value(struct cursor *c, unsigned depth)
{
        skip_space(c);
        if (take(c, '{'))
                return scan_members(c, true, depth + 1);
        if (take(c, '['))
                return scan_members(c, false, depth + 1);
        if (at_byte(c, '"'))
                return scan_string(c, "");
        if (at_byte(c, 't'))
                return scan_word(c, "true");
        if (at_byte(c, 'f'))
                return scan_word(c, "false");
        if (at_byte(c, 'n'))
                return scan_word(c, "null");
        if (at_byte(c, '-') || at_digit(c))
                return scan_number(c);
        return unexpected(c, "looking for beginning of value");
}

int json_scan(const char *text, size_t len, struct json_scan *ret, struct err *err)
{
        struct cursor c = { .at = text, .end = text + len, .out = ret, .err = err };
        int r;

        /* A replaced byte grows by two; the ceilings can hold any document of `len` bytes. */
        buf_init(&ret->text, len * 3 + 16);
        buf_init(&ret->literals, len * 2 + 16);
        r = scan_value(&c, 0);
        skip_space(&c);
        if (r == 0 && c.at != c.end)
                r = unexpected(&c, "after top-level value");
        if (r == 0)
                r = buf_check(&ret->text, err);
        if (r == 0)
                r = buf_check(&ret->literals, err);
        if (r < 0)
                json_scan_done(ret);
        return r;
}

void json_scan_done(struct json_scan *scan)
{
        buf_done(&scan->text);
        buf_done(&scan->literals);
}
