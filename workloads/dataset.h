/* SPDX-License-Identifier: MIT
 *
 * dataset - samples in memory, read from gzip'd or plain files; and the loader that turns them into a batch.
 *   images    a label each; loading decodes, normalises, rotates and shifts at random
 *   sequence  text or a time series: a sample is a window of T elements, its labels are `targets` elements further on
 *             (the next characters, later values); loading copies
 *   neither   numbers are made up from (seed, sample)
 */
#ifndef TY_WORKLOADS_DATASET_H
#define TY_WORKLOADS_DATASET_H

#include "fabric/op.h"

typedef struct ty_images {
    uint32_t n, height, width, classes;
    uint8_t *pixels; /* [n][height*width], 0..255; NULL: synthetic, no numbers */
    uint8_t *labels; /* [n], < classes */
} ty_images;

/* Sample i is the window value[first + i stride .. + T); its labels are the `targets` elements that end `ahead` elements
 * after the window does: of text T targets, 1 ahead; of a series the next one is 1 target, 1 ahead. */
typedef struct ty_sequence {
    float *value;  /* [length] tokens as whole numbers, or values; NULL: the data set is none */
    size_t length, T, targets, ahead, stride;
    size_t test_at; /* where the first window of the test set begins; that of training is 0 */
    int     symbols; /* of text: its vocabulary */
    uint8_t symbol[256]; /* [symbols] the byte of each token */
} ty_sequence;

typedef struct ty_dataset {
    ty_images   train, test; /* of a sequence: only how many samples there are */
    ty_sequence sequence;
    float       mean, std; /* of the training pixels / 255; of a series: what its values were standardised by */
} ty_dataset;

/* MNIST's IDX format, gzip'd or plain (zlib reads both): train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz],
 * t10k-images-idx3-ubyte[.gz], t10k-labels-idx1-ubyte[.gz] in `dir`. Error: TY_EUSAGE naming the file and what is
 * wrong with it (missing, truncated, bad magic, counts differ, label out of range). */
ty_err ty_dataset_load_idx(ty_dataset *d, const char *dir, uint32_t classes);

/* The 8x8 digits: gzip'd or plain CSV, 64 pixels 0..16 and a label a line; the last `test` lines are the test set. */
ty_err ty_dataset_load_digits(ty_dataset *d, const char *path, uint32_t test);

/* Text of any kind, gzip'd or plain, for the next character: windows of T characters that do not overlap, the last tenth
 * to test on. The vocabulary is the distinct bytes of the whole file, in their order: the smallest table that knows every
 * character of the test text. */
ty_err ty_dataset_load_text(ty_dataset *d, const char *path, size_t T);

/* A data set of n training samples without numbers: `features` inputs (1 x features), `classes`. For ghosts; real
 * runs on it fill samples from the key (seed, sample) in the loader. */
void ty_dataset_synthetic(ty_dataset *d, uint32_t n, uint32_t features, uint32_t classes);

/* Cut a sequence (all of it but test_at is set; takes its values) into windows: what lies in its first `train` elements,
 * labels too, is to train on; the windows whose labels all lie behind are the test set, and may begin before.
 * Error: TY_EUSAGE when one of both has no window; says that of `name`. */
ty_err ty_dataset_sequence_take(ty_dataset *d, const char *name, ty_sequence s, size_t train);

/* A monthly series, gzip'd or plain CSV: a header, then `year,month,value` a line, no month left out. The first 80 % of it
 * train, and all is standardised by their mean and deviation. Of shape T, targets, ahead and stride count. Error:
 * TY_EUSAGE naming the file, the line and what is wrong with it. */
ty_err ty_dataset_load_series(ty_dataset *d, const char *path, const ty_sequence *shape);

void ty_dataset_free(ty_dataset *d);

/* Numbers of a sample that the loader makes, and labels. */
size_t ty_dataset_features(const ty_dataset *d);
size_t ty_dataset_targets(const ty_dataset *d);
/* The work of loading so many samples; labels cost nothing. */
ty_work ty_dataset_load_work(const ty_dataset *d, size_t rows, int augment);

/* How samples become batches. The same on every rank. */
typedef struct ty_loader {
    const ty_dataset *data;
    uint64_t seed;
    size_t   batch;     /* global batch; the last one of an epoch may be smaller */
    int      augment;   /* random rotate and shift, keyed by (seed, epoch, sample) */
    uint32_t *order;    /* [train.n] this epoch's shuffle */
    long     epoch;     /* that order is of; -1: none yet */
    float    *noise;    /* normal numbers, of which made-up samples are windows; NULL: none yet */
} ty_loader;

void ty_loader_init(ty_loader *l, const ty_dataset *d, uint64_t seed, size_t batch, int augment);
void ty_loader_free(ty_loader *l);
/* Steps in an epoch, and the number of samples in the batch of a step (counted over all epochs). */
size_t ty_loader_steps(const ty_loader *l);
size_t ty_loader_count(const ty_loader *l, long step);

/* Samples [first, first + x.rows) of the batch of `step` into x [rows, features] and labels [rows * targets] (class index
 * as a float, or a value); either may have rows/n 0 when only the other is wanted. Charges ty_dataset_load_work for x. */
void ty_loader_train(ty_loader *l, ty_rank *r, long step, size_t first, ty_tensor x, ty_tensor labels);
/* Test samples [first, first + x.rows), decoded without movement. */
void ty_loader_test(ty_loader *l, ty_rank *r, size_t first, ty_tensor x, ty_tensor labels);

#endif
