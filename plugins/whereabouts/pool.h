/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_POOL_H
#define WHEREABOUTS_POOL_H

/*
 * IPPool objects: their names, what stands in one, and the patches that change it. Pure.
 *
 * The pool is shared with other programs. So only an entry of our own is ever patched, under tests
 * of what was read; entries that cannot be decoded are taken addresses of which nothing more is
 * known, and stay. No entry is written that other programs would read as another address.
 */

#include <stdbool.h>

#include "core/buf.h"
#include "core/ip.h"
#include "core/json.h"

#define POOL_TEXT_MAX (64U * 1024U * 1024U) /* of an object that is read */

/* One entry of spec.allocations. Texts are borrowed from the pool; never NULL but for ifname. An
 * entry without a proper id and podref has empty ones: its address is taken, and that is all. Two
 * keys may be the same address. */
struct pool_entry {
        const char *key; /* as it stands there, such as "007" */
        struct ip ip;
        const char *id, *podref;
        const char *ifname; /* NULL: written by a release that had none */
};

struct pool {
        char *name;
        char *resource_version;
        struct ipnet range;         /* spec.range with its host bits: offsets count from them */
        bool tracked;               /* the object carries managedFields that are more than [{}] */
        struct pool_entry *entries; /* owned; those that can be decoded, ascending by address */
        size_t count;
        struct json *document; /* owned; what the texts are borrowed from */
};

void pool_done(struct pool *pool);

/* Reads an IPPool object. The error names the pool. */
int pool_parse(const char *text, size_t len, struct pool *ret, struct err *err);

/* Reads an IPPoolList, for those who show or repair. */
struct pool_list {
        struct pool
                *items; /* owned; one whose range is no network has an unset range and no entries */
        size_t count;
        struct json *document; /* owned; the items have none, their texts are borrowed from here */
};

void pool_list_done(struct pool_list *list);
int pool_list_parse(const char *text, size_t len, struct pool_list *ret, struct err *err);

/* Appends the name of the pool of a network: [NETWORK_NAME-][NODE-]CIDR; NULL for a part that is
 * not there. */
void pool_name(struct buf *buf, const char *network_name, const char *node,
               const struct ipnet *net);

/* The first entry of the address, or NULL. */
const struct pool_entry *pool_find_ip(const struct pool *pool, const struct ip *ip);

/* The next entry of the pod's interface behind `after` (NULL: the first), by address. podref or
 * ifname NULL matches any; an entry without ifname matches only that. */
const struct pool_entry *pool_find_pod(const struct pool *pool, const char *podref,
                                       const char *ifname, const struct pool_entry *after);

/* The next entry of the container behind `after` (NULL: the first). An entry without ifname
 * matches by its id alone, if the container has just that one without ifname. */
const struct pool_entry *pool_find_container(const struct pool *pool, const char *id,
                                             const char *ifname, const struct pool_entry *after);

/* The decimal key of an address in this pool. CNI_ERR_INTERNAL for one that other programs would
 * read as another address or not at all: below the base, 2^32-1 and more for IPv4, 2^63 and more or
 * outside of the low 64 bits for IPv6. */
int pool_key(const struct ipnet *range, const struct ip *ip, char ret[static 24], struct err *err);

/* The body that creates an empty pool. */
void pool_write_new(struct buf *buf, const char *name, const struct ipnet *range);

/* ---- patches: JSON Patch (RFC 6902), composed operation by operation ---- */

struct pool_patch {
        struct buf tests, operations;
        size_t count; /* of operations */
};

void pool_patch_init(struct pool_patch *patch);
void pool_patch_done(struct pool_patch *patch);

/* A new entry where none may be. */
void pool_patch_add(struct pool_patch *patch, const char *key, const char *id, const char *podref,
                    const char *ifname);
/* Another container's id in the entry of the same pod and interface. */
void pool_patch_replace_id(struct pool_patch *patch, const struct pool_entry *entry,
                           const char *id);
void pool_patch_remove(struct pool_patch *patch, const struct pool_entry *entry);

/* Writes the whole: the test of the pool's resourceVersion, the tests, the end of managedFields if
 * the pool is tracked, the operations. */
int pool_patch_write(const struct pool_patch *patch, const struct pool *pool, struct buf *buf,
                     struct err *err);

#endif
