/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_RESERVATION_H
#define HOST_LOCAL_RESERVATION_H

/*
 * Making the reservations of one ADD: all range sets or none.
 *
 * The store is open and locked from the first look to the last write, so nobody sees a half-made
 * attachment, and a failure takes back what this call made and nothing else.
 */

#include "conf.h"
#include "core/result.h"
#include "store.h"

/* Called for what a person should read though the call goes on. */
struct reservation_log {
        void (*warn)(const char *text);
};

/* Reserves an address of each set for the owner and appends them to ret->ips, in the order of the
 * sets. Errors have the reference plugin's texts; after one, the directory holds no more than
 * before and no cursor has moved. */
int reservation_make(struct store *store, const struct conf *conf, const struct owner *owner,
                     const struct reservation_log *log, struct ipam_result *ret, struct err *err);

#endif
