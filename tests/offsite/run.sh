#!/usr/bin/env bash
# Copies, and archives that live there, against real S3-compatible servers and OpenSSH on this machine: run.sh PDBAK
# moto (PyPI) knows versions, object locks and, where it is told to, signatures; s3s-fs (crates.io) checks signatures and
# checksums and takes conditional writes. It is tried where it is on the path or in target/s3s, where the gate installs it.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 PDBAK" >&2; exit 2; }
pdbak=$(realpath "$1")
here=$(cd "$(dirname "$0")" && pwd)
venv=${PDBAK_MOTO_VENV:-$here/../../target/offsite}
scratch=$(mktemp -d)
servers=()
finish() {
    for server in "${servers[@]}"; do kill "$server" 2>/dev/null || true; done
    rm -rf "$scratch"
}
trap finish EXIT
fail() { echo "error: $*" >&2; exit 1; }

# Asks until a server answers on a port.
answers() {
    for _ in $(seq 150); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return; fi
        sleep 0.2
    done
    fail "no server on port $1"
}

# One value of a JSON document on stdin.
value() { "$venv/bin/python" -c 'import json,sys; v=json.load(sys.stdin)
for k in sys.argv[1].split("."): v=v[k]
print(json.dumps(v))' "$1"; }

is() { [ "$1" = "$2" ] || fail "$3: $1, expected $2"; }

if ! "$venv/bin/python" -c 'import moto.server' 2>/dev/null; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check 'moto[server]>=5,<6'
fi

cd "$scratch"
export PDBAK_ARCHIVE=$scratch/archive HOME=$scratch
export PDBAK_OFFSITE_MOTO=AKIAEXAMPLE:secretsecret PDBAK_OFFSITE_LOCKED=AKIAEXAMPLE:secretsecret PDBAK_OFFSITE_S3S=AKIAEXAMPLE:secretsecret
mkdir export
"$venv/bin/python" - <<'DATA'
import json, random
random.seed(7)
with open("export/deals.ndjson", "w") as out:
    for number in range(1, 60001):
        out.write(json.dumps({"id": number, "title": f"deal {number}", "note": "%x" % random.getrandbits(2000)}) + "\n")
DATA
"$pdbak" init --no-encryption --quiet >/dev/null
"$pdbak" import export --quiet >/dev/null

moto=${PDBAK_MOTO_PORT:-8654}
"$venv/bin/python" -m moto.server -H 127.0.0.1 -p "$moto" >"$scratch/moto.log" 2>&1 &
servers+=($!)
answers "$moto"
"$venv/bin/python" - "http://127.0.0.1:$moto" <<'BUCKETS'
import boto3, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="secretsecret")
s3.create_bucket(Bucket="plain")
s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
BUCKETS
cat >pdbak.toml <<CONFIG
[offsite.moto]
url = "s3://plain/crm"
endpoint = "http://127.0.0.1:$moto"
region = "us-east-1"

[offsite.locked]
url = "s3://locked/crm"
endpoint = "http://127.0.0.1:$moto"
region = "us-east-1"
lock = "governance"
lock_days = 30
CONFIG

# What every server must do: a first push, one that sends nothing, damage found and mended, and the way back.
story() {
    local name=$1 first bytes
    first=$("$pdbak" offsite push "$name" --json)
    bytes=$(value sent.bytes <<<"$first")
    [ "$bytes" -gt 10000000 ] || fail "$name: only $bytes bytes were sent"
    is "$(value faults <<<"$first")" "[]" "$name: faults of the first push"
    is "$("$pdbak" offsite push "$name" --json | value sent.files)" 0 "$name: files of the second push"
    is "$("$pdbak" offsite check "$name" --read-data --json | value faults)" "[]" "$name: faults of the check"
    "$pdbak" offsite pull "$name" --archive "new-$name" --json | value faults >/dev/null
    "$pdbak" check --read-data --archive "new-$name" --quiet >/dev/null
    echo "$name: $bytes bytes there and back; create-only: $(value create_only <<<"$first"), proven by checksum: $(value by_checksum <<<"$first"), read back: $(value read_back <<<"$first")"
}

