/* SPDX-License-Identifier: Apache-2.0 */
/*
 * First the programs, then the files, then the service: a call that comes in between works with
 * what is there.
 *
 * The service itself only watches: a leader (worker.h) and a keeper (keeper.h) do what may take its
 * time, in processes of their own, and leave their numbers in memory that is shared. So it answers
 * probes whatever happens there, and ends at once when it is told to, also in the middle of a
 * batch: whoever waits for the answer does the work himself.
 */
#include "node.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "child.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/options.h"
#include "http/endpoint.h"
#include "install.h"
#include "keeper.h"
#include "loop/sd.h"
#include "metrics.h"
#include "worker.h"

#define PROGRAM  "whereabouts"
#define BIN_DIR  "/host/opt/cni/bin"
#define PROGRAMS "whereabouts"
#define LISTEN   "unix:" GROUP_DIR "/node.sock"

#define TICK_MS     1000
#define GRACE_S     300
#define GRACE_MAX_S (24 * 60 * 60)

struct arguments {
        bool once, restore, no_install;
        const char *programs, *listen, *grace, *log_level;
        int64_t grace_ms;
        struct install install;
};

/* What the processes of the service share. */
struct shared {
        struct worker_shared worker;
        struct keeper_shared keeper;
};

struct node {
        struct arguments arguments;
        struct credentials *credentials; /* owned */
        struct shared *shared;
        struct worker worker;
        struct keeper keeper;
        struct child leader_child, keeper_child;
        struct err lonely; /* why there is no leader, with leader_child.is_off */
        struct loop *loop;
        struct endpoint *endpoint;
        struct loop_timer tick;
        unsigned watchdog_ms;
};

/* ---- arguments ---- */

static int take_arguments(struct arguments *arguments, struct err *err)
{
        int64_t grace_s = GRACE_S;
        int r = 0;

        if (arguments->grace && parse_i64(arguments->grace, 1, GRACE_MAX_S, &grace_s) < 0)
                r = err_text(err, -EINVAL, CNI_ERR_CONFIG,
                             "--grace '%s': a number of seconds from 1 to %d", arguments->grace,
                             GRACE_MAX_S);
        arguments->grace_ms = grace_s * 1000;
        if (r == 0 && arguments->once && arguments->restore)
                r = err_text(err, -EINVAL, CNI_ERR_CONFIG, "either --once or --restore");
        if (r == 0)
                r = install_parse(arguments->programs, &arguments->install, err);
        if (r == 0)
                r = endpoint_check(arguments->listen, err);
        return r;
}

/* Returns 0, or the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *ret)
{
        _cleanup_(words_done) struct words words = { 0 };
        struct arguments arguments = { .programs = PROGRAMS, .listen = LISTEN, .log_level = "" };
        const struct option_row rows[] = {
                { "--once", NULL, &arguments.once },
                { "--restore", NULL, &arguments.restore },
                { "--no-install", NULL, &arguments.no_install },
                { "--programs", &arguments.programs, NULL },
                { "--listen", &arguments.listen, NULL },
                { "--grace", &arguments.grace, NULL },
                { "-log-level", &arguments.log_level, NULL }, /* as ip-control-loop has it */
        };
        struct err err;
        int r = options_parse(PROGRAM, argc, argv, rows, ARRAY_SIZE(rows), &words);

        if (r == 0 && words.count > 0)
                r = options_misused(PROGRAM, argv[0], "unexpected argument", words.items[0]);
        if (r != 0)
                return r;
        if (take_arguments(&arguments, &err) < 0) {
                (void)fprintf(stderr, "%s %s: %s\n", PROGRAM, argv[0], err.msg);
                return 2;
        }
        log_set_level_by_name(arguments.log_level);
        *ret = arguments;
        return 0;
}

/* ---- programs and files ---- */

static const char *environment(const char *name, const char *otherwise)
{
        const char *value = getenv(name);

        return value && *value ? value : otherwise;
}

