/* SPDX-License-Identifier: MIT
 *
 * The LSTM block in a small network: gradients against slopes, what it charges, and where it begins. On a rank of this
 * thread whose fabric only adds up the seconds it is charged.
 */
#include "kernels/kernels.h"
#include "tests/naive.h"
#include "workloads/model.h"

#include <check.h>

enum { ROWS = 3, T = 5, E = 2, H1 = 3, H2 = 4, OUT = 2, BLOCKS = 3, IN = T * E };

static double charged; /* [s] */

static void charge(ty_rank *r, double seconds)
{
    (void)r;
    charged += seconds;
}

static double now(ty_rank *r)
{
    (void)r;
    return charged;
}

static const ty_fabric_ops adding = {.name = "adding", .charge = charge, .now = now};
static ty_machine machine;
static ty_job job;
static ty_rank rank;
static ty_model model;
static ty_tensor x, weight; /* [ROWS,IN]; [ROWS,OUT] of each output in the loss */

/* Sequence to sequence, sequence to its last step, linear. */
static void start(int ghost, int first)
{
    ty_block block[BLOCKS] = {ty_lstm_new(T, E, H1, 1), ty_lstm_new(T, H1, H2, 0),
                              ty_linear_new(H2, OUT)};
    for (int i = 0; i < BLOCKS; i++)
        block[i].index = i;
    for (int c = 0; c < TY_CLASSES; c++)
        machine.rate[c] = (ty_rate){.launch_s = 1, .flops = 1, .thread_gain = 1, .beside = 1};
    job = (ty_job){.ranks = 1, .threads = 1, .busy = 1, .ghost = ghost, .machine = &machine};
    ty_rank_init(&rank, 0, &adding, &job);
    ty_model_init(&model, &rank, block, BLOCKS, ROWS, 1, first, 1, 7);
    x = ty_tensor_new(&rank, TY_ACTIV, ROWS, IN);
    weight = ty_tensor_new(&rank, TY_ACTIV, ROWS, OUT);
    for (size_t i = 0; !ghost && i < x.n; i++)
        x.data[i] = (float)ty_normal(1, i);
    for (size_t i = 0; !ghost && i < weight.n; i++)
        weight.data[i] = (float)ty_normal(2, i);
}

static void stop(void)
{
    ty_drop(&rank, x);
    ty_drop(&rank, weight);
    ty_model_fini(&model);
    ty_rank_fini(&rank);
}

static double loss(void)
{
    double sum = 0;
    ty_tensor y = ty_model_forward(&model, 0, x);
    for (size_t i = 0; i < y.n; i++)
        sum += (double)y.data[i] * (double)weight.data[i];
    return sum;
}

/* Gradients of all parameters, and of the input where that is wanted. */
static ty_tensor gradients(void)
{
    ty_model_zero(&model);
    loss();
    ty_tensor dy = ty_model_dy(&model, ROWS);
    memcpy(dy.data, weight.data, ty_bytes(weight));
    return ty_model_backward(&model, 0, dy);
}

static void ck_slopes(float *at, const float *gradient, size_t n, const char *of)
{
    const float step = 4e-3f;
    for (size_t i = 0; i < n; i++) {
        const float middle = at[i];
        at[i] = middle + step;
        const double up = loss(), high = (double)at[i];
        at[i] = middle - step;
        const double slope = (up - loss()) / (high - (double)at[i]);
        at[i] = middle;
        ck_assert_msg(fabs(slope - (double)gradient[i]) < 2e-4, "d%s[%zu]: %g, slope %g", of, i,
                      (double)gradient[i], slope);
    }
}

START_TEST(gradients_are_the_slopes_of_the_loss)
{
    start(0, _i);
    ty_tensor dx = gradients();
    float *dp = naive_copy(model.grads.data, model.grads.n);
    double size = 0;
    for (size_t i = 0; i < model.grads.n; i++)
        size += fabs((double)dp[i]) > 1e-3;
    ck_assert(size > 0.7 * (double)model.grads.n);
    ck_assert_uint_eq(dx.n, _i ? 0 : ROWS * IN);
    float *dx_copy = naive_copy(dx.data, dx.n);
    ck_slopes(model.params.data, dp, model.params.n, "params");
    ck_slopes(x.data, dx_copy, dx.n, "x");
    free(dp), free(dx_copy);
    stop();
}
END_TEST