# An archive that lives there: made, written by two machines of which one is killed again and again, pruned, checked.
# Arguments: what it is called, bucket, port.
lives() {
    local home_of=$1
    (
        export PDBAK_ARCHIVE=s3://$2/lives PDBAK_ARCHIVE_ENDPOINT=http://127.0.0.1:$3 PDBAK_ARCHIVE_REGION=us-east-1
        export PDBAK_ARCHIVE_CREDENTIALS=AKIAEXAMPLE:secretsecret PDBAK_PASSPHRASE=horse
        as() { local machine=$1; shift; mkdir -p "$scratch/$home_of-$machine"; HOME=$scratch/$home_of-$machine "$pdbak" "$@"; }
        PDBAK_ARCHIVE=s3://nowhere/lives as one snapshots >nowhere 2>&1 && fail "$home_of: a bucket was found that does not exist"
        grep -q 'there is no such bucket' nowhere || fail "$home_of: it is not told that there is no bucket: $(cat nowhere)"
        as one init --quiet >/dev/null
        as one import export --quiet >/dev/null
        "$venv/bin/python" -c 'import json
lines = [json.loads(line) for line in open("export/deals.ndjson")]
with open("other/deals.ndjson", "w") as out:
    for deal in lines: out.write(json.dumps(deal | {"title": deal["title"].upper() if deal["id"] % 2 else deal["title"]}) + "\n")'
        for moment in 0.1 0.3 0.5 0.7 1 1.5 2; do
            { HOME=$scratch/$home_of-one timeout -s KILL "$moment" "$pdbak" import other --quiet || true; } >/dev/null 2>&1
        done
        as one import other --quiet >/dev/null
        as four get deals/42 >/dev/null
        looked=$(find "$scratch/$home_of-four" -path '*/fetched/segments/*' -type f -printf '%s\n' | awk '{ all += $1 } END { print all + 0 }')
        [ "$looked" -lt 6000000 ] || fail "$home_of: one record cost $looked bytes"
        as two check --read-data --quiet >/dev/null
        is "$(as two ls latest deals --json | wc -l)" 60000 "$home_of: deals on another machine"
        as two forget --keep-last 1 --quiet >/dev/null
        for moment in 0.1 0.2 0.3 0.5 0.7 1; do
            { HOME=$scratch/$home_of-two timeout -s KILL "$moment" "$pdbak" prune --grace 0 --repack 1 --quiet || true; } >/dev/null 2>&1
            as three check --read-data --quiet >/dev/null
        done
        as two prune --grace 0 --repack 1 --quiet >/dev/null
        as three check --read-data --quiet >/dev/null
        is "$(as three snapshots --json | "$venv/bin/python" -c 'import json,sys; print(len(json.load(sys.stdin)))')" 1 "$home_of: snapshots"
        echo "$home_of: lived in by three machines, seven kills while writing, six while pruning"
    )
}
mkdir -p other

story moto
lives moto plain "$moto"
is "$("$pdbak" offsite push moto --json | value create_only)" true "moto keeps names from being replaced"
"$venv/bin/python" - "http://127.0.0.1:$moto" <<'DAMAGE'
import boto3, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="secretsecret")
key = next(o["Key"] for o in s3.list_objects_v2(Bucket="plain", Prefix="crm/segments/")["Contents"])
body = bytearray(s3.get_object(Bucket="plain", Key=key)["Body"].read())
body[len(body) // 2] ^= 1
s3.put_object(Bucket="plain", Key=key, Body=bytes(body))
DAMAGE
if "$pdbak" offsite check moto --read-data >/dev/null 2>&1; then fail "damage was not found"; fi
is "$("$pdbak" offsite push moto --verify --json | value mended)" 1 "damaged files mended"
"$pdbak" offsite check moto --read-data --quiet >/dev/null

locked=$("$pdbak" offsite push locked --json)
case $(value locked_until <<<"$locked") in
*governance*) echo "locked: until $(value locked_until <<<"$locked")" ;;
*) fail "the object lock is not told: $locked" ;;
esac
"$venv/bin/python" - "http://127.0.0.1:$moto" <<'ERASE'
import boto3, botocore, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="secretsecret")
versions = s3.list_object_versions(Bucket="locked", Prefix="crm/")["Versions"]
kept = 0
for version in versions:
    try:
        s3.delete_object(Bucket="locked", Key=version["Key"], VersionId=version["VersionId"])
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied", error
        kept += 1
