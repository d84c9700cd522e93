/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files are read afresh before each use, as every call of the plugin does. Only what is made of
 * them, the connection, is kept as long as they say the same.
 */
#include "nodefiles.h"

#include <string.h>

#include "record.h"

int nodefiles_open(const char *flat_file, const char *kubeconfig_file, struct nodefiles *ret,
                   struct err *err)
{
        struct nodefiles files = { .flat_file = flat_file,
                                   .kubeconfig_file = kubeconfig_file,
                                   .records = -1 };
        int r = trust_load(TRUST_CONF, &files.trust, err);

        if (r == 0)
                r = record_open(RECORD_DIR, true, &files.records, err);
        if (r < 0) {
                nodefiles_done(&files);
                return r;
        }
        *ret = files;
        return 0;
}

void nodefiles_done(struct nodefiles *files)
{
        nodefiles_disconnect(files);
        kubeconfig_done(&files->kubeconfig);
        conf_node_done(&files->node);
        trust_done(&files->trust);
        closep(&files->records);
}

void nodefiles_disconnect(struct nodefiles *files)
{
        k8s_free(files->k8s);
        files->k8s = NULL;
}

/* Whether a connection that was made for one is good for the other. */
static bool is_same_way(const struct kubeconfig *a, const struct kubeconfig *b)
{
        const char *const texts[][2] = {
                { a->server, b->server },
                { a->namespace, b->namespace },
                { a->ca, b->ca },
                { a->certificate, b->certificate },
                { a->key, b->key },
                { a->token, b->token },
                { a->server_name, b->server_name },
                { a->proxy, b->proxy },
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (!request_same_text(texts[i][0], texts[i][1]))
                        return false;
        return a->insecure == b->insecure && a->no_compression == b->no_compression;
}

int nodefiles_refresh(struct nodefiles *files, struct err *err)
{
        struct conf_node node = { 0 };
        struct kubeconfig kubeconfig = { 0 };
        int r = conf_read_node(files->flat_file, &files->trust, &node, err);

        if (r == 0)
                r = kubeconfig_read(files->kubeconfig_file, &files->trust, &kubeconfig, err);
        if (r < 0) {
                conf_node_done(&node);
                return r;
        }
        conf_node_done(&files->node);
        files->node = node;
        if (strcmp(files->kubeconfig.identity, kubeconfig.identity) == 0 &&
            is_same_way(&files->kubeconfig, &kubeconfig)) {
                kubeconfig_done(&kubeconfig); /* the connection borrows the other one */
                return 0;
        }
        nodefiles_disconnect(files);
        if (strcmp(files->kubeconfig.identity, kubeconfig.identity) != 0)
                r = NODEFILES_MOVED;
        kubeconfig_done(&files->kubeconfig);
        files->kubeconfig = kubeconfig;
        return r;
}

int nodefiles_group(struct nodefiles *files, bool connect, struct group *ret, struct err *err)
{
        int r = 0;

        if (connect && !files->k8s)
                r = k8s_new(&files->kubeconfig, &files->k8s, err);
        if (r < 0)
                return r;
        *ret = (struct group){ .path = GROUP_DIR,
                               .node = &files->node,
                               .kubeconfig = &files->kubeconfig,
                               .k8s = connect ? files->k8s : NULL,
                               .records = files->records };
        return 0;
}
