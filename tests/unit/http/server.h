/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_HTTP_SERVER_H
#define TESTS_HTTP_SERVER_H

/*
 * An HTTP/1.1 server on loopback, in threads of the test itself. It answers each path with the
 * bytes of a table, right or wrong, and counts what comes in. Whoever wants TLS puts it around the
 * connection by `wrap`.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "unit.h"

#define SERVER_CONNECTIONS_MAX 256
#define SERVER_REQUEST_MAX     65536

enum server_after {
        SERVER_KEEP,     /* the connection waits for the next request */
        SERVER_CLOSE,    /* it is closed behind the answer */
        SERVER_HOLD,     /* nothing more is said until the client goes away */
        SERVER_ECHO,     /* the answer is the request */
        SERVER_ONCE,     /* the second request of a connection is read, and no answer given */
        SERVER_TOGETHER, /* answered when `together` requests wait side by side */
};

struct server_page {
        const char *path; /* NULL: any */
        const char *answer;
        size_t len; /* 0: a C string */
        enum server_after after;
};

/* The way bytes go; plain sockets or TLS. Both return what read(2) and write(2) do. */
struct server_stream {
        int fd;
        void *tls;
};

struct server_wrap {
        bool (*open)(struct server_stream *stream, void *context);
        ssize_t (*read)(struct server_stream *stream, void *bytes, size_t len);
        ssize_t (*write)(struct server_stream *stream, const void *bytes, size_t len);
        void (*close)(struct server_stream *stream);
        void *context;
};

struct server {
        const struct server_page *pages;
        size_t page_count;
        const struct server_wrap *wrap; /* NULL: plain */
        unsigned together;

        int listener;
        unsigned port;
        pthread_t thread;
        pthread_t threads[SERVER_CONNECTIONS_MAX];
        _Atomic int fds[SERVER_CONNECTIONS_MAX];
        atomic_uint connections, requests;
        pthread_mutex_t mutex;
        pthread_cond_t changed;
        unsigned waiting;
        bool released;
        char last[SERVER_REQUEST_MAX + 1]; /* the last request that was complete */
};

struct server_connection {
        struct server *server;
        unsigned index;
};

static inline ssize_t server_read(const struct server *server, struct server_stream *stream,
                                  void *bytes, size_t len)
{
        return server->wrap ? server->wrap->read(stream, bytes, len) : read(stream->fd, bytes, len);
}

static inline bool server_write(const struct server *server, struct server_stream *stream,
                                const char *bytes, size_t len)
{
        while (len > 0) {
                ssize_t n = server->wrap ? server->wrap->write(stream, bytes, len)
                                         : send(stream->fd, bytes, len, MSG_NOSIGNAL);

                if (n <= 0)
                        return false;
                bytes += n;
                len -= (size_t)n;
        }
        return true;
}

/* The length of a request once its head is there; 0 before. */
static inline size_t server_request_len(const char *text)
{
        const char *end = strstr(text, "\r\n\r\n"),
                   *length = strcasestr(text, "\r\ncontent-length:");
        size_t body = 0;

        if (!end)
                return 0;
        if (length && length < end)
                for (length += 17; *length == ' ' || (*length >= '0' && *length <= '9'); length++)
                        body = *length == ' ' ? body : body * 10 + (size_t)(*length - '0');
        return (size_t)(end - text) + 4 + body;
}

/* Reads a whole request into a C string; false when the client goes away. */
static inline bool server_read_request(const struct server *server, struct server_stream *stream,
                                       char text[SERVER_REQUEST_MAX + 1])
{
        size_t len = 0, wanted = 0;

        while (wanted == 0 || len < wanted) {
                ssize_t n = server_read(server, stream, text + len, SERVER_REQUEST_MAX - len);

                if (n <= 0)
                        return false;
                len += (size_t)n;
                text[len] = '\0';
                wanted = server_request_len(text);
        }
        return true;
}

static inline const struct server_page *server_find_page(const struct server *server,
                                                         const char *request)
{
        const char *path = strchr(request, ' ');
        size_t len = path ? strcspn(path + 1, " ") : 0;

        for (size_t i = 0; path && i < server->page_count; i++) {
                const char *wanted = server->pages[i].path;

                if (!wanted || (strlen(wanted) == len && memcmp(wanted, path + 1, len) == 0))
                        return &server->pages[i];
        }
        return NULL;
}

/* Waits until enough requests are here at once. */
static inline void server_wait_together(struct server *server)
{
        struct timespec end;

        clock_gettime(CLOCK_REALTIME, &end);
        end.tv_sec += 20;
        pthread_mutex_lock(&server->mutex);
        server->waiting++;
        if (server->waiting >= server->together) {
                server->released = true;
                pthread_cond_broadcast(&server->changed);
        }
        while (!server->released)
                if (pthread_cond_timedwait(&server->changed, &server->mutex, &end) != 0)
                        break;
        server->waiting--;
        pthread_mutex_unlock(&server->mutex);
}

