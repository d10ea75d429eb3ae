/* SPDX-License-Identifier: MIT
 *
 * A sample's pixels are a function of (seed, epoch, sample): it does not matter which rank asks,
 * for which shard, or in what order.
 */
#include "base/rng.h"
#include "kernels/kernels.h"
#include "workloads/dataset.h"

#include <stdlib.h>
#include <string.h>

/* Movement is uniform in +-these. The shift is a part of the image's side, 2 pixels of MNIST's 28,
 * so that the 8x8 digits move by as much of a stroke. */
static const float max_turn = 12.0f * 3.14159265f / 180.0f; /* [rad] */
static const float max_shift = 2.0f / 28.0f;                /* of the side */

/* One stream of random numbers for each purpose. */
enum { KEY_ORDER = 1, KEY_MOVE, KEY_PIXELS, KEY_LABEL };

enum {
    BLOCK = 256,      /* samples a kernel call: pointers live on the stack */
    WINDOWS = 1 << 16 /* different made-up samples */
};

void ty_loader_init(ty_loader *l, const ty_dataset *d, uint64_t seed, size_t batch, int augment)
{
    TY_CHECK(d->train.n > 0 && batch > 0, "a loader needs samples (%u) and a batch (%zu)",
             d->train.n, batch);
    *l = (ty_loader){.data = d, .seed = seed, .batch = batch, .augment = augment, .epoch = -1};
    l->order =
        ty_alloc(d->train.n * sizeof *l->order); /* ghosts never touch it, so it takes no memory */
}

void ty_loader_free(ty_loader *l)
{
    free(l->order);
    free(l->noise);
    *l = (ty_loader){.epoch = -1};
}

size_t ty_loader_steps(const ty_loader *l)
{
    return (l->data->train.n - 1) / l->batch + 1;
}

/* Position in the epoch's order of the first sample of a step. */
static size_t start(const ty_loader *l, long step)
{
    TY_CHECK(step >= 0, "step %ld", step);
    return (size_t)step % ty_loader_steps(l) * l->batch;
}

size_t ty_loader_count(const ty_loader *l, long step)
{
    const size_t left = l->data->train.n - start(l, step);
    return left < l->batch ? left : l->batch;
}

static void shuffle(ty_loader *l, long epoch)
{
    if (l->epoch == epoch)
        return;
    ty_shuffle(ty_key(l->seed, KEY_ORDER, (uint64_t)epoch), l->order, l->data->train.n);
    l->epoch = epoch;
}

static void draw_move(float move[3], uint64_t epoch_key, uint32_t sample, const ty_images *im)
{
    const uint64_t key = ty_key(epoch_key, sample, 0);
    const float reach[3] = {max_turn, max_shift * (float)im->width, max_shift * (float)im->height};
    for (unsigned i = 0; i < 3; i++)
        move[i] = reach[i] * (float)(2 * ty_uniform(key, i) - 1);
}

/* Rows of x = the samples order[0..rows) (order NULL: samples first, first + 1, ...). */
static void decode(const ty_loader *l, const ty_images *im, const uint32_t *order, size_t first,
                   int moved, ty_tensor x)
{
    const size_t size = (size_t)im->height * im->width;
    const uint64_t epoch_key = ty_key(l->seed, KEY_MOVE, (uint64_t)l->epoch);
    const uint8_t *image[BLOCK];
    float move[BLOCK][3];
    for (size_t done = 0; done < x.rows; done += BLOCK) {
        const size_t n = x.rows - done < BLOCK ? x.rows - done : BLOCK;
        for (size_t i = 0; i < n; i++) {
            const uint32_t sample = order ? order[done + i] : (uint32_t)(first + done + i);
            image[i] = im->pixels + sample * size;
            if (moved)
                draw_move(move[i], epoch_key, sample, im);
        }
        ty_kernel_augment(x.data + done * size, image, moved ? (const float(*)[3])move : NULL, n,
                          im->height, im->width, l->data->mean, l->data->std);
    }
}

