/* SPDX-License-Identifier: MIT
 *
 * The blocks of a transformer as a small language model: gradients against slopes, what is shared, what is charged, and
 * that no character sees a later one. On a rank of this thread that needs no fabric.
 */
#include "base/rng.h"
#include "kernels/kernels.h"
#include "tests/naive.h"
#include "workloads/model.h"

#include <check.h>

enum { ROWS = 2, T = 5, C = 6, V = 7, H = 2, L = 1, BLOCKS = 5, TABLE = V * C };

static void charge(ty_rank *r, double seconds)
{
    (void)r, (void)seconds;
}

static double now(ty_rank *r)
{
    (void)r;
    return 0;
}

static const ty_fabric_ops still = {.name = "still", .charge = charge, .now = now};
static ty_job job;
static ty_rank rank;
static ty_model model;
static ty_tensor x, labels; /* [ROWS,T] tokens, [ROWS*T] */

/* Embedding, attention, perceptron, norm, output; with initial values large enough to tell gradients from rounding. */
static void start(int ghost)
{
    ty_block block[BLOCKS] = {ty_embedding_new(T, C, V), ty_attention_new(T, C, H, L),
                              ty_mlp_new(T, C, L), ty_norm_new(T, C), ty_output_new(T, C, V, 0)};
    for (int i = 0; i < BLOCKS; i++)
        block[i].index = i;
    job = (ty_job){.ranks = 1, .threads = 1, .busy = 1, .ghost = ghost};
    ty_rank_init(&rank, 0, &still, &job);
    ty_model_init(&model, &rank, block, BLOCKS, ROWS, 1, 1, 1, 7);
    model.loss = (ty_loss){.kind = TY_LOSS_XENT, .targets = T, .classes = V};
    x = ty_tensor_new(&rank, TY_ACTIV, ROWS, T);
    labels = ty_tensor_new(&rank, TY_ACTIV, 1, ROWS * T);
    for (size_t i = 0; !ghost && i < x.n; i++) {
        x.data[i] = (float)(uint32_t)(V * ty_uniform(1, i));
        labels.data[i] = (float)(uint32_t)(V * ty_uniform(2, i));
    }
}

static void enlarge(void)
{
    for (size_t i = 0; i < model.params.n; i++)
        model.params.data[i] += 0.4F * (float)ty_normal(3, i);
}

static void stop(void)
{
    ty_drop(&rank, x);
    ty_drop(&rank, labels);
    ty_model_fini(&model);
    ty_rank_fini(&rank);
}

static double loss(void)
{
    double sum = 0;
    ty_model_forward(&model, 0, x);
    ty_model_loss(&model, 0, labels, 1.0F / ROWS, &sum);
    return sum;
}

static void gradients(void)
{
    double sum = 0;
    ty_model_zero(&model);
    ty_model_forward(&model, 0, x);
    ty_model_backward(&model, 0, ty_model_loss(&model, 0, labels, 1.0F / ROWS, &sum));
}

START_TEST(gradients_are_the_slopes_of_the_loss)
{
    const float step = 4e-3F;
    start(0);
    enlarge();
    gradients();
    float *dp = naive_copy(model.grads.data, model.grads.n), *p = model.params.data;
    size_t nonzero = 0;
    for (size_t i = 0; i < model.params.n; i++) {
        const float middle = p[i];
        p[i] = middle + step;
        const double up = loss(), high = (double)p[i];
        p[i] = middle - step;
        const double slope = (up - loss()) / (high - (double)p[i]);
        p[i] = middle;
        ck_assert_msg(fabs(slope - (double)dp[i]) < 3e-4, "gradient %zu: %g, slope %g", i,
                      (double)dp[i], slope);
        nonzero += fabs((double)dp[i]) > 1e-3;
    }
    ck_assert_msg(nonzero > model.params.n / 2, "only %zu of %zu gradients to compare", nonzero,
                  model.params.n);
    free(dp);
    stop();
}
END_TEST

START_TEST(gradients_add_up)
{
    start(0);
    enlarge();
    gradients();
    float *once = naive_copy(model.grads.data, model.grads.n);
    double sum = 0;
    ty_model_forward(&model, 0, x);
    ty_model_backward(&model, 0, ty_model_loss(&model, 0, labels, 1.0F / ROWS, &sum));
    for (size_t i = 0; i < model.grads.n; i++)
        ck_assert_float_eq_tol(model.grads.data[i], 2 * once[i], 1e-5F * (1 + fabsf(once[i])));
    free(once);
    stop();
}
END_TEST

START_TEST(a_character_sees_none_that_comes_later)
{
    start(0);
    enlarge();
    float *before = naive_copy(ty_model_forward(&model, 0, x).data, ROWS * T * V);
    x.data[3] = x.data[3] > 0 ? 0 : 1; /* of the first sample */
    ty_tensor y = ty_model_forward(&model, 0, x);
    ck_assert(naive_same(y.data, before, 3 * V));
    ck_assert(!naive_same(y.data + 3 * V, before + 3 * V, V));
    ck_assert(!naive_same(y.data + 4 * V, before + 4 * V, V));
    ck_assert(naive_same(y.data + T * V, before + T * V, T * V));
    free(before);
    stop();
}
END_TEST

