/* SPDX-License-Identifier: Apache-2.0 */
/*
 * list and status only look: they take no lock, and what vanishes meanwhile is passed over. gc
 * takes the lock, as the verb GC does. Everything is composed first and printed at the end.
 */
#include "command.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "conf.h"
#include "core/fs.h"
#include "core/options.h"
#include "release.h"
#include "report.h"
#include "store.h"

#define PROGRAM    "host-local"
#define OUTPUT_MAX (256U * 1024U * 1024U)

/* ---- arguments ---- */

struct arguments {
        const char *data_dir, *conf, *valid; /* NULL: not given */
        bool json, dry_run;
        struct words networks;
};

static void arguments_done(struct arguments *arguments)
{
        words_done(&arguments->networks);
}

static int wrong_usage(const char *command, const char *what, const char *word)
{
        return options_misused(PROGRAM, command, what, word);
}

/* Returns 0, or 1 or 2, which is then the exit status. */
static int parse_arguments(int argc, char **argv, const struct option_row *rows, size_t count,
                           struct arguments *ret)
{
        int r = options_parse(PROGRAM, argc, argv, rows, count, &ret->networks);

        for (size_t i = 0; i < ret->networks.count && r == 0; i++)
                if (!cni_is_name(ret->networks.items[i]))
                        r = wrong_usage(argv[0], "not a network name:", ret->networks.items[i]);
        return r;
}

static const char *data_dir_of(const struct arguments *arguments)
{
        return arguments->data_dir ? arguments->data_dir : CONF_DATA_DIR;
}

/* ---- input ---- */

static const char *name_of(const char *path)
{
        return strcmp(path, "-") == 0 ? "standard input" : path;
}

/* Reads a JSON document from a file, or from standard input for "-". */
static int read_document(const char *path, struct json **ret, struct err *err)
{
        bool input = strcmp(path, "-") == 0;
        _cleanup_(buf_done) struct buf text;
        _cleanup_(closep) int fd = -1;
        int r;

        buf_init(&text, CNI_GC_CONFIG_MAX);
        if (!input) {
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        return err_set(err, -errno, CNI_ERR_IO, "open %s", path);
        }
        r = fs_read(input ? STDIN_FILENO : fd, &text);
        if (r < 0)
                return err_set(err, r, CNI_ERR_IO, "read %s", name_of(path));
        r = json_parse(buf_text(&text), text.len, ret, err);
        if (r < 0)
                err_wrap(err, "%s: ", name_of(path));
        return r;
}

/* The networks to tell about: those that are named, or all below the data directory. While the
 * default one is missing there are none. */
static int find_networks(const struct arguments *arguments, struct text_list *ret, struct err *err)
{
        const char *data_dir = data_dir_of(arguments);
        DIR *listing;
        const struct dirent *entry;
        int r = 0;

        for (size_t i = 0; i < arguments->networks.count && r == 0; i++)
                r = text_list_add(ret, arguments->networks.items[i],
                                  strlen(arguments->networks.items[i]), err);
        if (r < 0 || arguments->networks.count > 0)
                return r;
        listing = opendir(data_dir);
        if (!listing && errno == ENOENT && !arguments->data_dir)
                return 0;
        if (!listing)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", data_dir);
        while (r == 0 && (entry = readdir(listing))) {
                struct stat st;

                if (cni_is_name(entry->d_name) &&
                    fstatat(dirfd(listing), entry->d_name, &st, 0) == 0 && S_ISDIR(st.st_mode))
                        r = text_list_add(ret, entry->d_name, strlen(entry->d_name), err);
        }
        closedir(listing);
        return r;
}

static int no_network(const struct arguments *arguments, const char *name, struct err *err)
{
        return err_text(err, -ENOENT, CNI_ERR_IO, "no network '%s' in %s", name,
                        data_dir_of(arguments));
}

