/* SPDX-License-Identifier: MIT
 *
 * calibrate_nets - the networks whose steps are timed. Together they spread the shapes of each
 * kernel from narrow to wide and from cache to memory; none of them is a network that predictions
 * are judged by.
 */
#include "experiments/calibrate_step.h"
#include "kernels/compress.h"

enum { BATCHES = 4 };

typedef struct net {
    void (*build)(ty_build *b, const struct net *n, size_t B);
    size_t batch[BATCHES]; /* 0: none */
    size_t size[5];
    int adamw;
    int layers; /* of a transformer */
    ty_trial_team team;
} net;

/* Widths with even and odd strides, powers of two among them; the state of each leaves the
 * second-level cache of most processors. */
static void perceptron(ty_build *b, const net *n, size_t B)
{
    ty_build_numbers(b, B, n->size[0]);
    ty_build_linear(b, n->size[1]);
    ty_build_relu(b);
    ty_build_linear(b, n->size[2]);
    ty_build_relu(b);
    ty_build_linear(b, n->size[3]);
    ty_build_end(b, n->adamw, n->team);
}

static void image_perceptron(ty_build *b, const net *n, size_t B)
{
    ty_build_images(b, B, n->size[0]);
    ty_build_linear(b, n->size[1]);
    ty_build_relu(b);
    ty_build_linear(b, n->size[2]);
    ty_build_relu(b);
    ty_build_linear(b, n->size[3]);
    ty_build_end(b, n->adamw, n->team);
}

/* Two small convolutions one after the other, then pooling. */
static void convolution(ty_build *b, const net *n, size_t B)
{
    const size_t *s = n->size;
    ty_build_images(b, B, s[0]);
    size_t side = ty_build_conv(b, 1, s[0], s[1], 3, 0);
    ty_build_relu(b);
    side = ty_build_conv(b, s[1], side, s[2], 3, 0);
    ty_build_relu(b);
    ty_build_pool(b, s[2], side);
    ty_build_linear(b, s[3]);
    ty_build_relu(b);
    ty_build_linear(b, s[4]);
    ty_build_end(b, n->adamw, n->team);
}

/* Each convolution is followed by pooling; filters of K x K. */
static void pooled(ty_build *b, const net *n, size_t B)
{
    const size_t *s = n->size, K = s[4];
    ty_build_images(b, B, s[0]);
    size_t side = ty_build_conv(b, 1, s[0], s[1], K, K / 2);
    ty_build_relu(b);
    side = ty_build_pool(b, s[1], side);
    side = ty_build_conv(b, s[1], side, s[2], K, 0);
    ty_build_relu(b);
    ty_build_pool(b, s[2], side);
    ty_build_linear(b, s[3]);
    ty_build_relu(b);
    ty_build_linear(b, 11);
    ty_build_end(b, n->adamw, n->team);
}

/* A layer of a decoder-only transformer: H heads, hidden neurons. */
static void transformer_layer(ty_build *b, size_t B, size_t T, size_t H, size_t hidden)
{
    const size_t C = b->width;
    float *x = b->x;
    ty_build_norm(b);
    ty_build_linear(b, 3 * C);
    ty_build_attention(b, B, T, H);
    ty_build_linear(b, C);
    ty_build_residual(b, x);
    x = b->x;
    ty_build_norm(b);
    ty_build_linear(b, hidden);
    ty_build_gelu(b);
    ty_build_linear(b, C);
    ty_build_residual(b, x);
}

/* size T, C, H, hidden, vocabulary. */
static void transformer(ty_build *b, const net *n, size_t B)
{
    const size_t *s = n->size, T = s[0], C = s[1];
    ty_build_tokens(b, B, T, C);
    for (int i = 0; i < n->layers; i++)
        transformer_layer(b, B, T, s[2], s[3]);
    ty_build_norm(b);
    ty_build_linear(b, s[4]);
    ty_build_end(b, n->adamw, n->team);
}

/* size T, E, H, outputs. */
static void lstm(ty_build *b, const net *n, size_t B)
{
    const size_t *s = n->size;
    ty_build_numbers(b, B, s[0] * s[1]);
    ty_build_lstm(b, s[0], s[2]);
    ty_build_linear(b, s[3]);
    ty_build_end(b, n->adamw, n->team);
}

/* Small ones first, which stay in the caches; the last seven fill the last one or leave it. Widths
 * are those of practice, multiples of a panel of the product, and some that fill none. Compression and sharing have
 * networks of their own: they take so much of a step that other kernels would count for little. */
