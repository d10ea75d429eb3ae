/* SPDX-License-Identifier: MIT
 *
 * learnt - three plain sentences computed from figures: which strategy won, where the time went, and at what size
 * communication took over.
 */
#ifndef TY_EXPERIMENTS_LEARNT_H
#define TY_EXPERIMENTS_LEARNT_H

#include "experiments/compare.h"

enum { TY_SITE_CASES = 40 };

/* A cluster to predict, and the batch it works on. */
typedef struct ty_site {
    const char *title, *platform;
    size_t batch;
    ty_case cases[TY_SITE_CASES];
    int n;
} ty_site;

/* From the cases measured here (the first is serial on one thread) and the two sites that were simulated. */
void ty_learnt_print(FILE *f, const ty_case *cases, int n, const ty_site site[2]);

#endif
