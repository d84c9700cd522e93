/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curl's multi interface, driven until the requests have their ends.
 *
 * What has left the machine is known for certain: curl calls on_sending() right before each time it
 * sends a request, and there a second time is refused, which curl would else do by itself when a
 * kept connection turns out to be dead. Only a GET may go out again.
 *
 * Time is kept here and not by curl, whose timeouts do not count what waits for a connection.
 */
#include "http/http.h"

#include <assert.h>
#include <ctype.h>
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <strings.h>

#include "core/clock.h"
#include "core/utf8.h"
#include "http/digest.h"
#include "http/proxy.h"

#define HEADER_CEILING     65536U
#define RETRY_AFTER_MAX_MS (24 * 3600 * 1000)
#define POLL_MAX_MS        1000
#define NOT_TRUSTED        "certificate of https://%s is not trusted"

/* A place for a request under way. The handle is kept for the next one. */
struct slot {
        CURL *easy;
        struct http_request *request; /* NULL: the place is free */
        struct curl_slist *headers;
        int64_t connect_ms; /* when it is given up if it has no connection */
        unsigned sendings;
        size_t header_len;
        bool header_ended;
        char text[CURL_ERROR_SIZE]; /* curl's words about a failure */
};

struct http {
        CURL *prototype; /* what all handles have in common */
        CURLM *multi;
        char *base; /* what a request's path is appended to */
        char *peer; /* "host:port", for messages */
        char *host_header, *authorization;
        struct curl_slist *connect_to;
        struct slot slots[HTTP_IN_FLIGHT_MAX];
        bool https, oom;
};

/* Where the authorities lie that a system trusts. */
static const char *const bundles[] = {
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/tls/cacert.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
};

/* ---- URLs ---- */

/* The parts of a URL, owned by curl. `host` is in brackets when it is an IPv6 address. */
struct url_parts {
        char *scheme, *host, *port, *path;
        bool port_given;
};

static void url_parts_done(struct url_parts *parts)
{
        curl_free(parts->scheme);
        curl_free(parts->host);
        curl_free(parts->port);
        curl_free(parts->path);
}

static void url_freep(CURLU **url)
{
        curl_url_cleanup(*url);
}

static bool has_part(CURLU *url, CURLUPart part)
{
        char *text = NULL;

        if (curl_url_get(url, part, &text, 0) != CURLUE_OK)
                return false;
        curl_free(text);
        return true;
}

/* Takes an http or https URL apart. Returns 0, -EINVAL or -ENOMEM. */
static int split_url(const char *text, struct url_parts *ret)
{
        _cleanup_(url_freep) CURLU *url = curl_url();

        if (!url)
                return -ENOMEM;
        if (curl_url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS) !=
            CURLUE_OK)
                return -EINVAL;
        ret->port_given = has_part(url, CURLUPART_PORT);
        if (curl_url_get(url, CURLUPART_SCHEME, &ret->scheme, 0) != CURLUE_OK ||
            curl_url_get(url, CURLUPART_HOST, &ret->host, 0) != CURLUE_OK ||
            curl_url_get(url, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
            curl_url_get(url, CURLUPART_PATH, &ret->path, 0) != CURLUE_OK)
                return -EINVAL;
        if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT) ||
            (strcmp(ret->scheme, "http") != 0 && strcmp(ret->scheme, "https") != 0))
                return -EINVAL;
        return 0;
}

/* ---- what curl calls ---- */

/* Right before a request is sent. */
static int on_sending(void *context, _unused_ char *remote, _unused_ char *local,
                      _unused_ int remote_port, _unused_ int local_port)
{
        struct slot *slot = context;

        if (slot->sendings > 0 && strcmp(slot->request->method, "GET") != 0)
                return CURL_PREREQFUNC_ABORT;
        slot->sendings++;
        return CURL_PREREQFUNC_OK;
}

/* The milliseconds of a Retry-After header's value; -1 when it is a date or makes no sense. */
static int64_t parse_retry_after(const char *value, size_t len)
{
        uint64_t seconds;
        int r;

        while (len > 0 && isspace((unsigned char)value[len - 1]))
                len--;
        while (len > 0 && isspace((unsigned char)*value)) {
                value++;
                len--;
        }
        r = parse_u64(value, len, RETRY_AFTER_MAX_MS / 1000, &seconds);
        if (r == -ERANGE)
                return RETRY_AFTER_MAX_MS;
        return r < 0 ? -1 : (int64_t)seconds * 1000;
}

