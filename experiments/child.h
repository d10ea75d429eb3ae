/* SPDX-License-Identifier: MIT
 *
 * child - run something in a process of its own, and never let its end become ours: a crash, an
 * abort or a signal comes back as an error with the last line it wrote to stderr.
 */
#ifndef TY_EXPERIMENTS_CHILD_H
#define TY_EXPERIMENTS_CHILD_H

#include "base/err.h"

/* Memory that parent and child both see, zeroed. */
void *ty_child_share(unsigned long bytes);
void  ty_child_unshare(void *p, unsigned long bytes);

/* Fork, run fn(a, b) in the child, wait. `progress` is called with state[0] (fraction), state[1]
 * (loss) about twice a second; may be NULL. TY_EWRONG when the child did not end well. The child is
 * killed when this process is interrupted. */
ty_err ty_child_run(void (*fn)(void *a, void *b), void *a, void *b,
                    void (*progress)(void *arg, double fraction, double loss), void *arg,
                    const volatile double *state);

#endif
