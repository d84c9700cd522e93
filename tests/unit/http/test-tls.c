/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's TLS: whom it believes, what it shows, and what a handshake that fails is taken for.
 * The authority and all certificates are made when the test starts.
 */
#include "http/http.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/clock.h"
#include "server.h"

#define CEILING  4096U
#define PATIENCE 10000 /* milliseconds; the end of tests that hang */

/* ---- certificates ---- */

struct identity {
        EVP_PKEY *key;
        X509 *certificate;
        char pem[2048], key_pem[2048];
};

static bool key_ids = true; /* certificates name the keys, as those of Kubernetes do */
static const char *algorithm = "EC";
static struct identity authority, other_authority, server_identity, client_identity;

static void add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
        X509V3_CTX context;
        X509_EXTENSION *extension;

        X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
        extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
        ck_assert_ptr_nonnull(extension);
        ck_assert_int_eq(X509_add_ext(certificate, extension, -1), 1);
        X509_EXTENSION_free(extension);
}

static void write_pem(struct identity *identity)
{
        BIO *bio = BIO_new(BIO_s_mem());
        int len;

        ck_assert_int_eq(PEM_write_bio_X509(bio, identity->certificate), 1);
        len = BIO_read(bio, identity->pem, sizeof(identity->pem) - 1);
        ck_assert_int_gt(len, 0);
        identity->pem[len] = '\0';
        ck_assert_int_eq(PEM_write_bio_PrivateKey(bio, identity->key, NULL, NULL, 0, NULL, NULL),
                         1);
        len = BIO_read(bio, identity->key_pem, sizeof(identity->key_pem) - 1);
        ck_assert_int_gt(len, 0);
        identity->key_pem[len] = '\0';
        BIO_free(bio);
}

/* A key and its certificate, signed by `issuer`, or by itself for an authority. */
static void make(struct identity *identity, const char *name, const char *names,
                 const struct identity *issuer, long valid_s)
{
        X509 *certificate = X509_new();
        X509_NAME *subject = X509_get_subject_name(certificate);

        identity->key = strcmp(algorithm, "EC") == 0 ? EVP_EC_gen("P-256") : EVP_RSA_gen(2048);
        identity->certificate = certificate;
        ck_assert_ptr_nonnull(identity->key);
        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), clock_boot_ms() % 1000000 + 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
        X509_gmtime_adj(X509_getm_notAfter(certificate), valid_s);
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                                   0);
        X509_set_issuer_name(certificate,
                             issuer ? X509_get_subject_name(issuer->certificate) : subject);
        X509_set_pubkey(certificate, identity->key);
        if (names)
                add_extension(certificate, certificate, NID_subject_alt_name, names);
        if (!issuer)
                add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE");
        if (key_ids)
                add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
        if (key_ids && issuer)
                add_extension(certificate, issuer->certificate, NID_authority_key_identifier,
                              "keyid");
        ck_assert_int_gt(X509_sign(certificate, issuer ? issuer->key : identity->key, EVP_sha256()),
                         0);
        write_pem(identity);
}

static void identity_done(struct identity *identity)
{
        EVP_PKEY_free(identity->key);
        X509_free(identity->certificate);
        *identity = (struct identity){ 0 };
}

/* ---- the server's side ---- */

static bool tls_open(struct server_stream *stream, void *context)
{
        SSL *tls = SSL_new(context);

        stream->tls = tls;
        return tls && SSL_set_fd(tls, stream->fd) == 1 && SSL_accept(tls) == 1;
}

static ssize_t tls_read(struct server_stream *stream, void *bytes, size_t len)
{
        return SSL_read(stream->tls, bytes, (int)len);
}

static ssize_t tls_write(struct server_stream *stream, const void *bytes, size_t len)
{
        return SSL_write(stream->tls, bytes, (int)len);
}

static void tls_close(struct server_stream *stream)
{
        SSL_free(stream->tls);
        ERR_clear_error();
}

