/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binding is ended in one of three ways: released (the server knows), over (the container or its
 * interface is gone, so that the server cannot be told: it stays in the list until the lease ends),
 * or lost for good (policy `down`: it stays until DEL).
 */
#include <string.h>
#include <sys/random.h>

#include "binding-parts.h"
#include "core/log.h"
#include "sock.h"

/* Attachments that are only kept to be shown: more are forgotten. */
#define OVER_MAX 1024
/* Between two looks at a link that changes. */
#define LOOK_PAUSE_MS 100
/* When one was not possible. */
#define LOOK_AGAIN_MS 1000
/* A release that is not possible at the moment is tried again after 0.2, 0.4 ... 3.2 s. */
#define RELEASE_TRIES    5
#define RELEASE_AGAIN_MS INT64_C(200)

/* ---- what all parts need ---- */

void binding_tell(const struct binding *b, enum log_level level, const char *text, const char *more)
{
        const struct key *key = &b->record.key;

        log_line(level, "%s/%s/%s: %s%s%s", key->container_id, key->network, key->ifname, text,
                 *more ? ": " : "", more);
}

void binding_set_error(struct binding *b, const char *text)
{
        (void)snprintf(b->last_error, sizeof(b->last_error), "%.*s", (int)sizeof(b->last_error) - 1,
                       text);
}

void binding_warn(struct binding *b, const char *what, const struct err *err)
{
        char former[sizeof(b->last_error)];

        memcpy(former, b->last_error, sizeof(former));
        binding_set_error(b, err->msg);
        if (strcmp(former, b->last_error) != 0) /* what goes on and on is told once */
                binding_tell(b, LOG_LEVEL_WARNING, what, err->msg);
}

struct lease_now binding_now(const struct binding *b)
{
        struct lease_now now = { .boot_ms = loop_now_ms(b->all->loop) };

        /* Never blocks after boot; 8 bytes are never cut short. */
        if (getrandom(&now.random, sizeof(now.random), 0) != sizeof(now.random))
                now.random ^= (uint64_t)now.boot_ms << 32 ^ (uint64_t)(uintptr_t)b;
        return now;
}

void binding_refuse(struct binding *b, const struct err *err)
{
        for (size_t i = 0; i < b->call_count; i++) {
                b->calls[i]->user = NULL;
                serve_refuse(b->calls[i], err);
        }
        b->call_count = 0;
}

int binding_save(struct binding *b, struct err *err)
{
        return state_save(b->all->dirfd, &b->record, b->all->boot_id, err);
}

/* A file that cannot be removed is told of; the next start finds it and gives back what it names.
 */
void binding_remove_record(struct binding *b)
{
        struct err err;

        if (state_remove(b->all->dirfd, &b->record.key, &err) < 0)
                binding_warn(b, "its record stays", &err);
}

int binding_visit(struct binding *b, struct visit *ret, struct err *err)
{
        return visit_open(&b->record, b->all->host_prefix, b->netns_fd, b->all->net, ret, err);
}

static bool counts_as_over(const struct binding *b)
{
        return b->over;
}

void binding_set_timer(struct binding *b)
{
        int64_t due_ms = b->over ? grant_end_ms(&b->record.grant) : b->lease.due_ms;
        struct err err;

        if (b->exchange.until_ms < due_ms)
                due_ms = b->exchange.until_ms;
        if (b->settle_ms < due_ms)
                due_ms = b->settle_ms;
        if (b->asking && b->asking_ms < due_ms)
                due_ms = b->asking_ms;
        if (b->look_ms < due_ms)
                due_ms = b->look_ms;
        /* Never not set: moving a timer needs no memory. */
        if (loop_set_timer(b->all->loop, &b->timer, due_ms, &err) < 0)
                binding_warn(b, "no timer", &err);
}

void binding_end_unreleased(struct binding *b, const char *why)
{
        char text[IP_TEXT_MAX];
        struct err err;

        (void)err_text(&err, -ENODEV, CNI_ERR_INTERNAL, "%s", why);
        binding_refuse(b, &err);
        binding_remove_record(b);
        if (!grant_is(&b->record.grant) || b->record.lost ||
            bindings_count_if(b->all, counts_as_over) >= OVER_MAX) {
                binding_tell(b, LOG_LEVEL_INFO, "ended", why);
                binding_forget(b);
                return;
        }
        exchange_close(&b->exchange, b->all->loop);
        closep(&b->netns_fd);
        b->netns_fd = -1;
        b->over = true;
        b->look_ms = b->settle_ms = INT64_MAX;
        b->record.nsid = -1;
        binding_set_error(b, why);
        binding_tell(b, LOG_LEVEL_WARNING, "not released, runs out at its server",
                     ip_format(&b->record.grant.address.ip, text));
        binding_set_timer(b);
}

