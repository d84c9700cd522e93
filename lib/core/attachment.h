/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_ATTACHMENT_H
#define CORE_ATTACHMENT_H

/*
 * The attachments that a GC must leave alone: CNI specification 1.1.0, section "GC".
 */

#include "core/json.h"

struct attachment {
        char *container_id, *ifname; /* owned */
};

struct attachments {
        struct attachment *items; /* owned; sorted */
        size_t count;
};

void attachments_done(struct attachments *attachments);

/* Decoder of a list of {"containerID", "ifname"} into an empty struct attachments. null is the
 * empty list. */
int attachments_decode(const struct json_at *at, void *dst, struct err *err);

/* Finds the list of a GC's configuration: cni.dev/valid-attachments, else cni.dev/attachments. A
 * list in either comes before a null. */
bool attachments_find(const struct json_at *config, struct json_at *ret);

/* Outcome > 0. */
enum {
        ATTACHMENTS_NONE = 1, /* no list: nothing can be told to be garbage */
};

/* Finds and decodes it, for the verb GC. */
int attachments_read(const struct json_at *config, struct attachments *ret, struct err *err);

/* Whether the attachment is among them; "" as ifname stands for any of the container. */
bool attachments_have(const struct attachments *attachments, const char *container_id,
                      const char *ifname);

#endif
