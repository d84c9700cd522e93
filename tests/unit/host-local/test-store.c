/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in the network's directory: entries, scans, cursors. What a file's age decides is tested
 * by moving the store's clock, since the time of a file's last change cannot be set. Opening is in
 * test-store-open.c.
 */
#include "store.h"

#include <signal.h>
#include <sys/resource.h>
#include <time.h>

#include "hl.h"

#define NOBODY 65534U

static const struct owner c1 = { "c1", "eth0" };

/* ---- one entry ---- */

/* A locked store in a fresh directory. */
static void fresh(struct store *store, char dir[UNIT_PATH_MAX])
{
        *store = STORE_CLOSED;
        hl_open(store, unit_dir(dir), STORE_CREATE);
}

static const struct {
        const char *ip, *name;
} name_rows[] = {
        { "10.1.2.2", "10.1.2.2" },
        { "2001:DB8:1::2", "2001:db8:1::2" },
        { "::ffff:10.1.2.3", "10.1.2.3" },
        { "::1.2.3.4", "::102:304" },
};

START_TEST(an_entry_has_name_content_and_mode_of_the_reference_plugin)
{
        struct ip ip = hl_ip(name_rows[_i].ip);
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct store store;
        struct stat st;
        struct err err;

        fresh(&store, dir);
        unit_assert_ok(store_create(&store, &ip, &c1, &err), &err);
        ck_assert_str_eq(unit_read(dir, name_rows[_i].name), "c1\r\neth0");
        ck_assert_int_eq(stat(unit_path(dir, name_rows[_i].name, path), &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0600);
        ck_assert_int_eq(store_create(&store, &ip, &c1, &err), STORE_TAKEN);
        unit_assert_ok(store_remove(&store, &ip, NULL, &err), &err);
        ck_assert(!unit_exists(dir, name_rows[_i].name));
        unit_assert_ok(store_remove(&store, &ip, NULL, &err), &err);
        store_close(&store);
}
END_TEST

START_TEST(anything_with_the_name_takes_the_address)
{
        struct ip ip = hl_ip("10.0.0.1");
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct store store;
        struct err err;

        fresh(&store, dir);
        unit_path(dir, "10.0.0.1", path);
        switch (_i) {
        case 0:
                ck_assert_int_eq(mkdir(path, 0755), 0);
                break;
        case 1:
                ck_assert_int_eq(symlink("none", path), 0);
                break;
        case 2:
                ck_assert_int_eq(mkfifo(path, 0600), 0);
                break;
        default:
                unit_write(dir, "10.0.0.1", "");
        }
        ck_assert_int_eq(store_create(&store, &ip, &c1, &err), STORE_TAKEN);
        ck_assert(!unit_exists(dir, "none"));
        store_close(&store);
}
END_TEST

START_TEST(an_owner_has_a_bounded_length)
{
        struct ip ip = hl_ip("10.0.0.1");
        static char id[STORE_OWNER_MAX];
        struct owner owner = { id, "eth0" };
        struct store_entry entry;
        char dir[UNIT_PATH_MAX], text[STORE_OWNER_MAX];
        struct store store;
        struct err err;

        fresh(&store, dir);
        memset(id, 'a', STORE_OWNER_MAX - 7);
        unit_assert_ok(store_create(&store, &ip, &owner, &err), &err);
        ck_assert(store_look(&store, &ip, text, &entry));
        ck_assert(owner_is(&entry.owner, &owner));
        unit_assert_ok(store_remove(&store, &ip, NULL, &err), &err);
        id[STORE_OWNER_MAX - 7] = 'a';
        unit_assert_err(store_create(&store, &ip, &owner, &err), &err, CNI_ERR_ENVIRONMENT,
                        "container ID is longer than 4064 bytes");
        ck_assert(!unit_exists(dir, "10.0.0.1"));
        store_close(&store);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_leaves_nothing)
{
        struct ip ip = hl_ip("10.0.0.1");
        char dir[UNIT_PATH_MAX], want[UNIT_PATH_MAX + 64];
        struct rlimit old, none = { 0 };
        struct store store;
        struct err err;
        int r;

        fresh(&store, dir);
        signal(SIGXFSZ, SIG_IGN);
        ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
        none.rlim_max = old.rlim_max;
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
        r = store_create(&store, &ip, &c1, &err);
        (void)snprintf(want, sizeof(want), "write %s/10.0.0.1: file too large", dir);
        if (r == -EFBIG) {
                ck_assert_str_eq(err.msg, want);
                ck_assert(!unit_exists(dir, "10.0.0.1"));
                r = store_write_cursor(&store, 0, &ip, &err);
                (void)snprintf(want, sizeof(want), "write %s/last_reserved_ip.0: file too large",
                               dir);
                ck_assert_str_eq(err.msg, want);
        }
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
        signal(SIGXFSZ, SIG_DFL);
        ck_assert_int_eq(r, -EFBIG);
        store_close(&store);
}
END_TEST

START_TEST(a_directory_that_is_gone_is_told)
{
        struct ip ip = hl_ip("10.0.0.1");
        char base[UNIT_PATH_MAX], dir[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct err err;

        unit_path(unit_dir(base), "n", dir);
        hl_open(&store, dir, STORE_CREATE);
        unit_remove_tree(dir);
        ck_assert_int_eq(store_create(&store, &ip, &c1, &err), -ENOENT);
        ck_assert_int_eq(err.code, CNI_ERR_IO);
        ck_assert_int_eq(store_write_cursor(&store, 0, &ip, &err), -ENOENT);
        unit_assert_ok(store_remove(&store, &ip, NULL, &err), &err);
        store_close(&store);
}
END_TEST

/* What a file's content means. */
static const struct {
        const char *text;
        size_t len; /* 0: all of it */
        const char *id, *ifname;
} content_rows[] = {
        { "c1\r\neth0", 0, "c1", "eth0" },
        { "c1\r\neth0\n", 0, "c1", "eth0" },
        { " \t\n c1\r\neth0 \v\f\r\n", 0, "c1", "eth0" },
        { "c1", 0, "c1", "" },     /* the old form */
        { "c1\r\n", 0, "c1", "" }, /* cut off, section 11 */
        { "c1\r", 0, "c1", "" },
        { "c1\neth0", 0, "c1\neth0", "" }, /* this separator does not match */
        { "c1\r\neth0\r\nx", 0, "c1", "eth0\r\nx" },
        { "c1\r\n eth0", 0, "c1", " eth0" },
        { "\r\neth0", 0, "eth0", "" },
        { " \r\n ", 0, "", "" },
        { "\xc2\x85\xe3\x80\x80"
          "c1\r\neth0\xc2\xa0\xe2\x80\xa8",
          0, "c1", "eth0" }, /* white space is Unicode's */
        { "c1\r\neth0\x1c", 0, "c1", "eth0\x1c" },
        { "c1\r\neth0\xe3\x80", 0, "c1", "eth0\xe3\x80" }, /* half a character is none */
        { "c1\r\n\r\neth0", 0, "c1", "\r\neth0" },
        { "c1\r\neth0\0", 9, "", "" },
        { "c1\0\r\neth0", 9, "", "" }, /* nobody wrote this */
        { "\0", 1, "", "" },
};

START_TEST(an_owner_is_read_as_the_reference_plugin_reads_it)
{
        struct ip ip = hl_ip("10.0.0.1");
        char dir[UNIT_PATH_MAX], text[STORE_OWNER_MAX];
        struct store_entry entry;
        struct store store;

        fresh(&store, dir);
        unit_write_bytes(dir, "10.0.0.1", content_rows[_i].text,
                         content_rows[_i].len > 0 ? content_rows[_i].len
                                                  : strlen(content_rows[_i].text));
        ck_assert(store_look(&store, &ip, text, &entry));
        ck_assert_int_eq((int)entry.state, ENTRY_HELD);
        ck_assert_str_eq(entry.owner.container_id, content_rows[_i].id);
        ck_assert_str_eq(entry.owner.ifname, content_rows[_i].ifname);
        ck_assert_str_eq(entry.name, "10.0.0.1");
        ck_assert(!entry.debris);
        store_close(&store);
}
END_TEST

START_TEST(a_file_that_is_too_large_is_not_understood)
{
        static char big[2 * STORE_OWNER_MAX];
        struct ip ip = hl_ip("10.0.0.1");
        char dir[UNIT_PATH_MAX], text[STORE_OWNER_MAX];
        struct store_entry entry;
        struct store store;

        fresh(&store, dir);
        memset(big, 'a', sizeof(big));
        unit_write_bytes(dir, "10.0.0.1", big, sizeof(big));
        ck_assert(!store_look(&store, &ip, text, &entry));
        store_close(&store);
}
END_TEST

START_TEST(owners_are_compared)
{
        const struct owner other_if = { "c1", "eth1" }, other = { "c2", "eth0" },
                           legacy = { "c1", "" }, other_legacy = { "c2", "" };

        ck_assert(owner_is(&c1, &c1));
        ck_assert(!owner_is(&other_if, &c1));
        ck_assert(!owner_is(&other, &c1));
        ck_assert(!owner_is(&legacy, &c1));
        ck_assert(owner_is_legacy(&legacy, &c1));
        ck_assert(owner_is_legacy(&legacy, &other_if));
        ck_assert(!owner_is_legacy(&other_legacy, &c1));
        ck_assert(!owner_is_legacy(&c1, &c1));
}
END_TEST

START_TEST(only_a_regular_file_is_an_entry)
{
        struct ip ip = hl_ip("10.0.0.1");
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], text[STORE_OWNER_MAX];
        struct store_entry entry;
        struct store store;
        int fd = -1;

        fresh(&store, dir);
        unit_path(dir, "10.0.0.1", path);
        unit_write(dir, "target", "c1\r\neth0");
        switch (_i) {
        case 0:
                break; /* nothing */
        case 1:
                ck_assert_int_eq(mkdir(path, 0755), 0);
                break;
        case 2:
                ck_assert_int_eq(symlink("target", path), 0);
                break;
        case 3:
                ck_assert_int_eq(mkfifo(path, 0600), 0);
                break;
        case 4: /* somebody writes into it */
                ck_assert_int_eq(mkfifo(path, 0600), 0);
                fd = open(path, O_RDWR | O_CLOEXEC);
                break;
        default: /* and has written */
                ck_assert_int_eq(mkfifo(path, 0600), 0);
                fd = open(path, O_RDWR | O_CLOEXEC);
                ck_assert_int_eq(write(fd, "c1\r\neth0", 8), 8);
        }
        ck_assert(!store_look(&store, &ip, text, &entry));
        if (fd >= 0)
                close(fd);
        store_close(&store);
}
END_TEST

static const struct {
        time_t later; /* than the file's change */
        bool debris;
} age_rows[] = {
        { 0, false },  { 1, false },     { 9, false },  { 10, true },
        { 11, true },  { 86400, true },  { -1, false }, { -10, false },
        { -11, true }, { -86400, true }, /* a clock that went back */
};

START_TEST(an_empty_file_is_debris_when_its_creator_must_be_gone)
{
        struct ip ip = hl_ip("10.0.0.1");
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], text[STORE_OWNER_MAX];
        struct store_entry entry;
        struct store store;
        struct stat st;

        fresh(&store, dir);
        unit_write(dir, "10.0.0.1", "");
        ck_assert_int_eq(stat(unit_path(dir, "10.0.0.1", path), &st), 0);
        store.now_s = st.st_ctim.tv_sec + age_rows[_i].later;
        ck_assert(store_look(&store, &ip, text, &entry));
        ck_assert_int_eq((int)entry.state, ENTRY_EMPTY);
        ck_assert_int_eq(entry.debris, age_rows[_i].debris);
        ck_assert_str_eq(entry.owner.container_id, "");
        /* A file with content is none, however old it is. */
        unit_write(dir, "10.0.0.1", "x");
        ck_assert(store_look(&store, &ip, text, &entry));
        ck_assert(!entry.debris);
        store_close(&store);
}
END_TEST

