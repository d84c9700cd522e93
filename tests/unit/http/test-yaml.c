/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML as JSON: each row is a text and what it stands for, or why it is refused.
 */
#include "http/yaml.h"

#include <cjson/cJSON.h>

#include "core/buf.h"
#include "unit.h"

#define CEILING (1024U * 1024U)

/* The tree in one line, numbers by their literals. */
static void dump(const cJSON *node, struct buf *buf)
{
        if (cJSON_IsNumber(node)) {
                buf_puts(buf, node->valuestring);
        } else if (cJSON_IsObject(node) || cJSON_IsArray(node)) {
                buf_putc(buf, cJSON_IsObject(node) ? '{' : '[');
                for (const cJSON *child = node->child; child; child = child->next) {
                        if (child->string)
                                buf_printf(buf, "\"%s\":", child->string);
                        dump(child, buf);
                        if (child->next)
                                buf_putc(buf, ',');
                }
                buf_putc(buf, cJSON_IsObject(node) ? '}' : ']');
        } else if (cJSON_IsString(node)) {
                buf_printf(buf, "\"%s\"", node->valuestring);
        } else {
                buf_puts(buf, cJSON_IsNull(node) ? "null" : cJSON_IsTrue(node) ? "true" : "false");
        }
}

static const struct {
        const char *text;
        size_t len; /* 0: all of the text */
        const char *json;
} good[] = {
        /* documents */
        { "", 0, "null" },
        { "# nothing\n", 0, "null" },
        { "---\n", 0, "null" },
        { "--- {}\n...\n", 0, "{}" },
        { "%YAML 1.1\n---\na: 1\n", 0, "{\"a\":1}" },
        { "\xef\xbb\xbf"
          "a: b",
          0, "{\"a\":\"b\"}" },
        { "a: b\r\nc: d\r\n", 0, "{\"a\":\"b\",\"c\":\"d\"}" },
        { "word", 0, "\"word\"" },
        /* maps and sequences */
        { "a:\n  b:\n  - c\n  - d: e\n    f: g\n  -\n", 0,
          "{\"a\":{\"b\":[\"c\",{\"d\":\"e\",\"f\":\"g\"},null]}}" },
        { "a:\n- b\n", 0, "{\"a\":[\"b\"]}" },
        { "a:\nb: ~\nc: {}\nd: []\n", 0, "{\"a\":null,\"b\":null,\"c\":{},\"d\":[]}" },
        { "? a\n: b\n", 0, "{\"a\":\"b\"}" },
        { "{a: b, \"c\": [1, 'x'],}", 0, "{\"a\":\"b\",\"c\":[1,\"x\"]}" },
        { "a: 1\na: 2\n", 0, "{\"a\":1,\"a\":2}" }, /* the last counts, as in JSON */
        { "1: a\ntrue: b\nnull: c\n", 0, "{\"1\":\"a\",\"true\":\"b\",\"null\":\"c\"}" },
        { "a: &x b\n", 0, "{\"a\":\"b\"}" }, /* an anchor that nobody uses */
        /* JSON is YAML */
        { "{\"a\":{\"b\":[1,-2.50e+10,true,false,null,\"\\u00e9\\/\\n\"]}}", 0,
          "{\"a\":{\"b\":[1,-2.50e+10,true,false,null,\"\xc3\xa9/\n\"]}}" },
        { "{\n\t\"a\": 1,\n\t\"b\": [\n\t\t2\n\t]\n}\n", 0, "{\"a\":1,\"b\":[2]}" },
        { "{\"a\":\"b\"}", 0, "{\"a\":\"b\"}" },
        /* numbers keep their literal */
        { "[0, -1, +7, 007, 12345678901234567890123, 9007199254740993]", 0,
          "[0,-1,7,007,12345678901234567890123,9007199254740993]" },
        { "[1.0, -.5, 1., 1e3, 1E-3, +1.5e+2, 1.e1]", 0, "[1.0,-.5,1.,1e3,1E-3,1.5e+2,1.e1]" },
        /* what looks like a number and is none */
        { "[-, +, ., -., e1, 1e, 1e+, 1_000, 0x1F, 0o17, 1.2.3, .inf, .NaN, 1a, 10.0.0.1, 1:30]", 0,
          "[\"-\",\"+\",\".\",\"-.\",\"e1\",\"1e\",\"1e+\",\"1_000\",\"0x1F\",\"0o17\",\"1.2.3\","
          "\".inf\",\".NaN\",\"1a\",\"10.0.0.1\",\"1:30\"]" },
        /* words */
        { "[null, Null, NULL, ~, nULL, none]", 0, "[null,null,null,null,\"nULL\",\"none\"]" },
        { "[true, True, TRUE, tRUE, false, False, FALSE, fALSE]", 0,
          "[true,true,true,\"tRUE\",false,false,false,\"fALSE\"]" },
        { "[yes, no, on, off, y, n]", 0, "[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\"]" },
        { "[2026-10-21, 2026-10-21T07:28:00Z]", 0, "[\"2026-10-21\",\"2026-10-21T07:28:00Z\"]" },
        { "<<: {a: b}\n", 0, "{\"<<\":{\"a\":\"b\"}}" },
        /* quoted they are texts */
        { "['1', \"2\", 'true', \"null\", '~', '']", 0,
          "[\"1\",\"2\",\"true\",\"null\",\"~\",\"\"]" },
        { "[! 1, !!str true, !!str ]", 0, "[\"1\",\"true\",\"\"]" },
        { "a: |\n  1\n", 0, "{\"a\":\"1\n\"}" },
        { "a: |-\n  1\n  2\nb: >-\n  c\n  d\n", 0, "{\"a\":\"1\n2\",\"b\":\"c d\"}" },
        { "a: b\n  c\n", 0, "{\"a\":\"b c\"}" },
        { "a: \"b\\\n  c\"\n", 0, "{\"a\":\"bc\"}" },
        { "a: b # comment\n", 0, "{\"a\":\"b\"}" },
        { "\xff\xfe"
          "a\0",
          4, "\"a\"" }, /* UTF-16, which libyaml knows by its mark */
};

