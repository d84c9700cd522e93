/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index without the store: when it is believed, and what it finds. Each test has a directory
 * for the network and another in place of /run.
 */
#include "index.h"

#include <sys/file.h>
#include <time.h>

#include "hl.h"

#define NOBODY 65534U

static char base[UNIT_PATH_MAX], network[UNIT_PATH_MAX];
static int network_fd = -1;
static struct boot boot;
static struct index cache = { .fd = -1 };

static void setup(void)
{
        unit_dir(base);
        unit_dir(network);
        network_fd = open(network, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        boot_init(&boot, network_fd);
}

static void teardown(void)
{
        index_close(&cache);
        close(network_fd);
}

static void open_cache(void)
{
        index_open(&cache, base, network_fd, &boot, time(NULL));
}

/* One call in 1,024 does not believe what it finds. */
static bool opens_valid(void)
{
        for (int i = 0; i < 3; i++) {
                index_close(&cache);
                open_cache();
                if (index_is_valid(&cache))
                        return true;
        }
        return false;
}

/* Rebuilds the index from "10.0.0.2=c1/eth0 ..." as of hl_fill(), without files. */
static void build(const char *words)
{
        char copy[1024], *rest = copy, *word;

        open_cache();
        ck_assert(index_build_start(&cache));
        (void)snprintf(copy, sizeof(copy), "%s", words);
        while ((word = strsep(&rest, " "))) {
                char *id = strchr(word, '='), *ifname = id ? strchr(id, '/') : NULL;
                struct ip ip;

                if (!id)
                        continue;
                *id++ = '\0';
                ip = hl_ip(word);
                if (ifname)
                        *ifname++ = '\0';
                index_build_note(&cache, id, ifname ? ifname : "", &ip);
        }
        index_build_end(&cache, true);
        ck_assert(index_is_valid(&cache));
        index_close(&cache);
}

/* What it finds, "10.0.0.2 " for each; "?" when it cannot tell. Static text. */
static const char *found(const char *id, const char *ifname)
{
        static char text[8192];
        struct ip ips[INDEX_FOUND_MAX];
        char one[IP_TEXT_MAX];
        int count = index_find(&cache, id, ifname, ips);
        size_t len = 0;

        if (count < 0)
                return "?";
        text[0] = '\0';
        for (int i = 0; i < count; i++)
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ",
                                        ip_format(&ips[i], one));
        return text;
}

/* The only file of the index. */
static int open_index_file(int flags)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        struct stat st;
        char name[64];
        int fd;

        ck_assert_int_eq(fstat(network_fd, &st), 0);
        (void)snprintf(name, sizeof(name), "%llx-%llx", (unsigned long long)st.st_dev,
                       (unsigned long long)st.st_ino);
        fd = open(unit_path(unit_path(base, "cni-ipam/host-local", dir), name, path),
                  flags | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        return fd;
}

/* ---- what it finds ---- */

START_TEST(an_owner_is_found_and_no_other)
{
        build("10.0.0.2=c1/eth0 10.0.0.3=c2/eth0 2001:db8::2=c1/eth0 10.0.0.4=c1/eth1 10.0.0.5=c1");
        ck_assert(opens_valid());
        ck_assert_str_eq(found("c1", "eth0"), "10.0.0.2 2001:db8::2 ");
        ck_assert_str_eq(found("c1", "eth1"), "10.0.0.4 ");
        ck_assert_str_eq(found("c1", ""), "10.0.0.5 ");
        ck_assert_str_eq(found("c2", "eth0"), "10.0.0.3 ");
        ck_assert_str_eq(found("c3", "eth0"), "");
        ck_assert_str_eq(found("c1e", "th0"), "");
}
END_TEST

START_TEST(an_index_that_was_never_built_cannot_tell)
{
        open_cache();
        ck_assert(!index_is_valid(&cache));
        ck_assert_str_eq(found("c1", "eth0"), "?");
}
END_TEST

