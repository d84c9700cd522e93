/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: what is read can be written and read again.
 */
#include "fuzz.h"
#include "lease.h"

/* Reads what `holder` would write over the lease. */
static struct lease write_and_read(const struct lease *lease, const char *holder)
{
        struct lease again;
        struct buf buf;
        struct err err;

        buf_init(&buf, 64U * 1024U * 1024U);
        lease_write(&buf, "whereabouts", "kube-system", lease, holder, 15, 1);
        fuzz_must(buf_check(&buf, &err) == 0);
        fuzz_must(lease_parse(buf.text, buf.len, &again, &err) == 0);
        buf_done(&buf);
        fuzz_must(strcmp(again.holder, holder) == 0);
        fuzz_must(strcmp(again.resource_version, lease->resource_version) == 0);
        fuzz_must(strcmp(again.renew_time, "1970-01-01T00:00:00.000001Z") == 0);
        fuzz_must(again.duration_s == (*holder ? 15 : 1));
        return again;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct lease lease, again;
        struct err err;

        if (lease_parse((const char *)data, size, &lease, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_INTERNAL);
                return 0;
        }
        again = write_and_read(&lease, "");
        fuzz_must(again.transitions == lease.transitions);
        lease_done(&again);
        again = write_and_read(&lease, lease.holder);
        fuzz_must(again.transitions == lease.transitions);
        fuzz_must(!*lease.holder || !*lease.acquire_time ||
                  strcmp(again.acquire_time, lease.acquire_time) == 0);
        lease_done(&again);
        again = write_and_read(&lease, "nobody else's name");
        fuzz_must(again.transitions >= lease.transitions);
        lease_done(&again);
        lease_done(&lease);
        return 0;
}
