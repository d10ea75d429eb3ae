# SPDX-License-Identifier: MIT
#
# cli.sh - what the tests of the command line share; they read it with `.`
# $1 or $TRAINYARD is the program. Everything happens in a folder of its own.

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
trainyard=${1:-${TRAINYARD:?the program, as first argument or in TRAINYARD}}
case $trainyard in
/*) ;;
*) trainyard=$PWD/$trainyard ;;
esac
data=$here/../experiments/data
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
cp "$here/machine.yaml" machine.yaml
XDG_CACHE_HOME=$work/cache
export XDG_CACHE_HOME
failures=0

wrong() # MESSAGE
{
    echo "WRONG: $*"
    [ ! -s err ] || sed 's/^/    stderr: /' err
    failures=$((failures + 1))
}

run() # ARGUMENT... -> status, files out and err
{
    what=$*
    "$trainyard" "$@" >out 2>err
    status=$?
}

exits() # STATUS
{
    [ "$status" -eq "$1" ] || wrong "'$what' exits with $status, not $1"
}

# One line on stderr that holds these words; nothing left behind.
refuses() # STATUS WORDS ARGUMENT...
{
    expected=$1 words=$2
    shift 2
    run "$@"
    exits "$expected"
    [ "$(wc -l <err)" -eq 1 ] || wrong "'$what': stderr is not one line"
    grep -qF -e "$words" err || wrong "'$what': stderr does not say '$words'"
    [ ! -s out ] || wrong "'$what': there is standard output beside the error"
    [ ! -e runs ] || wrong "'$what' leaves a run folder"
    rm -rf runs
}

prints() # WORDS
{
    grep -qF -e "$1" out || wrong "'$what' does not print '$1'"
}

exists() # FILE...
{
    for file in "$@"; do
        [ -s "$file" ] || wrong "'$what' does not write $file"
    done
}

has_simgrid()
{
    "$trainyard" platform multicore >/dev/null 2>&1
}

finish()
{
    [ "$failures" -eq 0 ] || echo "$failures wrong"
    [ "$failures" -eq 0 ]
    exit
}
