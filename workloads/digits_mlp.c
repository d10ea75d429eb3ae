/* SPDX-License-Identifier: MIT
 *
 * digits-mlp - 8x8 digits, 64-128-64-10: small enough for a test to train it.
 */
#include "workloads/workload.h"

enum { TEST_SAMPLES = 297 }; /* the last ones of 1,797 */

static ty_err open_digits(const ty_workload_options *o, ty_problem *p)
{
    static const size_t usual[] = {128, 64};
    TY_TRY(ty_problem_fixed_depth(o, "digits-mlp"));
    TY_TRY(ty_dataset_load_digits(&p->data, o->data ? o->data : TY_DATA_DIR "/digits.csv.gz",
                                  TEST_SAMPLES));
    ty_problem_mlp(p, 64, o->hidden_n ? o->hidden : usual, o->hidden_n ? o->hidden_n : 2, 10);
    return ty_ok();
}

const ty_workload ty_digits_mlp = {
    .name = "digits-mlp",
    .summary = "8x8 digits, layers 64-128-64-10 (--hidden 128x64, --data FILE)",
    .has_data = 1,
    .open = open_digits,
};
