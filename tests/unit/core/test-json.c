/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing JSON. cni-contract.md 8.5 and 8.6.
 */
#include "core/json.h"

#include "unit.h"

/* ---- which texts are JSON ---- */

#define END "unexpected end of JSON input"

static const struct {
        const char *text;
        size_t len;        /* 0: all of the text */
        const char *error; /* NULL: it is JSON */
} text_rows[] = {
        { "{}", 0, NULL },
        { "[]", 0, NULL },
        { "null", 0, NULL },
        { "true", 0, NULL },
        { "false", 0, NULL },
        { "\"\"", 0, NULL },
        { " \t\r\n{ \"a\" : [ 1 , 2 ] } \n", 0, NULL },
        { "0", 0, NULL },
        { "-0", 0, NULL },
        { "-1.50e+10", 0, NULL },
        { "1E-2", 0, NULL },
        { "1e400", 0, NULL },
        { "{\"big\":123456789012345678901234567890}", 0, NULL },
        { "[[],{},[[]]]", 0, NULL },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", 0, NULL },
        { "\"\x7f\"", 0, NULL },
        /* the end comes early */
        { "", 0, END },
        { "  ", 0, END },
        { "{", 0, END },
        { "[", 0, END },
        { "{\"a\"", 0, END },
        { "{\"a\":", 0, END },
        { "{\"a\":1", 0, END },
        { "{\"a\":1,", 0, END },
        { "[1,", 0, END },
        { "\"abc", 0, END },
        { "\"abc\\", 0, END },
        { "tru", 0, END },
        { "-", 0, END },
        { "1.", 0, END },
        { "1e", 0, END },
        { "1e+", 0, END },
        /* what cJSON would take */
        { "{} x", 0, "invalid character 'x' after top-level value" },
        { "{}{}", 0, "invalid character '{' after top-level value" },
        { "{}\0", 3, "invalid character '\\x00' after top-level value" },
        { "{}\0{", 4, "invalid character '\\x00' after top-level value" },
        { "\0{}", 3, "invalid character '\\x00' looking for beginning of value" },
        { "\x01{}", 0, "invalid character '\\x01' looking for beginning of value" },
        { "\v{}", 0, "invalid character '\\x0b' looking for beginning of value" },
        { "{}\f", 0, "invalid character '\\x0c' after top-level value" },
        { "\xef\xbb\xbf{}", 0, "invalid character '\\xef' looking for beginning of value" },
        { "\"a\nb\"", 0, "invalid character '\\x0a' in string literal" },
        { "\"a\x01\"", 0, "invalid character '\\x01' in string literal" },
        { "\"a\0b\"", 5, "invalid character '\\x00' in string literal" },
        { "\"a\\u0000b\"", 0, "the escape \\u0000 is not accepted in a string" },
        { "\"\\uZZZZ\"", 0, "a \\u escape must have four hexadecimal digits" },
        { "\"\\u12\"", 0, "a \\u escape must have four hexadecimal digits" },
        { "\"\\u12\0x\"", 8, "a \\u escape must have four hexadecimal digits" },
        { "01", 0, "invalid character '1' after top-level value" },
        { "-01", 0, "invalid character '1' after top-level value" },
        { "1.x", 0, "invalid character 'x' in numeric literal" },
        { "[1.]", 0, "invalid character ']' in numeric literal" },
        /* what nobody takes */
        { ".5", 0, "invalid character '.' looking for beginning of value" },
        { "+1", 0, "invalid character '+' looking for beginning of value" },
        { "0x1", 0, "invalid character 'x' after top-level value" },
        { "NaN", 0, "invalid character 'N' looking for beginning of value" },
        { "-x", 0, "invalid character 'x' in numeric literal" },
        { "nul1", 0, "invalid character '1' in a literal (true, false or null)" },
        { "True", 0, "invalid character 'T' looking for beginning of value" },
        { "[1,]", 0, "invalid character ']' looking for beginning of value" },
        { "[,1]", 0, "invalid character ',' looking for beginning of value" },
        { "[1 2]", 0, "invalid character '2' after array element" },
        { "{\"a\":1,}", 0, "invalid character '}' looking for beginning of object key string" },
        { "{,}", 0, "invalid character ',' looking for beginning of object key string" },
        { "{a:1}", 0, "invalid character 'a' looking for beginning of object key string" },
        { "{'a':1}", 0, "invalid character '\\'' looking for beginning of object key string" },
        { "{{{", 0, "invalid character '{' looking for beginning of object key string" }, /* V3 */
        { "{\"a\" 1}", 0, "invalid character '1' after object key" },
        { "{\"a\":1 \"b\":2}", 0, "invalid character '\"' after object key:value pair" },
        { "{\"a\":\\}", 0, "invalid character '\\\\' looking for beginning of value" },
        { "{\"a\":1]", 0, "invalid character ']' after object key:value pair" },
        { "[1}", 0, "invalid character '}' after array element" },
        { "// c\n{}", 0, "invalid character '/' looking for beginning of value" },
        { "\"\\x\"", 0, "invalid character 'x' in string escape code" },
        { "\"\\\0\"", 4, "invalid character '\\x00' in string escape code" },
        { "\"\\'\"", 0, "invalid character '\\'' in string escape code" },
        { "banana", 0, "invalid character 'b' looking for beginning of value" },
};