/* Reads the reports of all networks. */
static int read_reports(const struct arguments *arguments, struct report_list *ret, struct err *err)
{
        _cleanup_(text_list_done) struct text_list names = { 0 };
        int r = find_networks(arguments, &names, err);

        text_list_sort(&names);
        for (size_t i = 0; i < names.count && r == 0; i++) {
                _cleanup_(freep) char *path = fs_join(data_dir_of(arguments), names.items[i]);

                if (i > 0 && strcmp(names.items[i], names.items[i - 1]) == 0)
                        continue; /* named twice */
                r = path ? report_read(ret, names.items[i], path, err) : err_oom(err);
                if (r == STORE_ABSENT && arguments->networks.count > 0)
                        return no_network(arguments, names.items[i], err);
                if (r == STORE_ABSENT) /* deleted meanwhile, or not used yet */
                        r = 0;
        }
        return r;
}

/* ---- the commands ---- */

static int run_list(int argc, char **argv)
{
        _cleanup_(arguments_done) struct arguments arguments = { 0 };
        _cleanup_(report_list_done) struct report_list reports = { 0 };
        _cleanup_(buf_done) struct buf out;
        const struct option_row rows[] = {
                { "--data-dir", &arguments.data_dir, NULL },
                { "--json", NULL, &arguments.json },
        };
        struct err err = { 0 };
        int r = parse_arguments(argc, argv, rows, ARRAY_SIZE(rows), &arguments);

        buf_init(&out, OUTPUT_MAX);
        if (r > 0)
                return r;
        r = read_reports(&arguments, &reports, &err);
        if (r == 0 && arguments.json)
                report_list_json(&reports, &out);
        else if (r == 0)
                r = report_list_table(&reports, &out, &err);
        return cni_command_end(PROGRAM, r, &out, &err);
}

/* Reads a configuration, and the report of its network: an empty one when it is not used yet. */
static int read_configured(const struct arguments *arguments, struct conf *ret_conf,
                           struct report_list *ret, struct err *err)
{
        static const struct json_field name_field[] = {
                { "name", json_decode_string, 0, JSON_PLAIN },
        };
        static const struct json_field version_field[] = {
                { "cniVersion", json_decode_string, 0, JSON_PLAIN },
        };
        _cleanup_(json_freep) struct json *document = NULL;
        _cleanup_(freep) char *name = NULL, *version = NULL, *joined = NULL;
        struct cni_call call = { .args = "" };
        struct json_at plugins;
        int r = read_document(arguments->conf, &document, err);

        if (r < 0)
                return r;
        call.config.value = document;
        if (json_member(&call.config, "plugins", &plugins))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "%s is a list of plugins; give the configuration of one",
                                name_of(arguments->conf));
        r = json_object(&call.config, name_field, 1, &name, err);
        if (r == 0)
                r = json_object(&call.config, version_field, 1, &version, err);
        if (r == 0 && (!name || !cni_is_name(name)))
                r = err_text(err, -EINVAL, CNI_ERR_CONFIG, "missing network name");
        call.name = name;
        call.version_given = version && *version;
        call.version = call.version_given ? version : "0.1.0";
        if (r == 0)
                r = cni_check_version(call.version, NULL, NULL, err);
        if (r == 0)
                r = conf_read(&call, ret_conf, err);
        if (r < 0)
                return r;
        if (arguments->data_dir) {
                joined = fs_join(arguments->data_dir, name);
                if (!joined)
                        return err_oom(err);
        }
        r = report_read(ret, name, joined ? joined : ret_conf->place.path, err);
        return r == STORE_ABSENT ? report_add_empty(ret, name, err) : r;
}

static int run_status(int argc, char **argv)
{
        _cleanup_(arguments_done) struct arguments arguments = { 0 };
        _cleanup_(report_list_done) struct report_list reports = { 0 };
        _cleanup_(conf_done) struct conf conf = { 0 };
        _cleanup_(buf_done) struct buf out;
        const struct option_row rows[] = {
                { "--data-dir", &arguments.data_dir, NULL },
                { "--conf", &arguments.conf, NULL },
                { "--json", NULL, &arguments.json },
        };
        struct err err = { 0 };
        int r = parse_arguments(argc, argv, rows, ARRAY_SIZE(rows), &arguments);

        buf_init(&out, OUTPUT_MAX);
        if (r > 0)
                return r;
        if (arguments.conf && arguments.networks.count > 0)
                return wrong_usage(argv[0], "--conf names the network, not",
                                   arguments.networks.items[0]);
        if (arguments.conf)
                r = read_configured(&arguments, &conf, &reports, &err);
        else
                r = read_reports(&arguments, &reports, &err);
        if (r == 0 && arguments.json)
                report_status_json(&reports, &conf.sets, &out);
        else if (r == 0)
                r = report_status_table(&reports, &conf.sets, &out, &err);
        return cni_command_end(PROGRAM, r, &out, &err);
}

