/* SPDX-License-Identifier: MIT
 *
 * mnist-mlp - 28x28 digits, 784-512-256-10. Any data set in MNIST's IDX format drops in
 * with --data DIR.
 */
#include "workloads/workload.h"

static ty_err open_mnist(const ty_workload_options *o, ty_problem *p)
{
    static const size_t usual[] = {512, 256};
    TY_TRY(ty_problem_fixed_depth(o, "mnist-mlp"));
    TY_TRY(ty_dataset_load_idx(&p->data, o->data ? o->data : TY_DATA_DIR "/mnist", 10));
    size_t features = (size_t)p->data.train.height * p->data.train.width;
    ty_problem_mlp(p, features, o->hidden_n ? o->hidden : usual, o->hidden_n ? o->hidden_n : 2, 10);
    return ty_ok();
}

const ty_workload ty_mnist_mlp = {
    .name = "mnist-mlp",
    .summary = "28x28 digits, layers 784-512-256-10 (--hidden 512x256, --data DIR)",
    .has_data = 1,
    .open = open_mnist,
};