START_TEST(only_strict_json_is_taken)
{
        const char *text = text_rows[_i].text;
        size_t len = text_rows[_i].len > 0 ? text_rows[_i].len : strlen(text);
        _cleanup_(json_freep) struct json *document = NULL;
        /* Exactly as long as it is, so that a step too far is seen. */
        _cleanup_(freep) char *copy = malloc(len + 1);
        struct err err;
        int r;

        ck_assert_ptr_nonnull(copy);
        memcpy(copy, text, len);
        copy = realloc(copy, len > 0 ? len : 1);
        r = json_parse(copy, len, &document, &err);
        if (text_rows[_i].error)
                unit_assert_err(r, &err, CNI_ERR_DECODE, text_rows[_i].error);
        else
                unit_assert_ok(r, &err);
}
END_TEST

/* `levels` opening brackets, 1, as many closing ones. */
static int parse_nested(int levels, char open, char close, struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct buf text;
        int r;

        buf_init(&text, 1U << 20);
        for (int i = 0; i < levels; i++)
                buf_puts(&text, open == '{' ? "{\"a\":" : "[");
        buf_putc(&text, '1');
        for (int i = 0; i < levels; i++)
                buf_putc(&text, close);
        r = json_parse(text.text, text.len, &document, err);
        buf_done(&text);
        return r;
}

START_TEST(a_document_has_at_most_32_levels)
{
        struct err err;

        unit_assert_ok(parse_nested(32, '[', ']', &err), &err);
        unit_assert_ok(parse_nested(32, '{', '}', &err), &err);
        unit_assert_err(parse_nested(33, '[', ']', &err), &err, CNI_ERR_DECODE,
                        "nested deeper than 32 levels");
        unit_assert_err(parse_nested(100000, '{', '}', &err), &err, CNI_ERR_DECODE,
                        "nested deeper than 32 levels");
}
END_TEST

/* ---- decoding ---- */

/* A document with its place at the top. */
struct document {
        struct json *json;
        struct json_at at;
};

static struct document parse(const char *text)
{
        struct document document = { 0 };
        struct err err;

        unit_assert_ok(json_parse(text, strlen(text), &document.json, &err), &err);
        document.at.value = document.json;
        return document;
}