static int read_valid(const char *path, struct attachments *ret, struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_at top = { 0 }, list;
        int r = read_document(path, &document, err);

        if (r < 0)
                return r;
        top.value = document;
        if (!attachments_find(&top, &list))
                list = top;
        /* For the verb null means that nothing is valid; from a person it is a mistake. */
        if (!json_is_list(&list))
                return err_text(err, -EINVAL, CNI_ERR_DECODE, "%s: no list of attachments",
                                name_of(path));
        r = attachments_decode(&list, ret, err);
        if (r < 0)
                err_wrap(err, "%s: ", name_of(path));
        return r;
}

static int collect(const struct arguments *arguments, const struct attachments *valid,
                   struct entry_list *freed, struct err *err)
{
        const struct release_report report = { entry_list_add, freed, arguments->dry_run };
        _cleanup_(freep) char *path = fs_join(data_dir_of(arguments), arguments->networks.items[0]);
        _cleanup_(store_close) struct store store = STORE_CLOSED; /* uses the path until its end */
        int r;

        if (!path)
                return err_oom(err);
        r = store_open(path, arguments->dry_run ? STORE_NO_LOCK : STORE_INDEX, &store, err);
        if (r == STORE_ABSENT)
                return no_network(arguments, arguments->networks.items[0], err);
        return r < 0 ? r : release_collect(&store, valid, &report, err);
}

static int run_gc(int argc, char **argv)
{
        _cleanup_(arguments_done) struct arguments arguments = { 0 };
        _cleanup_(attachments_done) struct attachments valid = { 0 };
        _cleanup_(entry_list_done) struct entry_list freed = { 0 };
        _cleanup_(buf_done) struct buf out;
        const struct option_row rows[] = {
                { "--data-dir", &arguments.data_dir, NULL },
                { "--valid", &arguments.valid, NULL },
                { "--dry-run", NULL, &arguments.dry_run },
                { "--json", NULL, &arguments.json },
        };
        struct err err = { 0 }, print_err = { 0 };
        int status, r = parse_arguments(argc, argv, rows, ARRAY_SIZE(rows), &arguments);

        buf_init(&out, OUTPUT_MAX);
        if (r > 0)
                return r;
        if (arguments.networks.count == 0)
                return wrong_usage(argv[0], "missing argument", "NETWORK");
        if (arguments.networks.count > 1)
                return wrong_usage(argv[0], "one network only, not also",
                                   arguments.networks.items[1]);
        if (!arguments.valid)
                return wrong_usage(argv[0], "missing option", "--valid");
        r = read_valid(arguments.valid, &valid, &err);
        if (r == 0)
                r = collect(&arguments, &valid, &freed, &err);
        if (r < 0 && freed.count == 0)
                return cni_command_end(PROGRAM, r, &out, &err);
        if (arguments.json)
                report_freed_json(&freed, arguments.networks.items[0], arguments.dry_run, &out);
        else
                report_freed_lines(&freed, arguments.dry_run, &out);
        /* What was freed is told even when something else could not be. */
        status = cni_command_end(PROGRAM, 0, &out, &print_err);
        return r < 0 ? cni_command_end(PROGRAM, r, &out, &err) : status;
}

const struct cni_command host_local_commands[] = {
        { "list", "[--json] [--data-dir DIR] [NETWORK...]", run_list },
        { "status", "[--json] [--data-dir DIR] [--conf FILE|-] [NETWORK...]", run_status },
        { "gc", "NETWORK --valid FILE|- [--dry-run] [--json] [--data-dir DIR]", run_gc },
};
const size_t host_local_command_count = ARRAY_SIZE(host_local_commands);
