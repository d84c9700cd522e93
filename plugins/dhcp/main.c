/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dhcp: addresses from the network's own DHCP server. The verbs ask the daemon, which gets the
 * lease and keeps it; a DEL that no daemon answers leaves a mark for the next one.
 */
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

#include "client.h"
#include "command.h"
#include "conf.h"
#include "core/attachment.h"
#include "core/cni.h"
#include "core/log.h"
#include "core/netns.h"
#include "daemon.h"
#include "report.h"
#include "sock.h"
#include "state.h"

/* Runtimes give an ADD four minutes. The daemon gives up before we do, because it knows why. */
#define ADD_HELLO_MS   5000
#define ADD_REPLY_MS   230000
#define ADD_TIMEOUT_MS 225000
#define CHECK_HELLO_MS 2000
#define CHECK_REPLY_MS 3000
#define STATUS_MS      1000 /* for the hello, and for the reply */

#define ALLOCATE "error calling DHCP.Allocate: "
#define RELEASE  "error calling DHCP.Release: "

/* ---- what the verbs share ---- */

/* What is borrowed from the call; nothing to free. */
static struct key key_of(const struct cni_call *call)
{
        return (struct key){ .container_id = (char *)(uintptr_t)call->container_id,
                             .network = (char *)(uintptr_t)call->name,
                             .ifname = (char *)(uintptr_t)call->ifname };
}

/* Puts upstream's words in front of what the daemon says, and makes its absence an error. */
static int daemon_error(int r, const char *words, struct err *err)
{
        if (r == CLIENT_REFUSED)
                err_wrap(err, "%s", words);
        return r == CLIENT_ABSENT ? -ENOTCONN : r;
}

/* Opens the container's namespace; errors are those of upstream's daemon. */
static int open_netns(const char *path, int *ret_fd, struct err *err)
{
        struct statfs fs;
        int r;

        if (statfs(path, &fs) < 0)
                return err_set(err, -errno, CNI_ERR_INTERNAL, ALLOCATE "failed to Statfs \"%s\"",
                               path);
        if (fs.f_type != NSFS_MAGIC)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                ALLOCATE "unknown FS magic on \"%s\": %lx", path,
                                (unsigned long)fs.f_type);
        r = netns_open(path, ret_fd, err);
        if (r < 0)
                err_wrap(err, ALLOCATE);
        return r;
}

/* ---- DEL ---- */

static void warn(const char *text)
{
        log_line(LOG_LEVEL_WARNING, "%s", text);
}

/* Nobody has heard of the DEL: the daemon will find a mark. It is a DEL's last means, so a failure
 * is only told. */
static void leave_mark(const struct trust *trust, const char *socket, const struct key *key,
                       struct err *err)
{
        struct err mark_err;

        if (state_mark(trust, socket, key, &mark_err) < 0)
                log_line(LOG_LEVEL_WARNING, "%s; the lease stays until it runs out: %s", err->msg,
                         mark_err.msg);
}

/* Gives the lease back, or sees to it that it will be. Only a daemon that says no is an error. */
static int del(const struct cni_call *call, struct err *err)
{
        _cleanup_(conf_done) struct conf conf = { 0 };
        _cleanup_(trust_done) struct trust trust = { 0 };
        _cleanup_(freep) char *netns = NULL;
        _cleanup_(closep) int fd = -1;
        const struct key key = key_of(call);
        struct err ignored;
        int r = conf_read_socket(call, &conf, err);

        if (r < 0)
                return r;
        if (trust_load(TRUST_CONF, &trust, err) < 0)
                warn(err->msg); /* what is built in must do */
        if (*call->netns && netns_open(call->netns, &fd, &ignored) == 0 &&
            conf_make_absolute(call->netns, &netns, &ignored) < 0)
                netns = NULL;
        r = client_release(&trust, conf.socket, &key, netns, fd, err);
        if (r == 0 || r == CLIENT_REFUSED)
                return daemon_error(r, RELEASE, err);
        leave_mark(&trust, conf.socket, &key, err);
        return 0;
}

