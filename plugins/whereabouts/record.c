/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records. They are root's own, but a power cut may leave anything under a name: so all is checked
 * again when it is read, and what makes no sense is as good as missing.
 */
#include "record.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/cni.h"
#include "core/fs.h"
#include "core/json.h"
#include "http/digest.h"

#define RECORD_VERSION  1
#define RECORD_TEXT_MAX (1024U * 1024U)
#define MARK_SUFFIX     ".release"
#define MARK_NAME_MAX   (DIGEST_TEXT_MAX + 8)
#define TEMPORARY_AGE_S 600 /* nobody is still writing it */

static const char *const state_names[] = {
        [RECORD_ADDING] = "adding",
        [RECORD_HELD] = "held",
};

void record_done(struct record *record)
{
        for (size_t i = 0; i < record->item_count; i++)
                free(record->items[i].pool);
        free(record->items);
        free(record->network);
        free(record->container_id);
        free(record->ifname);
        free(record->podref);
        free(record->network_name);
        free(record->lease);
        free(record->server);
        free(record->namespace);
        free(record->kubeconfig);
        *record = (struct record){ 0 };
}

int record_add_item(struct record *record, const char *pool, const struct ip *ip, bool reservation,
                    bool found, struct err *err)
{
        struct record_item *items;
        char *name;

        for (size_t i = 0; i < record->item_count; i++) {
                struct record_item *item = &record->items[i];

                if (!ip_equal(&item->ip, ip) || strcmp(item->pool, pool) != 0)
                        continue;
                item->reservation |= reservation;
                item->found |= found;
                return 0;
        }
        name = strdup(pool);
        items = realloc(record->items, (record->item_count + 1) * sizeof(*items));
        if (items)
                record->items = items;
        if (!name || !items) {
                free(name);
                return err_oom(err);
        }
        items[record->item_count++] = (struct record_item){ name, *ip, reservation, found };
        return 0;
}

bool record_is_of(const struct record *record, const char *server, const char *namespace)
{
        return strcmp(record->server, server) == 0 && strcmp(record->namespace, namespace) == 0;
}

/* ---- text ---- */

/* Whether a text may stand as an object's name in a request's path. The API server knows the whole
 * rule. */
static bool is_object_name(const char *text)
{
        if (!*text || *text == '.')
                return false;
        for (; *text; text++)
                if (!isalnum((unsigned char)*text) && *text != '-' && *text != '.')
                        return false;
        return true;
}

static int no_sense(struct err *err, const char *what)
{
        return err_text(err, -EINVAL, CNI_ERR_DECODE, "record: invalid %s", what);
}

/* What must be true of a record, whether it is read or written. */
static int check_record(const struct record *record, struct err *err)
{
        if (!record->network || !cni_is_name(record->network))
                return no_sense(err, "network");
        if (!record->container_id || !cni_is_name(record->container_id))
                return no_sense(err, "containerID");
        if (!record->ifname)
                return no_sense(err, "ifname");
        if (cni_check_ifname(record->ifname, err) < 0)
                return no_sense(err, "ifname");
        if (record->podref && !*record->podref)
                return no_sense(err, "podref");
        if (record->network_name && !is_object_name(record->network_name))
                return no_sense(err, "networkName");
        if (record->lease && !is_object_name(record->lease))
                return no_sense(err, "lease");
        if (!record->server)
                return no_sense(err, "server");
        if (!record->namespace || (*record->namespace && !is_object_name(record->namespace)))
                return no_sense(err, "namespace");
        if (!record->kubeconfig || !*record->kubeconfig)
                return no_sense(err, "kubeconfig");
        if (record->settled_ms < 0)
                return no_sense(err, "settledMs");
        for (size_t i = 0; i < record->item_count; i++)
                if (!is_object_name(record->items[i].pool))
                        return no_sense(err, "items");
        return 0;
}

static void put_item(struct json_writer *w, const struct record_item *item)
{
        char text[IP_TEXT_MAX];

        json_begin(w, NULL, '{');
        json_put_string(w, "pool", item->pool);
        if (item->ip.family != IP_UNSET)
                json_put_string(w, "ip", ip_format(&item->ip, text));
        json_put_bool(w, "reservation", item->reservation);
        json_put_bool(w, "found", item->found);
        json_end(w, '}');
}

