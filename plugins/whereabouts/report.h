/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_REPORT_H
#define WHEREABOUTS_REPORT_H

/*
 * What the sub-commands tell, as tables for people and as JSON for programs. The JSON is described
 * in whereabouts(8); members are only ever added. Pure.
 */

#include "probe.h"
#include "repair.h"

/* The pools to tell about, with what belongs to them. */
struct listing {
        const struct audit *audit; /* borrowed */
        size_t *pools;             /* owned; which of the snapshot's, in order */
        size_t count;
};

void listing_done(struct listing *listing);

/* Chooses the pools of these names, all without any. CNI_ERR_INTERNAL for one that is not there. */
int listing_choose(struct listing *listing, const struct audit *audit, const char *const *names,
                   size_t count, struct err *err);

/* How many addresses a pool's range has that can be given, at most INT64_MAX; how many of all are
 * in use, and how many of the former are not. */
struct fill {
        uint64_t size, used, free;
};
struct fill report_fill(const struct pool *pool);

void report_list_json(const struct listing *listing, struct buf *out);
int report_list_table(const struct listing *listing, struct buf *out, struct err *err);

/* `fix`: repairs were tried. */
void report_check_json(const struct inquiry *inquiry, bool fix, struct buf *out);
int report_check_table(const struct inquiry *inquiry, bool fix, struct buf *out, struct err *err);

void report_status_json(const struct probe *probe, struct buf *out);
int report_status_table(const struct probe *probe, struct buf *out, struct err *err);

#endif
