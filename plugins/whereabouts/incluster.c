/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's own credentials. The files belong to the kubelet and the variables to whoever wrote the
 * pod, so they are believed; they are checked for what would make no sense in a URL.
 */
#include "incluster.h"

#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "core/buf.h"
#include "core/fs.h"
#include "core/sha256.h"

#define FILE_CEILING (1024U * 1024U)
#define LABEL_MAX    63U /* of a namespace's name */

static bool given(const char *text)
{
        return text && *text;
}

struct incluster incluster_environment(void)
{
        const char *skip = getenv("SKIP_TLS_VERIFY");

        return (struct incluster){
                .host = getenv("KUBERNETES_SERVICE_HOST"),
                .port = getenv("KUBERNETES_SERVICE_PORT"),
                .protocol = getenv("KUBERNETES_SERVICE_PROTOCOL"),
                .ca_file = getenv("KUBE_CA_FILE"),
                .namespace = getenv("WHEREABOUTS_NAMESPACE"),
                .insecure = skip && strcmp(skip, "true") == 0,
        };
}

/* ---- variables ---- */

/* "https://host:port"; an IPv6 address gets its brackets. */
static int compose_server(const struct incluster *where, char **ret, struct err *err)
{
        static const char host_characters[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";
        const char *protocol = given(where->protocol) ? where->protocol : "https";
        uint64_t port;
        bool colon;

        if (!given(where->host) || !given(where->port))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST "
                                "and KUBERNETES_SERVICE_PORT must be defined");
        if (where->host[strspn(where->host, host_characters)] != '\0')
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "KUBERNETES_SERVICE_HOST must be a name or an address");
        if (parse_u64(where->port, strlen(where->port), UINT16_MAX, &port) < 0 || port == 0)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "KUBERNETES_SERVICE_PORT must be a number from 1 to 65535");
        if (strcmp(protocol, "https") != 0 && strcmp(protocol, "http") != 0)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "KUBERNETES_SERVICE_PROTOCOL must be https or http");
        colon = strchr(where->host, ':');
        if (asprintf(ret, "%s://%s%s%s:%" PRIu64, protocol, colon ? "[" : "", where->host,
                     colon ? "]" : "", port) < 0) {
                *ret = NULL;
                return err_oom(err);
        }
        return 0;
}

/* ---- files ---- */

/* The whole file as a text without white space around it; owned, and never empty. */
static int read_text(const char *path, char **ret, struct err *err)
{
        static const char space[] = " \t\r\n";
        _cleanup_(closep) int fd = fs_open_regular(path);
        struct buf buf;
        size_t start;
        int r;

        if (fd < 0)
                return err_set(err, fd, CNI_ERR_IO, "open %s", path);
        buf_init(&buf, FILE_CEILING);
        r = fs_read(fd, &buf);
        if (r < 0)
                (void)err_set(err, r, CNI_ERR_IO, "read %s", path);
        else if (buf.len != strlen(buf_text(&buf)))
                r = err_text(err, -EINVAL, CNI_ERR_IO, "read %s: is not text", path);
        while (r == 0 && buf.len > 0 && strchr(space, buf.text[buf.len - 1]))
                buf.text[--buf.len] = '\0';
        start = strspn(buf_text(&buf), space);
        if (r == 0 && start == buf.len)
                r = err_text(err, -EINVAL, CNI_ERR_IO, "read %s: is empty", path);
        if (r == 0)
                *ret = strdup(buf_text(&buf) + start);
        if (r == 0 && !*ret)
                r = err_oom(err);
        if (buf.text)
                explicit_bzero(buf.text, buf.len);
        buf_done(&buf);
        return r;
}

static bool is_label(const char *text)
{
        size_t len = text ? strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") : 0;

        return len > 0 && text[len] == '\0' && len <= LABEL_MAX;
}

static int read_namespace(const struct incluster *where, const char *path, char **ret,
                          struct err *err)
{
        int r = 0;

        if (!given(where->namespace))
                r = read_text(path, ret, err);
        else if (!(*ret = strdup(where->namespace)))
                r = err_oom(err);
        if (r == 0 && !is_label(*ret))
                r = err_text(err, -EINVAL, CNI_ERR_CONFIG, "%s: is no name of a namespace",
                             given(where->namespace) ? "WHEREABOUTS_NAMESPACE" : path);
        return r;
}

/* The authorities to believe; none when nobody is to be verified, or nobody has told. */
static int read_ca(const struct incluster *where, const char *path, char **ret, struct err *err)
{
        int r;

        if (where->insecure)
                return 0;
        if (given(where->ca_file))
                path = where->ca_file;
        r = read_text(path, ret, err);
        if (r == -ENOENT && !given(where->ca_file))
                return 0;
        if (r == 0 && (!*ret || !strstr(*ret, "-----BEGIN ")))
                return err_text(err, -EINVAL, CNI_ERR_IO, "read %s: is not PEM text", path);
        return r;
}

/* ---- the whole ---- */

/* The directory stays the same while the files in it are renewed. */
static int identify(const char *directory, struct kubeconfig *kubeconfig, struct err *err)
{
        char device[24], inode[24];
        const char *const fields[] = { device, inode, kubeconfig->context, kubeconfig->server,
                                       kubeconfig->namespace };
        struct stat st;

        if (stat(directory, &st) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "stat %s", directory);
        (void)snprintf(device, sizeof(device), "%ju", (uintmax_t)st.st_dev);
        (void)snprintf(inode, sizeof(inode), "%ju", (uintmax_t)st.st_ino);
        sha256_fields_hex(fields, ARRAY_SIZE(fields), kubeconfig->identity);
        return 0;
}

int incluster_read(const struct incluster *where, struct kubeconfig *ret, struct err *err)
{
        const char *directory = given(where->directory) ? where->directory : INCLUSTER_DIRECTORY;
        _cleanup_(freep) char *token = fs_join(directory, "token");
        _cleanup_(freep) char *ca = fs_join(directory, "ca.crt");
        _cleanup_(freep) char *namespace = fs_join(directory, "namespace");
        _cleanup_(kubeconfig_done) struct kubeconfig kubeconfig = { .insecure = where->insecure };
        int r;

        kubeconfig.context = strdup("in-cluster");
        if (!token || !ca || !namespace || !kubeconfig.context)
                return err_oom(err);
        r = compose_server(where, &kubeconfig.server, err);
        if (r == 0)
                r = read_text(token, &kubeconfig.token, err);
        if (r == 0)
                r = read_namespace(where, namespace, &kubeconfig.namespace, err);
        if (r == 0)
                r = read_ca(where, ca, &kubeconfig.ca, err);
        if (r == 0)
                r = identify(directory, &kubeconfig, err);
        if (r < 0)
                return r;
        *ret = kubeconfig;
        kubeconfig = (struct kubeconfig){ 0 };
        return 0;
}
