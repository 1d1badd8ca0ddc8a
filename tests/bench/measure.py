"""Runs a command and tells what it cost, as the kernel counted it; how large a folder is."""
import dataclasses
import os
import pathlib
import subprocess
import sys
import time


@dataclasses.dataclass
class Cost:
    """Seconds of the clock and of the processors, MiB at the highest, MB handed to the disk."""

    wall: float = 0.0
    cpu: float = 0.0
    peak: float = 0.0
    written: float = 0.0

    def __add__(self, other):
        return Cost(self.wall + other.wall, self.cpu + other.cpu, max(self.peak, other.peak), self.written + other.written)


def run(*arguments, cwd=None, environment=None, takes=(0,), told=None, cores=None):
    """The cost of one command, with a text on its way in and so many cores at most; an end that is not in `takes` ends the
    benchmark with its words."""
    began = time.perf_counter()
    environment = {**os.environ, **(environment or {})}
    few = cores and (lambda: os.sched_setaffinity(0, range(cores)))
    child = subprocess.Popen(arguments, cwd=cwd, env=environment, preexec_fn=few, stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    child.stdin.write((told or "").encode())
    child.stdin.close()
    words = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode not in takes:
        sys.exit(f"{' '.join(arguments)} ended with {child.returncode}:\n{words.decode()}")
    wall = time.perf_counter() - began
    # The kernel counts blocks of 512 bytes.
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, usage.ru_oublock * 512 / 1e6)


def size(folder, leave_out=()):
    """MB and files of a folder, without files whose name begins with one of these."""
    files = [path for path in pathlib.Path(folder).rglob("*") if path.is_file() and not path.name.startswith(leave_out)]
    return sum(path.stat().st_size for path in files) / 1e6, len(files)
