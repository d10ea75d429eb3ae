/* SPDX-License-Identifier: MIT */
#include "fabric/op.h"

#include "fabric/trace.h"
#include "kernels/kernels.h"

/* On this machine; a straggler takes longer. */
static double seconds_of(const ty_rank *r, ty_work w)
{
    const ty_job *job = r->job;
    return job->machine ? ty_machine_seconds(job->machine, w, job->threads, job->busy) : 0;
}

/* The class that a call of several works is booked under: of the work that takes longest, or has most flops where no
 * machine is known. */
static ty_class leading(const ty_rank *r, const ty_work *works, int n)
{
    int most = 0;
    double longest = -1;
    for (int i = 0; i < n && n > 1; i++) {
        double weight = r->job->machine ? seconds_of(r, works[i]) : works[i].flops;
        most = weight > longest ? i : most;
        longest = weight > longest ? weight : longest;
    }
    return works[most].cls;
}

int ty_op_all(ty_rank *r, const ty_work *works, int n, ty_tensor t)
{
    const ty_class cls = leading(r, works, n);
    ty_trace_open(r, (int)cls);
    for (int i = 0; i < n; i++) {
        const double seconds = seconds_of(r, works[i]) * (1 + r->slower);
        if (r->paused)
            continue;
        r->ops->charge(r, seconds);
        if (r->quiet)
            continue;
        r->ledger.flops += works[i].flops;
        if (r->ops->virtual_time)
            r->ledger.class_s[cls] += seconds;
    }
    return t.data != NULL && t.n > 0;
}

int ty_op(ty_rank *r, ty_work w, ty_tensor t)
{
    return ty_op_all(r, &w, 1, t);
}

void ty_add(ty_rank *r, ty_tensor acc, ty_tensor x)
{
    TY_CHECK(acc.n == x.n, "add %zu and %zu elements", acc.n, x.n);
    if (ty_op(r, ty_work_add(acc.n), acc))
        ty_kernel_add(acc.data, x.data, acc.n);
}

void ty_copy(ty_rank *r, ty_tensor y, ty_tensor x)
{
    TY_CHECK(y.n == x.n, "copy %zu elements to %zu", x.n, y.n);
    if (ty_op(r, ty_work_copy(y.n), y))
        ty_kernel_copy(y.data, x.data, y.n);
}

void ty_scale(ty_rank *r, ty_tensor x, float a)
{
    if (ty_op(r, ty_work_scale(x.n), x))
        ty_kernel_scale(x.data, a, x.n);
}

void ty_fill(ty_rank *r, ty_tensor x, float a)
{
    if (ty_op(r, ty_work_fill(x.n), x))
        ty_kernel_fill(x.data, a, x.n);
}
