/* SPDX-License-Identifier: MIT
 *
 * Text as a sequence of tokens, a byte each.
 */
#include "workloads/dataset_file.h"

#include <stdlib.h>

enum { MOST = 1 << 28 }; /* [B] of text: a token takes four bytes in memory */

/* The whole file into *bytes [*n] (free() it, also after an error). */
static ty_err read_bytes(ty_source *s, uint8_t **bytes, size_t *n)
{
    size_t room = 0;
    for (int got = 1; got > 0; *n += (size_t)got) {
        if (*n == MOST)
            return ty_error(TY_EUSAGE, "%s has more than %d MiB of text; use less of it", s->name,
                            MOST >> 20);
        if (*n == room)
            *bytes = ty_source_grow(s, *bytes, &room, *n + 1, MOST);
        got = gzread(s->gz, *bytes + *n, (unsigned)(room - *n));
        if (got < 0)
            break;
    }
    return ty_source_error(s, ty_ok());
}

/* Number the bytes that occur; token[byte] is one of the symbols then. */
static void find_symbols(ty_sequence *q, const uint8_t *bytes, size_t n, float *token)
{
    uint8_t seen[256] = {0};
    for (size_t i = 0; i < n; i++)
        seen[bytes[i]] = 1;
    for (int c = 0; c < 256; c++)
        if (seen[c]) {
            token[c] = (float)q->symbols;
            q->symbol[q->symbols++] = (uint8_t)c;
        }
}

ty_err ty_dataset_load_text(ty_dataset *d, const char *path, size_t T)
{
    ty_source s;
    uint8_t *bytes = NULL;
    float token[256];
    ty_sequence q = {.T = T, .targets = T, .ahead = 1, .stride = T};
    *d = (ty_dataset){0};
    TY_TRY(ty_source_open(&s, path));
    ty_err e = read_bytes(&s, &bytes, &q.length);
    gzclose(s.gz);
    if (e.code) {
        free(bytes);
        return e;
    }
    find_symbols(&q, bytes, q.length, token);
    q.value = ty_alloc(q.length * sizeof *q.value);
    for (size_t i = 0; i < q.length; i++)
        q.value[i] = token[bytes[i]];
    free(bytes);
    return ty_dataset_sequence_take(d, s.name, q, q.length - q.length / 10);
}
