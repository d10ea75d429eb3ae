/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "strategies/strategy.h"

#include <string.h>

const ty_strategy *const ty_strategies[] = {
    &ty_serial,          &ty_data_allreduce,  &ty_data_overlap,   &ty_data_server,
    &ty_data_zero1,      &ty_data_zero2,      &ty_data_zero3,     &ty_data_local,
    &ty_data_compressed, &ty_data_async,      &ty_data_stale,     &ty_data_spark,
    &ty_data_hogwild,    &ty_tensor_parallel, &ty_pipeline_gpipe, &ty_task_pipeline,
};
enum { STRATEGIES = sizeof ty_strategies / sizeof *ty_strategies };
const size_t ty_strategies_n = STRATEGIES;

ty_err ty_strategy_find(const char *name, const ty_strategy **found)
{
    const char *names[STRATEGIES];
    for (int i = 0; i < STRATEGIES; i++) {
        names[i] = ty_strategies[i]->name;
        *found = ty_strategies[i];
        if (!strcmp(name, names[i]))
            return ty_ok();
    }
    return ty_unknown("strategy", name, names, STRATEGIES, "`trainyard list` shows them");
}
