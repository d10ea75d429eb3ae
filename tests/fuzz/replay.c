/* SPDX-License-Identifier: MIT
 *
 * replay - feeds a fuzz target without libFuzzer:
 *     fuzz_NAME [-n MUTATIONS] [-s SEED] FILE...
 * Each file as it is, its beginnings, then 2,000 mutations in turn. The same seed feeds the same
 * inputs; when the target stops the program, the input is left behind in ./fuzz_NAME.input.
 */
#include "base/rng.h"
#include "tests/fuzz/fuzz.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LARGEST = 1 << 16, FILES = 64 };

typedef struct input {
    uint8_t b[LARGEST];
    size_t n;
} input;

static input now; /* what the target is being fed */
static char left_behind[256];
static uint64_t key, drawn;

static size_t below(size_t n) /* uniform in [0, n); 0 when n is 0 */
{
    return (size_t)(ty_uniform(key, drawn++) * (double)n);
}

static void save_input(int signal_number)
{
    FILE *f = fopen(left_behind, "wb");
    if (f) {
        fwrite(now.b, 1, now.n, f);
        fclose(f);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

/* The target gets a block of exactly n bytes: a sanitizer sees the first byte too far. */
static void feed(void)
{
    uint8_t *exact = malloc(now.n ? now.n : 1);
    TY_CHECK(exact, "out of memory");
    memcpy(exact, now.b, now.n);
    LLVMFuzzerTestOneInput(exact, now.n);
    free(exact);
}

static int read_input(input *in, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return 0;
    in->n = fread(in->b, 1, LARGEST, f);
    fclose(f);
    return 1;
}

static void cut(void) /* a piece out of the middle */
{
    const size_t at = below(now.n), n = below(now.n - at) + (at < now.n);
    memmove(now.b + at, now.b + at + n, now.n - at - n);
    now.n -= n;
}

static void repeat(void) /* a piece twice */
{
    const size_t at = below(now.n), n = below(now.n - at);
    if (now.n + n > LARGEST)
        return;
    memmove(now.b + at + n, now.b + at, now.n - at);
    now.n += n;
}

static void set_word(void) /* up to 4 bytes that look like a size */
{
    static const uint32_t word[] = {0,   1,     2,          7,          28,        255,
                                    256, 65536, 0x7fffffff, 0x80000000, 0xffffffff};
    const uint32_t v = word[below(sizeof word / sizeof *word)];
    const size_t at = now.n < 32 || below(2) ? below(now.n) : 4 * below(8);
    for (size_t i = 0; i < 4 && at + i < now.n; i++)
        now.b[at + i] = (uint8_t)(v >> (24 - 8 * i));
}

static void set_byte(void) /* to what means something in a text, or to anything */
{
    static const char text[] = "0123456789,..*-+eExkMGTPnumsbBpf=:\n\r \t";
    if (now.n)
        now.b[below(now.n)] = below(2) ? (uint8_t)text[below(sizeof text)] : (uint8_t)below(256);
}

static void flip_bit(void)
{
    if (now.n)
        now.b[below(now.n)] ^= (uint8_t)(1u << below(8));
}

static void mutate(void)
{
    static void (*const change[])(void) = {cut, repeat, set_word, set_byte, set_byte, flip_bit};
    for (size_t i = below(4) + 1; i > 0; i--)
        change[below(sizeof change / sizeof *change)]();
}

/* Every beginning of the input, up to 64 of them. */
static void feed_beginnings(const input *in)
{
    const size_t step = in->n / 64 + 1;
    for (size_t n = 0; n < in->n; n += step) {
        now = *in;
        now.n = n;
        feed();
    }
}

static size_t number(const char *text)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);
    TY_CHECK(end != text && !*end, "'%s' is not a number", text);
    return v;
}

int main(int argc, char **argv)
{
    static input file[FILES];
    size_t mutations = 2000, seed = 1, files = 0;
    const char *slash = strrchr(argv[0], '/');
    snprintf(left_behind, sizeof left_behind, "%.200s.input", slash ? slash + 1 : argv[0]);
    for (int opt; (opt = getopt(argc, argv, "n:s:")) != -1;) {
        if (opt == '?')
            return TY_EUSAGE;
        *(opt == 'n' ? &mutations : &seed) = number(optarg);
    }
    for (; optind < argc && files < FILES; optind++)
        if (!read_input(&file[files++], argv[optind])) {
            fprintf(stderr, "cannot read %s\n", argv[optind]);
            return TY_EUSAGE;
        }
    if (!files) {
        fprintf(stderr, "usage: %s [-n MUTATIONS] [-s SEED] FILE...\n", argv[0]);
        return TY_EUSAGE;
    }
    signal(SIGABRT, save_input);
    signal(SIGSEGV, save_input);
    for (size_t i = 0; i < files; i++) {
        now = file[i];
        feed();
        feed_beginnings(&file[i]);
    }
    for (size_t i = 0; i < mutations; i++) {
        key = ty_key(seed, i, 0);
        drawn = 0;
        now = file[i % files];
        mutate();
        feed();
    }
    printf("%zu files and %zu mutations\n", files, mutations);
    return 0;
}
