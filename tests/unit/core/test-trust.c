/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trust walk. Each row makes a small tree below a fresh directory, which is an allowed root,
 * and opens a path in it. /tmp, in which it all lies, is sticky.
 */
#include "core/trust.h"

#include <endian.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "core/buf.h"
#include "core/fs.h"
#include "unit.h"

#define NOBODY   65534U
#define EXCHANGE 2U /* RENAME_EXCHANGE; musl 1.2.3 has neither it nor renameat2() */

/* ---- trees ---- */

/* One thing of a tree. Links: `target`; "@" in front of it stands for the directory. */
struct thing {
        const char *path;
        mode_t mode; /* with its type */
        uid_t uid;
        gid_t gid;
        const char *target;
        uint16_t acl; /* what an ACL gives to NOBODY, as far as the mode's group bits let it */
};

#define DIR_(path_, mode_)                                 \
        {                                                  \
                .path = (path_), .mode = S_IFDIR | (mode_) \
        }
#define FILE_(path_, mode_)                                \
        {                                                  \
                .path = (path_), .mode = S_IFREG | (mode_) \
        }
#define LINK_(path_, target_)                                         \
        {                                                             \
                .path = (path_), .mode = S_IFLNK, .target = (target_) \
        }
#define FOREIGN_LINK(path_, target_)                                            \
        {                                                                       \
                .path = (path_), .mode = S_IFLNK, .uid = NOBODY, .gid = NOBODY, \
                .target = (target_)                                             \
        }

#define ACL_(path_, mode_, acl_)                                \
        {                                                       \
                .path = (path_), .mode = (mode_), .acl = (acl_) \
        }

/* As the kernel keeps it: a version, then the entries. */
static int set_acl(const char *path, uint16_t permissions)
{
        struct {
                uint32_t version;
                struct {
                        uint16_t tag, permissions;
                        uint32_t id;
                } entries[5];
        } acl = { htole32(2),
                  { { htole16(0x01), htole16(6), htole32(UINT32_MAX) }, /* owner */
                    { htole16(0x02), htole16(permissions), htole32(NOBODY) },
                    { htole16(0x04), 0, htole32(UINT32_MAX) },          /* group */
                    { htole16(0x10), htole16(7), htole32(UINT32_MAX) }, /* mask */
                    { htole16(0x20), 0, htole32(UINT32_MAX) } } };      /* others */

        return setxattr(path, "system.posix_acl_access", &acl, sizeof(acl), 0);
}

/* Whether files may have ACLs where the tests put them. */
static bool has_acls(const char *what)
{
        if (geteuid() != 0 || set_acl(unit_base, 5) < 0 ||
            removexattr(unit_base, "system.posix_acl_access") < 0 || chmod(unit_base, 0755) < 0)
                return unit_leave_out(what, "root, and ACLs in /tmp");
        return true;
}

static void make_thing(const char *dir, const struct thing *thing)
{
        char path[UNIT_PATH_MAX], target[2 * UNIT_PATH_MAX];

        unit_path(dir, thing->path, path);
        if (S_ISDIR(thing->mode)) {
                ck_assert_int_eq(mkdir(path, 0755), 0);
        } else if (S_ISLNK(thing->mode)) {
                bool below = thing->target[0] == '@';

                (void)snprintf(target, sizeof(target), "%s%s", below ? dir : "",
                               thing->target + below);
                ck_assert_int_eq(symlink(target, path), 0);
        } else if (!S_ISREG(thing->mode)) {
                ck_assert_int_eq(mknod(path, thing->mode, 0), 0); /* a device that nobody has */
        } else {
                unit_write(dir, thing->path, "content");
        }
        if (thing->uid || thing->gid)
                ck_assert_int_eq(lchown(path, thing->uid, thing->gid), 0);
        if (thing->acl)
                ck_assert_int_eq(set_acl(path, thing->acl), 0);
        if (!S_ISLNK(thing->mode))
                ck_assert_int_eq(chmod(path, thing->mode & 07777), 0);
}

/* Opens dir + path with `dir` as the only root that was added. */
static int open_below(const char *dir, const char *path, int flags, int *ret_fd, struct err *err)
{
        _cleanup_(trust_done) struct trust trust = { 0 };
        char text[UNIT_PATH_MAX + 16], full[UNIT_PATH_MAX * 2];

        (void)snprintf(text, sizeof(text), "root = %s\n", dir);
        unit_assert_ok(trust_parse(text, &trust, err), err);
        (void)snprintf(full, sizeof(full), "%s%s", dir, path);
        return trust_open(&trust, full, flags, ret_fd, err);
}

struct row {
        struct thing things[8];
        const char *path; /* with its slash */
        int flags;
        const char *error; /* "@" in it stands for the whole path; NULL: it opens */
        int code;
};

