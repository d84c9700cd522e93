/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_PROBE_H
#define WHEREABOUTS_PROBE_H

/*
 * Whether this node has what the plugin needs: files, an API server that answers, permissions, the
 * kinds of objects, a free Lease; and what it still has to do.
 *
 * Permissions are found out by requests that do no harm: about an object that nobody has, and
 * writes as dry runs. They meet everything that a real one would meet.
 */

#include "conf.h"
#include "k8s.h"
#include "lease.h"
#include "record.h"

enum probe_answer {
        PROBE_UNKNOWN, /* the server was not asked, or gave no certain answer */
        PROBE_YES,
        PROBE_NO,
};

/* One permission. */
struct probe_right {
        enum k8s_resource resource;
        const char *verb; /* "get" */
        bool needed;      /* by the plugin itself, in this configuration */
        enum probe_answer allowed;
};

#define PROBE_RIGHTS    13
#define PROBE_RESOURCES 4

/* A kind of objects. */
struct probe_resource {
        const char *plural;
        bool needed;
        enum probe_answer exists;
};

/* An attachment that something has to be done about. */
struct probe_record {
        char *network, *container_id, *ifname, *podref; /* owned; podref may be NULL */
        bool adding, marked;
        const char *reason;
};

struct probe {
        struct conf_node node;
        struct kubeconfig kubeconfig;
        bool has_conf, has_kubeconfig, reachable;
        int64_t latency_ms; /* of one GET, once there is a connection */
        struct probe_right rights[PROBE_RIGHTS];
        struct probe_resource resources[PROBE_RESOURCES]; /* by enum k8s_resource */
        bool has_lease, lacks_lease;                      /* neither: it could not be read */
        struct lease lease;
        int64_t lease_age_ms; /* since it was renewed, by our clock; < 0: not known */
        size_t record_count;
        struct probe_record *records; /* owned: the unfinished ones */
        size_t unfinished;
        struct text_list problems; /* what is broken */
};

void probe_done(struct probe *probe);

/* A way that is given on the command line; NULL: none. */
struct probe_files {
        const char *conf, *kubeconfig;
};

/* The flat file and the kubeconfig. Without a flat file the kubeconfig that is named is enough. */
int probe_conf(const struct probe_files *files, const struct trust *trust, struct conf_node *ret,
               struct err *err);

/* Looks at everything. What is wrong is in `problems`; fails only for lack of memory. */
int probe_run(struct probe *probe, const struct probe_files *files, struct err *err);

#endif
