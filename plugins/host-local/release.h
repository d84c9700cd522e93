/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_RELEASE_H
#define HOST_LOCAL_RELEASE_H

/*
 * Giving addresses back, and asking whether they are held: DEL, CHECK, GC and the sweep of a new
 * boot. The store is open and locked.
 */

#include <stdbool.h>

#include "core/attachment.h"
#include "core/result.h"
#include "store.h"

/* Removes every entry of the owner, those that `previous` names first; when it has none, the
 * entries of the old form with its container id. Everything that can be removed is, then the first
 * error is returned. */
int release_owner(struct store *store, const struct owner *owner,
                  const struct ipam_result *previous, struct err *err);

/* Removes those of the result's addresses that the owner holds, and no other. */
int release_addresses(struct store *store, const struct owner *owner,
                      const struct ipam_result *result, struct err *err);

/* Whether the owner holds an address: *ret_held. Changes nothing. */
int release_check(struct store *store, const struct owner *owner,
                  const struct ipam_result *previous, bool *ret_held, struct err *err);

/* Called for each entry that a collection frees (or would free). */
struct release_report {
        int (*freed)(const struct store_entry *entry, void *context, struct err *err);
        void *context;
        bool dry_run;
};

/* Removes every entry whose owner is not among the attachments, and debris. An entry of the old
 * form stays when any attachment has its container id. `report` may be NULL. */
int release_collect(struct store *store, const struct attachments *valid,
                    const struct release_report *report, struct err *err);

/* Removes every entry of an earlier boot, once a boot. */
int release_sweep(struct store *store, struct err *err);

#endif
