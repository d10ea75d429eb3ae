/* SPDX-License-Identifier: MIT
 *
 * mnist-cnn - 28x28 digits, two 3x3 convolutions of 32 and 64 filters, 2x2 pooling, 9216-128-10. Any data set of 28x28
 * images in MNIST's IDX format drops in with --data DIR.
 */
#include "workloads/workload.h"

enum { FIRST = 32, SECOND = 64, FILTER = 3, BLOCKS = 5 };

/* conv - ReLU - conv - ReLU - pool, then linear layers with a ReLU between. */
static void build(ty_problem *p, size_t H, size_t W, const size_t *hidden, int n)
{
    const size_t h1 = H - FILTER + 1, w1 = W - FILTER + 1, h2 = h1 - FILTER + 1,
                 w2 = w1 - FILTER + 1;
    p->features = H * W;
    p->classes = p->data.train.classes;
    p->blocks = ty_zalloc((size_t)(BLOCKS + 2 * n + 1), sizeof *p->blocks);
    ty_problem_add(p, ty_conv_new(1, H, W, FIRST, FILTER, 0));
    ty_problem_add(p, ty_relu_new(FIRST * h1 * w1));
    ty_problem_add(p, ty_conv_new(FIRST, h1, w1, SECOND, FILTER, 0));
    ty_problem_add(p, ty_relu_new(SECOND * h2 * w2));
    ty_problem_add(p, ty_pool_new(SECOND, h2, w2));
    size_t in = SECOND * (h2 / 2) * (w2 / 2);
    for (int i = 0; i < n; i++) {
        ty_problem_add(p, ty_linear_new(in, hidden[i]));
        ty_problem_add(p, ty_relu_new(hidden[i]));
        in = hidden[i];
    }
    ty_problem_add(p, ty_linear_new(in, p->classes));
}

static ty_err open_mnist(const ty_workload_options *o, ty_problem *p)
{
    static const size_t usual[] = {128};
    TY_TRY(ty_problem_fixed_depth(o, "mnist-cnn"));
    TY_TRY(ty_dataset_load_idx(&p->data, o->data ? o->data : TY_DATA_DIR "/mnist", 10));
    const ty_images *im = &p->data.train;
    if (im->height < 8 || im->width < 8)
        return ty_error(TY_EUSAGE, "mnist-cnn needs images of 8x8 or more; these are %ux%u",
                        im->height, im->width);
    build(p, im->height, im->width, o->hidden_n ? o->hidden : usual, o->hidden_n ? o->hidden_n : 1);
    return ty_ok();
}

const ty_workload ty_mnist_cnn = {
    .name = "mnist-cnn",
    .summary = "28x28 digits, convolutions 32 and 64 of 3x3, pooling, 9216-128-10 (--hidden 128, "
               "--data DIR)",
    .has_data = 1,
    .open = open_mnist,
};
