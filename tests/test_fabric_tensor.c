/* SPDX-License-Identifier: MIT
 *
 * Tensors, their account, and teams: what needs no second rank, and a grid of eight.
 */
#include "fabric/op.h"
#include "fabric/team.h"
#include "tests/on_fabric.h"

/* ---- chunks ---------------------------------------------------------------------------------- */

static void check_chunks(ty_tensor x, int p)
{
    size_t next = 0, least = x.n / (size_t)p;
    for (int i = 0; i < p; i++) {
        ty_tensor c = ty_chunk(x, p, i);
        ck_assert_uint_eq(ty_chunk_first(x.n, p, i), next);
        ck_assert_uint_eq(ty_chunk_size(x.n, p, i), c.n);
        ck_assert(c.n == least || c.n == least + 1);
        ck_assert(i == 0 || c.n <= ty_chunk_size(x.n, p, i - 1));
        ck_assert_ptr_eq(c.data, x.data ? x.data + next : NULL);
        for (int turn = -3; turn <= 3; turn++) {
            ck_assert_uint_eq(ty_chunk_first(x.n, p, i + turn * p), next);
            ck_assert_uint_eq(ty_chunk(x, p, i + turn * p).n, c.n);
        }
        next += c.n;
    }
    ck_assert_uint_eq(next, x.n);
}

START_TEST(chunks_cover_in_order_and_differ_by_one_at_most)
{
    float x[20];
    for (size_t n = 0; n <= 20; n++)
        for (int p = 1; p <= 9; p++) {
            check_chunks((ty_tensor){x, n, 1, n, TY_F32, TY_PARAM}, p);
            check_chunks((ty_tensor){NULL, n, 1, n, TY_F32, TY_PARAM}, p);
        }
}
END_TEST

START_TEST(views_alias_and_keep_their_shape)
{
    float x[12];
    ty_tensor t = {x, 12, 3, 4, TY_F32, TY_ACTIV}, rows = ty_rows(t, 1, 2),
              flat = ty_slice(t, 5, 3);
    ck_assert(rows.data == x + 4 && rows.rows == 2 && rows.cols == 4 && rows.n == 8 &&
              rows.memory == TY_ACTIV);
    ck_assert(flat.data == x + 5 && flat.rows == 1 && flat.cols == 3);
    ck_assert(ty_reshape(t, 2, 6).cols == 6 && ty_bytes(t) == sizeof x);
}
END_TEST

START_TEST(a_slice_beyond_the_end_aborts)
{
    ty_slice((ty_tensor){NULL, 12, 3, 4, TY_F32, TY_ACTIV}, 10, 3);
}
END_TEST

/* ---- memory ---------------------------------------------------------------------------------- */

static void peaks(ty_rank *r, void *arg)
{
    (void)arg;
    ty_tensor p = ty_tensor_new(r, TY_PARAM, 10, 100), s = ty_scratch(r, 500),
              u = ty_scratch(r, 300);
    TY_CHECK((p.data == NULL) == r->job->ghost && (s.data == NULL) == r->job->ghost,
             "real or ghost?");
    for (size_t i = 0; i < p.n && p.data; i++)
        TY_CHECK(p.data[i] == 0, "a new tensor is not zero");
    TY_CHECK((size_t)p.data % 64 == 0 && (size_t)s.data % 64 == 0, "not aligned");
    ty_drop(r, s);
    ty_drop(r, u);
    ty_ledger l = ty_ledger_read(r);
    TY_CHECK(l.now_bytes[TY_PARAM] == 4000 && l.now_bytes[TY_BUFFER] == 0 && l.total_bytes == 4000,
             "now");
    TY_CHECK(l.peak_bytes[TY_BUFFER] == 3200 && l.total_peak == 7200 && l.peak_bytes[TY_GRAD] == 0,
             "peak");
    ty_drop(r, p);
    TY_CHECK(ty_ledger_read(r).total_bytes == 0 && ty_ledger_read(r).total_peak == 7200,
             "after all");
}

START_TEST(memory_is_booked_by_category_real_or_ghost)
{
    run(&(ty_job){.ghost = _i}, peaks, NULL);
}
END_TEST

static void reuse(ty_rank *r, void *arg)
{
    (void)arg;
    ty_tensor a = ty_scratch(r, 1000), b = ty_scratch(r, 1000);
    TY_CHECK(a.data != b.data, "one buffer for two");
    float *was[] = {a.data, b.data};
    ty_drop(r, a);
    ty_drop(r, b);
    for (int step = 0; step < 10; step++) {
        ty_tensor c = ty_scratch(r, 1000), d = ty_scratch(r, 900);
        TY_CHECK(c.data == was[0] || c.data == was[1], "step %d allocates", step);
        TY_CHECK(d.data == was[0] || d.data == was[1], "step %d allocates for a smaller one", step);
        ty_drop(r, d);
        ty_drop(r, c);
    }
    TY_CHECK(ty_ledger_read(r).peak_bytes[TY_BUFFER] == 8000, "peak of the buffers");
}

