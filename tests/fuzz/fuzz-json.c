/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON: reading anything, and reading back what is written.
 */
#include "core/json.h"
#include "core/utf8.h"
#include "fuzz.h"

#define CEILING (64U * 1024U * 1024U)

static int walk(const struct json_at *at, void *dst, struct err *err);

/* A text that is written and read again is the same text. */
static void check_written(const char *text, const char *want, bool replacement)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_writer w;
        const char *got;
        struct buf buf;
        struct err err;

        buf_init(&buf, CEILING);
        json_writer_init(&w, &buf);
        w.replacement = replacement;
        json_put_string(&w, NULL, text);
        fuzz_must(buf_check(&buf, &err) == 0);
        fuzz_must(json_parse(buf.text, buf.len, &document, &err) == 0);
        fuzz_must(json_text(&(struct json_at){ .value = document }, &got, &err) == 0);
        fuzz_must(strcmp(got, want) == 0);
        buf_done(&buf);
}

/* Any bytes at all can be written; what is no character comes back as U+FFFD. */
static void check_bytes(const char *text)
{
        size_t len = strlen(text);
        struct buf want;

        buf_init(&want, CEILING);
        buf_puts(&want, "");
        for (size_t at = 0; at < len;) {
                size_t n = utf8_len(text + at, len - at);

                if (n > 0)
                        buf_append(&want, text + at, n);
                else
                        buf_puts(&want, "\xef\xbf\xbd");
                at += n > 0 ? n : 1;
        }
        check_written(text, buf_text(&want), false);
        check_written(text, buf_text(&want), true);
        buf_done(&want);
}

static void check_integer(int64_t number)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_writer w;
        struct buf buf;
        struct err err;
        int64_t again = 0;

        buf_init(&buf, 1000);
        json_writer_init(&w, &buf);
        json_put_i64(&w, NULL, number);
        fuzz_must(json_parse(buf.text, buf.len, &document, &err) == 0);
        fuzz_must(json_decode_i64(&(struct json_at){ .value = document }, &again, &err) == 0);
        fuzz_must(again == number);
        buf_done(&buf);
}

/* The members that a walk finds; others pass. */
static const struct json_field members[] = {
        { "a", walk, 0, JSON_NULL },    { "b", walk, 0, JSON_PLAIN },
        { "ipam", walk, 0, JSON_NULL }, { "ranges", walk, 0, JSON_NULL },
        { "name", walk, 0, JSON_NULL },
};

static int walk(const struct json_at *at, void *dst, struct err *err)
{
        struct json_at member;
        const char *text;
        char path[64];
        int64_t number;
        bool truth;

        json_path(at, path, sizeof(path));
        (void)json_count(at);
        (void)json_is_null(at);
        if (json_text(at, &text, err) == 0)
                check_written(text, text, false);
        if (json_decode_i64(at, &number, err) == 0)
                check_integer(number);
        (void)json_decode_bool(at, &truth, err);
        fuzz_must(!json_member(at, "A", &member) || json_count(at) > 0);
        (void)json_list(at, walk, dst, err);
        (void)json_object(at, members, ARRAY_SIZE(members), dst, err);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(json_freep) struct json *document = NULL;
        _cleanup_(freep) char *text = fuzz_text(data, size);
        struct err err;
        int dst;

        check_bytes(text);
        if (json_parse((const char *)data, size, &document, &err) < 0)
                fuzz_check_err(&err, CNI_ERR_DECODE);
        else
                (void)walk(&(struct json_at){ .value = document }, &dst, &err);
        return 0;
}
