/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses. inet_pton(3) is the parser (it accepts just what Go's does, zones apart); the printer
 * is our own, see ip.h.
 */
#include "core/ip.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"

static const uint8_t mapped_prefix[12] = { [10] = 0xff, [11] = 0xff };

static size_t ip_len(const struct ip *ip)
{
        return ip->family == IP_V6 ? 16 : 4;
}

unsigned ip_bits(const struct ip *ip)
{
        return (unsigned)ip_len(ip) * 8;
}

/* As ip_parse(), and tells whether the text was an IPv4-mapped IPv6 address. */
static int parse(const char *text, struct ip *ret, bool *ret_mapped)
{
        struct ip ip = { 0 };
        bool mapped = false;

        if (!strchr(text, ':')) {
                if (inet_pton(AF_INET, text, ip.bytes) != 1)
                        return -EINVAL;
                ip.family = IP_V4;
        } else {
                if (inet_pton(AF_INET6, text, ip.bytes) != 1)
                        return -EINVAL;
                ip.family = IP_V6;
                mapped = memcmp(ip.bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
        }
        if (mapped) {
                struct ip v4 = { .family = IP_V4 };

                memcpy(v4.bytes, ip.bytes + sizeof(mapped_prefix), 4);
                ip = v4;
        }
        *ret = ip;
        *ret_mapped = mapped;
        return 0;
}

int ip_parse(const char *text, struct ip *ret)
{
        bool mapped;

        return parse(text, ret, &mapped);
}

int ipnet_parse(const char *text, struct ipnet *ret)
{
        const char *slash = strchr(text, '/');
        struct ipnet net = { 0 };
        char address[64];
        uint64_t prefix;
        size_t len;

        if (!slash)
                return -EINVAL;
        len = (size_t)(slash - text);
        if (len >= sizeof(address))
                return -EINVAL;
        memcpy(address, text, len);
        address[len] = '\0';
        if (parse(address, &net.ip, &net.mapped) < 0)
                return -EINVAL;
        if (parse_u64(slash + 1, strlen(slash + 1), net.mapped ? 128 : ip_bits(&net.ip), &prefix) <
            0)
                return -EINVAL;
        if (net.mapped && prefix < 96)
                return -EINVAL;
        net.prefix = (uint8_t)(net.mapped ? prefix - 96 : prefix);
        *ret = net;
        return 0;
}

/* Copies the text without the leading zeros of its numbers; false when it cannot be an address. */
static bool cut_zeros(const char *text, char ret[static 64])
{
        size_t len = 0;
        bool start = true; /* of a number */

        for (; *text; text++) {
                bool digit = isxdigit((unsigned char)*text);

                if (start && *text == '0' && isxdigit((unsigned char)text[1]))
                        continue;
                if (len == 63)
                        return false;
                ret[len++] = *text;
                start = !digit;
        }
        ret[len] = '\0';
        return true;
}

int ip_parse_lenient(const char *text, struct ip *ret)
{
        char strict[64];

        return cut_zeros(text, strict) ? ip_parse(strict, ret) : -EINVAL;
}

int ipnet_parse_lenient(const char *text, struct ipnet *ret)
{
        char strict[64];

        return cut_zeros(text, strict) ? ipnet_parse(strict, ret) : -EINVAL;
}

static unsigned group(const struct ip *ip, int i)
{
        return (unsigned)ip->bytes[2 * i] << 8 | ip->bytes[2 * i + 1];
}

/* The first longest run of at least two zero groups: its start, or -1; *ret_len its length. */
static int longest_zero_run(const struct ip *ip, int *ret_len)
{
        int best = -1, best_len = 1;

        for (int i = 0; i < 8; i++) {
                int len = 0;

                while (i + len < 8 && group(ip, i + len) == 0)
                        len++;
                if (len > best_len) {
                        best = i;
                        best_len = len;
                }
                i += len;
        }
        *ret_len = best_len;
        return best;
}

/* Without printf(3): a directory of 60,000 addresses is parsed and printed for each call. */
static char *put_decimal(char *out, uint8_t number)
{
        if (number >= 100)
                *out++ = (char)('0' + number / 100);
        if (number >= 10)
                *out++ = (char)('0' + number / 10 % 10);
        *out++ = (char)('0' + number % 10);
        return out;
}

static void format_v4(const struct ip *ip, char *text)
{
        for (int i = 0; i < 4; i++) {
                text = put_decimal(text, ip->bytes[i]);
                *text++ = i < 3 ? '.' : '\0';
        }
}

static void format_v6(const struct ip *ip, char *text, size_t size)
{
        int run_len, run = longest_zero_run(ip, &run_len);
        size_t len = 0;

        for (int i = 0; i < 8; i++) {
                const char *colon = i > 0 && (run < 0 || i != run + run_len) ? ":" : "";

                if (i == run) {
                        len += (size_t)snprintf(text + len, size - len, "::");
                        i += run_len - 1;
                        continue;
                }
                len += (size_t)snprintf(text + len, size - len, "%s%x", colon, group(ip, i));
        }
}

const char *ip_format(const struct ip *ip, char text[static IP_TEXT_MAX])
{
        if (ip->family == IP_V4)
                format_v4(ip, text);
        else if (ip->family == IP_V6)
                format_v6(ip, text, IP_TEXT_MAX);
        else
                (void)snprintf(text, IP_TEXT_MAX, "<nil>");
        return text;
}

const char *ipnet_format(const struct ipnet *net, char text[static IPNET_TEXT_MAX])
{
        char ip[IP_TEXT_MAX];

        if (net->ip.family == IP_UNSET)
                (void)snprintf(text, IPNET_TEXT_MAX, "<nil>");
        else
                (void)snprintf(text, IPNET_TEXT_MAX, "%s/%u", ip_format(&net->ip, ip), net->prefix);
        return text;
}

int ip_compare(const struct ip *a, const struct ip *b)
{
        if (a->family != b->family)
                return a->family < b->family ? -1 : 1;
        return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

bool ip_equal(const struct ip *a, const struct ip *b)
{
        return ip_compare(a, b) == 0;
}

int ip_compare_items(const void *a, const void *b)
{
        return ip_compare(a, b);
}

/* Sets the host bits of the network's address to zeros or to ones. */
static struct ip fill_host_bits(const struct ipnet *net, bool ones)
{
        struct ip ip = net->ip;

        for (size_t i = 0; i < ip_len(&ip); i++) {
                unsigned kept = net->prefix > 8 * i ? (unsigned)(net->prefix - 8 * i) : 0;
                uint8_t host = kept >= 8 ? 0 : (uint8_t)(0xff >> kept);

                ip.bytes[i] = (uint8_t)(ones ? ip.bytes[i] | host : ip.bytes[i] & ~host);
        }
        return ip;
}

struct ip ipnet_first(const struct ipnet *net)
{
        return fill_host_bits(net, false);
}

struct ip ipnet_last(const struct ipnet *net)
{
        return fill_host_bits(net, true);
}

bool ipnet_contains(const struct ipnet *net, const struct ip *ip)
{
        struct ip first = ipnet_first(net), last = ipnet_last(net);

        return ip_compare(&first, ip) <= 0 && ip_compare(ip, &last) <= 0;
}

struct ip ip_next(struct ip ip)
{
        for (size_t i = ip_len(&ip); i-- > 0;)
                if (++ip.bytes[i] != 0)
                        break;
        return ip;
}

struct ip ip_previous(struct ip ip)
{
        for (size_t i = ip_len(&ip); i-- > 0;)
                if (ip.bytes[i]-- != 0)
                        break;
        return ip;
}

static uint64_t half(const struct ip *ip, size_t from)
{
        uint64_t value = 0;

        for (size_t i = 0; i < 8; i++)
                value = value << 8 | ip->bytes[from + i];
        return value;
}

uint64_t ip_distance(const struct ip *first, const struct ip *last)
{
        /* IPv4 lies in the first four bytes, so its numbers are the high half shifted. */
        unsigned shift = first->family == IP_V4 ? 32 : 0;
        uint64_t high, low;

        if (first->family != last->family || ip_compare(first, last) > 0)
                return 0;
        high = half(last, 0) - half(first, 0);
        if (shift)
                return high >> shift;
        low = half(last, 8) - half(first, 8);
        if (half(last, 8) < half(first, 8))
                high--;
        return high > 0 ? UINT64_MAX : low;
}
