/* SPDX-License-Identifier: MIT
 *
 * bench_crossover - `bench collective --crossover A,B`: for each number of workers the size from which the other algorithm is
 * quicker, beside what the closed forms and the textbook say.
 */
#include "experiments/bench_crossover.h"

#include "base/text.h"
#include "cli/bench.h"
#include "cli/bench_site.h"
#include "cli/setup.h"

#include <stdlib.h>
#include <string.h>

static const char USUAL_BYTES[] = "4..67108864*4";
enum { MOST_METHODS = 32 };

/* What one number of workers came to. */
typedef struct row {
    int workers, additions; /* additions take time */
    ty_crossings run, form; /* form.first -2: nothing is known of the network */
    double textbook;        /* [B] 0: there is none */
} row;

typedef struct search {
    const ty_options *o;
    ty_operation op;
    const ty_collective *algorithm[2];
    ty_site site;
    ty_counts workers, bytes;
    char place[320];
    FILE *screen;
    row *row; /* [2 * workers.n] */
    size_t rows;
    ty_site_progress progress;
} search;

/* ---- what is asked for ----------------------------------------------------------------------- */

static ty_err find_operation(const char *filter, ty_operation *op)
{
    *op = TY_ALLREDUCE;
    for (int i = 0; filter && i < TY_OPERATIONS; i++)
        if (!strcmp(filter, ty_operation_name[i])) {
            *op = (ty_operation)i;
            return ty_ok();
        }
    return !filter ? ty_ok()
                   : ty_unknown("operation of --crossover", filter, ty_operation_name,
                                TY_OPERATIONS, NULL);
}

static size_t methods_of(ty_operation op, const ty_collective **method, const char **name)
{
    size_t n = 0;
    for (size_t i = 0; i < ty_collectives_n; i++)
        if (ty_collectives[i]->op == op) {
            TY_CHECK(n < MOST_METHODS, "more than %d algorithms", MOST_METHODS);
            method[n] = ty_collectives[i];
            name[n++] = ty_collectives[i]->name;
        }
    return n;
}

static ty_err find_method(search *s, int which, const char *word)
{
    const ty_collective *method[MOST_METHODS];
    const char *name[MOST_METHODS];
    const size_t n = methods_of(s->op, method, name);
    char what[64];
    for (size_t i = 0; i < n; i++)
        if (!strcmp(word, name[i])) {
            s->algorithm[which] = method[i];
            return ty_ok();
        }
    snprintf(what, sizeof what, "algorithm of %s", ty_operation_name[s->op]);
    return ty_unknown(what, word, name, n, NULL);
}

static ty_err find_methods(search *s, const char *text)
{
    const ty_collective *method[MOST_METHODS];
    const char *name[MOST_METHODS], *comma = strchr(text, ',');
    char first[64];
    if (methods_of(s->op, method, name) < 2)
        return ty_error(TY_EUSAGE,
                        "--crossover: %s has no other algorithm than %s; choose another operation "
                        "with --filter",
                        ty_operation_name[s->op], name[0]);
    if (!comma || comma == text || !comma[1] || strchr(comma + 1, ',') ||
        (size_t)(comma - text) >= sizeof first)
        return ty_error(TY_EUSAGE,
                        "--crossover: '%.60s' is not two algorithms; write for example "
                        "ring,tree",
                        text);
    snprintf(first, sizeof first, "%.*s", (int)(comma - text), text);
    TY_TRY(find_method(s, 0, first));
    TY_TRY(find_method(s, 1, comma + 1));
    if (s->algorithm[0] == s->algorithm[1])
        return ty_error(TY_EUSAGE,
                        "--crossover: %s stands there twice; name another algorithm of %s", first,
                        ty_operation_name[s->op]);
    return ty_ok();
}

