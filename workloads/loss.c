/* SPDX-License-Identifier: MIT */
#include "workloads/loss.h"

#include "kernels/kernels.h"
#include "kernels/squared.h"

ty_work ty_loss_work(const ty_loss *l, size_t rows)
{
    const size_t labels = rows * l->targets;
    return l->kind == TY_LOSS_XENT ? ty_work_softmax_xent(labels, l->classes)
                                   : ty_work_squared(labels);
}

double ty_loss_sum(const ty_loss *l, ty_rank *r, ty_tensor dy, ty_tensor y, ty_tensor labels,
                   float scale, size_t *right)
{
    const size_t n = y.rows * l->targets, of_label = l->kind == TY_LOSS_XENT ? l->classes : 1;
    TY_CHECK(labels.n == n && y.n == n * of_label, "%zu labels and %zu outputs for %zu targets",
             labels.n, y.n, n);
    if (right)
        *right = 0;
    if (!ty_op(r, ty_loss_work(l, y.rows), dy))
        return 0;
    if (l->kind == TY_LOSS_XENT)
        return ty_kernel_softmax_xent(dy.data, y.data, labels.data, n, l->classes, scale, right);
    return ty_kernel_squared(dy.data, y.data, labels.data, n, scale);
}