/* Installs, or restores, and says what became of each. */
static int change_programs(struct node *node, struct err *err)
{
        struct install *install = &node->arguments.install;
        const char *bin_dir = environment("CNI_BIN_DIR", BIN_DIR);
        _cleanup_(freep) char *from = NULL;
        int r;

        if (node->arguments.restore) {
                r = install_restore(install, bin_dir, err);
        } else {
                r = install_own_directory(&from, err);
                if (r == 0)
                        r = install_programs(install, from, bin_dir, err);
        }
        for (size_t i = 0; i < install->count && r == 0; i++)
                log_line(LOG_LEVEL_INFO, "%s/%s %s", bin_dir, install->programs[i].name,
                         install_end_text(install->programs[i].end));
        return r;
}

/* ---- what probes and Prometheus ask ---- */

static bool is_healthy(const struct node *node, struct buf *body)
{
        int64_t now_ms = clock_boot_ms();
        bool leader = node->leader_child.is_off || child_is_well(&node->leader_child, now_ms);
        bool keeper = child_is_well(&node->keeper_child, now_ms);
        bool files = !atomic_load(&node->shared->keeper.files_failed);

        buf_printf(body, "leader: %s\nkeeper: %s\ncredentials: %s\n", leader ? "ok" : "failed",
                   keeper ? "ok" : "failed", files ? "ok" : "failed");
        return leader && keeper && files;
}

static int compose_healthz(void *user, struct buf *body)
{
        return is_healthy(user, body) ? 200 : 503;
}

static int compose_readyz(void *user, struct buf *body)
{
        const struct node *node = user;
        bool healthy = is_healthy(node, body);
        bool leads = atomic_load(&node->shared->worker.leads);

        buf_printf(body, "leads: %s%s\n", leads ? "ok" : "no",
                   node->leader_child.is_off ? ", see the log" : "");
        return healthy && leads ? 200 : 503;
}

static double read_count(const _Atomic uint64_t *count)
{
        return (double)atomic_load(count);
}

static void compose_requests(const struct worker_shared *worker, struct buf *body)
{
        static const char help[] = "Requests of calls, by what became of them.";
        const struct metric metrics[] = {
#define REQUESTS(verb, verb_name, result, result_name)             \
        { "whereabouts_node_requests_total", METRIC_COUNTER, help, \
          "verb=\"" verb_name "\",result=\"" result_name "\"",     \
          read_count(&worker->requests[verb][result]) }
                REQUESTS(REQUEST_ADD, "add", GROUP_DONE, "done"),
                REQUESTS(REQUEST_ADD, "add", GROUP_FAILED, "failed"),
                REQUESTS(REQUEST_DEL, "del", GROUP_DONE, "done"),
                REQUESTS(REQUEST_DEL, "del", GROUP_REMEMBERED, "remembered"),
                REQUESTS(REQUEST_DEL, "del", GROUP_FAILED, "failed"),
#undef REQUESTS
        };

        metrics_compose(metrics, ARRAY_SIZE(metrics), body);
}

