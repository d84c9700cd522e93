/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile has been through the configuration's checks when it is made. It is checked again when
 * it is read, because it may come from a file that lost its end or from a socket.
 */
#include "profile.h"

#include <assert.h>
#include <string.h>

#include "core/hex.h"
#include "core/sha256.h"

/* ---- the key ---- */

void key_done(struct key *key)
{
        free(key->container_id);
        free(key->network);
        free(key->ifname);
        *key = (struct key){ 0 };
}

int key_copy(const struct key *key, struct key *ret, struct err *err)
{
        struct key copy = { strdup(key->container_id), strdup(key->network), strdup(key->ifname) };

        if (!copy.container_id || !copy.network || !copy.ifname) {
                key_done(&copy);
                return err_oom(err);
        }
        *ret = copy;
        return 0;
}

bool key_equal(const struct key *a, const struct key *b)
{
        return strcmp(a->container_id, b->container_id) == 0 &&
               strcmp(a->network, b->network) == 0 && strcmp(a->ifname, b->ifname) == 0;
}

void key_put(const struct key *key, struct json_writer *w)
{
        json_put_string(w, "containerID", key->container_id);
        json_put_string(w, "network", key->network);
        json_put_string(w, "ifname", key->ifname);
}

int key_decode(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "containerID", json_decode_string, offsetof(struct key, container_id),
                  JSON_PLAIN },
                { "network", json_decode_string, offsetof(struct key, network), JSON_PLAIN },
                { "ifname", json_decode_string, offsetof(struct key, ifname), JSON_PLAIN },
        };
        struct key *key = dst;
        char **const texts[] = { &key->container_id, &key->network, &key->ifname };
        int r = json_object(at, fields, ARRAY_SIZE(fields), key, err);

        for (size_t i = 0; i < ARRAY_SIZE(texts) && r == 0; i++) {
                if (!*texts[i])
                        *texts[i] = strdup("");
                if (!*texts[i])
                        r = err_oom(err);
        }
        return r;
}

const char *key_name(const struct key *key, char name[static KEY_NAME_MAX])
{
        const char *const fields[] = { key->container_id, key->network, key->ifname };

        sha256_fields_hex(fields, ARRAY_SIZE(fields), name);
        return name;
}

/* ---- values ---- */

const char *const profile_loss_texts[4] = {
        [LOSS_DECONFIGURE] = "deconfigure",
        [LOSS_DOWN] = "down",
        [LOSS_KEEP] = "keep",
        [LOSS_REPLACE] = "replace",
};

const char *const profile_acd_texts[3] = {
        [ACD_OFF] = "off",
        [ACD_FAST] = "fast",
        [ACD_FULL] = "full",
};

void profile_done(struct profile *profile)
{
        for (size_t i = 0; i < profile->provided_count; i++)
                free((void *)(uintptr_t)profile->provided[i].bytes); /* const for who sends them */
        free(profile->provided);
        *profile = (struct profile){ 0 };
}

bool profile_may_provide(uint8_t code)
{
        return code != OPT_PAD && code != OPT_OVERLOAD && code != OPT_MESSAGE_TYPE &&
               code != OPT_SERVER && code != OPT_END;
}

/* The provided option of that code, or NULL. */
static struct msg_option *find_provided(const struct profile *profile, uint8_t code)
{
        for (size_t i = 0; i < profile->provided_count; i++)
                if (profile->provided[i].code == code)
                        return &profile->provided[i];
        return NULL;
}

int profile_provide(struct profile *profile, uint8_t code, const void *bytes, size_t len,
                    struct err *err)
{
        struct msg_option *option = find_provided(profile, code), *options;
        uint8_t *copy;

