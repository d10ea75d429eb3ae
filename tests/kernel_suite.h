/* SPDX-License-Identifier: MIT
 *
 * kernel_suite - the main of a kernel suite: in this process, because a team of threads does not survive a fork.
 */
#ifndef TY_TESTS_KERNEL_SUITE_H
#define TY_TESTS_KERNEL_SUITE_H

#include "kernels/kernels.h"

#include <check.h>

/* Cases to be filled with tcase_add_test; call it first in main. */
static inline TCase *open_cases(const char *name, char **argv)
{
    ty_kernel_spin_briefly(argv); /* may start the program anew */
    ty_kernel_set_threads(1);
    TCase *cases = tcase_create(name);
    tcase_set_timeout(cases, 300);
    return cases;
}

/* Run them; returns what main returns. */
static inline int run_cases(const char *suite_name, TCase *cases)
{
    Suite *suite = suite_create(suite_name);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}

#endif
