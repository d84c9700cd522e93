/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DEL, CHECK, GC and the sweep on a directory.
 */
#include "release.h"

#include "hl.h"

#define NOBODY 65534U

/* ---- DEL and CHECK ---- */

/* "10.0.0.1 10.0.0.2" as an earlier result. */
static void make_previous(struct ipam_result *result, const char *words)
{
        char copy[256], *rest = copy, *word;
        struct err err;

        *result = (struct ipam_result){ 0 };
        (void)snprintf(copy, sizeof(copy), "%s", words);
        while ((word = strsep(&rest, " ")))
                if (*word) {
                        struct result_ip ip = { .address = { .ip = hl_ip(word), .prefix = 24 } };

                        unit_assert_ok(result_add_ip(result, &ip, &err), &err);
                }
}

static const struct {
        const char *fill, *previous;
        struct owner owner;
        bool held;         /* what CHECK finds */
        const char *after; /* what DEL leaves */
} owner_rows[] = {
        { "", "", { "c1", "eth0" }, false, "" },
        { "10.0.0.2=c1/eth0", "", { "c1", "eth0" }, true, "" },
        { "10.0.0.2=c1/eth0 10.0.0.3=c2/eth0", "", { "c1", "eth0" }, true, "10.0.0.3 " },
        { "10.0.0.2=c1/eth0 10.0.0.3=c1/eth1", "", { "c1", "eth0" }, true, "10.0.0.3 " },
        { "10.0.0.2=c1/eth0", "", { "c2", "eth0" }, false, "10.0.0.2 " },
        { "10.0.0.2=c1/eth0", "", { "c1", "eth" }, false, "10.0.0.2 " },
        /* all of them, both families */
        { "10.0.0.2=c1/eth0 2001:db8::2=c1/eth0 10.9.9.9=c1/eth0 10.0.0.3=c2/eth0",
          "",
          { "c1", "eth0" },
          true,
          "10.0.0.3 " },
        /* what the caller remembers is found first, and only if it is the owner's */
        { "10.0.0.2=c1/eth0 10.0.0.3=c2/eth0", "10.0.0.2", { "c1", "eth0" }, true, "10.0.0.3 " },
        { "10.0.0.2=c1/eth0 10.0.0.3=c2/eth0", "10.0.0.3", { "c1", "eth0" }, true, "10.0.0.3 " },
        { "10.0.0.2=c1/eth0 10.0.0.4=c1/eth0", "10.0.0.2 10.0.0.9", { "c1", "eth0" }, true, "" },
        { "10.0.0.3=c2/eth0", "10.0.0.3 10.0.0.4", { "c1", "eth0" }, false, "10.0.0.3 " },
        /* the old form, whatever the interface: S22 */
        { "10.0.0.3=c1", "", { "c1", "eth9" }, true, "" },
        { "10.0.0.3=c1 10.0.0.4=c1 10.0.0.5=c2", "", { "c1", "eth9" }, true, "10.0.0.5 " },
        { "10.0.0.3=c1", "10.0.0.3", { "c1", "eth0" }, true, "" },
        /* but not when there is one of the new form */
        { "10.0.0.2=c1/eth0 10.0.0.3=c1", "", { "c1", "eth0" }, true, "10.0.0.3 " },
        { "10.0.0.2=c1/eth0 10.0.0.3=c1", "10.0.0.2", { "c1", "eth0" }, true, "10.0.0.3 " },
        { "10.0.0.2=c1/eth1 10.0.0.3=c1", "", { "c1", "eth0" }, true, "10.0.0.2 " },
        /* empty files are nobody's */
        { "10.0.0.2", "", { "c1", "eth0" }, false, "10.0.0.2 " },
        { "10.0.0.2", "10.0.0.2", { "c1", "eth0" }, false, "10.0.0.2 " },
        { "10.0.0.2", "", { "", "" }, false, "10.0.0.2 " },
};

