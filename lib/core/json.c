/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decoder side: cJSON's tree behind tables of rows. The strict scan is in json-scan.c, the
 * writer in json-write.c.
 */
#include "core/json.h"

#include <assert.h>
#include <cjson/cJSON.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "core/json-scan.h"

#define ROWS_MAX 32

/* `struct json` is never defined: it is cJSON's node under a name of ours. */
static const cJSON *node(const struct json_at *at)
{
        return (const cJSON *)(const void *)at->value;
}

/* Hands the number literals, which were found in document order, to the number nodes, which a walk
 * meets in the same order. */
static int attach_literals(cJSON *value, const char **literal)
{
        for (; value; value = value->next) {
                int r;

                if (cJSON_IsNumber(value)) {
                        value->valuestring = strdup(*literal);
                        if (!value->valuestring)
                                return -ENOMEM;
                        *literal += strlen(*literal) + 1;
                }
                r = attach_literals(value->child, literal);
                if (r < 0)
                        return r;
        }
        return 0;
}

int json_parse(const char *text, size_t len, struct json **ret, struct err *err)
{
        struct json_scan scan;
        const char *literal;
        cJSON *document = NULL;
        int r = json_scan(text, len, &scan, err);

        if (r < 0)
                return r;
        /* The scan left nothing that cJSON refuses, so only memory can fail here. */
        document = cJSON_ParseWithLength(scan.text.text, scan.text.len + 1);
        literal = buf_text(&scan.literals);
        r = document ? attach_literals(document, &literal) : -ENOMEM;
        json_scan_done(&scan);
        if (r < 0) {
                cJSON_Delete(document);
                return err_oom(err);
        }
        *ret = (struct json *)(void *)document;
        return 0;
}

void json_free(struct json *document)
{
        cJSON_Delete((cJSON *)(void *)document);
}

bool json_is_null(const struct json_at *at)
{
        return cJSON_IsNull(node(at));
}

bool json_is_list(const struct json_at *at)
{
        return cJSON_IsArray(node(at));
}

size_t json_count(const struct json_at *at)
{
        size_t count = 0;

        for (const cJSON *child = node(at)->child; child; child = child->next)
                count++;
        return count;
}

void json_path(const struct json_at *at, char *text, size_t size)
{
        size_t len = 0;

        text[0] = '\0';
        if (at->parent) {
                json_path(at->parent, text, size);
                len = strlen(text);
        }
        if (at->key)
                (void)snprintf(text + len, size - len, "%s%s", len > 0 ? "." : "", at->key);
        else if (at->parent)
                (void)snprintf(text + len, size - len, "[%zu]", at->index);
}

int json_invalid(const struct json_at *at, struct err *err, const char *fmt, ...)
{
        char msg[sizeof(err->msg)], path[512];
        va_list args;
        int r;

        va_start(args, fmt);
        (void)vsnprintf(msg, sizeof(msg), fmt, args); /* err_text() cuts as well */
        va_end(args);
        json_path(at, path, sizeof(path));
        r = err_text(err, -EINVAL, CNI_ERR_CONFIG, "%s", msg);
        err_details(err, "%s", path);
        return r;
}

static const char *type_name(const cJSON *value)
{
        if (cJSON_IsObject(value))
                return "an object";
        if (cJSON_IsArray(value))
                return "a list";
        if (cJSON_IsString(value))
                return "a string";
        if (cJSON_IsNumber(value))
                return "a number";
        return cJSON_IsBool(value) ? "true or false" : "null";
}

static int wrong_type(const struct json_at *at, const char *wanted, struct err *err)
{
        char path[512];

        json_path(at, path, sizeof(path));
        return err_text(err, -EINVAL, CNI_ERR_DECODE, "%s: must be %s, not %s",
                        *path ? path : "the configuration", wanted, type_name(node(at)));
}

/* The row for a key, or `count`. */
static size_t find_row(const struct json_field *fields, size_t count, const char *key)
{
        size_t i = 0;

        while (i < count && strcasecmp(fields[i].name, key) != 0)
                i++;
        return i;
}

