/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the checks is whereabouts': the types of the call's document, a missing ipam, its
 * type, CNI_ARGS, the flat file, the ranges, the kubeconfig, the gateway, static addresses, the
 * pod's name, excludes. Then what it does not check.
 */
#include "conf.h"

#include <string.h>

#include "conf-flat.h"
#include "conf-reading.h"
#include "slice.h"

#define FLAT_FILE "/net.d/whereabouts.d/whereabouts.conf"
#define K3S       "/var/lib/rancher/k3s/agent/etc/cni" FLAT_FILE
#define RKE2      "/var/lib/rancher/rke2/agent/etc/cni" FLAT_FILE

const char *const conf_paths[] = {
        "/etc/kubernetes/cni" FLAT_FILE,
        "/etc/cni" FLAT_FILE,
        "/host/etc/cni" FLAT_FILE,
        K3S,
        RKE2,
        "/host" K3S,
        "/host" RKE2,
};
const size_t conf_path_count = ARRAY_SIZE(conf_paths);

void conf_done(struct conf *conf)
{
        struct ipam_result rest = { .routes = conf->routes, .dns = conf->dns };

        conf_node_done(&conf->node);
        request_done(&conf->request);
        free(conf->static_addresses);
        result_done(&rest);
        *conf = (struct conf){ 0 };
}

/* ---- the call's document and arguments ---- */

static void reading_done(struct reading *reading)
{
        settings_done(&reading->settings);
        free(reading->arguments.ip);
        free(reading->arguments.gateway);
        free(reading->arguments.pod_name);
        free(reading->arguments.pod_namespace);
        free(reading->arguments.pod_infra_container_id);
        reading->arguments = (struct arguments){ 0 };
}

static int decode_ipam(const struct json_at *at, void *dst, struct err *err)
{
        struct reading *reading = dst;

        reading->has_ipam = true;
        return settings_decode(at, reading->use, &reading->settings, err);
}

static int copy_value(const char *value, void *dst, struct err *err)
{
        char **text = dst, *copy = strdup(value);

        if (!copy)
                return err_oom(err);
        free(*text);
        *text = copy;
        return 0;
}

static int read_arguments(struct reading *reading, struct err *err)
{
        struct arguments *arguments = &reading->arguments;
        const struct cni_arg known[] = {
                { "IP", copy_value, &arguments->ip },
                { "GATEWAY", copy_value, &arguments->gateway },
                { "K8S_POD_NAME", copy_value, &arguments->pod_name },
                { "K8S_POD_NAMESPACE", copy_value, &arguments->pod_namespace },
                { "K8S_POD_INFRA_CONTAINER_ID", copy_value, &arguments->pod_infra_container_id },
        };
        int r = cni_parse_args(reading->call->args, known, ARRAY_SIZE(known), err);

        if (r >= 0 || r == -ENOMEM)
                return r;
        if (reading->use == CONF_RELEASE) { /* rather no pod's name than a wrong one */
                free(arguments->pod_name);
                arguments->pod_name = NULL;
                return 0;
        }
        err->code = CNI_ERR_INTERNAL;
        err_wrap(err, "LoadArgs - CNI Args Parsing Error: ");
        return r;
}

static int read_call(const struct cni_call *call, enum conf_use use, struct reading *reading,
                     struct err *err)
{
        static const struct json_field fields[] = { { "ipam", decode_ipam, 0, JSON_PLAIN } };
        const char *type;
        int r;

        *reading = (struct reading){ .call = call, .use = use };
        settings_init(&reading->settings);
        r = json_object(&call->config, fields, ARRAY_SIZE(fields), reading, err);
        if (r < 0 && r != -ENOMEM) {
                err->code = CNI_ERR_INTERNAL;
                err_wrap(err, "LoadIPAMConfig - JSON Parsing Error: ");
        }
        if (r < 0)
                return r;
        if (!reading->has_ipam)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "IPAM config missing 'ipam' key");
        type = reading->settings.type ? reading->settings.type : "";
        if (strcmp(type, "whereabouts") != 0) {
                (void)err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                               "only interested in networks whose IPAM type is 'whereabouts'. This "
                               "one was: %s",
                               type);
                err_details(err, "ipam.type");
                return -EINVAL;
        }
        return read_arguments(reading, err);
}

/* ---- names ---- */

static int take_copy(char **to, const char *from, struct err *err)
{
        *to = strdup(from);
        return *to ? 0 : err_oom(err);
}

static int take_podref(const struct reading *reading, struct request *request, struct err *err)
{
        const struct arguments *arguments = &reading->arguments;
        const char *namespace = arguments->pod_namespace ? arguments->pod_namespace : "";
        bool has_name = arguments->pod_name && *arguments->pod_name;
        char *podref;

        if (!has_name && reading->use == CONF_ADD)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "error at storage engine: IPAM client initialization error: no pod "
                                "name");
        if (!has_name)
                return 0;
        if (asprintf(&podref, "%s/%s", namespace, arguments->pod_name) < 0)
                return err_oom(err);
        if (!request_is_podref(podref)) {
                free(podref);
                if (reading->use == CONF_RELEASE)
                        return 0;
                return err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT,
                                "invalid characters in K8S_POD_NAME or K8S_POD_NAMESPACE, or too "
                                "many of them");
        }
        request->podref = podref;
        return 0;
}

