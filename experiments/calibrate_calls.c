/* SPDX-License-Identifier: MIT
 *
 * calibrate_calls - layers as lists of kernel calls: forward in order, backward in reverse.
 */
#include "base/err.h"
#include "base/rng.h"
#include "experiments/calibrate_step.h"
#include "kernels/compress.h"
#include "kernels/kernels.h"
#include "kernels/lstm.h"
#include "kernels/shared.h"
#include "kernels/transformer.h"

#include <string.h>

enum { PAGE = 1024, LINE = 16 }; /* floats: every array begins a line after a page */

enum { LARGE_PAGE = 2 << 20 }; /* [B] */

/* Where the parts of a room begin. */
enum {
    PARAM_AT = 0,
    GRAD_AT = TY_TRIAL_PARAMS,
    STATE_AT = 2 * TY_TRIAL_PARAMS,
    DY_AT = 4 * TY_TRIAL_PARAMS,
    ACTIVE_AT = DY_AT + 2 * TY_TRIAL_WIDEST
};

/* ---- the network so far ---------------------------------------------------------------------- */

static void forward(ty_build *b, ty_trial_call c)
{
    TY_CHECK(b->calls < TY_CALLS, "a trial step of more than %d calls", TY_CALLS);
    c.works += c.works == 0;
    b->call[b->calls++] = c;
}

/* The calls of a layer's backward pass are given last one first. */
static void backward(ty_build *b, ty_trial_call c)
{
    TY_CHECK(b->backs < TY_CALLS, "a trial step of more than %d calls", TY_CALLS);
    c.works += c.works == 0;
    b->back[b->backs++] = c;
}

/* Does a tensor of n floats get large pages? */
static int is_large(size_t n)
{
    return n * sizeof(float) >= LARGE_PAGE;
}

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static float *active(ty_build *b, size_t n)
{
    const int large = is_large(n);
    size_t *used = &b->active[large];
    float *at = b->room->place[large] + ACTIVE_AT + *used + (large ? 0 : LINE);
    *used = up(*used + LINE + n, large ? LARGE_PAGE / sizeof(float) : PAGE);
    TY_CHECK(*used <= TY_TRIAL_ACTIVE, "a trial network of %zu activations", *used);
    return at;
}

/* Parameters lie one behind the other; their gradients at the same place of another array. */
static size_t params(ty_build *b, size_t n)
{
    const size_t at = b->params;
    b->params += n;
    TY_CHECK(b->params <= TY_TRIAL_PARAMS - LINE, "a trial network of %zu parameters", b->params);
    return at;
}

ty_build ty_build_new(ty_trial *t, size_t params, size_t widest)
{
    ty_trial_room *r = &t->room;
    const int large = is_large(params), wide = is_large(widest);
    float *at = r->place[large] + (large ? 0 : LINE), *dy = r->place[wide] + (wide ? 0 : LINE);
    for (size_t i = 0; !r->ready[large] && i < TY_TRIAL_PARAMS - LINE; i++)
        at[PARAM_AT + i] = (float)(0.1 * ty_uniform(1, i) - 0.05);
    r->ready[large] = 1;
    return (ty_build){.t = t,
                      .room = r,
                      .param = at + PARAM_AT,
                      .grad = at + GRAD_AT,
                      .state = {at + STATE_AT, at + STATE_AT + TY_TRIAL_PARAMS},
                      .dy = {dy + DY_AT, dy + DY_AT + TY_TRIAL_WIDEST},
                      .call = t->call,
                      .first = 1};
}

/* Where the gradient of x is; where that of the next layer's output will be. */
static float *dx(const ty_build *b)
{
    return b->dy[b->turn];
}

static float *dy(const ty_build *b)
{
    return b->dy[1 - b->turn];
}

static void leave(ty_build *b, float *y, size_t rows, size_t width)
{
    TY_CHECK(rows * width <= TY_TRIAL_WIDEST - LINE, "a trial layer of %zu numbers", rows * width);
    b->widest = rows * width > b->widest ? rows * width : b->widest;
    b->x = y;
    b->rows = rows;
    b->width = width;
    b->turn = 1 - b->turn;
    b->first = 0;
}

