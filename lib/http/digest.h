/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_DIGEST_H
#define HTTP_DIGEST_H

/*
 * SHA-256 of a list of fields, as the name of a file; random names. By OpenSSL.
 */

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

#define DIGEST_TEXT_MAX 65

/* Makes OpenSSL usable, once or again, and tells it that it has no configuration file: the host's
 * could load modules into this process. The others here do it themselves. */
int digest_initialise(struct err *err);

/* Lower-case hex SHA-256 of the texts with a NUL between each two. */
int digest_fields(const char *const *fields, size_t count, char ret[static DIGEST_TEXT_MAX],
                  struct err *err);

/* A number that nobody can foretell. */
int digest_random(uint64_t *ret, struct err *err);

/* One below `span`, so that several who wait do not do so in step; 0 where chance fails. */
uint64_t digest_jitter(uint64_t span);

#endif
