/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First the document as it stands, then what it means together with CNI_ARGS. What upstream's
 * daemon refuses is refused here, with its words, before any daemon is asked. DEL, CHECK and GC
 * look at nothing but the socket, so that they work whatever became of the rest.
 */
#include "conf.h"

#include <limits.h>
#include <string.h>

#include "core/sha256.h"

#define OPTIONS_MAX 4096 /* entries of `provide` and of `request`; more is a mistake */
#define ID_MAX      255
#define TEXT_ID_MAX 254 /* upstream cuts its text there */
#define LABEL_MAX   63
#define NAME_BYTES  255

void conf_done(struct conf *conf)
{
        free(conf->socket);
        profile_done(&conf->profile);
        *conf = (struct conf){ 0 };
}

/* ---- what stands in the document ---- */

/* An element of `provide` or of `request`. */
struct entry {
        char *option, *value, *from_arg; /* owned; NULL: not given */
        bool skip_default;
};

struct entries {
        struct entry *items; /* owned */
        size_t count;
};

/* The members of `ipam`. */
struct ipam {
        bool given;
        char *socket, *type;
        struct entries provide, request;
        int64_t priority;
        char *client_id, *hostname;
        enum profile_loss loss;
        enum profile_acd acd;
        bool suppress_gateway, dns, strict_nak, kernel_lifetime;
        enum profile_broadcast broadcast;
};

static void entries_done(struct entries *entries)
{
        for (size_t i = 0; i < entries->count; i++) {
                free(entries->items[i].option);
                free(entries->items[i].value);
                free(entries->items[i].from_arg);
        }
        free(entries->items);
}

static void ipam_done(struct ipam *ipam)
{
        free(ipam->socket);
        free(ipam->type);
        entries_done(&ipam->provide);
        entries_done(&ipam->request);
        free(ipam->client_id);
        free(ipam->hostname);
}

/* An element that is null is one without members. */
static int decode_entry(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "option", json_decode_string, offsetof(struct entry, option), JSON_PLAIN },
                { "value", json_decode_string, offsetof(struct entry, value), JSON_PLAIN },
                { "fromArg", json_decode_string, offsetof(struct entry, from_arg), JSON_PLAIN },
                { "skipDefault", json_decode_bool, offsetof(struct entry, skip_default),
                  JSON_PLAIN },
        };
        struct entries *entries = dst;
        struct entry *entry = &entries->items[entries->count++];

        return json_is_null(at) ? 0 : json_object(at, fields, ARRAY_SIZE(fields), entry, err);
}

static int decode_entries(const struct json_at *at, void *dst, struct err *err)
{
        struct entries *entries = dst;

        if (json_count(at) > OPTIONS_MAX)
                return json_invalid(at, err, "more than %d options", OPTIONS_MAX);
        entries->items = calloc(json_count(at) + 1, sizeof(*entries->items));
        if (!entries->items)
                return err_oom(err);
        return json_list(at, decode_entry, entries, err);
}

/* One of `count` words, as its number. */
static int decode_word(const struct json_at *at, const char *key, const char *const *words,
                       size_t count, size_t *ret, struct err *err)
{
        char list[256] = "";
        const char *text;
        int r = json_text(at, &text, err);

        for (size_t i = 0; i < count && r == 0; i++) {
                size_t len = strlen(list);

                if (strcmp(words[i], text) == 0) {
                        *ret = i;
                        return 0;
                }
                (void)snprintf(list + len, sizeof(list) - len, "%s%s", i > 0 ? ", " : "", words[i]);
        }
        if (r < 0)
                return r;
        return json_invalid(at, err, "%s cannot be '%s', only one of: %s", key, text, list);
}

static int decode_loss(const struct json_at *at, void *dst, struct err *err)
{
        size_t word = 0;
        int r = decode_word(at, "onLeaseLoss", profile_loss_texts, ARRAY_SIZE(profile_loss_texts),
                            &word, err);

        *(enum profile_loss *)dst = (enum profile_loss)word;
        return r;
}

static int decode_acd(const struct json_at *at, void *dst, struct err *err)
{
        size_t word = 0;
        int r = decode_word(at, "acd", profile_acd_texts, ARRAY_SIZE(profile_acd_texts), &word,
                            err);

        *(enum profile_acd *)dst = (enum profile_acd)word;
        return r;
}

