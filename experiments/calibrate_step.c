/* SPDX-License-Identifier: MIT */
#include "experiments/calibrate_step.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/rng.h"
#include "fabric/memory.h"
#include "kernels/compress.h"

#include <stdlib.h>

/* n floats, the first `set` of them numbers from low to high; the rest is zero and untouched. */
static float *numbers(size_t n, size_t set, uint64_t key, double low, double high)
{
    float *x = ty_zalloc(n, sizeof *x);
    for (size_t i = 0; i < set; i++)
        x[i] = (float)(low + (high - low) * ty_uniform(key, i));
    return x;
}

enum {
    ROOM = 4 * TY_TRIAL_PARAMS + 2 * TY_TRIAL_WIDEST + TY_TRIAL_ACTIVE, /* floats */
    LARGE_PAGE = 2 << 20                                                /* [B] */
};

/* Both places are new to the process, so that they are zero. */
static void init_room(ty_trial *t, ty_trial_room *r)
{
    const size_t bytes = ROOM * sizeof(float);
    r->place[0] = ty_zalloc(ROOM, sizeof(float));
    r->whole = ty_memory_borrow(t->memory, bytes + LARGE_PAGE, 1);
    r->place[1] = (float *)(((uintptr_t)r->whole + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE);
}

void ty_trial_init(ty_trial *t)
{
    *t = (ty_trial){.laid = -1, .data = numbers(TY_TRIAL_DATA, TY_TRIAL_DATA, 5, 0, 1)};
    t->memory = ty_memory_account_new();
    t->tokens = numbers(TY_TRIAL_TOKENS, 0, 0, 0, 0);
    t->labels = numbers(TY_TRIAL_TOKENS, 0, 0, 0, 0);
    for (size_t i = 0; i < TY_TRIAL_TOKENS; i++)
        t->tokens[i] = (float)(int)(TY_TRIAL_CLASSES * ty_uniform(6, i));
    t->owed = numbers(TY_COMPRESSIONS * TY_TRIAL_PARAMS, 0, 0, 0, 0);
    init_room(t, &t->room);
    t->pixels = ty_alloc(TY_TRIAL_PIXELS);
    for (size_t i = 0; i < TY_TRIAL_PIXELS; i++)
        t->pixels[i] = (uint8_t)(i * 2654435761u >> 13);
}

void ty_trial_fini(ty_trial *t)
{
    free(t->room.place[0]);
    ty_memory_return(t->memory, ROOM * sizeof(float) + LARGE_PAGE, t->room.whole);
    ty_memory_account_free(t->memory);
    free(t->data), free(t->tokens), free(t->labels), free(t->owed);
    free(t->pixels);
}

void ty_trial_step(ty_trial *t, int which)
{
    if (t->laid != which)
        ty_trial_lay_out(t, which);
    t->laid = which;
    const ty_trial_call *call = t->call;
    t->steps++;
    double mark = ty_clock();
    for (int i = 0; i < t->calls; i++) {
        call[i].run(&call[i]);
        double now = ty_clock();
        t->seconds[i] = now - mark;
        mark = now;
    }
}
