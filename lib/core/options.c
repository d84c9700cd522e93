/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options. A dozen lines instead of getopt_long(3), which would also take abbreviations: scripts
 * that use them break when an option is added.
 */
#include "core/options.h"

#include <string.h>

#include "core/util.h"

void words_done(struct words *words)
{
        free(words->items);
        *words = (struct words){ 0 };
}

int options_misused(const char *program, const char *command, const char *what, const char *word)
{
        (void)fprintf(stderr, "%s %s: %s '%s'; see %s --help\n", program, command, what, word,
                      program);
        return 2;
}

/* Takes one option, and its value from the next word. */
static int take_option(const char *program, char **argv, int *at, const struct option_row *rows,
                       size_t count)
{
        const char *word = argv[*at];
        size_t i = 0;

        while (i < count && strcmp(rows[i].name, word) != 0)
                i++;
        if (i == count)
                return options_misused(program, argv[0], "unknown option", word);
        if (!rows[i].value) {
                *rows[i].flag = true;
                return 0;
        }
        if (!argv[*at + 1])
                return options_misused(program, argv[0], "no value for", word);
        *rows[i].value = argv[++*at];
        return 0;
}

int options_parse(const char *program, int argc, char **argv, const struct option_row *rows,
                  size_t count, struct words *ret)
{
        struct words words = { calloc((size_t)argc + 1, sizeof(*words.items)), 0 };

        if (!words.items) {
                (void)fprintf(stderr, "%s: out of memory\n", program);
                return 1;
        }
        for (int i = 1; i < argc; i++) {
                int r = 0;

                if (argv[i][0] == '-')
                        r = take_option(program, argv, &i, rows, count);
                else
                        words.items[words.count++] = argv[i];
                if (r > 0) {
                        words_done(&words);
                        return r;
                }
        }
        *ret = words;
        return 0;
}