START_TEST(the_table_exists_once_and_gets_the_gradients_of_both_ends)
{
    start(0);
    enlarge();
    const ty_block *in = &model.block[0], *out = &model.block[BLOCKS - 1];
    ck_assert_uint_eq(out->ops->params(out), 0);
    ck_assert_ptr_eq(out->p.data, in->p.data);
    ck_assert_uint_eq(out->p.n, TABLE);
    ck_assert_ptr_eq(ty_model_gradient(&model, 0, TABLE).data, in->dp.data);
    double sum = 0;
    ty_model_zero(&model);
    ty_model_forward(&model, 0, x);
    ty_tensor dy = ty_model_loss(&model, 0, labels, 1.0F / ROWS, &sum);
    dy = ty_block_backward(&model, 0, BLOCKS - 1, dy);
    float *half = naive_copy(in->dp.data, TABLE);
    for (size_t i = 0; i < TABLE; i++)
        ck_assert_msg(half[i] != 0, "the output layer gives table[%zu] no gradient", i);
    for (int i = BLOCKS - 2; i >= 0; i--)
        dy = ty_block_backward(&model, 0, i, dy);
    ck_assert(!naive_same(half, in->dp.data, TABLE));
    free(half);
    stop();
}
END_TEST

START_TEST(a_copy_of_the_table_begins_as_the_table_and_is_placed_by_its_owner_alone)
{
    ty_block alone = ty_output_new(T, C, V, 0);
    ty_model end;
    float whole[TABLE];
    start(0);
    alone.index = BLOCKS - 1;
    alone.copy = 1;
    ty_model_init(&end, &rank, &alone, 1, ROWS, 1, 0, 1, 7);
    ck_assert_uint_eq(end.params.n, TABLE);
    ck_assert(naive_same(end.params.data, model.params.data, TABLE));
    for (size_t i = 0; i < TABLE; i++)
        whole[i] = -1;
    ty_block_place(&end.block[0], end.params.data, whole);
    for (size_t i = 0; i < TABLE; i++)
        ck_assert_float_eq(whole[i], -1);
    ty_model_fini(&end);
    stop();
}
END_TEST

static double flops_of(const ty_work *w, int n)
{
    double sum = 0;
    ck_assert_int_le(n, TY_BLOCK_WORKS);
    for (int i = 0; i < n; i++)
        sum += w[i].flops;
    return sum;
}

START_TEST(what_is_charged_is_what_the_blocks_list)
{
    ty_work work[TY_BLOCK_WORKS];
    double sum = 0;
    start(_i);
    for (int i = 0; i < BLOCKS; i++) {
        const ty_block *b = &model.block[i];
        double before = rank.ledger.flops,
               listed = flops_of(work, b->ops->work_forward(b, ROWS, work));
        ty_block_forward(&model, 0, i, i ? model.out[i - 1] : x);
        ck_assert_double_gt(listed, 0);
        ck_assert_double_eq(rank.ledger.flops - before, listed);
    }
    ty_tensor dy = ty_model_loss(&model, 0, labels, 1, &sum);
    for (int i = BLOCKS - 1; i >= 0; i--) {
        const ty_block *b = &model.block[i];
        double before = rank.ledger.flops;
        dy = ty_block_backward(&model, 0, i, dy);
        ck_assert_double_eq(rank.ledger.flops - before,
                            flops_of(work, b->ops->work_backward(b, ROWS, i > 0, work)));
    }
    stop();
}
END_TEST

START_TEST(it_begins_as_gpt_2_does)
{
    start(0);
    double squares[2] = {0, 0};
    const float *w = model.block[1].p.data + 2 * C, *u = w + 3 * C * C + 3 * C;
    for (size_t i = 0; i < C; i++) {
        ck_assert_float_eq(model.block[1].p.data[i], 1); /* gain */
        ck_assert_float_eq(model.block[1].p.data[C + i], 0);
    }
    for (size_t i = 0; i < 3 * C * C; i++)
        squares[0] += (double)w[i] * (double)w[i];
    for (size_t i = 0; i < C * C; i++)
        squares[1] += (double)u[i] * (double)u[i];
    ck_assert_double_eq_tol(sqrt(squares[0] / (3 * C * C)), 0.02, 0.005);
    ck_assert_double_eq_tol(sqrt(squares[1] / (C * C)), 0.02 / sqrt(2 * L), 0.005);
    stop();
}
END_TEST

START_TEST(the_first_layer_that_is_no_number_is_found)
{
    start(0);
    enlarge();
    loss();
    ck_assert_int_eq(ty_model_fault(&model, 0), BLOCKS);
    model.block[2].p.data[0] = INFINITY; /* a gain of the perceptron's norm */
    loss();
    ck_assert_int_eq(ty_model_fault(&model, 0), 2);
    x.data[0] = NAN;
    loss();
    ck_assert_int_eq(ty_model_fault(&model, 0), -1);
    stop();
}
END_TEST

int main(void)
{
    Suite *s = suite_create("workloads/gpt");
    TCase *t = tcase_create("gpt");
    tcase_add_test(t, gradients_are_the_slopes_of_the_loss);
    tcase_add_test(t, gradients_add_up);
    tcase_add_test(t, a_character_sees_none_that_comes_later);
    tcase_add_test(t, the_table_exists_once_and_gets_the_gradients_of_both_ends);
    tcase_add_test(t, a_copy_of_the_table_begins_as_the_table_and_is_placed_by_its_owner_alone);
    tcase_add_loop_test(t, what_is_charged_is_what_the_blocks_list, 0, 2);
    tcase_add_test(t, it_begins_as_gpt_2_does);
    tcase_add_test(t, the_first_layer_that_is_no_number_is_found);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
