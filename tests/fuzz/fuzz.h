/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

/*
 * What the fuzz targets share. A target is a file with one function; libFuzzer calls it, or
 * corpus-main.c with the files of the corpus.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must be true of every input. Not assert(): it also counts without assertions. */
#define fuzz_must(condition)                                                                  \
        do {                                                                                  \
                if (!(condition)) {                                                           \
                        (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
                        abort();                                                              \
                }                                                                             \
        } while (0)

/* The input as a text of its own: a C string that ends at the first NUL at the latest. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
        char *text = malloc(size + 1);

        fuzz_must(text);
        if (size > 0)
                memcpy(text, data, size);
        text[size] = '\0';
        return text;
}

/* Calls that the caller of a target does not repeat: the error has one of the codes and a text. */
static inline void fuzz_check_err(const struct err *err, int code)
{
        fuzz_must(err->code == code || strcmp(err->msg, "out of memory") == 0);
        fuzz_must(*err->msg != '\0');
        fuzz_must(strnlen(err->msg, sizeof(err->msg)) < sizeof(err->msg));
        fuzz_must(strnlen(err->details, sizeof(err->details)) < sizeof(err->details));
}

#endif
