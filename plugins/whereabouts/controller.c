/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One loop, in which only the steps of the election wait for the API server, for two seconds at
 * most; the tasks run in another process (task.h). Leading begins with a fresh process and a run of
 * every task, and ends with the process.
 */
#include "controller.h"

#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/clock.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/options.h"
#include "cron.h"
#include "election.h"
#include "http/endpoint.h"
#include "task.h"

#define PROGRAM       "whereabouts"
#define LEASE         "whereabouts-controller"
#define SCHEDULE_FILE "/cron-schedule/config"
#define SCHEDULE      "@every 5m"
#define GRACE_S       "300"
#define GRACE_MAX_S   86400

#define TICK_MS     5000   /* how often the schedule's file is looked at */
#define ACCESS_MS   300000 /* how old credentials may get */
#define PATIENCE_MS 1500   /* as long as the Lease around an allocation lasts */
#define POLL_MS     5
#define AGAIN_MS    60000 /* after a failed run, whatever the schedule says */
#define READY_MS    30000 /* how old the last answer of the API server may be */

struct arguments {
        const char *schedule, *schedule_file, *grace, *listen, *kubeconfig, *log_level, *verbosity;
        bool off[TASK_COUNT], evicted;
};

/* What is known of a task. */
struct slot {
        int64_t due_ms; /* INT64_MAX: never */
        uint64_t runs, failures;
        uint64_t done_s; /* since 1970, of the last good run; 0: none */
        uint64_t values[TASK_VALUES_MAX];
};

struct controller {
        struct arguments arguments;
        struct task_settings settings;
        struct loop *loop;
        struct endpoint *endpoint;
        struct loop_timer step, tick;
        struct election election;
        struct access access;
        int64_t access_ms, answer_ms; /* when it was opened; when the server last answered */
        bool silent;                  /* that it does not answer was said */

        struct cron cron;
        char schedule[CRON_TEXT_MAX + 1];                  /* its text */
        char complaint[sizeof(((struct err *)NULL)->msg)]; /* about its file; "": none */
        int64_t tick_s; /* since 1970, when the schedule's next tick is */

        pid_t worker; /* 0: none */
        int worker_fd;
        struct loop_source worker_source;
        int busy; /* index of the task that runs; -1: none */
        struct slot slots[TASK_COUNT];
        bool broken; /* the worker ended by itself: so do we */
};

static void set_timer(struct controller *controller, struct loop_timer *timer, int64_t due_ms)
{
        struct err err;

        if (loop_set_timer(controller->loop, timer, due_ms, &err) < 0)
                log_line(LOG_LEVEL_WARNING, "%s", err.msg);
}

/* ---- the schedule ---- */

/* Outcome > 0. */
enum {
        SCHEDULE_NONE = 1, /* there is no such file */
};

/* The text of the file, without the space around it. */
static int read_schedule(const char *path, char text[static CRON_TEXT_MAX + 1], struct err *err)
{
        static const char white[] = " \t\r\n";
        _cleanup_(closep) int fd = fs_open_regular(path);
        _cleanup_(buf_done) struct buf buf;
        const char *begin;
        size_t len;
        int r;

        buf_init(&buf, CRON_TEXT_MAX);
        if (fd == -ENOENT)
                return SCHEDULE_NONE;
        r = fd < 0 ? fd : fs_read(fd, &buf);
        if (r < 0)
                return err_set(err, r, CNI_ERR_IO, "read '%s'", path);
        begin = buf_text(&buf) + strspn(buf_text(&buf), white);
        len = strlen(begin);
        while (len > 0 && strchr(white, begin[len - 1]))
                len--;
        (void)snprintf(text, CRON_TEXT_MAX + 1, "%.*s", (int)len, begin);
        return 0;
}

static int use_schedule(struct controller *controller, const char *text, struct err *err)
{
        int r = cron_parse(text, &controller->cron, err);

        if (r < 0)
                return r;
        (void)snprintf(controller->schedule, sizeof(controller->schedule), "%s", text);
        controller->tick_s = cron_next(&controller->cron, clock_real_ms() / 1000);
        log_line(LOG_LEVEL_INFO, "schedule: %s", controller->schedule);
        return 0;
}

