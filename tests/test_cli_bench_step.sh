#!/bin/sh
# SPDX-License-Identifier: MIT
#
# `bench step`: what it prints, the rows it writes, and that losses do not depend on the number of threads.
. "$(dirname "$0")/cli.sh"

column() # NAME -> its number in the header of out
{
    head -n 1 out | tr ',' '\n' | grep -nx "$1" | cut -d: -f1
}

field() # THREADS NAME -> of the row of whole steps
{
    awk -F, -v t="$1" -v c="$(column "$2")" '$3 == t && $4 == "step" { print $c }' out
}

# ---- rows ----
for net in lenet lstm; do
    run bench step --filter $net --threads 2 --quick --csv -
    exits 0
    [ "$(grep -c ',step,' out)" -eq 2 ] || wrong "'$what' has not one row of whole steps for 1 and one for 2 threads"
    [ "$(grep -c "^$net," out)" -eq "$(($(wc -l <out) - 1))" ] || wrong "'$what' has rows of other networks"
    fields=$(head -n 1 out | tr ',' '\n' | wc -l)
    awk -F, -v n="$fields" 'NF != n { exit 1 }' out || wrong "'$what': rows are not as long as the header"
    for threads in 1 2; do
        [ "$(field $threads wrong)" = 0 ] || wrong "'$what': $(field $threads wrong) wrong with $threads threads"
        awk -v a="$(field $threads loss_first)" -v b="$(field $threads loss_last)" 'BEGIN { exit !(b < a) }' ||
            wrong "'$what': the loss does not fall"
        awk -v a="$(field $threads seconds_p10)" -v b="$(field $threads seconds)" -v c="$(field $threads seconds_p90)" \
            'BEGIN { exit !(0 < a && a <= b && b <= c) }' || wrong "'$what': p10, median and p90 are not in order"
    done
    [ "$(field 1 flops)" = "$(field 2 flops)" ] || wrong "'$what': flops depend on threads"
    awk -F, '$3 == 2 && $4 == "step" { all = $5 } $3 == 2 && $4 != "step" { sum += $5 }
        END { exit !(sum > 0 && sum / all > 0.999999 && sum / all < 1.000001) }' out ||
        wrong "'$what': the flops of the parts do not add up"
    grep -q Gflop err || wrong "'$what': --csv - loses the table"
done
grep -q ',forward 1 lstm,' out || wrong "the LSTM layer has no row"
run bench step --filter lenet --threads 1 --quick --csv rows.csv
exits 0
prints lenet
exists rows.csv
[ "$(grep -c ',step,' rows.csv)" -eq 1 ] || wrong "'$what' has rows of more than one thread"

# ---- what is refused ----
refuses 2 "unknown network 'lennet'; did you mean 'lenet'?" bench step --filter lennet --quick
refuses 2 "--steps is no option of" bench step --steps 5
[ -z "$(find . -name '*.tmp')" ] || wrong "temporary files are left"
finish
