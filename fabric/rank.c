/* SPDX-License-Identifier: MIT */
#include "fabric/rank.h"

#include "base/clock.h"
#include "fabric/memory.h"
#include "fabric/trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const uint64_t LOG_START = 0xcbf29ce484222325u; /* the offset basis of FNV-1a */

void ty_rank_init(ty_rank *r, int id, const ty_fabric_ops *ops, const ty_job *job)
{
    *r = (ty_rank){.id = id, .ops = ops, .job = job, .ledger.log = LOG_START};
    r->mem = ty_memory_account_new();
    if (job->trace_steps > 0)
        r->trace = ty_zalloc(1, sizeof *r->trace);
}

void ty_rank_lane_init(ty_rank *lane, ty_rank *parent)
{
    *lane = (ty_rank){
        .id = parent->id, .lane = parent->lane + 1, .ops = parent->ops, .job = parent->job};
    lane->parent = parent;
    lane->ledger.log = LOG_START;
    lane->quiet = parent->quiet;
    lane->slower = parent->slower;
    lane->mem = parent->mem;
    lane->trace = parent->trace;
}

void ty_rank_fini(ty_rank *r)
{
    if (!r->parent) {
        ty_memory_account_free(r->mem);
        if (r->trace)
            free(r->trace->event);
        free(r->trace);
    }
    r->mem = NULL;
    r->trace = NULL;
}

void ty_rank_describe_waits(char *buf, size_t size, ty_rank *const *ranks, int n)
{
    int shown = 0, left = 0;
    size_t used = 0;
    buf[0] = 0;
    for (int i = 0; i < n; i++) {
        const ty_waiting *w = &ranks[i]->waiting;
        if (w->what == TY_DONE)
            continue;
        if (shown == 4 || used >= size) {
            left++;
            continue;
        }
        const char *comma = shown++ ? "; " : "";
        if (w->what == TY_IN_RECV && w->peer == TY_ANY)
            used += (size_t)snprintf(buf + used, size - used,
                                     "%srank %d waits for %zu B from any rank (channel %d)", comma,
                                     ranks[i]->id, w->bytes, w->tag & 255);
        else if (w->what == TY_IN_RECV || w->what == TY_IN_SEND)
            used += (size_t)snprintf(buf + used, size - used,
                                     "%srank %d waits for %zu B %s rank %d (channel %d)", comma,
                                     ranks[i]->id, w->bytes, w->what == TY_IN_RECV ? "from" : "to",
                                     w->peer, w->tag & 255);
        else
            used += (size_t)snprintf(buf + used, size - used, "%srank %d %s", comma, ranks[i]->id,
                                     w->what == TY_IN_JOIN ? "waits for its lane" : "is running");
    }
    if (left && used < size)
        snprintf(buf + used, size - used, "; and %d more", left);
}

/* ---- messages -------------------------------------------------------------------------------- */

/* The hash of Fowler, Noll and Vo, over words. */
static void mix(uint64_t *log, uint64_t word)
{
    *log = (*log ^ word) * 0x100000001b3u;
}

