"""Runs pdbak over ten versions of made-up records and prints the table of the archive's bar.

Called by archive.sh: PDBAK DATA ARCHIVE. Peak memory is what the kernel charged to each child.
"""
import os
import pathlib
import shutil
import sys

from measure import run, size

DERIVED = ("index.sqlite",)


def main():
    pdbak, data, archive = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    os.environ.update(PDBAK_ARCHIVE=str(archive), PDBAK_PASSPHRASE="a passphrase of the benchmark")
    shutil.rmtree(archive, ignore_errors=True)
    costs = [run(pdbak, "init")]
    seconds, sizes = [], []
    for version in sorted(data.glob("v*")):
        costs.append(run(pdbak, "import", str(version)))
        seconds.append(costs[-1].wall)
        sizes.append(size(archive, DERIVED)[0])
    check = run(pdbak, "check", "--read-data")
    read = [run(pdbak, "ls", "latest", "deals", "persons", "organizations", "activities", "--json")]
    diff = [run(pdbak, "diff", "latest~1", "latest", "--json") for _ in range(3)]
    costs += [check, *read, *diff]
    later = sorted(seconds[1:])
    rows = [
        ("after version 1, MB", sizes[0], "29", "25"),
        (f"after version {len(sizes)}, MB", sizes[-1], "33", "28"),
        ("added by one version, MB", (sizes[-1] - sizes[0]) / (len(sizes) - 1), "0.45", "0.30"),
        ("first version, s", seconds[0], "2.0", "1.0"),
        ("later version (median), s", later[len(later) // 2], "1.5", "0.7"),
        ("full verify, s", check.wall, "1.5", "0.5"),
        ("read back all records, s", sum(cost.wall for cost in read), "1.2", "0.7"),
        ("diff of the last two (best), s", min(cost.wall for cost in diff), "0.5", ""),
        ("peak memory, MiB", max(cost.peak for cost in costs), "128", "80"),
        (f"files after {len(sizes)}", size(archive, DERIVED)[1], "60", "40"),
    ]
    print(f"{'':32}{'here':>10}{'must':>8}{'aim':>8}")
    for name, value, must, aim in rows:
        print(f"{name:32}{value:10.2f}{must:>8}{aim:>8}")
    index = sum(path.stat().st_size for path in archive.glob("index.sqlite*")) / 1e6
    print(f"load of the machine {os.getloadavg()[0]:.1f}; index (derived) {index:.1f} MB")


main()
