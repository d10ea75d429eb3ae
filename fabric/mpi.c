/* SPDX-License-Identifier: MIT
 *
 * mpi - ranks are the processes of an MPI job; the only file that knows MPI.
 *
 * A message is one MPI message: a header (when it was sent, how long it is), then the payload. A
 * send is copied into a parcel of ours, so that its wait is over at once; parcels whose bytes have
 * left are used again. A wait tests and backs off to short sleeps, because ranks may outnumber
 * cores; one that lasts longer than job->timeout_s ends the job and says what it waited for. All
 * clocks are read on rank 0's.
 *
 * A large message moves on while somebody of its process waits: without a lane that communicates
 * beside it, a rank that only computes sends nothing (Open MPI has no progress thread).
 */
#include "base/clock.h"
#include "fabric/rank.h"
#include "kernels/kernels.h"

#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    TAG_BITS = 14,   /* every MPI has tags up to 2^15 - 1: ours, and one bit for inboxes */
    BLOCK = 4 << 20, /* [B] counts are int: larger messages are counted in blocks */
    TAG_CLOCK = 1,
    CLOCK_TURNS = 16,
};
static const size_t one_count = 1u << 30; /* [B] the largest message that is counted in bytes */

typedef struct header {
    double sent_at; /* [s] since the run's start, on rank 0's clock */
    uint64_t bytes; /* of the payload, times 2, plus 1 for a ghost's */
} header;

typedef struct parcel { /* what MPI sends and receives: from head on */
    struct parcel *next;
    size_t room; /* [B] of data */
    MPI_Request mpi;
    header head;
    char data[];
} parcel;

typedef struct request {
    ty_req q;       /* first: a ty_req is a request */
    void *buf;      /* of a receive */
    parcel *parcel; /* NULL: a send */
} request;

struct ty_lane {
    ty_rank rank; /* lane 0: the rank itself */
    ty_main fn;
    void *arg;
    pthread_t thread;
};

static struct world {
    int rank, size;
    int lanes; /* MPI serves several threads at once */
    pid_t pid;
    int running;
    double offset; /* [s] rank 0's clock minus ours */
    double start;  /* [s] of the run, on rank 0's clock */
    double patience;
    MPI_Datatype block;
    MPI_Errhandler on_error;
    MPI_Comm comm; /* of this run: what one run forgot does not reach the next */