START_TEST(the_clock_is_read_behind_the_lock)
{
        char dir[UNIT_PATH_MAX];
        struct store store;
        time_t before = time(NULL);

        fresh(&store, dir);
        ck_assert_int_ge(store.now_s, before);
        ck_assert_int_le(store.now_s, time(NULL));
        store_close(&store);
}
END_TEST

START_TEST(an_entry_of_another_boot_is_stale)
{
        struct ip ip = hl_ip("10.0.0.1");
        char dir[UNIT_PATH_MAX], text[STORE_OWNER_MAX];
        struct store_entry entry;
        struct store store;
        struct err err;

        fresh(&store, dir);
        unit_assert_ok(store_create(&store, &ip, &c1, &err), &err);
        ck_assert(store_look(&store, &ip, text, &entry));
        ck_assert_int_eq((int)entry.state, ENTRY_HELD);
        hl_make_stale(dir, "10.0.0.1");
        ck_assert(store_look(&store, &ip, text, &entry));
        ck_assert_int_eq((int)entry.state, ENTRY_STALE);
        ck_assert_str_eq(entry.owner.container_id, "c1");
        /* An empty file is empty first of all. */
        unit_write(dir, "10.0.0.1", "");
        ck_assert(store_look(&store, &ip, text, &entry));
        ck_assert_int_eq((int)entry.state, ENTRY_EMPTY);
        store_close(&store);
}
END_TEST

