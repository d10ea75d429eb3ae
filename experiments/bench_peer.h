/* SPDX-License-Identifier: MIT
 *
 * bench_peer - OpenBLAS, when it is installed: for comparison alone, so nothing links with it.
 */
#ifndef TY_EXPERIMENTS_BENCH_PEER_H
#define TY_EXPERIMENTS_BENCH_PEER_H

#include "experiments/bench_case.h"

/* Look for it and give it so many threads. Its OpenMP flavour is preferred: it runs on the same team as our kernels, while
 * the threads of the other flavour spin beside them. Returns a sentence: which one, or how to get it. */
const char *ty_peer_open(int threads);

int ty_peer_there(void);
int ty_peer_spins(void); /* true when its idle threads would slow ours */

/* c = a b (+ c), with c instead of the case's own. */
void ty_peer_multiply(const ty_bench_product *p, float *const *a, float *c);

#endif
