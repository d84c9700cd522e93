/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_JSON_H
#define CORE_JSON_H

/*
 * JSON from outside and JSON to outside. The only module that names cJSON.
 *
 * Reading is strict first: the text is scanned by the grammar of RFC 8259 before cJSON sees it,
 * since cJSON takes trailing text, control characters and much else. Invalid UTF-8 and lone
 * surrogates become U+FFFD, as in Go; a NUL escape is refused, because C strings end there. A
 * number keeps the literal it was written as: cJSON has only doubles.
 *
 * Values are decoded through tables of `struct json_field`. A key is matched to its row without
 * regard to ASCII case; when several keys match, the last in document order counts; unknown keys
 * pass; null is as good as absent. Every value is looked at together with its place in the
 * document, so that an error can say `ipam.ranges[0][1].subnet`.
 *
 * Writing has the layout of Go's json.MarshalIndent with four blanks, to the byte.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

#define JSON_DEPTH_MAX 32

struct json; /* a value of a parsed document */

/* Parses a whole document. An error is CNI_ERR_DECODE with the reason alone as its message.
 * The tree belongs to the caller. */
int json_parse(const char *text, size_t len, struct json **ret, struct err *err);
void json_free(struct json *document);

/* A value and the way to it. Lives on the stack of whoever walks the document. */
struct json_at {
        const struct json *value;
        const struct json_at *parent; /* NULL at the top */
        const char *key;              /* member name; NULL for the top and for list elements */
        size_t index;                 /* list elements */
};

/* Decodes one value into *dst. It may be called with null only where its row has JSON_NULL. */
struct json_field {
        const char *name;
        int (*decode)(const struct json_at *at, void *dst, struct err *err);
        size_t offset; /* of the destination in the struct that json_object() fills */
        enum {
                JSON_PLAIN = 0,
                JSON_NULL = 1, /* null is handed to the decoder */
        } flags;
};

/* Decodes the members of an object by the rows. Unknown keys pass. */
int json_object(const struct json_at *at, const struct json_field *fields, size_t count, void *dst,
                struct err *err);

/* Calls `decode` for each element of a list, in order, always with the same dst. Elements that are
 * null are handed over as they are. */
int json_list(const struct json_at *at,
              int (*decode)(const struct json_at *at, void *dst, struct err *err), void *dst,
              struct err *err);

/* Calls `each` for each member of an object, in document order, always with the same dst: for
 * objects whose keys are not known. Keys stand as they are written and may come twice; members that
 * are null are handed over as they are. */
int json_members(const struct json_at *at,
                 int (*each)(const struct json_at *at, void *dst, struct err *err), void *dst,
                 struct err *err);

/* The number of elements of a list or members of an object; 0 for anything else. */
size_t json_count(const struct json_at *at);

bool json_is_null(const struct json_at *at);
bool json_is_list(const struct json_at *at);

/* The member that json_object() would take for `name`; false when there is none. */
bool json_member(const struct json_at *at, const char *name, struct json_at *ret);

/* Decoders. They refuse a value of another type with CNI_ERR_DECODE and its path. */
int json_decode_string(const struct json_at *at, void *dst, struct err *err); /* char **; the old
                                                                                 one is freed */
int json_decode_text(const struct json_at *at, void *dst, struct err *err);   /* const char **,
                                                                                 borrowed from the
                                                                                 document */
int json_decode_bool(const struct json_at *at, void *dst, struct err *err);   /* bool * */
int json_decode_i64(const struct json_at *at, void *dst, struct err *err);    /* int64_t * */

/* The text of a string, borrowed from the document; an error for another type. */
int json_text(const struct json_at *at, const char **ret, struct err *err);

/* The path, such as `ipam.ranges[0][1].subnet`. A longer one is cut. */
void json_path(const struct json_at *at, char *text, size_t size);

/* A value that has the right type and makes no sense: CNI_ERR_CONFIG, the message as given, the
 * path as details. Returns -EINVAL. */
int json_invalid(const struct json_at *at, struct err *err, const char *fmt, ...) _printf_(3, 4);

/* ---- writing ---- */

struct json_writer {
        struct buf *buf;
        unsigned depth;
        bool empty;       /* nothing was written yet at this depth */
        bool compact;     /* set by json_writer_init_compact() */
        bool replacement; /* write invalid UTF-8 as the character U+FFFD, not as its escape */
};

void json_writer_init(struct json_writer *w, struct buf *buf);

/* The same in one line without blanks, as json.Marshal writes: for what machines read. */
void json_writer_init_compact(struct json_writer *w, struct buf *buf);

/* `key` is NULL for the top value and in lists. `bracket` is '{' or '['. */
void json_begin(struct json_writer *w, const char *key, char bracket);
void json_end(struct json_writer *w, char bracket);
void json_put_string(struct json_writer *w, const char *key, const char *text);
/* The same for a member that may lack: nothing is written for NULL and "". */
void json_put_given(struct json_writer *w, const char *key, const char *text);
void json_put_i64(struct json_writer *w, const char *key, int64_t number);
void json_put_u64(struct json_writer *w, const char *key, uint64_t number);
void json_put_bool(struct json_writer *w, const char *key, bool value);
void json_put_null(struct json_writer *w, const char *key);

static inline void json_freep(struct json **document)
{
        json_free(*document);
}

#endif