#define REFUSED(name, why) "@ is not trusted: '" name "' " why
#define BY_ALL(name)       REFUSED(name, "is writable by everyone")
#define BY_GROUP(name)     REFUSED(name, "is writable by its group")
#define BY_ACL(name)       REFUSED(name, "has an ACL that may let others write")
#define FOREIGN(name)      REFUSED(name, "belongs to another user")
#define OUTSIDE            "@ is not below a directory that configuration may name"

/* What an ordinary user may test as well. */
static const struct row rows[] = {
        { { FILE_("f", 0600) }, "/f", 0, NULL, 0 },
        { { FILE_("f", 0644) }, "//f", 0, NULL, 0 },
        { { FILE_("f", 0644) }, "/./f", 0, NULL, 0 },
        { { DIR_("d", 0755), FILE_("d/f", 0644) }, "/d/f", 0, NULL, 0 },
        { { { .path = NULL } }, "", O_DIRECTORY, NULL, 0 },
        { { DIR_("d", 0755) }, "/d", O_DIRECTORY, NULL, 0 },
        { { DIR_("d", 0755) }, "/d/", O_DIRECTORY, NULL, 0 },
        { { DIR_("d", 0755), FILE_("d/f", 0644) }, "//d///f", 0, NULL, 0 },
        /* a slash behind it says that it is a directory */
        { { FILE_("f", 0644) }, "/f/", 0, "open @: not a directory", 5 },
        { { FILE_("f", 0644) }, "/f//", 0, "open @: not a directory", 5 },
        { { FILE_("f", 0644) }, "/f/.", 0, "open @: not a directory", 5 },
        { { FILE_("f", 0644), LINK_("l", "f") }, "/l/", 0, "open @: not a directory", 5 },
        { { FILE_("f", 0644), LINK_("l", "f/") }, "/l", 0, "open @: not a directory", 5 },
        { { FILE_("f", 0644) }, "/f/", O_PATH, "open @: not a directory", 5 },
        { { DIR_("d", 0755), LINK_("l", "d") }, "/l/", O_DIRECTORY, NULL, 0 },
        { { DIR_("d", 0755), LINK_("l", "d/") }, "/l", O_DIRECTORY, NULL, 0 },
        /* modes */
        { { FILE_("f", 0602) }, "/f", 0, BY_ALL("f"), 7 },
        { { FILE_("f", 01602) }, "/f", 0, BY_ALL("f"), 7 },
        { { DIR_("d", 0777), FILE_("d/f", 0644) }, "/d/f", 0, BY_ALL("d"), 7 },
        { { DIR_("d", 01777), FILE_("d/f", 0644) }, "/d/f", 0, NULL, 0 }, /* sticky */
        { { DIR_("d", 0777) }, "/d", O_DIRECTORY, BY_ALL("d"), 7 },
        /* sticky counts on the owner of the next component, and here is none */
        { { DIR_("d", 01777) }, "/d", O_DIRECTORY, BY_ALL("d"), 7 },
        { { DIR_("d", 01777) }, "/d", O_PATH, BY_ALL("d"), 7 },
        { { DIR_("d", 01777) }, "/d/.", O_DIRECTORY, BY_ALL("."), 7 },
        { { DIR_("d", 01777), LINK_("l", "d") }, "/l", O_DIRECTORY, BY_ALL("d"), 7 },
        { { DIR_("d", 01777), DIR_("d/e", 0755) }, "/d/e", O_DIRECTORY, NULL, 0 },
        { { DIR_("d", 01777), DIR_("d/e", 0755), LINK_("l", "d/e/..") },
          "/l",
          O_DIRECTORY,
          BY_ALL(".."),
          7 },
        { { DIR_("d", 01755) }, "/d", O_DIRECTORY, NULL, 0 },
        /* links */
        { { FILE_("f", 0644), LINK_("l", "f") }, "/l", 0, NULL, 0 },
        { { FILE_("f", 0644), LINK_("l", "@/f") }, "/l", 0, NULL, 0 },
        { { DIR_("d", 0755), FILE_("f", 0644), LINK_("d/l", "../f") }, "/d/l", 0, NULL, 0 },
        { { DIR_("d", 0755), DIR_("e", 0755), FILE_("e/f", 0644), LINK_("d/l", "../e") },
          "/d/l/f",
          0,
          NULL,
          0 },
        { { DIR_("d", 0755), FILE_("d/f", 0644), LINK_("l", "d//"), LINK_("m", "./l") },
          "/m/f",
          0,
          NULL,
          0 },
        { { DIR_("d", 0755), LINK_("l", "@/d") }, "/l", O_DIRECTORY, NULL, 0 },
        { { DIR_("d", 0755), LINK_("l", "d/..") }, "/l/d", O_DIRECTORY, NULL, 0 },
        { { DIR_("d", 0755), LINK_("l", "d/../d/..") }, "/l", O_DIRECTORY, NULL, 0 },
        { { DIR_("d", 0755), LINK_("d/l", ".") }, "/d/l/l/l", O_DIRECTORY, NULL, 0 },
        { { LINK_("l", "/") }, "/l", O_DIRECTORY, NULL, 0 },
        /* a link may lead out of the roots where nobody else can write */
        { { LINK_("l", "/usr") }, "/l/bin", O_DIRECTORY, NULL, 0 },
        { { DIR_("d", 0777), FILE_("d/f", 0644), LINK_("l", "d/f") }, "/l", 0, BY_ALL("d"), 7 },
        { { LINK_("l", "none") }, "/l", 0, "open @: no such file or directory", 5 },
        { { LINK_("l", "l") }, "/l", 0, "open @: too many levels of symbolic links", 5 },
        { { LINK_("l", "m"), LINK_("m", "l") },
          "/l/x",
          0,
          "open @: too many levels of symbolic links",
          5 },
        { { FILE_("f", 0644), LINK_("l", "f/x") }, "/l", 0, "open @: not a directory", 5 },
        /* types */
        { { DIR_("d", 0755) }, "/d", 0, "open @: is a directory", 5 },
        { { FILE_("f", 0644) }, "/f", O_DIRECTORY, "open @: not a directory", 5 },
        { { FILE_("f", 0644) }, "/f/x", 0, "open @: not a directory", 5 },
        { { { .path = "p", .mode = S_IFIFO | 0600 } }, "/p", 0, "open @: invalid argument", 5 },
        { { { .path = "p", .mode = S_IFIFO | 0600 } }, "/p", O_PATH, NULL, 0 },
        { { { .path = "c", .mode = S_IFCHR | 0600 } }, "/c", 0, "open @: invalid argument", 5 },
        { { { .path = "s", .mode = S_IFSOCK | 0600 } }, "/s", 0, "open @: invalid argument", 5 },
        { { { .path = "s", .mode = S_IFSOCK | 0600 } }, "/s", O_PATH, NULL, 0 },
        { { DIR_("d", 0755) }, "/d", O_PATH, NULL, 0 },
        { { FILE_("f", 0644), LINK_("l", "f") }, "/l", O_PATH, NULL, 0 },
        { { { .path = NULL } }, "/none", 0, "open @: no such file or directory", 5 },
        { { { .path = NULL } }, "/none/f", 0, "open @: no such file or directory", 5 },
        /* ".." in the path that was given */
        { { FILE_("f", 0644), DIR_("d", 0755) }, "/d/../f", 0, OUTSIDE, 7 },
        { { { .path = NULL } }, "/..", O_DIRECTORY, OUTSIDE, 7 },
        { { FILE_("..f", 0644) }, "/..f", 0, NULL, 0 },
        /* a neighbour whose name begins like the root's */
        { { { .path = NULL } }, "x/f", 0, OUTSIDE, 7 },
};

