/* SPDX-License-Identifier: MIT
 *
 * kernels - arithmetic on float*, and the work (flops, bytes) of each.
 * Row-major, outermost dimension first. Arguments are borrowed; outputs come first and must not overlap
 * inputs unless the comment says "in place". Sizes may be zero. Nothing fails, allocates, prints or knows
 * ranks. Every result is bitwise the same for any number of OpenMP threads: threads split outputs, never
 * a summed index.
 */
#ifndef TY_KERNELS_KERNELS_H
#define TY_KERNELS_KERNELS_H

#include "base/err.h"
#include "kernels/work.h"

#include <stdint.h>

/* The OpenMP team of the calling thread's kernels, >= 1. Costs nothing until the next kernel. */
void ty_kernel_set_threads(int threads);
int  ty_kernel_max_threads(void); /* processors this process may use */
int  ty_kernel_openmp(void);      /* version built with, as its date: 201511; 0: one thread each */
/* Bind the calling thread and its team to processors of their own: number first, first + 1, ... of those that the process may
 * use, counted round. Threads that sleep and wake are otherwise put onto one processor beside an idle one for
 * many milliseconds. first < 0: the calling thread may run anywhere again. */
void ty_kernel_bind(int first);

/* First thing in main(): make OpenMP threads that wait go to sleep after about 0.1 ms of spinning. By default they
 * spin for 10 ms, and while a neighbour holds a core every kernel then takes 10 ms longer. The variable is
 * read before main, so this sets it and runs the program anew, once; nothing happens when GOMP_SPINCOUNT or
 * OMP_WAIT_POLICY is set already, or without OpenMP.
 *   argv   as main got it, ending in NULL */
void ty_kernel_spin_briefly(char **argv);

/* ---- linear layer: x [M,K], w [K,N], b [N] or NULL, y [M,N] ------------------------------------------ */
/* y = x w + b */
void ty_kernel_linear_fwd(float *y, const float *x, const float *w, const float *b, size_t M,
                          size_t N, size_t K);
/* dx [M,K] = dy [M,N] w^T */
void ty_kernel_linear_bwd_x(float *dx, const float *dy, const float *w, size_t M, size_t N, size_t K);
/* dw [K,N] += x^T dy */
void ty_kernel_linear_bwd_w(float *dw, const float *x, const float *dy, size_t M, size_t N, size_t K);
/* db [N] += column sums of dy [M,N] */
void ty_kernel_linear_bwd_b(float *db, const float *dy, size_t M, size_t N);
ty_work ty_work_linear_fwd(size_t M, size_t N, size_t K);   /* TY_CLASS_GEMM_NN m=M n=N k=K */
ty_work ty_work_linear_bwd_x(size_t M, size_t N, size_t K); /* TY_CLASS_GEMM_NT m=M n=K k=N */
ty_work ty_work_linear_bwd_w(size_t M, size_t N, size_t K); /* TY_CLASS_GEMM_TN m=K n=N k=M */
ty_work ty_work_linear_bwd_b(size_t M, size_t N);           /* TY_CLASS_STREAM */

/* ---- ReLU, n elements, in place ------------------------------------------------------------------------- */
void ty_kernel_relu_fwd(float *y, size_t n);                  /* y = max(y, 0) */
void ty_kernel_relu_bwd(float *dy, const float *y, size_t n); /* dy = y > 0 ? dy : 0 */
ty_work ty_work_relu_fwd(size_t n);
ty_work ty_work_relu_bwd(size_t n);

/* ---- softmax cross-entropy: logits [B,C], labels [B] (class index as a float, integer-valued) ---------- */
/* A label that is no class makes the loss NaN, as a NaN among the logits does.
 * Returns the sum over rows of -log softmax(logits)[label] (summed in row order, in double), and writes
 * dlogits [B,C] = scale * (softmax(logits) - onehot(label)). dlogits may be logits (in place).
 * *correct (may be NULL) gets the number of rows whose largest logit (the first of equals) is the label. */
