/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands read what programs read, too: so the daemon has one form of everything, and a table
 * cannot say more than the JSON does.
 */
#include "report.h"

#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/table.h"

#define NOTE_MAX 1024 /* of one line of counters */

/* ---- the daemon's end ---- */

static void put_time(struct json_writer *w, const char *key, int64_t real_ms)
{
        char text[CLOCK_TEXT_MAX];

        json_put_given(w, key, clock_format(real_ms / 1000, text));
}

static void put_ip(struct json_writer *w, const char *key, const struct ip *ip)
{
        char text[IP_TEXT_MAX];

        if (ip->family != IP_UNSET)
                json_put_string(w, key, ip_format(ip, text));
}

static void put_grant(struct json_writer *w, const struct grant *grant, int64_t boot_ms,
                      int64_t real_ms)
{
        const struct {
                const char *key;
                int64_t at_ms;
        } times[] = {
                { "obtained", grant->from_ms },
                { "renew", grant_t1_ms(grant) },
                { "rebind", grant_t2_ms(grant) },
                { "expires", grant_end_ms(grant) },
        };
        char text[IPNET_TEXT_MAX];

        json_put_string(w, "address", ipnet_format(&grant->address, text));
        put_ip(w, "server", &grant->server);
        put_ip(w, "gateway", &grant->router);
        for (size_t i = 0; i < ARRAY_SIZE(times); i++)
                if (times[i].at_ms != INT64_MAX)
                        put_time(w, times[i].key, real_ms + (times[i].at_ms - boot_ms));
}

/* Counters by the type of the message, those that are not 0. */
static void put_types(struct json_writer *w, const char *key, const uint64_t *counts, size_t count)
{
        json_begin(w, key, '{');
        for (unsigned i = 1; i < count; i++)
                if (counts[i] > 0)
                        json_put_u64(w, msg_type_text(i), counts[i]);
        json_end(w, '}');
}

static void put_dropped(struct json_writer *w, const uint64_t counts[static MSG_DROP_COUNT])
{
        json_begin(w, "dropped", '{');
        for (unsigned i = 1; i < MSG_DROP_COUNT; i++)
                if (counts[i] > 0)
                        json_put_u64(w, msg_drop_text((enum msg_drop)i), counts[i]);
        json_end(w, '}');
}

static void put_counters(struct json_writer *w, const struct report_info *sums)
{
        json_put_u64(w, "renewals", sums->renewals);
        put_types(w, "sent", sums->sent, ARRAY_SIZE(sums->sent));
        put_types(w, "received", sums->received, ARRAY_SIZE(sums->received));
        put_dropped(w, sums->dropped);
}

void report_lease(struct json_writer *w, const struct lease *lease, bool over, int64_t boot_ms,
                  int64_t real_ms, const char *last_error)
{
        const struct record *record = lease->record;
        struct report_info sums = { 0 };

        report_count(&sums, lease, over);
        json_begin(w, NULL, '{');
        json_put_given(w, "containerID", record->key.container_id);
        json_put_given(w, "network", record->key.network);
        json_put_given(w, "ifname", record->key.ifname);
        json_put_string(w, "state", over ? "RUNS-OUT" : lease_state_text(lease->state));
        if (grant_is(&record->grant))
                put_grant(w, &record->grant, boot_ms, real_ms);
        if (record->lost)
                json_put_bool(w, "lost", true);
        json_put_u64(w, "tries", lease->tries);
        put_counters(w, &sums);
        json_put_given(w, "lastError", last_error);
        json_put_given(w, "netns", record->netns);
        if (record->profile.client_id_len > 0)
                profile_put_hex(w, "clientID", record->profile.client_id,
                                record->profile.client_id_len);
        json_end(w, '}');
}

static void add_counts(uint64_t *sums, const uint32_t *counts, size_t count)
{
        for (size_t i = 0; i < count; i++)
                sums[i] += counts[i];
}

void report_count(struct report_info *info, const struct lease *lease, bool over)
{
        info->leases++;
        if (over)
                info->over++;
        else
                info->states[lease->state]++;
        add_counts(info->sent, lease->sent, ARRAY_SIZE(info->sent));
        add_counts(info->received, lease->received, ARRAY_SIZE(info->received));
        add_counts(info->dropped, lease->dropped, ARRAY_SIZE(info->dropped));
        info->renewals += lease->renewals;
}

/* Ends a document: a line of its own on a terminal. */
static void end_document(struct json_writer *w)
{
        json_end(w, '}');
        buf_putc(w->buf, '\n');
}

