/* SPDX-License-Identifier: MIT
 *
 * Lanes, streams and the ledger, on every fabric: what runs beside a rank, in which order, and
 * where its time goes.
 */
#include "fabric/op.h"
#include "fabric/stream.h"
#include "tests/on_fabric.h"

enum { A = 3, B = 4 };

/* ---- lanes ----------------------------------------------------------------------------------- */

enum { ROUNDS = 50 };

static void exchange(ty_rank *r, int tag)
{
    const int P = r->job->ranks, right = (r->id + 1) % P, left = (r->id + P - 1) % P;
    for (int i = 0; i < ROUNDS; i++) {
        int out[] = {r->id, tag, i}, in[3];
        ty_req *s = ty_isend(r, right, tag, out, sizeof out);
        ty_recv(r, left, tag, in, sizeof in);
        ty_wait(r, s);
        TY_CHECK(in[0] == left && in[1] == tag && in[2] == i, "channel %d, round %d: got %d %d %d",
                 tag, i, in[0], in[1], in[2]);
    }
}

static void lane(ty_rank *l, void *arg)
{
    TY_CHECK(l->lane == 1 && l->parent, "a lane is no lane");
    exchange(l, *(int *)arg);
}

static void fork_beside(ty_rank *r, void *arg)
{
    int tag = B;
    (void)arg;
    ty_ledger_reset(r);
    ty_lane *l = ty_fork(r, lane, &tag);
    exchange(r, A);
    ty_join(r, l);
    ty_ledger sum = ty_ledger_read(r);
    TY_CHECK(sum.messages == 2 * ROUNDS && sum.bytes == 2 * ROUNDS * 3 * sizeof(int),
             "%llu messages, %llu B", (unsigned long long)sum.messages,
             (unsigned long long)sum.bytes);
}

START_TEST(a_lane_talks_beside_its_rank_and_is_counted)
{
    if (ranks_or(4) > 1)
        run(NULL, fork_beside, NULL);
}
END_TEST

static void deaf_lane(ty_rank *l, void *arg)
{
    char c;
    (void)arg;
    ty_recv(l, 1, B, &c, sizeof c);
}

static void join_deaf(ty_rank *r, void *arg)
{
    if (r->id == 0)
        ty_join(r, ty_fork(r, deaf_lane, arg));
}

START_TEST(a_deadlock_of_a_lane_says_what_the_lane_waits_for)
{
    if (on("mpi"))
        return;
    ty_err e = run_job(NULL, 2, join_deaf, NULL);
    ck_assert_int_eq(e.code, TY_EWRONG);
    ck_assert_msg(strstr(e.msg, "rank 0 waits for 1 B from rank 1 (channel 4)"), "said: %s", e.msg);
}
END_TEST

static void empty_lane(ty_rank *l, void *arg)
{
    ++*(int *)arg;
    (void)l;
}

static void many_lanes(ty_rank *r, void *arg)
{
    int ran = 0;
    (void)arg;
    for (int i = 0; i < 100; i++) {
        ty_lane *l = ty_fork(r, empty_lane, &ran);
        if (i % 2 && !on("sim"))
            ty_spend(r, 1e-5); /* the lane is over before it is joined, or not */
        ty_join(r, l);
        TY_CHECK(ran == i + 1, "lane %d did not run", i);
    }
}

START_TEST(lanes_come_and_go)
{
    run(NULL, many_lanes, NULL);
}
END_TEST

/* ---- streams --------------------------------------------------------------------------------- */

/* x = 3 x + 1 after having heard from the left: order shows in the result. */
static void step(const ty_team *t, ty_tensor x)
{
    ty_tensor in = ty_scratch_like(t->rank, x);
    ty_sendrecv(t, (t->me + 1) % t->n, x, (t->me + t->n - 1) % t->n, in);
    TY_CHECK(x.data[0] == in.data[0], "rank %d is ahead: %g and %g", t->me, (double)x.data[0],
             (double)in.data[0]);
    x.data[0] = 3 * x.data[0] + 1;
    ty_drop(t->rank, in);
}

static void doubling(const ty_team *t, ty_tensor x)
{
    (void)t;
    x.data[0] *= 2;
}

