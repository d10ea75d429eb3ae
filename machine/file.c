/* SPDX-License-Identifier: MIT
 *
 * file - machine.yaml: read through libcyaml, which checks the schema, and written with every digit.
 */
#include "base/file.h"
#include "base/text.h"
#include "machine/machine.h"

#include <cyaml/cyaml.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VERSION = 4, MAX_BYTES = 1 << 16 };

typedef struct ty_machine_file {
    int version;
    ty_machine machine;
} ty_machine_file;

#define AT(member) (uint32_t) offsetof(ty_machine_file, machine.member)

#define NUMBER(name, at)                                                                           \
    {                                                                                              \
        .key = name, .data_offset = (uint32_t)(at), .value = {                                     \
            .type = CYAML_FLOAT,                                                                   \
            .data_size = sizeof(double)                                                            \
        }                                                                                          \
    }
#define WHOLE(name, at)                                                                            \
    {                                                                                              \
        .key = name, .data_offset = (uint32_t)(at), .value = {                                     \
            .type = CYAML_INT,                                                                     \
            .data_size = sizeof(int)                                                               \
        }                                                                                          \
    }
#define TEXT(name, at, bytes)                                                                      \
    {                                                                                              \
        .key = name, .data_offset = (uint32_t)(at), .value = {                                     \
            .type = CYAML_STRING,                                                                  \
            .data_size = (bytes),                                                                  \
            .string = {.max = (bytes)-1}                                                           \
        }                                                                                          \
    }
#define PART(name, at, parts)                                                                      \
    {                                                                                              \
        .key = name, .data_offset = (uint32_t)(at), .value = {                                     \
            .type = CYAML_MAPPING,                                                                 \
            .data_size = 1,                                                                        \
            .mapping = {.fields = parts}                                                           \
        }                                                                                          \
    }
#define CLASS(name, c) PART(name, (c) * sizeof(ty_rate), rate_fields)

/* The order of the fields is that of the file; every key is required. */
static const cyaml_schema_field_t rate_fields[] = {
    NUMBER("launch_s", offsetof(ty_rate, launch_s)),
    NUMBER("row_s", offsetof(ty_rate, row_s)),
    NUMBER("flops", offsetof(ty_rate, flops)),
    NUMBER("bandwidth", offsetof(ty_rate, bandwidth)),
    NUMBER("far_bandwidth", offsetof(ty_rate, far_bandwidth)),
    NUMBER("near_bytes", offsetof(ty_rate, near_bytes)),
    NUMBER("memory_bandwidth", offsetof(ty_rate, memory_bandwidth)),
    NUMBER("thread_launch_s", offsetof(ty_rate, thread_launch_s)),
    NUMBER("thread_from_s", offsetof(ty_rate, thread_from_s)),
    NUMBER("thread_gain", offsetof(ty_rate, thread_gain)),
    NUMBER("memory_gain", offsetof(ty_rate, memory_gain)),
    NUMBER("beside", offsetof(ty_rate, beside)),
    NUMBER("residual", offsetof(ty_rate, residual)),
    NUMBER("worst", offsetof(ty_rate, worst)),
    CYAML_FIELD_END};

static const cyaml_schema_field_t class_fields[] = {CLASS("gemm_nn", TY_CLASS_GEMM_NN),
                                                    CLASS("gemm_nt", TY_CLASS_GEMM_NT),
                                                    CLASS("gemm_tn", TY_CLASS_GEMM_TN),
                                                    CLASS("stream", TY_CLASS_STREAM),
                                                    CLASS("copy", TY_CLASS_COPY),
                                                    CLASS("update", TY_CLASS_UPDATE),
                                                    CLASS("softmax", TY_CLASS_SOFTMAX),
                                                    CLASS("augment", TY_CLASS_AUGMENT),
                                                    CLASS("conv", TY_CLASS_CONV),
                                                    CLASS("conv_w", TY_CLASS_CONV_W),
                                                    CLASS("pool", TY_CLASS_POOL),
                                                    CLASS("norm", TY_CLASS_NORM),
                                                    CLASS("gelu", TY_CLASS_GELU),
                                                    CLASS("attention", TY_CLASS_ATTENTION),
                                                    CLASS("lstm", TY_CLASS_LSTM),
                                                    CLASS("lstm_back", TY_CLASS_LSTM_BACK),
                                                    CLASS("pack", TY_CLASS_PACK),
                                                    CLASS("shared", TY_CLASS_SHARED),
                                                    CYAML_FIELD_END};

static const cyaml_schema_field_t net_fields[] = {NUMBER("alpha", offsetof(ty_net, alpha)),
                                                  NUMBER("beta", offsetof(ty_net, beta)),
                                                  CYAML_FIELD_END};

static const cyaml_strval_t origins[] = {{"measured", TY_MEASURED},
                                         {"fitted", TY_FITTED},
                                         {"datasheet", TY_DATASHEET},
                                         {"assumed", TY_ASSUMED}};

