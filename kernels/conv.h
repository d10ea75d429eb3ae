/* SPDX-License-Identifier: MIT
 *
 * conv - 2-D convolution and 2 x 2 max pooling of images [B,C,H,W], with their gradients and work.
 * The manner of kernels.h: arguments are borrowed, outputs come first and overlap nothing, sizes
 * may be zero, nothing fails or allocates, and every result is bitwise the same for any number of
 * threads.
 */
#ifndef TY_KERNELS_CONV_H
#define TY_KERNELS_CONV_H

#include "kernels/work.h"

/* A convolution of stride 1:
 *   y[b,f,i,j] = bias[f] + sum over c, m, n of w[f,c,m,n] * x[b,c, i+m-P, j+n-P]
 * where x is 0 outside its image.
 *   x [B,C,H,W]   w [F,C,K,K]   bias [F]   y [B,F, H+2P-K+1, W+2P-K+1], empty when K is too large
 *   K >= 1; P is 0 .. K-1, (K-1)/2 keeps the size of the image when K is odd */
typedef struct ty_conv {
    size_t B, C, H, W; /* images, channels, rows, columns */
    size_t F, K, P;    /* filters, rows and columns of each, zeros around the image */
} ty_conv;

size_t ty_conv_rows(const ty_conv *s); /* of y: H + 2P - K + 1, or 0 */
size_t ty_conv_cols(const ty_conv *s);

/* Floats of workspace that each kernel below needs; depends on the shape alone, not on threads.
 * Its contents are of no use before or after; fastest when it begins at a multiple of 64 bytes. */
size_t ty_conv_workspace(const ty_conv *s);

/* y = conv(x, w) + bias; bias may be NULL */
void ty_kernel_conv_fwd(float *y, const float *x, const float *w, const float *bias,
                        const ty_conv *s, float *workspace);
/* dx [B,C,H,W] = gradient of x */
void ty_kernel_conv_bwd_x(float *dx, const float *dy, const float *w, const ty_conv *s,
                          float *workspace);
/* dw [F,C,K,K] += gradient of w; dbias [F] += sums of dy, unless dbias is NULL */
void ty_kernel_conv_bwd_w(float *dw, float *dbias, const float *x, const float *dy,
                          const ty_conv *s, float *workspace);

/* The work of each as one product, which counts the zeros around an image too. Its shape is what
 * the tiles compute: some more positions, planes and elements of filters than there are. Writes
 * TY_CONV_WORKS items and returns that number. */
enum { TY_CONV_WORKS = 1 };
int ty_work_conv_fwd(const ty_conv *s, ty_work *out);   /* TY_CLASS_CONV m=positions n=F k=C*K*K */
int ty_work_conv_bwd_x(const ty_conv *s, ty_work *out); /* TY_CLASS_CONV m=positions n=C k=F*K*K */
int ty_work_conv_bwd_w(const ty_conv *s, ty_work *out); /* TY_CLASS_CONV_W m=C*K*K n=F k=positions */

/* ---- max pooling of n planes [H,W]: the largest of each 2 x 2 square ------------------------- */
/* An odd last row or column belongs to no square. A NaN is larger than anything. */
/* y [n, H/2, W/2] */
void ty_kernel_pool_fwd(float *y, const float *x, size_t n, size_t H, size_t W);
/* dx [n,H,W]: dy [n, H/2, W/2] where x was the largest of its square, the first of equals (rows
 * before columns); 0 elsewhere. x is the input of fwd: nothing else need be remembered. */
void ty_kernel_pool_bwd(float *dx, const float *dy, const float *x, size_t n, size_t H, size_t W);
ty_work ty_work_pool_fwd(size_t n, size_t H, size_t W); /* TY_CLASS_POOL */
ty_work ty_work_pool_bwd(size_t n, size_t H, size_t W);

#endif
