/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

/*
 * Characters and white space in UTF-8 text of known length. Pure.
 */

#include <stddef.h>

/* The bytes of the valid character that starts at `text`; 0 when there is none. */
size_t utf8_len(const char *text, size_t len);

/* The bytes of the white space (Unicode's White_Space) at `text`; 0 when there is none. */
size_t utf8_space_len(const char *text, size_t len);

/* Replaces with '?' what a terminal might take for a command: control characters, and bytes that
 * are no characters. */
void utf8_make_printable(char *text);

#endif
