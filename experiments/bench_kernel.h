/* SPDX-License-Identifier: MIT
 *
 * bench_kernel - time every kernel on its shapes. A line is checked first: each element that it computes against a
 * naive reference in double. Then samples of about 2 ms, in turns with OpenBLAS where that can do the same,
 * between two looks at the ruler; a line that was not alone on the machine is measured again, a few times.
 * A kernel finds its arrays where the call before has left them: in the smallest cache that holds them.
 */
#ifndef TY_EXPERIMENTS_BENCH_KERNEL_H
#define TY_EXPERIMENTS_BENCH_KERNEL_H

#include "base/err.h"
#include "experiments/bench_roof.h"

typedef struct ty_kernel_line {
    const char *kernel, *kind; /* "linear_fwd", "product" */
    char        shape[80];     /* "M128 N512 K784" */
    int         typical;       /* the first shape of its kernel */
    double flops, bytes;       /* [flop], [B] of a call; bytes: what must be read or written */
    double footprint;          /* [B] of its arrays, workspace apart */
    size_t elements, wrong;    /* compared; off by more than rounding, or not a number */
    double seconds, low, high; /* median, p10, p90 of a call; 0 when it is wrong */
    double roof_s;             /* least seconds by the roofline */
    const char *bound;         /* of what: "FMA", "L1", "L2", "L3" or "DRAM" */
    double peer_s;             /* median of OpenBLAS; 0: none, or its result was wrong */
    int    disturbed;          /* something else ran, each time it was tried */
    int    again;              /* times that it was measured again */
} ty_kernel_line;

typedef struct ty_kernel_bench {
    ty_roof  *roof;
    ty_ruler *ruler;    /* threads of the kernels */
    int       rounds;   /* samples of a line, at most 64 */
    int       quick;    /* the first few shapes of each kernel */
    const char *filter; /* name or class of kernels; NULL: all */
    void    (*each)(void *arg, const ty_kernel_line *line);
    void     *arg;
} ty_kernel_bench;

/* TY_EUSAGE when no kernel or class is called so. */
ty_err ty_kernel_filter_check(const char *filter);

/* Time them all, in the order of the tables; the OpenMP team of the caller stays that of the ruler. */
void ty_kernel_bench_run(const ty_kernel_bench *b);

/* Write roofline.dat, roofline.gp and roofline.svg into dir: lines[n] as dots under the roof; the first shape of a kernel is
 * labelled. Kernels without arithmetic have no place there.
 * TY_EMISSING when no line has one (nothing is written then), and as in output.h when gnuplot is missing. */
ty_err ty_plot_roofline(const char *dir, const char *title, const ty_roof *roof,
                        const ty_kernel_line *lines, size_t n);

#endif
