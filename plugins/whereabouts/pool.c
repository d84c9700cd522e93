/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPPool objects. What stands under a key is decoded leniently: an entry that is odd still takes
 * its address, and no entry of others may keep a pool from being read.
 */
#include "pool.h"

#include <string.h>

#define POOL_API "whereabouts.cni.cncf.io/v1alpha1"

/* The API server takes no larger request. */
#define PATCH_MAX (3U * 1024U * 1024U)

void pool_done(struct pool *pool)
{
        free(pool->name);
        free(pool->resource_version);
        free(pool->entries);
        json_free(pool->document);
        *pool = (struct pool){ 0 };
}

void pool_list_done(struct pool_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                pool_done(&list->items[i]);
        free(list->items);
        json_free(list->document);
        *list = (struct pool_list){ 0 };
}

/* ---- reading ---- */

/* What the object says of itself; borrowed. */
struct object {
        const char *name, *resource_version, *range;
        bool tracked;
};

static int decode_first_element(const struct json_at *at, void *dst, _unused_ struct err *err)
{
        bool *tracked = dst;

        *tracked = *tracked || at->index > 0 || json_count(at) > 0;
        return 0;
}

/* [{}] is what the API server is given to forget the fields' owners. */
static int decode_managed_fields(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_first_element, dst, err);
}

static const struct json_field metadata_fields[] = {
        { "name", json_decode_text, offsetof(struct object, name), JSON_PLAIN },
        { "resourceVersion", json_decode_text, offsetof(struct object, resource_version),
          JSON_PLAIN },
        { "managedFields", decode_managed_fields, offsetof(struct object, tracked), JSON_PLAIN },
};

static const struct json_field spec_fields[] = {
        { "range", json_decode_text, offsetof(struct object, range), JSON_PLAIN },
};

static int decode_metadata(const struct json_at *at, void *dst, struct err *err)
{
        return json_object(at, metadata_fields, ARRAY_SIZE(metadata_fields), dst, err);
}

static int decode_spec(const struct json_at *at, void *dst, struct err *err)
{
        return json_object(at, spec_fields, ARRAY_SIZE(spec_fields), dst, err);
}

static const struct json_field object_fields[] = {
        { "metadata", decode_metadata, 0, JSON_PLAIN },
        { "spec", decode_spec, 0, JSON_PLAIN },
};

/* A key as Go's strconv.ParseInt reads it. False for what is no offset. */
static bool parse_key(const char *key, uint64_t *ret)
{
        bool sign = *key == '+' || *key == '-';

        return parse_u64(key + sign, strlen(key + sign), INT64_MAX, ret) == 0 &&
               (*key != '-' || *ret == 0);
}

/* Adds `more` to the big-endian number; false when it has no room. */
static bool add_number(uint8_t *bytes, size_t len, uint64_t more)
{
        for (size_t i = len; i-- > 0;) {
                uint64_t sum = bytes[i] + (more & 0xff);

                bytes[i] = (uint8_t)sum;
                more = (more >> 8) + (sum >> 8);
        }
        return more == 0;
}

static const struct json_field entry_fields[] = {
        { "id", json_decode_text, offsetof(struct pool_entry, id), JSON_PLAIN },
        { "podref", json_decode_text, offsetof(struct pool_entry, podref), JSON_PLAIN },
        { "ifname", json_decode_text, offsetof(struct pool_entry, ifname), JSON_PLAIN },
};

static int decode_entry(const struct json_at *at, void *dst, _unused_ struct err *err)
{
        struct pool *pool = dst;
        struct pool_entry entry = { .key = at->key, .ip = pool->range.ip };
        struct err oddity;
        uint64_t offset;

        if (!parse_key(at->key, &offset) ||
            !add_number(entry.ip.bytes, ip_bits(&entry.ip) / 8, offset))
                return 0;
        if (json_object(at, entry_fields, ARRAY_SIZE(entry_fields), &entry, &oddity) < 0 ||
            !entry.id || !entry.podref)
                entry = (struct pool_entry){ .key = at->key, .ip = entry.ip, "", "", NULL };
        if (entry.ifname && !*entry.ifname)
                entry.ifname = NULL;
        pool->entries[pool->count++] = entry;
        return 0;
}

/* By address; several keys of one address by their text. */
static int compare_entries(const void *a, const void *b)
{
        const struct pool_entry *x = a, *y = b;
        int order = ip_compare(&x->ip, &y->ip);

        return order != 0 ? order : strcmp(x->key, y->key);
}

