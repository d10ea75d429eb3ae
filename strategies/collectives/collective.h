/* SPDX-License-Identifier: MIT
 *
 * collective - operations of a team, one algorithm a file, each with its closed form.
 * All work in place on x [n] fp32, the same n on every member; any n, any number of members. A root
 * is member 0.
 */
#ifndef TY_STRATEGIES_COLLECTIVE_H
#define TY_STRATEGIES_COLLECTIVE_H

#include "fabric/op.h"
#include "fabric/stream.h"
#include "fabric/team.h"

typedef enum ty_operation {
    TY_ALLREDUCE,      /* x becomes the sum over all members                            */
    TY_REDUCE_SCATTER, /* chunk `me` of x becomes its sum; the rest of x is undefined    */
    TY_ALLGATHER,      /* chunk `me` of x is given; all chunks are known afterwards      */
    TY_BROADCAST,      /* x of the root becomes everybody's                              */
    TY_GATHER,         /* chunk `me` of x is given; the root knows all chunks afterwards */
    TY_BARRIER,        /* nobody leaves before all have come; x is not used              */
    TY_ALLTOALL,       /* block j of floor(n/P) goes to member j; block j becomes what j has for me */
    TY_OPERATIONS
} ty_operation;
extern const char *const ty_operation_name[TY_OPERATIONS];

/* What a closed form is computed from. */
typedef struct ty_costing {
    ty_net            net;     /* between two members */
    size_t            piece_bytes; /* as ty_job's */
    const ty_machine *machine; /* NULL: computing takes no time */
    int               threads, busy; /* OpenMP threads of a rank; ranks that compute on its host */
    ty_net            local;   /* between two members on one node; {0}: as net */
    int               per_node; /* members of neighbouring numbers on a node; 0: all of them */
    double            share;   /* > 1: so many times more threads than cores, each gets 1/share of
                                * one; else 1 or 0 */
    double            slowest; /* > 1: computing takes so many times longer, where all wait for the slowest; else 1 or 0 */
} ty_costing;

/* One closed form: of one rank, for one step or one collective. */
typedef struct ty_cost {
    double seconds;   /* from start to end */
    double compute_s; /* of them, computing */
    double messages;  /* sent by this rank */
    double bytes;     /* [B] sent by this rank */
    double peak_bytes; /* [B] high-water mark of this rank's memory; of a collective: of its
                        * buffers */
} ty_cost;

double ty_costing_message(const ty_costing *c, size_t n); /* [s] alpha + n floats / beta */
double ty_costing_work(const ty_costing *c, ty_work w);   /* [s] */
ty_costing ty_costing_inside(const ty_costing *c);        /* the same with the network of a node */

typedef struct ty_collective {
    ty_operation     op;
    const char      *name, *summary, *source;
    int              by_name; /* auto never takes it: latency and bandwidth alone flatter it */
    ty_collective_fn run;
    /* Closed form for member me of P on x [n]. */
    ty_cost (*cost)(const ty_costing *c, int P, int me, size_t n);
} ty_collective;

extern const ty_collective ty_allreduce_ring, ty_allreduce_recursive, ty_allreduce_rabenseifner,
    ty_allreduce_tree, ty_allreduce_double_tree, ty_allreduce_hierarchical, ty_allreduce_star,
    ty_reduce_scatter_ring, ty_reduce_scatter_recursive,
    ty_allgather_ring, ty_allgather_recursive, ty_broadcast_binomial,
    ty_broadcast_scatter_allgather, ty_broadcast_chain, ty_gather_linear, ty_alltoall_pairwise,
    ty_barrier_dissemination;
extern const ty_collective *const ty_collectives[];
extern const size_t               ty_collectives_n;

/* The algorithm `name` of op; "auto" takes the cheapest by cost for P members and n elements.
 * TY_EUSAGE with the names there are. */
ty_err ty_collective_find(ty_operation op, const char *name, const ty_costing *c, int P, size_t n,
                          const ty_collective **found);

/* Chunks first .. first + count - 1 of x in P chunks, modulo P: one piece, or two when they wrap around the end. */
typedef struct ty_chunk_run {
    int       pieces;
    ty_tensor piece[2]; /* views of x */
    size_t    n;        /* elements of both */
} ty_chunk_run;
ty_chunk_run ty_chunks(ty_tensor x, int P, int first, int count);

/* Send `out` to member `to` while receiving `in` from member `from`; each piece is a message. */
void ty_exchange_chunks(const ty_team *t, int to, ty_chunk_run out, int from, ty_chunk_run in);

/* Number of pieces, 1 .. 4096, in which x [n] goes fastest through a pipeline that a piece crosses in `fill` steps and its own:
 * k* = sqrt(fill bytes(x) / (alpha beta)). Where the network is not known, pieces of 64 KiB; `piece` > 0: of so many bytes. */
int ty_pieces(ty_net net, size_t piece, int fill, size_t n);

/* Send x to every other member at once. */
void ty_team_send_all(const ty_team *t, ty_tensor x);

/* The largest power of two that is <= p, and its exponent. */
int ty_power_below(int p, int *log2);
int ty_log2_up(int p); /* ceil(log2 p) */

/* Member me's place in the binomial tree over P members: under member 0 a full binomial tree of 2^j
 * members for each bit j of P-1 that is set, the smaller ones first. ceil(log2 P) steps of one
 * message each, up or down, and nobody is ever sent two at once: children are ordered by when their
 * subtrees are done.
 *
 *   P = 6, P-1 = 101b:   0 <- 1   and   0 <- 2 <- {3, 4 <- 5}
 */
typedef struct ty_tree {
    int parent;           /* -1: member 0 */
    int n, child[32];     /* quickest subtree first */
} ty_tree;
ty_tree ty_tree_place(int P, int me);

/* Up that tree: x of member 0 becomes the sum, x of the others a part of it. */
void ty_tree_reduce(const ty_team *t, ty_tensor x);

#endif