/* Numbers for a data set without pixels, made before the first of them is asked for. */
static void make_noise(ty_loader *l)
{
    const size_t n = WINDOWS + ty_dataset_features(l->data);
    const uint64_t key = ty_key(l->seed, KEY_PIXELS, 0);
    l->noise = ty_alloc(n * sizeof *l->noise);
    for (size_t i = 0; i < n; i++)
        l->noise[i] = (float)ty_normal(key, i);
}

/* A data set without pixels: each sample is a window of the noise, the same in every epoch. */
static void invent(ty_loader *l, const uint32_t *order, ty_tensor x)
{
    if (!l->noise)
        make_noise(l);
    for (size_t i = 0; i < x.rows; i++) {
        const uint64_t key = ty_key(l->seed, KEY_PIXELS, 1 + (uint64_t)order[i]);
        memcpy(x.data + i * x.cols, l->noise + key % WINDOWS, x.cols * sizeof *x.data);
    }
}

static float label_of(const ty_loader *l, const ty_images *im, uint32_t sample)
{
    if (im->labels)
        return im->labels[sample];
    return (float)(uint32_t)(ty_uniform(ty_key(l->seed, KEY_LABEL, sample), 0) * im->classes);
}

/* Rows of x = windows, rows of labels = what follows them. `at`: where sample 0 begins; order NULL as in decode. */
static void cut_windows(const ty_sequence *s, size_t at, const uint32_t *order, size_t first,
                        ty_tensor x, ty_tensor labels)
{
    const size_t of_label = s->T - s->targets + s->ahead;
    for (size_t i = 0; i < x.rows || i * s->targets < labels.n; i++) {
        const float *window = s->value + at + (order ? order[i] : first + i) * s->stride;
        if (i < x.rows)
            memcpy(x.data + i * s->T, window, s->T * sizeof *window);
        if (i * s->targets < labels.n)
            memcpy(labels.data + i * s->targets, window + of_label, s->targets * sizeof *window);
    }
}

static void check(const ty_dataset *d, size_t first, size_t count, ty_tensor x, ty_tensor labels)
{
    const size_t features = ty_dataset_features(d), targets = ty_dataset_targets(d);
    TY_CHECK(!x.rows || x.cols == features, "x has %zu columns, a sample %zu numbers", x.cols,
             features);
    TY_CHECK(first <= count && x.rows <= count - first && labels.n <= (count - first) * targets,
             "samples %zu + %zu (labels %zu) of %zu", first, x.rows, labels.n, count);
}

/* The numbers that are there: of x when it is `real`, of labels when they have data. */
static void fill(ty_loader *l, const ty_images *im, const uint32_t *order, size_t first, int moved,
                 int real, ty_tensor x, ty_tensor labels)
{
    const ty_dataset *d = l->data;
    if (d->sequence.value) {
        x.rows = real ? x.rows : 0;
        labels.n = labels.data ? labels.n : 0;
        cut_windows(&d->sequence, im == &d->test ? d->sequence.test_at : 0, order, first, x,
                    labels);
        return;
    }
    if (real && im->pixels)
        decode(l, im, order, first, moved, x);
    else if (real)
        invent(l, order, x);
    for (size_t i = 0; labels.data && i < labels.n; i++)
        labels.data[i] = label_of(l, im, order ? order[i] : (uint32_t)(first + i));
}

void ty_loader_train(ty_loader *l, ty_rank *r, long step, size_t first, ty_tensor x,
                     ty_tensor labels)
{
    const ty_images *im = &l->data->train;
    const int moved = l->augment && im->pixels;
    check(l->data, first, ty_loader_count(l, step), x, labels);
    const int real = x.rows && ty_op(r, ty_dataset_load_work(l->data, x.rows, moved), x);
    const uint32_t *order = l->order + start(l, step) + first;
    if (real || labels.data) /* labels cost nothing, so no operation is asked about them */
        shuffle(l, step / (long)ty_loader_steps(l));
    fill(l, im, order, 0, moved, real, x, labels);
}

void ty_loader_test(ty_loader *l, ty_rank *r, size_t first, ty_tensor x, ty_tensor labels)
{
    const ty_images *im = &l->data->test;
    check(l->data, first, im->n, x, labels);
    const int real = x.rows && ty_op(r, ty_dataset_load_work(l->data, x.rows, 0), x);
    fill(l, im, NULL, first, 0, real, x, labels);
}