assert kept == len(versions) > 5, f"{kept} of {len(versions)} were kept"
print(f"locked: a thief with the credentials removed none of {kept} files")
ERASE
"$pdbak" offsite check locked --read-data --quiet >/dev/null

# An archive that lives behind an object lock: forgetting and pruning go on, and everything it ever had is still there.
(
    export PDBAK_ARCHIVE=s3://locked/lives PDBAK_ARCHIVE_CREDENTIALS=AKIAEXAMPLE:secretsecret PDBAK_PASSPHRASE=horse HOME=$scratch/locked-home
    mkdir -p "$HOME"
    printf '[profiles.one.store]\nendpoint = "http://127.0.0.1:%s"\nregion = "us-east-1"\nlock = "governance"\nlock_days = 30\n' "$moto" >lives.toml
    export PDBAK_CONFIG=$scratch/lives.toml
    "$pdbak" init 2>&1 >/dev/null | grep -q 'holds on to what it is given: this until .*governance' || fail "the lock of an archive is not told"
    "$pdbak" import other --quiet >/dev/null
    "$pdbak" import export --quiet >/dev/null
    "$pdbak" forget --keep-last 1 --quiet >/dev/null
    "$pdbak" prune --grace 0 --repack 1 --quiet >/dev/null
    HOME=$scratch/locked-other "$pdbak" check --read-data --quiet >/dev/null
)
"$venv/bin/python" - "http://127.0.0.1:$moto" <<'ERASE'
import boto3, botocore, sys
s3 = boto3.client("s3", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="AKIAEXAMPLE", aws_secret_access_key="secretsecret")
listed = s3.list_object_versions(Bucket="locked", Prefix="lives/")
kept = pruned = 0
for version in listed["Versions"]:
    name = version["Key"].removeprefix("lives/")
    try:
        s3.delete_object(Bucket="locked", Key=version["Key"], VersionId=version["VersionId"])
        assert name.startswith("runs/"), f"{name} was removed"
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied", error
        kept += 1
        pruned += not version["IsLatest"]
assert kept > 10 and pruned > 2, f"{kept} kept, {pruned} of them pruned"
print(f"locked: an archive that lives there keeps {kept} files against a thief, {pruned} of which a prune had removed")
ERASE

# Pushes that are killed at random moments, then one that is not.
sed 's|plain/crm|plain/killed|' pdbak.toml >killed.toml
for moment in 0.02 0.05 0.1 0.15 0.2 0.3 0.4; do
    # The shell would tell of each kill.
    { timeout -s KILL "$moment" "$pdbak" --config killed.toml offsite push moto --quiet || true; } >/dev/null 2>&1
done
"$pdbak" --config killed.toml offsite push moto --quiet >/dev/null
"$pdbak" --config killed.toml offsite check moto --read-data --quiet >/dev/null
echo "killed: whole after seven kills"

# A server that recomputes every signature, those of locked uploads too, which pdbak signs itself.
strict=$((moto + 1))
INITIAL_NO_AUTH_ACTION_COUNT=4 "$venv/bin/python" -m moto.server -H 127.0.0.1 -p "$strict" >"$scratch/strict.log" 2>&1 &
servers+=($!)
answers "$strict"
"$venv/bin/python" - "http://127.0.0.1:$strict" >strict.key <<'USER'
import boto3, json, sys
setup = dict(endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="setup", aws_secret_access_key="setup")
iam = boto3.client("iam", **setup)
iam.create_user(UserName="pdbak")
allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="pdbak", PolicyName="all", PolicyDocument=json.dumps(allow))
key = iam.create_access_key(UserName="pdbak")["AccessKey"]
boto3.client("s3", **setup).create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
print(f"{key['AccessKeyId']}:{key['SecretAccessKey']}")
USER
sed "s|:$moto|:$strict|" pdbak.toml >strict.toml
PDBAK_OFFSITE_LOCKED=$(cat strict.key)
signed=$("$pdbak" --config strict.toml offsite push locked --json)
is "$(value faults <<<"$signed")" "[]" "faults at a server that checks signatures"
case $(value locked_until <<<"$signed") in
*governance*) echo "strict: every signature was right, with object lock" ;;
*) fail "the strict server did not take the lock: $signed" ;;
esac
PDBAK_OFFSITE_LOCKED=$(cut -d: -f1 strict.key):wrongwrong "$pdbak" --config strict.toml offsite push locked >wrong 2>&1 &&
    fail "a wrong secret was believed"
