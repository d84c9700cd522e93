/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

/*
 * An error of the suite: a CNI error code, a message that names the thing, optional details.
 *
 * It lives on the caller's stack and never allocates, so running out of memory can be reported like
 * anything else. Functions that take a `struct err *` return 0 (done), a negative errno-like number
 * with the error filled, or a positive outcome that their header names.
 */

#include "core/util.h"

/* Codes of the CNI specification 1.1.0, section "Error"; 8 and 999 come from its library. */
enum err_code {
        CNI_ERR_VERSION = 1,
        CNI_ERR_UNKNOWN_CONTAINER = 3,
        CNI_ERR_ENVIRONMENT = 4,
        CNI_ERR_IO = 5,
        CNI_ERR_DECODE = 6,
        CNI_ERR_CONFIG = 7,
        CNI_ERR_NETNS = 8,
        CNI_ERR_TRY_LATER = 11,
        CNI_ERR_NOT_AVAILABLE = 50,
        CNI_ERR_INTERNAL = 999,
};

struct err {
        int code;           /* enum err_code */
        char msg[2048];     /* NUL-terminated; cut at a character when longer */
        char details[1024]; /* "" for none */
};

/* Says which system call on which thing failed: the text of errno `-r` is appended as ": text".
 * Returns r, which must be negative. */
int err_set(struct err *err, int r, enum err_code code, const char *fmt, ...) _printf_(4, 5);

/* As err_set() with the message just as it is given. */
int err_text(struct err *err, int r, enum err_code code, const char *fmt, ...) _printf_(4, 5);

/* Running out of memory, which is an ordinary error: always -ENOMEM. */
int err_oom(struct err *err);

/* Puts text in front of the message that is there. */
void err_wrap(struct err *err, const char *fmt, ...) _printf_(2, 3);

/* Sets the details, in place of those that are there. */
void err_details(struct err *err, const char *fmt, ...) _printf_(2, 3);

/* The text of an errno number (positive), in lower case and the same with every libc for those that
 * people meet. The string is constant. */
const char *err_errno_text(int number);

#endif
