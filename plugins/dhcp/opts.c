/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each option is taken apart with its own lengths checked; nothing outside of this file looks at an
 * option's bytes. Two passes over the areas: the first finds how long each value is in all, so that
 * the second can put the pieces of a repeated option side by side.
 */
#include "opts.h"

#include <string.h>

#include "core/buf.h"
#include "core/utf8.h"

#define SCOPE_LINK   253
#define NAME_MAX_LEN 253 /* as text: 255 bytes without the first length and the end */

struct area {
        const uint8_t *bytes;
        size_t len;
};

/* ---- areas ---- */

/* Walks one area; `each` gets every option but PAD and END. */
static int walk(const struct area *area,
                int (*each)(uint8_t code, const uint8_t *value, size_t len, void *user), void *user)
{
        size_t at = 0;

        while (at < area->len) {
                uint8_t code = area->bytes[at++];
                size_t len;
                int r;

                if (code == OPT_PAD)
                        continue;
                if (code == OPT_END)
                        return 0;
                if (at == area->len)
                        return -EBADMSG;
                len = area->bytes[at++];
                if (len > area->len - at)
                        return -EBADMSG;
                r = each(code, area->bytes + at, len, user);
                if (r < 0)
                        return r;
                at += len;
        }
        return 0;
}

static int measure(uint8_t code, const uint8_t *value _unused_, size_t len, void *user)
{
        struct opts *opts = user;

        if (!opts->given[code]) {
                opts->given[code] = true;
                opts->len[code] = 0;
        }
        if (len > OPTS_MAX - (size_t)opts->used)
                return -EFBIG;
        opts->used = (uint16_t)(opts->used + len);
        opts->len[code] = (uint16_t)(opts->len[code] + len);
        return 0;
}

static int collect(uint8_t code, const uint8_t *value, size_t len, void *user)
{
        struct opts *opts = user;

        if (len > 0)
                memcpy(opts->bytes + opts->at[code] + opts->len[code], value, len);
        opts->len[code] = (uint16_t)(opts->len[code] + len);
        return 0;
}

/* Option 52 of the main area, before anything is counted. */
static int find_overload(uint8_t code, const uint8_t *value, size_t len, void *user)
{
        uint8_t *overload = user;

        if (code == OPT_OVERLOAD && len == 1 && value[0] <= 3 && *overload == 0)
                *overload = value[0];
        return 0;
}

/* Gives every option that is there its place, and starts counting again. */
static void lay_out(struct opts *opts)
{
        uint16_t at = 0;

        for (size_t code = 0; code < 256; code++)
                if (opts->given[code]) {
                        opts->at[code] = at;
                        at = (uint16_t)(at + opts->len[code]);
                        opts->len[code] = 0;
                }
}

int opts_parse(const uint8_t *area, size_t len, const uint8_t file[static 128],
               const uint8_t sname[static 64], struct opts *ret)
{
        struct area areas[3] = { { area, len } };
        uint8_t overload = 0;
        size_t count = 1;
        int r = walk(&areas[0], find_overload, &overload);

        memset(ret->given, 0, sizeof(ret->given));
        ret->used = 0;
        if (r < 0)
                return r;
        if (overload & 1)
                areas[count++] = (struct area){ file, 128 };
        if (overload & 2)
                areas[count++] = (struct area){ sname, 64 };
        for (size_t i = 0; i < count && r == 0; i++)
                r = walk(&areas[i], measure, ret);
        if (r < 0) {
                memset(ret->given, 0, sizeof(ret->given));
                return r;
        }
        lay_out(ret);
        for (size_t i = 0; i < count; i++)
                (void)walk(&areas[i], collect, ret);
        return 0;
}

/* ---- values of fixed form ---- */

const uint8_t *opts_get(const struct opts *opts, uint8_t code, size_t *ret_len)
{
        if (!opts->given[code])
                return NULL;
        *ret_len = opts->len[code];
        return opts->bytes + opts->at[code];
}

static const uint8_t *get_fixed(const struct opts *opts, uint8_t code, size_t wanted)
{
        size_t len;
        const uint8_t *value = opts_get(opts, code, &len);

        return value && len == wanted ? value : NULL;
}

bool opts_get_u8(const struct opts *opts, uint8_t code, uint8_t *ret)
{
        const uint8_t *value = get_fixed(opts, code, 1);

        if (value)
                *ret = value[0];
        return value;
}

bool opts_get_u16(const struct opts *opts, uint8_t code, uint16_t *ret)
{
        const uint8_t *value = get_fixed(opts, code, 2);

        if (value)
                *ret = (uint16_t)(value[0] << 8 | value[1]);
        return value;
}

static uint32_t read_u32(const uint8_t *value)
{
        return (uint32_t)value[0] << 24 | (uint32_t)value[1] << 16 | (uint32_t)value[2] << 8 |
               value[3];
}