static const cyaml_schema_field_t fields[] = {
    WHOLE("version", offsetof(ty_machine_file, version)),
    TEXT("host", AT(host), sizeof(((ty_machine *)0)->host)),
    TEXT("date", AT(date), sizeof(((ty_machine *)0)->date)),
    TEXT("processor", AT(processor), sizeof(((ty_machine *)0)->processor)),
    WHOLE("cores", AT(cores)),
    NUMBER("peak_flops", AT(peak_flops)),
    NUMBER("memory", AT(memory)),
    NUMBER("cache", AT(cache)),
    PART("handoff", AT(handoff), net_fields),
    NUMBER("region_s", AT(region_s)),
    NUMBER("fork_s", AT(fork_s)),
    NUMBER("barrier_s", AT(barrier_s)),
    {.key = "origin",
     .data_offset = AT(origin),
     .value = {.type = CYAML_ENUM,
               .flags = CYAML_FLAG_STRICT,
               .data_size = sizeof(ty_origin),
               .enumeration = {origins, CYAML_ARRAY_LEN(origins)}}},
    PART("rates", AT(rate), class_fields),
    CYAML_FIELD_END};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, ty_machine_file, fields)};

/* ---- errors: the first message of libcyaml, and the first line number that follows it ---- */

typedef struct complaint {
    char what[128], field[32];
    int line;
} complaint;

static void listen(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
    complaint *c = ctx;
    char text[256];
    (void)level;
    vsnprintf(text, sizeof text, fmt, args);
    const char *body = strncmp(text, "Load: ", 6) ? text : text + 6, *at = strstr(text, "(line: ");
    if (at && !c->line) {
        c->line = atoi(at + 7);
        sscanf(text, "Load:   in mapping field '%31[^']", c->field);
        sscanf(text, "  in mapping field '%31[^']", c->field);
    } else if (!at && !c->what[0])
        snprintf(c->what, sizeof c->what, "%.*s", (int)strcspn(body, "\n"), body);
}

