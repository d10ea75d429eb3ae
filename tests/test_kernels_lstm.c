/* SPDX-License-Identifier: MIT
 *
 * The LSTM layer against a naive reference in double and finite differences.
 */
#include "kernels/kernels.h"
#include "kernels/lstm.h"
#include "tests/kernel_suite.h"
#include "tests/naive.h"

#include <check.h>

/* Everything that goes in and comes out, in one array each: the naive twin has the same in double. */
enum { X, WX, WH, BIAS, H0, C0, INPUTS };
static const char *const input_name[] = {"x", "wx", "wh", "b", "h0", "c0"};

typedef struct sizes {
    size_t T, B, E, H;
} sizes;

static size_t size_of(sizes s, int input)
{
    const size_t size[INPUTS] = {s.T * s.B * s.E, s.E * 4 * s.H, s.H * 4 * s.H,
                                 4 * s.H,         s.B * s.H,     s.B * s.H};
    return size[input];
}

typedef struct naive {
    sizes s;
    double *in[INPUTS], *d[INPUTS]; /* d: gradients */
    double *gates, *c, *y;          /* of all steps */
    const float *dy;
    double counted;
} naive;

static double sigmoid(naive *n, double x)
{
    n->counted += 3;
    return 1 / (1 + exp(-x));
}

static double squash(naive *n, double x)
{
    n->counted += 5; /* 2 / (1 + exp(-2x)) - 1 */
    return tanh(x);
}

/* h and c of the step before t. */
static double *before(const naive *n, int which, size_t t)
{
    const size_t bh = n->s.B * n->s.H;
    return t == 0 ? n->in[which] : (which == H0 ? n->y : n->c) + (t - 1) * bh;
}

static void naive_step(naive *n, size_t t)
{
    const sizes s = n->s;
    const size_t G = 4 * s.H;
    double *gates = n->gates + t * s.B * G;

    for (size_t i = 0; i < s.B * G; i++)
        gates[i] = n->in[BIAS][i % G];
    for (size_t b = 0; b < s.B; b++)
        for (size_t j = 0; j < G; j++) {
            for (size_t k = 0; k < s.E; k++)
                gates[b * G + j] += n->in[X][(t * s.B + b) * s.E + k] * n->in[WX][k * G + j];
            for (size_t k = 0; k < s.H; k++)
                gates[b * G + j] += before(n, H0, t)[b * s.H + k] * n->in[WH][k * G + j];
            n->counted += 2 * (double)(s.E + s.H);
        }
    for (size_t i = 0; i < s.B * s.H; i++) {
        double *g = gates + i / s.H * G + i % s.H, *c = n->c + t * s.B * s.H + i;
        g[0] = sigmoid(n, g[0]);
        g[s.H] = sigmoid(n, g[s.H]);
        g[2 * s.H] = squash(n, g[2 * s.H]);
        g[3 * s.H] = sigmoid(n, g[3 * s.H]);
        *c = g[s.H] * before(n, C0, t)[i] + g[0] * g[2 * s.H];
        n->y[t * s.B * s.H + i] = g[3 * s.H] * squash(n, *c);
        n->counted += 4;
    }
}

static double naive_loss(naive *n)
{
    double loss = 0;
    for (size_t t = 0; t < n->s.T; t++)
        naive_step(n, t);
    for (size_t i = 0; i < n->s.T * n->s.B * n->s.H; i++)
        loss += n->y[i] * (double)n->dy[i];
    return loss;
}

/* One unit: gates become gradients, d[H0] is dh and d[C0] is dc. */
static void naive_unit_bwd(naive *n, double *g, double dh, double *dc, double c, double last)
{
    const size_t H = n->s.H;
    const double i = g[0], f = g[H], a = g[2 * H], o = g[3 * H], q = squash(n, c);
    const double cell = *dc + dh * o * (1 - q * q);

    g[0] = cell * a * i * (1 - i);
    g[H] = cell * last * f * (1 - f);
    g[2 * H] = cell * i * (1 - a * a);
    g[3 * H] = dh * q * o * (1 - o);
    *dc = cell * f;
    n->counted += 5 + 4 * 4 + 1;
}

