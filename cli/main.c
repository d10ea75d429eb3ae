/* SPDX-License-Identifier: MIT
 *
 * main - trainyard COMMAND [OPTION...].
 */
#include "base/text.h"
#include "cli/options.h"
#include "experiments/output.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <string.h>

#ifndef TY_VERSION
#define TY_VERSION "unknown"
#endif
#ifndef TY_GIT
#define TY_GIT "unknown"
#endif

static int version(void)
{
    printf("trainyard %s (%s), compiled by %s %s\n", TY_VERSION, TY_GIT,
#ifdef __clang__
           "clang",
#else
           "gcc",
#endif
           __VERSION__);
    return TY_OK;
}

static int overview(FILE *f, int status)
{
    fprintf(f, "trainyard compares parallelism strategies for training: for real on threads or "
               "MPI, simulated on "
               "SimGrid.\n\nusage: trainyard COMMAND [OPTION...]\n\n");
    for (size_t i = 0; i < ty_commands_n; i++)
        fprintf(f, "  %-10s %s\n", ty_commands[i].name, ty_commands[i].summary);
    fprintf(f, "\n`trainyard COMMAND --help` shows the options of a command with their defaults "
               "and an example.\n"
               "Exit status: 0 valid, 1 wrong result, 2 usage, 3 a component is missing, 4 does "
               "not fit.\n");
    return status;
}

static const ty_command *find(const char *name)
{
    for (size_t i = 0; i < ty_commands_n; i++)
        if (!strcmp(name, ty_commands[i].name))
            return &ty_commands[i];
    return NULL;
}

static int unknown(const char *word)
{
    const char *names[32], *near;
    for (size_t i = 0; i < ty_commands_n; i++)
        names[i] = ty_commands[i].name;
    near = ty_nearest(word, names, ty_commands_n);
    fprintf(stderr, "trainyard: unknown command '%.60s'; %s%s%s`trainyard` alone shows them\n",
            word, near ? "did you mean '" : "", near ? near : "", near ? "'? " : "");
    return TY_EUSAGE;
}

static int run_command(const ty_command *c, int argc, char **argv)
{
    ty_options o;
    ty_err e = ty_options_parse(c, argc, argv, &o);
    int status = e.code;
    if (e.code)
        fprintf(stderr, "trainyard: %s\n", e.msg);
    else if (o.help)
        ty_options_help(stdout, c);
    else
        status = o.version ? version() : c->main(&o);
    ty_options_free(&o);
    return status;
}

int main(int argc, char **argv)
{
    ty_kernel_spin_briefly(argv); /* before anything: it may start the program anew */
    const char *word = argc > 1 ? argv[1] : "";
    const ty_command *c = find(word);
    ty_output_watch();
    if (argc < 2 || !strcmp(word, "--help") || !strcmp(word, "-h"))
        return overview(stdout, TY_OK);
    if (!strcmp(word, "help") && (argc < 3 || !(c = find(argv[2]))))
        return argc < 3 ? overview(stdout, TY_OK) : unknown(argv[2]);
    if (!strcmp(word, "help")) {
        ty_options_help(stdout, c);
        return TY_OK;
    }
    if (!strcmp(word, "--version") || !strcmp(word, "-V"))
        return version();
    return c ? run_command(c, argc - 1, argv + 1) : unknown(word);
}
