/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_CONF_READING_H
#define WHEREABOUTS_CONF_READING_H

/*
 * A call on its way to a configuration, and the steps of that way, one for each part. For conf.c
 * alone, which knows their order. Pure.
 */

#include "conf-settings.h"

/* The known arguments of CNI_ARGS; NULL: absent. */
struct arguments {
        char *ip, *gateway, *pod_name, *pod_namespace, *pod_infra_container_id;
};

/* One call on its way to a configuration. */
struct reading {
        const struct cni_call *call;
        enum conf_use use;
        bool has_ipam;
        struct settings settings;
        struct arguments arguments;
        const char *flat_path;
};

/* Of conf-values.c. Each fills its part of the request or configuration, or fails as conf_read()
 * does. For CONF_RELEASE the bounds of ranges may be wrong. */
int conf_take_ranges(const struct reading *reading, struct request *request, struct err *err);
int conf_take_excludes(const struct reading *reading, struct request *request, struct err *err);
int conf_take_gateway(const struct reading *reading, struct conf *conf, struct err *err);
int conf_take_static(struct reading *reading, struct conf *conf, struct err *err);
int conf_take_routes(struct reading *reading, struct conf *conf, struct err *err);

/* The network of the first range, for who wants nothing else of a document. No range is an error.
 */
int conf_first_net(const struct settings *settings, struct ipnet *ret, struct err *err);

/* Makes the place of a member the details of the error: in the call's document or the flat file. */
void conf_name_place(const struct reading *reading, enum settings_member member, struct err *err,
                     const char *name);

/* Of conf-node.c. `own` is what the call's document says, and may be NULL. */
int conf_decode_flat(const char *path, const struct json *document, enum conf_use use,
                     struct settings *ret, struct err *err);
int conf_take_locking(const struct settings *flat, enum conf_use use, struct conf_node *node,
                      struct err *err);
void conf_take_log(struct settings *own, struct settings *flat, struct conf_node *node);
int conf_check_kubeconfig(const char *path, struct err *err);

#endif
