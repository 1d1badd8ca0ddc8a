#!/usr/bin/env python3
"""pdbak killed at random moments: kills.py PDBAK [--kills N] [--seed SEED]

Commands that write are started one after the other and killed (SIGKILL) after a random part of the time that they take.
After each kill, whatever is run next must succeed with nothing unlocked; `check` must be clean, every snapshot that was
ever told as finished must be listed with its counts, and read as it was. Counts only kills that struck while the command
was running. Needs python3 alone.
"""
import argparse
import collections
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from world import Account, Archive, Broken, DONE, Export, GAPS, USAGE, dice_of, keep, say

# Of an account that holds more than this many snapshots some are forgotten next.
MANY = 12


class Story:
    """One archive and all that is done to it."""

    def __init__(self, pdbak, scratch, dice):
        self.dice, self.scratch = dice, pathlib.Path(scratch)
        self.account = Account(pdbak, 150, dice.randrange(1 << 16))
        self.archive = Archive(pdbak, scratch, self.account)
        self.export = Export(self.scratch / "export", dice)
        self.copy, self.count = self.scratch / "copy", 0
        self.took, self.struck = {}, collections.Counter()
        self.runs, self.late = collections.Counter(), collections.Counter()
        self.commands = {
            "import": self.import_,
            "snapshot": self.snapshot,
            "forget": self.forget,
            "prune": self.prune,
            "check": self.check,
            "repair": self.repair,
            "rotate": self.rotate,
            "push": self.push,
            "pull": self.pull,
            "bundle": self.bundle,
            "reindex": self.reindex,
            "key add": self.key_add,
            "tag": self.tag,
            "restore": self.restore,
            "init": self.init,
        }
        # What writes most is killed most.
        self.weights = {"import": 5, "snapshot": 3, "forget": 3, "prune": 5, "repair": 3, "rotate": 3, "push": 3}

    def name(self, stem):
        """A name that was not used before."""
        self.count += 1
        return str(self.scratch / f"{stem}-{self.count}")

    def kill(self, name, *words, **environment):
        """Runs a command and kills it at a random moment; whether that struck."""
        self.runs[name] += 1
        child = self.archive.start(*words, **environment)
        time.sleep(self.dice.uniform(0, 1.05 * self.took[name]) if name in self.took else 0)
        running = child.poll() is None
        child.kill()
        child.communicate()
        struck = running and child.returncode == -9
        self.struck[name] += struck
        self.late[name] += not struck
        return struck

    def play(self, name, *words, codes=(DONE,), **environment):
        """Kills a command some times, and then lets it end, which must succeed; at first only learns how long it takes."""
        if name in self.took:
            while self.kill(name, *words, **environment) and self.dice.random() < 0.4:
                if self.dice.random() < 0.5:
                    self.verify(quick=True)
            if self.dice.random() < 0.3:
                # Another command is next, not the one that was killed.
                self.archive.must("import", str(self.export.folder), "--json")
        outcome = self.archive.must(*words, codes=codes, **environment)
        self.took[name] = outcome.seconds
        return outcome

    def import_(self):
        self.export.change()
        told = self.play("import", "import", str(self.export.folder), "--json").json()
        self.archive.note(told, self.export.digest())

    def snapshot(self):
        self.account.change(self.dice)
        words = ["snapshot", "--json"] + ["--full"] * (self.dice.random() < 0.3)
        self.archive.note(self.play("snapshot", *words, codes=(DONE, GAPS)).json())

    def forget(self):
        # The newest of each account stays, whatever is said.
        newest = {row["account"]["kind"]: snapshot for snapshot, row in self.archive.listed().items()}
        known = [snapshot for snapshot in self.archive.told if snapshot not in newest.values()]
        gone = self.dice.sample(known, min(len(known), self.dice.randrange(1, 4) + max(0, len(known) - MANY)))
        if not gone:
            return
        for snapshot in gone:
            del self.archive.told[snapshot]
        # What was struck may be forgotten already, and is then not there to be forgotten again.
        if "forget" in self.took:
            self.kill("forget", "forget", *gone)
        left = [snapshot for snapshot in gone if snapshot in self.archive.listed()]
        if left:
            self.took["forget"] = self.archive.must("forget", *left).seconds

    def prune(self):
        self.play("prune", "prune", "--grace", "0", "--repack", str(self.dice.choice([1, 10, 50])))

    def check(self):
        self.play("check", "check", "--read-data")

    def repair(self):
        """Damages something that the copy has, and has it brought back."""
        self.archive.must("offsite", "push", str(self.copy))
        files = [file for part in ("segments", "snapshots") for file in (self.archive.folder / part).rglob("*")]
        victim = self.dice.choice(sorted(file for file in files if file.is_file()))
        if self.dice.random() < 0.3:
            victim.unlink()
        else:
            victim.chmod(0o644)
            bytes_ = bytearray(victim.read_bytes())
            bytes_[self.dice.randrange(len(bytes_))] ^= 1 << self.dice.randrange(8)
            victim.write_bytes(bytes_)
        words = ["repair", "--from", str(self.copy), "--yes"]
        if "repair" in self.took:
            while self.kill("repair", *words) and self.dice.random() < 0.5:
                pass
        self.took["repair"] = self.archive.must(*words).seconds
        self.archive.must("check", "--read-data")

    def rotate(self):
        self.play("rotate", "key", "rotate", "--yes")

    def push(self):
        if self.dice.random() < 0.1:
            shutil.rmtree(self.copy, ignore_errors=True)
        self.play("push", "offsite", "push", str(self.copy))
        self.archive.must("offsite", "check", str(self.copy), "--read-data")

    def pull(self):
        self.archive.must("offsite", "push", str(self.copy))
        folder = self.name("pulled")
        self.play("pull", "offsite", "pull", str(self.copy), PDBAK_ARCHIVE=folder)
        self.archive.must("check", "--read-data", PDBAK_ARCHIVE=folder)
        shutil.rmtree(folder)

    def bundle(self):
        file = pathlib.Path(self.name("bundle") + ".tar")
        if "bundle" in self.took:
            self.kill("bundle", "bundle", "create", str(file), "--all")
        if not file.exists():
            self.took["bundle"] = self.archive.must("bundle", "create", str(file), "--all").seconds
            if left := list(self.scratch.glob(".pdbak-bundle-*")):
                raise Broken(f"left behind by a bundle: {left}")
        folder = self.name("unbundled")
        self.play("unbundle", "bundle", "import", str(file), PDBAK_ARCHIVE=folder)
        self.archive.must("check", "--read-data", PDBAK_ARCHIVE=folder)
        shutil.rmtree(folder)
        file.unlink()

    def reindex(self):
        if self.dice.random() < 0.5:
            for file in self.archive.folder.glob("index.sqlite*"):
                file.unlink()
        self.play("reindex", "reindex")

    def key_add(self):
        identity = self.name("key")
        before = {holder["key"] for holder in self.archive.must("key", "list", "--json").json()}
        if "key add" in self.took:
            self.kill("key add", "key", "add", "--write-identity", identity)
        # A file that is there is never written over, so another name is given.
        other = self.name("key")
        self.took["key add"] = self.archive.must("key", "add", "--write-identity", other).seconds
        self.archive.must("snapshots", PDBAK_KEY_FILE=other)
        for holder in self.archive.must("key", "list", "--json").json():
            if holder["key"] not in before:
                self.archive.must("key", "remove", holder["key"], "--yes")

    def tag(self):
        self.play("tag", "tag", "latest", "--add", f"t{self.count}")

    def restore(self):
        """Notes that were deleted come back, each once, however often the restore dies."""
        # Killed before there was a journal, there is nothing to go on with.
        resume, codes = ["restore", "--resume", "--yes"], (DONE, USAGE)
        goal = self.archive.must("snapshot", "--json", codes=(DONE, GAPS)).json()
        self.archive.note(goal)
        before = collections.Counter(note["content"] for note in self.account.living("Notes"))
        for note in self.dice.sample(self.account.living("Notes"), 3):
            self.account.call("DELETE", f"/v1/notes/{note['id']}")
        words = ["restore", goal["snapshot"], "--object", "Notes", "--yes"]
        if "restore" in self.took:
            while self.kill("restore", *words) and self.dice.random() < 0.5:
                self.archive.must(*resume, codes=codes)
        if self.account_notes() != before:
            self.archive.must(*resume, codes=codes)
            if self.account_notes() != before:
                self.took["restore"] = self.archive.must(*words).seconds
        elif "restore" not in self.took:
            raise Broken("a restore that had nothing to do")
        if self.account_notes() != before:
            raise Broken(f"notes are {self.account_notes()}, expected {before}")

    def account_notes(self):
        return collections.Counter(note["content"] for note in self.account.living("Notes"))

    def init(self):
        folder, key = self.name("new"), self.name("new-key")
        environment = {"PDBAK_ARCHIVE": folder, "PDBAK_KEY_FILE": None, "PDBAK_PASSPHRASE": "a passphrase"}
        if "init" in self.took:
            self.kill("init", "init", "--recovery-key", key, **environment)
        if not os.path.exists(f"{folder}/archive.json"):
            self.took["init"] = self.archive.must("init", "--recovery-key", self.name("new-key"), **environment).seconds
        self.archive.must("import", str(self.export.folder), **environment)
        shutil.rmtree(folder)

    def verify(self, quick=False):
        """What has to hold after every kill."""
        self.archive.must("check", *([] if quick else ["--read-data"] * (self.dice.random() < 0.3)))
        self.archive.stands()
        if not quick and self.archive.told:
            self.archive.reads(self.dice.choice(sorted(self.archive.told)))

    def round(self):
        names = list(self.commands)
        name = self.dice.choices(names, [self.weights.get(name, 1) for name in names])[0]
        if len(self.archive.told) > MANY:
            name = "forget"
        try:
            self.commands[name]()
            self.verify()
        except Broken as broken:
            raise Broken(f"{name}: {broken}") from None

    def last_word(self):
        """Everything is read once more; what kills left behind is gone after a prune, and nothing else."""
        self.archive.must("check", "--read-data")
        for snapshot in self.archive.told:
            self.archive.reads(snapshot)
        self.archive.must("prune", "--grace", "0")
        left = [str(file) for folder in ("tmp", "runs") for file in (self.archive.folder / folder).iterdir()]
        if left:
            raise Broken(f"left behind: {left}")
        again = self.archive.must("prune", "--grace", "0", "--json").json()
        if again["removed"]["files"]:
            raise Broken(f"a second prune still finds something: {again}")
        self.archive.stands()
        # Nobody knows of a copy's drafts that they are dead before they are old.
        drafts, old = self.copy / "tmp", time.time() - 25 * 3600
        for file in drafts.iterdir():
            os.utime(file, (old, old))
        self.archive.must("offsite", "push", str(self.copy))
        left = [file.name for file in drafts.iterdir() if not file.name.startswith("claim-")]
        if left:
            raise Broken(f"left behind in the copy: {left}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("pdbak")
    arguments.add_argument("--kills", type=int, default=500)
    arguments.add_argument("--seed", type=int)
    given = arguments.parse_args()
    dice, began = dice_of(given.seed), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pdbak-kills-") as scratch:
        story, rounds = Story(os.path.realpath(given.pdbak), scratch, dice), 0
        try:
            for name in story.commands:
                story.commands[name]()
                story.verify()
            while story.struck.total() < given.kills:
                story.round()
                rounds += 1
                if rounds % 50 == 0:
                    say(f"{story.struck.total()} kills in {time.monotonic() - began:.0f} s")
            story.last_word()
        except Broken as broken:
            say(f"error: after {story.struck.total()} kills: {broken}\n{keep(scratch, 'kills')}")
            return 1
        finally:
            story.account.end()
        print(f"{'command':12}{'runs':>8}{'killed while running':>24}{'ended before':>16}")
        for name in sorted(story.runs):
            print(f"{name:12}{story.runs[name]:8}{story.struck[name]:24}{story.late[name]:16}")
        struck, seconds, left = story.struck.total(), time.monotonic() - began, len(story.archive.told)
        print(f"{struck} kills struck in {rounds} rounds and {seconds:.0f} s; {left} snapshots at the end, none lost, nothing to unlock")
    return 0


if __name__ == "__main__":
    sys.exit(main())