static int decode_suppressed(const struct json_at *at, void *dst, struct err *err)
{
        static const char *const words[] = { "gateway" };
        size_t word;
        int r = decode_word(at, "suppress", words, ARRAY_SIZE(words), &word, err);

        if (r == 0)
                *(bool *)dst = true;
        return r;
}

static int decode_suppress(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_suppressed, dst, err);
}

static int decode_ipam_socket(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "daemonSocketPath", json_decode_string, offsetof(struct ipam, socket),
                  JSON_PLAIN },
        };
        struct ipam *ipam = dst;

        ipam->given = true;
        return json_object(at, fields, ARRAY_SIZE(fields), ipam, err);
}

static int decode_ipam(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "daemonSocketPath", json_decode_string, offsetof(struct ipam, socket),
                  JSON_PLAIN },
                { "type", json_decode_string, offsetof(struct ipam, type), JSON_PLAIN },
                { "provide", decode_entries, offsetof(struct ipam, provide), JSON_PLAIN },
                { "request", decode_entries, offsetof(struct ipam, request), JSON_PLAIN },
                { "priority", json_decode_i64, offsetof(struct ipam, priority), JSON_PLAIN },
                { "suppress", decode_suppress, offsetof(struct ipam, suppress_gateway),
                  JSON_PLAIN },
                { "dns", json_decode_bool, offsetof(struct ipam, dns), JSON_PLAIN },
                { "onLeaseLoss", decode_loss, offsetof(struct ipam, loss), JSON_PLAIN },
                { "strictNak", json_decode_bool, offsetof(struct ipam, strict_nak), JSON_PLAIN },
                { "clientID", json_decode_string, offsetof(struct ipam, client_id), JSON_PLAIN },
                { "hostname", json_decode_string, offsetof(struct ipam, hostname), JSON_PLAIN },
                { "broadcast", profile_decode_broadcast, offsetof(struct ipam, broadcast),
                  JSON_PLAIN },
                { "kernelLifetime", json_decode_bool, offsetof(struct ipam, kernel_lifetime),
                  JSON_PLAIN },
                { "acd", decode_acd, offsetof(struct ipam, acd), JSON_PLAIN },
        };
        struct ipam *ipam = dst;

        ipam->given = true;
        return json_object(at, fields, ARRAY_SIZE(fields), ipam, err);
}

/* Reads the document's ipam. What has the wrong type is told in upstream's words. */
static int read_ipam(const struct cni_call *call,
                     int (*decode)(const struct json_at *at, void *dst, struct err *err),
                     struct ipam *ret, struct err *err)
{
        const struct json_field fields[] = { { "ipam", decode, 0, JSON_PLAIN } };
        int r = json_object(&call->config, fields, ARRAY_SIZE(fields), ret, err);

        if (r < 0 && err->code == CNI_ERR_DECODE) {
                err->code = CNI_ERR_INTERNAL;
                err_wrap(err, "error obtaining socketPath: error parsing socket path conf: ");
        }
        if (r == 0 && !ret->given)
                r = err_text(err, -EINVAL, CNI_ERR_CONFIG, "IPAM config missing 'ipam' key");
        return r;
}

/* ---- the socket ---- */

int conf_make_absolute(const char *path, char **ret, struct err *err)
{
        char directory[PATH_MAX];
        char *joined = NULL;

        if (*path == '/')
                joined = strdup(path);
        else if (!getcwd(directory, sizeof(directory)))
                return err_set(err, -errno, CNI_ERR_IO, "find the working directory for '%s'",
                               path);
        else if (asprintf(&joined, "%s/%s", directory, path) < 0)
                joined = NULL;
        if (!joined)
                return err_oom(err);
        *ret = joined;
        return 0;
}

static int take_socket(const struct ipam *ipam, struct conf *conf, struct err *err)
{
        const char *path = ipam->socket && *ipam->socket ? ipam->socket : CONF_SOCKET;

        return conf_make_absolute(path, &conf->socket, err);
}

int conf_read_socket(const struct cni_call *call, struct conf *ret, struct err *err)
{
        _cleanup_(ipam_done) struct ipam ipam = { 0 };
        int r = read_ipam(call, decode_ipam_socket, &ipam, err);

        return r < 0 ? r : take_socket(&ipam, ret, err);
}