/* What needs files of others. */
static const struct row root_rows[] = {
        { { { .path = "f", .mode = S_IFREG | 0600, .uid = NOBODY } }, "/f", 0, FOREIGN("f"), 7 },
        { { { .path = "d", .mode = S_IFDIR | 0700, .uid = NOBODY }, FILE_("d/f", 0644) },
          "/d/f",
          0,
          FOREIGN("d"),
          7 },
        /* sticky or not, its owner can exchange things */
        { { { .path = "d", .mode = S_IFDIR | 01777, .uid = NOBODY }, FILE_("d/f", 0644) },
          "/d/f",
          0,
          FOREIGN("d"),
          7 },
        /* what somebody put into a sticky directory */
        { { DIR_("d", 01777), { .path = "d/f", .mode = S_IFREG | 0644, .uid = NOBODY } },
          "/d/f",
          0,
          FOREIGN("f"),
          7 },
        { { DIR_("d", 01777), FILE_("f", 0644), FOREIGN_LINK("d/l", "../f") },
          "/d/l",
          0,
          FOREIGN("l"),
          7 },
        /* links of others, and links of root to things of others */
        { { FILE_("f", 0644), FOREIGN_LINK("l", "f") }, "/l", 0, FOREIGN("l"), 7 },
        { { DIR_("d", 0755), FOREIGN_LINK("l", "d") }, "/l/f", 0, FOREIGN("l"), 7 },
        { { { .path = "f", .mode = S_IFREG | 0644, .uid = NOBODY }, LINK_("l", "f") },
          "/l",
          0,
          FOREIGN("f"),
          7 },
        { { { .path = "d", .mode = S_IFDIR | 0755, .uid = NOBODY },
            FILE_("d/f", 0644),
            FILE_("f", 0644),
            LINK_("l", "d/../f") },
          "/l",
          0,
          FOREIGN("d"),
          7 },
        /* groups */
        { { FILE_("f", 0660) }, "/f", 0, NULL, 0 }, /* group 0 */
        { { { .path = "f", .mode = S_IFREG | 0640, .gid = NOBODY } }, "/f", 0, NULL, 0 },
        { { { .path = "f", .mode = S_IFREG | 0660, .gid = NOBODY } }, "/f", 0, BY_GROUP("f"), 7 },
        { { { .path = "d", .mode = S_IFDIR | 0775, .gid = NOBODY }, FILE_("d/f", 0644) },
          "/d/f",
          0,
          BY_GROUP("d"),
          7 },
        { { DIR_("d", 0775), FILE_("d/f", 0644) }, "/d/f", 0, NULL, 0 },
        { { { .path = "d", .mode = S_IFDIR | 01775, .gid = NOBODY }, FILE_("d/f", 0644) },
          "/d/f",
          0,
          NULL,
          0 },
        { { { .path = "d", .mode = S_IFDIR | 01775, .gid = NOBODY } },
          "/d",
          O_DIRECTORY,
          BY_GROUP("d"),
          7 },
};

