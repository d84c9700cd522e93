/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list and check. The status is in report-status.c.
 */
#include "report.h"

#include <inttypes.h>
#include <string.h>

#include "choose.h"
#include "core/table.h"

/* ---- shared ---- */

/* "1 address", "2 addresses" */
static void put_count(struct buf *out, size_t count, const char *one, const char *many)
{
        buf_printf(out, "%zu %s", count, count == 1 ? one : many);
}

/* Adds a row of texts. */
static int add_row(struct table *table, struct err *err, const char *const cells[])
{
        int r = 0;

        for (size_t i = 0; i < table->columns && r == 0; i++)
                r = table_add(table, err, "%s", cells[i] ? cells[i] : "");
        return r;
}

static const char *range_text(const struct pool *pool, char text[static IPNET_TEXT_MAX])
{
        return pool->range.ip.family ? ipnet_format(&pool->range, text) : "";
}

/* ---- list ---- */

void listing_done(struct listing *listing)
{
        free(listing->pools);
        *listing = (struct listing){ 0 };
}

static size_t find_pool(const struct pool_list *pools, const char *name)
{
        size_t i = 0;

        while (i < pools->count && strcmp(pools->items[i].name, name) != 0)
                i++;
        return i;
}

static bool is_chosen(const struct listing *listing, size_t pool)
{
        for (size_t i = 0; i < listing->count; i++)
                if (listing->pools[i] == pool)
                        return true;
        return false;
}

int listing_choose(struct listing *listing, const struct audit *audit, const char *const *names,
                   size_t count, struct err *err)
{
        const struct pool_list *pools = &audit->snapshot->pools;

        listing->audit = audit;
        listing->pools = calloc(pools->count + 1, sizeof(*listing->pools));
        if (!listing->pools)
                return err_oom(err);
        for (size_t i = 0; i < count; i++) {
                size_t pool = find_pool(pools, names[i]);

                if (pool == pools->count)
                        return err_text(err, -ENOENT, CNI_ERR_INTERNAL, "no IPPool '%s'", names[i]);
                if (!is_chosen(listing, pool))
                        listing->pools[listing->count++] = pool;
        }
        for (size_t i = 0; i < pools->count && count == 0; i++)
                listing->pools[listing->count++] = audit->order[i];
        return 0;
}

struct fill report_fill(const struct pool *pool)
{
        const struct range range = { .net = { ipnet_first(&pool->range), pool->range.prefix,
                                              false } };
        struct fill fill = { 0 };
        uint64_t inside = 0;
        struct ip first, last;
        struct err ignored;
        bool bounded = pool->range.ip.family && choose_bounds(&range, &first, &last, &ignored) == 0;

        for (size_t i = 0; i < pool->count; i++) {
                const struct ip *ip = &pool->entries[i].ip;

                if (i > 0 && ip_equal(ip, &pool->entries[i - 1].ip))
                        continue; /* twice */
                fill.used++;
                inside += bounded && ip_compare(ip, &first) >= 0 && ip_compare(ip, &last) <= 0;
        }
        if (bounded) {
                fill.size = ip_distance(&first, &last);
                fill.size = fill.size >= INT64_MAX ? INT64_MAX : fill.size + 1;
        }
        fill.free = fill.size - inside;
        return fill;
}

static void put_entry(struct json_writer *w, const struct pool_entry *entry, bool reserved)
{
        char ip[IP_TEXT_MAX];

        json_begin(w, NULL, '{');
        json_put_string(w, "address", ip_format(&entry->ip, ip));
        json_put_given(w, "podRef", entry->podref);
        json_put_given(w, "containerID", entry->id);
        json_put_given(w, "ifname", entry->ifname);
        json_put_bool(w, "reservation", reserved);
        json_end(w, '}');
}

void report_list_json(const struct listing *listing, struct buf *out)
{
        struct json_writer w;
        char range[IPNET_TEXT_MAX];

        json_writer_init(&w, out);
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "version", 1);
        json_begin(&w, "pools", '[');
        for (size_t i = 0; i < listing->count; i++) {
                const struct pool *pool = &listing->audit->snapshot->pools.items[listing->pools[i]];
                const struct fill fill = report_fill(pool);

                json_begin(&w, NULL, '{');
                json_put_string(&w, "name", pool->name);
                json_put_given(&w, "range", range_text(pool, range));
                json_put_u64(&w, "used", fill.used);
                json_put_u64(&w, "size", fill.size);
                json_put_u64(&w, "free", fill.free);
                json_begin(&w, "entries", '[');
                for (size_t j = 0; j < pool->count; j++)
                        put_entry(&w, &pool->entries[j],
                                  audit_is_reserved(listing->audit, listing->pools[i], j));
                json_end(&w, ']');
                json_end(&w, '}');
        }
        json_end(&w, ']');
        json_end(&w, '}');
        buf_putc(out, '\n');
}

static int add_entries(struct table *table, const struct listing *listing, size_t which,
                       struct err *err)
{
        const struct pool *pool = &listing->audit->snapshot->pools.items[which];
        char ip[IP_TEXT_MAX];
        int r = 0;

