/* SPDX-License-Identifier: MIT
 *
 * list - what there is to choose from.
 */
#include "base/text.h"
#include "cli/commands.h"
#include "cli/setup.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#ifndef TY_PLATFORM_DIR
#define TY_PLATFORM_DIR "platforms"
#endif

static void strategies(void)
{
    printf("strategies (--strategy)\n");
    for (size_t i = 0; i < ty_strategies_n; i++) {
        const ty_strategy *s = ty_strategies[i];
        printf("  %-16s %s\n%18s source: %s\n", s->name, s->summary, "", s->source);
    }
}

static void workloads(void)
{
    printf("workloads (--workload)\n");
    for (size_t i = 0; i < ty_workloads_n; i++)
        printf("  %-16s %s%s\n", ty_workloads[i]->name, ty_workloads[i]->summary,
               ty_workloads[i]->has_data ? "" : " [no real data]");
}

static void collectives(void)
{
    printf("collectives (--collective chooses the all-reduce)\n");
    for (size_t i = 0; i < ty_collectives_n; i++) {
        const ty_collective *c = ty_collectives[i];
        printf("  %-15s %-15s %s\n%33s source: %s\n", ty_operation_name[c->op], c->name, c->summary,
               "", c->source);
    }
}

static int is_xml(const struct dirent *d)
{
    size_t n = strlen(d->d_name);
    return n > 4 && !strcmp(d->d_name + n - 4, ".xml");
}

/* The first words of a file's top comment. */
static void describe(const char *dir, const char *file, char *text, size_t size)
{
    char path[1200], line[400];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "r");
    *text = 0;
    while (f && fgets(line, sizeof line, f) && !*text) {
        char *s = strstr(line, "<!--") ? strstr(line, "<!--") + 4 : line;
        s += strspn(s, " \t\n");
        if (*s && *s != '<' && !strstr(s, "SPDX"))
            snprintf(text, size, "%.*s", (int)strcspn(s, "\n"), s);
    }
    if (f)
        fclose(f);
}

static void platform_files(const char *dir)
{
    struct dirent **entry;
    int n = dir ? scandir(dir, &entry, is_xml, alphasort) : -1;
    char text[400];
    for (int i = 0; i < n; i++) {
        describe(dir, entry[i]->d_name, text, sizeof text);
        entry[i]->d_name[strlen(entry[i]->d_name) - 4] = 0;
        size_t n_name = strlen(entry[i]->d_name);
        int named = !strncmp(text, entry[i]->d_name, n_name) && !strncmp(text + n_name, " - ", 3);
        if (strcmp(entry[i]->d_name,
                   "multicore")) /* the command line's multicore is made from the calibration */
            printf("  %-16s %s\n", entry[i]->d_name, named ? text + n_name + 3 : text);
        free(entry[i]);
    }
    if (n >= 0)
        free(entry);
}

static void platforms(void)
{
    const char *own = getenv("TRAINYARD_PLATFORMS");
    printf("platforms (--fabric sim --platform)\n");
    printf("  %-16s %s\n", "multicore",
           "this machine: its cores, and the hand-off between ranks that calibrate found");
    platform_files(own);
    platform_files(TY_PLATFORM_DIR);
    printf("  %-16s %s\n", "cluster:...",
           "generated: cluster:nodes=64,cores=8,bandwidth=10Gbps,latency=20us,speed=100Gf");
    printf("  %-16s %s\n", "FILE.xml", "a SimGrid platform of your own");
}

static void fabrics(void)
{
    static const char *const name[] = {"threads", "sim", "mpi"};
    static const char *const what[] = {
        "real: POSIX threads on this machine, each with OpenMP threads",
        "simulated time on SimGrid", "real: one process a rank, started by mpirun"};
    const ty_fabric_ops *ops;
    printf("fabrics (--fabric)\n");
    for (int i = 0; i < 3; i++) {
        ty_err e = ty_fabric_find(name[i], &ops);
        printf("  %-16s %s%s%s%s\n", name[i], what[i], e.code ? " [" : "", e.code ? e.msg : "",
               e.code ? "]" : "");
    }
}

static const struct {
    const char *name;
    void (*print)(void);
} part[] = {{"strategies", strategies},
            {"workloads", workloads},
            {"collectives", collectives},
            {"platforms", platforms},
            {"fabrics", fabrics}};
enum { PARTS = sizeof part / sizeof *part };

static ty_err unknown(const char *word)
{
    const char *names[PARTS];
    for (int i = 0; i < PARTS; i++)
        names[i] = part[i].name;
    const char *near = ty_nearest(word, names, PARTS);
    return ty_error(
        TY_EUSAGE,
        "cannot list '%.60s'; %s%s%suse strategies, workloads, collectives, platforms or fabrics",
        word, near ? "did you mean '" : "", near ? near : "", near ? "'? " : "");
}

/* Print the parts that word names, or all when it is NULL; how many. */
static int print(const char *word)
{
    int printed = 0;
    for (int i = 0; i < PARTS; i++)
        if (!word || !strcmp(word, part[i].name)) {
            if (printed++)
                putchar('\n');
            part[i].print();
        }
    return printed;
}

int ty_main_list(const ty_options *o)
{
    if (o->words_n == 0)
        return print(NULL) ? TY_OK : TY_EWRONG;
    for (int i = 0; i < o->words_n; i++)
        if (!print(o->words[i]))
            return ty_report_error(unknown(o->words[i]));
    return TY_OK;
}
