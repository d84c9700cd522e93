/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Node slices. A slice that is not certainly this node's is none: two nodes with one slice would
 * give addresses twice.
 */
#include "slice.h"

#include <fcntl.h>
#include <string.h>

#include "core/cni.h"
#include "core/fs.h"
#include "core/json.h"
#include "core/utf8.h"

#define NODE_NAME_MAX 1024U /* of a file, as much is read */

/* ---- the object ---- */

/* The walk over status.allocations. Texts are borrowed from the document. */
struct search {
        const char *name; /* the object's */
        const char *node;
        struct allocation {
                const char *node_name, *slice_range;
        } exact, similar; /* of the very name, and of one like it */
        size_t similar_count;
};

static const struct json_field allocation_fields[] = {
        { "nodeName", json_decode_text, offsetof(struct allocation, node_name), JSON_PLAIN },
        { "sliceRange", json_decode_text, offsetof(struct allocation, slice_range), JSON_PLAIN },
};

/* Whether one of the names is the other's first label: the host's name, and its full name. */
static bool is_similar(const char *a, const char *b)
{
        size_t a_len = strcspn(a, "."), b_len = strcspn(b, ".");

        return a_len == b_len && memcmp(a, b, a_len) == 0 && (!a[a_len] || !b[b_len]);
}

static int decode_allocation(const struct json_at *at, void *dst, struct err *err)
{
        struct search *search = dst;
        struct allocation allocation = { 0 };
        int r = json_object(at, allocation_fields, ARRAY_SIZE(allocation_fields), &allocation, err);

        if (r < 0)
                return r;
        if (!allocation.node_name || !*allocation.node_name || !allocation.slice_range)
                return 0; /* a free slice */
        if (strcmp(allocation.node_name, search->node) == 0) {
                if (!search->exact.node_name)
                        search->exact = allocation;
        } else if (is_similar(allocation.node_name, search->node)) {
                search->similar = allocation;
                search->similar_count++;
        }
        return 0;
}

static int decode_allocations(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_allocation, dst, err);
}

static const struct json_field metadata_fields[] = {
        { "name", json_decode_text, offsetof(struct search, name), JSON_PLAIN },
};

static const struct json_field status_fields[] = {
        { "allocations", decode_allocations, 0, JSON_PLAIN },
};

static int decode_metadata(const struct json_at *at, void *dst, struct err *err)
{
        return json_object(at, metadata_fields, ARRAY_SIZE(metadata_fields), dst, err);
}

static int decode_status(const struct json_at *at, void *dst, struct err *err)
{
        return json_object(at, status_fields, ARRAY_SIZE(status_fields), dst, err);
}

static const struct json_field object_fields[] = {
        { "metadata", decode_metadata, 0, JSON_PLAIN },
        { "status", decode_status, 0, JSON_PLAIN },
};

static int read_slice(const struct search *search, struct slice *ret, struct err *err)
{
        const struct allocation *found =
                search->exact.node_name ? &search->exact : &search->similar;
        struct ipnet net;

        if (!search->exact.node_name && search->similar_count != 1) {
                (void)err_text(err, 0, CNI_ERR_TRY_LATER, "no allocated node slice for node '%s'",
                               search->node);
                if (search->name)
                        err_details(err, "NodeSlicePool %s", search->name);
                return SLICE_NONE;
        }
        if (ipnet_parse(found->slice_range, &net) < 0)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "invalid CIDR address: %s",
                                found->slice_range);
        net.ip = ipnet_first(&net);
        ret->node = strdup(found->node_name);
        if (!ret->node)
                return err_oom(err);
        ret->net = net;
        return 0;
}

void slice_done(struct slice *slice)
{
        free(slice->node);
        *slice = (struct slice){ 0 };
}

int slice_find(const char *text, size_t len, const char *node, struct slice *ret, struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct search search = { .node = node };
        struct json_at at = { 0 };
        int r = json_parse(text, len, &document, err);

        at.value = document;
        if (r == 0)
                r = json_object(&at, object_fields, ARRAY_SIZE(object_fields), &search, err);
        if (r == 0)
                r = read_slice(&search, ret, err);
        if (r >= 0 || r == -ENOMEM)
                return r;
        err->code = CNI_ERR_INTERNAL;
        err_wrap(err, "NodeSlicePool%s%s: ", search.name ? " " : "",
                 search.name ? search.name : "");
        return r;
}

/* ---- the part of a range ---- */

