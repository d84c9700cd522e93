/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message: its options are those that a plain walk meets, every decoder gives only what is well
 * formed, and what was read can be sent and read again. The input is also taken for the value of
 * each option that has a decoder.
 */
#include "core/utf8.h"
#include "fuzz.h"
#include "msg.h"

#define FIXED_LEN 240

static struct msg message, back;
static struct opts opts;

/* ---- the areas ---- */

/* How much of each option's value has been met. */
struct progress {
        bool given[256];
        size_t len[256];
};

/* Meets the pieces of all values, one behind the other. */
static void walk(struct progress *progress, const uint8_t *area, size_t len)
{
        for (size_t i = 0; i < len && area[i] != OPT_END;) {
                uint8_t code = area[i];
                size_t piece, value_len = 0;
                const uint8_t *value = opts_get(&opts, code, &value_len);

                if (code == OPT_PAD) {
                        i++;
                        continue;
                }
                fuzz_must(i + 1 < len && i + 2 + area[i + 1] <= len);
                piece = area[i + 1];
                fuzz_must(value && piece <= value_len - progress->len[code]);
                fuzz_must(memcmp(value + progress->len[code], area + i + 2, piece) == 0);
                progress->given[code] = true;
                progress->len[code] += piece;
                i += 2 + piece;
        }
}

/* What the overload bits of the first good option 52 of the main area are. */
static unsigned find_overload(const uint8_t *area, size_t len)
{
        for (size_t i = 0; i < len && area[i] != OPT_END;) {
                if (area[i] == OPT_OVERLOAD && area[i + 1] == 1 && area[i + 2] >= 1 &&
                    area[i + 2] <= 3)
                        return area[i + 2];
                i += area[i] == OPT_PAD ? 1 : 2U + area[i + 1];
        }
        return 0;
}

static void check_areas(const uint8_t *data, size_t size)
{
        struct progress progress = { 0 };
        unsigned overload = find_overload(data + FIXED_LEN, size - FIXED_LEN);
        size_t total = 0;

        walk(&progress, data + FIXED_LEN, size - FIXED_LEN);
        if (overload & 1)
                walk(&progress, data + 108, 128);
        if (overload & 2)
                walk(&progress, data + 44, 64);
        for (unsigned code = 0; code < 256; code++) {
                size_t len = 0;
                const uint8_t *value = opts_get(&opts, (uint8_t)code, &len);

                fuzz_must(progress.given[code] == (value != NULL) && len == progress.len[code]);
                total += len;
        }
        fuzz_must(total == opts.used && total <= OPTS_MAX);
}

/* ---- the decoders ---- */

static void check_texts(struct text_list *list, size_t max)
{
        fuzz_must(list->count <= max);
        for (size_t i = 0; i < list->count; i++) {
                _cleanup_(freep) char *text = strdup(list->items[i]);

                fuzz_must(text && *text);
                utf8_make_printable(text);
                fuzz_must(strcmp(text, list->items[i]) == 0);
        }
}

static bool is_domain(const char *name)
{
        size_t len = strlen(name);

        return len <= 253 && name[0] != '.' && name[len - 1] != '.' && !strstr(name, "..") &&
               !strpbrk(name, " \t/:@");
}

static void check_routes(struct route_list *list, bool classless)
{
        fuzz_must(list->count <= OPTS_ROUTES);
        for (size_t i = 0; i < list->count; i++) {
                const struct route *route = &list->items[i];
                const struct ip zero = { .family = IP_V4 };
                const struct ip first = ipnet_first(&route->dst);
                bool on_link = classless && ip_equal(&route->gw, &zero);

                fuzz_must(route->dst.prefix <= 32 && ip_equal(&route->dst.ip, &first));
                fuzz_must(route->gw.family == IP_V4 && first.family == IP_V4);
                fuzz_must(route->scope == (on_link ? 253 : ROUTE_UNSET));
                fuzz_must(route->table == ROUTE_UNSET);
                fuzz_must(classless || route->dst.prefix >= 8);
        }
        free(list->items);
        *list = (struct route_list){ 0 };
}

