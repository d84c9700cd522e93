/* SPDX-License-Identifier: Apache-2.0 */
/*
 * D/lock   never unlinked; whoever has its flock leads
 * D/sock   only the leader binds it, and unlinks it before he unlocks
 *
 * A participant believes nothing but an answer that it could acknowledge: any other end of the
 * connection means that the leader is gone, or takes back what he did for us. The leader therefore
 * never closes a connection whose acknowledgement is open: he shuts its receiving side, which makes
 * a later acknowledgement fail at the sender, and looks once more for one that came before.
 */
#include "group.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/clock.h"
#include "core/fs.h"

#define BACKLOG         4096
#define REQUEST_WAIT_MS 20 /* from a connection to its request */
#define ACK_WAIT_MS     1000
#define PAUSE_MIN_MS    2
#define PAUSE_SPAN_MS   9

static const char acknowledgement[] = "ack";

/* In place of a request: whose request cannot be handed over wants to lead himself. A leader that
 * stays gives way to him, as to everybody whose words he does not understand; others end anyway. */
static const char wish_to_lead[] = "lead";

/* The directory of one server and account, opened. */
struct place {
        struct sockaddr_un address; /* of D/sock */
        int dirfd, lock;
};

static void place_done(struct place *place)
{
        closep(&place->lock);
        closep(&place->dirfd);
}

/* ---- the directory ---- */

static bool is_private(int dirfd)
{
        struct stat st;

        return fstat(dirfd, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 022) == 0;
}

