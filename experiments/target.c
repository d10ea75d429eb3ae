/* SPDX-License-Identifier: MIT */
#include "experiments/target.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

ty_err ty_target_parse(const char *text, ty_target *t)
{
    static const char *const name[] = {"", "loss=", "accuracy="};
    for (int i = TY_TARGET_LOSS; i <= TY_TARGET_ACCURACY; i++) {
        const size_t n = strlen(name[i]);
        char *end;
        if (strncmp(text, name[i], n))
            continue;
        *t = (ty_target){(ty_target_kind)i, strtod(text + n, &end)};
        if (end == text + n || *end || !(t->value > 0) || !isfinite(t->value))
            return ty_error(TY_EUSAGE, "--until '%.40s': %s wants a number above 0", text, name[i]);
        if (i == TY_TARGET_ACCURACY && t->value > 1)
            return ty_error(TY_EUSAGE, "--until '%.40s': an accuracy is a share, 1 at most (0.97)",
                            text);
        return ty_ok();
    }
    return ty_error(TY_EUSAGE, "--until '%.40s': use loss=X or accuracy=X, both of the test set",
                    text);
}

ty_err ty_target_check(const ty_target *t, const ty_problem *q)
{
    if (t->kind && !q->data.test.n)
        return ty_error(TY_EUSAGE, "--until: %s has no test set to look at", q->workload->name);
    if (t->kind == TY_TARGET_ACCURACY && q->loss != TY_LOSS_XENT)
        return ty_error(TY_EUSAGE, "--until accuracy: %s predicts numbers, not classes; use loss=X",
                        q->workload->name);
    return ty_ok();
}

int ty_target_reached(const ty_target *t, ty_score score)
{
    return (t->kind == TY_TARGET_LOSS && score.loss <= t->value) ||
           (t->kind == TY_TARGET_ACCURACY && score.accuracy >= t->value);
}

double ty_target_figure(const ty_target *t, ty_score score)
{
    return t->kind == TY_TARGET_LOSS ? score.loss : score.accuracy;
}

const char *ty_target_show(const ty_target *t, char *buf, size_t size)
{
    snprintf(buf, size, "%s %g", t->kind == TY_TARGET_LOSS ? "test loss" : "accuracy", t->value);
    return buf;
}
