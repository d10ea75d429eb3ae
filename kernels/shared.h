/* SPDX-License-Identifier: MIT
 *
 * shared - numbers that several threads read and change at the same time, without a lock. Each element is loaded and stored
 * by relaxed atomics: nobody sees half a number, everything else may be seen in any order, and of two changes at the same
 * moment one may be lost. The laws of kernels.h hold for a caller that is alone.
 */
#ifndef TY_KERNELS_SHARED_H
#define TY_KERNELS_SHARED_H

#include "kernels/work.h"

/* y = shared; both [n], y is the caller's own */
void ty_kernel_shared_read(float *y, const float *shared, size_t n);
/* shared += now - before, all [n]: what the caller has changed. Exactly `now` where nobody else has changed anything. */
void ty_kernel_shared_add(float *shared, const float *now, const float *before, size_t n);

ty_work ty_work_shared_read(size_t n); /* TY_CLASS_SHARED */
ty_work ty_work_shared_add(size_t n);  /* TY_CLASS_SHARED */

#endif
