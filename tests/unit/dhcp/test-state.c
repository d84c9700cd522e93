/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's directory: whose it is, records and marks, and what is found in it at a start.
 */
#include "state.h"

#include <sys/file.h>

#include "values.h"

#define BOOT   "11111111-2222-3333-4444-555555555555"
#define NOBODY 65534U

/* A socket path in a fresh directory, which is returned as well. */
static const char *socket_in(char dir[UNIT_PATH_MAX], char path[UNIT_PATH_MAX])
{
        return unit_path(unit_dir(dir), "dhcp.sock", path);
}

/* A state directory that is open and locked. */
struct place {
        char base[UNIT_PATH_MAX], socket[UNIT_PATH_MAX], dir[UNIT_PATH_MAX];
        int dirfd, lock;
};

static void open_state(struct place *place)
{
        struct err err;

        socket_in(place->base, place->socket);
        unit_path(place->base, "dhcp.sock.d", place->dir);
        unit_assert_ok(state_open(place->socket, 0700, &place->dirfd, &place->lock, &err), &err);
}

static void close_state(const struct place *place)
{
        close(place->dirfd);
        close(place->lock);
}

static struct key key_of(const char *container_id)
{
        return (struct key){ (char *)(uintptr_t)container_id, (char *)(uintptr_t) "net",
                             (char *)(uintptr_t) "eth0" };
}

/* NAME and its suffix. Valid until the next call. */
static const char *file_of(const char *container_id, const char *suffix)
{
        static char file[KEY_NAME_MAX + 8];
        char name[KEY_NAME_MAX];
        struct key key = key_of(container_id);

        (void)snprintf(file, sizeof(file), "%s%s", key_name(&key, name), suffix);
        return file;
}

static void save(const struct place *place, const char *container_id, const char *boot_id)
{
        struct record record = {
                .key = key_of(container_id),
                .netns = (char *)(uintptr_t) "/run/netns/x",
                .ifindex = 2,
                .offer = { .address = ip("10.77.1.7"), .server = ip("10.77.0.2") },
        };
        struct err err;

        unit_assert_ok(state_save(place->dirfd, &record, boot_id, &err), &err);
}

/* ---- opening ---- */

START_TEST(the_directory_and_its_parents_are_made)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], state[UNIT_PATH_MAX];
        struct stat st;
        struct err err;
        int dirfd, lock;

        unit_path(unit_dir(dir), "a/b/dhcp.sock", path);
        unit_assert_ok(state_open(path, 0700, &dirfd, &lock, &err), &err);
        ck_assert_int_eq(stat(unit_path(dir, "a/b/dhcp.sock.d", state), &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0700);
        ck_assert(unit_exists(state, "lock"));
        ck_assert_int_ne(fcntl(dirfd, F_GETFD) & FD_CLOEXEC, 0);
        ck_assert_int_ne(fcntl(lock, F_GETFD) & FD_CLOEXEC, 0);
        close(dirfd);
        close(lock);
}
END_TEST

START_TEST(a_relative_path_is_one_too)
{
        char dir[UNIT_PATH_MAX];
        struct err err;
        int dirfd, lock;

        ck_assert_int_eq(chdir(unit_dir(dir)), 0);
        unit_assert_ok(state_open("x.sock", 0700, &dirfd, &lock, &err), &err);
        ck_assert(unit_exists(dir, "x.sock.d"));
        close(dirfd);
        close(lock);
}
END_TEST

START_TEST(one_daemon_has_it)
{
        struct place place;
        struct err err;
        int dirfd = -7, lock = -7;

        open_state(&place);
        ck_assert_int_eq(state_open(place.socket, 0700, &dirfd, &lock, &err), STATE_LOCKED);
        ck_assert_int_eq(dirfd, -7);
        ck_assert_int_eq(lock, -7);
        close(place.dirfd); /* not this, but the lock's own descriptor counts */
        ck_assert_int_eq(state_open(place.socket, 0700, &dirfd, &lock, &err), STATE_LOCKED);
        close(place.lock);
        unit_assert_ok(state_open(place.socket, 0700, &dirfd, &lock, &err), &err);
        close(dirfd);
        close(lock);
}
END_TEST

START_TEST(another_socket_is_another_daemon)
{
        char path[UNIT_PATH_MAX];
        struct place place;
        struct err err;
        int dirfd, lock;

        open_state(&place);
        unit_assert_ok(
                state_open(unit_path(place.base, "two.sock", path), 0700, &dirfd, &lock, &err),
                &err);
        close(dirfd);
        close(lock);
        close_state(&place);
}
END_TEST

