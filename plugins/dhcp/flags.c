/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table holds each flag's name, kind, default and explanation, so that what is said is what is
 * done. The rules of reading are those of Go's flag package, because units and manifests that start
 * the daemon exist; its complaints are, too.
 *
 * Names of groups are looked up here and not by getgrnam(3): a static executable would have to load
 * modules of the host for it.
 */
#include "flags.h"

#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include "core/fs.h"

#define GROUP_FILE     "/etc/group"
#define GROUP_FILE_MAX (16U * 1024U * 1024U)
#define NS_PER_MS      1000000

enum kind {
        KIND_TEXT,
        KIND_BOOL,
        KIND_DURATION,
        KIND_COUNT,
};

static const char *const kind_names[] = {
        [KIND_TEXT] = " string",
        [KIND_BOOL] = "",
        [KIND_DURATION] = " duration",
        [KIND_COUNT] = " uint",
};

struct row {
        const char *name;
        enum kind kind;
        size_t offset; /* in struct flags */
        const char *initial;
        const char *what;
};

#define ROW(name, kind, member, initial, what)                            \
        {                                                                 \
                name, kind, offsetof(struct flags, member), initial, what \
        }

/* In the order of the alphabet, for the usage. */
static const struct row rows[] = {
        ROW("broadcast", KIND_BOOL, broadcast, "false", "ask servers to answer by broadcast"),
        ROW("group", KIND_TEXT, group, "",
            "group (name or number) whose members may use the socket; without one root alone may"),
        ROW("hostprefix", KIND_TEXT, host_prefix, "",
            "text in front of the paths of namespaces and of the socket"),
        ROW("max-leases", KIND_COUNT, max_leases, "16384", "most leases of one network"),
        ROW("pidfile", KIND_TEXT, pidfile, "", "absolute path of a file for the process id"),
        ROW("pin-netns", KIND_BOOL, pin_netns, "false",
            "keep a descriptor of each namespace open, for a daemon that cannot reach their paths"),
        ROW("resendmax", KIND_DURATION, resend_max_ms, "1m2s",
            "longest pause between two attempts"),
        ROW("resendtimeout", KIND_DURATION, resend_timeout_ms, "3m28s",
            "how long the ADD of a pod may wait for a lease"),
        ROW("socketpath", KIND_TEXT, socket_path, "/run/cni/dhcp.sock",
            "path of the socket; the state is kept beside it, in that path with \".d\""),
        ROW("timeout", KIND_DURATION, timeout_ms, "10s", "longest wait for one answer of a server"),
};

/* ---- values ---- */

static const struct {
        const char *name;
        uint64_t ns;
} units[] = {
        { "ns", 1 },
        { "us", 1000 },
        { "\xc2\xb5s", 1000 }, /* U+00B5 */
        { "\xce\xbcs", 1000 }, /* U+03BC */
        { "ms", NS_PER_MS },
        { "s", 1000 * (uint64_t)NS_PER_MS },
        { "m", 60 * 1000 * (uint64_t)NS_PER_MS },
        { "h", 3600 * 1000 * (uint64_t)NS_PER_MS },
};

/* The unit that the text begins with, up to the next digit, point or end; 0: none. */
static uint64_t read_unit(const char **text)
{
        size_t len = strcspn(*text, ".0123456789");

        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
                if (strlen(units[i].name) != len || memcmp(*text, units[i].name, len) != 0)
                        continue;
                *text += len;
                return units[i].ns;
        }
        return 0;
}

/* Adds "12.5m", at which *text stands, to *ns. */
static int read_part(const char **text, uint64_t *ns)
{
        const char *whole = *text, *fraction = "";
        size_t whole_len = strspn(whole, "0123456789"), fraction_len = 0;
        uint64_t count = 0, unit, share;

        *text += whole_len;
        if (**text == '.') {
                fraction = ++*text;
                fraction_len = strspn(fraction, "0123456789");
                *text += fraction_len;
        }
        if (whole_len + fraction_len == 0)
                return -EINVAL;
        if (whole_len > 0 && parse_u64(whole, whole_len, INT64_MAX, &count) < 0)
                return -EINVAL;
        unit = read_unit(text);
        if (unit == 0 || count > (INT64_MAX - *ns) / unit)
                return -EINVAL;
        *ns += count * unit;
        share = unit;
        for (size_t i = 0; i < fraction_len && share > 0; i++) {
                uint64_t part;

                share /= 10;
                part = share * (uint64_t)(fraction[i] - '0');
                if (part > INT64_MAX - *ns)
                        return -EINVAL;
                *ns += part;
        }
        return 0;
}

int flags_duration(const char *text, int64_t *ret_ms)
{
        bool negative = *text == '-';
        uint64_t ns = 0;

        if (*text == '-' || *text == '+')
                text++;
        if (!*text)
                return -EINVAL;
        if (strcmp(text, "0") != 0)
                while (*text)
                        if (read_part(&text, &ns) < 0)
                                return -EINVAL;
        if (negative && ns > 0)
                return -EINVAL;
        *ret_ms = (int64_t)(ns / NS_PER_MS);
        return 0;
}

static int read_bool(const char *text, bool *ret)
{
        static const char *const words[] = { "0", "f", "F", "false", "FALSE", "False",
                                             "1", "t", "T", "true",  "TRUE",  "True" };

        for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                if (strcmp(text, words[i]) == 0) {
                        *ret = i >= ARRAY_SIZE(words) / 2;
                        return 0;
                }
        return -EINVAL;
}

