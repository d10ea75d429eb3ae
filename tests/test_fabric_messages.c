/* SPDX-License-Identifier: MIT
 *
 * What fabric.h promises of messages, on every fabric. `test_fabric_messages deadlock` and `...
 * mismatch` run only that mistake, for tests that look at how a whole MPI job ends.
 */
#include "tests/on_fabric.h"

#include "base/rng.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { A = 3, B = 4 | 5 << 8, INBOX = 6 | TY_TAG_INBOX, INBOX_2 = 7 | TY_TAG_INBOX };

/* ---- order ----------------------------------------------------------------------------------- */

static void two_channels(ty_rank *r, void *arg)
{
    enum { N = 100 };
    (void)arg;
    for (int i = 0; i < N && r->id == 0; i++) {
        ty_send(r, 1, A, &i, sizeof i);
        ty_send(r, 1, B, (int[]){i, -i}, 2 * sizeof i);
    }
    for (int i = 0, pair[2], one; i < N && r->id == 1; i++) {
        ty_recv(r, 0, B, pair, sizeof pair);
        TY_CHECK(pair[0] == i && pair[1] == -i, "channel B gave %d for %d", pair[0], i);
        if (i < N / 2)
            continue;
        for (int k = 2 * (i - N / 2); k < 2 * (i - N / 2) + 2; k++) {
            ty_recv(r, 0, A, &one, sizeof one);
            TY_CHECK(one == k, "channel A gave %d for %d", one, k);
        }
    }
}

START_TEST(channels_are_first_in_first_out_and_apart)
{
    if (ranks_or(4) > 1)
        run(NULL, two_channels, NULL);
}
END_TEST

static void posted_early(ty_rank *r, void *arg)
{
    int value[8], go = 1;
    ty_req *q[8];
    (void)arg;
    for (int i = 0; i < 8 && r->id == 1; i++)
        q[i] = ty_irecv(r, 0, A, &value[i], sizeof value[i]);
    if (r->id == 1)
        ty_send(r, 0, B, &go, sizeof go);
    for (int i = 7; i >= 0 && r->id == 1; i--) {
        ty_wait(r, q[i]);
        TY_CHECK(value[i] == 10 * i, "receive %d got %d", i, value[i]);
    }
    if (r->id == 0)
        ty_recv(r, 1, B, &go, sizeof go);
    for (int i = 0, v = 0; i < 8 && r->id == 0; i++, v += 10)
        ty_send(r, 1, A, &v, sizeof v);
}

START_TEST(receives_match_in_the_order_they_were_posted)
{
    if (ranks_or(4) > 1)
        run(NULL, posted_early, NULL);
}
END_TEST

/* ---- sizes ----------------------------------------------------------------------------------- */

static void empty(ty_rank *r, void *arg)
{
    char c = 'c';
    (void)arg;
    for (int i = 0; i < 3 && r->id < 2; i++) {
        ty_req *s = ty_isend(r, 1 - r->id, A, i == 1 ? NULL : &c, 0);
        ty_recv(r, 1 - r->id, A, i == 2 ? NULL : &c, 0);
        TY_CHECK(ty_wait(r, s) == 1 - r->id && c == 'c', "an empty message wrote");
    }
}

START_TEST(a_message_may_be_empty)
{
    if (ranks_or(4) > 1)
        run(NULL, empty, NULL);
}
END_TEST

/* Everybody sends right, then receives from the left; the buffer changes once isend is back. */
static void around(ty_rank *r, void *arg)
{
    const size_t n = *(const size_t *)arg;
    const int P = r->job->ranks, right = (r->id + 1) % P, left = (r->id + P - 1) % P;
    uint32_t *out = ty_alloc(n * sizeof *out), *in = ty_zalloc(n, sizeof *in);
    for (size_t i = 0; i < n; i++)
        out[i] = (uint32_t)(i * 2654435761u) + (uint32_t)r->id;
    ty_req *s = ty_isend(r, right, A, out, n * sizeof *out);
    memset(out, 0xff, n * sizeof *out);
    ty_wait(r, s);
    ty_recv(r, left, A, in, n * sizeof *in);
    for (size_t i = 0; i < n; i++)
        TY_CHECK(in[i] == (uint32_t)(i * 2654435761u) + (uint32_t)left, "element %zu of %zu", i, n);
    free(out);
    free(in);
}

