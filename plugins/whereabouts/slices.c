/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tenants decide how many networks there are, and how large their objects. So an object is read
 * when it is its turn, and is gone before the next one's; of all of them only metadata is listed.
 * IPPools are large, too, and say which slices are in use: they are read only in a round that is to
 * change something.
 */
#include "slices.h"

#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "k8s-list.h"
#include "seating.h"

#define REQUEST_MS     10000
#define COMPLAINTS_MAX 8192
#define QUIET_MS       30000
#define TOLD_MAX       (16U * 1024U * 1024U)

/* All of one round. */
struct round {
        struct k8s *k8s;
        struct slicing_list slicings;
        struct text_list nodes;   /* sorted */
        struct text_list managed; /* objects that may be deleted */
        struct buf told;          /* what the lists say, for comparison */
        struct pool_list pools;
        bool pools_read;
        struct text_list names; /* of nodes, for seats */
        struct buf complaints;
        struct slices_outcome outcome;
};

static void round_done(struct round *round)
{
        slicing_list_done(&round->slicings);
        text_list_done(&round->nodes);
        text_list_done(&round->managed);
        buf_done(&round->told);
        pool_list_done(&round->pools);
        text_list_done(&round->names);
        buf_done(&round->complaints);
}

void slices_done(struct slices *slices)
{
        free(slices->said);
        *slices = (struct slices){ 0 };
}

/* ---- reading ---- */

static int add_node(const struct json_at *at, void *dst, struct err *err)
{
        struct json_at metadata, name;
        const char *text;
        int r;

        if (!json_member(at, "metadata", &metadata) || !json_member(&metadata, "name", &name))
                return 0;
        r = json_text(&name, &text, err);
        return r < 0 ? r : text_list_add(dst, text, strlen(text), err);
}

/* An object as its metadata tells of it. */
static int add_head(const struct json_at *at, void *dst, struct err *err)
{
        struct round *round = dst;
        struct slice_pool_head head;
        int r = slice_pool_read_head(at, &head, err);

        if (r == 0)
                buf_printf(&round->told, "object %s %s\n", head.name, head.resource_version);
        return r < 0 || !head.managed
                       ? r
                       : text_list_add(&round->managed, head.name, strlen(head.name), err);
}

static void tell_wishes(struct round *round)
{
        char text[IPNET_TEXT_MAX];

        for (size_t i = 0; i < round->slicings.count; i++) {
                const struct slicing *slicing = &round->slicings.items[i];

                buf_printf(&round->told, "network %s %s %s %s %u\n", slicing->pool,
                           slicing->network_name ? slicing->network_name : "", slicing->whose,
                           ipnet_format(&slicing->range, text), slicing->prefix);
        }
        for (size_t i = 0; i < round->nodes.count; i++)
                buf_printf(&round->told, "node %s\n", round->nodes.items[i]);
        buf_puts(&round->told, buf_text(&round->complaints));
}

static int read_lists(struct round *round, struct err *err)
{
        const struct k8s_list networks = { .resource = K8S_NETWORK,
                                           .everywhere = true,
                                           .cached = true };
        const struct k8s_list nodes = { .resource = K8S_NODE, .brief = true, .cached = true };
        const struct k8s_list objects = { .resource = K8S_SLICE_POOL, .brief = true };
        const struct k8s_limits limits = k8s_limits_within(REQUEST_MS);
        int r = k8s_list_each(round->k8s, &networks, &limits, slicing_list_read, &round->slicings,
                              err);

        if (r == 0)
                r = k8s_list_each(round->k8s, &nodes, &limits, add_node, &round->nodes, err);
        if (r == 0)
                r = k8s_list_each(round->k8s, &objects, &limits, add_head, round, err);
        slicing_list_sort(&round->slicings);
        text_list_sort(&round->nodes);
        tell_wishes(round);
        return r < 0 ? r : buf_check(&round->told, err);
}

