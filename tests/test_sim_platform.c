/* SPDX-License-Identifier: MIT
 *
 * Platforms: what each file says about itself is measured, every bad input gets a line that says
 * what to change, and what is generated reads back as the same simulation. Each simulation runs in
 * a child.
 */
#include "base/file.h"
#include "fabric/rank.h"
#include "sim/platform.h"

#include <check.h>
#include <glob.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BYTES = 100000000 };
static const char head[] =
    "<?xml version='1.0'?>\n<!DOCTYPE platform SYSTEM \"https://simgrid.org/simgrid.dtd\">\n"
    "<platform version=\"4.1\">\n<zone id=\"world\" routing=\"Full\">\n";
static const char tail[] = "\n</zone>\n</platform>\n";

static const ty_machine machine = {.cores = 2, .peak_flops = 3e9, .handoff = {3e-7, 7e9}};
static double *seen; /* shared with the child */
static char dir[64], path[128];

static ty_err open_it(ty_platform *p, const char *spec, const char *network, int ranks,
                      int per_host)
{
    ty_network mode;
    ty_err e = ty_network_find(network, &mode);
    return e.code ? e : ty_platform_open(p, spec, mode, ranks, per_host, &machine);
}

static void must_open(ty_platform *p, const char *spec, const char *network, int ranks,
                      int per_host)
{
    ty_err e = open_it(p, spec, network, ranks, per_host);
    ck_assert_msg(e.code == TY_OK, "%s: %s", spec, e.msg);
}

static void must_refuse(const char *spec, const char *network, int ranks, int per_host,
                        const char *because)
{
    ty_platform p;
    ty_err e = open_it(&p, spec, network, ranks, per_host);
    ck_assert_msg(e.code == TY_EUSAGE, "%s was accepted", spec);
    ck_assert_msg(strstr(e.msg, because) != NULL, "'%s' does not say '%s'", e.msg, because);
    ck_assert_ptr_null(strchr(e.msg, '\n'));
    for (const char *c = e.msg; *c; c++)
        ck_assert(*c >= ' ' && *c <= '~');
}

static void write_file(const char *name, const char *data, size_t n)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, n, f), n);
    fclose(f);
}

static void write_zone(const char *name, const char *inside)
{
    char text[4096];
    int n = snprintf(text, sizeof text, "%s%s%s", head, inside, tail);
    write_file(name, text, (size_t)n);
}

static void simulate(const ty_platform *p, int ranks, int threads, ty_main fn)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        ty_job job = {.ranks = ranks,
                      .threads = threads,
                      .busy = 1,
                      .ghost = 1,
                      .machine = &machine,
                      .platform = p};
        alarm(60);
        ty_err e = ty_fabric_sim.run(&job, fn, NULL);
        if (e.code)
            fprintf(stderr, "%s\n", e.msg);
        fflush(NULL);
        _exit(e.code);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/* ---- what a file says is what it does -------------------------------------------------------- */

static void two_messages(ty_rank *r, void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        double begin = ty_now(r);
        if (r->id == 0)
            ty_send(r, 1, 0, NULL, i ? BYTES : 0);
        else if (r->id == 1)
            ty_recv(r, 0, 0, NULL, i ? BYTES : 0);
        seen[i] = ty_now(r) - begin;
    }
}

static double mega_or_giga(char c)
{
    return c == 'G' ? 1e9 : 1e6;
}