/* The group bits of a file with an ACL are not its group's, but the most that the ACL gives. */
static const struct row acl_rows[] = {
        { { ACL_("f", S_IFREG | 0660, 6) }, "/f", 0, BY_ACL("f"), 7 },
        { { ACL_("f", S_IFREG | 0640, 4) }, "/f", 0, NULL, 0 },
        { { ACL_("f", S_IFREG | 0640, 6) }, "/f", 0, NULL, 0 },
        { { { .path = "f", .mode = S_IFREG | 0660, .gid = NOBODY, .acl = 6 } },
          "/f",
          0,
          BY_GROUP("f"),
          7 },
        { { ACL_("d", S_IFDIR | 0770, 7), FILE_("d/f", 0644) }, "/d/f", 0, BY_ACL("d"), 7 },
        { { ACL_("d", S_IFDIR | 0750, 7), FILE_("d/f", 0644) }, "/d/f", 0, NULL, 0 },
        { { ACL_("d", S_IFDIR | 0770, 7) }, "/d", O_DIRECTORY, BY_ACL("d"), 7 },
        { { ACL_("d", S_IFDIR | 01770, 7) }, "/d", O_DIRECTORY, BY_ACL("d"), 7 },
        { { ACL_("d", S_IFDIR | 01770, 7), FILE_("d/f", 0644) }, "/d/f", 0, NULL, 0 },
        { { ACL_("p", S_IFIFO | 0660, 6) }, "/p", O_PATH, BY_ACL("p"), 7 },
};

static void try_row(const struct row *row)
{
        char dir[UNIT_PATH_MAX], want[2 * UNIT_PATH_MAX];
        const char *at = row->error ? strchr(row->error, '@') : NULL;
        int fd = -7, r;
        struct err err;

        unit_dir(dir);
        for (size_t i = 0; i < ARRAY_SIZE(row->things) && row->things[i].path; i++)
                make_thing(dir, &row->things[i]);
        r = open_below(dir, row->path, row->flags, &fd, &err);
        if (!row->error) {
                unit_assert_ok(r, &err);
                ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
                close(fd);
                return;
        }
        ck_assert_ptr_nonnull(at);
        (void)snprintf(want, sizeof(want), "%.*s%s%s%s", (int)(at - row->error), row->error, dir,
                       row->path, at + 1);
        unit_assert_err(r, &err, row->code, want);
        ck_assert_int_eq(fd, -7);
}

START_TEST(a_path_is_walked_and_each_step_checked)
{
        try_row(&rows[_i]);
}
END_TEST

START_TEST(what_others_own_or_may_change_is_refused)
{
        try_row(&root_rows[_i]);
}
END_TEST

START_TEST(what_an_acl_may_let_others_change_is_refused)
{
        try_row(&acl_rows[_i]);
}
END_TEST

static void open_without_proc(const char *dir)
{
        char want[2 * UNIT_PATH_MAX];
        struct err err;
        int fd = -7, r;

        ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
        ck_assert_int_eq(mount("none", "/", "", MS_REC | MS_PRIVATE, ""), 0);
        ck_assert_int_eq(mount("none", "/proc", "tmpfs", 0, ""), 0);
        make_thing(dir, &(struct thing)FILE_("f", 0660));
        r = open_below(dir, "/f", 0, &fd, &err);
        ck_assert_int_eq(umount("/proc"), 0);
        (void)snprintf(want, sizeof(want),
                       "read the ACL of 'f' for %s/f: no such file or directory", dir);
        unit_assert_err(r, &err, CNI_ERR_IO, want);
        ck_assert_int_eq(r, -EPERM);
        ck_assert_int_eq(fd, -7);
}