/* ---- CNI_ARGS ---- */

/* A value of CNI_ARGS; not NUL-terminated. */
struct arg {
        const char *text; /* NULL: there is no such key */
        size_t len;
};

/* Finds a key as upstream does: parts are cut at ';', and each at its first '='; parts without one
 * do not count, and of repeated keys the last one does. Nothing is unknown or wrong. */
static struct arg find_arg(const char *args, const char *key)
{
        size_t key_len = strlen(key);
        struct arg found = { 0 };

        if (strchr(key, '='))
                return found;
        for (;; args++) {
                size_t len = strcspn(args, ";");

                if (len > key_len && args[key_len] == '=' && memcmp(args, key, key_len) == 0)
                        found = (struct arg){ args + key_len + 1, len - key_len - 1 };
                args += len;
                if (*args == '\0')
                        return found;
        }
}

/* ---- options ---- */

/* What upstream's daemon would say. */
static int refuse_option(struct err *err)
{
        err->code = CNI_ERR_INTERNAL;
        err_wrap(err, "error calling DHCP.Allocate: ");
        return -EINVAL;
}

static int parse_code(const struct entry *entry, uint8_t *ret, struct err *err)
{
        int r = opts_code(entry->option ? entry->option : "", ret, err);

        return r < 0 ? refuse_option(err) : 0;
}

/* A text as Go's %q has it. Printable UTF-8 stays; the rest is good enough for people. */
static void put_quoted(struct buf *buf, const char *text)
{
        struct json_writer w;

        json_writer_init_compact(&w, buf);
        json_put_string(&w, NULL, text);
}

static int too_long(const struct entry *entry, bool is_arg, struct err *err)
{
        _cleanup_(buf_done) struct buf text;

        buf_init(&text, sizeof(err->msg));
        buf_puts(&text, "value too long for option ");
        put_quoted(&text, entry->option);
        if (is_arg) {
                buf_puts(&text, " from CNI_ARGS ");
                put_quoted(&text, entry->from_arg);
        }
        buf_puts(&text, ": ");
        put_quoted(&text, entry->value ? entry->value : ""); /* upstream's, for an argument too */
        (void)err_text(err, -EINVAL, CNI_ERR_INTERNAL, "%s", buf_text(&text));
        return refuse_option(err);
}

/* Options that say what a message is and who it is for: without them the client would be none. */
static bool is_our_own(uint8_t code)
{
        return code == OPT_PAD || code == OPT_OVERLOAD || code == OPT_MESSAGE_TYPE ||
               code == OPT_SERVER || code == OPT_END;
}

/* One entry of `provide`: the argument comes after the value, and the last one counts. */
static int take_provided(const struct cni_call *call, const struct entry *entry,
                         struct arg values[static 256], struct err *err)
{
        bool has_arg = entry->from_arg && *entry->from_arg;
        struct arg value = { entry->value, entry->value ? strlen(entry->value) : 0 }, arg = { 0 };
        uint8_t code;
        int r = parse_code(entry, &code, err);

        if (r < 0)
                return r;
        if (value.len > UINT8_MAX)
                return too_long(entry, false, err);
        if (has_arg)
                arg = find_arg(call->args, entry->from_arg);
        if (arg.len > UINT8_MAX)
                return too_long(entry, true, err);
        if (!arg.text && value.len == 0)
                return 0;
        if (is_our_own(code)) {
                (void)err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                               "option \"%s\" cannot be provided: it is the client's own",
                               entry->option);
                return refuse_option(err);
        }
        values[code] = arg.text ? arg : value;
        return 0;
}

static int take_all_provided(const struct cni_call *call, const struct ipam *ipam,
                             struct profile *profile, struct err *err)
{
        struct arg values[256] = { 0 };
        int r = 0;

        for (size_t i = 0; i < ipam->provide.count && r == 0; i++)
                r = take_provided(call, &ipam->provide.items[i], values, err);
        for (unsigned code = 0; code < ARRAY_SIZE(values) && r == 0; code++) {
                const struct arg *value = &values[code];

                /* Empty ones have no meaning in any RFC. A list of requests replaces a provided
                 * one. */
                if (value->len == 0 || (code == OPT_PARAMETERS && profile->parameter_count > 0))
                        continue;
                if (code == OPT_CLIENT_ID) {
                        memcpy(profile->client_id, value->text, value->len);
                        profile->client_id_len = (uint8_t)value->len;
                        continue;
                }
                r = profile_provide(profile, (uint8_t)code, value->text, value->len, err);
        }
        return r;
}