/* At the start. A schedule that cannot be used is an error then. */
static int find_schedule(struct controller *controller, struct err *err)
{
        const struct arguments *arguments = &controller->arguments;
        char text[CRON_TEXT_MAX + 1];
        int r = read_schedule(arguments->schedule_file, text, err);

        if (r == SCHEDULE_NONE)
                return use_schedule(controller, arguments->schedule, err);
        if (r == 0) {
                r = use_schedule(controller, text, err);
                if (r < 0)
                        err_wrap(err, "%s: ", arguments->schedule_file);
        }
        return r;
}

/* Later the last good one goes on, and what is wrong is said once. */
static void reread_schedule(struct controller *controller)
{
        const char *path = controller->arguments.schedule_file;
        char text[CRON_TEXT_MAX + 1];
        struct err err = { 0 };
        int r = read_schedule(path, text, &err);

        if (r == 0 && strcmp(text, controller->schedule) != 0)
                r = use_schedule(controller, text, &err);
        if (r < 0 && strcmp(controller->complaint, err.msg) != 0)
                log_line(LOG_LEVEL_ERROR, "%s: %s; '%s' goes on", path, err.msg,
                         controller->schedule);
        (void)snprintf(controller->complaint, sizeof(controller->complaint), "%s", err.msg);
}

/* Whether a tick has come. One that was slept through counts once; when the clock was set back, the
 * next one is not as far away as it was. */
static bool has_ticked(struct controller *controller)
{
        int64_t now_s = clock_real_ms() / 1000, next_s = cron_next(&controller->cron, now_s);
        bool ticked = now_s >= controller->tick_s;

        if (ticked || next_s < controller->tick_s)
                controller->tick_s = next_s;
        return ticked;
}

/* ---- the worker ---- */

/* Waits for the worker's end, until a time. */
static bool has_ended(pid_t worker, int64_t until_ms)
{
        pid_t pid;

        while ((pid = waitpid(worker, NULL, WNOHANG)) == 0 && clock_boot_ms() < until_ms)
                clock_sleep_ms(POLL_MS);
        return pid != 0;
}

/* `patience_ms`: how long it may go on with what it should not be cut off from. */
static void stop_worker(struct controller *controller, int64_t patience_ms)
{
        pid_t worker = controller->worker;

        if (worker <= 0)
                return;
        loop_unwatch(controller->loop, &controller->worker_source);
        closep(&controller->worker_fd);
        controller->worker_fd = -1;
        controller->worker = 0;
        controller->busy = -1;
        if (patience_ms > 0 && kill(worker, SIGTERM) == 0 &&
            has_ended(worker, clock_boot_ms() + patience_ms))
                return;
        (void)kill(worker, SIGKILL);
        while (waitpid(worker, NULL, 0) < 0 && errno == EINTR)
                continue;
}

/* When the task is due after a run of its own. */
static int64_t next_run_ms(const struct task *task, const struct task_report *report)
{
        int64_t period_ms = task->scheduled ? INT64_MAX : clock_boot_ms() + task->period_ms;

        return report->due_ms < period_ms ? report->due_ms : period_ms;
}

static void take_report(struct controller *controller, const struct task_report *report)
{
        const struct task *task = &tasks[controller->busy];
        struct slot *slot = &controller->slots[controller->busy];

        controller->busy = -1;
        slot->due_ms = next_run_ms(task, report);
        slot->runs++;
        slot->failures += report->failed;
        if (report->failed)
                return;
        slot->done_s = (uint64_t)clock_real_ms() / 1000;
        for (size_t i = 0; i < TASK_VALUES_MAX; i++)
                slot->values[i] = report->values[i] +
                                  (task->values[i].kind == METRIC_COUNTER ? slot->values[i] : 0);
}

static void worker_ready(struct loop_source *source, _unused_ uint32_t events, int64_t now_ms)
{
        struct controller *controller = CONTAINER_OF(source, struct controller, worker_source);
        struct task_report report;
        ssize_t n = recv(controller->worker_fd, &report, sizeof(report), MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n != sizeof(report) || controller->busy < 0) {
                log_line(LOG_LEVEL_ERROR, "the process that does the work has ended");
                controller->broken = true;
                loop_stop(controller->loop);
                return;
        }
        if (report.failed && report.due_ms > now_ms + AGAIN_MS)
                report.due_ms = now_ms + AGAIN_MS;
        take_report(controller, &report);
        set_timer(controller, &controller->tick, now_ms);
}

