/* SPDX-License-Identifier: MIT */
#include "machine/pace.h"

#include "base/rng.h"
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const ty_jitter_name[TY_JITTERS + 1] = {"steady", "exp", "uniform", "lognormal"};

enum { KEY_PACE = 0x70616365 }; /* a stream of random numbers of its own */

static const double most = 1e6; /* a factor or a mean beyond this is a slip of the pen */

/* ---- as users write it ----------------------------------------------------------------------- */

ty_err ty_jitter_parse(const char *text, ty_pace *p)
{
    const char *colon = strchr(text, ':');
    char name[16] = "", *end;
    if (colon && colon - text < (long)sizeof name)
        memcpy(name, text, (size_t)(colon - text));
    p->mean = colon ? strtod(colon + 1, &end) : 0;
    for (int i = 1; i < TY_JITTERS; i++)
        if (!strcmp(name, ty_jitter_name[i]))
            p->jitter = (ty_jitter)i;
    if (!colon || p->jitter == TY_STEADY)
        return ty_error(TY_EUSAGE,
                        "--jitter '%.40s': use exp:X, uniform:X or lognormal:X, where X is the "
                        "mean delay as a part of the computing (exp:0.5)",
                        text);
    if (end == colon + 1 || *end || !(p->mean > 0) || p->mean > most)
        return ty_error(TY_EUSAGE,
                        "--jitter '%.40s': the mean delay must be more than 0, %.0e at most", text,
                        most);
    return ty_ok();
}

static int is_slow(const ty_pace *p, int rank)
{
    for (int i = 0; i < p->slow_n; i++)
        if (p->slow[i].rank == rank)
            return 1;
    return 0;
}

static ty_err parse_one(const char *text, char **end, ty_pace *p)
{
    const long rank = strtol(text, end, 10);
    if (*end == text || **end != ':' || rank < 0 || rank > 65535)
        return ty_error(TY_EUSAGE,
                        "--slow '%.40s': use RANK:FACTOR, and commas between several (3:2.0,5:1.5)",
                        text);
    const char *number = *end + 1;
    const double factor = strtod(number, end);
    if (*end == number || (**end && **end != ','))
        return ty_error(TY_EUSAGE, "--slow '%.40s': the factor of rank %ld is no number", text,
                        rank);
    if (!(factor > 1) || factor > most)
        return ty_error(
            TY_EUSAGE,
            "--slow '%.40s': how many times slower rank %ld is: more than 1, %.0e at most", text,
            rank, most);
    if (is_slow(p, (int)rank))
        return ty_error(TY_EUSAGE, "--slow: rank %ld comes twice", rank);
    if (p->slow_n == TY_MAX_SLOW)
        return ty_error(TY_EUSAGE, "--slow: more than %d ranks", TY_MAX_SLOW);
    p->slow[p->slow_n++] = (struct ty_slow){(int)rank, factor};
    return ty_ok();
}

ty_err ty_slow_parse(const char *text, ty_pace *p)
{
    char *end;
    TY_TRY(parse_one(text, &end, p));
    while (*end == ',')
        TY_TRY(parse_one(end + 1, &end, p));
    return ty_ok();
}

const char *ty_pace_show(const ty_pace *p, char *buf, size_t size)
{
    size_t used = 0;
    *buf = 0;
    for (int i = 0; i < p->slow_n && used < size; i++)
        used += (size_t)snprintf(buf + used, size - used, "%s%d:%g", i ? "," : "slow ",
                                 p->slow[i].rank, p->slow[i].factor);
    if (p->jitter && used < size)
        snprintf(buf + used, size - used, "%sjitter %s:%g", used ? ", " : "",
                 ty_jitter_name[p->jitter], p->mean);
    return buf;
}

/* ---- the draw -------------------------------------------------------------------------------- */

int ty_pace_is_set(const ty_pace *p)
{
    return p->jitter != TY_STEADY || p->slow_n > 0;
}

static double slow(const ty_pace *p, int rank)
{
    for (int i = 0; i < p->slow_n; i++)
        if (p->slow[i].rank == rank)
            return p->slow[i].factor;
    return 1;
}

static double delay(const ty_pace *p, int rank, long step)
{
    const uint64_t key = ty_key(ty_key(p->seed, KEY_PACE, 0), (uint64_t)rank, (uint64_t)step);
    switch (p->jitter) {
    case TY_JITTER_EXP:
        return -p->mean * log(1 - ty_uniform(key, 0));
    case TY_JITTER_UNIFORM:
        return 2 * p->mean * ty_uniform(key, 0);
    case TY_JITTER_LOGNORMAL:
        return p->mean * exp(ty_normal(key, 0) - 0.5);
    default:
        return 0;
    }
}

double ty_pace_factor(const ty_pace *p, int rank, long step)
{
    return slow(p, rank) * (1 + delay(p, rank, step));
}

double ty_pace_mean(const ty_pace *p, int rank)
{
    return slow(p, rank) * (1 + (p->jitter == TY_STEADY ? 0 : p->mean));
}

/* ---- the slowest ----------------------------------------------------------------------------- */

/* Probability that a delay is below d, d >= 0. */
static double below(const ty_pace *p, double d)
{
    const double x = d / p->mean;
    switch (p->jitter) {
    case TY_JITTER_EXP:
        return 1 - exp(-x);
    case TY_JITTER_UNIFORM:
        return x < 2 ? x / 2 : 1;
    case TY_JITTER_LOGNORMAL:
        return x > 0 ? 0.5 * erfc(-(log(x) + 0.5) / sqrt(2)) : 0;
    default:
        return 1;
    }
}

/* Probability that some rank's factor is above t, which is at least the largest slow(). */
static double above(const ty_pace *p, int ranks, double t)
{
    int steady = ranks;
    double all = 1;
    for (int i = 0; i < p->slow_n; i++)
        if (p->slow[i].rank < ranks) {
            all *= below(p, t / p->slow[i].factor - 1);
            steady--;
        }
    return 1 - all * pow(below(p, t - 1), steady);
}

double ty_pace_slowest(const ty_pace *p, int ranks)
{
    enum { PIECES = 4000 };
    double first = 1, sum = 0;
    for (int i = 0; i < p->slow_n; i++)
        if (p->slow[i].rank < ranks)
            first = fmax(first, p->slow[i].factor);
    if (p->jitter == TY_STEADY)
        return first;
    /* Simpson's rule over t = first + scale (e^u - 1): long tails, and fine steps where they begin */
    const double scale = first * p->mean, end = 9, h = end / PIECES;
    for (int i = 0; i <= PIECES; i++) {
        const double u = i * h, weight = i == 0 || i == PIECES ? 1 : i % 2 ? 4 : 2;
        sum += weight * exp(u) * above(p, ranks, first + scale * (exp(u) - 1));
    }
    return first + scale * sum * h / 3;
}