START_TEST(changes_are_found_by_this_call_and_the_next)
{
        struct ip two = hl_ip("10.0.0.2"), three = hl_ip("10.0.0.3");

        build("10.0.0.2=c1/eth0");
        ck_assert(opens_valid());
        index_before_change(&cache);
        unit_write(network, "10.0.0.3", "c1\r\neth0");
        index_after_change(&cache);
        index_add(&cache, "c1", "eth0", &three);
        ck_assert_str_eq(found("c1", "eth0"), "10.0.0.2 10.0.0.3 ");
        index_remove(&cache, "c1", "eth0", &two);
        ck_assert_str_eq(found("c1", "eth0"), "10.0.0.3 ");
        ck_assert(opens_valid());
        ck_assert_str_eq(found("c1", "eth0"), "10.0.0.3 ");
        index_before_change(&cache);
        ck_assert_int_eq(unlinkat(network_fd, "10.0.0.3", 0), 0);
        index_after_change(&cache);
        index_remove(&cache, "c1", "eth0", &three);
        ck_assert(opens_valid());
        ck_assert_str_eq(found("c1", "eth0"), "");
}
END_TEST

START_TEST(a_removal_of_what_it_does_not_know_makes_it_invalid)
{
        struct ip ip = hl_ip("10.0.0.9");

        build("10.0.0.2=c1/eth0");
        ck_assert(opens_valid());
        index_before_change(&cache);
        index_remove(&cache, "c1", "eth0", &ip);
        ck_assert(!index_is_valid(&cache));
        ck_assert(!opens_valid());
}
END_TEST

/* Until a bucket is full; then it is rebuilt with more of them. */
START_TEST(it_grows)
{
        unsigned rebuilt = 0;
        struct ip ip = { .family = IP_V4, .bytes = { 10 } };

        build("");
        for (unsigned n = 0; n < 1000; n++) {
                char id[16], text[IP_TEXT_MAX + 1];

                open_cache();
                if (!index_is_valid(&cache)) {
                        rebuilt++;
                        ck_assert(index_build_start(&cache));
                        for (unsigned i = 0; i < n; i++) {
                                (void)snprintf(id, sizeof(id), "c%u", i);
                                ip.bytes[2] = (uint8_t)(i >> 8);
                                ip.bytes[3] = (uint8_t)i;
                                index_build_note(&cache, id, "eth0", &ip);
                        }
                        index_build_end(&cache, true);
                }
                (void)snprintf(id, sizeof(id), "c%u", n / 2);
                (void)snprintf(text, sizeof(text), "10.0.%u.%u ", n / 2 >> 8, n / 2 & 255);
                ck_assert_str_eq(found(id, "eth0"), n > 0 ? text : "");
                (void)snprintf(id, sizeof(id), "c%u", n);
                ip.bytes[2] = (uint8_t)(n >> 8);
                ip.bytes[3] = (uint8_t)n;
                index_before_change(&cache);
                index_add(&cache, id, "eth0", &ip);
                index_close(&cache);
        }
        ck_assert_uint_ge(rebuilt, 2);
        ck_assert_uint_le(rebuilt, 24);
}
END_TEST

START_TEST(an_owner_with_more_than_a_bucket_of_addresses_has_no_index)
{
        struct ip ip = { .family = IP_V4, .bytes = { 10 } };

        open_cache();
        ck_assert(index_build_start(&cache));
        for (unsigned i = 0; i <= INDEX_FOUND_MAX; i++) {
                ip.bytes[3] = (uint8_t)i;
                index_build_note(&cache, "c1", "eth0", &ip);
        }
        index_build_end(&cache, true);
        ck_assert_str_eq(found("c1", "eth0"), "?");
        ck_assert(!opens_valid());
}
END_TEST

/* ---- what makes it invalid ---- */

static void sleep_a_tick(void)
{
        const struct timespec tick = { .tv_nsec = 10000000 };

        (void)nanosleep(&tick, NULL);
}

/* Sets the directory's mtime to what it was. */
static void restore_mtime(const struct stat *was)
{
        const struct timespec times[] = { { .tv_nsec = UTIME_OMIT }, was->st_mtim };

        ck_assert_int_eq(futimens(network_fd, times), 0);
}

