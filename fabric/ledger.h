/* SPDX-License-Identifier: MIT
 *
 * ledger - what a rank did: messages and bytes, seconds by kind, memory by category. The same on every fabric,
 * because it is kept above them.
 */
#ifndef TY_FABRIC_LEDGER_H
#define TY_FABRIC_LEDGER_H

#include "kernels/work.h"

#include <stddef.h>
#include <stdint.h>

typedef enum ty_memory { TY_PARAM, TY_GRAD, TY_OPTIM, TY_ACTIV, TY_BUFFER, TY_MEMORIES } ty_memory;
extern const char *const ty_memory_name[TY_MEMORIES];

typedef struct ty_ledger {
    uint64_t messages;        /* sent */
    uint64_t bytes;           /* [B] sent */
    double   compute_s;       /* modelled seconds where time is virtual, else time outside waits */
    double   comm_exposed_s;  /* blocked while bytes were on their way */
    double   comm_hidden_s;   /* bytes on their way while this rank did something else */
    double   wait_s;          /* blocked because the other side was not there yet: bubble or straggler */
    double   flops;           /* of the operations, analytic */
    double   class_s[TY_CLASSES]; /* of compute_s, by class of kernel; where time is virtual, as charged (before a host's
                               * own speed); without lanes */
    uint64_t log;             /* hash of the message log: operation, peer, channel, bytes, in program order; lanes in
                               * the order of their joins */
    size_t   now_bytes[TY_MEMORIES], peak_bytes[TY_MEMORIES]; /* [B] each category's own high-water mark */
    size_t   total_bytes, total_peak;                         /* [B] of all categories together */
} ty_ledger;

#endif
