/* SPDX-License-Identifier: MIT
 *
 * Batches: which samples, in which order, moved how far, and what that is charged. Most cases run
 * on a rank of this thread whose fabric only adds up the seconds it is charged.
 */
#include "base/rng.h"
#include "kernels/kernels.h"
#include "workloads/dataset.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1000, SIDE = 6, SIZE = SIDE * SIDE, CLASSES = 10, BATCH = 300 };

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
static ty_dataset data; /* sample i: pixels 0 and 1 spell i, label i % 10 */

static void ck_start(int ghost)
{
    for (int c = 0; c < TY_CLASSES; c++)
        machine.rate[c] = (ty_rate){.launch_s = 1, .flops = 1, .thread_gain = 1, .beside = 1};
    job = (ty_job){.ranks = 1, .threads = 1, .busy = 1, .ghost = ghost, .machine = &machine};
    charged = 0;
    ty_rank_init(&rank, 0, &adding, &job);
}

static void setup(void)
{
    const ty_images shape = {.n = N, .height = SIDE, .width = SIDE, .classes = CLASSES};
    data = (ty_dataset){.train = shape, .mean = 0.25f, .std = 0.5f};
    data.train.pixels = ty_zalloc(N, SIZE);
    data.train.labels = ty_zalloc(N, 1);
    for (unsigned i = 0; i < N; i++) {
        uint8_t *p = data.train.pixels + i * SIZE;
        for (unsigned j = 2; j < SIZE; j++)
            p[j] = (uint8_t)(31 * i + 7 * j);
        p[0] = (uint8_t)(i & 255);
        p[1] = (uint8_t)(i >> 8);
        data.train.labels[i] = (uint8_t)(i % CLASSES);
    }
    data.test = shape;
    data.test.pixels = ty_alloc(N * SIZE);
    data.test.labels = ty_alloc(N);
    memcpy(data.test.pixels, data.train.pixels, N * SIZE);
    memcpy(data.test.labels, data.train.labels, N);
    ck_start(0);
}

static void teardown(void)
{
    ty_rank_fini(&rank);
    ty_dataset_free(&data);
}

static const ty_tensor none;

static ty_tensor rows(size_t n)
{
    return ty_tensor_new(&rank, TY_ACTIV, n, SIZE);
}

static unsigned decoded(float x)
{
    return (unsigned)lrintf((x * data.std + data.mean) * 255);
}

static unsigned sample_of(const float *row)
{
    return decoded(row[0]) + 256 * decoded(row[1]);
}

/* ---- which samples
 * ------------------------------------------------------------------------------------- */

START_TEST(the_last_batch_of_an_epoch_is_kept_and_smaller)
{
    ty_loader l;
    ty_loader_init(&l, &data, 1, BATCH, 0);
    ck_assert_uint_eq(ty_loader_steps(&l), 4);
    for (long step = 0; step < 12; step++)
        ck_assert_uint_eq(ty_loader_count(&l, step), step % 4 == 3 ? 100 : BATCH);
    ty_loader_free(&l);
    ty_loader_init(&l, &data, 1, N / 4, 0); /* divides: no partial batch */
    ck_assert_uint_eq(ty_loader_steps(&l), 4);
    ck_assert_uint_eq(ty_loader_count(&l, 3), N / 4);
    ty_loader_free(&l);
    ty_loader_init(&l, &data, 1, 10 * N, 0); /* larger than the set */
    ck_assert_uint_eq(ty_loader_steps(&l), 1);
    ck_assert_uint_eq(ty_loader_count(&l, 5), N);
    ty_loader_free(&l);
}
END_TEST

/* Times that each sample is seen in an epoch when `shards` ranks take their chunk of every batch;
 * `late` shifts the chunks of all but the first rank, which is wrong. */
static void see_epoch(long epoch, int shards, size_t late, unsigned seen[N])
{
    ty_loader l;
    ty_loader_init(&l, &data, 7, BATCH, 0);
    const long steps = (long)ty_loader_steps(&l);
    memset(seen, 0, N * sizeof *seen);
    for (long step = epoch * steps; step < (epoch + 1) * steps; step++)
        for (int shard = 0; shard < shards; shard++) {
            const size_t count = ty_loader_count(&l, step), n = ty_chunk_size(count, shards, shard);
            const size_t first = ty_chunk_first(count, shards, shard) - (shard ? late : 0);
            ty_tensor x = rows(n), y = ty_tensor_new(&rank, TY_ACTIV, 1, n);
            ty_loader_train(&l, &rank, step, first, x, y);
            for (size_t i = 0; i < n; i++) {
                const unsigned s = sample_of(x.data + i * SIZE);
                ck_assert_uint_lt(s, N);
                ck_assert_float_eq(y.data[i], (float)(s % CLASSES));
                seen[s]++;
            }
            ty_drop(&rank, x);
            ty_drop(&rank, y);
        }
    ty_loader_free(&l);
}

