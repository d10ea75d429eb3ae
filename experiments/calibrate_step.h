/* SPDX-License-Identifier: MIT
 *
 * calibrate_step - training steps of small networks, timed call by call; private to calibrate.
 * A kernel called over and over on the same operands finds them in its caches; in a training step
 * it finds them where the calls before left them, perhaps in the cache of another core. So the
 * calls are timed inside steps.
 *
 *   calibrate_nets.c   the networks: perceptrons, convolutions, a transformer's block, an LSTM layer
 *   calibrate_calls.c  the layers they are made of: which kernels, on what, in what order
 *   calibrate_step.c   room for their numbers, and the clock
 */
#ifndef TY_EXPERIMENTS_CALIBRATE_STEP_H
#define TY_EXPERIMENTS_CALIBRATE_STEP_H

#include "experiments/calibrate.h"
#include "kernels/conv.h"

#include <stdint.h>

enum { TY_CALLS = 128 }; /* room for the calls of a step */

/* One call of a kernel: what it works on. */
typedef struct ty_trial_call ty_trial_call;
struct ty_trial_call {
    void (*run)(const ty_trial_call *c);
    float *p[8];
    size_t n[5];
    ty_conv conv;
    struct ty_trial *t;
    ty_work work[TY_CALL_WORKS];
    int works;
};

/* Floats of the parts of a room; only what a network uses is ever touched. */
enum {
    TY_TRIAL_PARAMS = 4 << 20,
    TY_TRIAL_WIDEST = 8 << 20,
    TY_TRIAL_ACTIVE = 48 << 20,
    TY_TRIAL_DATA = 1 << 18
};
enum { TY_TRIAL_PIXELS = 16 << 20, TY_TRIAL_BATCH = 256 };
enum { TY_TRIAL_TOKENS = 4096, TY_TRIAL_CLASSES = 6 };

/* Where the numbers of a network are; all networks share it. Tensors are on ordinary pages or, when
 * they are large, on large ones (see fabric/memory.c): each kind of page has a place for all. */
typedef struct ty_trial_room {
    float *place[2]; /* parameters, gradients, two states, two gradients of activations, activations */
    float *whole;    /* what place[1] is in */
    int ready[2];    /* parameters hold small numbers, which never change */
} ty_trial_room;

/* What one rank needs, and the case that is laid out. */
typedef struct ty_trial {
    ty_trial_room room;
    struct ty_memory_account *memory;
    float *data;            /* what batches are copied from */
    float *tokens, *labels; /* small whole numbers */
    float *owed;            /* of gradients compressed in each way: what has not been sent */
    uint8_t *pixels;        /* of a data set: images of any size */
    const uint8_t *image[TY_TRIAL_BATCH]; /* of a batch */
    float move[TY_TRIAL_BATCH][3];
    unsigned steps;
    /* the case laid out last, and the seconds of its last step */
    int laid, calls;
    double set; /* [B] that its steps touch in turn */
    ty_trial_call call[TY_CALLS];
    double seconds[TY_CALLS];
} ty_trial;

void ty_trial_init(ty_trial *t);
void ty_trial_fini(ty_trial *t);

/* Cases: networks times batches. */
int ty_trial_cases(void);

/* One step of case 0 .. ty_trial_cases() - 1; t->calls, set, call and seconds tell what it did. */
void ty_trial_step(ty_trial *t, int which);

/* ---- for the networks ------------------------------------------------------------------------ */

/* A network as it grows, layer by layer. */
typedef struct ty_build {
    ty_trial *t;
    const ty_trial_room *room;
    float *param, *grad, *state[2], *dy[2]; /* of so many parameters, and of the widest layer */
    ty_trial_call *call; /* [TY_CALLS] forward, then backward */
    int calls;
    float *x; /* [rows,width], what the last layer left; its gradient is dy[turn] */
    size_t rows, width;
    int turn;
    int first;             /* no layer has been added: nobody wants the gradient of its input */
    size_t params, active[2], widest; /* floats in use; of each kind of page */
    ty_trial_call back[TY_CALLS]; /* of the backward pass, the last one first */
    int backs;
} ty_build;

/* Inputs: batches of numbers copied, images decoded and moved, tokens of a vocabulary. */
void ty_build_numbers(ty_build *b, size_t B, size_t width);
void ty_build_images(ty_build *b, size_t B, size_t side);
/* [B,T] tokens become B T rows of C channels. */
void ty_build_tokens(ty_build *b, size_t B, size_t T, size_t C);

void ty_build_linear(ty_build *b, size_t out);
void ty_build_relu(ty_build *b);
void ty_build_gelu(ty_build *b);
/* x is C planes of side x side; returns the side of y. */
size_t ty_build_conv(ty_build *b, size_t C, size_t side, size_t F, size_t K, size_t P);
size_t ty_build_pool(ty_build *b, size_t C, size_t side);
void ty_build_norm(ty_build *b);
void ty_build_attention(ty_build *b, size_t B, size_t T, size_t H); /* x [B T, 3C] to [B T, C] */
void ty_build_residual(ty_build *b, float *from);                   /* x += from */
void ty_build_lstm(ty_build *b, size_t T, size_t H); /* x [B, T E] to the last h [B,H] */

/* What a rank of a team does besides: half of the gradient is summed; it is compressed in each way and added up again;
 * parameters are shared, read before the step and changed after it. */
typedef enum ty_trial_team { TY_NO_TEAM, TY_TEAM_SUMS, TY_TEAM_PACKS, TY_TEAM_SHARES } ty_trial_team;

/* Loss, the backward pass and the optimizer. */
void ty_build_end(ty_build *b, int adamw, ty_trial_team team);

/* Begin a network, with tensors of `params` and `widest` floats. */
ty_build ty_build_new(ty_trial *t, size_t params, size_t widest);

/* Lay case `which` out: fill in t->call, calls and set. */
void ty_trial_lay_out(ty_trial *t, int which);

#endif
