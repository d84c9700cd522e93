/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whereabouts: addresses that are unique in a whole cluster. Each verb reads its configuration and
 * the credentials, asks for what it wants, and fills the result. Who does the work, this process or
 * another of the node, is the group's affair.
 */
#include <string.h>
#include <sys/utsname.h>

#include "command.h"
#include "conf.h"
#include "core/attachment.h"
#include "core/clock.h"
#include "core/log.h"
#include "group.h"
#include "inspect.h"
#include "kubeconfig.h"

#define ADD_MS  100000
#define DEL_MS  50000
#define LOOK_MS 10000

/* What every verb opens. */
struct session {
        struct trust trust;
        struct conf conf;
        struct kubeconfig kubeconfig;
        int records;
};

#define SESSION_CLOSED        \
        {                     \
                .records = -1 \
        }

static void session_done(struct session *session)
{
        closep(&session->records);
        kubeconfig_done(&session->kubeconfig);
        conf_done(&session->conf);
        trust_done(&session->trust);
}

static void warn(const struct err *err)
{
        log_line(LOG_LEVEL_WARNING, "%s%s%s", err->msg, *err->details ? ": " : "", err->details);
}

/* A log that cannot be opened is no reason to leave a pod without an address. */
static void open_log(const struct conf_node *node)
{
        struct err err;
        int r = 0;

        if (node->log_file_is_ignored)
                log_line(LOG_LEVEL_WARNING, "log_file of a network counts only below /var/log");
        if (node->log_level == CONF_LOG_ERROR || node->log_level == CONF_LOG_PANIC)
                log_set_level(LOG_LEVEL_ERROR);
        else if (node->log_level == CONF_LOG_DEBUG)
                log_set_level(LOG_LEVEL_DEBUG);
        if (node->log_file && node->log_file_is_tenants)
                r = log_set_file_strictly(node->log_file, &err);
        else if (node->log_file)
                r = log_set_file(node->log_file, &err);
        if (r < 0)
                warn(&err);
}

static int open_session(const struct cni_call *call, enum conf_use use, struct session *ret,
                        struct err *err)
{
        int r = trust_load(TRUST_CONF, &ret->trust, err);

        if (r == 0)
                r = conf_read(call, use, &ret->trust, &ret->conf, err);
        if (r < 0)
                return r;
        open_log(&ret->conf.node);
        return 0;
}

/* The credentials, and the directory of the records. */
static int open_cluster(struct session *session, const char *prefix, struct err *err)
{
        int r = kubeconfig_read(session->conf.node.kubeconfig, &session->trust,
                                &session->kubeconfig, err);

        if (r < 0) {
                err_wrap(err, "%s", prefix);
                err->code = CNI_ERR_INTERNAL;
                return r;
        }
        return record_open(RECORD_DIR, true, &session->records, err);
}

static struct group group_of(const struct session *session)
{
        return (struct group){ .path = GROUP_DIR,
                               .node = &session->conf.node,
                               .kubeconfig = &session->kubeconfig,
                               .records = session->records };
}

/* Asks the group. What came of it is a line in the log file, if there is one; without one a call
 * that went well is silent, since runtimes take over what a plugin writes to standard error. */
static void ask_group(struct session *session, const char *verb, int64_t time_ms,
                      struct answer *ret)
{
        const struct group group = group_of(session);
        struct request *request = &session->conf.request;
        _cleanup_(buf_done) struct buf addresses;
        int64_t start_ms = clock_boot_ms();
        char text[IPNET_TEXT_MAX];

        buf_init(&addresses, 4096);
        request->deadline_ms = start_ms + time_ms;
        group_run(&group, request, ret);
        if (!session->conf.node.log_file)
                return;
        for (size_t i = 0; i < ret->count; i++)
                buf_printf(&addresses, " %s", ipnet_format(&ret->addresses[i], text));
        log_line(ret->r < 0 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
                 "%s %s container %s interface %s:%s%s%s, %lld ms", verb,
                 request->podref ? request->podref : "-", request->container_id, request->ifname,
                 buf_text(&addresses), ret->r != 0 ? " " : "", ret->r != 0 ? ret->err.msg : "",
                 (long long)(clock_boot_ms() - start_ms));
}

/* ---- ADD ---- */