START_TEST(each_file_has_the_latency_and_bandwidth_of_its_comment)
{
    glob_t files;
    ck_assert_int_eq(glob(TY_TEST_DIR "/../platforms/*.xml", 0, NULL, &files), 0);
    ck_assert_uint_ge(files.gl_pathc, 3);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char *text, prefix;
        size_t n;
        double us, rate;
        ty_platform p;
        ck_assert(!ty_read_text(files.gl_pathv[i], 1 << 20, &text, &n).code);
        const char *said = strstr(text, "latency + n / bandwidth = ");
        ck_assert_ptr_nonnull(said);
        ck_assert_int_eq(
            sscanf(said, "latency + n / bandwidth = %lf us + n / (%lf %cB/s)", &us, &rate, &prefix),
            3);
        for (int mode = 0; mode < 2; mode++) {
            must_open(&p, files.gl_pathv[i], ty_network_name[mode], 2, 0);
            simulate(&p, 2, 1, two_messages);
            ck_assert_double_eq_tol(seen[0], us * 1e-6, 1e-12);
            ck_assert_double_eq_tol(BYTES / (seen[1] - seen[0]) / (rate * mega_or_giga(prefix)), 1,
                                    1e-9);
            ck_assert_double_eq_tol(p.net.alpha, us * 1e-6, 1e-12);
            ck_assert_double_eq_tol(p.net.beta / (rate * mega_or_giga(prefix)), 1, 1e-9);
            ck_assert(p.uniform && p.one_latency);
            ty_platform_close(&p);
        }
        free(text);
    }
    globfree(&files);
}
END_TEST

START_TEST(names_are_found_and_described)
{
    ty_platform p;
    must_open(&p, "ideal", "textbook", 1024, 0);
    ck_assert_int_eq(p.hosts, 4096);
    ck_assert_int_eq(p.cores, 8);
    ck_assert_double_eq(p.speed, 3e9);
    ck_assert_int_eq(ty_platform_host(&p, 1023), 1023);
    ty_platform_close(&p);
    must_open(&p, "ethernet", "shared", 32, 2);
    ck_assert_int_eq(p.hosts, 16);
    ck_assert_int_eq(ty_platform_host(&p, 31), 15);
    ck_assert_double_eq_tol(p.local.alpha, 1e-6, 1e-15);
    ty_platform_close(&p);
    must_open(&p, "multicore", "textbook", 5, 0); /* the generated one, not multicore.xml */
    ck_assert_int_eq(p.hosts, 1);
    ck_assert_int_eq(p.cores, 2);
    ck_assert_double_eq(p.net.beta, 7e9);
    ck_assert_int_eq(ty_platform_host(&p, 4), 0);
    ty_platform_close(&p);
}
END_TEST

START_TEST(a_cluster_takes_its_keys_and_defaults)
{
    ty_platform p;
    must_open(&p, "cluster:bandwidth=25GBps,latency=5us", "textbook", 9, 0);
    ck_assert_int_eq(p.hosts, 9);
    ck_assert_int_eq(p.cores, 2);
    ck_assert_double_eq(p.speed, 3e9);
    ty_platform_close(&p);
    must_open(&p, "cluster:bandwidth=25GBps,latency=5us", "shared", 9, 4);
    ck_assert_int_eq(p.hosts, 3);
    ty_platform_close(&p);
    must_open(&p, "cluster:nodes=64,cores=8,bandwidth=10Gbps,latency=20us,speed=1Tf", "tcp", 9, 0);
    ck_assert_int_eq(p.hosts, 64);
    ck_assert_int_eq(p.cores, 8);
    ck_assert_double_eq(p.speed, 1e12);
    ck_assert_double_eq_tol(p.net.alpha, 20e-6, 1e-18);
    ck_assert_double_eq_tol(p.net.beta, 1.25e9, 1e-3);
    ty_platform_close(&p);
}
END_TEST

/* ---- bad input ------------------------------------------------------------------------------- */

START_TEST(a_bad_name_gets_the_nearest)
{
    must_refuse("ethernot", "shared", 2, 0, "did you mean 'ethernet'?");
    must_refuse("multicor", "shared", 2, 0, "did you mean 'multicore'?");
    must_refuse("zzzzzzzz", "shared", 2, 0, "use multicore, cluster:");
    must_refuse("", "shared", 2, 0, "unknown platform");
    must_refuse("ideal", "txtbook", 2, 0, "did you mean 'textbook'?");
    must_refuse("ideal", "qqq", 2, 0, "use textbook, shared or tcp");
}
END_TEST

