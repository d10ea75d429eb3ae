/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include "base/text.h"
#include "cli/options_table.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 256 }; /* getopt values: FIRST + index in the table */

static const ty_command *command_of_bit(int bit)
{
    for (size_t i = 0; i < ty_commands_n; i++)
        if (ty_commands[i].bit == bit)
            return &ty_commands[i];
    return NULL;
}

/* ---- one value ------------------------------------------------------------------------------- */

static ty_err parse_real(const ty_option *t, const char *what, const char *text, double *value)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || strpbrk(text, "xXnN"))
        return ty_error(TY_EUSAGE, "%s: '%.60s' is not a number", what, text);
    if (!(t->lo > 0 ? v >= t->lo : v > 0) || v > t->hi)
        return ty_error(TY_EUSAGE, "%s: %.60s is out of range; use %s %g to %g", what, text,
                        t->lo > 0 ? "" : "more than", t->lo, t->hi);
    *value = v;
    return ty_ok();
}

static ty_err parse_fraction(const char *what, const char *text, double *value)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || strpbrk(text, "xXnN"))
        return ty_error(TY_EUSAGE, "%s: '%.60s' is not a number", what, text);
    if (!(v >= 0 && v < 1))
        return ty_error(TY_EUSAGE, "%s: %.60s is out of range; use 0 to less than 1", what, text);
    *value = v;
    return ty_ok();
}

static ty_err parse_choice(const ty_option *t, const char *what, const char *text,
                           const char **value)
{
    size_t n = 0;
    for (; t->choices[n]; n++)
        if (!strcmp(text, t->choices[n])) {
            *value = t->choices[n];
            return ty_ok();
        }
    return ty_unknown(what, text, t->choices, n, NULL);
}

static ty_err parse_widths(const ty_option *t, const char *what, const char *text, ty_options *o)
{
    char copy[4096], *rest = copy, *piece;
    if (strchr(text, ','))
        return ty_error(TY_EUSAGE, "%s: '%.60s' is a list; one network is written 512x256", what,
                        text);
    if (strlen(text) >= sizeof copy)
        return ty_error(TY_EUSAGE, "%s: too many layers", what);
    strcpy(copy, text);
    for (o->hidden_n = 0; (piece = strsep(&rest, "x")); o->hidden_n++) {
        long v;
        if (o->hidden_n == TY_MAX_HIDDEN)
            return ty_error(TY_EUSAGE, "%s: more than %d layers", what, TY_MAX_HIDDEN);
        TY_TRY(ty_parse_count(what, piece, (long)t->lo, (long)t->hi, &v));
        o->hidden[o->hidden_n] = (size_t)v;
    }
    return ty_ok();
}

static ty_err parse_names(const char *what, const char *text, ty_options *o)
{
    char *rest, *piece;
    free(o->strategy_copy);
    o->strategy_copy = rest = strdup(text);
    for (o->strategies = 0; (piece = strsep(&rest, ",")); o->strategies++) {
        if (o->strategies == TY_LIST_MAX)
            return ty_error(TY_EUSAGE, "%s: more than %d names", what, TY_LIST_MAX);
        if (!*piece)
            return ty_error(TY_EUSAGE, "%s: '%.60s' has an empty name in it", what, text);
        o->strategy[o->strategies] = piece;
    }
    return ty_ok();
}

static ty_err parse_bytes(const ty_option *t, const char *what, const char *text, long *v)
{
    size_t n;
    *v = -1;
    if (!strcmp(text, "auto"))
        return ty_ok();
    if (strpbrk(text, ",."))
        return ty_error(TY_EUSAGE, "%s: '%.40s' is a list; give it one number (25M) or auto", what,
                        text);
    return ty_parse_counts(what, text, (long)t->lo, (long)t->hi, v, 1, &n);
}

static ty_err set(const ty_option *t, const char *text, ty_options *o)
{
    char what[40];
    void *at = (char *)o + t->at;
    snprintf(what, sizeof what, "--%s", t->name);
    if (t->kind != TY_FLAG && !*text)
        return ty_error(TY_EUSAGE, "%s is empty; give it a value: %s", what, t->arg);
    switch (t->kind) {
    case TY_FLAG:
        *(int *)at = 1;
        break;
    case TY_TEXT:
        *(const char **)at = text;
        break;
    case TY_CHOICE:
        return parse_choice(t, what, text, at);
    case TY_NAMES:
        return parse_names(what, text, o);
    case TY_COUNT:
        return ty_parse_count(what, text, (long)t->lo, (long)t->hi, at);
    case TY_BYTES:
        return parse_bytes(t, what, text, at);
    case TY_COUNTS: {
        ty_counts *c = at;
        return ty_parse_counts(what, text, (long)t->lo, (long)t->hi, c->v, TY_LIST_MAX, &c->n);
    }
    case TY_WIDTHS:
        return parse_widths(t, what, text, o);
    case TY_REAL:
        return parse_real(t, what, text, at);
    case TY_FRACTION:
        return parse_fraction(what, text, at);
    case TY_HEADING:
        break;
    }
    return ty_ok();
}