static void naive_step_bwd(naive *n, size_t t)
{
    const sizes s = n->s;
    const size_t G = 4 * s.H;
    double *gates = n->gates + t * s.B * G, *dh = n->d[H0];

    for (size_t i = 0; i < s.B * s.H; i++)
        naive_unit_bwd(n, gates + i / s.H * G + i % s.H, dh[i] + (double)n->dy[t * s.B * s.H + i],
                       n->d[C0] + i, n->c[t * s.B * s.H + i], before(n, C0, t)[i]);
    memset(dh, 0, s.B * s.H * sizeof *dh);
    for (size_t b = 0; b < s.B; b++)
        for (size_t j = 0; j < G; j++) {
            const double g = gates[b * G + j];
            for (size_t k = 0; k < s.E; k++) {
                const size_t x = (t * s.B + b) * s.E + k;
                n->d[X][x] += g * n->in[WX][k * G + j];
                n->d[WX][k * G + j] += g * n->in[X][x];
            }
            for (size_t k = 0; k < s.H; k++) {
                dh[b * s.H + k] += g * n->in[WH][k * G + j];
                n->d[WH][k * G + j] += g * before(n, H0, t)[b * s.H + k];
            }
            n->d[BIAS][j] += g;
            n->counted += 4 * (double)(s.E + s.H) + 1;
        }
}

/* ---- the kernels, on the same arrays in float ---- */

typedef struct layer {
    sizes s;
    float *in[INPUTS], *d[INPUTS], *y, *dy;
    int from_zero; /* h0 and c0 are NULL */
    int last;      /* dy is [B,H] */
} layer;

/* what is added to begins at random, what is written at NaN */
static layer layer_new(sizes s, int from_zero)
{
    layer l = {.s = s, .from_zero = from_zero};
    const size_t n = s.T * s.B * s.H;
    for (int i = 0; i < INPUTS; i++) {
        const int adds = i == WX || i == WH || i == BIAS;
        l.in[i] = naive_random(size_of(s, i), (uint64_t)i + 1);
        l.d[i] = naive_random(size_of(s, i), (uint64_t)i + 11);
        for (size_t j = 0; j < size_of(s, i); j++) {
            if (!adds)
                l.d[i][j] = NAN;
            if (from_zero && i >= H0)
                l.in[i][j] = 0;
        }
    }
    l.y = naive_random(n, 21);
    l.dy = naive_random(n, 22);
    return l;
}

static void layer_free(layer *l)
{
    for (int i = 0; i < INPUTS; i++)
        free(l->in[i]), free(l->d[i]);
    free(l->y), free(l->dy);
}

static void layer_run(layer *l, int optional)
{
    const sizes s = l->s;
    const size_t saved_n = ty_lstm_saved(s.T, s.B, s.H), space_n = ty_lstm_space(s.B, s.H);
    float *saved = naive_random(saved_n, 31), *space = naive_random(space_n, 32);
    const float after_saved = saved[saved_n] = 7, after_space = space[space_n] = 8;
    const ty_lstm a = {.T = s.T,
                       .B = s.B,
                       .E = s.E,
                       .H = s.H,
                       .wx = l->in[WX],
                       .wh = l->in[WH],
                       .b = l->in[BIAS],
                       .h0 = l->from_zero ? NULL : l->in[H0],
                       .c0 = l->from_zero ? NULL : l->in[C0],
                       .last = l->last};
    const ty_lstm_grad d = {l->d[WX], l->d[WH], l->d[BIAS], optional ? l->d[H0] : NULL,
                            optional ? l->d[C0] : NULL};

    ty_kernel_lstm_fwd(&a, l->y, saved, space, l->in[X]);
    for (size_t i = 0; i < space_n; i++)
        space[i] = NAN;
    ty_kernel_lstm_bwd(&a, &d, optional ? l->d[X] : NULL, saved, space, l->dy, l->y, l->in[X]);
    ck_assert(saved[saved_n] == after_saved && space[space_n] == after_space);
    free(saved), free(space);
}