static struct server_wrap wrap = { tls_open, tls_read, tls_write, tls_close, NULL };
static struct server server;
static SSL_CTX *context;
static struct http *http;
static char url[128];

static char seen_name[256];   /* that the client asked for in its handshake */
static char seen_client[256]; /* subject of its certificate */

static int on_name(SSL *tls, _unused_ int *alert, _unused_ void *data)
{
        const char *name = SSL_get_servername(tls, TLSEXT_NAMETYPE_host_name);

        (void)snprintf(seen_name, sizeof(seen_name), "%s", name ? name : "");
        return SSL_TLSEXT_ERR_OK;
}

static int on_client(X509_STORE_CTX *store, _unused_ void *data)
{
        X509_NAME_oneline(X509_get_subject_name(X509_STORE_CTX_get0_cert(store)), seen_client,
                          sizeof(seen_client));
        return 1;
}

static const struct server_page echo = { NULL, NULL, 0, SERVER_ECHO };

/* `names` are those of the server's certificate. */
static void start(const char *names, long valid_s)
{
        make(&authority, "authority", NULL, NULL, 86400);
        make(&other_authority, "authority", NULL, NULL, 86400);
        make(&server_identity, "server", names, &authority, valid_s);
        make(&client_identity, "client", NULL, &authority, 86400);
        context = SSL_CTX_new(TLS_server_method());
        ck_assert_ptr_nonnull(context);
        ck_assert_int_eq(SSL_CTX_use_certificate(context, server_identity.certificate), 1);
        ck_assert_int_eq(SSL_CTX_use_PrivateKey(context, server_identity.key), 1);
        SSL_CTX_set_tlsext_servername_callback(context, on_name);
        wrap.context = context;
        server = (struct server){ .pages = &echo, .page_count = 1, .wrap = &wrap };
        server_start(&server);
        (void)snprintf(url, sizeof(url), "https://127.0.0.1:%u", server.port);
}

static void connect_to(struct http_server to)
{
        struct err err;

        if (!to.url)
                to.url = url;
        unit_assert_ok(http_new(&to, &http, &err), &err);
}

static void stop(void)
{
        http_free(http);
        http = NULL;
        server_stop(&server);
        SSL_CTX_free(context);
        identity_done(&authority);
        identity_done(&other_authority);
        identity_done(&server_identity);
        identity_done(&client_identity);
}

static void run(struct http_request *request)
{
        int64_t end_ms = clock_boot_ms() + PATIENCE;
        struct err err;

        *request = (struct http_request){ .method = "GET", .path = "/x" };
        buf_init(&request->answer, CEILING);
        unit_assert_ok(http_run(http, request, 1, end_ms, end_ms, &err), &err);
}

/* The request is answered; its text is in the answer. */
static void assert_answered(struct http_request *request)
{
        ck_assert_msg(request->status == 200, "%s", request->err.msg);
        ck_assert(request->sent);
}

/* "certificate of https://127.0.0.1:4711 is not trusted: " and why. */
static void assert_not_trusted(const struct http_request *request, const char *why)
{
        char text[512];

        (void)snprintf(text, sizeof(text), "certificate of %s is not trusted: %s", url, why);
        ck_assert_str_eq(request->err.msg, text);
        ck_assert_int_eq(request->status, 0);
        ck_assert(!request->sent && !request->refused);
        ck_assert_uint_eq(server.requests, 0);
}

/* ---- whom it believes ---- */

START_TEST(a_server_of_the_given_authority_is_believed)
{
        struct http_request request;

        start("IP:127.0.0.1", 86400);
        connect_to((struct http_server){ .ca = authority.pem, .token = "the-token" });
        run(&request);
        assert_answered(&request);
        ck_assert(server_saw(&server, "\r\nAuthorization: Bearer the-token\r\n"));
        buf_done(&request.answer);
        stop();
}
END_TEST

