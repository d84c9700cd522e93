/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_HTTP_H
#define HTTP_HTTP_H

/*
 * An HTTP client for one server: many requests side by side over one HTTP/2 connection, or over
 * kept-alive HTTP/1.1 connections where the server has nothing better. The only module that names
 * curl.
 *
 * It sends what it is given once (a GET perhaps again, when a kept connection turns out dead).
 * Whether a request may be sent again is the caller's to decide, and `sent` tells what he needs for
 * it: it is false only when nothing left the machine. The caller's process ignores SIGPIPE.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"

#define HTTP_IN_FLIGHT_MAX 32U

/* The server and how to speak to it. All texts are borrowed and only used by http_new(). PEM texts
 * are given in memory, so that who read them decides which files may be read. */
struct http_server {
        const char *url;         /* "https://host:port/prefix", without a slash at the end */
        const char *ca;          /* PEM; NULL: the system's bundle */
        const char *certificate; /* PEM of the client's certificate and chain; NULL: none */
        const char *key;         /* PEM */
        const char *server_name; /* verified and sent in place of the URL's host; NULL: the host */
        const char *proxy;       /* URL; NULL: what the environment says */
        const char *token;       /* sent as "Authorization: Bearer"; only over https; NULL: none */
        const char *user_agent;
        bool insecure;       /* the certificate is not verified */
        bool no_compression; /* do not ask for gzip */
};

struct http;

/* Makes a client; nothing is sent yet. A PEM text that is none is CNI_ERR_CONFIG. */
int http_new(const struct http_server *server, struct http **ret, struct err *err);
void http_free(struct http *http);

/* One request and what came back. What is sent is borrowed until http_run() has returned. */
struct http_request {
        const char *method; /* "GET" */
        const char *path;   /* behind the server's URL, with query */
        const char *accept, *content_type;
        const char *body; /* NULL: none */
        size_t body_len;

        int status;             /* of a complete answer; 0: there is none, and `err` says why */
        bool started;           /* its turn came before the deadline */
        bool sent;              /* part of the request may have reached the server */
        bool refused;           /* no answer, because no connection could be made: the server is
                                   away, not wrong */
        int64_t retry_after_ms; /* of the answer's Retry-After in seconds; -1: none */
        struct buf answer;      /* its ceiling is set by the caller */
        struct err err;         /* CNI_ERR_INTERNAL: why there is no answer */
};

/* Sends all of them, HTTP_IN_FLIGHT_MAX at a time, and returns when each has an answer or none can
 * come any more. deadline_ms and connect_ms are on the clock of clock_boot_ms(): the time when it
 * gives up, and the time when it gives up what has no connection yet; what has to wait for its turn
 * gets as much later. The results are in the requests; the function itself fails only for lack of
 * memory. */
int http_run(struct http *http, struct http_request *requests, size_t count, int64_t deadline_ms,
             int64_t connect_ms, struct err *err);

#endif
