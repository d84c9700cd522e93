/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of all attachments: rows of chains, doubled as it fills.
 */
#include <string.h>

#include "binding-parts.h"

static size_t row_of(const struct bindings *all, const struct key *key)
{
        const char *const texts[] = { key->container_id, key->network, key->ifname };
        uint64_t hash = 14695981039346656037U; /* FNV-1a: only root can choose the keys */

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                for (const char *p = texts[i];; p++) {
                        hash = (hash ^ (uint8_t)*p) * 1099511628211U;
                        if (!*p)
                                break;
                }
        return (size_t)hash & (all->row_count - 1);
}

struct binding *bindings_find(const struct bindings *all, const struct key *key)
{
        struct binding *b = all->row_count > 0 ? all->rows[row_of(all, key)] : NULL;

        while (b && !key_equal(&b->record.key, key))
                b = b->next;
        return b;
}

/* Doubles the rows; the old ones do when there is no memory for more. */
static void grow(struct bindings *all)
{
        size_t old_count = all->row_count, count = old_count ? 2 * old_count : 64;
        struct binding **old = all->rows, **rows = calloc(count, sizeof(*rows));

        if (!rows)
                return;
        all->rows = rows;
        all->row_count = count;
        for (size_t i = 0; i < old_count; i++)
                for (struct binding *b = old[i], *next; b; b = next) {
                        struct binding **row = &rows[row_of(all, &b->record.key)];

                        next = b->next;
                        b->next = *row;
                        *row = b;
                }
        free(old);
}

int binding_insert(struct binding *b, struct err *err)
{
        struct bindings *all = b->all;
        struct binding **row;

        if (all->count >= all->row_count)
                grow(all);
        if (!all->rows)
                return err_oom(err);
        if (loop_set_timer(all->loop, &b->timer, INT64_MAX, err) < 0)
                return -ENOMEM;
        row = &all->rows[row_of(all, &b->record.key)];
        b->next = *row;
        *row = b;
        all->count++;
        return 0;
}

static void take_out(struct binding *b)
{
        struct binding **at = &b->all->rows[row_of(b->all, &b->record.key)];

        while (*at && *at != b)
                at = &(*at)->next;
        if (!*at)
                return;
        *at = b->next;
        b->all->count--;
}

void bindings_each_in(struct bindings *all, size_t first, size_t count,
                      void (*each)(void *user, struct binding *binding), void *user)
{
        for (size_t i = first; i < all->row_count && i - first < count; i++)
                for (struct binding *b = all->rows[i], *next; b; b = next) {
                        next = b->next;
                        each(user, b);
                }
}

void bindings_each(struct bindings *all, void (*each)(void *user, struct binding *binding),
                   void *user)
{
        bindings_each_in(all, 0, all->row_count, each, user);
}

struct binding *binding_new(struct bindings *all)
{
        struct binding *b = calloc(1, sizeof(*b));

        if (!b)
                return NULL;
        b->all = all;
        b->netns_fd = -1;
        b->look_ms = b->settle_ms = INT64_MAX;
        b->timer.due = binding_timer_due;
        exchange_init(&b->exchange, binding_packet_ready, binding_arp_ready);
        return b;
}

void binding_free(struct binding *b)
{
        if (!b)
                return;
        binding_make_room(b);
        loop_cancel_timer(b->all->loop, &b->timer);
        exchange_close(&b->exchange, b->all->loop);
        closep(&b->netns_fd);
        for (size_t i = 0; i < b->call_count; i++)
                b->calls[i]->user = NULL;
        free(b->calls);
        lease_done(&b->lease);
        record_done(&b->record);
        free(b);
}

void binding_forget(struct binding *b)
{
        take_out(b);
        binding_free(b);
}

static void free_each(void *user _unused_, struct binding *b)
{
        binding_free(b);
}

void bindings_init(struct bindings *all)
{
        *all = (struct bindings){ .turn = { .due = binding_turn_due } };
}

void bindings_done(struct bindings *all)
{
        bindings_each(all, free_each, NULL);
        if (all->loop)
                loop_cancel_timer(all->loop, &all->turn);
        free(all->rows);
        all->rows = NULL;
        all->row_count = all->count = 0;
}

size_t bindings_count_if(const struct bindings *all, bool (*is)(const struct binding *b))
{
        size_t count = 0;

        for (size_t i = 0; i < all->row_count; i++)
                for (const struct binding *b = all->rows[i]; b; b = b->next)
                        count += is(b);
        return count;
}
