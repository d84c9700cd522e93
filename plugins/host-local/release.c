/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removal never stops at an error: what can be freed is freed, then the first error is told.
 */
#include "release.h"

#include <string.h>

/* ---- DEL and CHECK ---- */

/* A pass over the directory on behalf of an owner. */
struct search {
        struct store *store;
        const struct owner *owner;
        bool remove;     /* DEL */
        bool legacy;     /* look for the old form */
        size_t found;    /* entries of the owner */
        size_t old_form; /* entries of the old form with its id */
        int failed;      /* the first error, which is in first_err */
        struct err first_err;
};

static void note_failure(struct search *search, int r, const struct err *err)
{
        if (r < 0 && search->failed == 0) {
                search->failed = r;
                search->first_err = *err;
        }
}

static void note_unreadable(struct search *search, const struct store_entry *entry)
{
        struct err err;

        note_failure(search,
                     err_set(&err, -entry->error, CNI_ERR_IO, "read %s/%s", search->store->path,
                             entry->name),
                     &err);
}

/* Returns whether the entry is gone. */
static bool remove_entry(struct search *search, const struct store_entry *entry)
{
        struct err err;
        int r = store_remove(search->store, &entry->ip, &entry->owner, &err);

        note_failure(search, r, &err);
        return r == 0;
}

static int search_entry(const struct store_entry *entry, void *context, _unused_ struct err *err)
{
        struct search *search = context;
        bool match;

        /* It may be the owner's: a DEL that succeeded without it would leak it for good. */
        if (entry->state == ENTRY_UNREADABLE && entry->error != EFBIG)
                note_unreadable(search, entry);
        if (entry->state == ENTRY_UNREADABLE)
                return 0;
        if (entry->state == ENTRY_EMPTY) {
                if (entry->debris && search->remove)
                        remove_entry(search, entry);
                return 0;
        }
        if (entry->state == ENTRY_STALE && !search->remove)
                return 0; /* anybody may get it */
        match = owner_is(&entry->owner, search->owner);
        search->found += match;
        search->old_form += owner_is_legacy(&entry->owner, search->owner);
        if (search->legacy)
                match = owner_is_legacy(&entry->owner, search->owner);
        if (match && search->remove)
                remove_entry(search, entry);
        return 0;
}

/* The addresses that the caller remembers, before the directory is read. */
static void search_previous(struct search *search, const struct ipam_result *previous)
{
        char text[STORE_OWNER_MAX];
        struct store_entry entry;

        for (size_t i = 0; i < previous->ip_count; i++) {
                const struct ip *ip = &previous->ips[i].address.ip;

                if (!store_look(search->store, ip, text, &entry) ||
                    !owner_is(&entry.owner, search->owner) ||
                    (entry.state == ENTRY_STALE && !search->remove))
                        continue;
                search->found++;
                if (search->remove)
                        remove_entry(search, &entry);
        }
}

/* Passes the first failure of the search on, when nothing worse has happened. */
static int end_search(const struct search *search, int r, struct err *err)
{
        if (r < 0 || search->failed == 0)
                return r;
        *err = search->first_err;
        return search->failed;
}

int release_addresses(struct store *store, const struct owner *owner,
                      const struct ipam_result *result, struct err *err)
{
        struct search search = { .store = store, .owner = owner, .remove = true };

        search_previous(&search, result);
        return end_search(&search, 0, err);
}

int release_owner(struct store *store, const struct owner *owner,
                  const struct ipam_result *previous, struct err *err)
{
        struct search search = { .store = store, .owner = owner, .remove = true };
        int r;

        search_previous(&search, previous);
        r = store_find(store, 0, owner, search_entry, &search, err);
        if (r == 0 && search.found == 0 && search.old_form > 0) {
                search.legacy = true;
                r = store_find(store, 0, owner, search_entry, &search, err);
        }
        return end_search(&search, r, err);
}

int release_check(struct store *store, const struct owner *owner,
                  const struct ipam_result *previous, bool *ret_held, struct err *err)
{
        struct search search = { .store = store, .owner = owner };
        int r = 0;

        search_previous(&search, previous);
        if (search.found == 0)
                r = store_find(store, STORE_BOOT, owner, search_entry, &search, err);
        /* A container that loses its network for it is worth a second look. */
        if (r == 0 && search.found + search.old_form == 0 && store_distrust_index(store))
                r = store_find(store, STORE_BOOT, owner, search_entry, &search, err);
        *ret_held = search.found + search.old_form > 0;
        return r;
}

/* ---- GC and the sweep ---- */

struct collection {
        struct search search;            /* for its failures */
        const struct attachments *valid; /* NULL: a sweep */
        const struct release_report *report;
};

static bool is_garbage(const struct collection *collection, const struct store_entry *entry)
{
        if (entry->state == ENTRY_EMPTY)
                return entry->debris;
        return collection->valid ? !attachments_have(collection->valid, entry->owner.container_id,
                                                     entry->owner.ifname)
                                 : entry->state == ENTRY_STALE;
}

static int collect_entry(const struct store_entry *entry, void *context, struct err *err)
{
        struct collection *collection = context;
        const struct release_report *report = collection->report;

        if (entry->state == ENTRY_UNREADABLE) {
                note_unreadable(&collection->search, entry);
                return 0;
        }
        if (!is_garbage(collection, entry))
                return 0;
        if (!(report && report->dry_run) && !remove_entry(&collection->search, entry))
                return 0;
        return report ? report->freed(entry, report->context, err) : 0;
}

static int collect(struct store *store, unsigned flags, struct collection *collection,
                   struct err *err)
{
        int r = store_scan(store, flags, collect_entry, collection, err);

        return end_search(&collection->search, r, err);
}

int release_collect(struct store *store, const struct attachments *valid,
                    const struct release_report *report, struct err *err)
{
        struct collection collection = { .search.store = store, .valid = valid, .report = report };

        (void)store_distrust_index(store); /* whatever may be wrong with it ends here */
        return collect(store, 0, &collection, err);
}

int release_sweep(struct store *store, struct err *err)
{
        struct collection collection = { .search.store = store };
        int r;

        if (!store_needs_sweep(store))
                return 0;
        r = collect(store, STORE_BOOT, &collection, err);
        if (r == 0)
                store_mark_swept(store);
        return r;
}
