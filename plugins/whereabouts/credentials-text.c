/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of the files of whereabouts.d. Pure.
 *
 * The names in the kubeconfig are those of upstream's installer, since people and scripts know
 * them. Foreign members of the flat file are copied as they stand, never decoded and written anew.
 */
#include "credentials.h"

#include <string.h>
#include <strings.h>

#include "core/fs.h"
#include "core/json.h"

const char *credentials_host_path(const char *path)
{
        static const char host[] = "/host";
        const size_t len = sizeof(host) - 1;

        return strncmp(path, host, len) == 0 && path[len] == '/' ? path + len : path;
}

/* ---- the kubeconfig ---- */

static void put_base64(struct buf *buf, const char *text)
{
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

        for (size_t len = strlen(text), at = 0; at < len; at += 3) {
                uint32_t group = 0;

                for (size_t i = at; i < at + 3; i++)
                        group = group << 8 | (i < len ? (unsigned char)text[i] : 0U);
                for (unsigned i = 0; i < 4; i++)
                        buf_append(buf, at + i <= len ? &digits[group >> (18 - 6 * i) & 63] : "=",
                                   1);
        }
}

/* In quotes, as JSON and YAML have them. */
static void put_quoted(struct buf *buf, const char *text)
{
        struct json_writer w;

        json_writer_init_compact(&w, buf);
        json_put_string(&w, NULL, text);
}

int credentials_compose_kubeconfig(const struct kubeconfig *own, struct buf *ret, struct err *err)
{
        buf_puts(ret, "# Written by the node service of whereabouts; changes are lost.\n"
                      "apiVersion: v1\n"
                      "kind: Config\n"
                      "clusters:\n"
                      "- name: local\n"
                      "  cluster:\n"
                      "    server: ");
        put_quoted(ret, own->server);
        if (own->insecure) {
                buf_puts(ret, "\n    insecure-skip-tls-verify: true");
        } else if (own->ca) {
                buf_puts(ret, "\n    certificate-authority-data: ");
                put_base64(ret, own->ca);
        }
        buf_puts(ret, "\n"
                      "users:\n"
                      "- name: whereabouts\n"
                      "  user:\n"
                      "    tokenFile: token\n"
                      "contexts:\n"
                      "- name: whereabouts-context\n"
                      "  context:\n"
                      "    cluster: local\n"
                      "    user: whereabouts\n"
                      "    namespace: ");
        put_quoted(ret, own->namespace);
        buf_puts(ret, "\ncurrent-context: whereabouts-context\n");
        return buf_check(ret, err);
}

/* ---- the flat file ---- */

/* The members of an object that are kept, and where in its text we are. */
struct keeper {
        const char *at;           /* inside the text, behind the members that were seen */
        const char *const *drop;  /* names that are ours, up to NULL */
        bool top;                 /* of the whole, not of its `kubernetes` */
        const char *indent;       /* in front of a member */
        struct buf *kept, *inner; /* `inner`: the same of `kubernetes` */
};

/* The end of a value of a text that was found to be JSON. */
static const char *skip_value(const char *p)
{
        unsigned depth = 0;

        do {
                if (*p == '"')
                        for (p++; *p != '"'; p++)
                                p += *p == '\\';
                else if (*p == '{' || *p == '[')
                        depth++;
                else if (*p == '}' || *p == ']')
                        depth--;
                else if (depth == 0)
                        p += strcspn(p, ",]} \t\r\n") - 1;
                p++;
        } while (depth > 0);
        return p;
}

static int keep_member(const struct json_at *at, void *dst, struct err *err);

/* Takes the members of an object, whose text begins at `text`. */
static int keep_members(const struct json_at *at, const char *text, struct keeper *keeper,
                        struct err *err)
{
        keeper->at = text;
        return json_members(at, keep_member, keeper, err);
}