        if (len > UINT8_MAX)
                return err_text(err, -EMSGSIZE, CNI_ERR_CONFIG,
                                "option %u is %zu bytes long, 255 are the most", code, len);
        if (!option && profile->provided_count == PROFILE_OPTIONS_MAX)
                return err_text(err, -E2BIG, CNI_ERR_CONFIG, "more than %d options are provided",
                                PROFILE_OPTIONS_MAX);
        copy = malloc(len + 1); /* an option may be empty */
        if (!copy)
                return err_oom(err);
        if (len > 0)
                memcpy(copy, bytes, len);
        if (!option) {
                options = realloc(profile->provided,
                                  (profile->provided_count + 1) * sizeof(*options));
                if (!options) {
                        free(copy);
                        return err_oom(err);
                }
                profile->provided = options;
                option = &options[profile->provided_count++];
                *option = (struct msg_option){ 0 };
        }
        free((void *)(uintptr_t)option->bytes);
        *option = (struct msg_option){ code, (uint8_t)len, copy };
        return 0;
}

/* ---- as JSON ---- */

void profile_put_hex(struct json_writer *w, const char *key, const uint8_t *bytes, size_t len)
{
        char text[2 * UINT8_MAX + 1];

        assert(len <= UINT8_MAX);
        hex_encode(bytes, len, text);
        json_put_string(w, key, text);
}

static unsigned hex_value(char digit)
{
        return (unsigned)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

int profile_decode_hex(const struct json_at *at, uint8_t *bytes, size_t max, size_t *ret_len,
                       struct err *err)
{
        const char *text;
        size_t len;
        int r = json_text(at, &text, err);

        if (r < 0)
                return r;
        len = strlen(text);
        if (len % 2 != 0 || strspn(text, "0123456789abcdefABCDEF") != len)
                return json_invalid(at, err, "bytes are pairs of hex digits");
        if (len / 2 > max)
                return json_invalid(at, err, "%zu bytes, where %zu are the most", len / 2, max);
        for (size_t i = 0; i < len / 2; i++)
                bytes[i] = (uint8_t)(hex_value(text[i * 2]) << 4 | hex_value(text[i * 2 + 1]));
        *ret_len = len / 2;
        return 0;
}

int profile_decode_hardware(const struct json_at *at, void *dst, struct err *err)
{
        struct link_address *address = dst;
        size_t len = 0;
        int r = profile_decode_hex(at, address->bytes, sizeof(address->bytes), &len, err);

        address->len = (uint8_t)len;
        return r;
}

int profile_decode_u32(const struct json_at *at, void *dst, struct err *err)
{
        int64_t number = 0;
        int r = json_decode_i64(at, &number, err);

        if (r < 0)
                return r;
        if (number < 0 || number > UINT32_MAX)
                return json_invalid(at, err, "no number of 32 bits");
        *(uint32_t *)dst = (uint32_t)number;
        return 0;
}

void profile_put(const struct profile *profile, const char *key, struct json_writer *w)
{
        json_begin(w, key, '{');
        profile_put_hex(w, "clientID", profile->client_id, profile->client_id_len);
        profile_put_hex(w, "parameters", profile->parameters, profile->parameter_count);
        json_begin(w, "provided", '[');
        for (size_t i = 0; i < profile->provided_count; i++) {
                const struct msg_option *option = &profile->provided[i];

                json_begin(w, NULL, '{');
                json_put_i64(w, "code", option->code);
                profile_put_hex(w, "value", option->bytes, option->len);
                json_end(w, '}');
        }
        json_end(w, ']');
        json_put_string(w, "onLeaseLoss", profile_loss_texts[profile->loss]);
        json_put_string(w, "acd", profile_acd_texts[profile->acd]);
        if (profile->broadcast != BROADCAST_AUTO)
                json_put_bool(w, "broadcast", profile->broadcast == BROADCAST_ON);
        json_put_bool(w, "strictNak", profile->strict_nak);
        json_put_bool(w, "kernelLifetime", profile->kernel_lifetime);
        json_put_bool(w, "dns", profile->dns);
        json_put_bool(w, "suppressGateway", profile->suppress_gateway);
        json_put_i64(w, "priority", profile->priority);
        json_end(w, '}');
}

/* The index of the text among those that there are. */
static int decode_choice(const struct json_at *at, const char *const *texts, size_t count,
                         size_t *ret, struct err *err)
{
        const char *text;
        int r = json_text(at, &text, err);

        if (r < 0)
                return r;
        for (size_t i = 0; i < count; i++)
                if (strcmp(text, texts[i]) == 0) {
                        *ret = i;
                        return 0;
                }
        return json_invalid(at, err, "unknown value \"%s\"", text);
}

static int decode_loss(const struct json_at *at, void *dst, struct err *err)
{
        size_t choice = 0;
        int r = decode_choice(at, profile_loss_texts, ARRAY_SIZE(profile_loss_texts), &choice, err);

        if (r == 0)
                *(enum profile_loss *)dst = (enum profile_loss)choice;
        return r;
}

static int decode_acd(const struct json_at *at, void *dst, struct err *err)
{
        size_t choice = 0;
        int r = decode_choice(at, profile_acd_texts, ARRAY_SIZE(profile_acd_texts), &choice, err);

        if (r == 0)
                *(enum profile_acd *)dst = (enum profile_acd)choice;
        return r;
}

int profile_decode_broadcast(const struct json_at *at, void *dst, struct err *err)
{
        bool on = false;
        int r = json_decode_bool(at, &on, err);

        if (r == 0)
                *(enum profile_broadcast *)dst = on ? BROADCAST_ON : BROADCAST_OFF;
        return r;
}

static int decode_client_id(const struct json_at *at, void *dst, struct err *err)
{
        struct profile *profile = dst;
        size_t len = 0;
        int r = profile_decode_hex(at, profile->client_id, sizeof(profile->client_id), &len, err);

        profile->client_id_len = (uint8_t)len;
        return r;
}

static int decode_parameters(const struct json_at *at, void *dst, struct err *err)
{
        struct profile *profile = dst;
        size_t len = 0;
        int r = profile_decode_hex(at, profile->parameters, sizeof(profile->parameters), &len, err);

        profile->parameter_count = (uint8_t)len;
        return r;
}

/* An option on its way from text. */
struct option_text {
        int64_t code;
        uint8_t bytes[UINT8_MAX];
        size_t len;
};

static int decode_value(const struct json_at *at, void *dst, struct err *err)
{
        struct option_text *option = dst;

        return profile_decode_hex(at, option->bytes, sizeof(option->bytes), &option->len, err);
}

static int decode_option(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "code", json_decode_i64, offsetof(struct option_text, code), JSON_PLAIN },
                { "value", decode_value, 0, JSON_PLAIN },
        };
        struct profile *profile = dst;
        struct option_text option = { .code = -1 };
        int r = json_object(at, fields, ARRAY_SIZE(fields), &option, err);

        if (r < 0)
                return r;
        if (option.code < 0 || option.code > UINT8_MAX ||
            !profile_may_provide((uint8_t)option.code))
                return json_invalid(at, err, "no option that may be provided");
        if (find_provided(profile, (uint8_t)option.code))
                return json_invalid(at, err, "option %d is provided twice", (int)option.code);
        return profile_provide(profile, (uint8_t)option.code, option.bytes, option.len, err);
}

