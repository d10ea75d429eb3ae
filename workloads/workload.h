/* SPDX-License-Identifier: MIT
 *
 * workload - a data set and a network as a list of blocks: the problem that a strategy solves.
 */
#ifndef TY_WORKLOADS_WORKLOAD_H
#define TY_WORKLOADS_WORKLOAD_H

#include "workloads/block.h"
#include "workloads/dataset.h"
#include "workloads/optimizer.h"

enum { TY_MAX_HIDDEN = 512 };

/* What the command line may choose; zero or NULL means the workload's default. */
typedef struct ty_workload_options {
    const char *data;    /* folder or file of the data set */
    size_t hidden[TY_MAX_HIDDEN];
    int    hidden_n;     /* widths of the hidden layers */
    long   layers;       /* synthetic-mlp: equal linear layers */
    long   width;
    long   samples;      /* training samples: of synthetic-mlp as many as said; of a data set its
                          * first ones, or more than it has, for ghosts */
} ty_workload_options;

/* A workload opened: what every rank of a run shares, read-only. */
typedef struct ty_problem {
    const struct ty_workload *workload;
    ty_dataset data;
    size_t     features, classes;
    int        blocks_n;
    ty_block  *blocks;   /* [blocks_n] whole layers, with index and offset set */
    size_t     params;   /* of the whole network */
    int        pretended; /* the training set is said to be larger than it is: ghosts only */
} ty_problem;

typedef struct ty_workload {
    const char *name, *summary;
    int         has_data; /* real samples come with it */
    ty_err (*open)(const ty_workload_options *o, ty_problem *p);
} ty_workload;

extern const ty_workload ty_mnist_mlp, ty_mnist_cnn, ty_digits_mlp, ty_synthetic_mlp;
extern const ty_workload *const ty_workloads[];
extern const size_t ty_workloads_n;

/* Open the workload of that name; TY_EUSAGE with the nearest name, or what is wrong with its
 * data. */
ty_err ty_problem_open(ty_problem *p, const char *name, const ty_workload_options *o);
void   ty_problem_close(ty_problem *p);

/* Say that the training set has n samples, for studies of cost: only ghosts can run then. */
void ty_problem_pretend(ty_problem *p, uint32_t n);

/* For workloads with a data set: TY_EUSAGE when --layers or --width is given. */
ty_err ty_problem_fixed_depth(const ty_workload_options *o, const char *name);

/* For workloads: one more block behind those there are; p->blocks must have room. */
void ty_problem_add(ty_problem *p, ty_block b);

/* For workloads: features -> hidden... -> classes, linear layers with a ReLU between. */
void ty_problem_mlp(ty_problem *p, size_t features, const size_t *hidden, int n, size_t classes);

#endif
