/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kubeconfig. Three lists of named things and the name of a context, which names a cluster and a
 * user. The texts of errors are those of Go's client where it has one.
 */
#include "kubeconfig.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/json.h"
#include "http/yaml.h"

#define FILE_CEILING      (1024U * 1024U)
#define READ_AGAIN_MAX    4U
#define READ_AGAIN_MS     50U
#define DEFAULT_NAMESPACE "kube-system"
#define INVALID           "invalid configuration: "

static const char root_and_insecure[] =
        "specifying a root certificates file with the insecure flag is not allowed";

void kubeconfig_files_done(struct kubeconfig_files *files)
{
        free(files->ca);
        free(files->certificate);
        free(files->key);
        free(files->token);
        free(files->cluster);
        free(files->user);
        *files = (struct kubeconfig_files){ 0 };
}

static void free_secret(char *text)
{
        if (text)
                explicit_bzero(text, strlen(text));
        free(text);
}

void kubeconfig_done(struct kubeconfig *kubeconfig)
{
        free(kubeconfig->server);
        free(kubeconfig->namespace);
        free(kubeconfig->context);
        free(kubeconfig->ca);
        free(kubeconfig->certificate);
        free_secret(kubeconfig->key);
        free_secret(kubeconfig->token);
        free(kubeconfig->server_name);
        free(kubeconfig->proxy);
        *kubeconfig = (struct kubeconfig){ 0 };
}

/* ---- members ---- */

/* Everything that is decoded, from the context that counts. */
struct document {
        char *api_version, *kind, *context;
        bool found; /* the context */
        struct kubeconfig values;
        struct kubeconfig_files files;
};

static void document_done(struct document *document)
{
        free(document->api_version);
        free(document->kind);
        free(document->context);
        kubeconfig_done(&document->values);
        kubeconfig_files_done(&document->files);
}

/* "users[0].user.token: " and what is wrong with it. */
static int _printf_(4, 5)
        wrong(const struct json_at *at, struct err *err, int r, const char *fmt, ...)
{
        char path[512], what[512];
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(what, sizeof(what), fmt, args);
        va_end(args);
        json_path(at, path, sizeof(path));
        return err_text(err, r, CNI_ERR_INTERNAL, "%s: %s", path, what);
}

/* A text; an empty one is as good as none. */
static int decode_text(const struct json_at *at, void *dst, struct err *err)
{
        const char *text = "";
        int r = json_text(at, &text, err);

        if (r < 0 || *text == '\0')
                return r;
        return json_decode_string(at, dst, err);
}

/* A truth value; the words of older YAML, which Go's decoder still takes, are texts to ours. */
static int decode_bool(const struct json_at *at, void *dst, struct err *err)
{
        static const char *const words[] = { "no", "off", "n", "yes", "on", "y" };
        const char *text;
        struct err other;

        if (json_text(at, &text, &other) == 0)
                for (size_t i = 0; i < ARRAY_SIZE(words); i++)
                        if (strcasecmp(text, words[i]) == 0) {
                                *(bool *)dst = i >= ARRAY_SIZE(words) / 2;
                                return 0;
                        }
        return json_decode_bool(at, dst, err);
}

