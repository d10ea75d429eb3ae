/* SPDX-License-Identifier: MIT
 *
 * evaluate - the score of the network on the test set while it is trained; no part of any step.
 */
#ifndef TY_EXPERIMENTS_EVALUATE_H
#define TY_EXPERIMENTS_EVALUATE_H

#include "experiments/rank_main.h"

/* After `done` steps, `seconds` after the start, by every rank: rank 0 adds to c->evaluation. Returns the steps after which
 * training ends: no more than those done when c->target is reached.
 * Ranks that wait for each other in every step meet. Workers that come and go as they please do not when time is
 * virtual: an evaluation takes none, and their server looks alone. */
long ty_evaluate(ty_worker *w, ty_course *c, long done, double seconds);

#endif
