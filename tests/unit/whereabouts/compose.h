/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_WHEREABOUTS_COMPOSE_H
#define TESTS_UNIT_WHEREABOUTS_COMPOSE_H

/*
 * What the tests of configurations share: reading texts, and the texts of errors.
 */

#include "call.h"
#include "conf.h"

#define FLAT "{\"kubernetes\":{\"kubeconfig\":\"/etc/k\"}}"
#define POD  "K8S_POD_NAMESPACE=ns1;K8S_POD_NAME=pod1"

/* conf_compose() of two texts. */
static inline int compose(const char *config, const char *flat, const char *args, enum conf_use use,
                          struct conf *ret, struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct unit_call call;
        int r;

        unit_call(&call, config, "net1", args);
        unit_assert_ok(json_parse(flat, strlen(flat), &document, err), err);
        r = conf_compose(&call.call, use, "/etc/flat", document, ret, err);
        unit_call_done(&call);
        return r;
}

#define V       "\"cniVersion\":\"0.3.1\",\"name\":\"mynet\","
#define IPAM(m) "{" V "\"ipam\":{\"type\":\"whereabouts\"," m "}}"
#define K       "\"kubernetes\":{\"kubeconfig\":\"/etc/k\"}"

#define STORAGE                                                                           \
        "you have not configured the storage engine (looks like you're using an invalid " \
        "`kubernetes.kubeconfig` parameter in your config)"
#define PARSING "LoadIPAMConfig - JSON Parsing Error: "
#define FLATTER "LoadIPAMConfig Flatfile (/etc/flat) - JSON Parsing Error: "
#define CIDR(v) "invalid CIDR " v ": invalid CIDR address: " v
#define ENGINE  "error at storage engine: "
#define EXCLUDE ENGINE "could not parse exclude range, err: "

#endif
