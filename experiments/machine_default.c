/* SPDX-License-Identifier: MIT
 *
 * machine_default - the machine model that a command uses when none is named: this user's calibration, or a quick one
 * made now and kept.
 */
#include "experiments/calibrate.h"
#include "experiments/child.h"
#include "experiments/engine.h"
#include "experiments/mpirun.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct outcome {
    ty_machine machine;
    ty_calibration_report report;
    ty_err error;
} outcome;

static void calibrate_here(void *a, void *b)
{
    outcome *o = a;
    o->error = ty_calibrate(b, &o->machine, &o->report);
}

ty_err ty_calibrate_in_child(const ty_calibrate_options *options, ty_machine *m,
                             ty_calibration_report *report)
{
    outcome *o = ty_child_share(sizeof *o);
    ty_calibrate_options copy = *options;
    ty_err e = ty_child_run(calibrate_here, o, &copy, NULL, NULL, NULL);
    if (!e.code)
        e = o->error;
    *m = o->machine;
    if (report)
        *report = o->report;
    ty_child_unshare(o, sizeof *o);
    return e;
}

/* A file may well be of another machine, to simulate that one; but nobody should take its times for this one's. (A
 * machine that is made up has no host.) */
static ty_err load_named(ty_machine *m, const char *path)
{
    TY_TRY(ty_machine_load(m, path));
    if ((m->origin == TY_FITTED || m->origin == TY_MEASURED) && !ty_machine_is_here(m) &&
        ty_mpirun_rank() == 0)
        fprintf(stderr,
                "trainyard: %s was calibrated on %s (%s, %d cores), not on this machine: "
                "predicted and simulated times are that one's\n",
                path, m->host, m->processor, m->cores);
    return ty_ok();
}

ty_err ty_machine_default(ty_machine *m, const char *path)
{
    const char *lacking = "no calibration of this machine yet";
    char cache[1024];
    if (path)
        return load_named(m, path);
    TY_TRY(ty_machine_cache_path(cache, sizeof cache));
    if (access(cache, R_OK) == 0) {
        ty_err e = ty_machine_load(m, cache);
        if (!e.code && ty_machine_is_here(m))
            return ty_ok();
        if (e.code)
            fprintf(stderr, "trainyard: %s\n", e.msg);
        lacking =
            e.code ? "the calibration cannot be used" : "the calibration is of another machine";
    }
    fprintf(stderr, "trainyard: %s: a quick one, some 10 s (kept in %s)\n", lacking, cache);
    ty_calibration_report report = {0};
    ty_err e =
        ty_calibrate_in_child(&(ty_calibrate_options){.seconds = 10, .quiet = 1}, m, &report);
    if (e.code && !report.fitted)
        return e;
    if (e.code)
        m->origin = TY_ASSUMED;
    if (!e.code) /* a fit that noise spoilt serves this command and is not kept */
        e = ty_machine_save(m, cache);
    if (e.code)
        fprintf(stderr,
                "trainyard: the calibration is not kept, and predictions from it are rough: %s\n",
                e.msg);
    return ty_ok();
}
