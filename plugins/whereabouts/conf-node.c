/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What belongs to the node: locking, timings, the log, the way to the API server.
 */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "conf-flat.h"
#include "conf-reading.h"

/* Milliseconds. */
#define RENEW_DEADLINE 1000
#define RETRY_PERIOD   500
#define TIMING_MAX     (24 * 60 * 60 * 1000)

void conf_node_done(struct conf_node *node)
{
        free(node->flat_file);
        free(node->kubeconfig);
        free(node->log_file);
        *node = (struct conf_node){ 0 };
}

static int bad_timing(const struct conf_node *node, const char *key, struct err *err,
                      const char *must)
{
        (void)err_text(err, -EINVAL, CNI_ERR_INTERNAL, "%s in %s must be %s", key, node->flat_file,
                       must);
        err_details(err,
                    "leader_lease_duration %" PRId64 ", leader_renew_deadline %" PRId64
                    ", leader_retry_period %" PRId64 " (milliseconds)",
                    node->lease_duration_ms, node->renew_deadline_ms, node->retry_period_ms);
        return -EINVAL;
}

/* What client-go demands of the timings of a leader election, and the API server of a Lease. */
static int check_timings(const struct conf_node *node, struct err *err)
{
        const int64_t lease = node->lease_duration_ms, renew = node->renew_deadline_ms,
                      retry = node->retry_period_ms;

        if (lease < 1000 || lease > TIMING_MAX)
                return bad_timing(node, "leader_lease_duration", err,
                                  "at least 1000 and at most one day");
        if (renew < 1 || renew >= lease)
                return bad_timing(node, "leader_renew_deadline", err,
                                  "at least 1 and less than leader_lease_duration");
        if (retry < 1 || retry * 12 >= renew * 10)
                return bad_timing(node, "leader_retry_period", err,
                                  "at least 1 and less than leader_renew_deadline / 1.2");
        return 0;
}

static void default_timings(struct conf_node *node)
{
        node->lease_duration_ms = CONF_LEASE_DURATION_MS;
        node->renew_deadline_ms = RENEW_DEADLINE;
        node->retry_period_ms = RETRY_PERIOD;
}

/* Locking and timings. A release goes on with the defaults when they are wrong, which exclude
 * everybody that others could. */
int conf_take_locking(const struct settings *flat, enum conf_use use, struct conf_node *node,
                      struct err *err)
{
        const char *locking = flat->locking ? flat->locking : "";
        int r;

        default_timings(node);
        if (flat->lease_duration_ms)
                node->lease_duration_ms = flat->lease_duration_ms;
        if (flat->renew_deadline_ms)
                node->renew_deadline_ms = flat->renew_deadline_ms;
        if (flat->retry_period_ms)
                node->retry_period_ms = flat->retry_period_ms;
        r = check_timings(node, err);
        if (r < 0 && use != CONF_RELEASE)
                return r;
        if (r < 0)
                default_timings(node);
        if (strcmp(locking, "optimistic") == 0)
                node->locking = LOCKING_OPTIMISTIC;
        else if (*locking && strcmp(locking, "lease") != 0 && use != CONF_RELEASE)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "locking in %s must be lease or optimistic", node->flat_file);
        return 0;
}

static enum conf_log_level parse_level(const char *text)
{
        static const char *const names[] = { [CONF_LOG_DEBUG] = "debug",
                                             [CONF_LOG_VERBOSE] = "verbose",
                                             [CONF_LOG_ERROR] = "error",
                                             [CONF_LOG_PANIC] = "panic" };

        for (size_t i = CONF_LOG_DEBUG; i < ARRAY_SIZE(names); i++)
                if (text && strcasecmp(text, names[i]) == 0)
                        return (enum conf_log_level)i;
        return CONF_LOG_UNSET;
}

/* A tenant may have a log below /var/log only: whoever opens it is root. */
static bool may_be_tenants(const char *path)
{
        return strncmp(path, "/var/log/", 9) == 0 && path[9] && !strstr(path, "/..");
}

/* `own` is the tenant's, and may be empty. */
void conf_take_log(struct settings *own, struct settings *flat, struct conf_node *node)
{
        bool given = own && own->log_file && *own->log_file;

        if (given && may_be_tenants(own->log_file)) {
                node->log_file = TAKE_PTR(own->log_file);
                node->log_file_is_tenants = true;
        } else {
                node->log_file_is_ignored = given;
                if (flat->log_file && *flat->log_file)
                        node->log_file = TAKE_PTR(flat->log_file);
        }
        node->log_level = parse_level(own ? own->log_level : flat->log_level);
}

int conf_check_kubeconfig(const char *path, struct err *err)
{
        if (path && *path)
                return 0;
        return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                        "you have not configured the storage engine (looks like you're using an "
                        "invalid `kubernetes.kubeconfig` parameter in your config)");
}

int conf_decode_flat(const char *path, const struct json *document, enum conf_use use,
                     struct settings *ret, struct err *err)
{
        const struct json_at at = { .value = document };
        int r;

        settings_init(ret);
        if (json_is_null(&at)) /* as good as an empty object */
                return 0;
        r = settings_decode(&at, use, ret, err);
        if (r == 0)
                r = settings_decode_node(&at, use, ret, err);
        if (r < 0 && r != -ENOMEM)
                flat_wrap(path, err);
        return r;
}

int conf_read_node(const char *path, const struct trust *trust, struct conf_node *ret,
                   struct err *err)
{
        _cleanup_(flat_done) struct flat flat = { 0 };
        _cleanup_(settings_done) struct settings settings;
        _cleanup_(conf_node_done) struct conf_node node = { 0 };
        int r;

        settings_init(&settings);
        r = path ? flat_find(path, NULL, 0, trust, &flat, err)
                 : flat_find(NULL, conf_paths, conf_path_count, trust, &flat, err);
        if (r == 0)
                r = conf_decode_flat(flat.path, flat.document, CONF_STATUS, &settings, err);
        if (r == 0)
                r = conf_check_kubeconfig(settings.kubeconfig, err);
        node.flat_file = TAKE_PTR(flat.path);
        if (r == 0)
                r = conf_take_locking(&settings, CONF_STATUS, &node, err);
        if (r < 0)
                return r;
        conf_take_log(NULL, &settings, &node);
        node.kubeconfig = TAKE_PTR(settings.kubeconfig);
        *ret = node;
        node = (struct conf_node){ 0 };
        return 0;
}
