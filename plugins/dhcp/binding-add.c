/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADD: limits, the namespace and the way back to it, the interface, and the first step.
 */
#include <inttypes.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "binding-parts.h"
#include "sock.h"

/* ADDs at work at once; more are told to try again. */
#define ADDING_MAX 1024
/* Of these, so many ask a server at the same time; each at most so long without an answer. */
#define ASKING_MAX 48
#define ASKING_MS  100

static int add_call(struct binding *b, struct serve_call *call, struct err *err)
{
        struct serve_call **calls = reallocarray(b->calls, b->call_count + 1, sizeof(*b->calls));

        if (!calls)
                return err_oom(err);
        b->calls = calls;
        b->calls[b->call_count++] = call;
        call->user = b;
        return 0;
}

static void remove_call(struct binding *b, const struct serve_call *call)
{
        for (size_t i = 0; i < b->call_count; i++)
                if (b->calls[i] == call) {
                        b->calls[i] = b->calls[--b->call_count];
                        return;
                }
}

static bool is_adding(const struct binding *b)
{
        return b->queued || b->lease.adding;
}

static int check_limits(const struct bindings *all, const struct key *key, struct err *err)
{
        uint64_t count = 0;

        if (bindings_count_if(all, is_adding) >= ADDING_MAX)
                return err_text(err, -EAGAIN, CNI_ERR_TRY_LATER,
                                "%d ADDs are under way already, try again later", ADDING_MAX);
        for (size_t i = 0; i < all->row_count; i++)
                for (const struct binding *b = all->rows[i]; b; b = b->next)
                        count += !b->over && !strcmp(b->record.key.network, key->network);
        if (count >= all->max_leases)
                return err_text(err, -ENOSPC, CNI_ERR_INTERNAL,
                                "network %s has %" PRIu64
                                " leases, which is its limit (-max-leases)",
                                key->network, count);
        return 0;
}

/* The daemon must find its way back to the namespace without the descriptor. */
static int check_way_back(const struct bindings *all, const char *netns, int fd, struct err *err)
{
        _cleanup_(closep) int again = -1;
        struct stat a, b;
        int r = visit_open_path(all->host_prefix, netns, &again, err);

        if (r == 0 && (fstat(fd, &a) < 0 || fstat(again, &b) < 0 || a.st_dev != b.st_dev ||
                       a.st_ino != b.st_ino))
                r = err_text(err, -ESTALE, CNI_ERR_NETNS, "%s%s is another namespace here",
                             all->host_prefix, netns);
        if (r < 0)
                err_details(err, "the daemon has to reach the namespaces of containers by their "
                                 "paths: mount /run/netns into it with HostToContainer propagation "
                                 "(and /proc of the host), see -hostprefix, or use -pin-netns");
        return r;
}

static int check_netns(int fd, struct err *err)
{
        if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET)
                return err_text(err, -EINVAL, CNI_ERR_NETNS,
                                "the descriptor that came is no network namespace");
        return 0;
}

/* Takes over the request's parts and finds out who the interface is. */
static int identify(struct binding *b, struct serve_call *call, struct link *ret, struct err *err)
{
        _cleanup_(net_closep) struct net *net = NULL;
        struct rpc_request *request = call->request;
        struct record *record = &b->record;
        struct err unused;
        int r = key_copy(&request->key, &record->key, err);

        record->netns = TAKE_PTR(request->netns);
        record->profile = request->profile;
        request->profile = (struct profile){ 0 };
        b->netns_fd = TAKE_FD(call->netns_fd);
        if (r == 0 && b->netns_fd < 0)
                r = visit_open_path(b->all->host_prefix, record->netns, &b->netns_fd, err);
        if (r == 0)
                r = check_netns(b->netns_fd, err);
        if (r == 0 && !b->all->pin_netns)
                r = check_way_back(b->all, record->netns, b->netns_fd, err);
        if (r == 0)
                r = sock_open_net(b->netns_fd, &net, err);
        if (r == 0)
                r = link_get(net, record->key.ifname, ret, err);
        if (r == LINK_ABSENT)
                return err_text(err, -ENODEV, CNI_ERR_INTERNAL,
                                "error looking up \"%s\": Link not found", record->key.ifname);
        if (r < 0)
                return r;
        record->cookie = net_cookie(net);
        record->ifindex = ret->ifindex;
        record->hardware_type = ret->type;
        record->hardware = ret->address;
        if (link_name_netns(b->all->net, b->netns_fd, &record->nsid, &unused) != 0)
                record->nsid = -1;
        return 0;
}

/* Client identifier "hardware type and address" is fixed from now on, whatever becomes of the
 * interface's address. */
static void identify_by_hardware(struct record *record)
{
        struct profile *profile = &record->profile;

        if (profile->client_id_len > 0)
                return;
        profile->client_id[0] = (uint8_t)record->hardware_type;
        memcpy(profile->client_id + 1, record->hardware.bytes, record->hardware.len);
        profile->client_id_len = (uint8_t)(1 + record->hardware.len);
}