START_TEST(sends_are_buffered_whatever_their_size)
{
    size_t n = (size_t[]){1, 1000, 65536, 1 << 20, 16 << 20}[_i]; /* to 64 MB */
    if (ranks_or(4) > 1)
        run(NULL, around, &n);
}
END_TEST

static unsigned char byte_of(size_t i, int round, int rank)
{
    return (unsigned char)(i * 7 + i / 251 + (size_t)(13 * round + 31 * rank));
}

/* Everybody sends right and receives from the left at once, with the receive posted before, after, or after the sender
 * has had time to put a part or all of the message aside. */
static void exchange_at_once(ty_rank *r, void *arg)
{
    enum { ROUNDS = 12 };
    const size_t n = *(const size_t *)arg;
    const int P = r->job->ranks, right = (r->id + 1) % P, left = (r->id + P - 1) % P;
    unsigned char *out = ty_alloc(n + 1), *in = ty_alloc(n + 1);
    for (int round = 0; round < ROUNDS; round++) {
        const int early = round % 3 == 0, late = round % 3 == 2 && r->id % 2;
        for (size_t i = 0; i < n; i++)
            out[i] = byte_of(i, round, r->id);
        memset(in, 0, n + 1);
        in[n] = 0x5a;
        if (late)
            ty_spend(r, 1e-6 * (double)(1 << round % 8));
        ty_req *q = early ? ty_irecv(r, left, A, in, n) : NULL;
        ty_req *s = ty_isend(r, right, A, out, n);
        memset(out, 0xff, n);
        q = q ? q : ty_irecv(r, left, A, in, n);
        ty_wait(r, q);
        ty_wait(r, s);
        for (size_t i = 0; i < n; i++)
            TY_CHECK(in[i] == byte_of(i, round, left), "round %d, byte %zu of %zu", round, i, n);
        TY_CHECK(in[n] == 0x5a, "a message of %zu B wrote beyond its buffer", n);
    }
    free(out);
    free(in);
}

/* Sizes about those at which a fabric changes how it copies; as many ranks as cores, and more. */
START_TEST(everybody_sends_and_receives_large_messages_at_once)
{
    static const size_t size[] = {1, 8191, 8192, 32768, 32769, (1 << 18) + 1};
    size_t n = size[_i / 2];
    if (ranks_or(2) == 1)
        return;
    ty_err e = run_job(NULL, ranks_or(_i % 2 ? 5 : 2), exchange_at_once, &n);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
}
END_TEST

static void ghosts(ty_rank *r, void *arg)
{
    (void)arg;
    if (r->id == 0)
        for (size_t n = 1; n < 100 << 20; n *= 7)
            ty_send(r, 1, A, NULL, n);
    if (r->id == 1)
        for (size_t n = 1; n < 100 << 20; n *= 7)
            ty_recv(r, 0, A, NULL, n);
}

START_TEST(ghosts_travel)
{
    if (ranks_or(4) > 1)
        run(&(ty_job){.ghost = 1}, ghosts, NULL);
}
END_TEST

/* ---- from anybody ---------------------------------------------------------------------------- */

static void server(ty_rank *r, void *arg)
{
    enum { EACH = 20 };
    int said[2], next[16] = {0};
    (void)arg;
    for (int i = 0; i < EACH && r->id > 0; i++)
        ty_send(r, 0, INBOX, (int[]){r->id, i}, sizeof said);
    for (int i = 0; r->id == 0 && i < EACH * (r->job->ranks - 1); i++) {
        int from = ty_wait(r, ty_irecv(r, TY_ANY, INBOX, said, sizeof said));
        TY_CHECK(from == said[0], "a message of rank %d is said to be of rank %d", said[0], from);
        TY_CHECK(said[1] == next[from]++, "message %d of rank %d is late", said[1], from);
    }
    if (r->id > 0) /* an inbox may also be asked for one rank's messages */
        ty_send(r, 0, INBOX_2, (int[]){r->id, 99}, sizeof said);
    for (int from = r->job->ranks - 1; r->id == 0 && from > 0; from--) {
        ty_recv(r, from, INBOX_2, said, sizeof said);
        TY_CHECK(said[0] == from && said[1] == 99, "asked for rank %d, got %d", from, said[0]);
    }
}

START_TEST(an_inbox_takes_from_anybody_and_says_from_whom)
{
    run(NULL, server, NULL);
}
END_TEST