START_TEST(gradients_add_up)
{
    start(0, 1);
    gradients();
    float *once = naive_copy(model.grads.data, model.grads.n);
    loss();
    ty_tensor dy = ty_model_dy(&model, ROWS);
    memcpy(dy.data, weight.data, ty_bytes(weight));
    ty_model_backward(&model, 0, dy);
    for (size_t i = 0; i < model.grads.n; i++)
        ck_assert_float_eq_tol(model.grads.data[i], 2 * once[i], 1e-5f * (1 + fabsf(once[i])));
    free(once);
    stop();
}
END_TEST

START_TEST(a_row_does_not_see_the_others)
{
    start(0, 1);
    loss();
    ty_tensor y = model.out[BLOCKS - 1];
    float *all = naive_copy(y.data, y.n);
    for (size_t i = 0; i < ROWS; i++) {
        ty_tensor one = ty_model_forward(&model, 0, ty_rows(x, i, 1));
        ck_assert_uint_eq(one.rows, 1);
        ck_assert(naive_same(one.data, all + i * OUT, OUT));
    }
    free(all);
    stop();
}
END_TEST

/* The last h of a sequence is what the shorter form of the block returns. */
START_TEST(the_last_step_is_the_end_of_the_sequence)
{
    start(0, 1);
    ty_block whole = model.block[1];
    whole.shape[3] = 1;
    ty_tensor y = ty_tensor_new(&rank, TY_ACTIV, ROWS, T * H2);
    ty_tensor saved = ty_tensor_new(&rank, TY_ACTIV, ROWS, whole.ops->saved(&whole));
    whole.work = ty_tensor_new(&rank, TY_ACTIV, 1, whole.ops->workspace(&whole, ROWS));
    loss();
    whole.ops->forward(&whole, &rank, model.out[0], y, saved);
    for (size_t i = 0; i < ROWS; i++)
        ck_assert(naive_same(y.data + (i * T + T - 1) * H2, model.out[1].data + i * H2, H2));
    ty_drop(&rank, y);
    ty_drop(&rank, saved);
    ty_drop(&rank, whole.work);
    stop();
}
END_TEST

/* Seconds and flops of the items of work. */
static double seconds_of(const ty_work *w, int n, double *flops)
{
    double s = 0;
    ck_assert_int_le(n, TY_BLOCK_WORKS);
    for (int i = 0; i < n; i++) {
        s += ty_machine_seconds(&machine, w[i], 1, 1);
        *flops += w[i].flops;
    }
    return s;
}

START_TEST(what_is_charged_is_what_the_block_lists)
{
    ty_work work[TY_BLOCK_WORKS];
    const int ghost = _i;
    for (int first = 0; first < 2; first++) {
        start(ghost, first);
        double flops = 0, seconds = 0, before = charged, counted = rank.ledger.flops;
        for (int i = 0; i < BLOCKS; i++) {
            const ty_block *b = &model.block[i];
            seconds += seconds_of(work, b->ops->work_forward(b, ROWS, work), &flops);
            seconds +=
                seconds_of(work, b->ops->work_backward(b, ROWS, i > 0 || !first, work), &flops);
        }
        ty_model_forward(&model, 0, x);
        ty_model_backward(&model, 0, ty_model_dy(&model, ROWS));
        ck_assert_double_eq_tol(charged - before, seconds, 1e-9 * seconds);
        ck_assert_double_eq(rank.ledger.flops - counted, flops);
        stop();
    }
}
END_TEST

START_TEST(it_begins_uniform_with_open_forget_gates)
{
    start(0, 1);
    const ty_block *b = &model.block[1];
    const size_t weights = (H1 + H2) * 4 * H2;
    double sum = 0, squares = 0;
    ck_assert_uint_eq(b->p.n, weights + 4 * H2);
    for (size_t i = 0; i < weights; i++) {
        ck_assert(fabsf(b->p.data[i]) <= 0.5f); /* 1 / sqrt(H2) */
        sum += (double)b->p.data[i];
        squares += (double)b->p.data[i] * (double)b->p.data[i];
    }
    ck_assert(fabs(sum / weights) < 0.1);
    ck_assert_double_eq_tol(squares / weights, 0.25 / 3, 0.03);
    for (size_t i = 0; i < 4 * H2; i++)
        ck_assert_float_eq(b->p.data[weights + i], i / H2 == 1);
    stop();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("workloads/lstm");
    TCase *t = tcase_create("lstm");
    tcase_add_loop_test(t, gradients_are_the_slopes_of_the_loss, 0, 2);
    tcase_add_test(t, gradients_add_up);
    tcase_add_test(t, a_row_does_not_see_the_others);
    tcase_add_test(t, the_last_step_is_the_end_of_the_sequence);
    tcase_add_loop_test(t, what_is_charged_is_what_the_block_lists, 0, 2);
    tcase_add_test(t, it_begins_uniform_with_open_forget_gates);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
