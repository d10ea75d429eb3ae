/* SPDX-License-Identifier: MIT
 *
 * synthetic-mlp - L equal linear layers of width W (the last one's outputs are the
 * classes), ReLU between: any size, for studies of cost. Samples are drawn from the seed
 * when numbers are wanted.
 */
#include "workloads/workload.h"

static ty_err open_synthetic(const ty_workload_options *o, ty_problem *p)
{
    size_t hidden[TY_MAX_HIDDEN], width = o->width ? (size_t)o->width : 256;
    long layers = o->layers ? o->layers : 4;
    if (layers > TY_MAX_HIDDEN)
        return ty_error(TY_EUSAGE, "--layers %ld: at most %d", layers, TY_MAX_HIDDEN);
    if (o->data)
        return ty_error(TY_EUSAGE,
                        "--data: synthetic-mlp makes its samples up; use mnist-mlp or digits-mlp");
    if (o->hidden_n)
        return ty_error(TY_EUSAGE,
                        "synthetic-mlp has equal layers: use --layers and --width, not --hidden");
    if (o->heads || o->context)
        return ty_error(TY_EUSAGE,
                        "--heads and --context belong to sequences; synthetic-mlp has none");
    for (long i = 0; i + 1 < layers; i++)
        hidden[i] = width;
    ty_dataset_synthetic(&p->data, o->samples ? (uint32_t)o->samples : 8192, (uint32_t)width,
                         (uint32_t)width);
    ty_problem_mlp(p, width, hidden, (int)layers - 1, width);
    return ty_ok();
}

const ty_workload ty_synthetic_mlp = {
    .name = "synthetic-mlp",
    .summary = "equal layers of any size, made-up samples (--layers 64 --width 1024)",
    .open = open_synthetic,
};
