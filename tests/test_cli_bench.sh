#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What `bench` prints and writes, and what it refuses. Times are asserted where they are simulated.
. "$(dirname "$0")/cli.sh"

# ---- bad input ----
refuses 2 "kernel, step, collective or fabric" bench
refuses 2 "kernel, step, collective or fabric" bench kernel fabric
refuses 2 "did you mean 'kernel'" bench kernels
refuses 2 "did you mean 'convolution'" bench kernel --filter convolutions
refuses 2 "classes are product" bench kernel --filter nothing
refuses 2 "did you mean 'allreduce'" bench collective --filter allreduces
refuses 2 "did you mean 'pingpong'" bench fabric --filter pingpon
refuses 2 "--bytes would change nothing in" bench kernel --bytes 64
refuses 2 "it takes --threads, --gemm, " bench kernel --bytes 64
refuses 2 "it is of pingpong and exchange" bench fabric --filter rate --bytes 64
refuses 2 "--out would change nothing in" bench fabric --out here
refuses 2 "--workers would change nothing in" bench fabric --workers 2
refuses 2 "add --fabric sim" bench collective --platform ideal
refuses 2 "add --fabric sim" bench collective --real
refuses 2 "add --fabric sim" bench fabric --workers-per-node 2
refuses 2 "only waits of --fabric mpi" bench fabric --timeout 5
refuses 2 "--machine would change nothing here" bench fabric --machine machine.yaml
refuses 2 "use 4 or more" bench collective --bytes 3
refuses 2 "cannot read nowhere.yaml" bench collective --machine nowhere.yaml
: >plain
refuses 2 "cannot" bench kernel --filter softmax_xent --quick --out plain/sub
refuses 2 "cannot write" bench kernel --filter softmax_xent --quick --csv plain/rows.csv

# ---- kernel ----
run bench kernel --quick --filter image --csv rows.csv --out roof
exits 0
for words in "multiply-adds on registers" "triad over" DRAM "#wrong" pool_fwd pool_bwd augment "disturbed:"; do
    prints "$words"
done
[ "$(wc -l <rows.csv)" -eq 4 ] || wrong "rows.csv is not a header and three kernels"
cmp -s rows.csv roof/kernels.csv || wrong "--csv differs from the folder's kernels.csv"
awk -F, 'NR > 1 && ($5 != 0 || !($7 <= $6 && $6 <= $8 && $7 > 0) || NF != 18) { exit 1 }' rows.csv ||
    wrong "a row is wrong, has no time or no spread"
exists roof/kernels.csv roof/roof.csv roof/roofline.gp roof/roofline.dat
if command -v gnuplot >/dev/null; then
    exists roof/roofline.svg
    (cd roof && rm roofline.svg && gnuplot roofline.gp) || wrong "roofline.gp does not draw by itself"
    exists roof/roofline.svg
fi
mkdir nothing
(PATH=$work/nothing "$trainyard" bench kernel --quick --filter augment --out bare >out 2>err)
status=$? what="bench kernel without gnuplot"
exits 0
prints "apt-get install gnuplot-nox"
[ ! -e bare/roofline.svg ] || wrong "there is a plot without gnuplot"
run bench kernel --quick --filter softmax_xent --csv -
exits 0
[ "$(wc -l <out)" -eq 2 ] || wrong "--csv - prints more than rows"
grep -q '#wrong' err || wrong "--csv - loses the table"

# ---- collective and fabric, for real ----
run bench collective --quick --filter ring --bytes 4,4096 --workers 2,3 --csv rows.csv
exits 0
prints "busbw"
rings=$("$trainyard" list collectives | grep -c ' ring  ')
[ "$(wc -l <rows.csv)" -eq $((1 + 4 * rings)) ] || wrong "rows.csv has not a row a ring, size and number of workers"
awk -F, 'NR > 1 && !($11 == 0 && $6 > 0 && $10 <= 2 * $9) { exit 1 }' rows.csv || wrong "a row of rows.csv"
run bench fabric --quick --bytes 0,8,100000 --csv rows.csv
exits 0
for words in pingpong exchange rate barrier lane; do
    prints "$words"
done
awk -F, 'NR > 1 && !($5 == 0 && $6 > 0) { exit 1 }' rows.csv || wrong "a message arrives wrong, or in no time"
if command -v mpirun >/dev/null && "$trainyard" list fabrics | grep -q 'mpi.*mpirun$'; then
    OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM # leaks: Open MPI's own
    for part in fabric collective; do
        ASAN_OPTIONS=detect_leaks=0 mpirun -n 2 --oversubscribe "$trainyard" bench $part --fabric mpi --quick --bytes 8,70000 --csv rows.csv >out 2>err
        status=$? what="bench $part on MPI"
        exits 0
        [ "$(grep -c '#wrong:' out)" -eq 1 ] || wrong "$what: not one table"
        [ "$(wc -l <rows.csv)" -gt 5 ] || wrong "$what: too few rows"
    done
fi

# ---- simulated: exact ----
if has_simgrid; then
    run bench collective --fabric sim --platform ideal --network textbook --workers 2,5 --bytes 8..524288*16 --csv first.csv --real
    exits 0
    awk -F, 'NR > 1 && !($11 == "" || $11 == 0) { exit 1 }' first.csv || wrong "a simulated collective is wrong"
    awk -F, 'NR > 1 && $12 != "" { d = $6 / $12 - 1; n++; if (d > 0.01 || d < -0.01) { print; bad = 1 } }
        END { exit bad || n < 20 }' first.csv >err || wrong "time on the ideal platform is not the closed form"
    run bench collective --fabric sim --platform ideal --network textbook --workers 2,5 --bytes 8..524288*16 --csv second.csv
    cut -d, -f1-10 first.csv >a
    cut -d, -f1-10 second.csv >b
    cmp -s a b || wrong "ghosts take another time than numbers"
    run bench fabric --fabric sim --platform ideal --network textbook --bytes 0,1250000 \
        --filter pingpong --csv rows.csv
    exits 0
    awk -F, 'NR > 1 { want = 20e-6 + $3 / 1.25e9; if ($6 < 0.999 * want || $6 > 1.001 * want) exit 1 }' rows.csv ||
        wrong "a simulated message does not take latency + bytes / bandwidth"
fi
finish
