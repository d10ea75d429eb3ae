/* SPDX-License-Identifier: MIT */
#include "fabric/op.h"

#include "fabric/trace.h"
#include "kernels/kernels.h"

int ty_op(ty_rank *r, ty_work w, ty_tensor t)
{
    const ty_job *job = r->job;
    if (!r->quiet)
        r->ledger.flops += w.flops;
    ty_trace_open(r, (int)w.cls);
    if (job->machine)
        r->ops->charge(r, ty_machine_seconds(job->machine, w, job->threads, job->busy));
    return t.data != NULL && t.n > 0;
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