static size_t on_header(char *line, _unused_ size_t size, size_t len, void *context)
{
        static const char name[] = "retry-after:";
        struct slot *slot = context;

        slot->header_len += len;
        if (slot->header_len > HEADER_CEILING)
                return 0;
        if (len >= 5 && strncmp(line, "HTTP/", 5) == 0) {
                /* What came before belongs to an interim answer. */
                slot->header_ended = false;
                slot->request->retry_after_ms = -1;
        } else if (len >= sizeof(name) && strncasecmp(line, name, sizeof(name) - 1) == 0) {
                slot->request->retry_after_ms =
                        parse_retry_after(line + sizeof(name) - 1, len - (sizeof(name) - 1));
        } else if (*line == '\r' || *line == '\n') {
                slot->header_ended = true;
        }
        return len;
}

/* A part of the answer, decompressed. */
static size_t on_answer(char *bytes, _unused_ size_t size, size_t len, void *context)
{
        const struct slot *slot = context;

        buf_append(&slot->request->answer, bytes, len);
        return slot->request->answer.failed ? 0 : len;
}

/* ---- making a client ---- */

/* Options of a handle; the first that fails ends them. */
struct options {
        CURL *easy;
        CURLcode code;
};

#define set_option(options, option, value)                                                      \
        do {                                                                                    \
                if ((options)->code == CURLE_OK)                                                \
                        (options)->code = curl_easy_setopt((options)->easy, (option), (value)); \
        } while (0)

static int no_passphrase(_unused_ char *text, _unused_ int size, _unused_ int writing,
                         _unused_ void *context)
{
        return -1;
}

/* A PEM text must be what it is said to be. TLS would tell late, and OpenSSL would ask for the
 * passphrase of an encrypted key on the terminal. */
static int check_pem(const char *pem, bool is_key, const char *whose, struct err *err)
{
        BIO *bio = BIO_new_mem_buf(pem, -1);
        X509 *certificate = NULL;
        EVP_PKEY *key = NULL;
        bool good;

        if (!bio)
                return err_oom(err);
        if (is_key)
                key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
        else
                certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        good = key || certificate;
        EVP_PKEY_free(key);
        X509_free(certificate);
        BIO_free(bio);
        ERR_clear_error();
        if (good)
                return 0;
        return err_text(err, -EINVAL, CNI_ERR_CONFIG, "the %s %s in PEM form", whose,
                        is_key ? "key is no unencrypted key" : "certificate is no certificate");
}

/* Whether a text can stand in a header: no control character, which could begin another one. */
static bool fits_header(const char *text)
{
        for (; *text; text++)
                if ((unsigned char)*text < 0x20 || *text == 0x7f)
                        return false;
        return true;
}

static int check_texts(const struct http_server *server, struct err *err)
{
        int r = 0;

        if (server->ca)
                r = check_pem(server->ca, false, "authority's", err);
        if (r == 0 && server->certificate)
                r = check_pem(server->certificate, false, "client's", err);
        if (r == 0 && server->certificate && server->key)
                r = check_pem(server->key, true, "client's", err);
        if (r < 0)
                return r;
        if (server->token && !fits_header(server->token))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "the token has a character that no header may have");
        return 0;
}

static void set_blob(struct options *options, CURLoption option, const char *pem)
{
        struct curl_blob blob = { .len = strlen(pem), .flags = CURL_BLOB_COPY };

        memcpy(&blob.data, &pem, sizeof(pem)); /* curl copies it, its type is not const */
        set_option(options, option, &blob);
}

/* Without an authority of its own a server has to be trusted by the system. */
static const char *find_bundle(void)
{
        const char *chosen = getenv("SSL_CERT_FILE");

        if (chosen && *chosen)
                return chosen;
        for (size_t i = 0; i < ARRAY_SIZE(bundles); i++)
                if (access(bundles[i], R_OK) == 0)
                        return bundles[i];
        return NULL;
}

