/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One ADD. First everything that can be known to fail, then the address files, then the cursors.
 *
 * An address that has a file can still be had when nobody alive holds it: an empty file, or one of
 * an earlier boot. That is done only when it is asked for by name, when the set is exhausted
 * without it, or when the owner is the same. It is removed and created anew, so that a kill in
 * between leaves a free address.
 */
#include "reservation.h"

#include <string.h>

#include "alloc.h"

#define PROBES_MAX 64U

/* What belongs to one range set. An unset address: nothing. */
struct part {
        const struct range_set *set;
        const struct ip *requested; /* NULL: any address will do */
        struct ip own;              /* what the owner holds already */
        struct ip own_stale;        /* what the owner held in an earlier boot */
        struct ip made;             /* what this call made */
        struct ip cursor;           /* what the cursor was */
};

/* The call's state. */
struct making {
        struct store *store;
        const struct owner *owner;
        const struct reservation_log *log;
        struct part *parts; /* one per range set */
        size_t count;
};

static int in_set(struct err *err, size_t set, int r)
{
        err_wrap(err, "failed to allocate for range %zu: ", set);
        return r;
}

/* ---- before anything is made ---- */

static bool is_gateway(const struct part *part, const struct ip *ip)
{
        return ip_equal(&range_set_find(part->set, ip)->gateway, ip);
}

static int check_gateways(const struct making *making, struct err *err)
{
        char text[IP_TEXT_MAX];

        for (size_t i = 0; i < making->count; i++) {
                const struct part *part = &making->parts[i];

                if (part->requested && is_gateway(part, part->requested))
                        return in_set(err, i,
                                      err_text(err, -EADDRNOTAVAIL, CNI_ERR_INTERNAL,
                                               "requested ip %s is subnet's gateway",
                                               ip_format(part->requested, text)));
        }
        return 0;
}

/* Gives each set the first request that lies in it. One that no set takes cannot be met. */
static int assign_requests(struct making *making, const struct ip_list *requested, struct err *err)
{
        _cleanup_(buf_done) struct buf rest;
        char text[IP_TEXT_MAX];
        size_t unmet = 0;
        int r;

        buf_init(&rest, sizeof(err->msg));
        for (size_t i = 0; i < requested->count; i++) {
                const struct ip *ip = &requested->items[i];
                size_t p = 0;

                while (p < making->count &&
                       (making->parts[p].requested || !range_set_find(making->parts[p].set, ip)))
                        p++;
                unmet += p == making->count;
                if (p < making->count)
                        making->parts[p].requested = ip;
                else
                        buf_printf(&rest, " %s", ip_format(ip, text));
        }
        r = check_gateways(making, err);
        if (r == 0 && unmet > 0)
                r = err_text(err, -EADDRNOTAVAIL, CNI_ERR_INTERNAL,
                             "failed to allocate all requested IPs:%s", buf_text(&rest));
        return r;
}

/* Whether the address' file holds nobody alive. */
static bool is_reusable(const struct making *making, const struct ip *ip)
{
        char text[STORE_OWNER_MAX];
        struct store_entry entry;

        return store_look(making->store, ip, text, &entry) && entry.state != ENTRY_HELD;
}

/* Of several addresses, the one whose name comes first in byte order is told. */
static void note_first(struct ip *noted, const struct store_entry *entry)
{
        char text[IP_TEXT_MAX];

        if (noted->family == IP_UNSET || strcmp(entry->name, ip_format(noted, text)) < 0)
                *noted = entry->ip;
}

/* The pass over the directory that finds what the owner has. */
static int survey_entry(const struct store_entry *entry, void *context, struct err *err)
{
        struct making *making = context;
        bool stale;

        /* A file that cannot be removed or read keeps its address; that is no reason to fail. */
        if (entry->debris)
                (void)store_remove(making->store, &entry->ip, &entry->owner, err);
        if (entry->state != ENTRY_HELD || (!owner_is(&entry->owner, making->owner) &&
                                           !owner_is_legacy(&entry->owner, making->owner)))
                return 0;
        stale = is_reusable(making, &entry->ip);
        for (size_t i = 0; i < making->count; i++) {
                struct part *part = &making->parts[i];

                if (!range_set_find(part->set, &entry->ip))
                        continue;
                if (!stale)
                        note_first(&part->own, entry);
                else if (!is_gateway(part, &entry->ip))
                        note_first(&part->own_stale, entry);
        }
        return 0;
}

