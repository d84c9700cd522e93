/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: their text, and their files below a directory.
 */
#include "record.h"

#include <time.h>

#include "values.h"

/* SHA-256 of "net\0c1\0eth0" */
#define NAME_1 "26026bd18b7cde682ae8b772c36d68c0d0a8a3725660b2ab706459f2e3a4d588"

static char *copy(const char *text)
{
        char *owned = strdup(text);

        ck_assert_ptr_nonnull(owned);
        return owned;
}

static struct record make_record(const char *container_id)
{
        struct record record = {
                .state = RECORD_ADDING,
                .network = copy("net"),
                .container_id = copy(container_id),
                .ifname = copy("eth0"),
                .server = copy("https://10.43.0.1:443"),
                .namespace = copy("kube-system"),
                .kubeconfig = copy("/etc/cni/net.d/whereabouts.d/whereabouts.kubeconfig"),
        };

        return record;
}

static void add_item(struct record *record, const char *pool, const char *address, bool reservation,
                     bool found)
{
        struct ip address_ip = ip(address);
        struct err err;

        unit_assert_ok(record_add_item(record, pool, &address_ip, reservation, found, &err), &err);
}

/* ---- items ---- */

START_TEST(an_item_that_is_there_gets_the_flags)
{
        struct record record = { 0 };
        struct ip any = { 0 };
        struct err err;

        add_item(&record, "p", "10.0.0.1", false, true);
        add_item(&record, "p", "10.0.0.1", true, false);
        add_item(&record, "p", "10.0.0.2", false, false);
        add_item(&record, "q", "10.0.0.1", false, false);
        unit_assert_ok(record_add_item(&record, "p", &any, false, false, &err), &err);
        unit_assert_ok(record_add_item(&record, "p", &any, true, false, &err), &err);
        ck_assert_uint_eq(record.item_count, 4);
        ck_assert(record.items[0].reservation && record.items[0].found);
        ck_assert(!record.items[1].reservation && !record.items[1].found);
        ck_assert_str_eq(record.items[2].pool, "q");
        ck_assert(record.items[3].reservation);
        record_done(&record);
        ck_assert_uint_eq(record.item_count, 0);
}
END_TEST

/* ---- text ---- */

static void assert_encoded(const struct record *record, const char *want)
{
        struct err err;
        struct buf buf;

        buf_init(&buf, 65536);
        unit_assert_ok(record_encode(record, &buf, &err), &err);
        ck_assert_str_eq(buf_text(&buf), want);
        buf_done(&buf);
}

#define SMALL                                                                               \
        "{\n    \"version\": 1,\n    \"state\": \"adding\",\n    \"network\": \"net\",\n"   \
        "    \"containerID\": \"c1\",\n    \"ifname\": \"eth0\",\n"                         \
        "    \"server\": \"https://10.43.0.1:443\",\n    \"namespace\": \"kube-system\",\n" \
        "    \"kubeconfig\": \"/etc/cni/net.d/whereabouts.d/whereabouts.kubeconfig\",\n"    \
        "    \"settledMs\": 0,\n    \"items\": []\n}\n"

#define FULL                                                                                \
        "{\n    \"version\": 1,\n    \"state\": \"held\",\n    \"network\": \"net\",\n"     \
        "    \"containerID\": \"c1\",\n    \"ifname\": \"eth0\",\n"                         \
        "    \"podref\": \"ns1/\\\"pod1\\\"\",\n    \"networkName\": \"net-a\",\n"          \
        "    \"lease\": \"whereabouts\",\n    \"server\": \"https://10.43.0.1:443\",\n"     \
        "    \"namespace\": \"kube-system\",\n"                                             \
        "    \"kubeconfig\": \"/etc/cni/net.d/whereabouts.d/whereabouts.kubeconfig\",\n"    \
        "    \"settledMs\": 1795472737426,\n    \"items\": [\n        {\n"                  \
        "            \"pool\": \"net-a-10.8.0.0-24\",\n            \"ip\": \"10.8.0.1\",\n" \
        "            \"reservation\": true,\n            \"found\": false\n        },\n"    \
        "        {\n            \"pool\": \"net-a-fd00---64\",\n"                           \
        "            \"reservation\": false,\n            \"found\": true\n        }\n"     \
        "    ]\n}\n"

static struct record make_full(void)
{
        struct record record = make_record("c1");
        struct ip any = { 0 };
        struct err err;

