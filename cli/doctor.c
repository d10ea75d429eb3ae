/* SPDX-License-Identifier: MIT
 *
 * doctor - what works here: each part OK or missing, what works without it, and how to get it.
 */
#include "base/text.h"
#include "cli/commands.h"
#include "cli/setup.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct findings {
    int required; /* missing ones */
    int optional;
} findings;

static void good(const char *name, const char *what)
{
    printf("OK       %-12s %s\n", name, what);
}

/* "missing" and, below it, what still works and what to do. */
static void bad(int *count, const char *name, const char *what, const char *works,
                const char *remedy)
{
    printf("missing  %-12s %s\n%-21s %s\n%-21s to get it: %s\n", name, what, "", works, "", remedy);
    ++*count;
}

static void check_host(void)
{
    ty_machine m = {0};
    char text[200], size[32];
    ty_machine_name_here(&m);
    snprintf(text, sizeof text, "%s, %d core%s, %s of memory", m.processor, m.cores,
             m.cores == 1 ? "" : "s", ty_show(size, sizeof size, m.memory, "B"));
    good("machine", text);
    snprintf(text, sizeof text, "%s %s%s",
#ifdef __clang__
             "clang",
#else
             "gcc",
#endif
             __VERSION__,
#ifdef __FMA__
             ", with fused multiply-add"
#else
             ", without fused multiply-add: build with -march=native for speed"
#endif
    );
    good("compiler", text);
}

static void check_openmp(findings *n)
{
    char text[64];
    if (!ty_kernel_openmp()) {
        bad(&n->optional, "OpenMP", "kernels use one thread each", "workers still run side by side",
            "build again with -DTY_OPENMP=ON");
        return;
    }
    snprintf(text, sizeof text, "version %d, up to %d threads in a kernel", ty_kernel_openmp(),
             ty_kernel_max_threads());
    good("OpenMP", text);
}

/* What stands behind a fabric, into text; empty when this build lacks the fabric. */
static void find_version(const char *fabric, char *text, size_t size)
{
    *text = 0;
    for (size_t i = 0; i < ty_fabrics_n; i++)
        if (!strcmp(ty_fabrics[i].name, fabric) && ty_fabrics[i].version)
            ty_fabrics[i].version(text, size);
}

static void check_simgrid(findings *n)
{
    char text[64];
    find_version("sim", text, sizeof text);
    if (*text)
        good("SimGrid", text);
    else
        bad(&n->required, "SimGrid", "no --fabric sim, no demo",
            "real training and closed forms work",
            "apt-get install libsimgrid-dev, and build again");
}

static void check_mpi(findings *n)
{
    char text[200];
    find_version("mpi", text, sizeof text);
    if (!*text) {
        bad(&n->optional, "MPI", "no --fabric mpi",
            "everything on this machine and every simulation works",
            "apt-get install libopenmpi-dev openmpi-bin, and build again");
        return;
    }
    if (!strncmp(text, "SMPI", 4)) { /* libsimgrid defines MPI_Init and the rest, too */
        bad(&n->optional, "MPI",
            "calls would reach SimGrid's own MPI: it is linked before the real one",
            "the other fabrics work", "link the MPI library before SimGrid, and build again");
        return;
    }
    good("MPI", text);
    if (ty_output_exec(NULL, (const char *const[]){"mpirun", "--version", NULL}) == 127)
        bad(&n->optional, "mpirun", "MPI is linked in, but nothing starts its processes",
            "the other fabrics work", "apt-get install openmpi-bin");
}

static void check_gnuplot(findings *n)
{
    if (ty_output_exec(NULL, (const char *const[]){"gnuplot", "--version", NULL}) == 0)
        good("gnuplot", "plots are drawn as SVG");
    else
        bad(&n->optional, "gnuplot", "no plots are drawn",
            "runs complete and leave .gp and .dat to draw later", "apt-get install gnuplot-nox");
}

static void check_data(findings *n)
{
    ty_problem p;
    char text[120];
    ty_err e = ty_problem_open(&p, "mnist-mlp", &(ty_workload_options){0});
    if (e.code) {
        bad(&n->required, "data", e.msg, "synthetic-mlp and --data DIR work",
            "restore experiments/data");
        return;
    }
    snprintf(text, sizeof text, "%u training and %u test images of digits", p.data.train.n,
             p.data.test.n);
    good("data", text);
    ty_problem_close(&p);
}

static void check_calibration(findings *n, const char *file)
{
    char path[1024], text[1200];
    ty_machine m;
    const char *works = "the first command that needs it makes a quick one (10 s)",
               *remedy = "trainyard calibrate";
    ty_err e = file ? ty_ok() : ty_machine_cache_path(path, sizeof path);
    if (file)
        snprintf(path, sizeof path, "%s", file);
    if (e.code)
        bad(&n->optional, "calibration", e.msg, "--machine FILE works", remedy);
    else if (access(path, F_OK))
        bad(&n->optional, "calibration", "none of this machine yet", works, remedy);
    else if (e = ty_machine_load(&m, path), e.code)
        bad(&n->optional, "calibration", e.msg, works, remedy);
    else if (!ty_machine_is_here(&m))
        bad(&n->optional, "calibration", "it is of another machine", works, remedy);
    else {
        snprintf(text, sizeof text, "%s, of this machine, %s", m.date, path);
        good("calibration", text);
    }
}

static void check_place(findings *n)
{
    if (!access(".", W_OK))
        good("results", "./runs can be written");
    else
        bad(&n->optional, "results", "this folder cannot be written",
            "--out DIR puts results elsewhere", "go to a folder of your own");
}

int ty_main_doctor(const ty_options *o)
{
    findings n = {0};
    check_host();
    check_openmp(&n);
    check_simgrid(&n);
    check_mpi(&n);
    check_gnuplot(&n);
    check_data(&n);
    check_calibration(&n, o->machine);
    check_place(&n);
    if (n.required + n.optional == 0)
        printf("\neverything works. next: trainyard demo\n");
    else
        printf("\n%d required and %d optional part%s missing\n", n.required, n.optional,
               n.required + n.optional == 1 ? " is" : "s are");
    return n.required ? TY_EMISSING : TY_OK;
}
