/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "strategies/strategy.h"

#include <string.h>

const ty_strategy *const ty_strategies[] = {
    &ty_serial, &ty_data_allreduce, &ty_tensor_parallel, &ty_pipeline_gpipe, &ty_task_pipeline,
};
const size_t ty_strategies_n = sizeof ty_strategies / sizeof *ty_strategies;

ty_err ty_strategy_find(const char *name, const ty_strategy **found)
{
    const char *names[64];
    for (size_t i = 0; i < ty_strategies_n; i++) {
        names[i] = ty_strategies[i]->name;
        *found = ty_strategies[i];
        if (!strcmp(name, names[i]))
            return ty_ok();
    }
    const char *near = ty_nearest(name, names, ty_strategies_n);
    return ty_error(TY_EUSAGE, "unknown strategy '%s'; %s%s%s`trainyard list` shows them", name,
                    near ? "did you mean '" : "", near ? near : "", near ? "'? " : "");
}
