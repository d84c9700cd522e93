/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * How the invocations of one node share their writes to the cluster: participants, their leader,
 * the kernel's lock and socket, the API server's objects, the records on disk, and what may go
 * wrong. "run" beside this file checks it.
 *
 * Modelled
 *   runtime   per attachment: ADD; when it fails, ADD again or DEL; when it is done, DEL until that
 *             succeeds; after that perhaps the same attachment once more
 *   kernel    flock (released when its holder ends), the path of the socket, bind before listen,
 *             the backlog, end of file when a listener or a connection goes, EPIPE, SHUT_RD and
 *             drain
 *   API       a pool (entry: container id) with resourceVersion, reservations (container id, and by
 *             it the pod) with uid; a request is answered, or its answer is lost and it is executed
 *             at once, later or never ("late")
 *   records   state, addresses, "a request may come late"; and the mark beside it
 *   failures  SIGKILL between any two steps, lost answers, deadlines, a lost record: each has a
 *             budget. Two actions are one step only where nobody else can tell
 *   node 2    a writer of its own, without a group, on the same pool
 *   service   a leader that stays: batch after batch, and what was left in between; it gives way and
 *             comes back, it is killed, and somebody may remove its socket. It leads at the start
 *
 * Left out
 *   the Lease (it is no fence: what is proved here holds without it), the text of frames, several
 *   pools for one attachment, the halving of a refused batch, a process that lives on when its
 *   caller believes it dead, the entries of upstream's writers, two lock directories at work on one
 *   record.
 *   A resourceVersion is no number here: "fresh" and "current" say whether a process, or a late
 *   request, still has the newest one. That nothing is late any more stands for "90 s have passed".
 *
 * Properties (assertions, but for P5)
 *   P1  no address is in two printed results at once
 *   P2  from the printing of a result until its DEL, entry and reservation are there and its own.
 *       (When a pod gets its next container, the claim of the one before has ended.)
 *   P3  when all calls have ended and the marked records are worked off, no entry, reservation or
 *       record is left
 *   P4  at most one process leads
 *   P5  every process ends: no invalid end state, and no cycle at all (-DNP)
 *   P6  a result is printed only when its ACK was delivered; what was printed or acknowledged is
 *       not undone
 *   P7  while a leader accepts, the path names its socket
 *   P8  (QUIT) a failed ADD leaves nothing behind even if no DEL follows, unless its leader was
 *       killed, or it was killed itself with the result in its hand
 */

#ifndef N
#define N 2 /* attachments on this node, at most 3 */
#endif
#ifndef A
#define A 2 /* addresses in the pool */
#endif
#ifndef KILLS
#define KILLS 0 /* processes that are killed */
#endif
#ifndef AMBIG
#define AMBIG 0 /* requests whose answer is lost, at most 2 */
#endif
#ifndef EXPIRES
#define EXPIRES 0 /* deadlines that pass: while waiting, or while a request is repeated */
#endif
#ifndef RETRIES
#define RETRIES 0 /* an ADD that failed is tried again instead of DEL */
#endif
#ifndef AGAIN
#define AGAIN 0 /* after its DEL an attachment is added once more */
#endif
#ifndef OTHER
#define OTHER 0 /* 1: node 2 has an attachment */
#endif
#ifndef MOVED
#define MOVED 0 /* 1: ... which is the next container of the pod of attachment 0 */
#endif
#ifndef SAMEPOD
#define SAMEPOD 0 /* 1: attachment 1 is the next container of the pod of attachment 0 */
#endif
#ifndef LOST
#define LOST 0 /* 1: the record of attachment 0 may be lost, and cannot be written again */
#endif
#ifndef QUIT
#define QUIT 0 /* 1: no DEL need follow a failed ADD (P8) */
#endif
#ifndef SERVICE
#define SERVICE 0 /* 1: there is a leader that stays */
#endif
#ifndef GIVES
#define GIVES 0 /* times that it gives way */
#endif
#ifndef REMOVED
#define REMOVED 0 /* 1: its socket may be removed */
#endif

byte kills = KILLS;
byte ambig = AMBIG;
byte expires = EXPIRES;
byte retries = RETRIES;
byte again = AGAIN;
byte lost = LOST;
byte gives = GIVES;
byte removed = REMOVED;

#define STAYER (N + 1) /* the service as a process */
#define PROCESSES (N + 1 + SERVICE)

/* Attachments, addresses and processes count from 0; a byte that may name none holds one more. */

/* ---- the kernel ---- */

byte lock[2];      /* who holds the lock file; by inode, of which only a mutant makes a second */
byte inode;        /* the one that D/lock names */
byte path;         /* whose socket D/sock names */
bool listening[PROCESSES]; /* that process has a listener */
byte backlog[N];   /* this client's connection waits at that listener */
bool sent[N];      /* ... and its request is there */
bool ended[N];     /* this client reads end of file */
byte result[N];    /* the frame that this client can read */
#define FAILED 1
#define DONE 2 /* a DEL; an ADD: DONE + 1 + address */

/* ---- the leader's end of the accepted connections, and its memory ---- */