static int start_worker(struct controller *controller, struct err *err)
{
        int r = task_start(&controller->settings, &controller->worker, &controller->worker_fd, err);

        if (r < 0)
                return r;
        controller->worker_source.ready = worker_ready;
        r = loop_watch(controller->loop, &controller->worker_source, controller->worker_fd, EPOLLIN,
                       err);
        if (r < 0)
                stop_worker(controller, 0);
        return r;
}

/* Hands the next task that is due to the worker, if it has nothing to do. */
static void start_task(struct controller *controller)
{
        int64_t now_ms = clock_boot_ms();

        for (uint8_t i = 0; i < TASK_COUNT && controller->worker > 0 && controller->busy < 0; i++) {
                if (controller->arguments.off[i] || controller->slots[i].due_ms > now_ms)
                        continue;
                controller->slots[i].due_ms = INT64_MAX;
                controller->busy = i;
                /* One that is gone is seen by its end of the socket. */
                (void)send(controller->worker_fd, &i, sizeof(i), MSG_NOSIGNAL);
        }
}

/* ---- leading ---- */

static void begin_term(struct controller *controller)
{
        struct err err;

        log_line(LOG_LEVEL_INFO, "leading as %s", controller->election.holder);
        if (start_worker(controller, &err) < 0) {
                log_line(LOG_LEVEL_ERROR, "%s", err.msg);
                controller->broken = true;
                loop_stop(controller->loop);
                return;
        }
        for (size_t i = 0; i < TASK_COUNT; i++)
                controller->slots[i].due_ms = clock_boot_ms();
        set_timer(controller, &controller->tick, clock_boot_ms());
}

static void refresh_access(struct controller *controller, int64_t now_ms, struct err *err)
{
        if (controller->access.k8s && now_ms < controller->access_ms + ACCESS_MS)
                return;
        if (access_open(&controller->access, controller->arguments.kubeconfig, err) == 0)
                controller->access_ms = now_ms;
}

static void step_due(struct loop_timer *timer, int64_t now_ms)
{
        struct controller *controller = CONTAINER_OF(timer, struct controller, step);
        bool led = controller->election.leads;
        struct err err;
        int64_t due_ms;
        int r;

        refresh_access(controller, now_ms, &err);
        due_ms = election_step(&controller->election, controller->access.k8s, &r, &err);
        if (r == 0) {
                controller->answer_ms = clock_boot_ms();
        } else {
                controller->access_ms = 0; /* credentials may have been the reason */
                if (!controller->silent)
                        log_line(LOG_LEVEL_WARNING, "%s", err.msg);
        }
        controller->silent = r != 0;
        if (led && !controller->election.leads) {
                log_line(LOG_LEVEL_WARNING, "not leading any more");
                stop_worker(controller, 0);
        } else if (!led && controller->election.leads) {
                begin_term(controller);
        }
        set_timer(controller, timer, due_ms);
}

static void tick_due(struct loop_timer *timer, int64_t now_ms)
{
        struct controller *controller = CONTAINER_OF(timer, struct controller, tick);
        int64_t next_ms = now_ms + TICK_MS, tick_ms;

        reread_schedule(controller);
        if (has_ticked(controller))
                for (size_t i = 0; i < TASK_COUNT; i++)
                        if (tasks[i].scheduled)
                                controller->slots[i].due_ms = now_ms;
        start_task(controller);
        tick_ms = now_ms + controller->tick_s * 1000 - clock_real_ms();
        if (tick_ms < next_ms)
                next_ms = tick_ms;
        for (size_t i = 0; i < TASK_COUNT && controller->worker > 0 && controller->busy < 0; i++)
                if (!controller->arguments.off[i] && controller->slots[i].due_ms < next_ms)
                        next_ms = controller->slots[i].due_ms;
        set_timer(controller, timer, next_ms);
}

static void on_signal(void *user, int signal)
{
        struct controller *controller = user;

        log_line(LOG_LEVEL_INFO, "stopping on signal %d", signal);
        loop_stop(controller->loop);
}

