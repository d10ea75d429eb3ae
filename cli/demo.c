/* SPDX-License-Identifier: MIT
 *
 * demo - the project's main job in under 90 s; experiments/compare.h does it.
 */
#include "cli/commands.h"
#include "cli/setup.h"
#include "experiments/compare.h"

static ty_err demo(const ty_options *o, ty_output *out)
{
    ty_machine machine;
    TY_TRY(ty_output_open(out, "demo", o->out));
    TY_TRY(ty_machine_default(&machine, o->machine));
    ty_demo_options d = {.machine = &machine, .quiet = o->quiet, .out = out, .text = stdout};
    ty_err e = ty_demo(&d);
    if (e.code && !out->rows)
        return e;
    TY_TRY(ty_output_close(out, NULL, NULL));
    return e;
}

int ty_main_demo(const ty_options *o)
{
    ty_output out = {0};
    int status = ty_report_error(demo(o, &out));
    ty_output_abandon(&out);
    return status;
}