static const struct {
        const char *text, *want;
} string_rows[] = {
        { "\"\"", "" },
        { "\"\\u00e9\\u20ac\"", "\xc3\xa9\xe2\x82\xac" },
        { "\"\xc3\xa9\"", "\xc3\xa9" },
        { "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80" },
        { "\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        /* lone surrogates and bytes that are no characters become U+FFFD */
        { "\"\\ud800\"", "\xef\xbf\xbd" },
        { "\"\\udc00x\"", "\xef\xbf\xbdx" },
        { "\"\\ud800\\u0041\"", "\xef\xbf\xbd"
                                "A" },
        { "\"\\ud800\\ud800\\udc00\"", "\xef\xbf\xbd\xf0\x90\x80\x80" },
        { "\"\\ud800\\n\"", "\xef\xbf\xbd\n" },
        { "\"a\xff"
          "b\"",
          "a\xef\xbf\xbd"
          "b" },
        { "\"\xc3\"", "\xef\xbf\xbd" },
        { "\"\xed\xa0\x80\"", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
};

START_TEST(texts_are_decoded)
{
        struct document document = parse(string_rows[_i].text);
        _cleanup_(freep) char *text = strdup("the old one");
        struct err err;

        unit_assert_ok(json_decode_string(&document.at, &text, &err), &err);
        ck_assert_str_eq(text, string_rows[_i].want);
        json_free(document.json);
}
END_TEST

static const struct {
        const char *text;
        int64_t want;
        const char *error;
} integer_rows[] = {
        { "0", 0, NULL },
        { "-0", 0, NULL },
        { "1400", 1400, NULL },
        { "-5", -5, NULL },
        { "9007199254740993", 9007199254740993, NULL }, /* 2^53 + 1 */
        { "9223372036854775807", INT64_MAX, NULL },
        { "-9223372036854775808", INT64_MIN, NULL },
        { "9223372036854775808", 0, "n: must be an integer of 64 bits, not 9223372036854775808" },
        { "1.0", 0, "n: must be an integer, not 1.0" },
        { "1e2", 0, "n: must be an integer, not 1e2" },
        { "\"1\"", 0, "n: must be an integer, not a string" },
        { "true", 0, "n: must be an integer, not true or false" },
        { "[]", 0, "n: must be an integer, not a list" },
        { "{}", 0, "n: must be an integer, not an object" },
};

START_TEST(integers_are_decoded_from_their_literal)
{
        static const struct json_field fields[] = { { "n", json_decode_i64, 0, JSON_PLAIN } };
        struct document document;
        struct err err;
        int64_t n = 77;
        char text[128];
        int r;

        (void)snprintf(text, sizeof(text), "{\"x\":[7,8],\"n\":%s,\"y\":9}", integer_rows[_i].text);
        document = parse(text);
        r = json_object(&document.at, fields, 1, &n, &err);
        if (integer_rows[_i].error)
                unit_assert_err(r, &err, CNI_ERR_DECODE, integer_rows[_i].error);
        else
                unit_assert_ok(r, &err);
        ck_assert_int_eq(n, integer_rows[_i].error ? 77 : integer_rows[_i].want);
        json_free(document.json);
}
END_TEST

static const struct {
        const char *text, *error;
        bool want;
} bool_rows[] = {
        { "true", NULL, true },
        { "false", NULL, false },
        { "1", "the configuration: must be true or false, not a number", true },
        { "\"true\"", "the configuration: must be true or false, not a string", true },
        { "null", "the configuration: must be true or false, not null", true },
};

START_TEST(truth_is_decoded)
{
        struct document document = parse(bool_rows[_i].text);
        bool value = true;
        struct err err;
        int r = json_decode_bool(&document.at, &value, &err);

        if (bool_rows[_i].error)
                unit_assert_err(r, &err, CNI_ERR_DECODE, bool_rows[_i].error);
        else
                unit_assert_ok(r, &err);
        ck_assert_int_eq(value, bool_rows[_i].want);
        json_free(document.json);
}
END_TEST

struct person {
        char *name;
        int64_t age;
        unsigned nulls;
};

static int count_null(const struct json_at *at, void *dst, _unused_ struct err *err)
{
        *(unsigned *)dst += json_is_null(at) ? 1 : 100;
        return 0;
}

static const struct json_field person_fields[] = {
        { "name", json_decode_string, offsetof(struct person, name), JSON_PLAIN },
        { "age", json_decode_i64, offsetof(struct person, age), JSON_PLAIN },
        { "nulls", count_null, offsetof(struct person, nulls), JSON_NULL },
};

static const struct {
        const char *text, *name;
        int64_t age;
        unsigned nulls;
        const char *error;
} person_rows[] = {
        { "{}", NULL, 0, 0, NULL },
        { "{\"name\":\"a\",\"age\":3}", "a", 3, 0, NULL },
        { "{\"NAME\":\"a\",\"Age\":3}", "a", 3, 0, NULL },
        { "{\"name\":\"a\",\"name\":\"b\"}", "b", 0, 0, NULL },
        { "{\"name\":\"a\",\"NAME\":\"b\"}", "b", 0, 0, NULL }, /* equal citizens: section 11 */
        { "{\"NAME\":\"b\",\"name\":\"a\"}", "a", 0, 0, NULL },
        { "{\"name\":1,\"name\":\"b\"}", "b", 0, 0, NULL },
        { "{\"namex\":1,\"nam\":2,\"\":3,\"name\\n\":4}", NULL, 0, 0, NULL },
        { "{\"\\u006eame\":\"a\"}", "a", 0, 0, NULL },
        { "{\"name\":null,\"age\":null}", NULL, 0, 0, NULL },
        { "{\"nulls\":null}", NULL, 0, 1, NULL },
        { "{\"nulls\":0}", NULL, 0, 100, NULL },
        { "{\"null\xc5\xbf\":0}", NULL, 0, 0, NULL }, /* only ASCII is folded, not U+017F */
        { "{\"name\":1}", NULL, 0, 0, "name: must be a string, not a number" },
        { "{\"Name\":{}}", NULL, 0, 0, "name: must be a string, not an object" },
        /* the first error in document order counts */
        { "{\"age\":\"x\",\"name\":1}", NULL, 0, 0, "age: must be an integer, not a string" },
        { "[]", NULL, 0, 0, "the configuration: must be an object, not a list" },
        { "null", NULL, 0, 0, "the configuration: must be an object, not null" },
        { "\"x\"", NULL, 0, 0, "the configuration: must be an object, not a string" },
};

START_TEST(members_are_decoded_by_their_rows)
{
        struct document document = parse(person_rows[_i].text);
        struct person person = { 0 };
        struct err err;
        int r = json_object(&document.at, person_fields, ARRAY_SIZE(person_fields), &person, &err);

        if (person_rows[_i].error)
                unit_assert_err(r, &err, CNI_ERR_DECODE, person_rows[_i].error);
        else
                unit_assert_ok(r, &err);
        ck_assert_pstr_eq(person.name, person_rows[_i].name);
        ck_assert_int_eq(person.age, person_rows[_i].age);
        ck_assert_uint_eq(person.nulls, person_rows[_i].nulls);
        free(person.name);
        json_free(document.json);
}
END_TEST

/* Lists of lists of integers: the sum. */
static int decode_number(const struct json_at *at, void *dst, struct err *err)
{
        int64_t n;
        int r = json_decode_i64(at, &n, err);

        if (r < 0)
                return r;
        if (n == 13)
                return json_invalid(at, err, "not %d", 13);
        *(int64_t *)dst += n;
        return 0;
}

static int decode_numbers(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_number, dst, err);
}

static int decode_lists(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_numbers, dst, err);
}

