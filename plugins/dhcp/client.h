/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_CLIENT_H
#define DHCP_CLIENT_H

/*
 * The plugin's end of the daemon's socket: one request, one reply, never an unbounded wait.
 */

#include "core/trust.h"
#include "rpc.h"

/* The error of a daemon that refuses. Only that is one of its own words. */
#define CLIENT_REFUSED (-EREMOTEIO)

/* Outcomes > 0. */
enum {
        CLIENT_ABSENT = 1, /* nobody listens, nobody answered in time, or it is no daemon of ours;
                            * `err` is filled as for a failure (CNI_ERR_TRY_LATER). DEL leaves its
                            * mark then. */
};

/* Asks the daemon behind `socket`, which must pass the trust walk and belong to uid 0 or our own
 * (SO_PEERCRED) before anything is sent. netns_fd: a copy is handed over; -1: none. `connect_ms`
 * bounds connecting and the hello, `reply_ms` the reply. A reply that is an error fills `err` and
 * is returned as CLIENT_REFUSED. The reply of an ADD is confirmed before it is returned. */
int client_ask(const struct trust *trust, const char *socket, const struct rpc_request *request,
               int netns_fd, int64_t connect_ms, int64_t reply_ms, struct rpc_reply *ret,
               struct err *err);

/* The list of a network's leases ("": all) as the daemon's document. */
int client_list(const struct trust *trust, const char *socket, const char *network, char **ret,
                struct err *err);

/* Gives a lease back, within 5 s; success when there is none. `netns`: the path, NULL or "" when it
 * is not known. */
int client_release(const struct trust *trust, const char *socket, const struct key *key,
                   const char *netns, int netns_fd, struct err *err);

#endif
