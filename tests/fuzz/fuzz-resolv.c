/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resolv.conf, up to the dns of a result.
 */
#include "core/utf8.h"
#include "fuzz.h"
#include "resolv.h"

/* Larger inputs are there for the lengths of lines alone: looking at their words takes too long. */
#define LOOK_MAX 4096U

static void check_word(const char *text)
{
        size_t len = strlen(text);

        for (size_t at = 0; at < len; at++)
                fuzz_must(utf8_space_len(text + at, len - at) == 0);
}

static void check_words(const struct text_list *list)
{
        for (size_t i = 0; i < list->count; i++)
                check_word(list->items[i]);
}

static void check_encoding(const struct ipam_result *result, const char *version)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct buf buf;
        struct err err;

        buf_init(&buf, 64U * 1024U * 1024U);
        fuzz_must(result_encode(result, version, &buf, &err) == 0);
        fuzz_must(json_parse(buf.text, buf.len, &document, &err) == 0);
        buf_done(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(result_done) struct ipam_result result = { 0 };
        struct err err;

        if (resolv_parse((const char *)data, size, &result.dns, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_CONFIG);
                return 0;
        }
        if (size > LOOK_MAX)
                return 0;
        check_words(&result.dns.nameservers);
        check_words(&result.dns.search);
        check_words(&result.dns.options);
        check_word(result.dns.domain ? result.dns.domain : "");
        check_encoding(&result, "0.4.0");
        check_encoding(&result, "1.1.0");
        return 0;
}