        record.state = RECORD_HELD;
        record.podref = copy("ns1/\"pod1\"");
        record.network_name = copy("net-a");
        record.lease = copy("whereabouts");
        record.settled_ms = INT64_C(1795472737426);
        add_item(&record, "net-a-10.8.0.0-24", "10.8.0.1", true, false);
        unit_assert_ok(record_add_item(&record, "net-a-fd00---64", &any, false, true, &err), &err);
        return record;
}

static const char *const round_rows[] = { SMALL, FULL };

START_TEST(a_record_is_written_and_read)
{
        struct record record = _i == 0 ? make_record("c1") : make_full(), again = { 0 };
        const char *text = round_rows[_i];
        struct err err;

        assert_encoded(&record, text);
        unit_assert_ok(record_decode(text, strlen(text), &again, &err), &err);
        assert_encoded(&again, text);
        ck_assert_int_eq(again.state, record.state);
        ck_assert_uint_eq(again.item_count, record.item_count);
        record_done(&record);
        record_done(&again);
}
END_TEST

#define HEAD "{\"version\":1,\"state\":\"held\","
#define BODY                                                                   \
        "\"network\":\"net\",\"containerID\":\"c1\",\"ifname\":\"eth0\","      \
        "\"server\":\"\",\"namespace\":\"\",\"kubeconfig\":\"/k\",\"items\":[" \
        "{\"pool\":\"p\",\"ip\":\"10.0.0.1\",\"later\":1}]"

static const struct {
        const char *text, *error; /* error NULL: it is a record; "": of another version */
} decode_rows[] = {
        { HEAD BODY "}", NULL },
        { HEAD BODY ",\"later\":{}}", NULL },
        { HEAD BODY ",\"settledMs\":null,\"podref\":null,\"lease\":null}", NULL },
        /* another version may mean something else by everything */
        { "{\"version\":2}", "" },
        { "{\"version\":2,\"state\":7,\"items\":{}}", "" },
        { "{\"version\":-1}", "" },
        /* what a power cut leaves */
        { "", "unexpected end of JSON input" },
        { HEAD, "unexpected end of JSON input" },
        { HEAD BODY "}}", "invalid character '}' after top-level value" },
        { "{}", "record: invalid version" },
        { "{\"version\":0}", "record: invalid version" },
        { "{\"version\":\"1\"}", "version: must be an integer, not a string" },
        { "{\"version\":1," BODY "}", "record: invalid state" },
        { "{\"version\":1,\"state\":\"lost\"," BODY "}", "record: invalid state" },
        { "{\"version\":1,\"state\":1," BODY "}", "state: must be a string, not a number" },
        { HEAD BODY ",\"network\":\"../x\"}", "record: invalid network" },
        { HEAD BODY ",\"network\":\"\"}", "record: invalid network" },
        { HEAD BODY ",\"containerID\":\"a b\"}", "record: invalid containerID" },
        { HEAD BODY ",\"ifname\":\"a/b\"}", "record: invalid ifname" },
        { HEAD BODY ",\"ifname\":\"\"}", "record: invalid ifname" },
        { HEAD BODY ",\"podref\":\"\"}", "record: invalid podref" },
        { HEAD BODY ",\"networkName\":\"a/b\"}", "record: invalid networkName" },
        { HEAD BODY ",\"lease\":\"a?b\"}", "record: invalid lease" },
        { HEAD BODY ",\"namespace\":\"..\"}", "record: invalid namespace" },
        { HEAD BODY ",\"kubeconfig\":\"\"}", "record: invalid kubeconfig" },
        { HEAD BODY ",\"settledMs\":-1}", "record: invalid settledMs" },
        { HEAD BODY ",\"items\":[{\"pool\":\"\",\"ip\":\"10.0.0.1\"}]}", "record: invalid items" },
        { HEAD BODY ",\"items\":[{\"pool\":\"a/b\",\"ip\":\"::1\"}]}", "record: invalid items" },
        { HEAD BODY ",\"items\":[{\"pool\":\"p\",\"ip\":\"10.0.0\"}]}", "record: invalid items" },
        { HEAD BODY ",\"items\":[{\"ip\":\"10.0.0.1\"}]}", "record: invalid items" },
        { HEAD BODY ",\"items\":[null]}", "items[0]: must be an object, not null" },
        { HEAD "\"network\":\"net\"}", "record: invalid containerID" },
        { HEAD "\"network\":\"net\",\"containerID\":\"c1\"}", "record: invalid ifname" },
        { HEAD "\"network\":\"net\",\"containerID\":\"c1\",\"ifname\":\"e\"}",
          "record: invalid server" },
};

