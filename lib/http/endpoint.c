/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Written here although there are libraries for it: what a probe asks fits into one request line,
 * and a server that may be put in front of anybody (threads, keep-alive, TLS, bodies, chunks) would
 * be the largest part of the executable that uses it.
 *
 * A connection goes one way: the header arrives, the answer is written, and what the client still
 * sends is thrown away until it closes (closing first would cost it the answer, where something of
 * it is unread). One timer bounds all of that, and a fixed number of connections all of them.
 */
#include "http/endpoint.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/fs.h"
#include "core/ip.h"

#define BACKLOG         64
#define LISTEN_AGAIN_MS 1000 /* after accept() failed: descriptors or memory ran out */
#define HEAD_MAX        512  /* of an answer */

enum phase {
        PHASE_REQUEST,
        PHASE_ANSWER,
        PHASE_DRAIN,
};

struct connection {
        struct loop_source source;
        struct loop_timer timer;
        struct endpoint *endpoint;
        struct connection *previous, *next;
        int fd; /* owned */
        enum phase phase;
        struct buf in, out;
        size_t sent; /* of `out` */
};

struct endpoint {
        struct loop *loop; /* borrowed */
        const struct endpoint_page *pages;
        size_t page_count;
        void *user;
        int fd;     /* owned */
        char *path; /* of a unix socket; owned */
        dev_t device;
        ino_t inode; /* of the path: another one may stand there by the end */
        struct loop_source listener;
        struct loop_timer again; /* to listen again */
        struct connection *first;
        size_t count;
};

/* ---- the address ---- */

struct place {
        union {
                struct sockaddr any;
                struct sockaddr_in v4;
                struct sockaddr_in6 v6;
                struct sockaddr_un unix_socket;
        } address;
        socklen_t len;
};

static int bad_address(const char *address, struct err *err)
{
        return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                        "listen on '%s': neither unix:/PATH nor a loopback address and a port, "
                        "such as 127.0.0.1:9099",
                        address);
}

static int parse_unix(const char *address, const char *path, struct place *ret, struct err *err)
{
        struct sockaddr_un *un = &ret->address.unix_socket;

        if (*path != '/')
                return bad_address(address, err);
        if (strlen(path) >= sizeof(un->sun_path))
                return err_set(err, -ENAMETOOLONG, CNI_ERR_CONFIG, "listen on '%s'", address);
        un->sun_family = AF_UNIX;
        (void)snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
        ret->len = sizeof(*un);
        return 0;
}

static bool is_loopback(const struct ip *ip)
{
        static const struct ip loopback6 = { .family = IP_V6, .bytes = { [15] = 1 } };

        return ip->family == IP_V4 ? ip->bytes[0] == 127 : ip_equal(ip, &loopback6);
}

/* "HOST:PORT", with an IPv6 host in brackets. */
static int parse_inet(const char *address, struct place *ret, struct err *err)
{
        const char *colon = strrchr(address, ':');
        bool bracket = *address == '[';
        char host[IP_TEXT_MAX];
        struct ip ip;
        uint64_t port;
        size_t len;

        if (!colon || parse_u64(colon + 1, strlen(colon + 1), UINT16_MAX, &port) < 0 || port == 0)
                return bad_address(address, err);
        len = (size_t)(colon - address);
        if (bracket && (len < 2 || colon[-1] != ']'))
                return bad_address(address, err);
        len -= bracket ? 2 : 0;
        if (len >= sizeof(host))
                return bad_address(address, err);
        memcpy(host, address + bracket, len);
        host[len] = '\0';
        if (ip_parse(host, &ip) < 0 || bracket != (strchr(host, ':') != NULL) || !is_loopback(&ip))
                return bad_address(address, err);
        if (ip.family == IP_V4) {
                ret->address.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
                                                        .sin_port = htons((uint16_t)port) };
                memcpy(&ret->address.v4.sin_addr, ip.bytes, 4);
                ret->len = sizeof(ret->address.v4);
        } else {
                ret->address.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
                                                         .sin6_port = htons((uint16_t)port) };
                memcpy(&ret->address.v6.sin6_addr, ip.bytes, 16);
                ret->len = sizeof(ret->address.v6);
        }
        return 0;
}

