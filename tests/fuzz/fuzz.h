/* SPDX-License-Identifier: MIT
 *
 * fuzz - what the targets share. Each fuzz_*.c defines LLVMFuzzerTestOneInput: link it with
 * libFuzzer (clang -fsanitize=fuzzer,address) to search, or with replay.c to run seeds and
 * mutations of them in a normal test. The folder seeds/NAME/ is the corpus of fuzz_NAME.
 */
#ifndef TY_TESTS_FUZZ_FUZZ_H
#define TY_TESTS_FUZZ_FUZZ_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every refusal is a user's mistake, told in one line that is not cut off. */
static inline void fuzz_refused(ty_err e)
{
    const size_t n = strlen(e.msg);
    TY_CHECK(e.code == TY_EUSAGE && n > 10 && n < sizeof e.msg - 1, "code %d: '%s'", e.code, e.msg);
    TY_CHECK(!strpbrk(e.msg, "\r\n"), "not one line: '%s'", e.msg);
}

#endif