static void change_nothing(_unused_ const struct stat *was)
{
}

static void make_a_file(_unused_ const struct stat *was)
{
        unit_write(network, "new", "");
}

static void remove_a_file(_unused_ const struct stat *was)
{
        ck_assert_int_eq(unlinkat(network_fd, "file", 0), 0);
}

static void rename_a_file(_unused_ const struct stat *was)
{
        ck_assert_int_eq(renameat(network_fd, "file", network_fd, "other"), 0);
}

static void replace_a_file(_unused_ const struct stat *was)
{
        unit_write(network, "other", "");
        ck_assert_int_eq(renameat(network_fd, "other", network_fd, "file"), 0);
}

static void make_a_directory(_unused_ const struct stat *was)
{
        ck_assert_int_eq(mkdirat(network_fd, "new", 0755), 0);
}

static void make_and_restore(const struct stat *was)
{
        unit_write(network, "new", "");
        sleep_a_tick(); /* the ctime is the proof, and it counts in ticks */
        restore_mtime(was);
}

static void only_restore(const struct stat *was)
{
        sleep_a_tick();
        restore_mtime(was);
}

static void change_the_mode(_unused_ const struct stat *was)
{
        sleep_a_tick();
        ck_assert_int_eq(fchmod(network_fd, 0700), 0);
}

static void another_boot(_unused_ const struct stat *was)
{
        (void)snprintf(boot.id, sizeof(boot.id), "%s", HL_OTHER_BOOT);
}

static void distrust(_unused_ const struct stat *was)
{
        open_cache();
        index_distrust(&cache);
}

static void distrust_what_is_valid(_unused_ const struct stat *was)
{
        ck_assert(opens_valid());
        index_distrust(&cache);
}

static void another_signer(_unused_ const struct stat *was)
{
        char kept[UNIT_PATH_MAX];

        memcpy(kept, base, sizeof(kept));
        unit_dir(base);
        build("10.0.0.3=c9/eth0");
        memcpy(base, kept, sizeof(base));
}

/* The state of the file when a call was killed behind its first write, and behind a slot. */
static void die_early(_unused_ const struct stat *was)
{
        ck_assert(opens_valid());
        index_before_change(&cache);
        close(cache.fd);
        cache.fd = -1;
        cache.valid = false;
}

static void die_late(_unused_ const struct stat *was)
{
        struct ip ip = hl_ip("10.0.0.3");

        ck_assert(opens_valid());
        index_before_change(&cache);
        index_add(&cache, "c2", "eth0", &ip);
        close(cache.fd);
        cache.fd = -1;
        cache.valid = false;
}

static void set_size(off_t size)
{
        int fd = open_index_file(O_RDWR);

        ck_assert_int_eq(ftruncate(fd, size), 0);
        close(fd);
}

static void empty_the_file(_unused_ const struct stat *was)
{
        set_size(0);
}

static void cut_the_header(_unused_ const struct stat *was)
{
        set_size(20);
}

static void remove_the_index(_unused_ const struct stat *was)
{
        char dir[UNIT_PATH_MAX];

        unit_remove_tree(unit_path(base, "cni-ipam", dir));
}

static const struct {
        void (*change)(const struct stat *was);
        bool valid;
} change_rows[] = {
        { change_nothing, true },    { make_a_file, false },    { remove_a_file, false },
        { rename_a_file, false },    { replace_a_file, false }, { make_a_directory, false },
        { make_and_restore, false }, { only_restore, false },   { change_the_mode, false },
        { another_boot, false },     { distrust, false },       { distrust_what_is_valid, false },
        { another_signer, false },   { die_early, false },      { die_late, false },
        { empty_the_file, false },   { cut_the_header, false }, { remove_the_index, false },
};

START_TEST(it_is_valid_only_while_the_directory_is_as_it_was_signed)
{
        struct stat was;

        unit_write(network, "file", "");
        build("10.0.0.2=c1/eth0");
        ck_assert_int_eq(fstat(network_fd, &was), 0);
        change_rows[_i].change(&was);
        ck_assert_int_eq(opens_valid(), change_rows[_i].valid);
        ck_assert_str_eq(found("c1", "eth0"), change_rows[_i].valid ? "10.0.0.2 " : "?");
}
END_TEST

