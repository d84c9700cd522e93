/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cron expressions: what is read has ticks, each after the one before.
 */
#include "cron.h"
#include "fuzz.h"

static void check_ticks(const struct cron *cron)
{
        int64_t tick = 1796000000;

        for (int i = 0; i < 3; i++) {
                int64_t next = cron_next(cron, tick);

                fuzz_must(next > tick);
                fuzz_must(cron->every_s > 0 || (next != INT64_MAX && next % 60 == 0));
                /* nothing lies between */
                fuzz_must(cron->every_s > 0 || cron_next(cron, next - 1) == next);
                tick = next;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = fuzz_text(data, size);
        struct cron cron;
        struct err err;

        if (cron_parse(text, &cron, &err) < 0) {
                fuzz_check_err(&err, CNI_ERR_CONFIG);
                fuzz_must(!strchr(err.msg, '\n'));
        } else {
                check_ticks(&cron);
        }
        free(text);
        return 0;
}