/* ---- tests ---- */

static naive naive_new(const layer *l)
{
    naive n = {.s = l->s, .dy = l->dy};
    const size_t units = l->s.T * l->s.B * l->s.H;
    for (int i = 0; i < INPUTS; i++) {
        n.in[i] = calloc(size_of(l->s, i) + 1, sizeof *n.in[i]);
        n.d[i] = calloc(size_of(l->s, i) + 1, sizeof *n.d[i]);
        for (size_t j = 0; j < size_of(l->s, i); j++) {
            n.in[i][j] = (double)l->in[i][j];
            n.d[i][j] = i == WX || i == WH || i == BIAS ? (double)l->d[i][j] : 0;
        }
    }
    n.gates = calloc(4 * units + 1, sizeof *n.gates);
    n.c = calloc(units + 1, sizeof *n.c);
    n.y = calloc(units + 1, sizeof *n.y);
    return n;
}

static void naive_free(naive *n)
{
    for (int i = 0; i < INPUTS; i++)
        free(n->in[i]), free(n->d[i]);
    free(n->gates), free(n->c), free(n->y);
}

static double flops_of(const ty_work *w, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += w[i].flops;
    return sum;
}

static void check_layer(sizes s, int from_zero)
{
    layer l = layer_new(s, from_zero);
    naive n = naive_new(&l);
    ty_work work[TY_LSTM_WORKS];

    layer_run(&l, 1);
    naive_loss(&n);
    ck_assert(flops_of(work, ty_work_lstm_fwd(s.T, s.B, s.E, s.H, work)) == n.counted);
    n.counted = 0;
    for (size_t t = s.T; t-- > 0;)
        naive_step_bwd(&n, t);
    ck_assert(flops_of(work, ty_work_lstm_bwd(s.T, s.B, s.E, s.H, work)) == n.counted);

    ck_assert_msg(naive_distance(l.y, n.y, s.T * s.B * s.H) <= 2e-5, "y of %zu %zu %zu %zu: %g",
                  s.T, s.B, s.E, s.H, naive_distance(l.y, n.y, s.T * s.B * s.H));
    for (int i = 0; i < INPUTS; i++)
        ck_assert_msg(naive_distance(l.d[i], n.d[i], size_of(s, i)) <= 3e-4,
                      "d%s of %zu %zu %zu %zu: off by %g", input_name[i], s.T, s.B, s.E, s.H,
                      naive_distance(l.d[i], n.d[i], size_of(s, i)));
    naive_free(&n);
    layer_free(&l);
}

START_TEST(layer_and_its_gradients_are_the_naive_ones)
{
    static const sizes shape[] = {{0, 3, 2, 4},   {3, 0, 2, 4},   {3, 2, 0, 4},   {1, 1, 1, 1},
                                  {2, 3, 4, 5},   {4, 1, 3, 16},  {3, 15, 2, 17}, {5, 14, 7, 31},
                                  {2, 29, 5, 33}, {3, 4, 20, 64}, {2, 3, 2, 70}};
    for (size_t i = 0; i < sizeof shape / sizeof *shape; i++)
        for (int from_zero = 0; from_zero < 2; from_zero++)
            check_layer(shape[i], from_zero);
}
END_TEST

START_TEST(layer_is_the_naive_one_across_block_borders)
{
    check_layer((sizes){2, 3, 2, 259}, 0);
}
END_TEST

