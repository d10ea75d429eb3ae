/* SPDX-License-Identifier: MIT
 *
 * tensor - tensor parallelism: weight matrices in pairs, the first split by column and the second by row, so that one
 * all-reduce per pair and direction is enough. A last matrix without a partner is held whole by everybody.
 *
 *   forward    x ---> [x A_t] -> ReLU -> [h_t B_t] --all-reduce--> y        A = [A_0 A_1 ..]   by column
 *   backward   dx <--all-reduce-- [dh_t A_t^T] <- ReLU <- [dy B_t^T]        B = [B_0; B_1; ..] by row
 *
 *   time    load(B) + forward/N + backward/N + all-reduces of [B, width] + update/N
 *   sends   an all-reduce forward for each pair and one backward for each but the first (the data needs no gradient)
 *   source  Shoeybi et al., Megatron-LM, arXiv 1909.08053, 2019
 */
#include "strategies/worker.h"

#include <stdio.h>
#include <stdlib.h>

/* Values that divide every inner width, for the error message. */
static void legal_degrees(const ty_plan *p, size_t gcd, char *buf, size_t size)
{
    size_t used = 0;
    (void)p;
    for (size_t k = 1; k <= gcd && k <= 4096 && used + 16 < size; k++)
        if (gcd % k == 0)
            used += (size_t)snprintf(buf + used, size - used, "%s%zu", used ? ", " : "", k);
}

static size_t gcd(size_t a, size_t b)
{
    return b ? gcd(b, a % b) : a;
}

/* The widths that are split: outputs of the column-split blocks. */
static size_t common_width(const ty_plan *p)
{
    size_t width = 0;
    int linear = -1;
    for (int i = 0; i < p->problem->blocks_n; i++) {
        const ty_block *b = &p->problem->blocks[i];
        if (b->ops == &ty_block_linear && ty_plan_split(p, ++linear) > 0)
            width = gcd(b->out.total, width);
    }
    return width;
}

/* The widest all-reduce is of the batch by the outputs of a row-split block. */
static size_t reduced_width(const ty_plan *p)
{
    size_t width = 0;
    int linear = -1;
    for (int i = 0; i < p->problem->blocks_n; i++) {
        const ty_block *b = &p->problem->blocks[i];
        if (b->ops == &ty_block_linear && ty_plan_split(p, ++linear) < 0 && b->out.total > width)
            width = b->out.total;
    }
    return width;
}

static ty_err plan(ty_plan *p)
{
    TY_TRY(ty_plan_axis(p, "tp"));
    size_t width = common_width(p);
    if (p->tp > 1 && !width)
        return ty_error(TY_EUSAGE, "tensor: a network of one linear layer, or none, has no pair to "
                                   "split; use --workers 1, another strategy, or a network with "
                                   "--hidden layers (mnist-mlp)");
    if (p->tp > 1 && width % (size_t)p->tp) {
        char legal[120];
        legal_degrees(p, width, legal, sizeof legal);
        return ty_error(TY_EUSAGE,
                        "tensor: %d workers do not divide the hidden widths; use --workers %s",
                        p->tp, legal);
    }
    return ty_plan_allreduce(p, p->tp, p->batch * reduced_width(p));
}

/* Is block i split by column (+1) or by row (-1)? A window shows it. */
static int by_row(const ty_block *b)
{
    return b->ops == &ty_block_linear && b->in.n < b->in.total;
}

static int by_column(const ty_block *b)
{
    return b->ops == &ty_block_linear && b->out.n < b->out.total;
}

static void step(ty_worker *w, long s)
{
    ty_model *m = &w->model;
    size_t batch = ty_loader_count(&w->loader, s);
    void (*allreduce)(const ty_team *, ty_tensor) = w->plan->allreduce->run;

    ty_model_zero(m);
    ty_tensor x = ty_worker_load(w, s, 0, batch);
    for (int i = 0; i < m->n; i++) {
        x = ty_block_forward(m, 0, i, x);
        if (by_row(&m->block[i]))
            allreduce(&w->tensor, x);
    }
    double loss = 0; /* every rank computes the same loss: the first reports it */
    ty_tensor dy = ty_model_loss(m, 0, ty_worker_labels(w, 0, batch), 1.0F / (float)batch, &loss);
    w->loss = w->tensor.me == 0 ? loss : 0;
    for (int i = m->n - 1; i >= 0; i--) {
        dy = ty_block_backward(m, 0, i, dy);
        if (by_column(&m->block[i]) && i > 0)
            allreduce(&w->tensor, dy);
    }
    ty_worker_update(w, s);
}

static void add_cost(ty_cost *sum, ty_cost k)
{
    sum->seconds += k.seconds;
    sum->compute_s += k.compute_s;
    sum->messages += k.messages;
    sum->bytes += k.bytes;
    if (k.peak_bytes > sum->peak_bytes)
        sum->peak_bytes = k.peak_bytes;
}

static ty_cost cost(const ty_plan *p, int rank)
{
    ty_block *b = ty_alloc((size_t)p->problem->blocks_n * sizeof *b);
    int n =
        ty_plan_blocks(p, 0, b); /* member 0 has the biases of the row splits: it is the slowest */
    ty_cost k = {0};
    for (int i = 0; i < n; i++) {
        if (by_row(&b[i]))
            add_cost(&k, p->allreduce->cost(&p->costing, p->tp, rank, p->batch * b[i].out.n));
        if (by_column(&b[i]) && i > 0)
            add_cost(&k, p->allreduce->cost(&p->costing, p->tp, rank, p->batch * b[i].in.n));
    }
    double mine = ty_plan_zero_s(p, b, n) + ty_plan_load_s(p, p->batch) +
                  ty_blocks_forward_s(p, b, n, p->batch) + ty_plan_loss_s(p, p->batch) +
                  ty_blocks_backward_s(p, b, n, p->batch, 1) + ty_plan_update_s(p, b, n);
    k.seconds += mine;
    k.compute_s += mine;
    n = ty_plan_blocks(p, rank, b);
    k.peak_bytes += ty_plan_bytes(p, b, n, p->batch, 1, 1, 1);
    free(b);
    return k;
}

const ty_strategy ty_tensor_parallel = {
    .name = "tensor",
    .summary =
        "tensor parallel: columns then rows of each pair of matrices, one all-reduce per pair",
    .source = "Shoeybi et al., Megatron-LM, arXiv 1909.08053, 2019",
    .order = TY_FIXED,
    .alike = 1,
    .uses = TY_USES_COLLECTIVE,
    .plan = plan,
    .step = step,
    .cost = cost,
};