START_TEST(what_an_owner_holds_is_found_and_released)
{
        struct ipam_result previous;
        char dir[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct err err;
        bool held = !owner_rows[_i].held;

        make_previous(&previous, owner_rows[_i].previous);
        hl_open(&store, unit_dir(dir), 0);
        hl_fill(dir, owner_rows[_i].fill);
        unit_assert_ok(release_check(&store, &owner_rows[_i].owner, &previous, &held, &err), &err);
        ck_assert_int_eq(held, owner_rows[_i].held);
        unit_assert_ok(release_owner(&store, &owner_rows[_i].owner, &previous, &err), &err);
        ck_assert_str_eq(hl_names(dir), owner_rows[_i].after);
        /* Once more is success, and finds at most files of the old form that are left. */
        unit_assert_ok(release_owner(&store, &owner_rows[_i].owner, &previous, &err), &err);
        store_close(&store);
        result_done(&previous);
}
END_TEST

START_TEST(files_that_are_no_entries_are_left_alone)
{
        static const char *const names[] = { "last_reserved_ip.0", "zzz", "010.0.0.1",
                                             "99.9.9.9x" };
        const struct owner owner = { "c1", "eth0" };
        struct ipam_result previous;
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct err err;
        size_t before;

        make_previous(&previous, "10.0.0.7 10.0.0.8");
        hl_open(&store, unit_dir(dir), 0);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                unit_write(dir, names[i], "c1\r\neth0");
        ck_assert_int_eq(mkdir(unit_path(dir, "10.0.0.7", path), 0755), 0);
        unit_write(path, "10.0.0.9", "c1\r\neth0");
        ck_assert_int_eq(symlink("zzz", unit_path(dir, "10.0.0.8", path)), 0);
        before = unit_count(dir);
        unit_assert_ok(release_owner(&store, &owner, &previous, &err), &err);
        ck_assert_uint_eq(unit_count(dir), before);
        store_close(&store);
        result_done(&previous);
}
END_TEST

START_TEST(debris_is_removed_with_an_owners_entries)
{
        const struct owner owner = { "c1", "eth0" };
        struct ipam_result previous = { 0 };
        char dir[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct err err;
        bool held;

        hl_open(&store, unit_dir(dir), 0);
        hl_fill(dir, "10.0.0.2 10.0.0.3=c2/eth0");
        store.now_s += 20;
        unit_assert_ok(release_check(&store, &owner, &previous, &held, &err), &err);
        ck_assert_str_eq(hl_names(dir), "10.0.0.2 10.0.0.3 "); /* CHECK changes nothing */
        unit_assert_ok(release_owner(&store, &owner, &previous, &err), &err);
        ck_assert_str_eq(hl_names(dir), "10.0.0.3 ");
        store_close(&store);
}
END_TEST

START_TEST(an_undone_add_gives_back_its_own_addresses_only)
{
        const struct owner owner = { "c1", "eth0" };
        struct ipam_result result;
        char dir[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct err err;

        make_previous(&result, "10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.9");
        hl_open(&store, unit_dir(dir), 0);
        hl_fill(dir, "10.0.0.2=c1/eth0 10.0.0.3=c2/eth0 10.0.0.4=c1 10.0.0.5=c1/eth0");
        unit_assert_ok(release_addresses(&store, &owner, &result, &err), &err);
        ck_assert_str_eq(hl_names(dir), "10.0.0.3 10.0.0.4 10.0.0.5 ");
        store_close(&store);
        result_done(&result);
}
END_TEST

/* ---- what cannot be done ---- */

/* Readable for everybody, in a directory where nobody may delete. */
static void fill_readable(const char *dir, const char *name, const char *text)
{
        char path[UNIT_PATH_MAX];

        unit_write(dir, name, text);
        ck_assert_int_eq(chmod(unit_path(dir, name, path), 0644), 0);
}

static void release_as_nobody(const char *dir)
{
        const struct owner owner = { "c1", "eth0" }, other = { "c2", "eth0" };
        struct attachments none = { 0 };
        struct ipam_result previous;
        struct store store = STORE_CLOSED;
        char want[UNIT_PATH_MAX + 64];
        struct err err;
        bool held = false;
        int r;

        make_previous(&previous, "10.0.0.2");
        fill_readable(dir, "10.0.0.2", "c1\r\neth0");
        ck_assert_int_eq(seteuid(NOBODY), 0);
        hl_open(&store, dir, STORE_NO_LOCK);
        (void)snprintf(want, sizeof(want), "remove %s/10.0.0.2: permission denied", dir);
        r = release_owner(&store, &owner, &previous, &err);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        r = release_addresses(&store, &owner, &previous, &err);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        r = release_collect(&store, &none, NULL, &err);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        unit_assert_ok(release_owner(&store, &other, &previous, &err), &err);

        ck_assert_int_eq(seteuid(0), 0);
        hl_fill(dir, "10.0.0.3=c2/eth0"); /* 0600 */
        ck_assert_int_eq(seteuid(NOBODY), 0);
        (void)snprintf(want, sizeof(want), "read %s/10.0.0.3: permission denied", dir);
        r = release_owner(&store, &other, &previous, &err);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        unit_assert_ok(release_check(&store, &owner, &previous, &held, &err), &err);
        ck_assert(held);
        unit_assert_ok(release_check(&store, &other, &previous, &held, &err), &err);
        ck_assert(!held);
        ck_assert_int_eq(release_collect(&store, &none, NULL, &err), -EACCES);
        store_close(&store);
        result_done(&previous);
}

START_TEST(what_cannot_be_released_is_told)
{
        char dir[UNIT_PATH_MAX];

        unit_in_child(release_as_nobody, unit_dir(dir));
}
END_TEST

/* .2 is root's in a directory where all may only remove their own; .3 and .4 are nobody's. */
static void release_some_as_nobody(const char *dir)
{
        const struct owner owner = { "c1", "eth0" };
        const struct attachments none = { 0 };
        struct ipam_result previous = { 0 };
        struct store store = STORE_CLOSED;
        char path[UNIT_PATH_MAX], want[UNIT_PATH_MAX + 64];
        struct err err;
        int r;

        fill_readable(dir, "10.0.0.2", "c1\r\neth0");
        hl_fill(dir, "10.0.0.3=c1/eth0 10.0.0.4=c2/eth0");
        ck_assert_int_eq(chown(unit_path(dir, "10.0.0.3", path), NOBODY, NOBODY), 0);
        ck_assert_int_eq(chown(unit_path(dir, "10.0.0.4", path), NOBODY, NOBODY), 0);
        ck_assert_int_eq(chmod(dir, 01777), 0);
        ck_assert_int_eq(seteuid(NOBODY), 0);
        hl_open(&store, dir, STORE_NO_LOCK);
        (void)snprintf(want, sizeof(want), "remove %s/10.0.0.2: %s", dir, err_errno_text(EPERM));
        r = release_owner(&store, &owner, &previous, &err);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        ck_assert_str_eq(hl_names(dir), "10.0.0.2 10.0.0.4 ");
        r = release_collect(&store, &none, NULL, &err);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        ck_assert_str_eq(hl_names(dir), "10.0.0.2 ");
        store_close(&store);
}

START_TEST(what_can_be_released_is_whatever_fails)
{
        char dir[UNIT_PATH_MAX];

        unit_in_child(release_some_as_nobody, unit_dir(dir));
}
END_TEST

/* ---- GC ---- */

#define VALID(id, ifname) "{\"containerID\":\"" id "\",\"ifname\":\"" ifname "\"}"

static const struct {
        const char *fill, *valid;
        time_t later;
        const char *after;
} collect_rows[] = {
        { "", "[]", 0, "" },
        { "10.0.0.2=c1/eth0 10.0.0.3=c2", "[]", 0, "" },
        { "10.0.0.2=c1/eth0", "null", 0, "" },
        { "10.0.0.2=c1/eth0", "[" VALID("c1", "eth0") "]", 0, "10.0.0.2 " },
        { "10.0.0.2=c1/eth0", "[" VALID("c1", "eth1") "]", 0, "" },
        { "10.0.0.2=c1/eth0", "[" VALID("c2", "eth0") "]", 0, "" },
        { "10.0.0.2=c1/eth0 10.0.0.3=c1/eth1 10.0.0.4=c2/eth0 10.0.0.5=c3/eth0",
          "[" VALID("c3", "eth0") "," VALID("c1", "eth1") "," VALID("c0", "eth0") "]", 0,
          "10.0.0.3 10.0.0.5 " },
        /* the old form stays when any attachment has its id */
        { "10.0.0.2=c1 10.0.0.3=c2",
          "[" VALID("c1", "net1") "," VALID("c1", "net2") "," VALID("c20", "e") "]", 0,
          "10.0.0.2 " },
        /* empty files: only when they are old */
        { "10.0.0.2 10.0.0.3=c1/eth0", "[]", 0, "10.0.0.2 " },
        { "10.0.0.2 10.0.0.3=c1/eth0", "[]", 20, "" },
        /* an attachment without an interface name protects no entry with one */
        { "10.0.0.2=c1/eth0", "[" VALID("c1", "") "]", 0, "" },
};

struct freed {
        size_t count;
        int fail;
};

static int note_freed(const struct store_entry *entry, void *context, struct err *err)
{
        struct freed *freed = context;

        ck_assert_str_ne(entry->name, "");
        freed->count++;
        return freed->fail ? err_oom(err) : 0;
}

/* Which files are left of a filled directory, without and with a dry run before. */
START_TEST(what_is_not_attached_is_collected)
{
        struct attachments valid = { 0 };
        struct freed would = { 0 }, has = { 0 };
        struct release_report report = { note_freed, &would, true };
        struct json *document = NULL;
        char dir[UNIT_PATH_MAX], before[8192];
        struct store store = STORE_CLOSED;
        struct err err;
        size_t count;

        unit_assert_ok(
                json_parse(collect_rows[_i].valid, strlen(collect_rows[_i].valid), &document, &err),
                &err);
        unit_assert_ok(attachments_decode(&(struct json_at){ .value = document }, &valid, &err),
                       &err);
        hl_open(&store, unit_dir(dir), 0);
        hl_fill(dir, collect_rows[_i].fill);
        store.now_s += collect_rows[_i].later;
        (void)snprintf(before, sizeof(before), "%s", hl_names(dir));
        count = unit_count(dir);
        unit_assert_ok(release_collect(&store, &valid, &report, &err), &err);
        ck_assert_str_eq(hl_names(dir), before);
        report = (struct release_report){ note_freed, &has, false };
        unit_assert_ok(release_collect(&store, &valid, &report, &err), &err);
        ck_assert_str_eq(hl_names(dir), collect_rows[_i].after);
        ck_assert_uint_eq(has.count, count - unit_count(dir));
        ck_assert_uint_eq(would.count, has.count);
        store_close(&store);
        attachments_done(&valid);
        json_free(document);
}
END_TEST

START_TEST(a_report_that_fails_ends_the_collection)
{
        struct attachments none = { 0 };
        struct freed freed = { .fail = 1 };
        struct release_report report = { note_freed, &freed, false };
        char dir[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct err err;

        hl_open(&store, unit_dir(dir), 0);
        hl_fill(dir, "10.0.0.2=c1/eth0 10.0.0.3=c1/eth0");
        ck_assert_int_eq(release_collect(&store, &none, &report, &err), -ENOMEM);
        ck_assert_uint_eq(freed.count, 1);
        store_close(&store);
}
END_TEST

/* ---- the sweep ---- */

START_TEST(a_sweep_drops_what_an_earlier_boot_left_once_a_boot)
{
        char dir[UNIT_PATH_MAX];
        struct store store = STORE_CLOSED;
        struct err err;

        hl_open(&store, unit_dir(dir), 0);
        hl_fill(dir, "*10.0.0.2=c1/eth0 10.0.0.3=c2/eth0 10.0.0.4 *10.0.0.5=c3");
        unit_write(dir, "last_reserved_ip.0", "10.0.0.5");
        unit_assert_ok(release_sweep(&store, &err), &err);
        ck_assert_str_eq(hl_names(dir), "10.0.0.3 10.0.0.4 last_reserved_ip.0 ");
        hl_fill(dir, "*10.0.0.2=c1/eth0");
        unit_assert_ok(release_sweep(&store, &err), &err);
        ck_assert(unit_exists(dir, "10.0.0.2"));
        /* The next boot. */
        hl_make_stale(dir, "lock");
        store.now_s += 20;
        unit_assert_ok(release_sweep(&store, &err), &err);
        ck_assert_str_eq(hl_names(dir), "10.0.0.3 last_reserved_ip.0 ");
        store_close(&store);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, what_an_owner_holds_is_found_and_released, owner_rows);
        tcase_add_test(tests, files_that_are_no_entries_are_left_alone);
        tcase_add_test(tests, debris_is_removed_with_an_owners_entries);
        tcase_add_test(tests, an_undone_add_gives_back_its_own_addresses_only);
        if (unit_is_root("what_cannot_be_released_is_told"))
                tcase_add_test(tests, what_cannot_be_released_is_told);
        if (unit_is_root("what_can_be_released_is_whatever_fails"))
                tcase_add_test(tests, what_can_be_released_is_whatever_fails);
        unit_add_table(tests, what_is_not_attached_is_collected, collect_rows);
        tcase_add_test(tests, a_report_that_fails_ends_the_collection);
        if (unit_has_tags("a_sweep_drops_what_an_earlier_boot_left_once_a_boot"))
                tcase_add_test(tests, a_sweep_drops_what_an_earlier_boot_left_once_a_boot);
}

UNIT_MAIN("release", add_tests)
