/* SPDX-License-Identifier: MIT
 *
 * The convolutional networks have the layers that their sources give them, and say what they cannot do.
 */
#include "tests/files.h"
#include "workloads/workload.h"

#include <check.h>

typedef struct layer {
    const ty_block_ops *ops;
    size_t in, out, params;
} layer;

static void ck_layers(const ty_problem *p, const layer *layers, int n)
{
    ck_assert_int_eq(p->blocks_n, n);
    for (int i = 0; i < n; i++) {
        const ty_block *b = &p->blocks[i];
        ck_assert_msg(b->ops == layers[i].ops && b->in.n == layers[i].in &&
                          b->out.n == layers[i].out && b->ops->params(b) == layers[i].params,
                      "layer %d is %s %zu -> %zu with %zu parameters", i, b->ops->name, b->in.n,
                      b->out.n, b->ops->params(b));
    }
}

static ty_problem open_as(const char *name, ty_workload_options o)
{
    ty_problem p;
    ty_err e = ty_problem_open(&p, name, &o);
    ck_assert_msg(!e.code, "%s", e.msg);
    return p;
}

START_TEST(lenet_has_the_layers_of_its_paper)
{
    static const layer layers[] = {
        {&ty_block_conv, 784, 6 * 784, 156}, {&ty_block_relu, 6 * 784, 6 * 784, 0},
        {&ty_block_pool, 6 * 784, 1176, 0},  {&ty_block_conv, 1176, 1600, 2416},
        {&ty_block_relu, 1600, 1600, 0},     {&ty_block_pool, 1600, 400, 0},
        {&ty_block_linear, 400, 120, 48120}, {&ty_block_relu, 120, 120, 0},
        {&ty_block_linear, 120, 84, 10164},  {&ty_block_relu, 84, 84, 0},
        {&ty_block_linear, 84, 10, 850},
    };
    ty_problem p = open_as("mnist-lenet", (ty_workload_options){0});
    ck_layers(&p, layers, 11);
    ck_assert_uint_eq(p.params, 61706);
    ty_problem_close(&p);
}
END_TEST

START_TEST(mnist_cnn_has_its_layers)
{
    static const layer layers[] = {
        {&ty_block_conv, 784, 32 * 676, 320},
        {&ty_block_relu, 32 * 676, 32 * 676, 0},
        {&ty_block_conv, 32 * 676, 64 * 576, 18496},
        {&ty_block_relu, 64 * 576, 64 * 576, 0},
        {&ty_block_pool, 64 * 576, 9216, 0},
        {&ty_block_linear, 9216, 128, 1179776},
        {&ty_block_relu, 128, 128, 0},
        {&ty_block_linear, 128, 10, 1290},
    };
    ty_problem p = open_as("mnist-cnn", (ty_workload_options){0});
    ck_layers(&p, layers, 8);
    ty_problem_close(&p);
}
END_TEST

START_TEST(hidden_replaces_the_head)
{
    ty_problem p =
        open_as("mnist-lenet", (ty_workload_options){.hidden = {30, 20, 10, 5}, .hidden_n = 4});
    ck_assert_int_eq(p.blocks_n, 6 + 2 * 4 + 1);
    ck_assert_uint_eq(p.blocks[6].out.n, 30);
    ck_assert_uint_eq(p.blocks[14].in.n, 5);
    ty_problem_close(&p);
}
END_TEST

START_TEST(a_network_without_steps_or_depth_refuses_their_options)
{
    static const ty_workload_options bad[] = {
        {.layers = 2}, {.width = 8}, {.heads = 2}, {.context = 12}};
    ty_problem p;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(ty_problem_open(&p, "mnist-lenet", &bad[i]).code, TY_EUSAGE);
}
END_TEST

/* Images of h x w, two to train on and one to test with. */
static void put_images(const char *dir, unsigned char h, unsigned char w)
{
    static const char *const part[] = {"train", "t10k"};
    for (int i = 0; i < 2; i++) {
        unsigned char x[16 + 2 * 256] = "\0\0\x08\x03\0\0\0", y[10] = "\0\0\x08\x01\0\0\0";
        char name[64];
        const size_t n = i ? 1 : 2;
        x[7] = y[7] = (unsigned char)n;
        x[11] = h;
        x[15] = w;
        snprintf(name, sizeof name, "%s-images-idx3-ubyte", part[i]);
        write_plain(dir, name, x, 16 + n * h * w);
        snprintf(name, sizeof name, "%s-labels-idx1-ubyte", part[i]);
        write_plain(dir, name, y, 8 + n);
    }
}

START_TEST(images_too_small_for_the_filters_are_refused)
{
    static const struct {
        const char *name;
        unsigned char least;
    } net[] = {{"mnist-cnn", 8}, {"mnist-lenet", 12}};
    char dir[PATH_MAX];
    ty_problem p;
    dir_new(dir);
    for (int i = 0; i < 2; i++) {
        const ty_workload_options o = {.data = dir};
        put_images(dir, net[i].least, net[i].least - 1);
        ty_err e = ty_problem_open(&p, net[i].name, &o);
        ck_assert_msg(e.code == TY_EUSAGE && strstr(e.msg, "or more"), "%s", e.msg);
        put_images(dir, net[i].least, net[i].least);
        e = ty_problem_open(&p, net[i].name, &o);
        ck_assert_msg(!e.code, "%s", e.msg);
        for (int b = 0; b < p.blocks_n; b++)
            ck_assert(p.blocks[b].out.n > 0);
        ty_problem_close(&p);
    }
    dir_free(dir);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("workloads/cnn");
    TCase *t = tcase_create("cnn");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, lenet_has_the_layers_of_its_paper);
    tcase_add_test(t, mnist_cnn_has_its_layers);
    tcase_add_test(t, hidden_replaces_the_head);
    tcase_add_test(t, a_network_without_steps_or_depth_refuses_their_options);
    tcase_add_test(t, images_too_small_for_the_filters_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