/* ---- the batch ------------------------------------------------------------------------------- */

static void run_copy(const ty_trial_call *c)
{
    ty_kernel_copy(c->p[0], c->p[1], c->n[0]);
}

static void run_fill(const ty_trial_call *c)
{
    ty_kernel_fill(c->p[0], 0, c->n[0]);
}

/* Samples from anywhere in the data set, moved each in its own way, as a loader does. */
static void run_augment(const ty_trial_call *c)
{
    static const double reach[3] = {0.2, 2, 2};
    ty_trial *t = c->t;
    const size_t size = c->n[1] * c->n[1], images = TY_TRIAL_PIXELS / size;
    for (size_t i = 0; i < c->n[0]; i++) {
        const uint64_t key = ty_key(t->steps, i, 0);
        t->image[i] = t->pixels + key % images * size;
        for (unsigned j = 0; j < 3; j++)
            t->move[i][j] = (float)(reach[j] * (2 * ty_uniform(key, j) - 1));
    }
    ty_kernel_augment(c->p[0], t->image, (const float(*)[3])t->move, c->n[0], c->n[1], c->n[1],
                      0.5f, 0.5f);
}

static void run_embedding_fwd(const ty_trial_call *c)
{
    ty_kernel_embedding_fwd(c->p[0], c->p[1], c->p[2], c->p[3], c->n[0], c->n[1], c->n[2], c->n[3]);
}

static void run_embedding_bwd(const ty_trial_call *c)
{
    ty_kernel_embedding_bwd(c->p[0], c->p[1], c->p[2], c->p[3], c->n[0], c->n[1], c->n[2], c->n[3]);
}

void ty_build_numbers(ty_build *b, size_t B, size_t width)
{
    b->x = active(b, B * width);
    b->rows = B;
    b->width = width;
    forward(b, (ty_trial_call){.run = run_copy,
                               .p = {b->x, b->t->data},
                               .n = {B * width},
                               .work = {ty_work_copy(B * width)}});
}

void ty_build_images(ty_build *b, size_t B, size_t side)
{
    b->x = active(b, B * side * side);
    b->rows = B;
    b->width = side * side;
    forward(b, (ty_trial_call){.run = run_augment,
                               .p = {b->x},
                               .n = {B, side},
                               .t = b->t,
                               .work = {ty_work_augment(B, side, side, 1)}});
}

void ty_build_tokens(ty_build *b, size_t B, size_t T, size_t C)
{
    const size_t V = TY_TRIAL_CLASSES, at = params(b, (V + T) * C);
    float *w = b->param + at, *dw = b->grad + at, *y = active(b, B * T * C);
    forward(b, (ty_trial_call){.run = run_embedding_fwd,
                               .p = {y, b->t->tokens, w, w + V * C},
                               .n = {B, T, C, V},
                               .work = {ty_work_embedding_fwd(B, T, C, 1)}});
    backward(b, (ty_trial_call){.run = run_embedding_bwd,
                                .p = {dw, dw + V * C, b->t->tokens, dy(b)},
                                .n = {B, T, C, V},
                                .work = {ty_work_embedding_bwd(B, T, C, 1)}});
    leave(b, y, B * T, C);
}

/* ---- linear layers --------------------------------------------------------------------------- */

static void run_linear_fwd(const ty_trial_call *c)
{
    ty_kernel_linear_fwd(c->p[0], c->p[1], c->p[2], c->p[3], c->n[0], c->n[1], c->n[2]);
}

static void run_linear_bwd_x(const ty_trial_call *c)
{
    ty_kernel_linear_bwd_x(c->p[0], c->p[1], c->p[2], c->n[0], c->n[1], c->n[2]);
}

static void run_linear_bwd_w(const ty_trial_call *c)
{
    ty_kernel_linear_bwd_w(c->p[0], c->p[1], c->p[2], c->n[0], c->n[1], c->n[2]);
}

static void run_linear_bwd_b(const ty_trial_call *c)
{
    ty_kernel_linear_bwd_b(c->p[0], c->p[1], c->n[0], c->n[1]);
}

