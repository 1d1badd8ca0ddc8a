//! The command line: arguments in, words out.
//!
//! It parses, opens, calls the library once and shows what came back. Decisions
//! live below; what lives here is tone: plain words, counted numbers, and the
//! next command for somebody who just lost data and is afraid.

mod command;
mod complain;
mod config;
mod exit;
mod home;
mod loopback;
mod manual;
mod notify;
mod safe;
mod secret;
mod session;
mod show;
mod status;
mod terminal;
mod traffic;
mod way;

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::{Command as Tree, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::cli::command::{
    brake, bundle, check, completions, demo, diff, doctor, drill, forget, get, import, init, key, login, ls, man,
    objects, offsite, prune, reindex, repair, restore, restores, sandbox, schedule, show as show_command, snapshot,
    snapshots, status as status_command, tag, undo,
};
use crate::cli::complain::Failure;
use crate::cli::config::Flags;
use crate::cli::session::Session;

pub use crate::cli::config::check_config;
pub use crate::cli::exit::{Exit, TABLE as EXIT_CODES};
pub use crate::cli::manual::pages as manual_pages;

const EXAMPLES: &str = "\
The usual order:
  pdbak demo                                  see it all on a made-up account, nothing to set up
  pdbak init --archive acme                   make an archive
  pdbak snapshot                              capture the account; cheap after the first time
  pdbak diff latest live                      what happened since
  pdbak restore latest --record deals/42 --dry-run
                                              what bringing a record back would do
  pdbak check --read-data                     is the archive sound";

/// Backs up a whole Pipedrive account into an archive you keep, and brings it back: a field, a record, or everything.
#[derive(Parser, Debug)]
#[command(name = "pdbak", version, after_help = EXAMPLES, max_term_width = 120, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show the whole story on an embedded account: snapshot, accident, restore
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::Demo),
    /// Make an archive
    #[command(after_help = init::EXAMPLES)]
    Init(init::Init),
    /// Keep what opens the account: an API token, or what a user allows in the browser
    #[command(after_help = login::EXAMPLES)]
    Login(login::Login),
    /// Say what the login can and cannot see, and what is left to spend
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::Doctor),
    /// Capture the account: everything the first time, only what changed afterwards
    #[command(after_help = snapshot::EXAMPLES)]
    Snapshot(snapshot::Snapshot),
    /// Make a snapshot from a folder with one NDJSON file an object
    #[command(after_help = import::EXAMPLES)]
    Import(import::Import),
    /// List the snapshots of the archive
    #[command(after_help = snapshots::EXAMPLES)]
    Snapshots(snapshots::Snapshots),
    /// Show one snapshot: what it holds, and how completely
    #[command(after_help = show_command::EXAMPLES)]
    Show(show_command::Show),
    /// List the objects of a snapshot, or the records of one object
    #[command(after_help = ls::EXAMPLES)]
    Ls(ls::Ls),
    /// Show one record, or write the contents of a file
    #[command(after_help = get::EXAMPLES)]
    Get(get::Get),
    /// Show what changed between two snapshots, or since one
    #[command(after_help = diff::EXAMPLES)]
    Diff(diff::Diff),
    /// Bring data back: plan, show, ask, write, verify
    #[command(after_help = restore::EXAMPLES)]
    Restore(Box<restore::Restore>),
    /// List the restores of the archive, plans that were only shown included
    #[command(after_help = restores::EXAMPLES)]
    Restores(restores::Restores),
    /// Take a restore back; what was edited since stays
    #[command(after_help = undo::EXAMPLES)]
    Undo(undo::Undo),
    /// Restore a snapshot into an empty account on this machine, and score what came back
    #[command(after_help = drill::EXAMPLES)]
    Drill(drill::Drill),
    /// Check that the archive is what was written
    #[command(after_help = check::EXAMPLES)]
    Check(check::Check),
    /// Tell how everything stands in ten lines, with an exit code for monitors
    #[command(after_help = status_command::EXAMPLES)]
    Status(status_command::Status),
    /// Bring back what is damaged, and say what cannot be brought back
    #[command(after_help = repair::EXAMPLES)]
    Repair(repair::Repair),
    /// Show alarms about far more changes than usual, which hold forget and prune, and acknowledge them
    #[command(after_help = brake::EXAMPLES, visible_alias = "alarms")]
    Brake(brake::Brake),
    /// Let snapshots go that no rule keeps
    #[command(after_help = forget::EXAMPLES)]
    Forget(forget::Forget),
    /// Give back the room of what was forgotten
    #[command(after_help = prune::EXAMPLES)]
    Prune(prune::Prune),
    /// Give a snapshot tags, or show how it stands
    #[command(after_help = tag::TAG_EXAMPLES)]
    Tag(tag::Tag),
    /// Keep a snapshot whatever the rules say
    #[command(after_help = tag::PIN_EXAMPLES)]
    Pin(tag::Pin),
    /// Keep a snapshot until a day
    #[command(after_help = tag::HOLD_EXAMPLES)]
    Hold(tag::Hold),
    /// Show and change who can open the archive: passphrases, key files, recipients
    #[command(after_help = key::EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
    Key(key::Key),
    /// Make the archive's index again
    #[command(after_help = reindex::EXAMPLES)]
    Reindex(reindex::Reindex),
    /// Keep copies of the archive in folders and object stores, and fetch them back
    #[command(after_help = offsite::EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
    Offsite(offsite::Offsite),
    /// Put one snapshot or all into one tar file, and take them out again
    #[command(after_help = bundle::EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
    Bundle(bundle::Bundle),
    /// Take snapshots by itself, keep what the rules say, check, drill, copy, and cry out when something is wrong
    #[command(after_help = schedule::EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
    Schedule(schedule::Schedule),
    /// List what pdbak knows of an account: read from where, at which price, restored how
    #[command(after_help = objects::EXAMPLES)]
    Objects(objects::Objects),
    /// Serve a made-up Pipedrive account on this machine
    #[command(after_help = sandbox::EXAMPLES)]
    Sandbox(sandbox::Sandbox),
    /// Print a script that lets the shell complete commands and flags
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::Completions),
    /// Print or write the manual
    #[command(after_help = man::EXAMPLES)]
    Man(man::Man),
}

