/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOOP_SD_H
#define LOOP_SD_H

/*
 * What a service manager gives and wants: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).
 * Written here because it is one datagram and three variables, and libsystemd is not for static
 * executables.
 */

#include "core/err.h"

/* Outcome > 0. */
enum {
        SD_NONE = 1, /* no descriptor was handed over */
};

/* The one listening socket that was handed over (LISTEN_PID, LISTEN_FDS), made close-on-exec, or
 * SD_NONE. The variables are gone afterwards. More than one, or one that does not listen, is an
 * error with the texts of the program that we replace: `Too many (N) FDs passed through socket
 * activation`, `LISTEN_FDS=1 but no FD found`. */
int sd_listen_fd(int *ret_fd, struct err *err);

/* Sends a state such as "READY=1\nSTATUS=..." to NOTIFY_SOCKET (a path or "@abstract"). Does
 * nothing without one; a failure is told and changes nothing. */
int sd_notify(const char *state, struct err *err);

/* Half of the watchdog's time in ms (WATCHDOG_USEC, WATCHDOG_PID), how often to say "WATCHDOG=1";
 * 0 when nobody watches. */
unsigned sd_watchdog_ms(void);

#endif
