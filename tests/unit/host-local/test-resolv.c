/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolv.conf. Numbers in comments are those of host-local.md, 6.2.
 */
#include "resolv.h"

#include "core/buf.h"
#include "unit.h"

static void put_list(struct buf *buf, char letter, const struct text_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                buf_printf(buf, "%c=%s;", letter, list->items[i]);
}

/* What is found: n=nameserver d=domain s=search o=option, each with a ';' behind it. */
static void describe(const struct dns *dns, struct buf *buf)
{
        put_list(buf, 'n', &dns->nameservers);
        if (dns->domain)
                buf_printf(buf, "d=%s;", dns->domain);
        put_list(buf, 's', &dns->search);
        put_list(buf, 'o', &dns->options);
}

static const struct {
        const char *text, *want;
} rows[] = {
        { "", "" },
        { "\n\n \t\n", "" },
        { "\n\t\tnameserver 192.0.2.0\n\t\tnameserver 192.0.2.1\n\t\t",
          "n=192.0.2.0;n=192.0.2.1;" },                                        /* 1 */
        { "\nnameserver 192.0.2.0\n;nameserver 192.0.2.1\n", "n=192.0.2.0;" }, /* 2 */
        { "\nnameserver 192.0.2.0\nnameserver 192.0.2.2\ndomain example.com\n"
          ";nameserver comment\n#nameserver comment\nsearch example.net example.org\n"
          "search example.gov\noptions one two three\noptions four\n",
          "n=192.0.2.0;n=192.0.2.2;d=example.com;s=example.net;s=example.org;s=example.gov;"
          "o=one;o=two;o=three;o=four;" },      /* 3 */
        { "nameserver 1.2.3.4", "n=1.2.3.4;" }, /* no newline at the end */
        { "nameserver 1.2.3.4\r\nsearch a b\r\n", "n=1.2.3.4;s=a;s=b;" },
        { "nameserver\nsearch\ndomain\noptions\n", "" },
        { "nameserver a b c\n", "n=a;" }, /* one word, whatever it is */
        { "domain a\ndomain b c\n", "d=b;" },
        { "Nameserver 1.2.3.4\nNAMESERVER 1.2.3.4\nnameserverx 1.2.3.4\n", "" },
        { "sortlist 1.2.3.4\nlookup file bind\n", "" },
        { " # nameserver a\n\t;nameserver b\n#nameserver c\n", "" },
        { "search a # comment\n", "s=a;s=#;s=comment;" },
        { "search #a ;b\n", "s=#a;s=;b;" },
        { "nameserver #\n", "n=#;" },
        { "x# y\n#\n;\n", "" },
        /* white space is Unicode's */
        { "nameserver\xc2\xa0"
          "a\xc2\x85\n",
          "n=a;" },
        { "search a\xe2\x80\xa8"
          "b\xe3\x80\x80"
          "c\v"
          "d\f"
          "e\r"
          "f\n",
          "s=a;s=b;s=c;s=d;s=e;s=f;" },
        { "\xe2\x80\x83nameserver a\n", "n=a;" },
        { "nameserver\x1c"
          "a b\n",
          "" },
        { "search a\x1c"
          "b\n",
          "s=a\x1c"
          "b;" },
        { "nameserver \xff\n", "n=\xff;" },
        { "search a\xe2\x80 b\n", "s=a\xe2\x80;s=b;" },
};

START_TEST(lines_are_words)
{
        struct dns dns = { 0 };
        struct buf buf;
        struct err err;

        unit_assert_ok(resolv_parse(rows[_i].text, strlen(rows[_i].text), &dns, &err), &err);
        buf_init(&buf, 1000);
        describe(&dns, &buf);
        ck_assert_str_eq(buf_text(&buf), rows[_i].want);
        buf_done(&buf);
        dns_done(&dns);
}
END_TEST

START_TEST(a_nul_byte_ends_no_file)
{
        static const char text[] = "nameserver a\0b\nnameserver c\n";
        struct dns dns = { 0 };
        struct err err;

        unit_assert_ok(resolv_parse(text, sizeof(text) - 1, &dns, &err), &err);
        ck_assert_uint_eq(dns.nameservers.count, 2);
        ck_assert_str_eq(dns.nameservers.items[1], "c");
        dns_done(&dns);
}
END_TEST

/* A line of `len` bytes. */
static int parse_long(size_t len, bool newline, struct err *err)
{
        struct dns dns = { 0 };
        _cleanup_(freep) char *text = malloc(len + 2);
        int r;

        memset(text, 'x', len);
        memcpy(text, "search ", 7);
        text[len] = '\n';
        r = resolv_parse(text, len + newline, &dns, err);
        ck_assert_uint_eq(dns.search.count, r == 0);
        dns_done(&dns);
        return r;
}

START_TEST(a_line_has_less_than_64_kib)
{
        bool newline = _i == 1;
        struct err err;

        unit_assert_ok(parse_long(65535, newline, &err), &err);
        unit_assert_err(parse_long(65536, newline, &err), &err, CNI_ERR_CONFIG,
                        "bufio.Scanner: token too long");
}
END_TEST

START_TEST(a_file_is_read)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct dns dns = { 0 };
        struct err err;

        unit_write(unit_dir(dir), "resolv.conf", "nameserver 1.2.3.4\n");
        unit_assert_ok(resolv_read(unit_path(dir, "resolv.conf", path), &dns, &err), &err);
        ck_assert_str_eq(dns.nameservers.items[0], "1.2.3.4");
        dns_done(&dns);
}
END_TEST

START_TEST(what_cannot_be_read_is_told)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], want[UNIT_PATH_MAX + 64];
        static char big[(1U << 20) + 1];
        struct dns dns = { 0 };
        struct err err;
        int r;

        unit_path(unit_dir(dir), "none", path);
        r = resolv_read(path, &dns, &err);
        (void)snprintf(want, sizeof(want), "open %s: no such file or directory", path);
        unit_assert_err(r, &err, CNI_ERR_IO, want);

        r = resolv_read(dir, &dns, &err);
        (void)snprintf(want, sizeof(want), "read %s: is a directory", dir);
        unit_assert_err(r, &err, CNI_ERR_IO, want);

        ck_assert_int_eq(mkfifo(unit_path(dir, "fifo", path), 0600), 0);
        r = resolv_read(path, &dns, &err); /* at once */
        (void)snprintf(want, sizeof(want), "open %s: invalid argument", path);
        unit_assert_err(r, &err, CNI_ERR_IO, want);

        memset(big, '\n', sizeof(big));
        unit_write_bytes(dir, "big", big, sizeof(big));
        r = resolv_read(unit_path(dir, "big", path), &dns, &err);
        (void)snprintf(want, sizeof(want), "read %s: file too large", path);
        unit_assert_err(r, &err, CNI_ERR_IO, want);

        memset(big, 'x', 70000);
        unit_write_bytes(dir, "long", big, 70000);
        r = resolv_read(unit_path(dir, "long", path), &dns, &err);
        unit_assert_err(r, &err, CNI_ERR_CONFIG, "bufio.Scanner: token too long");
        (void)snprintf(want, sizeof(want), "a line of %s has more than 65535 bytes", path);
        ck_assert_str_eq(err.details, want);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, lines_are_words, rows);
        tcase_add_test(tests, a_nul_byte_ends_no_file);
        tcase_add_loop_test(tests, a_line_has_less_than_64_kib, 0, 2);
        tcase_add_test(tests, a_file_is_read);
        tcase_add_test(tests, what_cannot_be_read_is_told);
}

UNIT_MAIN("resolv", add_tests)
