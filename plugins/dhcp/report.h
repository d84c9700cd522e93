/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_REPORT_H
#define DHCP_REPORT_H

/*
 * What the daemon says of itself and of its leases: the JSON that it composes (described in
 * dhcp(8); members are only ever added), and the tables that the commands make of it. Pure.
 */

#include "lease.h"

/* ---- the daemon's end ---- */

/* Writes one lease as an element of "leases". `over`: the server could not be told of its end.
 * Times of the machine become times of the world by the two clocks' present values. */
void report_lease(struct json_writer *w, const struct lease *lease, bool over, int64_t boot_ms,
                  int64_t real_ms, const char *last_error);

/* The daemon as a whole. The sums are those of the leases that it has now. */
struct report_info {
        pid_t pid;
        int64_t since_real_ms;
        const char *socket;
        bool watch_all; /* the kernel tells what happens in the containers */
        size_t connections;
        size_t leases, over;
        size_t states[LEASE_STATE_COUNT];
        uint64_t sent[MSG_RELEASE + 1], received[MSG_NAK + 1], dropped[MSG_DROP_COUNT];
        uint64_t renewals;
};

/* Adds a lease to the sums. */
void report_count(struct report_info *info, const struct lease *lease, bool over);

/* Writes the whole document. */
void report_info(const struct report_info *info, struct buf *document);

/* ---- the command's end ---- */

struct key_list {
        struct key *items; /* owned, as their texts are */
        size_t count;
};

void key_list_done(struct key_list *list);

/* Reads who has a lease from a list's document. */
int report_read_keys(const char *document, struct key_list *ret, struct err *err);

int report_list_table(const char *document, struct buf *out, struct err *err);
int report_info_table(const char *document, struct buf *out, struct err *err);

/* What `release` did. */
void report_released_json(size_t count, struct buf *out);
void report_released_line(size_t count, struct buf *out);

#endif
