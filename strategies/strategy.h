/* SPDX-License-Identifier: MIT
 *
 * strategy - how training is spread over ranks. One file a strategy: plan() finds every user mistake before a rank
 * starts and says who does what, step() is one training step of one rank, cost() is the closed form of it.
 */
#ifndef TY_STRATEGIES_STRATEGY_H
#define TY_STRATEGIES_STRATEGY_H

#include "fabric/team.h"
#include "kernels/compress.h"
#include "machine/pace.h"
#include "strategies/collectives/collective.h"
#include "workloads/model.h"
#include "workloads/optimizer.h"
#include "workloads/workload.h"

typedef struct ty_strategy ty_strategy;
typedef struct ty_worker ty_worker;
typedef struct ty_unit ty_unit; /* strategies/sharded.h */

typedef enum ty_role { TY_TRAIN, TY_PREPROCESS, TY_EVALUATE, TY_SERVE } ty_role;

/* What one rank does. */
typedef struct ty_place {
    ty_role role;
    int     d, t, p; /* index in the grid dp x tp x pp */
} ty_place;

/* A staleness of 0, because 0 means the default. */
enum { TY_LOCKSTEP = -1 };

/* Settings that only some strategies have. 0: the strategy's choice. */
typedef struct ty_tuning {
    size_t bucket_bytes;        /* [B] of gradients that are reduced at once */
    int    servers;             /* of parameters */
    long   local_steps;         /* steps between two averages of the replicas */
    double outer_momentum;      /* of those averages */
    ty_compression compression; /* of gradients */
    double compression_ratio;   /* of top-k: the part that is sent */
    int    depth;               /* of a tree that aggregates */
    double task_seconds;        /* [s] to launch a task */
    long   staleness;           /* steps that a worker may be ahead of the slowest; TY_LOCKSTEP: 0 */
} ty_tuning;

/* What a strategy makes use of: an option for anything else would change nothing. */
enum {
    TY_USES_COLLECTIVE = 1,
    TY_USES_MICRO_BATCHES = 2,
    TY_USES_BUCKETS = 4,
    TY_USES_SERVERS = 8,
    TY_USES_LOCAL_STEPS = 16,
    TY_USES_COMPRESSION = 32,
    TY_USES_STALENESS = 64,
    TY_USES_TASKS = 128
};

/* How old the gradients were that a server took, in updates by others since their worker had its parameters. */
typedef struct ty_staleness {
    long   pushes, most, most_ahead; /* most_ahead: steps that a worker was ahead of the slowest when it went on */
    double sum; /* of all pushes */
} ty_staleness;

/* Who does what, and what a closed form needs. Filled by ty_plan_make; read-only while ranks run. */
typedef struct ty_plan {
    const ty_strategy *strategy;
    const ty_problem  *problem;
    int         workers, dp, tp, pp, micro_batches; /* 0 or 1: a rank's share of the batch goes through whole */
    int         slots;      /* micro-batches whose activations a rank keeps at once; 1: gradients accumulate */
    size_t      batch;      /* global */
    long        steps;
    uint64_t    seed;
    int         augment;
    ty_optimizer optimizer; /* kind and rates */
    const char *collective_name;    /* as asked: "auto" or an algorithm */
    const ty_collective *allreduce; /* as chosen; NULL: the strategy uses none */
    const ty_collective *reduce_scatter, *allgather; /* the same */
    const ty_collective *broadcast; /* the same */
    int         served;           /* rank 0 serves parameters and does not train */
    int         shared;           /* trainers read and change one set of parameters, which rank 0 owns */
    int         debts;            /* trainers keep what compression has not sent yet */
    ty_tuning   tuning;           /* as asked; plan() fills in what was left to it */
    int         optimizer_shards; /* the optimizer's state is cut into so many; 0: whole everywhere */
    enum { TY_WHOLE, TY_SHARD_GRADS, TY_SHARD_PARAMS } sharded; /* gradients and optimizer's state; parameters too */
    ty_unit    *unit;       /* [units] what is sharded as one */
    int         units;
    ty_costing  costing;
    ty_place   *place;      /* [workers] */
    int        *stage;      /* [pp + 1] first block of each pipeline stage, then the number of blocks */
    int         preprocessors; /* task pipeline: ranks 0 .. n-1 */
    ty_pace     pace;       /* stragglers and jitter */
    int         active;     /* ranks that compute at the same time, at most */
    long        fill_steps; /* steps until the flow of work is steady */
} ty_plan;

typedef enum ty_order { TY_FIXED, TY_ARRIVAL } ty_order;

struct ty_strategy {
    const char *name, *summary, *source;
    ty_order    order;   /* fixed: the same sums in the same order on every fabric */
    int         alike;         /* all ranks compute the same at the same time: cost() holds on shared cores too */
    int         lanes;         /* programs that run beside each worker's own, and want a core */
    int         uses;          /* TY_USES_... */
    int         inexact;       /* its parameters are not serial's: law 1 does not bind it */
    int         shares_memory; /* ranks need one memory: fabrics with shared_memory alone can run it */
    ty_err (*plan)(ty_plan *p); /* fills dp, tp, pp, place, stage, allreduce, active;
                                * TY_EUSAGE says what to change */
    void (*step)(ty_worker *w, long step);
    /* Closed form of one rank: mean seconds of a step over steps 1 .. steps-1 (the first is left out), its messages and
     * bytes in one step, peak memory. */
    ty_cost (*cost)(const ty_plan *p, int rank);
};