START_TEST(a_bad_cluster_says_what_to_change)
{
    must_refuse("cluster:nods=4,bandwidth=1Gbps,latency=1us", "shared", 2, 0,
                "did you mean 'nodes'?");
    must_refuse("cluster:qqqqqqq=4", "shared", 2, 0, "use nodes, cores");
    must_refuse("cluster:nodes=4,latency=1us", "shared", 2, 0, "bandwidth is missing");
    must_refuse("cluster:bandwidth=1Gbps", "shared", 2, 0, "latency is missing");
    must_refuse("cluster", "shared", 2, 0, "is missing");
    must_refuse("cluster:", "shared", 2, 0, "is missing");
    must_refuse("cluster:nodes,bandwidth=1Gbps", "shared", 2, 0, "not key=value");
    must_refuse("cluster:nodes=0,bandwidth=1Gbps,latency=1us", "shared", 2, 0, "out of range");
    must_refuse("cluster:bandwidth=fast,latency=1us", "shared", 2, 0, "10Gbps");
    must_refuse("cluster:bandwidth=0Gbps,latency=1us", "shared", 2, 0, "more than 0");
    must_refuse("cluster:bandwidth=1Gbps,latency=-1us", "shared", 2, 0, "latency");
    must_refuse("cluster:bandwidth=1Gbps,bandwidth=2Gbps,latency=1us", "shared", 2, 0, "twice");
    must_refuse("cluster:nodes=4,bandwidth=1Gbps,latency=1us", "shared", 9, 2,
                "4 hosts, too few for 9 workers");
    must_refuse("cluster:nodes=4,bandwidth=1Gbps,latency=1us", "shared", 9, 0,
                "--workers-per-node 3");
    must_refuse("cluster:cores=2,bandwidth=1Gbps,latency=1us", "textbook", 9, 3,
                "--network shared");
}
END_TEST

START_TEST(a_bad_file_gets_one_line_with_its_line_number)
{
    char junk[3000];
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (char)(i * 37 + i / 7);
    write_zone("key.xml", "<host id=\"a\" sped=\"1Gf\"/>");
    must_refuse(path, "shared", 1, 0, "line 5: Bad attribute");
    write_zone("open.xml", "<host id=\"a\" speed=\"1Gf\">");
    must_refuse(path, "shared", 1, 0, "line 6:");
    write_zone("unit.xml", "\n<host id=\"a\" speed=\"1Gx\"/>");
    must_refuse(path, "shared", 1, 0, "line 6: unknown unit");
    write_zone("none.xml", "");
    must_refuse(path, "shared", 1, 0, "it has 0 hosts");
    write_zone("route.xml", "<host id=\"a\" speed=\"1Gf\"/><host id=\"b\" speed=\"1Gf\"/>");
    must_refuse(path, "shared", 1, 0, "there is no route");
    write_file("empty.xml", "", 0);
    must_refuse(path, "shared", 1, 0, "is empty");
    write_file("junk.xml", junk, sizeof junk);
    must_refuse(path, "shared", 1, 0, "zero bytes");
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (char)(junk[i] ? junk[i] : 'x');
    write_file("letters.xml", junk, sizeof junk);
    must_refuse(path, "shared", 1, 0, "line 1");
    must_refuse("/", "shared", 1, 0, "is not a file");
    must_refuse("missing.xml", "shared", 1, 0, "there is no platform file missing.xml");
    must_refuse("./missing", "shared", 1, 0, "there is no platform file ./missing");
}
END_TEST

START_TEST(too_few_hosts_says_how_many_there_are)
{
    must_refuse("ethernet", "shared", 30, 0,
                "16 hosts, too few for 30 workers at 1 a node; use --workers-per-node 2");
    must_refuse("multicore", "shared", 4, 2, "one host");
}
END_TEST

