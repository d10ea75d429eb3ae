/* SPDX-License-Identifier: MIT
 *
 * workload - a data set and a network as a list of blocks: the problem that a strategy solves.
 */
#ifndef TY_WORKLOADS_WORKLOAD_H
#define TY_WORKLOADS_WORKLOAD_H

#include "workloads/block.h"
#include "workloads/dataset.h"
#include "workloads/model.h"
#include "workloads/optimizer.h"

#include <stdio.h>

enum { TY_MAX_HIDDEN = 512 };

/* What the command line may choose; zero or NULL means the workload's default. */
typedef struct ty_workload_options {
    const char *data;    /* folder or file of the data set */
    size_t hidden[TY_MAX_HIDDEN];
    int    hidden_n;     /* widths of the hidden layers */
    long   layers;       /* synthetic-mlp: equal linear layers; others: blocks of theirs */
    long   width;
    long   heads, context; /* of attention; elements of a window */
    long   samples;      /* training samples: of synthetic-mlp as many as said; of a data set its
                          * first ones, or more than it has, for ghosts */
} ty_workload_options;

/* A workload opened: what every rank of a run shares, read-only. */
typedef struct ty_problem {
    const struct ty_workload *workload;
    ty_dataset data;
    size_t     features; /* numbers of a sample that go in: pixels, tokens, values */
    size_t     targets;  /* labels of a sample; 0 after open(): 1 */
    ty_loss_kind loss;
    size_t     classes;  /* TY_LOSS_XENT: the network ends in targets * classes outputs, else in targets */
    int        blocks_n;
    ty_block  *blocks;   /* [blocks_n] whole layers, with index and offset set */
    size_t     params;   /* of the whole network */
    int        pretended; /* the training set is said to be larger than it is: ghosts only */
} ty_problem;

/* What trains it well: the defaults of its runs, epochs of those that train it to the end; 0: those of all. */
typedef struct ty_habits {
    size_t batch;
    long   epochs;
    ty_optimizer_kind optimizer;
    double rate;
} ty_habits;

typedef struct ty_workload {
    const char *name, *summary;
    int         has_data; /* real samples come with it */
    ty_habits   usual;
    ty_err (*open)(const ty_workload_options *o, ty_problem *p);
    /* Say in words what a trained network is worth: lines "name    text" like those of a run's report.
     *   m     the network with its parameters, on m->rank, for m->rows rows; it only evaluates
     *   seed  of what is drawn. NULL: nothing to say beyond the score. */
    void (*report)(const ty_problem *p, ty_model *m, uint64_t seed, FILE *f);
} ty_workload;

extern const ty_workload ty_jargon_gpt;
extern const ty_workload ty_mnist_mlp, ty_mnist_cnn, ty_mnist_lenet, ty_digits_mlp,
    ty_sunspots_lstm, ty_synthetic_mlp;
extern const ty_workload *const ty_workloads[];
extern const size_t ty_workloads_n;

/* Open the workload of that name; TY_EUSAGE with the nearest name, or what is wrong with its
 * data. */
ty_err ty_problem_open(ty_problem *p, const char *name, const ty_workload_options *o);
void   ty_problem_close(ty_problem *p);

/* Say that the training set has n samples, for studies of cost: only ghosts can run then. */
void ty_problem_pretend(ty_problem *p, uint32_t n);

ty_loss ty_problem_loss(const ty_problem *p);

/* How well a network does on the test set. */
typedef struct ty_score {
    double accuracy; /* share of labels that it thinks most likely; NAN where there are no classes */
    double loss;     /* mean over labels, of p->loss: nats, or squared error */
} ty_score;
/* Of the whole network m, by m->rows rows at a time. Both NAN for ghosts and without a test set. */
ty_score ty_problem_score(const ty_problem *p, ty_model *m);

/* For workloads with a data set: TY_EUSAGE when --layers, --width, --heads or --context is given. */
ty_err ty_problem_fixed_depth(const ty_workload_options *o, const char *name);

/* For workloads: one more block behind those there are; p->blocks must have room. */
void ty_problem_add(ty_problem *p, ty_block b);

/* For workloads: features -> hidden... -> classes, linear layers with a ReLU between. */
void ty_problem_mlp(ty_problem *p, size_t features, const size_t *hidden, int n, size_t classes);

#endif
