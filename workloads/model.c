/* SPDX-License-Identifier: MIT */
#include "workloads/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static size_t param_count(const ty_block *blocks, int n)
{
    size_t total = 0;
    for (int i = 0; i < n; i++)
        total += blocks[i].ops->params(&blocks[i]);
    return total;
}

static size_t saved_size(const ty_block *b)
{
    return b->ops->saved ? b->ops->saved(b) : 0;
}

/* Largest workspace of a block. */
static size_t workspace(const ty_block *blocks, int n, size_t rows)
{
    size_t most = 0;
    for (int i = 0; i < n; i++) {
        size_t w = blocks[i].ops->workspace ? blocks[i].ops->workspace(&blocks[i], rows) : 0;
        most = w > most ? w : most;
    }
    return most;
}

/* Widest gradient that travels back: the output of a block, or an input that somebody needs. */
static size_t widest(const ty_block *blocks, int n, int first)
{
    size_t w = 0;
    for (int i = 0; i < n; i++) {
        w = blocks[i].out.n > w ? blocks[i].out.n : w;
        w = (i > 0 || !first) && blocks[i].in.n > w ? blocks[i].in.n : w;
    }
    return w;
}

static const ty_block *find(const ty_model *m, int index)
{
    for (int i = 0; i < m->n; i++)
        if (m->block[i].index == index)
            return &m->block[i];
    TY_CHECK(0, "this rank needs block %d", index);
    return NULL;
}

ty_tensor ty_model_gradient(const ty_model *m, int index, size_t n)
{
    return ty_slice(find(m, index)->dp, 0, n);
}

/* Cut each block's views out of the flat parameters, and give it its initial values. */
static void lay_out(ty_model *m, uint64_t seed)
{
    const int train = m->use == TY_MODEL_TRAIN;
    size_t at = 0;
    for (int i = 0; i < m->n; i++) {
        ty_block *b = &m->block[i];
        size_t n = b->ops->params(b);
        b->work = m->work;
        if (m->use == TY_MODEL_BARE)
            continue;
        b->p = ty_slice(m->params, at, n);
        if (train)
            b->dp = ty_slice(m->grads, at, n);
        if (b->tied && !b->copy) {
            b->p = ty_slice(find(m, b->owner)->p, 0, b->tied);
            if (train)
                b->dp = ty_model_gradient(m, b->owner, b->tied);
        } else if (b->ops->init)
            b->ops->init(b, seed);
        at += n;
    }
}

void ty_model_bind(ty_model *m, int first, int end, size_t begin, ty_tensor params, ty_tensor grads)
{
    for (int i = first; i < end; i++) {
        ty_block *b = &m->block[i];
        const size_t at = (b->tied ? find(m, b->owner)->offset : b->offset) - begin,
                     n = b->tied ? b->tied : b->ops->params(b);
        if (params.n)
            b->p = ty_slice(params, at, n);
        if (grads.n)
            b->dp = ty_slice(grads, at, n);
    }
}

/* Room for what each block returns and saves, in every slot. */
static void make_room(ty_model *m, size_t rows)
{
    size_t places = (size_t)(m->slots * m->n);
    m->out = ty_zalloc(places, sizeof *m->out);
    m->room = ty_zalloc(places, sizeof *m->room);
    m->saved = ty_zalloc(places, sizeof *m->saved);
    m->input = ty_zalloc((size_t)m->slots, sizeof *m->input);
    for (int i = 0; i < m->slots * m->n; i++) {
        const ty_block *b = &m->block[i % m->n];
        if (!b->ops->in_place)
            m->room[i] = ty_tensor_new(m->rank, TY_ACTIV, rows, b->out.n);
        if (saved_size(b))
            m->saved[i] = ty_tensor_new(m->rank, TY_ACTIV, rows, saved_size(b));
    }
}

void ty_model_init(ty_model *m, ty_rank *r, const ty_block *blocks, int n, size_t rows, int slots,
                   int first, ty_model_use use, uint64_t seed)
{
    *m = (ty_model){.rank = r, .use = use, .n = n, .slots = slots, .rows = rows, .first = first};
    size_t total = param_count(blocks, n);
    m->block = ty_alloc((size_t)n * sizeof *blocks);
    memcpy(m->block, blocks, (size_t)n * sizeof *blocks);
    m->params = ty_tensor_new(r, TY_PARAM, 1, use == TY_MODEL_BARE ? 0 : total);
    m->grads = ty_tensor_new(r, TY_GRAD, 1, use == TY_MODEL_TRAIN ? total : 0);
    m->work = ty_tensor_new(r, TY_ACTIV, 1, workspace(blocks, n, rows));
    lay_out(m, seed);
    make_room(m, rows);
    for (int i = 0; i < 2; i++)
        m->dx[i] =
            ty_tensor_new(r, TY_ACTIV, use == TY_MODEL_TEST ? 0 : rows, widest(blocks, n, first));
}

