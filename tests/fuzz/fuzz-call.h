/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_CALL_H
#define TESTS_FUZZ_CALL_H

/*
 * A call of which the input is the configuration. Its member CNI_ARGS stands for the variable.
 */

#include "core/cni.h"
#include "fuzz.h"

static inline const char *fuzz_member_text(const struct json_at *config, const char *name)
{
        struct json_at at;
        const char *text;
        struct err err;

        if (!json_member(config, name, &at) || json_text(&at, &text, &err) < 0)
                return "";
        return text;
}

/* One of the supported versions, as the frame makes sure. */
static inline const char *fuzz_version(const struct json_at *config)
{
        const char *text = fuzz_member_text(config, "cniVersion");

        for (size_t i = 0; i < cni_version_count; i++)
                if (strcmp(text, cni_versions[i]) == 0)
                        return cni_versions[i];
        return *text ? "1.1.0" : "0.1.0";
}

static inline struct cni_call fuzz_call(const struct json *document)
{
        struct cni_call call = { .container_id = "c",
                                 .netns = "/n",
                                 .ifname = "eth0",
                                 .name = "n",
                                 .config = { .value = document } };

        call.args = fuzz_member_text(&call.config, "CNI_ARGS");
        call.version = fuzz_version(&call.config);
        call.version_given = *fuzz_member_text(&call.config, "cniVersion") != '\0';
        return call;
}

#endif
