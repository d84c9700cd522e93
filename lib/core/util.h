/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_UTIL_H
#define CORE_UTIL_H

/*
 * The few macros that the whole tree shares: cleanup of owning locals, moving ownership, sizes.
 */

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)        __attribute__((cleanup(f)))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _unused_            __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that a member is embedded in. */
#define CONTAINER_OF(pointer, type, member) \
        ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Gives a pointer or descriptor away: evaluates to it and leaves an empty owner behind. */
#define TAKE_PTR(p)                         \
        __extension__({                     \
                __typeof__(p) taken_ = (p); \
                (p) = NULL;                 \
                taken_;                     \
        })
#define TAKE_FD(fd)                \
        __extension__({            \
                int taken_ = (fd); \
                (fd) = -1;         \
                taken_;            \
        })

static inline void freep(void *p)
{
        free(*(void **)p);
}

static inline void fclosep(FILE **f)
{
        if (*f)
                fclose(*f);
}

/* Closes and keeps errno: the error that is on its way up matters more. */
static inline void closep(int *fd)
{
        int saved = errno;

        if (*fd >= 0)
                close(*fd);
        errno = saved;
}

#endif