byte taken[N]; /* the verb of the request in the batch */
#define ADD 1
#define DEL 2
bool hungup[N];  /* the client has closed its end */
bool acked[N];   /* an ACK lies in the queue */
bool shut[N];    /* SHUT_RD was done */
byte plan[N];    /* the chosen address, + 1 */
bool claimed[N]; /* ... and its reservation is ours */
byte tried[N];   /* addresses that were lost, a bit each */
bool undo[N];    /* this ADD fails, and what it made goes */
bool mine[N];    /* this leader wrote the record */
bool unsure[N];  /* an answer was lost: the request may come late */
byte snap[A];    /* the pool as it was read last */
bool gaveup;     /* the deadline passed while a request had no answer */

/* ---- callers ---- */

byte verb[N];    /* what the invocation wants; 0: none yet, or DEL is done */
byte out[N + 1]; /* the address, + 1, that was printed and may be used */
bool was_there;  /* attachment 0 has had its ADD, for SAMEPOD and MOVED */
byte finished;   /* how many have ended */
byte leading;    /* how many believe that they lead */

/* ---- the cluster; process N is node 2 ---- */

byte pool[A]; /* whose entry, + 1 */
byte resv[A]; /* whose reservation, + 1 */
bool fresh[PROCESSES];

#define POST 1
#define DELETE 2
#define PATCH 3
typedef request {
    byte kind;
    byte who;
    byte at;
    bool current; /* the uid or resourceVersion it tests is that of the object */
    byte op[A];
};
#if AMBIG > 1
#define LATE 2
#else
#define LATE 1
#endif
request late[LATE];
#define SLOT_FREE (late[0].kind == 0 || late[LATE - 1].kind == 0)
#define QUIET (late[0].kind == 0 && late[LATE - 1].kind == 0)

byte op[A]; /* a patch in the making: per address whose entry, + 1, is set, or REMOVE + that */
#define REMOVE 16
byte v, w; /* scratch, 0 between steps (not "hidden": backtracking would not restore it) */

/* ---- the records ---- */

#define NONE 0
#define ADDING 1 /* before the first POST */
#define HELD 2   /* all answers are known */
byte record[N];
byte touched[N]; /* the addresses for which a POST may have been sent, a bit each */
bool dirty[N];   /* a request may come late: record and mark stay until it cannot */
bool mark[N];    /* a file of its own: this attachment has to go. Made before the first request that
                    takes back, and by a DEL that gives up; removed by who has taken all back */
bool lame[N];    /* record and mark cannot be written */

#define POD(x) ((SAMEPOD && (x) == 1) || (MOVED && (x) == N) -> 0 : (x))

/* A process may be killed before any step that has this. */
#if QUIT
#define CAN_DIE (kills > 0 && lock[0] != me + 1 && !delivered)
#else
#define CAN_DIE (kills > 0)
#endif
#define MAY_DIE                                                                                    \
    if                                                                                             \
    :: true                                                                                        \
    :: CAN_DIE -> kills--; printf("%d is KILLED\n", me); goto killed                               \
    fi

/* The deadline may pass whenever a request has to be repeated. */
#define MAY_GIVE_UP                                                                                \
    if                                                                                             \
    :: true                                                                                        \
    :: expires > 0 -> expires--; gaveup = true; printf("%d is out of time\n", me)                  \
    fi

/* ==== the API server ==== */

/* P1, P2. */
inline check()
{
    v = 0;
    do
    :: v <= N ->
        assert(out[v] == 0 || (pool[out[v] - 1] == v + 1 && resv[out[v] - 1] == v + 1));
        w = 0;
        do
        :: w < v -> assert(out[v] == 0 || out[v] != out[w]); w++
        :: else -> break
        od;
        v++
    :: else -> break
    od;
    v = 0;
    w = 0
}

inline resv_write(where, whose)
{
    resv[where] = whose;
    v = 0;
    do
    :: v < LATE ->
        if
        :: late[v].kind == DELETE && late[v].at == where -> late[v].current = false
        :: else
        fi;
        v++
    :: else -> break
    od;
    check()
}

/* Executes op. A right resourceVersion implies that the tests of single entries hold. */
inline pool_write()
{
    v = 0;
    do
    :: v < A ->
        if
        :: op[v] == 0
        :: op[v] > REMOVE -> assert(pool[v] == op[v] - REMOVE); pool[v] = 0
        :: else -> pool[v] = op[v]
        fi;
        op[v] = 0;
        v++
    :: else -> break
    od;
    v = 0;
    do
    :: v < PROCESSES -> fresh[v] = false; v++
    :: else -> break
    od;
    v = 0;
    do
    :: v < LATE ->
        if
        :: late[v].kind == PATCH -> late[v].current = false
        :: else
        fi;
        v++
    :: else -> break
    od;
    check()
}

inline op_clear()
{
    v = 0;
    do
    :: v < A -> op[v] = 0; v++
    :: else -> break
    od;
    v = 0
}

/* A request goes out, and its sender will never know. */
inline lose_answer(what, whose, where)
{
    printf("%d: the answer to request %d for %d, address %d, is lost\n", me, what, whose, where);
    ambig--;
    v = (late[0].kind == 0 -> 0 : LATE - 1);
    late[v].kind = what;
    late[v].who = whose;
    late[v].at = where;
    late[v].current = true;
    w = 0;
    do
    :: w < A && what == PATCH -> late[v].op[w] = op[w]; op[w] = 0; w++
    :: else -> break
    od;
    v = 0;
    w = 0
}

inline forget(slot)
{
    late[slot].kind = 0;
    late[slot].who = 0;
    late[slot].at = 0;
    late[slot].current = false;
    v = 0;
    do
    :: v < A -> late[slot].op[v] = 0; v++
    :: else -> break
    od;
    v = 0
}

