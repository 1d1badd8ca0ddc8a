//! What is generated equals what the program says: the manual, and the transcript in the README.
//!
//! `PDBAK_BLESS=1 cargo test generated` writes both anew.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::Command;

use crate::source::{files, is_word, root};

/// Where the transcript begins in the README.
const TRANSCRIPT: &str = "```text\n$ cargo run --release -- demo\n";

fn blessing() -> bool {
    env::var_os("PDBAK_BLESS").is_some_and(|value| value == "1")
}

#[test]
fn the_manual_is_what_the_program_prints() {
    let folder = root().join("man");
    let pages = pdbak::cli::manual_pages();
    if blessing() {
        fs::create_dir_all(&folder).expect("a folder for the manual");
        for path in files(&folder, &[]) {
            fs::remove_file(path).expect("an old page");
        }
        for (name, page) in &pages {
            fs::write(folder.join(name), page).expect("a page");
        }
    }
    let held: BTreeSet<String> = files(&folder, &[])
        .iter()
        .map(|path| path.file_name().unwrap_or_default().to_string_lossy().into_owned())
        .collect();
    let printed: BTreeSet<String> = pages.keys().cloned().collect();
    assert_eq!(held, printed, "man/ holds other pages than the program prints; bless with PDBAK_BLESS=1");
    for (name, page) in &pages {
        let held = fs::read_to_string(folder.join(name)).expect("a page");
        assert!(held == *page, "man/{name} is not what the program prints; bless with PDBAK_BLESS=1");
    }
}

/// The demo as it runs today.
fn demo() -> String {
    let home = tempfile::tempdir().expect("a folder");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_pdbak"));
    demo.arg("demo").current_dir(home.path()).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home.path());
    let output = demo.output().expect("the program runs");
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "the demo failed\n{told}\n{}", String::from_utf8_lossy(&output.stderr));
    told
}

/// The text with what differs from run to run taken out: ids, times, durations, sizes and the port.
fn normalised(text: &str) -> String {
    let words = text.split_inclusive(|letter: char| !is_word(letter) && !":.-,".contains(letter));
    let mut before = String::new();
    let normal = |word: &str| {
        let (core, end) = word.split_at(word.trim_end_matches(|letter: char| !is_word(letter)).len());
        let digits = core.bytes().any(|byte| byte.is_ascii_digit());
        let is_time = digits && core.len() >= 5 && (core.contains(':') || core.matches('-').count() == 2);
        let is_id = core.len() == 8 && core.bytes().all(|byte| byte.is_ascii_hexdigit());
        let unit = ["B", "kB", "MB", "second", "seconds"].contains(&core);
        let named = match (is_time, is_id && ["snapshot ", "plan ", "restore "].contains(&before.as_str()), unit) {
            (true, ..) => format!("[time]{end}"),
            (_, true, _) => format!("[id]{end}"),
            (.., true) => format!("[unit]{end}"),
            _ => word.to_owned(),
        };
        before = word.to_owned();
        named
    };
    let normal: Vec<String> = words.map(normal).collect();
    let mut out: Vec<String> = Vec::new();
    for word in normal {
        if word.starts_with("[unit]") {
            out.pop();
        }
        out.push(word);
    }
    out.concat()
}

#[test]
fn the_transcript_in_the_readme_is_what_the_demo_says() {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).expect("a README");
    let from = readme.find(TRANSCRIPT).expect("the README has a transcript") + TRANSCRIPT.len();
    let end = from + readme[from..].find("```").expect("the transcript ends");
    let told = demo();
    if blessing() {
        fs::write(&path, format!("{}{told}{}", &readme[..from], &readme[end..])).expect("a README");
        return;
    }
    let (held, told) = (normalised(&readme[from..end]), normalised(&told));
    for (held, told) in held.lines().zip(told.lines()) {
        assert_eq!(held, told, "the demo says something else; bless with PDBAK_BLESS=1");
    }
    assert_eq!(held, told, "the demo says more or less; bless with PDBAK_BLESS=1");
}

#[test]
fn what_differs_from_run_to_run_is_taken_out() {
    let run = "snapshot 5eb54796 complete  ·  1.1 MB added (2026-11-23 20:14 UTC) at http://127.0.0.1:38843, about 34 seconds\n";
    let other = "snapshot 11884d96 complete  ·  975.0 kB added (2027-01-02 03:04 UTC) at http://127.0.0.1:1024, about 1 second\n";
    assert_eq!(normalised(run), normalised(other));
    assert_ne!(normalised("5,427 records"), normalised("5,428 records"));
}

#[test]
fn the_readme_has_the_table_of_exit_codes() {
    let readme = fs::read_to_string(root().join("README.md")).expect("a README");
    for (_, number, meaning) in pdbak::cli::EXIT_CODES {
        assert!(
            readme.contains(&format!("| {number} | {meaning} |\n")),
            "the README does not explain exit code {number}"
        );
    }
}