static void make_open_directory(const char *path)
{
        ck_assert_int_eq(mkdir(path, 0755), 0);
}

static void make_group_directory(const char *path)
{
        ck_assert_int_eq(mkdir(path, 0755), 0);
        ck_assert_int_eq(chmod(path, 0720), 0);
}

static void make_foreign_directory(const char *path)
{
        ck_assert_int_eq(mkdir(path, 0700), 0);
        ck_assert_int_eq(chown(path, NOBODY, NOBODY), 0);
}

static void make_link(const char *path)
{
        char target[UNIT_PATH_MAX + 8];

        (void)snprintf(target, sizeof(target), "%s.target", path);
        ck_assert_int_eq(mkdir(target, 0700), 0);
        ck_assert_int_eq(symlink(target, path), 0);
}

static void make_dangling_link(const char *path)
{
        ck_assert_int_eq(symlink("nowhere", path), 0);
}

static void make_file(const char *path)
{
        unit_write("/", path + 1, "");
}

static const struct {
        void (*make)(const char *path);
        const char *before, *after; /* of the path in the message */
        bool root;
} refused_rows[] = {
        { make_open_directory, "", " has mode 0755, and must have 0700", false },
        { make_group_directory, "", " has mode 0720, and must have 0700", false },
        { make_foreign_directory, "", " belongs to another user", true },
        { make_link, "open ", ": not a directory", false },
        { make_dangling_link, "open ", ": not a directory", false },
        { make_file, "open ", ": not a directory", false },
};

/* For the daemon and for who leaves a mark. */
START_TEST(a_directory_of_others_is_refused)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], state[UNIT_PATH_MAX];
        char want[2 * UNIT_PATH_MAX];
        char *root = unit_base;
        const struct trust trust = { &root, 1 };
        const struct key key = key_of("c1");
        struct err err;
        int dirfd = -7, lock = -7;

        if (refused_rows[_i].root && !unit_is_root("the directory of another user"))
                return;
        socket_in(dir, path);
        refused_rows[_i].make(unit_path(dir, "dhcp.sock.d", state));
        (void)snprintf(want, sizeof(want), "%s%s%s", refused_rows[_i].before, state,
                       refused_rows[_i].after);
        unit_assert_err(state_open(path, 0700, &dirfd, &lock, &err), &err, CNI_ERR_IO, want);
        ck_assert_int_eq(dirfd, -7);
        unit_assert_err(state_mark(&trust, path, &key, &err), &err, CNI_ERR_IO, want);
}
END_TEST

START_TEST(a_lock_that_is_a_symlink_is_refused)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], state[UNIT_PATH_MAX], lock[UNIT_PATH_MAX];
        char want[2 * UNIT_PATH_MAX];
        struct err err;
        int dirfd, lockfd;

        socket_in(dir, path);
        ck_assert_int_eq(mkdir(unit_path(dir, "dhcp.sock.d", state), 0700), 0);
        ck_assert_int_eq(symlink("/dev/null", unit_path(state, "lock", lock)), 0);
        (void)snprintf(want, sizeof(want), "lock %s: too many levels of symbolic links", lock);
        unit_assert_err(state_open(path, 0700, &dirfd, &lockfd, &err), &err, CNI_ERR_IO, want);
}
END_TEST

START_TEST(parents_that_cannot_be_made_are_named)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], want[2 * UNIT_PATH_MAX];
        struct err err;
        int dirfd, lock;

        unit_write(unit_dir(dir), "file", "");
        unit_path(dir, "file/x/dhcp.sock", path);
        (void)snprintf(want, sizeof(want), "mkdir %s/file: not a directory", dir);
        unit_assert_err(state_open(path, 0700, &dirfd, &lock, &err), &err, CNI_ERR_IO, want);
}
END_TEST

/* ---- records and marks ---- */