static int each_once(const unsigned seen[N])
{
    for (int i = 0; i < N; i++)
        if (seen[i] != 1)
            return 0;
    return 1;
}

START_TEST(every_sample_of_an_epoch_is_seen_exactly_once)
{
    static const int shards[] = {1, 2,  3,
                                 7, 64, 150}; /* 150 > 100: empty shards of the last batch */
    unsigned seen[N];
    for (size_t i = 0; i < sizeof shards / sizeof *shards; i++)
        for (long epoch = 0; epoch < 3; epoch++) {
            see_epoch(epoch, shards[i], 0, seen);
            ck_assert(each_once(seen));
        }
}
END_TEST

START_TEST(shards_that_overlap_are_noticed)
{
    unsigned seen[N];
    see_epoch(0, 3, 1, seen);
    ck_assert(!each_once(seen));
}
END_TEST

/* The order in which an epoch's samples come. */
static void order_of(uint64_t seed, long epoch, unsigned order[N])
{
    ty_loader l;
    ty_loader_init(&l, &data, seed, N, 0);
    ty_tensor x = rows(N);
    ty_loader_train(&l, &rank, epoch, 0, x, none);
    for (size_t i = 0; i < N; i++)
        order[i] = sample_of(x.data + i * SIZE);
    ty_drop(&rank, x);
    ty_loader_free(&l);
}

START_TEST(epochs_and_seeds_differ_in_order_and_repeat_exactly)
{
    unsigned a[N], b[N], equal = 0;
    order_of(1, 0, a);
    order_of(1, 1, b);
    for (int i = 0; i < N; i++)
        equal += a[i] == b[i];
    ck_assert_uint_lt(equal, 10); /* 1 expected */
    order_of(2, 0, b);
    ck_assert_mem_ne(a, b, sizeof a);
    order_of(1, 0, b);
    ck_assert_mem_eq(a, b, sizeof a);
}
END_TEST

START_TEST(test_samples_come_in_order_and_unmoved)
{
    ty_loader l;
    ty_loader_init(&l, &data, 1, BATCH, 1);
    ty_tensor x = rows(400), y = ty_tensor_new(&rank, TY_ACTIV, 1, 400);
    ty_loader_test(&l, &rank, N - 400, x, y);
    for (unsigned i = 0; i < 400; i++) {
        ck_assert_uint_eq(sample_of(x.data + i * SIZE), N - 400 + i);
        ck_assert_float_eq(y.data[i], (float)((N - 400 + i) % CLASSES));
    }
    ty_drop(&rank, x);
    ty_drop(&rank, y);
    ty_loader_free(&l);
}
END_TEST

START_TEST(a_batch_of_the_shipped_digits_has_every_class_in_proportion)
{
    ty_dataset d;
    ty_loader l;
    ck_assert_int_eq(ty_dataset_load_idx(&d, TY_DATA_DIR "/mnist", 10).code, TY_OK);
    ty_loader_init(&l, &d, 1, 1000, 0);
    ty_tensor y = ty_tensor_new(&rank, TY_ACTIV, 1, 1000);
    for (long step = 0; step < 16; step++) {
        unsigned count[10] = {0};
        ty_loader_train(&l, &rank, step, 0, none, y);
        for (int i = 0; i < 1000; i++)
            count[(int)y.data[i]]++;
        for (int c = 0; c < 10; c++) /* 100 expected, standard deviation below 9.5 */
            ck_assert(count[c] > 50 && count[c] < 150);
    }
    ty_drop(&rank, y);
    ty_loader_free(&l);
    ty_dataset_free(&d);
}
END_TEST

/* ---- which pixels
 * -------------------------------------------------------------------------------------- */