static int fill_result(const struct conf *conf, const struct answer *answer,
                       struct ipam_result *ret, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < answer->count && r == 0; i++) {
                const struct result_ip ip = { answer->addresses[i], conf->gateway };

                r = result_add_ip(ret, &ip, err);
        }
        for (size_t i = 0; i < conf->static_count && r == 0; i++)
                r = result_add_ip(ret, &conf->static_addresses[i], err);
        return r;
}

/* Whether the ADD of this process gave what no earlier one had given. */
static bool gave;

static int add(const struct cni_call *call, struct ipam_result *ret, struct err *err)
{
        _cleanup_(session_done) struct session session = SESSION_CLOSED;
        _cleanup_(answer_done) struct answer answer = { 0 };
        struct conf *conf = &session.conf;
        int r = open_session(call, CONF_ADD, &session, err);

        if (r == 0)
                r = open_cluster(&session, "failed to create Kubernetes IPAM manager: ", err);
        if (r < 0)
                return r;
        if (conf->request.range_count > 0)
                ask_group(&session, "ADD", ADD_MS, &answer);
        if (answer.r < 0) {
                *err = answer.err;
                return answer.r;
        }
        gave = answer.count > 0 && !answer.held;
        ret->routes = conf->routes;
        ret->dns = conf->dns;
        conf->routes = (struct route_list){ 0 };
        conf->dns = (struct dns){ 0 };
        return fill_result(conf, &answer, ret, err);
}

/* ---- DEL ---- */

static int del(const struct cni_call *call, struct err *err)
{
        _cleanup_(session_done) struct session session = SESSION_CLOSED;
        _cleanup_(answer_done) struct answer answer = { 0 };
        int r = open_session(call, CONF_RELEASE, &session, err);

        if (r == 0)
                r = open_cluster(&session, "IPAM client initialization error: ", err);
        if (r < 0)
                return r;
        session.conf.request.verb = REQUEST_DEL;
        ask_group(&session, "DEL", DEL_MS, &answer);
        if (answer.r > 0 && !session.conf.node.log_file)
                warn(&answer.err);
        if (answer.r < 0)
                *err = answer.err;
        return answer.r < 0 ? answer.r : 0;
}

/* A caller that does not hear the answer may still have heard the one before. */
static int undo(const struct cni_call *call, const struct ipam_result *result, struct err *err)
{
        (void)result; /* the record knows better */
        return gave ? del(call, err) : 0;
}

/* ---- GC ---- */

struct garbage {
        const struct cni_call *call;
        const struct session *session;
        const struct attachments *valid;
        struct request *requests; /* owned */
        size_t count;
        int r;
};

static int find_garbage(const struct record *record, void *context)
{
        struct garbage *garbage = context;
        const struct kubeconfig *kubeconfig = &garbage->session->kubeconfig;
        struct request *requests;

        if (strcmp(record->network, garbage->call->name) != 0 ||
            !record_is_of(record, kubeconfig->server, kubeconfig->namespace) ||
            attachments_have(garbage->valid, record->container_id, record->ifname))
                return 0;
        requests = reallocarray(garbage->requests, garbage->count + 1, sizeof(*requests));
        if (!requests)
                return -ENOMEM;
        garbage->requests = requests;
        requests[garbage->count] = (struct request){ .deadline_ms = clock_boot_ms() + ADD_MS };
        return request_of_record(record, &requests[garbage->count++]);
}

static int collect_garbage(struct garbage *garbage, struct err *err)
{
        const struct group group = group_of(garbage->session);
        _cleanup_(freep) struct job *jobs = calloc(garbage->count + 1, sizeof(*jobs));
        _cleanup_(freep) struct job **list = calloc(garbage->count + 1, sizeof(struct job *));
        int r = 0;

        if (!jobs || !list)
                return err_oom(err);
        for (size_t i = 0; i < garbage->count; i++) {
                job_init(&jobs[i], &garbage->requests[i]);
                list[i] = &jobs[i];
        }
        group_run_all(&group, list, garbage->count);
        for (size_t i = 0; i < garbage->count; i++) {
                if (jobs[i].answer.r != 0 && r == 0) {
                        *err = jobs[i].answer.err;
                        r = -EIO;
                }
                job_done(&jobs[i]);
        }
        return r;
}