START_TEST(any_of_several_authorities_will_do)
{
        struct http_request request;
        char both[sizeof(authority.pem) * 2 + 16];

        start("IP:127.0.0.1", 86400);
        (void)snprintf(both, sizeof(both), "# comment\n%s\n%s", other_authority.pem, authority.pem);
        connect_to((struct http_server){ .ca = both });
        run(&request);
        assert_answered(&request);
        buf_done(&request.answer);
        stop();
}
END_TEST

/* A cluster that was set up anew calls its authority as before. */
START_TEST(another_authority_of_the_same_name_is_not_enough)
{
        struct http_request request;

        start("IP:127.0.0.1", 86400);
        connect_to((struct http_server){ .ca = other_authority.pem, .token = "the-token" });
        run(&request);
        assert_not_trusted(&request, "unable to get local issuer certificate");
        stop();
}
END_TEST

START_TEST(a_forged_signature_is_not_believed)
{
        struct http_request request;

        key_ids = false;
        algorithm = _i == 0 ? "EC" : "RSA";
        start("IP:127.0.0.1", 86400);
        key_ids = true;
        algorithm = "EC";
        connect_to((struct http_server){ .ca = other_authority.pem, .token = "the-token" });
        run(&request);
        assert_not_trusted(&request, "it is not signed by the authority whose name it bears");
        stop();
}
END_TEST

/* The system does not know our authority. */
START_TEST(without_authority_the_system_decides)
{
        struct http_request request;

        start("IP:127.0.0.1", 86400);
        connect_to((struct http_server){ .token = "the-token" });
        run(&request);
        assert_not_trusted(&request, "unable to get local issuer certificate");
        stop();
}
END_TEST

START_TEST(the_systems_bundle_can_be_another)
{
        struct http_request request;
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];

        start("IP:127.0.0.1", 86400);
        unit_dir(dir);
        unit_write(dir, "bundle", authority.pem);
        ck_assert_int_eq(setenv("SSL_CERT_FILE", unit_path(dir, "bundle", path), 1), 0);
        connect_to((struct http_server){ 0 });
        ck_assert_int_eq(unsetenv("SSL_CERT_FILE"), 0);
        run(&request);
        assert_answered(&request);
        buf_done(&request.answer);
        stop();
}
END_TEST

START_TEST(a_certificate_for_another_address_is_not_believed)
{
        struct http_request request;
        char why[128];

        start("IP:127.0.0.2,DNS:api.test", 86400);
        connect_to((struct http_server){ .ca = authority.pem });
        run(&request);
        (void)snprintf(why, sizeof(why),
                       "no alternative certificate subject name matches target "
                       "host name '127.0.0.1'");
        assert_not_trusted(&request, why);
        stop();
}
END_TEST

START_TEST(an_expired_certificate_is_not_believed)
{
        struct http_request request;

        start("IP:127.0.0.1", -3600);
        connect_to((struct http_server){ .ca = authority.pem });
        run(&request);
        assert_not_trusted(&request, "certificate has expired");
        stop();
}
END_TEST

START_TEST(insecure_believes_anybody)
{
        struct http_request request;

        start("DNS:other.test", -3600);
        connect_to((struct http_server){ .insecure = true, .token = "the-token" });
        run(&request);
        assert_answered(&request);
        ck_assert(server_saw(&server, "Bearer the-token"));
        buf_done(&request.answer);
        stop();
}
END_TEST

/* ---- another name ---- */

START_TEST(the_server_name_is_verified_in_place_of_the_host)
{
        struct http_request request;
        char prefixed[160], host[64];

        start("DNS:api.test", 86400);
        (void)snprintf(prefixed, sizeof(prefixed), "%s/prefix", url);
        connect_to((struct http_server){
                .url = prefixed, .ca = authority.pem, .server_name = "api.test" });
        run(&request);
        assert_answered(&request);
        ck_assert_str_eq(seen_name, "api.test");
        (void)snprintf(host, sizeof(host), "\r\nHost: 127.0.0.1:%u\r\n", server.port);
        ck_assert(server_saw(&server, host));
        ck_assert(server_saw(&server, "GET /prefix/x HTTP/1.1"));
        ck_assert(!server_saw(&server, "api.test"));
        buf_done(&request.answer);
        stop();
}
END_TEST

