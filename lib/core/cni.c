/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame. The order of its checks is that of the reference library's skeleton, because callers
 * and their tests see which error comes first. Two things are better: the check for our own network
 * namespace comes before an ADD does anything, and an ADD whose result does not reach the caller is
 * taken back.
 */
#include "core/cni.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "core/fs.h"
#include "core/netns.h"
#include "core/utf8.h"

#define OUTPUT_MAX (32U * 1024U * 1024U)

/* A call from its start to its end. */
struct frame {
        const struct cni_plugin *plugin;
        const struct verb *verb;
        struct cni_call call;
        struct json *document; /* owned */
        char *version;         /* owned */
        char *name;            /* owned */
        struct buf out;
};

static int run_add(struct frame *frame, struct err *err);
static int run_del(struct frame *frame, struct err *err);
static int run_check(struct frame *frame, struct err *err);
static int run_gc(struct frame *frame, struct err *err);
static int run_status(struct frame *frame, struct err *err);
static int run_version(struct frame *frame, struct err *err);

enum needs {
        NEEDS_ATTACHMENT = 1, /* CNI_CONTAINERID and CNI_IFNAME */
        NEEDS_NETNS = 2,
        NEEDS_PATH = 4,
        NEEDS_INPUT = 8,
};

static const struct verb {
        const char *name;
        int (*run)(struct frame *frame, struct err *err);
        const char *since; /* NULL: any version */
        unsigned needs;    /* enum needs */
        size_t input_max;
} verbs[] = {
        { "ADD", run_add, NULL, NEEDS_ATTACHMENT | NEEDS_NETNS | NEEDS_PATH | NEEDS_INPUT,
          CNI_CONFIG_MAX },
        { "CHECK", run_check, "0.4.0", NEEDS_ATTACHMENT | NEEDS_NETNS | NEEDS_PATH | NEEDS_INPUT,
          CNI_CONFIG_MAX },
        { "DEL", run_del, NULL, NEEDS_ATTACHMENT | NEEDS_PATH | NEEDS_INPUT, CNI_CONFIG_MAX },
        { "GC", run_gc, "1.1.0", NEEDS_PATH | NEEDS_INPUT, CNI_GC_CONFIG_MAX },
        { "STATUS", run_status, "1.1.0", NEEDS_PATH | NEEDS_INPUT, CNI_CONFIG_MAX },
        { "VERSION", run_version, NULL, 0, 0 },
};

/* A verb that we do not know still has its input read first. */
static const struct verb unknown_verb = { "", NULL, NULL, NEEDS_INPUT, CNI_CONFIG_MAX };

static const char *variable(const char *name)
{
        const char *value = getenv(name);

        return value ? value : "";
}

/* ---- environment ---- */

static int check_container_id(const char *id, struct err *err)
{
        if (cni_is_name(id))
                return 0;
        (void)err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT, "invalid characters in containerID");
        err_details(err, "%s", id);
        return -EINVAL;
}

/* The first value that is no good ends the check; missing ones are all named together. What belongs
 * to an attachment is not even read for a verb that concerns none. */
static int read_environment(struct frame *frame, struct err *err)
{
        struct cni_call *call = &frame->call;
        const struct {
                const char *name;
                const char **value;
                unsigned need;
                int (*check)(const char *value, struct err *err);
        } variables[] = {
                { "CNI_CONTAINERID", &call->container_id, NEEDS_ATTACHMENT, check_container_id },
                { "CNI_NETNS", &call->netns, NEEDS_NETNS, NULL },
                { "CNI_IFNAME", &call->ifname, NEEDS_ATTACHMENT, cni_check_ifname },
                { "CNI_ARGS", &call->args, 0, NULL },
                { "CNI_PATH", &(const char *){ NULL }, NEEDS_PATH, NULL },
        };
        char missing[128] = "";

        for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
                bool used =
                        variables[i].need == NEEDS_PATH || (frame->verb->needs & NEEDS_ATTACHMENT);
                const char *value = used ? variable(variables[i].name) : "";
                size_t len = strlen(missing);
                int r = 0;

                *variables[i].value = value;
                if (!(frame->verb->needs & variables[i].need))
                        continue;
                if (*value == '\0')
                        (void)snprintf(missing + len, sizeof(missing) - len, "%s%s",
                                       len > 0 ? "," : "", variables[i].name);
                else if (variables[i].check)
                        r = variables[i].check(value, err);
                if (r < 0)
                        return r;
        }
        if (*missing)
                return err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT,
                                "required env variables [%s] missing", missing);
        return 0;
}

/* ---- input ---- */

static int read_input(struct frame *frame, struct err *err)
{
        _cleanup_(buf_done) struct buf text;
        int r;

        buf_init(&text, frame->verb->input_max);
        r = fs_read(STDIN_FILENO, &text);
        if (r == -EFBIG)
                return err_text(err, r, CNI_ERR_IO, "error reading from stdin: more than %zu bytes",
                                text.ceiling);
        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0)
                return err_set(err, r, CNI_ERR_IO, "error reading from stdin");
        r = json_parse(buf_text(&text), text.len, &frame->document, err);
        if (r == -EINVAL)
                err_wrap(err, "error unmarshall network config: ");
        return r;
}