static int gc(const struct cni_call *call, struct err *err)
{
        _cleanup_(session_done) struct session session = SESSION_CLOSED;
        _cleanup_(attachments_done) struct attachments valid = { 0 };
        struct garbage garbage = { .call = call, .session = &session, .valid = &valid };
        int r = attachments_read(&call->config, &valid, err);

        if (r == ATTACHMENTS_NONE)
                return 0;
        if (r == 0)
                r = open_session(call, CONF_RELEASE, &session, err);
        if (r == 0)
                r = open_cluster(&session, "IPAM client initialization error: ", err);
        if (r == 0)
                r = record_each(session.records, false, find_garbage, &garbage, err);
        if (r == 0 && garbage.count > 0)
                r = collect_garbage(&garbage, err);
        for (size_t i = 0; i < garbage.count; i++)
                request_done(&garbage.requests[i]);
        free(garbage.requests);
        return r;
}

/* ---- CHECK and STATUS ---- */

static int check(const struct cni_call *call, struct err *err)
{
        _cleanup_(session_done) struct session session = SESSION_CLOSED;
        _cleanup_(result_done) struct ipam_result previous = { 0 };
        const struct k8s_limits limits = k8s_limits_within(LOOK_MS);
        int r = open_session(call, CONF_RELEASE, &session, err);

        if (r == 0)
                r = open_cluster(&session, "IPAM client initialization error: ", err);
        if (r == 0)
                r = result_read_previous(&call->config, &previous, err);
        return r < 0 ? r
                     : inspect_attachment(&session.conf.request, &session.kubeconfig, &previous,
                                          &limits, err);
}

static int status(const struct cni_call *call, struct err *err)
{
        _cleanup_(session_done) struct session session = SESSION_CLOSED;
        const struct k8s_limits limits = k8s_limits_within(LOOK_MS);
        int r = open_session(call, CONF_STATUS, &session, err);

        if (r == 0)
                r = open_cluster(&session, "failed to create Kubernetes IPAM manager: ", err);
        if (r == 0 && session.conf.strict_status)
                r = inspect_server(&session.kubeconfig, &limits, err);
        return r;
}

/* ---- */

/* Go's name of the architecture that this program is for. */
static const char *architecture(void)
{
#if defined(__x86_64__)
        return "amd64";
#elif defined(__aarch64__)
        return "arm64";
#else
        static struct utsname name;

        return uname(&name) == 0 ? name.machine : "unknown";
#endif
}

/* The other names that an image gives this executable, after programs that charts call. */
static struct {
        char name[24], command[16], option[16]; /* argv is not const */
} aliases[] = {
        { "ip-control-loop", "node", "--no-install" },
        { "ip-reconciler", "controller", "--no-slices" },
        { "node-slice-controller", "controller", "--no-reconcile" },
};

#define ALIAS_ARGUMENTS_MAX 16

/* Called by such a name: the sub-command, its option, and what was given beside. */
static int run_alias(int argc, char **argv, size_t alias, const struct cni_plugin *plugin)
{
        char *words[ALIAS_ARGUMENTS_MAX + 4] = { argv[0], aliases[alias].command,
                                                 aliases[alias].option };
        int count = 3;

        if (argc > ALIAS_ARGUMENTS_MAX) {
                (void)fprintf(stderr, "%s: too many arguments\n", aliases[alias].name);
                return 2;
        }
        for (int i = 1; i < argc; i++)
                words[count++] = argv[i];
        return cni_command_run(count, words, plugin);
}

int main(int argc, char **argv)
{
        const char *name = argc > 0 ? basename(argv[0]) : "";
        char about[128];
        const struct cni_plugin plugin = {
                .program = "whereabouts",
                .about = about,
                .add = add,
                .undo = undo,
                .del = del,
                .check = check,
                .status = status,
                .gc = gc,
                .commands = whereabouts_commands,
                .command_count = whereabouts_command_count,
        };

        (void)snprintf(about, sizeof(about), "whereabouts v" CNI_IPAM_VERSION " linux/%s",
                       architecture());
        for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
                if (strcmp(name, aliases[i].name) == 0)
                        return run_alias(argc, argv, i, &plugin);
        return cni_main(argc, argv, &plugin);
}
