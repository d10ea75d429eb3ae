/* SPDX-License-Identifier: MIT
 *
 * gemm_blas - the same product by a CBLAS of this machine, to compare with. It is loaded when asked
 * for; nothing links it. Threads stay ours: each multiplies its slab with a call of its own, so
 * that ranks side by side do not share the threads of the library.
 */
#define _GNU_SOURCE
#include "kernels/gemm.h"
#include "kernels/kernels.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdatomic.h>
#include <string.h>

/* Row-major is 101, as it is 111, transposed 112. */
typedef void cblas_sgemm_fn(int order, int trans_a, int trans_b, int M, int N, int K, float alpha,
                            const float *a, int a_step, const float *b, int b_step, float beta,
                            float *c, int c_step);

static cblas_sgemm_fn *sgemm; /* NULL: our own product */
static atomic_ulong calls;

/* One thread in each call, by whichever name the library knows that. */
static void ask_for_one_thread(void *library)
{
    static const char *const names[] = {"openblas_set_num_threads", "MKL_Set_Num_Threads"};
    void (*set_threads)(int);
    void (*bli_set_threads)(int64_t);

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *(void **)&set_threads = dlsym(library, names[i]);
        if (set_threads)
            set_threads(1);
    }
    *(void **)&bli_set_threads = dlsym(library, "bli_thread_set_num_threads");
    if (bli_set_threads)
        bli_set_threads(1);
}

ty_err ty_kernel_use_blas(const char **library)
{
    static const char *const names[] = {
        "libopenblas.so.0", "libblas.so.3", "libcblas.so.3", "libblis.so.4", "libmkl_rt.so.2",
        "libopenblas.so",   "libblas.so",   "libcblas.so",   "libblis.so",   "libmkl_rt.so"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        void *handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
        *(void **)&sgemm = handle ? dlsym(handle, "cblas_sgemm") : NULL;
        if (sgemm) {
            ask_for_one_thread(handle);
            if (library)
                *library = names[i];
            return ty_ok();
        }
        if (handle)
            dlclose(handle);
    }
    return ty_error(TY_EMISSING, "no CBLAS on this machine: install libopenblas0 (or libblas3, "
                                 "libblis4), or leave out --gemm blas");
}

void ty_kernel_use_own_gemm(void)
{
    sgemm = NULL;
}

/* CBLAS counts in int. */
static int fits(const ty_product *p)
{
    const size_t sizes[] = {p->M, p->N, p->K, p->a_step, p->b_step, p->c_step};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] == 0 || sizes[i] > INT_MAX)
            return 0;
    return 1;
}

/* c = start, for a product that adds to it. */
static void copy_start(const ty_product *p)
{
    for (size_t i = 0; i < p->M; i++) {
        float *c = p->c + i * p->c_step;
        const float *start = p->start + i * p->start_step;
        if (c != start)
            memcpy(c, start, p->N * sizeof *c);
    }
}

int ty_gemm_by_blas(const ty_product *p)
{
    if (!sgemm || p->turned || !fits(p))
        return 0;
    if (p->start)
        copy_start(p);
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    sgemm(101, p->trans_a ? 112 : 111, p->trans_b ? 112 : 111, (int)p->M, (int)p->N, (int)p->K, 1,
          p->a, (int)p->a_step, p->b, (int)p->b_step, p->start ? 1 : 0, p->c, (int)p->c_step);
    return 1;
}

unsigned long ty_gemm_blas_calls(void)
{
    return calls;
}

int ty_gemm_is_blas(void)
{
    return sgemm != NULL;
}