static int parse_address(const char *address, struct place *ret, struct err *err)
{
        *ret = (struct place){ 0 };
        return strncmp(address, "unix:", 5) == 0 ? parse_unix(address, address + 5, ret, err)
                                                 : parse_inet(address, ret, err);
}

int endpoint_check(const char *address, struct err *err)
{
        struct place ignored;

        return parse_address(address, &ignored, err);
}

/* ---- what is asked for ---- */

static bool is_text(const char *bytes, size_t len, const char *text)
{
        return len == strlen(text) && memcmp(bytes, text, len) == 0;
}

int endpoint_choose(const char *header, size_t len, const struct endpoint_page *pages, size_t count,
                    const struct endpoint_page **ret, bool *ret_head)
{
        const char *end = memchr(header, '\n', len), *target, *version;
        size_t method_len, target_len;
        const char *query;

        if (!end)
                return 400;
        end -= end > header && end[-1] == '\r';
        target = memchr(header, ' ', (size_t)(end - header));
        version = target ? memchr(target + 1, ' ', (size_t)(end - target - 1)) : NULL;
        if (!version || (!is_text(version + 1, (size_t)(end - version - 1), "HTTP/1.1") &&
                         !is_text(version + 1, (size_t)(end - version - 1), "HTTP/1.0")))
                return 400;
        method_len = (size_t)(target - header);
        target++;
        query = memchr(target, '?', (size_t)(version - target));
        target_len = (size_t)((query ? query : version) - target);
        if (!is_text(header, method_len, "GET") && !is_text(header, method_len, "HEAD"))
                return 405;
        for (size_t i = 0; i < count; i++)
                if (is_text(target, target_len, pages[i].path)) {
                        *ret = &pages[i];
                        *ret_head = *header == 'H';
                        return 200;
                }
        return 404;
}

/* ---- one connection ---- */

static void listen_again(struct endpoint *endpoint);

static void end(struct connection *c)
{
        struct endpoint *endpoint = c->endpoint;

        loop_unwatch(endpoint->loop, &c->source);
        loop_cancel_timer(endpoint->loop, &c->timer);
        if (c->previous)
                c->previous->next = c->next;
        else
                endpoint->first = c->next;
        if (c->next)
                c->next->previous = c->previous;
        endpoint->count--;
        closep(&c->fd);
        buf_done(&c->in);
        buf_done(&c->out);
        free(c);
}

static void end_and_listen(struct connection *c)
{
        struct endpoint *endpoint = c->endpoint;

        end(c);
        listen_again(endpoint);
}

