/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_K8S_LIST_H
#define WHEREABOUTS_K8S_LIST_H

/*
 * Long lists in pages, so that neither the API server nor we hold all of one at a time.
 *
 * Pages are of one moment. One that the server has forgotten when the next page is asked for
 * (410 Gone) is begun again: so an object may be told of more than once, also as it was before.
 */

#include "core/json.h"
#include "k8s.h"

struct k8s_list {
        enum k8s_resource resource;
        const char *selector; /* a field selector, as it stands in a query; NULL: none */
        bool everywhere;      /* of all namespaces; else of the kubeconfig's */
        bool brief;           /* only metadata is wanted */
        /* Of any moment, as the server's cache has it; then it may come as one page. */
        bool cached;
};

/* Calls `each` for every object, as with json_list(); its error ends the list. The document is gone
 * afterwards: what has to last is copied. */
int k8s_list_each(struct k8s *k8s, const struct k8s_list *list, const struct k8s_limits *limits,
                  int (*each)(const struct json_at *at, void *dst, struct err *err), void *dst,
                  struct err *err);

#endif
