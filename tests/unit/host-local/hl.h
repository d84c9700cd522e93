/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_HL_H
#define TESTS_UNIT_HL_H

/*
 * What the tests of host-local share: a call made of a text, a store in a fresh directory, entries
 * of other boots.
 */

#include "boot.h"
#include "call.h"
#include "conf.h"
#include "store.h"

#define HL_OTHER_BOOT "00000000-1111-2222-3333-444444444444"

/* Opens the store of a directory that is there; with HOST_LOCAL_INDEX=1 it has an index. */
static inline void hl_open(struct store *store, const char *dir, unsigned flags)
{
        const char *with = getenv("HOST_LOCAL_INDEX");
        struct err err;

        unit_assert_ok(store_open(dir, flags, store, &err), &err);
        if (with && *with == '1' && !(flags & STORE_NO_LOCK))
                index_open(&store->index, unit_base, store->dirfd, &store->boot, store->now_s);
}

/* Makes a file one of another boot. */
static inline void hl_make_stale(const char *dir, const char *name)
{
        char path[UNIT_PATH_MAX];

        ck_assert_int_eq(setxattr(unit_path(dir, name, path), BOOT_ATTRIBUTE, HL_OTHER_BOOT,
                                  strlen(HL_OTHER_BOOT), 0),
                         0);
}

static inline struct ip hl_ip(const char *text)
{
        struct ip ip;

        ck_assert_msg(ip_parse(text, &ip) == 0, "%s", text);
        return ip;
}

/* "SUBNET [START [END [GATEWAY]]]", "-" for what is not given. */
static inline struct range hl_range(const char *text)
{
        struct range range = { 0 };
        char copy[256], *rest = copy, *word;
        struct ip *const ips[] = { &range.start, &range.end, &range.gateway };

        (void)snprintf(copy, sizeof(copy), "%s", text);
        word = strsep(&rest, " ");
        if (strcmp(word, "-") != 0)
                ck_assert_msg(ipnet_parse(word, &range.subnet) == 0, "%s", word);
        for (size_t i = 0; (word = strsep(&rest, " ")); i++)
                if (strcmp(word, "-") != 0)
                        ck_assert_msg(ip_parse(word, ips[i]) == 0, "%s", word);
        return range;
}

/* A set that owns its ranges. */
struct hl_set {
        struct range ranges[8];
        struct range_set set;
};

/* Ranges as of hl_range(), with ", " between them; just as they stand there. */
static inline void hl_set_fill(struct hl_set *set, const char *text)
{
        char copy[512], *rest = copy, *word;

        *set = (struct hl_set){ .set.ranges = set->ranges };
        (void)snprintf(copy, sizeof(copy), "%s", text);
        while ((word = strsep(&rest, ",")))
                set->ranges[set->set.count++] = hl_range(word + (*word == ' '));
}

/* The same in canonical form. */
static inline void hl_set_make(struct hl_set *set, const char *text)
{
        enum range_member member;
        struct err err;
        size_t index;

        hl_set_fill(set, text);
        unit_assert_ok(range_set_canonicalize(&set->set, &index, &member, &err), &err);
}

/* Writes an address file for each word of "ADDRESS=CONTAINER/IFNAME"; without "/IFNAME" it is of
 * the old form, without "=" it is empty, with '*' in front it is of another boot. */
static inline void hl_fill(const char *dir, const char *words)
{
        char copy[1024], *rest = copy, *word;

        (void)snprintf(copy, sizeof(copy), "%s", words);
        while ((word = strsep(&rest, " "))) {
                bool stale = *word == '*';
                char *equals = strchr(word, '='), *slash, text[256] = "";

                if (*word == '\0')
                        continue;
                word += stale;
                if (equals) {
                        *equals = '\0';
                        slash = strchr(equals + 1, '/');
                        if (slash)
                                *slash = '\0';
                        (void)snprintf(text, sizeof(text), "%s%s%s", equals + 1,
                                       slash ? "\r\n" : "", slash ? slash + 1 : "");
                }
                unit_write(dir, word, text);
                if (stale)
                        hl_make_stale(dir, word);
        }
}

static inline int hl_compare_names(const void *a, const void *b)
{
        return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names in a directory without `lock`, sorted, with a blank behind each. Static text. */
static inline const char *hl_names(const char *dir)
{
        static char text[8192];
        char *names[256];
        size_t count = 0, len = 0;
        DIR *listing = opendir(dir);
        const struct dirent *entry;

        ck_assert_ptr_nonnull(listing);
        while ((entry = readdir(listing)))
                if (*entry->d_name != '.' && strcmp(entry->d_name, "lock") != 0 && count < 256)
                        names[count++] = strdup(entry->d_name);
        closedir(listing);
        if (count > 0)
                qsort(names, count, sizeof(*names), hl_compare_names);
        text[0] = '\0';
        for (size_t i = 0; i < count; i++) {
                len += (size_t)snprintf(text + len, sizeof(text) - len, "%s ", names[i]);
                ck_assert_uint_lt(len, sizeof(text));
                free(names[i]);
        }
        return text;
}

#endif
