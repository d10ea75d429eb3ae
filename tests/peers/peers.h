/* SPDX-License-Identifier: MIT
 *
 * peers - the matrix products of other libraries, loaded when installed: nothing links them.
 * They get their best kernels: OPENBLAS_CORETYPE and OPENBLAS_L2_SIZE are taken out of the
 * environment, and BLIS is told the widest vectors that this build uses itself.
 */
#ifndef TY_TESTS_PEERS_H
#define TY_TESTS_PEERS_H

#include <stddef.h>

enum { TY_PEERS_MAX = 4 };

/* c [M,N] = a b (+ c), row-major; a stored [K,M], b stored [N,K] when transposed. */
typedef struct ty_peer_product {
    int trans_a, trans_b, accumulate;
    size_t M, N, K;
} ty_peer_product;

typedef struct ty_peer {
    const char *name;
    void (*multiply)(const ty_peer_product *p, const float *a, const float *b, float *c);
} ty_peer;

/* Ours first, then those found. */
extern ty_peer ty_peers[TY_PEERS_MAX];
extern size_t ty_peers_n;

/* Load what is installed and set its threads; says on standard output what was found. */
void ty_peers_open(int threads);

/* c in double, by the naive loops. */
void ty_peer_reference(const ty_peer_product *p, const float *a, const float *b, float *c);

#endif
