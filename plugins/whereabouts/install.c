/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs in the node's directory of CNI plugins.
 *
 * Killed anywhere, an installer leaves the old program or the new one under the name, never
 * neither: keeping is link(2), which takes nothing away, and putting in place is rename(2). Between
 * the two both names lead to the same file, and the next installer or restorer sees that.
 */
#include "install.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "core/buf.h"
#include "core/fs.h"

#define PROGRAM_MAX  (64U * 1024U * 1024U)
#define LOCK_WAIT_MS 30000U
#define MODE         0755

static const char *const names[INSTALL_PROGRAMS] = { "whereabouts", "host-local", "dhcp" };
static const char mark[] = "cni-ipam"; /* stands in each of them */

#define MARK_LEN (sizeof(mark) - 1)

/* ---- names ---- */

static int add_program(struct install *install, const char *word, size_t len, struct err *err)
{
        const char *name = NULL;

        for (size_t i = 0; i < INSTALL_PROGRAMS; i++)
                if (strlen(names[i]) == len && memcmp(names[i], word, len) == 0)
                        name = names[i];
        if (!name)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "\"%.*s\" is no program of this suite: whereabouts, host-local, "
                                "dhcp",
                                (int)(len < 64 ? len : 64), word);
        for (size_t i = 0; i < install->count; i++)
                if (install->programs[i].name == name)
                        return err_text(err, -EINVAL, CNI_ERR_CONFIG, "%s is given twice", name);
        install->programs[install->count++].name = name;
        return 0;
}

int install_parse(const char *list, struct install *ret, struct err *err)
{
        struct install install = { 0 };

        for (const char *word = list;; word++) {
                size_t whole = strcspn(word, ","), len = whole;
                const char *start = word;
                int r;

                for (; len > 0 && isspace((unsigned char)*start); len--)
                        start++;
                while (len > 0 && isspace((unsigned char)start[len - 1]))
                        len--;
                r = add_program(&install, start, len, err);
                if (r < 0)
                        return r;
                word += whole;
                if (*word == '\0')
                        break;
        }
        *ret = install;
        return 0;
}

int install_own_directory(char **ret, struct err *err)
{
        char path[4096];
        ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);
        char *slash;

        if (len < 0)
                return err_set(err, -errno, CNI_ERR_IO, "readlink /proc/self/exe");
        path[len] = '\0';
        slash = strrchr(path, '/');
        if (!slash)
                return err_text(err, -ENOENT, CNI_ERR_IO, "/proc/self/exe is no path");
        slash[slash == path] = '\0';
        *ret = strdup(path);
        return *ret ? 0 : err_oom(err);
}

const char *install_end_text(enum install_end end)
{
        static const char *const texts[] = {
                [INSTALL_SAME] = "is as it should be",
                [INSTALL_NEW] = "is installed",
                [INSTALL_UPDATED] = "is updated",
                [INSTALL_REPLACED] = "is installed; what was there is kept with .old at its end",
                [INSTALL_AGAIN] =
                        "is installed; what was there is not kept, since one with .old is there",
                [INSTALL_RESTORED] = "is again what it was before",
                [INSTALL_REMOVED] = "is removed; nothing was there before",
                [INSTALL_FOREIGN] = "is not of this suite any more, and is left as it is",
        };

        return texts[end];
}

/* ---- what is there ---- */

enum there {
        THERE_NOTHING,
        THERE_SAME, /* the very program, as it should be */
        THERE_OURS,
        THERE_FOREIGN,
};

/* Compares a file with a program, and looks for the mark. It is read piece by piece: what is there
 * may be large, and may be cut while it is read. */
static int compare(int fd, const struct buf *program, bool *ret_same, bool *ret_ours)
{
        char block[65536];
        size_t offset = 0, kept = 0; /* the end of the last piece may begin the mark */
        bool same = program != NULL, ours = false;

        for (;;) {
                ssize_t n = read(fd, block + kept, sizeof(block) - kept);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                same = same && (size_t)n <= program->len - offset &&
                       memcmp(program->text + offset, block + kept, (size_t)n) == 0;
                offset += same ? (size_t)n : 0;
                kept += (size_t)n;
                ours = ours || memmem(block, kept, mark, MARK_LEN);
                if (kept >= MARK_LEN) {
                        memmove(block, block + kept - (MARK_LEN - 1), MARK_LEN - 1);
                        kept = MARK_LEN - 1;
                }
        }
        *ret_same = same && offset == program->len;
        *ret_ours = ours;
        return 0;
}

