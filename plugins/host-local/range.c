/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges. A gateway outside of its subnet is legal on purpose: on-link gateways need it.
 */
#include "range.h"

#define TEXTS char ip_text[IP_TEXT_MAX], net_text[IPNET_TEXT_MAX]

static int check_subnet(const struct range *range, struct err *err)
{
        const struct ipnet *subnet = &range->subnet;
        struct ip first;
        TEXTS;

        if (subnet->ip.family == IP_UNSET)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "IP <nil> not v4 nor v6");
        if (subnet->prefix > ip_bits(&subnet->ip) - 2)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG,
                                "Network %s too small to allocate from",
                                ipnet_format(subnet, net_text));
        if (subnet->mapped)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "IPNet IP and Mask version mismatch");
        first = ipnet_first(subnet);
        if (!ip_equal(&first, &subnet->ip))
                return err_text(
                        err, -EINVAL, CNI_ERR_CONFIG,
                        "Network has host bits set. For a subnet mask of length %u the network "
                        "address is %s",
                        subnet->prefix, ip_format(&first, ip_text));
        return 0;
}

static int outside(const char *member, const struct ip *ip, const struct range *range,
                   struct err *err)
{
        TEXTS;

        return err_text(err, -EINVAL, CNI_ERR_CONFIG, "%s %s not in network %s", member,
                        ip_format(ip, ip_text), ipnet_format(&range->subnet, net_text));
}

static int canonicalize(struct range *range, enum range_member *ret_member, struct err *err)
{
        char start_text[IP_TEXT_MAX], end_text[IP_TEXT_MAX];
        struct ip first = ipnet_first(&range->subnet), last = ipnet_last(&range->subnet);
        bool default_start = range->start.family == IP_UNSET;
        int r;

        *ret_member = RANGE_SUBNET;
        r = check_subnet(range, err);
        if (r < 0)
                return r;
        if (range->gateway.family == IP_UNSET)
                range->gateway = ip_next(first);
        *ret_member = RANGE_START;
        if (default_start)
                range->start = ip_next(first);
        else if (!ipnet_contains(&range->subnet, &range->start))
                return outside("RangeStart", &range->start, range, err);
        *ret_member = RANGE_END;
        if (range->end.family == IP_UNSET)
                range->end = last.family == IP_V4 ? ip_previous(last) : last;
        else if (!ipnet_contains(&range->subnet, &range->end))
                return outside("RangeEnd", &range->end, range, err);
        *ret_member = default_start ? RANGE_END : RANGE_START;
        if (ip_compare(&range->start, &range->end) > 0)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "RangeStart %s is after RangeEnd %s",
                                ip_format(&range->start, start_text),
                                ip_format(&range->end, end_text));
        return 0;
}

static void format_range(const struct range *range, struct buf *buf)
{
        char text[IP_TEXT_MAX];

        buf_puts(buf, ip_format(&range->start, text));
        buf_putc(buf, '-');
        buf_puts(buf, ip_format(&range->end, text));
}

static int overlap_error(const struct range *a, const struct range *b, struct err *err)
{
        char a_start[IP_TEXT_MAX], a_end[IP_TEXT_MAX], b_start[IP_TEXT_MAX], b_end[IP_TEXT_MAX];

        return err_text(err, -EINVAL, CNI_ERR_CONFIG, "subnets %s-%s and %s-%s overlap",
                        ip_format(&a->start, a_start), ip_format(&a->end, a_end),
                        ip_format(&b->start, b_start), ip_format(&b->end, b_end));
}

int range_set_canonicalize(struct range_set *set, size_t *ret_range, enum range_member *ret_member,
                           struct err *err)
{
        *ret_range = 0;
        *ret_member = RANGE_SUBNET;
        if (set->count == 0)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "empty range set");
        for (size_t i = 0; i < set->count; i++) {
                int r;

                *ret_range = i;
                r = canonicalize(&set->ranges[i], ret_member, err);
                if (r < 0)
                        return r;
                *ret_member = RANGE_SUBNET;
                if (set->ranges[i].subnet.ip.family != set->ranges[0].subnet.ip.family)
                        return err_text(err, -EINVAL, CNI_ERR_CONFIG, "mixed address families");
        }
        for (size_t i = 0; i < set->count; i++)
                for (size_t j = i + 1; j < set->count; j++)
                        if (range_overlaps(&set->ranges[i], &set->ranges[j])) {
                                *ret_range = j;
                                return overlap_error(&set->ranges[i], &set->ranges[j], err);
                        }
        return 0;
}

bool range_contains(const struct range *range, const struct ip *ip)
{
        return ip_compare(&range->start, ip) <= 0 && ip_compare(ip, &range->end) <= 0;
}

bool range_overlaps(const struct range *a, const struct range *b)
{
        return range_contains(a, &b->start) || range_contains(b, &a->start);
}

const struct range *range_set_find(const struct range_set *set, const struct ip *ip)
{
        for (size_t i = 0; i < set->count; i++)
                if (range_contains(&set->ranges[i], ip))
                        return &set->ranges[i];
        return NULL;
}

bool range_set_overlaps(const struct range_set *a, const struct range_set *b)
{
        for (size_t i = 0; i < a->count; i++)
                for (size_t j = 0; j < b->count; j++)
                        if (range_overlaps(&a->ranges[i], &b->ranges[j]))
                                return true;
        return false;
}

uint64_t range_set_size(const struct range_set *set)
{
        uint64_t size = 0;

        for (size_t i = 0; i < set->count; i++) {
                const struct range *range = &set->ranges[i];
                uint64_t more = ip_distance(&range->start, &range->end);

                if (more >= UINT64_MAX - size)
                        return UINT64_MAX;
                size += more + 1 - range_contains(range, &range->gateway);
        }
        return size;
}

void range_set_format(const struct range_set *set, struct buf *buf)
{
        for (size_t i = 0; i < set->count; i++) {
                if (i > 0)
                        buf_putc(buf, ',');
                format_range(&set->ranges[i], buf);
        }
}