/* And it does not look as if the file were missing, which callers take lightly. */
START_TEST(an_acl_that_cannot_be_read_is_a_refusal)
{
        char dir[UNIT_PATH_MAX];

        unit_in_child(open_without_proc, unit_dir(dir));
}
END_TEST

START_TEST(the_right_file_is_opened_for_reading)
{
        static const struct thing things[] = { DIR_("d", 0755), FILE_("d/f", 0600),
                                               LINK_("l", "@/d/../d/f") };
        char dir[UNIT_PATH_MAX], text[16] = "";
        struct err err;
        int fd;

        unit_dir(dir);
        for (size_t i = 0; i < ARRAY_SIZE(things); i++)
                make_thing(dir, &things[i]);
        unit_write(dir, "d/f", "the one");
        unit_assert_ok(open_below(dir, "/l", 0, &fd, &err), &err);
        ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 7);
        ck_assert_str_eq(text, "the one");
        ck_assert_int_eq(write(fd, "x", 1), -1);
        close(fd);
}
END_TEST

/* Exchanges dir/a and dir/b until it is killed. */
static pid_t keep_exchanging(const char *dir, const char *a, const char *b)
{
        char a_path[UNIT_PATH_MAX], b_path[UNIT_PATH_MAX];
        pid_t pid;

        unit_path(dir, a, a_path);
        unit_path(dir, b, b_path);
        (void)fflush(NULL);
        pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
                while (syscall(SYS_renameat2, AT_FDCWD, a_path, AT_FDCWD, b_path, EXCHANGE) == 0)
                        ;
        if (pid == 0)
                _exit(1);
        return pid;
}

/* What passes the walk is what is opened, however fast somebody exchanges it: the file itself, the
 * directory above it, a link on the way. */
static const struct {
        struct thing things[6];
        const char *path, *a, *b;
} race_rows[] = {
        { { FILE_("f", 0644), { .path = "g", .mode = S_IFREG | 0644, .uid = NOBODY } },
          "/f",
          "f",
          "g" },
        { { DIR_("d", 0755),
            FILE_("d/f", 0644),
            { .path = "e", .mode = S_IFDIR | 0755, .uid = NOBODY },
            { .path = "e/f", .mode = S_IFREG | 0644, .uid = NOBODY } },
          "/d/f",
          "d",
          "e" },
        { { FILE_("f", 0644),
            { .path = "g", .mode = S_IFREG | 0644, .uid = NOBODY },
            LINK_("l", "f"),
            FOREIGN_LINK("m", "g") },
          "/l",
          "l",
          "m" },
        { { FILE_("f", 0644),
            { .path = "g", .mode = S_IFREG | 0644, .uid = NOBODY },
            LINK_("l", "g") },
          "/f",
          "f",
          "l" },
};

START_TEST(what_is_exchanged_meanwhile_is_not_opened)
{
        const struct thing *things = race_rows[_i].things;
        bool foreign = false;
        char dir[UNIT_PATH_MAX];
        unsigned opened = 0;
        struct stat st;
        struct err err;
        pid_t pid;

        unit_dir(dir);
        for (size_t i = 0; i < ARRAY_SIZE(race_rows[_i].things) && things[i].path; i++)
                make_thing(dir, &things[i]);
        pid = keep_exchanging(dir, race_rows[_i].a, race_rows[_i].b);
        /* On a busy machine every try may meet an exchange. */
        for (int i = 0; i < 3000 || opened == 0; i++) {
                int fd;

                if (open_below(dir, race_rows[_i].path, 0, &fd, &err) < 0)
                        continue;
                foreign |= fstat(fd, &st) < 0 || st.st_uid != 0 || !S_ISREG(st.st_mode);
                close(fd);
                opened++;
        }
        kill(pid, SIGKILL);
        ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
        ck_assert(!foreign);
        ck_assert_uint_gt(opened, 0);
}
END_TEST

START_TEST(forty_links_are_followed_and_no_more)
{
        char dir[UNIT_PATH_MAX], name[16], target[16], path[UNIT_PATH_MAX];
        struct err err;
        int fd = -7;

        unit_write(unit_dir(dir), "l0", "x");
        for (int i = 1; i <= 41; i++) {
                (void)snprintf(name, sizeof(name), "l%d", i);
                (void)snprintf(target, sizeof(target), "l%d", i - 1);
                ck_assert_int_eq(symlink(target, unit_path(dir, name, path)), 0);
        }
        unit_assert_ok(open_below(dir, "/l40", 0, &fd, &err), &err);
        close(fd);
        ck_assert_int_eq(open_below(dir, "/l41", 0, &fd, &err), -ELOOP);
}
END_TEST