/* ---- turns ---- */

/* Takes it out of the queue, or out of those that are asking. */
void binding_make_room(struct binding *b)
{
        struct binding **at = &b->all->queue;
        struct err err;

        if (b->queued) {
                while (*at != b)
                        at = &(*at)->behind;
                *at = b->behind;
                b->queued = false;
        } else if (b->asking) {
                b->asking = false;
                b->all->asking--;
                if (b->all->queue && loop_set_timer(b->all->loop, &b->all->turn,
                                                    loop_now_ms(b->all->loop), &err) < 0)
                        binding_warn(b, "no timer", &err);
        }
}

static void ask(struct binding *b)
{
        struct lease_step step = { 0 };

        b->asking = true;
        b->asking_ms = loop_now_ms(b->all->loop) + ASKING_MS;
        b->all->asking++;
        lease_start(&b->lease, binding_now(b), b->deadline_ms, &step);
        (void)binding_perform(b, &step);
}

void binding_turn_due(struct loop_timer *timer, int64_t now_ms _unused_)
{
        struct bindings *all = CONTAINER_OF(timer, struct bindings, turn);

        while (all->queue && all->asking < ASKING_MAX) {
                struct binding *b = all->queue;

                binding_make_room(b);
                ask(b);
        }
}

/* A server's socket holds some hundred messages; what it has no room for is lost, and would be sent
 * again only after a second. */
static void wait_for_turn(struct binding *b)
{
        struct binding **at = &b->all->queue;

        if (b->all->asking < ASKING_MAX) {
                ask(b);
                return;
        }
        while (*at)
                at = &(*at)->behind;
        *at = b;
        b->behind = NULL;
        b->queued = true;
}

static int begin(struct bindings *all, struct serve_call *call, struct err *err)
{
        _cleanup_(binding_freep) struct binding *fresh = binding_new(all);
        int64_t timeout_ms = call->request->timeout_ms;
        struct binding *b;
        struct lease_step unused = { 0 };
        struct link link = { 0 };
        int r;

        if (!fresh)
                return err_oom(err);
        r = check_limits(all, &call->request->key, err);
        if (r == 0)
                r = identify(fresh, call, &link, err);
        if (r == 0)
                r = add_call(fresh, call, err);
        if (r == 0)
                r = binding_insert(fresh, err);
        if (r < 0)
                return r;
        b = TAKE_PTR(fresh);
        identify_by_hardware(&b->record);
        if (timeout_ms <= 0 || timeout_ms > all->timing.resend_timeout_ms)
                timeout_ms = all->timing.resend_timeout_ms;
        lease_init(&b->lease, &b->record, &all->timing);
        lease_link(&b->lease, binding_now(b), &link, &unused); /* it need not look again */
        b->deadline_ms = loop_now_ms(all->loop) + timeout_ms;
        wait_for_turn(b);
        return 0;
}

/* Whether the request speaks of the interface that the lease is for. */
static bool is_same(const struct binding *b, const struct serve_call *call)
{
        _cleanup_(net_closep) struct net *net = NULL;
        struct link link;
        struct err err;

        if (call->netns_fd < 0 || sock_open_net(call->netns_fd, &net, &err) < 0)
                return !strcmp(b->record.netns, call->request->netns);
        return visit_is_same(&b->record, call->netns_fd, net, b->all->net) &&
               link_get(net, b->record.key.ifname, &link, &err) == 0 &&
               link.ifindex == b->record.ifindex;
}

int binding_add(struct bindings *all, struct serve_call *call, struct err *err)
{
        const struct key *key = &call->request->key;
        struct binding *b = bindings_find(all, key);
        struct rpc_reply reply = { 0 };
        int r;

        if (b && (b->over || b->record.lost || binding_is_marked(b))) {
                binding_release(b, -1, "the attachment is added again");
                b = bindings_find(all, key);
                if (b)
                        binding_forget(b); /* what could not be released is shown no longer */
                b = NULL;
        }
        if (!b) {
                r = state_remove(all->dirfd, key, err); /* a mark that is older than this ADD */
                return r < 0 ? r : begin(all, call, err);
        }
        if (!is_same(b, call))
                return err_text(err, -EEXIST, CNI_ERR_INTERNAL,
                                "the attachment has a lease in another network namespace (%s): "
                                "DEL it first",
                                b->record.netns);
        r = add_call(b, call, err);
        reply.grant = b->record.grant;
        if (r == 0 && b->answered)
                serve_reply(call, &reply);
        return r;
}

void binding_call_ended(struct binding *b, struct serve_call *call, bool done)
{
        remove_call(b, call);
        if (done)
                b->confirmed = true;
        if (!b->confirmed && b->call_count == 0)
                binding_release(b, -1, "the plugin went away");
}