void ty_build_linear(ty_build *b, size_t out)
{
    const size_t B = b->rows, in = b->width, at = params(b, (in + 1) * out);
    float *w = b->param + at, *dw = b->grad + at, *y = active(b, B * out);
    forward(b, (ty_trial_call){.run = run_linear_fwd,
                               .p = {y, b->x, w, w + in * out},
                               .n = {B, out, in},
                               .work = {ty_work_linear_fwd(B, out, in)}});
    if (!b->first)
        backward(b, (ty_trial_call){.run = run_linear_bwd_x,
                                    .p = {dx(b), dy(b), w},
                                    .n = {B, out, in},
                                    .work = {ty_work_linear_bwd_x(B, out, in)}});
    backward(b, (ty_trial_call){.run = run_linear_bwd_b,
                                .p = {dw + in * out, dy(b)},
                                .n = {B, out},
                                .work = {ty_work_linear_bwd_b(B, out)}});
    backward(b, (ty_trial_call){.run = run_linear_bwd_w,
                                .p = {dw, b->x, dy(b)},
                                .n = {B, out, in},
                                .work = {ty_work_linear_bwd_w(B, out, in)}});
    leave(b, y, B, out);
}

/* ---- element by element ---------------------------------------------------------------------- */

static void run_relu_fwd(const ty_trial_call *c)
{
    ty_kernel_relu_fwd(c->p[0], c->n[0]);
}

static void run_relu_bwd(const ty_trial_call *c)
{
    ty_kernel_relu_bwd(c->p[0], c->p[1], c->n[0]);
}

void ty_build_relu(ty_build *b)
{
    const size_t n = b->rows * b->width;
    forward(b, (ty_trial_call){
                   .run = run_relu_fwd, .p = {b->x}, .n = {n}, .work = {ty_work_relu_fwd(n)}});
    backward(b,
             (ty_trial_call){
                 .run = run_relu_bwd, .p = {dx(b), b->x}, .n = {n}, .work = {ty_work_relu_bwd(n)}});
}

static void run_gelu_fwd(const ty_trial_call *c)
{
    ty_kernel_gelu_fwd(c->p[0], c->p[1], c->n[0]);
}

static void run_gelu_bwd(const ty_trial_call *c)
{
    ty_kernel_gelu_bwd(c->p[0], c->p[1], c->n[0]);
}

/* Backward in place, but forward not: it needs x again. */
void ty_build_gelu(ty_build *b)
{
    const size_t n = b->rows * b->width;
    float *y = active(b, n);
    forward(b, (ty_trial_call){
                   .run = run_gelu_fwd, .p = {y, b->x}, .n = {n}, .work = {ty_work_gelu_fwd(n)}});
    backward(b,
             (ty_trial_call){
                 .run = run_gelu_bwd, .p = {dx(b), b->x}, .n = {n}, .work = {ty_work_gelu_bwd(n)}});
    b->x = y;
}

static void run_add(const ty_trial_call *c)
{
    ty_kernel_add(c->p[0], c->p[1], c->n[0]);
}

void ty_build_residual(ty_build *b, float *from)
{
    const size_t n = b->rows * b->width;
    forward(b,
            (ty_trial_call){.run = run_add, .p = {b->x, from}, .n = {n}, .work = {ty_work_add(n)}});
}

/* ---- images ---------------------------------------------------------------------------------- */

static void run_conv_fwd(const ty_trial_call *c)
{
    ty_kernel_conv_fwd(c->p[0], c->p[1], c->p[2], c->p[3], &c->conv, c->p[4]);
}

static void run_conv_bwd_x(const ty_trial_call *c)
{
    ty_kernel_conv_bwd_x(c->p[0], c->p[1], c->p[2], &c->conv, c->p[3]);
}

static void run_conv_bwd_w(const ty_trial_call *c)
{
    ty_kernel_conv_bwd_w(c->p[0], c->p[1], c->p[2], c->p[3], &c->conv, c->p[4]);
}