#ifdef MUTANT_NO_RESOURCE_VERSION
/* Only the tests of single entries are left. */
inline still_right(slot)
{
    late[slot].current = true;
    v = 0;
    do
    :: v < A ->
        if
        :: late[slot].op[v] > REMOVE && pool[v] != late[slot].op[v] - REMOVE ->
            late[slot].current = false
        :: late[slot].op[v] != 0 && late[slot].op[v] < REMOVE && pool[v] != 0 ->
            late[slot].current = false
        :: else
        fi;
        v++
    :: else -> break
    od;
    v = 0
}
#endif

inline arrive(slot)
{
    printf("late request %d for %d, address %d, arrives\n", late[slot].kind, late[slot].who,
           late[slot].at);
#ifdef MUTANT_NO_RESOURCE_VERSION
    if
    :: late[slot].kind == PATCH -> still_right(slot)
    :: else
    fi;
#endif
    if
    :: late[slot].kind == POST && resv[late[slot].at] == 0 ->
        resv_write(late[slot].at, late[slot].who + 1)
    :: late[slot].kind == DELETE && late[slot].current -> resv_write(late[slot].at, 0)
    :: late[slot].kind == PATCH && late[slot].current ->
        v = 0;
        do
        :: v < A -> op[v] = late[slot].op[v]; v++
        :: else -> break
        od;
        pool_write()
    :: else
    fi;
    forget(slot)
}

proctype network()
{
end:
    do
    :: d_step { late[0].kind != 0 -> arrive(0) }
    :: d_step { late[0].kind != 0 -> forget(0) }
    :: d_step { LATE > 1 && late[LATE - 1].kind != 0 -> arrive(LATE - 1) }
    :: d_step { LATE > 1 && late[LATE - 1].kind != 0 -> forget(LATE - 1) }
    od
}

/* A disk that loses a record and takes no other. */
proctype disk()
{
end:
    do
    :: d_step {
            lost > 0 && record[0] == HELD && out[0] != 0 -> printf("the record of 0 is lost\n");
            lost--; record[0] = NONE; touched[0] = 0; dirty[0] = false; lame[0] = true
        }
    od
}

/* ==== what a leader does; me: the process, j: the attachment, x: an address ==== */

inline get_pool()
{
    v = 0;
    do
    :: v < A -> snap[v] = pool[v]; v++
    :: else -> break
    od;
    v = 0;
    fresh[me] = true
}

/* ---- taking back: DEL, undo, work-off ---- */

/* todo: the addresses in the record, and those of entries with this id. */
inline find(i)
{
    get_pool();
    todo = touched[i];
    do
    :: v < A ->
        if
        :: snap[v] == i + 1 -> todo = todo | (1 << v)
        :: else
        fi;
        v++
    :: else -> break
    od;
    v = 0
}

#ifdef MUTANT_DELETE_WITHOUT_OWNER
#define ITS_RESERVATION(i) (resv[x] != 0)
#elif defined(MUTANT_ENTRY_TELLS_OWNER)
#define ITS_RESERVATION(i)                                                                         \
    (resv[x] == i + 1 || (snap[x] == i + 1 && resv[x] != 0 && POD(resv[x] - 1) == POD(i)))
#else
#define ITS_RESERVATION(i) (resv[x] == i + 1)
#endif

/* With uid and resourceVersion of what was read: reading and deleting are one step. */
inline delete_reservations(i)
{
    x = 0;
    do
    :: gaveup || x == A -> break
    :: else ->
        atomic {
            if
            :: (todo & (1 << x)) && ITS_RESERVATION(i) ->
                MAY_DIE;
                if
                :: d_step {
                        true -> printf("%d: DELETE reservation %d of %d\n", me, x, i);
                        resv_write(x, 0); x++
                    }
                :: d_step { ambig > 0 && SLOT_FREE -> lose_answer(DELETE, i, x) } -> MAY_GIVE_UP
                fi
            :: else -> x++
            fi
        }
    od;
    x = 0
}

/* w: how many entries the patch would remove. */
inline make_removal(i)
{
    v = 0;
    w = 0;
    do
    :: v < A ->
        if
        :: snap[v] == i + 1 -> op[v] = REMOVE + i + 1; w++
        :: else
        fi;
        v++
    :: else -> break
    od;
    v = 0
}

inline remove_entries(i)
{
    x = 0;
    do
    :: gaveup || x == 1 -> break
    :: else ->
        atomic {
            MAY_DIE;
            d_step { make_removal(i) };
            if
            :: w == 0 -> x = 1
            :: w != 0 && !fresh[me] -> d_step { op_clear(); w = 0; find(i) } /* 422 */
            :: w != 0 && fresh[me] ->
                w = 0;
                if
                :: d_step {
                        true -> printf("%d: PATCH removes entries of %d\n", me, i);
                        pool_write(); x = 1
                    }
                :: d_step { ambig > 0 && SLOT_FREE -> lose_answer(PATCH, i, 0); find(i) };
                    MAY_GIVE_UP
                fi
            fi
        }
    od;
    x = 0
}

