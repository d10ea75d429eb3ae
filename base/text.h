/* SPDX-License-Identifier: MIT
 *
 * text - numbers with units and names with typing mistakes.
 */
#ifndef TY_BASE_TEXT_H
#define TY_BASE_TEXT_H

#include "base/err.h"

#include <stddef.h>

/* The name of names[n] nearest to `word` by edit distance, or NULL when none is near. */
const char *ty_nearest(const char *word, const char *const *names, size_t n);

/* The TY_EUSAGE of a word that is none of names[n]:
 * "unknown fabric 'thread'; did you mean 'threads'? use threads, sim or mpi".
 *   what     what the word should be one of: "fabric"
 *   advice   what else would do ("`trainyard list` shows them"); NULL: "use" and all the names */
ty_err ty_unknown(const char *what, const char *word, const char *const *names, size_t n,
                  const char *advice);

/* Parse "10Gbps", "25GBps", "20us", "312Tf", "4k", "0.5": a number, an SI prefix, and one of the
 * units of `unit` ("B/s": bps or Bps; "s": s; "f": f, flops; "": none). *value gets SI base units
 * (B/s, s, flop/s). Error: TY_EUSAGE, naming `what`, the text and an example that would do. */
ty_err ty_parse_quantity(const char *what, const char *text, const char *unit, double *value);

/* TY_EUSAGE when so many bytes are more than a program can count or address: sizes of shapes are computed in size_t, and
 * checked in double first. `what` needs them ("--width: a layer"). */
ty_err ty_check_bytes(const char *what, double bytes);

/* Whole number in [lo, hi]; TY_EUSAGE otherwise. */
ty_err ty_parse_count(const char *what, const char *text, long lo, long hi, long *value);

/* "1,2,4..64", "2..64*2", "4k..100M*4": commas, a..b by one, a..b*k by factor, SI prefixes k, M, G (4k is 4000). Fills
 * list[max], *n; every value in [lo, hi]. */
ty_err ty_parse_counts(const char *what, const char *text, long lo, long hi, long *list, size_t max,
                       size_t *n);

/* The fewest digits that read back as the same number. Writes into buf[32], returns it. */
char *ty_exact(char *buf, double value);

/* 3 significant digits with a prefix: "1.40 s", "23.5 us", "2.10 MB", "215 Gflop/s". Writes into
 * buf, returns it. */
char *ty_show(char *buf, size_t size, double value, const char *unit);

#endif
