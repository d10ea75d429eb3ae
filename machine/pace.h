/* SPDX-License-Identifier: MIT
 *
 * pace - ranks that compute slower than their machine: stragglers, which always do, and jitter, which is drawn anew for
 * every rank and step. All computing of a rank for a step takes
 *
 *   factor(rank, step) = slow(rank) * (1 + delay(seed, rank, step))
 *
 * times as long. Time is only ever added, so that a real machine can do it, too; the same draw everywhere.
 */
#ifndef TY_MACHINE_PACE_H
#define TY_MACHINE_PACE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

typedef enum ty_jitter {
    TY_STEADY,
    TY_JITTER_EXP,       /* exponential */
    TY_JITTER_UNIFORM,   /* in [0, 2 mean] */
    TY_JITTER_LOGNORMAL, /* its logarithm has standard deviation 1 */
    TY_JITTERS
} ty_jitter;
extern const char *const ty_jitter_name[TY_JITTERS + 1]; /* "steady", "exp", ...; NULL at the end */

enum { TY_MAX_SLOW = 64 };

/* All zero: every rank as fast as its machine. */
typedef struct ty_pace {
    ty_jitter jitter;
    double    mean;   /* of the delay, as a part of the time it adds to */
    uint64_t  seed;
    int       slow_n;
    struct ty_slow {
        int    rank;
        double factor; /* > 1: so many times slower */
    } slow[TY_MAX_SLOW];
} ty_pace;

/* "exp:0.5"; "3:2.0,5:1.5" (rank:factor). TY_EUSAGE says what is wrong and what would do. */
ty_err ty_jitter_parse(const char *text, ty_pace *p);
ty_err ty_slow_parse(const char *text, ty_pace *p);

/* As users write it: "slow 3:2,5:1.5, jitter exp:0.5"; "" when steady. Into buf, which is returned. */
const char *ty_pace_show(const ty_pace *p, char *buf, size_t size);

/* Is any rank ever slower than its machine? */
int ty_pace_is_set(const ty_pace *p);

double ty_pace_factor(const ty_pace *p, int rank, long step);
double ty_pace_mean(const ty_pace *p, int rank); /* of the factor over steps */

/* Mean over steps of the largest factor of `ranks` ranks: what a barrier waits for.
 *   exponential, nobody slow: 1 + mean H_n, H_n = 1 + 1/2 + ... + 1/n;  uniform: 1 + 2 mean n / (n + 1)
 *   in general the integral of 1 - product of the ranks' distribution functions, within 1e-4 of itself */
double ty_pace_slowest(const ty_pace *p, int ranks);

#endif
