#!/bin/sh
# SPDX-License-Identifier: MIT
#
# What `validate local` prints, leaves behind and refuses. How good the predictions are is not asserted.
. "$(dirname "$0")/cli.sh"

# ---- mistakes, before any work ----
refuses 2 "validate local" validate
refuses 2 "validate local" validate cluster
refuses 2 "did you mean 'digits-mlp'" validate local --workload digit-mlp
refuses 2 "did you mean 'digits-mlp'" validate local --workload digits-mlp,digit-mlp
refuses 2 "twice" validate local --workload digits-mlp,digits-mlp
refuses 2 "did you mean 'tensor'" validate local --machine machine.yaml --workload digits-mlp --strategy serial,tensr
refuses 2 "this machine has" validate local --workload digits-mlp --workers 1024
refuses 2 "out of range" validate local --repeat 0
refuses 2 "use 2 to" validate local --steps 1
refuses 2 "no option of \`validate\`" validate local --epochs 1
refuses 2 "use at most that" validate local --machine machine.yaml --workload digits-mlp --batch 1000000 --quiet
run validate --help
exits 0
prints "--repeat"
prints "--strict"
has_simgrid || finish
refuses 2 "serial needs --workers 1" validate local --machine machine.yaml --workload digits-mlp --strategy serial \
    --workers 2 --quiet

# ---- a short one ----
run validate local --machine machine.yaml --workload digits-mlp,synthetic-mlp --steps 12 --quick --repeat 2 --out both \
    --quiet
exits 0
[ ! -s err ] || wrong "--quiet is not quiet"
for words in digits-mlp synthetic-mlp "2 rounds" "median error" "95th percentile" \
    "Kendall's tau" "two measurements" "worst-modelled phase" "another machine" gemm_nn "files "; do
    prints "$words"
done
exists both/run.json both/rows.csv both/validate.gp both/validate.dat
plans=$(grep -c '"worst_phase"' both/run.json)
plans=$((plans - 1)) # one is of the summary
[ "$plans" -ge 2 ] || wrong "only $plans plans"
[ "$(grep -c ',sim,shared,' both/rows.csv)" -eq "$plans" ] || wrong "not one simulated row a plan"
[ "$(grep -c ',threads,,' both/rows.csv)" -ge $((2 * plans)) ] || wrong "fewer than two measured rows a plan"
[ "$(grep -c '"disturbed": [tf]' both/run.json)" -eq $((2 * plans)) ] || wrong "not two measurements a plan"
[ "$(grep -c '^[0-9]' both/validate.dat)" -eq "$plans" ] || wrong "not one point a plan in the plot"
if command -v gnuplot >/dev/null; then
    exists both/validate.svg
fi

# ---- rates that are far off are found: exit 1 only when that is asked for ----
sed -E 's/([ {_]flops): [0-9.e]+/\1: 1e8/g' machine.yaml >slow.yaml
run validate local --machine slow.yaml --workload digits-mlp --strategy serial --workers 1 --steps 12 --quiet --csv rows.csv
exits 0
prints MISSED
prints gemm_
exists rows.csv
run validate local --machine slow.yaml --workload digits-mlp --strategy serial --workers 1 --steps 12 --quiet --strict
exits 1
grep -q "targets missed" err || wrong "--strict does not say what is missed"
finish
