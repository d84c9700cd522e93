/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_BINDING_PARTS_H
#define DHCP_BINDING_PARTS_H

/*
 * What the files of `binding` share: bindings.c is the table, binding-add.c the ADD,
 * binding-drive.c does what the state machine says, binding.c has the rest.
 */

#include "binding.h"
#include "core/log.h"
#include "visit.h"

/* ---- bindings.c ---- */

struct binding *binding_new(struct bindings *all);
void binding_free(struct binding *binding);
int binding_insert(struct binding *binding, struct err *err);
/* Takes it out of the table and frees it. */
void binding_forget(struct binding *binding);
size_t bindings_count_if(const struct bindings *all, bool (*is)(const struct binding *binding));

static inline void binding_freep(struct binding **binding)
{
        binding_free(*binding);
}

/* ---- binding-add.c ---- */

/* It has an answer, or had its time, or is no more: the next one's turn. */
void binding_make_room(struct binding *binding);
void binding_turn_due(struct loop_timer *timer, int64_t now_ms);

/* ---- binding.c ---- */

/* A line of the log that begins with who it is about; "TEXT: MORE". */
void binding_tell(const struct binding *binding, enum log_level level, const char *text,
                  const char *more);
void binding_set_error(struct binding *binding, const char *text);
void binding_warn(struct binding *binding, const char *what, const struct err *err);
struct lease_now binding_now(const struct binding *binding);

/* Tells all waiting ADDs that they have failed. */
void binding_refuse(struct binding *binding, const struct err *err);
int binding_save(struct binding *binding, struct err *err);
void binding_remove_record(struct binding *binding);
int binding_visit(struct binding *binding, struct visit *ret, struct err *err);
void binding_set_timer(struct binding *binding);
/* The server cannot be told: shown until the lease ends, if there is one. The binding may be gone
 * afterwards. */
void binding_end_unreleased(struct binding *binding, const char *why);
/* Whether the interface carries the address, as seen now. */
void binding_see_address(struct binding *binding, bool there);

/* ---- binding-drive.c; each returns whether the binding is still there ---- */

void binding_timer_due(struct loop_timer *timer, int64_t now_ms);
void binding_packet_ready(struct loop_source *source, uint32_t events, int64_t now_ms);
void binding_arp_ready(struct loop_source *source, uint32_t events, int64_t now_ms);

/* A DEL came while nobody listened, or its release has to be tried again. */
bool binding_is_marked(const struct binding *binding);
/* Does all that a step says. */
bool binding_perform(struct binding *binding, const struct lease_step *step);
/* Looks at the link and tells the machine. */
bool binding_look(struct binding *binding);
/* Makes the interface as the lease wants it after a loss, or tries again later. */
bool binding_settle(struct binding *binding);
/* Gives the address the lifetime of its lease. */
bool binding_limit_lifetime(struct binding *binding, const char *what);

#endif