inline take_back(i)
{
    atomic {
        MAY_DIE;
        d_step {
            printf("%d takes back what %d has\n", me, i);
#ifndef MUTANT_DEAD_LEADER_IS_SETTLED
            /* Its leader died: nobody knows which requests are on their way. */
            dirty[i] = dirty[i] || (record[i] == ADDING && !mine[i]);
#endif
            dirty[i] = dirty[i] || unsure[i];
            mine[i] = true;
            mark[i] = !lame[i]
        }
    };
    atomic { MAY_DIE; d_step { find(i) } };
#ifdef MUTANT_PATCH_POOL_FIRST_IN_DEL
    remove_entries(i);
    delete_reservations(i);
#else
    delete_reservations(i);
    remove_entries(i);
#endif
    atomic {
        MAY_DIE;
        d_step {
            if
            :: gaveup && !lame[i] -> record[i] = HELD; dirty[i] = true
            :: !gaveup && dirty[i] -> record[i] = HELD
            :: !gaveup && !dirty[i] ->
                record[i] = NONE; touched[i] = 0;
                /* Before an ADD it stays until the client has been looked at. */
                mark[i] = (mark[i] && taken[i] == ADD && !undo[i])
            :: else
            fi;
            todo = 0
        }
    }
}

/* ---- ADD ---- */

#define PLANNED(j, a)                                                                              \
    ((j != 0 && plan[0] == a + 1) || (N > 1 && j != 1 && plan[1] == a + 1) ||                      \
     (N > 2 && j != 2 && plan[N - 1] == a + 1))

/* How good is this address? 4: has its own entry, 3: its pod's, 2: free, and what an interrupted
 * ADD chose, 1: free, 0: not to be had. */
#define RANK(j, a)                                                                                 \
    (tried[j] & (1 << a) -> 0 :                                                                    \
     (snap[a] == j + 1 -> 4 :                                                                      \
      (snap[a] != 0 && POD(snap[a] - 1) == POD(j) -> 3 :                                           \
       (snap[a] != 0 || PLANNED(j, a) -> 0 :                                                       \
        (touched[j] & (1 << a) -> 2 : 1)))))

inline choose(j)
{
    v = 0;
    w = 0;
    do
    :: v < A ->
        if
        :: RANK(j, v) > w -> w = RANK(j, v); plan[j] = v + 1
        :: else
        fi;
        v++
    :: else -> break
    od;
    v = 0;
    w = 0
}

inline write_record(j)
{
#ifdef MUTANT_NO_RECORD
    mine[j] = true
#else
#ifndef MUTANT_REPEATED_ADD_IS_SETTLED
    dirty[j] = dirty[j] || (record[j] == ADDING && !mine[j]);
#endif
    record[j] = ADDING;
    mine[j] = true;
#ifdef MUTANT_RECORD_FORGETS
    touched[j] = 0;
#endif
    touched[j] = touched[j] | (1 << (plan[j] - 1))
#endif
}

#define CHOICE_STANDS(j) (snap[plan[j] - 1] == 0 || POD(snap[plan[j] - 1] - 1) == POD(j))

/* A look whether the client is alive. It must come between the reading of another container's
 * object and the write over it: a client that is alive then had no successor when that object was
 * read, and the write tests that it is unchanged. A look elsewhere may come too early, or not at
 * all. */
#ifdef MUTANT_NO_LOOK
#define LOOK(j) skip
#else
#define LOOK(j) undo[j] = undo[j] || hungup[j]
#endif

/* Choose, write the record, POST; again for each address that is lost. */
inline claim(j)
{
    do
    :: gaveup || undo[j] -> break
    :: !gaveup && !undo[j] && hungup[j] -> undo[j] = true
    :: !gaveup && !undo[j] ->
        atomic {
            if
            :: plan[j] == 0 ->
                MAY_DIE;
                d_step {
                    choose(j);
                    if
                    :: plan[j] == 0 || lame[j] -> undo[j] = true
                    :: else -> write_record(j)
                    fi
                }
            :: plan[j] != 0 && !claimed[j] ->
                MAY_DIE;
                x = plan[j] - 1;
                if
                :: resv[x] == 0 ->
                    if
                    :: d_step {
                            true -> printf("%d: POST reservation %d for %d\n", me, x, j);
                            resv_write(x, j + 1); claimed[j] = true
                        }
                    :: d_step { ambig > 0 && SLOT_FREE -> lose_answer(POST, j, x) } ->
#ifdef MUTANT_READ_RESOLVES_AMBIGUITY
                        undo[j] = true
#else
#ifndef MUTANT_REPETITION_SETTLES_POST
                        unsure[j] = true;
#endif
                        MAY_GIVE_UP
#endif
                    fi
                :: resv[x] == j + 1 -> claimed[j] = true
                :: resv[x] != 0 && resv[x] != j + 1 ->
                    LOOK(j);
                    if
                    :: undo[j]
                    :: !undo[j] && POD(resv[x] - 1) == POD(j) && snap[x] != 0 &&
                        POD(snap[x] - 1) == POD(j) ->
                        d_step {
                            printf("%d: reservation %d passes to %d\n", me, x, j);
                            resv_write(x, j + 1); claimed[j] = true
                        }
                    :: else -> tried[j] = tried[j] | (1 << x); plan[j] = 0
                    fi
                fi;
                x = 0
            :: plan[j] != 0 && claimed[j] && CHOICE_STANDS(j) -> break
            :: plan[j] != 0 && claimed[j] && !CHOICE_STANDS(j) -> /* another has the offset */
                MAY_DIE;
                d_step {
                    x = plan[j] - 1;
                    if
                    :: resv[x] == j + 1 -> resv_write(x, 0)
                    :: else
                    fi;
                    tried[j] = tried[j] | (1 << x);
                    plan[j] = 0;
                    claimed[j] = false;
                    x = 0
                }
            fi
        }
    od
}

