/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_INSPECT_H
#define WHEREABOUTS_INSPECT_H

/*
 * Looking without touching: whether an attachment has what it should have, and whether the server
 * can be worked with.
 */

#include "job.h"

/* Fails unless the pool of each range has an entry of this attachment, for an address of `previous`
 * if that has any. */
int inspect_attachment(const struct request *request, const struct kubeconfig *kubeconfig,
                       const struct ipam_result *previous, const struct k8s_limits *limits,
                       struct err *err);

/* One cheap request: fails when the server cannot be reached or refuses the account. */
int inspect_server(const struct kubeconfig *kubeconfig, const struct k8s_limits *limits,
                   struct err *err);

#endif
