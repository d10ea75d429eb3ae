/* SPDX-License-Identifier: MIT */
#include "experiments/evaluate.h"

/* Does this rank's model hold the whole network? */
static int holds_all(const ty_worker *w)
{
    return (w->place.role == TY_TRAIN || w->place.role == TY_SERVE) &&
           w->model.params.n == w->plan->problem->params;
}

static ty_score score(ty_worker *w)
{
    ty_model whole;
    ty_worker_settle(w);
    if (w->rank->id == 0 && holds_all(w))
        return ty_problem_score(w->plan->problem, &w->model);
    if (w->rank->id == 0)
        ty_worker_evaluator(&whole, w->rank, w->plan);
    ty_worker_gather(w, w->rank->id == 0 ? whole.params.data : NULL);
    if (w->rank->id != 0)
        return (ty_score){0};
    ty_score s = ty_problem_score(w->plan->problem, &whole);
    ty_model_fini(&whole);
    return s;
}

/* Rank 0 writes it down and says when to end. */
static long look(ty_worker *w, ty_course *c, long done, double seconds)
{
    const ty_score s = score(w);
    if (w->rank->id == 0)
        c->evaluation[c->evaluations++] = (ty_evaluation){done, seconds, s};
    return ty_target_reached(&c->target, s) && done >= TY_CHECK_STEPS ? done : w->plan->steps;
}

/* Everybody learns what rank 0 knows. */
static long agree(ty_worker *w, long end)
{
    for (int i = 1; w->rank->id == 0 && i < w->plan->workers; i++)
        ty_send(w->rank, i, TY_CHANNEL_RESULT, &end, sizeof end);
    if (w->rank->id != 0)
        ty_recv(w->rank, 0, TY_CHANNEL_RESULT, &end, sizeof end);
    return end;
}

static long meet(ty_worker *w, ty_course *c, long done, double seconds)
{
    long end = look(w, c, done, seconds);
    if (c->target.kind)
        end = agree(w, end);
    ty_worker_meet(w);
    return end;
}

/* Nobody is to be stopped in the middle, so all end after the step that the furthest worker may have begun. */
static void serve_on(const ty_worker *w, ty_course *c)
{
    for (int i = 1; i < w->plan->workers; i++)
        c->served_steps = w->clock[i] + 1 > c->served_steps ? w->clock[i] + 1 : c->served_steps;
    if (c->served_steps > w->plan->steps)
        c->served_steps = w->plan->steps;
}

long ty_evaluate(ty_worker *w, ty_course *c, long done, double seconds)
{
    const int alone = w->plan->served && w->rank->ops->virtual_time;
    if (alone && (w->rank->id != 0 || c->served_steps))
        return w->plan->steps;
    ty_worker_pause(w);
    long end = alone ? look(w, c, done, seconds) : meet(w, c, done, seconds);
    if (alone && end == done)
        serve_on(w, c);
    ty_worker_resume(w);
    return alone ? w->plan->steps : end;
}
