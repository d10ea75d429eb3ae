#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Ctrl-C in the middle: status 130, nothing half-written, no folder without anything in it, no process left.
. "$(dirname "$0")/cli.sh"
command -v timeout >/dev/null || exit 0

alive() # WORD: is there a process with this word in its command line?
{
    for process in /proc/[0-9]*; do
        # shellcheck disable=SC2002  # a process that has just ended is no error
        if cat "$process/cmdline" 2>/dev/null | tr '\0' ' ' | grep -q "trainyard.*$1"; then
            return 0
        fi
    done
    return 1
}

interrupt() # FLAG NAME ARGUMENT...
{
    flag=$1 name=$2
    shift 2
    what="$* ($flag)"
    # shellcheck disable=SC2086  # perhaps no word
    timeout $flag --preserve-status -s INT 1.5 "$trainyard" "$@" --machine machine.yaml --out "$name" >out 2>err
    status=$?
    exits 130
    [ ! -d "$name" ] || [ -n "$(ls "$name")" ] || wrong "'$what' leaves an empty folder"
    [ -z "$(find . -name '*.tmp')" ] || wrong "'$what' leaves $(find . -name '*.tmp')"
    grep -q interrupted err || wrong "'$what' does not say that it was interrupted"
    sleep 0.2
    ! alive "$name" || wrong "'$what' leaves a process behind"
}

"$trainyard" run --epochs 5000 --machine machine.yaml --out "seen-$$" >out 2>err &
sleep 0.5
alive "seen-$$" || wrong "this test cannot see processes"
kill "$!"
wait "$!"
[ $? -eq 143 ] || wrong "a terminated run does not exit with 143"
[ ! -e "seen-$$" ] || wrong "a terminated run leaves an empty folder"

interrupt "" "group-$$" run --strategy data-allreduce --workers 2 --epochs 5000
interrupt --foreground "one-$$" run --strategy serial --workers 1 --epochs 5000 # only the parent hears it
interrupt --foreground "many-$$" compare --strategy serial,tensor --workers 2 --epochs 5000

# A folder that the user had before stays, as empty as it was.
mkdir "mine-$$"
interrupt --foreground "kept-$$" run --epochs 5000
timeout --foreground --preserve-status -s INT 1.5 "$trainyard" run --epochs 5000 --machine machine.yaml --out "mine-$$" \
    >out 2>err
[ -d "mine-$$" ] || wrong "an interrupted run removes a folder that was there before"
[ -z "$(ls "mine-$$")" ] || wrong "an interrupted run leaves $(ls "mine-$$")"
finish