static int nothing_common(const struct range *range, const struct ipnet *slice, struct err *err)
{
        char range_text[IPNET_TEXT_MAX], slice_text[IPNET_TEXT_MAX];

        return err_text(err, -ERANGE, CNI_ERR_INTERNAL,
                        "the slice %s of this node and the range %s have no address in common",
                        ipnet_format(slice, slice_text), ipnet_format(&range->net, range_text));
}

int slice_cut(const struct range *range, const struct ipnet *slice, struct range *ret,
              struct err *err)
{
        struct range part = { .net = *slice };
        struct ip first, last;
        int r;

        part.net.ip = ipnet_first(slice);
        if (slice->ip.family != range->net.ip.family)
                return nothing_common(range, slice, err);
        r = choose_bounds(range, &part.start, &part.end, err);
        if (r == 0)
                r = choose_bounds(&(struct range){ .net = part.net }, &first, &last, err);
        if (r < 0)
                return r;
        /* A bound outside of the slice would be ignored, and mean the whole slice. */
        if (ip_compare(&part.start, &first) < 0)
                part.start = first;
        if (ip_compare(&part.end, &last) > 0)
                part.end = last;
        if (ip_compare(&part.start, &part.end) > 0)
                return nothing_common(range, slice, err);
        for (size_t i = 0; i < range->exclude_count && r == 0; i++)
                r = range_add_exclude(&part, range->exclude_texts[i], err);
        if (r < 0) {
                range_done(&part);
                return r;
        }
        *ret = part;
        return 0;
}

/* ---- the node's name ---- */

/* Cuts white space off both ends, in place. */
static char *trim(char *text)
{
        size_t len = strlen(text), n;

        while ((n = utf8_space_len(text, len)) > 0) {
                text += n;
                len -= n;
        }
        for (n = 1; n <= 3 && n <= len; n++)
                if (utf8_space_len(text + len - n, n) == n) {
                        len -= n;
                        n = 0;
                }
        text[len] = '\0';
        return text;
}

/* Takes over a name if there is one; *ret stays NULL for white space alone. */
static int take_name(char *text, const char *source, char **ret, struct err *err)
{
        const char *name = trim(text);

        if (!*name)
                return 0;
        /* It becomes part of objects' names. */
        if (!cni_is_name(name))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "invalid node name '%.64s' in %s",
                                name, source);
        *ret = strdup(name);
        return *ret ? 0 : err_oom(err);
}

static int name_from_environment(char **ret, struct err *err)
{
        const char *value = getenv("NODENAME");
        _cleanup_(freep) char *text = strdup(value ? value : "");

        return text ? take_name(text, "the environment's NODENAME", ret, err) : err_oom(err);
}

/* A file that does not exist names nobody. */
static int name_from_file(const char *path, char **ret, struct err *err)
{
        _cleanup_(closep) int fd = fs_open_regular(path);
        char text[NODE_NAME_MAX + 1];
        size_t len = 0;
        ssize_t n = 1;

        if (fd == -ENOENT)
                return 0;
        if (fd < 0)
                return err_set(err, fd, CNI_ERR_IO, "open %s", path);
        while (len < NODE_NAME_MAX && n > 0) {
                n = read(fd, text + len, NODE_NAME_MAX - len);
                if (n < 0 && errno == EINTR)
                        n = 1;
                else if (n < 0)
                        return err_set(err, -errno, CNI_ERR_IO, "read %s", path);
                else
                        len += (size_t)n;
        }
        text[len] = '\0';
        return take_name(text, path, ret, err);
}

static int name_beside(const char *flat_file, char **ret, struct err *err)
{
        const char *slash = strrchr(flat_file, '/');
        _cleanup_(freep) char *directory = NULL, *path = NULL;

        directory = slash ? strndup(flat_file, (size_t)(slash - flat_file) + 1) : strdup(".");
        path = directory ? fs_join(directory, "nodename") : NULL;
        return path ? name_from_file(path, ret, err) : err_oom(err);
}

int slice_node_name(const char *flat_file, char **ret, struct err *err)
{
        char *name = NULL;
        int r = name_from_environment(&name, err);

        if (r == 0 && !name && flat_file)
                r = name_beside(flat_file, &name, err);
        if (r == 0 && !name)
                r = name_from_file("/etc/hostname", &name, err);
        if (r == 0 && !name)
                r = err_text(err, -ENOENT, CNI_ERR_CONFIG,
                             "the name of this node is not known: set it in the environment's "
                             "NODENAME, in a file 'nodename' beside the flat file, or in "
                             "/etc/hostname");
        if (r < 0)
                return r;
        *ret = name;
        return 0;
}