/* `program` NULL: nothing is the same as it. Errors lack the name. */
static int look(int dirfd, const char *name, const struct buf *program, enum there *ret,
                struct err *err)
{
        _cleanup_(closep) int fd = -1;
        bool same = false, ours = false;
        struct stat st;
        int r;

        *ret = THERE_NOTHING;
        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : err_set(err, -errno, CNI_ERR_IO, "stat");
        if (S_ISDIR(st.st_mode))
                return err_set(err, -EISDIR, CNI_ERR_IO, "replace");
        *ret = THERE_FOREIGN;
        if (!S_ISREG(st.st_mode))
                return 0;
        fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open");
        r = compare(fd, program, &same, &ours);
        if (r < 0)
                return err_set(err, r, CNI_ERR_IO, "read");
        if (same && (st.st_mode & 07777) == MODE && st.st_uid == geteuid())
                *ret = THERE_SAME;
        else if (ours)
                *ret = THERE_OURS;
        return 0;
}

static bool is_same_file(int dirfd, const char *a, const char *b)
{
        struct stat one, other;

        return fstatat(dirfd, a, &one, AT_SYMLINK_NOFOLLOW) == 0 &&
               fstatat(dirfd, b, &other, AT_SYMLINK_NOFOLLOW) == 0 && one.st_dev == other.st_dev &&
               one.st_ino == other.st_ino;
}

/* ---- the directory ---- */

/* "NAME.old". */
struct old_name {
        char text[64];
};

static struct old_name old_name(const char *name)
{
        struct old_name old;

        (void)snprintf(old.text, sizeof(old.text), "%s.old", name);
        return old;
}

/* Opens it and keeps other installers out until the descriptor is closed. */
static int open_directory(const char *path, int *ret, struct err *err)
{
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int r;

        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open the directory of CNI plugins %s",
                               path);
        r = fs_lock(fd, LOCK_WAIT_MS);
        if (r == FS_BUSY)
                return err_text(err, -EBUSY, CNI_ERR_IO,
                                "lock %s: another installer has been at work for %u s", path,
                                LOCK_WAIT_MS / 1000);
        if (r < 0)
                return err_set(err, r, CNI_ERR_IO, "lock %s", path);
        *ret = TAKE_FD(fd);
        return 0;
}

/* ---- installing ---- */

static int read_program(const char *from, const char *name, struct buf *ret, struct err *err)
{
        _cleanup_(freep) char *path = fs_join(from, name);
        _cleanup_(closep) int fd = -1;
        int r;

        if (!path)
                return err_oom(err);
        fd = fs_open_regular(path);
        if (fd < 0)
                return err_set(err, fd, CNI_ERR_IO, "open %s", path);
        r = fs_read(fd, ret);
        if (r < 0)
                return err_set(err, r, CNI_ERR_IO, "read %s", path);
        if (!memmem(buf_text(ret), ret->len, mark, MARK_LEN))
                return err_text(err, -ENOEXEC, CNI_ERR_IO, "%s is no program of this suite", path);
        return 0;
}

/* Gives what is there a second name. A symlink gets it as it is: link(2) does not follow. */
static int keep(int dirfd, const char *name, enum install_end *ret, struct err *err)
{
        const struct old_name old = old_name(name);

        *ret = INSTALL_REPLACED;
        if (linkat(dirfd, name, dirfd, old.text, 0) == 0)
                return 0;
        if (errno != EEXIST)
                return err_set(err, -errno, CNI_ERR_IO, "keep it as %s", old.text);
        if (!is_same_file(dirfd, name, old.text))
                *ret = INSTALL_AGAIN;
        return 0;
}

/* After a failure: takes the second name away again. */
static void unkeep(int dirfd, const char *name)
{
        const struct old_name old = old_name(name);

        if (is_same_file(dirfd, name, old.text))
                (void)unlinkat(dirfd, old.text, 0); /* the first error is the one to tell */
}