static int check_input(struct frame *frame, struct err *err)
{
        static const struct json_field fields[] = {
                { "name", json_decode_string, offsetof(struct frame, name), JSON_PLAIN },
        };
        struct cni_call *call = &frame->call;
        int r = 0;

        call->config = (struct json_at){ .value = frame->document };
        if (!json_is_null(&call->config)) {
                r = json_object(&call->config, fields, ARRAY_SIZE(fields), frame, err);
                if (r == -EINVAL)
                        err_wrap(err, "error unmarshall network config: ");
        }
        if (r < 0)
                return r;
        if (!frame->name || *frame->name == '\0')
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "missing network name");
        if (!cni_is_name(frame->name)) {
                (void)err_text(err, -EINVAL, CNI_ERR_CONFIG,
                               "invalid characters found in network name");
                err_details(err, "%s", frame->name);
                return -EINVAL;
        }
        call->name = frame->name;
        return 0;
}

static int check_version(struct frame *frame, struct err *err)
{
        static const struct json_field fields[] = {
                { "cniVersion", json_decode_string, offsetof(struct frame, version), JSON_PLAIN },
        };
        struct cni_call *call = &frame->call;
        int r = json_object(&call->config, fields, ARRAY_SIZE(fields), frame, err);

        if (r == -EINVAL)
                err_wrap(err, "decoding version from network config: ");
        if (r < 0)
                return r;
        call->version_given = frame->version && *frame->version;
        call->version = call->version_given ? frame->version : "0.1.0";
        return cni_check_version(call->version, frame->verb->since ? frame->verb->name : NULL,
                                 frame->verb->since, err);
}

/* ---- output ---- */

/* A caller may have closed descriptor 1; then what we open must not take its place, or the result
 * would be written into it. */
static void occupy_standard_descriptors(void)
{
        while (fcntl(STDERR_FILENO, F_GETFD) < 0 || fcntl(STDOUT_FILENO, F_GETFD) < 0 ||
               fcntl(STDIN_FILENO, F_GETFD) < 0)
                if (open("/", O_PATH | O_CLOEXEC) < 0)
                        return;
}

static int write_output(const struct frame *frame, struct err *err)
{
        int r = fs_write_all(STDOUT_FILENO, buf_text(&frame->out), frame->out.len);

        return r < 0 ? err_set(err, r, CNI_ERR_IO, "write to stdout") : 0;
}

static void write_error(const struct err *err)
{
        static const char no_memory[] = "{\n    \"code\": 999,\n    \"msg\": \"out of memory\"\n}";
        _cleanup_(buf_done) struct buf out;
        struct json_writer w;
        int r;

        buf_init(&out, OUTPUT_MAX);
        json_writer_init(&w, &out);
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "code", err->code);
        json_put_string(&w, "msg", err->msg);
        json_put_given(&w, "details", err->details);
        json_end(&w, '}');
        if (out.failed)
                r = fs_write_all(STDOUT_FILENO, no_memory, sizeof(no_memory) - 1);
        else
                r = fs_write_all(STDOUT_FILENO, out.text, out.len);
        if (r < 0)
                (void)fprintf(stderr, "%s\n", err->msg); /* nobody reads stdout */
}

/* ---- the verbs ---- */

static int check_netns(const struct frame *frame, struct err *err)
{
        const char *override = variable("CNI_NETNS_OVERRIDE");
        bool own;
        int r;

        if (strcmp(override, "1") == 0 || strcasecmp(override, "true") == 0)
                return 0;
        r = netns_is_own(frame->call.netns, &own, err);
        if (r == 0 && own)
                r = err_text(err, -EINVAL, CNI_ERR_NETNS,
                             "plugin's netns and netns from CNI_NETNS should not be the same");
        return r;
}

static int run_add(struct frame *frame, struct err *err)
{
        _cleanup_(result_done) struct ipam_result result = { 0 };
        struct err undo_err;
        int r = check_netns(frame, err);

        if (r == 0)
                r = frame->plugin->add(&frame->call, &result, err);
        if (r < 0)
                return r;
        r = result_encode(&result, frame->call.version, &frame->out, err);
        if (r == 0)
                r = write_output(frame, err);
        if (r < 0 && frame->plugin->undo(&frame->call, &result, &undo_err) < 0)
                err_details(err, "%s", undo_err.msg);
        return r;
}

/* Runtimes take an error of DEL with such words for a success. */
static void avoid_swallowed_words(char *text)
{
        static const struct {
                const char *words, *instead; /* not longer */
        } rows[] = {
                { "no such file or directory", "does not exist" },
                { "not found", "missing" },
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                size_t len = strlen(rows[i].instead);
                char *at;

                while ((at = strcasestr(text, rows[i].words))) {
                        const char *rest = at + strlen(rows[i].words);

                        memcpy(at, rows[i].instead, len);
                        memmove(at + len, rest, strlen(rest) + 1);
                }
        }
}