static void log_event(ty_rank *r, int op, int peer, int tag, size_t bytes)
{
    const uint64_t word[] = {(uint64_t)op, (uint64_t)peer, (uint64_t)tag, bytes};
    for (int i = 0; i < 4; i++)
        mix(&r->ledger.log, word[i]);
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static double positive(double a)
{
    return a > 0 ? a : 0;
}

/* Copying out of or into a buffer is communication too, where time is real. */
static void book_copy(ty_rank *r, int peer, size_t bytes, double begin, double end)
{
    if (r->ops->virtual_time)
        return;
    r->idle_s += end - begin;
    if (r->quiet)
        return;
    r->ledger.comm_exposed_s += end - begin;
    if (r->trace && end > begin)
        ty_trace_add(r, (ty_event){begin, end, TY_EV_COMM, r->lane, peer, bytes, 0});
}

ty_req *ty_isend(ty_rank *r, int dst, int tag, const void *buf, size_t bytes)
{
    TY_CHECK(dst >= 0 && dst < r->job->ranks && dst != r->id, "send to rank %d of %d", dst,
             r->job->ranks);
    if (!r->quiet) {
        r->ledger.messages++;
        r->ledger.bytes += bytes;
        log_event(r, 1, dst, tag, bytes);
    }
    ty_trace_close(r);
    double begin = r->ops->now(r);
    ty_req *q = r->ops->isend(r, dst, tag, buf, bytes);
    book_copy(r, dst, bytes, begin, r->ops->now(r));
    return q;
}

ty_req *ty_irecv(ty_rank *r, int src, int tag, void *buf, size_t bytes)
{
    TY_CHECK(src >= TY_ANY && src < r->job->ranks && src != r->id, "receive from rank %d of %d",
             src, r->job->ranks);
    TY_CHECK(src != TY_ANY || (tag & TY_TAG_INBOX),
             "a receive from any rank needs an inbox channel");
    if (!r->quiet)
        log_event(r, 2, src, tag, bytes);
    ty_trace_close(r);
    double begin = r->ops->now(r);
    ty_req *q = r->ops->irecv(r, src, tag, buf, bytes);
    book_copy(r, src, bytes, begin, r->ops->now(r));
    return q;
}

/* Book [begin, end] as waiting until the message was sent, and as exposed communication from then on. What was
 * on its way before `begin` was hidden: no longer than the network needs for the message. */
static void book_wait(ty_rank *r, const ty_req *q, double begin, double end)
{
    double sent = q->send ? begin : q->sent_at, from = sent > begin ? least(sent, end) : begin;
    const ty_net *net = &r->job->net;
    double flight = net->beta > 0 ? net->alpha + (double)q->bytes / net->beta : 0;
    r->idle_s += end - begin;
    if (r->quiet)
        return;
    r->ledger.wait_s += from - begin;
    r->ledger.comm_exposed_s += end - from;
    if (!q->send)
        r->ledger.comm_hidden_s += least(positive(begin - sent), positive(flight - (end - from)));
    if (r->trace && from > begin)
        ty_trace_add(r, (ty_event){begin, from, TY_EV_WAIT, r->lane, q->peer, 0, 0});
    if (r->trace && end > from)
        ty_trace_add(r, (ty_event){from, end, TY_EV_COMM, r->lane, q->peer, q->bytes, 0});
}

int ty_wait(ty_rank *r, ty_req *q)
{
    ty_req done;
    ty_trace_close(r);
    double begin = r->ops->now(r);
    r->waiting = (ty_waiting){q->send ? TY_IN_SEND : TY_IN_RECV, q->peer, q->tag, q->bytes};
    r->ops->wait(r, q, &done);
    r->waiting.what = TY_RUNNING;
    book_wait(r, &done, begin, r->ops->now(r));
    return done.peer;
}

void ty_send(ty_rank *r, int dst, int tag, const void *buf, size_t bytes)
{
    ty_wait(r, ty_isend(r, dst, tag, buf, bytes));
}

void ty_recv(ty_rank *r, int src, int tag, void *buf, size_t bytes)
{
    ty_wait(r, ty_irecv(r, src, tag, buf, bytes));
}

/* ---- time, lanes, the end -------------------------------------------------------------------- */

double ty_now(ty_rank *r)
{
    return r->ops->now(r);
}

void ty_charge(ty_rank *r, double seconds)
{
    r->ops->charge(r, seconds);
}

/* Sleeping wakes late, so the last moment is watched. */
static void sleep_for(double seconds)
{
    const double end = ty_clock() + seconds, watched = 1e-4;
    for (double left = seconds; left > 0; left = end - ty_clock()) {
        const double nap = left - watched;
        if (nap > 0)
            nanosleep(&(struct timespec){(time_t)nap, (long)(1e9 * fmod(nap, 1))}, NULL);
    }
}

void ty_spend(ty_rank *r, double seconds)
{
    ty_trace_close(r);
    double begin = r->ops->now(r);
    if (r->ops->virtual_time)
        r->ops->charge(r, seconds);
    else if (!r->job->ghost)
        sleep_for(seconds);
    double end = r->ops->now(r);
    if (r->trace && end > begin)
        ty_trace_add(r, (ty_event){begin, end, TY_EV_OVERHEAD, r->lane, -1, 0, 0});
}

ty_lane *ty_fork(ty_rank *r, ty_main fn, void *arg)
{
    ty_trace_close(r);
    double begin = r->ops->now(r);
    ty_lane *l = r->ops->fork(r, fn, arg);
    double gone = r->ops->now(r) - begin; /* the whole lane, where it cannot run beside us */
    r->idle_s += gone;
    r->in_fork_s += gone;
    return l;
}

/* A lane's doings become ours. `blocked` seconds we waited for it; the rest of its communication was hidden. */
static void merge(ty_rank *r, const ty_ledger *lane, double blocked)
{
    double comm = lane->comm_exposed_s + lane->wait_s, waited = least(blocked, comm);
    double exposed = comm > 0 ? lane->comm_exposed_s / comm : 0; /* share of the lane's waiting */
    r->ledger.messages += lane->messages;
    r->ledger.bytes += lane->bytes;
    r->ledger.flops += lane->flops;
    r->ledger.comm_hidden_s += lane->comm_hidden_s + (comm - waited) * exposed;
    r->ledger.comm_exposed_s += waited * exposed;
    r->ledger.wait_s += blocked - waited * exposed;
    mix(&r->ledger.log, lane->log);
}

void ty_join(ty_rank *r, ty_lane *l)
{
    ty_ledger lane;
    ty_trace_close(r);
    double begin = r->ops->now(r);
    r->waiting = (ty_waiting){.what = TY_IN_JOIN, .peer = -1};
    r->ops->join(r, l, &lane);
    r->waiting.what = TY_RUNNING;
    double blocked = r->ops->now(r) - begin;
    if (r->lane > 0) { /* a lane that waits its turn hides nothing by waiting */
        merge(r, &lane, lane.comm_exposed_s + lane.wait_s);
        return;
    }
    r->idle_s += blocked;
    merge(r, &lane, blocked + r->in_fork_s);
    r->in_fork_s = 0;
    if (r->trace && blocked > 0)
        ty_trace_add(r, (ty_event){begin, begin + blocked, TY_EV_COMM, 0, -1, 0, 0});
}

_Noreturn void ty_abort(ty_rank *r, int code)
{
    r->ops->abort(r, code);
}

void ty_ledger_reset(ty_rank *r)
{
    ty_ledger *l = &r->ledger;
    *l = (ty_ledger){.log = LOG_START};
    r->idle_s = r->in_fork_s = 0;
    r->since = r->ops->now(r);
}

ty_ledger ty_ledger_read(ty_rank *r)
{
    ty_ledger l = r->ledger;
    l.compute_s = r->ops->now(r) - r->since - r->idle_s;
    ty_memory_account_read(r->mem, &l);
    return l;
}
