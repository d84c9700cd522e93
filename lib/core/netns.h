/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_NETNS_H
#define CORE_NETNS_H

/*
 * Network namespaces by path: open, enter, leave, compare.
 */

#include <stdbool.h>

#include "core/err.h"

/* Opens a namespace file such as /run/netns/x. A path that is no namespace is CNI_ERR_NETNS. */
int netns_open(const char *path, int *ret_fd, struct err *err);

/* Whether the path leads to the namespace of the calling thread. A path that cannot be looked at
 * counts as another one. An error only when our own cannot be looked at. */
int netns_is_own(const char *path, bool *ret_own, struct err *err);

/* Moves the calling thread into the namespace; *ret_previous is the way back for netns_leave(). */
int netns_enter(int fd, int *ret_previous, struct err *err);

/* Moves back and closes the descriptor that netns_enter() gave. */
int netns_leave(int previous, struct err *err);

#endif