    pthread_mutex_t lock; /* of both lists */
    parcel *spare;
    parcel *leaving, **last; /* sends that MPI still reads, oldest first */
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local ty_rank *me;

static double mpi_now(ty_rank *r)
{
    (void)r;
    return ty_clock() + world.offset - world.start;
}

static void whereami(char *buf, unsigned long size)
{
    buf[0] = 0;
    if (me)
        snprintf(buf, size, "rank %d @%.4f s", me->id, mpi_now(me));
}

/* ---- waiting --------------------------------------------------------------------------------- */

static _Noreturn void mpi_abort(ty_rank *r, int code)
{
    (void)r;
    fflush(NULL);
    MPI_Abort(MPI_COMM_WORLD, code);
    _exit(code);
}

/* A rank that stops the world is a wrong result: the job's exit status says so. */
static void end_job(void)
{
    mpi_abort(NULL, TY_EWRONG);
}

static void nap(double seconds)
{
    nanosleep(&(struct timespec){0, (long)(1e9 * seconds)}, NULL);
}

/* Every rank that waits says so before the first ends the job. */
static _Noreturn void give_up(ty_rank *r, const char *what)
{
    char why[200];
    if (r)
        ty_rank_describe_waits(why, sizeof why, &r, 1);
    else
        snprintf(why, sizeof why, "rank %d waits for %s", world.rank, what);
    fprintf(stderr, "trainyard: deadlock or time-out after %g s: %s\n", world.patience, why);
    fflush(stderr);
    nap(0.5);
    mpi_abort(r, TY_EWRONG);
}

/* Until mpi is complete: look again at once for a while, then sleep ever longer, to 0.2 ms. */
static void await(MPI_Request *mpi, MPI_Status *status, ty_rank *r, const char *what)
{
    int done = 0;
    double begin = 0;
    for (long i = 0; MPI_Test(mpi, &done, status), !done; i++) {
        if (i == 0)
            begin = ty_clock();
        double waited = ty_clock() - begin;
        if (waited > world.patience)
            give_up(r, what);
        if (waited < 50e-6)
            sched_yield();
        else
            nap(waited < 800e-6 ? waited / 4 : 200e-6);
    }
}

/* ---- parcels --------------------------------------------------------------------------------- */

/* A spare that holds `room` bytes and not more than twice as many, unlinked; NULL: none. */
static parcel *find_spare(size_t room)
{
    parcel *found = NULL;
    pthread_mutex_lock(&world.lock);
    for (parcel **p = &world.spare; *p; p = &(*p)->next)
        if ((*p)->room >= room && (*p)->room / 2 <= room) {
            found = *p;
            *p = found->next;
            break;
        }
    pthread_mutex_unlock(&world.lock);
    return found;
}

static parcel *parcel_new(size_t bytes)
{
    size_t room =
        bytes + 64 + (bytes > one_count / 2 ? BLOCK : 0); /* to the end of the last block */
    parcel *p = find_spare(room);
    if (!p) {
        p = ty_alloc(sizeof *p + room);
        p->room = room;
    }
    return p;
}

static void parcel_drop(parcel *p)
{
    pthread_mutex_lock(&world.lock);
    p->next = world.spare;
    world.spare = p;
    pthread_mutex_unlock(&world.lock);
}

/* How a parcel of so many bytes is counted; both ends agree because both know its size. */
static int count_of(size_t bytes, MPI_Datatype *type)
{
    size_t all = sizeof(header) + bytes;
    *type = all <= one_count ? MPI_BYTE : world.block;
    return all <= one_count ? (int)all : (int)((all + BLOCK - 1) / BLOCK);
}

/* Take back parcels that have left. Looks at a few of the oldest and puts those that have not at
 * the end, so that one slow receiver costs little. */
static void reap(void)
{
    pthread_mutex_lock(&world.lock);
    for (int i = 0; i < 4 && world.leaving; i++) {
        parcel *p = world.leaving, **to;
        int done;
        MPI_Test(&p->mpi, &done, MPI_STATUS_IGNORE);
        world.leaving = p->next;
        if (!world.leaving)
            world.last = &world.leaving;
        to = done ? &world.spare : world.last;
        p->next = done ? world.spare : NULL;
        *to = p;
        if (!done)
            world.last = &p->next;
    }
    pthread_mutex_unlock(&world.lock);
}

static void post(parcel *p)
{
    pthread_mutex_lock(&world.lock);
    p->next = NULL;
    *world.last = p;
    world.last = &p->next;
    pthread_mutex_unlock(&world.lock);
}

static void free_parcels(parcel *p)
{
    for (parcel *next; p; p = next) {
        next = p->next;
        free(p);
    }
}

/* ---- messages -------------------------------------------------------------------------------- */

static int mpi_tag(int tag)
{
    int channel = tag & ~TY_TAG_INBOX;
    TY_CHECK(channel >= 0 && channel < 1 << TAG_BITS, "channel and lane make tag %d, too large",
             channel);
    return channel | (tag & TY_TAG_INBOX ? 1 << TAG_BITS : 0);
}

static ty_req *mpi_isend(ty_rank *r, int dst, int tag, const void *buf, size_t bytes)
{
    MPI_Datatype type;
    int count = count_of(bytes, &type);
    request *s = ty_zalloc(1, sizeof *s);
    s->q = (ty_req){1, dst, tag, bytes, mpi_now(r)};
    reap();
    parcel *p = parcel_new(bytes);
    p->head = (header){s->q.sent_at, bytes << 1 | (buf == NULL)};
    if (buf && bytes)
        memcpy(p->data, buf, bytes);
    MPI_Isend(&p->head, count, type, dst, mpi_tag(tag), world.comm, &p->mpi);
    post(p);
    return &s->q;
}

static ty_req *mpi_irecv(ty_rank *r, int src, int tag, void *buf, size_t bytes)
{
    (void)r;
    MPI_Datatype type;
    int count = count_of(bytes, &type);
    request *q = ty_zalloc(1, sizeof *q);
    q->q = (ty_req){0, src, tag, bytes, 0};
    q->buf = buf;
    q->parcel = parcel_new(bytes);
    MPI_Irecv(&q->parcel->head, count, type, src == TY_ANY ? MPI_ANY_SOURCE : src, mpi_tag(tag),
              world.comm, &q->parcel->mpi);
    return &q->q;
}

static void unpack(request *q)
{
    const header *h = &q->parcel->head;
    size_t bytes = h->bytes >> 1;
    int ghost = h->bytes & 1;
    TY_CHECK(bytes == q->q.bytes, "received %zu B from rank %d where %zu were expected", bytes,
             q->q.peer, q->q.bytes);
    TY_CHECK(ghost == !q->buf || bytes == 0, "a ghost met a real buffer");
    q->q.sent_at = h->sent_at;
    if (!ghost && bytes)
        memcpy(q->buf, q->parcel->data, bytes);
}

static void mpi_wait(ty_rank *r, ty_req *req, ty_req *done)
{
    request *q = (request *)(void *)req;
    if (q->parcel) {
        MPI_Status status = {.MPI_ERROR = MPI_SUCCESS};
        await(&q->parcel->mpi, &status, r, NULL);
        q->q.peer = status.MPI_SOURCE;
        unpack(q);
        parcel_drop(q->parcel);
    } else {
        reap();
    }
    *done = q->q;
    free(q);
}

/* ---- lanes ----------------------------------------------------------------------------------- */

static void *lane_thread(void *arg)
{
    ty_lane *l = arg;
    me = &l->rank;
    ty_kernel_set_threads(1); /* it communicates beside its rank */
    l->fn(&l->rank, l->arg);
    l->rank.waiting.what = TY_DONE;
    return NULL;
}

static ty_lane *mpi_fork(ty_rank *r, ty_main fn, void *arg)
{
    ty_lane *l = ty_zalloc(1, sizeof *l);
    ty_rank_lane_init(&l->rank, r);
    l->rank.fabric = l;
    l->fn = fn;
    l->arg = arg;
    if (world.lanes) {
        int bad = pthread_create(&l->thread, NULL, lane_thread, l);
        TY_CHECK(!bad, "cannot start a thread: %s", strerror(bad));
    } else { /* at once, in place */
        me = &l->rank;
        fn(&l->rank, arg);
        me = r;
    }
    return l;
}

static void mpi_join(ty_rank *r, ty_lane *l, ty_ledger *done)
{
    (void)r;
    if (world.lanes)
        pthread_join(l->thread, NULL);
    *done = l->rank.ledger;
    ty_rank_fini(&l->rank);
    free(l);
}

/* ---- mistakes -------------------------------------------------------------------------------- */

/* MPI calls this instead of returning: a message longer than its receive, or a broken network. */
static void on_error(MPI_Comm *comm, int *code, ...)
{
    (void)comm;
    char why[MPI_MAX_ERROR_STRING], wait[200] = "";
    int length;
    MPI_Error_string(*code, why, &length);
    if (me)
        ty_rank_describe_waits(wait, sizeof wait, &me, 1);
    TY_CHECK(0, "%s: %s", why, wait);
}

/* ---- starting and ending MPI, once a process ------------------------------------------------- */

static void finalize(void)
{
    if (getpid() != world.pid)
        return;
    if (world.running) /* the others would wait for us */
        mpi_abort(NULL, TY_EWRONG);
    MPI_Type_free(&world.block);
    MPI_Errhandler_free(&world.on_error);
    MPI_Finalize();
}

/* Messages back and forth with rank 0, one rank after the other: the quickest tells best what its
 * clock shows. */
static void compare_clocks(void)
{
    double best = 1e30, theirs;
    for (int i = 0; world.rank == 0 && i < (world.size - 1) * CLOCK_TURNS; i++) {
        int peer = 1 + i / CLOCK_TURNS;
        MPI_Recv(&theirs, 1, MPI_DOUBLE, peer, TAG_CLOCK, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        theirs = ty_clock();
        MPI_Send(&theirs, 1, MPI_DOUBLE, peer, TAG_CLOCK, MPI_COMM_WORLD);
    }
    for (int i = 0; world.rank > 0 && i < CLOCK_TURNS; i++) {
        double begin = ty_clock();
        MPI_Send(&begin, 1, MPI_DOUBLE, 0, TAG_CLOCK, MPI_COMM_WORLD);
        MPI_Recv(&theirs, 1, MPI_DOUBLE, 0, TAG_CLOCK, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        double end = ty_clock();
        if (i > 0 && end - begin < best) { /* the first waits for our turn */
            best = end - begin;
            world.offset = theirs - (begin + end) / 2;
        }
    }
    if (world.offset < best && world.offset > -best) /* within the error: the clock of one host */
        world.offset = 0;
}

/* Open MPI would spin while it waits, print its own stack on abort, and warn of what does not matter
 * here. What the user has set stays. */
static void set_manners(void)
{
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    setenv("OMPI_MCA_opal_signal", "", 0);
    setenv("OMPI_MCA_btl_base_warn_component_unused", "0", 0);
}

static void init(void)
{
    int level;
    if (world.size > 0)
        return;
    set_manners();
    MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &level);
    MPI_Comm_rank(MPI_COMM_WORLD, &world.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world.size);
    MPI_Type_contiguous(BLOCK, MPI_BYTE, &world.block);
    MPI_Type_commit(&world.block);
    MPI_Comm_create_errhandler(on_error, &world.on_error);
    world.lanes = level == MPI_THREAD_MULTIPLE;
    world.last = &world.leaving;
    world.pid = getpid();
    world.patience = 60;
    atexit(finalize);
    compare_clocks();
}

/* ---- the run --------------------------------------------------------------------------------- */

static void open_run(const ty_job *job)
{
    MPI_Request mpi;
    world.patience = job->timeout_s > 0 ? job->timeout_s : 60;
    MPI_Comm_idup(MPI_COMM_WORLD, &world.comm, &mpi);
    await(&mpi, MPI_STATUS_IGNORE, NULL, "all processes to start");
    MPI_Comm_set_errhandler(world.comm, world.on_error);
    world.running = 1;
    world.start = ty_clock(); /* counts on rank 0 */
    MPI_Ibcast(&world.start, 1, MPI_DOUBLE, 0, world.comm, &mpi);
    await(&mpi, MPI_STATUS_IGNORE, NULL, "rank 0 to start");
    ty_whereami = whereami;
    ty_panic_end = end_job;
}

/* Back when the last send of every rank has left. Others may compute for as long as they like:
 * whoever is stuck ends the job by itself. */
static void close_run(void)
{
    MPI_Request mpi;
    for (parcel *p = world.leaving, *next; p; p = next) {
        next = p->next;
        await(&p->mpi, MPI_STATUS_IGNORE, NULL, "a message to be received that nobody receives");
        parcel_drop(p);
    }
    world.leaving = NULL;
    world.last = &world.leaving;
    world.patience = 1e30;
    MPI_Ibarrier(world.comm, &mpi);
    await(&mpi, MPI_STATUS_IGNORE, NULL, "the other ranks to end");
    MPI_Comm_free(&world.comm);
    free_parcels(world.spare);
    world.spare = NULL;
    world.running = 0;
    me = NULL;
}

static ty_err mpi_run(const ty_job *job, ty_main fn, void *arg)
{
    ty_lane self = {.fn = fn, .arg = arg};
    init();
    if (job->ranks != world.size)
        return ty_error(TY_EUSAGE,
                        "%d workers, but %d MPI process%s: start as `mpirun -n %d trainyard ...`",
                        job->ranks, world.size, world.size == 1 ? "" : "es", job->ranks);
    open_run(job);
    ty_rank_init(&self.rank, world.rank, &ty_fabric_mpi, job);
    self.rank.fabric = &self;
    me = &self.rank;
    ty_kernel_set_threads(job->threads);
    fn(&self.rank, arg);
    close_run();
    ty_rank_fini(&self.rank);
    return ty_ok();
}

static void mpi_charge(ty_rank *r, double seconds) /* time is real */
{
    (void)r;
    (void)seconds;
}

const ty_fabric_ops ty_fabric_mpi = {
    .name = "mpi",
    .run = mpi_run,
    .isend = mpi_isend,
    .irecv = mpi_irecv,
    .wait = mpi_wait,
    .charge = mpi_charge,
    .now = mpi_now,
    .fork = mpi_fork,
    .join = mpi_join,
    .abort = mpi_abort,
};

/* Asked through the program's own symbols: SimGrid's MPI answers when it was linked before the real one. */
void ty_mpi_version(char *text, size_t size)
{
    char library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int length;
    MPI_Get_library_version(library, &length);
    snprintf(text, size, "%.*s", (int)strcspn(library, ",\n"), library);
}
