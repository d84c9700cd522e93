/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First everything is read into structs, then one of the two forms is written.
 */
#include "report.h"

#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/table.h"
#include "core/utf8.h"

#define CURSOR_GAP 64

static const char *const state_names[] = {
        [ENTRY_HELD] = "held",
        [ENTRY_STALE] = "stale",
        [ENTRY_EMPTY] = "empty",
        [ENTRY_UNREADABLE] = "unreadable",
};

/* ---- reading ---- */

void entry_list_done(struct entry_list *list)
{
        for (size_t i = 0; i < list->count; i++) {
                free(list->items[i].container_id);
                free(list->items[i].ifname);
        }
        free(list->items);
        *list = (struct entry_list){ 0 };
}

int entry_list_add(const struct store_entry *entry, void *context, struct err *err)
{
        struct entry_list *list = context;
        struct report_entry item = { .ip = entry->ip,
                                     .state = entry->state,
                                     .since = entry->mtime };

        /* Room for the next power of two. */
        if ((list->count & (list->count - 1)) == 0) {
                size_t size = list->count > 0 ? 2 * list->count : 1;
                struct report_entry *items = realloc(list->items, size * sizeof(*items));

                if (!items)
                        return err_oom(err);
                list->items = items;
        }
        item.container_id = strdup(entry->owner.container_id);
        item.ifname = strdup(entry->owner.ifname);
        if (!item.container_id || !item.ifname) {
                free(item.container_id);
                free(item.ifname);
                return err_oom(err);
        }
        list->items[list->count++] = item;
        return 0;
}

static void report_done(struct report *report)
{
        free(report->name);
        entry_list_done(&report->entries);
        free(report->names);
        free(report->cursors);
}

void report_list_done(struct report_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                report_done(&list->items[i]);
        free(list->items);
        *list = (struct report_list){ 0 };
}

static int compare_entries(const void *a, const void *b)
{
        const struct report_entry *x = a, *y = b;

        return ip_compare(&x->ip, &y->ip);
}

static void sort_entries(struct entry_list *list)
{
        if (list->count > 0)
                qsort(list->items, list->count, sizeof(*list->items), compare_entries);
}

/* The cursors that there are, up to a gap that no configuration leaves. */
static int read_cursors(struct report *report, const struct store *store, struct err *err)
{
        for (size_t set = 0, gap = 0; gap < CURSOR_GAP; set++, gap++) {
                struct report_cursor *cursors;
                struct err ignored;
                struct ip ip;

                if (store_read_cursor(store, set, &ip, &ignored) < 0 || ip.family == IP_UNSET)
                        continue;
                cursors = realloc(report->cursors, (report->cursor_count + 1) * sizeof(*cursors));
                if (!cursors)
                        return err_oom(err);
                report->cursors = cursors;
                cursors[report->cursor_count++] = (struct report_cursor){ set, ip };
                gap = 0;
        }
        return 0;
}

int report_add_empty(struct report_list *list, const char *name, struct err *err)
{
        struct report *items = realloc(list->items, (list->count + 1) * sizeof(*items));

        if (!items)
                return err_oom(err);
        list->items = items;
        items[list->count] = (struct report){ .name = strdup(name) };
        return items[list->count++].name ? 0 : err_oom(err);
}

int report_read(struct report_list *list, const char *name, const char *path, struct err *err)
{
        _cleanup_(store_close) struct store store = STORE_CLOSED;
        struct report *report;
        int r = store_open(path, STORE_NO_LOCK, &store, err);

        if (r == 0)
                r = report_add_empty(list, name, err);
        if (r != 0)
                return r;
        report = &list->items[list->count - 1];
        r = store_scan(&store, STORE_BOOT | STORE_DETAILS, entry_list_add, &report->entries, err);
        if (r == 0)
                r = store_list(&store, &report->names, &report->name_count, err);
        if (r == 0)
                r = read_cursors(report, &store, err);
        sort_entries(&report->entries);
        return r;
}

/* ---- counting ---- */

static size_t count_state(const struct report *report, enum entry_state state)
{
        size_t count = 0;

        for (size_t i = 0; i < report->entries.count; i++)
                count += report->entries.items[i].state == state;
        return count;
}

static bool can_be_given(const struct range_set *set, const struct ip *ip)
{
        const struct range *range = range_set_find(set, ip);

        return range && !ip_equal(&range->gateway, ip);
}

uint64_t report_used(const struct report *report, const struct range_set *set)
{
        uint64_t used = 0;

        for (size_t i = 0; i < report->name_count; i++)
                used += can_be_given(set, &report->names[i]);
        for (size_t i = 0; i < report->entries.count && used > 0; i++) {
                const struct report_entry *entry = &report->entries.items[i];

                used -= (entry->state == ENTRY_STALE || entry->state == ENTRY_EMPTY) &&
                        can_be_given(set, &entry->ip);
        }
        return used;
}

/* When the entry was made; "" for what cannot be read. */
static const char *format_since(const struct report_entry *entry, char text[static CLOCK_TEXT_MAX])
{
        if (entry->state == ENTRY_UNREADABLE)
                text[0] = '\0';
        else
                (void)clock_format(entry->since.tv_sec, text);
        return text;
}

