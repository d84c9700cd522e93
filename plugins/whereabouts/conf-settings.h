/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_CONF_SETTINGS_H
#define WHEREABOUTS_CONF_SETTINGS_H

/*
 * What stands in a document: the `ipam` object of standard input, or the flat file, which has the
 * same members. Types are checked, the values are as written. For conf.c alone. Pure.
 */

#include "conf.h"

/* `range` with what belongs to it, and an element of `ipRanges`. */
struct settings_range {
        char *range;          /* "" or NULL: none */
        struct ip start, end; /* unset: none */
        struct text_list excludes;
};

/* An element of `addresses`. */
struct settings_address {
        char *address;
        struct ip gateway;
};

/* A boolean of which it matters whether it is there. */
enum settings_switch {
        SWITCH_UNSET,
        SWITCH_OFF,
        SWITCH_ON,
};

/* Members whose place is told when their value turns out to make no sense. */
enum settings_member {
        MEMBER_RANGE = 1,
        MEMBER_EXCLUDE = 2,
        MEMBER_IP_RANGES = 4,
        MEMBER_GATEWAY = 8,
        MEMBER_ADDRESSES = 16,
        MEMBER_ROUTES = 32,
        MEMBER_NETWORK_NAME = 64,
};

struct settings {
        char *type, *network_name, *node_slice_size, *gateway, *configuration_path;
        struct settings_range single;
        struct settings_range *ranges; /* owned */
        size_t range_count;
        struct settings_address *addresses; /* owned */
        size_t address_count;
        struct route_list routes;
        struct dns dns;
        char *kubeconfig, *log_file, *log_level;
        bool overlap; /* true unless the document says false */
        enum settings_switch allocate_gateway, strict_status;
        /* Only of the flat file. 0: none. */
        char *locking;
        int64_t lease_duration_ms, renew_deadline_ms, retry_period_ms;

        unsigned filled; /* enum settings_member: what came from the flat file */
};

void settings_init(struct settings *settings);
void settings_done(struct settings *settings);

/* Reads the members of an object; for CONF_RELEASE only those that count there. */
int settings_decode(const struct json_at *at, enum conf_use use, struct settings *ret,
                    struct err *err);

/* Reads the members that only the flat file may have, behind settings_decode(). */
int settings_decode_node(const struct json_at *at, enum conf_use use, struct settings *ret,
                         struct err *err);

/* Fills what is empty from the flat file's: member by member, lists as a whole, dns by its parts.
 * log_file and what only the flat file may have stay apart. */
void settings_fill(struct settings *settings, struct settings *flat);

#endif