/* ---- many ------------------------------------------------------------------------------------ */

enum { WINDOW = 8, LARGEST = 40000 };

typedef struct flight {
    ty_req *q;
    int from; /* -1: a send */
    uint64_t what;
    size_t n;
    unsigned char buf[LARGEST];
} flight;

static void land(ty_rank *r, flight *f)
{
    if (!f->q)
        return;
    ty_wait(r, f->q);
    for (size_t i = 0; i < f->n && f->from >= 0; i++)
        TY_CHECK(f->buf[i] == (unsigned char)(f->what + i), "byte %zu of %zu from rank %d", i, f->n,
                 f->from);
    f->q = NULL;
}

/* All ranks walk the same list of random messages; each plays its part. */
static void storm(ty_rank *r, void *arg)
{
    const int P = r->job->ranks, messages = *(const int *)arg;
    flight *window = ty_zalloc(WINDOW, sizeof *window), *f = window;
    for (int i = 0; i < messages; i++) {
        uint64_t k = ty_key(7, (uint64_t)i, 0);
        int src = (int)(k % (unsigned)P), dst = (src + 1 + (int)((k >> 8) % (unsigned)(P - 1))) % P;
        int tag = (int)(k >> 16 & 3);
        if (src != r->id && dst != r->id)
            continue;
        land(r, f);
        f->n = (size_t)(k >> 24) % LARGEST;
        f->what = k;
        f->from = src == r->id ? -1 : src;
        for (size_t b = 0; b < f->n && f->from < 0; b++)
            f->buf[b] = (unsigned char)(k + b);
        f->q = src == r->id ? ty_isend(r, dst, tag, f->buf, f->n)
                            : ty_irecv(r, src, tag, f->buf, f->n);
        f = f + 1 == window + WINDOW ? window : f + 1;
    }
    for (int i = 0; i < WINDOW; i++)
        land(r, &window[i]);
    free(window);
}

START_TEST(a_storm_of_messages_arrives_whole)
{
    int messages = 3000, ranks = ranks_or((int[]){2, 3, 8, 16}[_i]);
    if (ranks == 1)
        return;
    ty_err e = run_job(NULL, ranks, storm, &messages);
    ck_assert_msg(e.code == TY_OK, "%s", e.msg);
}
END_TEST

/* ---- the log --------------------------------------------------------------------------------- */

static void talk(ty_rank *r, void *arg)
{
    uint64_t *log = arg;
    float x[50] = {0};
    int peer = r->id ^ 1;
    ty_ledger_reset(r);
    if (peer < r->job->ranks) {
        ty_send(r, peer, A, r->job->ghost ? NULL : x, sizeof x);
        ty_recv(r, peer, A, r->job->ghost ? NULL : x, sizeof x);
        r->quiet++;
        ty_send(r, peer, B, NULL, 0);
        ty_recv(r, peer, B, NULL, 0);
        r->quiet--;
        TY_CHECK(r->ledger.messages == 1 && r->ledger.bytes == sizeof x, "%llu messages, %llu B",
                 (unsigned long long)r->ledger.messages, (unsigned long long)r->ledger.bytes);
    }
    log[r->id] = r->ledger.log;
}

START_TEST(ghosts_log_what_the_real_ones_log)
{
    static uint64_t real[16], ghost[16];
    if (on("sim")) /* one run a process */
        return;
    run(NULL, talk, real);
    run(&(ty_job){.ghost = 1}, talk, ghost);
    ck_assert_mem_eq(real, ghost, sizeof real);
}
END_TEST

/* ---- runs one after the other ---------------------------------------------------------------- */

static void leave_one(ty_rank *r, void *arg)
{
    int *turn = arg, said = 0;
    if (r->id == 0) {
        ty_send(r, 1, A, turn, sizeof *turn);
        ty_send(r, 1, A, (int[]){-1}, sizeof *turn); /* nobody receives it */
    }
    if (r->id == 1) {
        ty_recv(r, 0, A, &said, sizeof said);
        TY_CHECK(said == *turn, "run %d got a message of another run: %d", *turn, said);
    }
}

START_TEST(a_forgotten_message_does_not_reach_the_next_run)
{
    for (int turn = 0; turn < 5 && ranks_or(4) > 1 && !on("sim"); turn++)
        run(NULL, leave_one, &turn);
}
END_TEST

