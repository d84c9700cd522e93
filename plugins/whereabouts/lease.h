/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_LEASE_H
#define WHEREABOUTS_LEASE_H

/*
 * The Lease object of client-go's leader election, as a value. Pure.
 *
 * Other programs wait for the same Lease, so its members and their format are theirs.
 */

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/json.h"

/* The name of the one that everybody takes, but for those who work on a node's slice. */
#define LEASE_NAME "whereabouts"

struct lease {
        char *resource_version; /* NULL: the object does not exist */
        char *holder;           /* "": nobody */
        int64_t duration_s;
        int64_t transitions;
        char *acquire_time, *renew_time; /* as written; "" when absent */
};

void lease_done(struct lease *lease);
int lease_parse(const char *text, size_t len, struct lease *ret, struct err *err);

/* The object's text. now_us: microseconds since 1970, written as acquire time when the holder
 * changes and always as renew time. */
void lease_write(struct buf *buf, const char *name, const char *namespace,
                 const struct lease *lease, const char *holder, int64_t duration_s, int64_t now_us);

/* "2026-11-23T22:25:37.426888Z" */
#define LEASE_TIME_MAX 32
void lease_format_time(int64_t time_us, char text[static LEASE_TIME_MAX]);

#endif
