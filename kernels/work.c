/* SPDX-License-Identifier: MIT
 *
 * work - the names of the kernel classes, as calibration files and traces write them.
 */
#include "kernels/work.h"

const char *ty_class_name(ty_class c)
{
    static const char *const name[TY_CLASSES] = {
        [TY_CLASS_GEMM_NN] = "gemm_nn", [TY_CLASS_GEMM_NT] = "gemm_nt",
        [TY_CLASS_GEMM_TN] = "gemm_tn", [TY_CLASS_STREAM] = "stream",
        [TY_CLASS_COPY] = "copy",       [TY_CLASS_UPDATE] = "update",
        [TY_CLASS_SOFTMAX] = "softmax", [TY_CLASS_AUGMENT] = "augment",
        [TY_CLASS_CONV] = "conv",       [TY_CLASS_CONV_W] = "conv_w",
        [TY_CLASS_POOL] = "pool",       [TY_CLASS_NORM] = "norm",
        [TY_CLASS_GELU] = "gelu",       [TY_CLASS_ATTENTION] = "attention",
        [TY_CLASS_LSTM] = "lstm",       [TY_CLASS_LSTM_BACK] = "lstm_back",
        [TY_CLASS_PACK] = "pack",       [TY_CLASS_SHARED] = "shared",
    };
    return (unsigned)c < TY_CLASSES ? name[c] : "unknown";
}

enum { VECTOR = 16 }; /* floats of the widest vector, and of a cache line */

static double up(size_t n, size_t to)
{
    return (double)((n + to - 1) / to * to);
}

double ty_work_padded(ty_work w)
{
    const double m = (double)w.m, n = (double)w.n, k = (double)w.k;
    if (w.m == 0 || w.n == 0 || w.k == 0)
        return w.flops;
    switch (w.cls) {
    case TY_CLASS_CONV:
    case TY_CLASS_CONV_W:
        return 2 * m * n * k;
    case TY_CLASS_GEMM_NN:
    case TY_CLASS_GEMM_NT:
    case TY_CLASS_GEMM_TN:
    case TY_CLASS_SOFTMAX:
    case TY_CLASS_LSTM:
    case TY_CLASS_LSTM_BACK:
        return w.flops * up(w.n, VECTOR) / n;
    case TY_CLASS_AUGMENT: /* the end of a row is done by half a vector */
        return w.flops * up(w.n, VECTOR / 2) / n;
    case TY_CLASS_ATTENTION: /* a tile beyond the diagonal on each side */
        return w.flops * up(w.n, VECTOR) / n * (m + 2 * VECTOR) / m;
    default:
        return w.flops;
    }
}

double ty_work_rows(ty_work w)
{
    switch (w.cls) {
    case TY_CLASS_SOFTMAX:
    case TY_CLASS_AUGMENT:
        return (double)w.m;
    case TY_CLASS_POOL:
        return w.n < VECTOR ? (double)w.m : 0;
    case TY_CLASS_CONV_W:
        return (double)w.k * up(w.n, VECTOR) / VECTOR;
    case TY_CLASS_ATTENTION:
    case TY_CLASS_PACK:
        return (double)w.m * (double)w.k;
    case TY_CLASS_LSTM:
    case TY_CLASS_LSTM_BACK:
        return (double)w.m * (double)w.n * (double)w.k;
    default:
        return 0;
    }
}

double ty_work_calls(ty_work w)
{
    return w.cls == TY_CLASS_LSTM || w.cls == TY_CLASS_LSTM_BACK ? (double)w.k : 1;
}