START_TEST(a_record_is_a_file_of_ours)
{
        char path[UNIT_PATH_MAX];
        const char *text;
        struct place place;
        struct stat st;

        open_state(&place);
        save(&place, "c1", BOOT);
        ck_assert_uint_eq(unit_count(place.dir), 2); /* and the lock */
        ck_assert_int_eq(stat(unit_path(place.dir, file_of("c1", ".json"), path), &st), 0);
        ck_assert_int_eq(st.st_mode & 07777, 0600);
        text = unit_read(place.dir, file_of("c1", ".json"));
        ck_assert_ptr_nonnull(strstr(text, BOOT));
        ck_assert_str_eq(text + strlen(text) - 2, "}\n");
        save(&place, "c1", "another boot"); /* in the place of the first */
        ck_assert_uint_eq(unit_count(place.dir), 2);
        text = unit_read(place.dir, file_of("c1", ".json"));
        ck_assert_ptr_null(strstr(text, BOOT));
        ck_assert_ptr_nonnull(strstr(text, "another boot"));
        close_state(&place);
}
END_TEST

START_TEST(a_record_without_sense_is_not_saved)
{
        struct record record = { .key = key_of("c1"), .netns = (char *)(uintptr_t) "/x" };
        struct place place;
        struct err err;

        open_state(&place);
        unit_assert_err(state_save(place.dirfd, &record, BOOT, &err), &err, CNI_ERR_DECODE,
                        "record: invalid ifindex");
        ck_assert_uint_eq(unit_count(place.dir), 1);
        close_state(&place);
}
END_TEST

static void mark(const struct place *place, const char *container_id)
{
        char *root = unit_base;
        const struct trust trust = { &root, 1 };
        const struct key key = key_of(container_id);
        struct err err;

        unit_assert_ok(state_mark(&trust, place->socket, &key, &err), &err);
}

START_TEST(a_mark_is_seen_and_removed_with_the_record)
{
        const struct key key = key_of("c1"), other = key_of("c2");
        struct place place;
        struct err err;

        open_state(&place);
        save(&place, "c1", BOOT);
        ck_assert(!state_is_marked(place.dirfd, &key));
        mark(&place, "c1"); /* the daemon has its lock meanwhile */
        mark(&place, "c1");
        ck_assert(state_is_marked(place.dirfd, &key));
        ck_assert(!state_is_marked(place.dirfd, &other));
        ck_assert_str_eq(unit_read(place.dir, file_of("c1", ".del")), "");
        unit_assert_ok(state_remove(place.dirfd, &key, &err), &err);
        ck_assert(!state_is_marked(place.dirfd, &key));
        ck_assert_uint_eq(unit_count(place.dir), 1);
        unit_assert_ok(state_remove(place.dirfd, &key, &err), &err);
        close_state(&place);
}
END_TEST

START_TEST(what_cannot_be_removed_is_told)
{
        const struct key key = key_of("c1");
        char path[UNIT_PATH_MAX], want[UNIT_PATH_MAX];
        struct place place;
        struct err err;

        open_state(&place);
        ck_assert_int_eq(mkdir(unit_path(place.dir, file_of("c1", ".json"), path), 0700), 0);
        mark(&place, "c1");
        (void)snprintf(want, sizeof(want), "remove %s: is a directory", file_of("c1", ".json"));
        unit_assert_err(state_remove(place.dirfd, &key, &err), &err, CNI_ERR_IO, want);
        ck_assert(state_is_marked(place.dirfd, &key)); /* the mark stays as long as the record */
        close_state(&place);
}
END_TEST

START_TEST(a_directory_of_somebody_else_is_no_place_for_a_mark)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], state[UNIT_PATH_MAX];
        char *root = unit_base;
        const struct trust trust = { &root, 1 };
        const struct key key = key_of("c1");
        struct err err;

        socket_in(dir, path);
        ck_assert_int_eq(mkdir(unit_path(dir, "dhcp.sock.d", state), 0700), 0);
        ck_assert_int_eq(state_mark(&trust, path, &key, &err), STATE_NONE);
        ck_assert_uint_eq(unit_count(state), 0);
}
END_TEST

START_TEST(where_no_daemon_was_there_is_nothing_to_mark)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        char *root = unit_base;
        const struct trust trust = { &root, 1 };
        const struct key key = key_of("c1");
        struct err err;

        unit_path(unit_dir(dir), "a/dhcp.sock", path);
        ck_assert_int_eq(state_mark(&trust, path, &key, &err), STATE_NONE);
        ck_assert_uint_eq(unit_count(dir), 0);
        socket_in(dir, path);
        ck_assert_int_eq(state_mark(&trust, path, &key, &err), STATE_NONE);
        ck_assert_uint_eq(unit_count(dir), 0);
}
END_TEST

