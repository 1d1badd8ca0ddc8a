//! Copies on a server that speaks SFTP: pushed, cut off, lied to, fetched back.

use std::fs;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::offsite::{Machine, damage};
use crate::support::sftp::Sftp;

/// A machine that knows the server by a name.
fn machine_at(sftp: &Sftp) -> Machine {
    let machine = Machine::with_archive();
    let ssh = sftp.command();
    let text =
        format!("[offsite.nas]\nurl = \"sftp://kim@nas:2222/srv/crm\"\nssh_command = \"{} -4\"\n", ssh.display());
    fs::write(machine.path("nas.toml"), text).expect("a configuration");
    machine
}

const NAS: [&str; 3] = ["nas", "--config", "nas.toml"];

fn with<'a>(words: &[&'a str]) -> Vec<&'a str> {
    ["offsite"].iter().chain(words).chain(&NAS).copied().collect()
}

/// Drafts that lie on the server.
fn drafts(sftp: &Sftp) -> usize {
    let names = fs::read_dir(sftp.root.join("srv/crm/tmp")).expect("a folder");
    names.filter(|name| !name.as_ref().expect("a name").file_name().to_string_lossy().starts_with("claim-")).count()
}

fn files_below(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.map(|path| if path.is_dir() { files_below(&path) } else { 1 }).sum()
}

#[test]
fn a_copy_on_a_server_is_an_archive_and_damage_there_is_found_and_mended() {
    let sftp = Sftp::start();
    let machine = machine_at(&sftp);
    let sent = machine.expect(0, &with(&["push"]));
    assert_eq!((sent["sent"]["files"].as_u64(), sent["read_back"].as_u64()), (Some(7), Some(7)), "{sent}");
    assert_eq!((sent["create_only"].as_bool(), drafts(&sftp)), (Some(true), 0), "{sent}");
    let words = sftp.words();
    assert_eq!(words.first().map(String::as_str), Some("-4"));
    assert!(words.contains(&"BatchMode=yes".to_owned()), "{words:?}");
    assert_eq!(words[words.len() - 6..], ["-p", "2222", "-s", "--", "kim@nas", "sftp"]);
    let again = machine.expect(0, &with(&["push"]));
    assert_eq!((again["sent"]["files"].as_u64(), again["there"]["files"].as_u64()), (Some(0), Some(7)), "{again}");
    assert_eq!(machine.expect(0, &with(&["list"]))["snapshots"].as_array().map(Vec::len), Some(2));
    machine.expect(0, &with(&["check", "--read-data"]));
    let copy = sftp.root.join("srv/crm");
    damage(&machine.a_file_of(copy.to_str().expect("text"), "segments"));
    assert_eq!(machine.pdbak(&with(&["check", "--read-data"])).code, 1);
    assert_eq!(machine.expect(0, &with(&["push", "--verify"]))["mended"], 1);
    machine.expect(0, &with(&["check", "--read-data"]));
    machine.expect(0, &with(&["pull", "--archive", "new"]));
    assert_eq!(machine.pdbak(&["check", "--read-data", "--archive", "new"]).code, 0);
    assert_eq!(drafts(&sftp), 0);
    // What was damaged here comes from there.
    damage(&machine.a_file_of("archive", "segments"));
    assert_eq!(machine.pdbak(&["repair", "--yes", "--config", "nas.toml"]).code, 0);
    assert_eq!(machine.pdbak(&["check", "--read-data"]).code, 0);
}

#[test]
fn a_line_that_breaks_is_made_again_and_one_that_stays_broken_costs_nothing_but_another_run() {
    let sftp = Sftp::start();
    let machine = machine_at(&sftp);
    for (times, after) in [(1, 3_000), (2, 9_000)] {
        sftp.hang_up(times, after);
        let sent = machine.pdbak(&with(&["push", "--transfers", "2"]));
        assert!(matches!(sent.code, 0 | 1 | 3), "{}", sent.stderr);
        sftp.hang_up(0, u64::MAX);
        machine.expect(0, &with(&["push"]));
        machine.expect(0, &with(&["check", "--read-data"]));
        fs::remove_dir_all(sftp.root.join("srv")).expect("a copy");
    }
    // For good: nothing of it is taken for a copy.
    sftp.hang_up(u64::MAX, 1_500);
    let cut = machine.pdbak(&with(&["push"]));
    assert!(matches!(cut.code, 1 | 3), "{}{}", cut.stdout, cut.stderr);
    sftp.hang_up(0, u64::MAX);
    assert_eq!(machine.pdbak(&with(&["pull", "--archive", "new"])).code, 10);
    machine.expect(0, &with(&["push"]));
    machine.expect(0, &with(&["check", "--read-data"]));
}