START_TEST(the_host_is_not_enough_for_another_server_name)
{
        struct http_request request;

        start("IP:127.0.0.1", 86400);
        connect_to((struct http_server){ .ca = authority.pem, .server_name = "api.test" });
        run(&request);
        assert_not_trusted(&request, "no alternative certificate subject name matches target host "
                                     "name 'api.test'");
        stop();
}
END_TEST

START_TEST(the_server_name_can_be_an_address)
{
        static const struct {
                const char *names, *name;
        } rows[] = { { "IP:192.0.2.9", "192.0.2.9" }, { "IP:2001:db8::9", "2001:db8::9" } };
        struct http_request request;

        start(rows[_i].names, 86400);
        connect_to((struct http_server){ .ca = authority.pem, .server_name = rows[_i].name });
        run(&request);
        assert_answered(&request);
        buf_done(&request.answer);
        stop();
}
END_TEST

/* ---- what it shows ---- */

START_TEST(the_clients_certificate_is_shown)
{
        struct http_request request;

        start("IP:127.0.0.1", 86400);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        SSL_CTX_set_cert_verify_callback(context, on_client, NULL);
        connect_to((struct http_server){ .ca = authority.pem,
                                         .certificate = client_identity.pem,
                                         .key = client_identity.key_pem });
        run(&request);
        assert_answered(&request);
        ck_assert_str_eq(seen_client, "/CN=client");
        buf_done(&request.answer);
        stop();
}
END_TEST

/* TLS 1.3 lets the client send before the server has judged its certificate. */
START_TEST(a_missing_client_certificate_is_told)
{
        const bool old = _i == 1;
        struct http_request request;

        start("IP:127.0.0.1", 86400);
        SSL_CTX_set_max_proto_version(context, old ? TLS1_2_VERSION : TLS1_3_VERSION);
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        connect_to((struct http_server){ .ca = authority.pem });
        run(&request);
        ck_assert_int_eq(request.status, 0);
        ck_assert_int_eq(request.sent, !old);
        ck_assert(!request.refused);
        ck_assert_uint_eq(server.requests, 0);
        stop();
}
END_TEST

START_TEST(a_key_of_another_certificate_is_told)
{
        struct http_request request;

        start("IP:127.0.0.1", 86400);
        connect_to((struct http_server){ .ca = authority.pem,
                                         .certificate = client_identity.pem,
                                         .key = server_identity.key_pem });
        run(&request);
        ck_assert_int_eq(request.status, 0);
        ck_assert(!request.sent && !request.refused);
        ck_assert_ptr_eq(strstr(request.err.msg, "connect to 127.0.0.1:"), request.err.msg);
        stop();
}
END_TEST

/* It would ask for a passphrase on the terminal. */
START_TEST(an_encrypted_key_is_refused)
{
        char pem[4096] = "";
        struct err err;
        BIO *bio;
        int len;

        start("IP:127.0.0.1", 86400);
        bio = BIO_new(BIO_s_mem());
        ck_assert_int_eq(PEM_write_bio_PKCS8PrivateKey(bio, client_identity.key, EVP_aes_128_cbc(),
                                                       "pass", 4, NULL, NULL),
                         1);
        len = BIO_read(bio, pem, sizeof(pem) - 1);
        ck_assert_int_gt(len, 0);
        BIO_free(bio);
        unit_assert_err(http_new(&(struct http_server){ .url = url,
                                                        .certificate = client_identity.pem,
                                                        .key = pem },
                                 &http, &err),
                        &err, CNI_ERR_CONFIG, "the client's key is no unencrypted key in PEM form");
        stop();
}
END_TEST