static void set_tls(struct options *options, const struct http_server *server)
{
        const char *bundle = server->ca || server->insecure ? NULL : find_bundle();

        set_option(options, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
        set_option(options, CURLOPT_SSL_VERIFYPEER, server->insecure ? 0L : 1L);
        set_option(options, CURLOPT_SSL_VERIFYHOST, server->insecure ? 0L : 2L);
        set_option(options, CURLOPT_PROXY_SSL_VERIFYPEER, server->insecure ? 0L : 1L);
        set_option(options, CURLOPT_PROXY_SSL_VERIFYHOST, server->insecure ? 0L : 2L);
        /* NULL is said as well: curl would trust its built-in directory beside the given one. */
        set_option(options, CURLOPT_CAINFO, bundle);
        set_option(options, CURLOPT_PROXY_CAINFO, bundle);
        set_option(options, CURLOPT_CAPATH, NULL);
        set_option(options, CURLOPT_PROXY_CAPATH, NULL);
        if (server->ca) {
                set_blob(options, CURLOPT_CAINFO_BLOB, server->ca);
                set_blob(options, CURLOPT_PROXY_CAINFO_BLOB, server->ca);
        }
        if (server->certificate && server->key) {
                set_blob(options, CURLOPT_SSLCERT_BLOB, server->certificate);
                set_blob(options, CURLOPT_SSLKEY_BLOB, server->key);
        }
}

static void set_behaviour(struct options *options, const struct http *http,
                          const struct http_server *server)
{
        bool gzip = curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_LIBZ;

        set_option(options, CURLOPT_PROTOCOLS_STR, "http,https");
        set_option(options, CURLOPT_FOLLOWLOCATION, 0L);
        set_option(options, CURLOPT_NOSIGNAL, 1L);
        set_option(options, CURLOPT_PATH_AS_IS, 1L);
        /* A look-up that hangs in the C library is left behind, not waited for. */
        set_option(options, CURLOPT_QUICK_EXIT, 1L);
        /* Without TLS nothing tells that a server has HTTP/2, and a burst that waits to learn it
         * would wait for the first answer. */
        set_option(options, CURLOPT_HTTP_VERSION,
                   (long)(http->https ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
        set_option(options, CURLOPT_PIPEWAIT, http->https ? 1L : 0L);
        set_option(options, CURLOPT_USERAGENT, server->user_agent);
        if (gzip && !server->no_compression)
                set_option(options, CURLOPT_ACCEPT_ENCODING, "gzip");
        /* Credentials are for the server, not for a proxy on the way. */
        set_option(options, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
        set_option(options, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
        set_option(options, CURLOPT_CONNECT_TO, http->connect_to);
        set_option(options, CURLOPT_PREREQFUNCTION, on_sending);
        set_option(options, CURLOPT_HEADERFUNCTION, on_header);
        set_option(options, CURLOPT_WRITEFUNCTION, on_answer);
}

/* An explicit proxy counts for every server, as in Go's client; NULL asks the environment. "" tells
 * curl not to look at the environment itself. */
static int set_proxy(struct options *options, const char *proxy, struct err *err)
{
        bool tls = curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_HTTPS_PROXY;
        _cleanup_(freep) char *remote = NULL;

        set_option(options, CURLOPT_NOPROXY, "");
        if (proxy && strstr(proxy, "://") && strncasecmp(proxy, "http://", 7) != 0 &&
            !(tls && strncasecmp(proxy, "https://", 8) == 0) &&
            strncasecmp(proxy, "socks5://", 9) != 0 && strncasecmp(proxy, "socks5h://", 10) != 0)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "the proxy's URL must begin with http://, %ssocks5:// or "
                                "socks5h://",
                                tls ? "https://, " : "");
        /* Go lets the proxy look names up in both cases. */
        if (proxy && strncasecmp(proxy, "socks5://", 9) == 0) {
                if (asprintf(&remote, "socks5h://%s", proxy + 9) < 0)
                        return err_oom(err);
                proxy = remote;
        }
        set_option(options, CURLOPT_PROXY, proxy ? proxy : "");
        return 0;
}

/* For another name than the URL's host: curl verifies the host of the URL that it is given, and
 * sends it in the handshake. So it gets a URL with the wanted name, is led to the real address by
 * CONNECT_TO, and the Host header stays what the real URL asks for. */
static int set_server_name(struct http *http, const struct url_parts *parts, const char *name,
                           struct err *err)
{
        bool v6 = strchr(name, ':') != NULL;
        const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
        _cleanup_(freep) char *entry = NULL;

        if (name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "-._:")] != '\0')
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "the TLS server name is no name of a host");
        if (asprintf(&http->base, "%s://%s%s%s:%s%s", parts->scheme, open, name, close, parts->port,
                     strcmp(parts->path, "/") == 0 ? "" : parts->path) < 0 ||
            asprintf(&http->host_header, "Host: %s%s%s", parts->host, parts->port_given ? ":" : "",
                     parts->port_given ? parts->port : "") < 0 ||
            asprintf(&entry, "%s%s%s:%s:%s:%s", open, name, close, parts->port, parts->host,
                     parts->port) < 0)
                return err_oom(err);
        http->connect_to = curl_slist_append(NULL, entry);
        return http->connect_to ? 0 : err_oom(err);
}

/* Where the requests go, and through which proxy. */
static int set_address(struct http *http, const struct http_server *server, struct options *options,
                       struct err *err)
{
        _cleanup_(url_parts_done) struct url_parts parts = { 0 };
        const char *proxy = server->proxy;
        int r = split_url(server->url, &parts);

        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0)
                return err_text(err, r, CNI_ERR_CONFIG,
                                "the server's URL must be http:// or https:// and a host, without "
                                "user, query and fragment");
        http->https = strcmp(parts.scheme, "https") == 0;
        if (!proxy)
                proxy = proxy_from_environment(http->https, parts.host, parts.port);
        if (asprintf(&http->peer, "%s:%s%s", parts.host, parts.port,
                     proxy ? " through a proxy" : "") < 0)
                return err_oom(err);
        r = set_proxy(options, proxy, err);
        if (r < 0)
                return r;
        if (http->https && server->server_name)
                return set_server_name(http, &parts, server->server_name, err);
        http->base = strdup(server->url);
        return http->base ? 0 : err_oom(err);
}

