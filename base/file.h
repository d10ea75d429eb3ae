/* SPDX-License-Identifier: MIT
 *
 * file - files appear whole: written aside under a temporary name, then renamed.
 */
#ifndef TY_BASE_FILE_H
#define TY_BASE_FILE_H

#include "base/err.h"

#include <stdio.h>

typedef struct ty_file {
    FILE *f;
    char  path[1024], temp[1056];
} ty_file;

/* Open path for writing; nothing stands at path until ty_file_commit. "-" is standard output. */
ty_err ty_file_open(ty_file *w, const char *path);
ty_err ty_file_commit(ty_file *w);  /* flush, check, rename; TY_EUSAGE "cannot write ..." */
void   ty_file_discard(ty_file *w); /* remove what was written aside */

/* Remove every file that is open now: safe inside a signal handler (Ctrl-C leaves nothing
 * half-written). */
void ty_file_discard_all(void);

/* Create path and its parents; TY_EUSAGE when that, or writing there, is not possible. */
ty_err ty_make_dir(const char *path);

/* Whole file as text in *text (free() it), NUL-terminated; TY_EUSAGE when it cannot be read or is
 * larger than max bytes. */
ty_err ty_read_text(const char *path, size_t max, char **text, size_t *size);

#endif