static const struct {
        const char *text;
        int64_t sum;
        const char *error, *details;
} list_rows[] = {
        { "{\"a\":{\"b\":[]}}", 0, NULL, NULL },
        { "{\"a\":{\"b\":[[],[1,2],[3]]}}", 6, NULL, NULL },
        { "{\"a\":{\"b\":{}}}", 0, "a.b: must be a list, not an object", "" },
        { "{\"a\":{\"b\":[{}]}}", 0, "a.b[0]: must be a list, not an object", "" },
        { "{\"a\":{\"b\":[[1],null]}}", 1, "a.b[1]: must be a list, not null", "" },
        { "{\"a\":{\"b\":[[1],[2,null]]}}", 3, "a.b[1][1]: must be an integer, not null", "" },
        { "{\"a\":{\"B\":[[1],[2,13]]}}", 3, "not 13", "a.b[1][1]" },
};

START_TEST(an_error_in_a_list_names_its_path)
{
        struct document document = parse(list_rows[_i].text);
        struct json_at a, b;
        int64_t sum = 0;
        struct err err;
        int r;

        ck_assert(json_member(&document.at, "a", &a));
        ck_assert(json_member(&a, "b", &b));
        r = decode_lists(&b, &sum, &err);
        if (list_rows[_i].error) {
                unit_assert_err(r, &err, *list_rows[_i].details ? CNI_ERR_CONFIG : CNI_ERR_DECODE,
                                list_rows[_i].error);
                ck_assert_str_eq(err.details, list_rows[_i].details);
        } else {
                unit_assert_ok(r, &err);
        }
        ck_assert_int_eq(sum, list_rows[_i].sum);
        json_free(document.json);
}
END_TEST

START_TEST(a_member_is_found_as_the_decoder_finds_it)
{
        struct document document =
                parse("{\"a\":1,\"A\":[1,2,3],\"n\":null,\"o\":{\"x\":1},\"o\":{}}");
        struct json_at at;

        ck_assert(json_member(&document.at, "a", &at));
        ck_assert_uint_eq(json_count(&at), 3);
        ck_assert(!json_member(&at, "a", &at));
        ck_assert(json_member(&document.at, "n", &at));
        ck_assert(json_is_null(&at));
        ck_assert_uint_eq(json_count(&at), 0);
        ck_assert(!json_member(&document.at, "none", &at));
        ck_assert_uint_eq(json_count(&document.at), 5);
        /* An object that stands there twice is not merged: section 11. */
        ck_assert(json_member(&document.at, "o", &at));
        ck_assert_uint_eq(json_count(&at), 0);
        json_free(document.json);
}
END_TEST

