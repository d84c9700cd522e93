/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, versions and arguments: text in, verdict out.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "core/cni.h"
#include "core/utf8.h"

const char *const cni_versions[] = {
        "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"
};
const size_t cni_version_count = ARRAY_SIZE(cni_versions);

#define VERSIONS_QUOTED "[\"0.1.0\" \"0.2.0\" \"0.3.0\" \"0.3.1\" \"0.4.0\" \"1.0.0\" \"1.1.0\"]"

static bool is_alphanumeric(char c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool cni_is_name(const char *text)
{
        if (!is_alphanumeric(*text))
                return false;
        while (is_alphanumeric(*text) || *text == '_' || *text == '.' || *text == '-')
                text++;
        return *text == '\0';
}

static bool has_forbidden(const char *ifname)
{
        size_t len = strlen(ifname);

        for (size_t i = 0; i < len; i++)
                if (ifname[i] == '/' || ifname[i] == ':' || utf8_space_len(ifname + i, len - i) > 0)
                        return true;
        return false;
}

int cni_check_ifname(const char *ifname, struct err *err)
{
        if (*ifname == '\0')
                return err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT, "interface name is empty");
        if (strlen(ifname) > 15) {
                (void)err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT, "interface name is too long");
                err_details(err, "interface name should be less than 16 characters");
                return -EINVAL;
        }
        if (strcmp(ifname, ".") == 0 || strcmp(ifname, "..") == 0)
                return err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT, "interface name is . or ..");
        if (has_forbidden(ifname))
                return err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT,
                                "interface name contains / or : or whitespace characters");
        return 0;
}

/* ---- versions ---- */

/* A decimal number that may have a sign and leading zeros. */
static int parse_version_part(const char *text, size_t len, int64_t *ret)
{
        bool negative = len > 0 && *text == '-', sign = negative || (len > 0 && *text == '+');
        uint64_t number;
        int r = parse_u64(text + sign, len - sign, INT64_MAX, &number);

        if (r == 0)
                *ret = negative ? -(int64_t)number : (int64_t)number;
        return r;
}

int cni_parse_version(const char *text, int64_t ret[static 3], struct err *err)
{
        static const char *const names[] = { "major", "minor", "micro" };
        const char *rest = *text ? text : "0.1.0";
        int64_t parts[3] = { 0 };
        size_t dots = 0;

        for (const char *p = rest; *p; p++)
                dots += *p == '.';
        if (dots >= ARRAY_SIZE(parts))
                return err_text(err, -EINVAL, CNI_ERR_DECODE,
                                "invalid version \"%s\": too many parts", text);
        for (size_t i = 0; i < ARRAY_SIZE(parts) && rest; i++) {
                size_t len = strcspn(rest, ".");
                int r = parse_version_part(rest, len, &parts[i]);

                if (r < 0)
                        return err_text(err, -EINVAL, CNI_ERR_DECODE,
                                        "failed to convert %s version part \"%.*s\": %s", names[i],
                                        (int)len, rest,
                                        r == -ERANGE ? "value out of range" : "invalid syntax");
                rest = rest[len] ? rest + len + 1 : NULL;
        }
        memcpy(ret, parts, sizeof(parts));
        return 0;
}

static int compare_versions(const int64_t a[static 3], const int64_t b[static 3])
{
        for (size_t i = 0; i < 3; i++)
                if (a[i] != b[i])
                        return a[i] < b[i] ? -1 : 1;
        return 0;
}

/* The order of the versions, which only the newer verbs look at. */
static int check_order(const char *version, const char *verb, const char *since, struct err *err)
{
        int64_t config[3] = { 0 }, first[3] = { 0 }, newest[3] = { 0 };
        int r = cni_parse_version(version, config, err);

        if (r == 0)
                r = cni_parse_version(since, first, err);
        if (r == 0)
                r = cni_parse_version(cni_versions[cni_version_count - 1], newest, err);
        if (r < 0)
                return r;
        if (compare_versions(config, first) < 0)
                return err_text(err, -EINVAL, CNI_ERR_VERSION, "config version does not allow %s",
                                verb);
        if (compare_versions(config, newest) > 0)
                return err_text(err, -EINVAL, CNI_ERR_VERSION, "plugin version does not allow %s",
                                verb);
        return 0;
}

int cni_check_version(const char *version, const char *verb, const char *since, struct err *err)
{
        int r = verb ? check_order(version, verb, since, err) : 0;

        if (r < 0)
                return r;
        for (size_t i = 0; i < cni_version_count; i++)
                if (strcmp(version, cni_versions[i]) == 0)
                        return 0;
        (void)err_text(err, -EINVAL, CNI_ERR_VERSION, "incompatible CNI versions");
        err_details(err, "config is \"%s\", plugin supports " VERSIONS_QUOTED, version);
        return -EINVAL;
}