/* ---- what is not in the table ---------------------------------------------------------------- */

/* An option that other commands take, or one that nobody knows. */
static ty_err unknown(const ty_command *c, const char *word)
{
    char name[64], takers[120] = "", advice[64];
    const char *names[TY_OPTIONS_MAX];
    size_t n = 0, used = 0;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    for (int i = 0; i < ty_option_table_n; i++) {
        const ty_option *t = &ty_option_table[i];
        if (t->name && !strcmp(t->name, name))
            for (int bit = 1; bit < TY_ALL; bit *= 2)
                if ((t->commands & bit) && command_of_bit(bit))
                    used += (size_t)snprintf(takers + used, sizeof takers - used, "%s%s",
                                             used ? ", " : "", command_of_bit(bit)->name);
        if (t->name && (t->commands & c->bit))
            names[n++] = t->name;
    }
    if (*takers)
        return ty_error(TY_EUSAGE, "--%s is no option of `%s`; it belongs to %s", name, c->name,
                        takers);
    snprintf(advice, sizeof advice, "`trainyard %s --help` shows them", c->name);
    return ty_unknown("option", name, names, n, advice);
}

/* getopt says '?': an unknown option, an ambiguous one, or a value where none belongs. */
static ty_err complain(const ty_command *c, const char *word)
{
    if (optopt >= FIRST)
        return ty_error(TY_EUSAGE, "--%s takes no value", ty_option_table[optopt - FIRST].name);
    if (optopt)
        return ty_error(TY_EUSAGE, "unknown option -%c; `trainyard %s --help` shows them", optopt,
                        c->name);
    int found = 0;
    const char *both[2] = {"", ""};
    size_t len = strcspn(word + 2, "=");
    for (int i = 0; i < ty_option_table_n && found < 2; i++)
        if (ty_option_table[i].name && (ty_option_table[i].commands & c->bit) &&
            !strncmp(word + 2, ty_option_table[i].name, len))
            both[found++] = ty_option_table[i].name;
    if (found == 2 && len)
        return ty_error(TY_EUSAGE, "%s could be --%s or --%s; write more of it", word, both[0],
                        both[1]);
    return unknown(c, word + 2);
}

/* ---- all of the line ------------------------------------------------------------------------- */

/* The getopt tables of one command. */
static void make_getopt(const ty_command *c, struct option *lng, char *sht)
{
    *sht++ = ':';
    for (int i = 0; i < ty_option_table_n; i++) {
        const ty_option *t = &ty_option_table[i];
        if (!t->name || !(t->commands & c->bit))
            continue;
        *lng++ =
            (struct option){t->name, t->arg ? required_argument : no_argument, NULL, FIRST + i};
        if (!t->letter)
            continue;
        *sht++ = t->letter;
        if (t->arg)
            *sht++ = ':';
    }
    *lng = (struct option){0};
    *sht = 0;
}

static int index_of_letter(const ty_command *c, int letter)
{
    for (int i = 0; i < ty_option_table_n; i++)
        if (ty_option_table[i].letter == letter && (ty_option_table[i].commands & c->bit))
            return i;
    return -1;
}

/* What options say about each other. */
static ty_err check(const ty_command *c, const ty_options *o)
{
    if (o->steps && o->epochs)
        return ty_error(TY_EUSAGE,
                        "--steps and --epochs both say how long to train; give one of them");
    if (o->ghost && o->real)
        return ty_error(TY_EUSAGE, "--ghost and --real exclude each other; give one of them");
    if (!(c->bit & (TY_COMPARE | TY_BENCH | TY_VALIDATE)) && o->workers.n > 1)
        return ty_error(
            TY_EUSAGE,
            "--workers: `%s` takes one number, not a list; `trainyard compare` takes lists",
            c->name);
    if (!(c->bit & (TY_COMPARE | TY_VALIDATE)) && o->strategies > 1)
        return ty_error(
            TY_EUSAGE,
            "--strategy: `%s` takes one name, not a list; `trainyard compare` takes lists",
            c->name);
    if (o->words_n && !*c->words)
        return ty_error(TY_EUSAGE, "'%.60s' is no option of `%s`; options begin with --",
                        o->words[0], c->name);
    if (o->csv && o->json && !strcmp(o->csv, "-") && !strcmp(o->json, "-"))
        return ty_error(TY_EUSAGE,
                        "--csv - and --json - both want standard output; give one of them a file");
    return ty_ok();
}