/* ---- objects whose keys are not known ---- */

/* Appends "PATH=TEXT " for each member. */
static int list_member(const struct json_at *at, void *dst, struct err *err)
{
        char path[64];
        const char *text = "-";
        int r = json_is_null(at) ? 0 : json_decode_text(at, &text, err);

        if (r < 0)
                return r;
        json_path(at, path, sizeof(path));
        buf_printf(dst, "%s=%s ", path, text);
        return 0;
}

static int list_members(const struct json_at *at, void *dst, struct err *err)
{
        return json_members(at, list_member, dst, err);
}

static const struct {
        const char *text, *want, *error;
} member_rows[] = {
        { "{}", "", NULL },
        { "{\"b\":\"1\",\"a\":\"2\"}", "o.b=1 o.a=2 ", NULL },
        { "{\"a\":\"1\",\"A\":\"2\",\"a\":null}", "o.a=1 o.A=2 o.a=- ", NULL },
        { "{\"\":\"x\"}", "o.=x ", NULL },
        { "{\"a\":\"1\",\"b\":2,\"c\":3}", "o.a=1 ", "o.b: must be a string, not a number" },
        { "[]", "", "o: must be an object, not a list" },
        { "7", "", "o: must be an object, not a number" },
};

START_TEST(members_with_unknown_keys_are_walked_in_order)
{
        static const struct json_field fields[] = { { "o", list_members, 0, JSON_PLAIN } };
        struct document document;
        struct err err;
        struct buf buf;
        char text[128];
        int r;

        (void)snprintf(text, sizeof(text), "{\"o\":%s}", member_rows[_i].text);
        document = parse(text);
        buf_init(&buf, 1000);
        r = json_object(&document.at, fields, 1, &buf, &err);
        if (member_rows[_i].error)
                unit_assert_err(r, &err, CNI_ERR_DECODE, member_rows[_i].error);
        else
                unit_assert_ok(r, &err);
        ck_assert_str_eq(buf_text(&buf), member_rows[_i].want);
        buf_done(&buf);
        json_free(document.json);
}
END_TEST

START_TEST(a_path_that_is_too_long_is_cut)
{
        struct json_at top = { 0 }, a = { .parent = &top, .key = "abcdef" },
                       b = { .parent = &a, .index = 12 }, c = { .parent = &b, .key = "xyz" };
        char text[64];

        json_path(&c, text, sizeof(text));
        ck_assert_str_eq(text, "abcdef[12].xyz");
        json_path(&c, text, 9);
        ck_assert_str_eq(text, "abcdef[1");
        json_path(&c, text, 1);
        ck_assert_str_eq(text, "");
        json_path(&top, text, sizeof(text));
        ck_assert_str_eq(text, "");
}
END_TEST

/* ---- writing ---- */

START_TEST(the_layout_is_that_of_go)
{
        static const char want[] = "{\n"
                                   "    \"a\": \"x\",\n"
                                   "    \"empty\": {},\n"
                                   "    \"list\": [\n"
                                   "        1,\n"
                                   "        [],\n"
                                   "        {\n"
                                   "            \"min\": -9223372036854775808,\n"
                                   "            \"max\": 18446744073709551615,\n"
                                   "            \"yes\": true,\n"
                                   "            \"no\": false\n"
                                   "        }\n"
                                   "    ]\n"
                                   "}";
        struct json_writer w;
        struct buf buf;

        buf_init(&buf, 1000);
        json_writer_init(&w, &buf);
        json_begin(&w, NULL, '{');
        json_put_string(&w, "a", "x");
        json_put_given(&w, "nothing", "");
        json_put_given(&w, "nothing", NULL);
        json_begin(&w, "empty", '{');
        json_end(&w, '}');
        json_begin(&w, "list", '[');
        json_put_i64(&w, NULL, 1);
        json_begin(&w, NULL, '[');
        json_end(&w, ']');
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "min", INT64_MIN);
        json_put_u64(&w, "max", UINT64_MAX);
        json_put_bool(&w, "yes", true);
        json_put_bool(&w, "no", false);
        json_end(&w, '}');
        json_end(&w, ']');
        json_end(&w, '}');
        ck_assert_str_eq(buf_text(&buf), want);
        buf_done(&buf);
}
END_TEST

