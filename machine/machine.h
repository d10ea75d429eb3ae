/* SPDX-License-Identifier: MIT
 *
 * machine - a model that turns work (flops, bytes, shape) into seconds, and a machine.yaml
 * that holds it.
 *
 * For a kernel class on T threads of one rank, with W ranks busy on the same host of C cores:
 *
 *   seconds = calls launch + work (1 + (beside - 1) min(1, (W-1) / (C-1)))
 *   work    = rows row + padded flops / flops + near bytes / bandwidth + far bytes / far_bandwidth
 *
 * and, when T > 1 and a call has at least thread_from seconds of work (below, the kernels stay on
 * one thread)
 *
 *   work    = calls thread_launch + (rows row + padded flops / flops) / T^thread_gain
 *             + (near bytes / bandwidth + far bytes / far_bandwidth) / T^memory_gain
 *
 * The terms add: while the operands of a product are packed and streamed nothing is multiplied.
 * Padded flops count what registers do: whole vectors, tiles that cross the diagonal. calls is 1,
 * but for a recurrence, whose steps follow each other; rows count where each row of a result has
 * a cost of its own, as a softmax has (see kernels/work.h). A call whose traffic is at most
 * near_bytes finds it in the caches of its core, one of twice that finds nothing there, and the
 * share of far bytes grows evenly in between. Far bytes come from the cache that all cores share,
 * or from memory, when what the ranks of a host use in a step, all together, is half as much again
 * as that holds, and evenly in between (a cache that is too small for what is used in turn serves
 * nothing). A gain of 1 is a perfect speed-up, 0 none; below 0 threads lose because the operands
 * lie in the caches of other cores.
 * Assumed, not measured: more threads than the calibrated machine has cores gain by the same
 * power law (each doubling as much as the one before); threads beyond a host's cores are its
 * fabric's matter.
 */
#ifndef TY_MACHINE_MACHINE_H
#define TY_MACHINE_MACHINE_H

#include "base/err.h"
#include "kernels/work.h"

/* Where a figure comes from; printed beside it. */
typedef enum ty_origin { TY_MEASURED, TY_FITTED, TY_DATASHEET, TY_ASSUMED } ty_origin;
const char *ty_origin_name(ty_origin o); /* "measured", ... */

/* The network between two ranks, as the textbook sees it: seconds(n) = alpha + n / beta. */
typedef struct ty_net {
    double alpha; /* latency [s]     */
    double beta;  /* bandwidth [B/s] */
} ty_net;

/* One kernel class on one thread and what more threads or neighbours do to it. */
typedef struct ty_rate {
    double launch_s;        /* fixed cost of a call [s]                                         */
    double row_s;           /* and of a row [s]; 0: none                                        */
    double flops;           /* [flop/s] of one thread; 0: arithmetic costs nothing beside memory */
    double bandwidth;       /* [B/s] of one thread, near bytes; 0: they cost nothing             */
    double far_bandwidth;   /* [B/s] of one thread, far bytes; 0: as near ones                  */
    double near_bytes;      /* [B] of a call's traffic that the caches of a core serve          */
    double memory_bandwidth; /* [B/s] of far bytes that are in no cache; 0: as other far ones   */
    double thread_launch_s; /* added to launch_s when T > 1: opening and closing the region [s] */
    double thread_from_s;   /* least work on one thread that is given to several [s]            */
    double thread_gain;     /* T threads multiply T^thread_gain times as fast ...               */
    double memory_gain;     /* ... and move bytes T^memory_gain times as fast; -2 .. 1          */
    double beside;          /* slowdown when every core is busy with ranks of its own, >= 1     */
    double residual;        /* median and worst relative error of the fit                       */
    double worst;
} ty_rate;

typedef struct ty_machine {
    char host[64], date[32], processor[96];
    int cores;
    double
        peak_flops; /* FMA peak of one core [flop/s]; a simulated host of this `speed`
                     * computes as fast */
    double memory;    /* [B] of one host */
    double cache;     /* [B] of its last cache, that of all cores, as steps have it; 0: no end was found */
    ty_net handoff;   /* a message between two ranks of one host */
    double region_s;  /* [s] to open and close a parallel region on all cores */
    double fork_s;    /* [s] to start a lane of a rank and wait for its end */
    double barrier_s; /* [s] for a rank on each core to wait for each other */
    ty_origin origin;  /* of all rates */
    ty_rate rate[TY_CLASSES];
} ty_machine;

/* True when more work takes more time. */
int ty_rate_grows(const ty_rate *r);

/* The same machine for ranks that use `set` bytes of a host together: as they outgrow its last
 * cache, far bytes come from memory. */
ty_machine ty_machine_with(const ty_machine *m, double set);

/* Seconds that one rank needs for w with its `threads` threads while `busy` ranks compute on its
 * host. Never fails. */
double ty_machine_seconds(const ty_machine *m, ty_work w, int threads, int busy);

/* Read or write machine.yaml (schema-checked). Error: TY_EUSAGE naming file and line; *m is
 * then untouched. */
ty_err ty_machine_load(ty_machine *m, const char *path);
ty_err ty_machine_save(const ty_machine *m, const char *path);

/* Where this user's calibration is kept: $XDG_CACHE_HOME or ~/.cache, then
 * trainyard/machine.yaml. */
ty_err ty_machine_cache_path(char *path, unsigned long size);

/* Fill in host name, processor, cores and memory of this host. */
void ty_machine_name_here(ty_machine *m);
/* True when m was calibrated on this host: same host name, processor and cores. */
int ty_machine_is_here(const ty_machine *m);

#endif
