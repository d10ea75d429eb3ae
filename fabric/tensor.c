/* SPDX-License-Identifier: MIT */
#include "fabric/tensor.h"

#include "fabric/memory.h"

static ty_tensor make(float *data, ty_memory memory, size_t rows, size_t cols)
{
    return (ty_tensor){data, rows * cols, rows, cols, TY_F32, memory};
}

ty_tensor ty_tensor_new(ty_rank *r, ty_memory memory, size_t rows, size_t cols)
{
    TY_CHECK(memory != TY_BUFFER, "buffers come from ty_scratch");
    float *data = ty_memory_take(r->mem, memory, rows * cols * sizeof(float), !r->job->ghost);
    return make(data, memory, rows, cols);
}

ty_tensor ty_scratch(ty_rank *r, size_t n)
{
    return make(ty_memory_borrow(r->mem, n * sizeof(float), !r->job->ghost), TY_BUFFER, 1, n);
}

ty_tensor ty_scratch_like(ty_rank *r, ty_tensor t)
{
    ty_tensor s = ty_scratch(r, t.n);
    return ty_reshape(s, t.rows, t.cols);
}

void ty_drop(ty_rank *r, ty_tensor t)
{
    if (t.memory == TY_BUFFER)
        ty_memory_return(r->mem, ty_bytes(t), t.data);
    else
        ty_memory_give(r->mem, t.memory, ty_bytes(t), t.data);
}

ty_tensor ty_slice(ty_tensor t, size_t first, size_t n)
{
    TY_CHECK(first + n <= t.n, "slice [%zu, %zu) of %zu elements", first, first + n, t.n);
    return make(t.data ? t.data + first : NULL, t.memory, 1, n);
}

ty_tensor ty_rows(ty_tensor t, size_t first, size_t rows)
{
    TY_CHECK(first + rows <= t.rows, "rows [%zu, %zu) of %zu", first, first + rows, t.rows);
    return make(t.data ? t.data + first * t.cols : NULL, t.memory, rows, t.cols);
}

ty_tensor ty_reshape(ty_tensor t, size_t rows, size_t cols)
{
    TY_CHECK(rows * cols == t.n, "%zu elements do not reshape to [%zu, %zu]", t.n, rows, cols);
    t.rows = rows;
    t.cols = cols;
    return t;
}

static size_t wrap(int p, int i)
{
    return (size_t)(((i % p) + p) % p);
}

size_t ty_chunk_size(size_t n, int p, int i)
{
    return n / (size_t)p + (wrap(p, i) < n % (size_t)p);
}

size_t ty_chunk_first(size_t n, int p, int i)
{
    size_t c = wrap(p, i), rest = n % (size_t)p;
    return c * (n / (size_t)p) + (c < rest ? c : rest);
}

ty_tensor ty_chunk(ty_tensor t, int p, int i)
{
    return ty_slice(t, ty_chunk_first(t.n, p, i), ty_chunk_size(t.n, p, i));
}
