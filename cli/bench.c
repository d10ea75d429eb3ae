/* SPDX-License-Identifier: MIT
 *
 * bench - `bench WHAT`: which word is whose, and which options belong to it.
 */
#include "cli/bench.h"

#include "base/text.h"
#include "cli/commands.h"
#include "cli/setup.h"

#include <string.h>

/* An option that would change nothing is refused: each word names those it reads. */
static const struct {
    const char *word;
    ty_err (*run)(const ty_options *o);
    const char *options; /* each between blanks */
} part[] = {
    {"kernel", ty_bench_kernel, " threads gemm quick filter csv out "},
    {"step", ty_bench_step, " threads gemm quick filter csv "},
    {"collective", ty_bench_collective,
     " workers bytes piece-bytes quick filter crossover csv out quiet fabric platform network "
     "workers-per-node "
     "real machine timeout "},
    {"fabric", ty_bench_fabric,
     " bytes quick filter csv fabric platform network workers-per-node machine timeout "},
};
enum { PARTS = sizeof part / sizeof *part };

/* " a b " as "--a, --b". */
static void list_options(const char *options, char *text, size_t size)
{
    size_t used = 0, n;
    for (const char *at = options + 1; *at && used < size; at += n + 1) {
        n = strcspn(at, " ");
        used +=
            (size_t)snprintf(text + used, size - used, "%s--%.*s", used ? ", " : "", (int)n, at);
    }
}

static ty_err check_options(const ty_options *o, int i)
{
    const char *name, *value;
    char word[48], takes[240];
    for (int k = 0; ty_options_given(o, k, &name, &value); k++) {
        snprintf(word, sizeof word, " %s ", name);
        if (strstr(part[i].options, word))
            continue;
        list_options(part[i].options, takes, sizeof takes);
        return ty_error(TY_EUSAGE, "--%s would change nothing in `bench %s`; it takes %s", name,
                        part[i].word, takes);
    }
    return ty_ok();
}

static ty_err bench(const ty_options *o)
{
    const char *names[PARTS];
    for (int i = 0; i < PARTS; i++)
        names[i] = part[i].word;
    if (o->words_n != 1)
        return ty_error(TY_EUSAGE, "bench takes one word, what to time: kernel, step, collective "
                                   "or fabric, as in `trainyard bench kernel`");
    for (int i = 0; i < PARTS; i++)
        if (!strcmp(o->words[0], names[i])) {
            TY_TRY(check_options(o, i));
            return part[i].run(o);
        }
    return ty_unknown("thing to time", o->words[0], names, PARTS, NULL);
}

int ty_main_bench(const ty_options *o)
{
    return ty_report_error(bench(o));
}
