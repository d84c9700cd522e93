/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WHEREABOUTS_K8S_H
#define WHEREABOUTS_K8S_H

/*
 * Requests to the Kubernetes API server, to their certain end.
 *
 * A write whose answer is lost may have been done or not, and reading cannot tell: it may still be
 * under way. So it is repeated until the server says for certain how things are, and the caller
 * learns that it was. What cannot get better by waiting (no permission, no such resource, a
 * certificate that is not believed) is said at once.
 */

#include <stdbool.h>

#include "core/buf.h"
#include "core/err.h"
#include "kubeconfig.h"

struct k8s;

/* Takes the credentials as they are; does not send anything. Borrows the kubeconfig. */
int k8s_new(const struct kubeconfig *kubeconfig, struct k8s **ret, struct err *err);
void k8s_free(struct k8s *k8s);

/* Whether no server answers at present: to try more would only cost time. */
bool k8s_is_away(const struct k8s *k8s);

const char *k8s_namespace(const struct k8s *k8s);

enum k8s_verb {
        K8S_GET,
        K8S_POST,
        K8S_PUT,
        K8S_PATCH, /* JSON Patch */
        K8S_DELETE,
};

enum k8s_resource {
        K8S_POOL,
        K8S_RESERVATION,
        K8S_SLICE_POOL,
        K8S_LEASE,
        K8S_POD, /* only looked at */
        K8S_NODE,
        K8S_NETWORK, /* NetworkAttachmentDefinition */
        K8S_EVENT,
        K8S_ACCOUNT, /* ServiceAccount; its "token" is made */
};

/* How a request ended. */
enum k8s_end {
        K8S_PENDING = 0,
        K8S_DONE,      /* 2xx */
        K8S_NOT_FOUND, /* 404: there is no such object */
        K8S_CONFLICT,  /* 409: it exists, or is another one than was asked for */
        K8S_INVALID,   /* 422: refused as it stands, such as by a patch's test */
        K8S_REFUSED,   /* any other answer; `err` says which. No repetition changes it */
        K8S_AWAY,      /* no connection to the server until the time was over */
        K8S_UNKNOWN,   /* no certain answer until the time was over; a write may be done */
};

struct k8s_request {
        enum k8s_verb verb;
        enum k8s_resource resource;
        const char *name;      /* of the object; NULL for its list and for POST */
        const char *namespace; /* NULL: that of the kubeconfig; nodes have none */
        const char *part;      /* a subresource of `name`, such as "token"; NULL: none */
        const char *query;     /* "resourceVersion=0"; NULL: none */
        struct buf body;
        bool brief;      /* only metadata is wanted in the answer */
        bool everywhere; /* a list of all namespaces */

        bool repeated; /* it was sent more than once: an earlier one may have been carried out */
        enum k8s_end end;
        int64_t sent_ms; /* clock_real_ms() of the last sending that got no certain answer; 0: none.
                            It may be carried out later, whatever came of the others */
        struct buf answer;
        int status;     /* of the last answer; 0: none */
        struct err err; /* for every end but DONE; says verb, object and cause */
};

void k8s_request_init(struct k8s_request *request, enum k8s_verb verb, enum k8s_resource resource,
                      const char *name);
void k8s_request_done(struct k8s_request *request);

/* How long to try. */
struct k8s_limits {
        int64_t deadline_ms; /* the end of everything, on the clock of clock_boot_ms() */
        int64_t connect_ms;  /* a server that cannot be reached at all is waited for so long */
        int64_t repeat_ms;   /* an answer that is not certain is asked for again so long */
};

/* Runs all side by side, each to its end. Fails only for lack of memory. */
int k8s_run(struct k8s *k8s, struct k8s_request *const *requests, size_t count,
            const struct k8s_limits *limits, struct err *err);

/* The same for one. */
int k8s_run_one(struct k8s *k8s, struct k8s_request *request, const struct k8s_limits *limits,
                struct err *err);

/* Takes over the error of a request that has not ended as it should. Returns -EIO. */
int k8s_error(const struct k8s_request *request, struct err *err);

/* Puts in front of the message that it was this request's answer that makes no sense. */
void k8s_blame_answer(const struct k8s_request *request, struct err *err);

/* Limits that are all the same: nothing takes longer than this from now on. */
struct k8s_limits k8s_limits_within(int64_t ms);

static inline void k8s_freep(struct k8s **k8s)
{
        k8s_free(*k8s);
}

#endif
