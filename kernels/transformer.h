/* SPDX-License-Identifier: MIT
 *
 * transformer - kernels of a decoder-only transformer, and the work of each.
 * The laws of kernels.h hold: row-major, arguments borrowed, outputs first, sizes may be zero, no allocation, bitwise
 * the same result for any number of threads. The other parts of a block are there too: ty_kernel_linear_* for the four
 * projections and the output layer, ty_kernel_add for the residual connection, ty_kernel_softmax_xent for the loss.
 *
 *   B batch, T tokens of a sequence, C channels, V tokens of the vocabulary, H heads, D = C/H channels of a head
 *
 * ty_work_*(..., out) fill in as many items as they return: one kernel may belong to several classes.
 */
#ifndef TY_KERNELS_TRANSFORMER_H
#define TY_KERNELS_TRANSFORMER_H

#include "kernels/work.h"

/* ---- embedding: tokens [B,T] (numbers below V as floats, whole), table [V,C], position [T,C] or NULL -- */
/* y [B,T,C] = table[token] + position[t]; a token outside the vocabulary makes its row NaN. */
void ty_kernel_embedding_fwd(float *y, const float *tokens, const float *table,
                             const float *position, size_t B, size_t T, size_t C, size_t V);
/* dtable[token] += dy [B,T,C]; dposition[t] += dy (may be NULL). Both in the order of the rows of dy; a token outside the
 * vocabulary changes no row of dtable. */
void ty_kernel_embedding_bwd(float *dtable, float *dposition, const float *tokens, const float *dy,
                             size_t B, size_t T, size_t C, size_t V);
/* TY_CLASS_STREAM; positions: 0 or 1, whether they are there */
ty_work ty_work_embedding_fwd(size_t B, size_t T, size_t C, int positions);
ty_work ty_work_embedding_bwd(size_t B, size_t T, size_t C, int positions);

/* ---- layer norm over the C channels of each of M rows (Ba, Kiros, Hinton, arXiv 1607.06450) ---------- */
/* y [M,C] = (x - mean) / std * gain + bias, with std^2 = variance + 1e-5.
 *   saved   [M,2] out: mean and 1/std of each row, for the backward pass
 *   gain, bias   [C] */
void ty_kernel_norm_fwd(float *y, float *saved, const float *x, const float *gain,
                        const float *bias, size_t M, size_t C);
/* dx [M,C] = (accumulate ? dx : 0) + gradient (accumulating joins the residual connection around the norm);
 * dgain, dbias [C] += sums over the rows. */
void ty_kernel_norm_bwd(float *dx, float *dgain, float *dbias, const float *dy, const float *x,
                        const float *saved, const float *gain, int accumulate, size_t M, size_t C);
ty_work ty_work_norm_fwd(size_t M, size_t C);                 /* TY_CLASS_NORM */
ty_work ty_work_norm_bwd(size_t M, size_t C, int accumulate); /* TY_CLASS_NORM */

/* ---- GELU, n elements: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks, Gimpel, arXiv 1606.08415) */
void ty_kernel_gelu_fwd(float *y, const float *x, size_t n);  /* y may be x, but backward needs x */
void ty_kernel_gelu_bwd(float *dy, const float *x, size_t n); /* in place: dy *= slope at x */
ty_work ty_work_gelu_fwd(size_t n); /* TY_CLASS_GELU: bound by exp and division */
ty_work ty_work_gelu_bwd(size_t n);

/* ---- causal attention of H heads, H divides C (Vaswani et al., NeurIPS 2017) ----------------------------
 * qkv [B,T,3C]: each row holds queries, keys and values [C] of a token, each of them [H,D].
 *   p[i,j] = softmax over j <= i of q_i k_j / sqrt(D),  out_i = sum over j <= i of p[i,j] v_j
 * Products of what lies above the diagonal are skipped, but for the tiles of the register kernel that cross it.
 *
 *   p       [ty_kernel_attention_saved()] out: rows [B,H,T], each T floats and padding; above the diagonal anything
 *   space   [ty_kernel_attention_space()] workspace, free between calls. Threads work on whole heads, at most 64 at a
 *           time, and touch only their own part of it: most of the space stays untouched. */
void ty_kernel_attention_fwd(float *out, float *p, float *space, const float *qkv, size_t B,
                             size_t T, size_t C, size_t H);
/* dqkv [B,T,3C] from dout [B,T,C]; p as forward left it, and used up: it becomes the gradient of the scores. */
void ty_kernel_attention_bwd(float *dqkv, float *p, float *space, const float *dout,
                             const float *qkv, size_t B, size_t T, size_t C, size_t H);
size_t ty_kernel_attention_saved(size_t B, size_t T, size_t H);           /* [floats] */
size_t ty_kernel_attention_space(size_t B, size_t T, size_t C, size_t H); /* [floats] */
/* Flops of j <= i only. Writes TY_ATTENTION_WORKS items and returns that number. */
enum { TY_ATTENTION_WORKS = 1 };
int ty_work_attention_fwd(size_t B, size_t T, size_t C, size_t H,
                          ty_work *out); /* TY_CLASS_ATTENTION m=T n=D k=B*H */
int ty_work_attention_bwd(size_t B, size_t T, size_t C, size_t H, ty_work *out);

#endif
