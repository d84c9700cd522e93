/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file: a header, then buckets of one page, a power of two of them. An owner's slots are all in
 * the bucket that the salted hash of its names leads to, in no order: a look-up reads one page, and
 * a change writes one slot. A bucket that is full makes the index invalid; the next call rebuilds
 * it with more of them.
 *
 * The order of a change: header invalid, slots, signature onto the directory, header valid with
 * what fstat(2) says of it. A kill in between leaves an invalid header. pread and pwrite, because a
 * full tmpfs is SIGBUS for a mapping.
 */
#include "index.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "core/util.h"
#include "siphash.h"

#define MAGIC         "cni-index-1"
#define PAGE          4096U
#define BUCKET_SLOTS  INDEX_FOUND_MAX
#define BUCKET_FILL   (BUCKET_SLOTS / 2) /* on average, in a fresh index */
#define BUCKETS_MAX   2048U              /* 8 MiB */
#define FILES_MAX     1024U
#define REBUILD_EVERY 1024U

struct index_slot {
        uint64_t tag;   /* the hash of the owner */
        uint8_t family; /* IP_UNSET: a free slot */
        uint8_t zero[7];
        uint8_t bytes[16];
};
_Static_assert(sizeof(struct index_slot) * BUCKET_SLOTS == PAGE, "a bucket is a page");
_Static_assert(sizeof(struct index_header) <= PAGE, "the header is in the first page");

static void turn_off(struct index *index)
{
        free(TAKE_PTR(index->built));
        closep(&index->fd);
        *index = INDEX_OFF;
}

static bool get_random(void *bytes, size_t len)
{
        return getrandom(bytes, len, GRND_NONBLOCK) == (ssize_t)len;
}

/* ---- the file ---- */

/* Opens a directory of ours, and makes it where it is missing. Returns the descriptor or -1. */
static int open_ours(int at, const char *name, mode_t forbidden)
{
        const int how = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        _cleanup_(closep) int fd = openat(at, name, how);
        struct stat st;

        if (fd < 0 && errno == ENOENT && (mkdirat(at, name, 0700) == 0 || errno == EEXIST))
                fd = openat(at, name, how);
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & forbidden))
                return -1;
        return TAKE_FD(fd);
}

static void closedirp(DIR **dir)
{
        if (*dir)
                closedir(*dir);
}

/* Before a file is added: those of directories that are gone cannot be told from others, so when
 * there are many, all go. Whoever has one open is not disturbed. */
static void make_room(int at)
{
        int fd = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closedirp) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        size_t count = 0;

        if (!dir) {
                closep(&fd);
                return;
        }
        while (readdir(dir))
                count++;
        if (count < FILES_MAX)
                return;
        rewinddir(dir);
        while ((entry = readdir(dir)))
                (void)unlinkat(at, entry->d_name, 0);
}

/* Opens the file for a directory and locks it: the directory's own lock does not exclude somebody
 * who holds another one, because it was deleted. Returns the descriptor or -1. */
static int open_file(const char *base, const struct stat *st)
{
        _cleanup_(closep) int top = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
        _cleanup_(closep) int middle = top < 0 ? -1 : open_ours(top, "cni-ipam", 022);
        _cleanup_(closep) int dir = middle < 0 ? -1 : open_ours(middle, "host-local", 077);
        _cleanup_(closep) int fd = -1;
        char name[40];

        if (dir < 0)
                return -1;
        (void)snprintf(name, sizeof(name), "%llx-%llx", (unsigned long long)st->st_dev,
                       (unsigned long long)st->st_ino);
        fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == ENOENT) {
                make_room(dir);
                fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        }
        return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ? -1 : TAKE_FD(fd);
}

static bool write_at(const struct index *index, const void *bytes, size_t len, size_t offset)
{
        return pwrite(index->fd, bytes, len, (off_t)offset) == (ssize_t)len;
}

/* Writes the header, and turns the index off when that cannot be done. */
static bool write_header(struct index *index, bool valid)
{
        index->header.valid = valid;
        index->stored = valid;
        if (write_at(index, &index->header, sizeof(index->header), 0))
                return true;
        turn_off(index);
        return false;
}

/* ---- the signature ---- */

static bool matches(const struct index_header *header, const struct stat *st)
{
        return st->st_mtim.tv_sec == header->mtime_s && st->st_mtim.tv_nsec == header->mtime_ns &&
               st->st_ctim.tv_sec == header->ctime_s && st->st_ctim.tv_nsec == header->ctime_ns;
}

