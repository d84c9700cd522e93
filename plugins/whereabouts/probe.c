/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fails is noted, and everything that does not depend on it is looked at nevertheless: who
 * asks for the status wants all of it.
 */
#include "probe.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "overlap.h"
#include "pool.h"

#define NOBODY      "cni-ipam-status-probe" /* the name of no object */
#define DEADLINE_MS 15000
#define CONNECT_MS  3000
#define REPEAT_MS   2000

void probe_done(struct probe *probe)
{
        conf_node_done(&probe->node);
        kubeconfig_done(&probe->kubeconfig);
        lease_done(&probe->lease);
        for (size_t i = 0; i < probe->unfinished; i++) {
                free(probe->records[i].network);
                free(probe->records[i].container_id);
                free(probe->records[i].ifname);
                free(probe->records[i].podref);
        }
        free(probe->records);
        text_list_done(&probe->problems);
        *probe = (struct probe){ 0 };
}

static int add_problem(struct probe *probe, struct err *err, const char *fmt, ...) _printf_(3, 4);

static int add_problem(struct probe *probe, struct err *err, const char *fmt, ...)
{
        struct err text;
        va_list args;

        va_start(args, fmt);
        (void)vsnprintf(text.msg, sizeof(text.msg), fmt, args);
        va_end(args);
        return text_list_add(&probe->problems, text.msg, strlen(text.msg), err);
}

/* An error that is no reason to stop. */
static int note(struct probe *probe, int r, const struct err *why, struct err *err)
{
        if (r == -ENOMEM)
                return err_oom(err);
        return r < 0 ? add_problem(probe, err, "%s", why->msg) : 0;
}

/* ---- files ---- */

int probe_conf(const struct probe_files *files, const struct trust *trust, struct conf_node *ret,
               struct err *err)
{
        struct conf_node node = { .lease_duration_ms = CONF_LEASE_DURATION_MS };
        char *kubeconfig = files->kubeconfig ? strdup(files->kubeconfig) : NULL;
        int r = files->kubeconfig && !kubeconfig ? err_oom(err) : 0;

        if (r == 0)
                r = conf_read_node(files->conf, trust, &node, err);
        if (r == -ENOENT && kubeconfig && !files->conf)
                r = 0;
        if (r < 0) {
                free(kubeconfig);
                return r;
        }
        if (kubeconfig) {
                free(node.kubeconfig);
                node.kubeconfig = kubeconfig;
        }
        *ret = node;
        return 0;
}

/* Where a flat file would have counted. */
static void name_places(struct err *err)
{
        size_t len = strlen(err->msg);

        for (size_t i = 0; i < conf_path_count && len < sizeof(err->msg); i++)
                len += (size_t)snprintf(err->msg + len, sizeof(err->msg) - len, "%s%s",
                                        i == 0 ? ": there is none of " : ", ", conf_paths[i]);
}

static int read_files(struct probe *probe, const struct probe_files *files, struct err *err)
{
        _cleanup_(trust_done) struct trust trust = { 0 };
        struct err why;
        int r = trust_load(TRUST_CONF, &trust, &why);

        if (r == 0)
                r = probe_conf(files, &trust, &probe->node, &why);
        if (r == -ENOENT && !files->conf)
                name_places(&why);
        probe->has_conf = r == 0;
        if (r == 0)
                r = kubeconfig_read(probe->node.kubeconfig, &trust, &probe->kubeconfig, &why);
        probe->has_kubeconfig = r == 0;
        return note(probe, r, &why, err);
}

/* ---- records ---- */

static const char *reason_of(const struct record *record, bool marked)
{
        if (marked && record->settled_ms > clock_real_ms())
                return "a request that may still be carried out is waited for";
        if (marked)
                return "its addresses have to be released: a DEL could not finish";
        return record->state == RECORD_ADDING ? "an ADD is under way, or was killed" : NULL;
}

static char *copy(const char *text, bool *failed)
{
        char *made = text ? strdup(text) : NULL;

        *failed |= text && !made;
        return made;
}

struct record_search {
        struct probe *probe;
        int dirfd;
};

