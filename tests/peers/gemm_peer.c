/* SPDX-License-Identifier: MIT
 *
 * gemm_peer - our matrix product against OpenBLAS, BLIS and oneDNN, on the products of training.
 * All that are installed alternate within a run, call after call on the same operands, so that a
 * change of clock or a busy neighbour meets them all. Each must give the same result as ours, or
 * there is no rate. The multiply-add ruler runs before and after every sample without a pause: the
 * processor lowers its clock after a millisecond of wide multiply-adds, so only a warm ruler is
 * fair. A sample beside a disturbed ruler is dropped.
 *
 *   gemm_peer [threads [rounds [FILE.csv]]]
 */
#include "base/clock.h"
#include "kernels/kernels.h"
#include "tests/peers/peers.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROUNDS = 1001, MAX_SHAPES = 256 };

static const double sample_s = 2e-3, ruler_s = 3e-4, undisturbed = 0.9;

/* ---- shapes ---- */

typedef enum group { FORWARD, BACKWARD_X, BACKWARD_W, SKINNY, SQUARE, GROUPS } group;

static const char *const group_name[GROUPS] = {"forward NN", "backward NT", "backward TN", "skinny",
                                               "square"};

typedef struct shape {
    group group;
    ty_peer_product p;
} shape;

static shape shapes[MAX_SHAPES];
static size_t shapes_n;

static void add_shape(group g, int trans_a, int trans_b, int accumulate, size_t M, size_t N,
                      size_t K)
{
    if (shapes_n < MAX_SHAPES)
        shapes[shapes_n++] = (shape){g, {trans_a, trans_b, accumulate, M, N, K}};
}

/* The three products of a linear layer; its input may be data, which needs no gradient. */
static void add_layer(size_t batch, size_t in, size_t out, int first)
{
    const int skinny = in <= 16 || out <= 16;
    add_shape(skinny ? SKINNY : FORWARD, 0, 0, 0, batch, out, in);
    if (!first)
        add_shape(skinny ? SKINNY : BACKWARD_X, 0, 1, 0, batch, in, out);
    add_shape(skinny ? SKINNY : BACKWARD_W, 1, 0, 1, in, out, batch);
}

static void add_square(size_t n, int layouts)
{
    for (int l = 0; l < layouts; l++)
        add_shape(SQUARE, l == 2, l == 1, 0, n, n, n);
}

static void list_shapes(void)
{
    static const size_t batch[] = {128, 64, 43};
    for (size_t i = 0; i < 3; i++) { /* MLP 784-512-256-10 */
        add_layer(batch[i], 784, 512, 1);
        add_layer(batch[i], 512, 256, 0);
        add_layer(batch[i], 256, 10, 0);
    }
    add_layer(64, 9216, 128, 0);   /* CNN, the linear layer */
    add_layer(1024, 256, 768, 0);  /* GPT: 8 sequences of 128, width 256: queries, keys, values */
    add_layer(1024, 256, 256, 0);  /* projection, and 256 characters out */
    add_layer(1024, 256, 1024, 0); /* up */
    add_layer(1024, 1024, 256, 0); /* down */
    add_layer(32, 256, 1024, 0);   /* LSTM: a step */
    add_layer(2048, 128, 1024, 0); /* all inputs of 64 steps */
    add_layer(128, 512, 784, 0);   /* layers of other networks, to compare with published rates */
    add_layer(64, 768, 3072, 0);
    add_layer(256, 768, 768, 0);
    add_layer(256, 3072, 768, 0);
    add_square(64, 3);
    add_square(128, 3);
    add_square(256, 3);
    add_square(512, 3);
    add_square(1024, 3);
    add_square(2048, 1);
}

/* ---- operands ---- */

typedef struct operands {
    float *a, *b, *c;
} operands;

static float *random_floats(size_t n)
{
    float *x = aligned_alloc(64, (n / 16 + 1) * 64); /* as tensors are */
    if (!x)
        exit(1);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    return x;
}

