/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From texts to addresses: ranges, excludes, the gateway, static addresses, routes.
 */
#include <string.h>

#include "conf-reading.h"

/* Says in which document a member is. */
void conf_name_place(const struct reading *reading, enum settings_member member, struct err *err,
                     const char *name)
{
        if (reading->settings.filled & member)
                err_details(err, "%s: %s", reading->flat_path, name);
        else
                err_details(err, "ipam.%s", name);
}

/* ---- ranges ---- */

/* "FIRST-LAST/PREFIX" */
static int parse_pair(const char *text, const char *dash, bool names_only, struct range *range,
                      struct err *err)
{
        _cleanup_(freep) char *left = strndup(text, (size_t)(dash - text));
        char net_text[IPNET_TEXT_MAX], ip_text[IP_TEXT_MAX];
        struct ip start = { 0 };
        struct ipnet net;

        if (!left)
                return err_oom(err);
        if (!names_only && ip_parse_lenient(left, &start) < 0)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "invalid range start IP: %s", left);
        if (ipnet_parse_lenient(dash + 1, &net) < 0)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "invalid CIDR (do you have the 'range' parameter set for "
                                "Whereabouts?) '%s': invalid CIDR address: %s",
                                dash + 1, dash + 1);
        range->start = start;
        range->end = net.ip;
        range->net = (struct ipnet){ .ip = ipnet_first(&net), .prefix = net.prefix };
        if (!names_only && !ipnet_contains(&net, &start))
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "invalid range start for CIDR %s: %s",
                                ipnet_format(&range->net, net_text), ip_format(&start, ip_text));
        return 0;
}

/* What is of the other family does not fit, and what does not fit is ignored. */
static void drop_if_other(struct ip *ip, const struct ipnet *net)
{
        if (ip->family != net->ip.family)
                *ip = (struct ip){ 0 };
}

static int parse_range(const struct settings_range *settings, bool names_only, struct range *range,
                       struct err *err)
{
        const char *text = settings->range ? settings->range : "", *dash = strchr(text, '-');
        struct ipnet net;

        if (dash)
                return parse_pair(text, dash, names_only, range, err);
        if (ipnet_parse_lenient(text, &net) < 0)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "invalid CIDR %s: invalid CIDR address: %s", text, text);
        range->net = (struct ipnet){ .ip = ipnet_first(&net), .prefix = net.prefix };
        range->start = settings->start;
        range->end = settings->end;
        drop_if_other(&range->start, &range->net);
        drop_if_other(&range->end, &range->net);
        return 0;
}

/* The range with this index: `range` comes first, if there is one, then `ipRanges`. */
static const struct settings_range *range_at(const struct settings *settings, size_t index,
                                             size_t *ret_list_index)
{
        bool single = settings->single.range && *settings->single.range;

        if (single && index == 0)
                return &settings->single;
        *ret_list_index = index - single;
        return *ret_list_index < settings->range_count ? &settings->ranges[*ret_list_index] : NULL;
}

static void name_range(const struct reading *reading, const struct settings_range *range,
                       size_t list_index, struct err *err)
{
        char name[64];

        (void)snprintf(name, sizeof(name), "ipRanges[%zu].range", list_index);
        if (range == &reading->settings.single)
                conf_name_place(reading, MEMBER_RANGE, err, "range");
        else
                conf_name_place(reading, MEMBER_IP_RANGES, err, name);
}

int conf_first_net(const struct settings *settings, struct ipnet *ret, struct err *err)
{
        size_t list_index = 0;
        const struct settings_range *first = range_at(settings, 0, &list_index);
        struct range range = { 0 };
        int r;

        if (!first)
                return err_text(err, -EINVAL, CNI_ERR_CONFIG, "no range");
        r = parse_range(first, true, &range, err);
        if (r == 0)
                *ret = range.net;
        return r;
}

