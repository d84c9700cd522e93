/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An interface costs one request with one answer, and so does a namespace's number.
 */
#include "net/link.h"

#include <linux/net_namespace.h>
#include <string.h>

#include "net/link-decode.h"
#include "net/talk.h"

/* ---- interfaces ---- */

static void decode_kind(struct nlattr *info, char kind[static 32])
{
        struct nlattr *attributes[IFLA_INFO_MAX + 1];

        if (info && nla_parse_nested(attributes, IFLA_INFO_MAX, info, NULL) == 0 &&
            attributes[IFLA_INFO_KIND])
                (void)nla_strlcpy(kind, attributes[IFLA_INFO_KIND], 32);
}

int link_decode(struct nlmsghdr *message, struct link *ret)
{
        struct nlattr *attributes[IFLA_MAX + 1];
        const struct ifinfomsg *header = nlmsg_data(message);
        struct link link = { 0 };

        if (nlmsg_parse(message, sizeof(*header), attributes, IFLA_MAX, NULL) < 0 ||
            message->nlmsg_type != RTM_NEWLINK)
                return -EBADMSG;
        link.ifindex = header->ifi_index;
        link.type = header->ifi_type;
        link.up = header->ifi_flags & IFF_UP;
        link.carrier = header->ifi_flags & IFF_RUNNING;
        if (attributes[IFLA_IFNAME])
                (void)nla_strlcpy(link.name, attributes[IFLA_IFNAME], sizeof(link.name));
        if (attributes[IFLA_MTU])
                link.mtu = nla_get_u32(attributes[IFLA_MTU]);
        if (attributes[IFLA_ADDRESS])
                link.address.len = (uint8_t)nla_memcpy(link.address.bytes, attributes[IFLA_ADDRESS],
                                                       sizeof(link.address.bytes));
        decode_kind(attributes[IFLA_LINKINFO], link.kind);
        *ret = link;
        return 0;
}

static int take_link(void *user, struct nlmsghdr *answer)
{
        return link_decode(answer, user);
}

static int get(struct net *net, struct request *request, struct link *ret)
{
        int r = net_ask(net, request, take_link, ret);

        return r == -ENODEV ? LINK_ABSENT : r;
}

int link_get(struct net *net, const char *name, struct link *ret, struct err *err)
{
        struct ifinfomsg header = { .ifi_family = AF_UNSPEC };
        _cleanup_(request_done) struct request request =
                request_make(RTM_GETLINK, 0, &header, sizeof(header));
        size_t len = strlen(name);
        int r;

        if (len == 0 || len >= IF_NAMESIZE)
                return LINK_ABSENT;
        request_put(&request, IFLA_IFNAME, name, len + 1);
        r = get(net, &request, ret);
        return r < 0 ? err_set(err, r, CNI_ERR_INTERNAL, "look up interface '%s'", name) : r;
}

int link_get_by_index(struct net *net, int ifindex, struct link *ret, struct err *err)
{
        struct ifinfomsg header = { .ifi_family = AF_UNSPEC, .ifi_index = ifindex };
        _cleanup_(request_done) struct request request =
                request_make(RTM_GETLINK, 0, &header, sizeof(header));
        int r = ifindex > 0 ? get(net, &request, ret) : LINK_ABSENT;

        return r < 0 ? err_set(err, r, CNI_ERR_INTERNAL, "look up interface %d", ifindex) : r;
}

int link_set_up(struct net *net, int ifindex, bool up, struct err *err)
{
        struct ifinfomsg header = { .ifi_family = AF_UNSPEC,
                                    .ifi_index = ifindex,
                                    .ifi_flags = up ? IFF_UP : 0,
                                    .ifi_change = IFF_UP };
        _cleanup_(request_done) struct request request =
                request_make(RTM_NEWLINK, 0, &header, sizeof(header));
        int r = net_ask(net, &request, NULL, NULL);

        if (r == -ENODEV)
                return LINK_ABSENT;
        return r < 0 ? err_set(err, r, CNI_ERR_INTERNAL, "set interface %d %s", ifindex,
                               up ? "up" : "down")
                     : 0;
}

/* ---- numbers of namespaces ---- */

static int take_nsid(void *user, struct nlmsghdr *answer)
{
        struct nlattr *attributes[NETNSA_MAX + 1];
        int32_t *nsid = user;

        if (nlmsg_parse(answer, sizeof(struct rtgenmsg), attributes, NETNSA_MAX, NULL) < 0 ||
            !attributes[NETNSA_NSID])
                return -EBADMSG;
        *nsid = nla_get_s32(attributes[NETNSA_NSID]);
        return 0;
}

static struct request nsid_request(int type, int attribute, int value)
{
        struct rtgenmsg header = { .rtgen_family = AF_UNSPEC };
        struct request request = request_make(type, 0, &header, sizeof(header));

        request_put_u32(&request, attribute, (uint32_t)value);
        return request;
}

int link_name_netns(struct net *net, int netns_fd, int *ret_nsid, struct err *err)
{
        _cleanup_(request_done) struct request name =
                nsid_request(RTM_NEWNSID, NETNSA_FD, netns_fd);
        _cleanup_(request_done) struct request ask = nsid_request(RTM_GETNSID, NETNSA_FD, netns_fd);
        int32_t nsid = NETNSA_NSID_NOT_ASSIGNED;
        int r;

        request_put_u32(&name, NETNSA_NSID, (uint32_t)NETNSA_NSID_NOT_ASSIGNED);
        r = net_ask(net, &name, NULL, NULL);
        if (r == 0 || r == -EEXIST)
                r = net_ask(net, &ask, take_nsid, &nsid);
        if (r < 0)
                return err_set(err, r, CNI_ERR_INTERNAL, "give a network namespace a number");
        if (nsid < 0)
                return LINK_ABSENT;
        *ret_nsid = nsid;
        return 0;
}

int link_find_netns(struct net *net, int nsid, struct err *err)
{
        _cleanup_(request_done) struct request request =
                nsid_request(RTM_GETNSID, NETNSA_NSID, nsid);
        int32_t unused;
        int r = net_ask(net, &request, take_nsid, &unused);

        if (r == -ENOENT)
                return LINK_ABSENT;
        return r < 0 ? err_set(err, r, CNI_ERR_INTERNAL, "look up network namespace %d", nsid) : 0;
}
