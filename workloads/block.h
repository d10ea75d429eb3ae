/* SPDX-License-Identifier: MIT
 *
 * block - one layer of a network, or a window of one. Of a linear layer a window is rows [in.first, in.first + in.n)
 * and columns [out.first, out.first + out.n) of the whole weight matrix; other layers are whole. Blocks know nothing of
 * who holds the others. A row is one sample; in.n and out.n are what a sample brings and leaves.
 */
#ifndef TY_WORKLOADS_BLOCK_H
#define TY_WORKLOADS_BLOCK_H

#include "fabric/op.h"

typedef struct ty_span {
    size_t first, n, total;
} ty_span;

typedef struct ty_block ty_block;

enum { TY_BLOCK_WORKS = 16 }; /* operations of a block in one direction, at most */

typedef struct ty_block_ops {
    const char *name;
    int in_place;                        /* y is x: the block needs no room of its own */
    int writes_first;                    /* backward of a fresh block writes b->dp: nobody needs to zero it */
    size_t (*params)(const ty_block *b); /* elements that this window owns */
    size_t (*saved)(const ty_block *b);  /* elements a row that forward leaves for backward; NULL: none */
    /* Elements of b->work that forward or backward of so many rows needs; NULL: none. */
    size_t (*workspace)(const ty_block *b, size_t rows);
    /* Initial values into b->p: a function of (seed, index, element of the whole layer). */
    void (*init)(const ty_block *b, uint64_t seed);
    /* y [rows,out] from x [rows,in]; returns y (in place: x). */
    ty_tensor (*forward)(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved);
    /* Adds to b->dp (or writes it, see writes_first); writes dx [rows,in] when it has room (dx.n > 0) and returns it, or makes dy the gradient of the
     * input and returns that (in place, and around residual connections).
     * x, y, saved: what forward was given and returned. */
    ty_tensor (*backward)(const ty_block *b, ty_rank *r, ty_tensor x, ty_tensor y, ty_tensor saved, ty_tensor dy,
                          ty_tensor dx);
    /* The work of the above, operation by operation; returns how many. need_dx: dx has room. */
    int (*work_forward)(const ty_block *b, size_t rows, ty_work *out);
    int (*work_backward)(const ty_block *b, size_t rows, int need_dx, ty_work *out);
    /* Copy this window's parameters from[params] to their places in the whole network's; NULL: one run of them. */
    void (*place)(const ty_block *b, const float *from, float *whole);
} ty_block_ops;

struct ty_block {
    const ty_block_ops *ops;
    int      index;     /* position in the whole network: the key of its initial values */
    ty_span  in, out;
    int      has_bias;
    size_t   shape[6];  /* what else the layer needs to know; see the maker in its file */
    size_t   offset;    /* of its first parameter in the whole network's flat parameters */
    size_t   tied;      /* > 0: so many parameters are the first ones of block `owner` (an index); it has none itself, */
    int      owner, copy; /* but a copy of them where the owner is on another rank */
    int      fresh;     /* nothing has been added to dp in this step */
    ty_tensor p, dp;    /* [params] views into the model's flat parameters and gradients, and */
    ty_tensor work;     /* room that all blocks share, contents undefined: set by ty_model_init */
};

extern const ty_block_ops ty_block_linear, ty_block_relu, ty_block_conv, ty_block_pool, ty_block_lstm,
    ty_block_embedding, ty_block_attention, ty_block_mlp, ty_block_norm, ty_block_output;

/* A whole layer. */
ty_block ty_linear_new(size_t in, size_t out);
ty_block ty_relu_new(size_t n);
/* Images [C,H,W]: F filters of K x K with P zeros around; the largest of each 2 x 2 square. */
ty_block ty_conv_new(size_t C, size_t H, size_t W, size_t F, size_t K, size_t P);
ty_block ty_pool_new(size_t C, size_t H, size_t W);
/* Sequences of T steps of E numbers, [T,E] a row: to H hidden units, the whole sequence of them [T,H] or the last [H]. */
ty_block ty_lstm_new(size_t T, size_t E, size_t H, int whole);
/* Tokens [T] below V to channels [T,C], and parts of a transformer of L layers [T,C] -> [T,C]: attention of H heads and
 * a perceptron, each with its norm in front and x added; the last norm; logits [T,V] with the table of the embedding,
 * which is block `owner`. */
ty_block ty_embedding_new(size_t T, size_t C, size_t V);
ty_block ty_attention_new(size_t T, size_t C, size_t H, size_t L);
ty_block ty_mlp_new(size_t T, size_t C, size_t L);
ty_block ty_norm_new(size_t T, size_t C);
ty_block ty_output_new(size_t T, size_t C, size_t V, int owner);
/* The window of whole block b with these inputs and outputs; the bias goes with one of the windows that share
 * outputs, has_bias says whether with this one. */
ty_block ty_block_window(const ty_block *b, ty_span in, ty_span out, int has_bias);
/* Chunk i of p of a span that is the whole. */
ty_span ty_span_chunk(ty_span whole, int p, int i);

/* For blocks: charge all of works[n]; true when t holds numbers to compute. */
int ty_block_charge(ty_rank *r, const ty_work *works, int n, ty_tensor t);
/* For init: parameters [first, first + n) of the block, normal numbers of the key times scale, or one value. */
void ty_block_draw(const ty_block *b, size_t first, size_t n, uint64_t key, double scale);
void ty_block_set(const ty_block *b, size_t first, size_t n, float value);

/* Copy window b's parameters `from` (flat: w then b) to their places in the whole network's flat parameters. */
void ty_block_place(const ty_block *b, const float *from, float *whole);

#endif
