/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_DHCP_OPTIONS_H
#define TESTS_DHCP_OPTIONS_H

/*
 * Options from bytes, and lists of texts to compare.
 */

#include "opts.h"
#include "values.h"

/* Bytes of a literal, with their number. */
#define B(literal) literal, sizeof(literal) - 1

struct bytes {
        const char *bytes;
        size_t len;
};

static const uint8_t no_file[128], no_sname[64];
static struct opts opts; /* what a test has read */

/* What stands behind the values that are read, every other byte: so that what reads on finds
 * something that looks right, and is seen. */
static char behind[2] = "x";

/* Reads an area that ends where its memory does. */
static inline int parse_areas(struct bytes area, const uint8_t *file, const uint8_t *sname)
{
        uint8_t *exact = malloc(area.len > 0 ? area.len : 1);
        int r;

        ck_assert_ptr_nonnull(exact);
        memcpy(exact, area.bytes, area.len);
        for (size_t i = 0; i < sizeof(opts.bytes); i++)
                opts.bytes[i] = (uint8_t)behind[i % 2];
        r = opts_parse(exact, area.len, file, sname, &opts);
        free(exact);
        return r;
}

static inline int parse(struct bytes area)
{
        return parse_areas(area, no_file, no_sname);
}

/* One option, in as many pieces as its length needs. */
static inline void parse_one(uint8_t code, struct bytes value)
{
        uint8_t area[OPTS_MAX + 256];
        size_t len = 0;

        do {
                size_t piece = value.len > 255 ? 255 : value.len;

                area[len++] = code;
                area[len++] = (uint8_t)piece;
                memcpy(area + len, value.bytes, piece);
                len += piece;
                value.bytes += piece;
                value.len -= piece;
        } while (value.len > 0);
        ck_assert_int_eq(parse((struct bytes){ (const char *)area, len }), 0);
}

/* The items with a blank between them, and frees them. */
static inline const char *join(struct text_list *list)
{
        static char text[8192];
        size_t len = 0;

        text[0] = '\0';
        for (size_t i = 0; i < list->count; i++) {
                int n = snprintf(text + len, sizeof(text) - len, "%s%s", i > 0 ? " " : "",
                                 list->items[i]);

                ck_assert(n >= 0 && (size_t)n < sizeof(text) - len);
                len += (size_t)n;
        }
        text_list_done(list);
        return text;
}

#endif
