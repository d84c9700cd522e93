/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of a kubeconfig.
 */
#include "fuzz.h"
#include "kubeconfig.h"

/* PEM text, from data or from a file, never from both. */
static void check_pem(const char *data, const char *file)
{
        fuzz_must(!data || !file);
        fuzz_must(!data || strstr(data, "-----BEGIN "));
        fuzz_must(!file || *file);
}

static void check_values(const struct kubeconfig *values, const struct kubeconfig_files *files)
{
        size_t len = strlen(values->server);

        fuzz_must(len > strlen("http://") && values->server[len - 1] != '/');
        fuzz_must(!strpbrk(values->server, "@?# "));
        fuzz_must(*values->namespace && values->context);
        fuzz_must(files->cluster && files->user);
        check_pem(values->ca, files->ca);
        check_pem(values->certificate, files->certificate);
        check_pem(values->key, files->key);
        fuzz_must((!values->certificate && !files->certificate) == (!values->key && !files->key));
        fuzz_must(!values->insecure || (!values->ca && !files->ca));
        fuzz_must(!values->token || *values->token);
        fuzz_must(!values->server_name || *values->server_name);
        fuzz_must(!values->proxy || *values->proxy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct kubeconfig_files files = { 0 };
        struct kubeconfig values = { 0 };
        struct err err;

        if (kubeconfig_parse((const char *)data, size, &values, &files, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
                fuzz_must(!values.server && !files.cluster);
                return 0;
        }
        check_values(&values, &files);
        kubeconfig_done(&values);
        kubeconfig_files_done(&files);
        return 0;
}