START_TEST(without_augmentation_a_sample_is_its_plain_decode)
{
    ty_loader l;
    ty_loader_init(&l, &data, 3, BATCH, 0);
    ty_tensor x = rows(BATCH);
    ty_loader_train(&l, &rank, 5, 0, x, none);
    for (size_t i = 0; i < BATCH; i++) {
        const uint8_t *p = data.train.pixels + sample_of(x.data + i * SIZE) * SIZE;
        for (size_t j = 0; j < SIZE; j++)
            ck_assert_float_eq_tol(x.data[i * SIZE + j], ((float)p[j] / 255 - 0.25f) / 0.5f, 1e-6f);
    }
    ty_drop(&rank, x);
    ty_loader_free(&l);
}
END_TEST

/* A batch by shards, each from a loader of its own, last shard first, after a look at another
 * epoch. */
static void by_shards(int shards, long step, ty_tensor x, ty_tensor y)
{
    for (int i = shards - 1; i >= 0; i--) {
        ty_loader l;
        ty_loader_init(&l, &data, 9, BATCH, 1);
        const size_t first = ty_chunk_first(x.rows, shards, i),
                     n = ty_chunk_size(x.rows, shards, i);
        ty_loader_train(&l, &rank, step + 4, 0, ty_rows(x, first, n), none);
        ty_loader_train(&l, &rank, step, first, ty_rows(x, first, n), none);
        ty_loader_train(&l, &rank, step, first, none, ty_slice(y, first, n));
        ty_loader_free(&l);
    }
}

START_TEST(shards_equal_the_same_rows_of_the_whole_batch_bitwise)
{
    for (long step = 2; step < 4; step++) {
        ty_loader l;
        ty_loader_init(&l, &data, 9, BATCH, 1);
        const size_t n = ty_loader_count(&l, step);
        ty_tensor x = rows(n), y = ty_tensor_new(&rank, TY_ACTIV, 1, n);
        ty_tensor x2 = rows(n), y2 = ty_tensor_new(&rank, TY_ACTIV, 1, n);
        ty_loader_train(&l, &rank, step, 0, x, y);
        for (int shards = 1; shards < 12; shards += 3) {
            by_shards(shards, step, x2, y2);
            ck_assert_mem_eq(x.data, x2.data, ty_bytes(x));
            ck_assert_mem_eq(y.data, y2.data, ty_bytes(y));
        }
        ty_drop(&rank, x);
        ty_drop(&rank, y);
        ty_drop(&rank, x2);
        ty_drop(&rank, y2);
        ty_loader_free(&l);
    }
}
END_TEST

START_TEST(a_sample_moves_differently_in_every_epoch)
{
    data.train.n = 1; /* the same sample in every step */
    ty_loader l;
    ty_loader_init(&l, &data, 9, 1, 1);
    ty_tensor a = rows(1), b = rows(1);
    ty_loader_train(&l, &rank, 0, 0, a, none);
    for (long step = 1; step < 20; step++) {
        ty_loader_train(&l, &rank, step, 0, b, none);
        ck_assert_mem_ne(a.data, b.data, ty_bytes(a));
    }
    ty_loader_train(&l, &rank, 0, 0, b, none);
    ck_assert_mem_eq(a.data, b.data, ty_bytes(a));
    ty_drop(&rank, a);
    ty_drop(&rank, b);
    ty_loader_free(&l);
}
END_TEST

/* Centre of the ink and the direction of its long axis, in pixels and radians. */
static void moments(const float *x, int side, double *cx, double *cy, double *angle)
{
    double m = 0, mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++) {
            const double ink = x[i * side + j];
            m += ink;
            mx += ink * j;
            my += ink * i;
            xx += ink * j * j;
            yy += ink * i * i;
            xy += ink * i * j;
        }
    *cx = mx / m - (side - 1) / 2.0;
    *cy = my / m - (side - 1) / 2.0;
    *angle = 0.5 * atan2(2 * (xy / m - mx * my / m / m),
                         xx / m - mx * mx / m / m - yy / m + my * my / m / m);
}