START_TEST(nothing_is_marked_where_tenants_may_point)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], want[2 * UNIT_PATH_MAX];
        const struct trust trust = { 0 };
        const struct key key = key_of("c1");
        struct err err;

        socket_in(dir, path);
        (void)snprintf(want, sizeof(want),
                       "%s is not below a directory that configuration may name", dir);
        unit_assert_err(state_mark(&trust, path, &key, &err), &err, CNI_ERR_CONFIG, want);
        ck_assert_uint_eq(unit_count(dir), 0);
        ck_assert_int_lt(state_mark(&trust, "dhcp.sock", &key, &err), 0);
}
END_TEST

START_TEST(nothing_is_marked_where_others_may_write)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        char *root = unit_base;
        const struct trust trust = { &root, 1 };
        const struct key key = key_of("c1");
        struct err err;

        socket_in(dir, path);
        ck_assert_int_eq(chmod(dir, 01777), 0);
        ck_assert_int_eq(state_mark(&trust, path, &key, &err), -EPERM);
        ck_assert_int_eq(err.code, CNI_ERR_CONFIG);
        ck_assert_uint_eq(unit_count(dir), 0);
}
END_TEST

START_TEST(a_symlink_is_no_place_for_a_mark)
{
        char path[UNIT_PATH_MAX];
        char *root = unit_base;
        const struct trust trust = { &root, 1 };
        const struct key key = key_of("c1");
        struct place place;
        struct err err;

        open_state(&place);
        ck_assert_int_eq(symlink("../victim", unit_path(place.dir, file_of("c1", ".del"), path)),
                         0);
        ck_assert_int_lt(state_mark(&trust, place.socket, &key, &err), 0);
        ck_assert_int_eq(err.code, CNI_ERR_IO);
        ck_assert(!unit_exists(place.base, "victim"));
        close_state(&place);
}
END_TEST

/* ---- a start ---- */

/* What state_load() told, as text. */
static struct buf seen;
static int fail_with;
static const struct place *saves_into;

static int see(void *user, struct record *record, struct err *err)
{
        ck_assert_ptr_eq(user, &seen);
        buf_printf(&seen, "+%s ", record->key.container_id);
        if (saves_into)
                unit_assert_ok(state_save(saves_into->dirfd, record, BOOT, err), err);
        if (fail_with)
                return err_set(err, fail_with, CNI_ERR_IO, "see it");
        return 0;
}

static void warn(const char *text)
{
        buf_printf(&seen, "!%s ", text);
}

static const char *load(const struct place *place)
{
        struct err err;

        buf_done(&seen);
        buf_init(&seen, 65536);
        unit_assert_ok(state_load(place->dirfd, BOOT, see, warn, &seen, &err), &err);
        return buf_text(&seen);
}

START_TEST(an_empty_directory_has_no_records)
{
        struct place place;

        open_state(&place);
        ck_assert_str_eq(load(&place), "");
        ck_assert_uint_eq(unit_count(place.dir), 1);
        close_state(&place);
}
END_TEST

START_TEST(records_of_this_boot_are_handed_over)
{
        struct place place;

        open_state(&place);
        save(&place, "c1", BOOT);
        save(&place, "c2", BOOT);
        mark(&place, "c2");
        load(&place);
        ck_assert_ptr_nonnull(strstr(buf_text(&seen), "+c1 "));
        ck_assert_ptr_nonnull(strstr(buf_text(&seen), "+c2 "));
        ck_assert_uint_eq(seen.len, 8);
        ck_assert_uint_eq(unit_count(place.dir), 4); /* all is there still, the mark as well */
        close_state(&place);
}
END_TEST

START_TEST(what_is_saved_meanwhile_does_not_turn_up_again)
{
        char id[16];
        struct place place;

        open_state(&place);
        for (int i = 0; i < 300; i++) {
                (void)snprintf(id, sizeof(id), "c%03d", i);
                save(&place, id, BOOT);
        }
        saves_into = &place;
        load(&place);
        saves_into = NULL; /* the next test may run in this process */
        ck_assert_uint_eq(seen.len, 300 * strlen("+c000 "));
        ck_assert_uint_eq(unit_count(place.dir), 301);
        close_state(&place);
}
END_TEST

START_TEST(what_is_of_another_boot_goes)
{
        struct place place;

        open_state(&place);
        save(&place, "c1", "another boot");
        save(&place, "c2", "another boot");
        mark(&place, "c2");
        mark(&place, "c3"); /* a mark alone */
        ck_assert_str_eq(load(&place), "");
        ck_assert_uint_eq(unit_count(place.dir), 1);
        close_state(&place);
}
END_TEST

