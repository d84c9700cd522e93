/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pod and Node objects, and the annotation in the former, which is anybody's text.
 */
#include "fuzz.h"
#include "pod.h"

static void check_pod(const struct pod *pod)
{
        bool bare = false; /* some interface has no address */

        fuzz_must(pod->namespace && pod->name && pod->uid && pod->node && pod->phase);
        fuzz_must(!pod->told || pod->address_count > 0);
        for (size_t i = 0; i < pod->address_count; i++) {
                const struct pod_address *address = &pod->addresses[i];

                bare |= !address->ip.family;
                fuzz_must(address->ifname);
                fuzz_must(!address->ip.family || pod_shows(pod, &address->ip));
                fuzz_must(!pod->told || !address->ip.family || pod_tells(pod, address->ifname));
        }
        fuzz_must(pod_tells(pod, NULL) == (pod->told && !bare));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct pod pod = { 0 };
        struct err err;
        bool out;

        if (pod_parse((const char *)data, size, &pod, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
                fuzz_must(!pod.name);
        } else {
                check_pod(&pod);
                pod_done(&pod);
        }
        if (node_parse((const char *)data, size, &out, &err) < 0)
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
        return 0;
}
