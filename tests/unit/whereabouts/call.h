/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_WHEREABOUTS_CALL_H
#define TESTS_UNIT_WHEREABOUTS_CALL_H

/*
 * What the tests of configurations share: a call made of texts, and the texts of errors.
 */

#include "conf.h"
#include "unit.h"

#define FLAT "{\"kubernetes\":{\"kubeconfig\":\"/etc/k\"}}"
#define POD  "K8S_POD_NAMESPACE=ns1;K8S_POD_NAME=pod1"

/* A call as the frame hands it over. */
struct wb_call {
        struct cni_call call;
        struct json *document;
        char version[32];
};

/* `config` is the whole document; its cniVersion counts. */
static inline void make_call(struct wb_call *ret, const char *config, const char *args)
{
        struct json_at at;
        const char *version = "";
        struct err err;

        *ret = (struct wb_call){ 0 };
        unit_assert_ok(json_parse(config, strlen(config), &ret->document, &err), &err);
        ret->call = (struct cni_call){ .container_id = "c1",
                                       .netns = "/some/where",
                                       .ifname = "net1",
                                       .args = args,
                                       .name = "mynet",
                                       .config = { .value = ret->document } };
        if (json_member(&ret->call.config, "cniVersion", &at))
                unit_assert_ok(json_text(&at, &version, &err), &err);
        (void)snprintf(ret->version, sizeof(ret->version), "%s", *version ? version : "0.1.0");
        ret->call.version = ret->version;
        ret->call.version_given = *version != '\0';
}

static inline void call_done(struct wb_call *call)
{
        json_free(call->document);
}

/* conf_compose() of two texts. */
static inline int compose(const char *config, const char *flat, const char *args, enum conf_use use,
                          struct conf *ret, struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct wb_call call;
        int r;

        make_call(&call, config, args);
        unit_assert_ok(json_parse(flat, strlen(flat), &document, err), err);
        r = conf_compose(&call.call, use, "/etc/flat", document, ret, err);
        call_done(&call);
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
