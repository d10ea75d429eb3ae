/* SPDX-License-Identifier: MIT
 *
 * bench_roof - what this machine can do at most: multiply-adds on registers, and a triad over every size of memory.
 * The roofline is that of Williams, Waterman, Patterson, CACM 52(4), 2009:
 *
 *   least seconds = max(flops / peak, bytes / bandwidth)
 *
 * where the bandwidth is that of a triad (12 B an element; what is fetched before it is written is not counted) of the same
 * footprint. A kernel that writes where it has read needs no such fetch and may come out above it.
 */
#ifndef TY_EXPERIMENTS_BENCH_ROOF_H
#define TY_EXPERIMENTS_BENCH_ROOF_H

#include <stddef.h>

/* ---- the ruler: was a measurement alone on the machine? ---- */

typedef struct ty_ruler {
    int    threads, processors; /* threads of a measurement; processors they can have */
    double one;                 /* [flop/s] most that one thread was ever seen to do */
    double now;                 /* [flop/s] all threads together, as last looked */
    double before;              /* the same, when the measurement began */
    long   switches;            /* times that another program took a processor from this one, until then */
    double begun;               /* [s] */
} ty_ruler;

/* Find what one thread does, and set the team of the calling thread to `threads`. 40 ms. */
void ty_ruler_open(ty_ruler *r, int threads);

/* Look, 8 ms, before a measurement and 10 ms after it: processors that have just worked hard run slower for that long.
 * True when nothing else ran: all threads together reached 0.9 x processors x one both times (1.8 x for two; a neighbour on
 * one processor of two leaves about 1.5 x), and no processor was taken away more than 20 times a second between. */
void ty_ruler_begin(ty_ruler *r);
int  ty_ruler_end(ty_ruler *r);

/* ---- the roof ---- */

typedef enum ty_level { TY_L1, TY_L2, TY_L3, TY_DRAM, TY_LEVELS } ty_level;
extern const char *const ty_level_name[TY_LEVELS];

enum { TY_ROOF_POINTS = 24 };

typedef struct ty_roof {
    int    threads;
    double flops;                     /* [flop/s] of all threads */
    double holds[TY_LEVELS];          /* [B] largest footprint that the level holds, all threads together */
    int    points;
    double bytes[TY_ROOF_POINTS];     /* [B] footprint of the triad, rising */
    double bandwidth[TY_ROOF_POINTS]; /* [B/s] */
    int    disturbed;                 /* points that could not be measured alone */
} ty_roof;

/* Measure with the threads of the ruler, up to a footprint of `most` bytes (0: four times the last cache, at most an eighth of
 * memory). */
void ty_roof_measure(ty_roof *roof, ty_ruler *ruler, double most);

ty_level ty_roof_level(const ty_roof *roof, double footprint);
/* [B/s] of a triad of that footprint, between measured ones on a line over log(footprint). */
double ty_roof_bandwidth(const ty_roof *roof, double footprint);
/* A footprint in the middle of a level, the largest one measured for memory: where its bandwidth is quoted. */
double ty_roof_typical(const ty_roof *roof, ty_level level);
/* [s] that flops and bytes on such a footprint take at least; *bound gets "FMA" or the level's name. */
double ty_roof_seconds(const ty_roof *roof, double flops, double bytes, double footprint,
                       const char **bound);

#endif