static int read_entries(const struct json_at *at, struct pool *pool, struct err *err)
{
        struct json_at spec, allocations;
        int r;

        if (!json_member(at, "spec", &spec) || !json_member(&spec, "allocations", &allocations) ||
            json_is_null(&allocations))
                return 0;
        pool->entries = calloc(json_count(&allocations) + 1, sizeof(*pool->entries));
        if (!pool->entries)
                return err_oom(err);
        r = json_members(&allocations, decode_entry, pool, err);
        if (r < 0)
                return r;
        if (pool->count > 1)
                qsort(pool->entries, pool->count, sizeof(*pool->entries), compare_entries);
        return 0;
}

/* Reads one object; *pool is half built when it fails. */
static int read_pool(const struct json_at *at, struct pool *pool, struct err *err)
{
        struct object object = { 0 };
        int r = json_object(at, object_fields, ARRAY_SIZE(object_fields), &object, err);

        if (r < 0)
                return r;
        if (!object.name || !object.resource_version)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "it has no %s",
                                object.name ? "metadata.resourceVersion" : "metadata.name");
        pool->name = strdup(object.name);
        pool->resource_version = strdup(object.resource_version);
        pool->tracked = object.tracked;
        if (!pool->name || !pool->resource_version)
                return err_oom(err);
        if (ipnet_parse(object.range ? object.range : "", &pool->range) < 0)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "invalid CIDR address: %s",
                                object.range ? object.range : "");
        return read_entries(at, pool, err);
}

/* The error of an object that the API server should not have. */
static int pool_error(const char *name, int r, struct err *err)
{
        if (r == -ENOMEM)
                return r;
        err->code = CNI_ERR_INTERNAL;
        if (name)
                err_wrap(err, "IPPool '%s': ", name);
        else
                err_wrap(err, "IPPool: ");
        return r;
}

int pool_parse(const char *text, size_t len, struct pool *ret, struct err *err)
{
        struct pool pool = { 0 };
        struct json_at at = { 0 };
        int r = json_parse(text, len, &pool.document, err);

        at.value = pool.document;
        if (r == 0)
                r = read_pool(&at, &pool, err);
        if (r < 0) {
                r = pool_error(pool.name, r, err);
                pool_done(&pool);
                return r;
        }
        *ret = pool;
        return 0;
}

static int decode_item(const struct json_at *at, void *dst, struct err *err)
{
        struct pool_list *list = dst;
        struct pool *pool = &list->items[list->count++];
        int r = read_pool(at, pool, err);

        /* One pool that makes no sense must not hide the others. */
        if (r < 0 && r != -ENOMEM && pool->name && pool->resource_version) {
                pool->range = (struct ipnet){ 0 };
                pool->count = 0;
                return 0;
        }
        return r < 0 ? pool_error(pool->name, r, err) : 0;
}

int pool_list_parse(const char *text, size_t len, struct pool_list *ret, struct err *err)
{
        struct pool_list list = { 0 };
        struct json_at at = { 0 }, items;
        int r = json_parse(text, len, &list.document, err);

        at.value = list.document;
        if (r == 0 && json_member(&at, "items", &items) && !json_is_null(&items)) {
                list.items = calloc(json_count(&items) + 1, sizeof(*list.items));
                r = list.items ? json_list(&items, decode_item, &list, err) : err_oom(err);
        }
        if (r < 0) {
                pool_list_done(&list);
                if (r != -ENOMEM)
                        err->code = CNI_ERR_INTERNAL;
                return r;
        }
        *ret = list;
        return 0;
}

/* ---- names and offsets ---- */

void pool_name(struct buf *buf, const char *network_name, const char *node, const struct ipnet *net)
{
        char text[IPNET_TEXT_MAX];

        if (network_name)
                buf_printf(buf, "%s-", network_name);
        if (node)
                buf_printf(buf, "%s-", node);
        ipnet_format(net, text);
        for (char *p = text; *p; p++)
                buf_putc(buf, (char)(*p == ':' || *p == '/' ? '-' : *p));
}

static const char *family_name(const struct ip *ip)
{
        return ip->family == IP_V4 ? "IPv4" : "IPv6";
}