static void check_decoders(const struct opts *options)
{
        struct text_list texts = { 0 };
        struct route_list routes = { 0 };
        uint8_t prefix = 77;
        bool given = false;
        struct err err;

        fuzz_must(opts_get_text(options, OPT_DOMAIN, &texts, &err) == 0);
        check_texts(&texts, 1);
        text_list_done(&texts);
        fuzz_must(opts_read_addresses(options, OPT_DNS, &texts, &err) == 0);
        check_texts(&texts, OPTS_SERVERS);
        text_list_done(&texts);
        fuzz_must(opts_read_domains(options, &texts, &err) == 0);
        check_texts(&texts, OPTS_SERVERS);
        for (size_t i = 0; i < texts.count; i++)
                fuzz_must(is_domain(texts.items[i]));
        text_list_done(&texts);
        fuzz_must(opts_read_classless_routes(options, &routes, &given, &err) == 0);
        fuzz_must(given == (routes.count > 0));
        check_routes(&routes, true);
        fuzz_must(opts_read_static_routes(options, &routes, &err) == 0);
        check_routes(&routes, false);
        fuzz_must(opts_get_mask(options, &prefix) == (prefix != 77));
        fuzz_must(prefix <= 32 || prefix == 77);
}

/* The input as the value of every option that has a decoder. */
static void try_value(const uint8_t *data, size_t size)
{
        static const uint8_t codes[] = {
                OPT_SUBNET_MASK,         OPT_DNS,           OPT_DOMAIN,
                OPT_STATIC_ROUTES,       OPT_DOMAIN_SEARCH, OPT_CLASSLESS_ROUTES,
                OPT_CLASSLESS_ROUTES_MS,
        };
        size_t len = size < OPTS_MAX ? size : OPTS_MAX;

        memset(opts.given, 0, sizeof(opts.given));
        memcpy(opts.bytes, data, len);
        for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
                opts.given[codes[i]] = true;
                opts.at[codes[i]] = 0;
                opts.len[codes[i]] = (uint16_t)len;
                check_decoders(&opts);
                opts.given[codes[i]] = false;
        }
}

/* ---- there and back ---- */

static bool is_same(const struct opts *a, const struct opts *b, uint8_t code)
{
        size_t a_len = 0, b_len = 0;
        const uint8_t *a_value = opts_get(a, code, &a_len), *b_value = opts_get(b, code, &b_len);

        return !a_value == !b_value && a_len == b_len &&
               (a_len == 0 || memcmp(a_value, b_value, a_len) == 0);
}

/* Sends a message with the options of the one that was read, and reads it as a reply. */
static void try_round(void)
{
        struct msg_option provided[256];
        struct msg_plan plan = {
                .type = (enum msg_type)message.type,
                .xid = message.xid,
                .hardware = 1,
                .ciaddr = message.ciaddr,
                .provided = provided,
        };
        uint8_t payload[MSG_MAX];
        size_t len = 0, need = 4;
        struct err err;

        for (unsigned code = 1; code < OPT_END; code++) {
                size_t value_len = 0;
                const uint8_t *value = opts_get(&message.opts, (uint8_t)code, &value_len);

                if (!value || value_len > 255 || code == OPT_MESSAGE_TYPE || code == OPT_OVERLOAD)
                        continue;
                provided[plan.provided_count++] =
                        (struct msg_option){ (uint8_t)code, (uint8_t)value_len, value };
                need += 2 + value_len;
        }
        if (msg_build(&plan, payload, &len, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_CONFIG);
                fuzz_must(need > MSG_MAX - FIXED_LEN);
                return;
        }
        fuzz_must(need <= MSG_MAX - FIXED_LEN && len >= MSG_MIN && len <= MSG_MAX);
        fuzz_must(payload[FIXED_LEN] == OPT_MESSAGE_TYPE);
        payload[0] = 2;
        fuzz_must(msg_parse(payload, len, &back) == MSG_OK);
        fuzz_must(back.type == message.type && back.xid == message.xid);
        fuzz_must(ip_equal(&back.ciaddr, &message.ciaddr));
        for (size_t i = 0; i < plan.provided_count; i++)
                fuzz_must(is_same(&message.opts, &back.opts, provided[i].code));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        enum msg_drop drop = msg_parse(data, size, &message);

        try_value(data, size);
        if (size < FIXED_LEN) {
                fuzz_must(drop == MSG_SHORT);
                return 0;
        }
        if (opts_parse(data + FIXED_LEN, size - FIXED_LEN, data + 108, data + 44, &opts) == 0) {
                fuzz_must(drop != MSG_BAD_OPTIONS);
                check_areas(data, size);
                check_decoders(&opts);
        } else {
                fuzz_must(drop == MSG_BAD_OPTIONS || drop == MSG_NOT_REPLY);
        }
        if (drop == MSG_OK)
                try_round();
        return 0;
}