START_TEST(movement_fills_twelve_degrees_and_two_pixels_of_28_and_no_more)
{
    enum { M = 2000, S = 28 };
    ty_dataset d = {.mean = 0, .std = 1};
    ty_loader l;
    d.train = (ty_images){.n = M, .height = S, .width = S, .classes = 1};
    d.train.pixels = ty_zalloc(M, S * S);
    d.train.labels = ty_zalloc(M, 1);
    for (size_t i = 0; i < M; i++)
        for (size_t j = 6; j < S - 6; j++) /* a bar */
            d.train.pixels[i * S * S + 13 * S + j] = d.train.pixels[i * S * S + 14 * S + j] = 255;
    ty_loader_init(&l, &d, 1, M, 1);
    ty_tensor x = ty_tensor_new(&rank, TY_ACTIV, M, S * S);
    ty_loader_train(&l, &rank, 0, 0, x, none);
    double worst[3] = {0}, mean[3] = {0}, square[3] = {0};
    for (size_t i = 0; i < M; i++) {
        double v[3];
        moments(x.data + i * S * S, S, &v[0], &v[1], &v[2]);
        for (int k = 0; k < 3; k++) {
            worst[k] = fmax(worst[k], fabs(v[k]));
            mean[k] += v[k] / M;
            square[k] += v[k] * v[k] / M;
        }
    }
    const double reach[3] = {2, 2, 12 * 3.14159265 / 180};
    for (int k = 0; k < 3;
         k++) { /* uniform: variance reach^2 / 3, mean within 5 of its standard errors */
        ck_assert_double_le(worst[k], 1.02 * reach[k]);
        ck_assert_double_ge(worst[k], 0.97 * reach[k]);
        ck_assert_double_eq_tol(mean[k], 0, 5 * reach[k] / sqrt(3.0 * M));
        ck_assert_double_eq_tol(square[k], reach[k] * reach[k] / 3, 0.1 * reach[k] * reach[k] / 3);
    }
    ty_drop(&rank, x);
    ty_loader_free(&l);
    ty_dataset_free(&d);
}
END_TEST

START_TEST(synthetic_samples_are_normal_and_their_labels_uniform)
{
    enum { M = 2000, F = 50 };
    ty_dataset d;
    ty_loader l;
    ty_dataset_synthetic(&d, M, F, 4);
    ty_loader_init(&l, &d, 5, M, 1);
    ty_tensor x = ty_tensor_new(&rank, TY_ACTIV, M, F), y = ty_tensor_new(&rank, TY_ACTIV, 1, M);
    ty_tensor x2 = ty_tensor_new(&rank, TY_ACTIV, 1, F), y2 = ty_tensor_new(&rank, TY_ACTIV, 1, 1);
    ty_loader_train(&l, &rank, 0, 0, x, y);
    double mean = 0, square = 0;
    unsigned count[4] = {0};
    for (size_t i = 0; i < x.n; i++) {
        mean += x.data[i] / (M * F);
        square += x.data[i] * x.data[i] / (M * F);
    }
    for (int i = 0; i < M; i++)
        count[(int)y.data[i]]++;
    ck_assert_double_eq_tol(mean, 0, 0.016); /* 5 standard errors */
    ck_assert_double_eq_tol(square, 1, 0.023);
    for (int c = 0; c < 4; c++)
        ck_assert(count[c] > 400 && count[c] < 600);
    const uint32_t sample = l.order[123];
    ty_loader_train(&l, &rank, 1, 0, x2,
                    y2); /* the next epoch: elsewhere in the order, the same numbers */
    size_t at = 0;
    while (l.order[at] != sample)
        at++;
    ty_loader_train(&l, &rank, 1, at, x2, y2);
    ck_assert_mem_eq(x2.data, x.data + 123 * F, F * sizeof(float));
    ck_assert_float_eq(y2.data[0], y.data[123]);
    ty_drop(&rank, x);
    ty_drop(&rank, y);
    ty_drop(&rank, x2);
    ty_drop(&rank, y2);
    ty_loader_free(&l);
    ty_dataset_free(&d);
}
END_TEST

/* ---- what it is charged
 * -------------------------------------------------------------------------------- */

/* Seconds charged for a training batch and, where there are any, test samples. */
static double price(const ty_dataset *d, int augment, int ghost)
{
    ty_rank_fini(&rank);
    ck_start(ghost);
    ty_loader l;
    ty_loader_init(&l, d, 1, BATCH, augment);
    ty_tensor x = ty_tensor_new(&rank, TY_ACTIV, BATCH, (size_t)d->train.height * d->train.width);
    ty_tensor y = ty_tensor_new(&rank, TY_ACTIV, 1, BATCH);
    ck_assert_int_eq(x.data == NULL, ghost);
    ty_loader_train(&l, &rank, 0, 0, x, y);
    if (d->test.n)
        ty_loader_test(&l, &rank, 0, x, y);
    ty_drop(&rank, x);
    ty_drop(&rank, y);
    ty_loader_free(&l);
    return charged;
}