void report_info(const struct report_info *info, struct buf *document)
{
        struct json_writer w;

        json_writer_init(&w, document);
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "version", 1);
        json_put_i64(&w, "pid", info->pid);
        put_time(&w, "since", info->since_real_ms);
        json_put_given(&w, "socket", info->socket);
        json_put_bool(&w, "watch", info->watch_all);
        json_put_u64(&w, "connections", info->connections);
        json_put_u64(&w, "leases", info->leases);
        json_begin(&w, "states", '{');
        for (unsigned i = 0; i < LEASE_STATE_COUNT; i++)
                if (info->states[i] > 0)
                        json_put_u64(&w, lease_state_text((enum lease_state)i), info->states[i]);
        if (info->over > 0)
                json_put_u64(&w, "RUNS-OUT", info->over);
        json_end(&w, '}');
        put_counters(&w, info);
        end_document(&w);
}

/* ---- reading ---- */

/* A lease as the list has it; all borrowed from the document. */
struct row {
        const char *container_id, *network, *ifname, *state;
        const char *address, *server, *renew, *expires, *last_error;
        bool lost;
        int64_t tries;
};

static int decode_row(const struct json_at *at, struct row *ret, struct err *err)
{
        static const struct json_field fields[] = {
                { "containerID", json_decode_text, offsetof(struct row, container_id), JSON_PLAIN },
                { "network", json_decode_text, offsetof(struct row, network), JSON_PLAIN },
                { "ifname", json_decode_text, offsetof(struct row, ifname), JSON_PLAIN },
                { "state", json_decode_text, offsetof(struct row, state), JSON_PLAIN },
                { "address", json_decode_text, offsetof(struct row, address), JSON_PLAIN },
                { "server", json_decode_text, offsetof(struct row, server), JSON_PLAIN },
                { "renew", json_decode_text, offsetof(struct row, renew), JSON_PLAIN },
                { "expires", json_decode_text, offsetof(struct row, expires), JSON_PLAIN },
                { "lastError", json_decode_text, offsetof(struct row, last_error), JSON_PLAIN },
                { "lost", json_decode_bool, offsetof(struct row, lost), JSON_PLAIN },
                { "tries", json_decode_i64, offsetof(struct row, tries), JSON_PLAIN },
        };

        *ret = (struct row){ "", "", "", "", "", "", "", "", "", false, 0 };
        return json_object(at, fields, ARRAY_SIZE(fields), ret, err);
}

/* Reads a document, and calls `decode` for its list of leases. */
static int read_list(const char *text,
                     int (*decode)(const struct json_at *at, void *dst, struct err *err), void *dst,
                     struct err *err)
{
        const struct json_field fields[] = { { "leases", decode, 0, JSON_PLAIN } };
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_at at = { 0 };
        int r = json_parse(text, strlen(text), &document, err);

        at.value = document;
        if (r == 0)
                r = json_object(&at, fields, ARRAY_SIZE(fields), dst, err);
        if (r < 0)
                err_wrap(err, "the daemon's list: ");
        return r;
}

void key_list_done(struct key_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                key_done(&list->items[i]);
        free(list->items);
        *list = (struct key_list){ 0 };
}

static int decode_key(const struct json_at *at, void *dst, struct err *err)
{
        struct key_list *list = dst;

        list->items[list->count] = (struct key){ 0 };
        return key_decode(at, &list->items[list->count++], err);
}

static int decode_keys(const struct json_at *at, void *dst, struct err *err)
{
        struct key_list *list = dst;

        list->items = calloc(json_count(at) + 1, sizeof(*list->items));
        if (!list->items)
                return err_oom(err);
        return json_list(at, decode_key, list, err);
}

int report_read_keys(const char *document, struct key_list *ret, struct err *err)
{
        _cleanup_(key_list_done) struct key_list list = { 0 };
        int r = read_list(document, decode_keys, &list, err);

        if (r < 0)
                return r;
        *ret = list;
        list = (struct key_list){ 0 };
        return 0;
}

/* ---- the tables ---- */

static int add_cells(struct table *table, const char *const *cells, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < table->columns && r == 0; i++)
                r = table_add(table, err, "%s", cells[i]);
        return r;
}

static int decode_into_table(const struct json_at *at, void *dst, struct err *err)
{
        char address[128], tries[24];
        struct row row;
        int r = decode_row(at, &row, err);
        const char *const cells[] = { row.network, row.container_id, row.ifname, address,
                                      row.server,  row.state,        row.renew,  row.expires,
                                      tries,       row.last_error };

        if (r < 0)
                return r;
        (void)snprintf(address, sizeof(address), "%s%s", row.address, row.lost ? " (lost)" : "");
        (void)snprintf(tries, sizeof(tries), "%" PRId64, row.tries);
        return add_cells(dst, cells, err);
}

static int decode_all_into_table(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_into_table, dst, err);
}

