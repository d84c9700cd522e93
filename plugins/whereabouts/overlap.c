/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reservations. The members of spec are read leniently: a reservation that says nothing of its
 * owner is somebody else's.
 */
#include "overlap.h"

#include <string.h>

#define RESERVATION_API "whereabouts.cni.cncf.io/v1alpha1"

void reservation_done(struct reservation *reservation)
{
        json_free(reservation->document);
        *reservation = (struct reservation){ 0 };
}

void reservation_list_done(struct reservation_list *list)
{
        free(list->items);
        json_free(list->document);
        *list = (struct reservation_list){ 0 };
}

/* ---- reading ---- */

static const struct json_field metadata_fields[] = {
        { "name", json_decode_text, offsetof(struct reservation, name), JSON_PLAIN },
        { "uid", json_decode_text, offsetof(struct reservation, uid), JSON_PLAIN },
        { "resourceVersion", json_decode_text, offsetof(struct reservation, resource_version),
          JSON_PLAIN },
};

static const struct json_field spec_fields[] = {
        { "podref", json_decode_text, offsetof(struct reservation, podref), JSON_PLAIN },
        { "ifname", json_decode_text, offsetof(struct reservation, ifname), JSON_PLAIN },
        { "containerid", json_decode_text, offsetof(struct reservation, containerid), JSON_PLAIN },
};

static int decode_metadata(const struct json_at *at, void *dst, struct err *err)
{
        return json_object(at, metadata_fields, ARRAY_SIZE(metadata_fields), dst, err);
}

/* An empty text is as good as none: Go's programs leave it out. */
static void drop_empty(const char **text)
{
        if (*text && !**text)
                *text = NULL;
}

static int decode_spec(const struct json_at *at, void *dst, _unused_ struct err *err)
{
        struct reservation *reservation = dst;
        struct err oddity;

        if (json_object(at, spec_fields, ARRAY_SIZE(spec_fields), dst, &oddity) < 0)
                reservation->podref = reservation->ifname = reservation->containerid = NULL;
        drop_empty(&reservation->ifname);
        drop_empty(&reservation->containerid);
        return 0;
}

static const struct json_field object_fields[] = {
        { "metadata", decode_metadata, 0, JSON_PLAIN },
        { "spec", decode_spec, 0, JSON_PLAIN },
};

/* Reads one object, borrowing from its document. */
static int read_reservation(const struct json_at *at, struct reservation *ret, struct err *err)
{
        struct reservation reservation = { 0 };
        int r = json_object(at, object_fields, ARRAY_SIZE(object_fields), &reservation, err);

        if (r < 0)
                return r;
        if (!reservation.name || !reservation.uid || !reservation.resource_version)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL,
                                "it lacks a name, uid or resourceVersion");
        if (!reservation.podref)
                reservation.podref = "";
        *ret = reservation;
        return 0;
}

/* The error of an object that the API server should not have. */
static int reservation_error(int r, struct err *err)
{
        if (r == -ENOMEM)
                return r;
        err->code = CNI_ERR_INTERNAL;
        err_wrap(err, "OverlappingRangeIPReservation: ");
        return r;
}

int reservation_parse(const char *text, size_t len, struct reservation *ret, struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_at at = { 0 };
        int r = json_parse(text, len, &document, err);

        at.value = document;
        if (r == 0)
                r = read_reservation(&at, ret, err);
        if (r < 0)
                return reservation_error(r, err);
        ret->document = TAKE_PTR(document);
        return 0;
}

static int decode_item(const struct json_at *at, void *dst, struct err *err)
{
        struct reservation_list *list = dst;
        int r = read_reservation(at, &list->items[list->count], err);

        if (r == 0)
                list->count++;
        return r;
}

static int compare_names(const void *a, const void *b)
{
        const struct reservation *x = a, *y = b;

        return strcmp(x->name, y->name);
}