bool opts_get_u32(const struct opts *opts, uint8_t code, uint32_t *ret)
{
        const uint8_t *value = get_fixed(opts, code, 4);

        if (value)
                *ret = read_u32(value);
        return value;
}

static struct ip read_ip(const uint8_t *value)
{
        struct ip ip = { .family = IP_V4 };

        memcpy(ip.bytes, value, 4);
        return ip;
}

bool opts_get_ip(const struct opts *opts, uint8_t code, struct ip *ret)
{
        const uint8_t *value = get_fixed(opts, code, 4);

        if (value)
                *ret = read_ip(value);
        return value;
}

bool opts_get_mask(const struct opts *opts, uint8_t *ret_prefix)
{
        uint32_t mask, holes;
        uint8_t prefix = 0;

        if (!opts_get_u32(opts, OPT_SUBNET_MASK, &mask))
                return false;
        holes = ~mask & (~mask + 1);
        if (holes)
                return false;
        for (; mask; mask <<= 1)
                prefix++;
        *ret_prefix = prefix;
        return true;
}

/* A list of addresses: NULL unless it is one. */
static const uint8_t *get_ips(const struct opts *opts, uint8_t code, size_t *ret_count)
{
        size_t len;
        const uint8_t *value = opts_get(opts, code, &len);

        if (!value || len < 4 || len % 4 != 0)
                return NULL;
        *ret_count = len / 4;
        return value;
}

bool opts_get_first_ip(const struct opts *opts, uint8_t code, struct ip *ret)
{
        size_t count;
        const uint8_t *value = get_ips(opts, code, &count);

        if (value)
                *ret = read_ip(value);
        return value;
}

/* ---- texts and lists ---- */

/* Text that may go onto a terminal and into a file of lines. */
static bool is_printable(const char *text, size_t len)
{
        size_t step;

        for (; len > 0; text += step, len -= step) {
                const unsigned char *b = (const unsigned char *)text;

                step = utf8_len(text, len);
                if (step == 0 || b[0] < 0x20 || b[0] == 0x7f)
                        return false;
                if (b[0] == 0xc2 && b[1] < 0xa0) /* U+0080 to U+009F */
                        return false;
        }
        return true;
}

int opts_get_text(const struct opts *opts, uint8_t code, struct text_list *ret, struct err *err)
{
        size_t len;
        const uint8_t *value = opts_get(opts, code, &len);

        while (value && len > 0 && value[len - 1] == 0)
                len--;
        if (!value || len == 0 || !is_printable((const char *)value, len))
                return 0;
        return text_list_add(ret, (const char *)value, len, err);
}

int opts_read_addresses(const struct opts *opts, uint8_t code, struct text_list *ret,
                        struct err *err)
{
        size_t count = 0;
        const uint8_t *value = get_ips(opts, code, &count);
        int r = 0;

        if (count > OPTS_SERVERS)
                count = OPTS_SERVERS;
        for (size_t i = 0; i < count && r == 0; i++) {
                const struct ip ip = read_ip(value + 4 * i);
                char text[IP_TEXT_MAX];

                ip_format(&ip, text);
                r = text_list_add(ret, text, strlen(text), err);
        }
        return r;
}

static bool is_label_byte(uint8_t c)
{
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '_';
}

static bool add_label(const uint8_t *label, size_t len, char name[static NAME_MAX_LEN + 1],
                      size_t *used)
{
        if (len + (*used > 0) > NAME_MAX_LEN - *used)
                return false;
        if (*used > 0)
                name[(*used)++] = '.';
        for (size_t i = 0; i < len; i++) {
                if (!is_label_byte(label[i]))
                        return false;
                name[(*used)++] = (char)label[i];
        }
        name[*used] = '\0';
        return true;
}

/* One name of RFC 1035 section 4.1.4. A pointer leads to what stands before the run of labels that
 * it ends, so every one leads further back, and they come to an end. */
static bool read_name(const uint8_t *value, size_t len, size_t *at,
                      char name[static NAME_MAX_LEN + 1])
{
        size_t here = *at, floor = *at, used = 0;
        bool jumped = false;

        name[0] = '\0';
        for (;;) {
                uint8_t c;

                if (here >= len)
                        return false;
                c = value[here++];
                if (c == 0)
                        break;
                if ((c & 0xc0) == 0xc0) {
                        size_t to;

                        if (here >= len)
                                return false;
                        to = (size_t)(c & 0x3f) << 8 | value[here++];
                        if (to >= floor)
                                return false;
                        if (!jumped)
                                *at = here;
                        jumped = true;
                        here = floor = to;
                        continue;
                }
                if (c > 63 || c > len - here || !add_label(value + here, c, name, &used))
                        return false;
                here += c;
        }
        if (!jumped)
                *at = here;
        return used > 0;
}