grep -q 'refuses the credentials' wrong || fail "a wrong secret was not told as such: $(cat wrong)"

s3s=$(command -v s3s-fs || echo "$here/../../target/s3s/bin/s3s-fs")
if [ -x "$s3s" ]; then
    port=${PDBAK_S3S_PORT:-8656}
    mkdir -p s3s/acme
    "$s3s" --access-key AKIAEXAMPLE --secret-key secretsecret --host 127.0.0.1 --port "$port" s3s >"$scratch/s3s.log" 2>&1 &
    servers+=($!)
    answers "$port"
    printf '[offsite.s3s]\nurl = "s3://acme/crm"\nendpoint = "http://127.0.0.1:%s"\nregion = "us-east-1"\n' "$port" >pdbak.toml
    story s3s
    lives s3s acme "$port"
    PDBAK_OFFSITE_S3S=AKIAEXAMPLE:wrongwrong "$pdbak" offsite push s3s >"$scratch/refused" 2>&1 && fail "a wrong secret was taken"
    grep -q 'refuses the credentials' "$scratch/refused" || fail "a wrong secret was not told as such"
else
    echo "s3s-fs is not installed (cargo install s3s-fs --version 0.14.1 --features binary --root target/s3s): left out"
fi

# OpenSSH: an unknown host, the story, sessions that are killed while a copy is on its way, and pushes that are.
sshd=$(command -v sshd || echo /usr/sbin/sshd)
if [ -x "$sshd" ]; then
    port=${PDBAK_SSHD_PORT:-8658}
    [ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd
    mkdir ssh
    ssh-keygen -q -t ed25519 -N '' -f ssh/host
    ssh-keygen -q -t ed25519 -N '' -f ssh/user
    printf '%s\n' "Port $port" "ListenAddress 127.0.0.1" "HostKey $scratch/ssh/host" "AuthorizedKeysFile $scratch/ssh/user.pub" \
        "PidFile $scratch/ssh/pid" "StrictModes no" "UsePAM no" "PermitRootLogin yes" "PasswordAuthentication no" \
        "Subsystem sftp internal-sftp" >ssh/sshd_config
    "$sshd" -D -f "$scratch/ssh/sshd_config" -E "$scratch/ssh/log" &
    daemon=$!
    servers+=("$daemon")
    answers "$port"
    printf '%s\n' "Host nas" "  HostName 127.0.0.1" "  Port $port" "  User $(id -un)" "  IdentityFile $scratch/ssh/user" \
        "  IdentitiesOnly yes" "  UserKnownHostsFile $scratch/ssh/known" >ssh/config
    printf '[offsite.ssh]\nurl = "sftp://nas%s"\nssh_command = "ssh -F %s"\n' "$scratch/vault/a copy" "$scratch/ssh/config" >ssh.toml
    export PDBAK_CONFIG=$scratch/ssh.toml
    "$pdbak" offsite push ssh >"$scratch/unknown" 2>&1 && fail "a host that nobody knows was believed"
    grep -q 'Host key verification failed' "$scratch/unknown" || fail "an unknown host is not told as such: $(cat "$scratch/unknown")"
    echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 ssh/host.pub)" >ssh/known
    story ssh
    rm -rf vault
    cut_twice() { for _ in 1 2; do sleep 1; pkill -KILL -P "$daemon" || true; done; }
    cut_twice &
    is "$("$pdbak" offsite push ssh --limit-upload 6M --json | value faults)" "[]" "ssh: faults where two connections broke"
    wait $!
    cut_twice &
    "$pdbak" offsite check ssh --read-data --limit-download 6M --quiet >/dev/null
    wait $!
    rm -rf vault
    for moment in 0.05 0.1 0.15 0.2 0.3 0.4 0.6; do
        { timeout -s KILL "$moment" "$pdbak" offsite push ssh --quiet || true; } >/dev/null 2>&1
    done
    "$pdbak" offsite push ssh --quiet >/dev/null
    "$pdbak" offsite check ssh --read-data --quiet >/dev/null
    echo "ssh: whole after four connections that broke, and after seven kills"
    unset PDBAK_CONFIG
else
    echo "OpenSSH's server is not installed (package openssh-server): left out"
fi
echo "offsite: all passed"
