/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_STATE_H
#define DHCP_STATE_H

/*
 * The daemon's directory: SOCKET.d/, mode 0700. NAME.json is a record, NAME.del says that the
 * attachment has to go (a DEL that no daemon answered leaves it), `lock` belongs to the daemon
 * whose directory it is. NAME is key_name().
 */

#include <sys/types.h>

#include "core/trust.h"
#include "record.h"

/* Outcomes > 0. */
enum {
        STATE_LOCKED = 1, /* another daemon has it */
        STATE_NONE,       /* no such directory, record or mark */
};

/* Makes the directory and its parents if need be and takes its lock, without waiting. It must
 * belong to us, be nobody else's to look into (0700) and no symlink. The descriptors belong to the
 * caller; closing ret_lock gives the lock back.
 * A directory for the socket that has to be made gets `mode`. */
int state_open(const char *socket_path, mode_t mode, int *ret_dirfd, int *ret_lock,
               struct err *err);

/* Puts a record in place, whole or not at all. It survives the daemon, and need not survive a power
 * cut: that ends the namespace that it is about. */
int state_save(int dirfd, const struct record *record, const char *boot_id, struct err *err);
/* Takes record and mark away; absent ones are fine. The record goes first: a mark alone means
 * nothing, a record alone would live again. */
int state_remove(int dirfd, const struct key *key, struct err *err);
bool state_is_marked(int dirfd, const struct key *key);
int state_set_mark(int dirfd, const struct key *key, struct err *err);

/* For a DEL without daemon: marks the attachment in SOCKET.d. The directory that the socket lies in
 * must pass the trust walk. STATE_NONE: no daemon has ever been there, so nothing is to be marked.
 */
int state_mark(const struct trust *trust, const char *socket_path, const struct key *key,
               struct err *err);

/* Calls `each` for every record of this boot; it may take what the record owns, and save or remove
 * records, this one or others. Records of another boot and marks without a record are removed; what
 * cannot be read goes aside (NAME.bad) and is told through `warn`; another version stays where it
 * is and is told. */
int state_load(int dirfd, const char *boot_id,
               int (*each)(void *user, struct record *record, struct err *err),
               void (*warn)(const char *text), void *user, struct err *err);

/* The kernel's boot id. */
#define BOOT_ID_MAX 64
int state_boot_id(char id[static BOOT_ID_MAX], struct err *err);

#endif
