/* SPDX-License-Identifier: MIT
 *
 * worker - one rank's training state, built from its place in the plan; what every strategy's step() is made of.
 */
#ifndef TY_STRATEGIES_WORKER_H
#define TY_STRATEGIES_WORKER_H

#include "strategies/strategy.h"

/* Channels; the grid's three axes and the whole. */
enum { TY_CHANNEL_WORLD, TY_CHANNEL_DATA, TY_CHANNEL_TENSOR, TY_CHANNEL_PIPE, TY_CHANNEL_RESULT, TY_CHANNEL_MAIL };

struct ty_worker {
    ty_rank       *rank;
    const ty_plan *plan;
    ty_place       place;
    ty_team        world, data, tensor, pipe;
    ty_model       model;     /* roles that train or evaluate */
    ty_optimizer   optimizer; /* roles that train */
    ty_tensor      params, grads; /* [my chunks of all units] where they are sharded (strategies/sharded.h) */
    ty_tensor      last;      /* [params] at the last average, under an outer momentum, and */
    ty_optimizer   outer;     /* what turns the change since then into an update */
    ty_team        mail;      /* workers and their server */
    long          *clock, *pulled; /* of a server, by rank: steps ended; version that the rank works on */
    int           *waits;     /* of a server, by rank: it has pushed and not been answered */
    long           version;   /* of a server: updates so far */
    ty_staleness   stale;
    ty_tensor      shared;    /* [params] of all workers together, in the memory of rank 0 */
    ty_tensor      debt;      /* [params] of gradients that were not sent, under compression */
    ty_loader      loader;
    ty_tensor      x;         /* [rows, features] input, where the place is fed by data */
    ty_tensor      labels;    /* [rows * targets] */
    ty_tensor     *inbox;     /* [micro_batches] activations from the stage before */
    ty_req        *sending, *asking; /* sends that are still on their way, or NULL */
    double         loss;      /* this rank's share of the current step's mean loss */
    long           evaluations;
    ty_score      *score;     /* [epochs] by the rank that evaluates while others train */
    double         excluded_s; /* evaluation so far, which is no part of a step's time */
    int            traced;
    double         paused_at, paused_idle; /* between ty_worker_pause and _resume */
    ty_ledger      paused_ledger;
};

void ty_worker_init(ty_worker *w, ty_rank *r, const ty_plan *p);
void ty_worker_fini(ty_worker *w);

/* Load samples [first, first + rows) of the step's batch into w->x and w->labels; returns the input. */
ty_tensor ty_worker_load(ty_worker *w, long step, size_t first, size_t rows);
ty_tensor ty_worker_labels(ty_worker *w, size_t first, size_t rows); /* of these samples */

/* Loss of the `rows` samples that went through the model, each with weight 1/batch; and load, forward and loss of such a
 * micro-batch. Both return the gradient of the last output, for backward. */
ty_tensor ty_worker_loss(ty_worker *w, size_t rows, size_t batch);
ty_tensor ty_worker_part(ty_worker *w, long step, size_t first, size_t rows, size_t batch);

/* Gradients to zero, then of each micro-batch load, forward and loss, and backward of all but the last: returns the gradient
 * of its output, for backward. */
ty_tensor ty_worker_forward(ty_worker *w, long step, size_t first, size_t rows, size_t batch);

/* Forward, loss and backward of samples [first, first + rows) of a batch of `batch`: adds to the gradients, so that
 * the sum over all shards of a batch is the gradient of the mean loss. */
void ty_worker_gradients(ty_worker *w, long step, size_t first, size_t rows, size_t batch);

/* Compute as slowly as plan->pace says of this step: from the last exchange of gradients to its own. So all that a rank
 * computes between two of them has one draw, and a barrier waits for the largest of the ranks'. */
void ty_worker_pace(ty_worker *w, long step);

/* Parameters from gradients, after their exchange: at the pace of the next step. */
void ty_worker_update(ty_worker *w, long step);

/* The worker's own parameters from those that all share. */
void ty_worker_take_shared(ty_worker *w);

/* What happens between these two is no part of a step: its time, waits and messages are not booked. */
void ty_worker_pause(ty_worker *w);
void ty_worker_resume(ty_worker *w);

/* Between the two: wait for all. */
void ty_worker_meet(ty_worker *w);
/* Between the two, before rank 0 shows its model: where parameters are shared, it takes them when all have come, and nobody
 * goes on before. */
void ty_worker_settle(ty_worker *w);

/* A model of the whole network that only evaluates, and its parameters from the seed. */
void ty_worker_evaluator(ty_model *m, ty_rank *r, const ty_plan *p);
double ty_worker_evaluator_bytes(const ty_plan *p); /* [B] the closed form of its memory */

/* The trained network, gathered on rank 0 (every rank calls; not counted): whole [params] there, NULL elsewhere. */
void ty_worker_gather(ty_worker *w, float *whole);

#endif