int conf_take_ranges(const struct reading *reading, struct request *request, struct err *err)
{
        bool names_only = reading->use == CONF_RELEASE;
        const struct settings_range *range;
        size_t list_index = 0;

        request->ranges = calloc(reading->settings.range_count + 1, sizeof(*request->ranges));
        if (!request->ranges)
                return err_oom(err);
        while ((range = range_at(&reading->settings, request->range_count, &list_index))) {
                int r;

                if (request->range_count == REQUEST_RANGES_MAX)
                        return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "more than %u ranges",
                                        REQUEST_RANGES_MAX);
                r = parse_range(range, names_only, &request->ranges[request->range_count], err);

                if (r == -EINVAL)
                        name_range(reading, range, list_index, err);
                if (r < 0)
                        return r;
                request->range_count++;
        }
        return 0;
}

/* Adds the excludes of one range; *count is how many all have so far. */
static int take_excludes_of(const struct reading *reading, const struct settings_range *range,
                            size_t list_index, struct range *ret, size_t *count, struct err *err)
{
        bool single = range == &reading->settings.single;

        for (size_t i = 0; i < range->excludes.count; i++) {
                char name[64];
                int r;

                if (++*count > REQUEST_EXCLUDES_MAX)
                        return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "more than %u excludes",
                                        REQUEST_EXCLUDES_MAX);
                r = range_add_exclude(ret, range->excludes.items[i], err);
                if (r == 0)
                        continue;
                if (r == -ENOMEM)
                        return r;
                err_wrap(err, "error at storage engine: ");
                if (single)
                        (void)snprintf(name, sizeof(name), "exclude[%zu]", i);
                else
                        (void)snprintf(name, sizeof(name), "ipRanges[%zu].exclude[%zu]", list_index,
                                       i);
                conf_name_place(reading, single ? MEMBER_EXCLUDE : MEMBER_IP_RANGES, err, name);
                return r;
        }
        return 0;
}

int conf_take_excludes(const struct reading *reading, struct request *request, struct err *err)
{
        size_t list_index = 0, count = 0;
        int r = 0;

        for (size_t i = 0; i < request->range_count && r == 0; i++) {
                const struct settings_range *range = range_at(&reading->settings, i, &list_index);

                r = take_excludes_of(reading, range, list_index, &request->ranges[i], &count, err);
        }
        return r;
}

/* ---- gateway, static addresses, routes ---- */

int conf_take_gateway(const struct reading *reading, struct conf *conf, struct err *err)
{
        const char *text = reading->settings.gateway;

        if (!text || !*text)
                return 0;
        if (ip_parse_lenient(text, &conf->gateway) < 0) {
                (void)err_text(err, -EINVAL, CNI_ERR_INTERNAL, "couldn't parse gateway IP: %s",
                               text);
                conf_name_place(reading, MEMBER_GATEWAY, err, "gateway");
                return -EINVAL;
        }
        conf->request.gateway = conf->gateway;
        return 0;
}

static char *trim(char *text)
{
        static const char blanks[] = " \t\n\v\f\r";
        size_t len;

        text += strspn(text, blanks);
        for (len = strlen(text); len > 0 && strchr(blanks, text[len - 1]); len--)
                text[len - 1] = '\0';
        return text;
}

static size_t count_items(const char *text)
{
        size_t count = text && *text ? 1 : 0;

        for (; text && *text; text++)
                count += *text == ',';
        return count;
}

static int take_addresses(const struct reading *reading, struct conf *conf, struct err *err)
{
        const struct settings *settings = &reading->settings;

        for (size_t i = 0; i < settings->address_count; i++) {
                const struct settings_address *from = &settings->addresses[i];
                const char *text = from->address ? from->address : "";
                struct result_ip *to = &conf->static_addresses[conf->static_count];
                char name[64];

                *to = (struct result_ip){ .gateway = from->gateway };
                if (ipnet_parse_lenient(text, &to->address) < 0) {
                        (void)err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                       "invalid CIDR in addresses %s: invalid CIDR address: %s",
                                       text, text);
                        (void)snprintf(name, sizeof(name), "addresses[%zu].address", i);
                        conf_name_place(reading, MEMBER_ADDRESSES, err, name);
                        return -EINVAL;
                }
                conf->static_count++;
        }
        return 0;
}