START_TEST(the_signature_is_a_moment_of_the_past_second)
{
        struct stat first, second;

        build("");
        ck_assert_int_eq(fstat(network_fd, &first), 0);
        build("");
        ck_assert_int_eq(fstat(network_fd, &second), 0);
        ck_assert_int_le(first.st_mtim.tv_sec, time(NULL) - 1);
        ck_assert_int_ge(first.st_mtim.tv_sec, time(NULL) - 30);
        ck_assert_int_ne(first.st_mtim.tv_nsec, second.st_mtim.tv_nsec);
}
END_TEST

/* Without the lock, while it was open. */
START_TEST(a_change_of_others_before_the_first_of_ours_is_noticed)
{
        build("10.0.0.2=c1/eth0");
        ck_assert(opens_valid());
        unit_write(network, "10.0.0.3", "");
        index_before_change(&cache);
        ck_assert(!index_is_valid(&cache));
}
END_TEST

START_TEST(a_change_of_others_behind_the_last_of_ours_is_noticed)
{
        struct ip ip = hl_ip("10.0.0.3");

        build("10.0.0.2=c1/eth0");
        ck_assert(opens_valid());
        index_before_change(&cache);
        unit_write(network, "10.0.0.3", "c1\r\neth0");
        index_after_change(&cache);
        index_add(&cache, "c1", "eth0", &ip);
        sleep_a_tick();
        unit_write(network, "10.0.0.4", "c1\r\neth0");
        ck_assert(!opens_valid());
}
END_TEST

START_TEST(a_change_that_did_not_happen_needs_no_signature)
{
        struct stat before, after;

        build("10.0.0.2=c1/eth0");
        ck_assert_int_eq(fstat(network_fd, &before), 0);
        ck_assert(opens_valid());
        index_before_change(&cache);
        ck_assert(opens_valid());
        ck_assert_int_eq(fstat(network_fd, &after), 0);
        ck_assert_int_eq(memcmp(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim)), 0);
}
END_TEST

START_TEST(a_change_of_others_while_it_is_rebuilt_is_noticed)
{
        open_cache();
        ck_assert(index_build_start(&cache));
        unit_write(network, "10.0.0.3", "");
        index_build_end(&cache, true);
        ck_assert(!index_is_valid(&cache));
        ck_assert(!opens_valid());
}
END_TEST

START_TEST(a_listing_that_failed_makes_no_index)
{
        open_cache();
        ck_assert(index_build_start(&cache));
        index_build_end(&cache, false);
        ck_assert(!index_is_valid(&cache));
        ck_assert(!opens_valid());
}
END_TEST

static void put_bytes(off_t at, const void *bytes, size_t len)
{
        int fd = open_index_file(O_RDWR);

        ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
        close(fd);
}

START_TEST(a_slot_of_no_family_makes_it_invalid)
{
        struct index_header *header = &cache.header;
        uint8_t bad = 5;

        build("10.0.0.2=c1/eth0");
        ck_assert(opens_valid());
        ck_assert_uint_eq(header->buckets, 1);
        put_bytes(4096 + 8, &bad, 1);
        ck_assert_str_eq(found("c1", "eth0"), "?");
        ck_assert(!opens_valid());
}
END_TEST

START_TEST(a_bucket_that_is_missing_makes_it_invalid)
{
        build("10.0.0.2=c1/eth0");
        set_size(5000);
        (void)opens_valid();
        ck_assert_str_eq(found("c1", "eth0"), "?");
        ck_assert(!opens_valid());
}
END_TEST

static const uint32_t bucket_rows[] = { 0, 3, 4096, 0x80000000, 0xffffffff };

START_TEST(a_wrong_number_of_buckets_finds_nothing)
{
        build("10.0.0.2=c1/eth0");
        put_bytes(offsetof(struct index_header, buckets), &bucket_rows[_i], sizeof(uint32_t));
        (void)opens_valid();
        ck_assert_str_ne(found("c1", "eth0"), "");
        ck_assert_str_ne(found("c2", "eth0"), "10.0.0.2 ");
}
END_TEST