/* "1 address", "2 addresses" */
static void put_count(struct buf *out, size_t count, const char *one, const char *many)
{
        buf_printf(out, "%zu %s", count, count == 1 ? one : many);
}

/* ---- list ---- */

static void put_owner(struct json_writer *w, const struct report_entry *entry)
{
        json_put_given(w, "containerID", entry->container_id);
        json_put_given(w, "ifname", entry->ifname);
}

static void put_entry(struct json_writer *w, const struct report_entry *entry)
{
        char ip[IP_TEXT_MAX], time[CLOCK_TEXT_MAX];

        json_begin(w, NULL, '{');
        json_put_string(w, "address", ip_format(&entry->ip, ip));
        put_owner(w, entry);
        json_put_given(w, "since", format_since(entry, time));
        json_put_string(w, "state", state_names[entry->state]);
        json_end(w, '}');
}

static void begin_document(struct json_writer *w, struct buf *out)
{
        json_writer_init(w, out);
        json_begin(w, NULL, '{');
        json_put_i64(w, "version", 1);
}

static void end_document(struct json_writer *w)
{
        json_end(w, '}');
        buf_putc(w->buf, '\n');
}

void report_list_json(const struct report_list *list, struct buf *out)
{
        struct json_writer w;

        begin_document(&w, out);
        json_begin(&w, "networks", '[');
        for (size_t i = 0; i < list->count; i++) {
                const struct entry_list *entries = &list->items[i].entries;

                json_begin(&w, NULL, '{');
                json_put_string(&w, "name", list->items[i].name);
                json_begin(&w, "addresses", '[');
                for (size_t j = 0; j < entries->count; j++)
                        put_entry(&w, &entries->items[j]);
                json_end(&w, ']');
                json_end(&w, '}');
        }
        json_end(&w, ']');
        end_document(&w);
}

/* Adds a row of texts. */
static int add_row(struct table *table, struct err *err, const char *const cells[])
{
        int r = 0;

        for (size_t i = 0; i < table->columns && r == 0; i++)
                r = table_add(table, err, "%s", cells[i]);
        return r;
}

static int add_entry_row(struct table *table, const char *network, const struct report_entry *entry,
                         struct err *err)
{
        char ip[IP_TEXT_MAX], time[CLOCK_TEXT_MAX];
        const char *const cells[] = {
                network,       ip_format(&entry->ip, ip), entry->container_id,
                entry->ifname, format_since(entry, time), state_names[entry->state],
        };

        return add_row(table, err, cells);
}

int report_list_table(const struct report_list *list, struct buf *out, struct err *err)
{
        static const char *const head[] = { "NETWORK", "ADDRESS", "CONTAINER",
                                            "IFNAME",  "SINCE",   "STATE" };
        _cleanup_(table_done) struct table table;
        size_t total = 0;
        int r;

        table_init(&table, ARRAY_SIZE(head));
        r = add_row(&table, err, head);
        for (size_t i = 0; i < list->count; i++) {
                const struct report *report = &list->items[i];

                for (size_t j = 0; j < report->entries.count && r == 0; j++)
                        r = add_entry_row(&table, report->name, &report->entries.items[j], err);
                total += report->entries.count;
        }
        if (r < 0)
                return r;
        if (total > 0)
                table_print(&table, out);
        put_count(out, total, "address", "addresses");
        buf_puts(out, " in ");
        put_count(out, list->count, "network", "networks");
        buf_putc(out, '\n');
        return 0;
}

/* ---- status ---- */

static void put_sets(struct json_writer *w, const struct report *report,
                     const struct range_set_list *sets)
{
        json_begin(w, "rangeSets", '[');
        for (size_t i = 0; i < sets->count; i++) {
                uint64_t size = range_set_size(&sets->items[i]);
                uint64_t used = report_used(report, &sets->items[i]);
                struct buf text;

                buf_init(&text, 1U << 20);
                range_set_format(&sets->items[i], &text);
                if (text.failed)
                        w->buf->failed = text.failed;
                json_begin(w, NULL, '{');
                json_put_u64(w, "index", i);
                json_put_string(w, "range", buf_text(&text));
                json_put_u64(w, "size", size);
                json_put_u64(w, "used", used);
                json_put_u64(w, "free", size - used);
                json_end(w, '}');
                buf_done(&text);
        }
        json_end(w, ']');
}

static void put_status(struct json_writer *w, const struct report *report,
                       const struct range_set_list *sets)
{
        char ip[IP_TEXT_MAX];

        json_begin(w, NULL, '{');
        json_put_string(w, "name", report->name);
        json_put_u64(w, "held", count_state(report, ENTRY_HELD));
        json_put_u64(w, "stale", count_state(report, ENTRY_STALE));
        json_put_u64(w, "empty", count_state(report, ENTRY_EMPTY));
        json_begin(w, "cursors", '[');
        for (size_t i = 0; i < report->cursor_count; i++) {
                json_begin(w, NULL, '{');
                json_put_u64(w, "index", report->cursors[i].set);
                json_put_string(w, "address", ip_format(&report->cursors[i].ip, ip));
                json_end(w, '}');
        }
        json_end(w, ']');
        if (sets->count > 0)
                put_sets(w, report, sets);
        json_end(w, '}');
}

