#!/bin/sh
# The archive's bar (design, section 4): 205,000 records, ten versions with 1.2 % changed, encryption on,
# unlocking included. Prints what was measured beside what must and should be reached; judges nothing.
#
#   tests/bench/archive.sh [RECORDS] [FOLDER]
#
# Needs python3, and the generator of the benchmark in ../shared/bench (or its path in PDBAK_BENCH_GENERATOR).
set -eu
cd "$(dirname "$0")/../.."
records=${1:-205000}
work=${2:-$(mktemp -d)}
generator=${PDBAK_BENCH_GENERATOR:-../shared/bench/gen_crm.py}
if [ ! -f "$generator" ]; then
    echo "no generator at $generator: nothing was measured" >&2
    exit 1
fi
cargo build --release --quiet --bin pdbak
[ -d "$work/data/v10" ] || python3 "$generator" "$work/data" --records "$records" >/dev/null
exec python3 tests/bench/archive.py target/release/pdbak "$work/data" "$work/archive"