static const char uneven[] =
    "<host id=\"a\" speed=\"1Gf\"/><host id=\"b\" speed=\"2Gf\" core=\"4\"/>\n"
    "<link id=\"l\" bandwidth=\"1GBps\" latency=\"1us\"/><link id=\"m\" bandwidth=\"1GBps\" "
    "latency=\"%s\"/>\n"
    "<route src=\"a\" dst=\"b\" symmetrical=\"NO\"><link_ctn id=\"l\"/></route>\n"
    "<route src=\"b\" dst=\"a\" symmetrical=\"NO\"><link_ctn id=\"m\"/></route>\n";

START_TEST(textbook_refuses_a_platform_whose_routes_differ)
{
    ty_platform p;
    char inside[1024];
    snprintf(inside, sizeof inside, uneven, "2us");
    write_zone("uneven.xml", inside);
    must_refuse(path, "textbook", 2, 0, "use --network shared");
    must_open(&p, path, "shared", 2, 0);
    ck_assert(!p.uniform && !p.one_latency);
    ck_assert_int_eq(p.cores, 1);
    ck_assert_double_eq(p.speed, 1e9);
    ty_platform_close(&p);
}
END_TEST

static void compute(ty_rank *r, void *arg)
{
    (void)arg;
    ty_charge(r, 1);
    seen[r->id] = ty_now(r);
}

START_TEST(textbook_keeps_the_speed_of_each_host)
{
    ty_platform p;
    char inside[1024];
    snprintf(inside, sizeof inside, uneven, "1us");
    write_zone("even.xml", inside);
    must_open(&p, path, "textbook", 2, 0);
    ck_assert(p.uniform);
    simulate(&p, 2, 1, compute);
    ck_assert_double_eq_tol(seen[0], 3, 1e-12); /* the machine does 3 Gflop/s */
    ck_assert_double_eq_tol(seen[1], 1.5, 1e-12);
    simulate(&p, 2, 1, two_messages);
    ck_assert_double_eq_tol(seen[0], 1e-6, 1e-12);
    ty_platform_close(&p);
}
END_TEST

START_TEST(hosts_are_placed_by_the_numbers_in_their_names)
{
    char *text;
    size_t size;
    ty_platform p;
    FILE *f = open_memstream(&text, &size);
    fputs(head, f);
    for (int i = 0; i < 12; i++) /* host i computes i + 1 times as fast */
        fprintf(f, "<host id=\"h%d.lab\" speed=\"%dGf\"/>\n", i, i + 1);
    fputs("<link id=\"l\" bandwidth=\"1GBps\" latency=\"1us\"/>\n", f);
    for (int i = 0; i < 12; i++)
        for (int j = 0; j < i; j++)
            fprintf(f, "<route src=\"h%d.lab\" dst=\"h%d.lab\"><link_ctn id=\"l\"/></route>\n", i,
                    j);
    fputs(tail, f);
    fclose(f);
    write_file("names.xml", text, size);
    free(text);
    must_open(&p, path, "shared", 12, 0);
    simulate(&p, 12, 1, compute);
    for (int i = 0; i < 12; i++)
        ck_assert_double_eq_tol(seen[i], 3.0 / (i + 1), 1e-12);
    ty_platform_close(&p);
}
END_TEST

/* ---- written and read back ------------------------------------------------------------------- */

/* Charges, a ring, everybody to rank 0. */
static void mixture(ty_rank *r, void *arg)
{
    int n = r->job->ranks, right = (r->id + 1) % n, left = (r->id + n - 1) % n;
    (void)arg;
    for (int s = 0; s < 5; s++) {
        ty_charge(r, 1e-4 * (r->id + s));
        ty_req *out = ty_isend(r, right, 0, NULL, 77777), *in = ty_irecv(r, left, 0, NULL, 77777);
        ty_wait(r, in);
        ty_wait(r, out);
    }
    if (r->id)
        ty_send(r, 0, 1, NULL, 123456);
    for (int i = 1; r->id == 0 && i < n; i++)
        ty_recv(r, i, 1, NULL, 123456);
    seen[r->id] = ty_now(r);
}

