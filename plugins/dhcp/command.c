/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All of them ask the daemon: the records on disk are its own. What it says goes out as it came
 * with
 * --json, and as a table else.
 */
#include "command.h"

#include <string.h>

#include "client.h"
#include "conf.h"
#include "core/options.h"
#include "daemon.h"
#include "report.h"

#define PROGRAM    "dhcp"
#define OUTPUT_MAX (256U * 1024U * 1024U)
#define STATUS_MS  2000

/* ---- arguments ---- */

struct arguments {
        const char *socket; /* NULL: not given */
        bool json, all;
        struct words words;
        char *path; /* of the socket; owned */
        struct trust trust;
};

static void arguments_done(struct arguments *arguments)
{
        words_done(&arguments->words);
        free(arguments->path);
        trust_done(&arguments->trust);
}

static int wrong_usage(const char *command, const char *what, const char *word)
{
        return options_misused(PROGRAM, command, what, word);
}

/* What every command needs before it asks. */
static int prepare(struct arguments *arguments, struct err *err)
{
        const char *path = arguments->socket ? arguments->socket : CONF_SOCKET;
        int r = conf_make_absolute(path, &arguments->path, err);

        return r < 0 ? r : trust_load(TRUST_CONF, &arguments->trust, err);
}

/* Nobody there is a failure for people. */
static int must_answer(int r)
{
        return r == CLIENT_ABSENT ? -ENOTCONN : r;
}

/* ---- the commands ---- */

/* The daemon's text, and a newline at its end whoever wrote it. */
static void print_document(const char *document, struct buf *out)
{
        size_t len = strlen(document);

        buf_puts(out, document);
        if (len == 0 || document[len - 1] != '\n')
                buf_putc(out, '\n');
}

static int run_list(int argc, char **argv)
{
        _cleanup_(arguments_done) struct arguments arguments = { 0 };
        _cleanup_(freep) char *document = NULL;
        _cleanup_(buf_done) struct buf out;
        const struct option_row rows[] = {
                { "--json", NULL, &arguments.json },
                { "--socket", &arguments.socket, NULL },
        };
        const char *network = "";
        struct err err = { 0 };
        int r = options_parse(PROGRAM, argc, argv, rows, ARRAY_SIZE(rows), &arguments.words);

        buf_init(&out, OUTPUT_MAX);
        if (r > 0)
                return r;
        if (arguments.words.count > 1)
                return wrong_usage(argv[0], "one network only, not also", arguments.words.items[1]);
        if (arguments.words.count == 1)
                network = arguments.words.items[0];
        if (arguments.words.count == 1 && !cni_is_name(network))
                return wrong_usage(argv[0], "not a network name:", network);
        r = prepare(&arguments, &err);
        if (r == 0)
                r = must_answer(
                        client_list(&arguments.trust, arguments.path, network, &document, &err));
        if (r == 0 && arguments.json)
                print_document(document, &out);
        else if (r == 0)
                r = report_list_table(document, &out, &err);
        return cni_command_end(PROGRAM, r, &out, &err);
}

static int ask_info(const struct arguments *arguments, struct rpc_reply *ret, struct err *err)
{
        const struct rpc_request request = { .op = RPC_INFO };
        int r = client_ask(&arguments->trust, arguments->path, &request, -1, STATUS_MS, STATUS_MS,
                           ret, err);

        if (r == CLIENT_ABSENT)
                err_wrap(err, "no dhcp daemon answers: ");
        if (r == 0 && !ret->document)
                r = err_text(err, -EPROTO, CNI_ERR_DECODE, "the daemon's reply has no status");
        return must_answer(r);
}

static int run_status(int argc, char **argv)
{
        _cleanup_(arguments_done) struct arguments arguments = { 0 };
        _cleanup_(rpc_reply_done) struct rpc_reply reply = { 0 };
        _cleanup_(buf_done) struct buf out;
        const struct option_row rows[] = {
                { "--json", NULL, &arguments.json },
                { "--socket", &arguments.socket, NULL },
        };
        struct err err = { 0 };
        int r = options_parse(PROGRAM, argc, argv, rows, ARRAY_SIZE(rows), &arguments.words);

        buf_init(&out, OUTPUT_MAX);
        if (r > 0)
                return r;
        if (arguments.words.count > 0)
                return wrong_usage(argv[0], "too many arguments:", arguments.words.items[0]);
        r = prepare(&arguments, &err);
        if (r == 0)
                r = ask_info(&arguments, &reply, &err);
        if (r == 0 && arguments.json)
                print_document(reply.document, &out);
        else if (r == 0)
                r = report_info_table(reply.document, &out, &err);
        return cni_command_end(PROGRAM, r, &out, &err);
}

