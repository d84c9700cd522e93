/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reservation comes before the entry: creating it is the one step that only one of all writers
 * can do. Whoever has it owns the address, whatever a pool says; a pool that says otherwise is
 * corrected.
 */
#include "claim.h"

#include <string.h>

#define TRIES_MAX 64 /* no race is lost so often: the server refuses what it should not */

void claim_done(struct claim *claim)
{
        range_done(&claim->cut);
        reservation_done(&claim->theirs);
        free(claim->reservation);
        free(claim->found_id);
}

void claim_fail(struct claim *claim, const struct err *err)
{
        claim->state = CLAIM_FAILED;
        claim->err = *err;
}

static void note_sending(struct claim *claim, const struct k8s_request *answer)
{
        if (answer->sent_ms > claim->sent_ms)
                claim->sent_ms = answer->sent_ms;
}

void claim_fail_by(struct claim *claim, const struct k8s_request *answer)
{
        if (answer->verb != K8S_GET)
                note_sending(claim, answer);
        claim->hopeless = answer->end == K8S_AWAY || answer->end == K8S_UNKNOWN;
        claim_fail(claim, &answer->err);
}

/* ---- choosing ---- */

/* Everything that the question "is it taken?" depends on. */
struct question {
        const struct claim *claim;
        const struct view *view;
        const struct request *request;
};

static bool is_taken(const struct ip *ip, const void *context)
{
        const struct question *question = context;
        const struct request *request = question->request;
        const struct claim *claim = question->claim;

        if (!request->allocate_gateway && ip_equal(ip, &request->gateway))
                return true;
        return pool_find_ip(&claim->pool->pool, ip) ||
               view_is_blocked(question->view, request, claim->pool, ip) ||
               view_is_lost(question->view, request, ip);
}

static bool is_ours(const struct pool_entry *entry, const struct request *request)
{
        return strcmp(entry->podref, request->podref) == 0 && entry->ifname &&
               strcmp(entry->ifname, request->ifname) == 0;
}

/* The entry of the pod's interface that no other claim of this batch has. */
static const struct pool_entry *find_entry(const struct question *question)
{
        const struct request *request = question->request;
        const struct claim *claim = question->claim;
        const struct pool_entry *entry = NULL;

        while ((entry = pool_find_pod(&claim->pool->pool, request->podref, request->ifname, entry)))
                if (!view_is_lost(question->view, request, &entry->ip) &&
                    !view_is_blocked(question->view, request, claim->pool, &entry->ip))
                        return entry;
        return NULL;
}

/* Whether the range would give this address. */
static bool is_in_range(const struct range *range, const struct ip *ip)
{
        struct ip first, last;
        struct err ignored;

        if (choose_bounds(range, &first, &last, &ignored) < 0)
                return false;
        for (size_t i = 0; i < range->exclude_count; i++)
                if (ipnet_contains(&range->excludes[i], ip))
                        return false;
        return ip->family == first.family && ip_compare(&first, ip) <= 0 &&
               ip_compare(ip, &last) <= 0;
}

/* What an interrupted call of the same attachment had chosen. */
static bool find_recorded(const struct question *question, const struct record *record,
                          struct ip *ret)
{
        const struct claim *claim = question->claim;

        for (size_t i = 0; record && i < record->item_count; i++) {
                const struct record_item *item = &record->items[i];

                if (strcmp(item->pool, claim->pool->name) == 0 &&
                    is_in_range(claim->range, &item->ip) && !is_taken(&item->ip, question)) {
                        *ret = item->ip;
                        return true;
                }
        }
        return false;
}

static int choose_ip(struct claim *claim, const struct question *question,
                     const struct record *record, struct err *err)
{
        const struct pool_entry *entry = find_entry(question);

        claim->found = entry != NULL;
        if (entry) {
                free(claim->found_id);
                claim->found_id = strdup(entry->id);
                claim->ip = entry->ip;
                return claim->found_id ? 0 : err_oom(err);
        }
        if (find_recorded(question, record, &claim->ip))
                return 0;
        return choose_address(claim->range, is_taken, question, &claim->ip, err);
}

static int name_reservation(struct claim *claim, const struct request *request, struct err *err)
{
        struct buf name;
        int r;

        buf_init(&name, 4096);
        reservation_name(&name, request->network_name, &claim->ip);
        r = buf_check(&name, err);
        if (r < 0) {
                buf_done(&name);
                return r;
        }
        free(claim->reservation);
        claim->reservation = name.text;
        return 0;
}

int claim_choose(struct claim *claim, struct view *view, const struct request *request,
                 const struct record *record, struct err *err)
{
        const struct question question = { claim, view, request };
        struct err why;
        int r = choose_ip(claim, &question, record, &why);

        if (r == 0)
                r = pool_key(&claim->pool->pool.range, &claim->ip, claim->key, &why);
        if (r != 0) {
                if (r == -ENOMEM)
                        return err_oom(err);
                claim_fail(claim, &why);
                return 0;
        }
        claim->tries = 0;
        if (!request->overlap)
                claim->state = CLAIM_ENTER;
        else
                claim->state = claim->found ? CLAIM_LOOK : CLAIM_CREATE;
        r = name_reservation(claim, request, err);
        return r < 0 ? r : view_block(view, request, claim->pool, &claim->ip, false, err);
}