START_TEST(a_sweep_is_remembered_for_the_boot)
{
        char dir[UNIT_PATH_MAX];
        struct store store;

        fresh(&store, dir);
        ck_assert(store_needs_sweep(&store));
        store_mark_swept(&store);
        ck_assert(!store_needs_sweep(&store));
        hl_make_stale(dir, "lock");
        ck_assert(store_needs_sweep(&store));
        store.boot.id[0] = '\0';
        ck_assert(!store_needs_sweep(&store));
        ck_assert_str_eq(unit_read(dir, "lock"), "");
        store_close(&store);
}
END_TEST

/* ---- all entries ---- */

struct seen {
        struct store *store;
        char text[1024];
        size_t count;
        bool remove;
};

static int see(const struct store_entry *entry, void *context, struct err *err)
{
        static const char states[] = "HSEU";
        struct seen *seen = context;
        size_t len = strlen(seen->text);

        (void)snprintf(seen->text + len, sizeof(seen->text) - len, "%s=%c%s%s/%s ", entry->name,
                       states[entry->state], entry->debris ? "!" : "", entry->owner.container_id,
                       entry->owner.ifname);
        seen->count++;
        return seen->remove ? store_remove(seen->store, &entry->ip, NULL, err) : 0;
}

START_TEST(a_scan_sees_addresses_and_nothing_else)
{
        static const char *const others[] = {
                "lock",         "last_reserved_ip.0", ".hidden",         "010.0.0.1",
                "10.0.0.256",   "10.0.0.1.tmp",       "::ffff:10.0.0.9", "2001:DB8::1",
                "2001:0db8::1", "::1.2.3.4",          "fe80::1%eth0",    "1:0:0:0:0:0:0:1",
        };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct seen seen = { 0 };
        struct store store;
        struct err err;

        fresh(&store, dir);
        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                unit_write(dir, others[i], "c1\r\neth0");
        ck_assert_int_eq(mkdir(unit_path(dir, "10.0.0.2", path), 0755), 0);
        unit_write(path, "10.0.0.3", "c1\r\neth0");
        ck_assert_int_eq(symlink("lock", unit_path(dir, "10.0.0.4", path)), 0);
        ck_assert_int_eq(mkfifo(unit_path(dir, "10.0.0.5", path), 0600), 0);
        hl_fill(dir, "10.0.0.1=c1/eth0");
        unit_assert_ok(store_scan(&store, STORE_BOOT | STORE_DETAILS, see, &seen, &err), &err);
        ck_assert_str_eq(seen.text, "10.0.0.1=Hc1/eth0 ");
        store_close(&store);
}
END_TEST