/* Outcome > 0 of read_object(). */
enum {
        NO_OBJECT = 1,
};

static int read_object(struct round *round, const char *name, struct slice_pool *ret,
                       struct err *err)
{
        const struct k8s_limits limits = k8s_limits_within(REQUEST_MS);
        _cleanup_(k8s_request_done) struct k8s_request request;
        int r;

        k8s_request_init(&request, K8S_GET, K8S_SLICE_POOL, name);
        r = k8s_run_one(round->k8s, &request, &limits, err);
        if (r == 0 && request.end == K8S_NOT_FOUND)
                return NO_OBJECT;
        if (r == 0 && request.end != K8S_DONE)
                r = k8s_error(&request, err);
        return r < 0 ? r
                     : slice_pool_parse(buf_text(&request.answer), request.answer.len, ret, err);
}

/* The whole list in one piece: its values borrow from it. */
static int read_pools(struct round *round, struct err *err)
{
        const struct k8s_limits limits = k8s_limits_within(REQUEST_MS);
        _cleanup_(k8s_request_done) struct k8s_request request;
        int r;

        k8s_request_init(&request, K8S_GET, K8S_POOL, NULL);
        r = k8s_run_one(round->k8s, &request, &limits, err);
        if (r == 0 && request.end != K8S_DONE)
                r = k8s_error(&request, err);
        return r < 0 ? r
                     : pool_list_parse(buf_text(&request.answer), request.answer.len, &round->pools,
                                       err);
}

static int find_in_use(struct round *round, const struct slicing *slicing, struct seats *ret,
                       struct err *err)
{
        int r = 0;

        if (!round->pools_read)
                r = read_pools(round, err);
        round->pools_read = r == 0;
        return r < 0 ? r : seats_in_use(slicing, &round->pools, &round->names, ret, err);
}

/* ---- writing ---- */

/* Sends one change. Whoever was faster is seen in the next round. */
static int send(struct round *round, struct k8s_request *request, size_t *count, struct err *err)
{
        const struct k8s_limits limits = k8s_limits_within(REQUEST_MS);
        int r = buf_check(&request->body, err);

        if (r == 0)
                r = k8s_run_one(round->k8s, request, &limits, err);
        if (r < 0)
                return r;
        if (request->end == K8S_DONE) {
                (*count)++;
                return 0;
        }
        round->outcome.failed++;
        buf_printf(&round->complaints, "%s\n", request->err.msg);
        return 0;
}

static int write_object(struct round *round, const struct slicing *slicing,
                        const struct slice_pool *have, const struct seats *seats, struct err *err)
{
        struct slices_outcome *outcome = &round->outcome;
        _cleanup_(k8s_request_done) struct k8s_request request;

        k8s_request_init(&request, have ? K8S_PATCH : K8S_POST, K8S_SLICE_POOL, slicing->pool);
        if (have)
                slice_pool_write_change(&request.body, have, slicing, seats);
        else
                slice_pool_write_new(&request.body, k8s_namespace(round->k8s), slicing, seats);
        return send(round, &request, have ? &outcome->changed : &outcome->created, err);
}

/* ---- one network ---- */

static bool same_cut(const struct slicing *slicing, const struct ipnet *range, unsigned prefix)
{
        return ip_equal(&slicing->range.ip, &range->ip) && slicing->range.prefix == range->prefix &&
               slicing->prefix == prefix;
}

/* Of several definitions of one network the one counts by which it is cut already, else the first.
 */
static const struct slicing *choose_slicing(struct round *round, const struct slicing *items,
                                            size_t count, const struct slice_pool *have)
{
        const struct slicing *chosen = &items[0];

        for (size_t i = count; have && i > 0; i--)
                if (same_cut(&items[i - 1], &have->range, have->prefix))
                        chosen = &items[i - 1];
        for (size_t i = 0; i < count; i++)
                if (!same_cut(&items[i], &chosen->range, chosen->prefix))
                        buf_printf(&round->complaints,
                                   "%s: NodeSlicePool %s is cut otherwise, as %s says\n",
                                   items[i].whose, chosen->pool, chosen->whose);
        return chosen;
}