static void two_streams(ty_rank *r, void *arg)
{
    ty_team all = ty_team_new(r, 1, 0, 1, r->job->ranks);
    ty_tensor x = ty_tensor_new(r, TY_GRAD, 1, 1), y = ty_tensor_new(r, TY_GRAD, 1, 1);
    ty_stream first, second;
    (void)arg;
    ty_stream_init(&first, r, 1);
    ty_stream_init(&second, r, 2);
    for (int i = 0; i < 6; i++) {
        ty_stream_push(&first, step, &all, x);
        ty_stream_push(&second, i % 2 ? step : doubling, &all, y);
        ty_stream_push(&first, doubling, &all, x);
    }
    ty_stream_sync(&second);
    ty_stream_sync(&first);
    ty_stream_sync(&first); /* nothing to do */
    TY_CHECK(x.data[0] == 18662, "first stream: %g",
             (double)x.data[0]); /* x -> 6 x + 2, six times */
    TY_CHECK(y.data[0] == 43, "second stream: %g",
             (double)y.data[0]); /* y -> 6 y + 1, three times */
    ty_drop(r, x);
    ty_drop(r, y);
}

START_TEST(a_stream_runs_in_order_and_two_run_apart)
{
    if (ranks_or(4) > 1)
        run(NULL, two_streams, NULL);
}
END_TEST

/* ---- where the time goes --------------------------------------------------------------------- */

static void late_sender(ty_rank *r, void *arg)
{
    char *buf = ty_zalloc(1, 1 << 20);
    (void)arg;
    ty_ledger_reset(r);
    double begin = ty_now(r);
    if (r->id == 0) {
        ty_recv(r, 1, A, buf, 1 << 20);
        ty_spend(r, 0.02);
    } else if (r->id == 1) {
        ty_spend(r, 0.1);
        ty_send(r, 0, A, buf, 1 << 20);
    }
    double end = ty_now(r);
    ty_ledger l = ty_ledger_read(r);
    double sum = l.compute_s + l.comm_exposed_s + l.wait_s;
    TY_CHECK(sum >= end - begin - 1e-9 && sum < end - begin + 0.02, "%g s of %g", sum, end - begin);
    TY_CHECK(l.comm_exposed_s >= 0 && l.wait_s >= 0 && l.comm_hidden_s >= 0, "negative time");
    if (r->id == 0)
        TY_CHECK(l.wait_s > 0.08 && l.compute_s >= 0.0199, "waited %g s, computed %g", l.wait_s,
                 l.compute_s);
    if (r->id == 1)
        TY_CHECK(l.wait_s <= 0 && l.compute_s >= 0.0999, "sender waited %g s, computed %g",
                 l.wait_s, l.compute_s);
    free(buf);
}

START_TEST(waiting_for_a_late_sender_is_waiting_and_the_times_add_up)
{
    if (ranks_or(4) > 1)
        run(NULL, late_sender, NULL);
}
END_TEST

static void early_sender(ty_rank *r, void *arg)
{
    static char buf[1000];
    (void)arg;
    ty_ledger_reset(r);
    if (r->id == 1)
        ty_send(r, 0, A, buf, sizeof buf);
    if (r->id != 0)
        return;
    ty_spend(r, 0.1);
    ty_recv(r, 1, A, buf, sizeof buf);
    ty_ledger l = ty_ledger_read(r);
    TY_CHECK(l.wait_s < 0.03 && l.comm_exposed_s < 0.03, "waited %g s, exposed %g", l.wait_s,
             l.comm_exposed_s);
    TY_CHECK(l.comm_hidden_s > 0 && l.comm_hidden_s <= 2e-3, "hidden: %g s", l.comm_hidden_s);
}

START_TEST(a_message_that_came_before_was_hidden)
{
    if (ranks_or(4) > 1)
        run(&(ty_job){.net = {1e-3, 1e6}}, early_sender, NULL);
}
END_TEST

static void clocks(ty_rank *r, void *arg)
{
    double said, *seen = arg;
    if (r->id == 0) {
        ty_spend(r, 0.05);
        said = ty_now(r);
        for (int i = 1; i < r->job->ranks; i++)
            ty_send(r, i, A, &said, sizeof said);
    } else {
        ty_recv(r, 0, A, &said, sizeof said);
        seen[r->id] = ty_now(r) - said;
        TY_CHECK(seen[r->id] >= 0 && seen[r->id] < 5, "rank 0's clock showed %g s %g s ago",
                 said, seen[r->id]);
    }
}

START_TEST(every_rank_reads_the_same_clock)
{
    double seen[16];
    run(NULL, clocks, seen);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fabric_lanes");
    TCase *t = tcase_create(fabric_name());
    tcase_add_test(t, a_lane_talks_beside_its_rank_and_is_counted);
    tcase_add_test(t, a_deadlock_of_a_lane_says_what_the_lane_waits_for);
    tcase_add_test(t, lanes_come_and_go);
    tcase_add_test(t, a_stream_runs_in_order_and_two_run_apart);
    tcase_add_test(t, waiting_for_a_late_sender_is_waiting_and_the_times_add_up);
    tcase_add_test(t, a_message_that_came_before_was_hidden);
    tcase_add_test(t, every_rank_reads_the_same_clock);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
