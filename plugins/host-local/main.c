/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host-local: addresses from ranges, unique on one host. Each verb reads its configuration, opens
 * the store, acts, and fills the result.
 */
#include <inttypes.h>
#include <signal.h>

#include "command.h"
#include "conf.h"
#include "core/cni.h"
#include "core/log.h"
#include "release.h"
#include "report.h"
#include "reservation.h"
#include "resolv.h"
#include "store.h"

static struct owner owner_of(const struct cni_call *call)
{
        return (struct owner){ call->container_id, call->ifname };
}

static void warn(const char *text)
{
        log_line(LOG_LEVEL_WARNING, "%s", text);
}

/* Opens the store of a verb that changes something, and drops what a boot ago was held if the
 * configuration wants it. An entry that cannot be dropped is no reason to fail: it is in nobody's
 * way but its own. */
static int open_store(const struct place *place, unsigned flags, struct store *ret, struct err *err)
{
        int r = store_open(place->path, flags | STORE_INDEX, ret, err);

        if (r == 0 && place->reclaim_on_boot && release_sweep(ret, err) < 0)
                warn(err->msg);
        return r;
}

/* Reads the configuration and the resolv.conf that it names: what ADD needs before it looks at the
 * disk. */
static int read_conf(const struct cni_call *call, struct conf *ret, struct dns *ret_dns,
                     struct err *err)
{
        int r = conf_read(call, ret, err);

        if (r == 0 && ret->resolv_conf && *ret->resolv_conf)
                r = resolv_read(ret->resolv_conf, ret_dns, err);
        return r;
}

static int add(const struct cni_call *call, struct ipam_result *ret, struct err *err)
{
        static const struct reservation_log log = { warn };
        _cleanup_(conf_done) struct conf conf = { 0 };
        _cleanup_(store_close) struct store store = STORE_CLOSED;
        const struct owner owner = owner_of(call);
        int r = read_conf(call, &conf, &ret->dns, err);

        if (r == 0)
                r = open_store(&conf.place, STORE_CREATE, &store, err);
        if (r == 0)
                r = reservation_make(&store, &conf, &owner, &log, ret, err);
        if (r < 0)
                return r;
        ret->routes = conf.routes;
        conf.routes = (struct route_list){ 0 };
        return 0;
}

static int undo(const struct cni_call *call, const struct ipam_result *result, struct err *err)
{
        _cleanup_(place_done) struct place place = { 0 };
        _cleanup_(store_close) struct store store = STORE_CLOSED;
        const struct owner owner = owner_of(call);
        int r = conf_read_place(call, &place, err);

        if (r == 0)
                r = store_open(place.path, STORE_INDEX, &store, err);
        if (r != 0)
                return r < 0 ? r : 0;
        return release_addresses(&store, &owner, result, err);
}

static int del(const struct cni_call *call, struct err *err)
{
        _cleanup_(result_done) struct ipam_result previous = { 0 };
        _cleanup_(place_done) struct place place = { 0 };
        _cleanup_(store_close) struct store store = STORE_CLOSED;
        const struct owner owner = owner_of(call);
        int r = conf_read_place(call, &place, err);

        if (r == 0)
                r = result_read_previous(&call->config, &previous, err);
        if (r == 0)
                r = open_store(&place, 0, &store, err);
        if (r != 0)
                return r < 0 ? r : 0; /* no directory: nothing is held */
        return release_owner(&store, &owner, &previous, err);
}

static int check(const struct cni_call *call, struct err *err)
{
        _cleanup_(result_done) struct ipam_result previous = { 0 };
        _cleanup_(place_done) struct place place = { 0 };
        _cleanup_(store_close) struct store store = STORE_CLOSED;
        const struct owner owner = owner_of(call);
        bool held = false;
        int r = conf_read_place(call, &place, err);

        if (r == 0)
                r = result_read_previous(&call->config, &previous, err);
        if (r == 0)
                r = store_open(place.path, STORE_INDEX, &store, err);
        if (r == 0)
                r = release_check(&store, &owner, &previous, &held, err);
        if (r < 0)
                return r;
        if (!held)
                return err_text(err, -ENOENT, CNI_ERR_INTERNAL,
                                "host-local: Failed to find address added by container %s",
                                call->container_id);
        return 0;
}

static int gc(const struct cni_call *call, struct err *err)
{
        _cleanup_(attachments_done) struct attachments valid = { 0 };
        _cleanup_(place_done) struct place place = { 0 };
        _cleanup_(store_close) struct store store = STORE_CLOSED;
        int r = attachments_read(&call->config, &valid, err);

        if (r == ATTACHMENTS_NONE)
                return 0;
        if (r == 0)
                r = conf_read_place(call, &place, err);
        if (r == 0)
                r = open_store(&place, 0, &store, err);
        if (r != 0)
                return r < 0 ? r : 0;
        return release_collect(&store, &valid, NULL, err);
}

/* Fails when a set has no address left, if the configuration wants to know that. */
static int check_free(const struct conf *conf, const struct report *report, struct err *err)
{
        for (size_t i = 0; i < conf->sets.count; i++) {
                const struct range_set *set = &conf->sets.items[i];
                uint64_t size = range_set_size(set), used = report_used(report, set);
                struct buf ranges;

                if (used < size)
                        continue;
                buf_init(&ranges, sizeof(err->msg));
                range_set_format(set, &ranges);
                (void)err_text(err, -EADDRNOTAVAIL, CNI_ERR_NOT_AVAILABLE,
                               "no IP addresses available in range set: %s", buf_text(&ranges));
                err_details(err, "range set %zu: %" PRIu64 " of %" PRIu64 " addresses are used", i,
                            used, size);
                buf_done(&ranges);
                return -EADDRNOTAVAIL;
        }
        return 0;
}

static int status(const struct cni_call *call, struct err *err)
{
        _cleanup_(conf_done) struct conf conf = { 0 };
        _cleanup_(report_list_done) struct report_list reports = { 0 };
        _cleanup_(result_done) struct ipam_result unused = { 0 };
        int r = read_conf(call, &conf, &unused.dns, err);

        if (r == 0)
                r = store_probe(conf.place.path, err);
        if (r == 0 && conf.strict_status) {
                r = report_read(&reports, call->name, conf.place.path, err);
                if (r == STORE_ABSENT)
                        r = report_add_empty(&reports, call->name, err);
                if (r == 0)
                        r = check_free(&conf, &reports.items[0], err);
        }
        return r;
}

int main(int argc, char **argv)
{
        const struct cni_plugin plugin = {
                .program = "host-local",
                .about = "CNI host-local plugin v" CNI_IPAM_VERSION,
                .add = add,
                .undo = undo,
                .del = del,
                .check = check,
                .status = status,
                .gc = gc,
                .commands = host_local_commands,
                .command_count = host_local_command_count,
        };

        /* A limit on the size of files is then an ordinary error. */
        (void)signal(SIGXFSZ, SIG_IGN);
        return cni_main(argc, argv, &plugin);
}
