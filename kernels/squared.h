/* SPDX-License-Identifier: MIT
 *
 * squared - the squared error of predicted values. The laws of kernels.h hold.
 */
#ifndef TY_KERNELS_SQUARED_H
#define TY_KERNELS_SQUARED_H

#include "kernels/work.h"

/* Returns the sum of (y - labels)^2 over n values (in order, in double), and writes
 * dy = 2 scale (y - labels). dy may be y (in place). */
double ty_kernel_squared(float *dy, const float *y, const float *labels, size_t n, float scale);
ty_work ty_work_squared(size_t n); /* TY_CLASS_STREAM */

#endif