void report_status_json(const struct report_list *list, const struct range_set_list *sets,
                        struct buf *out)
{
        struct json_writer w;

        begin_document(&w, out);
        json_begin(&w, "networks", '[');
        for (size_t i = 0; i < list->count; i++)
                put_status(&w, &list->items[i], sets);
        json_end(&w, ']');
        end_document(&w);
}

static int add_status_row(struct table *table, const struct report *report, struct err *err)
{
        _cleanup_(buf_done) struct buf cursors;
        char ip[IP_TEXT_MAX];
        int r;

        buf_init(&cursors, 1U << 20);
        for (size_t i = 0; i < report->cursor_count; i++)
                buf_printf(&cursors, "%s%s", i > 0 ? " " : "",
                           ip_format(&report->cursors[i].ip, ip));
        r = buf_check(&cursors, err);
        if (r == 0)
                r = table_add(table, err, "%s", report->name);
        if (r == 0)
                r = table_add(table, err, "%zu", count_state(report, ENTRY_HELD));
        if (r == 0)
                r = table_add(table, err, "%zu", count_state(report, ENTRY_STALE));
        if (r == 0)
                r = table_add(table, err, "%zu", count_state(report, ENTRY_EMPTY));
        return r < 0 ? r : table_add(table, err, "%s", buf_text(&cursors));
}

static int add_set_row(struct table *table, const struct report *report,
                       const struct range_set *set, struct err *err)
{
        uint64_t size = range_set_size(set), used = report_used(report, set);
        _cleanup_(buf_done) struct buf text;
        int r;

        buf_init(&text, 1U << 20);
        range_set_format(set, &text);
        r = buf_check(&text, err);
        if (r == 0)
                r = table_add(table, err, "%s", buf_text(&text));
        if (r == 0)
                r = table_add(table, err, "%" PRIu64, size);
        if (r == 0)
                r = table_add(table, err, "%" PRIu64, used);
        return r < 0 ? r : table_add(table, err, "%" PRIu64, size - used);
}

static int print_sets(const struct report *report, const struct range_set_list *sets,
                      struct buf *out, struct err *err)
{
        static const char *const head[] = { "RANGE SET", "SIZE", "USED", "FREE" };
        _cleanup_(table_done) struct table table;
        int r;

        table_init(&table, ARRAY_SIZE(head));
        r = add_row(&table, err, head);
        for (size_t i = 0; i < sets->count && r == 0; i++)
                r = add_set_row(&table, report, &sets->items[i], err);
        if (r < 0)
                return r;
        buf_putc(out, '\n');
        table_print(&table, out);
        return 0;
}

int report_status_table(const struct report_list *list, const struct range_set_list *sets,
                        struct buf *out, struct err *err)
{
        static const char *const head[] = { "NETWORK", "HELD", "STALE", "EMPTY", "LAST RESERVED" };
        static const struct report nothing;
        _cleanup_(table_done) struct table table;
        int r;

        table_init(&table, ARRAY_SIZE(head));
        r = add_row(&table, err, head);
        for (size_t i = 0; i < list->count && r == 0; i++)
                r = add_status_row(&table, &list->items[i], err);
        if (r < 0)
                return r;
        if (list->count > 0)
                table_print(&table, out);
        else
                buf_puts(out, "no networks\n");
        if (sets->count > 0)
                r = print_sets(list->count > 0 ? &list->items[0] : &nothing, sets, out, err);
        return r;
}

/* ---- gc ---- */

void report_freed_json(struct entry_list *freed, const char *network, bool dry_run, struct buf *out)
{
        struct json_writer w;
        char ip[IP_TEXT_MAX];

        sort_entries(freed);
        begin_document(&w, out);
        json_put_string(&w, "network", network);
        json_put_bool(&w, "dryRun", dry_run);
        json_begin(&w, "freed", '[');
        for (size_t i = 0; i < freed->count; i++) {
                json_begin(&w, NULL, '{');
                json_put_string(&w, "address", ip_format(&freed->items[i].ip, ip));
                put_owner(&w, &freed->items[i]);
                json_end(&w, '}');
        }
        json_end(&w, ']');
        end_document(&w);
}

void report_freed_lines(struct entry_list *freed, bool dry_run, struct buf *out)
{
        const char *verb = dry_run ? "would free" : "freed";
        char ip[IP_TEXT_MAX];

        sort_entries(freed);
        for (size_t i = 0; i < freed->count; i++) {
                const struct report_entry *entry = &freed->items[i];

                utf8_make_printable(entry->container_id);
                utf8_make_printable(entry->ifname);
                buf_printf(out, "%s %s (%s%s%s)\n", verb, ip_format(&entry->ip, ip),
                           *entry->container_id ? entry->container_id : "no owner",
                           *entry->ifname ? " " : "", entry->ifname);
        }
        buf_printf(out, "%s ", verb);
        put_count(out, freed->count, "address", "addresses");
        buf_putc(out, '\n');
}
