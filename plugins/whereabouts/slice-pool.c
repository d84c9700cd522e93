/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other programs read the object, too: the nodes' plugins look for their name in it, and another
 * controller takes the entries without a name for what it may give away. So free slices are listed,
 * unless they are too many for an object.
 */
#include "slice-pool.h"

#include <string.h>

#define API         "whereabouts.cni.cncf.io/v1alpha1"
#define LISTED_MAX  4096 /* slices of which the free ones are listed, too */
#define MANAGED_KEY "app.kubernetes.io/managed-by"
#define MANAGED_BY  "whereabouts"

void seats_done(struct seats *seats)
{
        free(seats->items);
        *seats = (struct seats){ 0 };
}

/* ---- reading ---- */

void slice_pool_done(struct slice_pool *pool)
{
        free(pool->entries);
        json_free(pool->document);
        *pool = (struct slice_pool){ 0 };
}

static int decode_labels(const struct json_at *at, void *dst, _unused_ struct err *err)
{
        bool *managed = dst;
        struct json_at value;
        struct err oddity;
        const char *text;

        if (json_member(at, MANAGED_KEY, &value) && json_text(&value, &text, &oddity) == 0 &&
            strcmp(text, MANAGED_BY) == 0)
                *managed = true;
        return 0;
}

/* A controller of the older kind makes the definition the owner. */
static int decode_owner(const struct json_at *at, void *dst, _unused_ struct err *err)
{
        bool *managed = dst;
        struct json_at kind;
        struct err oddity;
        const char *text;

        if (json_member(at, "kind", &kind) && json_text(&kind, &text, &oddity) == 0 &&
            strcmp(text, "NetworkAttachmentDefinition") == 0)
                *managed = true;
        return 0;
}

static int decode_owners(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_owner, dst, err);
}