        for (size_t i = 0; i < pool->count && r == 0; i++) {
                const struct pool_entry *entry = &pool->entries[i];
                bool reserved = audit_is_reserved(listing->audit, which, i);
                const char *const cells[] = {
                        pool->name,    ip_format(&entry->ip, ip), entry->podref, entry->id,
                        entry->ifname, reserved ? "yes" : "no",
                };

                r = add_row(table, err, cells);
        }
        return r;
}

static int add_pool(struct table *table, const struct pool *pool, struct err *err)
{
        const struct fill fill = report_fill(pool);
        char range[IPNET_TEXT_MAX];
        int r = table_add(table, err, "%s", pool->name);

        if (r == 0)
                r = table_add(table, err, "%s", range_text(pool, range));
        if (r == 0)
                r = table_add(table, err, "%" PRIu64, fill.size);
        if (r == 0)
                r = table_add(table, err, "%" PRIu64, fill.used);
        return r < 0 ? r : table_add(table, err, "%" PRIu64, fill.free);
}

int report_list_table(const struct listing *listing, struct buf *out, struct err *err)
{
        static const char *const entry_head[] = { "POOL",      "ADDRESS", "POD",
                                                  "CONTAINER", "IFNAME",  "RESERVATION" };
        static const char *const pool_head[] = { "POOL", "RANGE", "SIZE", "USED", "FREE" };
        _cleanup_(table_done) struct table entries;
        _cleanup_(table_done) struct table pools;
        int r;

        table_init(&entries, ARRAY_SIZE(entry_head));
        table_init(&pools, ARRAY_SIZE(pool_head));
        r = add_row(&entries, err, entry_head);
        if (r == 0)
                r = add_row(&pools, err, pool_head);
        for (size_t i = 0; i < listing->count && r == 0; i++) {
                r = add_entries(&entries, listing, listing->pools[i], err);
                if (r == 0)
                        r = add_pool(&pools,
                                     &listing->audit->snapshot->pools.items[listing->pools[i]],
                                     err);
        }
        if (r < 0)
                return r;
        if (entries.cells.count > entries.columns) {
                table_print(&entries, out);
                buf_putc(out, '\n');
        }
        if (listing->count > 0)
                table_print(&pools, out);
        else
                buf_puts(out, "no pools\n");
        return 0;
}

/* ---- check ---- */

static const char *const kind_names[FINDING_KIND_COUNT] = {
        [FINDING_RANGE] = "bad-range",
        [FINDING_NAME] = "bad-pool-name",
        [FINDING_KEY] = "bad-key",
        [FINDING_ENTRY] = "bad-entry",
        [FINDING_IFNAME] = "no-ifname",
        [FINDING_TWICE] = "duplicate",
        [FINDING_UNRESERVED] = "no-reservation",
        [FINDING_DIFFERS] = "wrong-reservation",
        [FINDING_ORPHAN] = "orphan-reservation",
};

/* What is found, for people. */
static void put_sentence(struct buf *buf, const struct finding *finding)
{
        const struct reservation *reservation = finding->reservation;
        char range[IPNET_TEXT_MAX];

        switch (finding->kind) {
        case FINDING_RANGE:
                buf_puts(buf, "the pool's range cannot be read, so nobody can use the pool");
                break;
        case FINDING_NAME:
                buf_printf(buf, "the pool's name does not end with its range %s",
                           range_text(finding->pool, range));
                break;
        case FINDING_KEY:
                buf_printf(buf, "the key '%s' stands for no address of the pool", finding->key);
                break;
        case FINDING_ENTRY:
                buf_puts(buf, "the entry does not say whose it is");
                break;
        case FINDING_IFNAME:
                buf_puts(buf, "the entry names no interface");
                break;
        case FINDING_TWICE:
                buf_printf(buf, "also in pool %s for %s; a fault unless overlap checking is off",
                           finding->twin->name, finding->twin_entry->podref);
                break;
        case FINDING_UNRESERVED:
                buf_puts(buf, "no reservation; a fault unless overlap checking is off");
                break;
        case FINDING_DIFFERS:
                buf_printf(buf, "its reservation %s is for %s%s%s", reservation->name,
                           reservation->podref, reservation->ifname ? ", interface " : "",
                           reservation->ifname ? reservation->ifname : "");
                break;
        case FINDING_ORPHAN:
                buf_puts(buf, "no pool has an entry for the reservation");
                break;
        case FINDING_KIND_COUNT:
                break;
        }
}

/* What became of it, or would. */
static const char *repair_state(const struct repair *repair)
{
        switch (repair->end) {
        case REPAIR_DONE:
                return "done";
        case REPAIR_GONE:
                return "gone";
        case REPAIR_FAILED:
                return "failed";
        case REPAIR_NONE:
                break;
        }
        return repair->unsure ? "by-hand" : "possible";
}

static const char *repair_reason(const struct repair *repair)
{
        return repair->end == REPAIR_NONE ? repair->unsure : repair->text;
}