/* Two bits more of a base64 text per step; -1 for what is no digit. */
static int base64_digit(char c)
{
        static const char digits[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        const char *found = c ? strchr(digits, c) : NULL;

        return found ? (int)(found - digits) : -1;
}

/* Decodes padded base64; line ends pass, as in Go. Returns the number of bytes, or -1 - (offset of
 * the character that is wrong). `ret` has room for three quarters of the text. */
static ssize_t decode_base64(const char *text, char *ret)
{
        size_t filled = 0, len = 0;
        uint32_t group = 0;
        const char *p = text;

        for (; *p && *p != '='; p++) {
                int digit = base64_digit(*p);

                if (*p == '\n' || *p == '\r')
                        continue;
                if (digit < 0)
                        return -1 - (p - text);
                group = group << 6 | (uint32_t)digit;
                if (++filled % 4 != 0)
                        continue;
                ret[len++] = (char)(group >> 16);
                ret[len++] = (char)(group >> 8);
                ret[len++] = (char)group;
        }
        filled %= 4;
        if (filled >= 2) {
                group <<= 6 * (4 - filled);
                ret[len++] = (char)(group >> 16);
                if (filled == 3)
                        ret[len++] = (char)(group >> 8);
        }
        /* What is missing in the last group is padding. */
        for (; filled > 1 && filled < 4 && *p; p++)
                if (*p == '=')
                        filled++;
                else if (*p != '\n' && *p != '\r')
                        break;
        p += strspn(p, "\r\n");
        if (*p || (filled % 4) != 0)
                return -1 - (p - text);
        return (ssize_t)len;
}

static bool is_pem(const char *text, size_t len)
{
        return strlen(text) == len && strstr(text, "-----BEGIN ");
}

/* base64 of a PEM text. */
static int decode_data(const struct json_at *at, void *dst, struct err *err)
{
        _cleanup_(freep) char *data = NULL;
        const char *text = "";
        char **owner = dst;
        ssize_t len;
        int r = json_text(at, &text, err);

        if (r < 0 || *text == '\0')
                return r;
        data = malloc(strlen(text) / 4 * 3 + 4);
        if (!data)
                return err_oom(err);
        len = decode_base64(text, data);
        if (len < 0)
                return wrong(at, err, -EINVAL, "illegal base64 data at input byte %zd", -1 - len);
        data[len] = '\0';
        if (!is_pem(data, (size_t)len))
                return wrong(at, err, -EINVAL, "is not PEM text");
        free(*owner);
        *owner = TAKE_PTR(data);
        return 0;
}

/* What would run programs, ask people, or act as somebody else. */
static int refuse(const struct json_at *at, _unused_ void *dst, struct err *err)
{
        static const struct {
                const char *key, *what;
        } reasons[] = {
                { "exec", "running programs for credentials is not supported" },
                { "auth-provider", "authentication providers are not supported" },
                { "username", "basic authentication is not supported" },
                { "password", "basic authentication is not supported" },
        };
        const char *text = NULL, *what = "impersonation is not supported";
        struct err other;

        if (json_text(at, &text, &other) == 0 ? *text == '\0' : json_count(at) == 0)
                return 0;
        for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
                if (strcmp(at->key, reasons[i].key) == 0)
                        what = reasons[i].what;
        return wrong(at, err, -ENOTSUP, "%s; use a token or tokenFile", what);
}

/* http:// or https:// and a host; slashes at its end go. No text of it is shown: it may hold a
 * password. */
static int decode_server(const struct json_at *at, void *dst, struct err *err)
{
        char **owner = dst, *host;
        int r = decode_text(at, dst, err);

        if (r < 0 || !*owner)
                return r;
        host = strstr(*owner, "://");
        if ((strncasecmp(*owner, "https://", 8) != 0 && strncasecmp(*owner, "http://", 7) != 0) ||
            strcspn(host + 3, "/") == 0)
                return wrong(at, err, -EINVAL, "must be an http:// or https:// URL");
        if (strpbrk(host, "@?# \t\r\n"))
                return wrong(at, err, -EINVAL,
                             "a user, a query and white space have no place in the URL");
        for (size_t len = strlen(*owner); (*owner)[len - 1] == '/'; len--)
                (*owner)[len - 1] = '\0';
        return 0;
}

/* A row of the three tables; offsets into struct document. */
#define ROW(name, decode, member)                                           \
        {                                                                   \
                name, decode, offsetof(struct document, member), JSON_PLAIN \
        }

static const struct json_field cluster_fields[] = {
        ROW("server", decode_server, values.server),
        ROW("certificate-authority", decode_text, files.ca),
        ROW("certificate-authority-data", decode_data, values.ca),
        ROW("insecure-skip-tls-verify", decode_bool, values.insecure),
        ROW("tls-server-name", decode_text, values.server_name),
        ROW("proxy-url", decode_text, values.proxy),
        ROW("disable-compression", decode_bool, values.no_compression),
};

static const struct json_field user_fields[] = {
        ROW("exec", refuse, values),
        ROW("auth-provider", refuse, values),
        ROW("username", refuse, values),
        ROW("password", refuse, values),
        ROW("as", refuse, values),
        ROW("as-uid", refuse, values),
        ROW("as-groups", refuse, values),
        ROW("as-user-extra", refuse, values),
        ROW("token", decode_text, values.token),
        ROW("tokenFile", decode_text, files.token),
        ROW("client-certificate", decode_text, files.certificate),
        ROW("client-certificate-data", decode_data, values.certificate),
        ROW("client-key", decode_text, files.key),
        ROW("client-key-data", decode_data, values.key),
};

static const struct json_field context_fields[] = {
        ROW("cluster", decode_text, files.cluster),
        ROW("user", decode_text, files.user),
        ROW("namespace", decode_text, values.namespace),
};

static const struct json_field top_fields[] = {
        ROW("apiVersion", decode_text, api_version),
        ROW("kind", decode_text, kind),
        ROW("current-context", decode_text, context),
};

/* ---- lists of named things ---- */

/* What is looked for in a list. */
struct search {
        const char *name, *member;
        const struct json_field *fields;
        size_t field_count;
        struct document *document;
        bool found;
};

static int search_element(const struct json_at *at, void *dst, struct err *err)
{
        struct search *search = dst;
        const char *name = "";
        struct json_at member;
        int r = 0;

        if (json_member(at, "name", &member) && !json_is_null(&member))
                r = json_text(&member, &name, err);
        if (r < 0 || strcmp(name, search->name) != 0)
                return r;
        if (search->found)
                return wrong(at, err, -EINVAL, "duplicate name \"%s\" in list", name);
        search->found = true;
        if (!json_member(at, search->member, &member) || json_is_null(&member))
                return 0;
        return json_object(&member, search->fields, search->field_count, search->document, err);
}

/* Decodes the thing of a list that has the name. */
static int find(const struct json_at *top, const char *list, struct search *search, struct err *err)
{
        struct json_at at;

        if (!json_member(top, list, &at) || json_is_null(&at))
                return 0;
        return json_list(&at, search_element, search, err);
}

/* Whether `a` is set; an empty name names nothing. */
static const char *or_empty(const char *a)
{
        return a ? a : "";
}

static int decode_all(const struct json_at *top, struct document *document, struct err *err)
{
        struct search context = { NULL,     "context", context_fields, ARRAY_SIZE(context_fields),
                                  document, false },
                      cluster = { NULL,     "cluster", cluster_fields, ARRAY_SIZE(cluster_fields),
                                  document, false },
                      user = {
                              NULL, "user", user_fields, ARRAY_SIZE(user_fields), document, false
                      };
        int r = json_object(top, top_fields, ARRAY_SIZE(top_fields), document, err);

        if (r < 0)
                return r;
        if (strcmp(or_empty(document->kind), "Config") != 0 && document->kind)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "kind: must be Config");
        if (strcmp(or_empty(document->api_version), "v1") != 0 && document->api_version)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "apiVersion: must be v1");
        context.name = or_empty(document->context);
        r = find(top, "contexts", &context, err);
        document->found = context.found;
        cluster.name = or_empty(document->files.cluster);
        if (r == 0)
                r = find(top, "clusters", &cluster, err);
        user.name = or_empty(document->files.user);
        if (r == 0)
                r = find(top, "users", &user, err);
        return r;
}