/* Puts a value into its place. 0 or -EINVAL. */
static int set(const struct row *row, const char *text, struct flags *flags)
{
        void *place = (char *)flags + row->offset;
        int r = 0;

        switch (row->kind) {
        case KIND_TEXT:
                *(const char **)place = text;
                break;
        case KIND_BOOL:
                r = read_bool(text, place);
                break;
        case KIND_DURATION:
                r = flags_duration(text, place);
                break;
        case KIND_COUNT:
                r = parse_u64(text, strlen(text), UINT64_MAX, place);
                if (r == 0 && *(uint64_t *)place == 0)
                        r = -EINVAL;
                break;
        }
        return r < 0 ? -EINVAL : 0;
}

/* ---- words ---- */

static const struct row *find_row(const char *name, size_t len)
{
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
                if (strlen(rows[i].name) == len && memcmp(rows[i].name, name, len) == 0)
                        return &rows[i];
        return NULL;
}

_printf_(2, 3) static int wrong(struct err *err, const char *fmt, ...)
{
        char text[512];
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        (void)err_text(err, -EINVAL, CNI_ERR_CONFIG, "%s", text);
        return FLAGS_WRONG;
}

/* Takes one flag, the word `word`, and the next word as its value where it needs one. */
static int take_flag(const char *word, const char *next, struct flags *flags, bool *ret_used_next,
                     struct err *err)
{
        const char *name = word + (word[1] == '-' ? 2 : 1), *value;
        const struct row *row;
        size_t len;

        if (*name == '\0' || *name == '-' || *name == '=')
                return wrong(err, "bad flag syntax: %s", word);
        len = strcspn(name, "=");
        value = name[len] == '=' ? name + len + 1 : NULL;
        row = find_row(name, len);
        if (!row && ((len == 1 && *name == 'h') || (len == 4 && memcmp(name, "help", 4) == 0)))
                return FLAGS_HELP;
        if (!row)
                return wrong(err, "flag provided but not defined: -%.*s", (int)len, name);
        if (!value && row->kind == KIND_BOOL)
                value = "true";
        *ret_used_next = !value;
        if (!value)
                value = next;
        if (!value)
                return wrong(err, "flag needs an argument: -%s", row->name);
        if (set(row, value, flags) == 0)
                return 0;
        return wrong(err, "invalid %svalue \"%s\" for %s-%s: parse error",
                     row->kind == KIND_BOOL ? "boolean " : "", value,
                     row->kind == KIND_BOOL ? "" : "flag ", row->name);
}

int flags_parse(int argc, char **argv, struct flags *ret, struct err *err)
{
        struct flags flags = { 0 };
        bool used_next = false;
        int i;

        for (size_t row = 0; row < ARRAY_SIZE(rows); row++)
                (void)set(&rows[row], rows[row].initial, &flags);
        for (i = 1; i < argc; i += used_next ? 2 : 1) {
                int r;

                used_next = false;
                if (argv[i][0] != '-' || argv[i][1] == '\0')
                        break;
                if (strcmp(argv[i], "--") == 0) {
                        i++;
                        break;
                }
                r = take_flag(argv[i], i + 1 < argc ? argv[i + 1] : NULL, &flags, &used_next, err);
                if (r > 0)
                        return r;
        }
        flags.rest = i < argc ? argv[i] : NULL;
        if (!*flags.socket_path)
                flags.socket_path = find_row("socketpath", strlen("socketpath"))->initial;
        *ret = flags;
        return 0;
}

void flags_usage(struct buf *buf)
{
        buf_puts(buf, "Usage of daemon:\n");
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                const struct row *row = &rows[i];
                const char *quote = row->kind == KIND_TEXT ? "\"" : "";

                buf_printf(buf, "  -%s%s\n    \t%s", row->name, kind_names[row->kind], row->what);
                if (*row->initial && row->kind != KIND_BOOL)
                        buf_printf(buf, " (default %s%s%s)", quote, row->initial, quote);
                buf_putc(buf, '\n');
        }
}

/* ---- groups ---- */

/* The number in a line "name:password:number:members" when it is of that name. */
static bool match_group(const char *line, size_t len, const char *name, gid_t *ret)
{
        size_t name_len = strlen(name);
        const char *end = line + len, *number;
        uint64_t gid;

        if (name_len == 0 || len <= name_len || memcmp(line, name, name_len) != 0 ||
            line[name_len] != ':')
                return false;
        line += name_len + 1;
        number = memchr(line, ':', (size_t)(end - line));
        if (!number)
                return false;
        number++;
        if (parse_u64(number, strcspn(number, ":\n"), UINT32_MAX - 1, &gid) < 0)
                return false;
        *ret = (gid_t)gid;
        return true;
}

int flags_find_group(const char *text, const char *name, gid_t *ret)
{
        while (*text) {
                size_t len = strcspn(text, "\n");

                if (match_group(text, len, name, ret))
                        return 0;
                text += len + (text[len] == '\n');
        }
        return -ENOENT;
}

int flags_group(const char *name, gid_t *ret, struct err *err)
{
        _cleanup_(buf_done) struct buf text;
        _cleanup_(closep) int fd = fs_open_regular(GROUP_FILE);
        uint64_t number;
        int r;

        buf_init(&text, GROUP_FILE_MAX);
        r = fd < 0 ? fd : fs_read(fd, &text);
        /* An image may hold nothing but the executable. */
        if (r < 0 && r != -ENOENT)
                return err_set(err, r, CNI_ERR_IO, "read '%s'", GROUP_FILE);
        if (flags_find_group(buf_text(&text), name, ret) == 0)
                return 0;
        if (parse_u64(name, strlen(name), UINT32_MAX - 1, &number) < 0)
                return err_text(err, -ENOENT, CNI_ERR_CONFIG, "group '%s' is unknown", name);
        *ret = (gid_t)number;
        return 0;
}
