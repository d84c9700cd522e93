/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_CLOSING_H
#define DHCP_CLOSING_H

/*
 * Closing packet sockets aside. The kernel makes whoever closes one wait for a grace period of RCU
 * (packet_release()), which is many times longer than a whole ADD: the daemon's thread must not.
 * Threads do nothing but that, and end when there is nothing left to close. They begin a while
 * later, with all that has come meanwhile: after a burst of ADDs, and not in it.
 */

#include "loop/loop.h"

/* Takes the descriptor over; -1 is nothing. Without memory or threads it is closed at once. There
 * is one loop. */
void closing_add(int fd, struct loop *loop);

#endif