/* ---- pages ---- */

static int page_health(_unused_ void *user, struct buf *body)
{
        buf_puts(body, "ok\n");
        return 200;
}

static int page_ready(void *user, struct buf *body)
{
        const struct controller *controller = user;

        if (controller->answer_ms == 0 || clock_boot_ms() > controller->answer_ms + READY_MS) {
                buf_puts(body, "the API server does not answer\n");
                return 503;
        }
        buf_puts(body, controller->election.leads ? "leading\n" : "standing by\n");
        return 200;
}

#define METRIC "whereabouts_controller_"

/* What there is of every task. */
static const struct {
        const char *name, *help;
        enum metric_kind kind;
        size_t offset; /* in struct slot */
} of_tasks[] = {
        { METRIC "runs_total", "Runs of a task.", METRIC_COUNTER, offsetof(struct slot, runs) },
        { METRIC "failed_runs_total", "Runs that came to nothing.", METRIC_COUNTER,
          offsetof(struct slot, failures) },
        { METRIC "last_success_timestamp_seconds", "When a task last did its work.", METRIC_GAUGE,
          offsetof(struct slot, done_s) },
};

/* Lines of one name stand together. */
static int page_metrics(void *user, struct buf *body)
{
        const struct controller *controller = user;
        struct metric metrics[1 + TASK_COUNT * (ARRAY_SIZE(of_tasks) + TASK_VALUES_MAX)];
        char labels[TASK_COUNT][32];
        size_t n = 0;

        metrics[n++] =
                (struct metric){ METRIC "leader", METRIC_GAUGE, "Whether this instance leads.",
                                 NULL, controller->election.leads };
        for (size_t i = 0; i < TASK_COUNT; i++)
                (void)snprintf(labels[i], sizeof(labels[i]), "task=\"%s\"", tasks[i].name);
        for (size_t j = 0; j < ARRAY_SIZE(of_tasks); j++)
                for (size_t i = 0; i < TASK_COUNT; i++) {
                        const void *value =
                                (const char *)&controller->slots[i] + of_tasks[j].offset;

                        metrics[n++] = (struct metric){ of_tasks[j].name, of_tasks[j].kind,
                                                        of_tasks[j].help, labels[i],
                                                        (double)*(const uint64_t *)value };
                }
        for (size_t i = 0; i < TASK_COUNT; i++)
                for (size_t j = 0; j < TASK_VALUES_MAX && tasks[i].values[j].name; j++)
                        metrics[n++] =
                                (struct metric){ tasks[i].values[j].name, tasks[i].values[j].kind,
                                                 tasks[i].values[j].help, NULL,
                                                 (double)controller->slots[i].values[j] };
        metrics_compose(metrics, n, body);
        return 200;
}

static const struct endpoint_page pages[] = {
        { "/healthz", ENDPOINT_TEXT, page_health },
        { "/readyz", ENDPOINT_TEXT, page_ready },
        { "/metrics", ENDPOINT_METRICS, page_metrics },
};

/* ---- arguments ---- */

/* Charts write flags of Go's programs as "-name=value", which is one word. Returns NULL without
 * memory. */
static char **split_words(int argc, char **argv, int *ret_count)
{
        char **words = calloc(2 * (size_t)argc + 1, sizeof(*words));
        int count = 0;

        for (int i = 0; words && i < argc; i++) {
                char *equals = i > 0 && *argv[i] == '-' ? strchr(argv[i], '=') : NULL;

                words[count++] = argv[i];
                if (!equals)
                        continue;
                *equals = '\0';
                words[count++] = equals + 1;
        }
        *ret_count = count;
        return words;
}

static int misused(const char *what, const char *word)
{
        return options_misused(PROGRAM, "controller", what, word);
}

/* Returns 0, or the exit status. */
static int check_arguments(const struct arguments *arguments, struct task_settings *ret)
{
        int64_t grace_s;
        struct cron cron;
        struct err err;

        if (parse_i64(arguments->grace, 1, GRACE_MAX_S, &grace_s) < 0)
                return misused("--grace takes seconds, 1 to 86400, and not", arguments->grace);
        if (cron_parse(arguments->schedule, &cron, &err) < 0 ||
            (arguments->listen && endpoint_check(arguments->listen, &err) < 0)) {
                (void)fprintf(stderr, "%s controller: %s; see %s --help\n", PROGRAM, err.msg,
                              PROGRAM);
                return 2;
        }
        log_set_level_by_name(arguments->log_level);
        *ret = (struct task_settings){ arguments->kubeconfig, grace_s * 1000, arguments->evicted };
        return 0;
}