enum { TY_MAX_SERVERS = 64 };

extern const ty_strategy ty_serial, ty_data_allreduce, ty_data_overlap, ty_data_server, ty_data_zero1, ty_data_zero2,
    ty_data_zero3, ty_data_local, ty_data_compressed, ty_data_async, ty_data_stale, ty_data_spark, ty_data_hogwild,
    ty_tensor_parallel, ty_pipeline_gpipe, ty_task_pipeline;
extern const ty_strategy *const ty_strategies[];
extern const size_t ty_strategies_n;

/* TY_EUSAGE with the nearest name. */
ty_err ty_strategy_find(const char *name, const ty_strategy **found);

/* What the user asked for: 0 or NULL means the strategy's default. */
typedef struct ty_plan_options {
    const ty_strategy *strategy;
    const ty_problem  *problem;
    int         workers, dp, tp, pp, micro_batches;
    size_t      batch;
    long        steps;
    uint64_t    seed;
    int         augment;
    ty_optimizer_kind optimizer;
    double      rate, momentum;
    const char *collective;
    ty_tuning   tuning;
    ty_pace     pace;
    ty_costing  costing;
    int         shared_memory; /* the fabric has it */
} ty_plan_options;

/* Check everything that a user can get wrong and fill *p; ty_plan_free it. */
ty_err ty_plan_make(ty_plan *p, const ty_plan_options *o);
void   ty_plan_free(ty_plan *p);

/* cost() of a rank over steps 1 .. steps-1 as they are: the last batch of an epoch may be smaller. */
ty_cost ty_plan_cost(const ty_plan *p, int rank);

/* What was said and chosen beyond names and degrees, as options: "staleness 3, slow 3:2". Into buf, which is returned. */
const char *ty_plan_settings(const ty_plan *p, char *buf, size_t size);

/* Why cost() tells no time here: "no closed form: ..."; NULL: it does. */
const char *ty_plan_no_form(const ty_plan *p);

/* Degrees dp x tp x pp must multiply to workers; only `axis` ("dp", "tp" or "pp") may differ from 1. Sets it to workers. */
ty_err ty_plan_axis(ty_plan *p, const char *axis);
/* Choose p->allreduce for teams of P and n elements. */
ty_err ty_plan_allreduce(ty_plan *p, int P, size_t n);
/* The blocks of a rank's place (stage range, windowed when tp > 1) into blocks[problem->blocks_n]; returns how many. */
int ty_plan_blocks(const ty_plan *p, int rank, ty_block *blocks);
/* Is linear block i of the network (counted over linear blocks) split by column (+1), by row (-1), or whole (0)? */
int ty_plan_split(const ty_plan *p, int linear);
/* Parameters that two blocks share (embedding and output layer: the table), where the plan puts them on two stages. Each
 * holds them then, and the two sum their gradients. */
typedef struct ty_tie {
    size_t n;           /* parameters; 0: nothing is shared, or one rank holds both */
    int    owner, copy; /* stages */
    int    owner_block, copy_block; /* indices in the network */
} ty_tie;
ty_tie ty_plan_tie(const ty_plan *p);
/* Rows of rank's share of the batch in a full step. */
size_t ty_plan_rows(const ty_plan *p, int rank);
/* Micro-batches that a share of so many rows goes through in: as many as asked for, but none that is empty; >= 1. */
int ty_plan_parts(const ty_plan *p, size_t rows);
/* Rows of input and labels that a rank has room for, when it keeps `slots` micro-batches of its `rows`. */
size_t ty_plan_held(const ty_plan *p, size_t rows, int slots);

/* Closed-form pieces, on the machine of p->costing. */
double ty_plan_load_s(const ty_plan *p, size_t rows);                 /* decode, normalise, augment */
double ty_blocks_forward_s(const ty_plan *p, const ty_block *b, int n, size_t rows);
double ty_blocks_backward_s(const ty_plan *p, const ty_block *b, int n, size_t rows, int first);
double ty_plan_gradients_s(const ty_plan *p, size_t rows); /* zero, and of each micro-batch load, forward, loss, backward */
double ty_plan_loss_s(const ty_plan *p, size_t rows);
double ty_plan_update_s(const ty_plan *p, const ty_block *b, int n); /* optimizer step */
double ty_plan_zero_s(const ty_plan *p, const ty_block *b, int n);   /* gradients to zero */
size_t ty_blocks_params(const ty_block *b, int n);
/* Memory of a training rank with these blocks that keeps `slots` micro-batches of its `rows`: model, optimizer, input and
 * labels. */
double ty_plan_bytes(const ty_plan *p, const ty_block *b, int n, size_t rows, int slots, int first, int last);

#endif
