/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_TABLE_H
#define CORE_TABLE_H

/*
 * An aligned table for people: cells are added row by row, and printed with columns as wide as
 * their widest cell. No text from outside reaches a terminal as a command.
 */

#include <stddef.h>

#include "core/buf.h"
#include "core/result.h"

struct table {
        struct text_list cells;
        size_t columns;
};

void table_init(struct table *table, size_t columns);
void table_done(struct table *table);

/* Adds the next cell; a row is complete after `columns` of them. */
int table_add(struct table *table, struct err *err, const char *fmt, ...) _printf_(3, 4);

/* Appends the table, a line per complete row, without blanks at the ends of lines. */
void table_print(const struct table *table, struct buf *buf);

#endif
