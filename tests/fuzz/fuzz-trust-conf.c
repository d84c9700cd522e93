/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of /etc/cni-ipam.conf.
 */
#include "core/trust.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(freep) char *text = fuzz_text(data, size);
        struct trust trust = { 0 };
        struct err err;

        if (trust_parse(text, &trust, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_CONFIG);
                fuzz_must(strncmp(err.msg, "line ", 5) == 0);
                fuzz_must(trust.count == 0 && !trust.roots);
                return 0;
        }
        for (size_t i = 0; i < trust.count; i++) {
                fuzz_must(trust.roots[i][0] == '/');
                fuzz_must(!strstr(trust.roots[i], "/../") && !strchr(trust.roots[i], '\n'));
                fuzz_must(!strstr(trust.roots[i], " #") && !strstr(trust.roots[i], "\t#"));
        }
        trust_done(&trust);
        return 0;
}
