/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Members of odd types are errors only where the API server would not store them; what stands in
 * the annotation is anybody's text.
 */
#include "pod.h"

#include <string.h>

#define NETWORK_STATUS "k8s.v1.cni.cncf.io/network-status"

void pod_done(struct pod *pod)
{
        for (size_t i = 0; i < pod->address_count; i++)
                free(pod->addresses[i].ifname);
        free(pod->addresses);
        free(pod->namespace);
        free(pod->name);
        free(pod->uid);
        free(pod->node);
        free(pod->phase);
        *pod = (struct pod){ 0 };
}

/* ---- the annotation ---- */

static int add_address(struct pod *pod, const char *ifname, const struct ip *ip, struct err *err)
{
        struct pod_address *addresses =
                reallocarray(pod->addresses, pod->address_count + 1, sizeof(*addresses));
        char *copy = strdup(ifname);

        if (addresses)
                pod->addresses = addresses;
        if (!addresses || !copy) {
                free(copy);
                return err_oom(err);
        }
        addresses[pod->address_count++] = (struct pod_address){ copy, *ip };
        return 0;
}

/* One element of the annotation. */
struct element {
        struct pod *pod;
        const char *ifname;
};

static int decode_address(const struct json_at *at, void *dst, struct err *err)
{
        const struct element *element = dst;
        char plain[IP_TEXT_MAX];
        const char *text = "";
        struct ip ip;
        int r = json_text(at, &text, err);

        if (r < 0)
                return r;
        /* Multus writes no prefix length, and others may. */
        (void)snprintf(plain, sizeof(plain), "%.*s", (int)strcspn(text, "/"), text);
        if (ip_parse_lenient(plain, &ip) < 0)
                return json_invalid(at, err, "it is no address");
        return add_address(element->pod, element->ifname, &ip, err);
}

static int decode_element(const struct json_at *at, void *dst, struct err *err)
{
        const struct json_field fields[] = {
                { "interface", json_decode_text, offsetof(struct element, ifname), JSON_PLAIN },
        };
        struct element element = { dst, "" };
        const struct ip none = { 0 };
        struct json_at ips;
        int r = json_object(at, fields, ARRAY_SIZE(fields), &element, err);

        if (r < 0)
                return r;
        if (!json_member(at, "ips", &ips) || json_is_null(&ips) || json_count(&ips) == 0)
                return add_address(element.pod, element.ifname, &none, err);
        return json_list(&ips, decode_address, &element, err);
}

static int read_networks(struct pod *pod, const char *text, struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_at top = { 0 };
        int r = json_parse(text, strlen(text), &document, err);

        top.value = document;
        if (r == 0)
                r = json_list(&top, decode_element, pod, err);
        pod->told = r == 0 && pod->address_count > 0;
        return r == -ENOMEM ? r : 0;
}

/* ---- the object ---- */

static int note_presence(_unused_ const struct json_at *at, void *dst, _unused_ struct err *err)
{
        *(bool *)dst = true;
        return 0;
}

static const struct json_field metadata_fields[] = {
        { "namespace", json_decode_string, offsetof(struct pod, namespace), JSON_PLAIN },
        { "name", json_decode_string, offsetof(struct pod, name), JSON_PLAIN },
        { "uid", json_decode_string, offsetof(struct pod, uid), JSON_PLAIN },
        { "deletionTimestamp", note_presence, offsetof(struct pod, terminating), JSON_PLAIN },
};

static int decode_metadata(const struct json_at *at, void *dst, struct err *err)
{
        struct json_at annotations, networks;
        const char *text;
        int r = json_object(at, metadata_fields, ARRAY_SIZE(metadata_fields), dst, err);

        if (r < 0 || !json_member(at, "annotations", &annotations) ||
            !json_member(&annotations, NETWORK_STATUS, &networks))
                return r;
        r = json_text(&networks, &text, err);
        return r < 0 ? 0 : read_networks(dst, text, err);
}

static const struct json_field spec_fields[] = {
        { "nodeName", json_decode_string, offsetof(struct pod, node), JSON_PLAIN },
};

static int decode_spec(const struct json_at *at, void *dst, struct err *err)
{
        return json_object(at, spec_fields, ARRAY_SIZE(spec_fields), dst, err);
}

static int decode_container(const struct json_at *at, void *dst, _unused_ struct err *err)
{
        struct json_at state, running;

        if (json_member(at, "state", &state) && json_member(&state, "running", &running) &&
            !json_is_null(&running))
                *(bool *)dst = true;
        return 0;
}

static int decode_containers(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_container, dst, err);
}

/* What stands in a list of name and value. */
struct condition {
        const char *type, *status, *reason;
};

