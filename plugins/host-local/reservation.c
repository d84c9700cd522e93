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

/* The call's state. */
struct making {
        struct store *store;
        const struct conf *conf;
        const struct owner *owner;
        const struct reservation_log *log;
        const struct ip **requested; /* per set; NULL: any address */
        struct ip *made;             /* per set; those made so far, in order */
        size_t made_count;
};

static int in_set(struct err *err, size_t set, int r)
{
        err_wrap(err, "failed to allocate for range %zu: ", set);
        return r;
}

/* ---- before anything is made ---- */

/* Gives each set the first request that lies in it. One that no set takes cannot be met. */
static int assign_requests(struct making *making, struct err *err)
{
        const struct range_set_list *sets = &making->conf->sets;
        const struct ip_list *requested = &making->conf->requested;
        _cleanup_(buf_done) struct buf rest;
        char text[IP_TEXT_MAX];

        buf_init(&rest, sizeof(err->msg));
        for (size_t i = 0; i < requested->count; i++) {
                const struct ip *ip = &requested->items[i];
                size_t set = 0;

                while (set < sets->count &&
                       (making->requested[set] || !range_set_find(&sets->items[set], ip)))
                        set++;
                if (set < sets->count)
                        making->requested[set] = ip;
                else
                        buf_printf(&rest, " %s", ip_format(ip, text));
        }
        for (size_t set = 0; set < sets->count; set++) {
                const struct ip *ip = making->requested[set];

                if (ip && ip_equal(ip, &range_set_find(&sets->items[set], ip)->gateway))
                        return in_set(err, set,
                                      err_text(err, -EADDRNOTAVAIL, CNI_ERR_INTERNAL,
                                               "requested ip %s is subnet's gateway",
                                               ip_format(ip, text)));
        }
        if (rest.len > 0)
                return err_text(err, -EADDRNOTAVAIL, CNI_ERR_INTERNAL,
                                "failed to allocate all requested IPs:%s", buf_text(&rest));
        return 0;
}

/* Whether the address' file holds nobody alive. */
static bool is_reusable(const struct making *making, const struct ip *ip)
{
        char text[STORE_OWNER_MAX];
        struct store_entry entry;

        return store_look(making->store, ip, text, &entry) && entry.state != ENTRY_HELD;
}

/* What one pass over the directory finds about the owner. */
struct survey {
        struct making *making;
        struct ip *own;       /* per set: what the owner holds; unset for nothing */
        struct ip *own_stale; /* per set: what it held in an earlier boot */
};

static int survey_entry(const struct store_entry *entry, void *context, struct err *err)
{
        struct survey *survey = context;
        struct making *making = survey->making;
        const struct range_set_list *sets = &making->conf->sets;
        bool stale;
        struct ip *found;
        char text[IP_TEXT_MAX];

        /* A file that cannot be removed or read keeps its address; that is no reason to fail. */
        if (entry->debris)
                (void)store_remove(making->store, &entry->ip, err);
        if (entry->state != ENTRY_HELD || (!owner_is(&entry->owner, making->owner) &&
                                           !owner_is_legacy(&entry->owner, making->owner)))
                return 0;
        stale = is_reusable(making, &entry->ip);
        found = stale ? survey->own_stale : survey->own;
        for (size_t set = 0; set < sets->count; set++) {
                const struct range *range = range_set_find(&sets->items[set], &entry->ip);

                if (!range || (stale && ip_equal(&range->gateway, &entry->ip)))
                        continue;
                /* Of several, the one whose name comes first in byte order is told. */
                if (found[set].family == IP_UNSET ||
                    strcmp(entry->name, ip_format(&found[set], text)) < 0)
                        found[set] = entry->ip;
        }
        return 0;
}

static int duplicate_error(const struct ip *ip, const struct owner *owner, size_t set,
                           struct err *err)
{
        char text[IP_TEXT_MAX];

        return in_set(err, set,
                      err_text(err, -EEXIST, CNI_ERR_INTERNAL,
                               "%s has been allocated to %s, duplicate allocation is not allowed",
                               ip_format(ip, text), owner->container_id));
}

/* ---- one address ---- */

/* Makes the file and notes it for the way back. Returns 0, STORE_TAKEN, or an error. */
static int make(struct making *making, const struct ip *ip, struct err *err)
{
        int r = store_create(making->store, ip, making->owner, err);

        if (r == 0)
                making->made[making->made_count++] = *ip;
        return r;
}

/* Removes what is there and makes the file anew. */
static int remake(struct making *making, const struct ip *ip, struct err *err)
{
        int r = store_remove(making->store, ip, err);

        return r < 0 ? r : make(making, ip, err);
}

static void format_set(const struct making *making, size_t set, struct buf *buf)
{
        buf_init(buf, sizeof(((struct err *)NULL)->msg));
        range_set_format(&making->conf->sets.items[set], buf);
}