/* Needs its entry still. */
#define IN_PATCH(j) (taken[j] == ADD && !undo[j] && claimed[j] && snap[plan[j] - 1] != j + 1)

/* The one patch of the batch; w: how many entries it has. */
inline make_patch()
{
    v = 0;
    w = 0;
    do
    :: v < N ->
        if
        :: IN_PATCH(v) -> op[plan[v] - 1] = v + 1; w++
        :: else
        fi;
        v++
    :: else -> break
    od;
    v = 0
}

inline patch_is_unsure()
{
    v = 0;
    do
    :: v < N ->
        if
        :: IN_PATCH(v) ->
#ifdef MUTANT_READ_RESOLVES_AMBIGUITY
            undo[v] = true
#else
            unsure[v] = true
#endif
        :: else
        fi;
        v++
    :: else -> break
    od;
    v = 0
}

inline accept(j)
{
    /* A second request of one attachment replaces the first: that client is dead, and nothing was
     * done for it yet. */
    taken[j] = verb[j];
    hungup[j] = false;
    backlog[j] = 0;
    sent[j] = false
}

#define HELD_BY_ME (lock[0] == me + 1 || lock[1] == me + 1)

/* The accepted connections are closed, and what is known of them is forgotten. */
inline forget_batch()
{
    v = 0;
    do
    :: v < N ->
        if
        :: taken[v] != 0 && !hungup[v] && v != me -> ended[v] = true
        :: else
        fi;
        taken[v] = 0; hungup[v] = false; acked[v] = false; shut[v] = false; plan[v] = 0;
        claimed[v] = false; tried[v] = 0; undo[v] = false; mine[v] = false; unsure[v] = false;
        v++
    :: else -> break
    od;
    v = 0;
    do
    :: v < A -> snap[v] = 0; v++
    :: else -> break
    od;
    v = 0;
    gaveup = false;
    fresh[me] = false
}

/* A process ends, or ceases to lead: its listener, its connections, its lock go. */
inline let_go()
{
    v = 0;
    do
    :: v < N ->
        if
        :: backlog[v] == me + 1 -> backlog[v] = 0; sent[v] = false;
#ifndef MUTANT_LISTENER_STAYS
            ended[v] = true
#endif
        :: else
        fi;
        v++
    :: else -> break
    od;
    v = 0;
    if
    :: HELD_BY_ME ->
        forget_batch();
        leading--;
        lock[(lock[0] == me + 1 -> 0 : 1)] = 0
    :: else
    fi;
    fresh[me] = false;
    listening[me] = false
}

/* The client's end of its connection. */
inline hang_up()
{
    if
    :: taken[me] != 0 && !HELD_BY_ME && backlog[me] == 0 -> hungup[me] = true
    :: else
    fi;
    backlog[me] = 0;
    sent[me] = false;
    ended[me] = false;
    result[me] = 0
}

#define IS_MARKED(j) (taken[j] == ADD && mark[j] && !gaveup)
#define AWAITS_ACK(j) (taken[j] == ADD && j != me && plan[j] != 0 && !undo[j])
#define ANSWER(j)                                                                                  \
    (taken[j] == DEL -> (gaveup && lame[j] -> FAILED : DONE) :                                     \
     (plan[j] != 0 && !undo[j] -> DONE + plan[j] : FAILED))

#define OLD_ONE_RAN (out[0] != 0 || was_there)