START_TEST(gradients_are_the_slopes_of_the_loss)
{
    const double step = 1e-4;
    layer l = layer_new((sizes){5, 3, 4, 6}, 0);
    for (int i = WX; i <= BIAS; i++)
        memset(l.d[i], 0, size_of(l.s, i) * sizeof *l.d[i]);
    naive n = naive_new(&l);

    layer_run(&l, 1);
    for (int i = 0; i < INPUTS; i++)
        for (size_t j = 0; j < size_of(l.s, i); j++) {
            const double at = n.in[i][j];
            n.in[i][j] = at + step;
            const double up = naive_loss(&n);
            n.in[i][j] = at - step;
            const double down = naive_loss(&n);
            n.in[i][j] = at;
            ck_assert_msg(fabs((up - down) / (2 * step) - (double)l.d[i][j]) <= 3e-5,
                          "d%s[%zu]: %g, slope %g", input_name[i], j, (double)l.d[i][j],
                          (up - down) / (2 * step));
        }
    naive_free(&n);
    layer_free(&l);
}
END_TEST

START_TEST(layer_is_bitwise_the_same_for_any_number_of_threads)
{
    static const sizes shape[] = {{6, 32, 40, 128}, {4, 20, 30, 135}};
    for (size_t k = 0; k < sizeof shape / sizeof *shape; k++) {
        layer one = layer_new(shape[k], 0);
        layer_run(&one, 1);
        for (int threads = 2; threads <= 4; threads++) {
            layer many = layer_new(shape[k], 0);
            ty_kernel_set_threads(threads);
            layer_run(&many, 1);
            ty_kernel_set_threads(1);
            ck_assert(naive_same(one.y, many.y, shape[k].T * shape[k].B * shape[k].H));
            for (int i = 0; i < INPUTS; i++)
                ck_assert_msg(naive_same(one.d[i], many.d[i], size_of(shape[k], i)),
                              "d%s with %d threads", input_name[i], threads);
            layer_free(&many);
        }
        layer_free(&one);
    }
}
END_TEST

START_TEST(gradients_that_nobody_wants_change_no_other)
{
    layer all = layer_new((sizes){4, 3, 5, 18}, 0), some = layer_new((sizes){4, 3, 5, 18}, 0);
    layer_run(&all, 1);
    layer_run(&some, 0);
    for (int i = WX; i <= BIAS; i++)
        ck_assert(naive_same(all.d[i], some.d[i], size_of(all.s, i)));
    ck_assert(isnan(some.d[X][0]) && isnan(some.d[H0][0]) && isnan(some.d[C0][0]));
    layer_free(&all);
    layer_free(&some);
}
END_TEST

/* Cut into two, the second begins where the first ended. */
START_TEST(a_sequence_may_be_cut_in_time)
{
    enum { T = 7, CUT = 3, B = 4, E = 5, H = 18 };
    layer l = layer_new((sizes){T, B, E, H}, 0);
    const size_t saved_n = ty_lstm_saved(T, B, H);
    float *saved = naive_random(saved_n, 1), *space = naive_random(ty_lstm_space(B, H), 2);
    float *whole = naive_random(T * B * H, 3), *parts = naive_random(T * B * H, 4);
    ty_lstm a = {T, B, E, H, l.in[WX], l.in[WH], l.in[BIAS], l.in[H0], l.in[C0]};
    float last_c[B * H];

    ty_kernel_lstm_fwd(&a, whole, saved, space, l.in[X]);
    a.T = CUT;
    ty_kernel_lstm_fwd(&a, parts, saved, space, l.in[X]);
    memcpy(last_c, saved + ty_lstm_saved(CUT, B, H) - B * H, sizeof last_c);
    a.T = T - CUT;
    a.h0 = parts + (CUT - 1) * B * H;
    a.c0 = last_c;
    ty_kernel_lstm_fwd(&a, parts + CUT * B * H, saved, space, l.in[X] + CUT * B * E);
    ck_assert(naive_same(whole, parts, T * B * H));
    free(saved), free(space), free(whole), free(parts);
    layer_free(&l);
}
END_TEST

