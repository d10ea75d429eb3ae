/* SPDX-License-Identifier: MIT
 *
 * list - what there is to choose from.
 */
#include "base/text.h"
#include "cli/commands.h"
#include "cli/setup.h"

#include <stdlib.h>
#include <string.h>

static void strategies(void)
{
    printf("strategies (--strategy)\n");
    for (size_t i = 0; i < ty_strategies_n; i++) {
        const ty_strategy *s = ty_strategies[i];
        printf("  %-16s %s%s\n%18s source: %s\n", s->name, s->summary,
               s->shares_memory ? " [--fabric threads only]" : "", "", s->source);
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
        printf("  %-15s %-17s %s\n%35s source: %s\n", ty_operation_name[c->op], c->name, c->summary,
               "", c->source);
    }
}

/* The first words of a file's top comment, without "NAME - ". */
static void describe(const ty_platform_file *file, char *text, size_t size)
{
    char line[400];
    size_t n = strlen(file->name);
    FILE *f = fopen(file->path, "r");
    *text = 0;
    while (f && fgets(line, sizeof line, f) && !*text) {
        char *s = strstr(line, "<!--") ? strstr(line, "<!--") + 4 : line;
        s += strspn(s, " \t\n");
        if (!strncmp(s, file->name, n) && !strncmp(s + n, " - ", 3))
            s += n + 3;
        if (*s && *s != '<' && !strstr(s, "SPDX"))
            snprintf(text, size, "%.*s", (int)strcspn(s, "\n"), s);
    }
    if (f)
        fclose(f);
}

static void platforms(void)
{
    size_t n;
    char text[400];
    ty_platform_file *file = ty_platform_files(&n);
    printf("platforms (--fabric sim --platform)\n");
    printf("  %-16s %s\n", "multicore",
           "this machine: its cores, and the hand-off between ranks that calibrate found");
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(file[i].name, "multicore")) /* the command line makes its own, see above */
            continue;
        describe(&file[i], text, sizeof text);
        printf("  %-16s %s\n", file[i].name, text);
    }
    free(file);
    printf("  %-16s %s\n", "cluster:...",
           "generated: cluster:nodes=64,cores=8,bandwidth=10Gbps,latency=20us,speed=100Gf");
    printf("  %-16s %s\n", "FILE.xml", "a SimGrid platform of your own");
}

static void fabrics(void)
{
    printf("fabrics (--fabric)\n");
    for (size_t i = 0; i < ty_fabrics_n; i++) {
        const ty_fabric *f = &ty_fabrics[i];
        printf("  %-16s %s%s%s%s\n", f->name, f->summary, f->ops ? "" : " [",
               f->ops ? "" : f->missing, f->ops ? "" : "]");
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
    return ty_unknown("part", word, names, PARTS, NULL);
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