static bool has_duplicate(const struct making *making)
{
        for (size_t i = 0; i < making->count; i++)
                if (!making->parts[i].requested && making->parts[i].own.family != IP_UNSET)
                        return true;
        return false;
}

/* Finds out what the owner has. An error is worth a second look. */
static int survey(struct making *making, struct err *err)
{
        int r = store_find(making->store, 0, making->owner, survey_entry, making, err);

        if (r < 0 || !has_duplicate(making) || !store_distrust_index(making->store))
                return r;
        for (size_t i = 0; i < making->count; i++)
                making->parts[i].own = making->parts[i].own_stale = (struct ip){ 0 };
        return store_find(making->store, 0, making->owner, survey_entry, making, err);
}

static int duplicate_error(const struct ip *ip, const struct owner *owner, struct err *err)
{
        char text[IP_TEXT_MAX];

        return err_text(err, -EEXIST, CNI_ERR_INTERNAL,
                        "%s has been allocated to %s, duplicate allocation is not allowed",
                        ip_format(ip, text), owner->container_id);
}

/* ---- one address ---- */

/* Makes the file and notes it for the way back. Returns 0, STORE_TAKEN, or an error. */
static int make(struct making *making, struct part *part, const struct ip *ip, struct err *err)
{
        int r = store_create(making->store, ip, making->owner, err);

        if (r == 0)
                part->made = *ip;
        return r;
}

/* Removes what is there and makes the file anew. */
static int remake(struct making *making, struct part *part, const struct ip *ip, struct err *err)
{
        int r = store_check_current(making->store, err);

        if (r == 0)
                r = store_remove(making->store, ip, NULL, err);
        return r < 0 ? r : make(making, part, ip, err);
}

static int make_requested(struct making *making, struct part *part, struct err *err)
{
        const struct ip *ip = part->requested;
        _cleanup_(buf_done) struct buf ranges;
        char text[IP_TEXT_MAX];
        int r = make(making, part, ip, err);

        buf_init(&ranges, sizeof(err->msg));
        if (r == STORE_TAKEN && is_reusable(making, ip))
                r = remake(making, part, ip, err);
        if (r != STORE_TAKEN)
                return r;
        range_set_format(part->set, &ranges);
        return err_text(err, -EADDRINUSE, CNI_ERR_INTERNAL,
                        "requested IP address %s is not available in range set %s",
                        ip_format(ip, text), buf_text(&ranges));
}

/* Tries the addresses behind the cursor: the first ones by creating them, the rest, when those were
 * all taken, against a listing. Returns 0, STORE_TAKEN (all are), or an error. */
static int make_next(struct making *making, struct part *part, const struct ip *last,
                     struct err *err)
{
        _cleanup_(freep) struct ip *taken = NULL;
        const struct range *range;
        struct alloc_walk walk;
        size_t taken_count = 0, probes = 0;
        struct ip ip;
        int r;

        alloc_start(&walk, part->set, last);
        while (alloc_next(&walk, &ip, &range)) {
                if (taken && bsearch(&ip, taken, taken_count, sizeof(ip), ip_compare_items))
                        continue;
                r = make(making, part, &ip, err);
                if (r != STORE_TAKEN)
                        return r;
                if (++probes == PROBES_MAX) {
                        r = store_list(making->store, &taken, &taken_count, err);
                        if (r < 0)
                                return r;
                }
        }
        return STORE_TAKEN;
}

/* The last resort: what nobody alive holds, in the same order. */
static int make_reused(struct making *making, struct part *part, const struct ip *last,
                       struct err *err)
{
        const struct range *range;
        struct alloc_walk walk;
        struct ip ip;

        alloc_start(&walk, part->set, last);
        while (alloc_next(&walk, &ip, &range))
                if (is_reusable(making, &ip))
                        return remake(making, part, &ip, err);
        return STORE_TAKEN;
}

