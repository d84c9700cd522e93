/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The directory. There is no fsync anywhere: a power cut ends every container together with its
 * entry.
 *
 * Crash windows. Between create and write an address file is empty: nobody holds it, and whoever
 * finds it under the lock 10 s later, or needs it, removes it. Between pwrite and ftruncate a
 * cursor can be a wrong address: only the order of the round robin suffers.
 */
#include "store.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/fs.h"
#include "core/utf8.h"

#define DEBRIS_AGE_S 10
#define TRIES_MAX    100U
#define CURSOR_NAME  "last_reserved_ip.%zu"

bool owner_is(const struct owner *owner, const struct owner *wanted)
{
        return strcmp(owner->container_id, wanted->container_id) == 0 &&
               strcmp(owner->ifname, wanted->ifname) == 0;
}

bool owner_is_legacy(const struct owner *owner, const struct owner *wanted)
{
        return *owner->ifname == '\0' && strcmp(owner->container_id, wanted->container_id) == 0;
}

/* ---- opening ---- */

/* The message is the bare errno text, as with the reference plugin; the path goes beside it. */
static int open_error(const struct store *store, const char *name, int r, struct err *err)
{
        (void)err_text(err, r, CNI_ERR_IO, "%s", err_errno_text(-r));
        err_details(err, "open '%s%s'", store->path, name);
        return r;
}

static int busy_error(const struct store *store, struct err *err)
{
        pid_t holder = fs_lock_holder(store->lockfd);
        char who[64] = "another process";

        if (holder > 0)
                (void)snprintf(who, sizeof(who), "process %ld", (long)holder);
        return err_text(err, -EAGAIN, CNI_ERR_TRY_LATER,
                        "lock '%s/lock' was held by %s for more than %u s; try again later",
                        store->path, who, STORE_LOCK_WAIT_MS / 1000);
}

/* Takes the lock. -ENOENT: the directory is gone. */
static int take_lock(struct store *store, struct err *err)
{
        int r;

        store->lockfd = openat(store->dirfd, "lock",
                               O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0750);
        if (store->lockfd < 0)
                return open_error(store, "/lock", -errno, err);
        r = fs_lock(store->lockfd, STORE_LOCK_WAIT_MS);
        if (r == FS_BUSY)
                return busy_error(store, err);
        return r < 0 ? open_error(store, "/lock", r, err) : 0;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Whether directory and lock are still those that their names lead to: operators delete them on
 * live nodes, and who waited for the lock then holds one that nobody else will ever see. */
static bool is_current(const struct store *store)
{
        struct stat opened, named;

        if (fstat(store->lockfd, &opened) < 0 ||
            fstatat(store->dirfd, "lock", &named, AT_SYMLINK_NOFOLLOW) < 0 ||
            !same_file(&opened, &named))
                return false;
        return fstat(store->dirfd, &opened) == 0 && stat(store->path, &named) == 0 &&
               same_file(&opened, &named);
}

int store_check_current(const struct store *store, struct err *err)
{
        if (is_current(store))
                return 0;
        return err_text(err, -EAGAIN, CNI_ERR_TRY_LATER,
                        "lock '%s/lock' was deleted while it was held; try again later",
                        store->path);
}

/* Returns 0, STORE_ABSENT, or an error. */
static int open_directory(struct store *store, unsigned flags, struct err *err)
{
        const int how = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
        int r;

        store->dirfd = open(store->path, how);
        if (store->dirfd < 0 && errno == ENOENT && !(flags & STORE_CREATE))
                return STORE_ABSENT;
        if (store->dirfd < 0 && (flags & STORE_CREATE)) {
                r = fs_make_directories(store->path, 0755, err);
                if (r < 0)
                        return r;
                store->dirfd = open(store->path, how);
        }
        return store->dirfd < 0 ? open_error(store, "", -errno, err) : 0;
}

int store_open(const char *path, unsigned flags, struct store *ret, struct err *err)
{
        _cleanup_(store_close) struct store store = STORE_CLOSED;
        int r = 0;

        for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
                store_close(&store);
                store.path = path;
                r = open_directory(&store, flags, err);
                if (r == 0 && !(flags & STORE_NO_LOCK))
                        r = take_lock(&store, err);
                if (r == -ENOENT && (store.dirfd >= 0 || (flags & STORE_CREATE)))
                        continue; /* the directory was deleted under us */
                if (r != 0)
                        return r;
                if (!(flags & STORE_NO_LOCK) && !is_current(&store))
                        continue;
                store.now_s = time(NULL);
                boot_init(&store.boot, store.dirfd);
                if (flags & STORE_INDEX)
                        index_open(&store.index, INDEX_BASE, store.dirfd, &store.boot, store.now_s);
                *ret = store;
                store = STORE_CLOSED;
                return 0;
        }
        if (r == -ENOENT)
                return r; /* it cannot be made: a symlink to nothing is in the way */
        return err_text(err, -EAGAIN, CNI_ERR_TRY_LATER,
                        "directory '%s' is deleted again and again; try again later", path);
}