size_t ty_build_conv(ty_build *b, size_t C, size_t side, size_t F, size_t K, size_t P)
{
    const ty_conv s = {.B = b->rows, .C = C, .H = side, .W = side, .F = F, .K = K, .P = P};
    const size_t filters = F * C * K * K, at = params(b, filters + F), to = ty_conv_rows(&s);
    float *w = b->param + at, *dw = b->grad + at, *y = active(b, s.B * F * to * to);
    float *space = active(b, ty_conv_workspace(&s));
    ty_trial_call fwd = {.run = run_conv_fwd, .p = {y, b->x, w, w + filters, space}, .conv = s};
    ty_trial_call bwd_x = {.run = run_conv_bwd_x, .p = {dx(b), dy(b), w, space}, .conv = s};
    ty_trial_call bwd_w = {
        .run = run_conv_bwd_w, .p = {dw, dw + filters, b->x, dy(b), space}, .conv = s};
    fwd.works = ty_work_conv_fwd(&s, fwd.work);
    bwd_x.works = ty_work_conv_bwd_x(&s, bwd_x.work);
    bwd_w.works = ty_work_conv_bwd_w(&s, bwd_w.work);
    forward(b, fwd);
    if (!b->first)
        backward(b, bwd_x);
    backward(b, bwd_w);
    leave(b, y, s.B, F * to * to);
    return to;
}

static void run_pool_fwd(const ty_trial_call *c)
{
    ty_kernel_pool_fwd(c->p[0], c->p[1], c->n[0], c->n[1], c->n[1]);
}

static void run_pool_bwd(const ty_trial_call *c)
{
    ty_kernel_pool_bwd(c->p[0], c->p[1], c->p[2], c->n[0], c->n[1], c->n[1]);
}

size_t ty_build_pool(ty_build *b, size_t C, size_t side)
{
    const size_t n = b->rows * C, to = side / 2;
    float *y = active(b, n * to * to);
    forward(b, (ty_trial_call){.run = run_pool_fwd,
                               .p = {y, b->x},
                               .n = {n, side},
                               .work = {ty_work_pool_fwd(n, side, side)}});
    backward(b, (ty_trial_call){.run = run_pool_bwd,
                                .p = {dx(b), dy(b), b->x},
                                .n = {n, side},
                                .work = {ty_work_pool_bwd(n, side, side)}});
    leave(b, y, b->rows, C * to * to);
    return to;
}

/* ---- sequences ------------------------------------------------------------------------------- */

static void run_norm_fwd(const ty_trial_call *c)
{
    ty_kernel_norm_fwd(c->p[0], c->p[1], c->p[2], c->p[3], c->p[4], c->n[0], c->n[1]);
}

/* Accumulates, as around a residual connection. */
static void run_norm_bwd(const ty_trial_call *c)
{
    ty_kernel_norm_bwd(c->p[0], c->p[1], c->p[2], c->p[3], c->p[4], c->p[5], c->p[6], 1, c->n[0],
                       c->n[1]);
}

void ty_build_norm(ty_build *b)
{
    const size_t M = b->rows, C = b->width, at = params(b, 2 * C);
    float *gain = b->param + at, *dgain = b->grad + at, *y = active(b, M * C);
    float *saved = active(b, 2 * M);
    forward(b, (ty_trial_call){.run = run_norm_fwd,
                               .p = {y, saved, b->x, gain, gain + C},
                               .n = {M, C},
                               .work = {ty_work_norm_fwd(M, C)}});
    backward(b, (ty_trial_call){.run = run_norm_bwd,
                                .p = {dx(b), dgain, dgain + C, dy(b), b->x, saved, gain},
                                .n = {M, C},
                                .work = {ty_work_norm_bwd(M, C, 1)}});
    leave(b, y, M, C);
}

static void run_attention_fwd(const ty_trial_call *c)
{
    ty_kernel_attention_fwd(c->p[0], c->p[1], c->p[2], c->p[3], c->n[0], c->n[1], c->n[2], c->n[3]);
}

static void run_attention_bwd(const ty_trial_call *c)
{
    ty_kernel_attention_bwd(c->p[0], c->p[1], c->p[2], c->p[3], c->p[4], c->n[0], c->n[1], c->n[2],
                            c->n[3]);
}

