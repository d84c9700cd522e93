/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_IP_H
#define CORE_IP_H

/*
 * IP addresses and networks as values. Pure.
 *
 * An IPv4-mapped IPv6 address is read as IPv4. Text is RFC 5952 in the form that Go prints: lower
 * case, the first longest run of two or more zero groups compressed, never a dotted quad inside an
 * IPv6 address (where inet_ntop(3) differs). File names and objects depend on that form.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ip_family {
        IP_UNSET = 0,
        IP_V4 = 4,
        IP_V6 = 6,
};

struct ip {
        uint8_t family;    /* enum ip_family */
        uint8_t bytes[16]; /* network order; IPv4 in the first four, the rest zero */
};

/* An address with a prefix length. Host bits are kept. */
struct ipnet {
        struct ip ip;
        uint8_t prefix; /* 0..32 or 0..128 */
        bool mapped;    /* was written as an IPv4-mapped IPv6 network */
};

/* Room for any address, network and their NUL. */
#define IP_TEXT_MAX    40
#define IPNET_TEXT_MAX 44

/* A strict parser: four decimal parts without leading zeros, or RFC 4291; no zone, no white space.
 * Returns 0 or -EINVAL. */
int ip_parse(const char *text, struct ip *ret);

/* "ADDRESS/DIGITS", leading zeros in the digits allowed. A mapped network needs at least /96.
 * Returns 0 or -EINVAL. */
int ipnet_parse(const char *text, struct ipnet *ret);

/* As the two above, for programs that always took leading zeros: "00192.00168.1.5" is decimal, and
 * groups of IPv6 may have more than four digits as long as the first ones are zeros. */
int ip_parse_lenient(const char *text, struct ip *ret);
int ipnet_parse_lenient(const char *text, struct ipnet *ret);

/* Write the text into `text` and return it. An unset address becomes "<nil>". */
const char *ip_format(const struct ip *ip, char text[static IP_TEXT_MAX]);
const char *ipnet_format(const struct ipnet *net, char text[static IPNET_TEXT_MAX]);

/* 32 or 128. */
unsigned ip_bits(const struct ip *ip);

/* < 0, 0, > 0; IPv4 comes before IPv6. */
int ip_compare(const struct ip *a, const struct ip *b);
bool ip_equal(const struct ip *a, const struct ip *b);

/* ip_compare() for qsort(3) and bsearch(3) over an array of struct ip. */
int ip_compare_items(const void *a, const void *b);

/* The first and the last address of the network. */
struct ip ipnet_first(const struct ipnet *net);
struct ip ipnet_last(const struct ipnet *net);
bool ipnet_contains(const struct ipnet *net, const struct ip *ip);

/* The neighbour; all ones and all zeros wrap around inside the family. */
struct ip ip_next(struct ip ip);
struct ip ip_previous(struct ip ip);

/* last - first for two addresses of one family, UINT64_MAX when it is larger than that; 0 when last
 * comes before first. */
uint64_t ip_distance(const struct ip *first, const struct ip *last);

#endif