START_TEST(another_version_is_left_alone)
{
        char want[512];
        struct place place;

        open_state(&place);
        unit_write(place.dir, file_of("c1", ".json"), "{\"version\":2}");
        mark(&place, "c1");
        (void)snprintf(want, sizeof(want),
                       "!record %s is of another version of this program; it is left alone ",
                       file_of("c1", ".json"));
        ck_assert_str_eq(load(&place), want);
        ck_assert_uint_eq(unit_count(place.dir), 3);
        ck_assert_str_eq(load(&place), want);
        close_state(&place);
}
END_TEST

static void write_text(const char *dir, const char *file)
{
        unit_write(dir, file, "{\"version\":1");
}

static void write_nothing(const char *dir, const char *file)
{
        unit_write(dir, file, "");
}

static void write_no_sense(const char *dir, const char *file)
{
        unit_write(dir, file,
                   "{\"version\":1,\"bootID\":\"" BOOT "\",\"profile\":{\"acd\":\"x\"}}");
}

static void link_record(const char *dir, const char *file)
{
        char path[UNIT_PATH_MAX];

        ck_assert_int_eq(symlink("/etc/passwd", unit_path(dir, file, path)), 0);
}

static void make_fifo(const char *dir, const char *file)
{
        char path[UNIT_PATH_MAX];

        ck_assert_int_eq(mkfifo(unit_path(dir, file, path), 0600), 0);
}

static void make_directory(const char *dir, const char *file)
{
        char path[UNIT_PATH_MAX];

        ck_assert_int_eq(mkdir(unit_path(dir, file, path), 0700), 0);
}

static void write_foreign(const char *dir, const char *file)
{
        char path[UNIT_PATH_MAX];

        unit_write(dir, file, "{\"version\":1}");
        ck_assert_int_eq(chown(unit_path(dir, file, path), NOBODY, NOBODY), 0);
}

static void copy_other(const char *dir, const char *file)
{
        char other[128];

        (void)snprintf(other, sizeof(other), "%s", file_of("c2", ".json"));
        unit_write(dir, file, unit_read(dir, other));
}

static void write_too_much(const char *dir, const char *file)
{
        size_t len = 4U * 1024U * 1024U + 1;
        char *text = malloc(len);

        ck_assert_ptr_nonnull(text);
        memset(text, ' ', len);
        unit_write_bytes(dir, file, text, len);
        free(text);
}

static const struct {
        void (*make)(const char *dir, const char *file);
        const char *why;
        bool root;
} bad_rows[] = {
        { write_text, "unexpected end of JSON input", false },
        { write_nothing, "unexpected end of JSON input", false },
        { write_no_sense, "unknown value \"x\" at profile.acd", false },
        { link_record, "open it: too many levels of symbolic links", false },
        { make_fifo, "it is no file of ours", false },
        { make_directory, "it is no file of ours", false },
        { write_foreign, "it is no file of ours", true },
        { copy_other, "its name is another one's", false },
        { write_too_much, "read it: file too large", false },
};

START_TEST(what_cannot_be_read_goes_aside)
{
        char bad[128], json[128], want[1024];
        struct place place;

        if (bad_rows[_i].root && !unit_is_root("the file of another user"))
                return;
        open_state(&place);
        save(&place, "c2", BOOT);
        (void)snprintf(json, sizeof(json), "%s", file_of("c1", ".json"));
        (void)snprintf(bad, sizeof(bad), "%s", file_of("c1", ".bad"));
        bad_rows[_i].make(place.dir, json);
        mark(&place, "c1");
        (void)snprintf(want, sizeof(want),
                       "!record %s is unusable: %s; it is out of the way as %s ", json,
                       bad_rows[_i].why, bad);
        ck_assert_msg(strstr(load(&place), want), "%s", buf_text(&seen));
        ck_assert_ptr_nonnull(strstr(buf_text(&seen), "+c2 ")); /* the others go on */
        ck_assert(!unit_exists(place.dir, json));
        ck_assert(unit_exists(place.dir, bad));
        ck_assert(!unit_exists(place.dir, file_of("c1", ".del")));
        ck_assert_str_eq(load(&place), "+c2 ");
        close_state(&place);
}
END_TEST

