/* SPDX-License-Identifier: MIT
 *
 * squared - a loss has few values (one or some a sample): one thread sums them in order.
 */
#include "kernels/squared.h"

double ty_kernel_squared(float *dy, const float *y, const float *labels, size_t n, float scale)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const float off = y[i] - labels[i];
        sum += (double)off * (double)off;
        dy[i] = 2 * scale * off;
    }
    return sum;
}

/* Difference, square, sum, two factors; reads values and labels, writes dy. */
ty_work ty_work_squared(size_t n)
{
    return (ty_work){TY_CLASS_STREAM, n, 1, 1, 5 * (double)n, 12 * (double)n};
}
