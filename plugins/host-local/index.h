/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_INDEX_H
#define HOST_LOCAL_INDEX_H

/*
 * Which addresses an owner holds, without reading every address file: a cache, and no more.
 *
 * A file per network directory, named by its device and inode, in /run/cni-ipam/host-local. It may
 * only *find*: what it names is to be verified by the content of the address file. Nothing in it
 * tells which addresses are taken; creating the file does.
 *
 * "This owner holds nothing" is believed while the directory carries our signature. After each
 * change of ours, still under the lock, the directory's mtime is set to a random moment of the past
 * second, and what fstat(2) tells then, mtime and ctime, is stored. The index is valid while both
 * are what was stored: whoever makes or removes a file sets the mtime to his own time, and whoever
 * sets it back changes the ctime. The random part matters because there may be two of us with
 * different /run. Between two signatures the times are looked at before and after each change of
 * ours. So what signing erases is the trace of somebody who ignored the lock in the very moment of
 * a change of ours, or in the same tick of the clock (up to Linux 6.12).
 *
 * No function fails. Whatever goes wrong, the index is off for the call: then all files are read.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "boot.h"
#include "core/ip.h"

#define INDEX_BASE "/run"

/* The most addresses that index_find() finds. */
#define INDEX_FOUND_MAX 128

struct index_slot;

/* The beginning of the file, as it stands there. */
struct index_header {
        char magic[16];
        uint64_t dev, ino; /* of the directory */
        char boot[BOOT_ID_SIZE];
        uint8_t valid; /* 0 while something is being changed */
        uint32_t buckets;
        uint64_t salt[2];                             /* keeps owners from choosing their bucket */
        int64_t mtime_s, mtime_ns, ctime_s, ctime_ns; /* of the directory, as we left it */
};

struct index {
        int fd;         /* -1: off */
        int dirfd;      /* the network's directory; borrowed */
        bool valid;     /* the slots tell what the directory holds */
        bool stored;    /* the file's header says so */
        bool is_signed; /* the directory's mtime is a signature */
        time_t now_s;
        struct index_header header;
        struct index_slot *built; /* while it is being rebuilt; owned */
        size_t built_count, built_size;
};
#define INDEX_OFF ((struct index){ .fd = -1, .dirfd = -1 })

/* Opens the index of a directory whose lock the caller holds, in `base`/cni-ipam/host-local. */
void index_open(struct index *index, const char *base, int dirfd, const struct boot *boot,
                time_t now_s);

/* Signs the directory if it was changed. The lock must still be held. */
void index_close(struct index *index);

/* Whether index_find() can tell. */
bool index_is_valid(const struct index *index);

/* Whether index_close() will vouch for changes of this call. */
bool index_is_unsaved(const struct index *index);

/* From here on, and for later calls, the index is not valid. */
void index_distrust(struct index *index);

/* The addresses of exactly this owner, at most INDEX_FOUND_MAX. Returns their number, or -1 when
 * the index cannot tell. */
int index_find(struct index *index, const char *container_id, const char *ifname, struct ip *ret);

/* To be called right before the directory is changed, and right after it. */
void index_before_change(struct index *index);
void index_after_change(struct index *index);

/* What the change was. The removal of what the index does not know makes it invalid. */
void index_add(struct index *index, const char *container_id, const char *ifname,
               const struct ip *ip);
void index_remove(struct index *index, const char *container_id, const char *ifname,
                  const struct ip *ip);

/* Rebuilding: start, each entry, end. start returns false where there can be no index. The
 * directory may not be changed meanwhile; when somebody else did, or the entries are not complete,
 * there is no index. */
bool index_build_start(struct index *index);
void index_build_note(struct index *index, const char *container_id, const char *ifname,
                      const struct ip *ip);
void index_build_end(struct index *index, bool complete);

#endif
