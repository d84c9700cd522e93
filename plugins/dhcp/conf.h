/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_CONF_H
#define DHCP_CONF_H

/*
 * The configuration of one call, typed and checked: which daemon, and how the client shall behave.
 */

#include "core/cni.h"
#include "profile.h"

#define CONF_SOCKET "/run/cni/dhcp.sock"

struct conf {
        char *socket;           /* ipam.daemonSocketPath; owned; absolute */
        struct profile profile; /* ADD and STATUS alone */
};

void conf_done(struct conf *conf);

/* Reads only the socket: for DEL, CHECK and GC. */
int conf_read_socket(const struct cni_call *call, struct conf *ret, struct err *err);

/* Reads everything, for ADD and STATUS. Unknown values are errors that name the key; errors about
 * `provide` and `request` have upstream's texts. */
int conf_read(const struct cni_call *call, struct conf *ret, struct err *err);

/* A path as it is, or behind the working directory when it is relative. */
int conf_make_absolute(const char *path, char **ret, struct err *err);

#endif
