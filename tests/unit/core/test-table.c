/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Aligned tables.
 */
#include "core/table.h"

#include "unit.h"

/* Cells, row by row; the first NULL ends them. */
static const struct {
        size_t columns;
        const char *cells[16];
        const char *want;
} rows[] = {
        { 2, { NULL }, "" },
        { 2, { "A", "B" }, "A  B\n" },
        { 3, { "NAME", "N", "X", "a", "10", "y" }, "NAME  N   X\na     10  y\n" },
        { 2, { "A", "B", "long one", "" }, "A         B\nlong one\n" }, /* no blanks at the end */
        { 3, { "a", "", "c", "", "", "f", "", "", "" }, "a    c\n     f\n\n" },
        { 2, { "gr\xc3\xbc\xc3\x9f", "x", "a", "y" }, "gr\xc3\xbc\xc3\x9f  x\na     y\n" },
        { 1, { "\x1b[31m", "b\nc" }, "?[31m\nb?c\n" },
        { 2, { "whole", "row", "half" }, "whole  row\nhalf" },
};

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
        _cleanup_(table_done) struct table table;
        struct buf buf;
        struct err err;

        table_init(&table, rows[_i].columns);
        for (size_t i = 0; i < ARRAY_SIZE(rows[_i].cells) && rows[_i].cells[i]; i++)
                unit_assert_ok(table_add(&table, &err, "%s", rows[_i].cells[i]), &err);
        buf_init(&buf, 1000);
        table_print(&table, &buf);
        ck_assert_str_eq(buf_text(&buf), rows[_i].want);
        buf_done(&buf);
}
END_TEST

START_TEST(a_cell_is_composed_and_a_long_one_cut)
{
        _cleanup_(table_done) struct table table;
        static char text[20000];
        struct err err;

        table_init(&table, 1);
        unit_assert_ok(table_add(&table, &err, "%d/%s", 7, "x"), &err);
        ck_assert_str_eq(table.cells.items[0], "7/x");
        memset(text, 'x', sizeof(text) - 1);
        unit_assert_ok(table_add(&table, &err, "%s", text), &err);
        ck_assert_uint_eq(strlen(table.cells.items[1]), 8191);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, columns_are_as_wide_as_their_widest_cell, rows);
        tcase_add_test(tests, a_cell_is_composed_and_a_long_one_cut);
}

UNIT_MAIN("table", add_tests)
