/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_SHA256_H
#define CORE_SHA256_H

/*
 * SHA-256 (FIPS 180-4), for names and identifiers. Written here because what links libc alone must
 * not load a cryptographic library for it. Pure.
 */

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE     32
#define SHA256_TEXT_MAX 65

void sha256(const void *bytes, size_t len, uint8_t ret[static SHA256_SIZE]);

/* Of the texts with a NUL between each two. */
void sha256_fields(const char *const *fields, size_t count, uint8_t ret[static SHA256_SIZE]);

/* The same in lower-case hex. */
void sha256_fields_hex(const char *const *fields, size_t count, char hex[static SHA256_TEXT_MAX]);

#endif
