/* SPDX-License-Identifier: MIT
 *
 * engine - one simulation from start to end. SimGrid can be started once in a process: callers
 * fork first.
 */
#include "sim/sim.h"

#include "sim/hosts.h"
#include "sim/platform.h"

#include <malloc.h>
#include <simgrid/link.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_ROUTES = 4096 }; /* hosts between which a table of latencies is kept */

static struct {
    const ty_job *job;
    ty_main fn;
    void *arg;
    sg_host_t *host; /* of the platform, in the order of ty_platform_host */
    ty_rank *rank;   /* [ranks] */
    seat *seat;      /* [ranks] */
    int finished;
    ty_rank **lane; /* running lanes */
    int lanes, lane_room;
    int used;        /* hosts that ranks stand on: 0 .. used - 1 */
    double *latency; /* [used, used] s of a route; NULL: latency is in the links */
} world;

/* ---- actors ---------------------------------------------------------------------------------- */

sg_actor_t ty_actor_start(const char *name, sg_host_t host, void (*code)(int, char **), void *data)
{
    sg_actor_t a = sg_actor_init(name, host);
    sg_actor_set_data(a, data); /* before it starts: it may run before we go on */
    sg_actor_start(a, code, 0, NULL);
    return a;
}

static int host_index(int rank)
{
    const ty_platform *p = world.job->platform;
    return p->host_per_rank ? rank : ty_platform_host(p, rank);
}

sg_host_t ty_engine_host(int rank)
{
    return world.host[host_index(rank)];
}

double ty_engine_latency(int src, int dst)
{
    return world.latency[(size_t)host_index(src) * (size_t)world.used + (size_t)host_index(dst)];
}

void ty_engine_lane_started(ty_rank *lane)
{
    if (world.lanes == world.lane_room) {
        world.lane_room = world.lane_room * 2 + 64;
        world.lane = realloc(world.lane, (size_t)world.lane_room * sizeof(ty_rank *));
        TY_CHECK(world.lane, "out of memory: %d lanes", world.lane_room);
    }
    world.lane[world.lanes++] = lane;
}

void ty_engine_lane_ended(const ty_rank *lane)
{
    for (int i = world.lanes - 1; i >= 0; i--)
        if (world.lane[i] == lane) {
            world.lane[i] = world.lane[--world.lanes];
            return;
        }
}

static void rank_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    ty_rank *r = sg_actor_self_get_data();
    world.fn(r, world.arg);
    ty_seat_end(r);
    world.finished++;
}

static void whereami(char *buf, unsigned long size)
{
    const ty_rank *r = sg_actor_self() ? sg_actor_self_get_data() : NULL;
    buf[0] = 0;
    if (r && r->fabric)
        snprintf(buf, size, "rank %d @%.4f s", r->id,
                 simgrid_get_clock() + ((const seat *)r->fabric)->pending);
}

/* ---- before the ranks start ------------------------------------------------------------------ */

static void take_seat(int i)
{
    const ty_job *job = world.job;
    const ty_platform *p = job->platform;
    sg_host_t h = ty_engine_host(i);
    int cores = p->host_per_rank ? p->cores : sg_host_core_count(h);
    int first = ty_platform_host(p, i) * p->ranks_per_host, left = job->ranks - first;
    int ranks = left < p->ranks_per_host ? left : p->ranks_per_host;
    seat *s = &world.seat[i];
    *s = (seat){.host = h, .scale = 1, .speed = sg_host_get_speed(h)};
    s->shared = ranks * job->threads > cores;
    if (!p->as_machine && job->machine && job->machine->peak_flops > 0)
        s->scale = job->machine->peak_flops / s->speed;
}

static int has_couriers(const ty_platform *p)
{
    return p->network == TY_NET_SHARED && !p->one_latency;
}

static int used_hosts(const ty_job *job)
{
    return job->platform->host_per_rank ? job->ranks
                                        : ty_platform_host(job->platform, job->ranks - 1) + 1;
}

/* Move the latency of every route out of the links: CM02 would share a link in inverse proportion
 * to latency. */
static void take_latencies(void)
{
    size_t n = (size_t)world.used;
    world.latency = ty_alloc(n * n * sizeof(double));
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            world.latency[i * n + j] = sg_host_get_route_latency(world.host[i], world.host[j]);
    sg_link_t *link = sg_link_list();
    for (size_t i = 0; i < sg_link_count(); i++)
        sg_link_set_latency(link[i], 0);
    free(link);
}

