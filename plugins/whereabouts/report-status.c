/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The status of a node: what it found, in order from its own files to the server, then what is
 * wrong.
 */
#include <inttypes.h>
#include <string.h>

#include "core/table.h"
#include "core/utf8.h"
#include "report.h"

static const char *locking_of(const struct probe *probe)
{
        return probe->node.locking == LOCKING_OPTIMISTIC ? "optimistic" : "lease";
}

/* ---- JSON ---- */

static void put_answer(struct json_writer *w, const char *key, enum probe_answer answer)
{
        if (answer != PROBE_UNKNOWN)
                json_put_bool(w, key, answer == PROBE_YES);
}

static void put_resources(struct json_writer *w, const struct probe *probe)
{
        json_begin(w, "resources", '[');
        for (size_t i = 0; i < PROBE_RESOURCES; i++) {
                json_begin(w, NULL, '{');
                json_put_string(w, "name", probe->resources[i].plural);
                json_put_bool(w, "needed", probe->resources[i].needed);
                put_answer(w, "exists", probe->resources[i].exists);
                json_begin(w, "permissions", '[');
                for (size_t j = 0; j < PROBE_RIGHTS; j++) {
                        if (probe->rights[j].resource != i)
                                continue;
                        json_begin(w, NULL, '{');
                        json_put_string(w, "verb", probe->rights[j].verb);
                        json_put_bool(w, "needed", probe->rights[j].needed);
                        put_answer(w, "allowed", probe->rights[j].allowed);
                        json_end(w, '}');
                }
                json_end(w, ']');
                json_end(w, '}');
        }
        json_end(w, ']');
}

static void put_lease(struct json_writer *w, const struct probe *probe)
{
        json_begin(w, "lease", '{');
        json_put_string(w, "holder", probe->lease.holder);
        json_put_i64(w, "durationSeconds", probe->lease.duration_s);
        json_put_given(w, "renewTime", probe->lease.renew_time);
        json_put_i64(w, "ageMilliseconds", probe->lease_age_ms);
        json_end(w, '}');
}

static void put_records(struct json_writer *w, const struct probe *probe)
{
        json_begin(w, "records", '{');
        json_put_u64(w, "count", probe->record_count);
        json_begin(w, "unfinished", '[');
        for (size_t i = 0; i < probe->unfinished; i++) {
                const struct probe_record *record = &probe->records[i];

                json_begin(w, NULL, '{');
                json_put_string(w, "network", record->network);
                json_put_string(w, "containerID", record->container_id);
                json_put_string(w, "ifname", record->ifname);
                json_put_given(w, "podRef", record->podref);
                json_put_string(w, "state", record->adding ? "adding" : "held");
                json_put_bool(w, "marked", record->marked);
                json_put_string(w, "reason", record->reason);
                json_end(w, '}');
        }
        json_end(w, ']');
        json_end(w, '}');
}

void report_status_json(const struct probe *probe, struct buf *out)
{
        struct json_writer w;

        json_writer_init(&w, out);
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "version", 1);
        json_put_bool(&w, "ok", probe->problems.count == 0);
        json_put_given(&w, "flatFile", probe->node.flat_file);
        json_put_given(&w, "kubeconfig", probe->node.kubeconfig);
        json_put_given(&w, "context", probe->kubeconfig.context);
        json_put_given(&w, "server", probe->kubeconfig.server);
        json_put_given(&w, "namespace", probe->kubeconfig.namespace);
        json_put_string(&w, "locking", locking_of(probe));
        json_put_bool(&w, "reachable", probe->reachable);
        if (probe->reachable) {
                json_put_i64(&w, "latencyMilliseconds", probe->latency_ms);
                put_resources(&w, probe);
        }
        if (probe->has_lease)
                put_lease(&w, probe);
        put_records(&w, probe);
        json_begin(&w, "problems", '[');
        for (size_t i = 0; i < probe->problems.count; i++)
                json_put_string(&w, NULL, probe->problems.items[i]);
        json_end(&w, ']');
        json_end(&w, '}');
        buf_putc(out, '\n');
}

/* ---- tables ---- */

static int add_pair(struct table *table, struct err *err, const char *name, const char *text)
{
        int r = table_add(table, err, "%s", name);

        return r < 0 ? r : table_add(table, err, "%s", text ? text : "-");
}

static int add_server(struct table *table, const struct probe *probe, struct err *err)
{
        int r = table_add(table, err, "API server");

        if (r < 0)
                return r;
        if (!probe->has_kubeconfig)
                return table_add(table, err, "-");
        if (!probe->reachable)
                return table_add(table, err, "gives no usable answer");
        return table_add(table, err, "answers in %" PRId64 " ms", probe->latency_ms);
}

