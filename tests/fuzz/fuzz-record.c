/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records: whatever is read can be written, and is then the same.
 */
#include "core/cni.h"
#include "fuzz.h"
#include "record.h"

static void encode(const struct record *record, struct buf *buf)
{
        struct err err;

        buf_init(buf, 64U * 1024U * 1024U);
        fuzz_must(record_encode(record, buf, &err) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct record record, again;
        struct buf first, second;
        struct err err;
        int r = record_decode((const char *)data, size, &record, &err);

        if (r < 0)
                fuzz_check_err(&err, CNI_ERR_DECODE);
        if (r != 0)
                return 0;
        fuzz_must(cni_is_name(record.network) && cni_is_name(record.container_id));
        for (size_t i = 0; i < record.item_count; i++)
                fuzz_must(*record.items[i].pool && !strchr(record.items[i].pool, '/'));
        encode(&record, &first);
        fuzz_must(record_decode(first.text, first.len, &again, &err) == 0);
        encode(&again, &second);
        fuzz_must(first.len == second.len && memcmp(first.text, second.text, first.len) == 0);
        buf_done(&first);
        buf_done(&second);
        record_done(&record);
        record_done(&again);
        return 0;
}
