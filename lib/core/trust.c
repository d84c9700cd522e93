/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk. Each step opens one component relative to the directory reached so far, so nothing that
 * was checked can be exchanged before it is used. The rest of the way is a text that symlinks are
 * spliced into.
 */
#include "core/trust.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/buf.h"
#include "core/fs.h"

#define LINKS_MAX    40
#define CONF_CEILING 65536U
#define ROOTS_MAX    64

/* Where runtimes and distributions keep CNI configuration and credentials. */
static const char *const built_in_roots[] = {
        "/etc",
        "/opt/cni",
        "/run/cni",
        "/var/lib/cni",
        "/var/run/cni",
        "/var/run/multus",
        "/var/lib/rancher/k3s/agent/etc",
        "/var/lib/rancher/rke2/agent/etc",
        "/var/snap/microk8s/current/args",
};

void trust_done(struct trust *trust)
{
        for (size_t i = 0; i < trust->count; i++)
                free(trust->roots[i]);
        free(trust->roots);
        *trust = (struct trust){ 0 };
}

static int add_root(struct trust *trust, const char *path, struct err *err)
{
        char **roots = realloc(trust->roots, (trust->count + 1) * sizeof(*roots));

        if (!roots)
                return err_oom(err);
        trust->roots = roots;
        roots[trust->count] = strdup(path);
        if (!roots[trust->count])
                return err_oom(err);
        trust->count++;
        return 0;
}

/* Whether ".." is among the components. */
static bool climbs(const char *path)
{
        for (const char *part = path; *part; part += strspn(part, "/")) {
                size_t len = strcspn(part, "/");

                if (len == 2 && part[0] == '.' && part[1] == '.')
                        return true;
                part += len;
        }
        return false;
}

/* Whether a '#' stands behind white space. */
static bool has_comment(const char *value)
{
        for (const char *at = value; (at = strchr(at, '#')); at++)
                if (at > value && strchr(" \t\r", at[-1]))
                        return true;
        return false;
}

/* One line without its newline, white space around it cut off. A comment behind a path is refused:
 * if it were cut off, a directory "/srv/a #1" would allow all of "/srv/a". */
static int parse_line(struct trust *trust, char *line, unsigned number, struct err *err)
{
        char *key = line + strspn(line, " \t\r"), *value = strchr(key, '=');
        size_t len;

        for (len = strlen(key); len > 0 && strchr(" \t\r", key[len - 1]); len--)
                key[len - 1] = '\0';
        if (*key == '\0' || *key == '#')
                return 0;
        len = strcspn(key, " \t=");
        if (!value || len != 4 || memcmp(key, "root", 4) != 0 ||
            key + len + strspn(key + len, " \t") != value)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "line %u: unknown key '%.*s'", number,
                                (int)len, key);
        value += 1 + strspn(value + 1, " \t");
        if (*value != '/' || climbs(value))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "line %u: root must be an absolute path", number);
        if (has_comment(value))
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "line %u: a comment needs a line of its own", number);
        if (trust->count == ROOTS_MAX)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "line %u: more than %d roots", number,
                                ROOTS_MAX);
        return add_root(trust, value, err);
}

int trust_parse(const char *text, struct trust *ret, struct err *err)
{
        _cleanup_(trust_done) struct trust trust = { 0 };
        _cleanup_(freep) char *copy = strdup(text);
        char *rest = copy, *line;
        int r;

        if (!copy)
                return err_oom(err);
        for (unsigned number = 1; (line = strsep(&rest, "\n")); number++) {
                r = parse_line(&trust, line, number, err);
                if (r < 0)
                        return r;
        }
        *ret = trust;
        trust = (struct trust){ 0 };
        return 0;
}

/* As trust_parse(), for the bytes of a file: a NUL in them must not hide what follows. */
static int parse_file(const struct buf *file, struct trust *ret, struct err *err)
{
        const char *text = buf_text(file);
        unsigned number = 1;

        if (strlen(text) == file->len)
                return trust_parse(text, ret, err);
        for (; *text; text++)
                number += *text == '\n';
        return err_text(err, -EINVAL, CNI_ERR_CONFIG, "line %u: there is a NUL byte", number);
}

