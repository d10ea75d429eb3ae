/* SPDX-License-Identifier: MIT
 *
 * sharded - what data-zero2 and data-zero3 share. The network is cut into units, runs of blocks whose parameters are one
 * piece; worker r of N owns chunk r of every unit. While a unit computes, the network gathers the parameters of the unit to
 * come and sums the gradients of the unit before; between two units a worker waits for both:
 *
 *   compute   | unit 4   | unit 3          | unit 2          | unit 1          |
 *   network   | gather 3 | gather 2, sum 4 | gather 1, sum 3 | sum 2           | sum 1 |
 *           turn       turn              turn              turn              turn    turn
 */
#ifndef TY_STRATEGIES_SHARDED_H
#define TY_STRATEGIES_SHARDED_H

#include "fabric/stream.h"
#include "strategies/worker.h"

/* A run of blocks. One that begins with a tied block borrows the parameters of the unit that holds the block's owner. */
struct ty_unit {
    int    first, end; /* blocks */
    int    owner;      /* unit whose parameters these are: itself, or one before it */
    size_t begin, n;   /* of its parameters in the whole network's */
};

/* Cut the network into units of at least p->tuning.bucket_bytes (0: a unit begins at every block with parameters), and
 * choose the collectives for them. p->sharded is set. */
ty_err ty_sharded_plan(ty_plan *p);

/* Elements of a member's shard: its chunks of all units, one after the other. */
size_t ty_sharded_size(const ty_plan *p, int member);
/* My chunk of unit u in a shard of mine. */
ty_tensor ty_sharded_chunk(const ty_worker *w, ty_tensor shard, int u);
/* Room for my shards, and their initial parameters. */
void ty_sharded_init(ty_worker *w);
void ty_sharded_fini(ty_worker *w);
/* As ty_worker_gather, from everybody's shard of the parameters. */
void ty_sharded_gather(ty_worker *w, float *whole);

/* ---- a step --------------------------------------------------------------------------------------------- */

/* What is held of a unit: parameters or gradients. */
typedef struct ty_lot {
    int       unit; /* -1: nothing */
    ty_tensor x;    /* [n] */
} ty_lot;

typedef struct ty_flow {
    ty_worker *worker;
    ty_stream  network;
    ty_lot     here, coming;     /* parameters: gathered; on their way */
    ty_lot     written, leaving; /* gradients: of the unit that computes; on their way */
} ty_flow;

void ty_flow_init(ty_flow *f, ty_worker *w); /* gradients of the shard to zero */
/* Wait for the network, and let it begin what it does beside the next unit: gather the parameters of unit `gather`, and sum
 * the gradients that were written. Unit `write` gets room for gradients. -1: none. */
void ty_flow_turn(ty_flow *f, int gather, int write);
ty_tensor ty_flow_forward(ty_flow *f, int u, ty_tensor x);
ty_tensor ty_flow_backward(ty_flow *f, int u, ty_tensor dy); /* adds to the gradients that unit u got room for */
void ty_flow_end(ty_flow *f); /* all gradients are summed, and no unit is held any more */

/* Samples of the largest shard of a batch are cut into so many parts, by every worker: they gather and sum together. */
int ty_flow_parts(const ty_plan *p, size_t batch);

/* ---- its closed form ---------------------------------------------------------------------------------------- */

/* The same turns in the same order, with the seconds that are computed between them. */
typedef struct ty_flow_cost {
    const ty_plan *plan;
    int     rank;
    int     here, coming, written, leaving; /* units */
    double  compute, network;               /* [s] since the last turn */
    ty_cost total;
} ty_flow_cost;

ty_flow_cost ty_flow_cost_new(const ty_plan *p, int rank);
void ty_flow_cost_turn(ty_flow_cost *f, int gather, int write);
void ty_flow_cost_work(ty_flow_cost *f, double seconds);
void ty_flow_cost_end(ty_flow_cost *f);

double ty_unit_forward_s(const ty_plan *p, int u, size_t rows);
double ty_unit_backward_s(const ty_plan *p, int u, size_t rows);
/* A step without its update: walk() goes through that of a rank with a shard of so many rows, and returns its total. The
 * largest shard holds everybody up; this rank computes its own. */
ty_cost ty_sharded_cost(const ty_plan *p, int rank, ty_cost (*walk)(const ty_plan *p, int rank, size_t rows));
/* Memory of a rank without what it holds of units. */
double ty_sharded_bytes(const ty_plan *p, int rank);

#endif