double ty_kernel_softmax_xent(float *dlogits, const float *logits, const float *labels, size_t B,
                              size_t C, float scale, size_t *correct);
ty_work ty_work_softmax_xent(size_t B, size_t C);

/* ---- optimizers, n elements ------------------------------------------------------------------------------ */
/* v = momentum v + g; p -= lr v */
void ty_kernel_sgd(float *p, float *v, const float *g, size_t n, float lr, float momentum);
/* AdamW (Loshchilov and Hutter, ICLR 2019): m, v moments; step counts from 1 */
void ty_kernel_adamw(float *p, float *m, float *v, const float *g, size_t n, float lr, float beta1,
                     float beta2, float eps, float decay, int step);
ty_work ty_work_sgd(size_t n);
ty_work ty_work_adamw(size_t n);

/* ---- element-wise, n elements ---------------------------------------------------------------------------- */
void ty_kernel_add(float *acc, const float *x, size_t n);   /* acc += x */
void ty_kernel_scale(float *x, float a, size_t n);          /* x *= a   */
void ty_kernel_copy(float *y, const float *x, size_t n);    /* y = x    */
void ty_kernel_fill(float *y, float a, size_t n);           /* y = a    */
ty_work ty_work_add(size_t n);
ty_work ty_work_scale(size_t n);
ty_work ty_work_copy(size_t n);
ty_work ty_work_fill(size_t n);

/* ---- image preprocessing ----------------------------------------------------------------------------------- */
/* Decode B grey images of h x w bytes to floats, normalise, rotate and shift:
 *   out [B,h*w] = bilinear sample of (image/255 - mean)/std; outside the image is 0/255. The content turns by angle
 *   from right towards down about the centre ((w-1)/2, (h-1)/2), then moves by dx to the right and dy down.
 *   image  B pointers to h*w bytes, 0..255
 *   move   [B][3] angle [rad], dx, dy [pixels]; NULL: no movement (plain decode) */
void ty_kernel_augment(float *out, const uint8_t *const *image, const float (*move)[3], size_t B,
                       size_t h, size_t w, float mean, float std);
ty_work ty_work_augment(size_t B, size_t h, size_t w, int moved); /* TY_CLASS_AUGMENT; TY_CLASS_STREAM unless moved */

/* ---- the rulers ------------------------------------------------------------------------------------------- */
/* Peak rate of fused multiply-add on registers, all threads of the team: runs for about `seconds`,
 * returns [flop/s]. */
double ty_kernel_fma_peak(double seconds);
/* a = b + s c, n elements: the triad of STREAM (McCalpin, 1995). It moves 12 B and does 2 flop an element; what a
 * cache fetches before it is written to (4 B an element more) is by convention not counted. */
void ty_kernel_triad(float *a, const float *b, const float *c, float s, size_t n);

/* c [M,N] = a [M,K] b [K,N] + (accumulate ? c : 0), with either operand stored transposed (a as [K,M], b as [N,K]).
 * The product under all linear kernels. Each element is one chain of multiply-adds over k in rising order that begins
 * with c (or the bias, or 0), whatever M, N and the threads are: rows and columns may be sharded at will. Fastest when
 * arrays begin at multiples of 64 bytes. Keeps 1.5 MB a thread in thread-local storage: give threads default stacks. */
void ty_kernel_gemm(int trans_a, int trans_b, size_t M, size_t N, size_t K, const float *a,
                    const float *b, int accumulate, float *c);
/* From now on multiply by a CBLAS of this machine instead (--gemm blas), on this process's own threads: for comparison.
 * The order of additions is then the library's, and may differ with the number of threads. Before any rank starts.
 *   library   gets the name of what was loaded; may be NULL
 * TY_EMISSING, and nothing changes, when there is none. */
ty_err ty_kernel_use_blas(const char **library);
void ty_kernel_use_own_gemm(void); /* back again */

#endif