static ty_err take(const ty_command *c, int got, const char *word, ty_options *o)
{
    if (got == '?')
        return complain(c, word);
    int i = got >= FIRST ? got - FIRST : index_of_letter(c, got);
    if (got == ':') {
        i = optopt >= FIRST ? optopt - FIRST : index_of_letter(c, optopt);
        return ty_error(TY_EUSAGE, "--%s needs a value: --%s %s", ty_option_table[i].name,
                        ty_option_table[i].name, ty_option_table[i].arg);
    }
    o->given[i] = optarg ? optarg : "";
    return set(&ty_option_table[i], o->given[i], o);
}

ty_err ty_options_parse(const ty_command *c, int argc, char **argv, ty_options *o)
{
    struct option lng[TY_OPTIONS_MAX + 1];
    char sht[3 * TY_OPTIONS_MAX];
    *o = (ty_options){.trace_steps = -1, .staleness = -1, .momentum = -1};
    TY_CHECK(ty_option_table_n <= TY_OPTIONS_MAX, "the option table is longer than %d",
             TY_OPTIONS_MAX);
    make_getopt(c, lng, sht);
    opterr = 0;
    optind = 0;
    for (;;) {
        int before = optind > 0 ? optind : 1;
        int got = getopt_long(argc, argv, sht, lng, NULL);
        if (got < 0)
            break;
        const char *word = argv[optind > before ? optind - 1 : before];
        TY_TRY(take(c, got, word, o));
    }
    for (; optind < argc && o->words_n < TY_LIST_MAX; optind++)
        o->words[o->words_n++] = argv[optind];
    return o->help || o->version ? ty_ok() : check(c, o);
}

void ty_options_free(ty_options *o)
{
    free(o->strategy_copy);
    o->strategy_copy = NULL;
}

/* ---- help and what was given ----------------------------------------------------------------- */

static int group_has(int heading, int bit)
{
    for (int i = heading + 1; i < ty_option_table_n && !ty_option_table[i].heading; i++)
        if (ty_option_table[i].commands & bit)
            return 1;
    return 0;
}

void ty_options_help(FILE *f, const ty_command *c)
{
    fprintf(f, "usage: trainyard %s%s%s [OPTION...]\n%s\n", c->name, *c->words ? " " : "", c->words,
            c->summary);
    for (int i = 0; i < ty_option_table_n; i++) {
        const ty_option *t = &ty_option_table[i];
        char left[64];
        if (t->heading && group_has(i, c->bit))
            fprintf(f, "\n%s\n", t->heading);
        if (t->heading || !(t->commands & c->bit))
            continue;
        snprintf(left, sizeof left, "%c%c%c --%s %s", t->letter ? '-' : ' ',
                 t->letter ? t->letter : ' ', t->letter ? ',' : ' ', t->name, t->arg ? t->arg : "");
        fprintf(f, "  %-26s %s", left, t->help);
        if (t->usual)
            fprintf(f, " [%s]", t->usual);
        fputc('\n', f);
    }
    fprintf(f, "\nIn brackets: the default. Example:\n%s", c->example);
}

int ty_options_given(const ty_options *o, int i, const char **name, const char **value)
{
    for (int at = 0; at < ty_option_table_n; at++)
        if (o->given[at] && i-- == 0) {
            *name = ty_option_table[at].name;
            *value = o->given[at];
            return 1;
        }
    return 0;
}

static int has_word(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *p = words; (p = strstr(p, word)); p += len)
        if ((p == words || p[-1] == ' ') && (p[len] == ' ' || !p[len]))
            return 1;
    return 0;
}

char *ty_options_line(const ty_options *o, const char *command, const char *without,
                      const char *with, char *buf, size_t size)
{
    const char *name, *value;
    size_t used = (size_t)snprintf(buf, size, "trainyard %s", command);
    for (int i = 0; ty_options_given(o, i, &name, &value) && used < size; i++)
        if (!has_word(without, name))
            used += (size_t)snprintf(buf + used, size - used, " --%s%s%s", name, *value ? " " : "",
                                     value);
    if (used < size && *with)
        snprintf(buf + used, size - used, " %s", with);
    return buf;
}
