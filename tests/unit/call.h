/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_CALL_H
#define TESTS_UNIT_CALL_H

/*
 * A call made of a text.
 */

#include "core/cni.h"
#include "unit.h"

/* A call as the frame hands it over. */
struct unit_call {
        struct cni_call call;
        struct json *document;
        char version[32];
};

/* `config` is the whole document; its cniVersion counts. */
static inline void unit_call(struct unit_call *ret, const char *config, const char *ifname,
                             const char *args)
{
        struct json_at at;
        const char *version = "";
        struct err err;

        *ret = (struct unit_call){ 0 };
        unit_assert_ok(json_parse(config, strlen(config), &ret->document, &err), &err);
        ret->call = (struct cni_call){ .container_id = "c1",
                                       .netns = "/some/where",
                                       .ifname = ifname,
                                       .args = args,
                                       .name = "mynet",
                                       .config = { .value = ret->document } };
        if (json_member(&ret->call.config, "cniVersion", &at))
                unit_assert_ok(json_text(&at, &version, &err), &err);
        (void)snprintf(ret->version, sizeof(ret->version), "%s", *version ? version : "0.1.0");
        ret->call.version = ret->version;
        ret->call.version_given = *version != '\0';
}

static inline void unit_call_done(struct unit_call *call)
{
        json_free(call->document);
}

#endif
