/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* MADV_HUGEPAGE */
#include "fabric/memory.h"

#include "base/err.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

typedef struct spare { /* a pooled buffer: this header, then the data */
    struct spare *next;
    size_t bytes;
    char pad[48]; /* keeps the data aligned to 64 bytes */
} spare;

struct ty_memory_account {
    pthread_mutex_t lock;
    ty_ledger book; /* only its memory fields */
    spare *pool;
};

ty_memory_account *ty_memory_account_new(void)
{
    ty_memory_account *a = ty_zalloc(1, sizeof *a);
    pthread_mutex_init(&a->lock, NULL);
    return a;
}

void ty_memory_account_free(ty_memory_account *a)
{
    for (spare *s = a->pool, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    pthread_mutex_destroy(&a->lock);
    free(a);
}

void ty_memory_account_read(ty_memory_account *a, ty_ledger *l)
{
    pthread_mutex_lock(&a->lock);
    memcpy(l->now_bytes, a->book.now_bytes, sizeof l->now_bytes);
    memcpy(l->peak_bytes, a->book.peak_bytes, sizeof l->peak_bytes);
    l->total_bytes = a->book.total_bytes;
    l->total_peak = a->book.total_peak;
    pthread_mutex_unlock(&a->lock);
}

void ty_memory_account_restore(ty_memory_account *a, const ty_ledger *l)
{
    pthread_mutex_lock(&a->lock);
    memcpy(a->book.peak_bytes, l->peak_bytes, sizeof l->peak_bytes);
    a->book.total_peak = l->total_peak;
    pthread_mutex_unlock(&a->lock);
}

static void book(ty_memory_account *a, ty_memory c, size_t bytes)
{
    a->book.now_bytes[c] += bytes;
    a->book.total_bytes += bytes;
    if (a->book.now_bytes[c] > a->book.peak_bytes[c])
        a->book.peak_bytes[c] = a->book.now_bytes[c];
    if (a->book.total_bytes > a->book.total_peak)
        a->book.total_peak = a->book.total_bytes;
}

static void unbook(ty_memory_account *a, ty_memory c, size_t bytes)
{
    TY_CHECK(a->book.now_bytes[c] >= bytes, "more %s freed than taken", ty_memory_name[c]);
    a->book.now_bytes[c] -= bytes;
    a->book.total_bytes -= bytes;
}

enum { HUGE_PAGE = 2 << 20 };

/* Large buffers on large pages, where the system grants them: fewer misses of the address cache, and neighbours in the
 * tensor are neighbours in the second cache. */
static void *aligned(size_t bytes)
{
    void *p;
    const size_t room = (bytes + 127) / 64 * 64;
    const int bad = posix_memalign(&p, room >= HUGE_PAGE ? HUGE_PAGE : 64, room);
    TY_CHECK(!bad, "out of memory: %zu bytes", bytes);
#ifdef MADV_HUGEPAGE
    if (room >= HUGE_PAGE)
        madvise(p, room, MADV_HUGEPAGE); /* refused: merely slower */
#endif
    return p;
}

float *ty_memory_take(ty_memory_account *a, ty_memory category, size_t bytes, int real)
{
    pthread_mutex_lock(&a->lock);
    book(a, category, bytes);
    pthread_mutex_unlock(&a->lock);
    return real ? memset(aligned(bytes), 0, bytes) : NULL;
}

void ty_memory_give(ty_memory_account *a, ty_memory category, size_t bytes, float *data)
{
    pthread_mutex_lock(&a->lock);
    unbook(a, category, bytes);
    pthread_mutex_unlock(&a->lock);
    free(data);
}

/* The first spare that is large enough and not more than twice as large, unlinked; NULL: none. */
static spare *find_spare(ty_memory_account *a, size_t bytes)
{
    for (spare **p = &a->pool; *p; p = &(*p)->next)
        if ((*p)->bytes >= bytes && (*p)->bytes / 2 <= bytes) {
            spare *s = *p;
            *p = s->next;
            return s;
        }
    return NULL;
}

float *ty_memory_borrow(ty_memory_account *a, size_t bytes, int real)
{
    pthread_mutex_lock(&a->lock);
    book(a, TY_BUFFER, bytes);
    spare *s = real ? find_spare(a, bytes) : NULL;
    pthread_mutex_unlock(&a->lock);
    if (!real)
        return NULL;
    if (!s) {
        s = aligned(sizeof *s + bytes);
        s->bytes = bytes;
    }
    return (float *)(void *)(s + 1);
}

void ty_memory_return(ty_memory_account *a, size_t bytes, float *data)
{
    pthread_mutex_lock(&a->lock);
    unbook(a, TY_BUFFER, bytes);
    if (data) {
        spare *s = (spare *)(void *)data - 1;
        s->next = a->pool;
        a->pool = s;
    }
    pthread_mutex_unlock(&a->lock);
}