int pool_key(const struct ipnet *range, const struct ip *ip, char ret[static 24], struct err *err)
{
        const struct ip *base = &range->ip;
        char text[IP_TEXT_MAX], base_text[IP_TEXT_MAX];
        uint64_t offset = ip_distance(base, ip);
        bool same_half = ip->family == IP_V4 || memcmp(ip->bytes, base->bytes, 8) == 0;
        uint64_t end = ip->family == IP_V4 ? UINT32_MAX : (uint64_t)INT64_MAX + 1;

        ip_format(ip, text);
        ip_format(base, base_text);
        if (ip->family != base->family || ip->family == IP_UNSET)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "cannot calculate offset between %s (%s) and %s address (%s)",
                                family_name(ip), text, family_name(base), base_text);
        if (ip_compare(ip, base) < 0)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "IP address %s lies before the start %s of its pool", text,
                                base_text);
        if (!same_half || offset >= end)
                return err_text(err, -ERANGE, CNI_ERR_INTERNAL,
                                "IP address %s is too far from the start %s of its pool: other "
                                "programs could not read the entry",
                                text, base_text);
        (void)snprintf(ret, 24, "%ju", (uintmax_t)offset);
        return 0;
}

/* ---- looking up ---- */

const struct pool_entry *pool_find_ip(const struct pool *pool, const struct ip *ip)
{
        size_t low = 0, high = pool->count;

        while (low < high) { /* the first of several, which bsearch(3) does not promise */
                size_t middle = low + (high - low) / 2;

                if (ip_compare(&pool->entries[middle].ip, ip) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < pool->count && ip_equal(&pool->entries[low].ip, ip) ? &pool->entries[low]
                                                                         : NULL;
}

const struct pool_entry *pool_find_pod(const struct pool *pool, const char *podref,
                                       const char *ifname, const struct pool_entry *after)
{
        for (size_t i = after ? (size_t)(after - pool->entries) + 1 : 0; i < pool->count; i++) {
                const struct pool_entry *entry = &pool->entries[i];

                if (podref && strcmp(entry->podref, podref) != 0)
                        continue;
                if (!ifname || (entry->ifname && strcmp(entry->ifname, ifname) == 0))
                        return entry;
        }
        return NULL;
}

/* How many entries of the container have no interface name. */
static size_t count_nameless(const struct pool *pool, const char *id)
{
        size_t count = 0;

        for (size_t i = 0; i < pool->count; i++)
                count += !pool->entries[i].ifname && strcmp(pool->entries[i].id, id) == 0;
        return count;
}

const struct pool_entry *pool_find_container(const struct pool *pool, const char *id,
                                             const char *ifname, const struct pool_entry *after)
{
        for (size_t i = after ? (size_t)(after - pool->entries) + 1 : 0; i < pool->count; i++) {
                const struct pool_entry *entry = &pool->entries[i];

                if (strcmp(entry->id, id) != 0)
                        continue;
                if (entry->ifname ? strcmp(entry->ifname, ifname) == 0
                                  : count_nameless(pool, id) == 1)
                        return entry;
        }
        return NULL;
}

/* ---- writing ---- */

void pool_write_new(struct buf *buf, const char *name, const struct ipnet *range)
{
        char text[IPNET_TEXT_MAX];
        struct json_writer w;

        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '{');
        json_put_string(&w, "kind", "IPPool");
        json_put_string(&w, "apiVersion", POOL_API);
        json_begin(&w, "metadata", '{');
        json_put_string(&w, "name", name);
        json_end(&w, '}');
        json_begin(&w, "spec", '{');
        json_put_string(&w, "range", ipnet_format(range, text));
        json_begin(&w, "allocations", '{');
        json_end(&w, '}');
        json_end(&w, '}');
        json_end(&w, '}');
}

void pool_patch_init(struct pool_patch *patch)
{
        *patch = (struct pool_patch){ 0 };
        buf_init(&patch->tests, PATCH_MAX);
        buf_init(&patch->operations, PATCH_MAX);
}

void pool_patch_done(struct pool_patch *patch)
{
        buf_done(&patch->tests);
        buf_done(&patch->operations);
        patch->count = 0;
}

/* The JSON Pointer (RFC 6901) of an entry or of a member of it (NULL: none). */
static void entry_path(struct buf *path, const char *key, const char *member)
{
        buf_init(path, PATCH_MAX);
        buf_puts(path, "/spec/allocations/");
        for (; *key; key++) {
                if (*key == '~' || *key == '/')
                        buf_puts(path, *key == '~' ? "~0" : "~1");
                else
                        buf_putc(path, *key);
        }
        if (member)
                buf_printf(path, "/%s", member);
}

/* Opens one operation of a list; its value and its end are the caller's. */
static void begin_operation(struct json_writer *w, struct buf *buf, const char *op,
                            const char *path)
{
        if (buf->len > 0)
                buf_putc(buf, ',');
        json_writer_init_compact(w, buf);
        json_begin(w, NULL, '{');
        json_put_string(w, "op", op);
        json_put_string(w, "path", path);
}

static void put_text(struct buf *buf, const char *op, const char *path, const char *value)
{
        struct json_writer w;

        begin_operation(&w, buf, op, path);
        json_put_string(&w, "value", value);
        json_end(&w, '}');
}

/* The same for an entry or a member of it. A path without memory fails as the buffer would. */
static void put_entry_text(struct buf *buf, const char *op, const char *key, const char *member,
                           const char *value)
{
        struct buf path;

        entry_path(&path, key, member);
        put_text(buf, op, buf_text(&path), value);
        if (path.failed)
                buf->failed = path.failed;
        buf_done(&path);
}

static void put_entry_tests(struct pool_patch *patch, const struct pool_entry *entry)
{
        put_entry_text(&patch->tests, "test", entry->key, "id", entry->id);
        put_entry_text(&patch->tests, "test", entry->key, "podref", entry->podref);
}

void pool_patch_add(struct pool_patch *patch, const char *key, const char *id, const char *podref,
                    const char *ifname)
{
        struct json_writer w;
        struct buf path;

        entry_path(&path, key, NULL);
        begin_operation(&w, &patch->tests, "test", buf_text(&path));
        json_put_null(&w, "value");
        json_end(&w, '}');
        begin_operation(&w, &patch->operations, "add", buf_text(&path));
        json_begin(&w, "value", '{');
        json_put_string(&w, "id", id);
        json_put_string(&w, "ifname", ifname);
        json_put_string(&w, "podref", podref);
        json_end(&w, '}');
        json_end(&w, '}');
        if (path.failed)
                patch->operations.failed = path.failed;
        buf_done(&path);
        patch->count++;
}

void pool_patch_replace_id(struct pool_patch *patch, const struct pool_entry *entry, const char *id)
{
        put_entry_tests(patch, entry);
        put_entry_text(&patch->operations, "replace", entry->key, "id", id);
        patch->count++;
}

void pool_patch_remove(struct pool_patch *patch, const struct pool_entry *entry)
{
        struct json_writer w;
        struct buf path;

        put_entry_tests(patch, entry);
        entry_path(&path, entry->key, NULL);
        begin_operation(&w, &patch->operations, "remove", buf_text(&path));
        json_end(&w, '}');
        if (path.failed)
                patch->operations.failed = path.failed;
        buf_done(&path);
        patch->count++;
}

/* Ends what the API server remembers of the fields' owners: it is a third of the object. `add`, for
 * the member is gone after the first time. */
static void put_end_of_tracking(struct buf *buf)
{
        struct json_writer w;

        begin_operation(&w, buf, "add", "/metadata/managedFields");
        json_begin(&w, "value", '[');
        json_begin(&w, NULL, '{');
        json_end(&w, '}');
        json_end(&w, ']');
        json_end(&w, '}');
}

static void append_part(struct buf *list, const struct buf *part)
{
        if (list->len > 0 && part->len > 0)
                buf_putc(list, ',');
        buf_append(list, buf_text(part), part->len);
}

int pool_patch_write(const struct pool_patch *patch, const struct pool *pool, struct buf *buf,
                     struct err *err)
{
        struct buf list;
        int r;

        buf_init(&list, PATCH_MAX);
        put_text(&list, "test", "/metadata/resourceVersion", pool->resource_version);
        append_part(&list, &patch->tests);
        if (pool->tracked)
                put_end_of_tracking(&list);
        append_part(&list, &patch->operations);
        r = buf_check(&patch->tests, err);
        if (r == 0)
                r = buf_check(&patch->operations, err);
        if (r == 0)
                r = buf_check(&list, err);
        if (r == 0) {
                buf_printf(buf, "[%s]", buf_text(&list));
                r = buf_check(buf, err);
        }
        buf_done(&list);
        return r;
}
