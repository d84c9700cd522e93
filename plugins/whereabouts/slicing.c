/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions come from tenants: one that makes no sense must harm no other.
 */
#include "slicing.h"

#include <string.h>

#include "conf-reading.h"
#include "core/utf8.h"

/* ---- numbers ---- */

int slicing_parse_size(const char *text, unsigned *ret)
{
        unsigned value = 0;
        size_t len;

        if (*text == '/')
                text++;
        len = strspn(text, "0123456789");
        if (len == 0 || len > 3 || text[len] != '\0')
                return -EINVAL;
        for (size_t i = 0; i < len; i++)
                value = 10 * value + (unsigned)(text[i] - '0');
        *ret = value;
        return 0;
}

uint64_t slicing_count(const struct ipnet *range, unsigned prefix)
{
        unsigned bits = prefix - range->prefix;

        return bits < 64 ? UINT64_C(1) << bits : UINT64_MAX;
}

struct ipnet slicing_net(const struct ipnet *range, unsigned prefix, uint64_t k)
{
        struct ipnet net = { .ip = ipnet_first(range), .prefix = (uint8_t)prefix };

        for (unsigned bit = prefix; bit > range->prefix && k > 0; bit--, k >>= 1)
                if (k & 1)
                        net.ip.bytes[(bit - 1) / 8] |= (uint8_t)(0x80U >> ((bit - 1) % 8));
        return net;
}

bool slicing_number(const struct ipnet *range, unsigned prefix, const struct ipnet *net,
                    uint64_t *ret)
{
        struct ipnet slice;
        uint64_t k = 0;

        if (net->prefix != prefix || !ipnet_contains(range, &net->ip))
                return false;
        for (unsigned bit = range->prefix; bit < prefix; bit++) {
                if (k >> 63)
                        return false;
                k = k << 1 | (net->ip.bytes[bit / 8] >> (7 - bit % 8) & 1U);
        }
        slice = slicing_net(range, prefix, k);
        if (!ip_equal(&slice.ip, &net->ip))
                return false;
        *ret = k;
        return true;
}

/* ---- one definition ---- */

struct metadata {
        const char *name, *namespace, *created;
};

/* A definition on its way to a slicing. */
struct definition {
        struct metadata metadata;
        const char *config;
};

static void slicing_done(struct slicing *slicing)
{
        free(slicing->whose);
        free(slicing->since);
        free(slicing->pool);
        free(slicing->network_name);
        *slicing = (struct slicing){ 0 };
}

/* The part of a configuration that counts: a plugin whose `ipam` is ours, or nothing. */
struct wish {
        struct settings settings;
        const char *name; /* the network's; borrowed from the document; NULL: none */
        bool found;
};

static int look_at_plugin(const struct json_at *at, void *dst, struct err *err)
{
        struct wish *wish = dst;
        struct json_at ipam, type;
        const char *text;

        if (wish->found || !json_member(at, "ipam", &ipam) || !json_member(&ipam, "type", &type) ||
            json_text(&type, &text, err) < 0 || strcmp(text, "whereabouts") != 0)
                return 0;
        wish->found = true;
        return settings_decode(&ipam, CONF_RELEASE, &wish->settings, err);
}

/* A single plugin, or a list of them. */
static int look_at_config(const struct json_at *at, struct wish *wish, struct err *err)
{
        struct json_at plugins, name;
        int r = 0;

        if (json_member(at, "name", &name) && !json_is_null(&name))
                r = json_text(&name, &wish->name, err);
        if (r < 0)
                return r;
        if (json_member(at, "plugins", &plugins) && json_is_list(&plugins))
                return json_list(&plugins, look_at_plugin, wish, err);
        return look_at_plugin(at, wish, err);
}

static int check_size(const char *text, const struct ipnet *range, unsigned *ret, struct err *err)
{
        char range_text[IPNET_TEXT_MAX];

        if (slicing_parse_size(text, ret) < 0 || *ret > ip_bits(&range->ip))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "node_slice_size '%.16s' is no prefix length", text);
        if (*ret < range->prefix)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "node_slice_size %.16s is larger than the range %s", text,
                                ipnet_format(range, range_text));
        return 0;
}