static int compose_metrics(void *user, struct buf *body)
{
        const struct node *node = user;
        const struct worker_shared *worker = &node->shared->worker;
        const struct keeper_shared *keeper = &node->shared->keeper;
        const struct metric metrics[] = {
                { "whereabouts_node_info", METRIC_GAUGE, "The version that runs.",
                  "version=\"" CNI_IPAM_VERSION "\"", 1 },
                { "whereabouts_node_leads", METRIC_GAUGE,
                  "Whether the service works off the node's calls.", NULL,
                  atomic_load(&worker->leads) },
                { "whereabouts_node_batches_total", METRIC_COUNTER,
                  "Batches of requests that were worked off.", NULL, read_count(&worker->batches) },
                { "whereabouts_node_batch_seconds_total", METRIC_COUNTER,
                  "Time that they took together.", NULL, read_count(&worker->batch_ms) / 1000 },
                { "whereabouts_node_connections_total", METRIC_COUNTER,
                  "Connections to the API server for them.", NULL,
                  read_count(&worker->connections) },
                { "whereabouts_node_marked_records", METRIC_GAUGE,
                  "Releases that wait for the API server, at the last look.", NULL,
                  read_count(&worker->marked) },
                { "whereabouts_node_starts_total", METRIC_COUNTER,
                  "Processes that were started; more than one each means trouble.",
                  "process=\"leader\"", node->leader_child.starts },
                { "whereabouts_node_starts_total", METRIC_COUNTER, NULL, "process=\"keeper\"",
                  node->keeper_child.starts },
                { "whereabouts_node_credentials_timestamp_seconds", METRIC_GAUGE,
                  "When the plugin's files were last made sure of.", NULL,
                  (double)atomic_load(&keeper->files_ms) / 1000 },
                { "whereabouts_node_credentials_failed", METRIC_GAUGE,
                  "Whether they could not be written the last time.", NULL,
                  atomic_load(&keeper->files_failed) },
                { "whereabouts_node_looks_total", METRIC_COUNTER,
                  "Looks for attachments whose pods are gone.", NULL, read_count(&keeper->looks) },
                { "whereabouts_node_looks_failed_total", METRIC_COUNTER,
                  "Looks to which the API server did not answer as it should.", NULL,
                  read_count(&keeper->looks_failed) },
                { "whereabouts_node_suspects", METRIC_GAUGE,
                  "Attachments whose pods are gone, and that wait for the next look.", NULL,
                  read_count(&keeper->suspects) },
                { "whereabouts_node_released_total", METRIC_COUNTER,
                  "Attachments that were released because their pods are gone.", NULL,
                  read_count(&keeper->released) },
        };

        metrics_compose(metrics, ARRAY_SIZE(metrics), body);
        compose_requests(worker, body);
        return 200;
}

static const struct endpoint_page pages[] = {
        { "/healthz", ENDPOINT_TEXT, compose_healthz },
        { "/readyz", ENDPOINT_TEXT, compose_readyz },
        { "/metrics", ENDPOINT_METRICS, compose_metrics },
};

/* ---- the service ---- */

static void watch(struct node *node)
{
        int64_t now_ms = clock_boot_ms();

        child_turn(&node->leader_child, now_ms);
        child_turn(&node->keeper_child, now_ms);
        if (node->leader_child.pid == 0)
                atomic_store(&node->shared->worker.leads, false);
}

static void on_tick(struct loop_timer *timer, int64_t now_ms)
{
        struct node *node = CONTAINER_OF(timer, struct node, tick);
        struct err ignored;

        watch(node);
        if (node->watchdog_ms > 0)
                (void)sd_notify("WATCHDOG=1", &ignored);
        /* Setting a timer that was just due needs no memory. */
        (void)loop_set_timer(node->loop, timer, now_ms + TICK_MS, &ignored);
}

static void on_signal(void *user, int signal)
{
        struct node *node = user;

        if (signal == SIGCHLD)
                watch(node);
        else
                loop_stop(node->loop);
}

/* Until the loop has the signals. As process 1 of a container we would not get them otherwise. */
static void end_at_once(_unused_ int signal)
{
        _exit(0);
}

static void catch_signals(void)
{
        (void)signal(SIGTERM, end_at_once);
        (void)signal(SIGINT, end_at_once);
        (void)signal(SIGPIPE, SIG_IGN);
}

static bool is_container(const struct node *node)
{
        return strncmp(credentials_kubeconfig_path(node->credentials), "/host/", 6) == 0;
}