void store_close(struct store *store)
{
        /* Under a lock that was deleted nobody knows what others do: no signature for that. */
        if (store->lockfd >= 0 && index_is_unsaved(&store->index) && !is_current(store))
                index_distrust(&store->index);
        index_close(&store->index);
        closep(&store->lockfd); /* this unlocks */
        closep(&store->dirfd);
        *store = STORE_CLOSED;
}

/* Whether a name exists, though it may be a symlink to nothing. Keeps errno. */
static bool is_there(const char *path)
{
        int saved = errno;
        struct stat st;
        bool there = lstat(path, &st) == 0;

        errno = saved;
        return there;
}

/* The nearest directory above a path that does not exist yet must let us make it. */
static int probe_parent(const char *path, struct err *err)
{
        _cleanup_(freep) char *parent = strdup(path);

        if (!parent)
                return err_oom(err);
        if (is_there(path))
                return err_set(err, -ENOENT, CNI_ERR_IO, "open %s", path);
        for (;;) {
                char *slash = strrchr(parent, '/');

                if (!slash)
                        (void)snprintf(parent, 2, ".");
                else
                        slash[slash == parent ? 1 : 0] = '\0';
                if (faccessat(AT_FDCWD, parent, W_OK | X_OK, AT_EACCESS) == 0)
                        return 0;
                if (errno != ENOENT || !slash || is_there(parent))
                        return err_set(err, -errno, CNI_ERR_IO, "mkdir %s", path);
        }
}