/* ---- the reservation ---- */

bool claim_ask(struct claim *claim, const struct request *request, const char *namespace,
               struct k8s_request *ret)
{
        if (claim->state == CLAIM_CREATE) {
                k8s_request_init(ret, K8S_POST, K8S_RESERVATION, claim->reservation);
                ret->brief = true;
                reservation_write_new(&ret->body, claim->reservation, namespace, request->podref,
                                      request->ifname, request->container_id);
                claim->written = true;
                claim->tries++;
                return true;
        }
        if (claim->state == CLAIM_LOOK) {
                k8s_request_init(ret, K8S_GET, K8S_RESERVATION, claim->reservation);
                return true;
        }
        if (claim->state == CLAIM_MOVE) {
                k8s_request_init(ret, K8S_PATCH, K8S_RESERVATION, claim->reservation);
                ret->brief = true;
                claim->written = true;
                claim->tries++;
                reservation_write_move(&ret->body, &claim->theirs, request->container_id);
                return true;
        }
        return false;
}

/* The address is somebody else's: another one has to be found. An entry of ours for it goes. */
static int lose(struct claim *claim, struct view *view, struct err *err)
{
        if (claim->found)
                claim->given_up = claim->ip;
        claim->state = CLAIM_CHOOSE;
        return view_lose(view, claim->reservation, err);
}

/* A reservation was there. Another container's of the same pod may be taken over with the pool's
 * entry; without an entry a DEL of that container may be about to remove it. */
static int judge_owner(struct claim *claim, struct view *view, const struct request *request,
                       const struct k8s_request *answer, struct err *err)
{
        struct reservation theirs = { 0 };
        enum reservation_owner owner;
        struct err why;
        int r = reservation_parse(buf_text(&answer->answer), answer->answer.len, &theirs, &why);

        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0) {
                k8s_blame_answer(answer, &why);
                claim_fail(claim, &why);
                return 0;
        }
        owner = reservation_owner(&theirs, request->podref, request->ifname, request->container_id);
        if (owner == OWNER_CONTAINER) {
                claim->state = CLAIM_ENTER;
        } else if (owner == OWNER_POD && claim->found) {
                reservation_done(&claim->theirs);
                claim->theirs = theirs;
                claim->state = CLAIM_MOVE;
                return 0;
        } else {
                r = lose(claim, view, err);
        }
        reservation_done(&theirs);
        return r;
}

int claim_answer(struct claim *claim, struct view *view, const struct request *request,
                 const struct k8s_request *answer, struct err *err)
{
        if (answer->verb == K8S_POST)
                note_sending(claim, answer);
        if (answer->verb == K8S_GET && answer->end == K8S_DONE)
                return judge_owner(claim, view, request, answer, err);
        if (answer->end == K8S_DONE)
                claim->state = CLAIM_ENTER;
        else if (answer->end == K8S_NOT_FOUND && answer->verb != K8S_POST)
                claim->state = CLAIM_CREATE;
        else if (claim->tries < TRIES_MAX &&
                 (answer->end == K8S_CONFLICT ||
                  (answer->end == K8S_INVALID && claim->state == CLAIM_MOVE)))
                claim->state = CLAIM_LOOK;
        else
                claim_fail_by(claim, answer);
        return 0;
}

/* ---- the pool ---- */

static const struct pool_entry *entry_of(const struct claim *claim)
{
        return pool_find_ip(&claim->pool->pool, &claim->ip);
}

/* The entry of ours whose address turned out to be another pod's. */
static const struct pool_entry *entry_given_up(const struct claim *claim,
                                               const struct request *request)
{
        const struct pool_entry *entry = pool_find_ip(&claim->pool->pool, &claim->given_up);

        return entry && is_ours(entry, request) ? entry : NULL;
}

void claim_enter(struct claim *claim, const struct request *request, struct pool_patch *patch)
{
        const struct pool_entry *entry = entry_of(claim), *lost = entry_given_up(claim, request);

        claim->written |= !entry || strcmp(entry->id, request->container_id) != 0;
        if (lost)
                pool_patch_remove(patch, lost);
        if (!entry)
                pool_patch_add(patch, claim->key, request->container_id, request->podref,
                               request->ifname);
        else if (strcmp(entry->id, request->container_id) != 0)
                pool_patch_replace_id(patch, entry, request->container_id);
}

bool claim_review(struct claim *claim, const struct request *request)
{
        const struct pool_entry *entry = entry_of(claim);

        if (entry && !is_ours(entry, request)) {
                claim->state = CLAIM_CHOOSE;
                return false;
        }
        if (!entry && claim->found && request->overlap) {
                /* A DEL of the container before took it away, and the reservation with it. */
                claim->found = false;
                claim->state = CLAIM_LOOK;
        }
        if (entry && strcmp(entry->id, request->container_id) == 0 &&
            !entry_given_up(claim, request))
                claim->state = CLAIM_DONE;
        return true;
}
