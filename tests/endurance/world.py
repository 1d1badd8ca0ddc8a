"""What the scripts of this folder share: made-up exports, an account in another process, and an archive whose truth is known.

Nothing here knows how pdbak works inside: what a snapshot has to hold is told by what was given to it, or by what it
said when it was finished.
"""
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

# A command that takes longer is blocked for ever.
LIMIT = 120
# How pdbak ends.
DONE, FAILED, USAGE, GAPS, LOCKED = 0, 1, 2, 3, 11


class Broken(Exception):
    """Something that must hold does not."""


class Outcome:
    """How a command ended."""

    def __init__(self, words, code, out, err, seconds):
        self.words, self.code, self.out, self.err, self.seconds = words, code, out, err, seconds

    def json(self):
        return json.loads(self.out)

    def told(self):
        return f"pdbak {' '.join(self.words)} ended with {self.code}\n{self.err.strip()}\n{self.out[:500].strip()}"


class Export:
    """A folder of NDJSON files that changes a little with every version."""

    def __init__(self, folder, dice, deals=6000):
        self.folder, self.dice = pathlib.Path(folder), dice
        self.folder.mkdir(parents=True, exist_ok=True)
        sizes = {"deals": deals, "persons": deals // 2, "organizations": deals // 8}
        self.records = {kind: {} for kind in sizes}
        for kind, size in sizes.items():
            for number in range(1, size + 1):
                self.records[kind][number] = self._record(number)
        self.write()

    def _record(self, number):
        title, note = f"Žluťoučký {number} {self.dice.getrandbits(48):x}", f"{self.dice.getrandbits(400):x}"
        return {"id": number, "title": title, "value": self.dice.random(), "note": note}

    def change(self):
        """Edits, adds and takes away some of each kind."""
        for records in self.records.values():
            numbers = list(records)
            for number in self.dice.sample(numbers, len(numbers) // self.dice.choice([5, 50, 500])):
                records[number] = self._record(number)
            for number in self.dice.sample(numbers, self.dice.randrange(8)):
                del records[number]
            newest = max(records)
            for number in range(newest + 1, newest + 1 + self.dice.randrange(20)):
                records[number] = self._record(number)
        self.write()

    def write(self):
        for kind, records in self.records.items():
            with open(self.folder / f"{kind}.ndjson", "w") as out:
                out.writelines(json.dumps(record) + "\n" for record in records.values())

    def digest(self):
        """What a snapshot of it has to give back."""
        kinds = self.records.items()
        return digest((kind, str(number), record) for kind, records in kinds for number, record in records.items())


def digest(lines):
    """One hash of records, whatever their order."""
    texts = sorted(json.dumps(line, sort_keys=True) for line in lines)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


class Account:
    """A sandbox in a process of its own."""

    def __init__(self, pdbak, records, seed):
        words = ["--listen", "127.0.0.1:0", "--token", "endurance", "--records", str(records), "--seed", str(seed)]
        words = [pdbak, "sandbox", *words, "--json", "--quiet"]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = json.loads(self.process.stdout.readline())["url"]

    def call(self, method, path, body=None):
        headers = {"x-api-token": "endurance", "content-type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            return json.load(answer)

    def living(self, kind):
        rows = self.call("GET", "/sandbox/judge")[kind]
        return [row for row in rows if not row.get("is_deleted") and row.get("active_flag", True) is not False]

    def change(self, dice):
        """Gives some deals other titles."""
        deals = [deal for deal in self.living("Deals") if not deal["is_archived"]]
        for deal in dice.sample(deals, 5):
            self.call("PATCH", f"/api/v2/deals/{deal['id']}", {"title": f"changed {dice.getrandbits(32):x}"})

    def end(self):
        self.process.kill()
        self.process.wait()


class Archive:
    """An archive, opened by a key file, and what is known of its finished snapshots."""

    def __init__(self, pdbak, scratch, account=None):
        self.pdbak, self.scratch = pdbak, pathlib.Path(scratch)
        self.folder = self.scratch / "archive"
        config = self.scratch / "pdbak.toml"
        # What changes here is far from usual.
        config.write_text('[brake]\ndefault = "off"\n')
        key = self.scratch / "archive.key"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PDBAK_")}
        self.environment |= {"HOME": str(self.scratch), "PDBAK_ARCHIVE": str(self.folder), "PDBAK_CONFIG": str(config)}
        if account:
            self.environment |= {"PDBAK_BASE_URL": account.url, "PDBAK_API_TOKEN": "endurance"}
        self.told = {}
        self.environment["PDBAK_PASSPHRASE"] = "a passphrase of endurance"
        self.must("init", "--recovery-key", str(key))
        self.environment["PDBAK_KEY_FILE"] = str(key)
        del self.environment["PDBAK_PASSPHRASE"]
        # A passphrase is slow on purpose, and a rotation would ask for it.
        for holder in self.must("key", "list", "--json").json():
            if holder["kind"] == "passphrase":
                self.must("key", "remove", holder["key"], "--yes")

    def start(self, *words, **environment):
        """Starts a command; a variable that is None is not set for it."""
        environment = {name: value for name, value in (self.environment | environment).items() if value is not None}
        nowhere, pipe = subprocess.DEVNULL, subprocess.PIPE
        command = [self.pdbak, *words]
        return subprocess.Popen(command, env=environment, cwd=self.scratch, stdin=nowhere, stdout=pipe, stderr=pipe)

    def run(self, *words, **environment):
        """Runs a command to its end."""
        began = time.perf_counter()
        child = self.start(*words, **environment)
        try:
            out, err = child.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            child.kill()
            raise Broken(f"pdbak {' '.join(words)} did not end in {LIMIT} s") from None
        return Outcome(words, child.returncode, out.decode(), err.decode(), time.perf_counter() - began)

    def must(self, *words, codes=(DONE,), **environment):
        """Runs a command that has to succeed."""
        outcome = self.run(*words, **environment)
        if outcome.code not in codes:
            raise Broken(outcome.told())
        return outcome

    def contents(self, snapshot, **environment):
        """One hash of everything in a snapshot."""
        lines = []
        for row in self.must("ls", snapshot, "--json", **environment).out.splitlines():
            listed = self.must("ls", snapshot, json.loads(row)["object"], "--json", **environment).out.splitlines()
            lines += ((line["object"], line["id"], line["record"]) for line in map(json.loads, listed))
        return digest(lines)

    def note(self, told, contents=None):
        """A snapshot that was told as finished must stay as it is, with these contents where they are known."""
        self.told[told["snapshot"]] = (facts(told), contents)

    def listed(self, **environment):
        return {row["snapshot"]: row for row in self.must("snapshots", "--json", **environment).json()}

    def stands(self, **environment):
        """Every snapshot that was told is listed with its counts; those that nobody was told of are noted from now on."""
        listed = self.listed(**environment)
        for snapshot, (known, _) in self.told.items():
            if snapshot not in listed:
                raise Broken(f"snapshot {snapshot} was told as finished and is gone")
            if facts(listed[snapshot]) != known:
                raise Broken(f"snapshot {snapshot} was told as\n{known}\nand is now\n{facts(listed[snapshot])}")
        for snapshot in listed.keys() - self.told.keys():
            self.note(listed[snapshot])

    def reads(self, snapshot, **environment):
        """All of a snapshot can be read: as it was given where that is known, else by the roots under its id."""
        self.must("show", snapshot, "--verify", **environment)
        known = self.told[snapshot][1]
        if known and self.contents(snapshot, **environment) != known:
            raise Broken(f"snapshot {snapshot} is not what was given to it")


def facts(told):
    """What of a snapshot's listing never changes."""
    counts = {name: (facts["records"], facts["coverage"]) for name, facts in told["objects"].items()}
    return told["parent"], told["sequence"], told["records"], told["complete"], sorted(counts.items())


def dice_of(seed):
    """Chance that can be played again."""
    seed = random.SystemRandom().randrange(1 << 32) if seed is None else seed
    print(f"seed {seed}", flush=True)
    return random.Random(seed)


def keep(scratch, name):
    """A copy of what broke, for whoever looks."""
    kept = tempfile.mkdtemp(prefix=f"pdbak-{name}-broken-")
    shutil.copytree(scratch, kept, dirs_exist_ok=True)
    return f"the folder is kept as {kept}"


def say(text):
    print(text, file=sys.stderr, flush=True)