START_TEST(a_scan_tells_the_states_that_it_is_asked_for)
{
        char dir[UNIT_PATH_MAX];
        struct seen seen = { 0 };
        struct store store;
        struct err err;

        fresh(&store, dir);
        hl_fill(dir, "*2001:db8::1=c2/eth1");
        unit_assert_ok(store_scan(&store, 0, see, &seen, &err), &err);
        ck_assert_str_eq(seen.text, "2001:db8::1=Hc2/eth1 ");
        seen.text[0] = '\0';
        unit_assert_ok(store_scan(&store, STORE_BOOT, see, &seen, &err), &err);
        ck_assert_str_eq(seen.text, "2001:db8::1=Sc2/eth1 ");
        seen.text[0] = '\0';
        hl_fill(dir, "2001:db8::1");
        store.now_s += 20;
        unit_assert_ok(store_scan(&store, 0, see, &seen, &err), &err);
        ck_assert_str_eq(seen.text, "2001:db8::1=E!/ ");
        store_close(&store);
}
END_TEST

START_TEST(a_scan_may_remove_what_it_visits)
{
        char dir[UNIT_PATH_MAX], name[32];
        struct seen seen = { .remove = true };
        struct store store;
        struct err err;

        fresh(&store, dir);
        seen.store = &store;
        for (int i = 0; i < 1000; i++) {
                (void)snprintf(name, sizeof(name), "10.0.%d.%d", i / 250, i % 250);
                unit_write(dir, name, "c1\r\neth0");
        }
        unit_assert_ok(store_scan(&store, 0, see, &seen, &err), &err);
        ck_assert_uint_eq(seen.count, 1000);
        ck_assert_str_eq(hl_names(dir), "");
        store_close(&store);
}
END_TEST