/* ---- the whole ---- */

/* What only shows when everything is known. */
static int check(const struct document *document, struct err *err)
{
        const struct kubeconfig *values = &document->values;
        const struct kubeconfig_files *files = &document->files;

        if (!document->found)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "k8s config: namespace not present in context");
        if (!values->server)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                INVALID "no server found for cluster \"%s\"",
                                or_empty(document->files.cluster));
        if (values->insecure && (values->ca || files->ca))
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "%s", root_and_insecure);
        if ((values->certificate || files->certificate) && !values->key && !files->key)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                INVALID "client-key-data or client-key must be specified for %s "
                                        "to use the clientCert authentication method.",
                                or_empty(document->files.user));
        return 0;
}

static void drop(char **text)
{
        free(*text);
        *text = NULL;
}

static bool set_default(char **text, const char *value)
{
        if (!*text)
                *text = strdup(value);
        return *text != NULL;
}

/* Data wins over the file of the same thing, and a key without certificate is for nothing. */
static int complete(struct document *document, struct err *err)
{
        struct kubeconfig *values = &document->values;
        struct kubeconfig_files *files = &document->files;

        if (values->ca)
                drop(&files->ca);
        if (values->certificate)
                drop(&files->certificate);
        if (values->key)
                drop(&files->key);
        if (!values->certificate && !files->certificate) {
                drop(&values->key);
                drop(&files->key);
        }
        values->context = TAKE_PTR(document->context);
        if (!set_default(&values->context, "") ||
            !set_default(&values->namespace, DEFAULT_NAMESPACE) ||
            !set_default(&files->cluster, "") || !set_default(&files->user, ""))
                return err_oom(err);
        return 0;
}