static int look_at_record(const struct record *record, void *context)
{
        struct record_search *search = context;
        struct probe *probe = search->probe;
        bool marked = record_is_marked(search->dirfd, record), failed = false;
        const char *reason = reason_of(record, marked);
        struct probe_record *records;

        probe->record_count++;
        if (!reason)
                return 0;
        records = reallocarray(probe->records, probe->unfinished + 1, sizeof(*records));
        if (!records)
                return -ENOMEM;
        probe->records = records;
        records[probe->unfinished++] =
                (struct probe_record){ .network = copy(record->network, &failed),
                                       .container_id = copy(record->container_id, &failed),
                                       .ifname = copy(record->ifname, &failed),
                                       .podref = copy(record->podref, &failed),
                                       .adding = record->state == RECORD_ADDING,
                                       .marked = marked,
                                       .reason = reason };
        return failed ? -ENOMEM : 0;
}

static int compare_records(const void *a, const void *b)
{
        const struct probe_record *x = a, *y = b;
        int order = strcmp(x->network, y->network);

        if (order == 0)
                order = strcmp(x->container_id, y->container_id);
        return order != 0 ? order : strcmp(x->ifname, y->ifname);
}

static int read_records(struct probe *probe, struct err *err)
{
        struct record_search search = { probe, -1 };
        struct err why;
        int r = record_open(RECORD_DIR, false, &search.dirfd, &why);

        if (r == 0)
                r = record_each(search.dirfd, false, look_at_record, &search, &why);
        closep(&search.dirfd);
        if (probe->unfinished > 1)
                qsort(probe->records, probe->unfinished, sizeof(*probe->records), compare_records);
        return note(probe, r, &why, err);
}

/* ---- the server ---- */

static int64_t age_of(const char *time)
{
        struct tm tm = { 0 };
        uint64_t us = 0;
        const char *end = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);
        size_t digits = end && *end == '.' ? strspn(end + 1, "0123456789") : 0;

        if (!end || (digits > 0 && parse_u64(end + 1, digits, UINT32_MAX, &us) < 0))
                return -1;
        for (; digits > 3; digits--)
                us /= 10;
        return clock_real_ms() - ((int64_t)timegm(&tm) * 1000 + (int64_t)us);
}

static int take_lease(struct probe *probe, const struct k8s_request *get, struct err *err)
{
        struct err why;
        int r;

        probe->lacks_lease = get->end == K8S_NOT_FOUND;
        if (get->end != K8S_DONE)
                return 0;
        r = lease_parse(buf_text(&get->answer), get->answer.len, &probe->lease, &why);
        probe->has_lease = r == 0;
        if (r == 0)
                probe->lease_age_ms = age_of(probe->lease.renew_time);
        return note(probe, r, &why, err);
}

/* Asks for the Lease twice: the first time connects, the second time tells how long a GET takes. */
static int reach(struct probe *probe, struct k8s *k8s, const struct k8s_limits *limits,
                 struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < 2 && r == 0; i++) {
                _cleanup_(k8s_request_done) struct k8s_request get;
                int64_t begin = clock_boot_ms();

                k8s_request_init(&get, K8S_GET, K8S_LEASE, LEASE_NAME);
                r = k8s_run_one(k8s, &get, limits, err);
                if (r < 0)
                        return r;
                probe->reachable = get.status > 0 && get.status < 500 && get.status != 401;
                if (!probe->reachable)
                        return add_problem(probe, err, "%s", get.err.msg);
                probe->latency_ms = clock_boot_ms() - begin;
                if (i == 1)
                        r = take_lease(probe, &get, err);
        }
        return r;
}

/* ---- permissions ---- */