static void take_times(struct index *index, const struct stat *st)
{
        index->header.mtime_s = st->st_mtim.tv_sec;
        index->header.mtime_ns = st->st_mtim.tv_nsec;
        index->header.ctime_s = st->st_ctim.tv_sec;
        index->header.ctime_ns = st->st_ctim.tv_nsec;
}

/* Whether the directory is as we left it; distrusts the index when somebody ignores the lock. */
static bool is_untouched(struct index *index)
{
        struct stat st;

        if (fstat(index->dirfd, &st) == 0 && matches(&index->header, &st))
                return true;
        index_distrust(index);
        return false;
}

/* Signs the directory, and turns the index off when the signature does not read back. */
static bool sign(struct index *index)
{
        struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_sec = index->now_s - 1 } };
        struct stat st;
        uint32_t random;

        if (get_random(&random, sizeof(random))) {
                times[1].tv_nsec = 1 + random % 999999999;
                if (futimens(index->dirfd, times) == 0 && fstat(index->dirfd, &st) == 0) {
                        take_times(index, &st);
                        index->is_signed = st.st_mtim.tv_sec == times[1].tv_sec &&
                                           st.st_mtim.tv_nsec == times[1].tv_nsec;
                        if (index->is_signed)
                                return true;
                }
        }
        turn_off(index);
        return false;
}

/* ---- opening and closing ---- */

void index_open(struct index *index, const char *base, int dirfd, const struct boot *boot,
                time_t now_s)
{
        struct index_header header = { .magic = MAGIC }, *read = &index->header;
        uint16_t random;
        struct stat st;

        *index = INDEX_OFF;
        if (!*boot->id || fstat(dirfd, &st) < 0 || !get_random(&random, sizeof(random)))
                return;
        index->fd = open_file(base, &st);
        index->dirfd = dirfd;
        index->now_s = now_s;
        if (index->fd < 0)
                return;
        header.dev = st.st_dev;
        header.ino = st.st_ino;
        memcpy(header.boot, boot->id, sizeof(header.boot));
        index->valid = pread(index->fd, read, sizeof(*read), 0) == (ssize_t)sizeof(*read) &&
                       memcmp(read, &header, offsetof(struct index_header, valid)) == 0 &&
                       read->valid == 1 && read->buckets > 0 &&
                       (read->buckets & (read->buckets - 1)) == 0 && matches(read, &st) &&
                       random % REBUILD_EVERY > 0;
        index->stored = index->is_signed = index->valid;
        if (!index->valid)
                *read = header;
}

void index_close(struct index *index)
{
        if (index_is_unsaved(index) && (index->is_signed || (is_untouched(index) && sign(index))))
                (void)write_header(index, true);
        turn_off(index);
}

bool index_is_valid(const struct index *index)
{
        return index->valid;
}

bool index_is_unsaved(const struct index *index)
{
        return index->valid && !index->stored;
}

void index_distrust(struct index *index)
{
        index->valid = false;
        if (index->fd >= 0)
                (void)write_header(index, false);
}

/* ---- slots ---- */

static struct index_slot make_slot(const struct index *index, const char *container_id,
                                   const char *ifname, const struct ip *ip)
{
        const char *const fields[] = { container_id, ifname };
        struct index_slot slot = { .family = ip->family };

        slot.tag = siphash_fields(index->header.salt, fields, ARRAY_SIZE(fields));
        memcpy(slot.bytes, ip->bytes, sizeof(slot.bytes));
        return slot;
}

static size_t bucket_of(const struct index_slot *slot, uint32_t buckets)
{
        return slot->tag & (buckets - 1);
}

/* Where the slot's bucket begins. */
static size_t offset_of(const struct index *index, const struct index_slot *slot)
{
        return PAGE * (1 + bucket_of(slot, index->header.buckets));
}

static bool read_bucket(struct index *index, const struct index_slot *slot,
                        struct index_slot bucket[BUCKET_SLOTS])
{
        if (pread(index->fd, bucket, PAGE, (off_t)offset_of(index, slot)) == (ssize_t)PAGE)
                return true;
        index_distrust(index);
        return false;
}

int index_find(struct index *index, const char *container_id, const char *ifname, struct ip *ret)
{
        static const struct ip any = { 0 };
        struct index_slot wanted, bucket[BUCKET_SLOTS];
        int count = 0;

        if (!index->valid)
                return -1;
        wanted = make_slot(index, container_id, ifname, &any);
        if (!read_bucket(index, &wanted, bucket))
                return -1;
        for (size_t i = 0; i < BUCKET_SLOTS; i++) {
                const struct index_slot *slot = &bucket[i];

                if (slot->family == IP_UNSET || slot->tag != wanted.tag)
                        continue;
                if (slot->family != IP_V4 && slot->family != IP_V6) {
                        index_distrust(index);
                        return -1;
                }
                ret[count].family = slot->family;
                memcpy(ret[count].bytes, slot->bytes, sizeof(slot->bytes));
                count++;
        }
        return count;
}