/* One batch, from those who were accepted to what is undone. */
inline work()
{
    /* An ADD that finds a mark takes back first. The mark may be that of a later DEL: its client is
     * looked at and the mark removed in one step (nobody makes marks meanwhile). */
    do
    :: j < N && IS_MARKED(j) ->
#ifndef MUTANT_ADD_INHERITS_WHAT_GOES
        take_back(j);
        atomic {
            MAY_DIE;
            LOOK(j);
            if
            :: !undo[j] && !gaveup -> mark[j] = false
            :: else
            fi
        };
#endif
        j++
    :: j < N && !IS_MARKED(j) -> j++
    :: j == N -> j = 0; break
    od;

    /* ADDs: read, claim, one patch; all again when the pool has moved. */
    do
    :: gaveup -> break
    :: else ->
#ifdef MUTANT_NEVER_READS_AGAIN
        atomic { d_step { if :: !got -> get_pool(); got = 1 :: else fi } };
#else
        atomic { MAY_DIE; d_step { get_pool() } };
#endif
        do
        :: j < N && taken[j] == ADD -> LOOK(j); claim(j); j++
        :: j < N && taken[j] != ADD -> j++
        :: j == N -> j = 0; break
        od;
        atomic {
            MAY_DIE;
            d_step { make_patch() };
            if
            :: w == 0 || gaveup -> d_step { w = 0; op_clear() }; break
            :: w != 0 && !gaveup && !fresh[me] -> d_step { w = 0; op_clear() } /* 422 */
            :: w != 0 && !gaveup && fresh[me] ->
                w = 0;
                if
                :: d_step { true -> printf("%d: PATCH adds entries\n", me); pool_write() }; break
                :: d_step {
                        ambig > 0 && SLOT_FREE -> lose_answer(PATCH, me, 0);
                        patch_is_unsure()
                    };
                    MAY_GIVE_UP
                fi
            fi
        }
    od;

    /* DELs. */
    do
    :: j < N && taken[j] == DEL && !gaveup -> take_back(j); j++
    :: j < N && (taken[j] != DEL || gaveup) -> j++
    :: j == N -> j = 0; break
    od;

    /* Out of time: what is begun is left to later calls. */
    do
    :: j < N && gaveup && taken[j] != 0 ->
        atomic {
            MAY_DIE;
            if
            :: (record[j] != NONE || taken[j] == DEL) && !lame[j] ->
                record[j] = HELD; mark[j] = true; dirty[j] = true
            :: else
            fi;
            undo[j] = false; plan[j] = 0; claimed[j] = false
        };
        j++
    :: j < N && (!gaveup || taken[j] == 0) -> j++
    :: j == N -> j = 0; break
    od;

    /* Records, results. */
    do
    :: j < N && taken[j] != 0 ->
        atomic {
            if
            :: taken[j] == ADD && plan[j] != 0 && !undo[j] ->
                MAY_DIE;
                record[j] = HELD; dirty[j] = dirty[j] || unsure[j];
                printf("%d: %d is held\n", me, j);
#ifdef MUTANT_MARK_IS_OVERWRITTEN
                mark[j] = false
#endif
            :: else
            fi
        };
        atomic {
            if
            :: j == me
            :: j != me && hungup[j] -> undo[j] = (taken[j] == ADD && !gaveup)
            :: j != me && !hungup[j] -> MAY_DIE; result[j] = ANSWER(j)
            fi
        };
        j++
    :: j < N && taken[j] == 0 -> j++
    :: j == N -> j = 0; break
    od;

    /* ACKs: one second for all; then no more can come, and one that is there counts. */
    do
    :: j < N && AWAITS_ACK(j) ->
        atomic {
            if
            :: acked[j]
            :: MAY_DIE; shut[j] = true; printf("%d: no ACK of %d in time\n", me, j)
            fi
        };
#ifdef MUTANT_NO_DRAIN
        undo[j] = shut[j];
#elif SERVICE
        /* A client of the service that is late with its ACK each time goes on until its deadline. */
progress_ack:
        undo[j] = !acked[j];
#else
        undo[j] = !acked[j];
#endif
        j++
    :: j < N && !AWAITS_ACK(j) -> j++
    :: j == N -> j = 0; break
    od;

    /* Undo. */
    do
    :: j < N && taken[j] == ADD && undo[j] && !gaveup ->
#ifndef MUTANT_DROP_WITHOUT_UNDO
        if
        :: record[j] != NONE || mark[j] ->
            assert(out[j] == 0 && !acked[j]); /* P6 */
            take_back(j)
        :: else
        fi;
#endif
        plan[j] = 0;
        j++
    :: j < N && (taken[j] != ADD || !undo[j] || gaveup) -> j++
    :: j == N -> j = 0; break
    od;
}

/* Some or all of what others left. */
inline work_off_marks()
{
    do
    :: j < N && taken[j] == 0 && mark[j] && !gaveup -> take_back(j); j++
    :: j < N -> j++
    :: j == N -> j = 0; break
    od;
}

/* ==== the invocations for one attachment, one after the other ==== */

