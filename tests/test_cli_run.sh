#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What `run` and its neighbours print and leave behind.
. "$(dirname "$0")/cli.sh"
header='strategy,workload,fabric,network,platform,workers,dp,tp,pp,steps,step_s,compute_s,'

# ---- a real run ----
run run --machine machine.yaml --workload digits-mlp --strategy data-allreduce --workers 2 --steps 20 --out real --quiet
exits 0
[ ! -s err ] || wrong "--quiet is not quiet"
for words in predicted "none given" "closed form" simulated measured VALID "compute" parameters "loss" "next"; do
    prints "$words"
done
exists real/run.json real/rows.csv real/trace.json real/loss.gp real/loss.dat real/breakdown.gp real/breakdown.dat
[ "$(wc -l <real/rows.csv)" -eq 2 ] || wrong "rows.csv is not a header and a row"
head -n 1 real/rows.csv | grep -q "^$header" || wrong "columns of rows.csv"
grep -q '^data-allreduce,digits-mlp,threads,' real/rows.csv || wrong "the row of rows.csv"
for key in git host processor options loss_history step_s ranks closed_form difference_to_serial machine begun ended; do
    grep -q "\"$key\"" real/run.json || wrong "run.json has no $key"
done
grep -q '"name":"rank 1"' real/trace.json || wrong "trace.json does not name its ranks"
grep -q '"cat":"communication"' real/trace.json || wrong "trace.json has no communication"
if command -v gnuplot >/dev/null; then
    exists real/loss.svg real/breakdown.svg
    (cd real && rm loss.svg && gnuplot loss.gp) || wrong "loss.gp does not draw by itself"
    exists real/loss.svg
    run run --machine machine.yaml --workload digits-mlp --strategy task-pipeline --workers 2 --epochs 2 --quiet --out beside
    exits 0
    exists beside/time.svg # though it is not known when its test set was looked at
fi
[ -z "$(find . -name '*.tmp')" ] || wrong "temporary files are left"

# ---- a folder that holds something else ----
mkdir mine
for file in times-march.csv time.txt winners-2024.txt loss.png; do
    echo mine >mine/$file
done
run run --machine machine.yaml --workload digits-mlp --steps 5 --quiet --out mine
exits 0
exists mine/times-march.csv mine/time.txt mine/winners-2024.txt
[ ! -e mine/loss.png ] || wrong "an earlier command's plot is left in the folder"

# ---- results elsewhere ----
run run --machine machine.yaml --workload digits-mlp --steps 5 --csv - --quiet
exits 0
[ "$(wc -l <out)" -eq 2 ] || wrong "--csv - prints more than the rows"
grep -q VALID err || wrong "--csv - loses the report"
ls runs/*-run-*/run.json >out 2>err || wrong "no folder of its own under runs"
run run --machine machine.yaml --workload digits-mlp --steps 5 --csv rows.csv --json run.json --trace-steps 0 --out none
exits 0
exists rows.csv run.json none/run.json
cmp -s rows.csv none/rows.csv || wrong "--csv FILE differs from the folder's rows.csv"
[ ! -e none/trace.json ] || wrong "--trace-steps 0 writes a timeline"

# ---- without gnuplot ----
mkdir nothing
(PATH=$work/nothing "$trainyard" run --machine machine.yaml --workload digits-mlp --steps 5 --out bare >out 2>err)
status=$? what="run without gnuplot"
exits 0
prints "apt-get install gnuplot-nox"
prints "gnuplot "
exists bare/loss.gp bare/loss.dat bare/run.json
[ ! -e bare/loss.svg ] || wrong "there is a plot without gnuplot"
(PATH=$work/nothing "$trainyard" doctor --machine machine.yaml >out 2>err)
prints "apt-get install gnuplot-nox"

# ---- doctor, compare, simulation ----
run compare --machine machine.yaml --workload digits-mlp --strategy serial,data-allreduce --workers 1,2 --steps 10 \
    --out both --quiet
exits 0
prints data-allreduce
exists both/run.json both/rows.csv both/speedup.dat both/speedup.gp both/breakdown.gp both/loss.gp
if has_simgrid; then
    run doctor
    exits 0
    prints SimGrid
    run platform cluster:nodes=3,cores=2,bandwidth=10Gbps,latency=20us -o my.xml
    exits 0
    prints "3 hosts of 2 cores"
    exists my.xml
    run run --machine machine.yaml --fabric sim --platform ./my.xml --strategy data-allreduce --workers 3 --out first
    exits 0
    prints simulated
    run run --machine machine.yaml --fabric sim --platform ./my.xml --strategy data-allreduce --workers 3 --out second
    cmp -s first/rows.csv second/rows.csv || wrong "two simulations differ"
    cmp -s first/trace.json second/trace.json || wrong "timelines of two simulations differ"
    sed 's/^memory: .*/memory: 1e6/' machine.yaml >small.yaml
    run run --machine small.yaml --fabric sim --platform ./my.xml --strategy data-allreduce --workers 2
    exits 4
    prints "does not fit"
fi

# ---- a series that never changes: no forecast is worse by a percentage of nothing ----
{
    echo year,month,value
    for year in $(seq 1900 1959); do
        for month in $(seq 12); do echo "$year,$month,5"; done
    done
} >same.csv
run run --machine machine.yaml --workload sunspots-lstm --context 12 --width 4 --data same.csv --steps 2
exits 0
prints "never wrong on this series"
if grep -qE 'nan %|inf %' out; then wrong "a share of nothing is printed"; fi
finish