int opts_read_domains(const struct opts *opts, struct text_list *ret, struct err *err)
{
        size_t len = 0, at = 0, count = 0;
        const uint8_t *value = opts_get(opts, OPT_DOMAIN_SEARCH, &len);
        char name[NAME_MAX_LEN + 1];
        int r = 0;

        /* All or nothing. */
        for (; value && at < len; count++)
                if (!read_name(value, len, &at, name))
                        return 0;
        if (count > OPTS_SERVERS)
                count = OPTS_SERVERS;
        at = 0;
        for (size_t i = 0; i < count && r == 0; i++) {
                (void)read_name(value, len, &at, name);
                r = text_list_add(ret, name, strlen(name), err);
        }
        return r;
}

/* ---- routes ---- */

static int add_route(struct route_list *list, const struct route *route, struct err *err)
{
        struct route *items;

        if (list->count >= OPTS_ROUTES)
                return 0;
        items = reallocarray(list->items, list->count + 1, sizeof(*items));
        if (!items)
                return err_oom(err);
        list->items = items;
        items[list->count++] = *route;
        return 0;
}

static const struct route no_route = { .table = ROUTE_UNSET, .scope = ROUTE_UNSET };

/* One entry of option 121: prefix length, as many bytes of the destination as it needs, gateway. */
static bool read_classless(const uint8_t *value, size_t len, size_t *at, struct route *ret)
{
        uint8_t prefix = value[*at];
        size_t bytes = ((size_t)prefix + 7) / 8;
        const uint8_t *p = value + *at + 1;
        struct route route = no_route;

        if (prefix > 32 || bytes + 4 > len - *at - 1)
                return false;
        route.dst = (struct ipnet){ .ip = { .family = IP_V4 }, .prefix = prefix };
        memcpy(route.dst.ip.bytes, p, bytes);
        route.dst.ip = ipnet_first(&route.dst); /* RFC 3442: bits behind the mask do not count */
        route.gw = read_ip(p + bytes);
        if (read_u32(p + bytes) == 0)
                route.scope = SCOPE_LINK;
        *at += 1 + bytes + 4;
        *ret = route;
        return true;
}

/* The whole value when it is well formed, else NULL. */
static const uint8_t *get_classless(const struct opts *opts, uint8_t code, size_t *ret_len)
{
        const uint8_t *value = opts_get(opts, code, ret_len);
        struct route route;

        if (!value || *ret_len == 0)
                return NULL;
        for (size_t at = 0; at < *ret_len;)
                if (!read_classless(value, *ret_len, &at, &route))
                        return NULL;
        return value;
}

int opts_read_classless_routes(const struct opts *opts, struct route_list *ret, bool *ret_given,
                               struct err *err)
{
        size_t len = 0;
        const uint8_t *value = get_classless(opts, OPT_CLASSLESS_ROUTES, &len);
        struct route route;
        int r = 0;

        if (!value)
                value = get_classless(opts, OPT_CLASSLESS_ROUTES_MS, &len);
        *ret_given = value;
        for (size_t at = 0; value && at < len && r == 0;) {
                (void)read_classless(value, len, &at, &route);
                r = add_route(ret, &route, err);
        }
        return r;
}

static uint8_t class_prefix(uint8_t first)
{
        return first < 128 ? 8 : first < 192 ? 16 : 24;
}

int opts_read_static_routes(const struct opts *opts, struct route_list *ret, struct err *err)
{
        size_t len = 0;
        const uint8_t *value = opts_get(opts, OPT_STATIC_ROUTES, &len);
        int r = 0;

        for (size_t at = 0; value && len - at >= 8 && r == 0; at += 8) {
                struct route route = no_route;

                if (read_u32(value + at) == 0)
                        continue;
                route.dst = (struct ipnet){ .ip = read_ip(value + at),
                                            .prefix = class_prefix(value[at]) };
                route.dst.ip = ipnet_first(&route.dst);
                route.gw = read_ip(value + at + 4);
                r = add_route(ret, &route, err);
        }
        return r;
}

/* ---- names ---- */

static const struct {
        const char *name;
        uint8_t code;
} names[] = {
        { "dhcp-client-identifier", OPT_CLIENT_ID },
        { "subnet-mask", OPT_SUBNET_MASK },
        { "routers", OPT_ROUTERS },
        { "host-name", OPT_HOST_NAME },
        { "user-class", OPT_USER_CLASS },
        { "vendor-class-identifier", OPT_VENDOR_CLASS },
};

int opts_code(const char *name, uint8_t *ret, struct err *err)
{
        uint64_t number = 0;
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (!strcmp(names[i].name, name)) {
                        *ret = names[i].code;
                        return 0;
                }
        r = parse_u64(name, strlen(name), UINT8_MAX, &number);
        if (r == 0) {
                *ret = (uint8_t)number;
                return 0;
        }
        return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                        "Can not parse option \"%s\": Can not parse option: strconv.ParseUint: "
                        "parsing \"%s\": %s",
                        name, name, r == -ERANGE ? "value out of range" : "invalid syntax");
}
