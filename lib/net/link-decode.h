/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LINK_DECODE_H
#define NET_LINK_DECODE_H

/*
 * What the kernel says about an interface, as a value: apart, so that answers about devices which
 * a test machine cannot have can be tried.
 */

#include <linux/netlink.h>

#include "net/link.h"

/* Takes an RTM_NEWLINK; -EBADMSG for anything else. */
int link_decode(struct nlmsghdr *message, struct link *ret);

#endif
