#!/usr/bin/env bash
# What strangers may hand to pdbak, under cargo-fuzz: run.sh [SECONDS] [TARGET…]
# Each target runs for so many seconds (60 unless said), in at most 512 MB; what it found so far stays in target/fuzz/corpus.
# tests/hostile.rs reads the seeds in every run of the tests; an input that broke something becomes one of them.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | tail -n +2)
cargo +nightly --version >/dev/null 2>&1 || { echo "error: there is no nightly toolchain: rustup toolchain install nightly" >&2; exit 1; }
cargo fuzz --version >/dev/null 2>&1 || { echo "error: there is no cargo-fuzz: cargo install cargo-fuzz" >&2; exit 1; }
kept=$(realpath ../../target)/fuzz
# Bundles are taken out onto a disk; memory is the fastest there is.
[ ! -d /dev/shm ] || export TMPDIR=/dev/shm

failed=0
for target in "${targets[@]}"; do
    mkdir -p "$kept/corpus/$target" "$kept/artifacts"
    log=$(mktemp)
    # In one piece, as cargo-fuzz wants it, pdbak takes six gigabytes and half an hour to build.
    if cargo +nightly fuzz run --codegen-units 16 --fuzz-dir . --target-dir "$kept" "$target" "$kept/corpus/$target" "seeds/$target" -- \
        -artifact_prefix="$kept/artifacts/$target-" \
        -max_total_time="$seconds" -rss_limit_mb=512 -malloc_limit_mb=256 -timeout=20 -max_len=65536 -print_final_stats=1 >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        peak=$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")
        cover=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -1)
        echo "$target: $runs runs in $seconds s, $cover, peak $peak MB"
    else
        tail -60 "$log"
        echo "error: $target broke; what it was given lies in $kept/artifacts" >&2
        failed=1
    fi
    rm -f "$log"
done
exit "$failed"
