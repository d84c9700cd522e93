/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names by SHA-256; the values are those of sha256sum(1).
 */
#include "http/digest.h"

#include "unit.h"

static const struct {
        const char *fields[3];
        size_t count;
        const char *text;
} rows[] = {
        { { NULL }, 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { { "" }, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { { "abc" }, 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { { "", "" }, 2, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" },
        { { "a", "b", "c" },
          3,
          "8badde10c760e9b702defb4b5e225de79c515b1d2a5cfb000e140f3c6fbb5629" },
        { { "ab", "", "c" },
          3,
          "10529036d0907727ec6f6d8c2ee3b4ba643d7933c0093dde2bbb8bc152e6a707" },
};

START_TEST(fields_become_a_name)
{
        char text[DIGEST_TEXT_MAX];
        struct err err;

        unit_assert_ok(digest_fields(rows[_i].fields, rows[_i].count, text, &err), &err);
        ck_assert_str_eq(text, rows[_i].text);
}
END_TEST

START_TEST(random_numbers_differ)
{
        uint64_t numbers[100], high = 0;
        struct err err;

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
                unit_assert_ok(digest_random(&numbers[i], &err), &err);
                high |= numbers[i];
                for (size_t j = 0; j < i; j++)
                        ck_assert_uint_ne(numbers[i], numbers[j]);
        }
        ck_assert_uint_eq(high, UINT64_MAX);
}
END_TEST

START_TEST(jitter_stays_below_its_span)
{
        for (uint64_t span = 1; span < 50; span++)
                ck_assert_uint_lt(digest_jitter(span), span);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, jitter_stays_below_its_span);
        unit_add_table(tests, fields_become_a_name, rows);
        tcase_add_test(tests, random_numbers_differ);
}

UNIT_MAIN("digest", add_tests)