int record_encode(const struct record *record, struct buf *buf, struct err *err)
{
        struct json_writer w;
        int r = check_record(record, err);

        if (r < 0)
                return r;
        json_writer_init(&w, buf);
        json_begin(&w, NULL, '{');
        json_put_i64(&w, "version", RECORD_VERSION);
        json_put_string(&w, "state", state_names[record->state]);
        json_put_string(&w, "network", record->network);
        json_put_string(&w, "containerID", record->container_id);
        json_put_string(&w, "ifname", record->ifname);
        json_put_given(&w, "podref", record->podref);
        json_put_given(&w, "networkName", record->network_name);
        json_put_given(&w, "lease", record->lease);
        json_put_string(&w, "server", record->server);
        json_put_string(&w, "namespace", record->namespace);
        json_put_string(&w, "kubeconfig", record->kubeconfig);
        json_put_i64(&w, "settledMs", record->settled_ms);
        json_begin(&w, "items", '[');
        for (size_t i = 0; i < record->item_count; i++)
                put_item(&w, &record->items[i]);
        json_end(&w, ']');
        json_end(&w, '}');
        buf_putc(buf, '\n');
        return buf_check(buf, err);
}

static int decode_state(const struct json_at *at, void *dst, struct err *err)
{
        enum record_state *state = dst;
        const char *text;
        int r = json_text(at, &text, err);

        if (r < 0)
                return r;
        for (size_t i = 0; i < ARRAY_SIZE(state_names); i++)
                if (strcmp(text, state_names[i]) == 0) {
                        *state = (enum record_state)i;
                        return 0;
                }
        return no_sense(err, "state");
}

/* An item on its way from text. */
struct item_text {
        const char *pool, *ip;
        bool reservation, found;
};

static const struct json_field item_fields[] = {
        { "pool", json_decode_text, offsetof(struct item_text, pool), JSON_PLAIN },
        { "ip", json_decode_text, offsetof(struct item_text, ip), JSON_PLAIN },
        { "reservation", json_decode_bool, offsetof(struct item_text, reservation), JSON_PLAIN },
        { "found", json_decode_bool, offsetof(struct item_text, found), JSON_PLAIN },
};

static int decode_item(const struct json_at *at, void *dst, struct err *err)
{
        struct item_text text = { 0 };
        struct ip ip = { 0 };
        int r = json_object(at, item_fields, ARRAY_SIZE(item_fields), &text, err);

        if (r < 0)
                return r;
        if (!text.pool || (text.ip && ip_parse(text.ip, &ip) < 0))
                return no_sense(err, "items");
        return record_add_item(dst, text.pool, &ip, text.reservation, text.found, err);
}

/* What is decoded, and what is not part of it. */
struct document {
        struct record record;
        int64_t version;
        bool has_state;
};

static int decode_items(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_item, dst, err);
}

static int decode_known_state(const struct json_at *at, void *dst, struct err *err)
{
        struct document *document = dst;

        document->has_state = true;
        return decode_state(at, &document->record.state, err);
}

#define TEXT_ROW(name, member)                                                                 \
        {                                                                                      \
                name, json_decode_string, offsetof(struct document, record.member), JSON_PLAIN \
        }

static const struct json_field version_fields[] = {
        { "version", json_decode_i64, offsetof(struct document, version), JSON_PLAIN },
};

static const struct json_field record_fields[] = {
        { "state", decode_known_state, 0, JSON_PLAIN },
        TEXT_ROW("network", network),
        TEXT_ROW("containerID", container_id),
        TEXT_ROW("ifname", ifname),
        TEXT_ROW("podref", podref),
        TEXT_ROW("networkName", network_name),
        TEXT_ROW("lease", lease),
        TEXT_ROW("server", server),
        TEXT_ROW("namespace", namespace),
        TEXT_ROW("kubeconfig", kubeconfig),
        { "settledMs", json_decode_i64, offsetof(struct document, record.settled_ms), JSON_PLAIN },
        { "items", decode_items, offsetof(struct document, record), JSON_PLAIN },
};

static int read_document(const struct json_at *at, struct document *document, struct err *err)
{
        int r = json_object(at, version_fields, ARRAY_SIZE(version_fields), document, err);

        if (r < 0)
                return r;
        if (document->version == 0)
                return no_sense(err, "version");
        if (document->version != RECORD_VERSION)
                return RECORD_NONE;
        r = json_object(at, record_fields, ARRAY_SIZE(record_fields), document, err);
        if (r < 0)
                return r;
        return document->has_state ? check_record(&document->record, err) : no_sense(err, "state");
}

int record_decode(const char *text, size_t len, struct record *ret, struct err *err)
{
        _cleanup_(json_freep) struct json *tree = NULL;
        struct document document = { 0 };
        struct json_at at = { 0 };
        int r = json_parse(text, len, &tree, err);

        at.value = tree;
        if (r == 0)
                r = read_document(&at, &document, err);
        if (r == 0)
                *ret = document.record;
        else
                record_done(&document.record);
        return r;
}

