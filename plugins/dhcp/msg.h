/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_MSG_H
#define DHCP_MSG_H

/*
 * DHCPv4 messages as bytes and as values, bare and inside of IP and UDP. RFC 2131 sections 2, 4.1
 * and 4.4. Pure: every length is checked before it is used, in unsigned arithmetic.
 */

#include "net/link.h"
#include "opts.h"

#define MSG_MIN 300 /* we pad to this much, for old relays */
#define MSG_MAX                                                                       \
        1472 /* a message of ours: 1500 bytes with IP and UDP. What keeps to 548 fits \
              * every link (RFC 791); more is only sent when the user provides that much */
#define MSG_FRAME (MSG_MAX + 28)

#define MSG_PORT_SERVER 67
#define MSG_PORT_CLIENT 68

enum msg_type {
        MSG_DISCOVER = 1,
        MSG_OFFER = 2,
        MSG_REQUEST = 3,
        MSG_DECLINE = 4,
        MSG_ACK = 5,
        MSG_NAK = 6,
        MSG_RELEASE = 7,
        MSG_INFORM = 8,
        MSG_FORCERENEW = 9,
};

/* "DISCOVER"; "?" for a number that is none of these. */
const char *msg_type_text(unsigned type);

/* Why a packet was not used. In the order of the checks; what people see in counters. */
enum msg_drop {
        MSG_OK,
        MSG_NOT_FOR_US, /* for another host, or tagged with a VLAN */
        MSG_BAD_IP,     /* lengths or version of the IP header */
        MSG_FRAGMENT,
        MSG_NOT_UDP,
        MSG_BAD_UDP, /* lengths of the UDP header */
        MSG_OTHER_PORT,
        MSG_BAD_CHECKSUM,
        MSG_SHORT,     /* no room for the fixed part and the cookie */
        MSG_NOT_REPLY, /* op, or cookie */
        MSG_BAD_OPTIONS,
        MSG_NO_TYPE,
        /* From here on told by the lease. */
        MSG_OTHER_HARDWARE, /* chaddr is not ours */
        MSG_OTHER_XID,
        MSG_OTHER_CLIENT_ID, /* RFC 6842 */
        MSG_OTHER_SERVER,
        MSG_BAD_ADDRESS,   /* an address that no host can have, or no server identifier */
        MSG_OTHER_ADDRESS, /* not the one that we hold */
        MSG_UNEXPECTED,    /* a type that this state does not wait for */
        MSG_DROP_COUNT,
};

/* A few words: "wrong chaddr". */
const char *msg_drop_text(enum msg_drop drop);

/* A received message. Large (5 KiB): one for the whole process is enough. */
struct msg {
        uint8_t type; /* enum msg_type; may be a number that is none */
        uint8_t hlen;
        uint8_t chaddr[16];
        uint32_t xid;
        struct ip ciaddr, yiaddr, giaddr; /* 0.0.0.0 is a value here */
        struct opts opts;
        struct link_address source; /* hardware address of who sent the frame; filled by the
                                     * receiver of frames, len 0: not known */
};

/* Takes IP and UDP off. `len` may count padding behind the IP packet. `checksum_pending`: the
 * kernel has not filled in the UDP checksum yet (checksum offload), so it is not looked at.
 * Points into `packet`. */
enum msg_drop msg_unwrap(const uint8_t *packet, size_t len, bool checksum_pending,
                         const uint8_t **ret_payload, size_t *ret_len);

/* Members are unspecified unless it gives MSG_OK; `source` is unset then. */
enum msg_drop msg_parse(const uint8_t *payload, size_t len, struct msg *ret);

/* An option that the user provides: replaces ours of the same number. */
struct msg_option {
        uint8_t code, len;
        const uint8_t *bytes;
};

/* A message to be. Zero or unset members are left out. */
struct msg_plan {
        enum msg_type type;
        uint32_t xid;
        uint16_t secs;
        bool broadcast;    /* flag: the server shall answer by broadcast */
        uint16_t hardware; /* ARPHRD_ETHER ...; InfiniBand has no chaddr (RFC 4390) */
        struct link_address chaddr;
        struct ip ciaddr, requested, server;
        uint16_t max_size; /* option 57 */
        const uint8_t *client_id, *parameters;
        uint8_t client_id_len, parameter_count;
        const struct msg_option *provided;
        size_t provided_count;
};

/* Composes it: 53 first, then 61, the rest by number, padded to MSG_MIN. Long values of `provided`
 * never push out ours: -EMSGSIZE, with an error that names the longest of what the user chose. What
 * is provided is no PAD, END or type. */
int msg_build(const struct msg_plan *plan, uint8_t out[static MSG_MAX], size_t *ret_len,
              struct err *err);

/* Puts IP and UDP in front: TTL 64, ports 68 to 67, UDP checksum. Returns the length. */
size_t msg_wrap(const uint8_t *payload, size_t len, const struct ip *source,
                const struct ip *destination, uint8_t out[static MSG_FRAME]);

#endif
