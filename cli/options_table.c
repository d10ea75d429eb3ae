/* SPDX-License-Identifier: MIT
 *
 * options_table - the option table. A row: heading or name, letter, argument, kind, where it is
 * kept, range, commands, default, choices, help.
 */
#include "cli/options_table.h"

#include <stddef.h>

#define AT(field) offsetof(ty_options, field)
#define RUNS      (TY_RUN | TY_COMPARE)
#define MOST      1000000000L

/* clang-format off */
const ty_option ty_option_table[] = {
    {"What to train", NULL, 0, NULL, TY_HEADING, 0, 0, 0, TY_ALL, NULL, NULL, NULL},
    {NULL, "strategy", 's', "NAME", TY_NAMES, AT(strategy), 0, 0, RUNS, "serial; compare: all", NULL,
     "how training is spread over the workers; compare takes a list (a,b,c)"},
    {NULL, "workload", 'w', "NAME", TY_TEXT, AT(workload), 0, 0, RUNS, "mnist-mlp", NULL,
     "data set and network"},
    {NULL, "batch", 'b', "N", TY_COUNT, AT(batch), 1, MOST, RUNS, "128", NULL,
     "samples in a step, all workers together"},
    {NULL, "steps", 'n', "N", TY_COUNT, AT(steps), 2, 10000000, RUNS, "one epoch; simulated: a few", NULL,
     "training steps; the first one is not timed"},
    {NULL, "epochs", 'e', "N", TY_COUNT, AT(epochs), 1, 100000, RUNS, "1", NULL,
     "passes over the training set, instead of --steps"},
    {NULL, "seed", 0, "N", TY_COUNT, AT(seed), 1, MOST, RUNS, "1", NULL,
     "of initial parameters, shuffling and augmentation"},
    {NULL, "optimizer", 0, "NAME", TY_CHOICE, AT(optimizer), 0, 0, RUNS, "sgd", ty_optimizer_name, "sgd or adamw"},
    {NULL, "rate", 0, "X", TY_REAL, AT(rate), 0, 1000, RUNS, "0.05; adamw: 0.001", NULL,
     "learning rate; a tenth of it after 70 % of the run"},
    {NULL, "momentum", 0, "X", TY_FRACTION, AT(momentum), 0, 1, RUNS, "0.9", NULL, "of sgd; beta1 of adamw"},
    {NULL, "no-augment", 0, NULL, TY_FLAG, AT(no_augment), 0, 0, RUNS, NULL, NULL,
     "no random rotate and shift of the images"},
    {NULL, "hidden", 0, "AxB", TY_WIDTHS, AT(hidden), 1, 1 << 20, RUNS, "512x256; digits-mlp: 128x64", NULL,
     "widths of the hidden layers [neurons]"},
    {NULL, "layers", 0, "N", TY_COUNT, AT(layers), 1, TY_MAX_HIDDEN, RUNS, "4", NULL,
     "synthetic-mlp: linear layers"},
    {NULL, "width", 0, "N", TY_COUNT, AT(width), 1, 1 << 20, RUNS, "256", NULL,
     "synthetic-mlp: width of each layer [neurons]"},
    {NULL, "samples", 0, "N", TY_COUNT, AT(samples), 1, MOST, RUNS, "all", NULL,
     "training samples; more than there are: simulated and ghost runs only"},
    {NULL, "data", 0, "DIR", TY_TEXT, AT(data), 0, 0, RUNS, "what is shipped", NULL,
     "folder of IDX files (mnist-mlp) or CSV file (digits-mlp)"},

    {"How to spread it", NULL, 0, NULL, TY_HEADING, 0, 0, 0, TY_ALL, NULL, NULL, NULL},
    {NULL, "workers", 'N', "N", TY_COUNTS, AT(workers), 1, 65536, RUNS | TY_PLATFORM, "serial: 1; else all cores", NULL,
     "ranks; compare takes a list (1,2,4..8 or 1..64*2)"},
    {NULL, "threads", 't', "N", TY_COUNT, AT(threads), 1, 1024, RUNS, "1; one worker: all cores", NULL,
     "OpenMP threads of each worker"},
    {NULL, "dp", 0, "N", TY_COUNT, AT(dp), 1, 65536, RUNS, "by strategy", NULL,
     "data-parallel degree; dp x tp x pp = workers"},
    {NULL, "tp", 0, "N", TY_COUNT, AT(tp), 1, 65536, RUNS, "by strategy", NULL, "tensor-parallel degree"},
    {NULL, "pp", 0, "N", TY_COUNT, AT(pp), 1, 65536, RUNS, "by strategy", NULL, "pipeline stages"},
    {NULL, "micro-batches", 'm', "N", TY_COUNT, AT(micro_batches), 1, 1 << 20, RUNS, "by strategy", NULL,
     "parts that a pipeline cuts the batch into"},
    {NULL, "collective", 'c', "NAME", TY_TEXT, AT(collective), 0, 0, RUNS, "auto", NULL,
     "all-reduce: auto, ring, recursive or tree; auto takes the cheapest by closed form"},

    {"Where to run it", NULL, 0, NULL, TY_HEADING, 0, 0, 0, TY_ALL, NULL, NULL, NULL},
    {NULL, "fabric", 'f', "NAME", TY_CHOICE, AT(fabric), 0, 0, RUNS, "threads", ty_fabric_name,
     "threads (this machine), sim (simulated) or mpi (started by mpirun)"},
    {NULL, "platform", 'p', "SPEC", TY_TEXT, AT(platform), 0, 0, RUNS, "multicore", NULL,
     "sim: a name, an XML file, or cluster:nodes=64,cores=8,bandwidth=10Gbps,latency=20us"},
    {NULL, "network", 0, "MODE", TY_CHOICE, AT(network), 0, 0, RUNS | TY_PLATFORM, "shared", ty_network_name,
     "sim: textbook (latency + bytes/bandwidth), shared (links are shared) or tcp"},
    {NULL, "workers-per-node", 0, "N", TY_COUNT, AT(workers_per_node), 1, 65536, RUNS | TY_PLATFORM,
     "1; one host: all", NULL, "sim: workers on each host"},
    {NULL, "ghost", 0, NULL, TY_FLAG, AT(ghost), 0, 0, RUNS, "sim", NULL,
     "no numbers: time, bytes and memory alone"},
    {NULL, "real", 0, NULL, TY_FLAG, AT(real), 0, 0, RUNS, "threads, mpi", NULL,
     "compute real numbers, also in a simulation"},
    {NULL, "machine", 0, "FILE", TY_TEXT, AT(machine), 0, 0, RUNS | TY_PLATFORM | TY_DOCTOR | TY_DEMO,
     "this user's calibration", NULL, "machine model that turns work into seconds"},
    {NULL, "timeout", 0, "SECONDS", TY_REAL, AT(timeout_s), 0, 1e6, RUNS, "60", NULL,
     "mpi: a wait of so many seconds [s] is a deadlock"},

    {"How to measure", NULL, 0, NULL, TY_HEADING, 0, 0, 0, TY_ALL, NULL, NULL, NULL},
    {NULL, "quick", 0, NULL, TY_FLAG, AT(quick), 0, 0, TY_CALIBRATE | TY_BENCH, NULL, NULL,
     "short: calibrate 10 s; fewer sizes and repetitions"},
    {NULL, "seconds", 0, "X", TY_REAL, AT(seconds), 1, 3600, TY_CALIBRATE, "50; --quick: 10", NULL,
     "time that the measurement may take [s]"},
    {NULL, "threads", 't', "N", TY_COUNT, AT(threads), 1, 1024, TY_BENCH, "1", NULL, "OpenMP threads of a kernel"},

    {"What to write", NULL, 0, NULL, TY_HEADING, 0, 0, 0, TY_ALL, NULL, NULL, NULL},
    {NULL, "out", 'o', "DIR", TY_TEXT, AT(out), 0, 0, RUNS | TY_DEMO, "runs/<UTC>-<command>-<id>", NULL,
     "folder for run.json, rows.csv, trace.json and plots"},
    {NULL, "out", 'o', "FILE", TY_TEXT, AT(out), 0, 0, TY_PLATFORM, "-", NULL,
     "file for the platform; - is standard output"},
    {NULL, "out", 'o', "FILE", TY_TEXT, AT(out), 0, 0, TY_CALIBRATE, "the user's cache", NULL,
     "file for the machine model"},
    {NULL, "trace-steps", 0, "N", TY_COUNT, AT(trace_steps), 0, 1000, RUNS, "3", NULL,
     "steps in the timeline trace.json (chrome://tracing, ui.perfetto.dev); 0: none"},
    {NULL, "csv", 0, "FILE", TY_TEXT, AT(csv), 0, 0, RUNS | TY_CALIBRATE | TY_BENCH, NULL, NULL,
     "also write the rows here; - is standard output"},
    {NULL, "json", 0, "FILE", TY_TEXT, AT(json), 0, 0, RUNS, NULL, NULL,
     "also write all figures here; - is standard output"},
    {NULL, "quiet", 'q', NULL, TY_FLAG, AT(quiet), 0, 0, RUNS | TY_CALIBRATE | TY_DEMO, NULL, NULL,
     "no progress"},
    {NULL, "help", 'h', NULL, TY_FLAG, AT(help), 0, 0, TY_ALL, NULL, NULL, "this text"},
    {NULL, "version", 'V', NULL, TY_FLAG, AT(version), 0, 0, TY_ALL, NULL, NULL, "version and what it was built with"},
};
/* clang-format on */
const int ty_option_table_n = sizeof ty_option_table / sizeof *ty_option_table;