static int decode_head(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "name", json_decode_text, offsetof(struct slice_pool_head, name), JSON_PLAIN },
                { "uid", json_decode_text, offsetof(struct slice_pool_head, uid), JSON_PLAIN },
                { "resourceVersion", json_decode_text,
                  offsetof(struct slice_pool_head, resource_version), JSON_PLAIN },
                { "labels", decode_labels, offsetof(struct slice_pool_head, managed), JSON_PLAIN },
                { "ownerReferences", decode_owners, offsetof(struct slice_pool_head, managed),
                  JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

int slice_pool_read_head(const struct json_at *at, struct slice_pool_head *ret, struct err *err)
{
        static const struct json_field fields[] = {
                { "metadata", decode_head, 0, JSON_PLAIN },
        };

        *ret = (struct slice_pool_head){ .name = "", .uid = "", .resource_version = "" };
        return json_object(at, fields, ARRAY_SIZE(fields), ret, err);
}

/* Anything that makes no sense leaves the range unset. */
static int decode_spec(const struct json_at *at, void *dst, _unused_ struct err *err)
{
        struct texts {
                const char *range, *size;
        } texts = { 0 };
        static const struct json_field fields[] = {
                { "range", json_decode_text, offsetof(struct texts, range), JSON_PLAIN },
                { "sliceSize", json_decode_text, offsetof(struct texts, size), JSON_PLAIN },
        };
        struct slice_pool *pool = dst;
        struct ipnet range;
        struct err oddity;

        if (json_object(at, fields, ARRAY_SIZE(fields), &texts, &oddity) < 0 || !texts.range ||
            !texts.size || ipnet_parse(texts.range, &range) < 0 ||
            slicing_parse_size(texts.size, &pool->prefix) < 0 || pool->prefix < range.prefix ||
            pool->prefix > ip_bits(&range.ip))
                return 0;
        range.ip = ipnet_first(&range);
        pool->range = range;
        return 0;
}

static int decode_entry(const struct json_at *at, void *dst, struct err *err)
{
        struct texts {
                const char *node, *net;
        } texts = { 0 };
        static const struct json_field fields[] = {
                { "nodeName", json_decode_text, offsetof(struct texts, node), JSON_PLAIN },
                { "sliceRange", json_decode_text, offsetof(struct texts, net), JSON_PLAIN },
        };
        struct slice_pool *pool = dst;
        struct slice_pool_entry *entry,
                *entries = reallocarray(pool->entries, pool->count + 1, sizeof(*entries));
        struct err oddity;

        if (!entries)
                return err_oom(err);
        pool->entries = entries;
        entry = &entries[pool->count++];
        *entry = (struct slice_pool_entry){ .node = "" };
        if (json_object(at, fields, ARRAY_SIZE(fields), &texts, &oddity) < 0)
                return 0;
        if (texts.node)
                entry->node = texts.node;
        if (texts.net && ipnet_parse(texts.net, &entry->net) < 0)
                entry->net = (struct ipnet){ 0 };
        return 0;
}

static int decode_entries(const struct json_at *at, void *dst, struct err *err)
{
        return json_is_list(at) ? json_list(at, decode_entry, dst, err) : 0;
}

static int decode_status(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "allocations", decode_entries, 0, JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

int slice_pool_parse(const char *text, size_t len, struct slice_pool *ret, struct err *err)
{
        static const struct json_field fields[] = {
                { "spec", decode_spec, 0, JSON_PLAIN },
                { "status", decode_status, 0, JSON_PLAIN },
        };
        _cleanup_(slice_pool_done) struct slice_pool pool = { 0 };
        struct json_at top = { 0 };
        int r = json_parse(text, len, &pool.document, err);

        top.value = pool.document;
        if (r == 0)
                r = slice_pool_read_head(&top, &pool.head, err);
        if (r == 0)
                r = json_object(&top, fields, ARRAY_SIZE(fields), &pool, err);
        if (r < 0)
                return r;
        *ret = pool;
        pool = (struct slice_pool){ 0 };
        return 0;
}

/* ---- writing ---- */

/* The list as it stands in the object, entry by entry. */
struct walk {
        const struct slicing *slicing;
        const struct seats *seats;
        bool all; /* the free ones, too */
        uint64_t number;
        size_t seat; /* the next one */
};

static void walk_init(struct walk *walk, const struct slicing *slicing, const struct seats *seats)
{
        *walk = (struct walk){ .slicing = slicing, .seats = seats };
        walk->all = slicing_count(&slicing->range, slicing->prefix) <= LISTED_MAX;
}

static bool walk_next(struct walk *walk, struct slice_pool_entry *ret)
{
        const struct slicing *slicing = walk->slicing;
        const struct seat *seat =
                walk->seat < walk->seats->count ? &walk->seats->items[walk->seat] : NULL;

        if (walk->all ? walk->number >= slicing_count(&slicing->range, slicing->prefix) : !seat)
                return false;
        if (!walk->all)
                walk->number = seat->number;
        ret->node = "";
        ret->net = slicing_net(&slicing->range, slicing->prefix, walk->number);
        if (seat && seat->number == walk->number) {
                ret->node = seat->node;
                walk->seat++;
        }
        walk->number++;
        return true;
}

bool slice_pool_says(const struct slice_pool *pool, const struct slicing *slicing,
                     const struct seats *seats)
{
        struct slice_pool_entry entry;
        struct walk walk;
        size_t i = 0;

        if (!ip_equal(&pool->range.ip, &slicing->range.ip) ||
            pool->range.prefix != slicing->range.prefix || pool->prefix != slicing->prefix)
                return false;
        walk_init(&walk, slicing, seats);
        for (; walk_next(&walk, &entry); i++)
                if (i >= pool->count || strcmp(pool->entries[i].node, entry.node) != 0 ||
                    !ip_equal(&pool->entries[i].net.ip, &entry.net.ip) ||
                    pool->entries[i].net.prefix != entry.net.prefix)
                        return false;
        return i == pool->count;
}

static void put_spec(struct json_writer *w, const char *key, const struct slicing *slicing)
{
        char text[IPNET_TEXT_MAX];

        json_begin(w, key, '{');
        json_put_string(w, "range", ipnet_format(&slicing->range, text));
        (void)snprintf(text, sizeof(text), "/%u", slicing->prefix);
        json_put_string(w, "sliceSize", text);
        json_end(w, '}');
}

static void put_status(struct json_writer *w, const char *key, const struct slicing *slicing,
                       const struct seats *seats)
{
        struct slice_pool_entry entry;
        char text[IPNET_TEXT_MAX];
        struct walk walk;

        walk_init(&walk, slicing, seats);
        json_begin(w, key, '{');
        json_begin(w, "allocations", '[');
        while (walk_next(&walk, &entry)) {
                json_begin(w, NULL, '{');
                json_put_string(w, "nodeName", entry.node);
                json_put_string(w, "sliceRange", ipnet_format(&entry.net, text));
                json_end(w, '}');
        }
        json_end(w, ']');
        json_end(w, '}');
}

void slice_pool_write_new(struct buf *buf, const char *namespace, const struct slicing *slicing,
                          const struct seats *seats)
{
        struct json_writer w;

        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '{');
        json_put_string(&w, "apiVersion", API);
        json_put_string(&w, "kind", "NodeSlicePool");
        json_begin(&w, "metadata", '{');
        json_put_string(&w, "name", slicing->pool);
        json_put_string(&w, "namespace", namespace);
        json_begin(&w, "labels", '{');
        json_put_string(&w, MANAGED_KEY, MANAGED_BY);
        json_end(&w, '}');
        json_end(&w, '}');
        put_spec(&w, "spec", slicing);
        put_status(&w, "status", slicing, seats);
        json_end(&w, '}');
}

static void begin_operation(struct json_writer *w, const char *op, const char *path)
{
        json_begin(w, NULL, '{');
        json_put_string(w, "op", op);
        json_put_string(w, "path", path);
}

void slice_pool_write_change(struct buf *buf, const struct slice_pool *pool,
                             const struct slicing *slicing, const struct seats *seats)
{
        struct json_writer w;

        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '[');
        begin_operation(&w, "test", "/metadata/resourceVersion");
        json_put_string(&w, "value", pool->head.resource_version);
        json_end(&w, '}');
        begin_operation(&w, "add", "/spec"); /* in place of what is there */
        put_spec(&w, "value", slicing);
        json_end(&w, '}');
        begin_operation(&w, "add", "/status");
        put_status(&w, "value", slicing, seats);
        json_end(&w, '}');
        json_end(&w, ']');
}

void slice_pool_write_delete(struct buf *buf, const struct slice_pool *pool)
{
        struct json_writer w;

        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '{');
        json_put_string(&w, "kind", "DeleteOptions");
        json_put_string(&w, "apiVersion", "v1");
        json_begin(&w, "preconditions", '{');
        json_put_string(&w, "uid", pool->head.uid);
        json_put_string(&w, "resourceVersion", pool->head.resource_version);
        json_end(&w, '}');
        json_end(&w, '}');
}