START_TEST(only_what_makes_sense_is_a_record)
{
        const char *text = decode_rows[_i].text, *error = decode_rows[_i].error;
        struct record record = { .settled_ms = 77 };
        struct err err;
        int r = record_decode(text, strlen(text), &record, &err);

        if (!error) {
                unit_assert_ok(r, &err);
                ck_assert_str_eq(record.items[0].pool, "p");
                record_done(&record);
                return;
        }
        if (*error)
                unit_assert_err(r, &err, CNI_ERR_DECODE, error);
        else
                ck_assert_int_eq(r, RECORD_NONE);
        ck_assert_int_eq(record.settled_ms, 77);
}
END_TEST

START_TEST(nothing_is_written_that_could_not_be_read)
{
        struct record record = make_record("c1");
        struct err err;
        struct buf buf;

        buf_init(&buf, 65536);
        add_item(&record, "a/b", "10.0.0.1", false, false);
        unit_assert_err(record_encode(&record, &buf, &err), &err, CNI_ERR_DECODE,
                        "record: invalid items");
        ck_assert_uint_eq(buf.len, 0);
        add_item(&record, "-----126", "::1", false, false); /* the API server refuses this one */
        free(record.items[0].pool);
        record.items[0].pool = copy("-----126");
        unit_assert_ok(record_encode(&record, &buf, &err), &err);
        buf_done(&buf);
        record_done(&record);
}
END_TEST

/* ---- files ---- */

/* A directory for records, and its descriptor. */
static int open_directory(char dir[UNIT_PATH_MAX])
{
        char base[UNIT_PATH_MAX];
        struct err err;
        int fd = -1;

        unit_path(unit_dir(base), "att", dir);
        unit_assert_ok(record_open(dir, true, &fd, &err), &err);
        return fd;
}

static void write_one(int fd, const struct record *record, bool durable)
{
        const struct record *const list[] = { record };
        struct err err;

        unit_assert_ok(record_write(fd, list, 1, durable, &err), &err);
}

static int read_one(int fd, const char *container_id, struct record *ret)
{
        struct err err;
        int r = record_read(fd, "net", container_id, "eth0", ret, &err);

        ck_assert_msg(r >= 0, "%s", err.msg);
        return r;
}

/* The only name in the directory. */
static void only_name(const char *dir, char name[static 256])
{
        DIR *listing = opendir(dir);
        const struct dirent *entry;

        ck_assert_ptr_nonnull(listing);
        ck_assert_uint_eq(unit_count(dir), 1);
        while ((entry = readdir(listing)) && entry->d_name[0] == '.')
                continue;
        ck_assert_ptr_nonnull(entry);
        (void)snprintf(name, 256, "%s", entry->d_name);
        closedir(listing);
}

