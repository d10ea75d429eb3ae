#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Bad input: the exit status, and one line that says what to change.
. "$(dirname "$0")/cli.sh"

# ---- names, with the nearest one ----
refuses 2 "did you mean 'compare'" comprae
refuses 2 "did you mean 'data-allreduce'" run --strategy data-alreduce
refuses 2 "did you mean 'mnist-mlp'" run --workload mnist-mpl
refuses 2 "did you mean 'threads'" run --fabric thread
refuses 2 "did you mean 'adamw'" run --optimizer adam
refuses 2 "did you mean 'ring'" run --machine machine.yaml --strategy data-allreduce --collective rign
refuses 2 "did you mean 'workers'" run --wrokers 2
refuses 2 "strategies, workloads" list nothing
refuses 2 "unknown strategy" compare --strategy serial,sreial

# ---- options ----
refuses 2 "0 is out of range" run --workers 0
refuses 2 "not a whole number" run --workers two
refuses 2 "99999999999999999999 is out of range; use 1 to" run --batch 99999999999999999999
refuses 2 "takes one number, not a list" run --workers 1,2
refuses 2 "takes one name, not a list" run --strategy serial,tensor
refuses 2 "give one of them" run --steps 5 --epochs 2
refuses 2 "give one of them" run --ghost --real
refuses 2 "--workers needs a value" run --workers
refuses 2 "takes no value" run --ghost=yes
refuses 2 "write more of it" run --work 2
refuses 2 "it belongs to run, compare" list --batch 2
refuses 2 "unknown option -Z" run -Z
refuses 2 "is no option" run serial
refuses 2 "add --fabric sim" run --network tcp
refuses 2 "add --fabric sim" run --platform ideal
refuses 2 "only waits of --fabric mpi" run --timeout 5
refuses 2 "or --collective hierarchical" run --strategy data-allreduce --workers 4 --workers-per-node 2
refuses 2 "choose a strategy that all-reduces" run --collective ring
refuses 2 "choose a strategy that all-reduces" compare --strategy serial,pipeline-gpipe --collective ring
refuses 2 "the largest plan has ranks 0 to 3" compare --fabric sim --machine machine.yaml --strategy data-allreduce --workers 4,2 --slow 4:2
refuses 2 "serial, a data-parallel strategy" run --strategy tensor --micro-batches 4
refuses 2 "no images" run --workload synthetic-mlp --no-augment
refuses 2 "use 0 to less than 1" run --momentum 1
refuses 2 "makes its samples up" run --workload synthetic-mlp --data .
refuses 2 "belong to synthetic-mlp" run --layers 3
refuses 2 "belong to sequences" run --heads 2
refuses 2 "belong to sequences" run --workload synthetic-mlp --context 8
refuses 2 "do not divide it" run --workload jargon-gpt --heads 5
refuses 2 "not --hidden" run --workload jargon-gpt --hidden 64
refuses 2 "too short" run --workload jargon-gpt --context 1000000
refuses 2 "more than can be addressed" run --workload jargon-gpt --context 1048576 --heads 1048576 --width 1048576
refuses 2 "not a number" run --rate fast
refuses 2 "use 2 to" run --steps 1
refuses 2 "is a list" run --hidden 512,256
refuses 2 "is empty" run --out ""
refuses 2 "standard output" run --csv - --json -
refuses 2 "one SPEC" platform
refuses 2 "bench kernel" bench

# ---- plans that cannot be made ----
refuses 2 "--workers 1" run --machine machine.yaml --workers 3
refuses 2 "use --workers" run --machine machine.yaml --strategy tensor --workers 3
refuses 2 "layers to share" run --machine machine.yaml --strategy pipeline-gpipe --workers 64
refuses 2 "--dp 4" run --machine machine.yaml --strategy data-allreduce --workers 4 --dp 3
refuses 2 "--micro-batches 2 or fewer" run --machine machine.yaml --strategy data-server --workers 3 --batch 8 --micro-batches 4
refuses 2 "use at most that" run --machine machine.yaml --batch 100000

