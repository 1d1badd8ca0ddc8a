#!/bin/sh
# Records what the stories exchange with the sandbox and checks it against the published description: run.sh DESCRIPTION
# DESCRIPTION is `repaired.json`: both versions of the API as one OpenAPI document, its known faults mended.
# With PDBAK_RECORD=FOLDER the record stays there; an exchanges.ndjson that lies there already is not made again.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 DESCRIPTION" >&2; exit 2; }
[ -f "$1" ] || { echo "error: there is no $1 to check against" >&2; exit 1; }
description=$(realpath "$1")
cd "$(dirname "$0")"
scratch=
[ -n "${PDBAK_RECORD:-}" ] || { scratch=$(mktemp -d); PDBAK_RECORD=$scratch; }
trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT
export PDBAK_RECORD
[ -s "$PDBAK_RECORD/exchanges.ndjson" ] || cargo test --locked --test tests stories
python=../../target/contract/bin/python
[ -x "$python" ] && "$python" -c 'import openapi_schema_validator' 2>/dev/null || {
    python3 -m venv ../../target/contract
    "$python" -m pip install --quiet --disable-pip-version-check -r requirements.txt
}
"$python" check.py "$description" "$PDBAK_RECORD"