static int stop(_unused_ const struct store_entry *entry, void *context, struct err *err)
{
        ++*(int *)context;
        return err_text(err, -ECANCELED, CNI_ERR_INTERNAL, "enough");
}

/* Removes everything at the first visit. */
static int vanish(_unused_ const struct store_entry *entry, void *context, struct err *err)
{
        struct seen *seen = context;
        struct ip ip = hl_ip("10.0.0.1");

        for (int i = 0; i < 10; i++, ip = ip_next(ip))
                unit_assert_ok(store_remove(seen->store, &ip, NULL, err), err);
        seen->count++;
        return 0;
}

START_TEST(a_visit_may_end_the_scan_and_files_may_vanish)
{
        static const char ten[] = "10.0.0.1=c 10.0.0.2=c 10.0.0.3=c 10.0.0.4=c 10.0.0.5=c "
                                  "10.0.0.6=c 10.0.0.7=c 10.0.0.8=c 10.0.0.9=c 10.0.0.10=c";
        char dir[UNIT_PATH_MAX];
        struct seen seen = { 0 };
        struct store store;
        struct err err;
        int calls = 0;

        fresh(&store, dir);
        hl_fill(dir, ten);
        unit_assert_err(store_scan(&store, 0, stop, &calls, &err), &err, CNI_ERR_INTERNAL,
                        "enough");
        ck_assert_int_eq(calls, 1);
        seen.store = &store;
        unit_assert_ok(store_scan(&store, 0, vanish, &seen, &err), &err);
        ck_assert_uint_eq(seen.count, 1);
        store_close(&store);
}
END_TEST

static int note_time(const struct store_entry *entry, void *context, _unused_ struct err *err)
{
        *(struct timespec *)context = entry->mtime;
        return 0;
}

START_TEST(a_scan_tells_times_when_asked)
{
        const struct timespec times[] = { { 1000, 0 }, { 1234567890, 5 } };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct timespec mtime = { 0 };
        struct store store;
        struct err err;

        fresh(&store, dir);
        hl_fill(dir, "10.0.0.1=c1/eth0");
        ck_assert_int_eq(utimensat(AT_FDCWD, unit_path(dir, "10.0.0.1", path), times, 0), 0);
        unit_assert_ok(store_scan(&store, STORE_DETAILS, note_time, &mtime, &err), &err);
        ck_assert_int_eq(mtime.tv_sec, 1234567890);
        store_close(&store);
}
END_TEST

static int note_error(const struct store_entry *entry, void *context, _unused_ struct err *err)
{
        ck_assert_int_eq((int)entry->state, ENTRY_UNREADABLE);
        ck_assert_str_eq(entry->owner.container_id, "");
        *(int *)context = entry->error;
        return 0;
}

static void scan_as_nobody(const char *dir)
{
        struct store store = STORE_CLOSED;
        struct ip ip = hl_ip("10.0.0.1");
        char text[STORE_OWNER_MAX];
        struct store_entry entry;
        struct err err;
        int error = 0;

        hl_fill(dir, "10.0.0.1=c1/eth0");
        unit_write(dir, "last_reserved_ip.0", "10.0.0.1");
        ck_assert_int_eq(seteuid(NOBODY), 0);
        hl_open(&store, dir, STORE_NO_LOCK);
        unit_assert_ok(store_scan(&store, 0, note_error, &error, &err), &err);
        ck_assert_int_eq(error, EACCES);
        ck_assert(!store_look(&store, &ip, text, &entry));
        ck_assert_int_eq(store_remove(&store, &ip, NULL, &err), -EACCES);
        ck_assert_int_eq(err.code, CNI_ERR_IO);
        ck_assert_int_eq(store_read_cursor(&store, 0, &ip, &err), -EACCES);
        ck_assert_int_eq(store_write_cursor(&store, 0, &(struct ip){ 0 }, &err), -EACCES);
        store_close(&store);
        ck_assert_int_eq(store_open(dir, STORE_CREATE, &store, &err), -EACCES);
        ck_assert_str_eq(err.msg, "permission denied");
}

