/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order of the start: the directory's lock says that no other daemon works there; then the socket;
 * then the leases of the daemon before; only then anybody is served.
 */
#include "daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "binding.h"
#include "caps.h"
#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "flags.h"
#include "loop/sd.h"
#include "report.h"

/* How often marks are looked for, and all containers looked at when the kernel does not tell what
 * happens in them; and the least time between two such rounds: a container can make the kernel lose
 * events. */
#define VERIFY_MS       60000
#define VERIFY_LEAST_MS 5000
/* Rows of the table that are looked at in one turn, so that requests need not wait for a round. */
#define VERIFY_ROWS 32

struct daemon {
        struct flags flags;
        char *socket_path; /* with its prefix; owned */
        bool socket_is_ours;
        gid_t gid;
        int lock_fd, dir_fd, listen_fd, watch_fd;
        bool watch_all;
        bool events_lost,
                verify_all; /* since the last round began; what the one under way is for */
        int64_t since_real_ms;
        sigset_t signals;
        struct loop *loop;
        struct net *net;
        struct serve *serve;
        struct loop_source watch;
        struct loop_timer watchdog, verify;
        size_t verify_row;   /* where the round goes on; 0: none is under way */
        int64_t verified_ms; /* when the last round began */
        struct bindings bindings;
};

static void warn(const char *text)
{
        log_line(LOG_LEVEL_WARNING, "%s", text);
}

/* ---- requests ---- */

static void reply_empty(struct serve_call *call)
{
        const struct rpc_reply reply = { 0 };

        serve_reply(call, &reply);
}

static void on_add(struct daemon *daemon, struct serve_call *call)
{
        struct err err;

        if (binding_add(&daemon->bindings, call, &err) < 0)
                serve_refuse(call, &err);
}

static void on_del(struct daemon *daemon, struct serve_call *call)
{
        struct binding *b = bindings_find(&daemon->bindings, &call->request->key);
        struct err err;

        if (b)
                binding_release(b, call->netns_fd, "a DEL came");
        else if (state_remove(daemon->dir_fd, &call->request->key, &err) < 0)
                warn(err.msg);
        reply_empty(call);
}

static void on_check(struct daemon *daemon, struct serve_call *call)
{
        const struct binding *b = bindings_find(&daemon->bindings, &call->request->key);
        struct rpc_reply reply = { 0 };
        struct err err;

        if (!b) {
                (void)err_text(&err, -ENOENT, CNI_ERR_INTERNAL,
                               "there is no lease for %s of container %s",
                               call->request->key.ifname, call->request->key.container_id);
                serve_refuse(call, &err);
                return;
        }
        if (binding_check(b, &err) < 0) {
                serve_refuse(call, &err);
                return;
        }
        reply.grant = b->record.grant;
        serve_reply(call, &reply);
}

static void on_status(struct daemon *daemon _unused_, struct serve_call *call)
{
        reply_empty(call);
}

/* A list in the making. */
struct listing {
        struct json_writer w;
        const char *network; /* "": all */
        int64_t boot_ms, real_ms;
};

static void list_each(void *user, struct binding *b)
{
        struct listing *listing = user;

        if (!*listing->network || !strcmp(b->record.key.network, listing->network))
                report_lease(&listing->w, &b->lease, b->over, listing->boot_ms, listing->real_ms,
                             b->last_error);
}

static void reply_document(struct serve_call *call, const struct buf *document)
{
        struct rpc_reply reply = { .document = document->text };
        struct err err;

        if (buf_check(document, &err) < 0)
                serve_refuse(call, &err);
        else
                serve_reply(call, &reply);
}

static void on_list(struct daemon *daemon, struct serve_call *call)
{
        _cleanup_(buf_done) struct buf document;
        struct listing listing = { .network = call->request->key.network };

        buf_init(&document, RPC_REPLY_MAX / 2);
        listing.boot_ms = loop_now_ms(daemon->loop);
        listing.real_ms = clock_real_ms();
        json_writer_init(&listing.w, &document);
        json_begin(&listing.w, NULL, '{');
        json_put_i64(&listing.w, "version", 1);
        json_begin(&listing.w, "leases", '[');
        bindings_each(&daemon->bindings, list_each, &listing);
        json_end(&listing.w, ']');
        json_end(&listing.w, '}');
        reply_document(call, &document);
}