static int make_requested(struct making *making, size_t set, struct err *err)
{
        const struct ip *ip = making->requested[set];
        _cleanup_(buf_done) struct buf ranges;
        char text[IP_TEXT_MAX];
        int r = make(making, ip, err);

        if (r == STORE_TAKEN && is_reusable(making, ip))
                r = remake(making, ip, err);
        if (r != STORE_TAKEN) {
                buf_init(&ranges, 0);
                return r;
        }
        format_set(making, set, &ranges);
        return err_text(err, -EADDRINUSE, CNI_ERR_INTERNAL,
                        "requested IP address %s is not available in range set %s",
                        ip_format(ip, text), buf_text(&ranges));
}

/* Tries the addresses behind the cursor: the first ones by creating them, the rest, when those were
 * all taken, against a listing. Returns 0, STORE_TAKEN (all are), or an error. */
static int make_next(struct making *making, size_t set, const struct ip *last, struct err *err)
{
        _cleanup_(freep) struct ip *taken = NULL;
        const struct range *range;
        struct alloc_walk walk;
        size_t taken_count = 0, probes = 0;
        struct ip ip;
        int r;

        alloc_start(&walk, &making->conf->sets.items[set], last);
        while (alloc_next(&walk, &ip, &range)) {
                if (taken && bsearch(&ip, taken, taken_count, sizeof(ip), ip_compare_items))
                        continue;
                r = make(making, &ip, err);
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
static int make_reused(struct making *making, size_t set, const struct ip *last, struct err *err)
{
        const struct range *range;
        struct alloc_walk walk;
        struct ip ip;

        alloc_start(&walk, &making->conf->sets.items[set], last);
        while (alloc_next(&walk, &ip, &range))
                if (is_reusable(making, &ip))
                        return remake(making, &ip, err);
        return STORE_TAKEN;
}

static int make_any(struct making *making, size_t set, const struct survey *survey, struct err *err)
{
        _cleanup_(buf_done) struct buf ranges;
        struct ip last;
        struct err warning;
        int r;

        buf_init(&ranges, 0);
        if (survey->own_stale[set].family != IP_UNSET)
                return remake(making, &survey->own_stale[set], err);
        if (store_read_cursor(making->store, set, &last, &warning) < 0) {
                err_wrap(&warning, "Error retrieving last reserved ip: ");
                making->log->warn(warning.msg);
        }
        r = make_next(making, set, &last, err);
        if (r == STORE_TAKEN)
                r = make_reused(making, set, &last, err);
        if (r != STORE_TAKEN)
                return r;
        format_set(making, set, &ranges);
        return err_text(err, -EADDRNOTAVAIL, CNI_ERR_INTERNAL,
                        "no IP addresses available in range set: %s", buf_text(&ranges));
}

/* ---- all of them ---- */

static int make_all(struct making *making, const struct survey *survey, struct err *err)
{
        for (size_t set = 0; set < making->conf->sets.count; set++) {
                int r;

                if (making->requested[set])
                        r = make_requested(making, set, err);
                else if (survey->own[set].family != IP_UNSET)
                        return duplicate_error(&survey->own[set], making->owner, set, err);
                else
                        r = make_any(making, set, survey, err);
                if (r < 0)
                        return in_set(err, set, r);
        }
        for (size_t set = 0; set < making->conf->sets.count; set++) {
                int r = store_write_cursor(making->store, set, &making->made[set], err);

                if (r < 0)
                        return in_set(err, set, r);
        }
        return 0;
}

static void take_back(struct making *making)
{
        struct err ignored;

        while (making->made_count > 0)
                (void)store_remove(making->store, &making->made[--making->made_count], &ignored);
}

static int add_to_result(const struct making *making, struct ipam_result *ret, struct err *err)
{
        for (size_t set = 0; set < making->conf->sets.count; set++) {
                const struct ip *ip = &making->made[set];
                const struct range *range = range_set_find(&making->conf->sets.items[set], ip);
                struct result_ip result = { .address = { .ip = *ip,
                                                         .prefix = range->subnet.prefix },
                                            .gateway = range->gateway };
                int r = result_add_ip(ret, &result, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* The owner's other addresses matter only where a set may give any. */
static bool needs_survey(const struct making *making)
{
        for (size_t set = 0; set < making->conf->sets.count; set++)
                if (!making->requested[set])
                        return true;
        return false;
}

int reservation_make(struct store *store, const struct conf *conf, const struct owner *owner,
                     const struct reservation_log *log, struct ipam_result *ret, struct err *err)
{
        size_t count = conf->sets.count;
        _cleanup_(freep) const struct ip **requested = calloc(count, sizeof(*requested));
        _cleanup_(freep) struct ip *ips = calloc(3 * count, sizeof(*ips));
        struct making making = { store, conf, owner, log, requested, ips, 0 };
        struct survey survey = { &making, NULL, NULL };
        int r;

        if (!requested || !ips)
                return err_oom(err);
        survey.own = ips + count;
        survey.own_stale = ips + 2 * count;
        r = assign_requests(&making, err);
        if (r < 0)
                return r;
        if (needs_survey(&making))
                r = store_scan(store, 0, survey_entry, &survey, err);
        if (r < 0)
                return r;
        r = make_all(&making, &survey, err);
        if (r == 0)
                r = add_to_result(&making, ret, err);
        if (r < 0)
                take_back(&making);
        return r;
}
