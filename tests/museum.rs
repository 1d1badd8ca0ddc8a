//! Archives that earlier versions wrote, kept as they were written: every version reads, checks and goes on with them.
//!
//! `fixtures/archives/vN` holds an archive in which format N is used whole (deltas, moved lines, marks, a rotation, a journal,
//! a drill, contents of files), its recovery key, and of each snapshot the number and the BLAKE3 of its sorted lines as
//! `age`, `zstd` and `jq` read them. Nothing in these folders is ever edited; a new format brings a new folder.

use std::fs;
use std::path::{Path, PathBuf};

use pdbak::archive::{self, Archive, Protection, Reading, SnapshotId, Unlock};
use pdbak::clock::Clock;
use pdbak::monitor::Silent;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::source::root;

/// How an archive of the museum is opened.
enum Way {
    Passphrase,
    Key(PathBuf),
}

impl Unlock for Way {
    fn passphrase(&self) -> Result<Zeroizing<String>, archive::Error> {
        Ok(Zeroizing::new("kept for ever".to_owned()))
    }

    fn identity_file(&self) -> Option<PathBuf> {
        match self {
            Way::Passphrase => None,
            Way::Key(file) => Some(file.clone()),
        }
    }
}

fn museum() -> Vec<PathBuf> {
    let folders = fs::read_dir(root().join("fixtures/archives")).expect("the museum");
    let mut folders: Vec<PathBuf> = folders.map(|folder| folder.expect("a folder").path()).collect();
    folders.sort();
    folders
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let path = entry.expect("an entry").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).expect("a copy");
        }
    }
}

/// The number of a snapshot's lines, and the BLAKE3 of all of them in order.
fn lines(archive: &Archive, id: &SnapshotId) -> (u64, String) {
    let snapshot = archive.snapshot(id).expect("a snapshot");
    let mut lines = Vec::new();
    for contents in &snapshot.manifest().contents {
        for record in snapshot.records(&contents.object).expect("records") {
            let record = record.expect("a record");
            let (object, key) = (contents.object.as_str(), record.id().key.to_string());
            lines.push(format!("{{\"object\":\"{object}\",\"id\":\"{key}\",\"record\":{}}}\n", record.text()));
        }
    }
    lines.sort();
    (lines.len() as u64, blake3::hash(lines.concat().as_bytes()).to_hex().to_string())
}

fn expect_sound(archive: &Archive) {
    archive.check(Reading::All, &mut |problem| panic!("{problem:?}")).expect("a check");
}

#[test]
fn every_archive_of_the_museum_reads_and_goes_on() {
    let museum = museum();
    assert!(!museum.is_empty());
    for exhibit in museum {
        let expected = fs::read_to_string(exhibit.join("expected.ndjson")).expect("what is expected");
        let expected: Vec<Value> = expected.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("archive");
        copy(&exhibit.join("archive"), &folder);
        for way in [Way::Passphrase, Way::Key(exhibit.join("recovery.key"))] {
            let archive = Archive::open(&folder, &way, Clock::System).expect("it opens");
            let snapshots = archive.snapshots().expect("snapshots");
            assert_eq!(snapshots.len(), expected.len(), "{}", exhibit.display());
            for (manifest, expected) in snapshots.iter().zip(&expected) {
                assert_eq!(manifest.id.to_string(), expected["snapshot"].as_str().unwrap_or_default());
                let (count, hash) = lines(&archive, &manifest.id);
                assert_eq!(
                    (Some(count), Some(hash.as_str())),
                    (expected["lines"].as_u64(), expected["blake3"].as_str())
                );
            }
            expect_sound(&archive);
        }
        let archive = Archive::open(&folder, &Way::Passphrase, Clock::System).expect("it opens");
        let export = home.path().join("export");
        fs::create_dir(&export).expect("a folder");
        fs::write(export.join("deals.ndjson"), "{\"id\":1,\"title\":\"one more\"}\n").expect("an export");
        let newest = archive::import(&archive, &export, &Silent).expect("one more snapshot");
        assert_eq!(lines(&archive, &newest.id).0, newest.contents.iter().map(|contents| contents.records).sum::<u64>());
        expect_sound(&archive);
    }
}

#[test]
fn the_museum_has_an_archive_of_the_format_that_is_written_today() {
    let home = tempfile::tempdir().expect("a folder");
    let folder = home.path().join("archive");
    drop(Archive::create(&folder, Protection::Clear, Clock::System).expect("an archive"));
    let header = fs::read_to_string(folder.join("archive.json")).expect("a header");
    let header: Value = serde_json::from_str(&header).expect("a header");
    let name = format!("v{}", header["format"]);
    assert!(museum().iter().any(|exhibit| exhibit.ends_with(&name)), "no archive of format {name} is kept");
}
