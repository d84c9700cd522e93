/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_RESOLV_H
#define HOST_LOCAL_RESOLV_H

/*
 * resolv.conf(5) as the dns part of a result.
 */

#include <stddef.h>

#include "core/err.h"
#include "core/result.h"

/* Reads the text of a resolv.conf. Nothing in it is validated, as with the reference plugin; a line
 * of 64 KiB or more is an error. Pure. */
int resolv_parse(const char *text, size_t len, struct dns *ret, struct err *err);

/* Reads a file, which must be a regular one. */
int resolv_read(const char *path, struct dns *ret, struct err *err);

#endif
