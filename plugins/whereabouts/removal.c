/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only what is certainly ours goes: an entry by container id and interface, a reservation by pod
 * and interface and the container, if it names one. Where the entry is another container's of the
 * same pod, that container lives, and the reservation is its.
 */
#include "removal.h"

#include <string.h>

#define TRIES_MAX 64 /* as in claim.c */

void removal_done(struct removal *removal)
{
        free(removal->podref);
        free(removal->reservation);
        free(removal->heir);
        reservation_done(&removal->theirs);
}

void removal_fail(struct removal *removal, const struct err *err)
{
        removal->state = REMOVAL_FAILED;
        removal->err = *err;
}

/* The container's own entry of this address. */
static const struct pool_entry *own_entry(const struct removal *removal,
                                          const struct request *request)
{
        const struct pool *pool = &removal->pool->pool;
        const struct pool_entry *entry = NULL;

        if (removal->pool->absent)
                return NULL;
        while ((entry = pool_find_container(pool, request->container_id, request->ifname, entry)))
                if (ip_equal(&entry->ip, &removal->ip))
                        return entry;
        return NULL;
}

/* The entry of another container of the same pod and interface. */
static const struct pool_entry *sibling_entry(const struct removal *removal,
                                              const struct request *request)
{
        const struct pool_entry *entry =
                removal->pool->absent ? NULL : pool_find_ip(&removal->pool->pool, &removal->ip);

        if (!entry || !removal->podref || strcmp(entry->podref, removal->podref) != 0)
                return NULL;
        return !entry->ifname || strcmp(entry->ifname, request->ifname) == 0 ? entry : NULL;
}

int removal_start(struct removal *removal, struct view_pool *pool, const struct ip *ip,
                  const struct request *request, const char *podref, bool reserved, struct err *err)
{
        _cleanup_(buf_done) struct buf name;
        const struct pool_entry *own;
        int r;

        buf_init(&name, 4096);
        *removal = (struct removal){ .pool = pool, .ip = *ip };
        own = own_entry(removal, request);
        if (own && *own->podref)
                podref = own->podref;
        removal->podref = podref ? strdup(podref) : NULL;
        if (podref && !removal->podref)
                return err_oom(err);
        reservation_name(&name, request->network_name, ip);
        r = buf_check(&name, err);
        if (r < 0)
                return r;
        removal->reservation = TAKE_PTR(name.text);
        removal->state = reserved && podref ? REMOVAL_LOOK : REMOVAL_ENTRY;
        return 0;
}

/* ---- the reservation ---- */

bool removal_ask(struct removal *removal, const struct request *request, const char *namespace,
                 struct k8s_request *ret)
{
        const struct pool_entry *entry;

        switch (removal->state) {
        case REMOVAL_LOOK:
                k8s_request_init(ret, K8S_GET, K8S_RESERVATION, removal->reservation);
                return true;
        case REMOVAL_DELETE:
                k8s_request_init(ret, K8S_DELETE, K8S_RESERVATION, removal->reservation);
                reservation_write_delete(&ret->body, &removal->theirs);
                return true;
        case REMOVAL_GIVE_BACK:
                entry = sibling_entry(removal, request);
                if (!entry && !removal->heir) {
                        removal->state = REMOVAL_ENTRY;
                        break;
                }
                k8s_request_init(ret, K8S_PATCH, K8S_RESERVATION, removal->reservation);
                ret->brief = true;
                reservation_write_move(&ret->body, &removal->theirs,
                                       removal->heir ? removal->heir : entry->id);
                return true;
        case REMOVAL_RESTORE:
                entry = sibling_entry(removal, request);
                if (!entry) {
                        removal->state = REMOVAL_ENTRY;
                        break;
                }
                k8s_request_init(ret, K8S_POST, K8S_RESERVATION, removal->reservation);
                ret->brief = true;
                reservation_write_new(&ret->body, removal->reservation, namespace, entry->podref,
                                      request->ifname, entry->id);
                return true;
        case REMOVAL_ENTRY:
        case REMOVAL_DONE:
        case REMOVAL_FAILED:
                break;
        }
        return false;
}

