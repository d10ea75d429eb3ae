/* SPDX-License-Identifier: MIT
 *
 * dataset - images and labels in memory, read from gzip'd or plain files; and the loader that turns samples into
 * a batch: decode, normalise, random rotate and shift.
 */
#ifndef TY_WORKLOADS_DATASET_H
#define TY_WORKLOADS_DATASET_H

#include "fabric/op.h"

typedef struct ty_images {
    uint32_t n, height, width, classes;
    uint8_t *pixels; /* [n][height*width], 0..255; NULL: synthetic, no numbers */
    uint8_t *labels; /* [n], < classes */
} ty_images;

typedef struct ty_dataset {
    ty_images train, test;
    float     mean, std; /* of the training pixels / 255 */
} ty_dataset;

/* MNIST's IDX format, gzip'd or plain (zlib reads both): train-images-idx3-ubyte[.gz], train-labels-idx1-ubyte[.gz],
 * t10k-images-idx3-ubyte[.gz], t10k-labels-idx1-ubyte[.gz] in `dir`. Error: TY_EUSAGE naming the file and what is
 * wrong with it (missing, truncated, bad magic, counts differ, label out of range). */
ty_err ty_dataset_load_idx(ty_dataset *d, const char *dir, uint32_t classes);

/* The 8x8 digits: gzip'd or plain CSV, 64 pixels 0..16 and a label a line; the last `test` lines are the test set. */
ty_err ty_dataset_load_digits(ty_dataset *d, const char *path, uint32_t test);

/* A data set of n training samples without numbers: `features` inputs (1 x features), `classes`. For ghosts; real
 * runs on it fill samples from the key (seed, sample) in the loader. */
void ty_dataset_synthetic(ty_dataset *d, uint32_t n, uint32_t features, uint32_t classes);

void ty_dataset_free(ty_dataset *d);

/* How samples become batches. The same on every rank. */
typedef struct ty_loader {
    const ty_dataset *data;
    uint64_t seed;
    size_t   batch;     /* global batch; the last one of an epoch may be smaller */
    int      augment;   /* random rotate and shift, keyed by (seed, epoch, sample) */
    uint32_t *order;    /* [train.n] this epoch's shuffle */
    long     epoch;     /* that order is of; -1: none yet */
} ty_loader;

void ty_loader_init(ty_loader *l, const ty_dataset *d, uint64_t seed, size_t batch, int augment);
void ty_loader_free(ty_loader *l);
/* Steps in an epoch, and the number of samples in the batch of a step (counted over all epochs). */
size_t ty_loader_steps(const ty_loader *l);
size_t ty_loader_count(const ty_loader *l, long step);

/* Samples [first, first + x.rows) of the batch of `step` into x [rows, features] and labels [rows] (class index as a
 * float); either may have rows/n 0 when only the other is wanted. Charges TY_CLASS_AUGMENT for x. */
void ty_loader_train(ty_loader *l, ty_rank *r, long step, size_t first, ty_tensor x, ty_tensor labels);
/* Test samples [first, first + x.rows), decoded without movement. */
void ty_loader_test(ty_loader *l, ty_rank *r, size_t first, ty_tensor x, ty_tensor labels);

#endif