static const net nets[] = {
    {perceptron, {20, 48, 96, 150}, {640, 448, 192, 12}, 0, 0, TY_TEAM_SUMS},
    {perceptron, {24, 56, 112}, {896, 512, 300, 14}, 0, 0, TY_TEAM_SUMS},
    {image_perceptron, {24, 60, 144}, {16, 96, 48, 9}, 0, 0, TY_NO_TEAM},
    {image_perceptron, {36, 100}, {12, 192, 64, 11}, 0, 0, TY_NO_TEAM},
    {image_perceptron, {20, 80, 160}, {24, 384, 256, 8}, 1, 0, TY_NO_TEAM},
    {convolution, {16, 40, 80}, {20, 24, 40, 96, 12}, 0, 0, TY_NO_TEAM},
    {convolution, {12, 32}, {32, 16, 48, 72, 10}, 0, 0, TY_NO_TEAM},
    {pooled, {12, 40, 80}, {32, 8, 20, 100, 5}, 0, 0, TY_NO_TEAM},
    {pooled, {16, 48}, {40, 16, 24, 64, 3}, 1, 0, TY_NO_TEAM},
    {transformer, {4, 12}, {48, 96, 4, 384, 62}, 1, 1, TY_NO_TEAM},
    {transformer, {2, 5}, {96, 160, 5, 480, 36}, 1, 1, TY_NO_TEAM},
    {transformer, {1, 2}, {176, 192, 3, 768, 64}, 0, 1, TY_NO_TEAM},
    {lstm, {28, 70}, {24, 20, 48, 6}, 0, 0, TY_NO_TEAM},
    {lstm, {56, 140}, {40, 3, 32, 2}, 1, 0, TY_NO_TEAM},
    {lstm, {28, 98}, {36, 1, 128, 1}, 1, 0, TY_NO_TEAM},
    {lstm, {14, 42}, {18, 72, 192, 3}, 0, 0, TY_NO_TEAM},
    {perceptron, {64}, {60, 96, 40, 10}, 0, 0, TY_TEAM_PACKS},
    {perceptron, {32, 96}, {320, 224, 96, 10}, 0, 0, TY_TEAM_PACKS},
    {perceptron, {40}, {1024, 300, 120, 10}, 0, 0, TY_TEAM_PACKS},
    {perceptron, {56}, {1600, 400, 200, 12}, 0, 0, TY_TEAM_PACKS},
    {perceptron, {64}, {52, 100, 36, 10}, 0, 0, TY_TEAM_SHARES},
    {perceptron, {32, 96}, {256, 160, 80, 8}, 0, 0, TY_TEAM_SHARES},
    {perceptron, {48}, {1100, 360, 100, 9}, 0, 0, TY_TEAM_SHARES},
    {perceptron, {56}, {1800, 420, 160, 12}, 0, 0, TY_TEAM_SHARES},
    {perceptron, {72}, {2304, 1280, 640, 12}, 1, 0, TY_NO_TEAM},
    {convolution, {128, 240}, {24, 24, 40, 96, 12}, 1, 0, TY_NO_TEAM},
    {pooled, {120, 240}, {40, 16, 24, 64, 3}, 1, 0, TY_NO_TEAM},
    {transformer, {16}, {72, 160, 5, 640, 50}, 0, 2, TY_NO_TEAM},
    {transformer, {20}, {72, 160, 5, 640, 70}, 1, 3, TY_NO_TEAM},
    {lstm, {112}, {100, 1, 96, 1}, 1, 0, TY_NO_TEAM},
    {lstm, {154}, {60, 2, 128, 1}, 0, 0, TY_NO_TEAM},
};

enum { NETS = sizeof nets / sizeof *nets };

static int batches(const net *n)
{
    int k = 0;
    while (k < BATCHES && n->batch[k])
        k++;
    return k;
}

int ty_trial_cases(void)
{
    int cases = 0;
    for (int i = 0; i < NETS; i++)
        cases += batches(&nets[i]);
    return cases;
}

void ty_trial_lay_out(ty_trial *t, int which)
{
    const net *n = nets;
    for (; which >= batches(n); n++)
        which -= batches(n);
    ty_build first = ty_build_new(t, 0, 0); /* finds the sizes */
    n->build(&first, n, n->batch[which]);
    ty_build b = ty_build_new(t, first.params, first.widest);
    n->build(&b, n, n->batch[which]);
    const size_t model = b.params * (n->team == TY_TEAM_PACKS ? 3 + TY_COMPRESSIONS
                                     : n->adamw               ? 4
                                                              : 3);
    t->calls = b.calls;
    t->set = 4.0 * (double)(model + b.active[0] + b.active[1] + 2 * b.widest);
}
