/* SPDX-License-Identifier: MIT */
#include "tests/peers/peers.h"
#include "kernels/kernels.h"
#include "kernels/vec.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef TY_LIBRARY_DIR
#define TY_LIBRARY_DIR "/usr/lib"
#endif

ty_peer ty_peers[TY_PEERS_MAX];
size_t ty_peers_n;

/* CBLAS by its numbers: row-major is 101, as it is 111, transposed 112. */
typedef void cblas_fn(int order, int trans_a, int trans_b, int M, int N, int K, float alpha,
                      const float *a, int a_step, const float *b, int b_step, float beta, float *c,
                      int c_step);
/* Row-major; 'N' or 'T'. */
typedef int dnnl_fn(char trans_a, char trans_b, int64_t M, int64_t N, int64_t K, float alpha,
                    const float *a, int64_t a_step, const float *b, int64_t b_step, float beta,
                    float *c, int64_t c_step);

static cblas_fn *openblas_sgemm, *blis_sgemm;
static dnnl_fn *dnnl_sgemm;

static void ours(const ty_peer_product *p, const float *a, const float *b, float *c)
{
    ty_kernel_gemm(p->trans_a, p->trans_b, p->M, p->N, p->K, a, b, p->accumulate, c);
}

static void call_cblas(cblas_fn *f, const ty_peer_product *p, const float *a, const float *b,
                       float *c)
{
    const int M = (int)p->M, N = (int)p->N, K = (int)p->K;
    f(101, p->trans_a ? 112 : 111, p->trans_b ? 112 : 111, M, N, K, 1, a, p->trans_a ? M : K, b,
      p->trans_b ? K : N, p->accumulate ? 1 : 0, c, N);
}

static void openblas(const ty_peer_product *p, const float *a, const float *b, float *c)
{
    call_cblas(openblas_sgemm, p, a, b, c);
}

static void blis(const ty_peer_product *p, const float *a, const float *b, float *c)
{
    call_cblas(blis_sgemm, p, a, b, c);
}

static void onednn(const ty_peer_product *p, const float *a, const float *b, float *c)
{
    const int64_t M = (int64_t)p->M, N = (int64_t)p->N, K = (int64_t)p->K;
    dnnl_sgemm(p->trans_a ? 'T' : 'N', p->trans_b ? 'T' : 'N', M, N, K, 1, a, p->trans_a ? M : K, b,
               p->trans_b ? K : N, p->accumulate ? 1 : 0, c, N);
}

static void add_peer(const char *name, void (*multiply)(const ty_peer_product *, const float *,
                                                        const float *, float *))
{
    ty_peers[ty_peers_n++] = (ty_peer){name, multiply};
}

static void *open_first(const char *const *names)
{
    void *library = NULL;
    for (; *names && !library; names++)
        library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    return library;
}

static void *symbol(void *library, const char *name)
{
    return library ? dlsym(library, name) : NULL;
}

/* The OpenMP variant: idle threads of the other one spin for 0.1 s beside whoever is measured. */
static void open_openblas(int threads)
{
    static const char *const names[] = {TY_LIBRARY_DIR "/openblas-openmp/libopenblas.so.0",
                                        "libopenblas.so.0", NULL};
    void *library = open_first(names);
    void (*set_threads)(int);
    int (*parallel)(void);
    char *(*core)(void);

    *(void **)&openblas_sgemm = symbol(library, "cblas_sgemm");
    *(void **)&set_threads = symbol(library, "openblas_set_num_threads");
    *(void **)&parallel = symbol(library, "openblas_get_parallel");
    *(void **)&core = symbol(library, "openblas_get_corename");
    if (!openblas_sgemm || !set_threads || !parallel || !core)
        printf("OpenBLAS: not found (install libopenblas0-openmp)\n");
    else if (threads > 1 && parallel() != 2)
        printf("OpenBLAS: no OpenMP variant (install libopenblas0-openmp)\n");
    else {
        set_threads(threads);
        printf("OpenBLAS: %s kernels\n", core());
        add_peer("OpenBLAS", openblas);
    }
}

static void open_blis(int threads)
{
    static const char *const names[] = {TY_LIBRARY_DIR "/blis-openmp/libblis.so.4", "libblis.so.4",
                                        "libblis.so", NULL};
    void (*set_threads)(int64_t);

    if (TY_LANES == 16)
        setenv("BLIS_ARCH_TYPE", "0", 1); /* skx; unknown processors get scalar code otherwise */
    void *library = open_first(names);
    *(void **)&blis_sgemm = symbol(library, "cblas_sgemm");
    *(void **)&set_threads = symbol(library, "bli_thread_set_num_threads");
    if (!blis_sgemm || !set_threads) {
        printf("BLIS: not found (install libblis4-openmp)\n");
        return;
    }
    set_threads(threads);
    add_peer("BLIS", blis);
}

static void open_onednn(void)
{
    static const char *const names[] = {"libdnnl.so.3", "libdnnl.so.2", "libdnnl.so", NULL};

    *(void **)&dnnl_sgemm = symbol(open_first(names), "dnnl_sgemm");
    if (!dnnl_sgemm)
        printf("oneDNN: not found (install libdnnl2)\n");
    else
        add_peer("oneDNN", onednn); /* asks OpenMP for its threads */
}

void ty_peers_open(int threads)
{
    unsetenv("OPENBLAS_CORETYPE");
    unsetenv("OPENBLAS_L2_SIZE");
    add_peer("ours", ours);
    open_openblas(threads);
    open_blis(threads);
    open_onednn();
}

void ty_peer_reference(const ty_peer_product *p, const float *a, const float *b, float *c)
{
    double *row = calloc(p->N + 1, sizeof *row);

    if (!row)
        exit(1);
    for (size_t i = 0; i < p->M; i++) {
        memset(row, 0, p->N * sizeof *row);
        for (size_t k = 0; k < p->K; k++) {
            const double x = (double)(p->trans_a ? a[k * p->M + i] : a[i * p->K + k]);
            for (size_t j = 0; j < p->N; j++)
                row[j] += x * (double)(p->trans_b ? b[j * p->K + k] : b[k * p->N + j]);
        }
        for (size_t j = 0; j < p->N; j++)
            c[i * p->N + j] = (float)row[j];
    }
    free(row);
}