/* Whether a peer's result is within 20 sqrt(K) roundings of the right one; a NaN is not. */
static int is_right(const ty_peer *peer, const ty_peer_product *p, const operands *o,
                    const float *right)
{
    const double bound = 20 * sqrt((double)p->K) * 6e-8;

    memset(o->c, 0, p->M * p->N * sizeof *o->c);
    peer->multiply(p, o->a, o->b, o->c);
    for (size_t i = 0; i < p->M * p->N; i++)
        if (!(fabs((double)o->c[i] - (double)right[i]) <= bound))
            return 0;
    return 1;
}

/* Peers that agree with the product in double, as bits; ours is bit 0. */
static unsigned who_is_right(const ty_peer_product *p, const operands *o)
{
    float *right = random_floats(p->M * p->N);
    unsigned agree = 0;

    ty_peer_reference(p, o->a, o->b, right);
    for (size_t i = 0; i < ty_peers_n; i++)
        if (is_right(&ty_peers[i], p, o, right))
            agree |= 1u << i;
    free(right);
    return agree;
}

/* ---- samples ---- */

typedef struct samples {
    double seconds[MAX_ROUNDS], peak[MAX_ROUNDS]; /* peak: [flop/s], the lower of both rulers */
    int n;
} samples;

typedef struct rate {
    double low, median, high, peak; /* [flop/s] p10, p50, p90; the ruler's p50 */
    int kept;
} rate;

static int rising(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *x, int n)
{
    double sorted[MAX_ROUNDS];
    memcpy(sorted, x, (size_t)n * sizeof *x);
    qsort(sorted, (size_t)n, sizeof *sorted, rising);
    return sorted[n / 2];
}

static void sample(const ty_peer *peer, const ty_peer_product *p, const operands *o, int calls,
                   samples *s)
{
    peer->multiply(p, o->a, o->b, o->c); /* brings its operands and its buffers closer */
    const double before = ty_kernel_fma_peak(ruler_s), begin = ty_clock();
    for (int i = 0; i < calls; i++)
        peer->multiply(p, o->a, o->b, o->c);
    s->seconds[s->n] = (ty_clock() - begin) / calls;
    s->peak[s->n++] = fmin(before, ty_kernel_fma_peak(ruler_s));
}

static rate rate_of(const samples *s, double flops)
{
    const double peak = median(s->peak, s->n);
    double seconds[MAX_ROUNDS];
    int n = 0;

    for (int i = 0; i < s->n; i++)
        if (s->peak[i] >= undisturbed * peak)
            seconds[n++] = s->seconds[i];
    qsort(seconds, (size_t)n, sizeof *seconds, rising);
    return (rate){flops / seconds[n * 9 / 10], flops / seconds[n / 2], flops / seconds[n / 10],
                  peak, n};
}

/* ---- one shape ---- */

static const char *layout_of(const ty_peer_product *p)
{
    return p->trans_a ? "TN" : p->trans_b ? "NT" : "NN";
}

static void write_csv(FILE *f, const shape *s, const char *peer, const rate *r, int threads)
{
    fprintf(f, "%s,%s,%zu,%zu,%zu,%d,%s,%.4g,%.4g,%.4g,%.4g,%d\n", group_name[s->group],
            layout_of(&s->p), s->p.M, s->p.N, s->p.K, threads, peer, r->median, r->low, r->high,
            r->peak, r->kept);
}

