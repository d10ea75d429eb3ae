/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

#include <math.h>

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

uint64_t ty_key(uint64_t a, uint64_t b, uint64_t c)
{
    return mix(mix(mix(a) ^ b) ^ c);
}

double ty_uniform(uint64_t key, uint64_t i)
{
    return (double)(mix(key ^ mix(i)) >> 11) * 0x1p-53;
}

double ty_normal(uint64_t key, uint64_t i) /* Box and Muller, 1958 */
{
    double u = 1.0 - ty_uniform(key, 2 * i), v = ty_uniform(key, 2 * i + 1);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void ty_shuffle(uint64_t key, uint32_t *order, uint32_t n) /* Fisher and Yates */
{
    for (uint32_t i = 0; i < n; i++)
        order[i] = i;
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)(ty_uniform(key, i) * i), t = order[i - 1];
        order[i - 1] = order[j];
        order[j] = t;
    }
}
