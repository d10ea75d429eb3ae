/* SPDX-License-Identifier: MIT
 *
 * threads_copy - the bytes of a message, in blocks that sender and receiver claim: each copies while it has nothing
 * better to do, and neither needs the other. A receiver's own copy is the better one, because it brings the bytes
 * into the cache where they are wanted; so a rank that sends and receives at once first copies what comes to it.
 *
 * A receive belongs to its sender from ty_copy_begin until it is done: only the sender says so, after all blocks.
 */
#include "base/clock.h"
#include "fabric/threads.h"

#include <string.h>

enum { BLOCK = 32768, POLLS = 32 }; /* bytes; looks between two at the clock */

/* Sleeping and being woken on another core costs about 27 us; a wait that is shorter is spun away, and no wait costs
 * more than twice what it must. */
static const double patience = 50e-6; /* [s] */

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static size_t blocks_of(const request *q)
{
    return (q->q.bytes + BLOCK - 1) / BLOCK;
}

void ty_copy_begin(request *q, const void *source)
{
    q->source = source;
    atomic_store(&q->claimed, 0);
    atomic_store(&q->copied, 0);
    atomic_store(&q->landed, 0);
    q->sender = NULL;
    atomic_store(&q->owner->incoming, q);
}

static int is_copied(request *q)
{
    return atomic_load(&q->copied) == blocks_of(q);
}

/* Copy the next block of q; 0: all are claimed. */
static int copy_block(request *q)
{
    const size_t i = atomic_fetch_add(&q->claimed, 1);
    if (i >= blocks_of(q))
        return 0;
    const size_t at = i * BLOCK, left = q->q.bytes - at;
    memcpy((char *)q->buf + at, q->source + at, left < BLOCK ? left : BLOCK);
    atomic_fetch_add(&q->copied, 1);
    return 1;
}

/* Copy a block of what comes to l; 0: nothing does. */
static int pull(ty_lane *l)
{
    request *q = atomic_load(&l->incoming);
    if (!q)
        return 0;
    if (!copy_block(q)) {
        atomic_compare_exchange_strong(&l->incoming, &q, NULL);
        return 0;
    }
    if (is_copied(q)) {
        pthread_mutex_lock(&l->yard->lock);
        atomic_store(&q->landed, 1);
        if (q->sender)
            ty_lane_wake(q->sender);
        pthread_mutex_unlock(&l->yard->lock);
    }
    return 1;
}

/* A core is ours alone, so that spinning takes it from nobody. */
static int patient(const yard *y)
{
    return y->fits && atomic_load(&y->beside) == 0;
}

void ty_copy_linger(ty_lane *l, const atomic_int *done)
{
    double until = 0;
    for (int polls = 0; !atomic_load(done);) {
        if (pull(l)) {
            until = 0;
            continue;
        }
        if (polls++ % POLLS == 0) {
            const double now = ty_clock();
            until = until > 0 ? until : now + patience;
            if (now > until || !patient(l->yard))
                return;
        }
        relax();
    }
}

void ty_copy_finish(ty_lane *l, request *q)
{
    while (!is_copied(q) && (pull(l) || copy_block(q)))
        ;
    if (!is_copied(q)) /* its owner is at the last blocks */
        ty_copy_linger(l, &q->landed);
    pthread_mutex_lock(&l->yard->lock);
    if (!is_copied(q)) {
        q->sender = l;
        ty_lane_block(l, &q->landed);
    }
    ty_request_done(q);
    pthread_mutex_unlock(&l->yard->lock);
}

void ty_copy_aside(message *m)
{
    for (size_t at = 0; at < m->bytes && !atomic_load(&m->taken); at += BLOCK) {
        const size_t left = m->bytes - at;
        memcpy(m->data + at, (const char *)m->buf + at, left < BLOCK ? left : BLOCK);
    }
}
