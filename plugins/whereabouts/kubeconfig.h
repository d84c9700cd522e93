/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_KUBECONFIG_H
#define WHEREABOUTS_KUBECONFIG_H

/*
 * The API server and the credentials for it, from a kubeconfig file and the files that it names.
 * Every file is opened by the trust rule. exec, basic auth and impersonation are refused.
 */

#include "core/trust.h"
#include "http/digest.h"
#include "http/http.h"

struct kubeconfig {
        char *server;    /* URL without a slash at the end */
        char *namespace; /* of the objects; never empty */
        char *context;
        char *ca, *certificate, *key; /* PEM; NULL: none */
        char *token;                  /* NULL: none */
        char *server_name, *proxy;    /* NULL: none */
        bool insecure, no_compression;
        /* Names this server and these credentials on this node, however the file is reached: hex
         * SHA-256 of device and inode of the directory that holds the file, the file's base name,
         * context, server and namespace. */
        char identity[DIGEST_TEXT_MAX];
};

void kubeconfig_done(struct kubeconfig *kubeconfig);

/* Reads the file and those that it names, fresh. A file that is empty or cut short is read a few
 * times more over 200 ms: some installers rewrite it in place. Errors are CNI_ERR_INTERNAL or the
 * trust rule's, name the path, and never show content. */
int kubeconfig_read(const char *path, const struct trust *trust, struct kubeconfig *ret,
                    struct err *err);

/* Files that a kubeconfig names instead of data; owned. */
struct kubeconfig_files {
        char *ca, *certificate, *key, *token;
        char *cluster, *user; /* whose they are, for messages */
};

void kubeconfig_files_done(struct kubeconfig_files *files);

/* The pure part: text to values. Data (base64) is decoded; where it is absent the file's name is in
 * `files`, as written. `identity` is not set. */
int kubeconfig_parse(const char *text, size_t len, struct kubeconfig *ret,
                     struct kubeconfig_files *ret_files, struct err *err);

/* What http_new() needs; borrows from kubeconfig. */
struct http_server kubeconfig_server(const struct kubeconfig *kubeconfig);

#endif
