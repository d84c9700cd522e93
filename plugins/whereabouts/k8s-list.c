/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server says in metadata.continue how to ask for the next page.
 */
#include "k8s-list.h"

#include <string.h>

#define PAGE      500U
#define QUERY_MAX 8192U
/* One that is forgotten more often is longer than it should be. */
#define BEGINNINGS_MAX 3

/* Outcome > 0. */
enum {
        FORGOTTEN = 1, /* the server does not know that list any more */
};

/* What a page says beside its items. */
struct page {
        char *next; /* owned; NULL or "": it was the last */
};

static const struct json_field metadata_fields[] = {
        { "continue", json_decode_string, offsetof(struct page, next), JSON_PLAIN },
};

static int decode_metadata(const struct json_at *at, void *dst, struct err *err)
{
        return json_object(at, metadata_fields, ARRAY_SIZE(metadata_fields), dst, err);
}

static int read_page(const struct k8s_request *get, char **next,
                     int (*each)(const struct json_at *at, void *dst, struct err *err), void *dst,
                     struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_at top = { 0 }, metadata, items;
        struct page page = { 0 };
        int r = json_parse(buf_text(&get->answer), get->answer.len, &document, err);

        top.value = document;
        if (r == 0 && json_member(&top, "metadata", &metadata) && !json_is_null(&metadata))
                r = decode_metadata(&metadata, &page, err);
        free(*next);
        *next = page.next;
        if (r == 0 && json_member(&top, "items", &items) && !json_is_null(&items))
                r = json_list(&items, each, dst, err);
        return r;
}

/* The token is base64 of the server's making; some of its characters mean something in a query. */
static void put_token(struct buf *query, const char *token)
{
        for (; *token; token++) {
                if (strchr("+/=&%#", *token))
                        buf_printf(query, "%%%02X", (unsigned)(unsigned char)*token);
                else
                        buf_putc(query, *token);
        }
}

static int ask(struct k8s *k8s, const struct k8s_list *list, const char *next,
               const struct k8s_limits *limits, struct k8s_request *get, struct err *err)
{
        _cleanup_(buf_done) struct buf query;
        int r;

        buf_init(&query, QUERY_MAX);
        buf_printf(&query, "limit=%u", PAGE);
        if (list->selector)
                buf_printf(&query, "&fieldSelector=%s", list->selector);
        if (next && *next) {
                buf_puts(&query, "&continue=");
                put_token(&query, next);
        } else if (list->cached) {
                buf_puts(&query, "&resourceVersion=0");
        }
        r = buf_check(&query, err);
        if (r < 0)
                return r;
        get->query = buf_text(&query);
        get->everywhere = list->everywhere;
        get->brief = list->brief;
        r = k8s_run_one(k8s, get, limits, err);
        get->query = NULL;
        if (r < 0)
                return r;
        if (get->end == K8S_REFUSED && get->status == 410)
                return FORGOTTEN;
        return get->end == K8S_DONE ? 0 : k8s_error(get, err);
}

int k8s_list_each(struct k8s *k8s, const struct k8s_list *list, const struct k8s_limits *limits,
                  int (*each)(const struct json_at *at, void *dst, struct err *err), void *dst,
                  struct err *err)
{
        _cleanup_(freep) char *next = NULL;
        int beginnings = 1, r;

        do {
                _cleanup_(k8s_request_done) struct k8s_request get;

                k8s_request_init(&get, K8S_GET, list->resource, NULL);
                r = ask(k8s, list, next, limits, &get, err);
                if (r == FORGOTTEN) {
                        if (beginnings++ == BEGINNINGS_MAX)
                                return k8s_error(&get, err);
                        free(TAKE_PTR(next));
                        continue;
                }
                if (r == 0)
                        r = read_page(&get, &next, each, dst, err);
        } while (r == FORGOTTEN || (r == 0 && next && *next));
        return r;
}