/* Opens the directory, making it where it lacks. Any failure means: alone. */
static int open_place(const struct group *group, struct place *ret, struct err *err)
{
        _cleanup_(freep) char *path = fs_join(group->path, group->kubeconfig->identity);
        int len, r;

        *ret = (struct place){ .address = { .sun_family = AF_UNIX }, .dirfd = -1, .lock = -1 };
        if (!path)
                return err_oom(err);
        len = snprintf(ret->address.sun_path, sizeof(ret->address.sun_path), "%s/sock", path);
        if (len < 0 || (size_t)len >= sizeof(ret->address.sun_path))
                return err_set(err, -ENAMETOOLONG, CNI_ERR_IO, "socket in %s", path);
        r = fs_make_directories(path, 0700, err);
        if (r < 0)
                return r;
        ret->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (ret->dirfd < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open '%s'", path);
        return is_private(ret->dirfd) ? 0 : err_set(err, -EPERM, CNI_ERR_IO, "use '%s'", path);
}

/* Whether the file that was opened is still the one that D/lock names. */
static bool is_the_lock(const struct place *place)
{
        struct stat ours, there;

        return fstat(place->lock, &ours) == 0 &&
               fstatat(place->dirfd, "lock", &there, AT_SYMLINK_NOFOLLOW) == 0 &&
               ours.st_dev == there.st_dev && ours.st_ino == there.st_ino;
}

/* Outcome of try_to_lock(). */
enum {
        LEADER_IS_ANOTHER = 1,
};

/* Takes D/lock if nobody has it. The file may have been replaced by hand since it was opened. */
static int try_to_lock(struct place *place, struct err *err)
{
        closep(&place->lock);
        place->lock = openat(place->dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (place->lock < 0)
                return err_set(err, -errno, CNI_ERR_IO, "open the group's lock");
        if (flock(place->lock, LOCK_EX | LOCK_NB) < 0)
                return errno == EWOULDBLOCK
                               ? LEADER_IS_ANOTHER
                               : err_set(err, -errno, CNI_ERR_IO, "lock the group's lock");
        return is_the_lock(place) ? 0 : LEADER_IS_ANOTHER; /* there is a newer one: look again */
}

static bool is_trusted(int fd)
{
        struct ucred peer;
        socklen_t len = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
                return false;
        return peer.uid == 0 || peer.uid == geteuid();
}

static void pause_a_little(void)
{
        clock_sleep_ms(PAUSE_MIN_MS + (unsigned)digest_jitter(PAUSE_SPAN_MS));
}

/* Waits until there is something to receive or an end. */
static bool wait_for(int fd, int64_t deadline_ms)
{
        struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
        int64_t rest;
        int n;

        do {
                rest = deadline_ms - clock_boot_ms();
                n = poll(&poll_fd, 1, rest > 0 ? (int)rest : 0);
        } while (n < 0 && errno == EINTR);
        return n > 0;
}

static bool send_frame(int fd, const char *text, size_t len)
{
        return send(fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

/* A whole frame; its length is 0 at the end of the connection and < 0 when there is none. */
static ssize_t receive_frame(int fd, char *text)
{
        return recv(fd, text, REQUEST_FRAME_MAX, MSG_DONTWAIT | MSG_TRUNC);
}

/* ---- the participant ---- */

enum outcome {
        OUTCOME_NONE, /* nothing happened for us */
        OUTCOME_ANSWER,
        OUTCOME_TIMEOUT,
};

/* Receives the answer and acknowledges it. Only with the acknowledgement it is ours. */
static enum outcome take_answer(int fd, int64_t deadline_ms, struct answer *ret)
{
        _cleanup_(freep) char *text = malloc(REQUEST_FRAME_MAX);
        struct err ignored;
        ssize_t len;

        if (!wait_for(fd, deadline_ms))
                return OUTCOME_TIMEOUT;
        len = text ? receive_frame(fd, text) : 0;
        if (len <= 0 || (size_t)len > REQUEST_FRAME_MAX ||
            answer_decode(text, (size_t)len, ret, &ignored) < 0)
                return OUTCOME_NONE;
        if (send_frame(fd, acknowledgement, sizeof(acknowledgement)))
                return OUTCOME_ANSWER;
        answer_done(ret);
        *ret = (struct answer){ 0 };
        return OUTCOME_NONE;
}

static enum outcome participate(const struct place *place, const struct buf *frame,
                                int64_t deadline_ms, struct answer *ret)
{
        _cleanup_(closep) int fd =
                socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 ||
            connect(fd, (const struct sockaddr *)&place->address, sizeof(place->address)) < 0)
                return OUTCOME_NONE;
        if (!is_trusted(fd) || !send_frame(fd, buf_text(frame), frame->len))
                return OUTCOME_NONE;
        return take_answer(fd, deadline_ms, ret);
}

/* ---- the leader ---- */

/* Somebody whose request is in the batch. */
struct member {
        struct request request;
        struct job job;
        bool delivered; /* it knows the answer, and we know that it does */
        bool withdrawn; /* it is told that it has failed, and what it was to get is taken back */
};

struct lead {
        const struct group *group;
        struct batch batch;
        int listener;
        bool is_strange;                   /* somebody came whose words were no request */
        struct member *members[BATCH_MAX]; /* owned */
        size_t member_count;
        struct job *jobs[BATCH_MAX];
        size_t job_count;
};

static void member_free(struct member *member)
{
        closep(&member->job.fd);
        request_done(&member->request);
        job_done(&member->job);
        free(member);
}

static int listen_at(const struct place *place)
{
        _cleanup_(closep) int fd =
                socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (unlinkat(place->dirfd, "sock", 0) < 0 && errno != ENOENT)
                return -1;
        if (fd < 0 ||
            bind(fd, (const struct sockaddr *)&place->address, sizeof(place->address)) < 0 ||
            listen(fd, BACKLOG) < 0)
                return -1;
        return TAKE_FD(fd);
}

static bool is_wanted(const struct job *job)
{
        struct pollfd poll_fd = { .fd = job->fd, .events = POLLRDHUP };

        return poll(&poll_fd, 1, 0) == 0;
}

/* Whoever has sent no request that we understand gets no answer; he leads himself in time. */
static struct member *admit(int connection, int64_t deadline_ms, bool *ret_is_strange)
{
        _cleanup_(closep) int fd = connection;
        _cleanup_(freep) char *text = malloc(REQUEST_FRAME_MAX);
        struct member *member = calloc(1, sizeof(*member));
        struct err ignored;
        ssize_t len = 0;

        if (text && is_trusted(fd) && wait_for(fd, deadline_ms))
                len = receive_frame(fd, text);
        if (!member || len <= 0 || (size_t)len > REQUEST_FRAME_MAX ||
            request_decode(text, (size_t)len, &member->request, &ignored) < 0) {
                *ret_is_strange |= member && len > 0;
                free(member);
                return NULL;
        }
        job_init(&member->job, &member->request);
        member->job.is_wanted = is_wanted;
        member->job.fd = TAKE_FD(fd);
        return member;
}

/* All who are there now, up to so many of them. */
static void collect(struct lead *lead, size_t max)
{
        int64_t deadline_ms = clock_boot_ms() + REQUEST_WAIT_MS; /* for all of them together */

        while (lead->listener >= 0 && lead->member_count < max && lead->job_count < max) {
                int fd = accept4(lead->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                struct member *member;

                if (fd < 0)
                        return;
                member = admit(fd, deadline_ms, &lead->is_strange);
                if (!member)
                        continue;
                lead->members[lead->member_count++] = member;
                lead->jobs[lead->job_count++] = &member->job;
        }
}

static void send_answers(struct lead *lead)
{
        for (size_t i = 0; i < lead->member_count; i++) {
                struct member *member = lead->members[i];
                _cleanup_(buf_done) struct buf frame;
                struct err ignored;

                if (member->request.verb == REQUEST_ADD && member->job.answer.r == 0 &&
                    batch_is_released(&lead->batch, &member->job)) {
                        job_cancel(&member->job); /* even if everything went well */
                        member->withdrawn = true;
                }
                buf_init(&frame, REQUEST_FRAME_MAX);
                if (answer_encode(&member->job.answer, &frame, &ignored) == 0)
                        (void)send_frame(member->job.fd, buf_text(&frame), frame.len);
        }
}

static bool has_acknowledgement(int fd)
{
        char text[sizeof(acknowledgement)];

        return recv(fd, text, sizeof(text), MSG_DONTWAIT) == (ssize_t)sizeof(text);
}

static void take_acknowledgements(struct lead *lead)
{
        int64_t deadline = clock_boot_ms() + ACK_WAIT_MS;

        for (size_t i = 0; i < lead->member_count; i++) {
                struct member *member = lead->members[i];

                (void)wait_for(member->job.fd, deadline);
                member->delivered = has_acknowledgement(member->job.fd);
                if (member->delivered)
                        continue;
                (void)shutdown(member->job.fd, SHUT_RD);
                member->delivered = has_acknowledgement(member->job.fd);
        }
}

/* Whether somebody else of this batch has been told the same addresses. */
static bool is_shared(const struct lead *lead, const struct member *member)
{
        for (size_t i = 0; i < lead->job_count; i++) {
                const struct job *other = lead->jobs[i];
                bool known = other->fd < 0; /* our own */

                for (size_t j = 0; j < lead->member_count && !known; j++)
                        known = &lead->members[j]->job == other && lead->members[j]->delivered;
                if (known && other != &member->job && other->answer.r == 0 &&
                    other->request->verb == REQUEST_ADD &&
                    job_same_attachment(other->request, &member->request))
                        return true;
        }
        return false;
}

static bool has_to_be_undone(const struct lead *lead, const struct member *member)
{
        if (member->request.verb != REQUEST_ADD)
                return false;
        if (member->withdrawn)
                return true;
        return !member->delivered && member->job.answer.r == 0 && !job_was_held(&member->job) &&
               !is_shared(lead, member);
}

/* Takes back what nobody knows of. */
static void undo_undelivered(struct lead *lead)
{
        struct job undo[BATCH_MAX], *list[BATCH_MAX];
        size_t n = 0;

        for (size_t i = 0; i < lead->member_count; i++) {
                struct member *member = lead->members[i];

                if (!has_to_be_undone(lead, member))
                        continue;
                member->request.verb = REQUEST_DEL;
                job_init(&undo[n], &member->request);
                list[n] = &undo[n];
                n++;
        }
        if (n > 0)
                batch_run(&lead->batch, list, n);
        for (size_t i = 0; i < n; i++)
                job_done(&undo[i]);
}

static bool is_away(const struct batch *batch)
{
        return !batch->k8s || k8s_is_away(batch->k8s);
}

/* Without a server there is nothing to be done for anybody. Any other trouble of ours need not be
 * the others'. */
static void run_batch(struct lead *lead, int r, const struct err *why)
{
        if (r < 0 && is_away(&lead->batch)) {
                batch_fail(&lead->batch, lead->jobs, lead->job_count, why);
                return;
        }
        if (r < 0)
                batch_fail(&lead->batch, lead->jobs, 1, why);
        batch_run(&lead->batch, lead->jobs, lead->job_count);
}

/* Whether something of this very batch was left for later: then now is not the time. */
static bool has_remembered(const struct lead *lead)
{
        for (size_t i = 0; i < lead->job_count; i++)
                if (lead->jobs[i]->answer.r == ANSWER_REMEMBERED)
                        return true;
        return false;
}

/* One batch: our own jobs, and those of all who ask until the first thing is to be decided. */
static void work(struct lead *lead, bool alone)
{
        const struct group *group = lead->group;
        struct err err;
        int r = batch_open(&lead->batch, group->node, group->kubeconfig, group->k8s, group->records,
                           alone, &err);

        if (r == 0)
                r = batch_prepare(&lead->batch, lead->jobs[0], &err);
        collect(lead, BATCH_MAX);
        run_batch(lead, r, &err);
        send_answers(lead);
        if (!is_away(&lead->batch))
                batch_release(&lead->batch); /* while the acknowledgements are on their way */
        take_acknowledgements(lead);
        if (!is_away(&lead->batch))
                undo_undelivered(lead);
}

/* Lets go what came of a batch. */
static void forget(struct lead *lead)
{
        batch_close(&lead->batch);
        for (size_t i = 0; i < lead->member_count; i++)
                member_free(lead->members[i]);
        lead->member_count = lead->job_count = 0;
}

/* `place` is NULL for who works alone. */
static void lead(const struct group *group, const struct place *place, struct job **jobs,
                 size_t count)
{
        struct lead lead = { .group = group, .listener = -1, .job_count = count };

        memcpy(lead.jobs, jobs, count * sizeof(struct job *));
        if (place)
                lead.listener = listen_at(place);
        work(&lead, !place);
        if (!is_away(&lead.batch) && !has_remembered(&lead))
                (void)batch_sweep(&lead.batch);
        if (place && lead.listener >= 0)
                (void)unlinkat(place->dirfd, "sock", 0); /* before the lock goes */
        closep(&lead.listener);
        forget(&lead);
}

/* ---- both ---- */

static void time_out(const struct group *group, struct job *job)
{
        struct batch batch = { .node = group->node,
                               .kubeconfig = group->kubeconfig,
                               .records = group->records };
        struct err err;

        (void)err_text(&err, -ETIMEDOUT, CNI_ERR_TRY_LATER,
                       "time limit exceeded while waiting to become leader");
        err_details(&err, "another process of this node is still working");
        batch_fail(&batch, &job, 1, &err);
}

/* Leads as soon as possible; whoever leads meanwhile may answer instead. */
static enum outcome run(const struct group *group, struct place *place, const struct buf *frame,
                        struct job *job)
{
        int64_t deadline = job->request->deadline_ms;
        struct err ignored;

        for (;;) {
                enum outcome outcome;
                int r = try_to_lock(place, &ignored);

                if (r <= 0) {
                        lead(group, r == 0 ? place : NULL, &job, 1);
                        return OUTCOME_ANSWER;
                }
                outcome = participate(place, frame, deadline, &job->answer);
                if (outcome == OUTCOME_NONE && clock_boot_ms() >= deadline)
                        outcome = OUTCOME_TIMEOUT;
                if (outcome != OUTCOME_NONE)
                        return outcome;
                pause_a_little();
        }
}

void group_run(const struct group *group, const struct request *request, struct answer *ret)
{
        _cleanup_(place_done) struct place place;
        _cleanup_(buf_done) struct buf frame;
        struct job job, *list[] = { &job };
        struct err ignored;

        job_init(&job, request);
        buf_init(&frame, REQUEST_FRAME_MAX);
        if (request_encode(request, &frame, &ignored) < 0) { /* too large to be handed over */
                buf_done(&frame);
                buf_init(&frame, REQUEST_FRAME_MAX);
                buf_puts(&frame, wish_to_lead);
        }
        if (open_place(group, &place, &ignored) < 0)
                lead(group, NULL, list, 1);
        else if (run(group, &place, &frame, &job) == OUTCOME_TIMEOUT)
                time_out(group, &job);
        *ret = job.answer;
        job.answer = (struct answer){ 0 };
        job_done(&job);
}

/* Waits for the lock, asking whoever holds it for good. Returns as try_to_lock(). */
static int wait_to_lead(struct place *place, int64_t deadline_ms)
{
        _cleanup_(buf_done) struct buf frame;
        struct answer none = { 0 };
        struct err ignored;
        int r;

        buf_init(&frame, sizeof(wish_to_lead));
        buf_puts(&frame, wish_to_lead);
        while ((r = try_to_lock(place, &ignored)) > 0 && clock_boot_ms() < deadline_ms) {
                if (participate(place, &frame, deadline_ms, &none) == OUTCOME_ANSWER)
                        answer_done(&none); /* cannot be: it was no request */
                pause_a_little();
        }
        return r;
}

void group_run_all(const struct group *group, struct job **jobs, size_t count)
{
        _cleanup_(place_done) struct place place;
        struct err ignored;
        size_t n;

        for (; count > 0; jobs += n, count -= n) {
                int r = open_place(group, &place, &ignored);

                n = count < BATCH_MAX ? count : BATCH_MAX;
                if (r == 0)
                        r = wait_to_lead(&place, jobs[0]->request->deadline_ms);
                lead(group, r == 0 ? &place : NULL, jobs, n);
                place_done(&place);
        }
}

/* ---- the leader that stays ---- */

struct group_term {
        struct place place;
        int listener;        /* owned */
        dev_t socket_device; /* what D/sock was when it was bound */
        ino_t socket_inode;
};

static int begin_to_listen(struct group_term *term, struct err *err)
{
        const char *path = term->place.address.sun_path;
        struct stat st;

        term->listener = listen_at(&term->place);
        if (term->listener < 0 || lstat(path, &st) < 0)
                return err_set(err, -errno, CNI_ERR_IO, "listen on '%s'", path);
        term->socket_device = st.st_dev;
        term->socket_inode = st.st_ino;
        return 0;
}

int group_term_begin(const struct group *group, struct group_term **ret, struct err *err)
{
        _cleanup_(group_term_endp) struct group_term *term = calloc(1, sizeof(*term));
        int r;

        if (!term)
                return err_oom(err);
        term->listener = -1;
        r = open_place(group, &term->place, err);
        if (r == 0)
                r = try_to_lock(&term->place, err);
        if (r != 0)
                return r > 0 ? GROUP_LED : r;
        r = begin_to_listen(term, err);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(term);
        return 0;
}

void group_term_end(struct group_term *term)
{
        if (!term)
                return;
        if (term->listener >= 0)
                (void)unlinkat(term->place.dirfd, "sock", 0); /* before the lock goes */
        closep(&term->listener);
        place_done(&term->place);
        free(term);
}

bool group_term_stands(const struct group_term *term)
{
        struct stat st;

        return lstat(term->place.address.sun_path, &st) == 0 && st.st_dev == term->socket_device &&
               st.st_ino == term->socket_inode && is_the_lock(&term->place);
}

bool group_term_wait(const struct group_term *term, int64_t until_ms)
{
        return wait_for(term->listener, until_ms);
}

static void count_job(struct group_tally *tally, const struct job *job)
{
        enum group_result result = GROUP_FAILED;

        if (job->answer.r >= 0)
                result = job->answer.r == 0 ? GROUP_DONE : GROUP_REMEMBERED;
        tally->requests[job->request->verb][result]++;
}

int group_term_work(struct group_term *term, const struct group *group, struct group_tally *tally)
{
        struct lead lead = { .group = group, .listener = term->listener };

        collect(&lead, 1); /* what the batch begins with; the others are collected meanwhile */
        if (lead.job_count > 0) {
                work(&lead, false);
                tally->batches++;
                for (size_t i = 0; i < lead.job_count; i++)
                        count_job(tally, lead.jobs[i]);
                forget(&lead);
        }
        return lead.is_strange ? GROUP_GIVE_WAY : 0;
}

int group_term_sweep(const struct group *group, size_t *ret_count, struct err *err)
{
        struct batch batch;
        int r = batch_open(&batch, group->node, group->kubeconfig, group->k8s, group->records,
                           false, err);

        if (r < 0)
                return r;
        *ret_count = batch_sweep(&batch);
        batch_close(&batch);
        return 0;
}