/* ---- where there can be none ---- */

static void link_the_top(void)
{
        char other[UNIT_PATH_MAX], path[UNIT_PATH_MAX];

        ck_assert_int_eq(symlink(unit_dir(other), unit_path(base, "cni-ipam", path)), 0);
}

static void make_top(mode_t mode, char path[UNIT_PATH_MAX])
{
        ck_assert_int_eq(mkdir(unit_path(base, "cni-ipam", path), 0700), 0);
        ck_assert_int_eq(chmod(path, mode), 0);
}

static void open_the_top(void)
{
        char path[UNIT_PATH_MAX];

        make_top(0777, path);
}

static void link_the_directory(void)
{
        char other[UNIT_PATH_MAX], top[UNIT_PATH_MAX], path[UNIT_PATH_MAX];

        make_top(0700, top);
        ck_assert_int_eq(symlink(unit_dir(other), unit_path(top, "host-local", path)), 0);
}

static void open_the_directory(void)
{
        char top[UNIT_PATH_MAX], path[UNIT_PATH_MAX];

        make_top(0700, top);
        ck_assert_int_eq(mkdir(unit_path(top, "host-local", path), 0755), 0);
}

static void put_a_file_there(void)
{
        char top[UNIT_PATH_MAX];

        make_top(0700, top);
        unit_write(top, "host-local", "");
}

static void give_it_away(void)
{
        char top[UNIT_PATH_MAX], path[UNIT_PATH_MAX];

        make_top(0700, top);
        ck_assert_int_eq(mkdir(unit_path(top, "host-local", path), 0700), 0);
        if (geteuid() == 0)
                ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
        else
                ck_assert_int_eq(chmod(path, 0755), 0);
}

static void link_the_file(void)
{
        char top[UNIT_PATH_MAX], dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], name[64];
        struct stat st;

        make_top(0700, top);
        ck_assert_int_eq(mkdir(unit_path(top, "host-local", dir), 0700), 0);
        ck_assert_int_eq(fstat(network_fd, &st), 0);
        (void)snprintf(name, sizeof(name), "%llx-%llx", (unsigned long long)st.st_dev,
                       (unsigned long long)st.st_ino);
        unit_write(base, "target", "untouched");
        ck_assert_int_eq(symlink("../../target", unit_path(dir, name, path)), 0);
}

static void lose_the_base(void)
{
        ck_assert_int_eq(rmdir(base), 0);
}

static void forget_the_boot(void)
{
        boot.id[0] = '\0';
}

static void (*const nowhere_rows[])(void) = {
        link_the_top, open_the_top,  link_the_directory, open_the_directory, put_a_file_there,
        give_it_away, link_the_file, lose_the_base,      forget_the_boot,
};

START_TEST(without_a_place_of_our_own_it_is_off)
{
        struct stat before, after;

        nowhere_rows[_i]();
        ck_assert_int_eq(fstat(network_fd, &before), 0);
        open_cache();
        ck_assert_int_eq(cache.fd, -1);
        ck_assert(!index_build_start(&cache));
        ck_assert_str_eq(found("c1", "eth0"), "?");
        index_close(&cache);
        ck_assert_int_eq(fstat(network_fd, &after), 0);
        ck_assert_int_eq(memcmp(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim)), 0);
        if (unit_exists(base, "target"))
                ck_assert_str_eq(unit_read(base, "target"), "untouched");
}
END_TEST

START_TEST(an_index_in_use_is_off_for_others)
{
        int fd;

        build("10.0.0.2=c1/eth0");
        fd = open_index_file(O_RDONLY);
        ck_assert_int_eq(flock(fd, LOCK_EX), 0);
        open_cache();
        ck_assert_str_eq(found("c1", "eth0"), "?");
        close(fd);
        ck_assert(opens_valid());
}
END_TEST

