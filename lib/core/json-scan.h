/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JSON_SCAN_H
#define CORE_JSON_SCAN_H

/*
 * The strict scan in front of cJSON; for json.c alone.
 */

#include "core/buf.h"

struct json_scan {
        struct buf text;     /* the document in a form that cJSON reads the way we do: numbers are
                              * replaced by 0, invalid UTF-8 by U+FFFD */
        struct buf literals; /* the numbers as they were written, in order, each with its NUL */
};

/* Checks the whole document. Returns 0 and the two texts, or an error with the reason. */
int json_scan(const char *text, size_t len, struct json_scan *ret, struct err *err);
void json_scan_done(struct json_scan *scan);

#endif
