/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_FLAGS_H
#define DHCP_FLAGS_H

/*
 * The words behind `dhcp daemon`, in the spelling of Go's flag package: -name value, -name=value,
 * with one dash or two; durations such as 1m2s or 500ms. Pure, but for flags_group().
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"

/* Texts are borrowed from argv. */
struct flags {
        const char *pidfile;     /* "": none */
        const char *host_prefix; /* "": none */
        const char *socket_path; /* never "" */
        const char *group;       /* whose members may use the socket; "": root alone */
        bool broadcast, pin_netns;
        int64_t timeout_ms, resend_max_ms, resend_timeout_ms;
        uint64_t max_leases; /* of one network; never 0 */
        const char *rest;    /* the first word that is no flag: it and those behind it count for
                              * nothing, as upstream. NULL: none */
};

/* Outcomes > 0. */
enum {
        FLAGS_HELP = 1, /* -h, -help: the usage is wanted, exit status 0 */
        FLAGS_WRONG,    /* what is wrong is in `err`; usage, exit status 2 */
};

/* argv[0] is "daemon". */
int flags_parse(int argc, char **argv, struct flags *ret, struct err *err);

void flags_usage(struct buf *buf);

/* A Go duration ("1h2m3.5s", "0", "300ms") in ms, rounded down; at least 0. 0 or -EINVAL. */
int flags_duration(const char *text, int64_t *ret_ms);

/* The number of a group: of its name in /etc/group, else the text itself when it is a number. Group
 * 0 is what serve.h takes as "root alone". */
int flags_group(const char *name, gid_t *ret, struct err *err);

/* Looks the name up in the text of such a file. Returns 0 or -ENOENT. */
int flags_find_group(const char *text, const char *name, gid_t *ret);

#endif