/* Where a configuration has no name, Multus gives it that of its definition. */
static int fill_slicing(const struct definition *definition, const struct wish *wish,
                        struct slicing *ret, struct err *err)
{
        const char *network_name = wish->settings.network_name;
        const char *name = wish->name && *wish->name ? wish->name : definition->metadata.name;
        bool named = network_name && *network_name;
        int r = conf_first_net(&wish->settings, &ret->range, err);

        if (r == 0)
                r = check_size(wish->settings.node_slice_size, &ret->range, &ret->prefix, err);
        if (r < 0)
                return r;
        if (!request_is_prefix(named ? network_name : name))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "'%.64s' cannot be the name of a NodeSlicePool",
                                named ? network_name : name);
        ret->pool = strdup(named ? network_name : name);
        ret->network_name = named ? strdup(network_name) : NULL;
        return ret->pool && (!named || ret->network_name) ? 0 : err_oom(err);
}

/* Outcome > 0 of read_definition(). */
enum {
        NO_SLICES = 1,
};

static int read_definition(const struct definition *definition, struct slicing *ret,
                           struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct wish wish = { 0 };
        struct json_at top = { 0 };
        int r = json_parse(definition->config, strlen(definition->config), &document, err);

        if (r < 0)
                return r;
        settings_init(&wish.settings);
        top.value = document;
        r = look_at_config(&top, &wish, err);
        if (r == 0 &&
            (!wish.found || !wish.settings.node_slice_size || !*wish.settings.node_slice_size))
                r = NO_SLICES;
        if (r == 0)
                r = fill_slicing(definition, &wish, ret, err);
        settings_done(&wish.settings);
        return r;
}

/* ---- the list ---- */

void slicing_list_init(struct slicing_list *list, struct buf *complaints)
{
        *list = (struct slicing_list){ .complaints = complaints };
}

void slicing_list_done(struct slicing_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                slicing_done(&list->items[i]);
        free(list->items);
        *list = (struct slicing_list){ 0 };
}

static int add_slicing(struct slicing_list *list, const struct metadata *metadata,
                       struct slicing *slicing, struct err *err)
{
        struct slicing *items = reallocarray(list->items, list->count + 1, sizeof(*items));

        if (!items)
                return err_oom(err);
        list->items = items;
        slicing->since = strdup(metadata->created ? metadata->created : "");
        if (!slicing->since ||
            asprintf(&slicing->whose, "%s/%s", metadata->namespace, metadata->name) < 0) {
                slicing->whose = NULL;
                return err_oom(err);
        }
        items[list->count++] = *slicing;
        *slicing = (struct slicing){ 0 };
        return 0;
}

static int decode_metadata(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "name", json_decode_text, offsetof(struct metadata, name), JSON_PLAIN },
                { "namespace", json_decode_text, offsetof(struct metadata, namespace), JSON_PLAIN },
                { "creationTimestamp", json_decode_text, offsetof(struct metadata, created),
                  JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

static int decode_spec(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "config", json_decode_text, 0, JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

int slicing_list_read(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "metadata", decode_metadata, offsetof(struct definition, metadata), JSON_PLAIN },
                { "spec", decode_spec, offsetof(struct definition, config), JSON_PLAIN },
        };
        struct slicing_list *list = dst;
        struct definition definition = { 0 };
        _cleanup_(slicing_done) struct slicing slicing = { 0 };
        int r = json_object(at, fields, ARRAY_SIZE(fields), &definition, err);

        if (r < 0)
                return r;
        if (!definition.metadata.name || !definition.metadata.namespace || !definition.config ||
            !*definition.config)
                return 0;
        r = read_definition(&definition, &slicing, err);
        if (r == 0)
                return add_slicing(list, &definition.metadata, &slicing, err);
        if (r == NO_SLICES || r == -ENOMEM)
                return r < 0 ? r : 0;
        list->unclear++;
        utf8_make_printable(err->msg); /* a tenant's text must not end the line */
        buf_printf(list->complaints, "%s/%s: %s\n", definition.metadata.namespace,
                   definition.metadata.name, err->msg);
        return 0;
}

static int compare(const void *a, const void *b)
{
        const struct slicing *x = a, *y = b;
        int order = strcmp(x->pool, y->pool);

        if (order == 0)
                order = strcmp(x->since, y->since);
        return order != 0 ? order : strcmp(x->whose, y->whose);
}

void slicing_list_sort(struct slicing_list *list)
{
        if (list->count > 1)
                qsort(list->items, list->count, sizeof(*list->items), compare);
}