/* ---- events ---- */

/* A new address gets its lifetime. */
void binding_see_address(struct binding *b, bool there)
{
        bool new = there && !b->configured;

        b->configured = there;
        if (!there && b->answered && !b->record.lost && grant_is(&b->record.grant))
                binding_set_error(b, "the address was taken off the interface");
        if (new && b->record.profile.kernel_lifetime && grant_is(&b->record.grant))
                (void)binding_limit_lifetime(b, "cannot limit the address's lifetime");
}

/* A container can change its link as often as it likes; that must not cost the others anything. */
static void see_link(struct binding *b)
{
        int64_t now_ms = loop_now_ms(b->all->loop);

        b->look_ms = b->looked_ms + LOOK_PAUSE_MS;
        if (b->look_ms <= now_ms)
                (void)binding_look(b);
        else
                binding_set_timer(b);
}

/* The kernel gives a number away again before it tells that its former owner is gone. So the number
 * proves nothing now; who still finds its namespace is the new owner. */
static void see_netns_gone(struct binding *b)
{
        _cleanup_(visit_done) struct visit there = VISIT_NONE;
        int nsid = b->record.nsid, r;
        struct err err;

        b->record.nsid = -1;
        r = binding_visit(b, &there, &err);
        if (r > 0) {
                binding_end_unreleased(b, err.msg);
                return;
        }
        if (r == 0 && link_name_netns(b->all->net, there.netns_fd, &b->record.nsid, &err) == 0)
                return;
        b->record.nsid = nsid;
        b->look_ms = loop_now_ms(b->all->loop) + LOOK_AGAIN_MS;
        binding_set_timer(b);
}

void binding_event(struct binding *b, const struct watch_event *event)
{
        bool same_link = event->ifindex == b->record.ifindex;

        if (b->over)
                return;
        switch (event->kind) {
        case WATCH_NETNS_GONE:
                see_netns_gone(b);
                return;
        case WATCH_LINK_GONE:
                if (same_link)
                        binding_verify(b); /* whoever had the number when it happened */
                return;
        case WATCH_LINK:
                if (same_link && b->lease.state != LEASE_ENDED)
                        see_link(b);
                return;
        case WATCH_ADDRESS:
        case WATCH_ADDRESS_GONE:
                if (same_link && ip_equal(&event->address.ip, &b->record.grant.address.ip))
                        binding_see_address(b, event->kind == WATCH_ADDRESS);
                return;
        case WATCH_LOST:
                return; /* the daemon looks at all of them, in its own time */
        }
}

/* Whether the interface has the address; an error counts as yes. */
static bool find_address(const struct record *record, struct net *net)
{
        struct address found;
        struct err err;

        return link_find_address(net, record->ifindex, &record->grant.address, &found, &err) !=
               LINK_ABSENT;
}

void binding_verify(struct binding *b)
{
        struct visit there = VISIT_NONE;
        bool configured = false;
        struct err err;
        int r;

        if (b->over)
                return;
        r = binding_visit(b, &there, &err);
        if (r == 0)
                configured = find_address(&b->record, there.net);
        visit_done(&there);
        if (r == VISIT_GONE)
                binding_end_unreleased(b, err.msg);
        else if (r < 0)
                binding_warn(b, "cannot look at the interface", &err);
        else if (configured != b->configured)
                binding_see_address(b, configured);
}

/* ---- restart ---- */

/* Finds out what has become of the container. Returns whether the binding is still there. */
static bool find_again(struct binding *b)
{
        _cleanup_(visit_done) struct visit there = VISIT_NONE;
        struct lease_step unused = { 0 };
        struct err err;
        int r = binding_visit(b, &there, &err);

        if (r > 0) {
                binding_end_unreleased(b, err.msg);
                return false;
        }
        if (r < 0) {
                binding_warn(b, "cannot look at the interface", &err);
                return true;
        }
        b->configured = grant_is(&b->record.grant) && find_address(&b->record, there.net);
        if (link_name_netns(b->all->net, there.netns_fd, &b->record.nsid, &err) != 0)
                b->record.nsid = -1;
        lease_link(&b->lease, binding_now(b), &there.link, &unused);
        return true;
}