static int parse(const char *text, size_t len, struct document *document, struct err *err)
{
        _cleanup_(json_freep) struct json *tree = NULL;
        int r = yaml_parse(text, len, &tree, err);
        struct json_at top;

        if (r < 0)
                return r;
        top = (struct json_at){ .value = tree };
        /* An empty file is one without contexts. */
        if (!json_is_null(&top))
                r = decode_all(&top, document, err);
        if (r == 0)
                r = check(document, err);
        if (r == 0)
                r = complete(document, err);
        return r;
}

int kubeconfig_parse(const char *text, size_t len, struct kubeconfig *ret,
                     struct kubeconfig_files *ret_files, struct err *err)
{
        _cleanup_(document_done) struct document document = { 0 };
        int r = parse(text, len, &document, err);

        if (r < 0) {
                err->code = CNI_ERR_INTERNAL;
                return r;
        }
        *ret = document.values;
        *ret_files = document.files;
        document.values = (struct kubeconfig){ 0 };
        document.files = (struct kubeconfig_files){ 0 };
        return 0;
}

/* ---- files ---- */

/* The directory of a path, which has a slash; owned. */
static char *directory_of(const char *path)
{
        size_t len = (size_t)(strrchr(path, '/') - path);

        return strndup(path, len > 0 ? len : 1);
}

/* Where a file lies that the kubeconfig in `dir` names; owned. As in Go, only a name that is
 * relative to the directory is brought into a clean form. */
static char *resolve(const char *dir, const char *name)
{
        _cleanup_(freep) char *whole = NULL;
        char *slash;

        if (name[0] == '/')
                return strdup(name);
        if (asprintf(&whole, "%s/%s", dir, name) < 0)
                return NULL;
        slash = strrchr(whole, '/');
        *slash = '\0';
        return fs_join(whole, slash + 1);
}

/* The content of a file as a text, owned. */
static int read_text(const char *path, const struct trust *trust, char **ret, size_t *ret_len,
                     struct err *err)
{
        _cleanup_(closep) int fd = -1;
        struct buf buf;
        int r = trust_open(trust, path, 0, &fd, err);

        if (r < 0)
                return r;
        buf_init(&buf, FILE_CEILING);
        buf_puts(&buf, ""); /* an empty file is an empty text */
        r = fs_read(fd, &buf);
        if (r == 0 && !buf.text)
                r = -ENOMEM;
        if (r < 0) {
                buf_done(&buf);
                (void)err_set(err, r, CNI_ERR_INTERNAL, "read %s", path);
                return r;
        }
        *ret_len = buf.len;
        *ret = buf.text;
        return 0;
}

/* A file with PEM text; no name is no file. */
static int read_pem(const char *dir, const char *name, const struct trust *trust, const char *what,
                    const char *whose, char **ret, struct err *err)
{
        _cleanup_(freep) char *path = NULL, *text = NULL;
        size_t len = 0;
        int r;

        if (!name)
                return 0;
        path = resolve(dir, name);
        if (!path)
                return err_oom(err);
        r = read_text(path, trust, &text, &len, err);
        if (r == 0 && !is_pem(text, len))
                r = err_text(err, -EINVAL, CNI_ERR_INTERNAL, "read %s: is not PEM text", path);
        if (r < 0) {
                err_wrap(err, INVALID "unable to read %s %s for %s due to ", what, path, whose);
                return r;
        }
        free(*ret);
        *ret = TAKE_PTR(text);
        return 0;
}

static void trim(char *text)
{
        size_t len = strlen(text), start = 0;

        while (len > 0 && isspace((unsigned char)text[len - 1]))
                len--;
        while (start < len && isspace((unsigned char)text[start]))
                start++;
        memmove(text, text + start, len - start);
        text[len - start] = '\0';
}

/* The file's token counts, since somebody renews it; the inline one is for when there is no file.
 * One that must not be opened is an error all the same. */
static int read_token(const char *dir, const char *name, const struct trust *trust, char **ret,
                      struct err *err)
{
        _cleanup_(freep) char *path = NULL, *text = NULL;
        size_t len = 0;
        int r;

