/* SPDX-License-Identifier: MIT
 *
 * calibrate - measure this machine, fit the model, print constants and residuals, keep them.
 */
#include "experiments/calibrate.h"

#include "base/file.h"
#include "cli/commands.h"
#include "cli/setup.h"

#include <string.h>
#include <unistd.h>

/* Where to; its folder is made and tried before a minute of measuring. */
static ty_err find_place(const ty_options *o, char *path, size_t size)
{
    char dir[1024];
    ty_file w;
    if (o->out)
        snprintf(path, size, "%s", o->out);
    else
        TY_TRY(ty_machine_cache_path(path, size));
    snprintf(dir, sizeof dir, "%.1023s", path);
    char *slash = strrchr(dir, '/');
    if (slash && slash > dir) {
        *slash = 0;
        TY_TRY(ty_make_dir(dir));
    }
    TY_TRY(ty_file_open(&w, path));
    ty_file_discard(&w);
    return ty_ok();
}

static ty_err measure(const ty_options *o, FILE *csv, ty_machine *m, ty_calibration_report *report)
{
    double seconds = o->seconds > 0 ? o->seconds : o->quick ? 10 : 50;
    FILE *progress =
        fdopen(dup(2), "w"); /* the child's own standard error is kept for its errors */
    ty_err e = ty_calibrate_in_child(&(ty_calibrate_options){.seconds = seconds,
                                                             .repeat = (int)o->repeat,
                                                             .quiet = o->quiet || !progress,
                                                             .progress = progress,
                                                             .csv = csv},
                                     m, report);
    if (progress)
        fclose(progress);
    return e;
}

static ty_err calibrate(const ty_options *o)
{
    char path[1024];
    ty_machine m;
    ty_calibration_report report;
    ty_file csv = {0};
    if (o->out && !strcmp(o->out, "-"))
        return ty_error(
            TY_EUSAGE,
            "--out -: the machine model goes to a file; the table goes to standard output");
    if (o->repeat > 0 && (o->seconds > 0 || o->quick))
        return ty_error(TY_EUSAGE, "--repeat says how many rounds, --%s how long: give one",
                        o->quick ? "quick" : "seconds");
    if (!o->out && o->gemm && !strcmp(o->gemm, "blas"))
        return ty_error(TY_EUSAGE, "--gemm blas: predictions of our own product would use these "
                                   "rates; name a file for them with --out FILE");
    TY_TRY(find_place(o, path, sizeof path));
    if (o->csv)
        TY_TRY(ty_file_open(&csv, o->csv));
    ty_err e = measure(o, csv.f, &m, &report);
    if (o->csv && e.code)
        ty_file_discard(&csv);
    TY_TRY(e);
    if (o->csv)
        TY_TRY(ty_file_commit(&csv));
    ty_calibration_print(ty_screen(o), &m, &report);
    TY_TRY(ty_machine_save(&m, path));
    fprintf(ty_screen(o), "\nkept in %s\n", path);
    return ty_ok();
}

int ty_main_calibrate(const ty_options *o)
{
    return ty_report_error(calibrate(o));
}