START_TEST(a_text_stands_for_a_tree)
{
        _cleanup_(json_freep) struct json *tree = NULL;
        const char *text = good[_i].text;
        struct buf buf;
        struct err err;

        unit_assert_ok(yaml_parse(text, good[_i].len ? good[_i].len : strlen(text), &tree, &err),
                       &err);
        buf_init(&buf, CEILING);
        dump((const cJSON *)(const void *)tree, &buf);
        ck_assert_str_eq(buf_text(&buf), good[_i].json);
        buf_done(&buf);
}
END_TEST

static const struct {
        const char *text;
        size_t len; /* 0: all of the text */
        const char *error;
} bad[] = {
        { "a: &x b\nc: *x\n", 0, "line 2: aliases are not supported" },
        { "*x", 0, "line 1: aliases are not supported" },
        { "a: 1\n---\nb: 2\n", 0, "line 2: more than one document" },
        { "---\n---\n", 0, "line 2: more than one document" },
        { "a: 1\n\n? [b]\n: c\n", 0, "line 3: a key must be a text" },
        { "? {b: c}\n: d\n", 0, "line 1: a key must be a text" },
        { "a: &x b\n*x : c\n", 0, "line 2: a key must be a text" },
        { "a: \"b\\0c\"", 0, "line 1: a NUL is not accepted in a text" },
        { "\"a\\0\": b", 0, "line 1: a NUL is not accepted in a text" },
        { "a: !!binary aGVsbG8=", 0, "line 1: tags are not supported" },
        { "a: !!int '1'", 0, "line 1: tags are not supported" },
        { "\na: !other {b: c}", 0, "line 2: tags are not supported" },
        { "a: !!map {}", 0, "line 1: tags are not supported" },
        { "a: !!set {b, c}", 0, "line 1: tags are not supported" },
        { "a: !!omap [b: c]", 0, "line 1: tags are not supported" },
        /* what is no YAML */
        { "a: b: c", 0, "line 1: mapping values are not allowed in this context" },
        { "a: [1, 2\n", 0, "line 2: did not find expected ',' or ']'" },
        { "{a: b", 0, "line 2: did not find expected ',' or '}'" },
        { "a: 'b\n", 0, "line 2: found unexpected end of stream" },
        { "a: \"b", 0, "line 1: found unexpected end of stream" },
        { "a: 1\n b: 2\n", 0, "line 2: mapping values are not allowed in this context" },
        { "a:\n\tb: c\n", 0, "line 2: found character that cannot start any token" },
        { "a: @b", 0, "line 1: found character that cannot start any token" },
        { "a: b\nc: \x01", 0, "line 1: control characters are not allowed" },
        { "a: \xff", 0, "line 1: invalid leading UTF-8 octet" },
        { "a: \"\\q\"", 0, "line 1: found unknown escape character" },
        { "a: b\0", 5, "line 1: control characters are not allowed" },
        { "a\nb: c", 0, "line 2: mapping values are not allowed in this context" },
};

