/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk. It ends when it comes back to the place where it began.
 */
#include "alloc.h"

static void enter_next_range(struct alloc_walk *walk)
{
        walk->range = (walk->range + 1) % walk->set->count;
        walk->next = walk->set->ranges[walk->range].start;
}

void alloc_start(struct alloc_walk *walk, const struct range_set *set, const struct ip *last)
{
        const struct range *range = range_set_find(set, last);

        *walk = (struct alloc_walk){ .set = set, .next = set->ranges[0].start };
        if (range) {
                walk->range = (size_t)(range - set->ranges);
                walk->next = ip_next(*last);
                if (ip_equal(last, &range->end))
                        enter_next_range(walk);
        }
        walk->stop_range = walk->range;
        walk->stop = walk->next;
}

bool alloc_next(struct alloc_walk *walk, struct ip *ret, const struct range **ret_range)
{
        for (;;) {
                const struct range *range = &walk->set->ranges[walk->range];
                struct ip ip = walk->next;

                if (walk->started && walk->range == walk->stop_range && ip_equal(&ip, &walk->stop))
                        return false;
                walk->started = true;
                if (ip_equal(&ip, &range->end))
                        enter_next_range(walk);
                else
                        walk->next = ip_next(ip);
                if (ip_equal(&ip, &range->gateway))
                        continue;
                *ret = ip;
                *ret_range = range;
                return true;
        }
}