/* IP= of CNI_ARGS: more addresses. */
static int take_argument_ips(const struct reading *reading, struct conf *conf, struct err *err)
{
        char *rest = reading->arguments.ip, *item;

        if (!rest || !*rest)
                return 0;
        while ((item = strsep(&rest, ","))) {
                struct result_ip *to = &conf->static_addresses[conf->static_count];

                item = trim(item);
                *to = (struct result_ip){ 0 };
                if (ipnet_parse_lenient(item, &to->address) < 0)
                        return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                        "invalid CIDR %s: invalid CIDR address: %s", item, item);
                conf->static_count++;
        }
        return 0;
}

/* GATEWAY= of CNI_ARGS: each counts for the static addresses whose network it is in. */
static int take_argument_gateways(const struct reading *reading, struct conf *conf, struct err *err)
{
        char *rest = reading->arguments.gateway, *item;

        if (!rest || !*rest)
                return 0;
        while ((item = strsep(&rest, ","))) {
                struct ip gateway;

                if (ip_parse_lenient(trim(item), &gateway) < 0)
                        return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                        "invalid gateway address: %s", item);
                for (size_t i = 0; i < conf->static_count; i++)
                        if (ipnet_contains(&conf->static_addresses[i].address, &gateway))
                                conf->static_addresses[i].gateway = gateway;
        }
        return 0;
}

/* Versions before 0.3.0 can tell one address per family. */
static int check_families(const struct reading *reading, const struct conf *conf, struct err *err)
{
        const struct cni_call *call = reading->call;
        size_t v4 = 0, v6 = 0;

        if (strcmp(call->version, "0.3.0") >= 0)
                return 0;
        for (size_t i = 0; i < conf->static_count; i++)
                *(conf->static_addresses[i].address.ip.family == IP_V4 ? &v4 : &v6) += 1;
        if (v4 > 1 || v6 > 1)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "CNI version %s does not support more than 1 address per family",
                                call->version_given ? call->version : "");
        return 0;
}

int conf_take_static(struct reading *reading, struct conf *conf, struct err *err)
{
        size_t most = reading->settings.address_count + count_items(reading->arguments.ip);
        int r;

        conf->static_addresses = calloc(most + 1, sizeof(*conf->static_addresses));
        if (!conf->static_addresses)
                return err_oom(err);
        r = take_addresses(reading, conf, err);
        if (r == 0)
                r = take_argument_ips(reading, conf, err);
        if (r == 0)
                r = take_argument_gateways(reading, conf, err);
        return r < 0 ? r : check_families(reading, conf, err);
}

/* A route without a destination cannot be told from 0.3.0 on: the caller could not read the result.
 */
int conf_take_routes(struct reading *reading, struct conf *conf, struct err *err)
{
        const struct route_list *routes = &reading->settings.routes;

        for (size_t i = 0; i < routes->count; i++) {
                char name[64];

                if (routes->items[i].dst.ip.family != IP_UNSET ||
                    strcmp(reading->call->version, "0.3.0") < 0)
                        continue;
                (void)err_text(err, -EINVAL, CNI_ERR_INTERNAL, "invalid CIDR address: ");
                (void)snprintf(name, sizeof(name), "routes[%zu].dst", i);
                conf_name_place(reading, MEMBER_ROUTES, err, name);
                return -EINVAL;
        }
        conf->routes = *routes;
        reading->settings.routes = (struct route_list){ 0 };
        conf->dns = reading->settings.dns;
        reading->settings.dns = (struct dns){ 0 };
        return 0;
}