static void count_each(void *user, struct binding *b)
{
        struct report_info *info = user;

        report_count(info, &b->lease, b->over);
}

static void on_info(struct daemon *daemon, struct serve_call *call)
{
        _cleanup_(buf_done) struct buf document;
        struct report_info info = {
                .pid = getpid(),
                .since_real_ms = daemon->since_real_ms,
                .socket = daemon->socket_path,
                .watch_all = daemon->watch_all,
                .connections = serve_connections(daemon->serve),
        };

        buf_init(&document, 64U * 1024);
        bindings_each(&daemon->bindings, count_each, &info);
        report_info(&info, &document);
        reply_document(call, &document);
}

static void on_request(void *user, struct serve_call *call)
{
        static void (*const operations[])(struct daemon *, struct serve_call *) = {
                [RPC_ADD] = on_add,       [RPC_CHECK] = on_check, [RPC_DEL] = on_del,
                [RPC_STATUS] = on_status, [RPC_LIST] = on_list,   [RPC_INFO] = on_info,
        };

        operations[call->request->op](user, call);
}

static void on_ended(void *user _unused_, struct serve_call *call, bool done)
{
        if (call->user)
                binding_call_ended(call->user, call, done);
}

/* ---- what happens in the containers ---- */

static void set_timer(struct daemon *daemon, struct loop_timer *timer, int64_t due_ms)
{
        struct err err;

        if (loop_set_timer(daemon->loop, timer, due_ms, &err) < 0)
                warn(err.msg);
}

struct sighting {
        const struct watch_event *event;
};

static void event_each(void *user, struct binding *b)
{
        const struct sighting *sighting = user;

        if (b->record.nsid == sighting->event->nsid)
                binding_event(b, sighting->event);
}

static void on_event(void *user, const struct watch_event *event)
{
        struct daemon *daemon = user;
        struct sighting sighting = { event };

        if (event->kind != WATCH_LOST && event->nsid >= 0)
                bindings_each(&daemon->bindings, event_each, &sighting);
        if (event->kind != WATCH_LOST || daemon->events_lost)
                return;
        daemon->events_lost = true;
        if (daemon->verify_row == 0)
                set_timer(daemon, &daemon->verify, daemon->verified_ms + VERIFY_LEAST_MS);
}

static void watch_ready(struct loop_source *source, uint32_t events _unused_,
                        int64_t now_ms _unused_)
{
        struct daemon *daemon = CONTAINER_OF(source, struct daemon, watch);
        struct err err;

        if (watch_read(daemon->watch_fd, on_event, daemon, &err) < 0)
                warn(err.msg);
}

static void verify_each(void *user, struct binding *b)
{
        const struct daemon *daemon = user;

        if (state_is_marked(daemon->dir_fd, &b->record.key))
                binding_release(b, -1, "a DEL left its mark");
        else if (daemon->verify_all)
                binding_verify(b);
}

/* One turn of a round. */
static void verify_due(struct loop_timer *timer, int64_t now_ms)
{
        struct daemon *daemon = CONTAINER_OF(timer, struct daemon, verify);

        if (daemon->verify_row == 0) {
                daemon->verified_ms = now_ms;
                daemon->verify_all = !daemon->watch_all || daemon->events_lost;
                daemon->events_lost = false;
        }
        bindings_each_in(&daemon->bindings, daemon->verify_row, VERIFY_ROWS, verify_each, daemon);
        daemon->verify_row += VERIFY_ROWS;
        if (daemon->verify_row < daemon->bindings.row_count) {
                set_timer(daemon, timer, now_ms);
                return;
        }
        daemon->verify_row = 0;
        set_timer(daemon, timer,
                  daemon->verified_ms + (daemon->events_lost ? VERIFY_LEAST_MS : VERIFY_MS));
}