void ty_build_attention(ty_build *b, size_t B, size_t T, size_t H)
{
    const size_t C = b->width / 3;
    float *y = active(b, B * T * C), *p = active(b, ty_kernel_attention_saved(B, T, H));
    float *space = active(b, ty_kernel_attention_space(B, T, C, H));
    ty_trial_call fwd = {.run = run_attention_fwd, .p = {y, p, space, b->x}, .n = {B, T, C, H}};
    ty_trial_call bwd = {
        .run = run_attention_bwd, .p = {dx(b), p, space, dy(b), b->x}, .n = {B, T, C, H}};
    fwd.works = ty_work_attention_fwd(B, T, C, H, fwd.work);
    bwd.works = ty_work_attention_bwd(B, T, C, H, bwd.work);
    forward(b, fwd);
    backward(b, bwd);
    leave(b, y, B * T, C);
}

static ty_lstm lstm_of(const ty_trial_call *c)
{
    const size_t E = c->n[2], H = c->n[3];
    return (ty_lstm){.T = c->n[0],
                     .B = c->n[1],
                     .E = E,
                     .H = H,
                     .wx = c->p[7],
                     .wh = c->p[7] + E * 4 * H,
                     .b = c->p[7] + (E + H) * 4 * H};
}

static void run_lstm_fwd(const ty_trial_call *c)
{
    const ty_lstm l = lstm_of(c);
    ty_kernel_lstm_fwd(&l, c->p[0], c->p[1], c->p[2], c->p[3]);
}

static void run_lstm_bwd(const ty_trial_call *c)
{
    const ty_lstm l = lstm_of(c);
    const size_t E = l.E, H = l.H;
    const ty_lstm_grad d = {
        .dwx = c->p[6], .dwh = c->p[6] + E * 4 * H, .db = c->p[6] + (E + H) * 4 * H};
    ty_kernel_lstm_bwd(&l, &d, c->p[0], c->p[1], c->p[2], c->p[3], c->p[4], c->p[5]);
}

void ty_build_lstm(ty_build *b, size_t T, size_t H)
{
    const size_t B = b->rows, E = b->width / T, at = params(b, (E + H + 1) * 4 * H);
    float *w = b->param + at, *dw = b->grad + at, *y = active(b, T * B * H);
    float *saved = active(b, ty_lstm_saved(T, B, H)), *space = active(b, ty_lstm_space(B, H));
    float *last = y + (T - 1) * B * H, *dlast = dy(b) + (T - 1) * B * H;
    ty_trial_call fwd = {
        .run = run_lstm_fwd, .p = {y, saved, space, b->x, [7] = w}, .n = {T, B, E, H}};
    ty_trial_call bwd = {
        .run = run_lstm_bwd, .p = {dx(b), saved, space, dy(b), y, b->x, dw, w}, .n = {T, B, E, H}};
    fwd.works = ty_work_lstm_fwd(T, B, E, H, fwd.work);
    bwd.works = ty_work_lstm_bwd(T, B, E, H, bwd.work);
    forward(b, fwd);
    backward(b, bwd);
    backward(b, (ty_trial_call){.run = run_fill, /* a loss of the last step alone */
                                .p = {dy(b)},
                                .n = {(T - 1) * B * H},
                                .work = {ty_work_fill((T - 1) * B * H)}});
    TY_CHECK(dlast + B * H <= dy(b) + TY_TRIAL_WIDEST, "a trial sequence of %zu steps", T);
    leave(b, last, B, H);
}

/* ---- the end --------------------------------------------------------------------------------- */

static void run_loss(const ty_trial_call *c)
{
    ty_kernel_softmax_xent(c->p[0], c->p[1], c->p[2], c->n[0], c->n[1], 1 / (float)c->n[0], NULL);
}

/* A learning rate of zero: the numbers stay ordinary however long this runs. */
static void run_sgd(const ty_trial_call *c)
{
    ty_kernel_sgd(c->p[0], c->p[1], c->p[2], c->n[0], 0, 0.9f);
}

static void run_adamw(const ty_trial_call *c)
{
    ty_kernel_adamw(c->p[0], c->p[1], c->p[2], c->p[3], c->n[0], 0, 0.9f, 0.999f, 1e-8f, 0, 1);
}