/* ---- CNI_ARGS ---- */

/* Go's %q, as far as environment text needs it: printable UTF-8 stays. */
static void put_quoted(struct buf *buf, const char *text, size_t len)
{
        static const char escapes[] = "abtnvfr"; /* for 0x07 to 0x0d */

        buf_putc(buf, '"');
        for (const char *end = text + len; text < end;) {
                unsigned char byte = (unsigned char)*text;
                size_t n = utf8_len(text, (size_t)(end - text));

                if (byte == '"' || byte == '\\')
                        buf_printf(buf, "\\%c", byte);
                else if (byte >= '\a' && byte <= '\r')
                        buf_printf(buf, "\\%c", escapes[byte - '\a']);
                else if (n == 0 || byte < 0x20 || byte == 0x7f)
                        buf_printf(buf, "\\x%02x", byte);
                else
                        buf_append(buf, text, n);
                text += n > 0 ? n : 1;
        }
        buf_putc(buf, '"');
}

static int parse_ignore_unknown(const char *value, void *dst, struct err *err)
{
        char lower[64];
        size_t len = 0;

        for (; value[len] && len < sizeof(lower) - 1; len++)
                lower[len] = (char)tolower((unsigned char)value[len]);
        lower[len] = '\0';
        if (strcmp(lower, "1") == 0 || strcmp(lower, "true") == 0)
                *(bool *)dst = true;
        else if (strcmp(lower, "0") == 0 || strcmp(lower, "false") == 0)
                *(bool *)dst = false;
        else
                return err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT,
                                "boolean unmarshal error: invalid input %s", lower);
        return 0;
}

static const struct cni_arg *find_arg(const struct cni_arg *known, size_t count, const char *key,
                                      size_t len)
{
        for (size_t i = 0; i < count; i++)
                if (strlen(known[i].key) == len && memcmp(known[i].key, key, len) == 0)
                        return &known[i];
        return NULL;
}

/* The "ARGS: " errors that quote a pair. */
static int pair_error(struct err *err, const char *what, const char *pair, size_t len,
                      const char *reason)
{
        struct buf quoted;

        buf_init(&quoted, sizeof(err->msg) * 4);
        put_quoted(&quoted, pair, len);
        (void)err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT, "ARGS: %s %s%s%s", what,
                       buf_text(&quoted), *reason ? ": " : "", reason);
        buf_done(&quoted);
        return -EINVAL;
}

static int parse_pair(char *pair, size_t key_len, const struct cni_arg *arg, struct err *err)
{
        struct err reason;
        int r = arg->parse(pair + key_len + 1, arg->dst, &reason);

        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0)
                return pair_error(err, "error parsing value of pair", pair, strlen(pair),
                                  reason.msg);
        return 0;
}

static int parse_pairs(char *args, const struct cni_arg *known, size_t count, struct buf *unknown,
                       bool *ret_ignore, struct err *err)
{
        const struct cni_arg ignore = { "IgnoreUnknown", parse_ignore_unknown, ret_ignore };
        char *pair;

        while ((pair = strsep(&args, ";"))) {
                const char *equals = strchr(pair, '=');
                const struct cni_arg *arg;
                size_t len;
                int r;

                if (!equals || strchr(equals + 1, '='))
                        return pair_error(err, "invalid pair", pair, strlen(pair), "");
                len = (size_t)(equals - pair);
                arg = find_arg(&ignore, 1, pair, len);
                if (!arg)
                        arg = find_arg(known, count, pair, len);
                if (!arg) {
                        buf_putc(unknown, unknown->len > 0 ? ' ' : '[');
                        put_quoted(unknown, pair, strlen(pair));
                        continue;
                }
                r = parse_pair(pair, len, arg, err);
                if (r < 0)
                        return r;
        }
        return 0;
}

int cni_parse_args(const char *args, const struct cni_arg *known, size_t count, struct err *err)
{
        _cleanup_(buf_done) struct buf unknown;
        _cleanup_(freep) char *copy = NULL;
        bool ignore = false;
        int r;

        buf_init(&unknown, 4 * strlen(args) + 16);
        if (*args == '\0')
                return 0;
        copy = strdup(args);
        if (!copy)
                return err_oom(err);
        r = parse_pairs(copy, known, count, &unknown, &ignore, err);
        if (r == 0 && !ignore)
                r = buf_check(&unknown, err);
        if (r < 0 || ignore || unknown.len == 0)
                return r;
        return err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT, "ARGS: unknown args %s]",
                        buf_text(&unknown));
}