static const char *reason(int status)
{
        static const struct {
                int status;
                const char *text;
        } reasons[] = {
                { 200, "OK" },
                { 400, "Bad Request" },
                { 404, "Not Found" },
                { 405, "Method Not Allowed" },
                { 431, "Request Header Fields Too Large" },
                { 503, "Service Unavailable" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
                if (reasons[i].status == status)
                        return reasons[i].text;
        return "Internal Server Error";
}

/* Composes the whole answer. */
static void compose(struct connection *c, int status)
{
        const struct endpoint *endpoint = c->endpoint;
        const struct endpoint_page *page = NULL;
        _cleanup_(buf_done) struct buf body;
        struct err ignored;
        bool head = false;

        buf_init(&body, ENDPOINT_BODY_MAX);
        if (status == 200)
                status = endpoint_choose(c->in.text, c->in.len, endpoint->pages,
                                         endpoint->page_count, &page, &head);
        if (page)
                status = page->compose(endpoint->user, &body);
        else
                buf_printf(&body, "%s\n", reason(status));
        if (buf_check(&body, &ignored) < 0) {
                buf_done(&body);
                status = 500;
        }
        buf_printf(&c->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n", status,
                   reason(status), page ? page->type : ENDPOINT_TEXT, body.len);
        if (status == 405)
                buf_puts(&c->out, "Allow: GET, HEAD\r\n");
        buf_puts(&c->out, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
        if (!head)
                buf_append(&c->out, buf_text(&body), body.len);
}

/* Writes what the connection takes now. Returns false when the connection has ended. */
static bool flush(struct connection *c)
{
        struct err ignored;

        while (c->sent < c->out.len) {
                ssize_t n = send(c->fd, c->out.text + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

                if (n >= 0)
                        c->sent += (size_t)n;
                else if (errno == EAGAIN)
                        return loop_watch(c->endpoint->loop, &c->source, c->fd, EPOLLOUT,
                                          &ignored) == 0;
                else if (errno != EINTR)
                        return false;
        }
        c->phase = PHASE_DRAIN;
        return shutdown(c->fd, SHUT_WR) == 0 &&
               loop_watch(c->endpoint->loop, &c->source, c->fd, EPOLLIN, &ignored) == 0;
}

static bool answer(struct connection *c, int status)
{
        struct err ignored;

        compose(c, status);
        c->phase = PHASE_ANSWER;
        return buf_check(&c->out, &ignored) == 0 && flush(c);
}

/* Whether the header is complete: there is an empty line. */
static bool is_complete(const struct buf *in)
{
        return memmem(in->text, in->len, "\r\n\r\n", 4) || memmem(in->text, in->len, "\n\n", 2);
}

static bool receive(struct connection *c)
{
        char block[2048];
        ssize_t n = recv(c->fd, block, sizeof(block), 0);
        struct err ignored;

        if (n < 0)
                return errno == EAGAIN || errno == EINTR;
        if (n == 0)
                return false;
        if (c->phase == PHASE_DRAIN)
                return true;
        buf_append(&c->in, block, (size_t)n);
        if (buf_check(&c->in, &ignored) < 0)
                return answer(c, 431);
        return is_complete(&c->in) ? answer(c, 200) : true;
}

static void connection_ready(struct loop_source *source, _unused_ uint32_t events,
                             _unused_ int64_t now_ms)
{
        struct connection *c = CONTAINER_OF(source, struct connection, source);

        if (!(c->phase == PHASE_ANSWER ? flush(c) : receive(c)))
                end_and_listen(c);
}

static void connection_due(struct loop_timer *timer, _unused_ int64_t now_ms)
{
        end_and_listen(CONTAINER_OF(timer, struct connection, timer));
}

/* ---- all connections ---- */

static void begin(struct endpoint *endpoint, int connection)
{
        struct connection *c = calloc(1, sizeof(*c));
        struct err ignored;

        if (!c) {
                closep(&connection);
                return;
        }
        *c = (struct connection){ .source.ready = connection_ready,
                                  .timer.due = connection_due,
                                  .endpoint = endpoint,
                                  .next = endpoint->first,
                                  .fd = connection };
        buf_init(&c->in, ENDPOINT_REQUEST_MAX);
        buf_init(&c->out, ENDPOINT_BODY_MAX + HEAD_MAX);
        if (c->next)
                c->next->previous = c;
        endpoint->first = c;
        endpoint->count++;
        if (loop_set_timer(endpoint->loop, &c->timer,
                           loop_now_ms(endpoint->loop) + ENDPOINT_TIME_MS, &ignored) < 0 ||
            loop_watch(endpoint->loop, &c->source, c->fd, EPOLLIN, &ignored) < 0)
                end(c);
}

static void listener_ready(struct loop_source *source, _unused_ uint32_t events, int64_t now_ms)
{
        struct endpoint *endpoint = CONTAINER_OF(source, struct endpoint, listener);
        struct err ignored;
        int fd = -1;

        while (endpoint->count < ENDPOINT_CONNECTIONS_MAX &&
               (fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
                begin(endpoint, fd);
        if (endpoint->count >= ENDPOINT_CONNECTIONS_MAX) {
                loop_unwatch(endpoint->loop, source);
        } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
                loop_unwatch(endpoint->loop, source);
                (void)loop_set_timer(endpoint->loop, &endpoint->again, now_ms + LISTEN_AGAIN_MS,
                                     &ignored);
        }
}

static void listen_again(struct endpoint *endpoint)
{
        struct err ignored;

        if (endpoint->listener.events == 0 &&
            loop_watch(endpoint->loop, &endpoint->listener, endpoint->fd, EPOLLIN, &ignored) < 0)
                (void)loop_set_timer(endpoint->loop, &endpoint->again,
                                     loop_now_ms(endpoint->loop) + LISTEN_AGAIN_MS, &ignored);
}

static void again_due(struct loop_timer *timer, _unused_ int64_t now_ms)
{
        listen_again(CONTAINER_OF(timer, struct endpoint, again));
}

/* ---- listening ---- */

/* Makes room for a unix socket, unless somebody listens there. */
static int clear_path(const struct place *place, struct err *err)
{
        const char *path = place->address.unix_socket.sun_path;
        _cleanup_(freep) char *dir = strdup(path);
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int r = 0;

        if (!dir)
                return err_oom(err);
        *strrchr(dir, '/') = '\0';
        if (*dir)
                r = fs_make_directories(dir, 0700, err);
        if (r < 0)
                return r;
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : err_set(err, -errno, CNI_ERR_IO, "look at '%s'", path);
        if (!S_ISSOCK(st.st_mode))
                return err_text(err, -EEXIST, CNI_ERR_IO, "listen on '%s': it is no socket", path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "make a socket");
        if (connect(fd, &place->address.any, place->len) == 0 || errno == EAGAIN)
                return err_set(err, -EADDRINUSE, CNI_ERR_IO, "listen on '%s'", path);
        if (unlink(path) < 0 && errno != ENOENT)
                return err_set(err, -errno, CNI_ERR_IO, "remove '%s'", path);
        return 0;
}

static int listen_at(struct endpoint *endpoint, const struct place *place, const char *address,
                     struct err *err)
{
        int family = place->address.any.sa_family;
        const int one = 1;
        struct stat st;

        endpoint->fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (endpoint->fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "make a socket");
        /* Connections of a service before us may still be on their way out. */
        if (family != AF_UNIX)
                (void)setsockopt(endpoint->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(endpoint->fd, &place->address.any, place->len) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "listen on '%s'", address);
        if (family == AF_UNIX) {
                endpoint->path = strdup(place->address.unix_socket.sun_path);
                if (!endpoint->path)
                        return err_oom(err);
                if (chmod(endpoint->path, 0600) < 0 || stat(endpoint->path, &st) < 0)
                        return err_set(err, -errno, CNI_ERR_IO, "change the mode of '%s'",
                                       endpoint->path);
                endpoint->device = st.st_dev;
                endpoint->inode = st.st_ino;
        }
        if (listen(endpoint->fd, BACKLOG) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "listen on '%s'", address);
        return loop_watch(endpoint->loop, &endpoint->listener, endpoint->fd, EPOLLIN, err);
}

int endpoint_new(struct loop *loop, const char *address, const struct endpoint_page *pages,
                 size_t count, void *user, struct endpoint **ret, struct err *err)
{
        _cleanup_(endpoint_freep) struct endpoint *endpoint = NULL;
        struct place place;
        int r = parse_address(address, &place, err);

        if (r == 0 && place.address.any.sa_family == AF_UNIX)
                r = clear_path(&place, err);
        if (r < 0)
                return r;
        endpoint = calloc(1, sizeof(*endpoint));
        if (!endpoint)
                return err_oom(err);
        *endpoint = (struct endpoint){ .loop = loop,
                                       .pages = pages,
                                       .page_count = count,
                                       .user = user,
                                       .fd = -1,
                                       .listener.ready = listener_ready,
                                       .again.due = again_due };
        r = listen_at(endpoint, &place, address, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(endpoint);
        return 0;
}

void endpoint_free(struct endpoint *endpoint)
{
        struct stat st;

        if (!endpoint)
                return;
        while (endpoint->first)
                end(endpoint->first);
        loop_cancel_timer(endpoint->loop, &endpoint->again);
        loop_unwatch(endpoint->loop, &endpoint->listener);
        if (endpoint->path && stat(endpoint->path, &st) == 0 && st.st_dev == endpoint->device &&
            st.st_ino == endpoint->inode)
                (void)unlink(endpoint->path);
        closep(&endpoint->fd);
        free(endpoint->path);
        free(endpoint);
}
