"""Runs restic, borg and pdbak over versions of made-up records and prints what each cost.

Called by rivals.sh: GENERATOR PDBAK RECORDS VERSIONS PATTERN FOLDER. The generator makes the
records and their edits; which of them are edited follows from the pattern. Every engine encrypts
and compresses with zstd, reads the same folder, and has the page cache warm from its being written.
"""
import importlib.util
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import sys

from measure import Cost, run, size

SECRET = "a passphrase of the benchmark"
CHANGED, NEW = 0.01, 0.002


def load(path):
    spec = importlib.util.spec_from_file_location("generator", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Company:
    """The lines of every object, and how they change from version to version."""

    def __init__(self, generator, records, pattern):
        self.generator, self.pattern = generator, pattern
        counts = {kind: int(records * share) for kind, share in generator.SHARE.items()}
        self.counts, self.lines = counts, {}
        for kind, make in generator.KINDS.items():
            chance = random.Random(f"rivals/{kind}/base")
            self.lines[kind] = [generator.dumps(make(chance, at + 1, counts)) for at in range(counts[kind])]

    def change(self, version, middle):
        made = self.generator
        for kind, lines in self.lines.items():
            chance = random.Random(f"rivals/{kind}/{version}")
            if self.pattern == "mass" and version == middle:
                lines[:] = [made.dumps({**json.loads(line), "owner_id": version}) for line in lines]
            first = len(lines) * 9 // 10 if self.pattern == "tail" else 0
            count = min(max(1, round(len(lines) * CHANGED)), len(lines) - first)
            for at in sorted(chance.sample(range(first, len(lines)), count)):
                stamp = f"2026-01-{version:02} 12:00:{at % 60:02}"
                lines[at] = made.dumps(made.edit(chance, kind, json.loads(lines[at]), stamp))
            for _ in range(max(1, round(len(lines) * NEW))):
                lines.append(made.dumps(made.KINDS[kind](chance, len(lines) + 1, self.counts)))

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        for kind, lines in self.lines.items():
            with open(folder / f"{kind}.ndjson", "w", encoding="utf-8", newline="\n") as file:
                file.writelines(line + "\n" for line in lines)


def make(path, records, pattern, versions, data, orders):
    """Writes the next version whenever it is asked to. A process of its own: a child that is measured inherits its parent's peak."""
    company = Company(load(path), records, pattern)
    for version in range(1, versions + 1):
        orders.recv()
        if version > 1:
            company.change(version, versions // 2 + 1)
        company.write(data)
        orders.send(version)


class Engine:
    """How one of them is called; `keep` snapshots are left by `let_go`."""

    derived = ()

    def __init__(self, home):
        self.home = home / self.name
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        self.environment = {**self.secrets(), "HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / "cache")}
        self.repository = self.home / "repository"
        self.first = self.run(*self.create())
        self.later, self.sizes = [], []

    def run(self, *arguments, cwd=None):
        return run(*map(str, arguments), cwd=cwd, environment=self.environment)

    def take(self, version, data):
        cost = self.run(*self.snapshot(version, data), cwd=data)
        if self.sizes:
            self.later.append(cost)
        else:
            self.first = self.first + cost
        self.sizes.append(size(self.repository, self.derived))


class Restic(Engine):
    name = "restic"

    def secrets(self):
        return {"RESTIC_PASSWORD": SECRET}

    def call(self, *arguments):
        return ("restic", "--quiet", "--repo", self.repository, *arguments)

    def create(self):
        return self.call("init", "--repository-version", "2")

    def snapshot(self, _version, _data):
        return self.call("backup", ".")

    def check(self):
        return [self.call("check", "--read-data")]

    def let_go(self, keep):
        return [self.call("forget", "--keep-last", keep, "--prune")]


class Borg(Engine):
    name = "borg"

    def secrets(self):
        return {"BORG_PASSPHRASE": SECRET, "BORG_BASE_DIR": str(self.home)}

    def create(self):
        return ("borg", "init", "--encryption", "repokey-blake2", self.repository)

    def snapshot(self, version, _data):
        return ("borg", "create", "--compression", "zstd,3", f"{self.repository}::v{version:03}", ".")

    def check(self):
        return [("borg", "check", "--verify-data", self.repository)]

    def let_go(self, keep):
        return [("borg", "prune", "--keep-last", str(keep), self.repository), ("borg", "compact", self.repository)]


class Pdbak(Engine):
    name = "pdbak"
    derived = ("index.sqlite",)

    def __init__(self, home, program):
        self.program = program
        super().__init__(home)

    def secrets(self):
        return {"PDBAK_PASSPHRASE": SECRET}

    def call(self, *arguments):
        return (self.program, "--archive", self.repository, *arguments)

    def create(self):
        return self.call("init")

    def snapshot(self, _version, data):
        return self.call("import", data, "--brake", "off")

    def check(self):
        return [self.call("check", "--read-data")]

    def let_go(self, keep):
        return [self.call("forget", "--keep-last", keep), self.call("prune", "--grace", "0")]


def best(tries, work):
    """The fastest of some tries: what else the machine does only ever adds."""
    return min((work() for _ in range(tries)), key=lambda cost: cost.wall)


def floor(home, data, program):
    """check --read-data of one version beside the least that reading its segments takes: zstd -t of what lies in them and
    b3sum of the files, each file by the one thread that zstd has, then several files at once on all cores."""
    archives = {"without encryption": ["--no-encryption"], "with encryption": []}
    segments = {}
    for name, options in archives.items():
        archive = home / name.replace(" ", "-")
        shutil.rmtree(archive, ignore_errors=True)
        call = [program, "--archive", str(archive)]
        for arguments in (["init", *options], ["import", str(data)]):
            run(*call, *arguments, environment={"PDBAK_PASSPHRASE": SECRET})
        segments[name] = [str(path) for path in (archive / "segments").rglob("*") if path.is_file()]
        archives[name] = lambda *what, call=call: run(*call, "check", *what, environment={"PDBAK_PASSPHRASE": SECRET}, cores=cores)
    print(f"check --read-data of one version ({size(data)[0]:.0f} MB in {len(segments['with encryption'])} segments) "
          "beside zstd -t of the same bytes and b3sum of the files; best of five, and its share of their speed (must 50 %):")
    row("", ["s", "s of CPU", "speed", "of CPU"])
    for cores, many in ((1, "one core"), (os.cpu_count(), f"{os.cpu_count()} cores")):
        for name, check in archives.items():
            # What lies in the sealed segments are the bytes of the clear ones.
            test = ["xargs", "-n", "1", "-P", str(cores), "zstd", "-tq"] if cores > 1 else ["xargs", "zstd", "-tq"]
            paths = "\n".join(segments["without encryption"])
            least = best(5, lambda: run(*test, told=paths, cores=cores)
                         + run("b3sum", "--num-threads", str(cores), *segments[name], cores=cores))
            opening, own = best(5, lambda: check()), best(5, lambda: check("--read-data"))
            row(f"zstd -t and b3sum, {many}", [f"{least.wall:.2f}", f"{least.cpu:.2f}"])
            percent = [f"{100 * least.wall / own.wall:.0f} %", f"{100 * least.cpu / own.cpu:.0f} %"]
            row(f"  check {name}", [f"{own.wall:.2f}", f"{own.cpu:.2f}", *percent])
            row("  of that the structure alone", [f"{opening.wall:.2f}", f"{opening.cpu:.2f}"])


def row(name, cells):
    print(f"{name:34}" + "".join(f"{cell:>12}" for cell in cells), flush=True)


def costs(name, all_costs):
    row(name + ", s", [f"{cost.wall:.2f}" for cost in all_costs])
    row(name + ", s of CPU", [f"{cost.cpu:.2f}" for cost in all_costs])
    row(name + ", peak MiB", [f"{cost.peak:.0f}" for cost in all_costs])
    row(name + ", MB written", [f"{cost.written:.1f}" for cost in all_costs])


def middle(all_costs):
    """The median of each figure, but the highest peak."""
    median = lambda field: sorted(getattr(cost, field) for cost in all_costs)[len(all_costs) // 2]
    return Cost(median("wall"), median("cpu"), max(cost.peak for cost in all_costs), median("written"))


def main():
    program = str(pathlib.Path(sys.argv[2]).resolve())
    records, versions, pattern, home = int(sys.argv[3]), int(sys.argv[4]), sys.argv[5], pathlib.Path(sys.argv[6]).resolve()
    if pattern not in ("spread", "tail", "mass"):
        sys.exit(f"error: no pattern is called {pattern}: spread, tail or mass")
    home.mkdir(parents=True, exist_ok=True)
    data = home / "data"
    ours, theirs = multiprocessing.Pipe()
    maker = multiprocessing.Process(target=make, args=(sys.argv[1], records, pattern, versions, data, theirs), daemon=True)
    maker.start()
    theirs.close()
    engines = [Restic(home), Borg(home), Pdbak(home, program)]
    for version in range(1, versions + 1):
        ours.send(version)
        ours.recv()
        for engine in engines:
            engine.take(version, data)
    print(f"{records} records, {versions} versions, {pattern}; the last is {size(data)[0]:.0f} MB; load {os.getloadavg()[0]:.1f}")
    row("", [engine.name for engine in engines])
    row("after version 1, MB", [f"{engine.sizes[0][0]:.2f}" for engine in engines])
    row(f"after version {versions}, MB", [f"{engine.sizes[-1][0]:.2f}" for engine in engines])
    row("files", [engine.sizes[-1][1] for engine in engines])
    costs("first version", [engine.first for engine in engines])
    costs("later version", [middle(engine.later) for engine in engines])
    total = lambda engine, calls: sum((engine.run(*call) for call in calls), Cost())
    costs("check of every byte", [total(engine, engine.check()) for engine in engines])
    costs("all but the last five let go", [total(engine, engine.let_go(5)) for engine in engines])
    row("after that, MB", [f"{size(engine.repository, engine.derived)[0]:.2f}" for engine in engines])
    floor(home, data, program)


main()
