/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_LOCAL_REPORT_H
#define HOST_LOCAL_REPORT_H

/*
 * What a network's directory holds, as tables for people and as JSON for programs. The JSON is
 * described in host-local(8); members are only ever added.
 */

#include "conf.h"
#include "store.h"

struct report_entry {
        struct ip ip;
        char *container_id, *ifname; /* owned */
        enum entry_state state;
        struct timespec since;
};

struct entry_list {
        struct report_entry *items; /* owned */
        size_t count;
};

void entry_list_done(struct entry_list *list);

/* Appends a copy of the entry. Has the form of struct release_report's callback; the context is the
 * struct entry_list. */
int entry_list_add(const struct store_entry *entry, void *context, struct err *err);

/* One network. */
struct report {
        char *name;                /* owned */
        struct entry_list entries; /* sorted by address */
        struct ip *names;          /* owned; all addresses that something is named by, sorted */
        size_t name_count;
        struct report_cursor {
                size_t set;
                struct ip ip;
        } * cursors; /* owned; sorted by set */
        size_t cursor_count;
};

struct report_list {
        struct report *items; /* owned */
        size_t count;
};

void report_list_done(struct report_list *list);

/* Reads a network's directory without a lock and appends its report. Returns 0, STORE_ABSENT, or an
 * error. */
int report_read(struct report_list *list, const char *name, const char *path, struct err *err);

/* Appends the report of a network that holds nothing. */
int report_add_empty(struct report_list *list, const char *name, struct err *err);

void report_list_json(const struct report_list *list, struct buf *out);
int report_list_table(const struct report_list *list, struct buf *out, struct err *err);

/* `sets`: the range sets of the only network's configuration; empty for none. */
void report_status_json(const struct report_list *list, const struct range_set_list *sets,
                        struct buf *out);
int report_status_table(const struct report_list *list, const struct range_set_list *sets,
                        struct buf *out, struct err *err);

/* What a collection freed. Sorts it by address. */
void report_freed_json(struct entry_list *freed, const char *network, bool dry_run,
                       struct buf *out);
void report_freed_lines(struct entry_list *freed, bool dry_run, struct buf *out);

/* How many addresses of a set ADD cannot give: something has their name, and it is neither a stale
 * nor an empty entry. Gateways are left out. */
uint64_t report_used(const struct report *report, const struct range_set *set);

#endif
