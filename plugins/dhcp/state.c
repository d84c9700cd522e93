/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory. Only its daemon writes records; plugins only add marks, which are empty files.
 *
 * Crash windows. A record is replaced by rename, so it is the old or the new one; what a killed
 * daemon left half-written has a name of its own and goes at the next start. Between the removal of
 * a record and that of its mark the mark stands alone: it goes at the next start as well.
 */
#include "state.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"

#define RECORD_TEXT_MAX (4U * 1024U * 1024U)
#define STATE_SUFFIX    ".d"
#define NAME_LEN        (KEY_NAME_MAX - 1)
#define FILE_NAME_MAX   (KEY_NAME_MAX + 8)
#define OPEN_TRIES      10 /* while somebody takes the directory away under us */

static const char lock_name[] = "lock";
static const char record_suffix[] = ".json", mark_suffix[] = ".del", bad_suffix[] = ".bad";

/* NAME with another suffix: `name` begins with the 64 digits. */
static const char *file_name(const char *name, const char *suffix, char ret[static FILE_NAME_MAX])
{
        (void)snprintf(ret, FILE_NAME_MAX, "%.*s%s", NAME_LEN, name, suffix);
        return ret;
}

/* ---- opening ---- */

/* Whose directory it is: who could write to it could make leases up, or have them released. */
static int check_directory(int fd, const char *path, struct err *err)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "stat %s", path);
        if (st.st_uid != geteuid())
                return err_text(err, -EPERM, CNI_ERR_IO, "%s belongs to another user", path);
        if (st.st_mode & 0077)
                return err_text(err, -EPERM, CNI_ERR_IO, "%s has mode %04o, and must have 0700",
                                path, st.st_mode & 07777U);
        return 0;
}

static int open_directory(int parent, const char *name, const char *path, int *ret_fd,
                          struct err *err)
{
        _cleanup_(closep) int fd = -1;
        int r;

        fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", path);
        r = check_directory(fd, path, err);
        if (r < 0)
                return r;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* SOCKET.d: as a whole, and cut at its last slash. */
struct place {
        char *path, *parent; /* owned */
        const char *name;    /* inside of path */
};

static void place_done(struct place *place)
{
        free(place->path);
        free(place->parent);
}

static int find_place(const char *socket_path, struct place *ret, struct err *err)
{
        size_t size = strlen(socket_path) + sizeof(STATE_SUFFIX);
        struct place place = { malloc(size), NULL, NULL };
        const char *slash;

        if (!place.path) {
                (void)err_oom(err);
                return -ENOMEM;
        }
        (void)snprintf(place.path, size, "%s%s", socket_path, STATE_SUFFIX);
        slash = strrchr(place.path, '/');
        place.name = slash ? slash + 1 : place.path;
        if (slash && slash > place.path)
                place.parent = strndup(place.path, (size_t)(slash - place.path));
        else
                place.parent = strdup(slash ? "/" : ".");
        if (!place.parent) {
                place_done(&place);
                (void)err_oom(err);
                return -ENOMEM;
        }
        *ret = place;
        return 0;
}

static bool is_same(int fd, int dirfd, const char *name)
{
        struct stat a, b;

        return fstat(fd, &a) == 0 && fstatat(dirfd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
               a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* -ESTALE: what was locked is not what stands there by now. */
static int open_and_lock(int parent, const struct place *place, int *ret_dirfd, int *ret_lock,
                         struct err *err)
{
        _cleanup_(closep) int fd = -1, lock = -1;
        int r;

        if (mkdirat(parent, place->name, 0700) < 0 && errno != EEXIST)
                return err_set(err, -errno, CNI_ERR_IO, "mkdir %s", place->path);
        r = open_directory(parent, place->name, place->path, &fd, err);
        if (r < 0)
                return r;
        lock = openat(fd, lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        r = lock < 0 ? -errno : fs_lock(lock, 0);
        if (r == FS_BUSY)
                return STATE_LOCKED;
        if (r == 0 && (!is_same(fd, parent, place->name) || !is_same(lock, fd, lock_name)))
                r = -ESTALE;
        if (r < 0)
                return err_set(err, r, CNI_ERR_IO, "lock %s/%s", place->path, lock_name);
        *ret_dirfd = TAKE_FD(fd);
        *ret_lock = TAKE_FD(lock);
        return 0;
}

int state_open(const char *socket_path, mode_t mode, int *ret_dirfd, int *ret_lock, struct err *err)
{
        _cleanup_(place_done) struct place place = { 0 };
        _cleanup_(closep) int parent = -1;
        int r = find_place(socket_path, &place, err);

        if (r == 0)
                r = fs_make_directories(place.parent, mode, err);
        if (r < 0)
                return r;
        parent = open(place.parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", place.parent);
        r = -ESTALE;
        for (int i = 0; i < OPEN_TRIES && r == -ESTALE; i++)
                r = open_and_lock(parent, &place, ret_dirfd, ret_lock, err);
        return r;
}

/* ---- records and marks of one attachment ---- */

int state_save(int dirfd, const struct record *record, const char *boot_id, struct err *err)
{
        char name[KEY_NAME_MAX], file[FILE_NAME_MAX];
        struct fs_file whole = { .name = file };
        _cleanup_(buf_done) struct buf text;
        int r;

        buf_init(&text, RECORD_TEXT_MAX);
        r = record_encode(record, boot_id, &text, err);
        if (r < 0)
                return r;
        file_name(key_name(&record->key, name), record_suffix, file);
        whole.bytes = text.text;
        whole.len = text.len;
        return fs_replace_all(dirfd, &whole, 1, 0600, err);
}

static int remove_file(int dirfd, const char *name, const char *suffix, struct err *err)
{
        char file[FILE_NAME_MAX];

        if (unlinkat(dirfd, file_name(name, suffix, file), 0) < 0 && errno != ENOENT)
                return err_set(err, -errno, CNI_ERR_IO, "remove %s", file);
        return 0;
}

static int remove_both(int dirfd, const char *name, struct err *err)
{
        int r = remove_file(dirfd, name, record_suffix, err);

        return r < 0 ? r : remove_file(dirfd, name, mark_suffix, err);
}

int state_remove(int dirfd, const struct key *key, struct err *err)
{
        char name[KEY_NAME_MAX];

        return remove_both(dirfd, key_name(key, name), err);
}

static bool exists(int dirfd, const char *name, const char *suffix)
{
        char file[FILE_NAME_MAX];
        struct stat st;

        return fstatat(dirfd, file_name(name, suffix, file), &st, AT_SYMLINK_NOFOLLOW) == 0;
}

bool state_is_marked(int dirfd, const struct key *key)
{
        char name[KEY_NAME_MAX];

        return exists(dirfd, key_name(key, name), mark_suffix);
}

/* Without a descriptor: their lack is a reason to leave a mark. */
int state_set_mark(int dirfd, const struct key *key, struct err *err)
{
        char name[KEY_NAME_MAX], file[FILE_NAME_MAX];
        struct stat st;

        file_name(key_name(key, name), mark_suffix, file);
        if (mknodat(dirfd, file, S_IFREG | 0600, 0) == 0 ||
            (errno == EEXIST && fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
             S_ISREG(st.st_mode)))
                return 0;
        return err_set(err, -errno, CNI_ERR_IO, "create %s", file);
}

/* A tenant's configuration names the socket: it must not make files in other programs' places. */
static bool had_daemon(int dirfd)
{
        struct stat st;

        return fstatat(dirfd, lock_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
               st.st_uid == geteuid();
}

int state_mark(const struct trust *trust, const char *socket_path, const struct key *key,
               struct err *err)
{
        _cleanup_(place_done) struct place place = { 0 };
        _cleanup_(closep) int parent = -1, dirfd = -1;
        int r = find_place(socket_path, &place, err);

        if (r == 0)
                r = trust_open(trust, place.parent, O_DIRECTORY, &parent, err);
        if (r == 0)
                r = open_directory(parent, place.name, place.path, &dirfd, err);
        if (r == -ENOENT || (r == 0 && !had_daemon(dirfd)))
                return STATE_NONE;
        if (r < 0)
                return r;
        r = state_set_mark(dirfd, key, err);
        if (r < 0)
                err_wrap(err, "%s: ", place.path);
        return r;
}

/* ---- all of them ---- */

static bool has_name(const char *file)
{
        return strspn(file, "0123456789abcdef") == NAME_LEN;
}

static bool is_file_of(const char *file, const char *suffix)
{
        return has_name(file) && strcmp(file + NAME_LEN, suffix) == 0;
}

/* What fs_replace() calls a file that is not complete yet. */
static bool is_temporary(const char *file)
{
        size_t len = strlen(record_suffix);

        return file[0] == '.' && has_name(file + 1) &&
               strncmp(file + 1 + NAME_LEN, record_suffix, len) == 0 &&
               file[1 + NAME_LEN + len] == '.';
}

static void closedirp(DIR **listing)
{
        if (*listing)
                closedir(*listing);
}

/* The files of ours, all before the first is looked at: what is saved meanwhile must not turn up
 * as another one. */
static int list_files(int dirfd, struct text_list *ret, struct err *err)
{
        _cleanup_(closep) int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *listing = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        int r = 0;

        if (!listing)
                return err_set(err, -errno, CNI_ERR_IO, "list the state directory");
        (void)TAKE_FD(fd);
        while (errno = 0, (entry = readdir(listing)) && r == 0)
                if (is_file_of(entry->d_name, record_suffix) ||
                    is_file_of(entry->d_name, mark_suffix) || is_temporary(entry->d_name))
                        r = text_list_add(ret, entry->d_name, strlen(entry->d_name), err);
        if (r == 0 && errno != 0)
                r = err_set(err, -errno, CNI_ERR_IO, "list the state directory");
        return r;
}

/* STATE_NONE: it is gone. */
static int read_text(int dirfd, const char *file, struct buf *text, struct err *err)
{
        _cleanup_(closep) int fd =
                openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;
        int r;

        if (fd < 0 && errno == ENOENT)
                return STATE_NONE;
        if (fd < 0 || fstat(fd, &st) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open it");
        if (!S_ISREG(st.st_mode) || st.st_uid != geteuid())
                return err_text(err, -EPERM, CNI_ERR_IO, "it is no file of ours");
        r = fs_read(fd, text);
        if (r == -ENOMEM)
                return err_oom(err);
        return r < 0 ? err_set(err, r, CNI_ERR_IO, "read it") : 0;
}

/* What state_load() was called with. */
struct load {
        int dirfd;
        const char *boot_id;
        int (*each)(void *user, struct record *record, struct err *err);
        void (*warn)(const char *text);
        void *user;
};

static void set_aside(const struct load *load, const char *file, const struct err *why)
{
        char bad[FILE_NAME_MAX], text[sizeof(why->msg) + sizeof(why->details) + 256];
        const char *end = "it is out of the way as";

        if (renameat(load->dirfd, file, load->dirfd, file_name(file, bad_suffix, bad)) < 0)
                end = "and it cannot be moved out of the way as";
        (void)snprintf(text, sizeof(text), "record %s is unusable: %s%s%s; %s %s", file, why->msg,
                       *why->details ? " at " : "", why->details, end, bad);
        load->warn(text);
}

static void leave_alone(const struct load *load, const char *file)
{
        char text[256];

        (void)snprintf(text, sizeof(text),
                       "record %s is of another version of this program; it is left alone", file);
        load->warn(text);
}

/* Hands a record over; of this boot, and under its own name. */
static int hand_over(const struct load *load, const char *file, struct record *record,
                     struct err *err)
{
        char name[KEY_NAME_MAX];
        struct err wrong;

        if (strncmp(file, key_name(&record->key, name), NAME_LEN) == 0)
                return load->each(load->user, record, err);
        (void)err_text(&wrong, -EINVAL, CNI_ERR_DECODE, "its name is another one's");
        set_aside(load, file, &wrong);
        return 0;
}

/* < 0: for lack of memory, or because `each` failed. */
static int load_record(const struct load *load, const char *file, struct err *err)
{
        _cleanup_(record_done) struct record record = { 0 };
        _cleanup_(buf_done) struct buf text;
        int r;

        buf_init(&text, RECORD_TEXT_MAX);
        r = read_text(load->dirfd, file, &text, err);
        if (r == STATE_NONE)
                return 0;
        if (r == 0)
                r = record_decode(buf_text(&text), text.len, load->boot_id, &record, err);
        if (r == 0)
                return hand_over(load, file, &record, err);
        if (r == RECORD_OTHER_BOOT)
                return remove_both(load->dirfd, file, err);
        if (r == RECORD_OTHER_VERSION)
                leave_alone(load, file);
        else if (r != -ENOMEM)
                set_aside(load, file, err);
        return r == -ENOMEM ? r : 0;
}

static int load_files(const struct load *load, const struct text_list *files, struct err *err)
{
        int r = 0;

        for (size_t i = 0; i < files->count && r == 0; i++) {
                const char *file = files->items[i];

                if (is_file_of(file, record_suffix))
                        r = load_record(load, file, err);
                else if (is_temporary(file) && unlinkat(load->dirfd, file, 0) < 0)
                        r = err_set(err, -errno, CNI_ERR_IO, "remove %s", file);
        }
        /* Marks last: by now it is known which of them have a record. */
        for (size_t i = 0; i < files->count && r == 0; i++)
                if (is_file_of(files->items[i], mark_suffix) &&
                    !exists(load->dirfd, files->items[i], record_suffix))
                        r = remove_file(load->dirfd, files->items[i], mark_suffix, err);
        return r;
}

int state_load(int dirfd, const char *boot_id,
               int (*each)(void *user, struct record *record, struct err *err),
               void (*warn)(const char *text), void *user, struct err *err)
{
        const struct load load = { dirfd, boot_id, each, warn, user };
        _cleanup_(text_list_done) struct text_list files = { 0 };
        int r = list_files(dirfd, &files, err);

        return r < 0 ? r : load_files(&load, &files, err);
}

int state_boot_id(char id[static BOOT_ID_MAX], struct err *err)
{
        static const char path[] = "/proc/sys/kernel/random/boot_id";
        _cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
        char text[BOOT_ID_MAX] = "";
        ssize_t n;

        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return err_set(err, -errno, CNI_ERR_IO, "read %s", path);
        text[strcspn(text, "\n")] = '\0';
        if (!*text)
                return err_text(err, -EINVAL, CNI_ERR_IO, "read %s: it is empty", path);
        memcpy(id, text, sizeof(text));
        return 0;
}