static void set_children(struct node *node)
{
        const char *flat = credentials_flat_path(node->credentials);
        const char *kubeconfig = credentials_kubeconfig_path(node->credentials);

        node->worker = (struct worker){ flat, kubeconfig, &node->shared->worker };
        node->keeper = (struct keeper){ .flat_file = flat,
                                        .kubeconfig_file = kubeconfig,
                                        .node = environment("NODENAME", NULL),
                                        .grace_ms = node->arguments.grace_ms,
                                        .may_release = true,
                                        .credentials = node->credentials,
                                        .shared = &node->shared->keeper };
        node->leader_child = (struct child){ .name = "leader",
                                             .run = worker_run,
                                             .arg = &node->worker,
                                             .promise_ms = &node->shared->worker.promise_ms };
        node->keeper_child = (struct child){ .name = "keeper",
                                             .run = keeper_run,
                                             .arg = &node->keeper,
                                             .promise_ms = &node->shared->keeper.promise_ms };
        if (is_container(node) && worker_check_mounts(&node->lonely) < 0) {
                node->leader_child.is_off = true;
                node->keeper.may_release = false;
                log_line(LOG_LEVEL_ERROR, "the node's calls do their work themselves: %s",
                         node->lonely.msg);
        }
        if (!node->keeper.node)
                log_line(LOG_LEVEL_WARNING, "NODENAME is not set: pods are not looked at");
}

static int open_service(struct node *node, struct err *err)
{
        sigset_t signals;
        int r = loop_new(&node->loop, err);

        (void)sigemptyset(&signals);
        (void)sigaddset(&signals, SIGTERM);
        (void)sigaddset(&signals, SIGINT);
        (void)sigaddset(&signals, SIGCHLD);
        if (r == 0)
                r = endpoint_new(node->loop, node->arguments.listen, pages, ARRAY_SIZE(pages), node,
                                 &node->endpoint, err);
        if (r == 0)
                r = loop_set_signals(node->loop, &signals, on_signal, node, err);
        node->tick.due = on_tick;
        if (r == 0)
                r = loop_set_timer(node->loop, &node->tick, clock_boot_ms(), err);
        return r;
}

static int serve(struct node *node, struct err *err)
{
        struct err ignored;
        int r = open_service(node, err);

        if (r < 0)
                return r;
        set_children(node);
        node->watchdog_ms = sd_watchdog_ms();
        log_line(LOG_LEVEL_INFO, "whereabouts v" CNI_IPAM_VERSION " listens on %s",
                 node->arguments.listen);
        (void)sd_notify("READY=1", &ignored);
        return loop_run(node->loop, err);
}

static void node_done(struct node *node)
{
        child_kill(&node->leader_child);
        child_kill(&node->keeper_child);
        endpoint_free(node->endpoint);
        if (node->loop)
                loop_cancel_timer(node->loop, &node->tick);
        loop_free(node->loop);
        credentials_free(node->credentials);
        if (node->shared)
                (void)munmap(node->shared, sizeof(*node->shared));
}

static int share_memory(struct node *node, struct err *err)
{
        void *memory = mmap(NULL, sizeof(*node->shared), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);

        if (memory == MAP_FAILED)
                return err_set(err, -errno, CNI_ERR_IO, "share memory");
        node->shared = memory;
        return 0;
}

static int run(struct node *node, struct err *err)
{
        const struct credentials_settings settings = credentials_environment();
        const struct arguments *arguments = &node->arguments;
        int r = share_memory(node, err);

        if (r == 0 && (!arguments->no_install || arguments->restore))
                r = change_programs(node, err);
        if (r < 0 || arguments->restore)
                return r;
        r = credentials_new(&settings, &node->credentials, err);
        if (r == 0)
                r = keeper_refresh(node->credentials, &node->shared->keeper, err);
        return r < 0 || arguments->once ? r : serve(node, err);
}

int node_run(int argc, char **argv)
{
        struct node node = { 0 };
        struct err err;
        int r = parse_arguments(argc, argv, &node.arguments);

        if (r != 0)
                return r;
        catch_signals();
        r = run(&node, &err);
        if (r < 0)
                log_line(LOG_LEVEL_ERROR, "%s", err.msg);
        node_done(&node);
        return r < 0 ? 1 : 0;
}
