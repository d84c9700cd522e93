/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A flat file that somebody has written, to which the node service's members are added; and the
 * answer to a request for a token.
 */
#include "core/json.h"
#include "credentials.h"
#include "fuzz.h"

#define HOST_DIR "/etc/cni/net.d/whereabouts.d"

static int compose(const char *old, size_t len, struct buf *ret)
{
        struct err err;

        buf_init(ret, 4 * CREDENTIALS_FLAT_MAX);
        return credentials_compose_flat(old, len, HOST_DIR, "30 4 * * *", ret, &err);
}

/* What every reader takes for the value, whatever else is there. */
static void check_member(const struct json_at *at, const char *name, const char *wanted)
{
        struct json_at member;
        const char *text = "";
        struct err err;

        fuzz_must(json_member(at, name, &member));
        fuzz_must(json_text(&member, &text, &err) == 0);
        fuzz_must(strcmp(text, wanted) == 0);
}

static void check_flat(const struct buf *text)
{
        _cleanup_(json_freep) struct json *document = NULL;
        struct json_at top, kubernetes;
        struct err err;

        fuzz_must(json_parse(buf_text(text), text->len, &document, &err) == 0);
        top = (struct json_at){ .value = document };
        check_member(&top, "datastore", "kubernetes");
        check_member(&top, "configuration_path", HOST_DIR);
        check_member(&top, "reconciler_cron_expression", "30 4 * * *");
        fuzz_must(json_member(&top, "kubernetes", &kubernetes));
        check_member(&kubernetes, "kubeconfig", HOST_DIR "/whereabouts.kubeconfig");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(buf_done) struct buf once, twice;
        char *token = NULL;
        int64_t life_s = 0;
        struct err err;

        if (compose((const char *)data, size, &once) == 0) {
                check_flat(&once);
                fuzz_must(compose(buf_text(&once), once.len, &twice) == 0);
                fuzz_must(once.len == twice.len);
                fuzz_must(memcmp(once.text, twice.text, once.len) == 0);
        } else {
                buf_init(&twice, 0);
        }
        if (credentials_read_answer((const char *)data, size, &token, &life_s, &err) == 0) {
                fuzz_must(*token && life_s > 0);
                free(token);
        }
        return 0;
}