        if (!name)
                return 0;
        path = resolve(dir, name);
        if (!path)
                return err_oom(err);
        r = read_text(path, trust, &text, &len, err);
        if (r < 0)
                return *ret && err->code != CNI_ERR_CONFIG ? 0 : r;
        if (strlen(text) != len)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "read %s: is not text", path);
        trim(text);
        if (*text == '\0')
                return *ret ? 0
                            : err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                       "read empty token from file \"%s\"", path);
        free_secret(*ret);
        *ret = TAKE_PTR(text);
        return 0;
}

static int read_files(const char *dir, const struct kubeconfig_files *files,
                      const struct trust *trust, struct kubeconfig *kubeconfig, struct err *err)
{
        int r = read_pem(dir, files->ca, trust, "certificate-authority", files->cluster,
                         &kubeconfig->ca, err);

        if (r == 0)
                r = read_pem(dir, files->certificate, trust, "client-cert", files->user,
                             &kubeconfig->certificate, err);
        if (r == 0)
                r = read_pem(dir, files->key, trust, "client-key", files->user, &kubeconfig->key,
                             err);
        if (r == 0)
                r = read_token(dir, files->token, trust, &kubeconfig->token, err);
        return r;
}

/* The directory is asked for by its path: it was walked already, and only gives a name here. */
static int identify(const char *path, const char *dir, struct kubeconfig *kubeconfig,
                    struct err *err)
{
        char device[24], inode[24];
        const char *const fields[] = { device,
                                       inode,
                                       strrchr(path, '/') + 1,
                                       kubeconfig->context,
                                       kubeconfig->server,
                                       kubeconfig->namespace };
        struct stat st;

        if (stat(dir, &st) < 0)
                return err_set(err, -errno, CNI_ERR_INTERNAL, "stat %s", dir);
        (void)snprintf(device, sizeof(device), "%ju", (uintmax_t)st.st_dev);
        (void)snprintf(inode, sizeof(inode), "%ju", (uintmax_t)st.st_ino);
        return digest_fields(fields, ARRAY_SIZE(fields), kubeconfig->identity, err);
}

/* Reads and parses the file once, and again while it does not make sense; what is not supported
 * gets no better. */
static int read_file(const char *path, const struct trust *trust, struct kubeconfig *ret,
                     struct kubeconfig_files *ret_files, struct err *err)
{
        for (unsigned again = 0;; again++) {
                _cleanup_(freep) char *text = NULL;
                size_t len = 0;
                int r = read_text(path, trust, &text, &len, err);

                if (r < 0)
                        return r; /* which names the path */
                r = kubeconfig_parse(text, len, ret, ret_files, err);
                if (r == 0)
                        return 0;
                if (r == -ENOTSUP || r == -ENOMEM || again == READ_AGAIN_MAX) {
                        err_wrap(err, "kubeconfig %s: ", path);
                        return r;
                }
                clock_sleep_ms(READ_AGAIN_MS);
        }
}

int kubeconfig_read(const char *path, const struct trust *trust, struct kubeconfig *ret,
                    struct err *err)
{
        _cleanup_(kubeconfig_files_done) struct kubeconfig_files files = { 0 };
        _cleanup_(kubeconfig_done) struct kubeconfig kubeconfig = { 0 };
        _cleanup_(freep) char *dir = NULL;
        int r = read_file(path, trust, &kubeconfig, &files, err);

        if (r < 0)
                return r;
        dir = directory_of(path);
        if (!dir)
                return err_oom(err);
        r = read_files(dir, &files, trust, &kubeconfig, err);
        if (r == 0)
                r = identify(path, dir, &kubeconfig, err);
        if (r < 0) {
                err_wrap(err, "kubeconfig %s: ", path);
                return r;
        }
        *ret = kubeconfig;
        kubeconfig = (struct kubeconfig){ 0 };
        return 0;
}

struct http_server kubeconfig_server(const struct kubeconfig *kubeconfig)
{
        return (struct http_server){
                .url = kubeconfig->server,
                .ca = kubeconfig->ca,
                .certificate = kubeconfig->certificate,
                .key = kubeconfig->key,
                .server_name = kubeconfig->server_name,
                .proxy = kubeconfig->proxy,
                .token = kubeconfig->token,
                .insecure = kubeconfig->insecure,
                .no_compression = kubeconfig->no_compression,
        };
}