int report_list_table(const char *document, struct buf *out, struct err *err)
{
        static const char *const head[] = { "NETWORK", "CONTAINER", "IFNAME", "ADDRESS",
                                            "SERVER",  "STATE",     "RENEW",  "EXPIRES",
                                            "TRIES",   "LAST ERROR" };
        _cleanup_(table_done) struct table table;
        size_t leases;
        int r;

        table_init(&table, ARRAY_SIZE(head));
        r = add_cells(&table, head, err);
        if (r == 0)
                r = read_list(document, decode_all_into_table, &table, err);
        if (r < 0)
                return r;
        leases = table.cells.count / table.columns - 1;
        if (leases > 0)
                table_print(&table, out);
        buf_printf(out, "%zu %s\n", leases, leases == 1 ? "lease" : "leases");
        return 0;
}

/* The daemon as its document has it; texts are borrowed. */
struct status {
        const char *since, *socket;
        int64_t pid, connections, leases, renewals;
        bool watch;
        char states[NOTE_MAX], sent[NOTE_MAX], received[NOTE_MAX], dropped[NOTE_MAX];
};

/* "DISCOVER 3, REQUEST 1" */
static int decode_counter(const struct json_at *at, void *dst, struct err *err)
{
        char *note = dst;
        size_t len = strlen(note);
        int64_t number;
        int r = json_decode_i64(at, &number, err);

        if (r == 0)
                (void)snprintf(note + len, NOTE_MAX - len, "%s%s %" PRId64, len > 0 ? ", " : "",
                               at->key, number);
        return r;
}

static int decode_counters(const struct json_at *at, void *dst, struct err *err)
{
        return json_members(at, decode_counter, dst, err);
}

static int decode_status(const struct json_at *at, struct status *ret, struct err *err)
{
        static const struct json_field fields[] = {
                { "pid", json_decode_i64, offsetof(struct status, pid), JSON_PLAIN },
                { "since", json_decode_text, offsetof(struct status, since), JSON_PLAIN },
                { "socket", json_decode_text, offsetof(struct status, socket), JSON_PLAIN },
                { "watch", json_decode_bool, offsetof(struct status, watch), JSON_PLAIN },
                { "connections", json_decode_i64, offsetof(struct status, connections),
                  JSON_PLAIN },
                { "leases", json_decode_i64, offsetof(struct status, leases), JSON_PLAIN },
                { "states", decode_counters, offsetof(struct status, states), JSON_PLAIN },
                { "renewals", json_decode_i64, offsetof(struct status, renewals), JSON_PLAIN },
                { "sent", decode_counters, offsetof(struct status, sent), JSON_PLAIN },
                { "received", decode_counters, offsetof(struct status, received), JSON_PLAIN },
                { "dropped", decode_counters, offsetof(struct status, dropped), JSON_PLAIN },
        };

        *ret = (struct status){ .since = "", .socket = "" };
        return json_object(at, fields, ARRAY_SIZE(fields), ret, err);
}

static int add_status(struct table *table, const struct status *status, struct err *err)
{
        const char *counted = status->leases > 0 ? ": " : "";
        char process[96], leases[NOTE_MAX + 32], connections[24], renewals[24];
        const char *const rows[][2] = {
                { "socket", status->socket },
                { "process", process },
                { "leases", leases },
                { "renewals", renewals },
                { "sent", status->sent },
                { "received", status->received },
                { "dropped", status->dropped },
                { "connections", connections },
                { "containers", status->watch ? "watched by events" : "looked at once a minute" },
        };
        int r = 0;

        (void)snprintf(process, sizeof(process), "%" PRId64 ", since %s", status->pid,
                       status->since);
        (void)snprintf(leases, sizeof(leases), "%" PRId64 "%s%s", status->leases, counted,
                       status->states);
        (void)snprintf(renewals, sizeof(renewals), "%" PRId64, status->renewals);
        (void)snprintf(connections, sizeof(connections), "%" PRId64, status->connections);
        for (size_t i = 0; i < ARRAY_SIZE(rows) && r == 0; i++)
                r = *rows[i][1] ? add_cells(table, rows[i], err) : 0;
        return r;
}

int report_info_table(const char *document, struct buf *out, struct err *err)
{
        _cleanup_(json_freep) struct json *parsed = NULL;
        _cleanup_(table_done) struct table table;
        struct json_at at = { 0 };
        struct status status;
        int r = json_parse(document, strlen(document), &parsed, err);

        table_init(&table, 2);
        at.value = parsed;
        if (r == 0)
                r = decode_status(&at, &status, err);
        if (r < 0)
                err_wrap(err, "the daemon's status: ");
        if (r == 0)
                r = add_status(&table, &status, err);
        if (r == 0)
                table_print(&table, out);
        return r;
}

/* ---- release ---- */

void report_released_json(size_t count, struct buf *out)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "version", 1);
        json_put_u64(&w, "released", count);
        end_document(&w);
}

void report_released_line(size_t count, struct buf *out)
{
        buf_printf(out, "released %zu %s\n", count, count == 1 ? "lease" : "leases");
}
