/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_CREDENTIALS_H
#define WHEREABOUTS_CREDENTIALS_H

/*
 * The files of whereabouts.d, by which the plugin on the host finds the API server: token,
 * whereabouts.kubeconfig, whereabouts.conf and nodename, each under the name and with the content
 * that upstream's installer gives it, but for the token, which stands in a file of its own that the
 * kubeconfig names: so the one thing that changes often is one small file.
 *
 * Each file is put in place whole, only when it differs, and the token before what names it. Who
 * reads them meanwhile finds the old or the new, and both are good: a token that is replaced stays
 * valid for half its life.
 *
 * The token is made for an account that can do what the plugin needs and nothing else
 * (TokenRequest), and it is not bound to a pod: one that is dies with the pod that wrote it, and
 * from then until the next pod has started every call on the node fails. Without such an account
 * the pod's own token is copied, as upstream does.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/buf.h"
#include "core/err.h"
#include "kubeconfig.h"

#define CREDENTIALS_KUBECONFIG_NAME "whereabouts.kubeconfig"
#define CREDENTIALS_FLAT_MAX        (1024U * 1024U)

/* What is written where. Texts are borrowed and must outlive it; NULL and "" are the same. */
struct credentials_settings {
        const char *conf_dir;  /* CNI_CONF_DIR; not given: /host/etc/cni/net.d */
        const char *node_name; /* NODENAME; not given: no file */
        const char *cron;      /* WHEREABOUTS_RECONCILER_CRON; not given: 30 4 * * * */
        const char *account;   /* WHEREABOUTS_ACCOUNT; not given: the pod's own token */
        const char *mode;      /* KUBECONFIG_MODE, octal; not given: 600 */
};

/* What the environment says; borrows from it. */
struct credentials_settings credentials_environment(void);

/* Files that were written, as bits; and what else a log should say. */
enum credentials_news {
        CREDENTIALS_TOKEN = 1,
        CREDENTIALS_KUBECONFIG = 2,
        CREDENTIALS_FLAT = 4,
        CREDENTIALS_NODENAME = 8,
        CREDENTIALS_FLAT_BAD = 16, /* the former whereabouts.conf could not be read or trusted; it
                                      is now whereabouts.conf.bad */
        CREDENTIALS_WARNING = 32,  /* the account's token cannot be had, from now on; `warning` says
                                      why, and what counts instead */
};

/* What lasts from one refresh to the next. */
struct credentials;

/* Checks the settings; CNI_ERR_CONFIG names the variable. No file is touched. */
int credentials_new(const struct credentials_settings *settings, struct credentials **ret,
                    struct err *err);
void credentials_free(struct credentials *credentials);

/* The paths of whereabouts.kubeconfig and whereabouts.conf as seen from here; borrowed. */
const char *credentials_kubeconfig_path(const struct credentials *credentials);
const char *credentials_flat_path(const struct credentials *credentials);

/* One pass: renews the account's token when it is time, with the pod's own credentials, and writes
 * every file that differs. Call it again at credentials_due_ms() at the latest, and every few
 * seconds for a change of the pod's own token or CA: without anything to do it only reads files.
 *
 * Asking for the token waits 3 s for a server that cannot be reached and 10 s for an answer. While
 * it cannot be had, the one at hand counts until its end; after it, or when the server says no, the
 * pod's own. A server that is away when the service starts leaves the token that is in the file.
 * That is a warning, once per row of failures, and no error.
 *
 * < 0: a file could not be written; every file holds its former content or the new one, whole. */
struct credentials_pass {
        unsigned news; /* enum credentials_news */
        struct err warning;
};
int credentials_refresh(struct credentials *credentials, const struct kubeconfig *own,
                        struct credentials_pass *ret, struct err *err);

/* When the account's token is to be asked for, on the clock of clock_boot_ms(); INT64_MAX without
 * an account. */
int64_t credentials_due_ms(const struct credentials *credentials);

/* ---- the pure parts ---- */

/* "/host/etc/cni" -> "/etc/cni": as the host sees a path of the container. Points into `path`. */
const char *credentials_host_path(const char *path);

/* The kubeconfig for `own`'s server, CA and namespace, without its token. */
int credentials_compose_kubeconfig(const struct kubeconfig *own, struct buf *ret, struct err *err);

/* The flat file, for files in host_dir. Members of `old` that are not ours are kept as they are
 * written; `old` NULL: there is none. CNI_ERR_DECODE: `old` is no JSON object. */
int credentials_compose_flat(const char *old, size_t old_len, const char *host_dir,
                             const char *cron, struct buf *ret, struct err *err);

/* The token and its life in seconds out of the answer to a TokenRequest. The token is owned. */
int credentials_read_answer(const char *text, size_t len, char **ret_token, int64_t *ret_life_s,
                            struct err *err);

static inline void credentials_freep(struct credentials **credentials)
{
        credentials_free(*credentials);
}

#endif
