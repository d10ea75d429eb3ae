/* SPDX-License-Identifier: MIT
 *
 * jargon-gpt - a character-level language model of the GPT-2 kind on the Jargon File: embedding with positions, L layers
 * of causal attention and a perceptron, the last norm, logits by the embedding's table. Any text drops in with
 * --data FILE. Trained as usual (two passes, AdamW) it reaches 1.80 nats a character on the test text.
 */
#include "base/rng.h"
#include "base/text.h"
#include "workloads/workload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 4, WIDTH = 128, HEADS = 4, CONTEXT = 64 };

static ty_err check(const ty_workload_options *o, size_t C, size_t H, size_t T)
{
    if (o->hidden_n)
        return ty_error(TY_EUSAGE, "jargon-gpt has equal layers: use --layers and --width, not "
                                   "--hidden");
    if (C % H)
        return ty_error(TY_EUSAGE,
                        "--width %zu: %zu heads do not divide it; use a multiple of them, or "
                        "another --heads",
                        C, H);
    TY_TRY(ty_check_bytes("--context: the attention of one sample",
                          4.0 * (double)H * (double)T * (double)(T + 16)));
    TY_TRY(ty_check_bytes("--width: the parameters of a layer",
                          4.0 * 12 * (double)C * (double)(C + 2)));
    return ty_check_bytes("--width and --context: a layer of one sample",
                          4.0 * 16 * (double)T * (double)C);
}

static ty_err open_jargon(const ty_workload_options *o, ty_problem *p)
{
    const size_t L = o->layers ? (size_t)o->layers : LAYERS,
                 C = o->width ? (size_t)o->width : WIDTH, H = o->heads ? (size_t)o->heads : HEADS,
                 T = o->context ? (size_t)o->context : CONTEXT;
    TY_TRY(check(o, C, H, T));
    TY_TRY(ty_dataset_load_text(&p->data, o->data ? o->data : TY_DATA_DIR "/jargon.txt.gz", T));
    const size_t V = (size_t)p->data.sequence.symbols;
    p->features = p->targets = T;
    p->classes = V;
    p->blocks = ty_zalloc(2 * L + 3, sizeof *p->blocks);
    ty_problem_add(p, ty_embedding_new(T, C, V));
    for (size_t i = 0; i < L; i++) {
        ty_problem_add(p, ty_attention_new(T, C, H, L));
        ty_problem_add(p, ty_mlp_new(T, C, L));
    }
    ty_problem_add(p, ty_norm_new(T, C));
    ty_problem_add(p, ty_output_new(T, C, V, 0));
    return ty_ok();
}

/* ---- report: a sample of text ---- */

enum { LETTERS = 300, KEY_SAMPLE = 0x5a3b };
static const double temperature = 0.8;

/* A token from the distribution of its logits [V], the sharper the lower the temperature. */
static int draw(const float *logit, int V, double uniform)
{
    double most = -INFINITY, sum = 0;
    for (int i = 0; i < V; i++)
        most = fmax(most, (double)logit[i]);
    for (int i = 0; i < V; i++)
        sum += exp(((double)logit[i] - most) / temperature);
    uniform *= sum;
    for (int i = 0; i < V; i++) {
        uniform -= exp(((double)logit[i] - most) / temperature);
        if (uniform < 0)
            return i;
    }
    return V - 1;
}

/* Write letters from the first line's end on: the window x [1,T] holds the newest, `used` of them; what stands behind
 * them is not looked at. */
static void write_sample(const ty_problem *p, ty_model *m, uint64_t seed, FILE *f)
{
    const ty_sequence *q = &p->data.sequence;
    const size_t T = q->T;
    const uint64_t key = ty_key(seed, KEY_SAMPLE, 0);
    ty_tensor x = ty_tensor_new(m->rank, TY_ACTIV, 1, T);
    size_t used = 1;
    for (int i = 0; i < q->symbols; i++)
        if (q->symbol[i] == '\n')
            x.data[0] = (float)i;
    for (uint64_t i = 0; i < LETTERS; i++) {
        ty_tensor y = ty_model_forward(m, 0, x);
        int token = draw(y.data + (used - 1) * p->classes, q->symbols, ty_uniform(key, i));
        const int c = q->symbol[token];
        if (c == '\n')
            fprintf(f, "\n%15s", "");
        else
            fputc(c >= ' ' && c < 127 ? c : '?', f);
        if (used == T) { /* keep the newer half */
            used = T / 2;
            memmove(x.data, x.data + T - used, used * sizeof *x.data);
        }
        x.data[used++] = (float)token;
    }
    fputc('\n', f);
    ty_drop(m->rank, x);
}

static void report(const ty_problem *p, ty_model *m, uint64_t seed, FILE *f)
{
    const ty_score s = ty_problem_score(p, m);
    fprintf(f,
            "%-14s %.3f nats a character (%.3f bits) on %zu characters of text that it was not "
            "trained on; next one right %.1f %%\n",
            "test text", s.loss, s.loss / log(2), p->data.test.n * p->targets, 100 * s.accuracy);
    fprintf(f, "%-14s ", "sample");
    write_sample(p, m, seed, f);
}

const ty_workload ty_jargon_gpt = {
    .name = "jargon-gpt",
    .summary = "the next character of the Jargon File, transformer of 4 layers of 128 channels "
               "(--layers, --width, --heads, --context, --data FILE)",
    .has_data = 1,
    .usual = {.batch = 16, .epochs = 2, .optimizer = TY_ADAMW, .rate = 0.003},
    .open = open_jargon,
    .report = report,
};
