/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice of an address. Numbers in comments: whereabouts-plugin.md 6.3 (allocate_test) and 6.4
 * (iphelpers_test), sections otherwise.
 */
#include "choose.h"

#include "unit.h"

static struct ip ip(const char *text)
{
        struct ip ip = { 0 };

        if (strcmp(text, "-") != 0)
                ck_assert_msg(ip_parse(text, &ip) == 0, "%s", text);
        return ip;
}

/* Cuts the next word off; NULL at the end. */
static char *next_word(char **rest)
{
        char *word = NULL;

        while (*rest && (word = strsep(rest, " ")) && *word == '\0')
                word = NULL;
        return word;
}

/* "NET [START [END]]", "-" for an end that is not given; excludes with blanks between them. */
static void make_range(struct range *range, const char *text, const char *excludes)
{
        char copy[256], *rest = copy, *word;
        struct ip *const ends[] = { &range->start, &range->end };
        struct ipnet net;
        struct err err;

        *range = (struct range){ 0 };
        (void)snprintf(copy, sizeof(copy), "%s", text);
        word = next_word(&rest);
        ck_assert_msg(word && ipnet_parse(word, &net) == 0, "%s", text);
        range->net = (struct ipnet){ .ip = ipnet_first(&net), .prefix = net.prefix };
        for (size_t i = 0; i < ARRAY_SIZE(ends) && (word = next_word(&rest)); i++)
                *ends[i] = ip(word);
        (void)snprintf(copy, sizeof(copy), "%s", excludes);
        rest = copy;
        while ((word = next_word(&rest)))
                unit_assert_ok(range_add_exclude(range, word, &err), &err);
}

/* ---- bounds ---- */

