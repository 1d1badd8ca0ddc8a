//! Bundles: one file out, the same archive in, and nothing a stranger puts into one gets anywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::support::{Output, Program, bytes_in};

/// A folder with an archive of three snapshots.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().expect("a folder"));
        assert_eq!(home.pdbak(&["init", "--no-encryption"]).code, 0);
        fs::create_dir(home.path("export")).expect("a folder");
        for version in 0..3 {
            let lines =
                (1..=50).map(|id| format!("{{\"id\":{id},\"title\":\"deal {id} of {}\"}}\n", version * (id % 2)));
            fs::write(home.path("export/deals.ndjson"), lines.collect::<String>()).expect("an export");
            assert_eq!(home.pdbak(&["import", "export"]).code, 0);
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn pdbak(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pdbak"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.0.path()).env("PDBAK_ARCHIVE", self.path("archive"));
        Program(command).run()
    }

    fn expect(&self, code: i32, arguments: &[&str]) -> Value {
        let output = self.pdbak(&[arguments, &["--json"]].concat());
        assert_eq!(output.code, code, "{arguments:?}\n{}\n{}", output.stdout, output.stderr);
        output.json()
    }
}

/// The id of the newest snapshot.
fn newest_of(home: &Home) -> String {
    let listed = home.expect(0, &["snapshots"]);
    listed[2]["snapshot"].as_str().expect("an id").to_owned()
}

/// A name and what lies under it.
type Entry = (String, Vec<u8>);

/// The entries of a bundle.
fn entries(bundle: &Path) -> Vec<Entry> {
    let mut tar = tar::Archive::new(fs::File::open(bundle).expect("a bundle"));
    let entries = tar.entries().expect("a tar file").map(|entry| {
        let mut entry = entry.expect("an entry");
        let mut bytes = Vec::new();
        std::io::copy(&mut entry, &mut bytes).expect("contents");
        (entry.path().expect("a path").display().to_string(), bytes)
    });
    entries.collect()
}

/// A bundle as anybody could make it: names are written as they are, `..` included.
fn forged(into: &Path, entries: &[Entry], kind: impl Fn(&str) -> EntryType) {
    let mut tar = Builder::new(fs::File::create(into).expect("a file"));
    for (name, bytes) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind(name));
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append(&header, &bytes[..]).expect("an entry");
    }
    tar.finish().expect("a tar file");
}

#[test]
fn a_bundle_of_all_makes_the_same_archive_elsewhere_and_adds_nothing_twice() {
    let home = Home::new();
    let made = home.expect(0, &["bundle", "create", "all.tar", "--all"]);
    assert_eq!(made["snapshots"], 3, "{made}");
    let taken = home.expect(0, &["bundle", "import", "all.tar", "--archive", "new"]);
    assert_eq!((&taken["created"], &taken["snapshots"]), (&json!(true), &json!(3)));
    assert_eq!(home.pdbak(&["check", "--read-data", "--archive", "new"]).code, 0);
    let again = home.expect(0, &["bundle", "import", "all.tar", "--archive", "new"]);
    assert_eq!((&again["created"], &again["added"]["files"]), (&json!(false), &json!(0)), "{again}");
    let refused = home.pdbak(&["bundle", "create", "all.tar", "--all"]);
    assert!(refused.code == 1 && refused.stderr.contains("never written over"), "{}", refused.stderr);
}

#[test]
fn what_a_killed_run_was_writing_goes_with_the_next_bundle_beside_it() {
    let home = Home::new();
    let (dead, living) = (home.path(".pdbak-bundle-dead.part"), home.path(".pdbak-bundle-living.part"));
    fs::write(&dead, "half a bundle").expect("a file");
    let held = fs::File::create(&living).expect("a file");
    held.lock().expect("a lock");
    home.expect(0, &["bundle", "create", "all.tar", "--all"]);
    assert!(!dead.exists() && living.exists(), "whoever still writes is left alone");
}

#[test]
fn a_bundle_of_one_snapshot_holds_what_its_reading_needs() {
    let home = Home::new();
    let made = home.expect(0, &["bundle", "create", "one.tar", "latest~2"]);
    assert_eq!(made["snapshots"], 1, "{made}");
    home.expect(0, &["bundle", "import", "one.tar", "--archive", "new"]);
    let read =
        |archive: &str, snapshot: &str| home.pdbak(&["ls", snapshot, "deals", "--json", "--archive", archive]).stdout;
    assert_eq!(read("new", "latest"), read("archive", "latest~2"));
    assert_eq!(home.pdbak(&["check", "--read-data", "--archive", "new"]).code, 0);
    home.expect(0, &["bundle", "create", "newest.tar"]);
    home.expect(0, &["bundle", "import", "newest.tar", "--archive", "new"]);
    assert_eq!(read("new", "latest"), read("archive", "latest"));
    let checked = home.pdbak(&["check", "--read-data", "--archive", "new", "--json"]).stdout;
    let checked: Value = serde_json::from_str(&checked).expect("a report");
    // The snapshot between the two is in neither bundle: that is told, and is no damage.
    assert_eq!((&checked["sound"], &checked["alone"]), (&json!(true), &json!(1)), "{checked}");
    let newest = home.path("new/snapshots").join(newest_of(&home));
    home.expect(0, &["import", "export", "--archive", "new"]);
    fs::remove_file(newest).expect("a manifest");
    assert_eq!(home.pdbak(&["check", "--archive", "new"]).code, 1, "one that a snapshot here stands on is missed");
}

