/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prevResult: what was understood can be written in every version, and is found there again.
 */
#include "core/cni.h"
#include "fuzz.h"

static void read_previous(const char *text, size_t len, struct ipam_result *ret)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct err err;

        if (json_parse(text, len, &document, &err) == 0)
                fuzz_must(result_read_previous(&(struct json_at){ .value = document }, ret, &err) ==
                          0);
}

static void check_again(const struct ipam_result *result, const char *version)
{
        _cleanup_(result_done) struct ipam_result again = { 0 };
        bool old = strcmp(version, "0.3.0") < 0;
        struct buf buf;
        struct err err;
        int r;

        buf_init(&buf, 64U * 1024U * 1024U);
        buf_puts(&buf, "{\"prevResult\":");
        r = result_encode(result, version, &buf, &err);
        buf_putc(&buf, '}');
        if (r < 0) {
                fuzz_must(old && result->ip_count == 0);
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
        } else {
                read_previous(buf.text, buf.len, &again);
                fuzz_must(old ? again.ip_count <= 2 && again.ip_count > 0
                              : again.ip_count == result->ip_count);
                for (size_t i = 0; !old && i < again.ip_count; i++)
                        fuzz_must(ip_equal(&again.ips[i].address.ip, &result->ips[i].address.ip));
        }
        buf_done(&buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(result_done) struct ipam_result result = { 0 };

        read_previous((const char *)data, size, &result);
        for (size_t i = 0; i < cni_version_count; i++)
                check_again(&result, cni_versions[i]);
        return 0;
}
