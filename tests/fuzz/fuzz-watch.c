/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is not a message of the kernel's is read within its bounds, and every event is a whole one.
 */
#include "watch.h"

#include "fuzz.h"

struct seen {
        size_t count;
        int nsid; /* that the messages come from */
};

static void see(void *user, const struct watch_event *event)
{
        struct seen *seen = user;
        bool address = event->kind == WATCH_ADDRESS || event->kind == WATCH_ADDRESS_GONE;

        seen->count++;
        fuzz_must(event->kind != WATCH_LOST);
        fuzz_must((event->address.ip.family == IP_V4) == address);
        fuzz_must(event->kind == WATCH_NETNS_GONE ? seen->nsid == -1 : event->nsid == seen->nsid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct seen here = { .nsid = -1 }, there = { .nsid = 3 };

        watch_parse(data, size, -1, see, &here);
        watch_parse(data, size, 3, see, &there);
        fuzz_must(there.count <= here.count && here.count <= size / 16);
        return 0;
}
