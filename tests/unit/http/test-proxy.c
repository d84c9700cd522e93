/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS_PROXY, HTTP_PROXY and NO_PROXY.
 */
#include "http/proxy.h"

#include "unit.h"

/* What the environment says, and which of the two proxies it comes to. */
struct proxy_row {
        bool tls;
        const char *host, *port, *exceptions;
        const char *proxy; /* "h" of HTTPS_PROXY, "p" of HTTP_PROXY, NULL */
};

static const struct proxy_row proxies[] = {
        { true, "api.example.com", "6443", NULL, "h" },
        { false, "api.example.com", "80", NULL, "p" },
        { true, "192.0.2.7", "443", "", "h" },
        /* this host itself */
        { true, "localhost", "6443", NULL, NULL },
        { true, "LocalHost", "6443", NULL, NULL },
        { true, "127.0.0.1", "6443", NULL, NULL },
        { true, "127.9.9.9", "6443", NULL, NULL },
        { true, "[::1]", "6443", NULL, NULL },
        { true, "[::2]", "6443", NULL, "h" },
        { true, "128.0.0.1", "6443", NULL, "h" },
        /* addresses and networks */
        { true, "192.0.2.7", "443", "192.0.2.7", NULL },
        { true, "192.0.2.7", "443", "192.0.2.8", "h" },
        { true, "192.0.2.7", "443", "10.0.0.0/8, 192.0.2.0/24", NULL },
        { true, "192.0.3.7", "443", "10.0.0.0/8,192.0.2.0/24", "h" },
        { true, "[2001:db8::7]", "6443", "2001:db8::/32", NULL },
        { true, "[2001:db8::7]", "6443", "2001:db8::7", NULL },
        { true, "[2001:db8::7]", "6443", "[2001:db8::7]:6443", NULL },
        { true, "[2001:db8::7]", "6443", "[2001:db8::7]:443", "h" },
        { true, "[2001:db8::7]", "6443", "[2001:db8::7]", "h" },
        { true, "api.example.com", "443", "192.0.2.0/24", "h" },
        /* ports */
        { true, "192.0.2.7", "6443", "192.0.2.7:6443", NULL },
        { true, "192.0.2.7", "6443", "192.0.2.7:443", "h" },
        { true, "192.0.2.7", "443", "192.0.2.7:443", NULL },
        { true, "api.example.com", "6443", "example.com:6443", NULL },
        { true, "api.example.com", "6443", "example.com:80", "h" },
        /* names */
        { true, "example.com", "443", "example.com", NULL },
        { true, "EXAMPLE.com", "443", "Example.COM", NULL },
        { true, "api.example.com", "443", "example.com", NULL },
        { true, "badexample.com", "443", "example.com", "h" },
        { true, "example.com", "443", ".example.com", "h" },
        { true, "api.example.com", "443", ".example.com", NULL },
        { true, "api.example.com", "443", "*.example.com", NULL },
        { true, "example.com", "443", "*.example.com", "h" },
        { true, "api.example.com", "443", "example.com.evil", "h" },
        { true, "api.example.com", "443", "*", NULL },
        { true, "192.0.2.7", "443", " * ", NULL },
        { true, "192.0.2.7", "443", ",, ,:,[,[],]:1,*.", "h" },
};

START_TEST(no_proxy_is_read_as_go_reads_it)
{
        const struct proxy_row *row = &proxies[_i];
        const char *proxy;

        ck_assert_int_eq(setenv("HTTPS_PROXY", "h", 1), 0);
        ck_assert_int_eq(setenv("https_proxy", "not me", 1), 0);
        ck_assert_int_eq(setenv("HTTP_PROXY", "", 1), 0);
        ck_assert_int_eq(setenv("http_proxy", "p", 1), 0);
        ck_assert_int_eq(
                row->exceptions ? setenv("NO_PROXY", row->exceptions, 1) : unsetenv("NO_PROXY"), 0);
        proxy = proxy_from_environment(row->tls, row->host, row->port);
        if (row->proxy)
                ck_assert_pstr_eq(proxy, row->proxy);
        else
                ck_assert_ptr_null(proxy);
        ck_assert_int_eq(unsetenv("HTTPS_PROXY"), 0);
        ck_assert_int_eq(unsetenv("https_proxy"), 0);
        ck_assert_int_eq(unsetenv("HTTP_PROXY"), 0);
        ck_assert_int_eq(unsetenv("http_proxy"), 0);
        ck_assert_int_eq(unsetenv("NO_PROXY"), 0);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, no_proxy_is_read_as_go_reads_it, proxies);
}

UNIT_MAIN("proxy", add_tests)
