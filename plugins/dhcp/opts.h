/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_OPTS_H
#define DHCP_OPTS_H

/*
 * DHCP options: their numbers and names, the option areas of a message as one set of values, and
 * what the values mean. RFC 2132; 3396 for long options; 3442 for classless routes; 3397 for domain
 * search lists. Pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/ip.h"
#include "core/result.h"

enum {
        OPT_PAD = 0,
        OPT_SUBNET_MASK = 1,
        OPT_ROUTERS = 3,
        OPT_DNS = 6,
        OPT_HOST_NAME = 12,
        OPT_DOMAIN = 15,
        OPT_MTU = 26,
        OPT_BROADCAST = 28,
        OPT_STATIC_ROUTES = 33,
        OPT_REQUESTED_ADDRESS = 50,
        OPT_LEASE_TIME = 51,
        OPT_OVERLOAD = 52,
        OPT_MESSAGE_TYPE = 53,
        OPT_SERVER = 54,
        OPT_PARAMETERS = 55,
        OPT_MESSAGE = 56,
        OPT_MAX_SIZE = 57,
        OPT_T1 = 58,
        OPT_T2 = 59,
        OPT_VENDOR_CLASS = 60,
        OPT_CLIENT_ID = 61,
        OPT_USER_CLASS = 77,
        OPT_DOMAIN_SEARCH = 119,
        OPT_CLASSLESS_ROUTES = 121,
        OPT_CLASSLESS_ROUTES_MS = 249, /* Microsoft's copy of 121 */
        OPT_END = 255,
};

#define OPTS_MAX     4096 /* bytes of all values of a message */
#define OPTS_ROUTES  256  /* routes in one list; more are left out */
#define OPTS_SERVERS 16   /* name servers, and search domains */

/* The options of one message. Repeated ones are one value (RFC 3396). */
struct opts {
        bool given[256];
        uint16_t at[256], len[256]; /* into `bytes` */
        uint16_t used;
        uint8_t bytes[OPTS_MAX];
};

/* Reads the option area, and what option 52 in it says of `file` and `sname` (128 and 64 bytes), in
 * the order of RFC 3396 section 5. 52 counts in the main area alone, and once. A missing END is
 * tolerated, an option that runs over its area's end is not: -EBADMSG; values over OPTS_MAX in all:
 * -EFBIG. There are no options then. *ret need not be cleared before. */
int opts_parse(const uint8_t *area, size_t len, const uint8_t file[static 128],
               const uint8_t sname[static 64], struct opts *ret);

/* The value; NULL when the option is not there. */
const uint8_t *opts_get(const struct opts *opts, uint8_t code, size_t *ret_len);

/* Values of fixed form; false, and *ret untouched, when absent or of another length. */
bool opts_get_u8(const struct opts *opts, uint8_t code, uint8_t *ret);
bool opts_get_u16(const struct opts *opts, uint8_t code, uint16_t *ret);
bool opts_get_u32(const struct opts *opts, uint8_t code, uint32_t *ret);
bool opts_get_ip(const struct opts *opts, uint8_t code, struct ip *ret);
/* A mask as a prefix length; false for one with holes, too. */
bool opts_get_mask(const struct opts *opts, uint8_t *ret_prefix);
/* The first of a list of addresses; false unless the length is a multiple of 4 and at least 4. */
bool opts_get_first_ip(const struct opts *opts, uint8_t code, struct ip *ret);

/* Appends a text without the NULs at its end; nothing when it is absent, empty, or has control
 * characters or bytes that are no UTF-8 in it. Only memory can fail. */
int opts_get_text(const struct opts *opts, uint8_t code, struct text_list *ret, struct err *err);

/* Append what the option holds; nothing for one that is absent or malformed. Only memory can fail.
 * Addresses (6): as texts. Names (119): decompressed, with pointers backwards only; all or
 * none, of letters, digits, '-' and '_'. */
int opts_read_addresses(const struct opts *opts, uint8_t code, struct text_list *ret,
                        struct err *err);
int opts_read_domains(const struct opts *opts, struct text_list *ret, struct err *err);

/* 121 (249 when that is absent or malformed): all or nothing, at least one entry; a gateway of
 * 0.0.0.0 means on-link: it stays 0.0.0.0, and the scope is 253 (link). *ret_given tells whether it
 * was there and well formed. 33: prefix by address class; bytes behind the last whole pair are
 * dropped, and so is a destination 0.0.0.0. Bits of a destination behind its prefix are cleared. */
int opts_read_classless_routes(const struct opts *opts, struct route_list *ret, bool *ret_given,
                               struct err *err);
int opts_read_static_routes(const struct opts *opts, struct route_list *ret, struct err *err);

/* A name of the configuration (`host-name`, `routers`, ...) or a decimal number as an option code.
 * Errors have upstream's text: `Can not parse option "x": ...`. */
int opts_code(const char *name, uint8_t *ret, struct err *err);

#endif
