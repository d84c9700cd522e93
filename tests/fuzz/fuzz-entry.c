/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The content of an address file and of a cursor: somebody else may have written them.
 */
#include <fcntl.h>

#include "fuzz.h"
#include "store.h"

static char directory[] = "/tmp/cni-ipam-fuzz-entry.XXXXXX";
static struct store store;
static int entry_fd, cursor_fd;

static void remove_all(void)
{
        (void)unlinkat(store.dirfd, "10.0.0.1", 0);
        (void)unlinkat(store.dirfd, "last_reserved_ip.0", 0);
        (void)rmdir(directory);
        close(entry_fd);
        close(cursor_fd);
        store_close(&store);
}

static void open_once(void)
{
        const int how = O_RDWR | O_CREAT | O_CLOEXEC;
        struct err err;

        if (entry_fd > 0)
                return;
        fuzz_must(mkdtemp(directory));
        fuzz_must(store_open(directory, STORE_NO_LOCK, &store, &err) == 0);
        entry_fd = openat(store.dirfd, "10.0.0.1", how, 0600);
        cursor_fd = openat(store.dirfd, "last_reserved_ip.0", how, 0600);
        fuzz_must(entry_fd > 0 && cursor_fd > 0);
        fuzz_must(atexit(remove_all) == 0);
}

static void put(int fd, const uint8_t *data, size_t size)
{
        fuzz_must(ftruncate(fd, 0) == 0);
        fuzz_must(size == 0 || pwrite(fd, data, size, 0) == (ssize_t)size);
}

struct seen {
        unsigned count;
        size_t size;
        char container_id[STORE_OWNER_MAX], ifname[STORE_OWNER_MAX];
};

static int visit(const struct store_entry *entry, void *context, _unused_ struct err *err)
{
        struct seen *seen = context;

        fuzz_must(strcmp(entry->name, "10.0.0.1") == 0);
        fuzz_must(entry->state == (seen->size == 0                ? ENTRY_EMPTY
                                   : seen->size < STORE_OWNER_MAX ? ENTRY_HELD
                                                                  : ENTRY_UNREADABLE));
        fuzz_must(strlen(entry->owner.container_id) + strlen(entry->owner.ifname) <= seen->size);
        fuzz_must(!strstr(entry->owner.container_id, "\r\n"));
        (void)snprintf(seen->container_id, sizeof(seen->container_id), "%s",
                       entry->owner.container_id);
        (void)snprintf(seen->ifname, sizeof(seen->ifname), "%s", entry->owner.ifname);
        seen->count++;
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        const struct ip address = { .family = IP_V4, .bytes = { 10, 0, 0, 1 } };
        char text[STORE_OWNER_MAX], name[IP_TEXT_MAX];
        struct seen seen = { .size = size };
        struct store_entry entry;
        struct owner owner = { seen.container_id, seen.ifname };
        struct ip cursor;
        struct err err;

        open_once();
        put(entry_fd, data, size);
        put(cursor_fd, data, size);
        fuzz_must(store_scan(&store, STORE_BOOT | STORE_DETAILS, visit, &seen, &err) == 0);
        fuzz_must(seen.count == 1);
        fuzz_must(store_look(&store, &address, text, &entry) == (size < STORE_OWNER_MAX));
        if (size >= STORE_OWNER_MAX)
                return 0;
        fuzz_must(owner_is(&entry.owner, &owner));
        fuzz_must(!*seen.ifname == owner_is_legacy(&entry.owner, &owner));
        fuzz_must(store_read_cursor(&store, 0, &cursor, &err) == 0);
        if (cursor.family != IP_UNSET)
                fuzz_must(strlen(ip_format(&cursor, name)) > 0 && size < IP_TEXT_MAX + 16);
        return 0;
}