/* Goes on with the lease where the daemon before has left it. */
static void go_on(struct binding *b)
{
        struct lease_step step = { 0 };

        if (!find_again(b))
                return;
        if (binding_is_marked(b)) {
                binding_release(b, -1, "a DEL left its mark");
                return;
        }
        if (!binding_settle(b))
                return;
        lease_resume(&b->lease, binding_now(b), b->configured, &step);
        if (!binding_perform(b, &step))
                return;
        if (b->lease.state == LEASE_ENDED && !grant_is(&b->record.grant)) {
                binding_remove_record(b);
                binding_forget(b);
        }
}

int binding_restore(struct bindings *all, struct record *record, struct err *err)
{
        _cleanup_(binding_freep) struct binding *b = binding_new(all);
        int r;

        if (!b)
                return err_oom(err);
        b->record = *record;
        *record = (struct record){ 0 };
        lease_init(&b->lease, &b->record, &all->timing);
        b->answered = b->confirmed = b->configured = true;
        r = binding_insert(b, err);
        if (r == 0)
                go_on(TAKE_PTR(b));
        return r;
}

/* ---- DEL, CHECK ---- */

/* Visits the interface: through the descriptor if that leads there, else by the path; and opens
 * what a RELEASE cannot do without. > 0: the server cannot be reached any more. */
static int reach(struct binding *b, int netns_fd, struct visit *there, struct err *err)
{
        static const struct lease_step nothing = { 0 };
        const struct bindings *all = b->all;
        int r = VISIT_GONE;

        if (netns_fd >= 0)
                r = visit_open(&b->record, all->host_prefix, netns_fd, all->net, there, err);
        if (r != 0)
                r = binding_visit(b, there, err);
        return r != 0 ? r : exchange_open(&b->exchange, all->loop, there, &nothing, err);
}

/* Something is lacking at the moment: the mark remembers the release. */
static bool postpone(struct binding *b, const struct err *why)
{
        struct err err;

        if (b->release_tries >= RELEASE_TRIES)
                return false;
        binding_warn(b, "cannot release now, tries again", why);
        if (state_set_mark(b->all->dirfd, &b->record.key, &err) < 0) {
                binding_warn(b, "cannot remember it", &err);
                return false;
        }
        binding_refuse(b, why);
        b->settle_ms = loop_now_ms(b->all->loop) + (RELEASE_AGAIN_MS << b->release_tries++);
        binding_set_timer(b);
        return true;
}

void binding_release(struct binding *b, int netns_fd, const char *why)
{
        const struct record *record = &b->record;
        bool granted = (grant_is(&record->grant) && !record->lost) ||
                       record->offer.address.family != IP_UNSET;
        _cleanup_(visit_done) struct visit there = VISIT_NONE;
        struct lease_step step = { 0 };
        struct err err, unused;
        int r;

        if (b->over)
                return; /* shown until the lease ends */
        r = granted ? reach(b, netns_fd, &there, &err) : 0;
        if (r < 0 && postpone(b, &err))
                return;
        lease_release(&b->lease, binding_now(b), &step);
        if (r == 0 && step.send) /* the packet socket alone would do */
                (void)exchange_open(&b->exchange, b->all->loop, &there, &step, &unused);
        if (r == 0 && step.send)
                r = exchange_send(&b->exchange, record, &step, loop_now_ms(b->all->loop), &err);
        if (r == SOCK_LINK_DOWN)
                (void)err_text(&err, -ENETDOWN, CNI_ERR_INTERNAL, "the link is down");
        if (r != 0) {
                binding_end_unreleased(b, err.msg);
                return;
        }
        binding_tell(b, LOG_LEVEL_INFO, step.send ? "lease released" : "ended", why);
        (void)err_text(&err, -ECANCELED, CNI_ERR_INTERNAL, "the ADD was given up: %s", why);
        binding_refuse(b, &err);
        binding_remove_record(b);
        binding_forget(b);
}

int binding_check(const struct binding *b, struct err *err)
{
        if (b->over)
                return err_text(err, -ENOENT, CNI_ERR_INTERNAL, "the lease has ended: %s",
                                b->last_error);
        if (!grant_is(&b->record.grant))
                return err_text(err, -ENOENT, CNI_ERR_INTERNAL, "there is no lease yet");
        if (b->record.lost)
                return err_text(err, -ENOENT, CNI_ERR_INTERNAL, "the lease has run out");
        return 0;
}