static int set_up(struct http *http, const struct http_server *server, struct err *err)
{
        struct options options = { .easy = curl_easy_init() };
        int r;

        http->prototype = options.easy;
        http->multi = curl_multi_init();
        if (!http->prototype || !http->multi)
                return err_oom(err);
        r = check_texts(server, err);
        if (r == 0)
                r = set_address(http, server, &options, err);
        if (r < 0)
                return r;
        set_tls(&options, server);
        set_behaviour(&options, http, server);
        if (options.code == CURLE_OUT_OF_MEMORY)
                return err_oom(err);
        if (options.code != CURLE_OK)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "curl does not take the options: %s",
                                curl_easy_strerror(options.code));
        if (server->token && http->https &&
            asprintf(&http->authorization, "Authorization: Bearer %s", server->token) < 0)
                return err_oom(err);
        curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
        curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_IN_FLIGHT_MAX);
        return 0;
}

int http_new(const struct http_server *server, struct http **ret, struct err *err)
{
        struct http *http;
        int r = digest_initialise(err); /* before curl, which asks for the host's openssl.cnf */

        if (r < 0)
                return r;
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
                return err_text(err, -EIO, CNI_ERR_INTERNAL, "curl cannot be initialised");
        http = calloc(1, sizeof(*http));
        r = http ? set_up(http, server, err) : err_oom(err);
        if (r < 0)
                http_free(http);
        else
                *ret = http;
        return r;
}

void http_free(struct http *http)
{
        if (!http)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(http->slots); i++)
                curl_easy_cleanup(http->slots[i].easy);
        curl_easy_cleanup(http->prototype);
        curl_multi_cleanup(http->multi);
        curl_slist_free_all(http->connect_to);
        free(http->base);
        free(http->peer);
        free(http->host_header);
        if (http->authorization)
                explicit_bzero(http->authorization, strlen(http->authorization));
        free(http->authorization);
        free(http);
}

/* ---- how a request ends ---- */

/* Appends curl's words to a message: without a prefix that says what ours says, and beginning in
 * lower case as ours do. */
