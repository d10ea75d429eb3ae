/* SPDX-License-Identifier: MIT
 *
 * Shared numbers: of a caller that is alone exactly what is asked for, and of several no change that was not made.
 */
#include "kernels/shared.h"
#include "tests/kernel_suite.h"
#include "tests/naive.h"

#include <check.h>
#include <pthread.h>

static const size_t sizes[] = {0, 1, 7, 1000, 200003};
enum { SIZES = sizeof sizes / sizeof *sizes };

START_TEST(reading_is_copying)
{
    for (int s = 0; s < SIZES; s++) {
        const size_t n = sizes[s];
        float *x = naive_random(n, 1), *y = naive_random(n, 2);
        ty_kernel_shared_read(y, x, n);
        ck_assert(naive_same(y, x, n));
        free(x), free(y);
    }
}
END_TEST

/* Every second number was changed by somebody else meanwhile. */
START_TEST(a_change_is_added_to_what_is_there_now)
{
    for (int s = 0; s < SIZES; s++) {
        const size_t n = sizes[s];
        float *before = naive_random(n, 1), *now = naive_random(n, 2), *x = naive_copy(before, n);
        for (size_t i = 1; i < n; i += 2)
            x[i] += 0.5F;
        ty_kernel_shared_add(x, now, before, n);
        for (size_t i = 0; i < n; i++)
            ck_assert(x[i] == (i % 2 ? before[i] + 0.5F + (now[i] - before[i]) : now[i]));
        free(before), free(now), free(x);
    }
}
END_TEST

enum { N = 1000, TIMES = 200, THREADS = 4 };
static float shared[N];

static void *add_one_often(void *unused)
{
    static const float zero[N];
    float one[N];
    (void)unused;
    for (int i = 0; i < N; i++)
        one[i] = 1;
    for (int t = 0; t < TIMES; t++)
        ty_kernel_shared_add(shared, one, zero, N);
    return NULL;
}

/* Changes may be lost; none is made up, and nobody's last one can be: it is on top of something. */
START_TEST(threads_lose_changes_at_most)
{
    pthread_t thread[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, add_one_often, NULL);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    for (int i = 0; i < N; i++)
        ck_assert_msg(shared[i] >= 1 && shared[i] <= THREADS * TIMES &&
                          shared[i] == (float)(int)shared[i],
                      "%g", (double)shared[i]);
}
END_TEST

int main(int argc, char **argv)
{
    (void)argc;
    TCase *t = open_cases("shared", argv);
    tcase_add_test(t, reading_is_copying);
    tcase_add_test(t, a_change_is_added_to_what_is_there_now);
    tcase_add_test(t, threads_lose_changes_at_most);
    return run_cases("kernels_shared", t);
}
