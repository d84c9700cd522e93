/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every write is one over just what was read, so of two that find the Lease free one gets it. A
 * renewal whose answer is lost is found out by the conflict of the next one, which then looks.
 */
#include "election.h"

#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "http/digest.h"

#define DURATION_S     15
#define RENEW_UNTIL_MS 10000 /* without success: it is given up */
#define RETRY_MS       2000
#define STEP_MS        2000
#define DURATION_MAX_S 3600 /* whatever somebody wrote there */

int election_init(struct election *election, const char *name, struct err *err)
{
        char host[256] = "";
        uint64_t random;
        int r = digest_random(&random, err);

        *election = (struct election){ .name = name };
        if (r < 0)
                return r;
        if (gethostname(host, sizeof(host) - 1) < 0 || !*host)
                (void)snprintf(host, sizeof(host), "cni-ipam");
        return asprintf(&election->holder, "%s_%016" PRIx64, host, random) < 0 ? err_oom(err) : 0;
}

void election_done(struct election *election)
{
        free(election->holder);
        lease_done(&election->lease);
}

bool election_is_held(const struct lease *lease, const char *holder, int64_t seen_ms,
                      int64_t now_ms)
{
        int64_t duration_s = lease->duration_s;

        if (!lease->resource_version || !*lease->holder || strcmp(lease->holder, holder) == 0)
                return false;
        if (duration_s > DURATION_MAX_S)
                duration_s = DURATION_MAX_S;
        return now_ms <= seen_ms + duration_s * 1000;
}

/* Takes over what the server has. Since when it is so counts anew when it is another version. */
static void keep(struct election *election, struct lease *lease)
{
        const char *before = election->lease.resource_version, *now = lease->resource_version;

        if (!before || !now || strcmp(before, now) != 0)
                election->seen_ms = clock_boot_ms();
        lease_done(&election->lease);
        election->lease = *lease;
}

static int keep_answer(struct election *election, const struct k8s_request *request,
                       struct err *err)
{
        struct lease lease = { 0 };
        int r = lease_parse(buf_text(&request->answer), request->answer.len, &lease, err);

        if (r < 0)
                k8s_blame_answer(request, err);
        else
                keep(election, &lease);
        return r;
}

static int look(struct election *election, struct k8s *k8s, const struct k8s_limits *limits,
                struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request get;
        struct lease none = { 0 };
        int r;

        k8s_request_init(&get, K8S_GET, K8S_LEASE, election->name);
        r = k8s_run_one(k8s, &get, limits, err);
        if (r < 0)
                return r;
        if (get.end == K8S_DONE)
                return keep_answer(election, &get, err);
        if (get.end != K8S_NOT_FOUND)
                return k8s_error(&get, err);
        keep(election, &none);
        return 0;
}

/* Outcome > 0. */
enum {
        TAKEN = 1, /* it is not as it was read */
};

static int write_holder(struct election *election, struct k8s *k8s, const char *holder,
                        const struct k8s_limits *limits, struct err *err)
{
        _cleanup_(k8s_request_done) struct k8s_request put;
        bool exists = election->lease.resource_version;
        int64_t began_ms = clock_boot_ms();
        int r;

        k8s_request_init(&put, exists ? K8S_PUT : K8S_POST, K8S_LEASE, election->name);
        lease_write(&put.body, election->name, k8s_namespace(k8s), &election->lease, holder,
                    DURATION_S, clock_real_ms() * 1000);
        r = k8s_run_one(k8s, &put, limits, err);
        if (r < 0)
                return r;
        if (put.end == K8S_CONFLICT || put.end == K8S_NOT_FOUND)
                return TAKEN;
        if (put.end != K8S_DONE)
                return k8s_error(&put, err);
        r = keep_answer(election, &put, err);
        if (r == 0)
                election->renewed_ms = began_ms;
        return r;
}

/* Renews what is ours; else looks, and takes it if that may be. */
static int ask(struct election *election, struct k8s *k8s, struct err *err)
{
        const struct k8s_limits limits = k8s_limits_within(STEP_MS);
        int r = TAKEN;

        if (election->leads)
                r = write_holder(election, k8s, election->holder, &limits, err);
        if (r != TAKEN)
                return r;
        r = look(election, k8s, &limits, err);
        if (r < 0)
                return r;
        if (election_is_held(&election->lease, election->holder, election->seen_ms,
                             clock_boot_ms())) {
                election->leads = false;
                return 0;
        }
        r = write_holder(election, k8s, election->holder, &limits, err);
        if (r == 0)
                election->leads = true;
        else if (r == TAKEN)
                election->leads = false;
        return r == TAKEN ? 0 : r;
}

int64_t election_step(struct election *election, struct k8s *k8s, int *ret, struct err *err)
{
        int64_t now_ms;

        *ret = k8s ? ask(election, k8s, err) : -ENOTCONN;
        now_ms = clock_boot_ms();
        if (*ret < 0 && now_ms > election->renewed_ms + RENEW_UNTIL_MS)
                election->leads = false;
        return now_ms + RETRY_MS - (int64_t)digest_jitter(RETRY_MS / 10);
}

void election_release(struct election *election, struct k8s *k8s)
{
        const struct k8s_limits limits = k8s_limits_within(STEP_MS);
        struct err ignored;

        if (!election->leads)
                return;
        election->leads = false;
        if (write_holder(election, k8s, "", &limits, &ignored) == TAKEN &&
            look(election, k8s, &limits, &ignored) == 0 && election->lease.holder &&
            strcmp(election->lease.holder, election->holder) == 0)
                (void)write_holder(election, k8s, "", &limits, &ignored);
}
