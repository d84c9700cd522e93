/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events, made into the tree that json.c reads: cJSON's nodes, where a number keeps its
 * literal in `valuestring`. Members stay in document order, so that the last of two equal keys
 * counts here as it does in JSON.
 */
#include "http/yaml.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>
#include <yaml.h>

#define NODES_MAX 100000U
#define STR_TAG   "tag:yaml.org,2002:str"

struct reader {
        yaml_parser_t parser;
        unsigned nodes;
        struct err *err;
};

static void event_done(yaml_event_t *event)
{
        yaml_event_delete(event);
}

static void node_freep(cJSON **node)
{
        cJSON_Delete(*node);
}

/* An error at the start of an event, or where the parser stands. */
static int wrong(const struct reader *reader, const yaml_mark_t *mark, const char *what)
{
        return err_text(reader->err, -EINVAL, CNI_ERR_DECODE, "line %zu: %s", mark->line + 1, what);
}

static int next(struct reader *reader, yaml_event_t *ret)
{
        const yaml_parser_t *parser = &reader->parser;

        if (yaml_parser_parse(&reader->parser, ret))
                return 0;
        memset(ret, 0, sizeof(*ret));
        if (parser->error == YAML_MEMORY_ERROR)
                return err_oom(reader->err);
        /* Bytes that are no characters are met before they have a line. */
        if (parser->error == YAML_READER_ERROR)
                return wrong(reader, &parser->mark, parser->problem);
        return wrong(reader, &parser->problem_mark, parser->problem);
}

/* ---- scalars ---- */

static size_t digits(const char *text)
{
        return strspn(text, "0123456789");
}