static int decode_condition(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "type", json_decode_text, offsetof(struct condition, type), JSON_PLAIN },
                { "status", json_decode_text, offsetof(struct condition, status), JSON_PLAIN },
                { "reason", json_decode_text, offsetof(struct condition, reason), JSON_PLAIN },
        };
        struct condition condition = { "", "", "" };
        int r = json_object(at, fields, ARRAY_SIZE(fields), &condition, err);

        if (r == 0 && strcmp(condition.type, "DisruptionTarget") == 0 &&
            strcmp(condition.status, "True") == 0 &&
            strcmp(condition.reason, "DeletionByTaintManager") == 0)
                *(bool *)dst = true;
        return r;
}

static int decode_conditions(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_condition, dst, err);
}

static const struct json_field status_fields[] = {
        { "phase", json_decode_string, offsetof(struct pod, phase), JSON_PLAIN },
        { "conditions", decode_conditions, offsetof(struct pod, evicted), JSON_PLAIN },
        { "containerStatuses", decode_containers, offsetof(struct pod, working), JSON_PLAIN },
        { "initContainerStatuses", decode_containers, offsetof(struct pod, working), JSON_PLAIN },
        { "ephemeralContainerStatuses", decode_containers, offsetof(struct pod, working),
          JSON_PLAIN },
};

static int decode_status(const struct json_at *at, void *dst, struct err *err)
{
        return json_object(at, status_fields, ARRAY_SIZE(status_fields), dst, err);
}

static const struct json_field object_fields[] = {
        { "metadata", decode_metadata, 0, JSON_PLAIN },
        { "spec", decode_spec, 0, JSON_PLAIN },
        { "status", decode_status, 0, JSON_PLAIN },
};

static int fill_in(struct pod *pod, struct err *err)
{
        char **const texts[] = { &pod->namespace, &pod->name, &pod->uid, &pod->node, &pod->phase };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                if (!*texts[i])
                        *texts[i] = strdup("");
                if (!*texts[i])
                        return err_oom(err);
        }
        return 0;
}

int pod_read(const struct json_at *at, struct pod *ret, struct err *err)
{
        struct pod pod = { 0 };
        int r = json_object(at, object_fields, ARRAY_SIZE(object_fields), &pod, err);

        if (r == 0)
                r = fill_in(&pod, err);
        if (r == 0) {
                *ret = pod;
                return 0;
        }
        pod_done(&pod);
        if (r != -ENOMEM) {
                err->code = CNI_ERR_INTERNAL;
                err_wrap(err, "Pod: ");
        }
        return r;
}

int pod_parse(const char *text, size_t len, struct pod *ret, struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_at top = { 0 };
        int r = json_parse(text, len, &document, err);

        if (r < 0) {
                err->code = CNI_ERR_INTERNAL;
                err_wrap(err, "Pod: ");
                return r;
        }
        top.value = document;
        return pod_read(&top, ret, err);
}

bool pod_shows(const struct pod *pod, const struct ip *ip)
{
        for (size_t i = 0; i < pod->address_count; i++)
                if (ip_equal(&pod->addresses[i].ip, ip))
                        return true;
        return false;
}

bool pod_tells(const struct pod *pod, const char *ifname)
{
        bool complete = pod->told;

        for (size_t i = 0; i < pod->address_count; i++) {
                const struct pod_address *address = &pod->addresses[i];

                if (address->ip.family && ifname && strcmp(address->ifname, ifname) == 0)
                        return pod->told;
                complete &= address->ip.family != 0;
        }
        return complete;
}

/* ---- nodes ---- */

static int decode_taint(const struct json_at *at, void *dst, struct err *err)
{
        const struct json_field fields[] = {
                { "key", json_decode_text, 0, JSON_PLAIN },
        };
        const char *key = "";
        int r = json_object(at, fields, ARRAY_SIZE(fields), &key, err);

        if (r == 0 && strcmp(key, "node.kubernetes.io/out-of-service") == 0)
                *(bool *)dst = true;
        return r;
}

int node_parse(const char *text, size_t len, bool *ret_out, struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_at top = { 0 }, spec, taints;
        bool out = false;
        int r = json_parse(text, len, &document, err);

        top.value = document;
        if (r == 0 && json_member(&top, "spec", &spec) && json_member(&spec, "taints", &taints) &&
            !json_is_null(&taints))
                r = json_list(&taints, decode_taint, &out, err);
        if (r == 0) {
                *ret_out = out;
                return 0;
        }
        if (r != -ENOMEM) {
                err->code = CNI_ERR_INTERNAL;
                err_wrap(err, "Node: ");
        }
        return r;
}
