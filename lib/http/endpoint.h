/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_ENDPOINT_H
#define HTTP_ENDPOINT_H

/*
 * The server side of a few pages for probes and for Prometheus: GET (or HEAD) of a fixed path, one
 * request per connection. It runs in a loop and never blocks it; what a page says is composed in
 * memory when it is asked for.
 *
 * It listens where only this machine can ask: a unix socket, or an address of the loopback
 * interface.
 */

#include <stdbool.h>

#include "core/buf.h"
#include "loop/loop.h"

#define ENDPOINT_CONNECTIONS_MAX 32U   /* the next ones wait in the kernel */
#define ENDPOINT_REQUEST_MAX     8192U /* bytes of request line and header */
#define ENDPOINT_BODY_MAX        (1024U * 1024U)
#define ENDPOINT_TIME_MS         5000 /* for a connection, from its first to last byte */

/* One page. */
struct endpoint_page {
        const char *path; /* "/metrics"; a query behind it in the request is passed over */
        const char *type; /* Content-Type */
        /* Appends the text. Returns the status: 200, or 503 for what is not as it should be. */
        int (*compose)(void *user, struct buf *body);
};

#define ENDPOINT_TEXT    "text/plain; charset=utf-8"
#define ENDPOINT_METRICS "text/plain; version=0.0.4; charset=utf-8" /* Prometheus' text format */

struct endpoint;

/* Whether `address` is one to listen at: "127.0.0.1:PORT", "[::1]:PORT" (any address of the
 * loopback interface, PORT 1 to 65535) or "unix:PATH" with an absolute path. CNI_ERR_CONFIG with a
 * text that names it otherwise. Pure. */
int endpoint_check(const char *address, struct err *err);

/* Listens. `pages` and `user` are borrowed until endpoint_free(). The directory of a unix socket is
 * made (0700) where it lacks, and a socket that nobody listens at any more is replaced; the new one
 * is for its owner alone (0600). */
int endpoint_new(struct loop *loop, const char *address, const struct endpoint_page *pages,
                 size_t count, void *user, struct endpoint **ret, struct err *err);

/* Cuts off who is connected, and removes the unix socket if it is still its own. NULL is fine. */
void endpoint_free(struct endpoint *endpoint);

/* What a request's header asks for; pure. Returns 200 with the page and whether it is a HEAD, or
 * the status of the refusal: 400, 404 or 405. */
int endpoint_choose(const char *header, size_t len, const struct endpoint_page *pages, size_t count,
                    const struct endpoint_page **ret, bool *ret_head);

static inline void endpoint_freep(struct endpoint **endpoint)
{
        endpoint_free(*endpoint);
}

#endif
