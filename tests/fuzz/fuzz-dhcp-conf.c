/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole configuration as dhcp reads it, for every verb. The member CNI_ARGS of the input stands
 * for the variable. What is accepted can be handed to the daemon.
 */
#include "conf.h"
#include "fuzz-call.h"
#include "rpc.h"

static void check_profile(const struct profile *profile)
{
        fuzz_must(profile->parameter_count > 0);
        for (size_t i = 0; i < profile->parameter_count; i++)
                for (size_t j = 0; j < i; j++)
                        fuzz_must(profile->parameters[i] != profile->parameters[j]);
        for (size_t i = 0; i < profile->provided_count; i++) {
                uint8_t code = profile->provided[i].code;

                fuzz_must(profile->provided[i].len > 0);
                fuzz_must(code != OPT_PAD && code != OPT_OVERLOAD && code != OPT_MESSAGE_TYPE);
                fuzz_must(code != OPT_SERVER && code != OPT_CLIENT_ID && code != OPT_END);
                for (size_t j = 0; j < i; j++)
                        fuzz_must(profile->provided[j].code != code);
        }
}

/* The profile reaches the daemon as it is. */
static void hand_over(const struct cni_call *call, const struct conf *conf)
{
        static char netns[] = "/n";
        _cleanup_(rpc_request_done) struct rpc_request back = { 0 };
        _cleanup_(buf_done) struct buf once, twice;
        struct rpc_request request = {
                .op = RPC_ADD,
                .key = { (char *)(uintptr_t)call->container_id, (char *)(uintptr_t)call->name,
                         (char *)(uintptr_t)call->ifname },
                .netns = netns,
                .profile = conf->profile,
        };
        size_t head = 0, len = 0;
        struct err err;

        buf_init(&once, RPC_HEAD_MAX + RPC_REQUEST_MAX);
        buf_init(&twice, RPC_HEAD_MAX + RPC_REQUEST_MAX);
        fuzz_must(rpc_encode_request(&request, &once, &err) == 0);
        fuzz_must(rpc_head(once.text, once.len, RPC_REQUEST_MAX, &head, &len, &err) == 0);
        fuzz_must(rpc_decode_request(once.text + head, len, &back, &err) == 0);
        check_profile(&back.profile);
        fuzz_must(rpc_encode_request(&back, &twice, &err) == 0);
        fuzz_must(strcmp(once.text, twice.text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(json_freep) struct json *document = NULL;
        _cleanup_(conf_done) struct conf conf = { 0 }, place = { 0 };
        struct cni_call call;
        struct err err;
        int r;

        if (json_parse((const char *)data, size, &document, &err) < 0)
                return 0;
        call = fuzz_call(document);
        r = conf_read_socket(&call, &place, &err);
        if (r == 0)
                fuzz_must(*place.socket == '/');
        if (conf_read(&call, &conf, &err) < 0) {
                fuzz_must(*err.msg != '\0');
                fuzz_must(err.code == CNI_ERR_CONFIG || err.code == CNI_ERR_INTERNAL);
                return 0;
        }
        /* What ADD asks, DEL asks as well. */
        fuzz_must(r == 0 && strcmp(place.socket, conf.socket) == 0);
        check_profile(&conf.profile);
        hand_over(&call, &conf);
        return 0;
}