/* ---- handshakes that fail ---- */

START_TEST(old_tls_is_refused)
{
        struct http_request request;

        start("IP:127.0.0.1", 86400);
        SSL_CTX_set_security_level(context, 0);
        SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
        connect_to((struct http_server){ .ca = authority.pem });
        run(&request);
        ck_assert_int_eq(request.status, 0);
        ck_assert(!request.sent && !request.refused);
        stop();
}
END_TEST

/* A server that hangs up is away; one that speaks another language is wrong. */
static bool hang_up(_unused_ struct server_stream *stream, _unused_ void *data)
{
        char bytes[64];

        return read(stream->fd, bytes, sizeof(bytes)) < 0;
}

static bool reset_connection(struct server_stream *stream, _unused_ void *data)
{
        const struct linger at_once = { .l_onoff = 1 };
        char bytes[64];

        if (read(stream->fd, bytes, sizeof(bytes)) < 0)
                return false;
        (void)setsockopt(stream->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
        (void)dup2(STDIN_FILENO, stream->fd); /* the last reference goes, and with it a RST */
        return false;
}

static bool speak_http(struct server_stream *stream, _unused_ void *data)
{
        static const char text[] = "HTTP/1.1 400 Bad Request\r\n\r\n";

        (void)send(stream->fd, text, sizeof(text) - 1, MSG_NOSIGNAL);
        return false;
}

static const struct {
        bool (*open)(struct server_stream *stream, void *data);
        bool refused;
        const char *words;
} handshakes[] = {
        { hang_up, true, "" },
        { reset_connection, true, "" },
        { speak_http, false, "wrong version number" },
};

START_TEST(a_handshake_that_is_cut_is_a_server_away)
{
        struct http_request request;

        start("IP:127.0.0.1", 86400);
        wrap.open = handshakes[_i].open;
        connect_to((struct http_server){ .ca = authority.pem });
        run(&request);
        wrap.open = tls_open;
        ck_assert_int_eq(request.status, 0);
        ck_assert(!request.sent);
        ck_assert_msg(request.refused == handshakes[_i].refused, "%s", request.err.msg);
        ck_assert_ptr_eq(strstr(request.err.msg, "connect to 127.0.0.1:"), request.err.msg);
        ck_assert_ptr_nonnull(strstr(request.err.msg, handshakes[_i].words));
        stop();
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, a_server_of_the_given_authority_is_believed);
        tcase_add_test(tests, any_of_several_authorities_will_do);
        tcase_add_test(tests, another_authority_of_the_same_name_is_not_enough);
        tcase_add_loop_test(tests, a_forged_signature_is_not_believed, 0, 2);
        tcase_add_test(tests, without_authority_the_system_decides);
        tcase_add_test(tests, the_systems_bundle_can_be_another);
        tcase_add_test(tests, a_certificate_for_another_address_is_not_believed);
        tcase_add_test(tests, an_expired_certificate_is_not_believed);
        tcase_add_test(tests, insecure_believes_anybody);
        tcase_add_test(tests, the_server_name_is_verified_in_place_of_the_host);
        tcase_add_test(tests, the_host_is_not_enough_for_another_server_name);
        tcase_add_loop_test(tests, the_server_name_can_be_an_address, 0, 2);
        tcase_add_test(tests, the_clients_certificate_is_shown);
        tcase_add_loop_test(tests, a_missing_client_certificate_is_told, 0, 2);
        tcase_add_test(tests, a_key_of_another_certificate_is_told);
        tcase_add_test(tests, an_encrypted_key_is_refused);
        tcase_add_test(tests, old_tls_is_refused);
        unit_add_table(tests, a_handshake_that_is_cut_is_a_server_away, handshakes);
}

UNIT_MAIN("tls", add_tests)