/* The cut that holds: that of the definition, unless the present one is in use. */
static int settle_cut(struct round *round, const struct slice_pool *have, struct slicing *slicing,
                      struct err *err)
{
        _cleanup_(seats_done) struct seats in_use = { 0 };
        struct slicing present = *slicing;
        char text[IPNET_TEXT_MAX];
        int r;

        if (!have || have->range.ip.family == IP_UNSET ||
            same_cut(slicing, &have->range, have->prefix))
                return 0;
        present.range = have->range;
        present.prefix = have->prefix;
        r = find_in_use(round, &present, &in_use, err);
        if (r < 0 || in_use.count == 0)
                return r;
        buf_printf(&round->complaints,
                   "%s: NodeSlicePool %s stays %s in slices of /%u while %zu of them are in use\n",
                   slicing->whose, slicing->pool, ipnet_format(&have->range, text), have->prefix,
                   in_use.count);
        *slicing = present;
        return 0;
}

static void complain_of_lack(struct round *round, const struct slicing *slicing, size_t without)
{
        round->outcome.without += without;
        if (without > 0)
                buf_printf(&round->complaints,
                           "%s: NodeSlicePool %s has no slice for %zu of the nodes\n",
                           slicing->whose, slicing->pool, without);
}

static int keep_network(struct round *round, const struct slicing *items, size_t count,
                        struct err *err)
{
        _cleanup_(slice_pool_done) struct slice_pool object = { 0 };
        _cleanup_(seats_done) struct seats quick = { 0 }, in_use = { 0 }, seats = { 0 };
        const struct slice_pool *have;
        const struct seats none = { 0 };
        struct slicing slicing; /* borrows */
        size_t without = 0;
        int r = read_object(round, items->pool, &object, err);

        if (r < 0)
                return r;
        have = r == NO_OBJECT ? NULL : &object;
        slicing = *choose_slicing(round, items, count, have);
        round->outcome.networks++;
        r = settle_cut(round, have, &slicing, err);
        if (r == 0)
                r = seats_assign(&slicing, have, &none, &round->nodes, &quick, &without, err);
        if (r == 0 && have && slice_pool_says(have, &slicing, &quick)) {
                complain_of_lack(round, &slicing, without);
                return 0;
        }
        if (r == 0)
                r = find_in_use(round, &slicing, &in_use, err);
        if (r == 0)
                r = seats_assign(&slicing, have, &in_use, &round->nodes, &seats, &without, err);
        if (r < 0)
                return r;
        complain_of_lack(round, &slicing, without);
        if (have && slice_pool_says(have, &slicing, &seats))
                return 0;
        return write_object(round, &slicing, have, &seats, err);
}

/* ---- objects that nobody wants ---- */

static bool is_wanted(const struct round *round, const char *name)
{
        for (size_t i = 0; i < round->slicings.count; i++)
                if (strcmp(round->slicings.items[i].pool, name) == 0)
                        return true;
        return false;
}

/* Whether anything of it is in use; the network may have been named, or not. */
static int is_in_use(struct round *round, const struct slice_pool *object, bool *ret,
                     struct err *err)
{
        char *const name = (char *)(uintptr_t)object->head.name; /* borrowed, as all of it */
        const struct slicing named = {
                .pool = name, .network_name = name, .range = object->range, .prefix = object->prefix
        };
        const struct slicing unnamed = { .pool = name,
                                         .range = object->range,
                                         .prefix = object->prefix };
        _cleanup_(seats_done) struct seats first = { 0 }, second = { 0 };
        int r = find_in_use(round, &named, &first, err);

        if (r == 0)
                r = find_in_use(round, &unnamed, &second, err);
        *ret = first.count > 0 || second.count > 0;
        return r;
}