START_TEST(what_does_not_go_aside_is_told_too)
{
        char bad[UNIT_PATH_MAX];
        struct place place;

        open_state(&place);
        write_text(place.dir, file_of("c1", ".json"));
        ck_assert_int_eq(mkdir(unit_path(place.dir, file_of("c1", ".bad"), bad), 0700), 0);
        ck_assert_ptr_nonnull(strstr(load(&place), "and it cannot be moved out of the way as"));
        ck_assert(unit_exists(place.dir, file_of("c1", ".json")));
        close_state(&place);
}
END_TEST

START_TEST(the_half_written_goes_and_foreign_files_stay)
{
        char temporary[256], near[256];
        struct place place;

        open_state(&place);
        (void)snprintf(temporary, sizeof(temporary), ".%s.4711", file_of("c1", ".json"));
        unit_write(place.dir, temporary, "{");
        (void)snprintf(near, sizeof(near), ".%s", file_of("c1", ".json"));
        unit_write(place.dir, near, "{");
        unit_write(place.dir, "README", "");
        unit_write(place.dir, "0123.json", "{");
        unit_write(place.dir, file_of("c1", ".json~"), "{");
        unit_write(place.dir, file_of("c2", ".bad"), "{");
        ck_assert_str_eq(load(&place), "");
        ck_assert(!unit_exists(place.dir, temporary));
        ck_assert_uint_eq(unit_count(place.dir), 6);
        close_state(&place);
}
END_TEST

START_TEST(who_cannot_go_on_ends_it)
{
        struct place place;
        struct err err;

        open_state(&place);
        save(&place, "c1", BOOT);
        save(&place, "c2", BOOT);
        fail_with = -EIO;
        buf_init(&seen, 65536);
        unit_assert_err(state_load(place.dirfd, BOOT, see, warn, &seen, &err), &err, CNI_ERR_IO,
                        "see it: input/output error");
        ck_assert_uint_eq(seen.len, 4); /* one of them */
        ck_assert_uint_eq(unit_count(place.dir), 3);
        close_state(&place);
}
END_TEST

START_TEST(the_boot_has_an_id)
{
        char id[BOOT_ID_MAX], again[BOOT_ID_MAX];
        struct err err;

        unit_assert_ok(state_boot_id(id, &err), &err);
        ck_assert_uint_eq(strlen(id), strlen(BOOT));
        ck_assert_uint_eq(strspn(id, "0123456789abcdef-"), strlen(id));
        unit_assert_ok(state_boot_id(again, &err), &err);
        ck_assert_str_eq(again, id);
}
END_TEST

static void add_tests(TCase *tests)
{
        tcase_add_test(tests, the_directory_and_its_parents_are_made);
        tcase_add_test(tests, a_relative_path_is_one_too);
        tcase_add_test(tests, one_daemon_has_it);
        tcase_add_test(tests, another_socket_is_another_daemon);
        unit_add_table(tests, a_directory_of_others_is_refused, refused_rows);
        tcase_add_test(tests, a_lock_that_is_a_symlink_is_refused);
        tcase_add_test(tests, parents_that_cannot_be_made_are_named);
        tcase_add_test(tests, a_record_is_a_file_of_ours);
        tcase_add_test(tests, a_record_without_sense_is_not_saved);
        tcase_add_test(tests, a_mark_is_seen_and_removed_with_the_record);
        tcase_add_test(tests, what_cannot_be_removed_is_told);
        tcase_add_test(tests, a_directory_of_somebody_else_is_no_place_for_a_mark);
        tcase_add_test(tests, where_no_daemon_was_there_is_nothing_to_mark);
        tcase_add_test(tests, nothing_is_marked_where_tenants_may_point);
        tcase_add_test(tests, nothing_is_marked_where_others_may_write);
        tcase_add_test(tests, a_symlink_is_no_place_for_a_mark);
        tcase_add_test(tests, an_empty_directory_has_no_records);
        tcase_add_test(tests, records_of_this_boot_are_handed_over);
        tcase_add_test(tests, what_is_saved_meanwhile_does_not_turn_up_again);
        tcase_add_test(tests, what_is_of_another_boot_goes);
        tcase_add_test(tests, another_version_is_left_alone);
        unit_add_table(tests, what_cannot_be_read_goes_aside, bad_rows);
        tcase_add_test(tests, what_does_not_go_aside_is_told_too);
        tcase_add_test(tests, the_half_written_goes_and_foreign_files_stay);
        tcase_add_test(tests, who_cannot_go_on_ends_it);
        tcase_add_test(tests, the_boot_has_an_id);
}

UNIT_MAIN("state", add_tests)