int trust_load(const char *path, struct trust *ret, struct err *err)
{
        static const struct trust built_in_only;
        _cleanup_(closep) int fd = -1;
        struct buf text;
        int r;

        r = trust_open(&built_in_only, path, 0, &fd, err);
        if (r == -ENOENT) {
                *ret = (struct trust){ 0 };
                return 0;
        }
        if (r < 0)
                return r;
        buf_init(&text, CONF_CEILING);
        r = fs_read(fd, &text);
        if (r < 0)
                (void)err_set(err, r, CNI_ERR_IO, "read %s", path);
        else if ((r = parse_file(&text, ret, err)) < 0)
                err_wrap(err, "%s: ", path);
        buf_done(&text);
        return r;
}

static bool below(const char *path, const char *root)
{
        size_t len = strlen(root);

        while (len > 1 && root[len - 1] == '/')
                len--;
        return strncmp(path, root, len) == 0 && (len == 1 || path[len] == '/' || path[len] == '\0');
}

static bool allowed(const struct trust *trust, const char *path)
{
        const char *inside = below(path, "/host") ? path + strlen("/host") : path;

        for (size_t i = 0; i < ARRAY_SIZE(built_in_roots); i++)
                if (below(inside, built_in_roots[i]))
                        return true;
        for (size_t i = 0; i < trust->count; i++)
                if (below(path, trust->roots[i]))
                        return true;
        return false;
}

/* The walk's place: `fd` is the directory reached, `rest` what is still to be walked. */
struct walk {
        int fd;
        char rest[PATH_MAX];
        const char *path; /* as the configuration gave it, for messages */
        unsigned links;
};

static int refuse(const struct walk *walk, const char *name, const char *why, struct err *err)
{
        return err_text(err, -EPERM, CNI_ERR_CONFIG, "%s is not trusted: '%s' %s", walk->path,
                        *name ? name : "/", why);
}

/* Whether the O_PATH descriptor has an ACL. The kernel keeps none that says no more than a mode. */
static int has_acl(const struct walk *walk, const char *name, int fd, bool *ret, struct err *err)
{
        char path[32]; /* because fgetxattr(2) takes no O_PATH descriptor */
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = getxattr(path, "system.posix_acl_access", NULL, 0);
        if (n < 0 && errno != ENODATA && errno != EOPNOTSUPP) {
                (void)err_set(err, -errno, CNI_ERR_IO, "read the ACL of '%s' for %s", name,
                              walk->path);
                return -EPERM; /* without /proc, the path itself is not what is missing */
        }
        *ret = n >= 0;
        return 0;
}

/* Nobody else may write it. With an ACL, the group bits of the mode are the most that a user named
 * in it gets; so they tell enough, unless it is group 0 that excuses them. */
static int check_writers(const struct walk *walk, const char *name, int fd, const struct stat *st,
                         struct err *err)
{
        bool acl = false;
        int r;

        if (st->st_mode & S_IWOTH)
                return refuse(walk, name, "is writable by everyone", err);
        if (!(st->st_mode & S_IWGRP))
                return 0;
        if (st->st_gid != 0)
                return refuse(walk, name, "is writable by its group", err);
        r = has_acl(walk, name, fd, &acl, err);
        if (r < 0)
                return r;
        return acl ? refuse(walk, name, "has an ACL that may let others write", err) : 0;
}

/* Nobody but root and ourselves may have made it or may change it. A symlink has no mode, and in a
 * sticky directory it is the owner of the next component who counts. */
static int check(const struct walk *walk, const char *name, int fd, const struct stat *st,
                 struct err *err)
{
        if (st->st_uid != 0 && st->st_uid != geteuid())
                return refuse(walk, name, "belongs to another user", err);
        if (S_ISLNK(st->st_mode) || (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX)))
                return 0;
        return check_writers(walk, name, fd, st, err);
}

/* Starts the walk at the root directory, with `rest` to go. */
static int start_at_root(struct walk *walk, struct err *err)
{
        struct stat st;
        int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open /");
        closep(&walk->fd);
        walk->fd = fd;
        if (fstat(fd, &st) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "stat /");
        return check(walk, "", fd, &st, err);
}

