/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CORE_RESULT_H
#define CORE_RESULT_H

/*
 * What an IPAM plugin answers to ADD, and the only place that knows how the seven versions of the
 * CNI specification spell it.
 */

#include <stddef.h>

#include "core/buf.h"
#include "core/ip.h"
#include "core/json.h"

struct text_list {
        char **items; /* owned, as each text is */
        size_t count;
};

void text_list_done(struct text_list *list);
/* Appends a copy of `len` bytes. */
int text_list_add(struct text_list *list, const char *text, size_t len, struct err *err);
/* Decoder: appends the strings of a JSON list. */
int text_list_decode(const struct json_at *at, void *dst, struct err *err);
/* Brings the texts into the order of strcmp(3), which text_list_find() needs. */
void text_list_sort(struct text_list *list);
/* Where the text is; false, and *ret untouched, when it is not there. */
bool text_list_find(const struct text_list *list, const char *text, size_t *ret);

/* strcmp(3) for qsort(3) and bsearch(3) over an array of texts. */
int text_compare_items(const void *a, const void *b);

struct result_ip {
        struct ipnet address;
        struct ip gateway; /* unset: none */
};

struct route {
        struct ipnet dst;              /* unset: not given */
        struct ip gw;                  /* unset: none */
        int64_t mtu, advmss, priority; /* 0: none */
        int64_t table, scope;          /* ROUTE_UNSET: none; 0 is a value */
};
#define ROUTE_UNSET INT64_MIN

struct route_list {
        struct route *items; /* owned */
        size_t count;
};

struct dns {
        struct text_list nameservers, search, options;
        char *domain; /* NULL or "": none */
};

void dns_done(struct dns *dns);

struct ipam_result {
        struct result_ip *ips; /* owned */
        size_t ip_count;
        struct route_list routes;
        struct dns dns;
};

void result_done(struct ipam_result *result);
int result_add_ip(struct ipam_result *result, const struct result_ip *ip, struct err *err);

/* Writes the result as the version prescribes, without a newline at its end. `version` is one of
 * the supported ones. An empty result cannot be told in 0.1.0 and 0.2.0. */
int result_encode(const struct ipam_result *result, const char *version, struct buf *buf,
                  struct err *err);

/* A member with the text of an address; nothing for an unset one. */
void result_put_ip(struct json_writer *w, const char *key, const struct ip *ip);

/* Members "routes" and "dns" of the object that is being written, as in version 1.1.0: nothing for
 * an empty one. */
void result_put_routes(struct json_writer *w, const struct route_list *routes);
void result_put_dns(struct json_writer *w, const struct dns *dns);

/* Decoders: a JSON list of routes into an empty struct route_list, an object into a struct dns. */
int result_decode_routes(const struct json_at *at, void *dst, struct err *err);
int result_decode_dns(const struct json_at *at, void *dst, struct err *err);

/* Decoders for the texts of addresses, into struct ip and struct ipnet; "" is an unset struct ip.
 * Their errors are "invalid IP address: TEXT" and "invalid CIDR address: TEXT"; a network's row
 * needs JSON_NULL, since null is an error there. */
int result_decode_ip(const struct json_at *at, void *dst, struct err *err);
int result_decode_cidr(const struct json_at *at, void *dst, struct err *err);

/* Appends the addresses of the configuration's prevResult, in whatever version it is. What cannot
 * be understood is left out: nothing may depend on a prevResult. Only memory can fail. */
int result_read_previous(const struct json_at *config, struct ipam_result *ret, struct err *err);

#endif