/* ---- files ---- */

static int file_name(const char *network, const char *container_id, const char *ifname,
                     char ret[static DIGEST_TEXT_MAX], struct err *err)
{
        const char *const fields[] = { network, container_id, ifname };

        return digest_fields(fields, ARRAY_SIZE(fields), ret, err);
}

/* Makes the directory: 0700, but a missing parent may be others' as well. */
static int make_directory(const char *path, struct err *err)
{
        _cleanup_(freep) char *parent = strdup(path);
        char *slash;
        int r;

        if (!parent)
                return err_oom(err);
        slash = strrchr(parent, '/');
        if (slash && slash != parent) {
                *slash = '\0';
                r = fs_make_directories(parent, 0755, err);
                if (r < 0)
                        return r;
        }
        return fs_make_directories(path, 0700, err);
}

int record_open(const char *path, bool create, int *ret_dirfd, struct err *err)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0 && errno == ENOENT && create) {
                int r = make_directory(path, err);

                if (r < 0)
                        return r;
                fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        }
        if (fd < 0 && errno == ENOENT && !create)
                return RECORD_NONE;
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", path);
        *ret_dirfd = fd;
        return 0;
}

/* The text of a file of ours. RECORD_NONE for anything else under that name. */
static int read_text(int dirfd, const char *name, struct buf *buf, struct err *err)
{
        _cleanup_(closep) int fd =
                openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;
        int r;

        if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENXIO))
                return RECORD_NONE; /* a symlink is ELOOP, a socket ENXIO */
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open record %s", name);
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
                return RECORD_NONE;
        r = fs_read(fd, buf);
        if (r == -EFBIG)
                return RECORD_NONE;
        if (r == -ENOMEM)
                return err_oom(err);
        return r < 0 ? err_set(err, r, CNI_ERR_IO, "read record %s", name) : 0;
}

/* Reads the file `name`. RECORD_NONE for one that is no record, or another attachment's than its
 * name says: it could not be removed by what it says of itself. */
static int read_file(int dirfd, const char *name, struct record *ret, struct err *err)
{
        struct record record = { 0 };
        char proper[DIGEST_TEXT_MAX];
        struct buf buf;
        int r;

        buf_init(&buf, RECORD_TEXT_MAX);
        r = read_text(dirfd, name, &buf, err);
        if (r == 0) {
                r = record_decode(buf_text(&buf), buf.len, &record, err);
                if (r < 0 && r != -ENOMEM)
                        r = RECORD_NONE;
        }
        buf_done(&buf);
        if (r != 0)
                return r;
        r = file_name(record.network, record.container_id, record.ifname, proper, err);
        if (r == 0 && strcmp(name, proper) != 0)
                r = RECORD_NONE;
        if (r == 0)
                *ret = record;
        else
                record_done(&record);
        return r;
}

int record_read(int dirfd, const char *network, const char *container_id, const char *ifname,
                struct record *ret, struct err *err)
{
        char name[DIGEST_TEXT_MAX];
        int r = file_name(network, container_id, ifname, name, err);

        return r < 0 ? r : read_file(dirfd, name, ret, err);
}

/* A record on its way to the disk. */
struct output {
        char name[DIGEST_TEXT_MAX];
        struct buf text;
};

static int prepare(const struct record *record, bool durable, struct output *output,
                   struct fs_file *file, struct err *err)
{
        int r;

        buf_init(&output->text, RECORD_TEXT_MAX);
        r = record_encode(record, &output->text, err);
        if (r == 0)
                r = file_name(record->network, record->container_id, record->ifname, output->name,
                              err);
        *file = (struct fs_file){ output->name, output->text.text, output->text.len, durable };
        return r;
}

int record_write(int dirfd, const struct record *const *records, size_t count, bool durable,
                 struct err *err)
{
        _cleanup_(freep) struct output *outputs = calloc(count + 1, sizeof(*outputs));
        _cleanup_(freep) struct fs_file *files = calloc(count + 1, sizeof(*files));
        size_t done = 0;
        int r = 0;

        if (!outputs || !files)
                return err_oom(err);
        while (r == 0 && done < count) {
                r = prepare(records[done], durable, &outputs[done], &files[done], err);
                done++;
        }
        if (r == 0)
                r = fs_replace_all(dirfd, files, count, 0600, err);
        while (done > 0)
                buf_done(&outputs[--done].text);
        return r;
}