static int keep_member(const struct json_at *at, void *dst, struct err *err)
{
        static const char *const ours[] = { "kubeconfig", NULL };
        struct keeper *keeper = dst;
        const char *key = strchr(keeper->at, '"'), *key_end = skip_value(key);
        const char *value = key_end + strspn(key_end, ": \t\r\n");

        keeper->at = skip_value(value);
        if (keeper->top && strcasecmp(at->key, "kubernetes") == 0) {
                struct keeper inner = { NULL, ours, false, ",\n        ", keeper->inner, NULL };

                return *value == '{' ? keep_members(at, value, &inner, err) : 0;
        }
        for (const char *const *drop = keeper->drop; *drop; drop++)
                if (strcasecmp(at->key, *drop) == 0)
                        return 0;
        buf_puts(keeper->kept, keeper->indent);
        buf_append(keeper->kept, key, (size_t)(key_end - key));
        buf_puts(keeper->kept, ": ");
        buf_append(keeper->kept, value, (size_t)(keeper->at - value));
        return 0;
}

/* What is kept of the former file. */
static int keep_old(const char *text, size_t len, struct buf *kept, struct buf *inner,
                    struct err *err)
{
        static const char *const ours[] = { "datastore", "configuration_path",
                                            "reconciler_cron_expression", NULL };
        _cleanup_(json_freep) struct json *document = NULL;
        struct keeper keeper = { NULL, ours, true, ",\n    ", kept, inner };
        int r = json_parse(text, len, &document, err);
        struct json_at top = { .value = document };

        if (r < 0)
                return r;
        return keep_members(&top, text, &keeper, err);
}

static int compose_flat(const struct buf *kept, const struct buf *inner, const char *host_dir,
                        const char *cron, struct buf *ret, struct err *err)
{
        _cleanup_(freep) char *kubeconfig = fs_join(host_dir, CREDENTIALS_KUBECONFIG_NAME);

        if (!kubeconfig)
                return err_oom(err);
        buf_puts(ret, "{\n    \"datastore\": \"kubernetes\",\n    \"configuration_path\": ");
        put_quoted(ret, host_dir);
        buf_puts(ret, ",\n    \"kubernetes\": {\n        \"kubeconfig\": ");
        put_quoted(ret, kubeconfig);
        buf_puts(ret, buf_text(inner));
        buf_puts(ret, "\n    },\n    \"reconciler_cron_expression\": ");
        put_quoted(ret, cron);
        buf_puts(ret, buf_text(kept));
        buf_puts(ret, "\n}\n");
        return buf_check(ret, err);
}

int credentials_compose_flat(const char *old, size_t old_len, const char *host_dir,
                             const char *cron, struct buf *ret, struct err *err)
{
        _cleanup_(buf_done) struct buf kept, inner;
        int r = 0;

        buf_init(&kept, CREDENTIALS_FLAT_MAX);
        buf_init(&inner, CREDENTIALS_FLAT_MAX);
        if (old)
                r = keep_old(old, old_len, &kept, &inner, err);
        if (r == 0)
                r = buf_check(&kept, err);
        if (r == 0)
                r = buf_check(&inner, err);
        return r < 0 ? r : compose_flat(&kept, &inner, host_dir, cron, ret, err);
}

/* ---- the token ---- */

struct answer {
        char *token;
        int64_t life_s;
};

static int decode_spec(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "expirationSeconds", json_decode_i64, offsetof(struct answer, life_s),
                  JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

static int decode_status(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "token", json_decode_string, offsetof(struct answer, token), JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}

int credentials_read_answer(const char *text, size_t len, char **ret_token, int64_t *ret_life_s,
                            struct err *err)
{
        static const struct json_field fields[] = {
                { "spec", decode_spec, 0, JSON_PLAIN },
                { "status", decode_status, 0, JSON_PLAIN },
        };
        _cleanup_(json_freep) struct json *document = NULL;
        struct answer answer = { 0 };
        int r = json_parse(text, len, &document, err);
        struct json_at top = { .value = document };

        if (r == 0)
                r = json_object(&top, fields, ARRAY_SIZE(fields), &answer, err);
        if (r == 0 && (!answer.token || !*answer.token || answer.life_s <= 0))
                r = err_text(err, -EINVAL, CNI_ERR_INTERNAL, "holds no token or no life of it");
        if (r < 0) {
                free(answer.token);
                return r;
        }
        *ret_token = answer.token;
        *ret_life_s = answer.life_s;
        return 0;
}
