/* SPDX-License-Identifier: MIT
 *
 * cnn - what convolutional networks on images in MNIST's format share; for workloads/mnist_*.c.
 */
#ifndef TY_WORKLOADS_CNN_H
#define TY_WORKLOADS_CNN_H

#include "workloads/workload.h"

/* Feature maps [C,H,W] between two layers. */
typedef struct ty_maps {
    size_t C, H, W;
} ty_maps;

/* Load the images (o->data, or the digits that are shipped) and say what the network sees and answers.
 *   name    of the workload, for messages
 *   least   rows and columns that an image needs
 *   blocks  of the network as it usually is: room for them, or for as many more as --hidden adds
 *   in      out: the images */
ty_err ty_cnn_open(const ty_workload_options *o, ty_problem *p, const char *name, uint32_t least,
                   int blocks, ty_maps *in);

/* One more layer; returns what leaves it. F filters of K x K with P zeros around and a ReLU: two blocks; and the largest
 * of each 2 x 2 square: one. */
ty_maps ty_cnn_conv(ty_problem *p, ty_maps x, size_t F, size_t K, size_t P);
ty_maps ty_cnn_pool(ty_problem *p, ty_maps x);

/* The head: x flat -> --hidden, or usual[n] -> classes; linear layers with a ReLU between. */
void ty_cnn_head(ty_problem *p, ty_maps x, const ty_workload_options *o, const size_t *usual,
                 int n);

#endif
