#!/bin/sh
# restic, borg and pdbak in turn over the same versions of the same records: bytes, files, time, memory, bytes written.
#
#   tests/bench/rivals.sh [RECORDS] [VERSIONS] [PATTERN] [FOLDER]
#
# PATTERN is spread (1.2 % of the records changed or new in each version), tail (the changes lie in the newest tenth)
# or mass (as spread, but in the middle version one field of every record changes). Needs restic, borg, zstd and b3sum
# (Debian's packages restic, borgbackup, zstd, b3sum), python3, and the generator of the benchmark in ../shared/bench
# (or its path in PDBAK_BENCH_GENERATOR). One version lies on disk at a time. Judges nothing but prune and check.
set -eu
cd "$(dirname "$0")/../.."
generator=${PDBAK_BENCH_GENERATOR:-../shared/bench/gen_crm.py}
for tool in restic borg zstd b3sum python3; do
    command -v "$tool" >/dev/null || { echo "error: there is no $tool; install it and run this again" >&2; exit 1; }
done
[ -f "$generator" ] || { echo "error: no generator at $generator: nothing was measured" >&2; exit 1; }
cargo build --release --quiet --bin pdbak
exec python3 tests/bench/rivals.py "$generator" target/release/pdbak "${1:-205000}" "${2:-10}" "${3:-spread}" "${4:-$(mktemp -d)}"