static void request_option(struct profile *profile, uint8_t code)
{
        for (size_t i = 0; i < profile->parameter_count; i++)
                if (profile->parameters[i] == code)
                        return;
        if (profile->parameter_count < ARRAY_SIZE(profile->parameters))
                profile->parameters[profile->parameter_count++] = code;
}

/* The entries in their order, then the defaults, then what `dns` needs. Where nothing is left the
 * mask is asked for all the same: upstream's library asks for routers then, too. */
static int take_requests(const struct ipam *ipam, struct profile *profile, struct err *err)
{
        static const uint8_t defaults[] = { OPT_ROUTERS, OPT_SUBNET_MASK };
        static const uint8_t names[] = { OPT_DNS, OPT_DOMAIN, OPT_DOMAIN_SEARCH };
        bool skip_defaults = false;

        for (size_t i = 0; i < ipam->request.count; i++) {
                const struct entry *entry = &ipam->request.items[i];
                uint8_t code;
                int r;

                skip_defaults |= entry->skip_default;
                if (!entry->option || !*entry->option)
                        continue;
                r = parse_code(entry, &code, err);
                if (r < 0)
                        return r;
                request_option(profile, code);
        }
        for (size_t i = 0; i < ARRAY_SIZE(defaults) && !skip_defaults; i++)
                request_option(profile, defaults[i]);
        for (size_t i = 0; i < ARRAY_SIZE(names) && ipam->dns; i++)
                request_option(profile, names[i]);
        return 0;
}

/* ---- the client identifier ---- */

static void put_id(struct profile *profile, uint8_t type, const void *bytes, size_t len)
{
        profile->client_id[0] = type;
        memcpy(profile->client_id + 1, bytes, len);
        profile->client_id_len = (uint8_t)(1 + len);
}

static unsigned digit_value(char digit)
{
        return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)((digit | 0x20) - 'a' + 10);
}

/* Bytes from hex digits that somebody has checked. */
static void read_hex(const char *text, uint8_t *bytes, size_t len)
{
        for (size_t i = 0; i < len; i++)
                bytes[i] = (uint8_t)(digit_value(text[2 * i]) << 4 | digit_value(text[2 * i + 1]));
}

/* The first `len` bytes of the SHA-256 of one or two texts. */
static void hash(const char *a, const char *b, uint8_t *bytes, size_t len)
{
        const char *const fields[] = { a, b };
        uint8_t digest[SHA256_SIZE];

        sha256_fields(fields, b ? 2 : 1, digest);
        memcpy(bytes, digest, len);
}

static int identify_by_text(const char *text, struct profile *profile, struct err *err)
{
        size_t len = strlen(text);

        if (len == 0 || len > TEXT_ID_MAX)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "clientID: text: needs 1 to %d bytes, not %zu", TEXT_ID_MAX, len);
        put_id(profile, 0, text, len);
        return 0;
}

static int identify_by_hex(const char *text, struct profile *profile, struct err *err)
{
        size_t len = strlen(text);

        if (len == 0 || len % 2 != 0 || len / 2 > ID_MAX ||
            strspn(text, "0123456789abcdefABCDEF") != len)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "clientID: hex: needs 1 to %d bytes of two hex digits each, not "
                                "'%s'",
                                ID_MAX, text);
        read_hex(text, profile->client_id, len / 2);
        profile->client_id_len = (uint8_t)(len / 2);
        return 0;
}

/* RFC 4361: an IAID for the interface, a DUID (type 4, UUID) for the container. */
static void identify_by_duid(const struct cni_call *call, struct profile *profile)
{
        uint8_t id[4 + 2 + 16] = { [5] = 4 };

        hash(call->ifname, NULL, id, 4);
        hash(call->container_id, call->name, id + 6, 16);
        put_id(profile, 255, id, sizeof(id));
}

static int take_client_id(const struct cni_call *call, const char *mode, struct profile *profile,
                          struct err *err)
{
        _cleanup_(freep) char *text = NULL;
        uint8_t digest[16];
        size_t len;