/* The name of the attachment's mark. */
static int mark_name(const struct record *record, char ret[static MARK_NAME_MAX], struct err *err)
{
        char name[DIGEST_TEXT_MAX];
        int r = file_name(record->network, record->container_id, record->ifname, name, err);

        if (r == 0)
                (void)snprintf(ret, MARK_NAME_MAX, "%s" MARK_SUFFIX, name);
        return r;
}

int record_mark(int dirfd, const struct record *record, bool durable, struct err *err)
{
        _cleanup_(closep) int fd = -1;
        char name[MARK_NAME_MAX];
        int r = mark_name(record, name, err);

        if (r < 0)
                return r;
        fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "create %s", name);
        if (durable && (fsync(fd) < 0 || fsync(dirfd) < 0))
                return err_set(err, -errno, CNI_ERR_IO, "write %s", name);
        return 0;
}

static int remove_name(int dirfd, const char *name, struct err *err)
{
        if (unlinkat(dirfd, name, 0) < 0 && errno != ENOENT)
                return err_set(err, -errno, CNI_ERR_IO, "remove %s", name);
        return 0;
}

int record_unmark(int dirfd, const struct record *record, struct err *err)
{
        char name[MARK_NAME_MAX];
        int r = mark_name(record, name, err);

        return r < 0 ? r : remove_name(dirfd, name, err);
}

static bool is_there(int dirfd, const char *name)
{
        struct stat st;

        return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

bool record_is_marked(int dirfd, const struct record *record)
{
        char name[MARK_NAME_MAX];
        struct err ignored;

        /* In doubt it has to go: an ADD can be repeated. */
        return mark_name(record, name, &ignored) < 0 || is_there(dirfd, name);
}

int record_remove(int dirfd, const struct record *record, struct err *err)
{
        char name[DIGEST_TEXT_MAX];
        int r = file_name(record->network, record->container_id, record->ifname, name, err);

        if (r == 0)
                r = remove_name(dirfd, name, err);
        return r < 0 ? r : record_unmark(dirfd, record, err);
}

static void closedirp(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

/* A process that was killed while it wrote leaves its temporary file. */
static void remove_old_temporary(int dirfd, const char *name)
{
        int64_t now_s = clock_real_ms() / 1000;
        struct stat st;

        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            st.st_mtim.tv_sec < now_s - TEMPORARY_AGE_S)
                (void)unlinkat(dirfd, name, 0); /* the next call tries again */
}

/* Whether a file may be the record (or, `marked`, the mark) of an attachment; its record's name. */
static bool is_record(const char *name, bool marked, char ret[static DIGEST_TEXT_MAX])
{
        size_t len = strlen(name), wanted = DIGEST_TEXT_MAX - 1;

        if (len != wanted + (marked ? strlen(MARK_SUFFIX) : 0))
                return false;
        if (marked && strcmp(name + wanted, MARK_SUFFIX) != 0)
                return false;
        memcpy(ret, name, wanted);
        ret[wanted] = '\0';
        return true;
}

/* The walk over the directory. */
struct walk {
        int dirfd;
        bool marked;
        int (*each)(const struct record *record, void *context);
        void *context;
};

/* Hands one file over. A file that cannot be read must not stop the work on the others. */
static int visit(const struct walk *walk, const char *file, struct err *err)
{
        struct record record = { 0 };
        char name[DIGEST_TEXT_MAX];
        int r;

        if (file[0] == '.')
                remove_old_temporary(walk->dirfd, file);
        if (!is_record(file, walk->marked, name))
                return 0;
        r = read_file(walk->dirfd, name, &record, err);
        if (r == RECORD_NONE && walk->marked && !is_there(walk->dirfd, name))
                (void)unlinkat(walk->dirfd, file, 0); /* the next call tries again */
        if (r != 0)
                return r == -ENOMEM ? r : 0;
        r = walk->each(&record, walk->context);
        record_done(&record);
        return r;
}

int record_each(int dirfd, bool marked, int (*each)(const struct record *record, void *context),
                void *context, struct err *err)
{
        const struct walk walk = { dirfd, marked, each, context };
        /* A second descriptor, with a place of its own in the directory. */
        _cleanup_(closep) int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        int r = 0;

        if (!dir)
                return err_set(err, -errno, CNI_ERR_IO, "open the directory of records");
        (void)TAKE_FD(fd);
        while (r == 0 && (errno = 0, entry = readdir(dir)))
                r = visit(&walk, entry->d_name, err);
        if (r == 0 && errno)
                return err_set(err, -errno, CNI_ERR_IO, "read the directory of records");
        return r;
}