static int judge_owner(struct removal *removal, const struct request *request,
                       const struct k8s_request *answer, struct err *err)
{
        struct reservation theirs = { 0 };
        struct err why;
        bool sibling = !own_entry(removal, request) && sibling_entry(removal, request), named;
        int r = reservation_parse(buf_text(&answer->answer), answer->answer.len, &theirs, &why);

        if (r == -ENOMEM)
                return err_oom(err);
        if (r < 0) {
                k8s_blame_answer(answer, &why);
                removal_fail(removal, &why);
                return 0;
        }
        reservation_done(&removal->theirs);
        removal->theirs = theirs;
        named = theirs.containerid && *theirs.containerid;
        switch (reservation_owner(&theirs, removal->podref, request->ifname,
                                  request->container_id)) {
        case OWNER_CONTAINER:
                removal->state = sibling || removal->heir ? REMOVAL_GIVE_BACK : REMOVAL_DELETE;
                break;
        case OWNER_POD:
                removal->state = named || sibling ? REMOVAL_ENTRY : REMOVAL_DELETE;
                break;
        case OWNER_OTHER:
                removal->state = REMOVAL_ENTRY;
                break;
        }
        return 0;
}

/* It is there again, by us or by another. But is the container still? */
static int judge_restoring(struct removal *removal, const struct k8s_request *answer,
                           struct err *err)
{
        struct err why;
        int r = 0;

        if (answer->end == K8S_DONE) {
                reservation_done(&removal->theirs);
                r = reservation_parse(buf_text(&answer->answer), answer->answer.len,
                                      &removal->theirs, &why);
                removal->restored = r == 0;
        }
        removal->pool->stale = true;
        removal->state = REMOVAL_ENTRY;
        return r == -ENOMEM ? err_oom(err) : 0;
}

int removal_answer(struct removal *removal, const struct request *request,
                   const struct k8s_request *answer, struct err *err)
{
        if (answer->verb == K8S_POST && answer->sent_ms > removal->sent_ms)
                removal->sent_ms = answer->sent_ms;
        if (answer->verb == K8S_GET && answer->end == K8S_DONE)
                return judge_owner(removal, request, answer, err);
        if ((answer->verb == K8S_POST && answer->end == K8S_CONFLICT) ||
            ((answer->verb == K8S_POST || answer->verb == K8S_PATCH) && answer->end == K8S_DONE))
                return judge_restoring(removal, answer, err);
        if (answer->end == K8S_DONE || answer->end == K8S_NOT_FOUND) {
                removal->deleted |= answer->verb == K8S_DELETE;
                removal->state = REMOVAL_ENTRY;
        } else if (removal->tries++ < TRIES_MAX &&
                   (answer->end == K8S_CONFLICT ||
                    (answer->end == K8S_INVALID && removal->state == REMOVAL_GIVE_BACK))) {
                removal->state = REMOVAL_LOOK;
        } else {
                removal_fail(removal, &answer->err);
        }
        return 0;
}

/* ---- the pool ---- */

void removal_enter(const struct removal *removal, const struct request *request,
                   struct pool_patch *patch)
{
        const struct pool_entry *entry = own_entry(removal, request);

        if (entry && removal->heir)
                pool_patch_replace_id(patch, entry, removal->heir);
        else if (entry)
                pool_patch_remove(patch, entry);
}

void removal_review(struct removal *removal, const struct request *request, bool restore)
{
        bool sibling = sibling_entry(removal, request);

        if (own_entry(removal, request))
                return;
        if (restore && removal->deleted && sibling) {
                removal->deleted = false;
                removal->state = REMOVAL_RESTORE;
        } else if (removal->restored && !sibling) {
                removal->restored = false;
                removal->state = REMOVAL_DELETE;
        } else {
                removal->state = REMOVAL_DONE;
        }
}
