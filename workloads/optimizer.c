/* SPDX-License-Identifier: MIT */
#include "workloads/optimizer.h"

#include "base/text.h"
#include "kernels/kernels.h"

#include <string.h>

const char *const ty_optimizer_name[TY_OPTIMIZERS + 1] = {"sgd", "adamw"};

ty_err ty_optimizer_find(const char *name, ty_optimizer_kind *kind)
{
    for (int i = 0; i < TY_OPTIMIZERS; i++)
        if (!strcmp(name, ty_optimizer_name[i])) {
            *kind = (ty_optimizer_kind)i;
            return ty_ok();
        }
    return ty_unknown("optimizer", name, ty_optimizer_name, TY_OPTIMIZERS, NULL);
}

static int states(ty_optimizer_kind kind)
{
    return kind == TY_SGD ? 1 : 2;
}

void ty_optimizer_init(ty_optimizer *o, ty_rank *r, size_t n)
{
    for (int i = 0; i < states(o->kind); i++)
        o->state[i] = ty_tensor_new(r, TY_OPTIM, 1, n);
}

void ty_optimizer_fini(ty_optimizer *o, ty_rank *r)
{
    for (int i = 0; i < states(o->kind); i++)
        ty_drop(r, o->state[i]);
}

double ty_optimizer_bytes(ty_optimizer_kind kind, size_t n)
{
    return (double)states(kind) * (double)n * sizeof(float);
}

ty_work ty_optimizer_work(ty_optimizer_kind kind, size_t n)
{
    return kind == TY_SGD ? ty_work_sgd(n) : ty_work_adamw(n);
}

void ty_optimizer_step(ty_optimizer *o, ty_rank *r, ty_tensor params, ty_tensor grads, long step)
{
    float rate = (float)(10 * step >= 7 * o->steps ? o->rate * 0.1 : o->rate);
    if (!ty_op(r, ty_optimizer_work(o->kind, params.n), params))
        return;
    if (o->kind == TY_SGD)
        ty_kernel_sgd(params.data, o->state[0].data, grads.data, params.n, rate,
                      (float)o->momentum);
    else
        ty_kernel_adamw(params.data, o->state[0].data, o->state[1].data, grads.data, params.n, rate,
                        (float)o->momentum, 0.999F, 1e-8F, 0.01F, (int)step + 1);
}
