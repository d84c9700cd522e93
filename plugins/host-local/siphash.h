/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_SIPHASH_H
#define HOST_LOCAL_SIPHASH_H

/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a quick hash that nobody can foretell without the
 * key. No substitute for SHA-256: what it finds is to be checked. Pure.
 */

#include <stddef.h>
#include <stdint.h>

/* Of the texts with a NUL between each two. */
uint64_t siphash_fields(const uint64_t key[static 2], const char *const *fields, size_t count);

#endif
