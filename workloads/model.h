/* SPDX-License-Identifier: MIT
 *
 * model - the blocks that one rank holds, with flat parameters and gradients and room for the activations of
 * `slots` micro-batches. Nothing is allocated after ty_model_init.
 */
#ifndef TY_WORKLOADS_MODEL_H
#define TY_WORKLOADS_MODEL_H

#include "workloads/block.h"
#include "workloads/loss.h"

/* What a model is for, and who holds its parameters and gradients. */
typedef enum ty_model_use {
    TY_MODEL_TEST,     /* parameters; forward only */
    TY_MODEL_TRAIN,    /* parameters and gradients */
    TY_MODEL_NO_GRADS, /* trained with gradients that somebody else holds: ty_model_bind says where they are */
    TY_MODEL_BARE      /* and parameters that somebody else holds and gives their first values */
} ty_model_use;

typedef struct ty_model {
    ty_rank  *rank;
    ty_model_use use;
    int       n;              /* blocks */
    ty_block *block;          /* [n], owned */
    ty_tensor params, grads;  /* [sum of params], in block order, or n == 0 */
    int       slots;
    size_t    rows;           /* of a micro-batch, at most */
    ty_tensor *out;           /* [slots][n] what each block returned; room [rows,out] where it is not in place */
    ty_tensor *room;          /* [slots][n] owned memory behind out, unless a block works in place */
    ty_tensor *saved;         /* [slots][n] what forward leaves for backward; n == 0 where that is nothing */
    ty_tensor *input;         /* [slots] what the first block was given */
    ty_tensor dx[2];          /* gradients on their way back, in turn */
    ty_tensor work;           /* [largest workspace of a block] */
    int       first;          /* the network starts here: the input needs no gradient */
    ty_loss   loss;           /* set by its owner before ty_model_loss */
} ty_model;

/* Build blocks[n] for at most `rows` rows a micro-batch. `first`: block 0 is fed by data, not by another rank.
 * Values from seed. */
void ty_model_init(ty_model *m, ty_rank *r, const ty_block *blocks, int n, size_t rows, int slots, int first,
                   ty_model_use use, uint64_t seed);
void ty_model_fini(ty_model *m);

/* Blocks [first, end), whole ones, find their parameters and gradients in these tensors, which begin with parameter `begin` of
 * the whole network; n == 0: what they have stays. */
void ty_model_bind(ty_model *m, int first, int end, size_t begin, ty_tensor params, ty_tensor grads);

/* Memory [B] that ty_model_init takes, without optimizer state: the closed form. */
double ty_model_bytes(const ty_block *blocks, int n, size_t rows, int slots, int first, int train);

/* One block of micro-batch `slot` (x is remembered for backward), and all of them. */
ty_tensor ty_block_forward(ty_model *m, int slot, int i, ty_tensor x);
ty_tensor ty_model_forward(ty_model *m, int slot, ty_tensor x);

/* m->loss of the last output of slot against labels [rows * targets]; returns its gradient, scaled. *loss += scale *
 * (sum over rows of the mean over their labels); real tensors only. */
ty_tensor ty_model_loss(ty_model *m, int slot, ty_tensor labels, float scale, double *loss);

/* Gradients of one block, and of all; returns the gradient of its input (n == 0 when nobody needs it). */
ty_tensor ty_block_backward(ty_model *m, int slot, int i, ty_tensor dy);
ty_tensor ty_model_backward(ty_model *m, int slot, ty_tensor dy);

/* Where a gradient [rows, out of the last block] that comes from elsewhere may be received. */
ty_tensor ty_model_dy(ty_model *m, size_t rows);

/* The gradient of the first n parameters of the block with this index in the whole network; this rank has it. */
ty_tensor ty_model_gradient(const ty_model *m, int index, size_t n);

/* Begin a step: gradients are zero, or will be written by the first backward of their block. Of blocks [first, end), whose
 * gradients `grads` are; and of all. */
void ty_model_zero_blocks(ty_model *m, int first, int end, ty_tensor grads);
void ty_model_zero(ty_model *m);

/* Forward of x [rows,in] and m->loss against labels [rows * targets]: returns the sum over labels, 0 for ghosts.
 *   right   out: labels that are what the model thinks most likely */
double ty_model_test(ty_model *m, ty_tensor x, ty_tensor labels, size_t *right);

/* After a loss that is not finite: the first block of slot `slot` whose output holds a number that is not; -1 when it
 * was the input, m->n when all are finite. */
int ty_model_fault(const ty_model *m, int slot);

#endif