static int compare(const void *a, const void *b)
{
    const long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

static ty_err open_search(search *s, const ty_options *o)
{
    s->o = o;
    s->screen = ty_screen(o);
    TY_TRY(find_operation(o->filter, &s->op));
    TY_TRY(find_methods(s, o->crossover));
    TY_TRY(ty_site_open(&s->site, o, 1));
    TY_TRY(ty_site_bytes(o, USUAL_BYTES, sizeof(float), &s->bytes));
    qsort(s->bytes.v, s->bytes.n, sizeof *s->bytes.v, compare);
    if (s->bytes.v[0] / (long)sizeof(float) == s->bytes.v[s->bytes.n - 1] / (long)sizeof(float))
        return ty_error(TY_EUSAGE, "--crossover looks between sizes, and --bytes gives one; write "
                                   "for example --bytes 4..64M*4");
    TY_TRY(ty_site_workers(&s->site, o, &s->workers));
    s->row = ty_zalloc(2 * s->workers.n, sizeof *s->row);
    return ty_ok();
}

/* ---- the table ------------------------------------------------------------------------------- */

static void print_head(const search *s)
{
    const int simulated = s->site.bench.fabric->virtual_time;
    char low[32], high[32];
    fprintf(s->screen,
            "%s: where %s and %s take equally long, on %s; looked for from %s to %s\n"
            "%s\n",
            ty_operation_name[s->op], s->algorithm[0]->name, s->algorithm[1]->name, s->place,
            ty_show(low, sizeof low, (double)s->bytes.v[0], "B"),
            ty_show(high, sizeof high, (double)s->bytes.v[s->bytes.n - 1], "B"),
            simulated
                ? s->site.bench.machine
                      ? "first with messages alone taking time, then additions, too, by the "
                        "machine model: the difference is theirs"
                      : "messages alone take time: there is no machine model to charge "
                        "additions by (--machine, or `trainyard calibrate`)"
                : "measured to 1 %: times are noisy, and with them the place where they cross");
    fprintf(s->screen,
            "textbook (ring, tree): S* = alpha B ((N-1) - log2 N) / (log2 N - (N-1)/N), log2 N "
            "rounded up; no additions\n"
            "%s\n%8s  %-14s %-18s %-18s %12s %14s %8s %12s %8s %10s\n",
            ty_site_says_mixed(&s->site), "workers", "time of", "quicker below", "quicker above",
            simulated ? "simulated B" : "measured B", "closed form B", "off", "textbook B", "off",
            "additions");
}

static const char *name_of(const search *s, const ty_crossings *c, size_t change)
{
    return s->algorithm[((size_t)c->first + change) % 2]->name;
}

/* Its change number k, when it goes the same way as that of `like`; else 0. */
static size_t same_change(const ty_crossings *c, const ty_crossings *like, size_t k)
{
    return c->first == like->first && k < c->n ? c->bytes[k] : 0;
}

static void show_off(char *text, size_t size, double bytes, double other)
{
    snprintf(text, size, "-");
    if (bytes > 0 && other > 0)
        snprintf(text, size, "%+.2f %%", 100 * (bytes / other - 1));
}

static void show_bytes(char *text, size_t size, double bytes)
{
    snprintf(text, size, "-");
    if (bytes > 0)
        snprintf(text, size, "%.0f", bytes);
}

/* `plain`: the same workers' row without additions, or NULL. */
static void print_change(const search *s, const row *r, const row *plain, size_t k)
{
    const double bytes = (double)r->run.bytes[k], form = (double)same_change(&r->form, &r->run, k),
                 textbook = k ? 0 : r->textbook;
    char forms[24], books[24], off_form[24], off_book[24], shift[24];
    show_bytes(forms, sizeof forms, form);
    show_off(off_form, sizeof off_form, bytes, form);
    show_bytes(books, sizeof books, textbook);
    show_off(off_book, sizeof off_book, bytes, textbook);
    show_off(shift, sizeof shift, bytes, plain ? (double)same_change(&plain->run, &r->run, k) : 0);
    fprintf(s->screen, "%-18s %-18s %12.0f %14s %8s %12s %8s %10s\n", name_of(s, &r->run, k),
            name_of(s, &r->run, k + 1), bytes, forms, off_form, books, off_book, shift);
}

static void print_begin(const search *s, const row *r)
{
    fprintf(s->screen, "%8d  %-14s ", r->workers,
            !s->site.bench.fabric->virtual_time ? "everything"
            : r->additions                      ? "+ additions"
                                                : "messages");
}

/* Of a row without a crossing. */
static const char *form_says(const row *r)
{
    if (r->form.first == -2)
        return "";
    return r->form.n || r->form.first != r->run.first ? "; by the closed form it is somewhere"
                                                      : ", nor by the closed form";
}

static void print_row(const search *s, const row *r)
{
    const row *plain = r->additions && r > s->row && r[-1].workers == r->workers ? r - 1 : NULL;
    for (size_t k = 0; k < r->run.n; k++) {
        print_begin(s, r);
        print_change(s, r, plain, k);
    }
    if (r->run.n)
        return;
    print_begin(s, r);
    if (r->run.first < 0)
        fprintf(s->screen, "both take equally long everywhere\n");
    else
        fprintf(s->screen, "%s is nowhere quicker than %s%s\n", name_of(s, &r->run, 1),
                name_of(s, &r->run, 0), form_says(r));
}

/* ---- rows of a file -------------------------------------------------------------------------- */

static void csv_number(FILE *f, double v)
{
    fputc(',', f);
    if (v > 0)
        fprintf(f, "%.9g", v);
}

static void csv_row(FILE *f, const search *s, const row *r)
{
    for (size_t k = 0; k < (r->run.n ? r->run.n : 1); k++) {
        const int equal = r->run.first < 0;
        fprintf(f, "%s,%s,%s,\"%s\",%d,%d,%s,%s", ty_operation_name[s->op], s->algorithm[0]->name,
                s->algorithm[1]->name, s->place, r->workers, r->additions,
                equal ? "" : name_of(s, &r->run, k),
                equal ? "" : name_of(s, &r->run, r->run.n ? k + 1 : k));
        csv_number(f, r->run.n ? (double)r->run.bytes[k] : 0);
        csv_number(f, (double)same_change(&r->form, &r->run, k));
        csv_number(f, k ? 0 : r->textbook);
        fputc('\n', f);
    }
}

static void csv_rows(FILE *f, const search *s)
{
    fprintf(f, "operation,first,second,fabric,workers,additions,quicker_below,quicker_above,bytes,"
               "closed_form_bytes,textbook_bytes\n");
    for (size_t i = 0; i < s->rows; i++)
        csv_row(f, s, &s->row[i]);
}

/* ---- the search ------------------------------------------------------------------------------ */

static int has_textbook(const search *s)
{
    const ty_collective *a = s->algorithm[0], *b = s->algorithm[1];
    return (a == &ty_allreduce_ring && b == &ty_allreduce_tree) ||
           (b == &ty_allreduce_ring && a == &ty_allreduce_tree);
}

static ty_err one_row(search *s, const ty_machine *machine)
{
    ty_crossover q = {.place = s->site.bench,
                      .algorithm = {s->algorithm[0], s->algorithm[1]},
                      .bytes = s->bytes.v,
                      .sizes = s->bytes.n,
                      .quick = s->o->quick,
                      .progress = s->o->quiet ? NULL : ty_site_progress_tell,
                      .progress_arg = &s->progress};
    row *r = &s->row[s->rows];
    q.place.machine = machine;
    ty_site_progress_next(&s->progress, q.place.ranks);
    *r = (row){.workers = q.place.ranks, .additions = machine || !q.place.fabric->virtual_time};
    TY_TRY(ty_crossover_run(&q, &r->run));
    if (!ty_crossover_form(&q, &r->form))
        r->form.first = -2;
    else if (has_textbook(s))
        r->textbook = ty_crossover_textbook(ty_bench_net(&q.place), r->workers);
    s->rows++;
    ty_progress_clear(&s->progress.line);
    if (ty_setup_speaks())
        print_row(s, r);
    fflush(s->screen);
    return ty_ok();
}

static ty_err one_count(search *s, int workers)
{
    const ty_machine *machine = s->site.bench.machine;
    ty_err e = ty_ok();
    TY_TRY(ty_site_ranks(&s->site, s->o, workers));
    ty_site_name(&s->site, s->place, sizeof s->place);
    if (!s->rows && ty_setup_speaks())
        print_head(s);
    if (s->site.bench.fabric->virtual_time)
        e = one_row(s, NULL);
    if (!e.code && (machine || !s->site.bench.fabric->virtual_time))
        e = one_row(s, machine);
    ty_site_close(&s->site);
    return e;
}

static ty_err leave(const search *s, ty_output *out)
{
    char path[1100], dir[sizeof out->dir];
    ty_file w;
    memcpy(dir, out->dir, sizeof dir);
    if (!*dir)
        return ty_ok();
    snprintf(path, sizeof path, "%s/crossover.csv", dir);
    TY_TRY(ty_file_open(&w, path));
    csv_rows(w.f, s);
    TY_TRY(ty_file_commit(&w));
    TY_TRY(ty_output_close(out, NULL, NULL));
    fputc('\n', s->screen);
    ty_print_files(s->screen, dir);
    return ty_ok();
}

static ty_err run(search *s, ty_output *out, ty_file *csv)
{
    ty_err e = ty_ok();
    const int twice = s->site.bench.fabric->virtual_time && s->site.bench.machine;
    if (ty_setup_speaks())
        TY_TRY(ty_output_open(out, "bench-collective", s->o->out));
    if (ty_setup_speaks() && s->o->csv)
        TY_TRY(ty_file_open(csv, s->o->csv));
    ty_setup_note_options(out, s->o);
    ty_site_progress_open(&s->progress, &s->workers, 1 + twice);
    for (size_t i = 0; i < s->workers.n && !e.code; i++)
        e = one_count(s, (int)s->workers.v[i]);
    if (csv->f)
        csv_rows(csv->f, s);
    return e.code ? e : leave(s, out);
}

ty_err ty_bench_crossover(const ty_options *o)
{
    search s = {0};
    ty_output out = {0};
    ty_file csv = {0};
    ty_err e = open_search(&s, o);
    if (!e.code)
        e = ty_site_keep_rows(&csv, run(&s, &out, &csv));
    ty_progress_clear(&s.progress.line);
    ty_output_abandon(&out);
    free(s.row);
    return e;
}