/* The line on which the n bytes of `word` begin the first line at or after `from` (1 ..) that they begin; or `from`. */
static int line_of(const char *text, const char *word, int from)
{
    size_t n = strlen(word);
    int line = 1;
    for (const char *at = text; n && at; line++) {
        const char *start = at + strspn(at, " {");
        if (line >= from && !strncmp(start, word, n) && start[n] == ':')
            return line;
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    return from;
}

static ty_err refuse(const char *path, const complaint *c, const char *text)
{
    static const char unknown[] = "Unexpected key: ";
    int line = c->line > 0 ? c->line : 1;
    if (!strncmp(c->what, unknown, sizeof unknown - 1)) /* libcyaml names the line before it */
        line = line_of(text, c->what + sizeof unknown - 1, line);
    int about_value = !strncmp(c->what, "Expecting", 9) || !strncmp(c->what, "Invalid", 7) ||
                      !strncmp(c->what, "STRING", 6);
    return ty_error(TY_EUSAGE, "%.100s:%d: %s%s%s; correct it or calibrate again", path, line,
                    about_value ? c->field : "", about_value && c->field[0] ? ": " : "", c->what);
}

/* ---- the numbers ---- */

static double number_at(const void *base, const cyaml_schema_field_t *f)
{
    double v;
    memcpy(&v, (const char *)base + f->data_offset, sizeof v);
    return v;
}

/* A gain may be negative. */
static double least_of(const char *key)
{
    return strstr(key, "_gain") ? -2 : 0;
}

/* Every number of a part of the file must be finite and not too small, and positive where `positive` says so. */
static ty_err check_part(const char *path, const char *text, const char *part, const void *base,
                         const cyaml_schema_field_t *f, const char *positive)
{
    for (; f->key; f++) {
        if (f->value.type != CYAML_FLOAT)
            continue;
        double v = number_at(base, f);
        int must = strstr(positive, f->key) != NULL;
        if (isfinite(v) && v >= least_of(f->key) && (v > 0 || !must))
            continue;
        int from = *part ? line_of(text, part, 1) : 1;
        return ty_error(TY_EUSAGE, "%.100s:%d: %s%s%s is %g; it must be a finite number %s %g",
                        path, line_of(text, f->key, from), part, *part ? "." : "", f->key, v,
                        must ? "above" : "of at least", least_of(f->key));
    }
    return ty_ok();
}

static ty_err check_rate(const char *path, const char *text, const ty_machine *m, int c)
{
    const char *name = class_fields[c].key;
    const ty_rate *r = &m->rate[c];
    int line = line_of(text, name, 1);
    TY_TRY(check_part(path, text, name, r, rate_fields, ""));
    if (!ty_rate_grows(r))
        return ty_error(TY_EUSAGE, "%.100s:%d: %s needs flops, row_s or a bandwidth above 0", path,
                        line, name);
    if (r->beside < 1)
        return ty_error(TY_EUSAGE,
                        "%.100s:%d: %s.beside is %g; a busy neighbour slows by at least 1", path,
                        line_of(text, "beside", line), name, r->beside);
    return ty_ok();
}

static ty_err check(const char *path, const char *text, const ty_machine_file *f)
{
    const ty_machine *m = &f->machine;
    if (f->version != VERSION) /* written in a way that check_version does not see */
        return ty_error(TY_EUSAGE, "%.100s:1: version %d instead of %d: calibrate again", path,
                        f->version, VERSION);
    if (m->cores < 1)
        return ty_error(TY_EUSAGE, "%.100s:%d: cores is %d; it must be at least 1", path,
                        line_of(text, "cores", 1), m->cores);
    TY_TRY(check_part(path, text, "", f, fields, "peak_flops memory"));
    TY_TRY(check_part(path, text, "handoff", &m->handoff, net_fields, "beta"));
    for (int c = 0; c < TY_CLASSES; c++)
        TY_TRY(check_rate(path, text, m, c));
    return ty_ok();
}

/* ---- read and write ---- */

/* A file of another version has other keys: that it is one says more than which are missing. */
static ty_err check_version(const char *path, const char *text)
{
    int version = VERSION, line = 1;
    for (const char *at = text; at; line++) {
        if (sscanf(at, "version: %d", &version) == 1)
            break;
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    if (version == VERSION)
        return ty_ok();
    return ty_error(TY_EUSAGE,
                    "%.100s:%d: version %d, but this program reads version %d: calibrate again",
                    path, line, version, VERSION);
}

ty_err ty_machine_load(ty_machine *m, const char *path)
{
    char *text;
    size_t size;
    complaint said = {0};
    ty_machine_file *f = NULL;
    const cyaml_config_t config = {
        .log_fn = listen, .log_ctx = &said, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_ERROR};

    TY_TRY(ty_read_text(path, MAX_BYTES, &text, &size));
    ty_err old = check_version(path, text);
    if (old.code) {
        free(text);
        return old;
    }
    cyaml_err_t why =
        cyaml_load_data((const uint8_t *)text, size, &config, &schema, (cyaml_data_t **)&f, NULL);
    ty_err e = why ? refuse(path, &said, text)
               : f ? check(path, text, f)
                   : ty_error(TY_EUSAGE, "%.100s:1: the file is empty; calibrate again", path);
    if (e.code == TY_OK)
        *m = f->machine;
    if (f)
        cyaml_free(&config, &schema, f, 0);
    free(text);
    return e;
}

/* A double-quoted YAML scalar. */
static void put_text(FILE *f, const char *key, const char *s)
{
    fprintf(f, "%s: \"", key);
    for (; *s; s++)
        if ((unsigned char)*s >= ' ')
            fprintf(f, *s == '"' || *s == '\\' ? "\\%c" : "%c", *s);
    fprintf(f, "\"\n");
}

static void put_numbers(FILE *f, const char *indent, const void *base,
                        const cyaml_schema_field_t *part)
{
    char number[32];
    for (; part->key; part++)
        fprintf(f, "%s%s: %s\n", indent, part->key, ty_exact(number, number_at(base, part)));
}

static void put_machine(FILE *f, const ty_machine *m)
{
    fprintf(f, "# A machine model: see machine/machine.h. SI units.\nversion: %d\n", VERSION);
    put_text(f, "host", m->host);
    put_text(f, "date", m->date);
    put_text(f, "processor", m->processor);
    char a[32], b[32], c[32];
    fprintf(f, "cores: %d\npeak_flops: %s\nmemory: %s\ncache: %s\nhandoff:\n", m->cores,
            ty_exact(a, m->peak_flops), ty_exact(b, m->memory), ty_exact(c, m->cache));
    put_numbers(f, "  ", &m->handoff, net_fields);
    fprintf(f, "region_s: %s\nfork_s: %s\nbarrier_s: %s\n", ty_exact(a, m->region_s),
            ty_exact(b, m->fork_s), ty_exact(c, m->barrier_s));
    fprintf(f, "origin: %s\nrates:\n", ty_origin_name(m->origin));
    for (int k = 0; k < TY_CLASSES; k++) {
        fprintf(f, "  %s:\n", class_fields[k].key);
        put_numbers(f, "    ", &m->rate[k], rate_fields);
    }
}

/* The cache may be a folder that nobody has made yet. */
static ty_err make_folder_of(const char *path)
{
    char folder[1024];
    const char *end = strrchr(path, '/');
    if (!end || end == path || (size_t)(end - path) >= sizeof folder)
        return ty_ok();
    snprintf(folder, sizeof folder, "%.*s", (int)(end - path), path);
    return access(folder, F_OK) ? ty_make_dir(folder) : ty_ok();
}

ty_err ty_machine_save(const ty_machine *m, const char *path)
{
    ty_file w;
    TY_TRY(make_folder_of(path));
    TY_TRY(ty_file_open(&w, path));
    put_machine(w.f, m);
    return ty_file_commit(&w);
}
