/* SPDX-License-Identifier: MIT
 *
 * mnist-lenet - LeNet-5 on 28x28 digits: 5x5 convolutions of 6 and 16 filters, each with 2x2 pooling, then 400-120-84-10.
 * With ReLU and max pooling, and the second convolution sees all maps of the first.
 * Source: LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 86(11), 1998.
 */
#include "workloads/cnn.h"

static ty_err open_mnist(const ty_workload_options *o, ty_problem *p)
{
    static const size_t usual[] = {120, 84};
    ty_maps x;
    TY_TRY(ty_cnn_open(o, p, "mnist-lenet", 12, 11, &x));
    x = ty_cnn_pool(p, ty_cnn_conv(p, x, 6, 5, 2));
    x = ty_cnn_pool(p, ty_cnn_conv(p, x, 16, 5, 0));
    ty_cnn_head(p, x, o, usual, 2);
    return ty_ok();
}

const ty_workload ty_mnist_lenet = {
    .name = "mnist-lenet",
    .summary = "28x28 digits, LeNet-5: 5x5 convolutions 6 and 16, pooling, 400-120-84-10 (--hidden "
               "120x84, --data DIR)",
    .has_data = 1,
    .usual = {.batch = 64, .epochs = 12, .optimizer = TY_ADAMW, .rate = 0.002},
    .open = open_mnist,
};
