/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "experiments/bench_peer.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef void sgemm(int order, int trans_a, int trans_b, int M, int N, int K, float alpha,
                   const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
static struct {
    int tried, spins;
    sgemm *multiply;
    char text[300];
} peer;

static void *symbol(void *library, const char *name)
{
    return library ? dlsym(library, name) : NULL;
}

/* Debian and others keep the flavours side by side, in folders beside the C library. */
static void *open_openmp_flavour(void)
{
    Dl_info here;
    char path[600];
    if (!dladdr((void *)(size_t)&fopen, &here) || !here.dli_fname)
        return NULL;
    const char *slash = strrchr(here.dli_fname, '/');
    if (!slash)
        return NULL;
    snprintf(path, sizeof path, "%.*s/openblas-openmp/libopenblas.so.0",
             (int)(slash - here.dli_fname), here.dli_fname);
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* These variables make it take other code than it would choose for this processor. */
static const char *held_back(void)
{
    return getenv("OPENBLAS_CORETYPE") || getenv("OPENBLAS_L2_SIZE")
               ? "; OPENBLAS_CORETYPE or OPENBLAS_L2_SIZE is set: unset them to see its best"
               : "";
}

static void find(int threads)
{
    enum { SEQUENTIAL, PTHREADS, OPENMP };
    char *(*config)(void), *(*core)(void);
    int (*parallel)(void);
    void (*set_threads)(int);
    void *library = open_openmp_flavour();
    if (!library)
        library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    *(void **)&peer.multiply = symbol(library, "cblas_sgemm");
    *(void **)&config = symbol(library, "openblas_get_config");
    *(void **)&core = symbol(library, "openblas_get_corename");
    *(void **)&parallel = symbol(library, "openblas_get_parallel");
    *(void **)&set_threads = symbol(library, "openblas_set_num_threads");
    const int flavour = parallel ? parallel() : PTHREADS;
    peer.spins = flavour == PTHREADS && threads > 1;
    if (set_threads)
        set_threads(threads);
    if (peer.multiply)
        snprintf(peer.text, sizeof peer.text, "beside %s, %s, kernels for %s%s",
                 config ? config() : "OpenBLAS",
                 flavour == OPENMP     ? "OpenMP threads"
                 : flavour == PTHREADS ? "threads of its own"
                                       : "one thread",
                 core ? core() : "this processor", held_back());
    else
        snprintf(peer.text, sizeof peer.text,
                 "beside nothing: apt-get install libopenblas0-openmp gives a peer");
}

const char *ty_peer_open(int threads)
{
    if (!peer.tried++)
        find(threads);
    return peer.text;
}

int ty_peer_there(void)
{
    return peer.multiply != NULL;
}

int ty_peer_spins(void)
{
    return peer.spins;
}

void ty_peer_multiply(const ty_bench_product *p, float *const *a, float *c)
{
    enum { ROW_MAJOR = 101, PLAIN = 111, TRANSPOSED = 112 };
    const int M = (int)p->M, N = (int)p->N, K = (int)p->K;
    peer.multiply(ROW_MAJOR, p->trans_a ? TRANSPOSED : PLAIN, p->trans_b ? TRANSPOSED : PLAIN, M, N,
                  K, 1, a[p->a], p->trans_a ? M : K, a[p->b], p->trans_b ? K : N,
                  p->accumulate ? 1 : 0, c, N);
}
