/* SPDX-License-Identifier: MIT
 *
 * conformance_cases - what the conformance suites share: the numbers of workers that can be tried on the fabric that
 * TY_FABRIC names, and the assertion that no law rejects a trial there.
 */
#ifndef TY_TESTS_CONFORMANCE_CASES_H
#define TY_TESTS_CONFORMANCE_CASES_H

#include "tests/conformance.h"
#include "tests/on_fabric.h"

/* Of all[n] those from `least` on that can be tried here: an MPI job has one number. Returns how many are in count. */
static inline int worker_counts(int *count, const int *all, int n, int least)
{
    int found = 0;
    for (int i = 0; i < n; i++)
        if (all[i] >= least && (!on("mpi") || all[i] == ranks_or(0)))
            count[found++] = all[i];
    return found;
}

static inline verdicts must_hold(trial t)
{
    t.fabric = fabric_name();
    verdicts v = apply_laws(t);
    ck_assert_msg(!*rejecting(&v), "%s, %d workers, %s, %d micro-batches on %s breaks law %s: %s",
                  t.strategy->name, t.workers, t.collective ? t.collective : "auto",
                  t.micro_batches, t.fabric, rejecting(&v), first_verdict(&v));
    return v;
}

#endif
