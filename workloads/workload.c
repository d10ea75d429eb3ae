/* SPDX-License-Identifier: MIT */
#include "workloads/workload.h"

#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const ty_workload *const ty_workloads[] = {&ty_mnist_mlp,  &ty_mnist_cnn,     &ty_mnist_lenet,
                                           &ty_digits_mlp, &ty_sunspots_lstm, &ty_synthetic_mlp,
                                           &ty_jargon_gpt};
enum { WORKLOADS = sizeof ty_workloads / sizeof *ty_workloads };
const size_t ty_workloads_n = WORKLOADS;

ty_err ty_problem_open(ty_problem *p, const char *name, const ty_workload_options *o)
{
    const char *names[WORKLOADS];
    for (int i = 0; i < WORKLOADS; i++) {
        names[i] = ty_workloads[i]->name;
        if (!strcmp(name, names[i])) {
            *p = (ty_problem){.workload = ty_workloads[i]};
            TY_TRY(ty_workloads[i]->open(o, p));
            p->targets = p->targets ? p->targets : 1;
            if (o->samples && ty_workloads[i]->has_data)
                ty_problem_pretend(p, (uint32_t)o->samples);
            return ty_ok();
        }
    }
    return ty_unknown("workload", name, names, WORKLOADS, "`trainyard list` shows them");
}

void ty_problem_close(ty_problem *p)
{
    ty_dataset_free(&p->data);
    free(p->blocks);
    *p = (ty_problem){0};
}

void ty_problem_pretend(ty_problem *p, uint32_t n)
{
    p->pretended = n > p->data.train.n;
    p->data.train.n = n;
}

ty_loss ty_problem_loss(const ty_problem *p)
{
    return (ty_loss){.kind = p->loss, .targets = p->targets, .classes = p->classes};
}

ty_score ty_problem_score(const ty_problem *p, ty_model *m)
{
    const size_t total = p->data.test.n, most = m->rows;
    ty_loader loader = {.data = &p->data};
    ty_tensor x = ty_tensor_new(m->rank, TY_ACTIV, most, p->features);
    ty_tensor labels = ty_tensor_new(m->rank, TY_ACTIV, 1, most * p->targets);
    size_t right = 0, hits;
    double sum = 0;
    m->loss = ty_problem_loss(p);
    for (size_t at = 0; at < total; at += most) {
        size_t rows = total - at < most ? total - at : most;
        ty_tensor some = ty_rows(x, 0, rows), those = ty_slice(labels, 0, rows * p->targets);
        ty_loader_test(&loader, m->rank, at, some, those);
        sum += ty_model_test(m, some, those, &hits);
        right += hits;
    }
    const double n = x.data ? (double)total * (double)p->targets : 0; /* 0 / 0 is NAN */
    ty_drop(m->rank, x);
    ty_drop(m->rank, labels);
    return (ty_score){.accuracy = p->loss == TY_LOSS_XENT ? (double)right / n : NAN,
                      .loss = sum / n};
}

ty_err ty_problem_fixed_depth(const ty_workload_options *o, const char *name)
{
    if (o->layers || o->width)
        return ty_error(
            TY_EUSAGE,
            "--layers and --width belong to synthetic-mlp, jargon-gpt and sunspots-lstm; "
            "%s takes --hidden",
            name);
    if (o->heads || o->context)
        return ty_error(TY_EUSAGE, "--heads and --context belong to sequences; %s has none", name);
    return ty_ok();
}

void ty_problem_add(ty_problem *p, ty_block b)
{
    b.index = p->blocks_n;
    b.offset = p->params;
    p->params += b.ops->params(&b);
    p->blocks[p->blocks_n++] = b;
}

void ty_problem_mlp(ty_problem *p, size_t features, const size_t *hidden, int n, size_t classes)
{
    p->features = features;
    p->classes = classes;
    p->blocks = ty_zalloc((size_t)(2 * n + 1), sizeof *p->blocks);
    size_t in = features;
    for (int i = 0; i < n; i++) {
        ty_problem_add(p, ty_linear_new(in, hidden[i]));
        ty_problem_add(p, ty_relu_new(hidden[i]));
        in = hidden[i];
    }
    ty_problem_add(p, ty_linear_new(in, classes));
}
