/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DHCP_JSON_TEXT_H
#define TESTS_DHCP_JSON_TEXT_H

/*
 * Values as JSON texts: what a writer writes, and what a decoder says to a text.
 */

#include "core/json.h"
#include "unit.h"

/* Hands the document to the decoder. */
static inline int decode_text(const char *text,
                              int (*decode)(const struct json_at *at, void *dst, struct err *err),
                              void *dst, struct err *err)
{
        struct json *document = NULL;
        int r;

        unit_assert_ok(json_parse(text, strlen(text), &document, err), err);
        r = decode(&(struct json_at){ .value = document }, dst, err);
        json_free(document);
        return r;
}

/* A buffer with a writer for one line. */
static inline void start_text(struct buf *buf, struct json_writer *w)
{
        buf_init(buf, 1024U * 1024U);
        json_writer_init_compact(w, buf);
}

#endif
