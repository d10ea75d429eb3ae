/* SPDX-License-Identifier: MIT
 *
 * vec - the widest float vector of this processor, as a GCC vector type; private to kernels/.
 * One source serves AVX-512, AVX2, SSE and NEON: only the number of lanes and of registers differs.
 */
#ifndef TY_KERNELS_VEC_H
#define TY_KERNELS_VEC_H

#include <stddef.h>
#include <stdint.h>

#if defined(__AVX512F__)
#define TY_LANES_LOG2 4
enum { TY_LANES = 16, TY_TILE_ROWS = 14 }; /* 28 sums + 2 of b + 1 of a = 31 of 32 registers */
#elif defined(__AVX__)
#define TY_LANES_LOG2 3
enum { TY_LANES = 8, TY_TILE_ROWS = 6 }; /* 12 + 2 + 1 of 16 */
#elif defined(__aarch64__)
#define TY_LANES_LOG2 2
enum { TY_LANES = 4, TY_TILE_ROWS = 12 }; /* 24 + 2 + 3 of 32 */
#else
#define TY_LANES_LOG2 2
enum { TY_LANES = 4, TY_TILE_ROWS = 6 };
#endif

/* aligned(4): loads and stores need no alignment; may_alias: they may look at any float array. */
typedef float ty_vec __attribute__((vector_size(4 * TY_LANES), aligned(4), may_alias));
typedef int32_t ty_ivec __attribute__((vector_size(4 * TY_LANES), aligned(4), may_alias));

#define TY_INLINE static inline __attribute__((always_inline))

TY_INLINE ty_vec ty_vec_load(const float *p)
{
    return *(const ty_vec *)p;
}

TY_INLINE void ty_vec_store(float *p, ty_vec v)
{
    *(ty_vec *)p = v;
}

/* yes where mask is -1, no where it is 0. */
TY_INLINE ty_vec ty_vec_pick(ty_ivec mask, ty_vec yes, ty_vec no)
{
    return (ty_vec)((mask & (ty_ivec)yes) | (~mask & (ty_ivec)no));
}

/* Lanes i and i ^ step change places. */
#define TY_VEC_SWAP(v, step) __builtin_shuffle((v), ty_lane() ^ (step))

TY_INLINE ty_ivec ty_lane(void)
{
    ty_ivec lane;
#pragma GCC unroll 16
    for (int i = 0; i < TY_LANES; i++)
        lane[i] = i;
    return lane;
}

/* Across the lanes, as a tree: the same order on every call. */
TY_INLINE float ty_vec_sum(ty_vec v)
{
#pragma GCC unroll 4
    for (int step = TY_LANES / 2; step > 0; step /= 2)
        v += TY_VEC_SWAP(v, step);
    return v[0];
}

TY_INLINE float ty_vec_max(ty_vec v)
{
#pragma GCC unroll 4
    for (int step = TY_LANES / 2; step > 0; step /= 2) {
        const ty_vec w = TY_VEC_SWAP(v, step);
        v = ty_vec_pick(w > v, w, v);
    }
    return v[0];
}

#endif