void index_before_change(struct index *index)
{
        if (index->valid && is_untouched(index) && index->stored)
                (void)write_header(index, false);
}

void index_after_change(struct index *index)
{
        struct stat st;

        if (!index->valid)
                return;
        index->is_signed = false;
        if (fstat(index->dirfd, &st) == 0)
                take_times(index, &st);
        else
                index_distrust(index);
}

/* Takes a free place of the owner's bucket for the slot, or frees the one that holds it; invalid
 * when there is none. */
static void put(struct index *index, const char *container_id, const char *ifname,
                const struct ip *ip, bool present)
{
        static const struct index_slot none = { 0 };
        struct index_slot slot, bucket[BUCKET_SLOTS];
        const struct index_slot *old = present ? &none : &slot, *new = present ? &slot : &none;
        size_t i = 0;

        if (!index->valid)
                return;
        slot = make_slot(index, container_id, ifname, ip);
        if (!read_bucket(index, &slot, bucket))
                return;
        while (i < BUCKET_SLOTS && memcmp(&bucket[i], old, sizeof(*old)) != 0)
                i++;
        if (i == BUCKET_SLOTS ||
            !write_at(index, new, sizeof(*new), offset_of(index, &slot) + i * sizeof(*new)))
                index_distrust(index);
}

void index_add(struct index *index, const char *container_id, const char *ifname,
               const struct ip *ip)
{
        put(index, container_id, ifname, ip, true);
}

void index_remove(struct index *index, const char *container_id, const char *ifname,
                  const struct ip *ip)
{
        put(index, container_id, ifname, ip, false);
}

/* ---- rebuilding ---- */

/* The signature at the start shows at the end whether somebody changed the directory meanwhile. */
bool index_build_start(struct index *index)
{
        if (index->fd < 0)
                return false;
        index->valid = false;
        index->built_count = 0;
        if (!get_random(index->header.salt, sizeof(index->header.salt))) {
                turn_off(index);
                return false;
        }
        return write_header(index, false) && sign(index);
}

void index_build_note(struct index *index, const char *container_id, const char *ifname,
                      const struct ip *ip)
{
        if (index->fd < 0)
                return;
        if (index->built_count == index->built_size) {
                size_t size = index->built_size > 0 ? 2 * index->built_size : 256;
                struct index_slot *built = realloc(index->built, size * sizeof(*built));

                if (!built) {
                        turn_off(index);
                        return;
                }
                index->built = built;
                index->built_size = size;
        }
        index->built[index->built_count++] = make_slot(index, container_id, ifname, ip);
}

/* Puts all slots into buckets. Returns NULL when one is too full, or without memory. */
static struct index_slot *make_table(const struct index *index, uint32_t buckets)
{
        _cleanup_(freep) struct index_slot *table = calloc(buckets, PAGE);

        for (size_t i = 0; table && i < index->built_count; i++) {
                const struct index_slot *slot = &index->built[i];
                struct index_slot *place = table + bucket_of(slot, buckets) * BUCKET_SLOTS;
                const struct index_slot *end = place + BUCKET_SLOTS;

                while (place < end && place->family != IP_UNSET)
                        place++;
                if (place == end)
                        return NULL;
                *place = *slot;
        }
        return TAKE_PTR(table);
}

static bool write_table(struct index *index)
{
        _cleanup_(freep) struct index_slot *table = NULL;
        _unused_ int ignored;
        uint32_t buckets = 1;

        while (buckets < BUCKETS_MAX && (size_t)buckets * BUCKET_FILL < index->built_count)
                buckets *= 2;
        table = make_table(index, buckets);
        index->header.buckets = buckets;
        if (table && ftruncate(index->fd, PAGE) == 0 &&
            write_at(index, table, (size_t)buckets * PAGE, PAGE))
                return true;
        ignored = ftruncate(index->fd, 0); /* a full tmpfs is in need of it */
        return false;
}

void index_build_end(struct index *index, bool complete)
{
        if (index->fd < 0)
                return;
        index->valid = complete && write_table(index) && is_untouched(index);
        if (!index->valid)
                turn_off(index);
        free(TAKE_PTR(index->built));
        index->built_size = 0;
}