proctype caller(byte me)
{
    byte j, x, todo, got;
    bool delivered; /* the result is in this process's hands alone */
    bool printed;   /* the last ADD succeeded */

next_call:
    atomic {
        got = 0;
        delivered = false;
        if
        :: verb[me] == 0 && (!SAMEPOD || me != 1 || OLD_ONE_RAN) ->
            verb[me] = ADD
        :: verb[me] == ADD -> out[me] = 0; verb[me] = DEL
        :: verb[me] == ADD && !printed && retries > 0 -> retries--
        :: verb[me] == ADD && !printed && QUIT -> goto deleted
        :: verb[me] == DEL /* it failed */
        fi;
        printed = false;
        was_there = was_there || (me == 0 && (SAMEPOD || MOVED) && verb[me] == DEL);
        printf("%d begins %d (1: ADD, 2: DEL)\n", me, verb[me]);
        if
        :: SAMEPOD && me == 1 && verb[me] == ADD -> out[0] = 0 /* the old container is dead */
        :: else
        fi
    };

participate:
    /* Waiting for a change of the lock or the socket is what sleeping and trying again comes to. */
#ifdef MUTANT_LOCK_IS_UNLINKED
    x = inode; /* open and flock are two steps, and nobody compares */
#endif
    atomic {
        if
#ifdef MUTANT_LOCK_IS_UNLINKED
        :: lock[x] == 0 -> MAY_DIE; lock[x] = me + 1; x = 0; goto lead
        :: lock[x] != 0 && x != inode -> goto participate
#else
        :: lock[inode] == 0 -> MAY_DIE; lock[inode] = me + 1; goto lead
#endif
        :: lock[inode] != 0 && path != 0 && listening[path - 1] -> MAY_DIE; backlog[me] = path
        :: expires > 0 -> expires--; goto deadline
        fi;
        x = 0
    };
    atomic {
        MAY_DIE;
        if
        :: ended[me] -> ended[me] = false; goto participate
        :: else -> sent[me] = true; printf("%d has sent its request\n", me)
        fi
    };
    atomic {
        if
        :: result[me] != 0 -> got = result[me]; result[me] = 0; printf("%d has a result\n", me)
        :: result[me] == 0 && ended[me] -> ended[me] = false; goto participate
        :: expires > 0 -> expires--; d_step { hang_up() }; goto deadline
        :: CAN_DIE -> kills--; printf("%d is KILLED\n", me); goto killed
        fi
    };
    atomic {
        MAY_DIE;
        if
        :: got <= DONE -> goto answered
        :: else
        fi
    };
#ifdef MUTANT_PRINT_BEFORE_ACK
    d_step { printf("%d prints\n", me); out[me] = got - DONE; check() };
#endif
    atomic {
        MAY_DIE;
        if
        :: taken[me] != 0 && !hungup[me] && !shut[me] ->
            acked[me] = true; delivered = true; printf("%d has sent its ACK\n", me); goto answered
        :: else -> d_step { hang_up(); got = 0 }; goto participate /* EPIPE */
        fi
    };

lead:
    atomic { leading++; printf("%d leads\n", me); assert(leading == 1) }; /* P4 */
    atomic { MAY_DIE; path = me + 1 };
    atomic { MAY_DIE; listening[me] = true; taken[me] = verb[me] };
    do
    :: d_step { backlog[0] == me + 1 && sent[0] -> accept(0) }
    :: d_step { backlog[N - 1] == me + 1 && sent[N - 1] -> accept(N - 1) }
    :: d_step { N > 2 && backlog[N - 2] == me + 1 && sent[N - 2] -> accept(N - 2) }
    :: atomic { MAY_DIE; assert(path == me + 1); break } /* P7 */
    od;

    work();
    work_off_marks();

    got = ANSWER(me);
#ifdef MUTANT_UNLINK_AFTER_UNLOCK
    atomic { MAY_DIE; d_step { let_go(); delivered = true } };
    atomic { MAY_DIE; path = 0 };
#else
    atomic { MAY_DIE; path = 0 };
#ifdef MUTANT_LOCK_IS_UNLINKED
    atomic { MAY_DIE; inode = 1 - inode };
#endif
    atomic { MAY_DIE; d_step { let_go(); delivered = true } };
#endif

answered:
    atomic {
        MAY_DIE;
        if
        :: got > DONE -> printf("%d prints\n", me);
            d_step { assert(delivered); printed = true; out[me] = got - DONE; check() } /* P6 */
        :: else
        fi;
        d_step { hang_up() };
        if
        :: got == DONE -> printf("%d: DEL succeeds\n", me); goto deleted
        :: else -> goto next_call
        fi
    };

deadline:
    atomic {
        MAY_DIE;
        if
        :: verb[me] == ADD -> printf("%d gives up its ADD\n", me); goto next_call
        :: verb[me] == DEL && lame[me] -> goto next_call
        :: verb[me] == DEL && !lame[me] ->
            printf("%d: DEL leaves a mark\n", me); mark[me] = true; goto deleted
        fi
    };

killed:
    atomic {
        j = 0;
        d_step { hang_up(); let_go(); op_clear(); w = 0; x = 0; todo = 0 };
        goto next_call
    };

deleted:
    atomic {
        was_there = was_there || (me == 0 && (SAMEPOD || MOVED));
        verb[me] = 0;
        delivered = false;
        got = 0;
        if
        :: true
        :: again > 0 -> again--; goto next_call
        fi;
        finished++
    }
}

/* ==== the service ==== */

#define ALL_CALLS_ENDED (finished == N + OTHER)

#ifdef MUTANT_SERVICE_STAYS_UNSEEN
#define STANDS true
#else
#define STANDS (path == me + 1)
#endif

#if SERVICE
proctype service(byte me)
{
    byte j, x, todo;
    bool delivered;

    goto wait; /* see init */

begin:
    atomic {
        if
        :: lock[inode] == 0 && !ALL_CALLS_ENDED -> MAY_DIE; lock[inode] = me + 1
        :: lock[inode] == 0 && ALL_CALLS_ENDED -> goto over
        fi;
        leading++; printf("the service leads\n"); assert(leading == 1) /* P4 */
    };
    atomic { MAY_DIE; path = me + 1 };
    atomic { MAY_DIE; listening[me] = true };

wait:
    do
    :: d_step { backlog[0] == me + 1 && sent[0] -> accept(0) }
    :: d_step { backlog[N - 1] == me + 1 && sent[N - 1] -> accept(N - 1) }
    :: d_step { N > 2 && backlog[N - 2] == me + 1 && sent[N - 2] -> accept(N - 2) }
    :: atomic {
            taken[0] != 0 || taken[N - 1] != 0 || (N > 2 && taken[N - 2] != 0) -> MAY_DIE;
            assert(path == me + 1 || removed < REMOVED) /* P7 */
        };
        work();
        atomic { MAY_DIE; d_step { forget_batch() } };
        work_off_marks();
        skip;
        d_step { forget_batch() }
    :: atomic { taken[0] == 0 && taken[N - 1] == 0 && (!STANDS || ALL_CALLS_ENDED) -> break }
    :: atomic {
            taken[0] == 0 && taken[N - 1] == 0 && gives > 0 -> gives--;
            printf("the service gives way\n"); break
        }
    :: atomic { CAN_DIE -> kills--; printf("the service is KILLED\n"); goto killed }
    od;
    atomic { MAY_DIE; if :: path == me + 1 -> path = 0 :: else fi };
    atomic { MAY_DIE; d_step { let_go() } };
    goto begin;

killed:
    atomic { j = 0; d_step { let_go(); op_clear(); w = 0; x = 0; todo = 0 } };

over:
    finished++
}