static void forget_ranges(struct request *request)
{
        for (size_t i = 0; i < request->range_count; i++)
                range_done(&request->ranges[i]);
        request->range_count = 0;
}

static int take_network_name(struct reading *reading, struct request *request, struct err *err)
{
        char **name = &reading->settings.network_name;

        if (!*name || !**name)
                return 0;
        if (request_is_prefix(*name)) {
                request->network_name = TAKE_PTR(*name);
                return 0;
        }
        if (reading->use == CONF_RELEASE) { /* no object can have such a name */
                forget_ranges(request);
                return 0;
        }
        (void)err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                       "network_name '%s' cannot be part of an object's name: it must begin with a "
                       "lower-case letter or digit and consist of those, '-' and '.'",
                       *name);
        conf_name_place(reading, MEMBER_NETWORK_NAME, err, "network_name");
        return -EINVAL;
}

/* Who asks, and for which objects. */
static int take_names(struct reading *reading, struct request *request, struct err *err)
{
        const struct cni_call *call = reading->call;
        const char *slices = reading->settings.node_slice_size;
        int r = take_copy(&request->network, call->name, err);

        request->verb = reading->use == CONF_RELEASE ? REQUEST_DEL : REQUEST_ADD;
        if (r == 0)
                r = take_copy(&request->container_id, call->container_id, err);
        if (r == 0)
                r = take_copy(&request->ifname, call->ifname, err);
        if (r == 0)
                r = take_network_name(reading, request, err);
        if (r == 0 && slices && *slices)
                r = take_copy(&request->slice_pool,
                              request->network_name ? request->network_name : call->name, err);
        return r < 0 ? r : take_podref(reading, request, err);
}

/* ---- all together ---- */

static bool is_on(enum settings_switch value)
{
        return value == SWITCH_ON;
}

/* All from the flat file on, which is `flat`. */
static int compose(struct reading *reading, struct settings *flat, struct conf *conf,
                   struct err *err)
{
        bool all = reading->use != CONF_RELEASE;
        struct settings *settings = &reading->settings;
        struct request *request = &conf->request;
        int r = take_copy(&conf->node.flat_file, reading->flat_path, err);

        settings_fill(settings, flat);
        request->allocate_gateway = is_on(settings->allocate_gateway);
        request->overlap = settings->overlap;
        conf->strict_status = is_on(settings->strict_status);
        conf_take_log(settings, flat, &conf->node);
        if (r == 0)
                r = conf_take_ranges(reading, request, err);
        if (r == 0)
                r = conf_check_kubeconfig(settings->kubeconfig, err);
        if (r == 0 && all)
                r = conf_take_gateway(reading, conf, err);
        if (r == 0 && all)
                r = conf_take_static(reading, conf, err);
        if (r == 0)
                r = take_names(reading, request, err);
        if (r == 0 && all)
                r = conf_take_excludes(reading, request, err);
        if (r == 0 && all)
                r = conf_take_routes(reading, conf, err);
        if (r == 0)
                r = conf_take_locking(flat, reading->use, &conf->node, err);
        if (r == 0)
                conf->node.kubeconfig = TAKE_PTR(settings->kubeconfig);
        return r;
}

static int compose_document(struct reading *reading, const char *flat_path,
                            const struct json *document, struct conf *ret, struct err *err)
{
        _cleanup_(settings_done) struct settings flat;
        _cleanup_(conf_done) struct conf conf = { 0 };
        int r = conf_decode_flat(flat_path, document, reading->use, &flat, err);

        reading->flat_path = flat_path;
        if (r == 0)
                r = compose(reading, &flat, &conf, err);
        if (r < 0)
                return r;
        *ret = conf;
        conf = (struct conf){ 0 };
        return 0;
}

int conf_compose(const struct cni_call *call, enum conf_use use, const char *flat_path,
                 const struct json *flat, struct conf *ret, struct err *err)
{
        _cleanup_(reading_done) struct reading reading;
        int r = read_call(call, use, &reading, err);

        return r < 0 ? r : compose_document(&reading, flat_path, flat, ret, err);
}

/* In slice mode the node's name is part of the objects' names. */
static int take_node_name(struct conf *conf, enum conf_use use, struct err *err)
{
        struct request *request = &conf->request;
        int r = slice_node_name(conf->node.flat_file, &request->node, err);

        if (r >= 0 || r == -ENOMEM || use != CONF_RELEASE)
                return r;
        free(request->node);
        free(request->slice_pool);
        request->node = request->slice_pool = NULL;
        forget_ranges(request);
        return 0;
}

int conf_read(const struct cni_call *call, enum conf_use use, const struct trust *trust,
              struct conf *ret, struct err *err)
{
        _cleanup_(reading_done) struct reading reading;
        _cleanup_(flat_done) struct flat flat = { 0 };
        _cleanup_(conf_done) struct conf conf = { 0 };
        int r = read_call(call, use, &reading, err);

        if (r == 0)
                r = flat_find(reading.settings.configuration_path, conf_paths, conf_path_count,
                              trust, &flat, err);
        if (r == 0)
                r = compose_document(&reading, flat.path, flat.document, &conf, err);
        if (r == 0 && conf.request.slice_pool)
                r = take_node_name(&conf, use, err);
        if (r < 0)
                return r;
        *ret = conf;
        conf = (struct conf){ 0 };
        return 0;
}