static void add_words(struct err *err, const struct slot *slot, CURLcode code)
{
        static const char *const prefixes[] = { "SSL certificate problem: ", "SSL: ",
                                                "OpenSSL SSL_connect: ", "OpenSSL SSL_read: ",
                                                "OpenSSL SSL_write: " };
        const char *text = *slot->text ? slot->text : curl_easy_strerror(code);
        char words[CURL_ERROR_SIZE];
        size_t len = strlen(err->msg);

        for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
                if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
                        text += strlen(prefixes[i]);
        if (strncmp(text, "OpenSSL/", 8) == 0 && strstr(text, ": "))
                text = strstr(text, ": ") + 2; /* the version */
        (void)snprintf(words, sizeof(words), "%s", text);
        if (islower((unsigned char)words[1]))
                words[0] = (char)tolower((unsigned char)words[0]);
        utf8_make_printable(words);
        (void)snprintf(err->msg + len, sizeof(err->msg) - len, ": %s", words);
}

/* The server was reached and cut the handshake short: it is on its way down, or a load balancer
 * has nobody to pass us to. */
static bool is_cut(const char *text)
{
        return strstr(text, "unexpected eof") || strstr(text, "SSL_ERROR_SYSCALL") ||
               strstr(text, "Connection reset");
}

/* A certificate that is not signed by the authority whose name it bears. curl does not tell it from
 * other failures of a handshake. */
static bool is_forged(const char *text)
{
        return strstr(text, "asn1 encoding routines") || strstr(text, "rsa routines");
}

/* Nothing was sent: why there is no connection, and whether the server may only be away. */
static void explain_unsent(const struct http *http, const struct slot *slot, CURLcode code,
                           struct http_request *request)
{
        struct err *err = &request->err;
        long number = 0, proxy_status = 0;

        (void)curl_easy_getinfo(slot->easy, CURLINFO_OS_ERRNO, &number);
        (void)curl_easy_getinfo(slot->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
        request->refused = true;
        if (code == CURLE_OPERATION_TIMEDOUT) {
                (void)err_text(err, -ETIMEDOUT, CNI_ERR_INTERNAL, "connect to %s: timed out",
                               http->peer);
        } else if (code == CURLE_COULDNT_CONNECT && number > 0) {
                (void)err_set(err, -(int)number, CNI_ERR_INTERNAL, "connect to %s", http->peer);
        } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
                request->refused = false;
                (void)err_text(err, -EPERM, CNI_ERR_INTERNAL, NOT_TRUSTED, http->peer);
                add_words(err, slot, code);
        } else if (code == CURLE_SSL_CONNECT_ERROR && is_forged(slot->text)) {
                request->refused = false;
                (void)err_text(err, -EPERM, CNI_ERR_INTERNAL,
                               NOT_TRUSTED
                               ": it is not signed by the authority whose name it bears",
                               http->peer);
        } else {
                bool away = code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
                            code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_GOT_NOTHING ||
                            code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
                            code == CURLE_PROXY ||
                            (code == CURLE_SSL_CONNECT_ERROR && is_cut(slot->text));

                request->refused = away && proxy_status / 100 != 4;
                (void)err_text(err, -EIO, CNI_ERR_INTERNAL, "connect to %s", http->peer);
                add_words(err, slot, code);
        }
}

/* The request was sent, and there is no whole answer. */
static void explain_sent(const struct http *http, const struct slot *slot, CURLcode code,
                         struct http_request *request)
{
        struct err *err = &request->err;

        if (slot->header_len > HEADER_CEILING) {
                (void)err_text(err, -EFBIG, CNI_ERR_INTERNAL,
                               "answer from %s: header longer than %u bytes", http->peer,
                               HEADER_CEILING);
        } else if (request->answer.failed == -EFBIG) {
                (void)err_text(err, -EFBIG, CNI_ERR_INTERNAL,
                               "answer from %s: longer than %zu bytes", http->peer,
                               request->answer.ceiling);
        } else if (code == CURLE_OPERATION_TIMEDOUT) {
                (void)err_text(err, -ETIMEDOUT, CNI_ERR_INTERNAL, "no answer from %s in time",
                               http->peer);
        } else if (code == CURLE_GOT_NOTHING || code == CURLE_ABORTED_BY_CALLBACK) {
                (void)err_text(err, -ECONNRESET, CNI_ERR_INTERNAL,
                               "%s closed the connection without an answer", http->peer);
        } else {
                (void)err_text(err, -EIO, CNI_ERR_INTERNAL, "no whole answer from %s", http->peer);
                add_words(err, slot, code);
        }
}

