/* SPDX-License-Identifier: MIT */
#include "workloads/cnn.h"

enum { CLASSES = 10 };

ty_err ty_cnn_open(const ty_workload_options *o, ty_problem *p, const char *name, uint32_t least,
                   int blocks, ty_maps *in)
{
    TY_TRY(ty_problem_fixed_depth(o, name));
    TY_TRY(ty_dataset_load_idx(&p->data, o->data ? o->data : TY_DATA_DIR "/mnist", CLASSES));
    const ty_images *im = &p->data.train;
    if (im->height < least || im->width < least) {
        const ty_err e = ty_error(TY_EUSAGE, "%s needs images of %ux%u or more; these are %ux%u",
                                  name, least, least, im->height, im->width);
        ty_dataset_free(&p->data);
        return e;
    }
    *in = (ty_maps){1, im->height, im->width};
    p->features = (size_t)im->height * im->width;
    p->classes = im->classes;
    p->blocks = ty_zalloc((size_t)(blocks + 2 * o->hidden_n), sizeof *p->blocks);
    return ty_ok();
}

ty_maps ty_cnn_conv(ty_problem *p, ty_maps x, size_t F, size_t K, size_t P)
{
    const ty_maps y = {F, x.H + 2 * P - K + 1, x.W + 2 * P - K + 1};
    ty_problem_add(p, ty_conv_new(x.C, x.H, x.W, F, K, P));
    ty_problem_add(p, ty_relu_new(y.C * y.H * y.W));
    return y;
}

ty_maps ty_cnn_pool(ty_problem *p, ty_maps x)
{
    ty_problem_add(p, ty_pool_new(x.C, x.H, x.W));
    return (ty_maps){x.C, x.H / 2, x.W / 2};
}

void ty_cnn_head(ty_problem *p, ty_maps x, const ty_workload_options *o, const size_t *usual, int n)
{
    const size_t *hidden = o->hidden_n ? o->hidden : usual;
    size_t in = x.C * x.H * x.W;
    for (int i = 0; i < (o->hidden_n ? o->hidden_n : n); i++) {
        ty_problem_add(p, ty_linear_new(in, hidden[i]));
        ty_problem_add(p, ty_relu_new(hidden[i]));
        in = hidden[i];
    }
    ty_problem_add(p, ty_linear_new(in, p->classes));
}
