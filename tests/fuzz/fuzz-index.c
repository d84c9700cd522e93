/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the index: whatever stands in it, a look-up ends, and finds addresses or nothing. The
 * input is written over a good file, beginning at the place that its first two bytes tell.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fuzz.h"
#include "index.h"

static char base[] = "/tmp/cni-ipam-fuzz-index.XXXXXX";
static int base_fd = -1, file_fd = -1;
static char name[48];
static struct boot boot = { .id = "11111111-2222-3333-4444-555555555555" };
static const struct ip ips[] = {
        { .family = IP_V4, .bytes = { 10, 0, 0, 2 } },
        { .family = IP_V6, .bytes = { 0x20, 1, 0xd, 0xb8 } },
};

static void remove_all(void)
{
        (void)unlinkat(base_fd, name, 0);
        (void)unlinkat(base_fd, "cni-ipam/host-local", AT_REMOVEDIR);
        (void)unlinkat(base_fd, "cni-ipam", AT_REMOVEDIR);
        (void)rmdir(base);
        close(file_fd);
        close(base_fd);
}

/* The network's directory is the base itself. */
static void build(struct index *index)
{
        index_open(index, base, base_fd, &boot, time(NULL));
        fuzz_must(index_build_start(index));
        for (size_t i = 0; i < ARRAY_SIZE(ips); i++)
                index_build_note(index, "c1", "eth0", &ips[i]);
        index_build_end(index, true);
        fuzz_must(index_is_valid(index));
        index_close(index);
}

static void open_once(struct index *index)
{
        struct stat st;

        if (base_fd < 0) {
                fuzz_must(mkdtemp(base));
                base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                fuzz_must(base_fd >= 0 && fstat(base_fd, &st) == 0);
                (void)snprintf(name, sizeof(name), "cni-ipam/host-local/%llx-%llx",
                               (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
                fuzz_must(atexit(remove_all) == 0);
                build(index);
                file_fd = openat(base_fd, name, O_RDWR | O_CLOEXEC);
                fuzz_must(file_fd >= 0);
        } else {
                build(index);
        }
}

static void look(struct index *index)
{
        struct ip found[INDEX_FOUND_MAX];
        int count = index_find(index, "c1", "eth0", found);

        fuzz_must(count >= -1 && count <= INDEX_FOUND_MAX);
        for (int i = 0; i < count; i++)
                fuzz_must(found[i].family == IP_V4 || found[i].family == IP_V6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct index index;
        size_t at;

        if (size < 2)
                return 0;
        open_once(&index);
        at = (size_t)data[0] << 8 | data[1];
        fuzz_must(pwrite(file_fd, data + 2, size - 2, (off_t)at) == (ssize_t)size - 2);
        index_open(&index, base, base_fd, &boot, time(NULL));
        look(&index);
        index_before_change(&index);
        index_add(&index, "c2", "eth0", &ips[0]);
        index_after_change(&index);
        index_remove(&index, "c1", "eth0", &ips[1]);
        look(&index);
        index_close(&index);
        return 0;
}
