/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_UNIT_VALUES_H
#define TESTS_UNIT_VALUES_H

/*
 * Values from texts that a test is sure of.
 */

#include "core/ip.h"
#include "unit.h"

static inline struct ip ip(const char *text)
{
        struct ip ip = { 0 };

        ck_assert_msg(ip_parse(text, &ip) == 0, "%s", text);
        return ip;
}

static inline struct ipnet net(const char *text)
{
        struct ipnet net = { 0 };

        ck_assert_msg(ipnet_parse(text, &net) == 0, "%s", text);
        return net;
}

#endif
