/* SPDX-License-Identifier: MIT
 *
 * points - running a point in a test: to its result, or to its refusal.
 */
#ifndef TY_TESTS_POINTS_H
#define TY_TESTS_POINTS_H

#include "experiments/engine.h"

#include <check.h>
#include <string.h>

/* Its result, which may be one that failed on the way; ty_result_free it. */
static inline ty_result done(ty_point p)
{
    ty_result r;
    ty_err e = ty_point_run(&p, &r);
    ck_assert_msg(!e.code, "%s", e.msg);
    return r;
}

/* It must be refused as a mistake of the user, with these words. */
static inline void refused(ty_point p, const char *says)
{
    ty_result r;
    ty_err e = ty_point_run(&p, &r);
    ck_assert_msg(e.code == TY_EUSAGE && strstr(e.msg, says), "'%s' does not say '%s'", e.msg,
                  says);
    ty_result_free(&r);
}

#endif