static const struct {
        const char *range, *first, *last; /* last NULL: `first` is the error */
} bound_rows[] = {
        /* 39, 40, 43, 44, 47 to 52, 57, 58 */
        { "192.168.0.0/30", "192.168.0.1", "192.168.0.2" },
        { "192.168.0.0/23", "192.168.0.1", "192.168.1.254" },
        { "2000::/126", "2000::1", "2000::2" },
        { "2000::/64", "2000::1", "2000::ffff:ffff:ffff:fffe" },
        /* 77 to 85 */
        { "192.168.21.100/30", "192.168.21.101", "192.168.21.102" },
        { "192.168.2.200/24 192.168.2.23", "192.168.2.23", "192.168.2.254" },
        { "192.168.2.200/27", "192.168.2.193", "192.168.2.222" },
        { "192.168.2.200/24", "192.168.2.1", "192.168.2.254" },
        { "192.168.2.200/24 - 192.168.2.100", "192.168.2.1", "192.168.2.100" },
        { "192.168.2.200/24 192.168.2.50 192.168.2.100", "192.168.2.50", "192.168.2.100" },
        { "192.168.2.200/24 192.168.1.150 192.168.3.100", "192.168.2.1", "192.168.2.254" },
        { "192.168.2.200/24 192.168.2.100 192.168.2.50", "192.168.2.100", "192.168.2.254" },
        { "192.168.2.200/24 192.168.2.50 192.168.2.50", "192.168.2.50", "192.168.2.50" },
        /* 86 to 95 */
        { "2001::/116", "2001::1", "2001::ffe" },
        { "fd:db8:abcd:0012::0/96", "fd:db8:abcd:12::1", "fd:db8:abcd:12::ffff:fffe" },
        { "2001:db8:abcd:0012::0/96", "2001:db8:abcd:12::1", "2001:db8:abcd:12::ffff:fffe" },
        { "2001:db8:abcd:0012::0/64", "2001:db8:abcd:12::1",
          "2001:db8:abcd:12:ffff:ffff:ffff:fffe" },
        { "2001:db8:abcd:0012::0/64 - 2001:db8:abcd:0012::100", "2001:db8:abcd:12::1",
          "2001:db8:abcd:12::100" },
        { "2001:db8:abcd:12::/64 2001:db8:abcd:12::50 2001:db8:abcd:12::100",
          "2001:db8:abcd:12::50", "2001:db8:abcd:12::100" },
        { "2001:db8:abcd:12::/64 2000:db8:abcd:12::50 2003:db8:abcd:12::100", "2001:db8:abcd:12::1",
          "2001:db8:abcd:12:ffff:ffff:ffff:fffe" },
        { "2001:db8:abcd:12::/64 2001:db8:abcd:12::100 2001:db8:abcd:12::50",
          "2001:db8:abcd:12::100", "2001:db8:abcd:12:ffff:ffff:ffff:fffe" },
        { "2001:db8:abcd:12::/64 2001:db8:abcd:12::100 2001:db8:abcd:12::100",
          "2001:db8:abcd:12::100", "2001:db8:abcd:12::100" },
        { "2001:db8:480:603d::/64 2001:db8:480:603d:304:403:: 2001:db8:480:603d:304:403:0:4",
          "2001:db8:480:603d:304:403::", "2001:db8:480:603d:304:403:0:4" },
        /* 17, 18 of allocate_test; the edges themselves are never given: 2.2 */
        { "192.168.0.0/29 192.168.0.0", "192.168.0.1", "192.168.0.6" },
        { "192.168.0.0/29 192.168.0.0 192.168.0.8", "192.168.0.1", "192.168.0.6" },
        { "192.168.0.0/29 192.168.0.7 192.168.0.7", "192.168.0.1", "192.168.0.6" },
        { "192.168.0.0/29 192.168.0.1 192.168.0.6", "192.168.0.1", "192.168.0.6" },
        { "192.168.0.0/29 192.168.0.6 192.168.0.6", "192.168.0.6", "192.168.0.6" },
        { "192.168.0.0/29 192.168.0.5 192.168.0.4", "192.168.0.5", "192.168.0.6" },
        { "10.60.0.0/23", "10.60.0.1", "10.60.1.254" },
        { "0.0.0.0/0", "0.0.0.1", "255.255.255.254" },
        { "::/0", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe" },
        { "192.168.0.0/29 fd00::1 fd00::2", "192.168.0.1", "192.168.0.6" }, /* other family */
        { "fd00::/64 10.0.0.1 10.0.0.2", "fd00::1", "fd00::ffff:ffff:ffff:fffe" },
        /* 37, 38, 41, 42, 45, 46, 53 to 56, 97; the texts: 2.2 */
        { "192.168.0.0/32",
          "net mask is too short, subnet {192.168.0.0 ffffffff} has no usable IP addresses, it is "
          "too small",
          NULL },
        { "10.0.0.0/31",
          "net mask is too short, subnet {10.0.0.0 fffffffe} has no usable IP addresses, it is too "
          "small",
          NULL },
        { "2000::/127",
          "net mask is too short, subnet {2000:: fffffffffffffffffffffffffffffffe} has no usable "
          "IP addresses, it is too small",
          NULL },
        { "2000::/128",
          "net mask is too short, subnet {2000:: ffffffffffffffffffffffffffffffff} has no usable "
          "IP addresses, it is too small",
          NULL },
};

START_TEST(a_range_has_bounds)
{
        char first_text[IP_TEXT_MAX], last_text[IP_TEXT_MAX];
        struct ip first = { .family = 99 }, last = first;
        struct range range;
        struct err err;
        int r;

        make_range(&range, bound_rows[_i].range, "");
        r = choose_bounds(&range, &first, &last, &err);
        if (bound_rows[_i].last) {
                unit_assert_ok(r, &err);
                ck_assert_str_eq(ip_format(&first, first_text), bound_rows[_i].first);
                ck_assert_str_eq(ip_format(&last, last_text), bound_rows[_i].last);
        } else {
                unit_assert_err(r, &err, CNI_ERR_INTERNAL, bound_rows[_i].first);
                ck_assert(first.family == 99 && last.family == 99);
        }
        range_done(&range);
}
END_TEST

/* ---- the choice ---- */

/* What is_taken() knows, and what it was asked. */
struct taken {
        const char *words;
        size_t asked;
        struct ip last_asked;
};

static bool is_taken(const struct ip *asked, const void *context)
{
        /* The test's own, which choose_address() only hands on. */
        struct taken *taken = (struct taken *)(uintptr_t)context;
        char copy[256], *rest = copy, *word;

        if (taken->asked++ > 0)
                ck_assert_int_lt(ip_compare(&taken->last_asked, asked), 0);
        taken->last_asked = *asked;
        (void)snprintf(copy, sizeof(copy), "%s", taken->words);
        while ((word = next_word(&rest))) {
                struct ip one = ip(word);

                if (ip_equal(&one, asked))
                        return true;
        }
        return false;
}

#define FULL "Could not allocate IP in range: ip: "

static const struct {
        const char *range, *excludes, *taken;
        const char *want; /* with a blank: the error */
        size_t asked;     /* how often is_taken() is */
} choice_rows[] = {
        /* 1 to 5 */
        { "192.168.1.1/24 192.168.1.0", "", "", "192.168.1.1", 1 },
        { "caa5::0/112 caa5::", "", "", "caa5::1", 1 },
        { "::1/126 ::", "", "", "::1", 1 },
        { "fd::1/116 fd::", "", "", "fd::1", 1 },
        { "100::2:1/126 100::2:0", "", "", "100::2:1", 1 },
        /* 6, 7 */
        { "192.168.0.0/29 192.168.0.0", "192.168.0.0/30", "", "192.168.0.4", 1 },
        { "192.168.0.0/29 192.168.0.0", "192.168.0.1", "", "192.168.0.2", 1 },
        /* 9, 10 */
        { "100::2:1/125 100::2:0", "100::2:1/126", "", "100::2:4", 1 },
        { "100::2:1/125 100::2:0", "100::2:1", "", "100::2:2", 1 },
        /* 12 */
        { "2001:db8::/30 2001:db8::", "2001:db8::0/32", "", "2001:db9::", 1 },
        /* 13 */
        { "192.168.0.0/28 192.168.0.0",
          "192.168.0.0/30 192.168.0.6/31 192.168.0.8/31 "
          "192.168.0.4/30",
          "", "192.168.0.10", 1 },
        { "192.168.0.0/28 192.168.0.0",
          "192.168.0.0/30 192.168.0.14/31 192.168.0.4/30 192.168.0.6/31 192.168.0.8/31", "",
          "192.168.0.10", 1 },
        /* 14 to 16 */
        { "192.168.0.0/29 192.168.0.0", "192.168.0.0/30", "192.168.0.4 192.168.0.5 192.168.0.6",
          FULL "192.168.0.1 / - 192.168.0.6 / range: 192.168.0.0/29 / excludeRanges: "
               "[192.168.0.0/30]",
          3 },
        { "192.168.0.0/29 192.168.0.0", "192.168.0.4/30", "192.168.0.1 192.168.0.2 192.168.0.3",
          FULL "192.168.0.1 / - 192.168.0.6 / range: 192.168.0.0/29 / excludeRanges: "
               "[192.168.0.4/30]",
          3 },
        { "100::2:1/125 100::2:1", "100::2:4/126", "100::2:1 100::2:2 100::2:3",
          FULL "100::2:1 / - 100::2:6 / range: 100::2:0/125 / excludeRanges: [100::2:4/126]", 3 },
        /* 17 to 19 */
        { "192.168.0.0/29 192.168.0.0", "", "", "192.168.0.1", 1 },
        { "192.168.0.0/29 192.168.0.0 192.168.0.8", "", "", "192.168.0.1", 1 },
        { "192.168.0.0/28 192.168.0.1 192.168.0.6", "192.168.0.4/30",
          "192.168.0.1 192.168.0.2 192.168.0.3",
          FULL "192.168.0.1 / - 192.168.0.6 / range: 192.168.0.0/28 / excludeRanges: "
               "[192.168.0.4/30]",
          3 },
        /* 20 to 22 */
        { "192.168.0.0/28 192.168.0.1 192.168.0.6", "", "", "192.168.0.1", 1 },
        { "192.168.0.0/28 192.168.0.1 192.168.0.6", "", "192.168.0.1 192.168.0.2 192.168.0.3",
          "192.168.0.4", 4 },
        { "192.168.0.0/28 192.168.0.1 192.168.0.6", "", "192.168.0.1 192.168.0.2 192.168.0.5",
          "192.168.0.3", 3 },
        /* S9 to S11, S17, S18 */
        { "192.168.1.0/24", "192.168.1.0/28 192.168.1.16/28", "", "192.168.1.32", 1 },
        { "2001::1/116", "2001::0/128 2001::1/128 2001::2/128", "", "2001::3", 1 },
        { "caa5::0/112", "caa5::0/113", "", "caa5::8000", 1 },
        { "192.168.1.0/24 192.168.1.5", "", "", "192.168.1.5", 1 },
        { "192.168.1.0/24 192.168.1.5 192.168.1.6", "", "192.168.1.5 192.168.1.6",
          FULL "192.168.1.5 / - 192.168.1.6 / range: 192.168.1.0/24 / excludeRanges: []", 2 },
        /* 2.3: host bits of an exclude, .255 and .0 inside, excludes outside or of no family */
        { "192.168.2.224/28 192.168.2.228", "192.168.2.229/30", "", "192.168.2.232", 1 },
        { "10.60.0.0/23 10.60.0.255", "", "", "10.60.0.255", 1 },
        { "10.60.0.0/23 10.60.0.255", "", "10.60.0.255", "10.60.1.0", 2 },
        { "10.0.0.0/29", "10.9.0.0/16 9.0.0.0/8 fd00::/8 ::/0 10.0.0.1", "10.0.0.2", "10.0.0.3",
          2 },
        { "10.0.0.0/29", "::ffff:10.0.0.0/126", "", "10.0.0.4", 1 },
        { "10.0.0.0/29", "::ffff:10.0.0.1", "", "10.0.0.2", 1 },
        { "10.0.0.0/29", "10.0.0.2 10.0.0.0/31", "", "10.0.0.3", 1 },
        { "10.0.0.0/29", "10.0.0.4", "10.0.0.1 10.0.0.2 10.0.0.3", "10.0.0.5", 4 },
        /* an exclude within another; the same twice */
        { "10.0.0.0/24", "10.0.0.0/25 10.0.0.64/30 10.0.0.128 10.0.0.0/25", "", "10.0.0.129", 1 },
        { "10.0.0.0/24", "10.0.0.64/30 10.0.0.0/25 10.0.0.2", "", "10.0.0.128", 1 },
        /* everything, and up to the last of all addresses, behind which no other one comes */
        { "10.0.0.0/29", "10.0.0.0/29", "",
          FULL "10.0.0.1 / - 10.0.0.6 / range: 10.0.0.0/29 / excludeRanges: [10.0.0.0/29]", 0 },
        { "0.0.0.0/0", "0.0.0.0/1 128.0.0.0/1", "",
          FULL "0.0.0.1 / - 255.255.255.254 / range: 0.0.0.0/0 / excludeRanges: [0.0.0.0/1 "
               "128.0.0.0/1]",
          0 },
        { "ffff:ffff:ffff:ffff::/64", "::/0", "",
          FULL "ffff:ffff:ffff:ffff::1 / - ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe / range: "
               "ffff:ffff:ffff:ffff::/64 / excludeRanges: [::/0]",
          0 },
        { "255.255.255.248/29", "", "255.255.255.249", "255.255.255.250", 2 },
        { "10.0.0.0/31", "", "",
          "net mask is too short, subnet {10.0.0.0 fffffffe} has no usable IP addresses, it is too "
          "small",
          0 },
};

START_TEST(the_lowest_free_address_is_chosen)
{
        struct taken taken = { .words = choice_rows[_i].taken };
        bool fails = strchr(choice_rows[_i].want, ' ') != NULL;
        struct ip got = { .family = 99 };
        char text[IP_TEXT_MAX];
        struct range range;
        struct err err;
        int r;

        make_range(&range, choice_rows[_i].range, choice_rows[_i].excludes);
        r = choose_address(&range, is_taken, &taken, &got, &err);
        if (fails) {
                ck_assert_str_eq(err.msg, choice_rows[_i].want);
                ck_assert_int_eq(err.code, CNI_ERR_INTERNAL);
                ck_assert_int_eq(r, err.msg[0] == 'C' ? CHOOSE_EXHAUSTED : -EINVAL);
                ck_assert_uint_eq(got.family, 99);
        } else {
                unit_assert_ok(r, &err);
                ck_assert_str_eq(ip_format(&got, text), choice_rows[_i].want);
        }
        ck_assert_uint_eq(taken.asked, choice_rows[_i].asked);
        range_done(&range);
}
END_TEST

/* 8, 11; 2.3: parsed strictly. */
static const char *const bad_excludes[] = {
        "192.168.0.1/123", "100::2::1",   "foo",        "",          "192.168.0.01",
        "10.0.0.0/33",     "10.0.0.0/8 ", "10.0.0.0-1", "fe80::1%e",
};

START_TEST(an_exclude_is_a_network_or_an_address)
{
        char want[256];
        struct range range = { 0 };
        struct err err;

        (void)snprintf(want, sizeof(want),
                       "could not parse exclude range, err: \"invalid CIDR address: %s\"",
                       bad_excludes[_i]);
        unit_assert_err(range_add_exclude(&range, bad_excludes[_i], &err), &err, CNI_ERR_INTERNAL,
                        want);
        ck_assert_uint_eq(range.exclude_count, 0);
        ck_assert_int_eq(range_add_exclude(&range, "10.0.0.7/8", &err), 0);
        ck_assert_int_eq(range_add_exclude(&range, bad_excludes[_i], &err), -EINVAL);
        ck_assert_uint_eq(range.exclude_count, 1);
        ck_assert_str_eq(range.exclude_texts[0], "10.0.0.7/8"); /* as written */
        ck_assert_int_eq(range.excludes[0].ip.bytes[3], 0);     /* host bits are zero */
        range_done(&range);
        ck_assert(!range.excludes && !range.exclude_texts && range.exclude_count == 0);
}
END_TEST

/* ---- many ---- */

static unsigned number_of(const struct ip *ip)
{
        return (unsigned)ip->bytes[2] << 8 | ip->bytes[3];
}

static void format_low(char text[static 32], unsigned number)
{
        (void)snprintf(text, 32, "10.9.%u.%u", number >> 8 & 255, number & 255);
}

static bool is_odd(const struct ip *ip, const void *context)
{
        ck_assert_ptr_null(context);
        return number_of(ip) % 2 == 1;
}

/* Comparing each candidate with each exclude would take minutes here. */
START_TEST(many_excludes_and_many_taken_addresses_cost_little)
{
        char text[32];
        struct range range;
        struct err err;
        struct ip got;

        make_range(&range, "10.9.0.0/16", "");
        for (unsigned i = 0; i < 65536; i += 2) {
                format_low(text, 65534 - i); /* all even ones, from above */
                unit_assert_ok(range_add_exclude(&range, text, &err), &err);
        }
        ck_assert_int_eq(choose_address(&range, is_odd, NULL, &got, &err), CHOOSE_EXHAUSTED);
        /* A message has its length; what does not fit of the list is left out. */
        ck_assert_uint_gt(strlen(err.msg), 1500);
        ck_assert_ptr_nonnull(strstr(err.msg, "excludeRanges: [10.9.255.254 10.9.255.252 "));
        range_done(&range);
}
END_TEST

/* A bit per address of a /24. */
struct model {
        bool taken[256];
};

static bool is_taken_in_model(const struct ip *ip, const void *context)
{
        const struct model *model = context;

        return model->taken[ip->bytes[3]];
}

/* What the loop that everybody would write finds. 0: nothing. */
static unsigned choose_plainly(const struct range *range, const struct model *model, unsigned first,
                               unsigned last)
{
        for (unsigned i = first; i <= last; i++) {
                struct ip ip = { .family = IP_V4, .bytes = { 10, 0, 0, (uint8_t)i } };
                bool excluded = false;

                for (size_t e = 0; e < range->exclude_count; e++)
                        excluded = excluded || ipnet_contains(&range->excludes[e], &ip);
                if (!excluded && !model->taken[i])
                        return i;
        }
        return 0;
}

START_TEST(the_choice_is_that_of_the_plain_loop)
{
        unsigned state = 97 + (unsigned)_i;

        for (int n = 0; n < 3000; n++) {
                struct model model = { 0 };
                struct range range;
                struct ip got, first, last;
                struct err err;
                unsigned want;
                char text[32];
                int r;

                make_range(&range, n % 2 ? "10.0.0.0/24" : "10.0.0.0/24 10.0.0.77 10.0.0.200", "");
                for (unsigned i = 0; i < 256; i++) {
                        state = state * 1103515245 + 12345;
                        model.taken[i] = (state >> 16 & 7) < (unsigned)(n % 9);
                }
                for (int e = n % 12; e > 0; e--) {
                        state = state * 1103515245 + 12345;
                        (void)snprintf(text, sizeof(text), "10.0.0.%u/%u", state >> 16 & 255,
                                       25 + (state >> 24) % 8);
                        unit_assert_ok(range_add_exclude(&range, text, &err), &err);
                }
                unit_assert_ok(choose_bounds(&range, &first, &last, &err), &err);
                want = choose_plainly(&range, &model, first.bytes[3], last.bytes[3]);
                r = choose_address(&range, is_taken_in_model, &model, &got, &err);
                ck_assert_int_eq(r, want ? 0 : CHOOSE_EXHAUSTED);
                if (want)
                        ck_assert_uint_eq(got.bytes[3], want);
                range_done(&range);
        }
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_range_has_bounds, bound_rows);
        unit_add_table(tests, the_lowest_free_address_is_chosen, choice_rows);
        unit_add_table(tests, an_exclude_is_a_network_or_an_address, bad_excludes);
        tcase_add_test(tests, many_excludes_and_many_taken_addresses_cost_little);
        tcase_add_loop_test(tests, the_choice_is_that_of_the_plain_loop, 0, 3);
}

UNIT_MAIN("choose", add_tests)
