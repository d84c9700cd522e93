/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_BUF_H
#define CORE_BUF_H

/*
 * A growing text with a ceiling, and numbers from text.
 *
 * Appending never fails at once: the first failure sticks, later appends do nothing, and
 * buf_check() tells at the end. So the code that composes a text has one check, not fifty.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct buf {
        char *text;     /* NUL-terminated once anything was appended; owned */
        size_t len;     /* without the NUL */
        size_t size;    /* allocated */
        size_t ceiling; /* the most that `len` may become */
        int failed;     /* 0, -ENOMEM or -EFBIG */
};

void buf_init(struct buf *buf, size_t ceiling);
void buf_done(struct buf *buf);

void buf_append(struct buf *buf, const void *bytes, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *fmt, ...) _printf_(2, 3);

/* 0, or the first failure of an append with `err` filled. */
int buf_check(const struct buf *buf, struct err *err);

/* The text; "" while there is none. Borrowed until the next append. */
const char *buf_text(const struct buf *buf);

/* Reads a decimal integer that fills the whole of `text`: an optional '-' and digits, nothing else.
 * Returns 0, -EINVAL (not that form) or -ERANGE (outside min..max); *ret is set only with 0. */
int parse_i64(const char *text, int64_t min, int64_t max, int64_t *ret);

/* As parse_i64(), for `len` bytes of digits without a sign. */
int parse_u64(const char *text, size_t len, uint64_t max, uint64_t *ret);

#endif
