/* SPDX-License-Identifier: MIT
 *
 * err - the two kinds of mistakes.
 * A user's mistake is a value (ty_err) that is found before a rank starts and passed up with
 * TY_TRY. Our own mistake stops the world (TY_CHECK): rank code has no error paths.
 */
#ifndef TY_BASE_ERR_H
#define TY_BASE_ERR_H

/* Also the exit status of the program. */
enum { TY_OK = 0, TY_EWRONG = 1, TY_EUSAGE = 2, TY_EMISSING = 3, TY_EFIT = 4 };

typedef struct ty_err {
    int  code;     /* TY_OK or what went wrong */
    char msg[240]; /* one line that says what to change; empty when TY_OK */
} ty_err;

ty_err ty_ok(void);
ty_err ty_error(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Return from this function with the error of expr, if it has one. */
#define TY_TRY(expr)                                                                               \
    do {                                                                                           \
        ty_err ty_try_err = (expr);                                                                \
        if (ty_try_err.code != TY_OK)                                                              \
            return ty_try_err;                                                                     \
    } while (0)

/* Stop the world unless cond holds: print "where file:line: message" and abort. */
#define TY_CHECK(cond, ...)                                                                        \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            ty_panic(__FILE__, __LINE__, __VA_ARGS__);                                             \
    } while (0)

_Noreturn void ty_panic(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Writes who is speaking ("rank 3 @0.1840 s") into buf; a fabric sets it, NULL before that. */
extern void (*ty_whereami)(char *buf, unsigned long size);

/* Ends the program after a panic's words; NULL: abort(). Set by the MPI fabric, whose job ends as a whole. */
extern void (*ty_panic_end)(void);

/* malloc and calloc that never return NULL (out of memory stops the world); free() the result. */
void *ty_alloc(unsigned long bytes);
void *ty_zalloc(unsigned long count, unsigned long bytes);

#endif
