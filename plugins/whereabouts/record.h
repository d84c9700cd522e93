/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_RECORD_H
#define WHEREABOUTS_RECORD_H

/*
 * What this node knows of an attachment: a file per attachment, written before the first object is
 * and removed after the last one is gone. So a killed ADD can be repeated or taken back, a DEL
 * needs no search, and one that cannot reach the API server leaves the work to a later call.
 *
 * The file's name is the SHA-256 of network, container id and interface name; its text is JSON with
 * "version": 1. A file of another version is left alone. A missing record frees nothing.
 *
 * An empty file beside it, NAME.release, says that the attachment has to go. It is a file of its
 * own so that a DEL that gives up can leave it while another process is writing the record; only
 * who has removed the objects removes it.
 */

#include <stdbool.h>

#include "core/buf.h"
#include "core/ip.h"

#define RECORD_DIR "/var/lib/cni/whereabouts/att"

enum record_state {
        RECORD_ADDING, /* objects may be written at this moment */
        RECORD_HELD,   /* no request is on its way, but for those that `settled_ms` speaks of */
};

/* One address of an attachment. */
struct record_item {
        char *pool;       /* the IPPool's name */
        struct ip ip;     /* unset: whatever the container has in this pool */
        bool reservation; /* the address has a reservation object */
        bool found;       /* its entry was there already when ADD came */
};

struct record {
        enum record_state state;
        char *network, *container_id, *ifname;
        char *podref;       /* NULL: not known */
        char *network_name; /* NULL: none */
        char *lease;        /* name of the Lease that orders decisions about it; NULL: none */
        char *server, *namespace, *kubeconfig; /* which cluster, and the way to it; the first two
                                                * are "" when not known */
        /* clock_real_ms() until when a request that was sent may still be carried out: up to then
         * the removal is repeated, and the record stays. 0: none is on its way. */
        int64_t settled_ms;
        struct record_item *items; /* owned */
        size_t item_count;
};

void record_done(struct record *record);
int record_add_item(struct record *record, const char *pool, const struct ip *ip, bool reservation,
                    bool found, struct err *err);

/* Whether it is about objects in this namespace of this server. */
bool record_is_of(const struct record *record, const char *server, const char *namespace);

/* Outcome > 0. */
enum {
        RECORD_NONE = 1, /* no such record, none that can be decoded, or one of another version */
};

/* Opens the directory; makes it (0700) with its parents if `create`. RECORD_NONE without. */
int record_open(const char *path, bool create, int *ret_dirfd, struct err *err);

int record_read(int dirfd, const char *network, const char *container_id, const char *ifname,
                struct record *ret, struct err *err);

/* Puts files in place, each whole or not at all; each attachment once. `durable`: they survive a
 * power cut once it returns; many cost little more than one. */
int record_write(int dirfd, const struct record *const *records, size_t count, bool durable,
                 struct err *err);

/* Marks the attachment as one that has to go; it may be marked already. In doubt it is marked. */
int record_mark(int dirfd, const struct record *record, bool durable, struct err *err);
int record_unmark(int dirfd, const struct record *record, struct err *err);
bool record_is_marked(int dirfd, const struct record *record);

/* Removes the record's file, then the mark; missing ones are fine. */
int record_remove(int dirfd, const struct record *record, struct err *err);

/* Calls `each` for every record that can be read, in no order, until it returns non-zero; that is
 * then returned. A file that cannot be decoded is passed over. It may remove the record it was
 * called with. `marked`: only for those that have to go, at the cost of looking at just these; a
 * mark without a record is removed. */
int record_each(int dirfd, bool marked, int (*each)(const struct record *record, void *context),
                void *context, struct err *err);

/* The text of a record, and back; pure. RECORD_NONE for another version. CNI_ERR_DECODE for one
 * that makes no sense, in both directions: what could not be read again is not written. */
int record_encode(const struct record *record, struct buf *buf, struct err *err);
int record_decode(const char *text, size_t len, struct record *ret, struct err *err);

#endif
