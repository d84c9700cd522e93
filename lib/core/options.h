/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_OPTIONS_H
#define CORE_OPTIONS_H

/*
 * The words of a sub-command: options that it knows, and whatever else is named.
 *
 * An option is written in full, its value is the next word, and options and other words come in any
 * order. What is wrong is said on standard error, in the one line that a shell's user expects.
 */

#include <stdbool.h>
#include <stddef.h>

/* One option that is known. */
struct option_row {
        const char *name;   /* "--conf" */
        const char **value; /* becomes the word behind it, borrowed; the last one counts */
        bool *flag;         /* or, with `value` NULL: becomes true */
};

/* The words that are no options. */
struct words {
        const char **items; /* owned array of borrowed texts */
        size_t count;
};

void words_done(struct words *words);

/* argv[0] is the sub-command's name. Returns 0; 1 without memory, or 2 for an option that is not in
 * the rows or lacks its value: that is the exit status then. */
int options_parse(const char *program, int argc, char **argv, const struct option_row *rows,
                  size_t count, struct words *ret);

/* Says what is wrong with a word. Returns 2. */
int options_misused(const char *program, const char *command, const char *what, const char *word);

#endif
