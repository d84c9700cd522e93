/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment's proxies. Written out because curl reads other variables, and NO_PROXY
 * differently.
 */
#include "http/proxy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/ip.h"
#include "core/util.h"

/* The name of a host, its brackets taken off when they fit. */
static void bare_host(const char *host, char *text, size_t size)
{
        size_t len = strlen(host);
        bool brackets = len > 1 && host[0] == '[' && host[len - 1] == ']';

        (void)snprintf(text, size, "%.*s", (int)(brackets ? len - 2 : len), host + brackets);
}

static bool is_loopback(const char *host, const struct ip *ip)
{
        struct ipnet net;

        if (ip->family == IP_UNSET)
                return strcasecmp(host, "localhost") == 0;
        return (ipnet_parse("127.0.0.0/8", &net) == 0 && ipnet_contains(&net, ip)) ||
               (ipnet_parse("::1/128", &net) == 0 && ipnet_contains(&net, ip));
}

/* Cuts the port off an entry of NO_PROXY and its brackets; "" when it has none. */
static const char *cut_port(char *entry)
{
        char *colon = strrchr(entry, ':');
        size_t len = strlen(entry);

        if (entry[0] == '[' && entry[len - 1] != ']' && colon && colon[-1] == ']') {
                colon[-1] = '\0';
                memmove(entry, entry + 1, strlen(entry));
                return colon + 1;
        }
        if (entry[0] == '[' || !colon || strchr(entry, ':') != colon)
                return "";
        *colon = '\0';
        return colon + 1;
}

/* Whether one entry of NO_PROXY, without blanks around it, covers the host. */
static bool entry_covers(char *entry, const char *host, const struct ip *ip, const char *port)
{
        size_t host_len = strlen(host), len;
        const char *entry_port, *name;
        struct ipnet net;
        struct ip other;

        if (strcmp(entry, "*") == 0)
                return true;
        if (ipnet_parse(entry, &net) == 0)
                return ip->family != IP_UNSET && ipnet_contains(&net, ip);
        entry_port = cut_port(entry);
        if (*entry_port != '\0' && strcmp(entry_port, port) != 0)
                return false;
        if (ip_parse(entry, &other) == 0)
                return ip->family != IP_UNSET && ip_equal(&other, ip);
        name = entry + (strncmp(entry, "*.", 2) == 0);
        len = strlen(name);
        if (len == 0)
                return false;
        if (name[0] != '.' && strcasecmp(name, host) == 0)
                return true;
        /* A domain covers what lies below it. */
        return host_len > len && strcasecmp(host + host_len - len, name) == 0 &&
               (name[0] == '.' || host[host_len - len - 1] == '.');
}

static bool list_covers(const char *list, const char *host, const struct ip *ip, const char *port)
{
        while (*list) {
                size_t len = strcspn(list, ","), start = strspn(list, " \t"), end = len;
                char entry[512];

                while (end > start && strchr(" \t", list[end - 1]))
                        end--;
                if (start < end && end - start < sizeof(entry)) {
                        memcpy(entry, list + start, end - start);
                        entry[end - start] = '\0';
                        if (entry_covers(entry, host, ip, port))
                                return true;
                }
                list += len + (list[len] == ',');
        }
        return false;
}

static const char *first_of(const char *a, const char *b)
{
        const char *text = getenv(a);

        if (!text || *text == '\0')
                text = getenv(b);
        return text && *text ? text : NULL;
}

const char *proxy_from_environment(bool tls, const char *host, const char *port)
{
        const char *exceptions = first_of("NO_PROXY", "no_proxy"), *proxy;
        struct ip ip = { 0 };
        char name[256];

        proxy = tls ? first_of("HTTPS_PROXY", "https_proxy") : first_of("HTTP_PROXY", "http_proxy");
        if (!proxy)
                return NULL;
        bare_host(host, name, sizeof(name));
        if (ip_parse(name, &ip) < 0)
                ip = (struct ip){ 0 };
        if (is_loopback(name, &ip))
                return NULL;
        return exceptions && list_covers(exceptions, name, &ip, port) ? NULL : proxy;
}
