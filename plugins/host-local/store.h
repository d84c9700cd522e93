/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_STORE_H
#define HOST_LOCAL_STORE_H

/*
 * The network's directory: the only module that changes anything on the disk.
 *
 * Names and contents are those of the reference plugin, which may use the same directory at the
 * same time: a file per address, named by its text, with "CONTAINER-ID\r\nIFNAME" in it (only the
 * id in files older than 2018); `last_reserved_ip.N`, the address given last from range set N;
 * `lock`, whose flock(2) everybody holds while changing anything.
 *
 * Only regular files named by the canonical text of an address count. No symlink is followed below
 * the directory, and no FIFO is waited for.
 */

#include <time.h>

#include "boot.h"
#include "core/err.h"
#include "core/ip.h"
#include "index.h"

/* How long a call waits for the lock. */
#define STORE_LOCK_WAIT_MS 60000U

/* An owner is at most this long; no runtime comes near. */
#define STORE_OWNER_MAX 4096U

/* Outcomes > 0. */
enum {
        STORE_ABSENT = 1, /* store_open(): there is no such directory */
        STORE_TAKEN = 2,  /* store_create(): the address has a file */
};

struct store {
        int dirfd;        /* -1: not open */
        int lockfd;       /* -1: not locked */
        const char *path; /* borrowed; for messages */
        time_t now_s;     /* when it was opened, behind the wait for the lock */
        struct boot boot;
        struct index index;
};
#define STORE_CLOSED ((struct store){ .dirfd = -1, .lockfd = -1, .index = INDEX_OFF })

/* Who holds an address. ifname is "" in a file of the old form. */
struct owner {
        const char *container_id, *ifname;
};

enum entry_state {
        ENTRY_HELD,
        ENTRY_STALE, /* of an earlier boot */
        ENTRY_EMPTY, /* created, but never written */
        ENTRY_UNREADABLE,
};

struct store_entry {
        struct ip ip;
        char name[IP_TEXT_MAX];
        struct owner owner; /* borrowed during the visit */
        enum entry_state state;
        int error;             /* errno, for ENTRY_UNREADABLE; EFBIG: an owner that does not fit */
        bool debris;           /* empty for so long that its creator is gone */
        struct timespec mtime; /* only with STORE_DETAILS */
};

enum store_open_flags {
        STORE_CREATE = 1,  /* make the directory where it is missing */
        STORE_NO_LOCK = 2, /* only look */
        STORE_INDEX = 4,   /* find owners by the index; only with the lock */
};

enum store_scan_flags {
        STORE_BOOT = 1,    /* tell held from stale */
        STORE_DETAILS = 2, /* fill mtime */
};

/* Opens and locks a network's directory. Returns 0, STORE_ABSENT (only without STORE_CREATE), or an
 * error; CNI_ERR_TRY_LATER when the lock could not be had in STORE_LOCK_WAIT_MS. */
int store_open(const char *path, unsigned flags, struct store *ret, struct err *err);
void store_close(struct store *store);

/* Whether store_open() would work, without changing or waiting for anything. */
int store_probe(const char *path, struct err *err);

/* Makes the file of an address. Returns 0, STORE_TAKEN, or an error with nothing left. */
int store_create(struct store *store, const struct ip *ip, const struct owner *owner,
                 struct err *err);

/* Whether the lock is still the one that everybody else takes: an error when it, or the directory,
 * was deleted since. To be asked before something is removed that is not the caller's own. */
int store_check_current(const struct store *store, struct err *err);

/* Removes the file of an address. One that is gone is success. `owner` is whom the file names; NULL
 * when the caller does not know. */
int store_remove(struct store *store, const struct ip *ip, const struct owner *owner,
                 struct err *err);

/* Looks at one address: its entry into *ret, whose owner lies in `text`. Returns false when there
 * is no such file. */
bool store_look(const struct store *store, const struct ip *ip, char text[static STORE_OWNER_MAX],
                struct store_entry *ret);

/* Calls `visit` for each entry, in no particular order; it may remove the entry. A file that
 * vanishes meanwhile is passed over. A negative number from `visit` ends the scan and is returned.
 */
int store_scan(struct store *store, unsigned flags,
               int (*visit)(const struct store_entry *entry, void *context, struct err *err),
               void *context, struct err *err);

/* The same for the entries of an owner, those of the old form with its container id, and those that
 * are empty or unreadable; others may be among them, and an entry may come twice. Costs no scan
 * while the index is valid. */
int store_find(struct store *store, unsigned flags, const struct owner *owner,
               int (*visit)(const struct store_entry *entry, void *context, struct err *err),
               void *context, struct err *err);

/* The next store_find() reads all files. Returns whether it would not have done so anyway. */
bool store_distrust_index(struct store *store);

/* The addresses that have a file, whatever is in it; sorted. The array is the caller's. */
int store_list(struct store *store, struct ip **ret_ips, size_t *ret_count, struct err *err);

/* The address given last from a range set; unset when there is none or it is no address. The error
 * is for a file that is there and cannot be read. */
int store_read_cursor(const struct store *store, size_t set, struct ip *ret, struct err *err);
/* An unset address removes the cursor. */
int store_write_cursor(struct store *store, size_t set, const struct ip *ip, struct err *err);

/* The first sweep of a boot: whether it is still to be done, and that it has been. */
bool store_needs_sweep(const struct store *store);
void store_mark_swept(struct store *store);

/* Whether the entry belongs to the owner: exactly, or by its old form. */
bool owner_is(const struct owner *owner, const struct owner *wanted);
bool owner_is_legacy(const struct owner *owner, const struct owner *wanted);

#endif