/* The first actor: some zones know their routes only once the simulation runs. */
static void starter_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    const ty_job *job = world.job;
    int couriers = has_couriers(job->platform);
    if (couriers)
        take_latencies();
    ty_channels_init(job, couriers);
    for (int i = 0; i < job->ranks; i++) {
        ty_rank_init(&world.rank[i], i, &ty_fabric_sim, job);
        take_seat(i);
        world.rank[i].fabric = &world.seat[i];
        ty_actor_start("rank", world.seat[i].host, rank_main, &world.rank[i]);
    }
}

/* Measured: a matrix product of two OpenMP threads, a message and a printf of doubles stay below 6
 * KiB. Without guard pages stacks are zeroed, so all of them is resident; with them, 30,000 actors
 * (ranks, lanes, couriers) run out of memory maps. */
static void choose_stacks(int ranks)
{
    int many = ranks > 8000;
    ty_sim_configure_stacks(many ? 32 : 256, !many);
}

/* ---- after ----------------------------------------------------------------------------------- */

static ty_err deadlock(void)
{
    int n = 0;
    ty_rank **stuck = ty_zalloc((size_t)(world.job->ranks + world.lanes), sizeof *stuck);
    for (int i = 0; i < world.job->ranks; i++)
        if (world.rank[i].waiting.what != TY_DONE && world.rank[i].waiting.what != TY_IN_JOIN)
            stuck[n++] = &world.rank[i];
    /* a rank that waits for its lane is told by what the lane waits for */
    for (int i = 0; i < world.lanes; i++)
        if (world.lane[i]->waiting.what != TY_IN_JOIN)
            stuck[n++] = world.lane[i];
    char waits[512], more[32] = "";
    int shown = n < 4 ? n : 3;
    ty_rank_describe_waits(waits, sizeof waits, stuck, shown);
    free(stuck);
    if (n > shown)
        snprintf(more, sizeof more, "; and %d more", n - shown);
    return ty_error(TY_EWRONG, "deadlock: %.210s%s", waits, more);
}

static ty_err check(const ty_job *job)
{
    const ty_platform *p = job->platform;
    TY_CHECK(p, "a simulation needs a platform");
    TY_CHECK((job->ranks - 1) / p->ranks_per_host < p->hosts, "%d ranks on %d hosts", job->ranks,
             p->hosts);
    if (p->host_per_rank && p->ranks_per_host * job->threads > p->cores)
        return ty_error(
            TY_EUSAGE,
            "%d workers of %d threads on hosts of %d cores: the textbook network gives each worker "
            "cores of its own; use --network shared, fewer threads or fewer workers per node",
            p->ranks_per_host, job->threads, p->cores);
    if (has_couriers(p) && used_hosts(job) > MAX_ROUTES)
        return ty_error(
            TY_EUSAGE,
            "the routes of this platform differ in latency, which --network shared simulates on "
            "%d hosts at most, not %d",
            MAX_ROUTES, used_hosts(job));
    return ty_ok();
}

ty_err ty_engine_run(const ty_job *job, ty_main fn, void *arg)
{
    TY_TRY(check(job));
    const ty_platform *p = job->platform;
    /* message buffers come and go: do not map and unmap them */
    mallopt(M_MMAP_THRESHOLD, 32 << 20);
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    world.job = job;
    world.fn = fn;
    world.arg = arg;
    world.used = used_hosts(job);
    world.rank = ty_zalloc((size_t)job->ranks, sizeof *world.rank);
    world.seat = ty_zalloc((size_t)job->ranks, sizeof *world.seat);
    ty_sim_start(p->network, &p->local);
    choose_stacks(job->ranks);
    ty_sim_load(p->xml);
    world.host = ty_sim_hosts();
    ty_whereami = whereami;
    ty_actor_start("starter", world.host[0], starter_main, NULL);
    simgrid_run();
    ty_whereami = NULL;
    ty_err e = world.finished == job->ranks ? ty_ok() : deadlock();
    for (int i = 0; i < job->ranks; i++)
        ty_rank_fini(&world.rank[i]);
    return e;
}
