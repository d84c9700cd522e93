/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which slices are in use is asked of the IPPools, whose names are [NETWORK_NAME-]NODE-SLICE: the
 * NodeSlicePool may have been deleted and made anew.
 */
#include "seating.h"

#include <string.h>

static size_t seat_place(const struct seats *seats, uint64_t number)
{
        size_t low = 0, high = seats->count;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (seats->items[middle].number < number)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static const struct seat *find_seat(const struct seats *seats, uint64_t number)
{
        size_t at = seat_place(seats, number);

        return at < seats->count && seats->items[at].number == number ? &seats->items[at] : NULL;
}

/* A number that is there already stays as it is. */
static int add_seat(struct seats *seats, uint64_t number, const char *node, struct err *err)
{
        size_t at = seat_place(seats, number);
        struct seat *items;

        if (at < seats->count && seats->items[at].number == number)
                return 0;
        items = reallocarray(seats->items, seats->count + 1, sizeof(*items));
        if (!items)
                return err_oom(err);
        seats->items = items;
        memmove(&items[at + 1], &items[at], (seats->count - at) * sizeof(*items));
        items[at] = (struct seat){ number, node };
        seats->count++;
        return 0;
}

/* The node in an IPPool's name; false when the name is not that of a node's slice. */
static bool find_node(const struct slicing *slicing, const struct pool *pool, const char **ret,
                      size_t *ret_len)
{
        _cleanup_(buf_done) struct buf end;
        const char *name = pool->name;
        size_t len = strlen(name), skip = 0;

        buf_init(&end, IPNET_TEXT_MAX + 1);
        buf_putc(&end, '-');
        pool_name(&end, NULL, NULL, &pool->range);
        if (slicing->network_name)
                skip = strlen(slicing->network_name) + 1;
        if (len <= skip + end.len || strcmp(name + len - end.len, buf_text(&end)) != 0)
                return false;
        if (skip > 0 &&
            (strncmp(name, slicing->network_name, skip - 1) != 0 || name[skip - 1] != '-'))
                return false;
        *ret = name + skip;
        *ret_len = len - end.len - skip;
        return true;
}

int seats_in_use(const struct slicing *slicing, const struct pool_list *pools,
                 struct text_list *names, struct seats *ret, struct err *err)
{
        _cleanup_(seats_done) struct seats seats = { 0 };

        for (size_t i = 0; i < pools->count; i++) {
                const struct pool *pool = &pools->items[i];
                const char *node;
                uint64_t number;
                size_t len;
                int r;

                if (pool->count == 0 || !find_node(slicing, pool, &node, &len) ||
                    !slicing_number(&slicing->range, slicing->prefix, &pool->range, &number))
                        continue;
                r = text_list_add(names, node, len, err);
                if (r == 0)
                        r = add_seat(&seats, number, names->items[names->count - 1], err);
                if (r < 0)
                        return r;
        }
        *ret = seats;
        seats = (struct seats){ 0 };
        return 0;
}

/* The assignment on its way. */
struct seating {
        const struct slicing *slicing;
        const struct seats *in_use;
        const struct text_list *nodes;
        bool *seated; /* owned; of each node */
        struct seats seats;
};

static void seating_done(struct seating *seating)
{
        free(seating->seated);
        seats_done(&seating->seats);
}

/* Whether the node has a slice; NULL for one that does not exist (any more). */
static bool *seated(const struct seating *seating, const char *name)
{
        size_t at;

        return text_list_find(seating->nodes, name, &at) ? &seating->seated[at] : NULL;
}

/* What the object says stays, but for slices of nodes that are gone and that nobody uses, and for
 * those that another node uses. */
static int keep_seat(struct seating *seating, const struct slice_pool_entry *entry, struct err *err)
{
        bool *node = seated(seating, entry->node);
        const struct seat *user;
        uint64_t number;

        if (!*entry->node || entry->net.ip.family == IP_UNSET || (node && *node) ||
            !slicing_number(&seating->slicing->range, seating->slicing->prefix, &entry->net,
                            &number) ||
            find_seat(&seating->seats, number))
                return 0;
        user = find_seat(seating->in_use, number);
        if (user ? strcmp(user->node, entry->node) != 0 : !node)
                return 0;
        if (node)
                *node = true;
        return add_seat(&seating->seats, number, entry->node, err);
}

/* What is in use goes back to whom uses it, or to nobody if he has another slice by now. */
static int return_seat(struct seating *seating, const struct seat *seat, struct err *err)
{
        bool *node = seated(seating, seat->node);
        bool elsewhere = node && *node;

        if (find_seat(&seating->seats, seat->number))
                return 0;
        if (node)
                *node = true;
        return add_seat(&seating->seats, seat->number, elsewhere ? "" : seat->node, err);
}

/* The lowest free ones. */
static int seat_others(struct seating *seating, size_t *ret_without, struct err *err)
{
        uint64_t count = slicing_count(&seating->slicing->range, seating->slicing->prefix);
        uint64_t next = 0;
        int r = 0;

        *ret_without = 0;
        for (size_t i = 0; i < seating->nodes->count && r == 0; i++) {
                if (seating->seated[i])
                        continue;
                while (next < count && find_seat(&seating->seats, next))
                        next++;
                if (next < count)
                        r = add_seat(&seating->seats, next, seating->nodes->items[i], err);
                else
                        (*ret_without)++;
        }
        return r;
}

int seats_assign(const struct slicing *slicing, const struct slice_pool *have,
                 const struct seats *in_use, const struct text_list *nodes, struct seats *ret,
                 size_t *ret_without, struct err *err)
{
        _cleanup_(seating_done) struct seating seating = { slicing, in_use, nodes, NULL, { 0 } };
        size_t without = 0;
        int r = 0;

        seating.seated = calloc(nodes->count + 1, sizeof(*seating.seated));
        if (!seating.seated)
                return err_oom(err);
        for (size_t i = 0; have && i < have->count && r == 0; i++)
                r = keep_seat(&seating, &have->entries[i], err);
        for (size_t i = 0; i < in_use->count && r == 0; i++)
                r = return_seat(&seating, &in_use->items[i], err);
        if (r == 0)
                r = seat_others(&seating, &without, err);
        if (r < 0)
                return r;
        *ret = seating.seats;
        seating.seats = (struct seats){ 0 };
        *ret_without = without;
        return 0;
}
