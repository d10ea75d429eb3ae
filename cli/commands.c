/* SPDX-License-Identifier: MIT
 *
 * commands - the table of commands.
 */
#include "cli/commands.h"

#include "base/text.h"

#include <string.h>

/* clang-format off */
const ty_command ty_commands[] = {
    {"demo", TY_DEMO, "", "The whole loop in 90 s: train digits in parallel, simulate clusters, say what was learnt.",
     "  trainyard demo\n", ty_main_demo},
    {"run", TY_RUN, "", "Train with one strategy: for real on threads or MPI, or simulated.",
     "  trainyard run --strategy data-allreduce --workers 2 --epochs 2\n"
     "  trainyard run --strategy data-allreduce --workers 8 --fabric sim \\\n"
     "                --platform cluster:bandwidth=1Gbps,latency=50us --network textbook\n"
     "  mpirun -n 4 --oversubscribe trainyard run --strategy tensor --fabric mpi\n", ty_main_run},
    {"compare", TY_COMPARE, "", "Run several strategies on the same data and seed, and print them side by side.",
     "  trainyard compare --strategy serial,data-allreduce,tensor --workers 1,2 --steps 100\n"
     "  trainyard compare --workers 1..64*2 --fabric sim --batch 8192 --samples 16384 \\\n"
     "                    --platform cluster:bandwidth=100Gbps,latency=5us\n", ty_main_compare},
    {"list", TY_LIST, "[WHAT]", "Show strategies, workloads, collectives, platforms and fabrics, with their sources.",
     "  trainyard list strategies\n", ty_main_list},
    {"platform", TY_PLATFORM, "SPEC", "Print a platform as a SimGrid XML file that can be kept and edited.",
     "  trainyard platform cluster:nodes=64,cores=8,bandwidth=10Gbps,latency=20us -o my.xml\n"
     "  trainyard run --fabric sim --platform ./my.xml --strategy tensor --workers 8\n", ty_main_platform},
    {"calibrate", TY_CALIBRATE, "", "Measure this machine, fit the machine model to it, and keep it.",
     "  trainyard calibrate --quick\n", ty_main_calibrate},
    {"validate", TY_VALIDATE, "local", "Simulate every plan that this machine can run, measure it, and say how far off and why.",
     "  trainyard validate local\n"
     "  trainyard validate local --workload mnist-mlp,mnist-cnn --strategy serial,data-allreduce --repeat 4\n",
     ty_main_validate},
    {"bench", TY_BENCH, "kernel|step|collective|fabric",
     "Check and time kernels, training steps, collectives or messages, against what this machine can do.",
     "  trainyard bench kernel --threads 2 --out roofline\n"
     "  trainyard bench kernel --filter convolution --quick\n"
     "  trainyard bench step --threads 2\n"
     "  trainyard bench collective --workers 2,4 --filter allreduce\n"
     "  trainyard bench collective --fabric sim --platform ideal --workers 2..64*2 --bytes 4k..100M*4 --out map\n"
     "  trainyard bench collective --fabric sim --platform ideal --network textbook --workers 2..64*2 --crossover ring,tree\n"
     "  trainyard bench collective --fabric sim --platform ethernet --workers 2..16*2 --bytes 4M --filter star\n"
     "  mpirun -n 2 trainyard bench fabric --fabric mpi\n", ty_main_bench},
    {"doctor", TY_DOCTOR, "", "Say what works on this machine, what is missing and how to get it.",
     "  trainyard doctor\n", ty_main_doctor},
};
/* clang-format on */
enum { COMMANDS = sizeof ty_commands / sizeof *ty_commands };
const size_t ty_commands_n = COMMANDS;

ty_err ty_command_find(const char *name, const ty_command **found)
{
    const char *names[COMMANDS];
    for (int i = 0; i < COMMANDS; i++) {
        names[i] = ty_commands[i].name;
        *found = &ty_commands[i];
        if (!strcmp(name, names[i]))
            return ty_ok();
    }
    *found = NULL;
    return ty_unknown("command", name, names, COMMANDS, "`trainyard` alone shows them");
}
