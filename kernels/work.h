/* SPDX-License-Identifier: MIT
 *
 * work - what an operation does, in units a machine model can turn into seconds.
 */
#ifndef TY_KERNELS_WORK_H
#define TY_KERNELS_WORK_H

#include <stddef.h>

/* Kernel classes: one rate is fitted for each. */
typedef enum ty_class {
    TY_CLASS_GEMM_NN, /* y = x w      forward                  */
    TY_CLASS_GEMM_NT, /* dx = dy w^T  backward to the input    */
    TY_CLASS_GEMM_TN, /* dw = x^T dy  backward to the weights  */
    TY_CLASS_STREAM,  /* element-wise: add, scale, copy, ReLU  */
    TY_CLASS_UPDATE,  /* optimizer: SGD with momentum, AdamW   */
    TY_CLASS_SOFTMAX, /* softmax cross-entropy                 */
    TY_CLASS_AUGMENT, /* decode, normalise, shift and rotate   */
    TY_CLASSES
} ty_class;

typedef struct ty_work {
    ty_class cls;
    size_t   m, n, k; /* shape: of a matrix product m x n x k; otherwise m = elements, n = k = 1 */
    double   flops;   /* [flop], multiply and add counted apart; exp, log, sqrt, div count 1 */
    double   bytes;   /* [B] compulsory traffic: every operand read or written once, no write-allocate */
} ty_work;

const char *ty_class_name(ty_class c); /* "gemm_nn", ... */

#endif
