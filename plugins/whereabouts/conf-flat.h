/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_CONF_FLAT_H
#define WHEREABOUTS_CONF_FLAT_H

/*
 * The flat file: which one counts, and its document. For conf.c alone.
 */

#include "conf.h"

struct flat {
        char *path;            /* of the file that was read; owned */
        struct json *document; /* owned */
};

void flat_done(struct flat *flat);

/* Reads the first file that exists: `first` (NULL or "": none), which may be its directory as well,
 * then the defaults. What exists and cannot be used is an error that names the path and never shows
 * content; a `first` that the trust rule refuses is one at once, without a look whether it exists.
 * CNI_ERR_INTERNAL. */
int flat_find(const char *first, const char *const *defaults, size_t count,
              const struct trust *trust, struct flat *ret, struct err *err);

/* The start of every error about the content of a flat file. */
void flat_wrap(const char *path, struct err *err);

#endif