static const struct {
        struct probe_right right;
        enum k8s_verb verb;
        bool list;
} questions[PROBE_RIGHTS] = {
        { { K8S_POOL, "get", true, PROBE_UNKNOWN }, K8S_GET, false },
        { { K8S_POOL, "list", false, PROBE_UNKNOWN }, K8S_GET, true },
        { { K8S_POOL, "create", true, PROBE_UNKNOWN }, K8S_POST, false },
        { { K8S_POOL, "patch", true, PROBE_UNKNOWN }, K8S_PATCH, false },
        { { K8S_RESERVATION, "get", true, PROBE_UNKNOWN }, K8S_GET, false },
        { { K8S_RESERVATION, "list", true, PROBE_UNKNOWN }, K8S_GET, true },
        { { K8S_RESERVATION, "create", true, PROBE_UNKNOWN }, K8S_POST, false },
        { { K8S_RESERVATION, "patch", true, PROBE_UNKNOWN }, K8S_PATCH, false },
        { { K8S_RESERVATION, "delete", true, PROBE_UNKNOWN }, K8S_DELETE, false },
        { { K8S_SLICE_POOL, "get", false, PROBE_UNKNOWN }, K8S_GET, false },
        { { K8S_LEASE, "get", true, PROBE_UNKNOWN }, K8S_GET, false },
        { { K8S_LEASE, "create", true, PROBE_UNKNOWN }, K8S_POST, false },
        { { K8S_LEASE, "update", true, PROBE_UNKNOWN }, K8S_PUT, false },
};

static const struct probe_resource resources[PROBE_RESOURCES] = {
        [K8S_POOL] = { "ippools", true, PROBE_UNKNOWN },
        [K8S_RESERVATION] = { "overlappingrangeipreservations", true, PROBE_UNKNOWN },
        [K8S_SLICE_POOL] = { "nodeslicepools", false, PROBE_UNKNOWN },
        [K8S_LEASE] = { "leases", true, PROBE_UNKNOWN },
};

static void prepare(struct probe *probe)
{
        bool leases = probe->node.locking != LOCKING_OPTIMISTIC;

        for (size_t i = 0; i < PROBE_RIGHTS; i++) {
                probe->rights[i] = questions[i].right;
                if (questions[i].right.resource == K8S_LEASE)
                        probe->rights[i].needed = leases;
        }
        memcpy(probe->resources, resources, sizeof(resources));
        probe->resources[K8S_LEASE].needed = leases;
}

static void write_object(struct k8s_request *request, const char *namespace)
{
        const struct ipnet net = { { IP_V4, { 192, 0, 2 } }, 24, false };
        const struct lease nothing = { 0 };
        /* A PUT of what does not exist would create it, which is another permission. One whose
         * names differ is refused, but not before it is known whether it is permitted. */
        const char *name = request->verb == K8S_PUT ? LEASE_NAME : NOBODY;

        switch (request->resource) {
        case K8S_POOL:
                pool_write_new(&request->body, NOBODY, &net);
                break;
        case K8S_RESERVATION:
                reservation_write_new(&request->body, NOBODY, namespace, NOBODY, NOBODY, NOBODY);
                break;
        case K8S_LEASE:
                lease_write(&request->body, name, namespace, &nothing, NOBODY, 1,
                            clock_real_ms() * 1000);
                break;
        case K8S_SLICE_POOL:
        case K8S_POD:
        case K8S_NODE:
        case K8S_NETWORK:
        case K8S_EVENT:
        case K8S_ACCOUNT:
                break; /* nobody asks to write one */
        }
}

static void compose(size_t i, const char *namespace, struct k8s_request *ret)
{
        k8s_request_init(ret, questions[i].verb, questions[i].right.resource,
                         questions[i].list ? NULL : NOBODY);
        if (questions[i].list)
                ret->query = "limit=1";
        else if (questions[i].verb != K8S_GET)
                ret->query = "dryRun=All";
        if (questions[i].verb == K8S_POST || questions[i].verb == K8S_PUT)
                write_object(ret, namespace);
        else if (questions[i].verb == K8S_PATCH)
                buf_puts(&ret->body, "[]");
}

/* What an answer says of the kind of objects: a 404 for the object tells that there is the kind. */
static enum probe_answer judge_resource(const struct k8s_request *request)
{
        switch (request->end) {
        case K8S_DONE:
        case K8S_NOT_FOUND:
        case K8S_CONFLICT:
        case K8S_INVALID:
                return PROBE_YES;
        case K8S_REFUSED:
                return request->status == 404 ? PROBE_NO : PROBE_UNKNOWN;
        case K8S_PENDING:
        case K8S_AWAY:
        case K8S_UNKNOWN:
                break;
        }
        return PROBE_UNKNOWN;
}