static void put_repair(struct buf *buf, const struct repair *repair)
{
        bool deletion = repair->finding->kind == FINDING_ORPHAN;

        switch (repair->end) {
        case REPAIR_DONE:
                buf_puts(buf, deletion ? "deleted" : "created");
                break;
        case REPAIR_GONE:
                buf_puts(buf, "not so any more");
                break;
        case REPAIR_FAILED:
                buf_printf(buf, "failed: %s", repair->text);
                break;
        case REPAIR_NONE:
                if (repair->unsure)
                        buf_printf(buf, "by hand: %s", repair->unsure);
                else
                        buf_printf(buf, "--fix %s it", deletion ? "deletes" : "creates");
                break;
        }
}

/* Whose it is: the entry's, or else the reservation's. */
static const char *podref_of(const struct finding *finding)
{
        if (finding->entry)
                return finding->entry->podref;
        return finding->reservation ? finding->reservation->podref : NULL;
}

static const char *ifname_of(const struct finding *finding)
{
        if (finding->entry)
                return finding->entry->ifname;
        return finding->reservation ? finding->reservation->ifname : NULL;
}

static void put_finding(struct json_writer *w, const struct repair *repair)
{
        const struct finding *finding = repair->finding;
        struct buf sentence;
        char ip[IP_TEXT_MAX];

        buf_init(&sentence, 1U << 20);
        put_sentence(&sentence, finding);
        if (sentence.failed)
                w->buf->failed = sentence.failed;
        json_begin(w, NULL, '{');
        json_put_string(w, "kind", kind_names[finding->kind]);
        json_put_given(w, "pool", finding->pool ? finding->pool->name : NULL);
        json_put_given(w, "key", finding->key);
        json_put_given(w, "address", finding->entry ? ip_format(&finding->entry->ip, ip) : NULL);
        json_put_given(w, "podRef", podref_of(finding));
        json_put_given(w, "containerID", finding->entry ? finding->entry->id : NULL);
        json_put_given(w, "ifname", ifname_of(finding));
        json_put_given(w, "reservation", finding->reservation ? finding->reservation->name : NULL);
        json_put_string(w, "text", buf_text(&sentence));
        json_put_string(w, "repair", repair_state(repair));
        json_put_given(w, "reason", repair_reason(repair));
        json_end(w, '}');
        buf_done(&sentence);
}

void report_check_json(const struct inquiry *inquiry, bool fix, struct buf *out)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "version", 1);
        json_put_bool(&w, "fix", fix);
        json_put_u64(&w, "pools", inquiry->snapshot.pools.count);
        json_put_u64(&w, "reservations", inquiry->snapshot.reservations.count);
        json_begin(&w, "findings", '[');
        for (size_t i = 0; i < inquiry->count; i++)
                put_finding(&w, &inquiry->repairs[i]);
        json_end(&w, ']');
        json_end(&w, '}');
        buf_putc(out, '\n');
}

static int add_finding_row(struct table *table, const struct repair *repair, struct err *err)
{
        const struct finding *finding = repair->finding;
        _cleanup_(buf_done) struct buf sentence, end;
        char ip[IP_TEXT_MAX];
        int r;

        buf_init(&sentence, 1U << 20);
        buf_init(&end, 1U << 20);
        put_sentence(&sentence, finding);
        put_repair(&end, repair);
        r = buf_check(&sentence, err);
        if (r == 0)
                r = buf_check(&end, err);
        if (r == 0) {
                const char *const cells[] = {
                        finding->pool ? finding->pool->name : finding->reservation->name,
                        finding->entry ? ip_format(&finding->entry->ip, ip) : "",
                        podref_of(finding),
                        ifname_of(finding),
                        buf_text(&sentence),
                        buf_text(&end),
                };

                r = add_row(table, err, cells);
        }
        return r;
}

int report_check_table(const struct inquiry *inquiry, bool fix, struct buf *out, struct err *err)
{
        static const char *const head[] = { "OBJECT", "ADDRESS", "POD",
                                            "IFNAME", "FINDING", "REPAIR" };
        _cleanup_(table_done) struct table table;
        size_t mended = 0;
        int r;

        table_init(&table, ARRAY_SIZE(head));
        r = add_row(&table, err, head);
        for (size_t i = 0; i < inquiry->count && r == 0; i++) {
                r = add_finding_row(&table, &inquiry->repairs[i], err);
                mended += inquiry->repairs[i].end == REPAIR_DONE;
        }
        if (r < 0)
                return r;
        if (inquiry->count > 0)
                table_print(&table, out);
        put_count(out, inquiry->count, "finding", "findings");
        buf_puts(out, " in ");
        put_count(out, inquiry->snapshot.pools.count, "pool", "pools");
        buf_puts(out, " and ");
        put_count(out, inquiry->snapshot.reservations.count, "reservation", "reservations");
        if (fix)
                buf_printf(out, ", %zu repaired", mended);
        buf_putc(out, '\n');
        return 0;
}