START_TEST(names_and_paths_that_are_too_long_are_told)
{
        static char path[5000], target[4000];
        char dir[UNIT_PATH_MAX], link[UNIT_PATH_MAX];
        struct err err;
        int fd = -7;

        unit_dir(dir);
        path[0] = '/';
        memset(path + 1, 'n', 256);
        ck_assert_int_eq(open_below(dir, path, 0, &fd, &err), -ENAMETOOLONG);
        for (size_t i = 0; i < 4096; i += 2)
                memcpy(path + i, "/n", 3);
        ck_assert_int_eq(trust_open(&(struct trust){ 0 }, "/etc/x", 0, &fd, &err), -ENOENT);
        {
                static char whole[5000] = "/etc";

                memcpy(whole + 4, path, 4092);
                ck_assert_int_eq(trust_open(&(struct trust){ 0 }, whole, 0, &fd, &err),
                                 -ENAMETOOLONG);
        }
        /* A link whose target and the rest of the way are too long together. */
        for (size_t i = 0; i < sizeof(target) - 2; i += 2)
                memcpy(target + i, "./", 3);
        ck_assert_int_eq(symlink(target, unit_path(dir, "l", link)), 0);
        (void)snprintf(path, sizeof(path), "/l/%0200d", 0);
        ck_assert_int_eq(open_below(dir, path, 0, &fd, &err), -EPERM);
        ck_assert_ptr_nonnull(strstr(err.msg, "'l' is a symlink that leads too far"));
        ck_assert_int_eq(fd, -7);
}
END_TEST

/* ---- roots ---- */

static const struct {
        const char *path;
        bool allowed;
} root_path_rows[] = {
        { "/etc/none", true },
        { "/etc", true },
        { "/opt/cni/none", true },
        { "/run/cni/none", true },
        { "/var/run/cni/none", true },
        { "/var/lib/cni/none", true },
        { "/var/run/multus/none", true },
        { "/var/lib/rancher/k3s/agent/etc/none", true },
        { "/var/lib/rancher/rke2/agent/etc/none", true },
        { "/var/snap/microk8s/current/args/none", true },
        { "/host/etc/none", true },
        { "/host/opt/cni/none", true },
        { "/host/var/lib/rancher/k3s/agent/etc/none", true },
        { "/host", false },
        { "/host/none", false },
        { "/hostetc/none", false },
        { "/host/host/etc/none", false },
        { "/etcetera", false },
        { "/opt/cnix", false },
        { "/opt", false },
        { "/tmp/none", false },
        { "/root/none", false },
        { "/", false },
        { "etc/none", false },
        { "", false },
        { "./etc/none", false },
        { "/etc/../tmp/none", false },
        { "/etc/..", false },
        { "/tmp/../etc/none", false },
        { "/proc/self/root/etc/none", false },
        { "/var/lib/kubelet/pods/none", false },
        { "/var/lib/cniX/none", false },
};

START_TEST(only_known_roots_are_allowed)
{
        static const struct trust none;
        const char *path = root_path_rows[_i].path;
        char want[256];
        struct err err;
        int fd = -7, r = trust_open(&none, path, 0, &fd, &err);

        (void)snprintf(want, sizeof(want),
                       "%s is not below a directory that configuration may name", path);
        ck_assert_int_lt(r, 0);
        if (root_path_rows[_i].allowed)
                ck_assert_str_ne(err.msg, want);
        else
                unit_assert_err(r, &err, CNI_ERR_CONFIG, want);
}
END_TEST

START_TEST(a_root_owned_file_outside_of_the_roots_is_refused)
{
        char dir[UNIT_PATH_MAX], inside[UNIT_PATH_MAX], path[UNIT_PATH_MAX];
        char text[UNIT_PATH_MAX + 16];
        struct err err;
        int fd = -7;

        /* As a container's root writes it into a volume. */
        ck_assert_int_eq(mkdir(unit_path(unit_dir(dir), "root", inside), 0755), 0);
        unit_write(dir, "file", "evil");
        (void)snprintf(text, sizeof(text), "root = %s", inside);
        {
                _cleanup_(trust_done) struct trust trust = { 0 };

                unit_assert_ok(trust_parse(text, &trust, &err), &err);
                ck_assert_int_eq(trust_open(&trust, unit_path(dir, "file", path), 0, &fd, &err),
                                 -EPERM);
                ck_assert_int_eq(err.code, CNI_ERR_CONFIG);
        }
}
END_TEST

START_TEST(only_built_in_roots_lie_below_host_as_well)
{
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX + 8], text[UNIT_PATH_MAX + 16];
        _cleanup_(trust_done) struct trust trust = { 0 };
        struct err err;
        int fd = -7;

        (void)snprintf(text, sizeof(text), "root = %s", unit_dir(dir));
        (void)snprintf(path, sizeof(path), "/host%s/f", dir);
        unit_assert_ok(trust_parse(text, &trust, &err), &err);
        ck_assert_int_eq(trust_open(&trust, path, 0, &fd, &err), -EPERM);
        ck_assert_int_eq(err.code, CNI_ERR_CONFIG);
        ck_assert_int_eq(fd, -7);
}
END_TEST

