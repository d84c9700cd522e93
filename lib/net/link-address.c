/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IPv4 addresses of an interface. There is no request for one of them, so finding one means reading
 * those of its interface.
 */
#include <string.h>

#include "net/link.h"
#include "net/talk.h"

/* What is looked for, and what was found. */
struct search {
        int ifindex;
        const struct ipnet *wanted;
        bool found;
        struct address address;
        uint32_t metric; /* of the route that the kernel made for it */
};

static int take_address(void *user, struct nlmsghdr *answer)
{
        struct search *search = user;
        struct nlattr *attributes[IFA_MAX + 1];
        const struct ifaddrmsg *header;
        struct ip ip;

        if (!answer) {
                search->found = false;
                return 0;
        }
        header = nlmsg_data(answer);
        if (nlmsg_parse(answer, sizeof(*header), attributes, IFA_MAX, NULL) < 0)
                return -EBADMSG;
        ip = attribute_ip(attributes[IFA_LOCAL]);
        if (header->ifa_family != AF_INET || (int)header->ifa_index != search->ifindex ||
            !ip_equal(&ip, &search->wanted->ip) ||
            (search->wanted->prefix != LINK_ANY_PREFIX &&
             search->wanted->prefix != header->ifa_prefixlen))
                return 0;
        search->found = true;
        search->address = (struct address){
                .net = { .ip = ip, .prefix = header->ifa_prefixlen },
                .broadcast = attribute_ip(attributes[IFA_BROADCAST]),
                .valid_s = LINK_FOREVER,
                .preferred_s = LINK_FOREVER,
        };
        search->metric = attributes[IFA_RT_PRIORITY] ? nla_get_u32(attributes[IFA_RT_PRIORITY]) : 0;
        if (attributes[IFA_CACHEINFO]) {
                struct ifa_cacheinfo times;

                (void)nla_memcpy(&times, attributes[IFA_CACHEINFO], sizeof(times));
                search->address.valid_s = times.ifa_valid;
                search->address.preferred_s = times.ifa_prefered;
        }
        return 0;
}

/* Fills `search`: 0 or LINK_ABSENT or -errno. */
static int find(struct net *net, struct search *search)
{
        struct ifaddrmsg header = { .ifa_family = AF_INET, .ifa_index = (unsigned)search->ifindex };
        _cleanup_(request_done) struct request request =
                request_make(RTM_GETADDR, NLM_F_DUMP, &header, sizeof(header));
        int r = net_dump(net, &request, take_address, search);

        if (r < 0 && r != -ENODEV)
                return r;
        return r == 0 && search->found ? 0 : LINK_ABSENT;
}

int link_find_address(struct net *net, int ifindex, const struct ipnet *address,
                      struct address *ret, struct err *err)
{
        struct search search = { .ifindex = ifindex, .wanted = address };
        int r = find(net, &search);

        if (r < 0)
                return err_set(err, r, CNI_ERR_INTERNAL, "list the addresses of interface %d",
                               ifindex);
        if (r == 0)
                *ret = search.address;
        return r;
}

static struct request address_request(int type, int flags, int ifindex, const struct ipnet *net)
{
        struct ifaddrmsg header = { .ifa_family = AF_INET,
                                    .ifa_prefixlen = net->prefix,
                                    .ifa_scope = RT_SCOPE_UNIVERSE,
                                    .ifa_index = (unsigned)ifindex };
        struct request request = request_make(type, flags, &header, sizeof(header));

        /* Both: by IFA_LOCAL alone the kernel would delete one with another prefix, too. */
        request_put_ip(&request, IFA_LOCAL, &net->ip);
        request_put_ip(&request, IFA_ADDRESS, &net->ip);
        return request;
}

int link_set_address(struct net *net, int ifindex, const struct address *address, struct err *err)
{
        struct search search = { .ifindex = ifindex, .wanted = &address->net };
        const struct ifa_cacheinfo times = { .ifa_valid = address->valid_s,
                                             .ifa_prefered = address->preferred_s };
        _cleanup_(request_done) struct request request =
                address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, ifindex, &address->net);
        char text[IPNET_TEXT_MAX];
        int r = find(net, &search);

        request_put(&request, IFA_CACHEINFO, &times, sizeof(times));
        if (address->broadcast.family == IP_V4)
                request_put_ip(&request, IFA_BROADCAST, &address->broadcast);
        /* A metric that is not given again would be taken off the route of the address. */
        if (r == 0 && search.metric)
                request_put_u32(&request, IFA_RT_PRIORITY, search.metric);
        if (r >= 0)
                r = net_ask(net, &request, NULL, NULL);
        return r < 0 ? err_set(err, r, CNI_ERR_INTERNAL, "set address %s of interface %d",
                               ipnet_format(&address->net, text), ifindex)
                     : 0;
}

int link_remove_address(struct net *net, int ifindex, const struct ipnet *address, struct err *err)
{
        _cleanup_(request_done) struct request request =
                address_request(RTM_DELADDR, 0, ifindex, address);
        char text[IPNET_TEXT_MAX];
        int r = net_ask(net, &request, NULL, NULL);

        if (r == -EADDRNOTAVAIL || r == -ENODEV)
                return LINK_ABSENT;
        return r < 0 ? err_set(err, r, CNI_ERR_INTERNAL, "remove address %s of interface %d",
                               ipnet_format(address, text), ifindex)
                     : 0;
}