static enum probe_answer judge_right(const struct k8s_request *request)
{
        if (judge_resource(request) == PROBE_YES)
                return PROBE_YES;
        if (request->end == K8S_REFUSED && request->status == 403)
                return PROBE_NO;
        /* It came as far as to be looked at. */
        return request->end == K8S_REFUSED && request->status == 400 ? PROBE_YES : PROBE_UNKNOWN;
}

static void judge(struct probe *probe, const struct k8s_request *requests)
{
        for (size_t i = 0; i < PROBE_RIGHTS; i++) {
                struct probe_resource *resource = &probe->resources[probe->rights[i].resource];
                enum probe_answer exists = judge_resource(&requests[i]);

                probe->rights[i].allowed = judge_right(&requests[i]);
                if (resource->exists != PROBE_YES && exists != PROBE_UNKNOWN)
                        resource->exists = exists;
        }
}

/* A create that finds no place although there is the kind. */
static bool lacks_namespace(const struct probe *probe, size_t i, const struct k8s_request *request)
{
        return questions[i].verb == K8S_POST && request->end == K8S_REFUSED &&
               request->status == 404 &&
               probe->resources[questions[i].right.resource].exists == PROBE_YES;
}

static int tell_rights(struct probe *probe, const struct k8s_request *requests, struct err *err)
{
        bool told = false;
        int r = 0;

        for (size_t i = 0; i < PROBE_RIGHTS && r == 0; i++) {
                const struct probe_right *right = &probe->rights[i];
                const struct probe_resource *resource = &probe->resources[right->resource];

                if (!right->needed || right->allowed == PROBE_YES || resource->exists == PROBE_NO)
                        continue;
                if (right->allowed == PROBE_NO)
                        r = add_problem(probe, err,
                                        "the account of the kubeconfig may not %s %s in namespace "
                                        "%s",
                                        right->verb, resource->plural, probe->kubeconfig.namespace);
                else if (!lacks_namespace(probe, i, &requests[i]))
                        r = add_problem(probe, err, "%s", requests[i].err.msg);
                else if (!told)
                        r = add_problem(probe, err, "there is no namespace %s",
                                        probe->kubeconfig.namespace);
                told |= lacks_namespace(probe, i, &requests[i]);
        }
        return r;
}

/* A kind that is missing is one problem, not one for each of its verbs. */
static int tell(struct probe *probe, const struct k8s_request *requests, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < PROBE_RESOURCES && r == 0; i++)
                if (probe->resources[i].needed && probe->resources[i].exists == PROBE_NO)
                        r = add_problem(probe, err,
                                        "the API server has no %s: are the CRDs of "
                                        "whereabouts installed?",
                                        probe->resources[i].plural);
        return r == 0 ? tell_rights(probe, requests, err) : r;
}

static int ask(struct probe *probe, struct k8s *k8s, const struct k8s_limits *limits,
               struct err *err)
{
        struct k8s_request requests[PROBE_RIGHTS], *list[PROBE_RIGHTS];
        int r;

        for (size_t i = 0; i < PROBE_RIGHTS; i++) {
                compose(i, probe->kubeconfig.namespace, &requests[i]);
                list[i] = &requests[i];
        }
        r = k8s_run(k8s, list, PROBE_RIGHTS, limits, err);
        if (r == 0) {
                judge(probe, requests);
                r = tell(probe, requests, err);
        }
        for (size_t i = 0; i < PROBE_RIGHTS; i++)
                k8s_request_done(&requests[i]);
        return r;
}

static int probe_server(struct probe *probe, struct err *err)
{
        const struct k8s_limits limits = { clock_boot_ms() + DEADLINE_MS, CONNECT_MS, REPEAT_MS };
        _cleanup_(k8s_freep) struct k8s *k8s = NULL;
        struct err why;
        int r = k8s_new(&probe->kubeconfig, &k8s, &why);

        if (r < 0)
                return note(probe, r, &why, err);
        r = reach(probe, k8s, &limits, err);
        return r == 0 && probe->reachable ? ask(probe, k8s, &limits, err) : r;
}

int probe_run(struct probe *probe, const struct probe_files *files, struct err *err)
{
        int r = read_files(probe, files, err);

        prepare(probe);
        if (r == 0)
                r = read_records(probe, err);
        return r == 0 && probe->has_kubeconfig ? probe_server(probe, err) : r;
}