impl Command {
    fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self {
            Command::Demo(command) => command.run(session),
            Command::Init(command) => command.run(session),
            Command::Login(command) => command.run(session),
            Command::Doctor(command) => command.run(session),
            Command::Snapshot(command) => command.run(session),
            Command::Import(command) => command.run(session),
            Command::Snapshots(command) => command.run(session),
            Command::Show(command) => command.run(session),
            Command::Ls(command) => command.run(session),
            Command::Get(command) => command.run(session),
            Command::Diff(command) => command.run(session),
            Command::Restore(command) => command.run(session),
            Command::Restores(command) => command.run(session),
            Command::Undo(command) => command.run(session),
            Command::Drill(command) => command.run(session),
            Command::Check(command) => command.run(session),
            Command::Status(command) => command.run(session),
            Command::Repair(command) => command.run(session),
            Command::Brake(command) => command.run(session),
            Command::Forget(command) => command.run(session),
            Command::Prune(command) => command.run(session),
            Command::Tag(command) => command.run(session),
            Command::Pin(command) => command.run(session),
            Command::Hold(command) => command.run(session),
            Command::Key(command) => command.run(session),
            Command::Reindex(command) => command.run(session),
            Command::Offsite(command) => command.run(session),
            Command::Bundle(command) => command.run(session),
            Command::Schedule(command) => command.run(session),
            Command::Objects(command) => command.run(session),
            Command::Sandbox(command) => command.run(session),
            Command::Completions(command) => command.run(session),
            Command::Man(command) => command.run(session),
        }
    }
}

/// The command tree as it is declared.
fn commands() -> Tree {
    Cli::command()
}

/// The command tree, each help text ending with the exit codes.
fn tree() -> Tree {
    let mut tree = commands();
    let names: Vec<String> = tree.get_subcommands().map(|command| command.get_name().to_owned()).collect();
    for name in names {
        tree = tree.mut_subcommand(name, |command| with_exit_codes(command, false));
    }
    with_exit_codes(tree, true)
}

/// All codes with their meaning for the program, a reminder for a command.
fn with_exit_codes(command: Tree, whole: bool) -> Tree {
    let mut help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    if whole {
        help.push_str("\n\nExit codes:");
        for (_, number, meaning) in EXIT_CODES {
            help.push_str(&format!("\n  {number:>2}  {meaning}"));
        }
    } else {
        let numbers: Vec<String> = EXIT_CODES.iter().map(|(_, number, _)| number.to_string()).collect();
        help.push_str(&format!("\n\nExit codes: {} (\"pdbak --help\" explains them)", numbers.join(", ")));
    }
    command.after_help(help)
}

/// Runs the command that was typed; the answer is what a script sees.
pub fn run() -> ExitCode {
    let typed = tree().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match typed {
        Ok(cli) => cli,
        Err(error) => {
            // A help text that was asked for is data and a success; anything else is talk and a usage error.
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            return match error.print() {
                Ok(()) => exit.into(),
                Err(error) => complain(&error.into()).into(),
            };
        }
    };
    let ended = Session::new(cli.flags).and_then(|session| {
        let ended = cli.command.run(&session);
        session.tell_unsent();
        ended
    });
    ended.unwrap_or_else(|failure| complain(&failure)).into()
}

fn complain(failure: &Failure) -> Exit {
    // When stderr is gone as well there is nobody left to tell.
    let _unheard = stderr().write_all(failure.text().as_bytes());
    failure.exit()
}

#[cfg(test)]
mod tests {
    use super::tree;

    #[test]
    fn the_command_tree_is_sound() {
        tree().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_how_and_how_it_ends() {
        for command in tree().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name} has no summary");
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:\n"), "{name} has no examples");
            assert!(help.contains("Exit codes: "), "{name} does not say how it ends");
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                assert!(argument.get_help().is_some(), "{name}: {} is not explained", argument.get_id());
            }
        }
    }

    #[test]
    fn no_secret_can_be_typed_on_the_command_line() {
        let secrets = ["token", "passphrase", "api-token", "password"];
        for command in tree().get_subcommands().filter(|command| command.get_name() != "sandbox") {
            for argument in command.get_arguments() {
                let long = argument.get_long().unwrap_or_default();
                assert!(!secrets.contains(&long), "{} takes a secret by --{long}", command.get_name());
            }
        }
    }
}
