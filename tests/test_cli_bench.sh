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
refuses 2 "a hierarchical all-reduce" bench collective --filter tree --workers-per-node 1
refuses 2 "a hierarchical all-reduce" bench collective --crossover ring,tree --workers-per-node 1
refuses 2 "only waits of --fabric mpi" bench fabric --timeout 5
refuses 2 "--machine would change nothing here" bench fabric --machine machine.yaml
refuses 2 "use 4 or more" bench collective --bytes 3
refuses 2 "cannot read nowhere.yaml" bench collective --machine nowhere.yaml
: >plain
refuses 2 "cannot" bench kernel --filter softmax_xent --quick --out plain/sub
refuses 2 "cannot write" bench kernel --filter softmax_xent --quick --csv plain/rows.csv

if has_simgrid; then
    refuses 2 "too few for 32 workers" bench collective --fabric sim --platform ethernet --workers 2,32,4
fi
for pair in ring ring, ring,tree,star; do
    refuses 2 "write for example ring,tree" bench collective --crossover $pair
done
refuses 2 "did you mean 'tree'" bench collective --crossover ring,trees
refuses 2 "unknown algorithm of broadcast 'ring'" bench collective --filter broadcast --crossover ring,chain
refuses 2 "ring stands there twice" bench collective --crossover ring,ring
refuses 2 "alltoall has no other algorithm than pairwise" bench collective --filter alltoall --crossover pairwise,ring
refuses 2 "did you mean 'allreduce'" bench collective --filter allreduc --crossover ring,tree
refuses 2 "unknown operation" bench collective --filter ring --crossover ring,tree
refuses 2 "--bytes gives one" bench collective --crossover ring,tree --bytes 4k
refuses 2 "--crossover would change nothing in" bench fabric --crossover ring,tree
refuses 2 "is out of range" bench collective --bytes 4k..9G*4
refuses 2 "is out of range" bench collective --piece-bytes 3
refuses 2 "it belongs to broadcast chain" bench collective --filter ring --piece-bytes 4k
refuses 2 "--piece-bytes would change nothing in" bench fabric --piece-bytes 4k
refuses 2 "cannot" bench collective --quick --filter tree --bytes 4k --out plain/sub

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

# ---- pictures ----
run bench collective --quick --filter tree --bytes 4k --out one
exits 0
prints "no winner map and no time against workers: one number of workers"
prints "no time against bytes: one size"
exists one/run.json one/collective.csv
[ ! -e one/rows.csv ] || wrong "'$what' writes rows of runs that there were none of"
[ "$(find one -name '*.gp' | wc -l)" -eq 0 ] || wrong "'$what' plots one number"
if has_simgrid; then
    run bench collective --fabric sim --platform ideal --network textbook --workers 2..16*2 --bytes 4k..2M*16 \
        --out map --csv rows.csv
    exits 0
    cmp -s rows.csv map/collective.csv || wrong "--csv differs from the folder's collective.csv"
    prints "no winner map of alltoall: no other algorithm than pairwise here"
    for op in allreduce reduce-scatter allgather broadcast; do
        exists map/winners-$op.gp map/winners-$op.dat map/times-$op.gp map/times-$op.dat
        [ "$(grep -c '^[1-4] [1-3] ' map/winners-$op.dat)" -eq 12 ] || wrong "the map of $op has not a cell a size and number of workers"
    done
    exists map/times-gather.dat
    [ ! -e map/winners-gather.dat ] || wrong "a winner map of one algorithm"
    awk -F, '$1 == "allreduce" && $4 == 16 && $5 == 4000 && (!t || $6 < t) { t = $6; best = $2 } END { print best }' rows.csv >a
    sed -n 's/^4 1 [0-9]* "\([a-z-]*\)".*/\1/p' map/winners-allreduce.dat >b
    cmp -s a b || wrong "the map's winner at 16 workers and 4 kB is not the one with the least time"
    if command -v gnuplot >/dev/null; then
        for plot in winners-allreduce times-gather; do
            exists map/$plot.svg
            (cd map && rm $plot.svg && gnuplot $plot.gp) || wrong "$plot.gp does not draw by itself"
            exists map/$plot.svg
        done
    fi
    run bench collective --quick --filter tree --bytes 4k --out map
    [ ! -e map/winners-allreduce.svg ] || wrong "an earlier command's map is left in the folder"
fi

# ---- where two algorithms take equally long ----
if has_simgrid; then
    network="--fabric sim --platform cluster:bandwidth=1Gbps,latency=50us --network textbook"
    run bench collective $network --workers 2,16 --crossover ring,tree --csv rows.csv --out cross
    exits 0
    prints "tree is nowhere quicker than ring, nor by the closed form"
    cmp -s rows.csv cross/crossover.csv || wrong "--csv differs from the folder's crossover.csv"
    awk -F, '$0 ~ /,16,0,tree,ring,/ { n = NF; if ($(n-2) > 0.95 * $n && $(n-2) < 1.05 * $n && $n > 22400 && $n < 22500) found = 1 }
        END { exit !found }' rows.csv || wrong "the crossover of 16 workers is not within 5 % of the textbook's"
    run bench collective $network --machine machine.yaml --workers 16 --crossover tree,ring --csv rows.csv --out cross
    exits 0
    prints "+ additions"
    [ "$(grep -c ',16,[01],tree,ring,' rows.csv)" -eq 2 ] || wrong "'$what': not a row without and one with additions"
    run bench collective $network --workers 8 --filter broadcast --crossover binomial,chain --csv - --out cross
    exits 0
    grep -q '^broadcast,binomial,chain,.*,8,0,binomial,chain,[0-9]*,[0-9]*,$' out || wrong "'$what': no row, or a textbook's crossover"
fi
run bench collective --quick --workers 2 --bytes 4,4k --crossover ring,tree --out cross
exits 0
prints "times are noisy"

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
