/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_RPC_H
#define DHCP_RPC_H

/*
 * What the plugin and the daemon say to each other, as values and as bytes. Pure.
 *
 * A frame is "cni-ipam 1 LENGTH\n" and LENGTH bytes of JSON; the first byte carries the descriptor
 * of the namespace, if there is one. The daemon says "hello\n", then the frame of its reply, and
 * closes. The hello does not wait for the rest of a request, and not long for the reply. One
 * request per connection. The newline comes early because a Go daemon says nothing before it has
 * seen one. The plugin confirms the reply of an ADD with "done\n" before it prints anything: a
 * daemon that sees the connection end without takes the lease back, because nobody knows of it.
 */

#include "grant.h"
#include "profile.h"

#define RPC_HELLO       "hello\n"
#define RPC_DONE        "done\n"
#define RPC_REQUEST_MAX (1024U * 1024U)
#define RPC_REPLY_MAX   (64U * 1024U * 1024U)
#define RPC_HEAD_MAX    24 /* of the first line, with its newline */

enum rpc_op {
        RPC_ADD,
        RPC_CHECK,
        RPC_DEL,
        RPC_STATUS, /* is there a daemon that works: empty reply */
        RPC_LIST,   /* reply: `document` */
        RPC_INFO,   /* the daemon itself: `document` */
};

struct rpc_request {
        enum rpc_op op;
        struct key key;         /* ADD, CHECK, DEL; LIST: network alone, "" for all */
        char *netns;            /* path, absolute; owned; may be "" */
        struct profile profile; /* ADD */
        int64_t timeout_ms;     /* ADD: after this the plugin gives up; 0: the daemon's */
};

void rpc_request_done(struct rpc_request *request);

/* An error (code, msg, details as the plugin prints them), or what was asked for. */
struct rpc_reply {
        int code;            /* 0: no error */
        char *msg, *details; /* owned; with an error */
        struct grant grant;  /* ADD, CHECK */
        char *document;      /* LIST, INFO: JSON as it is printed; owned */
};

void rpc_reply_done(struct rpc_reply *reply);

/* Whole frames, first line included. What rpc_decode_request() would refuse is not encoded either:
 * CNI_ERR_INTERNAL, also for a frame that would be too long. */
int rpc_encode_request(const struct rpc_request *request, struct buf *buf, struct err *err);
int rpc_encode_reply(const struct rpc_reply *reply, struct buf *buf, struct err *err);

/* Outcomes > 0. */
enum {
        RPC_MORE = 1, /* more bytes are needed */
        RPC_HTTP,     /* a Go client ("CONNECT ...") or daemon ("HTTP/1...") at the other end */
};

/* Looks at the first line. 0: *ret_head bytes of it, *ret_len bytes follow. An error for anything
 * that is no frame, or longer than max. */
int rpc_head(const char *bytes, size_t len, size_t max, size_t *ret_head, size_t *ret_len,
             struct err *err);

/* The JSON behind the first line. Everything is checked: whoever may connect may send anything. An
 * operation has the members that it needs: a key of three valid names (ADD, CHECK, DEL), a profile
 * (ADD). After a request all texts are there, if only as "". */
int rpc_decode_request(const char *text, size_t len, struct rpc_request *ret, struct err *err);
int rpc_decode_reply(const char *text, size_t len, struct rpc_reply *ret, struct err *err);

#endif
