#!/usr/bin/env bash
# The archive read by a stranger: run.sh PDBAK
# Only age, zstd and jq, with the commands of src/archive/FORMAT.md word for word; what they give is compared with pdbak's own answers.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 PDBAK" >&2; exit 2; }
pdbak=$(realpath "$1")
format=$(realpath "$(dirname "$0")/../../src/archive/FORMAT.md")
for tool in age zstd jq python3; do
    command -v "$tool" >/dev/null || { echo "error: there is no $tool; install it and run this again" >&2; exit 1; }
done
scratch=$(mktemp -d)
sandbox=
finish() {
    [ -z "$sandbox" ] || kill "$sandbox" 2>/dev/null || true
    rm -rf "$scratch"
}
trap finish EXIT
fail() { echo "error: $*" >&2; exit 1; }
cd "$scratch"
export HOME=$scratch PDBAK_ARCHIVE=$scratch/archive PDBAK_PASSPHRASE="a passphrase for strangers"
snapshots=0 lines=0

# The script that the description prints, its indentation taken off.
sed -n '/^    #!\/bin\/sh$/,/^$/s/^    //p' "$format" >lines
[ -s lines ] || fail "the description has no script"

# Snapshots by the script of the description and by pdbak: lines that are the same ("ls" of an account derives columns: records that are).
compare() {
    local how=$1 id object
    shift
    cp lines archive/lines
    for id; do
        (cd archive && sh lines "$id") | LC_ALL=C sort >read
        for object in $("$pdbak" ls "$id" --json | jq -r .object); do
            "$pdbak" ls "$id" "$object" --json
        done | LC_ALL=C sort >told
        [ "$(wc -l <read)" -eq "$("$pdbak" show "$id" --json | jq '[.objects[].records] | add')" ] || fail "snapshot $id: another number of lines"
        cmp -s <(jq -c '[.object, .id]' read) <(jq -c '[.object, .id]' told) || fail "snapshot $id: other records"
        [ "$how" = records ] || cmp read told || fail "snapshot $id: other lines"
        snapshots=$((snapshots + 1)) lines=$((lines + $(wc -l <read)))
    done
}

# The secrets of the archive, as the description says: from what the recovery key opens, and from what the passphrase opens.
"$pdbak" init --recovery-key recovery.txt --quiet >/dev/null
# What the recovery key opens; after a rotation this holds the keys from before as well.
secrets() {
    local holder
    for holder in archive/keys/*; do
        if age -d -i recovery.txt "$holder" >secrets.json 2>/dev/null; then break; fi
    done
    jq -r '.data, .earlier[]?.data // empty' secrets.json >archive/data.key
    jq -r '.manifest, .earlier[]?.manifest // empty' secrets.json >archive/manifest.key
}
secrets
python3 - archive/keys/* <<'TERMINAL'
import os, pty, sys
# age asks at a terminal only.
for holder in sys.argv[1:]:
    told = []
    def read(descriptor):
        told.append(os.read(descriptor, 4096))
        if told[-1].startswith(b"Enter passphrase"):
            os.write(descriptor, b"a passphrase for strangers\n")
        return told[-1]
    if open(holder, "rb").read(200).find(b"-> scrypt") >= 0:
        status = pty.spawn(["sh", "-c", f"age -d {holder} | jq -r .data >passphrase.key"], read)
        sys.exit(os.waitstatus_to_exitcode(status))
sys.exit("no holder for the passphrase")
TERMINAL
cmp passphrase.key archive/data.key || fail "passphrase and recovery key open different secrets"

# Twenty versions: chains of deltas up to their length, and a full map after them.
mkdir export
for version in $(seq 20); do
    python3 - "$version" <<'DATA'
import json, sys
version = int(sys.argv[1])
with open("export/deals.ndjson", "w") as out:
    for number in range(1, 400):
        if number % 23 != version:
            title = f"deal {number}, {'changed' if number % 19 == version else 'as it was'}"
            out.write(json.dumps({"id": number, "title": title, "value": 0.1 * number, "big": 9007199254740993}) + "\n")
with open("export/persons.ndjson", "w") as out:
    for number in range(1, 50 + version):
        out.write(json.dumps({"id": number, "name": f"Žluťoučký {number}\u2028"}) + "\n")
DATA
    "$pdbak" import export --quiet >/dev/null
done
imported=$(ls archive/snapshots)
# shellcheck disable=SC2086
compare lines $imported

# Packed anew: the lines of what is kept lie elsewhere, and the lists say where.
"$pdbak" forget --keep-last 6 --quiet >/dev/null
"$pdbak" prune --repack 1 --grace 0 --quiet >/dev/null
"$pdbak" import export --quiet >/dev/null
[ -n "$(ls archive/moves)" ] || fail "nothing was packed anew"
# shellcheck disable=SC2046
compare lines $("$pdbak" snapshots --json | jq -r '.[].snapshot')

# Other keys from now on.
"$pdbak" key rotate --yes --quiet >/dev/null
"$pdbak" import export --quiet >/dev/null
secrets
[ "$(wc -l <archive/data.key)" -eq 2 ] || fail "no second key after a rotation"
compare lines "$("$pdbak" show latest --json | jq -r .snapshot)"

# An account, with contents of files, and a journal.
"$pdbak" sandbox --listen 127.0.0.1:0 --records 300 --json >sandbox 2>/dev/null &
sandbox=$!
for _ in $(seq 100); do
    [ ! -s sandbox ] || break
    sleep 0.1
done
export PDBAK_BASE_URL=$(jq -r .url sandbox) PDBAK_API_TOKEN=$(jq -r .token sandbox)
"$pdbak" snapshot --quiet >/dev/null || [ $? -eq 3 ]
compare records "$("$pdbak" show latest --json | jq -r .snapshot)"
files=0
while read -r id blob; do
    age -d -i archive/data.key archive/blobs/"${blob:0:2}"/"$blob" | zstd -d >contents
    "$pdbak" get "files/$id" --output - --quiet | cmp - contents || fail "the contents of file $id"
    files=$((files + 1))
done < <("$pdbak" ls latest FileContents --json | jq -r '"\(.id) \(.record.blob)"')
[ "$files" -gt 0 ] || fail "no file was compared"
deal=$("$pdbak" ls latest Deals --json | jq -rs '.[0].id')
curl -fsS -X PATCH -H "x-api-token: $PDBAK_API_TOKEN" -H 'content-type: application/json' -d '{"title": "vandalised"}' \
    "$PDBAK_BASE_URL/api/v2/deals/$deal" >answer
"$pdbak" restore latest --record "deals/$deal" --yes --quiet >report
log=$(echo archive/restores/*)
[ -f "$log" ] || fail "not one journal but: $log"
length=$((10#$(head -c 15 "$log")))
# Who reads stops where the entry ends, never who is read from: that one would end by a signal, or not, as it happens.
head -c $((81 + length)) "$log" | tail -c +82 | age -d -i archive/data.key | jq -e .entry >entry || fail "the first entry of a journal"

# A bundle, which tar reads.
"$pdbak" bundle create all.tar --all --quiet >/dev/null
mkdir bundle
tar xf all.tar -C bundle
for file in bundle/segments/*/*; do age -d -i archive/data.key "$file" | zstd -d; done | jq -c 'select(.object == "deals" and .id == "42")' >bundled
[ -s bundled ] || fail "the bundle has no deal 42"

[ "$snapshots" -eq 29 ] || fail "$snapshots snapshots were compared, not 29"
echo "a stranger read $lines lines of $snapshots snapshots, $files files, a journal and a bundle, as pdbak does"