static int run_del(struct frame *frame, struct err *err)
{
        int r = frame->plugin->del(&frame->call, err);

        if (r == 0)
                return check_netns(frame, err);
        avoid_swallowed_words(err->msg);
        avoid_swallowed_words(err->details);
        return r;
}

static int run_check(struct frame *frame, struct err *err)
{
        return frame->plugin->check(&frame->call, err);
}

static int run_gc(struct frame *frame, struct err *err)
{
        return frame->plugin->gc(&frame->call, err);
}

static int run_status(struct frame *frame, struct err *err)
{
        int r = frame->plugin->status(&frame->call, err);

        if (r < 0)
                err->code = CNI_ERR_NOT_AVAILABLE;
        return r;
}

static int run_version(struct frame *frame, struct err *err)
{
        buf_printf(&frame->out, "{\"cniVersion\":\"%s\",\"supportedVersions\":[",
                   cni_versions[cni_version_count - 1]);
        for (size_t i = 0; i < cni_version_count; i++)
                buf_printf(&frame->out, "%s\"%s\"", i > 0 ? "," : "", cni_versions[i]);
        buf_puts(&frame->out, "]}\n");
        return buf_check(&frame->out, err) < 0 ? -ENOMEM : write_output(frame, err);
}

static int run_frame(struct frame *frame, const char *command, struct err *err)
{
        int r;

        frame->verb = &unknown_verb;
        for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
                if (strcmp(verbs[i].name, command) == 0)
                        frame->verb = &verbs[i];
        r = read_environment(frame, err);
        if (r == 0 && (frame->verb->needs & NEEDS_INPUT)) {
                r = read_input(frame, err);
                if (r == 0)
                        r = check_input(frame, err);
                if (r == 0 && !frame->verb->run)
                        r = err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT, "unknown CNI_COMMAND: %s",
                                     command);
                if (r == 0)
                        r = check_version(frame, err);
        }
        return r < 0 ? r : frame->verb->run(frame, err);
}

/* ---- without a verb ---- */

static void print_about(const struct cni_plugin *plugin)
{
        (void)fprintf(stderr, "%s\nCNI protocol versions supported: ", plugin->about);
        for (size_t i = 0; i < cni_version_count; i++)
                (void)fprintf(stderr, "%s%s", i > 0 ? ", " : "", cni_versions[i]);
        (void)fputs("\n", stderr);
}

static void print_usage(const struct cni_plugin *plugin, FILE *to)
{
        (void)fprintf(to, "%s\n\nA container runtime calls it with CNI_COMMAND set. For people:\n",
                      plugin->about);
        for (size_t i = 0; i < plugin->command_count; i++)
                (void)fprintf(to, "  %s %s %s\n", plugin->program, plugin->commands[i].name,
                              plugin->commands[i].usage);
        (void)fprintf(to, "  %s --help | --version\nSee %s(8).\n", plugin->program,
                      plugin->program);
}

int cni_command_run(int argc, char **argv, const struct cni_plugin *plugin)
{
        for (int i = 1; i < argc; i++)
                if (strcmp(argv[i], "--help") == 0) {
                        print_usage(plugin, stdout);
                        return 0;
                }
        for (size_t i = 0; i < plugin->command_count; i++)
                if (strcmp(plugin->commands[i].name, argv[1]) == 0)
                        return plugin->commands[i].run(argc - 1, argv + 1);
        if (strcmp(argv[1], "--version") == 0) {
                (void)puts(plugin->about);
                return 0;
        }
        (void)fprintf(stderr, "%s: unknown command '%s'\n", plugin->program, argv[1]);
        print_usage(plugin, stderr);
        return 2;
}

int cni_command_end(const char *program, int r, const struct buf *out, struct err *err)
{
        if (r == 0)
                r = buf_check(out, err);
        if (r == 0) {
                r = fs_write_all(STDOUT_FILENO, buf_text(out), out->len);
                if (r < 0)
                        (void)err_set(err, r, CNI_ERR_IO, "write to stdout");
        }
        utf8_make_printable(err->msg);
        utf8_make_printable(err->details);
        if (r < 0)
                (void)fprintf(stderr, "%s: %s%s%s\n", program, err->msg, *err->details ? ": " : "",
                              err->details);
        return r < 0 ? 1 : 0;
}

int cni_main(int argc, char **argv, const struct cni_plugin *plugin)
{
        struct frame frame = { .plugin = plugin };
        const char *command = variable("CNI_COMMAND");
        struct err err;
        int r;

        if (*command == '\0' && argc > 1)
                return cni_command_run(argc, argv, plugin);
        if (*command == '\0') {
                print_about(plugin);
                return 0;
        }
        signal(SIGPIPE, SIG_IGN);
        signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error like a full disk */
        occupy_standard_descriptors();
        buf_init(&frame.out, OUTPUT_MAX);
        r = run_frame(&frame, command, &err);
        if (r < 0)
                write_error(&err);
        buf_done(&frame.out);
        json_free(frame.document);
        free(frame.version);
        free(frame.name);
        return r < 0 ? 1 : 0;
}