#[test]
fn a_record_is_read_out_of_a_bundle_with_tar_zstd_and_jq_alone() {
    let home = Home::new();
    home.expect(0, &["bundle", "create", "all.tar", "--all"]);
    let wanted = "deal 7 of 2";
    let tools = ["tar", "zstd", "jq"]
        .iter()
        .all(|tool| Command::new(tool).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok());
    let found = if tools {
        let script = "tar xf all.tar --wildcards 'segments/*' && \
                      for file in segments/*/*; do zstd -dcq \"$file\"; done | jq -r 'select(.id == \"7\").record.title'";
        let output = Command::new("sh").args(["-c", script]).current_dir(home.0.path()).output().expect("a shell");
        String::from_utf8(output.stdout).expect("text")
    } else {
        let segments = entries(&home.path("all.tar")).into_iter().filter(|(name, _)| name.starts_with("segments/"));
        segments
            .map(|(_, bytes)| String::from_utf8(zstd::decode_all(&bytes[..]).expect("frames")).expect("lines"))
            .collect()
    };
    assert!(found.contains(wanted), "{found}");
}

#[test]
fn hostile_bundles_are_refused_and_nothing_is_written_outside() {
    let home = Home::new();
    home.expect(0, &["bundle", "create", "good.tar", "--all"]);
    let good = entries(&home.path("good.tar"));
    let segment = good.iter().position(|(name, _)| name.starts_with("segments/")).expect("a segment");
    let with = |change: &dyn Fn(&mut Vec<Entry>)| {
        let mut entries = good.clone();
        change(&mut entries);
        entries
    };
    let renamed = |name: &str| with(&|entries| entries[segment].0 = name.to_owned());
    let cases = [
        ("out of the folder", renamed("../evil")),
        ("absolute", renamed("/tmp/pdbak-evil")),
        ("inside, then out", renamed("segments/aa/../../../evil")),
        ("the index", renamed("index.sqlite")),
        ("other bytes", with(&|entries| entries[segment].1[9] ^= 1)),
        ("twice", with(&|entries| entries.insert(segment, entries[segment].clone()))),
        ("out of order", with(&|entries| entries.swap(segment, good.len() - 1))),
        ("cut", with(&|entries| drop(entries.pop()))),
        ("no list of contents", with(&|entries| drop(entries.remove(0)))),
        ("no header", with(&|entries| drop(entries.remove(1)))),
        ("a header of absurd length", with(&|entries| entries[1].1 = vec![b' '; 17 << 20])),
        ("empty", Vec::new()),
    ];
    let before = bytes_in(&home.path("archive"));
    for (what, entries) in cases {
        forged(&home.path("bad.tar"), &entries, |_| EntryType::Regular);
        let refused = home.pdbak(&["bundle", "import", "bad.tar", "--archive", "bad"]);
        assert_eq!(refused.code, 1, "{what}: {}{}", refused.stdout, refused.stderr);
        assert!(refused.stderr.contains("refused bundle"), "{what}: {}", refused.stderr);
        assert!(!home.path("bad/archive.json").exists(), "{what}: the folder became an archive");
        let _not_there = fs::remove_dir_all(home.path("bad"));
    }
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Directory,
        EntryType::GNULongName,
        EntryType::GNUSparse,
        EntryType::XHeader,
    ] {
        forged(
            &home.path("bad.tar"),
            &good,
            |name| if name.starts_with("segments/") { kind } else { EntryType::Regular },
        );
        let refused = home.pdbak(&["bundle", "import", "bad.tar", "--archive", "bad"]);
        assert!(refused.code == 1 && refused.stderr.contains("no regular file"), "{kind:?}: {}", refused.stderr);
        let _not_there = fs::remove_dir_all(home.path("bad"));
    }
    let mut names: Vec<String> = fs::read_dir(home.0.path())
        .expect("a folder")
        .map(|entry| entry.expect("one").file_name().display().to_string())
        .collect();
    names.sort();
    assert_eq!(names, ["archive", "bad.tar", "export", "good.tar"]);
    assert_eq!(bytes_in(&home.path("archive")), before);
}

#[test]
fn a_size_that_the_file_has_not_is_refused() {
    let home = Home::new();
    home.expect(0, &["bundle", "create", "good.tar", "--all"]);
    let mut bytes = fs::read(home.path("good.tar")).expect("a bundle");
    // The second header block is that of archive.json; its size becomes 8 GiB less one byte.
    let header = Header::from_byte_slice(&bytes[1024..1536]).clone();
    let mut absurd = header;
    absurd.set_size((8 << 30) - 1);
    absurd.set_cksum();
    bytes[1024..1536].copy_from_slice(absurd.as_bytes());
    fs::write(home.path("bad.tar"), bytes).expect("a file");
    let refused = home.pdbak(&["bundle", "import", "bad.tar", "--archive", "bad"]);
    assert!(refused.code == 1 && refused.stderr.contains("refused bundle"), "{}", refused.stderr);
    assert!(!home.path("bad/archive.json").exists());
}

#[test]
fn a_bundle_of_another_archive_is_refused() {
    let (home, other) = (Home::new(), Home::new());
    home.expect(0, &["bundle", "create", "all.tar", "--all"]);
    let refused = other.pdbak(&["bundle", "import", &home.path("all.tar").display().to_string()]);
    assert!(refused.code == 2 && refused.stderr.contains("archive"), "{}", refused.stderr);
}