int store_probe(const char *path, struct err *err)
{
        _cleanup_(store_close) struct store store = STORE_CLOSED;
        struct stat st;

        store.path = path;
        store.dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (store.dirfd < 0 && errno == ENOENT)
                return probe_parent(path, err);
        if (store.dirfd < 0 || faccessat(store.dirfd, ".", W_OK | X_OK, AT_EACCESS) < 0)
                return open_error(&store, "", -errno, err);
        store.lockfd = openat(store.dirfd, "lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (store.lockfd < 0)
                return errno == ENOENT ? 0 : open_error(&store, "/lock", -errno, err);
        if (fstat(store.lockfd, &st) == 0 && S_ISDIR(st.st_mode))
                return open_error(&store, "/lock", -EISDIR, err);
        return 0;
}

/* ---- one entry ---- */

int store_create(struct store *store, const struct ip *ip, const struct owner *owner,
                 struct err *err)
{
        char name[IP_TEXT_MAX], text[STORE_OWNER_MAX + 1];
        _cleanup_(closep) int fd = -1;
        struct stat st;
        int len, r;

        ip_format(ip, name);
        len = snprintf(text, sizeof(text), "%s\r\n%s", owner->container_id, owner->ifname);
        if (len < 0 || (size_t)len >= STORE_OWNER_MAX)
                return err_text(err, -EINVAL, CNI_ERR_ENVIRONMENT,
                                "container ID is longer than %u bytes", STORE_OWNER_MAX - 32);
        index_before_change(&store->index);
        fd = openat(store->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0 && errno == EEXIST)
                return STORE_TAKEN;
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s/%s", store->path, name);
        index_after_change(&store->index);
        boot_tag(&store->boot, fd); /* first: an untagged entry of a dead boot stays for good */
        r = fs_write_all(fd, text, (size_t)len);
        if (r == 0 && fstat(fd, &st) == 0 && st.st_nlink == 0) {
                /* under a deleted lock, somebody took the empty file for debris */
                index_distrust(&store->index);
                return STORE_TAKEN;
        }
        if (close(TAKE_FD(fd)) < 0 && r == 0)
                r = -errno; /* some file systems find out here that they are full */
        if (r < 0) {
                index_distrust(&store->index);
                (void)unlinkat(store->dirfd, name, 0); /* the first error is the one to tell */
                return err_set(err, r, CNI_ERR_IO, "write %s/%s", store->path, name);
        }
        index_add(&store->index, owner->container_id, owner->ifname, ip);
        return 0;
}

int store_remove(struct store *store, const struct ip *ip, const struct owner *owner,
                 struct err *err)
{
        char name[IP_TEXT_MAX], text[STORE_OWNER_MAX];
        struct store_entry entry;

        if (!owner && index_is_valid(&store->index)) {
                if (store_look(store, ip, text, &entry))
                        owner = &entry.owner;
                else
                        index_distrust(&store->index);
        }
        ip_format(ip, name);
        index_before_change(&store->index);
        if (unlinkat(store->dirfd, name, 0) < 0 && errno != ENOENT)
                return err_set(err, -errno, CNI_ERR_IO, "remove %s/%s", store->path, name);
        index_after_change(&store->index);
        if (owner)
                index_remove(&store->index, owner->container_id, owner->ifname, ip);
        return 0;
}

/* The length of a text without the white space (Unicode's, as in Go) at its end. */
static size_t trimmed_len(const char *text, size_t len)
{
        for (size_t n = 1; n <= 3 && n <= len; n++)
                if (utf8_space_len(text + len - n, n) == n) {
                        len -= n;
                        n = 0;
                }
        return len;
}

/* Cuts an owner out of a file's text, in place: white space around it does not count. */
static void parse_owner(char *text, size_t len, struct owner *ret)
{
        char *separator;
        size_t n;

        len = trimmed_len(text, len);
        while ((n = utf8_space_len(text, len)) > 0) {
                text += n;
                len -= n;
        }
        text[len] = '\0';
        separator = strstr(text, "\r\n");
        *ret = (struct owner){ text, "" };
        if (separator) {
                *separator = '\0';
                ret->ifname = separator + 2;
        }
}

/* Fills what a file's status tells. */
static void take_status(const struct store *store, struct store_entry *entry, const struct stat *st)
{
        time_t changed = st->st_ctim.tv_sec;

        entry->mtime = st->st_mtim;
        entry->debris = entry->state == ENTRY_EMPTY && (changed <= store->now_s - DEBRIS_AGE_S ||
                                                        changed > store->now_s + DEBRIS_AGE_S);
}

/* Reads the entry that `entry->name` names. Returns 0, or -errno; -ENOENT for what is no entry. */
static int read_entry(const struct store *store, unsigned flags, char text[static STORE_OWNER_MAX],
                      struct store_entry *entry)
{
        _cleanup_(closep) int fd =
                openat(store->dirfd, entry->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st;
        ssize_t n;

        if (fd < 0)
                return errno == ELOOP ? -ENOENT : -errno;
        n = read(fd, text, STORE_OWNER_MAX);
        if (n < 0)
                return errno == EISDIR || errno == EAGAIN ? -ENOENT : -errno;
        entry->state = n == 0 ? ENTRY_EMPTY : ENTRY_HELD;
        entry->debris = false;
        if (n == 0 || (flags & STORE_DETAILS)) {
                if (fstat(fd, &st) < 0)
                        return -errno;
                if (!S_ISREG(st.st_mode))
                        return -ENOENT;
                take_status(store, entry, &st);
        }
        if (entry->state == ENTRY_HELD && (flags & STORE_BOOT) && boot_is_stale(&store->boot, fd))
                entry->state = ENTRY_STALE;
        if (n == (ssize_t)STORE_OWNER_MAX)
                return -EFBIG;
        if (memchr(text, '\0', (size_t)n))
                n = 0; /* what a power cut may leave: an owner without a name */
        parse_owner(text, (size_t)n, &entry->owner);
        return 0;
}

/* The same for a visit, which gets to see what cannot be read. Returns 0 or -ENOENT. */
static int read_any(const struct store *store, unsigned flags, char text[static STORE_OWNER_MAX],
                    struct store_entry *entry)
{
        int r;

        ip_format(&entry->ip, entry->name);
        r = read_entry(store, flags, text, entry);
        if (r == 0 || r == -ENOENT)
                return r;
        entry->state = ENTRY_UNREADABLE;
        entry->owner = (struct owner){ "", "" };
        entry->error = -r;
        return 0;
}

bool store_look(const struct store *store, const struct ip *ip, char text[static STORE_OWNER_MAX],
                struct store_entry *ret)
{
        struct store_entry entry = { .ip = *ip };

        ip_format(ip, entry.name);
        if (read_entry(store, STORE_BOOT | STORE_DETAILS, text, &entry) < 0)
                return false;
        *ret = entry;
        return true;
}

/* ---- all entries ---- */

/* An address in a listing. */
struct listed {
        struct ip ip;
        bool regular; /* as far as the directory tells */
        ino_t inode;
};

struct listing {
        struct listed *items;
        size_t count, size;
};

static void listing_done(struct listing *listing)
{
        free(listing->items);
}

/* Whether a name is an address in the form that we write. */
static bool parse_name(const char *name, struct ip *ret)
{
        char text[IP_TEXT_MAX];

        return ip_parse(name, ret) == 0 && strcmp(ip_format(ret, text), name) == 0;
}

static int listing_add(struct listing *listing, const struct dirent *entry, struct err *err)
{
        struct listed item = { .regular = entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN,
                               .inode = entry->d_ino };

        if (!parse_name(entry->d_name, &item.ip))
                return 0;
        if (listing->count == listing->size) {
                size_t size = listing->size > 0 ? 2 * listing->size : 256;
                struct listed *items = realloc(listing->items, size * sizeof(*items));

                if (!items)
                        return err_oom(err);
                listing->items = items;
                listing->size = size;
        }
        listing->items[listing->count++] = item;
        return 0;
}

static void closedirp(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

/* Reads the names of the whole directory. */
static int read_listing(const struct store *store, struct listing *listing, struct err *err)
{
        /* A second descriptor, with a place of its own in the directory. */
        _cleanup_(closep) int fd = openat(store->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        int r;

        if (!dir)
                return err_set(err, -errno, CNI_ERR_IO, "open %s", store->path);
        (void)TAKE_FD(fd);
        while ((errno = 0, entry = readdir(dir))) {
                r = listing_add(listing, entry, err);
                if (r < 0)
                        return r;
        }
        return errno ? err_set(err, -errno, CNI_ERR_IO, "read %s", store->path) : 0;
}

static int compare_inodes(const void *a, const void *b)
{
        const struct listed *x = a, *y = b;

        return (x->inode > y->inode) - (x->inode < y->inode);
}

int store_scan(struct store *store, unsigned flags,
               int (*visit)(const struct store_entry *entry, void *context, struct err *err),
               void *context, struct err *err)
{
        _cleanup_(listing_done) struct listing listing = { 0 };
        char text[STORE_OWNER_MAX];
        int r = read_listing(store, &listing, err);

        /* The order of inodes is the order in memory and on disk: a quarter faster with 60,000. */
        if (r == 0 && listing.count > 0)
                qsort(listing.items, listing.count, sizeof(*listing.items), compare_inodes);
        for (size_t i = 0; i < listing.count && r == 0; i++) {
                struct store_entry entry = { .ip = listing.items[i].ip };

                if (listing.items[i].regular && read_any(store, flags, text, &entry) == 0)
                        r = visit(&entry, context, err);
        }
        return r;
}

int store_list(struct store *store, struct ip **ret_ips, size_t *ret_count, struct err *err)
{
        _cleanup_(listing_done) struct listing listing = { 0 };
        struct ip *ips;
        int r = read_listing(store, &listing, err);

        if (r < 0)
                return r;
        ips = calloc(listing.count + 1, sizeof(*ips));
        if (!ips)
                return err_oom(err);
        for (size_t i = 0; i < listing.count; i++)
                ips[i] = listing.items[i].ip;
        if (listing.count > 0)
                qsort(ips, listing.count, sizeof(*ips), ip_compare_items);
        *ret_ips = ips;
        *ret_count = listing.count;
        return 0;
}

/* ---- the entries of an owner ---- */

/* Outcome > 0 of the functions below: the index and the files do not agree. */
#define MISLED 1

static int note_entry(const struct store_entry *entry, void *context, _unused_ struct err *err)
{
        index_build_note(context, entry->owner.container_id, entry->owner.ifname, &entry->ip);
        return 0;
}

static void rebuild_index(struct store *store)
{
        struct err ignored;

        if (index_build_start(&store->index))
                index_build_end(&store->index,
                                store_scan(store, 0, note_entry, &store->index, &ignored) == 0);
}

/* Visits what the index has under exactly this owner, when the files say the same. */
static int visit_indexed(struct store *store, unsigned flags, const struct owner *owner,
                         int (*visit)(const struct store_entry *entry, void *context,
                                      struct err *err),
                         void *context, struct err *err)
{
        struct ip ips[INDEX_FOUND_MAX];
        char text[STORE_OWNER_MAX];
        int r = 0, count = index_find(&store->index, owner->container_id, owner->ifname, ips);

        if (count < 0)
                return MISLED;
        for (int i = 0; i < count && r == 0; i++) {
                struct store_entry entry = { .ip = ips[i], .owner = { "", "" } };

                if (read_any(store, flags, text, &entry) != 0 || !owner_is(&entry.owner, owner)) {
                        index_distrust(&store->index);
                        return MISLED;
                }
                r = visit(&entry, context, err);
        }
        return r;
}

int store_find(struct store *store, unsigned flags, const struct owner *owner,
               int (*visit)(const struct store_entry *entry, void *context, struct err *err),
               void *context, struct err *err)
{
        /* What has no owner is everybody's: it may have been the owner's, or become so. */
        const struct owner keys[] = { *owner, { owner->container_id, "" }, { "", "" } };
        int r = MISLED;

        for (unsigned tries = 0; tries < 2 && r == MISLED; tries++) {
                if (!index_is_valid(&store->index))
                        rebuild_index(store);
                r = 0;
                for (size_t i = 0; i < ARRAY_SIZE(keys) && r == 0; i++)
                        r = visit_indexed(store, flags, &keys[i], visit, context, err);
        }
        return r == MISLED ? store_scan(store, flags, visit, context, err) : r;
}

bool store_distrust_index(struct store *store)
{
        bool was_valid = index_is_valid(&store->index);

        index_distrust(&store->index);
        return was_valid;
}

/* ---- cursors ---- */

int store_read_cursor(const struct store *store, size_t set, struct ip *ret, struct err *err)
{
        char name[48], text[IP_TEXT_MAX + 16];
        _cleanup_(closep) int fd = -1;
        ssize_t n;

        *ret = (struct ip){ 0 };
        (void)snprintf(name, sizeof(name), CURSOR_NAME, set);
        fd = openat(store->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT)
                return 0;
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s/%s", store->path, name);
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return err_set(err, -errno, CNI_ERR_IO, "read %s/%s", store->path, name);
        text[n] = '\0';
        if (memchr(text, '\0', (size_t)n) || ip_parse(text, ret) < 0)
                *ret = (struct ip){ 0 };
        return 0;
}

int store_write_cursor(struct store *store, size_t set, const struct ip *ip, struct err *err)
{
        char name[48], text[IP_TEXT_MAX];
        _cleanup_(closep) int fd = -1;
        struct stat st;
        size_t len;
        ssize_t n;

        (void)snprintf(name, sizeof(name), CURSOR_NAME, set);
        index_before_change(&store->index);
        if (ip->family == IP_UNSET) {
                if (unlinkat(store->dirfd, name, 0) < 0 && errno != ENOENT)
                        return err_set(err, -errno, CNI_ERR_IO, "remove %s/%s", store->path, name);
                index_after_change(&store->index);
                return 0;
        }
        len = strlen(ip_format(ip, text));
        fd = openat(store->dirfd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                    0600);
        if (fd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open %s/%s", store->path, name);
        index_after_change(&store->index); /* it may be a new file */
        /* No O_TRUNC: it makes ext4 flush the file on close, 1 to 3 ms under load. */
        n = pwrite(fd, text, len, 0);
        if (n < 0 || (size_t)n != len)
                return err_set(err, n < 0 ? -errno : -ENOSPC, CNI_ERR_IO, "write %s/%s",
                               store->path, name);
        if (fstat(fd, &st) < 0 || (st.st_size > (off_t)len && ftruncate(fd, (off_t)len) < 0))
                return err_set(err, -errno, CNI_ERR_IO, "write %s/%s", store->path, name);
        return 0;
}

/* ---- the first sweep of a boot ---- */

bool store_needs_sweep(const struct store *store)
{
        return *store->boot.id && !boot_is_current(&store->boot, store->lockfd);
}

void store_mark_swept(struct store *store)
{
        boot_tag(&store->boot, store->lockfd);
}