void ty_model_fini(ty_model *m)
{
    for (int i = 0; i < m->slots * m->n; i++) {
        if (!m->block[i % m->n].ops->in_place)
            ty_drop(m->rank, m->room[i]);
        if (saved_size(&m->block[i % m->n]))
            ty_drop(m->rank, m->saved[i]);
    }
    for (int i = 0; i < 2; i++)
        ty_drop(m->rank, m->dx[i]);
    ty_drop(m->rank, m->grads);
    ty_drop(m->rank, m->params);
    ty_drop(m->rank, m->work);
    free(m->block);
    free(m->out);
    free(m->room);
    free(m->saved);
    free(m->input);
}

double ty_model_bytes(const ty_block *blocks, int n, size_t rows, int slots, int first, int train)
{
    double elements = (double)param_count(blocks, n) * (train ? 2 : 1);
    for (int i = 0; i < n; i++) {
        size_t row = (blocks[i].ops->in_place ? 0 : blocks[i].out.n) + saved_size(&blocks[i]);
        elements += (double)slots * (double)rows * (double)row;
    }
    elements += (double)workspace(blocks, n, rows);
    if (train)
        elements += 2.0 * (double)rows * (double)widest(blocks, n, first);
    return elements * sizeof(float);
}

ty_tensor ty_block_forward(ty_model *m, int slot, int i, ty_tensor x)
{
    const ty_block *b = &m->block[i];
    int at = slot * m->n + i;
    if (i == 0)
        m->input[slot] = x;
    ty_tensor y = b->ops->in_place ? x : ty_rows(m->room[at], 0, x.rows);
    ty_tensor saved = ty_rows(m->saved[at], 0, m->saved[at].rows ? x.rows : 0);
    return m->out[at] = b->ops->forward(b, m->rank, x, y, saved);
}

ty_tensor ty_model_forward(ty_model *m, int slot, ty_tensor x)
{
    for (int i = 0; i < m->n; i++)
        x = ty_block_forward(m, slot, i, x);
    return x;
}

ty_tensor ty_model_dy(ty_model *m, size_t rows)
{
    size_t cols = m->block[m->n - 1].out.n;
    return ty_reshape(ty_slice(m->dx[0], 0, rows * cols), rows, cols);
}

ty_tensor ty_model_loss(ty_model *m, int slot, ty_tensor labels, float scale, double *loss)
{
    ty_tensor y = m->out[slot * m->n + m->n - 1], dy = ty_model_dy(m, y.rows);
    scale /= (float)m->loss.targets;
    *loss += scale * ty_loss_sum(&m->loss, m->rank, dy, y, labels, scale, NULL);
    return dy;
}

ty_tensor ty_block_backward(ty_model *m, int slot, int i, ty_tensor dy)
{
    const ty_block *b = &m->block[i];
    ty_tensor x = i ? m->out[slot * m->n + i - 1] : m->input[slot], dx = {0};
    if (i > 0 || !m->first) {
        ty_tensor room = m->dx[0].data == dy.data && dy.data ? m->dx[1] : m->dx[0];
        dx = ty_reshape(ty_slice(room, 0, x.rows * b->in.n), x.rows, b->in.n);
    }
    ty_tensor saved = m->saved[slot * m->n + i];
    saved = ty_rows(saved, 0, saved.rows ? x.rows : 0);
    dx = b->ops->backward(b, m->rank, x, m->out[slot * m->n + i], saved, dy, dx);
    m->block[i].fresh = 0;
    return dx;
}

ty_tensor ty_model_backward(ty_model *m, int slot, ty_tensor dy)
{
    for (int i = m->n - 1; i >= 0; i--)
        dy = ty_block_backward(m, slot, i, dy);
    return dy;
}

static void zero_run(ty_model *m, ty_tensor grads, size_t begin, size_t end)
{
    if (begin < end)
        ty_fill(m->rank, ty_slice(grads, begin, end - begin), 0);
}

void ty_model_zero_blocks(ty_model *m, int first, int end, ty_tensor grads)
{
    size_t begin = 0, at = 0; /* of the run that is to be zero; so far */
    for (int i = first; i < end; i++) {
        ty_block *b = &m->block[i];
        b->fresh = 1;
        if (b->ops->writes_first) {
            zero_run(m, grads, begin, at);
            begin = at + b->ops->params(b);
        }
        at += b->ops->params(b);
    }
    zero_run(m, grads, begin, grads.n);
}

void ty_model_zero(ty_model *m)
{
    ty_model_zero_blocks(m, 0, m->n, m->grads);
}

double ty_model_test(ty_model *m, ty_tensor x, ty_tensor labels, size_t *right)
{
    ty_tensor y = ty_model_forward(m, 0, x);
    return ty_loss_sum(&m->loss, m->rank, y, y, labels, 1, right);
}

static int all_finite(ty_tensor t)
{
    for (size_t i = 0; t.data && i < t.n; i++)
        if (!isfinite(t.data[i]))
            return 0;
    return 1;
}

int ty_model_fault(const ty_model *m, int slot)
{
    int i = 0;
    if (!all_finite(m->input[slot]))
        return -1;
    while (i < m->n && all_finite(m->out[slot * m->n + i]))
        i++;
    return i;
}
