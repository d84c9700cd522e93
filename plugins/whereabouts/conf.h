/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_CONF_H
#define WHEREABOUTS_CONF_H

/*
 * The configuration of one call: the `ipam` object of standard input over the node's flat file,
 * typed and checked. Right of here nothing is untrusted text.
 *
 * Two hands write it. A tenant writes the NetworkAttachmentDefinition, the administrator of the
 * node the flat file. What could harm the node counts in the flat file only.
 */

#include "core/cni.h"
#include "core/trust.h"
#include "request.h"

/* Where flat files are looked for when configuration_path names none; the first that exists. */
extern const char *const conf_paths[];
extern const size_t conf_path_count;

/* leader_lease_duration when nobody gives one. */
#define CONF_LEASE_DURATION_MS 1500

enum conf_locking {
        LOCKING_LEASE,
        LOCKING_OPTIMISTIC,
};

enum conf_log_level {
        CONF_LOG_UNSET, /* none is given, or one that is unknown */
        CONF_LOG_DEBUG,
        CONF_LOG_VERBOSE,
        CONF_LOG_ERROR,
        CONF_LOG_PANIC,
};

/* What belongs to the node, whatever the network. */
struct conf_node {
        char *flat_file;           /* the path that was read */
        char *kubeconfig;          /* path */
        enum conf_locking locking; /* this and the timings: of the flat file alone */
        int64_t lease_duration_ms, renew_deadline_ms, retry_period_ms;
        char *log_file;           /* NULL: none; already checked against the rule for tenants */
        bool log_file_is_tenants; /* a tenant's text below /var/log: no symlink there counts */
        bool log_file_is_ignored; /* a tenant gave one elsewhere; the flat file's is in its place */
        enum conf_log_level log_level;
};

struct conf {
        struct conf_node node;
        struct request request;             /* all but its deadline */
        struct ip gateway;                  /* of every address from a range; unset: none */
        struct result_ip *static_addresses; /* owned: `addresses`, then IP= of CNI_ARGS */
        size_t static_count;
        struct route_list routes;
        struct dns dns;
        bool strict_status;
};

void conf_done(struct conf *conf);
void conf_node_done(struct conf_node *node);

/* How much of the configuration must be right. */
enum conf_use {
        CONF_ADD,     /* everything, and a pod's name */
        CONF_RELEASE, /* DEL, CHECK, GC: what names objects; excludes, routes and such are not read,
                       * and what can name no object (an impossible network_name, a node without a
                       * name) gives a request without ranges */
        CONF_STATUS,  /* everything that does not belong to an attachment */
};

/* Reads the call's configuration. Errors are CNI_ERR_INTERNAL (999) where the program that this one
 * replaces has it, with its texts, and the place in the configuration as details. */
int conf_read(const struct cni_call *call, enum conf_use use, const struct trust *trust,
              struct conf *ret, struct err *err);

/* Reads only the flat file, for sub-commands; `path` NULL: searched for. It must name a kubeconfig.
 */
int conf_read_node(const char *path, const struct trust *trust, struct conf_node *ret,
                   struct err *err);

/* The pure part of conf_read(), with the flat file's document as it was parsed: all but the node's
 * name, which stays NULL. */
int conf_compose(const struct cni_call *call, enum conf_use use, const char *flat_path,
                 const struct json *flat, struct conf *ret, struct err *err);

#endif
