/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_DAEMON_H
#define DHCP_DAEMON_H

/*
 * `dhcp daemon`: starts, serves the plugins and looks after all leases until SIGTERM or SIGINT.
 * Leases outlive it: they are on disk, and the next one goes on.
 */

/* argv[0] is "daemon". Returns the exit status: 0, 1 for a failure, 2 for wrong usage. */
int daemon_main(int argc, char **argv);

#endif