proctype administrator()
{
end:
    do
    :: d_step { removed > 0 && path == STAYER + 1 -> printf("the socket is removed\n");
            removed--; path = 0 }
    od
}
#endif

/* Node 2: the same requests in the same order, alone; ADD, then DEL. */
#define WRITER_WANTS(a) (!(gone & (1 << (a))) && (pool[a] == 0 || POD(pool[a] - 1) == POD(me)))

proctype writer(byte me)
{
    byte x, gone;

    atomic {
        if
        :: !MOVED
        :: MOVED && OLD_ONE_RAN -> out[0] = 0
        fi
    };
choose_one:
    atomic {
        fresh[me] = true;
        if
        :: WRITER_WANTS(0) && !(WRITER_WANTS(A - 1) && pool[A - 1] != 0) -> x = 0
        :: WRITER_WANTS(A - 1) && (pool[A - 1] != 0 || !WRITER_WANTS(0)) -> x = A - 1
        :: !WRITER_WANTS(0) && !WRITER_WANTS(A - 1) -> goto done
        fi
    };
    atomic {
        if
        :: resv[x] == 0 ||
            (POD(resv[x] - 1) == POD(me) && pool[x] != 0 && POD(pool[x] - 1) == POD(me)) ->
            d_step { resv_write(x, me + 1) }
        :: else -> gone = gone | (1 << x); goto choose_one
        fi
    };
    if
    :: true
    :: MOVED && pool[x] != 0 && pool[x] != me + 1 -> goto failed
    fi;
    do
    :: d_step { fresh[me] -> printf("node 2: PATCH adds\n"); op[x] = me + 1; pool_write() }; break
    :: atomic { !fresh[me] && (pool[x] == 0 || POD(pool[x] - 1) == POD(me)) -> fresh[me] = true }
    :: atomic {
            !fresh[me] && pool[x] != 0 && POD(pool[x] - 1) != POD(me) ->
            d_step { resv_write(x, 0) }; gone = gone | (1 << x); goto choose_one
        }
    od;
    atomic { printf("node 2 prints\n"); d_step { out[me] = x + 1; check() } };
    out[me] = 0;
    d_step { printf("node 2: DELETE\n"); resv_write(x, 0) };
    fresh[me] = true;
    do
    :: d_step {
            fresh[me] && pool[x] == me + 1 -> printf("node 2: PATCH removes\n");
            op[x] = REMOVE + me + 1; pool_write()
        };
        break
    :: !fresh[me] && pool[x] == me + 1 -> fresh[me] = true
    :: pool[x] != me + 1 -> break
    od;
    goto done;

failed:
    /* It had passed the reservation of the container before to itself. That one is dead, and its
     * entry needs no reservation until its DEL; to pass it back would race with that DEL. */
#ifdef MUTANT_PASSES_BACK
    atomic {
        if
        :: pool[x] != 0 && resv[x] == me + 1 -> d_step { resv_write(x, pool[x]) }
        :: pool[x] == 0 && resv[x] == me + 1 -> d_step { resv_write(x, 0) }
        :: else
        fi
    };
    /* ... even with another look at the pool. */
    atomic {
        if
        :: pool[x] == 0 && resv[x] != 0 && POD(resv[x] - 1) == POD(me) ->
            d_step { resv_write(x, 0) }
        :: else
        fi
    };
#else
    atomic {
        if
        :: resv[x] == me + 1 -> d_step { resv_write(x, 0) }
        :: else
        fi
    };
#endif

done:
    atomic { x = 0; gone = 0; fresh[me] = false; finished++ }
}

/* All have ended and nothing can come late: the marked records are worked off, and nothing is left
 * (P3). */
inline work_off(i)
{
    v = 0;
    do
    :: v < A ->
        if
        :: ((touched[i] & (1 << v)) || pool[v] == i + 1) && resv[v] == i + 1 -> resv[v] = 0
        :: else
        fi;
        if
        :: pool[v] == i + 1 -> pool[v] = 0
        :: else
        fi;
        v++
    :: else -> break
    od;
    v = 0;
    record[i] = NONE
}

proctype end_of_all()
{
    byte i;

    d_step {
        finished == N + OTHER + SERVICE && QUIET -> assert(lock[0] == 0 && lock[1] == 0 && leading == 0);
        do
        :: i < N ->
            if
            :: mark[i] -> work_off(i)
            :: else
            fi;
            assert(record[i] == NONE);
            i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < A -> assert(pool[i] == 0); assert(resv[i] == 0); i++
        :: else -> break
        od;
        i = 0
    }
}

init
{
    byte i;

    atomic {
        do
        :: i < N -> run caller(i); i++
        :: else -> i = 0; break
        od;
        if
        :: OTHER -> run writer(N)
        :: else
        fi;
        if
        :: AMBIG -> run network()
        :: else
        fi;
        if
        :: LOST -> run disk()
        :: else
        fi;
#if SERVICE
        lock[inode] = STAYER + 1;
        leading = 1;
        path = STAYER + 1;
        listening[STAYER] = true;
        run service(STAYER);
        if
        :: REMOVED -> run administrator()
        :: else
        fi;
#endif
        run end_of_all()
    }
}
