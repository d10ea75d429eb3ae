/* SPDX-License-Identifier: MIT
 *
 * augment - decode, normalise, rotate and shift grey images.
 * The content of the image turns by `angle` from the x axis (right) towards the y axis (down) about
 * the centre ((w-1)/2, (h-1)/2) and then moves by (dx, dy), so the pixel at p shows the source at
 * R(-angle) (p - centre - d) + centre, interpolated between its four neighbours.
 */
#include "kernels/kernels.h"
#include "kernels/threads.h"

#include <math.h>
#include <string.h>

enum {
    FRAMED =
        4096, /* floats of an image with its frame that go on the stack: up to 61 x 61 pixels */
    GRAIN = 8 /* images worth a thread */
};

typedef struct job {
    float *out;
    const uint8_t *const *image;
    const float (*move)[3];
    size_t h, w;
    float gain, offset; /* out = gain * byte + offset */
} job;

static void decode(const job *j, float *restrict out, const uint8_t *restrict image)
{
    const size_t n = j->h * j->w;
    const float gain = j->gain, offset = j->offset;
    for (size_t i = 0; i < n; i++)
        out[i] = gain * (float)image[i] + offset;
}

/* The source of pixel (x,y) is (sx + c x + s y, sy - s x + c y). */
typedef struct turn {
    float sx, sy, c, s;
} turn;

static turn turn_of(const job *j, const float move[3])
{
    const double c = cos((double)move[0]), s = sin((double)move[0]);
    const double cx = ((double)j->w - 1) / 2, cy = ((double)j->h - 1) / 2;
    const double px = cx + (double)move[1], py = cy + (double)move[2];
    return (turn){(float)(cx - c * px - s * py), (float)(cy + s * px - c * py), (float)c, (float)s};
}

/* Clamping to the frame of zeros makes everything outside background, without a branch. */
static float clamp(float x, float last)
{
    x = x > -1 ? x : -1; /* also for a NaN */
    return x < last ? x : last;
}

/* A row of pixels from the framed image f, whose pixel (0,0) stands at f[step + 1]. */
static void row_framed(const job *j, float *restrict out, const float *restrict f, int step, turn t)
{
    const int w = (int)j->w;
    const float right = (float)j->w, down = (float)j->h, gain = j->gain, offset = j->offset;

    for (int x = 0; x < w; x++) {
        const float u = clamp(t.sx + t.c * (float)x, right) + 1;
        const float v = clamp(t.sy - t.s * (float)x, down) + 1;
        const int ui = (int)u, vi = (int)v; /* not negative: truncation is floor */
        const float fu = u - (float)ui, fv = v - (float)vi;
        const int at = vi * step + ui;
        const float top = f[at] + fu * (f[at + 1] - f[at]);
        const float bottom = f[at + step] + fu * (f[at + step + 1] - f[at + step]);
        out[x] = gain * (top + fv * (bottom - top)) + offset;
    }
}

static void move_framed(const job *j, float *out, const uint8_t *image, turn t)
{
    float framed[FRAMED];
    const size_t step = j->w + 3;

    memset(framed, 0, step * (j->h + 3) * sizeof *framed);
    for (size_t y = 0; y < j->h; y++)
        for (size_t x = 0; x < j->w; x++)
            framed[(y + 1) * step + x + 1] = image[y * j->w + x];
    for (size_t y = 0; y < j->h; y++) {
        const turn at = {t.sx + t.s * (float)y, t.sy + t.c * (float)y, t.c, t.s};
        row_framed(j, out + y * j->w, framed, (int)step, at);
    }
}

/* The same from the bytes of an image too large to be framed on the stack. */
static float pixel(const job *j, const uint8_t *image, int x, int y)
{
    const int inside = x >= 0 && y >= 0 && x < (int)j->w && y < (int)j->h;
    return inside ? (float)image[(size_t)y * j->w + (size_t)x] : 0;
}

static float sample(const job *j, const uint8_t *image, float x, float y)
{
    const float u = clamp(x, (float)j->w) + 1, v = clamp(y, (float)j->h) + 1;
    const int ui = (int)u, vi = (int)v;
    const float fu = u - (float)ui, fv = v - (float)vi;
    const float p00 = pixel(j, image, ui - 1, vi - 1), p01 = pixel(j, image, ui, vi - 1);
    const float p10 = pixel(j, image, ui - 1, vi), p11 = pixel(j, image, ui, vi);
    const float top = p00 + fu * (p01 - p00), bottom = p10 + fu * (p11 - p10);
    return j->gain * (top + fv * (bottom - top)) + j->offset;
}

static void move_direct(const job *j, float *out, const uint8_t *image, turn t)
{
    for (size_t y = 0; y < j->h; y++)
        for (size_t x = 0; x < j->w; x++) {
            const float fx = (float)x, fy = (float)y;
            out[y * j->w + x] =
                sample(j, image, t.sx + t.s * fy + t.c * fx, t.sy + t.c * fy - t.s * fx);
        }
}

static void images(void *arg, size_t lo, size_t hi)
{
    const job *j = arg;
    const int framed = (j->w + 3) * (j->h + 3) <= FRAMED;

    for (size_t i = lo; i < hi; i++) {
        float *out = j->out + i * j->h * j->w;
        if (!j->move)
            decode(j, out, j->image[i]);
        else if (framed)
            move_framed(j, out, j->image[i], turn_of(j, j->move[i]));
        else
            move_direct(j, out, j->image[i], turn_of(j, j->move[i]));
    }
}

void ty_kernel_augment(float *out, const uint8_t *const *image, const float (*move)[3], size_t B,
                       size_t h, size_t w, float mean, float std)
{
    ty_share(B, GRAIN, images, &(job){out, image, move, h, w, 1 / (255 * std), -mean / std});
}

/* A pixel: gain and offset 2; moved also source 8, clamps 4, fractions 2, three interpolations
 * of 3. Reads a byte and writes a float. */
ty_work ty_work_augment(size_t B, size_t h, size_t w, int moved)
{
    const double n = (double)(B * h * w);
    if (moved)
        return (ty_work){TY_CLASS_AUGMENT, B * h, w, 1, 25 * n, 5 * n};
    return (ty_work){TY_CLASS_STREAM, B * h * w, 1, 1, 2 * n, 5 * n}; /* a plain decode streams */
}
