#!/usr/bin/env python3
"""Runs of pdbak against each other: together.py PDBAK [--minutes N] [--seed SEED]

Five scenes share the time: two writers; a writer beside one that forgets and prunes; readers beside them; copies beside a
prune that waits before it removes; readers and a writer beside a rotation of keys. Every command has to end in time, and in
success or with exit code 11 and the words for it (another run is at work). After each scene all snapshots that were told
as finished are read again. Needs python3 alone.
"""
import argparse
import collections
import os
import pathlib
import random
import shutil
import sys
import tempfile
import threading
import time

from world import Account, Archive, Broken, DONE, Export, GAPS, LOCKED, dice_of, keep, say

# What exit code 11 has to come with.
BUSY = ("locked: ", "the keys of the archive were replaced a moment ago")


class Scene:
    """Parts that play at once until the time is over or one of them breaks something."""

    def __init__(self, archive, seconds, seed):
        self.archive, self.until, self.seed = archive, time.monotonic() + seconds, seed
        self.broken, self.ended = [], collections.Counter()
        # Snapshots that nobody forgets while the scene lasts.
        self.kept = sorted(archive.told)[:4]

    def run(self, name, *words, codes=(DONE,), **environment):
        """One command; another run at work is a fair answer."""
        outcome = self.archive.run(*words, **environment)
        if outcome.code == LOCKED:
            if not any(words in outcome.err for words in BUSY):
                raise Broken(f"without a word about another run: {outcome.told()}")
            self.ended[name, "busy"] += 1
            return None
        if outcome.code not in codes:
            raise Broken(outcome.told())
        self.ended[name, "done"] += 1
        return outcome

    def play(self, *parts):
        """Each part over and over again, in a thread of its own."""
        def loop(number, part):
            dice = random.Random(f"{self.seed} {number}")
            try:
                while time.monotonic() < self.until and not self.broken:
                    part(self, dice)
            except Exception as broken:  # Whatever it is, the others have to stop and it has to be told.
                self.broken.append(broken)

        threads = [threading.Thread(target=loop, args=one) for one in enumerate(parts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.broken:
            raise self.broken[0]


class Importer:
    """A writer with an export of its own."""

    def __init__(self, folder, dice):
        self.export = Export(folder, dice, deals=1500)

    def __call__(self, scene, dice):
        self.export.change()
        done = scene.run("import", "import", str(self.export.folder), "--json")
        if done:
            scene.archive.note(done.json(), self.export.digest())


class Capturer:
    """A writer that captures an account."""

    def __init__(self, account):
        self.account = account

    def __call__(self, scene, dice):
        self.account.change(dice)
        done = scene.run("snapshot", "snapshot", "--json", codes=(DONE, GAPS))
        if done:
            scene.archive.note(done.json())


def forgetter(scene, dice):
    """Forgets, and removes at once what nothing needs."""
    newest = {row["account"]["kind"]: snapshot for snapshot, row in scene.archive.listed().items()}
    free = sorted(set(scene.archive.told) - set(newest.values()) - set(scene.kept))
    for snapshot in dice.sample(free, min(len(free), max(1, len(free) - 6))):
        known = scene.archive.told.pop(snapshot)
        if not scene.run("forget", "forget", snapshot):
            scene.archive.told[snapshot] = known
    scene.run("prune", "prune", "--grace", "0", "--repack", str(dice.choice([1, 25, 50])))
    time.sleep(dice.uniform(0, 1))


def packer(scene, dice):
    """Packs anew, and leaves what is not needed any more for copies that are under way."""
    scene.run("prune, waiting", "prune", "--repack", str(dice.choice([1, 10])))


def reader(scene, dice):
    """Reads what nobody forgets, in every way."""
    one, other = dice.sample(scene.kept, 2)
    choice = dice.randrange(5)
    if choice == 0:
        scene.run("check --read-data", "check", "--read-data")
    elif choice == 1:
        scene.run("show --verify", "show", one, "--verify")
    elif choice == 2:
        scene.run("diff", "diff", one, other, "--json")
    elif choice == 3:
        scene.run("snapshots", "snapshots", "--json")
    else:
        scene.archive.reads(one)
        scene.ended["ls", "done"] += 1


class Copier:
    """Sends copies and makes bundles, and reads what arrived."""

    def __init__(self, scratch):
        self.scratch, self.count = pathlib.Path(scratch), 0

    def __call__(self, scene, dice):
        self.count += 1
        copy, file = str(self.scratch / "copy"), self.scratch / f"bundle-{self.count}.tar"
        if dice.random() < 0.5:
            if scene.run("offsite push", "offsite", "push", copy):
                # Whatever came into the archive meanwhile, what arrived is an archive by itself.
                scene.run("check of a copy", "check", "--read-data", PDBAK_ARCHIVE=copy)
        elif scene.run("bundle create", "bundle", "create", str(file), dice.choice(scene.kept)):
            folder = str(self.scratch / f"unbundled-{self.count}")
            scene.run("bundle import", "bundle", "import", str(file), PDBAK_ARCHIVE=folder)
            scene.run("check of a bundle", "check", "--read-data", PDBAK_ARCHIVE=folder)
            shutil.rmtree(folder)
            file.unlink()


def rotator(scene, dice):
    """Replaces the keys, and lets others come to their turn."""
    scene.run("key rotate", "key", "rotate", "--yes")
    time.sleep(dice.uniform(0, 0.2))


def play(archive, account, scratch, seconds, dice, short):
    """All scenes, one after the other; what came of each."""
    one, two = Importer(scratch / "one", dice), Importer(scratch / "two", dice)
    capturer, copier = Capturer(account), Copier(scratch)
    first = Scene(archive, 0, 0)
    for part in (one, one, two, capturer, one):
        part(first, dice)
    scenes = {
        "two writers": (one, two, capturer),
        "writers beside forget and prune": (one, capturer, forgetter),
        "readers beside writer, forget and prune": (reader, reader, one, forgetter),
        "copies beside writer and prune": (copier, one, packer),
        "readers and writer beside rotation": (reader, one, rotator),
    }
    if short:
        scenes = dict(list(scenes.items())[:2])
    for number, (name, parts) in enumerate(scenes.items()):
        scene = Scene(archive, seconds / len(scenes), f"{dice.random()} {number}")
        try:
            scene.play(*parts)
            archive.must("check", "--read-data")
            archive.stands()
            for snapshot in archive.told if len(archive.told) < 30 else dice.sample(sorted(archive.told), 30):
                archive.reads(snapshot)
        except Broken as broken:
            raise Broken(f"{name}: {broken}") from None
        told = ", ".join(f"{what} {how} {times}" for (what, how), times in sorted(scene.ended.items()))
        print(f"{name}: {told}; {len(archive.told)} snapshots stand", flush=True)
        # The next scene begins with few.
        newest = {row["account"]["kind"]: snapshot for snapshot, row in archive.listed().items()}
        gone = sorted(set(archive.told) - set(newest.values()) - set(scene.kept))
        if gone:
            archive.must("forget", *gone)
            archive.told = {snapshot: known for snapshot, known in archive.told.items() if snapshot not in gone}


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("pdbak")
    arguments.add_argument("--minutes", type=float, default=3)
    arguments.add_argument("--short", action="store_true", help="the first two scenes alone")
    arguments.add_argument("--seed", type=int)
    given = arguments.parse_args()
    dice, pdbak = dice_of(given.seed), os.path.realpath(given.pdbak)
    with tempfile.TemporaryDirectory(prefix="pdbak-together-") as scratch:
        account = Account(pdbak, 100, dice.randrange(1 << 16))
        try:
            archive = Archive(pdbak, scratch, account)
            play(archive, account, pathlib.Path(scratch), given.minutes * 60, dice, given.short)
        except Broken as broken:
            say(f"error: {broken}\n{keep(scratch, 'together')}")
            return 1
        finally:
            account.end()
    print("nothing lost, nothing blocked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
