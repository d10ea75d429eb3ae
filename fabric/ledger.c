/* SPDX-License-Identifier: MIT */
#include "fabric/ledger.h"

const char *const ty_memory_name[TY_MEMORIES] = {"parameters", "gradients", "optimizer state",
                                                 "activations", "buffers"};