START_TEST(the_slashes_of_a_root_do_not_matter)
{
        static const char *const ends[] = { "", "/", "///" };
        char dir[UNIT_PATH_MAX], path[UNIT_PATH_MAX], root[UNIT_PATH_MAX + 8];
        char text[UNIT_PATH_MAX + 32];
        _cleanup_(trust_done) struct trust trust = { 0 };
        struct err err;
        int fd = -7;

        unit_write(unit_dir(dir), "f", "x");
        (void)snprintf(root, sizeof(root), "%s%s", dir, ends[_i]);
        (void)snprintf(text, sizeof(text), "root = %s\n", root);
        unit_assert_ok(trust_parse(text, &trust, &err), &err);
        unit_assert_ok(trust_open(&trust, unit_path(dir, "f", path), 0, &fd, &err), &err);
        close(fd);
        unit_assert_ok(trust_open(&trust, dir, O_DIRECTORY, &fd, &err), &err);
        close(fd);
}
END_TEST

/* ---- /etc/cni-ipam.conf ---- */

static const struct {
        const char *text;
        const char *roots; /* each with a ';' behind it */
        const char *error;
} conf_rows[] = {
        { "", "", NULL },
        { "\n\n", "", NULL },
        { "# nothing\n  # more\n", "", NULL },
        { "root = /a\n", "/a;", NULL },
        { "root = /a", "/a;", NULL },
        { "root=/a\r\nroot =/b\t\n\troot= /c \n", "/a;/b;/c;", NULL },
        { "# one\nroot = /a/b c\n\nroot = /a/b c\n", "/a/b c;/a/b c;", NULL },
        { "root = /\n", "/;", NULL },
        { "root = /a=b\n", "/a=b;", NULL },
        { "root = /a#b\n", "/a#b;", NULL },
        { "root = /a #b\n", NULL, "line 1: a comment needs a line of its own" },
        { "\nroot = /a\t# b\n", NULL, "line 2: a comment needs a line of its own" },
        { "root = /a b\r #", NULL, "line 1: a comment needs a line of its own" },
        { "root = # /a\n", NULL, "line 1: root must be an absolute path" },
        { "root = /...\n", "/...;", NULL },
        { "root = relative\n", NULL, "line 1: root must be an absolute path" },
        { "\nroot =\n", NULL, "line 2: root must be an absolute path" },
        { "root =   ", NULL, "line 1: root must be an absolute path" },
        { "root = /a/../b\n", NULL, "line 1: root must be an absolute path" },
        { "root = /..", NULL, "line 1: root must be an absolute path" },
        { "root = \"/a\"\n", NULL, "line 1: root must be an absolute path" },
        { "root /a\n", NULL, "line 1: unknown key 'root'" },
        { "root\n", NULL, "line 1: unknown key 'root'" },
        { "root x = /a\n", NULL, "line 1: unknown key 'root'" },
        { "Root = /a\n", NULL, "line 1: unknown key 'Root'" },
        { "roots = /a\n", NULL, "line 1: unknown key 'roots'" },
        { "root = /a\nlog = /b\n", NULL, "line 2: unknown key 'log'" },
        { "= /a\n", NULL, "line 1: unknown key ''" },
        { "[section]\n", NULL, "line 1: unknown key '[section]'" },
};

START_TEST(the_administrators_file_is_read)
{
        struct trust trust = { 0 };
        struct buf roots;
        struct err err;
        int r = trust_parse(conf_rows[_i].text, &trust, &err);

        if (conf_rows[_i].error) {
                unit_assert_err(r, &err, CNI_ERR_CONFIG, conf_rows[_i].error);
                ck_assert_ptr_null(trust.roots);
                return;
        }
        unit_assert_ok(r, &err);
        buf_init(&roots, 1000);
        for (size_t i = 0; i < trust.count; i++)
                buf_printf(&roots, "%s;", trust.roots[i]);
        ck_assert_str_eq(buf_text(&roots), conf_rows[_i].roots);
        buf_done(&roots);
        trust_done(&trust);
}
END_TEST

START_TEST(there_may_be_64_roots)
{
        struct trust trust = { 0 };
        struct buf text;
        struct err err;

        buf_init(&text, 10000);
        for (int i = 0; i < 64; i++)
                buf_printf(&text, "root = /r%d\n", i);
        unit_assert_ok(trust_parse(buf_text(&text), &trust, &err), &err);
        ck_assert_uint_eq(trust.count, 64);
        trust_done(&trust);
        buf_puts(&text, "root = /one/more");
        unit_assert_err(trust_parse(buf_text(&text), &trust, &err), &err, CNI_ERR_CONFIG,
                        "line 65: more than 64 roots");
        buf_done(&text);
}
END_TEST

