/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_PROXY_H
#define HTTP_PROXY_H

/*
 * Which proxy the environment names, by the rules of Go's programs.
 */

#include <stdbool.h>

/* HTTPS_PROXY or HTTP_PROXY, in capitals or not; never for this host itself, nor for what NO_PROXY
 * lists: addresses, networks, domains with what lies below them, each perhaps with a port; "*" is
 * everything. The host of an IPv6 address may be in brackets. NULL: none. The text belongs to the
 * environment. */
const char *proxy_from_environment(bool tls, const char *host, const char *port);

#endif