/* ---- ADD ---- */

static int add(const struct cni_call *call, struct ipam_result *ret, struct err *err)
{
        _cleanup_(conf_done) struct conf conf = { 0 };
        _cleanup_(trust_done) struct trust trust = { 0 };
        _cleanup_(rpc_reply_done) struct rpc_reply reply = { 0 };
        _cleanup_(freep) char *netns = NULL;
        _cleanup_(closep) int fd = -1;
        struct rpc_request request = { .op = RPC_ADD, .timeout_ms = ADD_TIMEOUT_MS };
        struct err later;
        int r = conf_read(call, &conf, err);

        if (r == 0)
                r = trust_load(TRUST_CONF, &trust, err);
        if (r == 0)
                r = open_netns(call->netns, &fd, err);
        if (r == 0)
                r = conf_make_absolute(call->netns, &netns, err);
        if (r < 0)
                return r;
        request.key = key_of(call);
        request.netns = netns;
        request.profile = conf.profile;
        r = client_ask(&trust, conf.socket, &request, fd, ADD_HELLO_MS, ADD_REPLY_MS, &reply, err);
        if (r == 0 && !grant_is(&reply.grant))
                r = err_text(err, -EPROTO, CNI_ERR_DECODE, "the daemon's reply has no lease");
        if (r != 0)
                return daemon_error(r, ALLOCATE, err);
        r = grant_result(&reply.grant, &conf.profile, ret, err);
        if (r < 0 && del(call, &later) < 0) /* the daemon believes that all went well */
                warn(later.msg);
        return r;
}

static int undo(const struct cni_call *call, _unused_ const struct ipam_result *result,
                struct err *err)
{
        return del(call, err);
}

/* ---- CHECK ---- */

/* The result that the runtime has kept must be about this lease. A runtime that has kept none is
 * not asked for it. */
static int check_previous(const struct cni_call *call, const struct grant *grant, struct err *err)
{
        _cleanup_(result_done) struct ipam_result previous = { 0 };
        char text[IPNET_TEXT_MAX];
        struct json_at at;
        int r;

        if (!json_member(&call->config, "prevResult", &at) || json_is_null(&at))
                return 0;
        r = result_read_previous(&call->config, &previous, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < previous.ip_count; i++)
                if (ip_equal(&previous.ips[i].address.ip, &grant->address.ip))
                        return 0;
        return err_text(err, -ENOENT, CNI_ERR_INTERNAL,
                        "the lease's address %s is not in prevResult",
                        ipnet_format(&grant->address, text));
}

/* Opens a netlink socket of the container's namespace. */
static int open_net(const char *path, struct net **ret, struct err *err)
{
        _cleanup_(closep) int fd = -1;
        int r = netns_open(path, &fd, err);

        return r < 0 ? r : sock_open_net(fd, ret, err);
}

static int check_interface(const struct cni_call *call, const struct grant *grant, struct err *err)
{
        _cleanup_(net_closep) struct net *net = NULL;
        char text[IPNET_TEXT_MAX];
        struct address address;
        struct link link;
        int r = open_net(call->netns, &net, err);

        if (r == 0)
                r = link_get(net, call->ifname, &link, err);
        if (r == LINK_ABSENT)
                return err_text(err, -ENODEV, CNI_ERR_INTERNAL, "there is no interface %s in %s",
                                call->ifname, call->netns);
        if (r == 0)
                r = link_find_address(net, link.ifindex, &grant->address, &address, err);
        if (r == LINK_ABSENT)
                return err_text(err, -EADDRNOTAVAIL, CNI_ERR_INTERNAL,
                                "interface %s does not have the lease's address %s", call->ifname,
                                ipnet_format(&grant->address, text));
        return r;
}

