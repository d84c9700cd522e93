/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_CAPS_H
#define DHCP_CAPS_H

/*
 * Gives up every privilege that the daemon does not need.
 */

#include "core/err.h"

/* Keeps NET_RAW, NET_ADMIN, SYS_ADMIN (setns), NET_BIND_SERVICE, NET_BROADCAST and SYS_PTRACE
 * (namespaces by /proc paths), as far as they are there; all others leave the bounding,
 * inheritable, permitted and effective sets, and none comes back through exec (no_new_privs). */
int caps_drop(struct err *err);

#endif