/* Whether the text is one of three words, which differ in their capitals. */
static bool is_word(const char *text, const char *a, const char *b, const char *c)
{
        return strcmp(text, a) == 0 || strcmp(text, b) == 0 || strcmp(text, c) == 0;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?, which holds the decimal integers too.
 * Infinity, hexadecimal and octal numbers, which JSON does not have, stay texts. */
static bool is_number(const char *text)
{
        size_t whole, part = 0;

        text += *text == '-' || *text == '+';
        whole = digits(text);
        text += whole;
        if (*text == '.') {
                part = digits(++text);
                text += part;
        }
        if (whole + part == 0)
                return false;
        if (*text == 'e' || *text == 'E') {
                text++;
                text += *text == '-' || *text == '+';
                if (digits(text) == 0)
                        return false;
                text += digits(text);
        }
        return *text == '\0';
}

/* A number's node with its literal, without the sign that JSON does not know. */
static cJSON *new_number(const char *literal)
{
        cJSON *node = cJSON_CreateNumber(0);

        if (!node)
                return NULL;
        node->valuestring = strdup(literal + (*literal == '+'));
        if (node->valuestring)
                return node;
        cJSON_Delete(node);
        return NULL;
}

static cJSON *new_scalar(const char *text, bool plain)
{
        if (!plain)
                return cJSON_CreateString(text);
        if (*text == '\0' || strcmp(text, "~") == 0 || is_word(text, "null", "Null", "NULL"))
                return cJSON_CreateNull();
        if (is_word(text, "true", "True", "TRUE"))
                return cJSON_CreateTrue();
        if (is_word(text, "false", "False", "FALSE"))
                return cJSON_CreateFalse();
        return is_number(text) ? new_number(text) : cJSON_CreateString(text);
}

/* The text of a scalar event; C strings end at a NUL, so there may be none inside. */
static int scalar_text(const struct reader *reader, const yaml_event_t *event, const char **ret)
{
        const char *text = (const char *)event->data.scalar.value;

        if (strlen(text) != event->data.scalar.length)
                return wrong(reader, &event->start_mark, "a NUL is not accepted in a text");
        *ret = text;
        return 0;
}

static int read_scalar(const struct reader *reader, const yaml_event_t *event, cJSON **ret)
{
        const char *tag = (const char *)event->data.scalar.tag, *text = "";
        int r = scalar_text(reader, event, &text);

        if (r < 0)
                return r;
        if (tag && strcmp(tag, STR_TAG) != 0 && strcmp(tag, "!") != 0)
                return wrong(reader, &event->start_mark, "tags are not supported");
        *ret = new_scalar(text, !tag && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE);
        return *ret ? 0 : err_oom(reader->err);
}

/* ---- maps and sequences ---- */

static int read_node(struct reader *reader, const yaml_event_t *event, unsigned depth, cJSON **ret);

/* The value of the member that `event` is the key of, put into the map. */
static int read_member(struct reader *reader, const yaml_event_t *event, unsigned depth, cJSON *map)
{
        _cleanup_(event_done) yaml_event_t value = { 0 };
        _cleanup_(node_freep) cJSON *node = NULL;
        const char *key = "";
        int r;

        if (event->type != YAML_SCALAR_EVENT)
                return wrong(reader, &event->start_mark, "a key must be a text");
        r = scalar_text(reader, event, &key);
        if (r == 0)
                r = next(reader, &value);
        if (r == 0)
                r = read_node(reader, &value, depth, &node);
        if (r < 0)
                return r;
        if (!cJSON_AddItemToObject(map, key, node))
                return err_oom(reader->err);
        node = NULL;
        return 0;
}

static int read_element(struct reader *reader, const yaml_event_t *event, unsigned depth,
                        cJSON *list)
{
        cJSON *node = NULL;
        int r = read_node(reader, event, depth, &node);

        if (r == 0)
                (void)cJSON_AddItemToArray(list, node); /* takes no memory */
        return r;
}

/* The inside of a map or sequence, up to its end. */
static int read_inside(struct reader *reader, unsigned depth, cJSON *into)
{
        bool map = cJSON_IsObject(into);

        for (;;) {
                _cleanup_(event_done) yaml_event_t event = { 0 };
                int r = next(reader, &event);

                if (r < 0)
                        return r;
                if (event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT)
                        return 0;
                r = map ? read_member(reader, &event, depth, into)
                        : read_element(reader, &event, depth, into);
                if (r < 0)
                        return r;
        }
}

static int read_container(struct reader *reader, const yaml_event_t *event, unsigned depth,
                          cJSON **ret)
{
        bool map = event->type == YAML_MAPPING_START_EVENT;
        _cleanup_(node_freep) cJSON *node = NULL;
        int r;

        if (map ? event->data.mapping_start.tag : event->data.sequence_start.tag)
                return wrong(reader, &event->start_mark, "tags are not supported");
        if (depth == JSON_DEPTH_MAX)
                return wrong(reader, &event->start_mark, "nested too deep");
        node = map ? cJSON_CreateObject() : cJSON_CreateArray();
        if (!node)
                return err_oom(reader->err);
        r = read_inside(reader, depth + 1, node);
        if (r == 0)
                *ret = TAKE_PTR(node);
        return r;
}

/* The value that starts with `event`, inside `depth` maps and sequences. */
static int read_node(struct reader *reader, const yaml_event_t *event, unsigned depth, cJSON **ret)
{
        if (event->type == YAML_ALIAS_EVENT)
                return wrong(reader, &event->start_mark, "aliases are not supported");
        if (++reader->nodes > NODES_MAX)
                return wrong(reader, &event->start_mark, "too many values");
        if (event->type == YAML_SCALAR_EVENT)
                return read_scalar(reader, event, ret);
        return read_container(reader, event, depth, ret);
}

/* ---- documents ---- */

/* The next event has to come, and says nothing itself. */
static int skip(struct reader *reader)
{
        _cleanup_(event_done) yaml_event_t event = { 0 };

        return next(reader, &event);
}

/* A document, its start behind us, and the end of the text. */
static int read_document(struct reader *reader, cJSON **ret)
{
        _cleanup_(event_done) yaml_event_t event = { 0 }, end = { 0 };
        _cleanup_(node_freep) cJSON *node = NULL;
        int r = next(reader, &event);

        if (r == 0)
                r = read_node(reader, &event, 0, &node);
        if (r == 0)
                r = skip(reader); /* the document's end */
        if (r == 0)
                r = next(reader, &end);
        if (r == 0 && end.type != YAML_STREAM_END_EVENT)
                r = wrong(reader, &end.start_mark, "more than one document");
        if (r == 0)
                *ret = TAKE_PTR(node);
        return r;
}

static int read_stream(struct reader *reader, cJSON **ret)
{
        _cleanup_(event_done) yaml_event_t event = { 0 };
        int r = skip(reader); /* the stream's start */

        if (r == 0)
                r = next(reader, &event);
        if (r < 0)
                return r;
        if (event.type != YAML_STREAM_END_EVENT)
                return read_document(reader, ret);
        *ret = cJSON_CreateNull();
        return *ret ? 0 : err_oom(reader->err);
}

int yaml_parse(const char *text, size_t len, struct json **ret, struct err *err)
{
        struct reader reader = { .err = err };
        cJSON *document = NULL;
        int r;

        if (!yaml_parser_initialize(&reader.parser))
                return err_oom(err);
        yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
        r = read_stream(&reader, &document);
        yaml_parser_delete(&reader.parser);
        if (r == 0)
                *ret = (struct json *)(void *)document;
        return r;
}