static int check(const struct cni_call *call, struct err *err)
{
        _cleanup_(conf_done) struct conf conf = { 0 };
        _cleanup_(trust_done) struct trust trust = { 0 };
        _cleanup_(rpc_reply_done) struct rpc_reply reply = { 0 };
        const struct rpc_request request = { .op = RPC_CHECK, .key = key_of(call) };
        int r = conf_read_socket(call, &conf, err);

        if (r == 0)
                r = trust_load(TRUST_CONF, &trust, err);
        if (r == 0)
                r = client_ask(&trust, conf.socket, &request, -1, CHECK_HELLO_MS, CHECK_REPLY_MS,
                               &reply, err);
        if (r == CLIENT_ABSENT)
                err->code = CNI_ERR_INTERNAL; /* as upstream: nothing comes of trying again */
        if (r == 0 && !grant_is(&reply.grant))
                r = err_text(err, -EPROTO, CNI_ERR_DECODE, "the daemon's reply has no lease");
        if (r == 0)
                r = check_previous(call, &reply.grant, err);
        if (r == 0)
                r = check_interface(call, &reply.grant, err);
        return daemon_error(r, ALLOCATE, err);
}

/* ---- STATUS and GC ---- */

static int status(const struct cni_call *call, struct err *err)
{
        _cleanup_(conf_done) struct conf conf = { 0 };
        _cleanup_(trust_done) struct trust trust = { 0 };
        _cleanup_(rpc_reply_done) struct rpc_reply reply = { 0 };
        const struct rpc_request request = { .op = RPC_STATUS };
        int r = conf_read(call, &conf, err);

        if (r == 0)
                r = trust_load(TRUST_CONF, &trust, err);
        if (r == 0)
                r = client_ask(&trust, conf.socket, &request, -1, STATUS_MS, STATUS_MS, &reply,
                               err);
        return r == CLIENT_ABSENT ? -ENOTCONN : r;
}

/* Releases all of the list that are not valid; what fails is told at the end, but nobody is asked
 * again who does not answer. */
static int collect(const struct trust *trust, const char *socket, const struct key_list *list,
                   const struct attachments *valid, struct err *err)
{
        int first = 0;

        for (size_t i = 0; i < list->count; i++) {
                const struct key *key = &list->items[i];
                struct err one;
                int r;

                if (attachments_have(valid, key->container_id, key->ifname))
                        continue;
                r = client_release(trust, socket, key, NULL, -1, &one);
                if (r != 0 && first == 0) {
                        *err = one;
                        first = daemon_error(r, RELEASE, err);
                }
                if (r == CLIENT_ABSENT)
                        break;
        }
        return first;
}

static int gc(const struct cni_call *call, struct err *err)
{
        _cleanup_(attachments_done) struct attachments valid = { 0 };
        _cleanup_(conf_done) struct conf conf = { 0 };
        _cleanup_(trust_done) struct trust trust = { 0 };
        _cleanup_(key_list_done) struct key_list list = { 0 };
        _cleanup_(freep) char *document = NULL;
        int r = attachments_read(&call->config, &valid, err);

        if (r == ATTACHMENTS_NONE)
                return 0;
        if (r == 0)
                r = conf_read_socket(call, &conf, err);
        if (r == 0)
                r = trust_load(TRUST_CONF, &trust, err);
        if (r == 0)
                r = client_list(&trust, conf.socket, call->name, &document, err);
        if (r == 0)
                r = report_read_keys(document, &list, err);
        if (r == 0)
                r = collect(&trust, conf.socket, &list, &valid, err);
        return r == CLIENT_ABSENT ? -ENOTCONN : r;
}

int main(int argc, char **argv)
{
        const struct cni_plugin plugin = {
                .program = "dhcp",
                .about = "CNI dhcp plugin v" CNI_IPAM_VERSION,
                .add = add,
                .undo = undo,
                .del = del,
                .check = check,
                .status = status,
                .gc = gc,
                .commands = dhcp_commands,
                .command_count = dhcp_command_count,
        };

        /* The daemon is one whatever its environment says. */
        if (argc > 1 && strcmp(argv[1], "daemon") == 0)
                return daemon_main(argc - 1, argv + 1);
        return cni_main(argc, argv, &plugin);
}