static int make_any(struct making *making, struct part *part, size_t set, struct err *err)
{
        _cleanup_(buf_done) struct buf ranges;
        struct err warning;
        struct ip last;
        int r;

        buf_init(&ranges, sizeof(err->msg));
        if (part->own_stale.family != IP_UNSET) {
                r = remake(making, part, &part->own_stale, err);
                if (r != STORE_TAKEN)
                        return r;
        }
        if (store_read_cursor(making->store, set, &last, &warning) < 0) {
                err_wrap(&warning, "Error retrieving last reserved ip: ");
                making->log->warn(warning.msg);
        }
        r = make_next(making, part, &last, err);
        if (r == STORE_TAKEN)
                r = make_reused(making, part, &last, err);
        if (r != STORE_TAKEN)
                return r;
        range_set_format(part->set, &ranges);
        return err_text(err, -EADDRNOTAVAIL, CNI_ERR_INTERNAL,
                        "no IP addresses available in range set: %s", buf_text(&ranges));
}

/* ---- all of them ---- */

static int make_all(struct making *making, struct err *err)
{
        for (size_t i = 0; i < making->count; i++) {
                struct part *part = &making->parts[i];
                int r;

                if (part->requested)
                        r = make_requested(making, part, err);
                else if (part->own.family != IP_UNSET)
                        r = duplicate_error(&part->own, making->owner, err);
                else
                        r = make_any(making, part, i, err);
                if (r < 0)
                        return in_set(err, i, r);
        }
        return 0;
}

static void take_back(struct making *making)
{
        struct err ignored; /* the error that led here is the one to tell */

        for (size_t i = 0; i < making->count; i++)
                if (making->parts[i].made.family != IP_UNSET)
                        (void)store_remove(making->store, &making->parts[i].made, making->owner,
                                           &ignored);
}

static int add_to_result(const struct making *making, struct ipam_result *ret, struct err *err)
{
        for (size_t i = 0; i < making->count; i++) {
                const struct ip *ip = &making->parts[i].made;
                const struct range *range = range_set_find(making->parts[i].set, ip);
                struct result_ip result = { .address = { .ip = *ip,
                                                         .prefix = range->subnet.prefix },
                                            .gateway = range->gateway };
                int r = result_add_ip(ret, &result, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Moves the cursors of all sets behind what was made, or none. */
static int move_cursors(struct making *making, struct err *err)
{
        struct err ignored;

        for (size_t i = 0; i < making->count; i++) {
                struct part *part = &making->parts[i];
                int r;

                /* One that cannot be read was of no use, and is replaced. */
                (void)store_read_cursor(making->store, i, &part->cursor, &ignored);
                r = store_write_cursor(making->store, i, &part->made, err);
                if (r == 0)
                        continue;
                (void)in_set(err, i, r);
                /* This one was written in part at most; there is nothing to put back if it was
                 * none. */
                for (size_t j = part->cursor.family != IP_UNSET ? i + 1 : i; j-- > 0;)
                        (void)store_write_cursor(making->store, j, &making->parts[j].cursor,
                                                 &ignored);
                return r;
        }
        return 0;
}

/* The owner's other addresses matter only where a set may give any. */
static bool needs_survey(const struct making *making)
{
        for (size_t i = 0; i < making->count; i++)
                if (!making->parts[i].requested)
                        return true;
        return false;
}

int reservation_make(struct store *store, const struct conf *conf, const struct owner *owner,
                     const struct reservation_log *log, struct ipam_result *ret, struct err *err)
{
        size_t count = conf->sets.count;
        _cleanup_(freep) struct part *parts = calloc(count, sizeof(*parts));
        struct making making = { store, owner, log, parts, count };
        int r;

        if (!parts)
                return err_oom(err);
        for (size_t i = 0; i < count; i++)
                parts[i].set = &conf->sets.items[i];
        r = assign_requests(&making, &conf->requested, err);
        if (r == 0 && needs_survey(&making))
                r = survey(&making, err);
        if (r == 0)
                r = make_all(&making, err);
        if (r == 0)
                r = add_to_result(&making, ret, err);
        if (r == 0)
                r = move_cursors(&making, err);
        if (r < 0)
                take_back(&making);
        return r;
}