# ---- files ----
refuses 2 "cannot read nowhere.yaml" run --machine nowhere.yaml
refuses 2 "put the four MNIST files there" run --data /nowhere
: >plain
refuses 2 "--out" run --machine machine.yaml --out plain/sub
refuses 2 "cannot write" run --machine machine.yaml --out results --csv plain/rows.csv
[ ! -e results ] || wrong "a refused run leaves its folder"
refuses 2 "cannot" calibrate --out plain/machine.yaml
run calibrate --gemm blas # its rates would be taken for our own product's; 3 where there is no CBLAS
[ "$status" -eq 2 ] || [ "$status" -eq 3 ] || wrong "calibrate --gemm blas exits with $status"

# What only some strategies have.
refuses 2 "use 1 to 2" run --machine machine.yaml -s data-server --workers 2 --servers 3
refuses 2 "belongs to data-server" run --machine machine.yaml -s data-allreduce --workers 2 --servers 2
refuses 2 "out of range" run --machine machine.yaml -s data-compressed --workers 2 --keep 0
refuses 2 "out of range" run --machine machine.yaml -s data-compressed --workers 2 --keep 1.5
refuses 2 "top-k, 8bit or 1bit" run --machine machine.yaml -s data-compressed --workers 2 --compression zip
refuses 2 "belongs to --compression top-k" run --machine machine.yaml -s data-compressed --workers 2 --compression 8bit --keep 0.5
refuses 2 "out of range" run --machine machine.yaml -s data-stale --workers 3 --staleness -1
refuses 2 "out of range" run --machine machine.yaml -s data-overlap --workers 2 --bucket-bytes 0
refuses 2 "out of range" run --machine machine.yaml -s data-local --workers 2 --outer-momentum 1
refuses 2 "--workers 2 or more" run --machine machine.yaml -s data-async --workers 1
refuses 2 "unknown reduce-scatter 'tree'" run --machine machine.yaml -s data-zero1 --workers 2 --collective tree
refuses 2 "--workers 2 or more" run --machine machine.yaml -s data-spark --workers 1
refuses 2 "belongs to data-spark" run --machine machine.yaml -s data-allreduce --workers 2 --depth 2
refuses 2 "belongs to data-spark" run --machine machine.yaml -s data-server --workers 2 --task-seconds 0.01
refuses 2 "use 1 to 64" run --machine machine.yaml -s data-spark --workers 3 --depth 0
mkdir broken
cp "$data"/mnist/* broken
head -c 20000 "$data/mnist/train-images-idx3-ubyte.gz" >broken/train-images-idx3-ubyte.gz
refuses 2 "train-images-idx3-ubyte.gz" run --data broken
echo "this is neither gzip nor IDX" >broken/train-images-idx3-ubyte.gz
refuses 2 "train-images-idx3-ubyte.gz" run --data broken

# ---- platforms ----
if has_simgrid; then
    refuses 2 "use --fabric threads" run --machine machine.yaml -s data-hogwild --workers 2 --fabric sim
    refuses 2 "did you mean 'ethernet'" run --fabric sim --platform etherent
    refuses 2 "did you mean 'ethernet'" platform etherent
    refuses 2 "too few for 17 workers" run --fabric sim --platform ethernet --workers 17 --strategy data-allreduce
    printf '<?xml version="1.0"?>\n<platform version="4.1">\n<zone id="z" routing="Full">\n<host\n' >half.xml
    refuses 2 "half.xml" run --fabric sim --platform ./half.xml --workers 1
    refuses 2 "no platform file" run --fabric sim --platform ./absent.xml
    refuses 2 "bandwidth" run --fabric sim --platform cluster:nodes=4 --workers 4 --strategy data-allreduce
    refuses 2 "cannot write" platform multicore -o plain/x.xml
fi

# ---- and what is no mistake ----
for arguments in "" --help --version help "help run" "run --help" "compare --help" "demo --help" "list --help" \
    "platform --help" "calibrate --help" "bench --help" "doctor --help" "run --version"; do
    # shellcheck disable=SC2086  # words
    run $arguments
    exits 0
    [ -s out ] || wrong "'$what' prints nothing"
    [ ! -s err ] || wrong "'$what' complains"
done
run run --help
prints "[mnist-mlp]"
prints "Example:"
for kind in strategies workloads collectives platforms fabrics; do
    run list $kind
    exits 0
    prints $kind
done
run list
prints data-allreduce
prints source
prints cluster:
finish
