/* SPDX-License-Identifier: MIT
 *
 * op - operations on tensors: each charges its work and computes when there are numbers.
 */
#ifndef TY_FABRIC_OP_H
#define TY_FABRIC_OP_H

#include "fabric/tensor.h"
#include "kernels/work.h"

/* Charge w to the rank's time; true when t holds numbers to compute. Nothing else looks at ghostness. */
int ty_op(ty_rank *r, ty_work w, ty_tensor t);
/* The same of works[n], n >= 1, that one call does: its time is booked and drawn under the class of the longest. */
int ty_op_all(ty_rank *r, const ty_work *works, int n, ty_tensor t);

/* Element-wise operations on tensors of the same n; see kernels.h. */
void ty_add(ty_rank *r, ty_tensor acc, ty_tensor x);  /* acc += x */
void ty_copy(ty_rank *r, ty_tensor y, ty_tensor x);   /* y = x    */
void ty_scale(ty_rank *r, ty_tensor x, float a);      /* x *= a   */
void ty_fill(ty_rank *r, ty_tensor x, float a);       /* x = a    */

#endif
