/* SPDX-License-Identifier: MIT
 *
 * vecmath - exponential functions of a vector, and vectors that end early; private to kernels/.
 */
#ifndef TY_KERNELS_VECMATH_H
#define TY_KERNELS_VECMATH_H

#include "kernels/vec.h"

/* exp(x), error below 2 ulp; x is cut to [-87.3, 88], where the result is 1e-38 and 2e38; a NaN stays a NaN.
 * Source: range reduction and polynomial of Cephes expf (Moshier). */
TY_INLINE ty_vec ty_vec_exp(ty_vec x)
{
    const ty_vec low = (ty_vec){0} - 87.3f, high = (ty_vec){0} + 88.0f;
    x = ty_vec_pick(x < low, low, x);
    x = ty_vec_pick(x > high, high, x);
    const ty_vec round = x * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: low bits are the integer */
    const ty_vec n = round - 12582912.0f;
    const ty_vec r = (x - n * 0.693359375f) + n * 2.12194440e-4f; /* ln 2 in two parts */
    const ty_ivec power = ((ty_ivec)round - 0x4b400000 + 127) << 23;
    ty_vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;

    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1;
    return p * (ty_vec)power;
}

/* 1 / (1 + exp(-x)) */
TY_INLINE ty_vec ty_vec_sigmoid(ty_vec x)
{
    return 1 / (1 + ty_vec_exp(-x));
}

/* tanh(x), absolute error below 3e-7. */
TY_INLINE ty_vec ty_vec_tanh(ty_vec x)
{
    return 2 / (1 + ty_vec_exp(-2 * x)) - 1;
}

/* p[0..n) and zeros; n may exceed the lanes. */
TY_INLINE ty_vec ty_vec_load_some(const float *p, size_t n)
{
    float some[TY_LANES] = {0};

    if (n >= TY_LANES)
        return ty_vec_load(p);
    for (size_t i = 0; i < n; i++)
        some[i] = p[i];
    return ty_vec_load(some);
}

/* p[0..n) = the first lanes of v; n may exceed the lanes. */
TY_INLINE void ty_vec_store_some(float *p, ty_vec v, size_t n)
{
    float some[TY_LANES];

    if (n >= TY_LANES) {
        ty_vec_store(p, v);
        return;
    }
    ty_vec_store(some, v);
    for (size_t i = 0; i < n; i++)
        p[i] = some[i];
}

#endif
