/* SPDX-License-Identifier: MIT
 *
 * calibrate_step - training steps of small networks, timed call by call; private to calibrate.
 * A kernel called over and over on the same operands finds them in its caches; in a training step
 * it finds them where the calls before left them, perhaps in the cache of another core. So the
 * calls are timed inside steps.
 */
#ifndef TY_EXPERIMENTS_CALIBRATE_STEP_H
#define TY_EXPERIMENTS_CALIBRATE_STEP_H

#include "kernels/work.h"

#include <stdint.h>

enum { TY_CASES = 18, TY_CALLS = 24 }; /* networks times batches; room for the calls of a step */

/* The buffers of one rank, large enough for every case. */
typedef struct ty_trial {
    float *param, *grad, *state[2], *data, *batch, *labels, *inbox;
    float *y[3], *dy[3]; /* outputs of the layers and their gradients */
    uint8_t *pixels;
    const uint8_t **image;
    float (*move)[3];
    unsigned steps; /* so far: chooses the batch */
    /* of the last step */
    int calls;
    ty_work work[TY_CALLS];
    double seconds[TY_CALLS];
    double mark;
} ty_trial;

void ty_trial_init(ty_trial *t);
void ty_trial_fini(ty_trial *t);

/* One step of case 0 .. TY_CASES - 1; t->calls, work and seconds tell what it did. */
void ty_trial_step(ty_trial *t, int which);

#endif