START_TEST(mpi_refuses_a_job_of_another_size)
{
    if (!on("mpi"))
        return;
    ty_err e = run_job(NULL, ranks_or(1) + 1, empty, NULL);
    ck_assert_int_eq(e.code, TY_EUSAGE);
    ck_assert_ptr_nonnull(strstr(e.msg, "mpirun -n "));
}
END_TEST

/* ---- mistakes -------------------------------------------------------------------------------- */

static void deadlock(ty_rank *r, void *arg)
{
    int x;
    (void)arg;
    if (r->id < 2)
        ty_recv(r, 1 - r->id, A, &x, sizeof x);
}

START_TEST(a_deadlock_ends_the_run_and_names_who_waits_for_what)
{
    if (on("mpi")) /* ends the job: tests/test_fabric_mpi.sh */
        return;
    ty_err e = run_job(NULL, _i, deadlock, NULL);
    ck_assert_int_eq(e.code, TY_EWRONG);
    ck_assert_ptr_nonnull(strstr(e.msg, "rank 0 waits for 4 B from rank 1 (channel 3)"));
    ck_assert_ptr_nonnull(strstr(e.msg, "rank 1 waits for 4 B from rank 0 (channel 3)"));
    ck_assert_ptr_null(strstr(e.msg, "rank 2"));
}
END_TEST

static void mismatch(ty_rank *r, void *arg)
{
    char x[64] = {0};
    size_t n = (size_t)(r->id == 0 ? 40 : *(const int *)arg);
    if (r->id == 0)
        ty_send(r, 1, A, x, n);
    if (r->id == 1)
        ty_recv(r, 0, A, x, n);
}

/* Standard error of a child that runs `mismatch`, and how it ended. */
static int output_of_mismatch(char *said, size_t size, int expected)
{
    int fd[2], status;
    size_t used = 0;
    ck_assert(pipe(fd) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(fd[1], 2);
        run_job(NULL, 2, mismatch, &expected);
        _exit(0);
    }
    close(fd[1]);
    for (ssize_t n; used + 1 < size && (n = read(fd[0], said + used, size - used - 1)) > 0;)
        used += (size_t)n;
    said[used] = 0;
    close(fd[0]);
    waitpid(child, &status, 0);
    return status;
}

START_TEST(a_message_of_another_size_aborts_and_says_which_rank)
{
    char said[4000];
    if (on("mpi"))
        return;
    for (int expected = 39; expected <= 41; expected++) {
        int status = output_of_mismatch(said, sizeof said, expected);
        if (expected == 40) {
            ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            continue;
        }
        ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
        ck_assert_msg(strstr(said, "rank ") && strstr(said, "40 B"), "said: %s", said);
    }
}
END_TEST

static int only(const char *mistake)
{
    int expected = 39;
    ty_job job = {.timeout_s = 1};
    ty_err e =
        run_job(&job, ranks_or(2), strcmp(mistake, "deadlock") ? mismatch : deadlock, &expected);
    fprintf(stderr, "%s\n", e.msg);
    return e.code;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return only(argv[1]);
    Suite *s = suite_create("fabric_messages");
    TCase *t = tcase_create(fabric_name());
    tcase_add_test(t, channels_are_first_in_first_out_and_apart);
    tcase_add_test(t, receives_match_in_the_order_they_were_posted);
    tcase_add_test(t, a_message_may_be_empty);
    tcase_add_loop_test(t, sends_are_buffered_whatever_their_size, 0, 5);
    tcase_add_loop_test(t, everybody_sends_and_receives_large_messages_at_once, on("mpi") ? 10 : 0,
                        12);
    tcase_add_test(t, ghosts_travel);
    tcase_add_test(t, an_inbox_takes_from_anybody_and_says_from_whom);
    tcase_add_loop_test(t, a_storm_of_messages_arrives_whole, 0, 4);
    tcase_add_test(t, ghosts_log_what_the_real_ones_log);
    tcase_add_test(t, a_forgotten_message_does_not_reach_the_next_run);
    tcase_add_test(t, mpi_refuses_a_job_of_another_size);
    tcase_add_loop_test(t, a_deadlock_ends_the_run_and_names_who_waits_for_what, 2, 5);
    tcase_add_test(t, a_message_of_another_size_aborts_and_says_which_rank);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
