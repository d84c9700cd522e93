/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases. Times of others are kept as text and compared as text; only our own are made.
 */
#include "lease.h"

#include <string.h>
#include <time.h>

#define TRANSITIONS_MAX INT32_MAX /* what the API server's type holds */

void lease_done(struct lease *lease)
{
        free(lease->resource_version);
        free(lease->holder);
        free(lease->acquire_time);
        free(lease->renew_time);
        *lease = (struct lease){ 0 };
}

static const struct json_field metadata_fields[] = {
        { "resourceVersion", json_decode_string, offsetof(struct lease, resource_version),
          JSON_PLAIN },
};

static const struct json_field spec_fields[] = {
        { "holderIdentity", json_decode_string, offsetof(struct lease, holder), JSON_PLAIN },
        { "leaseDurationSeconds", json_decode_i64, offsetof(struct lease, duration_s), JSON_PLAIN },
        { "acquireTime", json_decode_string, offsetof(struct lease, acquire_time), JSON_PLAIN },
        { "renewTime", json_decode_string, offsetof(struct lease, renew_time), JSON_PLAIN },
        { "leaseTransitions", json_decode_i64, offsetof(struct lease, transitions), JSON_PLAIN },
};

static int decode_metadata(const struct json_at *at, void *dst, struct err *err)
{
        return json_object(at, metadata_fields, ARRAY_SIZE(metadata_fields), dst, err);
}

static int decode_spec(const struct json_at *at, void *dst, struct err *err)
{
        return json_object(at, spec_fields, ARRAY_SIZE(spec_fields), dst, err);
}

static const struct json_field object_fields[] = {
        { "metadata", decode_metadata, 0, JSON_PLAIN },
        { "spec", decode_spec, 0, JSON_PLAIN },
};

static int fill_in(char **text, struct err *err)
{
        if (!*text)
                *text = strdup("");
        return *text ? 0 : err_oom(err);
}

static int read_lease(const struct json_at *at, struct lease *lease, struct err *err)
{
        int r = json_object(at, object_fields, ARRAY_SIZE(object_fields), lease, err);

        if (r < 0)
                return r;
        if (!lease->resource_version)
                return err_text(err, -EINVAL, CNI_ERR_INTERNAL, "it has no resourceVersion");
        r = fill_in(&lease->holder, err);
        if (r == 0)
                r = fill_in(&lease->acquire_time, err);
        return r == 0 ? fill_in(&lease->renew_time, err) : r;
}

int lease_parse(const char *text, size_t len, struct lease *ret, struct err *err)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct lease lease = { 0 };
        struct json_at at = { 0 };
        int r = json_parse(text, len, &document, err);

        at.value = document;
        if (r == 0)
                r = read_lease(&at, &lease, err);
        if (r == 0) {
                *ret = lease;
                return 0;
        }
        lease_done(&lease);
        if (r != -ENOMEM) {
                err->code = CNI_ERR_INTERNAL;
                err_wrap(err, "Lease: ");
        }
        return r;
}

void lease_format_time(int64_t time_us, char text[static LEASE_TIME_MAX])
{
        int64_t us = time_us % 1000000;
        time_t s = (time_t)(time_us / 1000000);
        struct tm tm;
        size_t len;

        if (us < 0) {
                us += 1000000;
                s--;
        }
        gmtime_r(&s, &tm);
        len = strftime(text, LEASE_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
        (void)snprintf(text + len, LEASE_TIME_MAX - len, ".%06ldZ", (long)us);
}

void lease_write(struct buf *buf, const char *name, const char *namespace,
                 const struct lease *lease, const char *holder, int64_t duration_s, int64_t now_us)
{
        bool exists = lease->resource_version, release = !*holder;
        bool renewal = exists && !release && strcmp(lease->holder, holder) == 0;
        int64_t transitions = exists ? lease->transitions : 0;
        char now[LEASE_TIME_MAX];
        struct json_writer w;

        if (exists && !release && !renewal && transitions < TRANSITIONS_MAX)
                transitions++;
        lease_format_time(now_us, now);
        json_writer_init_compact(&w, buf);
        json_begin(&w, NULL, '{');
        json_put_string(&w, "kind", "Lease");
        json_put_string(&w, "apiVersion", "coordination.k8s.io/v1");
        json_begin(&w, "metadata", '{');
        json_put_string(&w, "name", name);
        json_put_string(&w, "namespace", namespace);
        if (exists)
                json_put_string(&w, "resourceVersion", lease->resource_version);
        json_end(&w, '}');
        json_begin(&w, "spec", '{');
        json_put_string(&w, "holderIdentity", holder);
        json_put_i64(&w, "leaseDurationSeconds", release ? 1 : duration_s);
        json_put_string(&w, "acquireTime",
                        renewal && *lease->acquire_time ? lease->acquire_time : now);
        json_put_string(&w, "renewTime", now);
        json_put_i64(&w, "leaseTransitions", transitions);
        json_end(&w, '}');
        json_end(&w, '}');
}
