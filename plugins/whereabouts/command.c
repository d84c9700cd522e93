/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything is composed first and printed at the end. Files that are named on the command line
 * must pass the same rule of trust as those that a configuration names: who may write them may make
 * root speak to any server.
 */
#include "command.h"

#include <string.h>

#include "controller.h"
#include "core/clock.h"
#include "core/options.h"
#include "node.h"
#include "report.h"

#define PROGRAM    "whereabouts"
#define OUTPUT_MAX (256U * 1024U * 1024U)
#define LOOK_MS    30000
#define CONNECT_MS 3000
#define REPAIR_MS  30000

/* ---- arguments ---- */

struct arguments {
        struct probe_files files;
        bool json, fix;
        struct words pools;
};

static void arguments_done(struct arguments *arguments)
{
        words_done(&arguments->pools);
}

/* Which options a command has, beside --json, --conf and --kubeconfig, and whether other words.
 * Returns 0, or 1 or 2, which is then the exit status. */
static int parse_arguments(int argc, char **argv, bool fix, bool pools, struct arguments *ret)
{
        const struct option_row rows[] = {
                { "--json", NULL, &ret->json },
                { "--conf", &ret->files.conf, NULL },
                { "--kubeconfig", &ret->files.kubeconfig, NULL },
                { "--fix", NULL, &ret->fix }, /* the last one */
        };
        int r = options_parse(PROGRAM, argc, argv, rows, ARRAY_SIZE(rows) - (fix ? 0 : 1),
                              &ret->pools);

        if (r == 0 && !pools && ret->pools.count > 0)
                r = options_misused(PROGRAM, argv[0], "unexpected argument", ret->pools.items[0]);
        return r;
}

/* ---- the cluster ---- */

struct cluster {
        struct conf_node node;
        struct kubeconfig kubeconfig;
        struct k8s *k8s;
};

static void cluster_done(struct cluster *cluster)
{
        k8s_free(cluster->k8s);
        kubeconfig_done(&cluster->kubeconfig);
        conf_node_done(&cluster->node);
}

static int cluster_open(const struct probe_files *files, struct cluster *ret, struct err *err)
{
        _cleanup_(trust_done) struct trust trust = { 0 };
        int r = trust_load(TRUST_CONF, &trust, err);

        if (r == 0)
                r = probe_conf(files, &trust, &ret->node, err);
        if (r == 0)
                r = kubeconfig_read(ret->node.kubeconfig, &trust, &ret->kubeconfig, err);
        return r == 0 ? k8s_new(&ret->kubeconfig, &ret->k8s, err) : r;
}

/* ---- the commands ---- */

static int run_list(int argc, char **argv)
{
        _cleanup_(arguments_done) struct arguments arguments = { 0 };
        _cleanup_(cluster_done) struct cluster cluster = { 0 };
        _cleanup_(inquiry_done) struct inquiry inquiry = { 0 };
        _cleanup_(listing_done) struct listing listing = { 0 };
        _cleanup_(buf_done) struct buf out;
        const struct k8s_limits limits = { clock_boot_ms() + LOOK_MS, CONNECT_MS, LOOK_MS };
        struct err err = { 0 };
        int r = parse_arguments(argc, argv, false, true, &arguments);

        buf_init(&out, OUTPUT_MAX);
        if (r > 0)
                return r;
        r = cluster_open(&arguments.files, &cluster, &err);
        if (r == 0)
                r = snapshot_read(cluster.k8s, false, &limits, &inquiry.snapshot, &err);
        if (r == 0)
                r = audit_run(&inquiry.snapshot, &inquiry.audit, &err);
        if (r == 0)
                r = listing_choose(&listing, &inquiry.audit, arguments.pools.items,
                                   arguments.pools.count, &err);
        if (r == 0 && arguments.json)
                report_list_json(&listing, &out);
        else if (r == 0)
                r = report_list_table(&listing, &out, &err);
        return cni_command_end(PROGRAM, r, &out, &err);
}

static int run_status(int argc, char **argv)
{
        _cleanup_(arguments_done) struct arguments arguments = { 0 };
        _cleanup_(probe_done) struct probe probe = { 0 };
        _cleanup_(buf_done) struct buf out;
        struct err err = { 0 };
        int status, r = parse_arguments(argc, argv, false, false, &arguments);

        buf_init(&out, OUTPUT_MAX);
        if (r > 0)
                return r;
        r = probe_run(&probe, &arguments.files, &err);
        if (r == 0 && arguments.json)
                report_status_json(&probe, &out);
        else if (r == 0)
                r = report_status_table(&probe, &out, &err);
        status = cni_command_end(PROGRAM, r, &out, &err);
        return probe.problems.count > 0 ? 1 : status;
}

static int repair(struct inquiry *inquiry, const struct cluster *cluster, struct err *err)
{
        const struct repair_way way = { cluster->k8s, cluster->kubeconfig.identity,
                                        cluster->node.lease_duration_ms, REPAIR_MS };

        return inquiry_repair(inquiry, &way, err);
}

/* Whether something is still wrong. */
static bool is_unrepaired(const struct inquiry *inquiry)
{
        for (size_t i = 0; i < inquiry->count; i++)
                if (inquiry->repairs[i].end != REPAIR_DONE &&
                    inquiry->repairs[i].end != REPAIR_GONE)
                        return true;
        return false;
}

static int run_check(int argc, char **argv)
{
        _cleanup_(arguments_done) struct arguments arguments = { 0 };
        _cleanup_(cluster_done) struct cluster cluster = { 0 };
        _cleanup_(inquiry_done) struct inquiry inquiry = { 0 };
        _cleanup_(buf_done) struct buf out;
        const struct k8s_limits limits = { clock_boot_ms() + LOOK_MS, CONNECT_MS, LOOK_MS };
        struct err err = { 0 };
        int status, r = parse_arguments(argc, argv, true, false, &arguments);

        buf_init(&out, OUTPUT_MAX);
        if (r > 0)
                return r;
        r = cluster_open(&arguments.files, &cluster, &err);
        if (r == 0)
                r = inquiry_run(&inquiry, cluster.k8s, arguments.fix, &limits, &err);
        if (r == 0 && arguments.fix)
                r = repair(&inquiry, &cluster, &err);
        if (r == 0 && arguments.json)
                report_check_json(&inquiry, arguments.fix, &out);
        else if (r == 0)
                r = report_check_table(&inquiry, arguments.fix, &out, &err);
        status = cni_command_end(PROGRAM, r, &out, &err);
        return is_unrepaired(&inquiry) ? 1 : status;
}

#define FILES "[--conf FILE] [--kubeconfig FILE]"

const struct cni_command whereabouts_commands[] = {
        { "list", "[--json] " FILES " [POOL...]", run_list },
        { "status", "[--json] " FILES, run_status },
        { "check", "[--fix] [--json] " FILES, run_check },
        { "node",
          "[--once | --restore] [--no-install] [--programs LIST] [--listen ADDRESS] "
          "[--grace SECONDS]",
          node_run },
        { "controller", CONTROLLER_USAGE, controller_command },
};
const size_t whereabouts_command_count = ARRAY_SIZE(whereabouts_commands);