/* Of one layer, twice: once with zeros for the steps before. */
START_TEST(a_loss_of_the_last_step_alone_is_one_with_zeros_before_it)
{
    enum { T = 6, B = 5, E = 3, H = 37 };
    const size_t units = B * H;
    layer all = layer_new((sizes){T, B, E, H}, 0), last = layer_new((sizes){T, B, E, H}, 0);
    memset(all.dy, 0, (T - 1) * units * sizeof *all.dy);
    memcpy(last.dy, all.dy + (T - 1) * units, units * sizeof *last.dy);
    for (size_t i = units; i < T * units; i++)
        last.dy[i] = NAN;
    last.last = 1;
    layer_run(&all, 1);
    layer_run(&last, 1);
    for (int i = 0; i < INPUTS; i++)
        ck_assert_msg(naive_same(all.d[i], last.d[i], size_of(all.s, i)), "d%s", input_name[i]);
    layer_free(&all);
    layer_free(&last);
}
END_TEST

START_TEST(turning_exchanges_the_outer_dimensions_with_any_number_of_threads)
{
    static const size_t shape[][3] = {{0, 3, 2}, {3, 0, 2},   {3, 2, 0},     {1, 7, 5},
                                      {7, 1, 5}, {13, 17, 1}, {130, 40, 67}, {300, 700, 1}};
    for (size_t k = 0; k < sizeof shape / sizeof *shape; k++) {
        const size_t m = shape[k][0], n = shape[k][1], E = shape[k][2], all = m * n * E;
        float *x = naive_random(all, 1), *y = naive_random(all, 2), *back = naive_random(all, 3);
        ty_kernel_set_threads(1 + (int)k % 3);
        ty_kernel_lstm_turn(y, x, m, n, E);
        ty_kernel_lstm_turn(back, y, n, m, E);
        ty_kernel_set_threads(1);
        for (size_t i = 0; i < all; i++)
            ck_assert(y[(i / E % n * m + i / E / n) * E + i % E] == x[i]);
        ck_assert(naive_same(x, back, all));
        ck_assert(ty_work_lstm_turn(m, n, E).bytes == 8 * (double)all);
        free(x), free(y), free(back);
    }
}
END_TEST

START_TEST(far_inputs_saturate_and_a_nan_stays_in_its_row)
{
    enum { B = 3, H = 20 };
    float x[B] = {1000, -1000, NAN}, wx[4 * H], wh[H * 4 * H] = {0}, b[4 * H] = {0}, y[B * H];
    float *saved = naive_random(ty_lstm_saved(1, B, H), 1);
    float *space = naive_random(ty_lstm_space(B, H), 2);
    for (int i = 0; i < 4 * H; i++)
        wx[i] = 1;
    ty_kernel_lstm_fwd(&(ty_lstm){1, B, 1, H, wx, wh, b, NULL, NULL}, y, saved, space, x);
    for (int i = 0; i < B * H; i++)
        ck_assert(i < H       ? fabsf(y[i] - tanhf(1)) < 1e-6f
                  : i < 2 * H ? fabsf(y[i]) < 1e-30f
                              : isnan(y[i]));
    free(saved), free(space);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    TCase *cases = open_cases("lstm", argv);
    tcase_add_test(cases, layer_and_its_gradients_are_the_naive_ones);
    tcase_add_test(cases, layer_is_the_naive_one_across_block_borders);
    tcase_add_test(cases, gradients_are_the_slopes_of_the_loss);
    tcase_add_test(cases, layer_is_bitwise_the_same_for_any_number_of_threads);
    tcase_add_test(cases, gradients_that_nobody_wants_change_no_other);
    tcase_add_test(cases, a_sequence_may_be_cut_in_time);
    tcase_add_test(cases, a_loss_of_the_last_step_alone_is_one_with_zeros_before_it);
    tcase_add_test(cases, turning_exchanges_the_outer_dimensions_with_any_number_of_threads);
    tcase_add_test(cases, far_inputs_saturate_and_a_nan_stays_in_its_row);
    return run_cases("kernels/lstm", cases);
}