static inline bool server_echo(const struct server *server, struct server_stream *stream,
                               const char *request)
{
        char head[128];
        int len = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                           strlen(request));

        return server_write(server, stream, head, (size_t)len) &&
               server_write(server, stream, request, strlen(request));
}

/* Answers one request, the n-th of its connection. Returns whether the connection goes on. */
static inline bool server_answer(struct server *server, struct server_stream *stream,
                                 const char *request, unsigned n)
{
        const struct server_page *page = server_find_page(server, request);
        char rest[256];

        if (!page)
                return false;
        if (page->after == SERVER_ECHO)
                return server_echo(server, stream, request);
        if (page->after == SERVER_ONCE && n > 0)
                return false;
        if (page->after == SERVER_TOGETHER)
                server_wait_together(server);
        if (page->answer && !server_write(server, stream, page->answer,
                                          page->len > 0 ? page->len : strlen(page->answer)))
                return false;
        if (page->after == SERVER_HOLD)
                while (server_read(server, stream, rest, sizeof(rest)) > 0)
                        ;
        return page->after != SERVER_CLOSE && page->after != SERVER_HOLD;
}

static inline void *server_serve(void *context)
{
        struct server_connection *connection = context;
        struct server *server = connection->server;
        struct server_stream stream = { .fd = server->fds[connection->index] };
        char *request = malloc(SERVER_REQUEST_MAX + 1);
        bool open =
                request && (!server->wrap || server->wrap->open(&stream, server->wrap->context));

        for (unsigned n = 0; open && server_read_request(server, &stream, request); n++) {
                server->requests++;
                pthread_mutex_lock(&server->mutex);
                memcpy(server->last, request, strlen(request) + 1);
                pthread_mutex_unlock(&server->mutex);
                if (!server_answer(server, &stream, request, n))
                        break;
        }
        if (server->wrap)
                server->wrap->close(&stream);
        free(request);
        (void)shutdown(stream.fd, SHUT_RDWR); /* closed when the server stops */
        free(connection);
        return NULL;
}

static inline void *server_accept(void *context)
{
        struct server *server = context;

        for (;;) {
                int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
                struct server_connection *connection;
                unsigned index = server->connections;

                if (fd < 0)
                        return NULL;
                if (index == SERVER_CONNECTIONS_MAX)
                        abort();
                connection = malloc(sizeof(*connection));
                if (!connection)
                        abort();
                *connection = (struct server_connection){ server, index };
                server->fds[index] = fd;
                server->connections++; /* before its first answer */
                if (pthread_create(&server->threads[index], NULL, server_serve, connection) != 0)
                        abort();
        }
}

/* Listens on 127.0.0.1 or ::1. */
static inline void server_start_at(struct server *server, int family)
{
        struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        struct sockaddr_in four = { .sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t len = family == AF_INET ? sizeof(four) : sizeof(six);
        struct sockaddr *address =
                family == AF_INET ? (struct sockaddr *)&four : (struct sockaddr *)&six;

        (void)signal(SIGPIPE, SIG_IGN);
        server->connections = 0;
        server->requests = 0;
        server->waiting = 0;
        server->released = false;
        pthread_mutex_init(&server->mutex, NULL);
        pthread_cond_init(&server->changed, NULL);
        server->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_ge(server->listener, 0);
        ck_assert_int_eq(bind(server->listener, address, len), 0);
        ck_assert_int_eq(listen(server->listener, 128), 0);
        ck_assert_int_eq(getsockname(server->listener, address, &len), 0);
        server->port = ntohs(family == AF_INET ? four.sin_port : six.sin6_port);
        ck_assert_int_eq(pthread_create(&server->thread, NULL, server_accept, server), 0);
}

static inline void server_start(struct server *server)
{
        server_start_at(server, AF_INET);
}

/* Ends all threads. */
static inline void server_stop(struct server *server)
{
        (void)shutdown(server->listener, SHUT_RDWR); /* accept(2) returns */
        pthread_join(server->thread, NULL);
        close(server->listener);
        for (unsigned i = 0; i < server->connections; i++) {
                (void)shutdown(server->fds[i], SHUT_RDWR);
                pthread_join(server->threads[i], NULL);
                close(server->fds[i]);
        }
}

/* Whether the last request holds the text. */
static inline bool server_saw(struct server *server, const char *text)
{
        bool saw;

        pthread_mutex_lock(&server->mutex);
        saw = strcasestr(server->last, text) != NULL;
        pthread_mutex_unlock(&server->mutex);
        return saw;
}

#endif