/* Fills in the result and frees the place. */
static void finish(struct http *http, struct slot *slot, CURLcode code)
{
        struct http_request *request = slot->request;
        long status = 0;

        request->sent = slot->sendings > 0;
        /* A header that was cut off is good enough for curl. */
        if (code == CURLE_OK && !slot->header_ended)
                code = CURLE_PARTIAL_FILE;
        if (code == CURLE_OK)
                (void)curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
        request->status = (int)status;
        if (code == CURLE_OUT_OF_MEMORY || request->answer.failed == -ENOMEM) {
                (void)err_oom(&request->err);
                http->oom = true;
        } else if (code != CURLE_OK && request->sent) {
                explain_sent(http, slot, code, request);
        } else if (code != CURLE_OK) {
                explain_unsent(http, slot, code, request);
        }
        if (code != CURLE_OK) {
                buf_done(&request->answer);
                request->retry_after_ms = -1;
        }
        (void)curl_multi_remove_handle(http->multi, slot->easy);
        curl_slist_free_all(slot->headers);
        slot->headers = NULL;
        slot->request = NULL;
}

/* ---- running ---- */

static int add_header(struct slot *slot, const char *name, const char *value)
{
        _cleanup_(freep) char *line = NULL;
        struct curl_slist *list;

        if (asprintf(&line, "%s%s", name, value) < 0)
                return -ENOMEM;
        list = curl_slist_append(slot->headers, line);
        if (!list)
                return -ENOMEM;
        slot->headers = list;
        return 0;
}

static int set_headers(const struct http *http, struct slot *slot)
{
        const struct http_request *request = slot->request;
        int r = 0;

        if (http->host_header)
                r = add_header(slot, http->host_header, "");
        if (r == 0 && http->authorization)
                r = add_header(slot, http->authorization, "");
        if (r == 0 && request->accept)
                r = add_header(slot, "Accept: ", request->accept);
        /* An empty one keeps curl from sending its own. */
        if (r == 0 && request->body)
                r = add_header(
                        slot, "Content-Type: ", request->content_type ? request->content_type : "");
        if (r == 0)
                r = add_header(slot, "Expect:", "");
        return r;
}

/* The time for a connection, for curl: a second more than it has. */
static long connect_within(int64_t connect_ms)
{
        int64_t left_ms = connect_ms - clock_boot_ms() + 1000;

        return left_ms < 1000 ? 1000 : left_ms < INT32_MAX ? (long)left_ms : INT32_MAX;
}