static const struct {
        const char *text, *want;
        bool replacement;
} escape_rows[] = {
        { "plain / \x7f", "\"plain / \x7f\"", false },
        { "\"\\", "\"\\\"\\\\\"", false },
        { "\b\t\n\f\r", "\"\\b\\t\\n\\f\\r\"", false },
        { "\x01\v\x1f", "\"\\u0001\\u000b\\u001f\"", false },
        { "<a&b>", "\"\\u003ca\\u0026b\\u003e\"", false },
        { "\xe2\x80\xa8\xe2\x80\xa9", "\"\\u2028\\u2029\"", false },
        { "\xe2\x80\xa7\xe2\x80\xaa", "\"\xe2\x80\xa7\xe2\x80\xaa\"", false },
        { "\xc3\xa9\xf0\x9f\x98\x80", "\"\xc3\xa9\xf0\x9f\x98\x80\"", false },
        { "a\xff", "\"a\\ufffd\"", false },
        { "a\xff", "\"a\xef\xbf\xbd\"", true },
        { "\xe2\x80", "\"\\ufffd\\ufffd\"", false },
        { "\xef\xbf\xbd", "\"\xef\xbf\xbd\"", false },
};

START_TEST(texts_are_escaped_as_go_does)
{
        struct json_writer w;
        struct buf buf;

        buf_init(&buf, 1000);
        json_writer_init(&w, &buf);
        w.replacement = escape_rows[_i].replacement;
        json_put_string(&w, NULL, escape_rows[_i].text);
        ck_assert_str_eq(buf_text(&buf), escape_rows[_i].want);
        buf_done(&buf);
}
END_TEST

START_TEST(keys_are_escaped_too)
{
        struct json_writer w;
        struct buf buf;

        buf_init(&buf, 1000);
        json_writer_init(&w, &buf);
        json_begin(&w, NULL, '{');
        json_put_bool(&w, "a\"<", true);
        json_end(&w, '}');
        ck_assert_str_eq(buf_text(&buf), "{\n    \"a\\\"\\u003c\": true\n}");
        buf_done(&buf);
}
END_TEST

START_TEST(the_compact_layout_has_no_blanks)
{
        struct json_writer w;
        struct buf buf;

        buf_init(&buf, 1000);
        json_writer_init_compact(&w, &buf);
        json_begin(&w, NULL, '{');
        json_put_string(&w, "a:", "x, <y>");
        json_begin(&w, "l", '[');
        json_put_i64(&w, NULL, -1);
        json_put_null(&w, NULL);
        json_begin(&w, NULL, '{');
        json_end(&w, '}');
        json_end(&w, ']');
        json_put_null(&w, "n");
        json_put_bool(&w, "b", false);
        json_end(&w, '}');
        ck_assert_str_eq(buf_text(&buf), "{\"a:\":\"x, \\u003cy\\u003e\",\"l\":[-1,null,{}],"
                                         "\"n\":null,\"b\":false}");
        buf_done(&buf);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, only_strict_json_is_taken, text_rows);
        tcase_add_test(tests, a_document_has_at_most_32_levels);
        unit_add_table(tests, texts_are_decoded, string_rows);
        unit_add_table(tests, integers_are_decoded_from_their_literal, integer_rows);
        unit_add_table(tests, truth_is_decoded, bool_rows);
        unit_add_table(tests, members_are_decoded_by_their_rows, person_rows);
        unit_add_table(tests, an_error_in_a_list_names_its_path, list_rows);
        tcase_add_test(tests, a_member_is_found_as_the_decoder_finds_it);
        unit_add_table(tests, members_with_unknown_keys_are_walked_in_order, member_rows);
        tcase_add_test(tests, a_path_that_is_too_long_is_cut);
        tcase_add_test(tests, the_layout_is_that_of_go);
        unit_add_table(tests, texts_are_escaped_as_go_does, escape_rows);
        tcase_add_test(tests, keys_are_escaped_too);
        tcase_add_test(tests, the_compact_layout_has_no_blanks);
}

UNIT_MAIN("json", add_tests)
