/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The choice. Candidates ascend and the excludes are sorted, so each exclude is looked at once,
 * however many addresses are taken.
 */
#include "choose.h"

#include <string.h>

void range_done(struct range *range)
{
        for (size_t i = 0; i < range->exclude_count; i++)
                free(range->exclude_texts[i]);
        free(range->exclude_texts);
        free(range->excludes);
        *range = (struct range){ 0 };
}

/* Makes room for one more exclude; the arrays have room for a power of two. */
static int reserve(struct range *range, struct err *err)
{
        size_t count = range->exclude_count, size = count > 0 ? 2 * count : 4;
        struct ipnet *excludes;
        char **texts;

        if (count != 0 && (count < 4 || (count & (count - 1)) != 0))
                return 0;
        excludes = realloc(range->excludes, size * sizeof(*excludes));
        if (!excludes)
                return err_oom(err);
        range->excludes = excludes;
        texts = realloc(range->exclude_texts, size * sizeof(*texts));
        if (!texts)
                return err_oom(err);
        range->exclude_texts = texts;
        return 0;
}

int range_add_exclude(struct range *range, const char *text, struct err *err)
{
        struct ipnet net = { 0 };
        int r;

        if (ip_parse(text, &net.ip) == 0)
                net.prefix = (uint8_t)ip_bits(&net.ip);
        else if (ipnet_parse(text, &net) < 0)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "could not parse exclude range, err: "
                                "\"invalid CIDR address: %s\"",
                                text);
        r = reserve(range, err);
        if (r < 0)
                return r;
        net.ip = ipnet_first(&net);
        range->exclude_texts[range->exclude_count] = strdup(text);
        if (!range->exclude_texts[range->exclude_count])
                return err_oom(err);
        range->excludes[range->exclude_count++] = net;
        return 0;
}

/* ---- bounds ---- */

/* As Go prints a network that is no pointer: "{10.0.0.0 fffffffe}". */
static int too_small(const struct ipnet *net, struct err *err)
{
        char ip[IP_TEXT_MAX], mask[33];
        size_t len = ip_bits(&net->ip) / 4;

        memset(mask, 'f', len);
        mask[len] = '\0';
        if (net->prefix % 4 != 0) /* /31 and /127; the others have none of a digit's bits cut */
                mask[len - 1] = 'e';
        (void)err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                       "net mask is too short, subnet {%s %s} has no usable IP addresses, it is "
                       "too small",
                       ip_format(&net->ip, ip), mask);
        return -EINVAL;
}

/* Whether `ip` is one of first..last; never for one that is unset or of the other family. */
static bool is_between(const struct ip *ip, const struct ip *first, const struct ip *last)
{
        return ip->family == first->family && ip_compare(first, ip) <= 0 &&
               ip_compare(ip, last) <= 0;
}

int choose_bounds(const struct range *range, struct ip *ret_first, struct ip *ret_last,
                  struct err *err)
{
        const struct ipnet *net = &range->net;
        struct ip first, last;

        if (net->prefix + 2U > ip_bits(&net->ip))
                return too_small(net, err);
        first = ip_next(ipnet_first(net));
        last = ip_previous(ipnet_last(net));
        if (is_between(&range->start, &first, &last))
                first = range->start;
        if (is_between(&range->end, &first, &last))
                last = range->end;
        *ret_first = first;
        *ret_last = last;
        return 0;
}

/* ---- the choice ---- */

static int compare_nets(const void *a, const void *b)
{
        const struct ipnet *left = a, *right = b;

        return ip_compare(&left->ip, &right->ip);
}

/* What of the range's excludes may matter between the bounds, in ascending order. */
static int sort_excludes(const struct range *range, const struct ip *first, const struct ip *last,
                         struct ipnet **ret, size_t *ret_count, struct err *err)
{
        struct ipnet *sorted = calloc(range->exclude_count + 1, sizeof(*sorted));
        size_t count = 0;

        if (!sorted)
                return err_oom(err);
        for (size_t i = 0; i < range->exclude_count; i++) {
                const struct ipnet *exclude = &range->excludes[i];
                struct ip end = ipnet_last(exclude);

                if (exclude->ip.family == first->family && ip_compare(&exclude->ip, last) <= 0 &&
                    ip_compare(first, &end) <= 0)
                        sorted[count++] = *exclude;
        }
        qsort(sorted, count, sizeof(*sorted), compare_nets);
        *ret = sorted;
        *ret_count = count;
        return 0;
}

static int exhausted(const struct range *range, const struct ip *first, const struct ip *last,
                     struct err *err)
{
        char first_text[IP_TEXT_MAX], last_text[IP_TEXT_MAX], net_text[IPNET_TEXT_MAX];
        struct buf excludes;
        bool no_memory;

        buf_init(&excludes, sizeof(err->msg)); /* what does not fit is cut off */
        for (size_t i = 0; i < range->exclude_count; i++)
                buf_printf(&excludes, "%s%s", i > 0 ? " " : "", range->exclude_texts[i]);
        (void)err_text(err, -EADDRNOTAVAIL, CNI_ERR_INTERNAL,
                       "Could not allocate IP in range: ip: %s / - %s / range: %s / "
                       "excludeRanges: [%s]",
                       ip_format(first, first_text), ip_format(last, last_text),
                       ipnet_format(&range->net, net_text), buf_text(&excludes));
        no_memory = excludes.failed == -ENOMEM;
        buf_done(&excludes);
        return no_memory ? err_oom(err) : CHOOSE_EXHAUSTED;
}

int choose_address(const struct range *range,
                   bool (*is_taken)(const struct ip *ip, const void *context), const void *context,
                   struct ip *ret, struct err *err)
{
        _cleanup_(freep) struct ipnet *excludes = NULL;
        size_t count = 0, next = 0; /* excludes from `next` on begin behind the candidate */
        struct ip first, last, ip;
        int r = choose_bounds(range, &first, &last, err);

        if (r == 0)
                r = sort_excludes(range, &first, &last, &excludes, &count, err);
        if (r < 0)
                return r;
        ip = first;
        for (;;) {
                struct ip end = ip; /* of what cannot be given, from the candidate on */
                bool skip = false;

                for (; next < count && ip_compare(&excludes[next].ip, &end) <= 0; next++) {
                        struct ip exclude_end = ipnet_last(&excludes[next]);

                        if (ip_compare(&exclude_end, &end) < 0)
                                continue;
                        end = exclude_end;
                        skip = true;
                }
                if (!skip && !is_taken(&ip, context)) {
                        *ret = ip;
                        return 0;
                }
                /* Compared before the step: the last address of all has no next one. */
                if (ip_compare(&end, &last) >= 0)
                        return exhausted(range, &first, &last, err);
                ip = ip_next(end);
        }
}
