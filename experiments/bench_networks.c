/* SPDX-License-Identifier: MIT */
#include "experiments/bench_networks.h"

#include "experiments/bench_step.h"

enum { VOCABULARY = 256 };

/* Windows of T characters; blocks to come. */
static ty_err open_text(ty_problem *p, size_t T, size_t blocks)
{
    TY_TRY(ty_dataset_load_text(&p->data, TY_DATA_DIR "/jargon.txt.gz", T));
    p->features = p->targets = T;
    p->classes = VOCABULARY;
    p->blocks = ty_zalloc(blocks, sizeof *p->blocks);
    return ty_ok();
}

static ty_err open_gpt(ty_problem *p)
{
    enum { T = 128, C = 256, HEADS = 4, LAYERS = 4 };
    TY_TRY(open_text(p, T, 2 * LAYERS + 3));
    ty_problem_add(p, ty_embedding_new(T, C, VOCABULARY));
    for (int i = 0; i < LAYERS; i++) {
        ty_problem_add(p, ty_attention_new(T, C, HEADS, LAYERS));
        ty_problem_add(p, ty_mlp_new(T, C, LAYERS));
    }
    ty_problem_add(p, ty_norm_new(T, C));
    ty_problem_add(p, ty_output_new(T, C, VOCABULARY, 0));
    return ty_ok();
}

/* The character behind the window from the last step of the sequence. */
static ty_err open_lstm(ty_problem *p)
{
    enum { T = 64, E = 128, H = 256 };
    TY_TRY(open_text(p, T, 3));
    p->targets = p->data.sequence.targets = 1;
    ty_problem_add(p, ty_embedding_new(T, E, VOCABULARY));
    ty_problem_add(p, ty_lstm_new(T, E, H, 0));
    ty_problem_add(p, ty_linear_new(H, VOCABULARY));
    return ty_ok();
}

const ty_step_net ty_step_nets[] = {
    {"mlp", "784-512-256-10", "mnist-mlp", NULL, 128, 0.02},
    {"lenet", "5x5 convolutions 6-16, 400-120-84-10", "mnist-lenet", NULL, 64, 0.02},
    {"cnn", "3x3 convolutions 32-64, 9216-128-10", "mnist-cnn", NULL, 64, 0.01},
    {"gpt", "4 layers, 256 channels, 4 heads, 128 of 256 characters", NULL, open_gpt, 8, 0.02},
    {"lstm", "embedding 128, 256 units, last of 64 steps", NULL, open_lstm, 32, 0.05},
};
enum { NETS = sizeof ty_step_nets / sizeof *ty_step_nets };

const char *const ty_step_network[NETS + 1] = {"mlp", "lenet", "cnn", "gpt", "lstm"};

ty_err ty_step_net_open(const ty_step_net *n, ty_problem *p)
{
    static const ty_workload_options usual;
    *p = (ty_problem){0};
    return n->open ? n->open(p) : ty_problem_open(p, n->workload, &usual);
}
