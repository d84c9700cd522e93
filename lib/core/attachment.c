/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sorted list, because a node may have thousands of attachments and as many reservations.
 */
#include "core/attachment.h"

#include <string.h>

void attachments_done(struct attachments *attachments)
{
        for (size_t i = 0; i < attachments->count; i++) {
                free(attachments->items[i].container_id);
                free(attachments->items[i].ifname);
        }
        free(attachments->items);
        *attachments = (struct attachments){ 0 };
}

static int compare(const struct attachment *item, const char *container_id, const char *ifname)
{
        int order = strcmp(item->container_id, container_id);

        return order ? order : strcmp(item->ifname, ifname);
}

static int compare_items(const void *a, const void *b)
{
        const struct attachment *y = b;

        return compare(a, y->container_id, y->ifname);
}

static int decode_attachment(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "containerID", json_decode_string, offsetof(struct attachment, container_id),
                  JSON_PLAIN },
                { "ifname", json_decode_string, offsetof(struct attachment, ifname), JSON_PLAIN },
        };
        struct attachments *attachments = dst;
        struct attachment *item = &attachments->items[attachments->count++];
        char path[512];
        int r = json_object(at, fields, ARRAY_SIZE(fields), item, err);

        if (r < 0 || (item->container_id && item->ifname))
                return r;
        /* Half an attachment would protect nothing, and its container would lose its address. */
        json_path(at, path, sizeof(path));
        return err_text(err, -EINVAL, CNI_ERR_DECODE, "%s: containerID or ifname is missing", path);
}

int attachments_decode(const struct json_at *at, void *dst, struct err *err)
{
        struct attachments *attachments = dst;
        int r;

        if (json_is_null(at))
                return 0;
        attachments->items = calloc(json_count(at) + 1, sizeof(*attachments->items));
        if (!attachments->items)
                return err_oom(err);
        r = json_list(at, decode_attachment, attachments, err);
        if (r == 0 && attachments->count > 0)
                qsort(attachments->items, attachments->count, sizeof(*attachments->items),
                      compare_items);
        return r;
}

bool attachments_find(const struct json_at *config, struct json_at *ret)
{
        static const char *const keys[] = { "cni.dev/valid-attachments", "cni.dev/attachments" };
        bool found = false;

        for (size_t i = 0; i < ARRAY_SIZE(keys) && (!found || json_is_null(ret)); i++)
                found |= json_member(config, keys[i], ret);
        return found;
}

int attachments_read(const struct json_at *config, struct attachments *ret, struct err *err)
{
        struct json_at list;

        return attachments_find(config, &list) ? attachments_decode(&list, ret, err)
                                               : ATTACHMENTS_NONE;
}

/* Looks for the first item that is not before the one asked for: "" as ifname comes before all. */
bool attachments_have(const struct attachments *attachments, const char *container_id,
                      const char *ifname)
{
        size_t low = 0, high = attachments->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (compare(&attachments->items[middle], container_id, ifname) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        if (low == attachments->count ||
            strcmp(attachments->items[low].container_id, container_id) != 0)
                return false;
        return *ifname == '\0' || strcmp(attachments->items[low].ifname, ifname) == 0;
}
