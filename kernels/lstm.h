/* SPDX-License-Identifier: MIT
 *
 * lstm - a long short-term memory layer over a sequence (Hochreiter and Schmidhuber, Neural Computation 9(8), 1997;
 * forget gate after Gers et al., 2000), forward and backward through time.
 * The laws of kernels.h hold: row-major, arguments borrowed, sizes may be zero, no allocation, bitwise the same result
 * for any number of threads.
 *
 *   T steps, B batch, E input features, H >= 1 hidden units. Time is the outermost dimension.
 *   [i f g o] = x_t wx + h_(t-1) wh + b,  c_t = sigmoid(f) c_(t-1) + sigmoid(i) tanh(g),  h_t = sigmoid(o) tanh(c_t)
 */
#ifndef TY_KERNELS_LSTM_H
#define TY_KERNELS_LSTM_H

#include "kernels/work.h"

typedef struct ty_lstm {
    size_t T, B, E, H;
    const float *wx; /* [E,4H], gates in the order i f g o */
    const float *wh; /* [H,4H] */
    const float *b;  /* [4H] */
    const float *h0; /* [B,H], or NULL: zero */
    const float *c0; /* [B,H], or NULL: zero */
    int last;        /* the loss sees the last h alone: dy is [B,H] */
} ty_lstm;

/* Gradients; each is += but dh0 and dc0, which are written and may be NULL. */
typedef struct ty_lstm_grad {
    float *dwx, *dwh, *db;
    float *dh0, *dc0;
} ty_lstm_grad;

/* y [T,B,H] = h_1 ... h_T for x [T,B,E].
 *   saved   [ty_lstm_saved()] out: gates [T,B,4H] and c [T,B,H]; the last c is its last [B,H]
 *   space   [ty_lstm_space()] workspace, free between calls */
void ty_kernel_lstm_fwd(const ty_lstm *l, float *y, float *saved, float *space, const float *x);

/* dx [T,B,E] (NULL: not wanted) and d from dy [T,B,H], or [B,H] when l->last.
 *   saved   as forward left it, and used up: the gates become their gradients
 *   y, x    as in forward */
void ty_kernel_lstm_bwd(const ty_lstm *l, const ty_lstm_grad *d, float *dx, float *saved,
                        float *space, const float *dy, const float *y, const float *x);

/* y [n,m,E] = x [m,n,E]: from batch outermost to time outermost, or back. */
void ty_kernel_lstm_turn(float *y, const float *x, size_t m, size_t n, size_t E);
ty_work ty_work_lstm_turn(size_t m, size_t n, size_t E); /* TY_CLASS_STREAM */

size_t ty_lstm_saved(size_t T, size_t B, size_t H); /* [floats] */
size_t ty_lstm_space(size_t B, size_t H);           /* [floats] */

/* Both fill in out and return the number of items: the products with all of x, and TY_CLASS_LSTM or _LSTM_BACK m=B n=H
 * k=T for the recurrence. */
enum { TY_LSTM_WORKS = 5 };
int ty_work_lstm_fwd(size_t T, size_t B, size_t E, size_t H, ty_work *out); /* 2 */
int ty_work_lstm_bwd(size_t T, size_t B, size_t E, size_t H, ty_work *out); /* 5, the last is dx */

#endif
