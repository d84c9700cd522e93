/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CNI_ARGS.
 */
#include "core/cni.h"
#include "fuzz.h"

static int parse_ip(const char *value, void *dst, struct err *err)
{
        if (*value == '\0' || ip_parse(value, dst) == 0)
                return 0;
        return err_text(err, -EINVAL, CNI_ERR_CONFIG, "invalid IP address %s", value);
}

static int parse_name(const char *value, void *dst, struct err *err)
{
        if (!cni_is_name(value))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "no name");
        *(size_t *)dst = strlen(value);
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(freep) char *args = fuzz_text(data, size);
        struct ip ip = { 0 };
        size_t name_len = 0;
        const struct cni_arg known[] = { { "IP", parse_ip, &ip },
                                         { "K8S_POD_NAME", parse_name, &name_len } };
        int64_t version[3];
        struct err err;

        if (cni_parse_args(args, known, ARRAY_SIZE(known), &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_ENVIRONMENT);
                fuzz_must(strncmp(err.msg, "ARGS: ", 6) == 0);
        }
        fuzz_must(ip.family == IP_UNSET || ip.family == IP_V4 || ip.family == IP_V6);
        fuzz_must(name_len <= size);
        /* The other small texts that a caller gives. */
        if (cni_check_ifname(args, &err) == 0)
                fuzz_must(strlen(args) < 16 && !strchr(args, '/'));
        if (cni_is_name(args))
                fuzz_must(*args && *args != '.' && !strchr(args, '/'));
        if (cni_parse_version(args, version, &err) < 0)
                fuzz_check_err(&err, CNI_ERR_DECODE);
        return 0;
}
