/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vectors of the reference implementation: key 00 01 .. 0f, message 00 01 02 .. of each length.
 * Its leading NUL stands between an empty field and the rest.
 */
#include "siphash.h"

#include "unit.h"

static const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };

static const struct {
        size_t len;
        uint64_t hash;
} rows[] = {
        { 0, 0x726fdb47dd0e0e31 },  { 1, 0x74f839c593dc67fd },  { 2, 0x0d6c8009d9a94f5a },
        { 3, 0x85676696d7fb7e2d },  { 7, 0xab0200f58b01d137 },  { 8, 0x93f5f5799a932462 },
        { 15, 0xa129ca6149be45e5 }, { 16, 0x3f2acc7f57c29bdb }, { 63, 0x958a324ceb064572 },
};

START_TEST(it_is_that_of_the_reference)
{
        char message[64] = "";
        const char *const fields[] = { "", message };

        for (size_t i = 1; i < rows[_i].len; i++)
                message[i - 1] = (char)i;
        ck_assert_uint_eq(siphash_fields(key, fields, rows[_i].len > 0 ? 2 : 1), rows[_i].hash);
}
END_TEST

START_TEST(fields_do_not_run_into_each_other)
{
        const char *const one[] = { "c1", "eth0" }, *const other[] = { "c1e", "th0" };

        ck_assert_uint_ne(siphash_fields(key, one, 2), siphash_fields(key, other, 2));
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, it_is_that_of_the_reference, rows);
        tcase_add_test(tests, fields_do_not_run_into_each_other);
}

UNIT_MAIN("siphash", add_tests)