START_TEST(the_directory_is_roots_alone)
{
        char base[UNIT_PATH_MAX], path[UNIT_PATH_MAX], want[2 * UNIT_PATH_MAX];
        struct stat st;
        struct err err;
        int fd = -1;

        unit_path(unit_dir(base), "cni/whereabouts/att", path);
        ck_assert_int_eq(record_open(path, false, &fd, &err), RECORD_NONE);
        ck_assert_int_eq(fd, -1);
        unit_assert_ok(record_open(path, true, &fd, &err), &err);
        ck_assert_int_eq(fstat(fd, &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0700);
        ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
        ck_assert_int_eq(stat(unit_path(base, "cni", path), &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0755);
        close(fd);
        unit_path(base, "cni/whereabouts/att", path);
        unit_assert_ok(record_open(path, false, &fd, &err), &err);
        close(fd);
        unit_write(base, "file", "");
        (void)snprintf(want, sizeof(want), "open %s: not a directory",
                       unit_path(base, "file", path));
        unit_assert_err(record_open(path, true, &fd, &err), &err, CNI_ERR_IO, want);
}
END_TEST

START_TEST(a_record_is_kept_read_and_removed)
{
        struct record record = make_full(), again = { 0 };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], name[256];
        struct stat st;
        struct err err;
        int fd = open_directory(dir);

        ck_assert_int_eq(read_one(fd, "c1", &again), RECORD_NONE);
        record.state = RECORD_ADDING;
        write_one(fd, &record, true);
        record.state = RECORD_HELD;
        write_one(fd, &record, false);
        only_name(dir, name);
        ck_assert_str_eq(name, NAME_1);
        ck_assert_str_eq(unit_read(dir, name), FULL);
        ck_assert_int_eq(lstat(unit_path(dir, name, path), &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0600);
        ck_assert_int_eq(read_one(fd, "c1", &again), 0);
        assert_encoded(&again, FULL);
        record_done(&again);
        ck_assert_int_eq(read_one(fd, "c2", &again), RECORD_NONE);
        unit_assert_ok(record_remove(fd, &record, &err), &err);
        unit_assert_ok(record_remove(fd, &record, &err), &err);
        ck_assert_uint_eq(unit_count(dir), 0);
        record_done(&record);
        close(fd);
}
END_TEST

START_TEST(many_records_are_written)
{
        struct record records[100];
        const struct record *list[100];
        char dir[UNIT_PATH_MAX], id[32];
        struct err err;
        int fd = open_directory(dir);

        for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
                (void)snprintf(id, sizeof(id), "c%zu", i);
                records[i] = make_record(id);
                list[i] = &records[i];
        }
        unit_assert_ok(record_write(fd, list, ARRAY_SIZE(records), true, &err), &err);
        ck_assert_uint_eq(unit_count(dir), ARRAY_SIZE(records));
        unit_assert_ok(record_write(fd, list, 0, true, &err), &err);
        for (size_t i = 0; i < ARRAY_SIZE(records); i++)
                unit_assert_ok(record_remove(fd, list[i], &err), &err);
        ck_assert_uint_eq(unit_count(dir), 0);
        free(records[99].kubeconfig); /* one that cannot be encoded: none is written */
        records[99].kubeconfig = NULL;
        unit_assert_err(record_write(fd, list, ARRAY_SIZE(records), true, &err), &err,
                        CNI_ERR_DECODE, "record: invalid kubeconfig");
        ck_assert_uint_eq(unit_count(dir), 0);
        for (size_t i = 0; i < ARRAY_SIZE(records); i++)
                record_done(&records[i]);
        close(fd);
}
END_TEST

/* What may stand under a record's name and is none. */
enum impostor {
        OTHER_VERSION,
        DAMAGED,
        EMPTY,
        TOO_LARGE,
        ANOTHERS, /* a copy of another attachment's */
        SYMLINK,
        DIRECTORY,
        FIFO,
        OTHER_USERS,
        IMPOSTOR_COUNT,
};

static void put_impostor(const char *dir, enum impostor kind)
{
        static char large[1024 * 1024 + 1];
        char path[UNIT_PATH_MAX], target[UNIT_PATH_MAX];

        unit_path(dir, NAME_1, path);
        switch (kind) {
        case OTHER_VERSION:
                unit_write(dir, NAME_1, "{\"version\": 2}");
                break;
        case DAMAGED:
                unit_write(dir, NAME_1, "{\"version\": 1, \"sta");
                break;
        case EMPTY:
                unit_write(dir, NAME_1, "");
                break;
        case TOO_LARGE:
                memset(large, ' ', sizeof(large));
                memcpy(large, SMALL, strlen(SMALL));
                unit_write_bytes(dir, NAME_1, large, sizeof(large));
                break;
        case ANOTHERS:
                unit_write(dir, NAME_1, HEAD BODY ",\"containerID\":\"c2\"}");
                break;
        case SYMLINK:
                unit_write(dir, "target", SMALL);
                ck_assert_int_eq(symlink(unit_path(dir, "target", target), path), 0);
                break;
        case DIRECTORY:
                ck_assert_int_eq(mkdir(path, 0755), 0);
                break;
        case FIFO:
                ck_assert_int_eq(mkfifo(path, 0600), 0);
                break;
        case OTHER_USERS:
                unit_write(dir, NAME_1, SMALL);
                ck_assert_int_eq(chown(path, 4711, 4711), 0);
                break;
        case IMPOSTOR_COUNT:
                break;
        }
}

static int must_not_be_called(_unused_ const struct record *record, _unused_ void *context)
{
        return 1;
}

START_TEST(what_is_no_record_is_passed_over)
{
        struct record record = make_record("c1"), again = { 0 };
        char dir[UNIT_PATH_MAX];
        struct err err;
        int fd = open_directory(dir);

        put_impostor(dir, (enum impostor)_i);
        unit_write(dir, NAME_1 ".release", "");
        ck_assert_int_eq(read_one(fd, "c1", &again), RECORD_NONE);
        for (int marked = 0; marked < 2; marked++)
                ck_assert_int_eq(record_each(fd, marked, must_not_be_called, NULL, &err), 0);
        ck_assert(unit_exists(dir, NAME_1));
        ck_assert(unit_exists(dir, NAME_1 ".release"));
        /* but for a directory it is in nobody's way */
        if (_i != DIRECTORY) {
                write_one(fd, &record, true);
                ck_assert_str_eq(unit_read(dir, NAME_1), SMALL);
        }
        record_done(&record);
        close(fd);
}
END_TEST

/* ---- marks ---- */

START_TEST(an_attachment_is_marked)
{
        struct record record = make_record("c1"), other = make_record("c2");
        char dir[UNIT_PATH_MAX];
        struct err err;
        int fd = open_directory(dir);

        ck_assert(!record_is_marked(fd, &record));
        unit_assert_ok(record_mark(fd, &record, _i == 1, &err), &err);
        unit_assert_ok(record_mark(fd, &record, _i == 1, &err), &err);
        ck_assert(record_is_marked(fd, &record));
        ck_assert(!record_is_marked(fd, &other));
        ck_assert(unit_exists(dir, NAME_1 ".release"));
        write_one(fd, &record, true); /* writing a record does not take the mark away */
        ck_assert(record_is_marked(fd, &record));
        unit_assert_ok(record_unmark(fd, &record, &err), &err);
        unit_assert_ok(record_unmark(fd, &record, &err), &err);
        ck_assert(!record_is_marked(fd, &record));
        ck_assert_uint_eq(unit_count(dir), 1);
        unit_assert_ok(record_mark(fd, &record, false, &err), &err);
        unit_assert_ok(record_remove(fd, &record, &err), &err);
        ck_assert_uint_eq(unit_count(dir), 0);
        record_done(&record);
        record_done(&other);
        close(fd);
}
END_TEST

START_TEST(failures_are_told)
{
        struct record record = make_record("c1"), again = { 0 };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        const struct record *const list[] = { &record };
        struct err err;
        int fd = open_directory(dir);

        ck_assert_int_eq(mkdir(unit_path(dir, NAME_1, path), 0755), 0);
        unit_assert_err(record_write(fd, list, 1, true, &err), &err, CNI_ERR_IO,
                        "write " NAME_1 ": is a directory");
        unit_assert_err(record_remove(fd, &record, &err), &err, CNI_ERR_IO,
                        "remove " NAME_1 ": is a directory");
        ck_assert_int_eq(symlink("nowhere", unit_path(dir, NAME_1 ".release", path)), 0);
        unit_assert_err(record_mark(fd, &record, true, &err), &err, CNI_ERR_IO,
                        "create " NAME_1 ".release: too many levels of symbolic links");
        ck_assert_uint_eq(unit_count(dir), 2);
        close(fd);
        unit_assert_err(record_read(fd, "net", "c1", "eth0", &again, &err), &err, CNI_ERR_IO,
                        "open record " NAME_1 ": bad file descriptor");
        unit_assert_err(record_each(fd, false, must_not_be_called, NULL, &err), &err, CNI_ERR_IO,
                        "open the directory of records: bad file descriptor");
        record_done(&record);
}
END_TEST

/* ---- the walk ---- */

struct visitor {
        int fd;
        bool remove;
        int stop_at; /* 0: never */
        int calls;
        unsigned seen; /* a bit for each of c0, c1, ... */
};

static int see(const struct record *record, void *context)
{
        struct visitor *visitor = context;
        struct err err;

        visitor->calls++;
        visitor->seen |= 1U << (record->container_id[1] - '0');
        if (visitor->remove)
                unit_assert_ok(record_remove(visitor->fd, record, &err), &err);
        return visitor->calls == visitor->stop_at ? 42 : 0;
}

/* Records c0 to c4; c1 and c3 are marked, as is c9, which has none. */
static int fill_directory(char dir[UNIT_PATH_MAX])
{
        int fd = open_directory(dir);
        struct err err;
        char id[] = "c0";

        for (int i = 0; i < 10; i++) {
                struct record record;

                id[1] = (char)('0' + i);
                record = make_record(id);
                if (i < 5)
                        write_one(fd, &record, false);
                if (i == 1 || i == 3 || i == 9)
                        unit_assert_ok(record_mark(fd, &record, false, &err), &err);
                record_done(&record);
        }
        ck_assert_uint_eq(unit_count(dir), 8);
        return fd;
}

START_TEST(every_record_is_visited_once)
{
        char dir[UNIT_PATH_MAX];
        struct visitor visitor = { .fd = fill_directory(dir) };
        struct err err;

        unit_write(dir, "README", "what an administrator left");
        for (int i = 1; i <= 2; i++) { /* the descriptor has no place that moves */
                unit_assert_ok(record_each(visitor.fd, false, see, &visitor, &err), &err);
                ck_assert_int_eq(visitor.calls, 5 * i);
        }
        ck_assert_uint_eq(visitor.seen, 0x1f);
        ck_assert_uint_eq(unit_count(dir), 9);
        close(visitor.fd);
}
END_TEST

START_TEST(only_marked_records_are_visited)
{
        char dir[UNIT_PATH_MAX];
        struct visitor visitor = { .fd = fill_directory(dir) };
        struct err err;

        unit_assert_ok(record_each(visitor.fd, true, see, &visitor, &err), &err);
        ck_assert_int_eq(visitor.calls, 2);
        ck_assert_uint_eq(visitor.seen, 1U << 1 | 1U << 3);
        ck_assert_uint_eq(unit_count(dir), 7); /* the mark without a record is gone */
        visitor.remove = true;
        unit_assert_ok(record_each(visitor.fd, true, see, &visitor, &err), &err);
        ck_assert_int_eq(visitor.calls, 4);
        ck_assert_uint_eq(unit_count(dir), 3);
        unit_assert_ok(record_each(visitor.fd, false, see, &visitor, &err), &err);
        ck_assert_int_eq(visitor.calls, 7);
        ck_assert_uint_eq(unit_count(dir), 0);
        close(visitor.fd);
}
END_TEST

START_TEST(the_walk_ends_when_it_is_told)
{
        char dir[UNIT_PATH_MAX];
        struct visitor visitor = { .fd = fill_directory(dir), .stop_at = 3 };
        struct err err;

        ck_assert_int_eq(record_each(visitor.fd, false, see, &visitor, &err), 42);
        ck_assert_int_eq(visitor.calls, 3);
        close(visitor.fd);
}
END_TEST

START_TEST(what_a_killed_process_left_goes_in_time)
{
        static const char name[] = "." NAME_1 ".4711";
        char dir[UNIT_PATH_MAX];
        struct visitor visitor = { .fd = fill_directory(dir) };
        struct timespec times[2];
        struct err err;

        unit_write(dir, name, "half a rec");
        unit_assert_ok(record_each(visitor.fd, _i == 1, see, &visitor, &err), &err);
        ck_assert(unit_exists(dir, name)); /* somebody may be writing it */
        ck_assert_int_eq(clock_gettime(CLOCK_REALTIME, &times[0]), 0);
        times[0].tv_sec -= 3600;
        times[1] = times[0];
        ck_assert_int_eq(utimensat(visitor.fd, name, times, 0), 0);
        unit_assert_ok(record_each(visitor.fd, _i == 1, see, &visitor, &err), &err);
        ck_assert(!unit_exists(dir, name));
        close(visitor.fd);
}
END_TEST

static void add_tests(TCase *tests)
{
        int impostors = unit_is_root("a record of another user") ? IMPOSTOR_COUNT : OTHER_USERS;

        tcase_add_test(tests, an_item_that_is_there_gets_the_flags);
        unit_add_table(tests, a_record_is_written_and_read, round_rows);
        unit_add_table(tests, only_what_makes_sense_is_a_record, decode_rows);
        tcase_add_test(tests, nothing_is_written_that_could_not_be_read);
        tcase_add_test(tests, the_directory_is_roots_alone);
        tcase_add_test(tests, a_record_is_kept_read_and_removed);
        tcase_add_test(tests, many_records_are_written);
        tcase_add_loop_test(tests, what_is_no_record_is_passed_over, 0, impostors);
        tcase_add_loop_test(tests, an_attachment_is_marked, 0, 2);
        tcase_add_test(tests, failures_are_told);
        tcase_add_test(tests, every_record_is_visited_once);
        tcase_add_test(tests, only_marked_records_are_visited);
        tcase_add_test(tests, the_walk_ends_when_it_is_told);
        tcase_add_loop_test(tests, what_a_killed_process_left_goes_in_time, 0, 2);
}

UNIT_MAIN("record", add_tests)
