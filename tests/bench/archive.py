"""Runs pdbak over ten versions of made-up records and prints the table of the archive's bar.

Called by archive.sh: PDBAK DATA ARCHIVE. Peak memory is what the kernel charged to each child.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import time


def run(*arguments):
    """Seconds and MiB of one command; its failure ends the benchmark."""
    began = time.perf_counter()
    child = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    told = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"{' '.join(arguments)} ended with {child.returncode}:\n{told.decode()}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def size(archive):
    """MB and files, without the index: it is derived and never copied."""
    files = [path for path in archive.rglob("*") if path.is_file() and not path.name.startswith("index.sqlite")]
    return sum(path.stat().st_size for path in files) / 1e6, len(files)


def main():
    pdbak, data, archive = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    os.environ.update(PDBAK_ARCHIVE=str(archive), PDBAK_PASSPHRASE="a passphrase of the benchmark")
    shutil.rmtree(archive, ignore_errors=True)
    peaks = [run(pdbak, "init")[1]]
    seconds, sizes = [], []
    for version in sorted(data.glob("v*")):
        wall, peak = run(pdbak, "import", str(version))
        seconds.append(wall)
        peaks.append(peak)
        sizes.append(size(archive)[0])
    check = run(pdbak, "check", "--read-data")
    read = [run(pdbak, "ls", "latest", "deals", "persons", "organizations", "activities", "--json")]
    diff = [run(pdbak, "diff", "latest~1", "latest", "--json") for _ in range(3)]
    peaks += [check[1], *(peak for _, peak in read + diff)]
    later = sorted(seconds[1:])
    rows = [
        ("after version 1, MB", sizes[0], "29", "25"),
        ("after version 10, MB", sizes[-1], "33", "28"),
        ("added by one version, MB", (sizes[-1] - sizes[0]) / (len(sizes) - 1), "0.45", "0.30"),
        ("first version, s", seconds[0], "2.0", "1.0"),
        ("later version (median), s", later[len(later) // 2], "1.5", "0.7"),
        ("full verify, s", check[0], "1.5", "0.5"),
        ("read back all records, s", sum(wall for wall, _ in read), "1.2", "0.7"),
        ("diff of the last two (best), s", min(wall for wall, _ in diff), "0.5", ""),
        ("peak memory, MiB", max(peaks), "128", "80"),
        ("files after ten", size(archive)[1], "60", "40"),
    ]
    print(f"{'':32}{'here':>10}{'must':>8}{'aim':>8}")
    for name, value, must, aim in rows:
        print(f"{name:32}{value:10.2f}{must:>8}{aim:>8}")
    index = sum(path.stat().st_size for path in archive.glob("index.sqlite*")) / 1e6
    print(f"load of the machine {os.getloadavg()[0]:.1f}; index (derived) {index:.1f} MB")


main()
