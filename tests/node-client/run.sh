#!/bin/sh
# Runs the official Node client against a sandbox with a company (50 to some 10,000 records): run.sh URL TOKEN
# The client is installed from the lock file once and then reused; the lock file names versions and digests, no host.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 URL TOKEN" >&2; exit 2; }
cd "$(dirname "$0")"
[ -d node_modules/pipedrive ] || npm ci --no-audit --no-fund --loglevel=error
SANDBOX_URL=$1 SANDBOX_TOKEN=$2 exec node --test-reporter=spec run.mjs