/* Puts the target of the symlink `fd` in front of the rest. */
static int splice_link(struct walk *walk, int fd, const char *name, struct err *err)
{
        char target[PATH_MAX], joined[PATH_MAX];
        ssize_t n = readlinkat(fd, "", target, sizeof(target) - 1);
        int len;

        if (n < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", walk->path);
        target[n] = '\0';
        if (++walk->links > LINKS_MAX)
                return err_set(err, -ELOOP, CNI_ERR_IO, "open %s", walk->path);
        len = snprintf(joined, sizeof(joined), "%s%s", target, walk->rest); /* "" or "/..." */
        if (n == 0 || len < 0 || (size_t)len >= sizeof(joined))
                return refuse(walk, name, "is a symlink that leads too far", err);
        memcpy(walk->rest, joined, (size_t)len + 1);
        return target[0] == '/' ? start_at_root(walk, err) : 0;
}

/* Cuts the next component off the rest into `name`; false when nothing is left. */
static bool next_component(struct walk *walk, char name[static NAME_MAX + 1], struct err *err,
                           int *ret_r)
{
        const char *start = walk->rest + strspn(walk->rest, "/");
        size_t len = strcspn(start, "/");

        *ret_r = 0;
        if (len == 0)
                return false;
        if (len > NAME_MAX) {
                *ret_r = err_set(err, -ENAMETOOLONG, CNI_ERR_IO, "open %s", walk->path);
                return false;
        }
        memcpy(name, start, len);
        name[len] = '\0';
        memmove(walk->rest, start + len, strlen(start + len) + 1);
        return true;
}

/* Goes one component further. */
static int step(struct walk *walk, const char *name, struct err *err)
{
        _cleanup_(closep) int fd = openat(walk->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", walk->path);
        r = check(walk, name, fd, &st, err);
        if (r < 0)
                return r;
        if (S_ISLNK(st.st_mode))
                return splice_link(walk, fd, name, err);
        if (!S_ISDIR(st.st_mode) && *walk->rest) /* if only a slash, as for open(2) */
                return err_set(err, -ENOTDIR, CNI_ERR_IO, "open %s", walk->path);
        closep(&walk->fd);
        walk->fd = TAKE_FD(fd);
        return 0;
}

/* From the O_PATH descriptor that was walked to, to one that can be read. */
static int open_end(const struct walk *walk, int parent, const char *name, int flags, int *ret_fd,
                    struct err *err)
{
        _cleanup_(closep) int fd = -1;
        struct stat walked, opened;
        int r;

        if (fstat(walk->fd, &walked) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", walk->path);
        if (flags == 0 && S_ISDIR(walked.st_mode))
                return err_set(err, -EISDIR, CNI_ERR_IO, "open %s", walk->path);
        /* A sticky directory as well: here is no next component. */
        r = check_writers(walk, name, walk->fd, &walked, err);
        if (r < 0)
                return r;
        if (S_ISDIR(walked.st_mode)) {
                parent = walk->fd; /* a link to "/" has no name there */
                name = ".";
        }
        if (flags == 0 && !S_ISREG(walked.st_mode))
                return err_set(err, -EINVAL, CNI_ERR_IO, "open %s", walk->path);
        fd = openat(parent, name, flags | O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &opened) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", walk->path);
        if (walked.st_dev != opened.st_dev || walked.st_ino != opened.st_ino)
                return refuse(walk, name, "was exchanged", err);
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int trust_open(const struct trust *trust, const char *path, int flags, int *ret_fd, struct err *err)
{
        struct walk walk = { .fd = -1, .path = path };
        _cleanup_(closep) int parent = -1, end = -1;
        char name[NAME_MAX + 1] = ".";
        int r;

        if (path[0] != '/' || climbs(path) || !allowed(trust, path))
                return err_text(err, -EPERM, CNI_ERR_CONFIG,
                                "%s is not below a directory that configuration may name", path);
        if (strlen(path) >= sizeof(walk.rest))
                return err_set(err, -ENAMETOOLONG, CNI_ERR_IO, "open %s", path);
        memcpy(walk.rest, path, strlen(path) + 1);
        r = start_at_root(&walk, err);
        while (r == 0 && next_component(&walk, name, err, &r)) {
                closep(&parent);
                parent = fcntl(walk.fd, F_DUPFD_CLOEXEC, 0);
                r = parent < 0 ? err_set(err, -errno, CNI_ERR_IO, "open %s", path)
                               : step(&walk, name, err);
        }
        end = walk.fd;
        if (r < 0)
                return r;
        return open_end(&walk, parent >= 0 ? parent : end, name, flags, ret_fd, err);
}
