/* SPDX-License-Identifier: MIT */
#include "workloads/block.h"

#include "base/rng.h"

#include <string.h>

ty_block ty_block_window(const ty_block *b, ty_span in, ty_span out, int has_bias)
{
    ty_block w = *b;
    w.in = in;
    w.out = out;
    w.has_bias = b->has_bias && has_bias;
    return w;
}

ty_span ty_span_chunk(ty_span whole, int p, int i)
{
    return (ty_span){ty_chunk_first(whole.total, p, i), ty_chunk_size(whole.total, p, i),
                     whole.total};
}

int ty_block_charge(ty_rank *r, const ty_work *works, int n, ty_tensor t)
{
    return n > 0 && ty_op_all(r, works, n, t);
}

void ty_block_draw(const ty_block *b, size_t first, size_t n, uint64_t key, double scale)
{
    for (size_t i = 0; b->p.data && i < n; i++)
        b->p.data[first + i] = (float)(scale * ty_normal(key, i));
}

void ty_block_set(const ty_block *b, size_t first, size_t n, float value)
{
    for (size_t i = 0; b->p.data && i < n; i++)
        b->p.data[first + i] = value;
}

void ty_block_place(const ty_block *b, const float *from, float *whole)
{
    if (b->ops->place)
        b->ops->place(b, from, whole);
    else
        memcpy(whole + b->offset, from, b->ops->params(b) * sizeof(float));
}