/* Gives back what is wanted of the list: the one that is named, or all. */
static int release_listed(const struct arguments *arguments, const struct key_list *list,
                          const struct key *wanted, size_t *ret_count, struct err *err)
{
        for (size_t i = 0; i < list->count; i++) {
                int r;

                if (!arguments->all && !key_equal(&list->items[i], wanted))
                        continue;
                r = must_answer(client_release(&arguments->trust, arguments->path, &list->items[i],
                                               NULL, -1, err));
                if (r < 0)
                        return r;
                ++*ret_count;
        }
        if (*ret_count == 0 && !arguments->all)
                return err_text(err, -ENOENT, CNI_ERR_INTERNAL,
                                "no lease of container %s, interface %s, in network %s",
                                wanted->container_id, wanted->ifname, wanted->network);
        return 0;
}

static int release(const struct arguments *arguments, const struct key *wanted, size_t *ret_count,
                   struct err *err)
{
        _cleanup_(key_list_done) struct key_list list = { 0 };
        _cleanup_(freep) char *document = NULL;
        int r = must_answer(client_list(&arguments->trust, arguments->path,
                                        arguments->all ? "" : wanted->network, &document, err));

        if (r == 0)
                r = report_read_keys(document, &list, err);
        return r < 0 ? r : release_listed(arguments, &list, wanted, ret_count, err);
}

/* Takes the words of one attachment; the texts are borrowed. */
static int name_attachment(const struct arguments *arguments, const char *command, struct key *ret)
{
        static const char *const missing[] = { "CONTAINERID", "IFNAME", "NETWORK" };
        const char **words = arguments->words.items;
        size_t count = arguments->words.count;
        struct err err;

        if (arguments->all && count > 0)
                return wrong_usage(command, "--all names them all, not", words[0]);
        if (arguments->all)
                return 0;
        if (count < ARRAY_SIZE(missing))
                return wrong_usage(command, "missing argument", missing[count]);
        if (count > ARRAY_SIZE(missing))
                return wrong_usage(command, "too many arguments:", words[count - 1]);
        if (!cni_is_name(words[0]))
                return wrong_usage(command, "not a container id:", words[0]);
        if (cni_check_ifname(words[1], &err) < 0)
                return wrong_usage(command, "not an interface name:", words[1]);
        if (!cni_is_name(words[2]))
                return wrong_usage(command, "not a network name:", words[2]);
        *ret = (struct key){ .container_id = (char *)(uintptr_t)words[0],
                             .ifname = (char *)(uintptr_t)words[1],
                             .network = (char *)(uintptr_t)words[2] };
        return 0;
}

static int run_release(int argc, char **argv)
{
        _cleanup_(arguments_done) struct arguments arguments = { 0 };
        _cleanup_(buf_done) struct buf out;
        const struct option_row rows[] = {
                { "--json", NULL, &arguments.json },
                { "--all", NULL, &arguments.all },
                { "--socket", &arguments.socket, NULL },
        };
        struct key wanted = { 0 };
        struct err err = { 0 }, print_err = { 0 };
        size_t count = 0;
        int status,
                r = options_parse(PROGRAM, argc, argv, rows, ARRAY_SIZE(rows), &arguments.words);

        buf_init(&out, OUTPUT_MAX);
        if (r == 0)
                r = name_attachment(&arguments, argv[0], &wanted);
        if (r > 0)
                return r;
        r = prepare(&arguments, &err);
        if (r == 0)
                r = release(&arguments, &wanted, &count, &err);
        if (r < 0 && count == 0)
                return cni_command_end(PROGRAM, r, &out, &err);
        if (arguments.json)
                report_released_json(count, &out);
        else
                report_released_line(count, &out);
        /* What was given back is told even when something else could not be. */
        status = cni_command_end(PROGRAM, 0, &out, &print_err);
        return r < 0 ? cni_command_end(PROGRAM, r, &out, &err) : status;
}

const struct cni_command dhcp_commands[] = {
        { "daemon", "[-socketpath PATH] [...]; see dhcp daemon -h", daemon_main },
        { "list", "[--json] [--socket PATH] [NETWORK]", run_list },
        { "status", "[--json] [--socket PATH]", run_status },
        { "release", "[--json] [--socket PATH] CONTAINERID IFNAME NETWORK | --all", run_release },
};
const size_t dhcp_command_count = ARRAY_SIZE(dhcp_commands);
