/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_SERVE_H
#define DHCP_SERVE_H

/*
 * The daemon's end of its socket: listening, who may speak, frames in and out. One request per
 * connection. It knows nothing of leases.
 */

#include "loop/loop.h"
#include "rpc.h"

#define SERVE_CONNECTIONS_MAX 4096
#define SERVE_REQUEST_MS      5000 /* for a request to arrive, and for a reply to be taken */

struct serve;

/* A request that waits for its reply. */
struct serve_call {
        struct rpc_request *request; /* until the call ends; the handler may take parts of it */
        int netns_fd;                /* what came with it, or -1; TAKE_FD() it to keep it */
        void *user;                  /* the handler's */
};

struct serve_handler {
        /* A request is there. serve_reply() or serve_refuse() is called once, inside or later. */
        void (*request)(void *user, struct serve_call *call);
        /* The end of a call: `done` when the plugin has taken the reply (for ADD: when it said so
         * with RPC_DONE, unless the reply was an error), else it hung up before, or took too long.
         * The call is gone afterwards. Never called from inside serve_reply(). */
        void (*ended)(void *user, struct serve_call *call, bool done);
};

/* Makes the socket, in a directory that is made (0700; with a group 0711) if need be. One that
 * nobody listens on is replaced; a living one is an error ("already running"). It is bound under a
 * temporary name and renamed, so that the path never leads to a socket without a listener. `gid`:
 * the group that may connect (0660), or 0 for root alone (0600). The caller holds the daemon's
 * lock. */
int serve_listen(const char *path, gid_t gid, int *ret_fd, struct err *err);

/* Serves a listening socket; takes it over. Peers (SO_PEERCRED, SO_PEERGROUPS) must be uid 0, our
 * own uid, or of `gid` if that is not 0; refused ones are logged with pid and uid. A Go client gets
 * "HTTP/1.0 426 ..." and a close; bytes that are no frame, a half request after SERVE_REQUEST_MS,
 * or a connect-and-close end the connection and nothing else. Beyond SERVE_CONNECTIONS_MAX
 * connections nobody is accepted until one is free. */
int serve_new(struct loop *loop, int listen_fd, gid_t gid, const struct serve_handler *handler,
              void *user, struct serve **ret, struct err *err);
/* Ends all calls (`ended` with done false, but for those that had their reply). */
void serve_free(struct serve *serve);
/* No new connections from now on. */
void serve_stop(struct serve *serve);

size_t serve_connections(const struct serve *serve);

/* Sends the reply; what cannot be written at once is written later. */
void serve_reply(struct serve_call *call, const struct rpc_reply *reply);
/* The same with an error alone. A call that has its reply already but has not confirmed it ends, so
 * that the plugin fails. */
void serve_refuse(struct serve_call *call, const struct err *err);

#endif
