/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML: what is taken is a tree that can be walked and is no deeper than any.
 */
#include "fuzz.h"
#include "http/yaml.h"

static int walk(const struct json_at *at, void *dst, struct err *err);

/* The members that a walk finds; others pass. */
static const struct json_field members[] = {
        { "a", walk, 0, JSON_NULL },       { "b", walk, 0, JSON_PLAIN },
        { "c", walk, 0, JSON_NULL },       { "clusters", walk, 0, JSON_NULL },
        { "cluster", walk, 0, JSON_NULL }, { "users", walk, 0, JSON_NULL },
        { "user", walk, 0, JSON_NULL },    { "contexts", walk, 0, JSON_NULL },
        { "context", walk, 0, JSON_NULL }, { "name", walk, 0, JSON_NULL },
};

static int walk(const struct json_at *at, void *dst, struct err *err)
{
        unsigned depth = 0;
        const char *text;
        int64_t number;
        char path[64];
        bool truth;

        for (const struct json_at *up = at->parent; up; up = up->parent)
                depth++;
        fuzz_must(depth <= JSON_DEPTH_MAX);
        json_path(at, path, sizeof(path));
        fuzz_must(json_count(at) == 0 || json_text(at, &text, err) < 0);
        if (json_text(at, &text, err) == 0)
                fuzz_must(strlen(text) <= *(const size_t *)dst);
        (void)json_decode_i64(at, &number, err);
        (void)json_decode_bool(at, &truth, err);
        if (json_is_list(at))
                return json_list(at, walk, dst, err);
        /* The rows' offset is 0, so that `dst` is handed on. */
        (void)json_object(at, members, ARRAY_SIZE(members), dst, err);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(json_freep) struct json *document = NULL;
        size_t longest = size * 4; /* an escape makes no more of a byte, UTF-16 two of one */
        struct err err;

        if (yaml_parse((const char *)data, size, &document, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_DECODE);
                fuzz_must(!document);
                fuzz_must(strncmp(err.msg, "line ", 5) == 0 ||
                          strcmp(err.msg, "out of memory") == 0);
                return 0;
        }
        return walk(&(struct json_at){ .value = document }, &longest, &err);
}