int json_object(const struct json_at *at, const struct json_field *fields, size_t count, void *dst,
                struct err *err)
{
        const cJSON *last[ROWS_MAX] = { NULL }; /* the member that counts for each row */

        assert(count < ROWS_MAX);
        if (!cJSON_IsObject(node(at)))
                return wrong_type(at, "an object", err);
        for (const cJSON *member = node(at)->child; member; member = member->next)
                last[find_row(fields, count, member->string)] = member;
        for (const cJSON *member = node(at)->child; member; member = member->next) {
                size_t i = find_row(fields, count, member->string);
                struct json_at inner = { .value = (const struct json *)(const void *)member,
                                         .parent = at };
                int r;

                if (i == count || last[i] != member)
                        continue;
                if (cJSON_IsNull(member) && !(fields[i].flags & JSON_NULL))
                        continue;
                inner.key = fields[i].name;
                r = fields[i].decode(&inner, (char *)dst + fields[i].offset, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

bool json_member(const struct json_at *at, const char *name, struct json_at *ret)
{
        const cJSON *found = NULL;

        if (!cJSON_IsObject(node(at)))
                return false;
        for (const cJSON *member = node(at)->child; member; member = member->next)
                if (strcasecmp(member->string, name) == 0)
                        found = member;
        if (!found)
                return false;
        *ret = (struct json_at){ .value = (const struct json *)(const void *)found,
                                 .parent = at,
                                 .key = name };
        return true;
}

int json_list(const struct json_at *at,
              int (*decode)(const struct json_at *at, void *dst, struct err *err), void *dst,
              struct err *err)
{
        size_t index = 0;

        if (!cJSON_IsArray(node(at)))
                return wrong_type(at, "a list", err);
        for (const cJSON *element = node(at)->child; element; element = element->next) {
                struct json_at inner = { .value = (const struct json *)(const void *)element,
                                         .parent = at,
                                         .index = index++ };
                int r = decode(&inner, dst, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

int json_members(const struct json_at *at,
                 int (*each)(const struct json_at *at, void *dst, struct err *err), void *dst,
                 struct err *err)
{
        if (!cJSON_IsObject(node(at)))
                return wrong_type(at, "an object", err);
        for (const cJSON *member = node(at)->child; member; member = member->next) {
                struct json_at inner = { .value = (const struct json *)(const void *)member,
                                         .parent = at,
                                         .key = member->string };
                int r = each(&inner, dst, err);

                if (r < 0)
                        return r;
        }
        return 0;
}

int json_text(const struct json_at *at, const char **ret, struct err *err)
{
        if (!cJSON_IsString(node(at)))
                return wrong_type(at, "a string", err);
        *ret = node(at)->valuestring;
        return 0;
}

int json_decode_string(const struct json_at *at, void *dst, struct err *err)
{
        char **owner = dst, *copy;
        const char *text = "";
        int r = json_text(at, &text, err);

        if (r < 0)
                return r;
        copy = strdup(text);
        if (!copy)
                return err_oom(err);
        free(*owner);
        *owner = copy;
        return 0;
}

int json_decode_text(const struct json_at *at, void *dst, struct err *err)
{
        return json_text(at, dst, err);
}

int json_decode_bool(const struct json_at *at, void *dst, struct err *err)
{
        if (!cJSON_IsBool(node(at)))
                return wrong_type(at, "true or false", err);
        *(bool *)dst = cJSON_IsTrue(node(at));
        return 0;
}

int json_decode_i64(const struct json_at *at, void *dst, struct err *err)
{
        char path[512];
        int r;

        if (!cJSON_IsNumber(node(at)))
                return wrong_type(at, "an integer", err);
        r = parse_i64(node(at)->valuestring, INT64_MIN, INT64_MAX, dst);
        if (r == 0)
                return 0;
        json_path(at, path, sizeof(path));
        return err_text(err, -EINVAL, CNI_ERR_DECODE, "%s: must be an integer%s, not %.64s", path,
                        r == -ERANGE ? " of 64 bits" : "", node(at)->valuestring);
}
