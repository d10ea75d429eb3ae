#!/bin/sh
# SPDX-License-Identifier: MIT
#
# How a whole MPI job ends when a rank is mistaken: with a status, and a line that names the rank and what it waited for.
# MESSAGES is the test program that can make the mistakes; 77: no MPI here.
set -u
command -v mpirun >/dev/null && [ -n "${MESSAGES:-}" ] || exit 77
export TY_FABRIC=mpi

job() # MISTAKE -> its output, and the status in $status
{
    said=$(mpirun -n 3 "$MESSAGES" "$1" 2>&1)
    status=$?
}

check() # WHAT PATTERN
{
    if [ "$status" -eq 0 ] || ! printf '%s\n' "$said" | grep -Eq "$2"; then
        printf '%s: status %s, said:\n%s\n' "$1" "$status" "$said"
        exit 1
    fi
}

job deadlock
check "a deadlock" 'time-out after 1 s: rank [01] waits for 4 B from rank [01] \(channel 3\)'
[ "$status" -eq 1 ] || { echo "a deadlock ended with status $status, not 1"; exit 1; }
if printf '%s\n' "$said" | grep -q 'rank 2 waits'; then
    echo "a rank that was done is said to wait"
    exit 1
fi
job mismatch
check "a message of another size" 'rank 1 .*(40 B|waits for 39 B from rank 0)'
[ "$status" -eq 1 ] || { echo "a message of another size ended with status $status, not 1"; exit 1; }