static int set_request(const struct http *http, struct slot *slot, long connect_within_ms)
{
        const struct http_request *request = slot->request;
        struct options options = { .easy = slot->easy };
        _cleanup_(freep) char *url = NULL;
        int r = set_headers(http, slot);

        if (r < 0)
                return r;
        if (asprintf(&url, "%s%s", http->base, request->path) < 0)
                return -ENOMEM;
        set_option(&options, CURLOPT_URL, url);
        if (request->body) {
                set_option(&options, CURLOPT_POSTFIELDS, request->body);
                set_option(&options, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        } else {
                set_option(&options, CURLOPT_HTTPGET, 1L);
        }
        set_option(&options, CURLOPT_CUSTOMREQUEST, request->method);
        set_option(&options, CURLOPT_HTTPHEADER, slot->headers);
        set_option(&options, CURLOPT_ERRORBUFFER, slot->text);
        set_option(&options, CURLOPT_PRIVATE, slot);
        set_option(&options, CURLOPT_PREREQDATA, slot);
        set_option(&options, CURLOPT_HEADERDATA, slot);
        set_option(&options, CURLOPT_WRITEDATA, slot);
        /* A name's addresses are tried in turn, each for a part of this time. It is not to end
         * before ours does: curl would begin the next connection at once. */
        set_option(&options, CURLOPT_CONNECTTIMEOUT_MS, connect_within_ms);
        return options.code == CURLE_OK ? 0 : -ENOMEM;
}

static void reset(struct http_request *request)
{
        request->status = 0;
        request->started = request->sent = request->refused = false;
        request->retry_after_ms = -1;
        buf_done(&request->answer);
}

/* Hands a request to curl. One for which there is no memory has its end at once. */
static void start(struct http *http, struct slot *slot, struct http_request *request,
                  int64_t connect_ms)
{
        int r = -ENOMEM;

        reset(request);
        request->started = true;
        slot->request = request;
        slot->connect_ms = connect_ms;
        slot->sendings = 0;
        slot->header_len = 0;
        slot->header_ended = false;
        slot->text[0] = '\0';
        if (!slot->easy)
                slot->easy = curl_easy_duphandle(http->prototype);
        if (slot->easy)
                r = set_request(http, slot, connect_within(connect_ms));
        if (r == 0 && curl_multi_add_handle(http->multi, slot->easy) == CURLM_OK)
                return;
        finish(http, slot, CURLE_OUT_OF_MEMORY);
}

static void finish_done(struct http *http)
{
        CURLMsg *message;
        int rest;

        while ((message = curl_multi_info_read(http->multi, &rest))) {
                CURLcode code = message->data.result; /* the message goes with its handle */
                struct slot *slot = NULL;

                (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&slot);
                finish(http, slot, code);
        }
}

/* What is under way. */
struct progress {
        size_t busy;
        int64_t wait_ms; /* until the first of them has no time left */
};

/* Ends what has no time left, and looks at the rest. */
static struct progress finish_overdue(struct http *http, int64_t deadline_ms)
{
        struct progress progress = { .wait_ms = POLL_MAX_MS };
        int64_t now_ms = clock_boot_ms();

        for (size_t i = 0; i < ARRAY_SIZE(http->slots); i++) {
                struct slot *slot = &http->slots[i];
                int64_t left_ms = deadline_ms - now_ms;

                if (!slot->request)
                        continue;
                if (slot->sendings == 0 && slot->connect_ms - now_ms < left_ms)
                        left_ms = slot->connect_ms - now_ms;
                if (left_ms <= 0) {
                        finish(http, slot, CURLE_OPERATION_TIMEDOUT);
                        continue;
                }
                progress.busy++;
                if (left_ms < progress.wait_ms)
                        progress.wait_ms = left_ms;
        }
        return progress;
}

/* curl itself is broken: nothing more will come. */
static void finish_all(struct http *http)
{
        for (size_t i = 0; i < ARRAY_SIZE(http->slots); i++)
                if (http->slots[i].request)
                        finish(http, &http->slots[i], CURLE_OUT_OF_MEMORY);
}

/* A request whose turn comes too late is not sent. */
static void expire(const struct http *http, struct http_request *request)
{
        reset(request);
        (void)err_text(&request->err, -ETIMEDOUT, CNI_ERR_INTERNAL,
                       "no time was left for a request to %s", http->peer);
}

/* Fills the free places. Returns how many requests have been taken so far. */
static size_t start_more(struct http *http, struct http_request *requests, size_t taken,
                         size_t count, int64_t deadline_ms, int64_t connect_ms)
{
        int64_t now_ms = clock_boot_ms();

        for (; taken < count && now_ms >= deadline_ms; taken++)
                expire(http, &requests[taken]);
        for (size_t i = 0; i < ARRAY_SIZE(http->slots) && taken < count; i++)
                if (!http->slots[i].request)
                        start(http, &http->slots[i], &requests[taken++], now_ms + connect_ms);
        return taken;
}

int http_run(struct http *http, struct http_request *requests, size_t count, int64_t deadline_ms,
             int64_t connect_ms, struct err *err)
{
        struct progress progress;
        size_t taken = 0;
        int running;

        connect_ms -= clock_boot_ms(); /* each may take so long from its own turn on */
        http->oom = false;
        do {
                taken = start_more(http, requests, taken, count, deadline_ms, connect_ms);
                if (curl_multi_perform(http->multi, &running) != CURLM_OK)
                        finish_all(http);
                finish_done(http);
                progress = finish_overdue(http, deadline_ms);
                if (progress.busy == 0 || (taken < count && progress.busy < HTTP_IN_FLIGHT_MAX))
                        continue;
                if (curl_multi_poll(http->multi, NULL, 0, (int)progress.wait_ms, NULL) != CURLM_OK)
                        finish_all(http);
        } while (taken < count || progress.busy > 0);
        return http->oom ? err_oom(err) : 0;
}
