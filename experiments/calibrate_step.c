/* SPDX-License-Identifier: MIT */
#include "experiments/calibrate_step.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/rng.h"
#include "kernels/kernels.h"

#include <stdlib.h>

enum {
    LAYERS = 3,
    NETS = 3,
    BATCHES = 6,
    MOST_BATCH = 160,
    MOST_WIDTH = 896,
    DATA_BATCHES = 16,
    SIDE = 24
};

/* Widths with even and odd strides, powers of two among them; the state of each leaves the
 * second-level cache of most processors. One network decodes images and uses AdamW. */
static const struct {
    size_t width[LAYERS + 1];
    int images;
} net[NETS] = {{{640, 448, 192, 12}, 0}, {{896, 512, 300, 14}, 0}, {{SIDE * SIDE, 384, 256, 8}, 1}};

static const size_t batches[BATCHES] = {20, 36, 48, 80, 112, MOST_BATCH};

static size_t params(int n)
{
    size_t sum = 0;
    for (int l = 0; l < LAYERS; l++)
        sum += (net[n].width[l] + 1) * net[n].width[l + 1];
    return sum;
}

static float *numbers(size_t n, uint64_t key, double low, double high)
{
    float *x = ty_alloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(low + (high - low) * ty_uniform(key, i));
    return x;
}

static void init_images(ty_trial *t)
{
    t->pixels = ty_zalloc(MOST_BATCH, SIDE * SIDE);
    t->image = ty_zalloc(MOST_BATCH, sizeof *t->image);
    t->move = ty_zalloc(MOST_BATCH, sizeof *t->move);
    for (size_t i = 0; i < MOST_BATCH; i++) {
        t->image[i] = t->pixels + i * SIDE * SIDE;
        t->move[i][0] = 0.1f;
        t->move[i][1] = 1.5f;
    }
}

void ty_trial_init(ty_trial *t)
{
    size_t most = 0;
    for (int n = 0; n < NETS; n++)
        most = params(n) > most ? params(n) : most;
    *t = (ty_trial){.param = numbers(most, 1, -0.05, 0.05), .grad = numbers(most, 2, 0, 0)};
    for (int i = 0; i < 2; i++)
        t->state[i] = numbers(most, 3, 0, 0);
    t->inbox = numbers(most, 4, 0, 1e-3);
    t->data = numbers(DATA_BATCHES * MOST_BATCH * MOST_WIDTH, 5, 0, 1);
    t->batch = numbers(MOST_BATCH * MOST_WIDTH, 6, 0, 1);
    t->labels = numbers(MOST_BATCH, 7, 0, 0);
    for (int l = 0; l < LAYERS; l++) {
        t->y[l] = numbers(MOST_BATCH * MOST_WIDTH, 8, 0, 1);
        t->dy[l] = numbers(MOST_BATCH * MOST_WIDTH, 9, 0, 1);
    }
    init_images(t);
}

void ty_trial_fini(ty_trial *t)
{
    free(t->param), free(t->grad), free(t->data), free(t->batch), free(t->labels), free(t->inbox);
    free(t->state[0]), free(t->state[1]);
    for (int l = 0; l < LAYERS; l++)
        free(t->y[l]), free(t->dy[l]);
    free(t->pixels), free(t->image), free(t->move);
}

/* The call that has just ended. */
static void done(ty_trial *t, ty_work w)
{
    double now = ty_clock();
    t->work[t->calls] = w;
    t->seconds[t->calls++] = now - t->mark;
    t->mark = ty_clock();
}

static void load(ty_trial *t, int n, size_t B)
{
    const size_t size = B * net[n].width[0];
    if (net[n].images) {
        ty_kernel_augment(t->batch, t->image, (const float(*)[3])t->move, B, SIDE, SIDE, 0.5f,
                          0.5f);
        done(t, ty_work_augment(B, SIDE, SIDE, 1));
    } else {
        ty_kernel_copy(t->batch, t->data + t->steps++ % DATA_BATCHES * MOST_BATCH * MOST_WIDTH,
                       size);
        done(t, ty_work_copy(size));
    }
}

static void forward(ty_trial *t, int n, size_t B)
{
    const float *x = t->batch, *w = t->param;
    for (int l = 0; l < LAYERS; l++) {
        const size_t in = net[n].width[l], out = net[n].width[l + 1];
        ty_kernel_linear_fwd(t->y[l], x, w, w + in * out, B, out, in);
        done(t, ty_work_linear_fwd(B, out, in));
        if (l < LAYERS - 1) {
            ty_kernel_relu_fwd(t->y[l], B * out);
            done(t, ty_work_relu_fwd(B * out));
        }
        x = t->y[l];
        w += (in + 1) * out;
    }
    const size_t C = net[n].width[LAYERS];
    ty_kernel_softmax_xent(t->dy[LAYERS - 1], x, t->labels, B, C, 1 / (float)B, NULL);
    done(t, ty_work_softmax_xent(B, C));
}

static void backward(ty_trial *t, int n, size_t B)
{
    size_t first = params(n);
    for (int l = LAYERS - 1; l >= 0; l--) {
        const size_t in = net[n].width[l], out = net[n].width[l + 1];
        first -= (in + 1) * out;
        ty_kernel_linear_bwd_w(t->grad + first, l ? t->y[l - 1] : t->batch, t->dy[l], B, out, in);
        done(t, ty_work_linear_bwd_w(B, out, in));
        ty_kernel_linear_bwd_b(t->grad + first + in * out, t->dy[l], B, out);
        done(t, ty_work_linear_bwd_b(B, out));
        if (l == 0)
            continue;
        ty_kernel_linear_bwd_x(t->dy[l - 1], t->dy[l], t->param + first, B, out, in);
        done(t, ty_work_linear_bwd_x(B, out, in));
        ty_kernel_relu_bwd(t->dy[l - 1], t->y[l - 1], B * in);
        done(t, ty_work_relu_bwd(B * in));
    }
}

/* A learning rate of zero: the numbers stay ordinary however long this runs. */
static void update(ty_trial *t, int n)
{
    const size_t P = params(n);
    if (net[n].images) {
        ty_kernel_adamw(t->param, t->state[0], t->state[1], t->grad, P, 0, 0.9f, 0.999f, 1e-8f, 0,
                        1);
        done(t, ty_work_adamw(P));
    } else {
        ty_kernel_sgd(t->param, t->state[0], t->grad, P, 0, 0.9f);
        done(t, ty_work_sgd(P));
    }
}

void ty_trial_step(ty_trial *t, int which)
{
    const int n = which % NETS;
    const size_t B = batches[which / NETS], P = params(n);
    t->calls = 0;
    t->mark = ty_clock();
    load(t, n, B);
    ty_kernel_fill(t->grad, 0, P);
    done(t, ty_work_fill(P));
    forward(t, n, B);
    backward(t, n, B);
    if (n == 0) { /* as an all-reduce between two ranks does with half of the gradient */
        ty_kernel_add(t->grad, t->inbox, P / 2);
        done(t, ty_work_add(P / 2));
    }
    update(t, n);
}
