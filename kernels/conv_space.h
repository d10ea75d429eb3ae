/* SPDX-License-Identifier: MIT
 *
 * conv_space - what the files of convolution know of each other; private to kernels/.
 */
#ifndef TY_KERNELS_CONV_SPACE_H
#define TY_KERNELS_CONV_SPACE_H

#include "kernels/conv.h"

/* Flops worth a thread: about 5 us. */
#define TY_CONV_GRAIN 1e6

/* Floats that ty_kernel_conv_bwd_w needs. */
size_t ty_conv_weights_space(const ty_conv *s);

#endif