static int put(int dirfd, const char *name, const struct buf *program, enum install_end *ret,
               struct err *err)
{
        enum install_end end = INSTALL_NEW;
        enum there there = THERE_NOTHING;
        int r = fs_remove_temporary(dirfd, name, err);

        if (r == 0)
                r = look(dirfd, name, program, &there, err);
        if (r < 0)
                return r;
        if (there == THERE_SAME) {
                *ret = INSTALL_SAME;
                return 0;
        }
        if (there == THERE_OURS)
                end = INSTALL_UPDATED;
        if (there == THERE_FOREIGN)
                r = keep(dirfd, name, &end, err);
        if (r == 0)
                r = fs_replace(dirfd, name, buf_text(program), program->len, MODE, err);
        if (r < 0)
                unkeep(dirfd, name);
        else
                *ret = end;
        return r;
}

static int put_all(struct install *install, const char *from, const char *bin_dir,
                   struct buf *programs, struct err *err)
{
        _cleanup_(closep) int dirfd = -1;
        int r = 0;

        for (size_t i = 0; i < install->count && r == 0; i++)
                r = read_program(from, install->programs[i].name, &programs[i], err);
        if (r == 0)
                r = open_directory(bin_dir, &dirfd, err);
        if (r < 0)
                return r;
        for (size_t i = 0; i < install->count; i++) {
                struct install_program *program = &install->programs[i];

                r = put(dirfd, program->name, &programs[i], &program->end, err);
                if (r < 0) {
                        err_wrap(err, "install %s/%s: ", bin_dir, program->name);
                        return r;
                }
        }
        return 0;
}

int install_programs(struct install *install, const char *from, const char *bin_dir,
                     struct err *err)
{
        struct buf programs[INSTALL_PROGRAMS];
        int r;

        for (size_t i = 0; i < INSTALL_PROGRAMS; i++)
                buf_init(&programs[i], PROGRAM_MAX);
        r = put_all(install, from, bin_dir, programs, err);
        for (size_t i = 0; i < INSTALL_PROGRAMS; i++)
                buf_done(&programs[i]);
        return r;
}

/* ---- restoring ---- */

/* What somebody else has put in place of ours stays, unless it is what was kept: an installer was
 * killed between keeping and replacing. rename(2) does nothing for two names of one file. */
static int restore_foreign(int dirfd, const char *name, const char *old, enum install_end *ret,
                           struct err *err)
{
        *ret = INSTALL_FOREIGN;
        if (!is_same_file(dirfd, name, old))
                return 0;
        *ret = INSTALL_RESTORED;
        return unlinkat(dirfd, old, 0) < 0 ? err_set(err, -errno, CNI_ERR_IO, "unlink %s", old) : 0;
}

static int restore(int dirfd, const char *name, enum install_end *ret, struct err *err)
{
        const struct old_name old = old_name(name);
        enum there there = THERE_NOTHING;
        int r = fs_remove_temporary(dirfd, name, err);

        if (r == 0)
                r = look(dirfd, name, NULL, &there, err);
        if (r < 0)
                return r;
        if (there == THERE_FOREIGN)
                return restore_foreign(dirfd, name, old.text, ret, err);
        if (renameat(dirfd, old.text, dirfd, name) == 0) {
                *ret = INSTALL_RESTORED;
                return 0;
        }
        if (errno != ENOENT)
                return err_set(err, -errno, CNI_ERR_IO, "rename %s", old.text);
        *ret = there == THERE_OURS ? INSTALL_REMOVED : INSTALL_SAME;
        if (there == THERE_OURS && unlinkat(dirfd, name, 0) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "unlink");
        return 0;
}

int install_restore(struct install *install, const char *bin_dir, struct err *err)
{
        _cleanup_(closep) int dirfd = -1;
        int r = open_directory(bin_dir, &dirfd, err);

        for (size_t i = 0; i < install->count && r == 0; i++) {
                struct install_program *program = &install->programs[i];

                r = restore(dirfd, program->name, &program->end, err);
                if (r < 0)
                        err_wrap(err, "restore %s/%s: ", bin_dir, program->name);
        }
        if (r == 0 && fsync(dirfd) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "write %s", bin_dir);
        return r;
}