/* ---- the service manager ---- */

static void notify(const char *state)
{
        struct err err;

        if (sd_notify(state, &err) < 0)
                warn(err.msg);
}

static void watchdog_due(struct loop_timer *timer, int64_t now_ms)
{
        struct daemon *daemon = CONTAINER_OF(timer, struct daemon, watchdog);
        char state[96];

        (void)snprintf(state, sizeof(state), "WATCHDOG=1\nSTATUS=%zu leases",
                       daemon->bindings.count);
        notify(state);
        set_timer(daemon, timer, now_ms + sd_watchdog_ms());
}

static void on_signal(void *user, int signal)
{
        struct daemon *daemon = user;

        log_line(LOG_LEVEL_INFO, "stopping on signal %d; leases stay", signal);
        notify("STOPPING=1");
        loop_stop(daemon->loop);
}

/* ---- start and stop ---- */

static void daemon_done(struct daemon *daemon)
{
        bindings_done(&daemon->bindings); /* first: calls that end now give no lease back */
        serve_free(daemon->serve);
        if (daemon->loop) {
                loop_unwatch(daemon->loop, &daemon->watch);
                loop_cancel_timer(daemon->loop, &daemon->watchdog);
                loop_cancel_timer(daemon->loop, &daemon->verify);
        }
        loop_free(daemon->loop);
        net_close(daemon->net);
        if (daemon->socket_is_ours)
                (void)unlink(daemon->socket_path);
        closep(&daemon->listen_fd);
        closep(&daemon->watch_fd);
        closep(&daemon->dir_fd);
        closep(&daemon->lock_fd);
        free(daemon->socket_path);
}

static int write_pidfile(const char *path, struct err *err)
{
        _cleanup_(closep) int fd = -1;
        char text[24];
        int r;

        if (!*path)
                return 0;
        if (*path != '/')
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "Error writing pidfile \"%s\": path not absolute", path);
        (void)snprintf(text, sizeof(text), "%d", getpid());
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
        r = fd < 0 ? -errno : fs_write_all(fd, text, strlen(text));
        return r < 0 ? err_set(err, r, CNI_ERR_IO, "Error writing pidfile \"%s\"", path) : 0;
}

static int open_socket(struct daemon *daemon, struct err *err)
{
        int r = sd_listen_fd(&daemon->listen_fd, err);

        if (r != SD_NONE)
                return r;
        r = serve_listen(daemon->socket_path, daemon->gid, &daemon->listen_fd, err);
        daemon->socket_is_ours = r == 0;
        return r;
}

/* Finds its name, takes the directory and the socket. */
static int settle(struct daemon *daemon, struct err *err)
{
        const struct flags *flags = &daemon->flags;
        _cleanup_(buf_done) struct buf path;
        int r;

        buf_init(&path, 4096);
        buf_printf(&path, "%s%s", flags->host_prefix, flags->socket_path);
        r = buf_check(&path, err);
        if (r == 0 && *flags->group)
                r = flags_group(flags->group, &daemon->gid, err);
        if (r < 0)
                return r;
        daemon->socket_path = TAKE_PTR(path.text);
        r = state_open(daemon->socket_path, daemon->gid ? 0711 : 0700, &daemon->dir_fd,
                       &daemon->lock_fd, err);
        if (r == STATE_LOCKED)
                return err_text(err, -EBUSY, CNI_ERR_IO,
                                "another dhcp daemon is already running with socket %s",
                                daemon->socket_path);
        if (r == 0)
                r = open_socket(daemon, err);
        return r < 0 ? r : write_pidfile(flags->pidfile, err);
}

