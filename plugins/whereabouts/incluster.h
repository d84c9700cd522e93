/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_INCLUSTER_H
#define WHEREABOUTS_INCLUSTER_H

/*
 * The API server and the credentials for it as a pod has them: files that the kubelet keeps fresh,
 * and variables. The kubelet renews the token long before its end, so it is read again for every
 * use that comes later than some minutes.
 */

#include <stdbool.h>

#include "kubeconfig.h"

#define INCLUSTER_DIRECTORY "/var/run/secrets/kubernetes.io/serviceaccount"

/* Where to look. Texts are borrowed; NULL and "" are the same: not given. */
struct incluster {
        const char *directory; /* holds token, ca.crt, namespace; not given: INCLUSTER_DIRECTORY */
        const char *host, *port; /* KUBERNETES_SERVICE_HOST and _PORT; both must be given */
        const char *protocol;    /* KUBERNETES_SERVICE_PROTOCOL; not given: https */
        const char *ca_file;     /* KUBE_CA_FILE; not given: ca.crt */
        const char *namespace;   /* WHEREABOUTS_NAMESPACE; not given: the account's */
        bool insecure;           /* SKIP_TLS_VERIFY=true: the server is not verified, no CA */
};

/* What the environment says; borrows from it. */
struct incluster incluster_environment(void);

/* Reads the files, fresh. `identity` is that of the directory, server and namespace. A ca.crt that
 * is missing is no error (the system's bundle counts then), a KUBE_CA_FILE that is missing is one.
 * Errors are CNI_ERR_CONFIG for variables and CNI_ERR_IO for files; they name the variable or path
 * and never show content. */
int incluster_read(const struct incluster *where, struct kubeconfig *ret, struct err *err);

#endif