START_TEST(scratch_is_used_again)
{
    run(NULL, reuse, NULL);
}
END_TEST

static void arithmetic(ty_rank *r, void *arg)
{
    (void)arg;
    ty_tensor x = ty_tensor_new(r, TY_ACTIV, 1, 7), y = ty_tensor_new(r, TY_ACTIV, 1, 7);
    ty_ledger_reset(r);
    ty_fill(r, x, 2);
    ty_copy(r, y, x);
    ty_add(r, y, x);
    ty_scale(r, y, 0.25f);
    for (size_t i = 0; i < 7 && !r->job->ghost; i++)
        TY_CHECK(x.data[i] == 2 && y.data[i] == 1, "element %zu: %g %g", i, (double)x.data[i],
                 (double)y.data[i]);
    TY_CHECK(ty_ledger_read(r).flops == 14, "%g flops", ty_ledger_read(r).flops);
    ty_drop(r, x);
    ty_drop(r, y);
}

START_TEST(operations_compute_and_count_real_or_ghost)
{
    run(&(ty_job){.ghost = _i}, arithmetic, NULL);
}
END_TEST

/* ---- teams ----------------------------------------------------------------------------------- */

/* Send my id to the other member of each team of a 2 x 2 x 2 grid, all three at once. */
static void grid(ty_rank *r, void *arg)
{
    (void)arg;
    int tp = r->id & 1, pp = r->id & 4;
    ty_team team[] = {
        ty_team_new(r, 1, r->id - tp, 1, 2),       /* tensor: neighbours */
        ty_team_new(r, 2, (r->id & 1) + pp, 2, 2), /* data */
        ty_team_new(r, 3, r->id & 3, 4, 2),        /* pipeline */
    };
    ty_tensor in = ty_tensor_new(r, TY_GRAD, 1, 3), out = ty_tensor_new(r, TY_GRAD, 1, 1);
    ty_req *s[3];
    out.data[0] = (float)r->id;
    for (int d = 0; d < 3; d++)
        s[d] = ty_team_isend(&team[d], 1 - team[d].me, out);
    for (int d = 2; d >= 0; d--) {
        ty_team_recv(&team[d], 1 - team[d].me, ty_slice(in, (size_t)d, 1));
        ty_team_wait(&team[d], s[d]);
        TY_CHECK(in.data[d] == (float)(r->id ^ 1 << d), "axis %d: heard %g", d, (double)in.data[d]);
        TY_CHECK(ty_team_rank(&team[d], 1 - team[d].me) == (r->id ^ 1 << d), "axis %d: member", d);
    }
    ty_drop(r, out);
    ty_drop(r, in);
}

START_TEST(the_teams_of_a_grid_do_not_mix)
{
    ty_err e = run_job(NULL, 8, grid, NULL);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
}
END_TEST

static void anybody(ty_rank *r, void *arg)
{
    (void)arg;
    ty_team odd; /* ranks 1 and 3 of four: indices are the team's, not the job's */
    if (r->id % 2 == 0)
        return;
    odd = ty_team_inbox(r, 9, 1, 2, 2);
    ty_tensor x = ty_scratch(r, 4);
    ty_fill(r, x, (float)odd.me);
    if (odd.me == 1)
        ty_team_send(&odd, 0, x);
    else
        TY_CHECK(ty_team_recv_any(&odd, x) == 1 && x.data[3] == 1, "heard from another member");
    ty_drop(r, x);
}

START_TEST(an_inbox_of_a_team_names_its_members)
{
    run(NULL, anybody, NULL);
}
END_TEST

/* ---- names ----------------------------------------------------------------------------------- */

START_TEST(a_fabric_is_found_by_name_and_a_mistake_is_helped)
{
    const ty_fabric_ops *ops = NULL;
    ck_assert_int_eq(ty_fabric_find("threads", &ops).code, TY_OK);
    ck_assert_str_eq(ops->name, "threads");
    ty_err e = ty_fabric_find("thread", &ops);
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_ptr_nonnull(strstr(e.msg, "did you mean 'threads'"));
    e = ty_fabric_find("mpi", &ops);
    ck_assert(e.code == TY_OK || (e.code == TY_EMISSING && strstr(e.msg, "libopenmpi-dev")));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("fabric_tensor");
    TCase *t = tcase_create("all");
    tcase_add_test(t, chunks_cover_in_order_and_differ_by_one_at_most);
    tcase_add_test(t, views_alias_and_keep_their_shape);
    tcase_add_test_raise_signal(t, a_slice_beyond_the_end_aborts, 6);
    tcase_add_loop_test(t, memory_is_booked_by_category_real_or_ghost, 0, 2);
    tcase_add_test(t, scratch_is_used_again);
    tcase_add_loop_test(t, operations_compute_and_count_real_or_ghost, 0, 2);
    tcase_add_test(t, the_teams_of_a_grid_do_not_mix);
    tcase_add_test(t, an_inbox_of_a_team_names_its_members);
    tcase_add_test(t, a_fabric_is_found_by_name_and_a_mistake_is_helped);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