static int delete_object(struct round *round, const struct slice_pool *object, struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request request;

        k8s_request_init(&request, K8S_DELETE, K8S_SLICE_POOL, object->head.name);
        slice_pool_write_delete(&request.body, object);
        return send(round, &request, &round->outcome.deleted, err);
}

/* Deletes the object, unless something of it is in use or nobody can tell. */
static int drop_object(struct round *round, const char *name, struct err *err)
{
        _cleanup_(slice_pool_done) struct slice_pool object = { 0 };
        bool in_use = true;
        int r = read_object(round, name, &object, err);

        if (r != 0 || !object.head.managed || object.range.ip.family == IP_UNSET)
                return r < 0 ? r : 0;
        r = is_in_use(round, &object, &in_use, err);
        return r < 0 || in_use ? r : delete_object(round, &object, err);
}

/* Where a definition cannot be read, it may be the one that wants the object. */
static int clean_up(struct round *round, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < round->managed.count && r == 0; i++)
                if (round->slicings.unclear == 0 && !is_wanted(round, round->managed.items[i]))
                        r = drop_object(round, round->managed.items[i], err);
        return r;
}

/* ---- the round ---- */

static int keep_networks(struct round *round, struct err *err)
{
        const struct slicing *items = round->slicings.items;
        size_t count = round->slicings.count, next;
        int r = 0;

        for (size_t i = 0; i < count && r == 0; i = next) {
                for (next = i + 1; next < count; next++)
                        if (strcmp(items[next].pool, items[i].pool) != 0)
                                break;
                r = keep_network(round, &items[i], next - i, err);
        }
        return r;
}

/* Says what is wrong, unless it was said the last time. */
static void complain(struct slices *slices, const struct buf *complaints)
{
        const char *text = complaints->len > 0 ? buf_text(complaints) : "";

        if (!slices->said || strcmp(slices->said, text) != 0)
                for (const char *line = text; *line;) {
                        size_t len = strcspn(line, "\n");

                        log_line(LOG_LEVEL_WARNING, "%.*s", (int)len, line);
                        line += len + (line[len] != '\0');
                }
        free(slices->said);
        slices->said = strdup(text);
}

static bool did_nothing(const struct slices_outcome *outcome)
{
        return outcome->created + outcome->changed + outcome->deleted + outcome->failed == 0;
}

/* Whether the lists say what they said when there was nothing to do, a short while ago. */
static bool is_quiet(const struct slices *slices, const uint8_t told[SHA256_SIZE])
{
        return slices->quiet_ms > 0 && clock_boot_ms() - slices->quiet_ms < QUIET_MS &&
               memcmp(slices->told, told, SHA256_SIZE) == 0;
}

static void note_round(struct slices *slices, const struct round *round,
                       const uint8_t told[SHA256_SIZE])
{
        slices->found = round->outcome;
        slices->quiet_ms = did_nothing(&round->outcome) ? clock_boot_ms() : 0;
        memcpy(slices->told, told, SHA256_SIZE);
}

int slices_run(struct slices *slices, struct k8s *k8s, struct slices_outcome *ret, struct err *err)
{
        _cleanup_(round_done) struct round round = { .k8s = k8s };
        uint8_t told[SHA256_SIZE];
        int r;

        buf_init(&round.complaints, COMPLAINTS_MAX);
        buf_init(&round.told, TOLD_MAX);
        slicing_list_init(&round.slicings, &round.complaints);
        r = read_lists(&round, err);
        if (r == 0) {
                const char *const text = buf_text(&round.told);

                sha256_fields(&text, 1, told);
                if (is_quiet(slices, told)) {
                        *ret = slices->found;
                        return 0;
                }
                r = keep_networks(&round, err);
        }
        if (r == 0)
                r = clean_up(&round, err);
        complain(slices, &round.complaints);
        slices->quiet_ms = 0;
        if (r < 0)
                return r;
        note_round(slices, &round, told);
        *ret = round.outcome;
        return 0;
}
