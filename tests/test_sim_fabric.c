/* SPDX-License-Identifier: MIT
 *
 * The nine functions on SimGrid. A simulation can run once in a process, so each runs in a child
 * that puts what its ranks saw into shared memory.
 */
#include "base/file.h"
#include "fabric/rank.h"
#include "sim/platform.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* 1 ms of latency and 1 GB/s: a megabyte takes 2 ms. */
#define CLUSTER "cluster:latency=1ms,bandwidth=1GBps,cores=2"
enum { MB = 1000000, PEAK = 1000000000 };
static const double ms = 1e-3;

static struct seen {
    double time[32];
    int number[32];
    ty_err err;
    int died; /* by a signal: our own mistake was found */
} * seen;

static const ty_machine machine = {.cores = 2, .peak_flops = PEAK, .handoff = {1e-4, 1e10}};

/* ---- running one simulation ------------------------------------------------------------------ */

typedef struct setting {
    const char *spec, *network;
    int ranks, per_host, threads, real;
} setting;

static void in_child(const setting *s, ty_main fn)
{
    ty_platform p;
    ty_network mode;
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    seen->err = ty_network_find(s->network ? s->network : "shared", &mode);
    if (!seen->err.code)
        seen->err = ty_platform_open(&p, s->spec, mode, s->ranks, s->per_host, &machine);
    if (!seen->err.code) {
        ty_job job = {.ranks = s->ranks,
                      .threads = s->threads ? s->threads : 1,
                      .busy = 1,
                      .ghost = !s->real,
                      .machine = &machine,
                      .platform = &p};
        seen->err = ty_fabric_sim.run(&job, fn, NULL);
    }
    fflush(NULL);
    _exit(0);
}