int reservation_list_parse(const char *text, size_t len, struct reservation_list *ret,
                           struct err *err)
{
        struct reservation_list list = { 0 };
        struct json_at at = { 0 }, items;
        int r = json_parse(text, len, &list.document, err);

        at.value = list.document;
        if (r == 0 && json_member(&at, "items", &items) && !json_is_null(&items)) {
                list.items = calloc(json_count(&items) + 1, sizeof(*list.items));
                r = list.items ? json_list(&items, decode_item, &list, err) : err_oom(err);
        }
        if (r < 0) {
                reservation_list_done(&list);
                return reservation_error(r, err);
        }
        if (list.items)
                qsort(list.items, list.count, sizeof(*list.items), compare_names);
        *ret = list;
        return 0;
}

const struct reservation *reservation_list_find(const struct reservation_list *list,
                                                const char *name)
{
        struct reservation key = { .name = name };

        if (list->count == 0)
                return NULL;
        return bsearch(&key, list->items, list->count, sizeof(*list->items), compare_names);
}

/* ---- names and owners ---- */

void reservation_name(struct buf *buf, const char *network_name, const struct ip *ip)
{
        char text[IP_TEXT_MAX];
        const char *p = ip_format(ip, text);

        if (network_name)
                buf_printf(buf, "%s-", network_name);
        for (; *p; p++)
                buf_putc(buf, (char)(*p == ':' ? '-' : *p));
        if (p > text && p[-1] == ':')
                buf_putc(buf, '0');
}

enum reservation_owner reservation_owner(const struct reservation *reservation, const char *podref,
                                         const char *ifname, const char *container_id)
{
        bool same = reservation->containerid && strcmp(reservation->containerid, container_id) == 0;

        if (podref ? strcmp(reservation->podref, podref) != 0 : !same)
                return OWNER_OTHER;
        if (reservation->ifname && strcmp(reservation->ifname, ifname) != 0)
                return OWNER_OTHER;
        return same ? OWNER_CONTAINER : OWNER_POD;
}

/* ---- writing ---- */

void reservation_write_new(struct buf *buf, const char *name, const char *namespace,
                           const char *podref, const char *ifname, const char *container_id)
{
        struct json_writer w;

        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '{');
        json_put_string(&w, "kind", "OverlappingRangeIPReservation");
        json_put_string(&w, "apiVersion", RESERVATION_API);
        json_begin(&w, "metadata", '{');
        json_put_string(&w, "name", name);
        json_put_string(&w, "namespace", namespace);
        json_end(&w, '}');
        json_begin(&w, "spec", '{');
        json_put_string(&w, "podref", podref);
        json_put_string(&w, "ifname", ifname);
        json_put_string(&w, "containerid", container_id);
        json_end(&w, '}');
        json_end(&w, '}');
}

static void put_operation(struct json_writer *w, const char *op, const char *path,
                          const char *value)
{
        json_begin(w, NULL, '{');
        json_put_string(w, "op", op);
        json_put_string(w, "path", path);
        json_put_string(w, "value", value);
        json_end(w, '}');
}

void reservation_write_move(struct buf *buf, const struct reservation *reservation,
                            const char *container_id)
{
        struct json_writer w;

        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '[');
        put_operation(&w, "test", "/metadata/resourceVersion", reservation->resource_version);
        put_operation(&w, "add", "/spec/containerid", container_id); /* it may be absent */
        json_end(&w, ']');
}

void reservation_write_delete(struct buf *buf, const struct reservation *reservation)
{
        struct json_writer w;

        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '{');
        json_put_string(&w, "kind", "DeleteOptions");
        json_put_string(&w, "apiVersion", "v1");
        json_begin(&w, "preconditions", '{');
        json_put_string(&w, "uid", reservation->uid);
        json_put_string(&w, "resourceVersion", reservation->resource_version);
        json_end(&w, '}');
        json_end(&w, '}');
}