/* Over /etc lies a file system of this process alone. */
static void load_files(_unused_ const char *dir)
{
        struct trust trust = { 0 };
        struct err err;
        int r;

        ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
        ck_assert_int_eq(mount("none", "/", "", MS_REC | MS_PRIVATE, ""), 0);
        ck_assert_int_eq(mount("none", "/etc", "tmpfs", 0, "mode=0755"), 0);
        unit_assert_ok(trust_load("/etc/cni-ipam.conf", &trust, &err), &err);
        ck_assert_uint_eq(trust.count, 0); /* a missing file adds nothing */

        unit_write("/etc", "cni-ipam.conf", "root = /srv/cni\n");
        unit_assert_ok(trust_load("/etc/cni-ipam.conf", &trust, &err), &err);
        ck_assert_uint_eq(trust.count, 1);
        ck_assert_str_eq(trust.roots[0], "/srv/cni");
        trust_done(&trust);

        unit_write("/etc", "cni-ipam.conf", "# fine\nlog = /x\n");
        r = trust_load("/etc/cni-ipam.conf", &trust, &err);
        unit_assert_err(r, &err, CNI_ERR_CONFIG, "/etc/cni-ipam.conf: line 2: unknown key 'log'");

        /* A text has no NUL; what stands behind one must not go unread. */
        unit_write_bytes("/etc", "cni-ipam.conf", "root = /a\n\0log = /x\n", 19);
        r = trust_load("/etc/cni-ipam.conf", &trust, &err);
        unit_assert_err(r, &err, CNI_ERR_CONFIG, "/etc/cni-ipam.conf: line 2: there is a NUL byte");
        unit_write_bytes("/etc", "cni-ipam.conf", "\0", 1);
        r = trust_load("/etc/cni-ipam.conf", &trust, &err);
        unit_assert_err(r, &err, CNI_ERR_CONFIG, "/etc/cni-ipam.conf: line 1: there is a NUL byte");
        unit_write("/etc", "cni-ipam.conf", "");
        unit_assert_ok(trust_load("/etc/cni-ipam.conf", &trust, &err), &err);

        /* The file itself must pass the walk. */
        ck_assert_int_eq(chmod("/etc/cni-ipam.conf", 0666), 0);
        r = trust_load("/etc/cni-ipam.conf", &trust, &err);
        unit_assert_err(r, &err, CNI_ERR_CONFIG,
                        "/etc/cni-ipam.conf is not trusted: 'cni-ipam.conf' is writable by "
                        "everyone");

        ck_assert_int_eq(chmod("/etc/cni-ipam.conf", 0644), 0);
        ck_assert_int_eq(truncate("/etc/cni-ipam.conf", 65537), 0);
        r = trust_load("/etc/cni-ipam.conf", &trust, &err);
        unit_assert_err(r, &err, CNI_ERR_IO, "read /etc/cni-ipam.conf: file too large");
}

START_TEST(the_administrators_file_is_opened_by_the_same_rules)
{
        unit_in_child(load_files, NULL);
}
END_TEST

static void add_tests(TCase *tests)
{
        unit_add_table(tests, a_path_is_walked_and_each_step_checked, rows);
        if (unit_is_root("what_others_own_or_may_change_is_refused"))
                unit_add_table(tests, what_others_own_or_may_change_is_refused, root_rows);
        if (has_acls("what_an_acl_may_let_others_change_is_refused"))
                unit_add_table(tests, what_an_acl_may_let_others_change_is_refused, acl_rows);
        if (unit_is_root("an_acl_that_cannot_be_read_is_a_refusal"))
                tcase_add_test(tests, an_acl_that_cannot_be_read_is_a_refusal);
        if (unit_is_root("what_is_exchanged_meanwhile_is_not_opened"))
                unit_add_table(tests, what_is_exchanged_meanwhile_is_not_opened, race_rows);
        tcase_add_test(tests, the_right_file_is_opened_for_reading);
        tcase_add_test(tests, forty_links_are_followed_and_no_more);
        tcase_add_test(tests, names_and_paths_that_are_too_long_are_told);
        unit_add_table(tests, only_known_roots_are_allowed, root_path_rows);
        tcase_add_test(tests, a_root_owned_file_outside_of_the_roots_is_refused);
        tcase_add_test(tests, only_built_in_roots_lie_below_host_as_well);
        tcase_add_loop_test(tests, the_slashes_of_a_root_do_not_matter, 0, 3);
        unit_add_table(tests, the_administrators_file_is_read, conf_rows);
        tcase_add_test(tests, there_may_be_64_roots);
        if (unit_is_root("the_administrators_file_is_opened_by_the_same_rules"))
                tcase_add_test(tests, the_administrators_file_is_opened_by_the_same_rules);
}

UNIT_MAIN("trust", add_tests)