static void update(ty_build *b, int adamw)
{
    const ty_build *t = b;
    const size_t P = b->params;
    if (adamw)
        forward(b, (ty_trial_call){.run = run_adamw,
                                   .p = {t->param, t->state[0], t->state[1], t->grad},
                                   .n = {P},
                                   .work = {ty_work_adamw(P)}});
    else
        forward(b, (ty_trial_call){.run = run_sgd,
                                   .p = {t->param, t->state[0], t->grad},
                                   .n = {P},
                                   .work = {ty_work_sgd(P)}});
}

static void before_all_else(ty_build *b, ty_trial_call c)
{
    forward(b, c);
    c = b->call[b->calls - 1];
    memmove(b->call + 1, b->call, (size_t)(b->calls - 1) * sizeof *b->call);
    b->call[0] = c;
}

static void run_compress(const ty_trial_call *c)
{
    ty_kernel_compress((ty_compression)c->n[0], c->p[0], c->p[1], c->p[2], c->n[1], c->n[2]);
}

static void run_decompress_add(const ty_trial_call *c)
{
    ty_kernel_decompress_add((ty_compression)c->n[0], c->p[0], c->p[1], c->n[1], c->n[2]);
}

static void pack(ty_build *b, ty_compression how)
{
    const size_t P = b->params, k = P / 100 + 1;
    float *packed = active(b, ty_packed(how, P, k)), *owed = b->t->owed + how * TY_TRIAL_PARAMS;
    forward(b, (ty_trial_call){.run = run_compress,
                               .p = {packed, owed, b->grad},
                               .n = {how, P, k},
                               .work = {ty_work_compress(how, P, k)}});
    forward(b, (ty_trial_call){.run = run_decompress_add,
                               .p = {b->grad, packed},
                               .n = {how, P, k},
                               .work = {ty_work_decompress_add(how, P, k)}});
}

static void run_shared_read(const ty_trial_call *c)
{
    ty_kernel_shared_read(c->p[0], c->p[1], c->n[0]);
}

static void run_shared_add(const ty_trial_call *c)
{
    ty_kernel_shared_add(c->p[0], c->p[1], c->p[2], c->n[0]);
}

/* As parameters never change it does not matter whose they are: what is read is changed as if it were shared. */
static void update_shared(ty_build *b, int adamw)
{
    const size_t P = b->params;
    float *shared = active(b, P), *before = active(b, P);
    forward(b, (ty_trial_call){
                   .run = run_copy, .p = {before, b->param}, .n = {P}, .work = {ty_work_copy(P)}});
    update(b, adamw);
    forward(b, (ty_trial_call){.run = run_shared_add,
                               .p = {shared, b->param, before},
                               .n = {P},
                               .work = {ty_work_shared_add(P)}});
    before_all_else(b, (ty_trial_call){.run = run_shared_read,
                                       .p = {shared, b->param},
                                       .n = {P},
                                       .work = {ty_work_shared_read(P)}});
}

void ty_build_end(ty_build *b, int adamw, ty_trial_team team)
{
    const size_t B = b->rows, C = b->width, P = b->params;
    forward(b, (ty_trial_call){.run = run_loss,
                               .p = {dx(b), b->x, b->t->labels},
                               .n = {B, C},
                               .work = {ty_work_softmax_xent(B, C)}});
    while (b->backs > 0)
        forward(b, b->back[--b->backs]);
    if (team == TY_TEAM_SUMS)
        forward(b, (ty_trial_call){.run = run_add,
                                   .p = {b->grad, b->state[1]},
                                   .n = {P / 2},
                                   .work = {ty_work_add(P / 2)}});
    for (int how = 0; how < TY_COMPRESSIONS && team == TY_TEAM_PACKS; how++)
        pack(b, (ty_compression)how);
    if (team == TY_TEAM_SHARES)
        update_shared(b, adamw);
    else
        update(b, adamw);
    before_all_else(
        b, (ty_trial_call){.run = run_fill, .p = {b->grad}, .n = {P}, .work = {ty_work_fill(P)}});
}
