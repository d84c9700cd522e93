/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DHCP_PROFILE_H
#define DHCP_PROFILE_H

/*
 * How the client shall behave for one attachment: what the configuration of its ADD came to. It
 * goes from the plugin to the daemon, and stays with the lease on disk. Pure.
 */

#include "core/json.h"
#include "msg.h"

/* Who it is for. Compared as three texts. */
struct key {
        char *container_id, *network, *ifname; /* owned */
};

void key_done(struct key *key);
int key_copy(const struct key *key, struct key *ret, struct err *err);
bool key_equal(const struct key *a, const struct key *b);

/* Members "containerID", "network", "ifname" of the object that is being written; and back, into an
 * empty one. Absent ones become "". */
void key_put(const struct key *key, struct json_writer *w);
int key_decode(const struct json_at *at, void *dst, struct err *err); /* struct key; `at` is the
                                                                       * object that has them */

/* The name of its files: 64 hex digits, SHA-256 of the three with a NUL between them. */
#define KEY_NAME_MAX 65
const char *key_name(const struct key *key, char name[static KEY_NAME_MAX]);

/* What happens when a lease has run out. */
enum profile_loss {
        LOSS_DECONFIGURE, /* the address goes, the link stays up, the search goes on */
        LOSS_DOWN,        /* the link goes down, and that is the end */
        LOSS_KEEP,        /* nothing */
        LOSS_REPLACE,     /* as deconfigure; and another address is taken over */
};

enum profile_acd {
        ACD_OFF,
        ACD_FAST, /* three probes in about 300 ms */
        ACD_FULL, /* RFC 5227 */
};

/* Whether servers shall answer by broadcast. */
enum profile_broadcast {
        BROADCAST_AUTO, /* as the daemon was told, and where the kind of the link needs it */
        BROADCAST_ON,
        BROADCAST_OFF, /* whatever the daemon was told */
};

/* The texts of the configuration, in the order of the values. */
extern const char *const profile_loss_texts[4];
extern const char *const profile_acd_texts[3];

#define PROFILE_OPTIONS_MAX 64

struct profile {
        uint8_t client_id[255];  /* option 61 as it is sent */
        uint8_t client_id_len;   /* 0: hardware type and address, to be filled in once by the daemon
                                  */
        uint8_t parameters[255]; /* option 55 */
        uint8_t parameter_count;
        struct msg_option *provided; /* owned, as the bytes are; no two of one code */
        size_t provided_count;
        enum profile_loss loss;
        enum profile_acd acd;
        enum profile_broadcast broadcast;
        bool strict_nak, kernel_lifetime;
        bool dns, suppress_gateway; /* about the result */
        int64_t priority;           /* metric of all routes; 0: none */
};

void profile_done(struct profile *profile);

/* Adds a provided option, or replaces the one of that code; copies. At most 255 bytes, and
 * PROFILE_OPTIONS_MAX options. */
int profile_provide(struct profile *profile, uint8_t code, const void *bytes, size_t len,
                    struct err *err);

/* Whether a code may be provided: not the options that are the client's own (52, 53, 54) or that
 * frame the others (0, 255). */
bool profile_may_provide(uint8_t code);

/* As JSON, a member `key` of what is being written, and back (decoder into an empty one, to be
 * given up by profile_done() on failure as well). Bytes are hex; what is absent is 0. Everything is
 * checked: what comes from disk or from a socket may be anything. */
void profile_put(const struct profile *profile, const char *key, struct json_writer *w);
int profile_decode(const struct json_at *at, void *dst, struct err *err);

/* A boolean as enum profile_broadcast, here and in the configuration. */
int profile_decode_broadcast(const struct json_at *at, void *dst, struct err *err);

/* Bytes (at most 255) as hex text, for JSON. decode: an even number of digits, at most `max` bytes.
 */
void profile_put_hex(struct json_writer *w, const char *key, const uint8_t *bytes, size_t len);
int profile_decode_hex(const struct json_at *at, uint8_t *bytes, size_t max, size_t *ret_len,
                       struct err *err);
/* Decoders: such bytes into a struct link_address, a number into a uint32_t. */
int profile_decode_hardware(const struct json_at *at, void *dst, struct err *err);
int profile_decode_u32(const struct json_at *at, void *dst, struct err *err);

#endif