static int add_lease(struct table *table, const struct probe *probe, struct err *err)
{
        const struct lease *lease = &probe->lease;
        int r = table_add(table, err, "Lease");

        if (r < 0)
                return r;
        if (!probe->has_lease)
                return table_add(table, err, "%s", probe->lacks_lease ? "none is there" : "-");
        if (!*lease->holder)
                return table_add(table, err, "free, renewed %.1f s ago",
                                 (double)probe->lease_age_ms / 1000);
        return table_add(table, err, "held by %s for %" PRId64 " s, renewed %.1f s ago",
                         lease->holder, lease->duration_s, (double)probe->lease_age_ms / 1000);
}

static int print_facts(const struct probe *probe, struct buf *out, struct err *err)
{
        _cleanup_(table_done) struct table table;
        int r;

        table_init(&table, 2);
        r = add_pair(&table, err, "flat file", probe->node.flat_file);
        if (r == 0)
                r = add_pair(&table, err, "kubeconfig", probe->node.kubeconfig);
        if (r == 0)
                r = add_pair(&table, err, "context", probe->kubeconfig.context);
        if (r == 0)
                r = add_pair(&table, err, "server", probe->kubeconfig.server);
        if (r == 0)
                r = add_pair(&table, err, "namespace", probe->kubeconfig.namespace);
        if (r == 0)
                r = add_pair(&table, err, "locking", probe->has_conf ? locking_of(probe) : NULL);
        if (r == 0)
                r = add_server(&table, probe, err);
        if (r == 0)
                r = add_lease(&table, probe, err);
        if (r == 0)
                r = table_add(&table, err, "records");
        if (r == 0)
                r = table_add(&table, err, "%zu, %zu of them unfinished", probe->record_count,
                              probe->unfinished);
        if (r == 0)
                table_print(&table, out);
        return r;
}

/* The verbs of a kind of objects that have this answer. */
static int add_verbs(struct table *table, const struct probe *probe, size_t resource,
                     enum probe_answer answer, struct err *err)
{
        char text[128] = "";
        size_t len = 0;

        for (size_t i = 0; i < PROBE_RIGHTS; i++) {
                const struct probe_right *right = &probe->rights[i];

                if (right->resource != resource || right->allowed != answer)
                        continue;
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len > 0 ? " " : "",
                                        right->verb);
        }
        return table_add(table, err, "%s", text);
}

static int print_resources(const struct probe *probe, struct buf *out, struct err *err)
{
        static const char *const answers[] = { "unknown", "yes", "no" };
        static const char *const head[] = { "RESOURCE", "NEEDED",    "EXISTS",
                                            "ALLOWED",  "FORBIDDEN", "UNKNOWN" };
        static const enum probe_answer columns[] = { PROBE_YES, PROBE_NO, PROBE_UNKNOWN };
        _cleanup_(table_done) struct table table;
        int r = 0;

        table_init(&table, ARRAY_SIZE(head));
        for (size_t i = 0; i < ARRAY_SIZE(head) && r == 0; i++)
                r = table_add(&table, err, "%s", head[i]);
        for (size_t i = 0; i < PROBE_RESOURCES && r == 0; i++) {
                const struct probe_resource *resource = &probe->resources[i];

                r = table_add(&table, err, "%s", resource->plural);
                if (r == 0)
                        r = table_add(&table, err, "%s", resource->needed ? "yes" : "for slices");
                if (r == 0)
                        r = table_add(&table, err, "%s", answers[resource->exists]);
                for (size_t j = 0; j < ARRAY_SIZE(columns) && r == 0; j++)
                        r = add_verbs(&table, probe, i, columns[j], err);
        }
        if (r < 0)
                return r;
        buf_putc(out, '\n');
        table_print(&table, out);
        return 0;
}

static int print_records(const struct probe *probe, struct buf *out, struct err *err)
{
        static const char *const head[] = { "NETWORK", "CONTAINER", "IFNAME", "POD", "REASON" };
        _cleanup_(table_done) struct table table;
        int r = 0;

        table_init(&table, ARRAY_SIZE(head));
        for (size_t i = 0; i < ARRAY_SIZE(head) && r == 0; i++)
                r = table_add(&table, err, "%s", head[i]);
        for (size_t i = 0; i < probe->unfinished && r == 0; i++) {
                const struct probe_record *record = &probe->records[i];
                const char *const cells[] = { record->network, record->container_id, record->ifname,
                                              record->podref ? record->podref : "",
                                              record->reason };

                for (size_t j = 0; j < ARRAY_SIZE(cells) && r == 0; j++)
                        r = table_add(&table, err, "%s", cells[j]);
        }
        if (r < 0)
                return r;
        buf_putc(out, '\n');
        table_print(&table, out);
        return 0;
}

int report_status_table(const struct probe *probe, struct buf *out, struct err *err)
{
        int r = print_facts(probe, out, err);

        if (r == 0 && probe->reachable)
                r = print_resources(probe, out, err);
        if (r == 0 && probe->unfinished > 0)
                r = print_records(probe, out, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < probe->problems.count; i++) {
                utf8_make_printable(probe->problems.items[i]);
                buf_printf(out, "%sproblem: %s\n", i == 0 ? "\n" : "", probe->problems.items[i]);
        }
        return 0;
}