START_TEST(what_cannot_be_read_is_visited_with_its_error)
{
        char dir[UNIT_PATH_MAX];

        unit_in_child(scan_as_nobody, unit_dir(dir));
}
END_TEST

START_TEST(a_list_has_every_name_whatever_it_is)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], text[IP_TEXT_MAX];
        _cleanup_(freep) struct ip *ips = NULL;
        struct store store;
        struct buf buf;
        struct err err;
        size_t count;

        fresh(&store, dir);
        unit_assert_ok(store_list(&store, &ips, &count, &err), &err);
        ck_assert_uint_eq(count, 0);
        free(ips);
        hl_fill(dir, "10.0.0.10=c1/eth0 10.0.0.9=c1 2001:db8::1 10.0.0.100");
        ck_assert_int_eq(mkdir(unit_path(dir, "10.0.0.2", path), 0755), 0);
        unit_write(dir, "10.0.0.002", "");
        unit_assert_ok(store_list(&store, &ips, &count, &err), &err);
        buf_init(&buf, 1000);
        for (size_t i = 0; i < count; i++)
                buf_printf(&buf, "%s ", ip_format(&ips[i], text));
        ck_assert_str_eq(buf_text(&buf), "10.0.0.2 10.0.0.9 10.0.0.10 10.0.0.100 2001:db8::1 ");
        buf_done(&buf);
        store_close(&store);
}
END_TEST

START_TEST(a_store_that_is_not_open_cannot_be_scanned)
{
        struct store store = STORE_CLOSED;
        struct ip *ips = NULL;
        struct err err;
        size_t count;

        store.path = "/x";
        ck_assert_int_lt(store_scan(&store, 0, see, NULL, &err), 0);
        ck_assert_str_eq(err.msg, "open /x: bad file descriptor");
        ck_assert_int_lt(store_list(&store, &ips, &count, &err), 0);
        ck_assert_ptr_null(ips);
}
END_TEST

/* ---- cursors ---- */

static const struct {
        const char *text;
        size_t len;
        const char *want; /* NULL: unset */
} cursor_rows[] = {
        { "10.1.2.2", 0, "10.1.2.2" },
        { "2001:db8::1", 0, "2001:db8::1" },
        { "::ffff:10.1.2.2", 0, "10.1.2.2" },
        { "1111:2222:3333:4444:5555:6666:7777:8888", 0, "1111:2222:3333:4444:5555:6666:7777:8888" },
        { "", 0, NULL },
        { "10.1.2.2\n", 0, NULL },
        { " 10.1.2.2", 0, NULL },
        { "10.1.2", 0, NULL },
        { "10.1.2.2\0", 9, NULL },
        { "10.1.2.2 and so on and so on and so on and so on and so on and so on", 0, NULL },
};

START_TEST(a_cursor_is_an_address_and_nothing_more)
{
        char dir[UNIT_PATH_MAX], text[IP_TEXT_MAX];
        struct store store;
        struct ip ip = { .family = 99 };
        struct err err;

        fresh(&store, dir);
        unit_write_bytes(dir, "last_reserved_ip.3", cursor_rows[_i].text,
                         cursor_rows[_i].len > 0 ? cursor_rows[_i].len
                                                 : strlen(cursor_rows[_i].text));
        unit_assert_ok(store_read_cursor(&store, 3, &ip, &err), &err);
        ck_assert_str_eq(ip_format(&ip, text),
                         cursor_rows[_i].want ? cursor_rows[_i].want : "<nil>");
        unit_assert_ok(store_read_cursor(&store, 4, &ip, &err), &err); /* there is none */
        ck_assert_uint_eq(ip.family, IP_UNSET);
        store_close(&store);
}
END_TEST

START_TEST(a_cursor_is_written_over_and_removed)
{
        static const char *const texts[] = { "10.0.0.1", "2001:db8::1:2:3", "10.100.100.100",
                                             "10.0.0.1", "10.0.0.2" };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct store store;
        struct stat st;
        struct err err;

        fresh(&store, dir);
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                struct ip ip = hl_ip(texts[i]);

                unit_assert_ok(store_write_cursor(&store, 0, &ip, &err), &err);
                ck_assert_str_eq(unit_read(dir, "last_reserved_ip.0"), texts[i]);
        }
        ck_assert_int_eq(stat(unit_path(dir, "last_reserved_ip.0", path), &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0600);
        unit_assert_ok(store_write_cursor(&store, 0, &(struct ip){ 0 }, &err), &err);
        ck_assert(!unit_exists(dir, "last_reserved_ip.0"));
        unit_assert_ok(store_write_cursor(&store, 0, &(struct ip){ 0 }, &err), &err);
        store_close(&store);
}
END_TEST

