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
        [TY_CLASS_UPDATE] = "update",   [TY_CLASS_SOFTMAX] = "softmax",
        [TY_CLASS_AUGMENT] = "augment",
    };
    return (unsigned)c < TY_CLASSES ? name[c] : "unknown";
}
