/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of the daemon: whatever is read can be written, is then the same, and has what the state
 * machine relies on.
 */
#include "core/cni.h"
#include "fuzz.h"
#include "record.h"

#define BOOT "boot"

static void encode(const struct record *record, struct buf *buf)
{
        struct err err;

        buf_init(buf, 64U * 1024U * 1024U);
        fuzz_must(record_encode(record, BOOT, buf, &err) == 0);
}

static void check_grant(const struct grant *grant)
{
        if (!grant_is(grant))
                return;
        fuzz_must(grant_is_host(&grant->address.ip) && grant_is_host(&grant->server));
        fuzz_must(grant->from_ms < grant_t1_ms(grant));
        if (grant->lease_s == GRANT_FOREVER)
                return;
        fuzz_must(grant_t1_ms(grant) < grant_t2_ms(grant));
        fuzz_must(grant_t2_ms(grant) < grant_end_ms(grant));
}

static void check_result(const struct record *record)
{
        struct ipam_result result;
        struct buf buf;
        struct err err;

        if (!grant_is(&record->grant))
                return;
        fuzz_must(grant_result(&record->grant, &record->profile, &result, &err) == 0);
        buf_init(&buf, 64U * 1024U * 1024U);
        fuzz_must(result_encode(&result, "0.2.0", &buf, &err) == 0);
        buf_done(&buf);
        result_done(&result);
}

static void check(const struct record *record)
{
        struct err err;

        fuzz_must(cni_is_name(record->key.container_id) && cni_is_name(record->key.network));
        fuzz_must(cni_check_ifname(record->key.ifname, &err) == 0);
        fuzz_must(record->ifindex > 0 && record->hardware.len <= LINK_ADDRESS_MAX);
        fuzz_must(record->profile.provided_count <= PROFILE_OPTIONS_MAX);
        for (size_t i = 0; i < record->profile.provided_count; i++)
                fuzz_must(profile_may_provide(record->profile.provided[i].code));
        check_grant(&record->grant);
        check_result(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct record record, again;
        struct buf first, second;
        struct err err;
        int r = record_decode((const char *)data, size, BOOT, &record, &err);

        if (r < 0)
                fuzz_check_err(&err, err.code == CNI_ERR_CONFIG ? CNI_ERR_CONFIG : CNI_ERR_DECODE);
        if (r != 0)
                return 0;
        check(&record);
        encode(&record, &first);
        fuzz_must(record_decode(first.text, first.len, BOOT, &again, &err) == 0);
        encode(&again, &second);
        fuzz_must(first.len == second.len && memcmp(first.text, second.text, first.len) == 0);
        buf_done(&first);
        buf_done(&second);
        record_done(&record);
        record_done(&again);
        return 0;
}
