#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Who may include whom (the map in CONTRIBUTING.md), and which libraries are known to one folder only. Proves itself on wrong
# files that must be found.
set -u
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P) || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# The layers a folder may include, besides its own.
allowed() # FOLDER
{
    case $1 in
    base) echo "" ;;
    kernels) echo "base" ;;
    machine) echo "base kernels" ;;
    fabric) echo "base kernels machine" ;;
    sim | workloads | strategies/collectives) echo "base kernels machine fabric" ;;
    strategies) echo "base kernels machine fabric workloads strategies/collectives" ;;
    experiments) echo "base kernels machine fabric workloads strategies/collectives strategies sim" ;;
    cli) echo "base kernels machine fabric workloads strategies/collectives strategies sim experiments" ;;
    esac
}

layers="base kernels machine fabric sim workloads strategies strategies/collectives experiments cli"

# "FILE:LINE:includes WHAT" for each include of a layer that FOLDER may not know.
upward() # ROOT FOLDER
{
    find "$1/$2" -maxdepth 1 -name '*.[ch]' -exec grep -Hn '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' {} + 2>/dev/null |
        while IFS= read -r line; do
            header=${line#*\"}
            header=${header%%\"*}
            layer=${header%/*}
            [ "$layer" = "$header" ] && layer="(no folder)" # include "x.h": say from where
            [ "$layer" = "$2" ] && continue
            case " $(allowed "$2") " in
            *" $layer "*) ;;
            *) printf '%s: %s may not include "%s"\n' "$line" "$2" "$header" ;;
            esac
        done
}

# Lines that match PATTERN in files other than those allowed.
only_in() # ROOT PATTERN ALLOWED-PATHS(regex)
{
    for folder in $layers; do
        find "$1/$folder" -maxdepth 1 -name '*.[ch]' -exec grep -HnE "$2" {} + 2>/dev/null
    done | awk -v root="$1/" -v allowed="^($3)" '{
        path = substr($0, length(root) + 1)
        if (path !~ allowed) print path ": only allowed in " allowed
    }'
}

examine() # ROOT
{
    for folder in $layers; do
        upward "$1" "$folder"
    done
    include='^[[:space:]]*#[[:space:]]*include[[:space:]]*<'
    only_in "$1" "${include}(simgrid|xbt)/" 'sim/'
    only_in "$1" "${include}mpi\.h>" 'fabric/mpi\.c:'
    only_in "$1" "${include}omp\.h>|^[[:space:]]*#[[:space:]]*pragma[[:space:]]+omp" 'kernels/'
    only_in "$1" 'TY_HAVE_(MPI|SIMGRID)' 'fabric/find\.c:'
}

# A wrong line in a file of that name must be found.
must_find() # FILE LINE
{
    mkdir -p "$work/${1%/*}"
    printf '/* wrong */\n%s\n' "$2" >"$work/$1"
    if [ -z "$(examine "$work")" ]; then
        printf 'not found, so this test proves nothing: %s in %s\n' "$2" "$1"
        exit 1
    fi
    rm "$work/$1"
}

must_find kernels/wrong.c '#include "fabric/rank.h"'
must_find base/wrong.h '#  include "kernels/work.h"'
must_find fabric/wrong.c '#include "sim/platform.h"'
must_find strategies/collectives/wrong.c '#include "strategies/strategy.h"'
must_find workloads/wrong.c '#include "strategies/collectives/collective.h"'
must_find strategies/wrong.c '#include "sim/platform.h"'
must_find experiments/wrong.c '#include "cli/options.h"'
must_find sim/wrong.c '#include "platform.h"'
must_find experiments/wrong.c '#include <simgrid/engine.h>'
must_find cli/wrong.c '#include <xbt/config.h>'
must_find fabric/threads.c '#include <mpi.h>'
must_find workloads/wrong.c '#pragma omp parallel for'
must_find fabric/wrong.c '#include <omp.h>'
must_find experiments/wrong.c '#ifdef TY_HAVE_MPI'

mkdir -p "$work/fabric" "$work/sim" "$work/kernels"
printf '#include <mpi.h>\n#include "machine/machine.h"\n' >"$work/fabric/mpi.c"
printf '#include <simgrid/engine.h>\n' >"$work/sim/right.c"
printf '#pragma omp parallel\n' >"$work/kernels/right.c"
right=$(examine "$work")
if [ -n "$right" ]; then
    printf 'right files are refused:\n%s\n' "$right"
    exit 1
fi

found=$(examine "$root")
[ -z "$found" ] && exit 0
printf '%s\n' "$found"
exit 1