START_TEST(a_platform_that_is_written_reads_back_as_the_same_simulation)
{
    static const struct {
        const char *spec, *network;
        int ranks, per_host;
    } c[] = {
        {"multicore", "textbook", 3, 0},
        {"ideal", "textbook", 6, 0},
        {"ideal", "textbook", 6, 2},
        {"ethernet", "shared", 6, 2},
        {"cluster:bandwidth=3.3Gbps,latency=7us", "shared", 6, 2},
        {"cluster:bandwidth=3.3Gbps,latency=7us", "textbook", 5, 2},
        {"cluster:bandwidth=3.3Gbps,latency=7us,speed=1.7Gf", "tcp", 5, 0},
        {"cluster:bandwidth=3.3Gbps,latency=7us,speed=1.7Gf,cores=1", "shared", 6, 3},
    };
    const int i = _i, n = c[i].ranks;
    double first[8];
    ty_platform p, q;
    must_open(&p, c[i].spec, c[i].network, n, c[i].per_host);
    simulate(&p, n, 1, mixture);
    memcpy(first, seen, sizeof first);
    snprintf(path, sizeof path, "%s/written.xml", dir);
    ck_assert(!ty_platform_write(&p, path).code);
    must_open(&q, path, c[i].network, n, c[i].per_host);
    memset(seen, 0, sizeof first);
    simulate(&q, n, 1, mixture);
    ck_assert_mem_eq(first, seen, (size_t)n * sizeof *first);
    ck_assert_double_eq(p.net.alpha, q.net.alpha);
    ck_assert_double_eq(p.local.beta, q.local.beta);
    ck_assert_double_eq(p.speed, q.speed);
    ck_assert_int_eq(p.ranks_per_host, q.ranks_per_host);
    ck_assert_int_eq(p.hosts, q.hosts);
    ck_assert_int_eq(p.cores, q.cores);
    ck_assert_ptr_nonnull(strstr(p.xml, "<!--"));
    ty_platform_close(&p);
    ty_platform_close(&q);
}
END_TEST

START_TEST(a_place_that_cannot_be_written_is_an_error)
{
    ty_platform p;
    must_open(&p, "multicore", "textbook", 3, 0);
    ck_assert_int_eq(ty_platform_write(&p, "/nowhere/at/all.xml").code, TY_EUSAGE);
    ty_platform_close(&p);
}
END_TEST

int main(void)
{
    char command[128];
    strcpy(dir, "/tmp/test_sim_platform.XXXXXX");
    if (!mkdtemp(dir))
        return 1;
    seen = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    setenv("TRAINYARD_PLATFORMS", TY_TEST_DIR "/../platforms", 1);
    Suite *s = suite_create("sim/platform");
    TCase *t = tcase_create("platform");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, each_file_has_the_latency_and_bandwidth_of_its_comment);
    tcase_add_test(t, names_are_found_and_described);
    tcase_add_test(t, a_cluster_takes_its_keys_and_defaults);
    tcase_add_test(t, a_bad_name_gets_the_nearest);
    tcase_add_test(t, a_bad_cluster_says_what_to_change);
    tcase_add_test(t, a_bad_file_gets_one_line_with_its_line_number);
    tcase_add_test(t, too_few_hosts_says_how_many_there_are);
    tcase_add_test(t, textbook_refuses_a_platform_whose_routes_differ);
    tcase_add_test(t, textbook_keeps_the_speed_of_each_host);
    tcase_add_test(t, hosts_are_placed_by_the_numbers_in_their_names);
    tcase_add_loop_test(t, a_platform_that_is_written_reads_back_as_the_same_simulation, 0, 8);
    tcase_add_test(t, a_place_that_cannot_be_written_is_an_error);
    suite_add_tcase(s, t);
    SRunner *runner = srunner_create(s);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command) || failed ? 1 : 0;
}
