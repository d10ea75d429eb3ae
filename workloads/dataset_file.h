/* SPDX-License-Identifier: MIT
 *
 * dataset_file - a data file, gzip'd or plain, with its name for error messages. For
 * workloads/dataset*.c only.
 */
#ifndef TY_WORKLOADS_DATASET_FILE_H
#define TY_WORKLOADS_DATASET_FILE_H

#include "workloads/dataset.h"

#include <zlib.h>

enum { TY_DATA_MAX = 1 << 30 }; /* [B] of one file, unpacked: twenty times the full MNIST */

typedef struct ty_source {
    gzFile gz;
    char name[84]; /* the path, or its end: leaves room for the rest of a message */
} ty_source;

/* Open path as it stands; gzclose(s->gz) it. zlib reads a file that is not gzip'd as plain bytes.
 */
ty_err ty_source_open(ty_source *s, const char *path);

/* Why reading stopped: zlib's word, or `otherwise` when the file simply ended. */
ty_err ty_source_error(const ty_source *s, ty_err otherwise);

/* buf [*room] with room for `need` bytes (need > *room; at most `most`); *room doubles. */
uint8_t *ty_source_grow(const ty_source *s, uint8_t *buf, size_t *room, size_t need, size_t most);

/* Measure the training set, or after an error leave an empty data set behind; returns e. */
ty_err ty_dataset_finish(ty_dataset *d, ty_err e);

#endif
