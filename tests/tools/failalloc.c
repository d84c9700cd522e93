/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An LD_PRELOAD library for glibc: the N-th allocation of a program fails. The memory tests walk N
 * over every allocation of a call.
 *
 *      FAILALLOC_AT=N       the allocation that fails, from 1, beginning with the program itself
 *      FAILALLOC_COUNT=FILE where the number of allocations is written at the end
 *
 * What libc allocates for strdup(3), opendir(3), getline(3) and their like comes through here too,
 * since glibc calls a malloc that was put before its own. A realloc(3) that fails leaves the old
 * block alone, as the real one does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* glibc's own names for the real ones: dlsym(3) would allocate. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

#define EXPORT __attribute__((visibility("default")))

static unsigned long count, fail_at;
static bool counting;

__attribute__((constructor)) static void begin(void)
{
        const char *at = getenv("FAILALLOC_AT");

        fail_at = at ? strtoul(at, NULL, 10) : 0;
        counting = true;
}

__attribute__((destructor)) static void end(void)
{
        const char *path = getenv("FAILALLOC_COUNT");
        char text[24];
        int fd, len;

        counting = false;
        if (!path)
                return;
        len = snprintf(text, sizeof(text), "%lu", count);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || write(fd, text, (size_t)len) != len)
                _exit(125);
        close(fd);
}

static bool fails(void)
{
        if (!counting || ++count != fail_at)
                return false;
        errno = ENOMEM;
        return true;
}

EXPORT void *malloc(size_t size)
{
        return fails() ? NULL : __libc_malloc(size);
}

EXPORT void *calloc(size_t n, size_t size)
{
        return fails() ? NULL : __libc_calloc(n, size);
}

EXPORT void *realloc(void *block, size_t size)
{
        return fails() ? NULL : __libc_realloc(block, size);
}

EXPORT void *aligned_alloc(size_t alignment, size_t size)
{
        return fails() ? NULL : __libc_memalign(alignment, size);
}

EXPORT int posix_memalign(void **ret, size_t alignment, size_t size)
{
        void *block = fails() ? NULL : __libc_memalign(alignment, size);

        if (!block)
                return ENOMEM;
        *ret = block;
        return 0;
}
