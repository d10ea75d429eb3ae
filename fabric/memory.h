/* SPDX-License-Identifier: MIT
 *
 * memory - the account of what a rank holds, by category, and the pool behind ty_scratch. Ghosts are booked like
 * real tensors. Lanes of a rank share one account.
 */
#ifndef TY_FABRIC_MEMORY_H
#define TY_FABRIC_MEMORY_H

#include "fabric/ledger.h"

typedef struct ty_memory_account ty_memory_account;

ty_memory_account *ty_memory_account_new(void);
void               ty_memory_account_free(ty_memory_account *a); /* and the pool's buffers */
/* Copy current and peak bytes into l. */
void ty_memory_account_read(ty_memory_account *a, ty_ledger *l);
/* Set the peaks back to those of l: what came since was no part of a step. */
void ty_memory_account_restore(ty_memory_account *a, const ty_ledger *l);

/* Book bytes under a category; with `real`, return zeroed memory for them, 64-byte aligned, else NULL. */
float *ty_memory_take(ty_memory_account *a, ty_memory category, size_t bytes, int real);
void   ty_memory_give(ty_memory_account *a, ty_memory category, size_t bytes, float *data);
/* The same for step buffers: contents undefined, memory is kept for the next taker. */
float *ty_memory_borrow(ty_memory_account *a, size_t bytes, int real);
void   ty_memory_return(ty_memory_account *a, size_t bytes, float *data);

#endif
