/* SPDX-License-Identifier: MIT
 *
 * work - what an operation does, in units a machine model can turn into seconds.
 */
#ifndef TY_KERNELS_WORK_H
#define TY_KERNELS_WORK_H

#include <stddef.h>

/* Kernel classes: one rate is fitted for each. */
typedef enum ty_class {
    TY_CLASS_GEMM_NN,   /* y = x w      forward                  */
    TY_CLASS_GEMM_NT,   /* dx = dy w^T  backward to the input    */
    TY_CLASS_GEMM_TN,   /* dw = x^T dy  backward to the weights  */
    TY_CLASS_STREAM,    /* element-wise on what is read: add, scale, ReLU */
    TY_CLASS_COPY,      /* element-wise to what is not: fill, copy */
    TY_CLASS_UPDATE,    /* optimizer: SGD with momentum, AdamW   */
    TY_CLASS_SOFTMAX,   /* softmax cross-entropy                 */
    TY_CLASS_AUGMENT,   /* decode, normalise, shift and rotate   */
    TY_CLASS_CONV,      /* convolution: y, and backward to x     */
    TY_CLASS_CONV_W,    /* convolution, backward to the filters  */
    TY_CLASS_POOL,      /* max pooling                           */
    TY_CLASS_NORM,      /* layer norm                            */
    TY_CLASS_GELU,      /* GELU                                  */
    TY_CLASS_ATTENTION, /* causal attention, all heads           */
    TY_CLASS_LSTM,      /* an LSTM's steps, one after the other  */
    TY_CLASS_LSTM_BACK, /* the same, backward                    */
    TY_CLASS_PACK,      /* gradients compressed, and added up again */
    TY_CLASS_SHARED,    /* numbers that others change meanwhile  */
    TY_CLASSES
} ty_class;

/* Shapes. Products (gemm, conv): m x n x k. softmax: m rows of n classes. pool, augment: m rows of n
 * pixels. attention: m tokens, n channels of a head, k heads. lstm: m rows, n units, k steps.
 * pack: m numbers, each of which is looked at alone k times. Otherwise m elements. What is unused is 1. */
typedef struct ty_work {
    ty_class cls;
    size_t   m, n, k;
    double   flops;   /* [flop], multiply and add counted apart; exp, log, sqrt, div count 1 */
    double   bytes;   /* [B] compulsory traffic: every operand read or written once, no write-allocate */
} ty_work;

const char *ty_class_name(ty_class c); /* "gemm_nn", ... */

/* What costs time besides asked-for flops and bytes: the flops that registers do, with lanes and
 * tiles that are partly filled; rows that cost something each (softmax, augmentation, attention;
 * pooling: rows too short for a vector, which are laid out first; of a filter's gradient: positions of dy, which are
 * turned; of an LSTM: units, for their gates; of packing: looks at a number alone; else 0); kernels that run one after the
 * other (an LSTM's steps; else 1). */
double ty_work_padded(ty_work w);
double ty_work_rows(ty_work w);
double ty_work_calls(ty_work w);

#endif