static int listen_to_kernel(struct daemon *daemon, struct err *err)
{
        int r = net_open(&daemon->net, err);

        if (r == 0)
                r = watch_open(&daemon->watch_fd, &daemon->watch_all, err);
        if (r == 0)
                r = loop_new(&daemon->loop, err);
        if (r < 0)
                return r;
        daemon->watch.ready = watch_ready;
        daemon->watchdog.due = watchdog_due;
        daemon->verify.due = verify_due;
        r = loop_set_signals(daemon->loop, &daemon->signals, on_signal, daemon, err);
        if (r == 0)
                r = loop_watch(daemon->loop, &daemon->watch, daemon->watch_fd, EPOLLIN, err);
        if (r == 0)
                r = loop_set_timer(daemon->loop, &daemon->verify, clock_boot_ms() + VERIFY_MS, err);
        return r;
}

static int restore_each(void *user, struct record *record, struct err *err)
{
        return binding_restore(user, record, err);
}

static int restore(struct daemon *daemon, struct err *err)
{
        struct bindings *all = &daemon->bindings;
        int r;

        bindings_init(all);
        all->loop = daemon->loop;
        all->net = daemon->net;
        all->dirfd = daemon->dir_fd;
        all->host_prefix = daemon->flags.host_prefix;
        all->pin_netns = daemon->flags.pin_netns;
        all->max_leases = daemon->flags.max_leases;
        all->timing = (struct lease_timing){
                .timeout_ms = daemon->flags.timeout_ms,
                .resend_max_ms = daemon->flags.resend_max_ms,
                .resend_timeout_ms = daemon->flags.resend_timeout_ms,
                .broadcast = daemon->flags.broadcast,
        };
        r = state_boot_id(all->boot_id, err);
        if (r == 0)
                r = state_load(daemon->dir_fd, all->boot_id, restore_each, warn, all, err);
        if (r == 0 && all->count > 0)
                log_line(LOG_LEVEL_INFO, "%zu leases go on", all->count);
        return r;
}

/* From the first moment on: one that comes before the loop runs waits for it. */
static void block_signals(sigset_t *ret)
{
        (void)sigemptyset(ret);
        (void)sigaddset(ret, SIGTERM);
        (void)sigaddset(ret, SIGINT);
        (void)sigprocmask(SIG_BLOCK, ret, NULL);
}

/* Many shells and container runtimes set the soft limit to 1024. */
static void allow_descriptors(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

static int run(struct daemon *daemon, struct err *err)
{
        static const struct serve_handler handler = { on_request, on_ended };
        int r = settle(daemon, err);

        if (r == 0)
                r = listen_to_kernel(daemon, err);
        if (r == 0)
                r = caps_drop(err);
        if (r == 0)
                r = restore(daemon, err);
        if (r == 0)
                r = serve_new(daemon->loop, TAKE_FD(daemon->listen_fd), daemon->gid, &handler,
                              daemon, &daemon->serve, err);
        if (r < 0)
                return r;
        notify("READY=1");
        if (sd_watchdog_ms() > 0)
                set_timer(daemon, &daemon->watchdog, clock_boot_ms());
        return loop_run(daemon->loop, err);
}

static int usage(const struct err *err)
{
        _cleanup_(buf_done) struct buf text;

        buf_init(&text, 16384);
        if (err)
                buf_printf(&text, "%s\n", err->msg);
        flags_usage(&text);
        (void)fputs(buf_text(&text), stderr);
        return err ? 2 : 0;
}

int daemon_main(int argc, char **argv)
{
        static struct daemon daemon = {
                .lock_fd = -1, .dir_fd = -1, .listen_fd = -1, .watch_fd = -1
        };
        struct err err;
        int r = flags_parse(argc, argv, &daemon.flags, &err);

        if (r != 0)
                return usage(r == FLAGS_HELP ? NULL : &err);
        (void)signal(SIGPIPE, SIG_IGN);
        block_signals(&daemon.signals);
        allow_descriptors();
        daemon.since_real_ms = clock_real_ms();
        r = run(&daemon, &err);
        if (r < 0)
                log_line(LOG_LEVEL_ERROR, "%s%s%s", err.msg, *err.details ? ": " : "", err.details);
        daemon_done(&daemon);
        if (r == 0 && *daemon.flags.pidfile)
                (void)unlink(daemon.flags.pidfile);
        return r < 0 ? 1 : 0;
}
