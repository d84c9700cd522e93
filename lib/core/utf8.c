/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UTF-8 by the table of RFC 3629, section 4.
 */
#include "core/utf8.h"

#include <stdbool.h>
#include <string.h>

#include "core/util.h"

size_t utf8_len(const char *text, size_t len)
{
        const unsigned char *b = (const unsigned char *)text;
        size_t need;

        if (len == 0)
                return 0;
        if (b[0] < 0x80)
                return 1;
        need = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2;
        if (b[0] < 0xc2 || b[0] > 0xf4 || need > len)
                return 0;
        for (size_t i = 1; i < need; i++)
                if ((b[i] & 0xc0) != 0x80)
                        return 0;
        /* Overlong forms, surrogates, and what lies above U+10FFFF. */
        if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] > 0x9f) ||
            (b[0] == 0xf0 && b[1] < 0x90) || (b[0] == 0xf4 && b[1] > 0x8f))
                return 0;
        return need;
}

void utf8_make_printable(char *text)
{
        size_t len = strlen(text);

        while (len > 0) {
                size_t n = utf8_len(text, len);
                unsigned char byte = (unsigned char)text[0];
                bool c1 = n == 2 && byte == 0xc2 && (unsigned char)text[1] < 0xa0;

                if (n == 0 || byte < 0x20 || byte == 0x7f || c1)
                        memset(text, '?', n > 0 ? n : 1);
                text += n > 0 ? n : 1;
                len -= n > 0 ? n : 1;
        }
}

size_t utf8_space_len(const char *text, size_t len)
{
        static const char *const wide[] = {
                "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
                "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
                "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
                "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
        };

        if (len == 0)
                return 0;
        if ((unsigned char)*text < 0x80) /* nearly all of any text */
                return *text == ' ' || (*text >= '\t' && *text <= '\r');
        for (size_t i = 0; i < ARRAY_SIZE(wide); i++) {
                size_t n = strlen(wide[i]);

                if (n <= len && memcmp(text, wide[i], n) == 0)
                        return n;
        }
        return 0;
}