static void simulate_any(setting s, ty_main fn)
{
    int status;
    memset(seen, 0, sizeof *seen);
    fflush(NULL);
    pid_t pid = fork();
    ck_assert(pid >= 0);
    if (pid == 0) {
        alarm(60);
        in_child(&s, fn);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    seen->died = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    ck_assert_msg(status == 0 || seen->died, "the child ended with status %x", status);
}

static void simulate(setting s, ty_main fn)
{
    simulate_any(s, fn);
    ck_assert_msg(seen->err.code == TY_OK && !seen->died, "%s", seen->err.msg);
}

static void is_near(double got, double want)
{
    ck_assert_msg(fabs(got - want) <= 1e-9 * (1e-3 + fabs(want)), "got %.15g s, want %.15g s", got,
                  want);
}

/* ---- messages -------------------------------------------------------------------------------- */

static void three_sizes(ty_rank *r, void *arg)
{
    static const size_t size[] = {0, MB, 64};
    (void)arg;
    for (int i = 0; i < 3; i++) {
        double begin = ty_now(r);
        if (r->id == 0)
            ty_send(r, 1, 5, NULL, size[i]);
        else
            ty_recv(r, 0, 5, NULL, size[i]);
        seen->time[i] = ty_now(r) - begin;
    }
}

START_TEST(a_message_takes_latency_plus_bytes_over_bandwidth)
{
    static const char *const mode[] = {"textbook", "shared"};
    simulate((setting){CLUSTER, mode[_i], 2}, three_sizes);
    is_near(seen->time[0], 1 * ms);
    is_near(seen->time[1], 2 * ms);
    is_near(seen->time[2], 1 * ms + 64e-9);
}
END_TEST

START_TEST(tcp_mode_has_the_factors_of_LV08) /* latency x 13.01, bandwidth x 0.97 */
{
    simulate((setting){"cluster:latency=1us,bandwidth=1MBps", "tcp", 2}, three_sizes);
    ck_assert_double_eq_tol(seen->time[0], 13.01e-6, 1e-9);
    ck_assert_double_eq_tol(seen->time[1], 13.01e-6 + 1 / 0.97, 1e-6);
}
END_TEST

static void fan_out(ty_rank *r, void *arg)
{
    (void)arg;
    if (r->id == 0) {
        ty_req *a = ty_isend(r, 1, 0, NULL, MB), *b = ty_isend(r, 2, 0, NULL, MB);
        ty_wait(r, a);
        ty_wait(r, b);
    } else {
        ty_recv(r, 0, 0, NULL, MB);
    }
    seen->time[r->id] = ty_now(r);
}

static void fan_in(ty_rank *r, void *arg)
{
    (void)arg;
    if (r->id == 0) {
        ty_recv(r, 1, 0, NULL, MB);
        ty_recv(r, 2, 0, NULL, MB);
    } else {
        ty_send(r, 0, 0, NULL, MB);
    }
    seen->time[r->id] = ty_now(r);
}

START_TEST(a_port_is_shared_by_the_messages_of_its_rank)
{
    static const char *const mode[] = {"textbook", "shared"};
    for (int out = 0; out < 2; out++) {
        simulate((setting){CLUSTER, mode[_i], 3}, out ? fan_out : fan_in);
        for (int i = 0; i < 3; i++)
            is_near(seen->time[i], 3 * ms);
    }
}
END_TEST

/* 0 <-> 1 and 2 <-> 3, all at once. */
static void exchange(ty_rank *r, void *arg)
{
    (void)arg;
    ty_req *s = ty_isend(r, r->id ^ 1, 0, NULL, MB), *q = ty_irecv(r, r->id ^ 1, 0, NULL, MB);
    ty_wait(r, q);
    ty_wait(r, s);
    seen->time[r->id] = ty_now(r);
}

START_TEST(both_directions_and_other_ranks_do_not_share)
{
    simulate((setting){CLUSTER, "textbook", 4}, exchange);
    for (int i = 0; i < 4; i++)
        is_near(seen->time[i], 2 * ms);
}
END_TEST

static void late_receiver(ty_rank *r, void *arg)
{
    (void)arg;
    if (r->id == 0) {
        ty_charge(r, 0.25);
        ty_send(r, 1, 0, NULL, MB);
        seen->time[0] = ty_now(r);
    } else {
        ty_req done;
        ty_charge(r, 1);
        r->ops->wait(r, ty_irecv(r, 0, 0, NULL, MB), &done);
        seen->time[1] = ty_now(r);
        seen->time[2] = done.sent_at;
    }
}

START_TEST(a_transfer_starts_at_isend_and_its_wait_never_needs_the_receiver)
{
    simulate((setting){CLUSTER, NULL, 2}, late_receiver);
    is_near(seen->time[0], 0.25 + 2 * ms);
    is_near(seen->time[1], 1);
    is_near(seen->time[2], 0.25);
}
END_TEST

static void in_order(ty_rank *r, void *arg)
{
    static const size_t size[] = {MB, 8, 400, 0};
    static char data[MB];
    ty_req *q[4];
    (void)arg;
    for (int i = 0; r->id == 0 && i < 4; i++) {
        memset(data, i + 1, 1);
        q[i] = ty_isend(r, 1, 0, data, size[i]);
    }
    static char in[4][MB];
    for (int i = 0; r->id == 1 && i < 4; i++)
        q[i] = ty_irecv(r, 0, 0, in[i], size[i]);
    for (int i = 3; i >= 0; i--) /* the first of all is waited for last */
        ty_wait(r, q[i]);
    for (int i = 0; r->id == 1 && i < 4; i++)
        seen->number[i] = in[i][0];
}

START_TEST(a_channel_is_first_in_first_out_and_a_payload_is_copied_at_isend)
{
    simulate((setting){CLUSTER, NULL, 2, .real = 1}, in_order);
    ck_assert_int_eq(seen->number[0], 1);
    ck_assert_int_eq(seen->number[1], 2);
    ck_assert_int_eq(seen->number[2], 3);
    ck_assert_int_eq(seen->number[3], 0);
}
END_TEST

static void two_channels(ty_rank *r, void *arg)
{
    int x = 0, y = 0;
    (void)arg;
    if (r->id == 0) {
        x = 7, y = 8;
        ty_req *a = ty_isend(r, 1, 1, &x, sizeof x), *b = ty_isend(r, 1, 2, &y, sizeof y);
        x = y = 0;
        ty_wait(r, b);
        ty_wait(r, a);
    } else {
        ty_recv(r, 0, 2, &y, sizeof y);
        ty_recv(r, 0, 1, &x, sizeof x);
        seen->number[0] = x;
        seen->number[1] = y;
    }
}

START_TEST(channels_do_not_mix)
{
    simulate((setting){CLUSTER, NULL, 2, .real = 1}, two_channels);
    ck_assert_int_eq(seen->number[0], 7);
    ck_assert_int_eq(seen->number[1], 8);
}
END_TEST

enum { INBOX = TY_TAG_INBOX | 3 };

/* The later but shorter message of rank 2 overtakes rank 1's. */
static void inbox(ty_rank *r, void *arg)
{
    (void)arg;
    if (r->id == 0) {
        seen->number[0] = ty_wait(r, ty_irecv(r, TY_ANY, INBOX, NULL, 8));
        seen->time[0] = ty_now(r);
        seen->number[1] = ty_wait(r, ty_irecv(r, TY_ANY, INBOX, NULL, MB));
        seen->time[1] = ty_now(r);
        ty_wait(r, ty_irecv(r, 2, INBOX, NULL, 16)); /* from one of them, though 1 was earlier */
        ty_wait(r, ty_irecv(r, 1, INBOX, NULL, 24));
        seen->time[2] = ty_now(r);
    } else {
        ty_charge(r, r->id == 1 ? 0 : 0.1 * ms);
        ty_send(r, 0, INBOX, NULL, r->id == 1 ? MB : 8);
        ty_charge(r, r->id == 1 ? 10 * ms : 20 * ms);
        ty_send(r, 0, INBOX, NULL, r->id == 1 ? 24 : 16);
    }
}

START_TEST(an_inbox_takes_messages_as_they_arrive_and_says_from_whom)
{
    simulate((setting){CLUSTER, NULL, 3}, inbox);
    ck_assert_int_eq(seen->number[0], 2);
    ck_assert_int_eq(seen->number[1], 1);
    ck_assert_double_lt(seen->time[0], 1.2 * ms);
    ck_assert_double_gt(seen->time[1], 2 * ms);
    ck_assert_double_gt(seen->time[2], 22 * ms);
}
END_TEST

static void wrong_size(ty_rank *r, void *arg)
{
    (void)arg;
    if (r->id == 0)
        ty_send(r, 1, 0, NULL, 100);
    else
        ty_recv(r, 0, 0, NULL, 99);
}

static void forgets_to_wait(ty_rank *r, void *arg)
{
    (void)arg;
    if (r->id == 0)
        ty_isend(r, 1, 0, NULL, 100);
    else
        ty_recv(r, 0, 0, NULL, 100);
}

static void sends_and_leaves(ty_rank *r, void *arg)
{
    (void)arg;
    ty_isend(r, 1, 0, NULL, 100);
}

static void lane_forgets_to_wait(ty_rank *r, void *arg)
{
    (void)arg;
    if (r->id == 0)
        ty_join(r, ty_fork(r, sends_and_leaves, NULL));
    else
        ty_recv(r, 0, 0, NULL, 100);
}

START_TEST(our_own_mistakes_stop_the_world)
{
    int keep = dup(STDERR_FILENO);
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    simulate_any((setting){CLUSTER, NULL, 2}, wrong_size);
    ck_assert(seen->died);
    simulate_any((setting){CLUSTER, NULL, 2}, forgets_to_wait);
    ck_assert(seen->died);
    simulate_any((setting){CLUSTER, NULL, 2}, lane_forgets_to_wait);
    ck_assert(seen->died);
    dup2(keep, STDERR_FILENO);
    close(keep);
}
END_TEST

/* ---- lanes, deadlock ------------------------------------------------------------------------- */

static void swap(ty_rank *r, void *arg)
{
    (void)arg;
    exchange(r, NULL);
}

static void beside(ty_rank *r, void *arg)
{
    ty_lane *l = ty_fork(r, swap, arg);
    ty_charge(r, 1.5 * ms);
    seen->time[4 + r->id] = ty_now(r);
    ty_join(r, l);
    seen->time[8 + r->id] = ty_now(r);
    l = ty_fork(r, swap, arg);
    ty_charge(r, 9 * ms);
    ty_join(r, l);
    seen->time[12 + r->id] = ty_now(r);
}

START_TEST(a_lane_communicates_while_its_rank_computes)
{
    simulate((setting){CLUSTER, NULL, 2}, beside);
    is_near(seen->time[4], 1.5 * ms);
    is_near(seen->time[8], 2 * ms);
    is_near(seen->time[12], 11 * ms);
}
END_TEST

static void slow(ty_rank *r, void *arg)
{
    (void)arg;
    ty_charge(r, 1);
}

static void joins_another(ty_rank *r, void *arg)
{
    ty_join(r, arg);
    ty_charge(r, 0.5);
}

static void chain(ty_rank *r, void *arg)
{
    (void)arg;
    ty_lane *a = ty_fork(r, slow, NULL), *b = ty_fork(r, joins_another, a),
            *c = ty_fork(r, slow, NULL);
    ty_charge(r, 0.25);
    ty_join(r, c); /* long before... */
    ty_charge(r, 2);
    ty_join(r, b); /* ... and long after it has ended */
    seen->time[0] = ty_now(r);
}

START_TEST(a_lane_joins_a_lane_and_a_finished_lane_can_be_joined)
{
    simulate((setting){CLUSTER, NULL, 1}, chain);
    is_near(seen->time[0], 3);
}
END_TEST

static void circle(ty_rank *r, void *arg)
{
    (void)arg;
    ty_recv(r, (r->id + 1) % r->job->ranks, 9, NULL, 4096);
}

static void stuck_lane(ty_rank *r, void *arg)
{
    (void)arg;
    if (r->id == 0)
        ty_join(r, ty_fork(r, circle, NULL));
}

START_TEST(a_deadlock_is_named)
{
    simulate_any((setting){CLUSTER, NULL, 2}, circle);
    ck_assert_int_eq(seen->err.code, TY_EWRONG);
    ck_assert_str_eq(seen->err.msg, "deadlock: rank 0 waits for 4096 B from rank 1 (channel 9); "
                                    "rank 1 waits for 4096 B from rank 0 (channel 9)");
    simulate_any((setting){CLUSTER, NULL, 40}, circle);
    ck_assert_ptr_nonnull(strstr(seen->err.msg, "rank 2 waits"));
    ck_assert_ptr_nonnull(strstr(seen->err.msg, "and 37 more"));
    simulate_any((setting){CLUSTER, NULL, 2}, stuck_lane);
    ck_assert_str_eq(seen->err.msg, "deadlock: rank 0 waits for 4096 B from rank 1 (channel 9)");
}
END_TEST

/* ---- compute --------------------------------------------------------------------------------- */

static void compute(ty_rank *r, void *arg)
{
    (void)arg;
    ty_charge(r, 0.25);
    ty_charge(r, 0.75);
    ty_join(r, ty_fork(r, slow, NULL)); /* a second of its lane, after our own */
    seen->time[r->id] = ty_now(r);
}

static void compute_alone(ty_rank *r, void *arg)
{
    (void)arg;
    ty_charge(r, 1);
    if (r->id) /* a message makes the charge due */
        ty_send(r, 0, 0, NULL, 0);
    for (int i = 1; r->id == 0 && i < r->job->ranks; i++)
        ty_recv(r, i, 0, NULL, 0);
    seen->time[r->id] = ty_now(r);
}

START_TEST(three_ranks_on_two_cores_take_half_as_long_again)
{
    simulate((setting){CLUSTER ",nodes=1", NULL, 3}, compute_alone);
    is_near(seen->time[0], 1.5 + 1e-4);
    simulate((setting){CLUSTER ",nodes=1", NULL, 2}, compute_alone);
    is_near(seen->time[0], 1 + 1e-4);
    simulate(
        (setting){"cluster:latency=1ms,bandwidth=1GBps,cores=4,nodes=1", NULL, 3, .threads = 2},
        compute_alone);
    is_near(seen->time[0], 1.5 + 1e-4);
    simulate((setting){"multicore", NULL, 2, .threads = 2}, compute_alone);
    is_near(seen->time[0], 2 + 1e-4);
}
END_TEST

START_TEST(a_host_computes_in_proportion_to_its_speed)
{
    simulate((setting){CLUSTER ",speed=4Gf", NULL, 1}, compute);
    is_near(seen->time[0], 0.5);
    simulate((setting){CLUSTER ",speed=4Gf,nodes=1", NULL, 3}, compute_alone);
    is_near(seen->time[0], 1.5 / 4 + 1e-4);
    simulate((setting){"ideal", NULL, 1}, compute); /* its hosts are as the machine */
    is_near(seen->time[0], 2);
}
END_TEST

/* ---- several ranks a host -------------------------------------------------------------------- */

/* 0 and 1 share a host, 2 and 3 another. */
static void neighbours(ty_rank *r, void *arg)
{
    (void)arg;
    exchange(r, NULL);
    double begin = seen->time[r->id];
    int there = r->id < 2;
    ty_req *q = there ? ty_isend(r, r->id + 2, 1, NULL, MB) : ty_irecv(r, r->id - 2, 1, NULL, MB);
    ty_wait(r, q);
    seen->time[4 + r->id] = ty_now(r) - begin;
}

START_TEST(workers_of_one_host_hand_over_and_share_its_port_when_shared)
{
    simulate((setting){CLUSTER, "shared", 4, 2}, neighbours);
    for (int i = 0; i < 4; i++) {
        is_near(seen->time[i], 2e-4);
        is_near(seen->time[4 + i], 3 * ms);
    }
    simulate((setting){CLUSTER, "textbook", 4, 2}, neighbours);
    for (int i = 0; i < 4; i++) {
        is_near(seen->time[i], 2e-4);
        is_near(seen->time[4 + i], 2 * ms);
    }
}
END_TEST

START_TEST(textbook_workers_need_cores_of_their_own)
{
    simulate_any((setting){CLUSTER, "textbook", 6, 3}, compute);
    ck_assert_int_eq(seen->err.code, TY_EUSAGE);
    simulate_any((setting){CLUSTER, "textbook", 4, 2, .threads = 2}, compute);
    ck_assert_int_eq(seen->err.code, TY_EUSAGE);
    ck_assert_ptr_nonnull(strstr(seen->err.msg, "--network shared"));
}
END_TEST

/* ---- routes of different latency ------------------------------------------------------------- */

/* host0 --uplink-- near (5 ms) -- host1
 *             \--- far (10 ms) -- host2 */
static const char fork_xml[] =
    "<?xml version='1.0'?><!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">"
    "<platform version=\"4.1\"><zone id=\"world\" routing=\"Full\"><prop id=\"compute\" "
    "value=\"machine\"/>"
    "<host id=\"host0\" speed=\"1Gf\"/><host id=\"host1\" speed=\"1Gf\"/><host id=\"host2\" "
    "speed=\"1Gf\"/>"
    "<link id=\"uplink\" bandwidth=\"1GBps\" latency=\"0s\"/><link id=\"near\" bandwidth=\"8GBps\" "
    "latency=\"5ms\"/>"
    "<link id=\"far\" bandwidth=\"8GBps\" latency=\"10ms\"/>"
    "<route src=\"host0\" dst=\"host1\"><link_ctn id=\"uplink\"/><link_ctn id=\"near\"/></route>"
    "<route src=\"host0\" dst=\"host2\"><link_ctn id=\"uplink\"/><link_ctn id=\"far\"/></route>"
    "<route src=\"host1\" dst=\"host2\"><link_ctn id=\"near\"/><link_ctn "
    "id=\"far\"/></route></zone></platform>";
static char fork_path[64];

static void write_fork(void)
{
    ty_file w;
    snprintf(fork_path, sizeof fork_path, "/tmp/test_sim_fork.%d.xml", (int)getpid());
    ck_assert(!ty_file_open(&w, fork_path).code);
    fputs(fork_xml, w.f);
    ck_assert(!ty_file_commit(&w).code);
}

static void remove_fork(void)
{
    unlink(fork_path);
}

START_TEST(routes_of_different_latency_share_a_link_fairly)
{
    simulate((setting){fork_path, "shared", 3}, fan_out);
    is_near(seen->time[1], 2 * ms + 5 * ms);
    is_near(seen->time[2], 2 * ms + 10 * ms);
    is_near(seen->time[0], 2 * ms + 10 * ms);
}
END_TEST

/* Who waits at once, before the arrival, long after it. */
static void three_receivers(ty_rank *r, void *arg)
{
    static const double delay[] = {0, 4e-3, 9e-3};
    (void)arg;
    for (int i = 0; i < 3; i++) {
        if (r->id == 0) {
            ty_send(r, 1, 0, NULL, MB);
            seen->time[8 + i] = ty_now(r);
        } else if (r->id == 1) {
            ty_charge(r, delay[i]);
            ty_recv(r, 0, 0, NULL, MB);
            seen->time[i] = ty_now(r);
            ty_send(r, 0, 1, NULL, 0);
        }
        if (r->id == 0)
            ty_recv(r, 1, 1, NULL, 0);
    }
}

START_TEST(a_message_arrives_its_latency_after_its_flow_whether_or_not_anybody_waits)
{
    simulate((setting){fork_path, "shared", 2}, three_receivers);
    is_near(seen->time[0], 6 * ms); /* 1 ms of flow, 5 ms of latency; then 5 ms back */
    is_near(seen->time[8], 6 * ms);
    is_near(seen->time[1], 11 * ms + 6 * ms);
    is_near(seen->time[2], 22 * ms + 9 * ms);
}
END_TEST

START_TEST(workers_of_one_host_hand_over_where_latency_is_beside_the_links)
{
    simulate((setting){fork_path, "shared", 4, 2}, neighbours); /* no loopback: the machine's */
    is_near(seen->time[0], 2e-4);
    is_near(seen->time[3], 2e-4);
}
END_TEST

/* 3 sizes down one channel while the far inbox is nearer than it seems. */
static void overtaken(ty_rank *r, void *arg)
{
    (void)arg;
    if (r->id == 0) {
        ty_req *q[] = {ty_isend(r, 1, 0, NULL, MB), ty_isend(r, 1, 0, NULL, 8),
                       ty_isend(r, 2, INBOX, NULL, 8)};
        for (int i = 0; i < 3; i++)
            ty_wait(r, q[i]);
    } else if (r->id == 1) {
        ty_charge(r, 1 * ms);
        ty_send(r, 2, INBOX, NULL, 8); /* 15 ms away: after host0's, sent earlier and 10 ms away */
        ty_recv(r, 0, 0, NULL, MB);
        ty_recv(r, 0, 0, NULL, 8);
        seen->time[1] = ty_now(r);
    } else {
        seen->number[0] = ty_wait(r, ty_irecv(r, TY_ANY, INBOX, NULL, 8));
        seen->time[2] = ty_now(r);
        seen->number[1] = ty_wait(r, ty_irecv(r, TY_ANY, INBOX, NULL, 8));
        seen->time[3] = ty_now(r);
    }
}

START_TEST(latency_beside_the_links_keeps_order_and_inboxes)
{
    simulate((setting){fork_path, "shared", 3}, overtaken);
    ck_assert_int_eq(seen->number[0], 0);
    ck_assert_int_eq(seen->number[1], 1);
    ck_assert_double_eq_tol(seen->time[2], 10 * ms, 1e-6);
    ck_assert_double_eq_tol(seen->time[3], 16 * ms, 1e-6);
    ck_assert_double_lt(seen->time[1],
                        16.01 * ms); /* its own send ends at 16 ms, both receives before */
}
END_TEST

/* ---- the laws -------------------------------------------------------------------------------- */

static void ring(ty_rank *r, void *arg)
{
    int n = r->job->ranks, right = (r->id + 1) % n, left = (r->id + n - 1) % n;
    (void)arg;
    for (int s = 0; s < 2 * (n - 1); s++) {
        ty_req *out = ty_isend(r, right, 0, NULL, MB / 8), *in = ty_irecv(r, left, 0, NULL, MB / 8);
        ty_wait(r, in);
        ty_wait(r, out);
    }
    seen->time[r->id] = ty_now(r);
}

START_TEST(a_ring_takes_what_its_formula_says)
{
    simulate((setting){"ideal", "textbook", 8}, ring);
    for (int i = 0; i < 8; i++)
        ck_assert_double_eq_tol(seen->time[i], 14 * (20e-6 + MB / 8 / 1.25e9), 1e-12);
}
END_TEST

static void untidy(ty_rank *r, void *arg)
{
    (void)arg;
    ty_charge(r, 1e-4 * ((r->id * 7) % 5));
    ring(r, arg);
    ty_charge(r, 1e-5 * r->id);
    if (r->id)
        ty_send(r, 0, INBOX, NULL, 1000);
    for (int i = 1; r->id == 0 && i < r->job->ranks; i++)
        seen->number[i] = ty_wait(r, ty_irecv(r, TY_ANY, INBOX, NULL, 1000));
    seen->time[16 + r->id] = ty_now(r);
}

START_TEST(two_runs_are_the_same_to_the_last_bit)
{
    struct seen first;
    simulate((setting){CLUSTER, "shared", 12, 3}, untidy);
    first = *seen;
    simulate((setting){CLUSTER, "shared", 12, 3}, untidy);
    ck_assert_mem_eq(&first, seen, sizeof first);
}
END_TEST

int main(void)
{
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
#ifdef TY_TEST_DIR
    setenv("TRAINYARD_PLATFORMS", TY_TEST_DIR "/../platforms", 0);
#endif
    Suite *s = suite_create("sim/fabric");
    TCase *t = tcase_create("fabric");
    tcase_set_timeout(t, 120);
    tcase_add_unchecked_fixture(t, write_fork, remove_fork);
    tcase_add_loop_test(t, a_message_takes_latency_plus_bytes_over_bandwidth, 0, 2);
    tcase_add_test(t, tcp_mode_has_the_factors_of_LV08);
    tcase_add_loop_test(t, a_port_is_shared_by_the_messages_of_its_rank, 0, 2);
    tcase_add_test(t, both_directions_and_other_ranks_do_not_share);
    tcase_add_test(t, a_transfer_starts_at_isend_and_its_wait_never_needs_the_receiver);
    tcase_add_test(t, a_channel_is_first_in_first_out_and_a_payload_is_copied_at_isend);
    tcase_add_test(t, channels_do_not_mix);
    tcase_add_test(t, an_inbox_takes_messages_as_they_arrive_and_says_from_whom);
    tcase_add_test(t, our_own_mistakes_stop_the_world);
    tcase_add_test(t, a_lane_communicates_while_its_rank_computes);
    tcase_add_test(t, a_lane_joins_a_lane_and_a_finished_lane_can_be_joined);
    tcase_add_test(t, a_deadlock_is_named);
    tcase_add_test(t, three_ranks_on_two_cores_take_half_as_long_again);
    tcase_add_test(t, a_host_computes_in_proportion_to_its_speed);
    tcase_add_test(t, workers_of_one_host_hand_over_and_share_its_port_when_shared);
    tcase_add_test(t, textbook_workers_need_cores_of_their_own);
    tcase_add_test(t, routes_of_different_latency_share_a_link_fairly);
    tcase_add_test(t, a_message_arrives_its_latency_after_its_flow_whether_or_not_anybody_waits);
    tcase_add_test(t, workers_of_one_host_hand_over_where_latency_is_beside_the_links);
    tcase_add_test(t, latency_beside_the_links_keeps_order_and_inboxes);
    tcase_add_test(t, a_ring_takes_what_its_formula_says);
    tcase_add_test(t, two_runs_are_the_same_to_the_last_bit);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
