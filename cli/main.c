/* SPDX-License-Identifier: MIT
 *
 * main - trainyard COMMAND [OPTION...].
 */
#include "cli/options.h"
#include "experiments/output.h"
#include "kernels/kernels.h"

#include <stdio.h>
#include <string.h>

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

static int overview(void)
{
    printf("trainyard compares parallelism strategies for training: for real on threads or MPI, "
           "simulated on SimGrid.\n\nusage: trainyard COMMAND [OPTION...]\n\n");
    for (size_t i = 0; i < ty_commands_n; i++)
        printf("  %-10s %s\n", ty_commands[i].name, ty_commands[i].summary);
    printf("\n`trainyard COMMAND --help` shows the options of a command with their defaults and an "
           "example.\nExit status: 0 valid, 1 wrong result, 2 usage, 3 a component is missing, 4 "
           "does not fit.\n");
    return TY_OK;
}

static int refuse(ty_err e)
{
    fprintf(stderr, "trainyard: %s\n", e.msg);
    return e.code;
}

/* What a choice changes in the kernels, of this process and of those that it will fork. */
static ty_err choose_kernels(const ty_options *o)
{
    return o->gemm && !strcmp(o->gemm, "blas") ? ty_kernel_use_blas(NULL) : ty_ok();
}

static int run_command(const ty_command *c, int argc, char **argv)
{
    ty_options o;
    ty_err e = ty_options_parse(c, argc, argv, &o);
    int status = e.code;
    if (e.code)
        refuse(e);
    else if (o.help)
        ty_options_help(stdout, c);
    else if (o.version)
        status = version();
    else
        status = (e = choose_kernels(&o)).code ? refuse(e) : c->main(&o);
    ty_options_free(&o);
    if (status == TY_OK && (fflush(stdout) || ferror(stdout)))
        return refuse(ty_error(TY_EUSAGE, "cannot write to standard output"));
    return status;
}

static int help(const char *word)
{
    const ty_command *c;
    ty_err e = ty_command_find(word, &c);
    if (e.code)
        return refuse(e);
    ty_options_help(stdout, c);
    return TY_OK;
}

int main(int argc, char **argv)
{
    ty_kernel_spin_briefly(argv); /* before anything: it may start the program anew */
    const char *word = argc > 1 ? argv[1] : "--help";
    const ty_command *c;
    ty_output_watch();
    if (!strcmp(word, "help") && argc > 2)
        return help(argv[2]);
    if (!strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h"))
        return overview();
    if (!strcmp(word, "--version") || !strcmp(word, "-V"))
        return version();
    ty_err e = ty_command_find(word, &c);
    return e.code ? refuse(e) : run_command(c, argc - 1, argv + 1);
}