START_TEST(what_is_refused_names_its_line)
{
        struct json *tree = NULL;
        const char *text = bad[_i].text;
        struct err err;

        unit_assert_err(yaml_parse(text, bad[_i].len ? bad[_i].len : strlen(text), &tree, &err),
                        &err, CNI_ERR_DECODE, bad[_i].error);
        ck_assert_ptr_null(tree);
}
END_TEST

/* `count` times `item` between two texts. */
static int parse_many(const char *before, const char *item, size_t count, const char *after,
                      struct json **ret, struct err *err)
{
        struct buf buf;
        int r;

        buf_init(&buf, CEILING);
        buf_puts(&buf, before);
        for (size_t i = 0; i < count; i++)
                buf_puts(&buf, item);
        buf_puts(&buf, after);
        unit_assert_ok(buf_check(&buf, err), err);
        r = yaml_parse(buf_text(&buf), buf.len, ret, err);
        buf_done(&buf);
        return r;
}

START_TEST(depth_is_bounded)
{
        struct json *tree = NULL;
        struct err err;

        unit_assert_ok(parse_many("", "- ", JSON_DEPTH_MAX, "a", &tree, &err), &err);
        json_free(tree);
        tree = NULL;
        unit_assert_err(parse_many("\n", "- ", JSON_DEPTH_MAX + 1, "a", &tree, &err), &err,
                        CNI_ERR_DECODE, "line 2: nested too deep");
        unit_assert_err(parse_many("", "[", 200000, "", &tree, &err), &err, CNI_ERR_DECODE,
                        "line 1: nested too deep");
        unit_assert_err(parse_many("", "{a: ", 200000, "", &tree, &err), &err, CNI_ERR_DECODE,
                        "line 1: nested too deep");
        ck_assert_ptr_null(tree);
}
END_TEST

START_TEST(the_number_of_values_is_bounded)
{
        struct json *tree = NULL;
        struct err err;

        unit_assert_ok(parse_many("", "- 1\n", 99999, "", &tree, &err), &err);
        json_free(tree);
        tree = NULL;
        unit_assert_err(parse_many("", "- 1\n", 100000, "", &tree, &err), &err, CNI_ERR_DECODE,
                        "line 100000: too many values");
        ck_assert_ptr_null(tree);
}
END_TEST

/* The tables of json.h read the tree as they read JSON's. */
START_TEST(the_tree_is_decoded_as_json_is)
{
        static const char text[] = "Name: x\nname: y\ncount: 9007199254740993\nflag: true\n";
        struct value {
                char *name;
                int64_t count;
                bool flag;
        } value = { NULL, 0, false };
        static const struct json_field fields[] = {
                { "name", json_decode_string, offsetof(struct value, name), JSON_PLAIN },
                { "count", json_decode_i64, offsetof(struct value, count), JSON_PLAIN },
                { "flag", json_decode_bool, offsetof(struct value, flag), JSON_PLAIN },
        };
        struct json *tree = NULL;
        struct err err;

        unit_assert_ok(yaml_parse(text, strlen(text), &tree, &err), &err);
        unit_assert_ok(json_object(&(struct json_at){ .value = tree }, fields, ARRAY_SIZE(fields),
                                   &value, &err),
                       &err);
        ck_assert_str_eq(value.name, "y");
        ck_assert_int_eq(value.count, 9007199254740993);
        ck_assert(value.flag);
        free(value.name);
        json_free(tree);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_text_stands_for_a_tree, good);
        unit_add_table(tests, what_is_refused_names_its_line, bad);
        tcase_add_test(tests, depth_is_bounded);
        tcase_add_test(tests, the_number_of_values_is_bounded);
        tcase_add_test(tests, the_tree_is_decoded_as_json_is);
}

UNIT_MAIN("yaml", add_tests)
