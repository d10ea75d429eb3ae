/* SPDX-License-Identifier: MIT
 *
 * compress - gradients made small for sending, and added up again. The laws of kernels.h hold: arguments borrowed, outputs
 * first, sizes may be zero, no allocation, bitwise the same result for any number of threads.
 *
 *   top-k   the k largest by size, each with its place: 8 bytes          Lin et al., Deep gradient compression, ICLR 2018
 *   8 bit   a block of 1024 shares a scale, each number is -127 .. 127 of it   Dettmers, ICLR 2016
 *   1 bit   the sign; a block of 1024 shares the mean of its positive and of its negative numbers
 *                                                                        Seide et al., 1-bit SGD, Interspeech 2014
 *
 * What compression drops is not lost: it stays in `error` and is added to the next gradient (error feedback; Karimireddy et
 * al., ICML 2019).
 */
#ifndef TY_KERNELS_COMPRESS_H
#define TY_KERNELS_COMPRESS_H

#include "kernels/work.h"

typedef enum ty_compression { TY_TOPK, TY_8BIT, TY_1BIT, TY_COMPRESSIONS } ty_compression;

extern const char *const ty_compression_name[]; /* by ty_compression, NULL at the end */

/* Floats that n numbers are packed into; k: of top-k, at most n. */
size_t ty_packed(ty_compression how, size_t n, size_t k);

/* packed = what is sent of error[n] + x[n]; error = what is left of it. */
void ty_kernel_compress(ty_compression how, float *packed, float *error, const float *x, size_t n,
                        size_t k);
/* y[n] += what packed says */
void ty_kernel_decompress_add(ty_compression how, float *y, const float *packed, size_t n, size_t k);

ty_work ty_work_compress(ty_compression how, size_t n, size_t k);       /* TY_CLASS_PACK */
ty_work ty_work_decompress_add(ty_compression how, size_t n, size_t k); /* likewise; 8 bit: TY_CLASS_STREAM */

#endif
