/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_CNI_H
#define CORE_CNI_H

/*
 * The frame of a CNI plugin: environment, standard input, versions, the verbs, standard output and
 * the exit status. A plugin's main() is a table and a call of cni_main().
 */

#include "core/err.h"
#include "core/json.h"
#include "core/result.h"

/* A configuration has a ceiling; the list of attachments of a GC needs a larger one. */
#define CNI_CONFIG_MAX    (1024U * 1024U)
#define CNI_GC_CONFIG_MAX (16U * 1024U * 1024U)

/* One invocation. All is borrowed; a variable that is unset or empty is "". */
struct cni_call {
        const char *container_id, *netns, *ifname, *args;
        const char *name;    /* of the network; checked, safe as a file name */
        const char *version; /* one of the supported ones; 0.1.0 when the configuration has none */
        bool version_given;  /* the configuration has a cniVersion that is not empty */
        struct json_at config; /* the whole document */
};

/* A sub-command for people. Gets its arguments from its own name on; returns the exit status. */
struct cni_command {
        const char *name;
        const char *usage; /* the rest of its line in the usage text */
        int (*run)(int argc, char **argv);
};

struct cni_plugin {
        const char *program; /* "host-local" */
        const char *about;   /* "CNI host-local plugin v1" */
        int (*add)(const struct cni_call *call, struct ipam_result *ret, struct err *err);
        /* Takes back an ADD whose result could not be handed over. */
        int (*undo)(const struct cni_call *call, const struct ipam_result *result, struct err *err);
        int (*del)(const struct cni_call *call, struct err *err);
        int (*check)(const struct cni_call *call, struct err *err);
        int (*status)(const struct cni_call *call, struct err *err); /* its errors get code 50 */
        int (*gc)(const struct cni_call *call, struct err *err);
        const struct cni_command *commands;
        size_t command_count;
};

/* Runs the verb of CNI_COMMAND; without one the sub-command argv names; without both it prints the
 * two lines about itself on standard error. Returns the exit status: 0, 1 for an error (a JSON
 * object on standard output for a verb, text on standard error for a sub-command), 2 for wrong
 * usage. */
int cni_main(int argc, char **argv, const struct cni_plugin *plugin);

/* The sub-command that argv[1] names, whatever the environment says; for cni_main(), and for an
 * executable that has other names besides. Returns the exit status. */
int cni_command_run(int argc, char **argv, const struct cni_plugin *plugin);

/* The end of a sub-command: writes `out` to standard output when r is 0, else the error to standard
 * error. Returns the exit status, 0 or 1. */
int cni_command_end(const char *program, int r, const struct buf *out, struct err *err);

/* ---- the checks; pure ---- */

/* The supported versions, oldest first. */
extern const char *const cni_versions[];
extern const size_t cni_version_count;

/* A container id or network name: [a-zA-Z0-9][a-zA-Z0-9_.-]* */
bool cni_is_name(const char *text);

/* An interface name by the rules of the reference library; CNI_ERR_ENVIRONMENT. */
int cni_check_ifname(const char *ifname, struct err *err);

/* A version as three numbers; missing parts are 0, "" is 0.1.0. CNI_ERR_DECODE when it is none. */
int cni_parse_version(const char *text, int64_t ret[static 3], struct err *err);

/* Whether the plugin may run `verb` ("CHECK", "GC", "STATUS", or NULL for ADD and DEL) under this
 * configuration version; `since` is the verb's first version. */
int cni_check_version(const char *version, const char *verb, const char *since, struct err *err);

/* A known key of CNI_ARGS. `parse` gets the value and fills *dst, or gives the reason in `err`. */
struct cni_arg {
        const char *key;
        int (*parse)(const char *value, void *dst, struct err *err);
        void *dst;
};

/* Reads CNI_ARGS, "K=V;K=V". Unknown keys are an error unless IgnoreUnknown is 1 or true; of
 * repeated keys the last one wins. Errors are CNI_ERR_ENVIRONMENT. */
int cni_parse_args(const char *args, const struct cni_arg *known, size_t count, struct err *err);

#endif