START_TEST(files_of_directories_that_are_gone_do_not_pile_up)
{
        char dir[UNIT_PATH_MAX], name[32];

        build("10.0.0.2=c1/eth0");
        unit_path(base, "cni-ipam/host-local", dir);
        for (unsigned i = 0; i < 1500; i++) {
                (void)snprintf(name, sizeof(name), "1-%x", i);
                unit_write(dir, name, "");
        }
        ck_assert(opens_valid()); /* an old file is no reason */
        ck_assert_uint_eq(unit_count(dir), 1501);
        unit_dir(network);
        close(network_fd);
        network_fd = open(network, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        build("10.0.0.2=c1/eth0");
        ck_assert_uint_eq(unit_count(dir), 1);
        ck_assert(opens_valid());
}
END_TEST

/* ---- with the store ---- */

static void open_store(struct store *store)
{
        hl_open(store, network, 0);
        index_close(&store->index);
        index_open(&store->index, base, store->dirfd, &store->boot, store->now_s);
}

static int visit_nothing(_unused_ const struct store_entry *entry, _unused_ void *context,
                         _unused_ struct err *err)
{
        return 0;
}

/* Adds 10.0.0.2 for c1 to a network whose index is valid; with `alone` false the lock is deleted
 * meanwhile. Returns whether the next call believes the index. */
static bool add_one(bool alone)
{
        const struct owner owner = { "c1", "eth0" };
        struct store store = STORE_CLOSED;
        struct ip ip = hl_ip("10.0.0.2");
        struct err err;

        open_store(&store);
        unit_assert_ok(store_find(&store, 0, &owner, visit_nothing, NULL, &err), &err);
        unit_assert_ok(store_create(&store, &ip, &owner, &err), &err);
        if (!alone)
                ck_assert_int_eq(unlinkat(network_fd, "lock", 0), 0);
        store_close(&store);
        return opens_valid();
}

START_TEST(under_a_deleted_lock_the_directory_is_not_signed)
{
        ck_assert(add_one(true));
        ck_assert_str_eq(found("c1", "eth0"), "10.0.0.2 ");
        index_close(&cache);
        ck_assert_int_eq(unlinkat(network_fd, "10.0.0.2", 0), 0);
        ck_assert(!add_one(false));
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_checked_fixture(tests, setup, teardown);
        tcase_add_test(tests, an_owner_is_found_and_no_other);
        tcase_add_test(tests, an_index_that_was_never_built_cannot_tell);
        tcase_add_test(tests, changes_are_found_by_this_call_and_the_next);
        tcase_add_test(tests, a_removal_of_what_it_does_not_know_makes_it_invalid);
        tcase_add_test(tests, it_grows);
        tcase_add_test(tests, an_owner_with_more_than_a_bucket_of_addresses_has_no_index);
        unit_add_table(tests, it_is_valid_only_while_the_directory_is_as_it_was_signed,
                       change_rows);
        tcase_add_test(tests, the_signature_is_a_moment_of_the_past_second);
        tcase_add_test(tests, a_change_of_others_before_the_first_of_ours_is_noticed);
        tcase_add_test(tests, a_change_of_others_behind_the_last_of_ours_is_noticed);
        tcase_add_test(tests, a_change_that_did_not_happen_needs_no_signature);
        tcase_add_test(tests, a_change_of_others_while_it_is_rebuilt_is_noticed);
        tcase_add_test(tests, a_listing_that_failed_makes_no_index);
        tcase_add_test(tests, a_slot_of_no_family_makes_it_invalid);
        tcase_add_test(tests, a_bucket_that_is_missing_makes_it_invalid);
        unit_add_table(tests, a_wrong_number_of_buckets_finds_nothing, bucket_rows);
        unit_add_table(tests, without_a_place_of_our_own_it_is_off, nowhere_rows);
        tcase_add_test(tests, an_index_in_use_is_off_for_others);
        tcase_add_test(tests, files_of_directories_that_are_gone_do_not_pile_up);
        tcase_add_test(tests, under_a_deleted_lock_the_directory_is_not_signed);
}

UNIT_MAIN("index", add_tests)
