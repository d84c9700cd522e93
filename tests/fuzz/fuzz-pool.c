/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the API server answers: pools, reservations, node slices, and lists of them. The first byte
 * says which; the rest is the object.
 */
#include "fuzz.h"
#include "overlap.h"
#include "pool.h"
#include "slice.h"

/* Looking closer at more entries than that takes too long. */
#define LOOK_MAX 64

static void must_be_json(struct buf *buf)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct err err;

        fuzz_must(buf_check(buf, &err) == 0);
        fuzz_must(json_parse(buf->text, buf->len, &document, &err) == 0);
        buf_done(buf);
}

/* Every patch is JSON, whatever the key and the texts are. */
static void check_patch(const struct pool *pool, const struct pool_entry *entry)
{
        struct pool_patch patch;
        struct buf buf;
        struct err err;

        buf_init(&buf, 64U * 1024U * 1024U);
        pool_patch_init(&patch);
        pool_patch_remove(&patch, entry);
        pool_patch_replace_id(&patch, entry, entry->podref);
        pool_patch_add(&patch, entry->key, entry->id, entry->podref, "net1");
        fuzz_must(patch.count == 3);
        if (pool_patch_write(&patch, pool, &buf, &err) == 0)
                must_be_json(&buf);
        pool_patch_done(&patch);
        buf_done(&buf);
}

static void check_entry(const struct pool *pool, const struct pool_entry *entry)
{
        const struct pool_entry *found = pool_find_ip(pool, &entry->ip);
        bool plus = *entry->key == '+';
        int64_t read, written;
        char key[24];
        struct err err;

        fuzz_must(found && ip_equal(&found->ip, &entry->ip));
        fuzz_must(parse_i64(entry->key + plus, 0, INT64_MAX, &read) == 0);
        fuzz_must(!entry->ifname || *entry->ifname);
        /* A key that we would write is the one that was read. */
        if (pool_key(&pool->range, &entry->ip, key, &err) == 0)
                fuzz_must(parse_i64(key, 0, INT64_MAX, &written) == 0 && written == read);
        else
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
        fuzz_must(pool_find_pod(pool, entry->podref, entry->ifname, NULL));
        check_patch(pool, entry);
}

static void check_entries(const struct pool *pool)
{
        fuzz_must(pool->name && pool->resource_version);
        for (size_t i = 0; i < pool->count; i++) {
                fuzz_must(i == 0 ||
                          ip_compare(&pool->entries[i - 1].ip, &pool->entries[i].ip) <= 0);
                if (i < LOOK_MAX)
                        check_entry(pool, &pool->entries[i]);
        }
}

static void run_pool(const char *text, size_t len)
{
        struct pool pool;
        struct err err;

        if (pool_parse(text, len, &pool, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
                return;
        }
        check_entries(&pool);
        pool_done(&pool);
}

static void run_pool_list(const char *text, size_t len)
{
        struct pool_list list;
        struct err err;

        if (pool_list_parse(text, len, &list, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
                return;
        }
        for (size_t i = 0; i < list.count && i < LOOK_MAX; i++)
                check_entries(&list.items[i]);
        pool_list_done(&list);
}

static void check_reservation(const struct reservation *reservation)
{
        struct buf buf;

        fuzz_must(reservation_owner(reservation, reservation->podref,
                                    reservation->ifname ? reservation->ifname : "net1",
                                    "") == OWNER_POD);
        buf_init(&buf, 64U * 1024U * 1024U);
        reservation_write_move(&buf, reservation, "c1");
        must_be_json(&buf);
        reservation_write_delete(&buf, reservation);
        must_be_json(&buf);
}

static void run_reservation(const char *text, size_t len)
{
        struct reservation reservation;
        struct err err;

        if (reservation_parse(text, len, &reservation, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
                return;
        }
        check_reservation(&reservation);
        reservation_done(&reservation);
}

static void run_reservation_list(const char *text, size_t len)
{
        struct reservation_list list;
        struct err err;

        if (reservation_list_parse(text, len, &list, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
                return;
        }
        for (size_t i = 0; i < list.count && i < LOOK_MAX; i++) {
                const struct reservation *found = reservation_list_find(&list, list.items[i].name);

                fuzz_must(found && strcmp(found->name, list.items[i].name) == 0);
                check_reservation(&list.items[i]);
        }
        reservation_list_done(&list);
}

static void run_slice(const char *text, size_t len)
{
        _cleanup_(slice_done) struct slice slice = { 0 };
        struct err err;
        int r = slice_find(text, len, "node-a", &slice, &err);

        if (r < 0)
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
        else if (r == SLICE_NONE)
                fuzz_check_err(&err, CNI_ERR_TRY_LATER);
        else
                fuzz_must(slice.node && slice.net.prefix <= ip_bits(&slice.net.ip));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static void (*const runs[])(const char *text, size_t len) = {
                run_pool, run_pool_list, run_reservation, run_reservation_list, run_slice,
        };

        if (size > 0) /* digits, so that a corpus can be written by hand */
                runs[data[0] % 16 % ARRAY_SIZE(runs)]((const char *)data + 1, size - 1);
        return 0;
}
