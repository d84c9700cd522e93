/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_NODEFILES_H
#define WHEREABOUTS_NODEFILES_H

/*
 * The plugin's way to the cluster, as a process of the node service goes it: the same flat file,
 * kubeconfig and records as the plugin's, so that it is of the same group. In a container the files
 * lie below another path than on the node.
 */

#include "conf.h"
#include "group.h"
#include "k8s.h"

struct nodefiles {
        const char *flat_file, *kubeconfig_file; /* paths as seen from here; borrowed */
        struct trust trust;
        struct conf_node node; /* its paths are the node's, as they get into records */
        struct kubeconfig kubeconfig;
        struct k8s *k8s; /* NULL until it is needed; gone when the credentials have changed */
        int records;
};

int nodefiles_open(const char *flat_file, const char *kubeconfig_file, struct nodefiles *ret,
                   struct err *err);
void nodefiles_done(struct nodefiles *files);

/* Outcomes > 0. */
enum {
        NODEFILES_MOVED = 1, /* the group is another one now */
};

/* Reads flat file and credentials again. On failure those from before stay. */
int nodefiles_refresh(struct nodefiles *files, struct err *err);

/* What a group needs; borrows. Makes `k8s` if there is none and `connect`. */
int nodefiles_group(struct nodefiles *files, bool connect, struct group *ret, struct err *err);

/* Drops the connection. */
void nodefiles_disconnect(struct nodefiles *files);

#endif