static int parse_arguments(int argc, char **argv, struct arguments *ret)
{
        _cleanup_(words_done) struct words rest = { 0 };
        struct option_row rows[] = {
                { "--schedule", &ret->schedule, NULL },
                { "--schedule-file", &ret->schedule_file, NULL },
                { "--grace", &ret->grace, NULL },
                { "--evicted", NULL, &ret->evicted },
                { "--listen", &ret->listen, NULL },
                { "--kubeconfig", &ret->kubeconfig, NULL },
                /* those of the Go programs */
                { "-kubeconfig", &ret->kubeconfig, NULL },
                { "-log-level", &ret->log_level, NULL },
                { "--log-level", &ret->log_level, NULL },
                { "-v", &ret->verbosity, NULL },
                { "--v", &ret->verbosity, NULL },
                [11] = { tasks[0].switch_off, NULL, &ret->off[0] },
                [12] = { tasks[1].switch_off, NULL, &ret->off[1] },
        };
        int r = options_parse(PROGRAM, argc, argv, rows, ARRAY_SIZE(rows), &rest);

        return r == 0 && rest.count > 0 ? misused("unexpected argument", rest.items[0]) : r;
}

/* ---- start and end ---- */

static void controller_done(struct controller *controller)
{
        if (controller->loop) {
                stop_worker(controller, PATIENCE_MS);
                loop_cancel_timer(controller->loop, &controller->step);
                loop_cancel_timer(controller->loop, &controller->tick);
        }
        if (controller->access.k8s)
                election_release(&controller->election, controller->access.k8s);
        endpoint_free(controller->endpoint);
        loop_free(controller->loop);
        access_close(&controller->access);
        election_done(&controller->election);
}

static int start(struct controller *controller, struct err *err)
{
        const struct arguments *arguments = &controller->arguments;
        sigset_t signals;
        int r = find_schedule(controller, err);

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        controller->step.due = step_due;
        controller->tick.due = tick_due;
        if (r == 0)
                r = election_init(&controller->election, LEASE, err);
        if (r == 0)
                r = access_open(&controller->access, arguments->kubeconfig, err);
        if (r == 0)
                r = loop_new(&controller->loop, err);
        if (r == 0)
                r = loop_set_signals(controller->loop, &signals, on_signal, controller, err);
        if (r == 0 && arguments->listen)
                r = endpoint_new(controller->loop, arguments->listen, pages, ARRAY_SIZE(pages),
                                 controller, &controller->endpoint, err);
        if (r < 0)
                return r;
        controller->access_ms = clock_boot_ms();
        r = loop_set_timer(controller->loop, &controller->step, clock_boot_ms(), err);
        return r == 0 ? loop_set_timer(controller->loop, &controller->tick, clock_boot_ms(), err)
                      : r;
}

int controller_command(int argc, char **argv)
{
        _cleanup_(controller_done) struct controller controller = {
                .arguments = { .schedule = SCHEDULE,
                               .schedule_file = SCHEDULE_FILE,
                               .grace = GRACE_S,
                               .log_level = "" },
                .worker_fd = -1,
                .busy = -1,
        };
        _cleanup_(freep) char **words = split_words(argc, argv, &argc);
        struct err err;
        int r;

        if (!words) {
                (void)fprintf(stderr, "%s: out of memory\n", PROGRAM);
                return 1;
        }
        r = parse_arguments(argc, words, &controller.arguments);
        if (r == 0)
                r = check_arguments(&controller.arguments, &controller.settings);
        if (r > 0)
                return r;
        r = start(&controller, &err);
        if (r == 0)
                r = loop_run(controller.loop, &err);
        if (r < 0)
                (void)fprintf(stderr, "%s: %s%s%s\n", PROGRAM, err.msg, *err.details ? ": " : "",
                              err.details);
        return r < 0 || controller.broken ? 1 : 0;
}