static int decode_provided(const struct json_at *at, void *dst, struct err *err)
{
        return json_list(at, decode_option, dst, err);
}

int profile_decode(const struct json_at *at, void *dst, struct err *err)
{
        static const struct json_field fields[] = {
                { "clientID", decode_client_id, 0, JSON_PLAIN },
                { "parameters", decode_parameters, 0, JSON_PLAIN },
                { "provided", decode_provided, 0, JSON_PLAIN },
                { "onLeaseLoss", decode_loss, offsetof(struct profile, loss), JSON_PLAIN },
                { "acd", decode_acd, offsetof(struct profile, acd), JSON_PLAIN },
                { "broadcast", profile_decode_broadcast, offsetof(struct profile, broadcast),
                  JSON_PLAIN },
                { "strictNak", json_decode_bool, offsetof(struct profile, strict_nak), JSON_PLAIN },
                { "kernelLifetime", json_decode_bool, offsetof(struct profile, kernel_lifetime),
                  JSON_PLAIN },
                { "dns", json_decode_bool, offsetof(struct profile, dns), JSON_PLAIN },
                { "suppressGateway", json_decode_bool, offsetof(struct profile, suppress_gateway),
                  JSON_PLAIN },
                { "priority", json_decode_i64, offsetof(struct profile, priority), JSON_PLAIN },
        };

        return json_object(at, fields, ARRAY_SIZE(fields), dst, err);
}