START_TEST(ghosts_are_charged_what_real_samples_are)
{
    ty_dataset d;
    ty_dataset_synthetic(&d, BATCH, SIZE, 4);
    for (int augment = 0; augment < 2; augment++) {
        ck_assert_double_eq(price(&data, augment, 1), price(&data, augment, 0));
        ck_assert_double_eq(price(&d, augment, 1), price(&d, augment, 0));
    }
    ck_assert_double_gt(price(&data, 1, 1), price(&data, 0, 1));
    ck_assert_double_eq(price(&d, 1, 1), price(&d, 0, 1)); /* synthetic samples do not move */
    ty_dataset_free(&d);
}
END_TEST

START_TEST(labels_cost_nothing_and_an_empty_shard_neither)
{
    ty_loader l;
    ty_loader_init(&l, &data, 1, BATCH, 1);
    ty_tensor y = ty_tensor_new(&rank, TY_ACTIV, 1, BATCH);
    ty_loader_train(&l, &rank, 0, 0, none, y);
    ty_loader_train(&l, &rank, 0, BATCH, none, none);
    ty_loader_test(&l, &rank, 0, none, y);
    ck_assert_double_eq(charged, 0);
    ty_drop(&rank, y);
    ty_loader_free(&l);
}
END_TEST

/* ---- on ranks
 * ------------------------------------------------------------------------------------------ */

enum { RANKS = 3 };
static float shared[RANKS][BATCH * SIZE]; /* what each rank loaded */
static double flops[RANKS];

static void load_shard(ty_rank *r, void *arg)
{
    ty_loader l;
    ty_loader_init(&l, arg, 9, BATCH, 1);
    const size_t n = ty_chunk_size(BATCH, r->job->ranks, r->id);
    ty_tensor x = ty_tensor_new(r, TY_ACTIV, n, SIZE);
    for (long step = 0; step < 3; step++)
        ty_loader_train(&l, r, step, ty_chunk_first(BATCH, r->job->ranks, r->id), x, none);
    memcpy(shared[r->id], x.data, ty_bytes(x));
    flops[r->id] = r->ledger.flops;
    ty_drop(r, x);
    ty_loader_free(&l);
}

START_TEST(ranks_on_threads_load_what_one_rank_loads)
{
    static float whole[BATCH * SIZE];
    ty_job on = {.ranks = 1, .threads = 1, .busy = 1};
    ty_err e = ty_fabric_threads.run(&on, load_shard, &data);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    memcpy(whole, shared[0], sizeof whole);
    const double work = flops[0];
    on.ranks = RANKS;
    e = ty_fabric_threads.run(&on, load_shard, &data);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
    for (int i = 0; i < RANKS; i++)
        ck_assert_mem_eq(shared[i], whole + i * BATCH / RANKS * SIZE,
                         BATCH / RANKS * SIZE * sizeof(float));
    ck_assert_double_eq_tol(flops[0] + flops[1] + flops[2], work, 1e-6 * work);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("workloads_loader");
    TCase *t = tcase_create("loader");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, the_last_batch_of_an_epoch_is_kept_and_smaller);
    tcase_add_test(t, every_sample_of_an_epoch_is_seen_exactly_once);
    tcase_add_test(t, shards_that_overlap_are_noticed);
    tcase_add_test(t, epochs_and_seeds_differ_in_order_and_repeat_exactly);
    tcase_add_test(t, test_samples_come_in_order_and_unmoved);
    tcase_add_test(t, a_batch_of_the_shipped_digits_has_every_class_in_proportion);
    tcase_add_test(t, without_augmentation_a_sample_is_its_plain_decode);
    tcase_add_test(t, shards_equal_the_same_rows_of_the_whole_batch_bitwise);
    tcase_add_test(t, a_sample_moves_differently_in_every_epoch);
    tcase_add_test(t, movement_fills_twelve_degrees_and_two_pixels_of_28_and_no_more);
    tcase_add_test(t, synthetic_samples_are_normal_and_their_labels_uniform);
    tcase_add_test(t, ghosts_are_charged_what_real_samples_are);
    tcase_add_test(t, labels_cost_nothing_and_an_empty_shard_neither);
    tcase_add_test(t, ranks_on_threads_load_what_one_rank_loads);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
