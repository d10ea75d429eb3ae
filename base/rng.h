/* SPDX-License-Identifier: MIT
 *
 * rng - random numbers as a function of a key, never of a sequence: the same (seed, epoch, sample)
 * draws the same number on every rank, fabric and thread count.
 * Source: the finaliser is splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
 */
#ifndef TY_BASE_RNG_H
#define TY_BASE_RNG_H

#include <stdint.h>

/* A key that depends on all three words. Chain it for more words. */
uint64_t ty_key(uint64_t a, uint64_t b, uint64_t c);

/* Draw number i of the key: uniform in [0, 1), and standard normal. */
double ty_uniform(uint64_t key, uint64_t i);
double ty_normal(uint64_t key, uint64_t i);

/* Fill order[n] with a permutation of 0..n-1 that depends on the key alone. */
void ty_shuffle(uint64_t key, uint32_t *order, uint32_t n);

#endif
