/* SPDX-License-Identifier: MIT
 *
 * calibrate_limits - what is measured apart from training steps; private to calibrate.
 */
#ifndef TY_EXPERIMENTS_CALIBRATE_LIMITS_H
#define TY_EXPERIMENTS_CALIBRATE_LIMITS_H

#include "experiments/calibrate.h"

/* FMA peak of one core and of all together, the size of the last cache, and what a parallel region
 * costs: m->peak_flops, cache and region_s, report->all_peak. On the calling thread and its team. */
void ty_calibrate_limits(ty_machine *m, ty_calibration_report *report);

/* m->handoff, fork_s and barrier_s, by ranks of the threads fabric; a rank on each core takes part
 * in the barrier. Error: the fabric's. */
ty_err ty_calibrate_ranks(ty_machine *m, ty_calibration_report *report, int repetitions);

/* Mean of v[n], none counted as more than twice their median: times add up as means do, but one
 * that met another program must not decide. Sorts v. */
double ty_calibrate_typical(double *v, size_t n);

/* The size at which bytes[n] per second of reading and writing sizes[n] drop from the level of the
 * shared cache to that of memory; 0: they do not. Pure. */
double ty_calibration_find_cache(const double *sizes, const double *rates, size_t n);

#endif
