/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table. A column's width is counted in characters, not bytes.
 */
#include "core/table.h"

#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "core/utf8.h"

void table_init(struct table *table, size_t columns)
{
        *table = (struct table){ .columns = columns };
}

void table_done(struct table *table)
{
        text_list_done(&table->cells);
}

int table_add(struct table *table, struct err *err, const char *fmt, ...)
{
        char text[8192];
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args); /* a longer cell is cut */
        va_end(args);
        utf8_make_printable(text);
        return text_list_add(&table->cells, text, strlen(text), err);
}

static size_t width_of(const char *text)
{
        size_t width = 0, len = strlen(text);

        for (size_t at = 0; at < len; width++) {
                size_t n = utf8_len(text + at, len - at);

                at += n > 0 ? n : 1;
        }
        return width;
}

static size_t column_width(const struct table *table, size_t column)
{
        size_t widest = 0;

        for (size_t i = column; i < table->cells.count; i += table->columns) {
                size_t width = width_of(table->cells.items[i]);

                widest = width > widest ? width : widest;
        }
        return widest;
}

void table_print(const struct table *table, struct buf *buf)
{
        size_t widths[16] = { 0 };
        size_t gap = 0;

        assert(table->columns > 0 && table->columns <= ARRAY_SIZE(widths));
        for (size_t column = 0; column < table->columns; column++)
                widths[column] = column_width(table, column);
        for (size_t i = 0; i < table->cells.count; i++) {
                const char *cell = table->cells.items[i];
                size_t column = i % table->columns;

                if (*cell)
                        buf_printf(buf, "%*s%s", (int)gap, "", cell);
                if (*cell)
                        gap = 0;
                gap += widths[column] - (*cell ? width_of(cell) : 0) + 2;
                if (column + 1 < table->columns)
                        continue;
                buf_putc(buf, '\n');
                gap = 0;
        }
}
