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

/* Widths with even and odd strides, powers of two among them; the state of each leaves the second-level cache of most
 * processors. One network decodes images and uses AdamW. */
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

static void init_images(ty_trial *b)
{
    b->pixels = ty_zalloc(MOST_BATCH, SIDE * SIDE);
    b->image = ty_zalloc(MOST_BATCH, sizeof *b->image);
    b->move = ty_zalloc(MOST_BATCH, sizeof *b->move);
    for (size_t i = 0; i < MOST_BATCH; i++) {
        b->image[i] = b->pixels + i * SIDE * SIDE;
        b->move[i][0] = 0.1f;
        b->move[i][1] = 1.5f;
    }
}

void ty_trial_init(ty_trial *b)
{
    size_t most = 0;
    for (int n = 0; n < NETS; n++)
        most = params(n) > most ? params(n) : most;
    *b = (ty_trial){.param = numbers(most, 1, -0.05, 0.05), .grad = numbers(most, 2, 0, 0)};
    for (int i = 0; i < 2; i++)
        b->state[i] = numbers(most, 3, 0, 0);
    b->inbox = numbers(most, 4, 0, 1e-3);
    b->data = numbers(DATA_BATCHES * MOST_BATCH * MOST_WIDTH, 5, 0, 1);
    b->batch = numbers(MOST_BATCH * MOST_WIDTH, 6, 0, 1);
    b->labels = numbers(MOST_BATCH, 7, 0, 0);
    for (int l = 0; l < LAYERS; l++) {
        b->y[l] = numbers(MOST_BATCH * MOST_WIDTH, 8, 0, 1);
        b->dy[l] = numbers(MOST_BATCH * MOST_WIDTH, 9, 0, 1);
    }
    init_images(b);
}

void ty_trial_fini(ty_trial *b)
{
    free(b->param), free(b->grad), free(b->data), free(b->batch), free(b->labels), free(b->inbox);
    free(b->state[0]), free(b->state[1]);
    for (int l = 0; l < LAYERS; l++)
        free(b->y[l]), free(b->dy[l]);
    free(b->pixels), free(b->image), free(b->move);
}

/* The call that has just ended. */
static void done(ty_trial *b, ty_work w)
{
    double now = ty_clock();
    b->work[b->calls] = w;
    b->seconds[b->calls++] = now - b->mark;
    b->mark = ty_clock();
}

static void load(ty_trial *b, int n, size_t B)
{
    const size_t size = B * net[n].width[0];
    if (net[n].images) {
        ty_kernel_augment(b->batch, b->image, (const float(*)[3])b->move, B, SIDE, SIDE, 0.5f,
                          0.5f);
        done(b, ty_work_augment(B, SIDE, SIDE, 1));
    } else {
        ty_kernel_copy(b->batch, b->data + b->steps++ % DATA_BATCHES * MOST_BATCH * MOST_WIDTH,
                       size);
        done(b, ty_work_copy(size));
    }
}

static void forward(ty_trial *b, int n, size_t B)
{
    const float *x = b->batch, *w = b->param;
    for (int l = 0; l < LAYERS; l++) {
        const size_t in = net[n].width[l], out = net[n].width[l + 1];
        ty_kernel_linear_fwd(b->y[l], x, w, w + in * out, B, out, in);
        done(b, ty_work_linear_fwd(B, out, in));
        if (l < LAYERS - 1) {
            ty_kernel_relu_fwd(b->y[l], B * out);
            done(b, ty_work_relu_fwd(B * out));
        }
        x = b->y[l];
        w += (in + 1) * out;
    }
    const size_t C = net[n].width[LAYERS];
    ty_kernel_softmax_xent(b->dy[LAYERS - 1], x, b->labels, B, C, 1 / (float)B, NULL);
    done(b, ty_work_softmax_xent(B, C));
}

static void backward(ty_trial *b, int n, size_t B)
{
    size_t first = params(n);
    for (int l = LAYERS - 1; l >= 0; l--) {
        const size_t in = net[n].width[l], out = net[n].width[l + 1];
        first -= (in + 1) * out;
        ty_kernel_linear_bwd_w(b->grad + first, l ? b->y[l - 1] : b->batch, b->dy[l], B, out, in);
        done(b, ty_work_linear_bwd_w(B, out, in));
        ty_kernel_linear_bwd_b(b->grad + first + in * out, b->dy[l], B, out);
        done(b, ty_work_linear_bwd_b(B, out));
        if (l == 0)
            continue;
        ty_kernel_linear_bwd_x(b->dy[l - 1], b->dy[l], b->param + first, B, out, in);
        done(b, ty_work_linear_bwd_x(B, out, in));
        ty_kernel_relu_bwd(b->dy[l - 1], b->y[l - 1], B * in);
        done(b, ty_work_relu_bwd(B * in));
    }
}

/* A learning rate of zero: the numbers stay ordinary however long this runs. */
static void update(ty_trial *b, int n)
{
    const size_t P = params(n);
    if (net[n].images) {
        ty_kernel_adamw(b->param, b->state[0], b->state[1], b->grad, P, 0, 0.9f, 0.999f, 1e-8f, 0,
                        1);
        done(b, ty_work_adamw(P));
    } else {
        ty_kernel_sgd(b->param, b->state[0], b->grad, P, 0, 0.9f);
        done(b, ty_work_sgd(P));
    }
}

void ty_trial_step(ty_trial *b, int which)
{
    const int n = which % NETS;
    const size_t B = batches[which / NETS], P = params(n);
    b->calls = 0;
    b->mark = ty_clock();
    load(b, n, B);
    ty_kernel_fill(b->grad, 0, P);
    done(b, ty_work_fill(P));
    forward(b, n, B);
    backward(b, n, B);
    if (n == 0) { /* as an all-reduce between two ranks does with half of the gradient */
        ty_kernel_add(b->grad, b->inbox, P / 2);
        done(b, ty_work_add(P / 2));
    }
    update(b, n);
}