#[test]
fn a_line_that_breaks_while_files_are_read_is_made_again_and_reading_goes_on_where_it_was() {
    let sftp = Sftp::start();
    let machine = machine_at(&sftp);
    machine.expect(0, &with(&["push"]));
    for (round, (times, after)) in [(2, 700), (1, 7_001)].into_iter().enumerate() {
        let (new, before) = (format!("new-{round}"), sftp.calls());
        sftp.hang_up(times, after);
        machine.expect(0, &with(&["pull", "--archive", &new]));
        assert_eq!(sftp.calls() - before, 1 + times - sftp.faults.hangs_up.load(Ordering::SeqCst), "{after}");
        machine.expect(0, &["check", "--read-data", "--archive", &new]);
        sftp.hang_up(1, after);
        machine.expect(0, &with(&["check", "--read-data"]));
    }
    // For good: what did not come is listed, and comes another time.
    sftp.hang_up(u64::MAX, 1_400);
    let cut = machine.pdbak(&with(&["pull", "--archive", "late", "--transfers", "3"]));
    assert!(matches!(cut.code, 1 | 3), "{}{}", cut.stdout, cut.stderr);
    sftp.hang_up(0, u64::MAX);
    machine.expect(0, &with(&["pull", "--archive", "late"]));
    machine.expect(0, &["check", "--read-data", "--archive", "late"]);
    // Who will not read says so, once.
    sftp.faults.refuses_reads.store(true, Ordering::SeqCst);
    let (before, told) = (sftp.calls(), machine.pdbak(&with(&["pull", "--archive", "never"])));
    assert_eq!((told.code, sftp.calls() - before), (1, 1), "{}{}", told.stdout, told.stderr);
}

#[test]
fn what_a_server_keeps_otherwise_than_it_came_gets_no_name() {
    let sftp = Sftp::start();
    let machine = machine_at(&sftp);
    sftp.faults.garbles.store(true, Ordering::SeqCst);
    let told = machine.pdbak(&with(&["push"]));
    assert_eq!(told.code, 3, "{}", told.stderr);
    assert!(told.stdout.contains("what is there is not what was sent"), "{}", told.stdout);
    assert!(!sftp.root.join("srv/crm/archive.json").exists());
    let segments = sftp.root.join("srv/crm/segments");
    assert_eq!(files_below(&segments), 0);
    sftp.faults.garbles.store(false, Ordering::SeqCst);
    machine.expect(0, &with(&["push"]));
    machine.expect(0, &with(&["check", "--read-data"]));
}

#[test]
fn a_server_that_renames_over_files_is_found_out_and_told() {
    let sftp = Sftp::start();
    let machine = machine_at(&sftp);
    sftp.faults.replaces.store(true, Ordering::SeqCst);
    let sent = machine.pdbak(&with(&["push"]));
    assert_eq!(sent.code, 0, "{}", sent.stderr);
    assert!(sent.stderr.contains("renames files over others"), "{}", sent.stderr);
    machine.expect(0, &with(&["check", "--read-data"]));
}

#[test]
fn what_ssh_says_is_repeated_and_nothing_waits_for_an_answer() {
    let sftp = Sftp::start();
    let machine = machine_at(&sftp);
    sftp.ssh("printf '\\033[31mHost key verification failed.\\r\\n' >&2; exit 255");
    let told = machine.pdbak(&with(&["push"]));
    assert_eq!(told.code, 1);
    assert!(told.stderr.contains("cannot reach sftp://kim@nas:2222/srv/crm: "), "{}", told.stderr);
    assert!(
        told.stderr.contains("Host key verification failed.") && !told.stderr.contains('\u{1b}'),
        "{}",
        told.stderr
    );
    assert!(told.stderr.contains("hint: connect with ssh yourself first"), "{}", told.stderr);
    sftp.ssh("exit 0");
    let told = machine.pdbak(&with(&["push"]));
    assert!(told.code == 1 && told.stderr.contains("there is no SFTP"), "{}", told.stderr);
    // A file that merely lies here may not name a command.
    fs::rename(machine.path("nas.toml"), machine.path("pdbak.toml")).expect("a configuration");
    assert!(machine.pdbak(&["offsite", "push", "nas"]).stderr.contains("names a command to run"));
    assert_eq!(machine.pdbak(&["snapshots", "--archive", "sftp://nas/crm", "--config", "pdbak.toml"]).code, 2);
}