        if (mode && strncmp(mode, "text:", 5) == 0)
                return identify_by_text(mode + 5, profile, err);
        if (mode && strncmp(mode, "hex:", 4) == 0)
                return identify_by_hex(mode + 4, profile, err);
        if (mode && strcmp(mode, "mac") == 0)
                return 0; /* the daemon knows it */
        if (mode && strcmp(mode, "duid") == 0) {
                identify_by_duid(call, profile);
                return 0;
        }
        if (asprintf(&text, "%s/%s/%s", call->container_id, call->name, call->ifname) < 0) {
                text = NULL;
                return err_oom(err);
        }
        if (mode && strcmp(mode, "hash") == 0) {
                hash(text, NULL, digest, sizeof(digest));
                put_id(profile, 0, digest, sizeof(digest));
                return 0;
        }
        if (mode && *mode && strcmp(mode, "default") != 0)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "clientID cannot be '%s', only one of: default, mac, duid, hash, "
                                "text:..., hex:...",
                                mode);
        len = strlen(text);
        put_id(profile, 0, text, len > TEXT_ID_MAX ? TEXT_ID_MAX : len);
        return 0;
}

/* ---- the host name ---- */

static bool is_alnum(char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Labels of letters, digits and inner dashes, dots between them. */
static bool is_host_name(const char *text, size_t len)
{
        size_t label = 0;

        for (size_t i = 0; i < len; i++) {
                if (text[i] == '.') {
                        if (label == 0 || text[i - 1] == '-')
                                return false;
                        label = 0;
                } else if (is_alnum(text[i]) || (text[i] == '-' && label > 0)) {
                        if (++label > LABEL_MAX)
                                return false;
                } else {
                        return false;
                }
        }
        return label > 0 && text[len - 1] != '-' && len <= NAME_BYTES;
}

/* A pod's name may be longer than a label; then it is cut where kubelet cuts the pod's host name.
 */
static struct arg find_pod_name(const struct cni_call *call)
{
        struct arg name = find_arg(call->args, "K8S_POD_NAME");

        if (name.len > LABEL_MAX) {
                name.len = LABEL_MAX;
                while (name.len > 0 && strchr("-.", name.text[name.len - 1]))
                        name.len--;
        }
        return name;
}

static int take_hostname(const struct cni_call *call, const char *hostname, struct profile *profile,
                         struct err *err)
{
        struct arg name = { hostname, hostname ? strlen(hostname) : 0 };

        if (hostname && strcmp(hostname, "podName") == 0)
                name = find_pod_name(call);
        if (name.len == 0)
                return 0;
        for (size_t i = 0; i < profile->provided_count; i++)
                if (profile->provided[i].code == OPT_HOST_NAME)
                        return 0; /* `provide` wins */
        if (!is_host_name(name.text, name.len))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "hostname '%.*s' is no host name",
                                (int)name.len, name.text);
        return profile_provide(profile, OPT_HOST_NAME, name.text, name.len, err);
}

/* ---- all of it ---- */

static int take_profile(const struct cni_call *call, const struct ipam *ipam,
                        struct profile *profile, struct err *err)
{
        int r = take_client_id(call, ipam->client_id, profile, err);

        if (r == 0)
                r = take_requests(ipam, profile, err);
        if (r == 0)
                r = take_all_provided(call, ipam, profile, err); /* its identifier wins */
        if (r == 0 && profile->parameter_count == 0)
                request_option(profile, OPT_SUBNET_MASK);
        if (r == 0)
                r = take_hostname(call, ipam->hostname, profile, err);
        profile->loss = ipam->loss;
        profile->acd = ipam->acd;
        profile->broadcast = ipam->broadcast;
        profile->strict_nak = ipam->strict_nak;
        profile->kernel_lifetime = ipam->kernel_lifetime;
        profile->dns = ipam->dns;
        profile->suppress_gateway = ipam->suppress_gateway;
        profile->priority = ipam->priority;
        return r;
}

int conf_read(const struct cni_call *call, struct conf *ret, struct err *err)
{
        _cleanup_(ipam_done) struct ipam ipam = { 0 };
        int r = read_ipam(call, decode_ipam, &ipam, err);

        if (r == 0)
                r = take_socket(&ipam, ret, err);
        return r < 0 ? r : take_profile(call, &ipam, &ret->profile, err);
}