START_TEST(a_cursor_that_is_no_file_is_told)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], want[UNIT_PATH_MAX + 64];
        struct store store;
        struct ip ip;
        struct err err;
        int r;

        fresh(&store, dir);
        ck_assert_int_eq(mkdir(unit_path(dir, "last_reserved_ip.0", path), 0755), 0);
        r = store_read_cursor(&store, 0, &ip, &err);
        (void)snprintf(want, sizeof(want), "read %s: is a directory", path);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        ip = hl_ip("10.0.0.1");
        r = store_write_cursor(&store, 0, &ip, &err);
        (void)snprintf(want, sizeof(want), "open %s: is a directory", path);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        ck_assert_int_lt(store_write_cursor(&store, 0, &(struct ip){ 0 }, &err), 0);

        unit_write(dir, "target", "10.0.0.7");
        ck_assert_int_eq(symlink("target", unit_path(dir, "last_reserved_ip.1", path)), 0);
        ck_assert_int_eq(store_read_cursor(&store, 1, &ip, &err), -ELOOP);
        ip = hl_ip("10.0.0.1");
        ck_assert_int_eq(store_write_cursor(&store, 1, &ip, &err), -ELOOP);
        ck_assert_str_eq(unit_read(dir, "target"), "10.0.0.7");

        ck_assert_int_eq(mkfifo(unit_path(dir, "last_reserved_ip.2", path), 0600), 0);
        unit_assert_ok(store_read_cursor(&store, 2, &ip, &err), &err); /* at once */
        ck_assert_uint_eq(ip.family, IP_UNSET);
        store_close(&store);
}
END_TEST

static void add_tag_tests(TCase *tests)
{
        tcase_add_test(tests, an_entry_of_another_boot_is_stale);
        tcase_add_test(tests, a_sweep_is_remembered_for_the_boot);
        tcase_add_test(tests, a_scan_tells_the_states_that_it_is_asked_for);
}

static void add_tests(TCase *tests)
{
        unit_add_table(tests, an_entry_has_name_content_and_mode_of_the_reference_plugin,
                       name_rows);
        tcase_add_loop_test(tests, anything_with_the_name_takes_the_address, 0, 4);
        tcase_add_test(tests, an_owner_has_a_bounded_length);
        tcase_add_test(tests, a_file_that_cannot_be_written_leaves_nothing);
        tcase_add_test(tests, a_directory_that_is_gone_is_told);
        unit_add_table(tests, an_owner_is_read_as_the_reference_plugin_reads_it, content_rows);
        tcase_add_test(tests, a_file_that_is_too_large_is_not_understood);
        tcase_add_test(tests, owners_are_compared);
        tcase_add_loop_test(tests, only_a_regular_file_is_an_entry, 0, 6);
        unit_add_table(tests, an_empty_file_is_debris_when_its_creator_must_be_gone, age_rows);
        tcase_add_test(tests, the_clock_is_read_behind_the_lock);
        tcase_add_test(tests, a_scan_sees_addresses_and_nothing_else);
        tcase_add_test(tests, a_scan_may_remove_what_it_visits);
        tcase_add_test(tests, a_visit_may_end_the_scan_and_files_may_vanish);
        tcase_add_test(tests, a_scan_tells_times_when_asked);
        tcase_add_test(tests, a_list_has_every_name_whatever_it_is);
        tcase_add_test(tests, a_store_that_is_not_open_cannot_be_scanned);
        unit_add_table(tests, a_cursor_is_an_address_and_nothing_more, cursor_rows);
        tcase_add_test(tests, a_cursor_is_written_over_and_removed);
        tcase_add_test(tests, a_cursor_that_is_no_file_is_told);
        if (unit_is_root("what_cannot_be_read_is_visited_with_its_error"))
                tcase_add_test(tests, what_cannot_be_read_is_visited_with_its_error);
        if (unit_has_tags("boot tags"))
                add_tag_tests(tests);
}

UNIT_MAIN("store", add_tests)