/* Prints a line; returns ours over the best peer, or 0. *wrong counts those that differ. */
static double compare(const shape *s, int rounds, int threads, FILE *csv, int *wrong)
{
    static samples all[TY_PEERS_MAX];
    const ty_peer_product *p = &s->p;
    const double flops = 2.0 * (double)p->M * (double)p->N * (double)p->K;
    const int calls = 1 + (int)(sample_s * 150e9 * threads / flops);
    const operands o = {random_floats(p->M * p->K), random_floats(p->K * p->N),
                        random_floats(p->M * p->N)};
    const unsigned right = who_is_right(p, &o);
    rate r[TY_PEERS_MAX] = {0};
    size_t best = 0;

    for (size_t i = 0; i < ty_peers_n; i++)
        all[i].n = 0;
    memset(o.c, 0, p->M * p->N * sizeof *o.c);
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < ty_peers_n; i++) {
            const size_t turn = (i + (size_t)round) % ty_peers_n;
            if (right >> turn & 1)
                sample(&ty_peers[turn], p, &o, calls, &all[turn]);
        }
    free(o.a), free(o.b), free(o.c);

    printf("%-11s %s %5zu x%5zu x%5zu", group_name[s->group], layout_of(p), p->M, p->N, p->K);
    for (size_t i = 0; i < ty_peers_n; i++) {
        if (!(right >> i & 1)) {
            printf("  wrong              ");
            ++*wrong;
            continue;
        }
        r[i] = rate_of(&all[i], flops);
        printf("  %5.1f (%5.1f..%5.1f)", r[i].median / 1e9, r[i].low / 1e9, r[i].high / 1e9);
        if (csv)
            write_csv(csv, s, ty_peers[i].name, &r[i], threads);
        if (i > 0 && (best == 0 || r[i].median > r[best].median))
            best = i;
    }
    const double ratio = best && (right & 1) ? r[0].median / r[best].median : 0;
    printf("  %-8s %5.2f  %3.0f %%  %4.0f\n", best ? ty_peers[best].name : "-", ratio,
           r[0].peak > 0 ? 100 * r[0].median / r[0].peak : 0, r[0].peak / 1e9);
    fflush(stdout);
    return ratio;
}

/* ---- all shapes ---- */

static void print_head(int threads, int rounds)
{
    printf("%d thread(s), %d rounds, Gflop/s median (p10..p90)\n", threads, rounds);
    printf("%-11s %-2s %-19s", "products", "", "     M      N      K");
    for (size_t i = 0; i < ty_peers_n; i++)
        printf("  %-20s", ty_peers[i].name);
    printf("  %-8s %5s  %5s  %4s\n", "best", "ratio", "peak", "ruler");
}

static void print_means(const double *log_sum, const int *count)
{
    double training = 0;
    int n = 0;

    printf("geometric means of ours over the best peer:");
    for (int g = 0; g < GROUPS; g++) {
        if (count[g])
            printf("  %s %.3f (%d)", group_name[g], exp(log_sum[g] / count[g]), count[g]);
        if (g != SQUARE) {
            training += log_sum[g];
            n += count[g];
        }
    }
    if (n)
        printf("  training %.3f (%d)", exp(training / n), n);
    putchar('\n');
}

int main(int argc, char **argv)
{
    const int threads = argc > 1 ? atoi(argv[1]) : 1, asked = argc > 2 ? atoi(argv[2]) : 15;
    const int rounds = asked < 1 ? 1 : asked < MAX_ROUNDS ? asked : MAX_ROUNDS;
    double log_sum[GROUPS] = {0};
    int count[GROUPS] = {0}, wrong = 0;

    ty_kernel_spin_briefly(argv);
    FILE *csv = argc > 3 ? fopen(argv[3], "w") : NULL;
    if (argc > 3 && !csv) {
        perror(argv[3]);
        return 1;
    }
    ty_kernel_bind(0);
    ty_kernel_set_threads(threads);
    ty_peers_open(threads);
    list_shapes();
    if (csv)
        fprintf(csv, "products,layout,m,n,k,threads,peer,flops,flops_p10,flops_p90,ruler,kept\n");
    print_head(threads, rounds);
    for (size_t i = 0; i < shapes_n; i++) {
        const double ratio = compare(&shapes[i], rounds, threads, csv, &wrong);
        if (ratio > 0) {
            log_sum[shapes[i].group] += log(ratio);
            count[shapes[i].group]++;
        }
    }
    print_means(log_sum, count);
    return (csv && fclose(csv) != 0) || wrong != 0;
}
