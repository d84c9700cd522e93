/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and networks: parse, format, parse is stable; and the arithmetic on what came out.
 */
#include <arpa/inet.h>

#include "core/ip.h"
#include "fuzz.h"

static void check_ip(const struct ip *ip)
{
        char text[IP_TEXT_MAX], again_text[IP_TEXT_MAX];
        struct ip again, next = ip_next(*ip), back = ip_previous(next);

        fuzz_must(strlen(ip_format(ip, text)) < sizeof(text));
        fuzz_must(ip_parse(text, &again) == 0);
        fuzz_must(ip_equal(ip, &again));
        fuzz_must(strcmp(ip_format(&again, again_text), text) == 0);
        fuzz_must(ip_equal(ip, &back));
        fuzz_must(ip_distance(ip, ip) == 0);
        if (ip_compare(ip, &next) < 0)
                fuzz_must(ip_distance(ip, &next) == 1);
}

static void check_net(const struct ipnet *net)
{
        char text[IPNET_TEXT_MAX];
        struct ip first = ipnet_first(net), last = ipnet_last(net);
        struct ip before = ip_previous(first), after = ip_next(last);
        struct ipnet again;

        fuzz_must(strlen(ipnet_format(net, text)) < sizeof(text));
        fuzz_must(ipnet_parse(text, &again) == 0);
        fuzz_must(ip_equal(&net->ip, &again.ip) && net->prefix == again.prefix && !again.mapped);
        fuzz_must(net->prefix <= ip_bits(&net->ip));
        fuzz_must(ip_compare(&first, &last) <= 0);
        fuzz_must(ipnet_contains(net, &net->ip));
        fuzz_must(ipnet_contains(net, &first) && ipnet_contains(net, &last));
        if (net->prefix > 0)
                fuzz_must(!ipnet_contains(net, &before) && !ipnet_contains(net, &after));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(freep) char *text = fuzz_text(data, size);
        struct ip ip = { 0 };
        struct ipnet net = { 0 };
        uint8_t bytes[16];
        bool is_ip = ip_parse(text, &ip) == 0;

        fuzz_must(is_ip ==
                  (inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1));
        if (is_ip)
                check_ip(&ip);
        if (ipnet_parse(text, &net) == 0) {
                fuzz_must(!is_ip);
                check_ip(&net.ip);
                check_net(&net);
        }
        return 0;
}
