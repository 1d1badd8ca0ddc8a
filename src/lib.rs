//! pdbak backs up a whole Pipedrive account into an archive that its owner keeps,
//! and brings back a field, a record, an object or the whole account.
//!
//! # The road of a record
//!
//! ```text
//! account ──▶ capture ──▶ archive ──▶ diff ──▶ restore (plan ▸ check ▸ journal ▸ replay) ──▶ account
//!  pages       records     segments    changes   steps                                       writes
//! ```
//!
//! [`catalogue`] stands above the road: it knows every object of Pipedrive as
//! data. [`sandbox`] stands beside it: an account that exists only on this
//! machine, met over HTTP and nowhere else, so that demo and tests go through the
//! same sockets, status codes and limits as a run against the real service.
//!
//! # What holds everywhere
//!
//! - **Reading cannot write.** [`account::Account`] has no method that changes
//!   anything; the one that does wants a [`account::Consent`], and only [`cli`]
//!   makes one, after a plan was shown.
//! - **Nothing seen is not the same as gone.** Each object of a snapshot says how
//!   much of it was seen; what was not seen is never reported as deleted.
//! - **Decide, write down, do.** The planner and its checker are pure; the replay
//!   has no choices left; its journal has each intent on disk before the request
//!   leaves.
//! - **Nothing is rewritten.** All files of an archive but its header and its
//!   index are named by what is in them and never change.
//!
//! # The modules, in the order of the story, and the files on disk each one owns
//!
//! | module | its part | on disk |
//! |---|---|---|
//! | [`catalogue`] | what a Pipedrive account holds, as facts | `man/pdbak-objects.7` is printed from it |
//! | [`record`] | one row, with an identity that cannot be confused | a line of a segment |
//! | [`clock`], [`monitor`] | what time it is; who hears of progress | |
//! | [`account`] | the live service: pages, budget, retries, writes with consent | |
//! | [`archive`] | written once, read for years | `archive.json keys/ segments/ blobs/ snapshots/ restores/ index.sqlite` |
//! | [`capture`] | pages become records become a snapshot | |
//! | [`diff`] | what changed between two snapshots | |
//! | [`brake`] | an alarm when far more changed than usual | marks in `marks/` |
//! | [`offsite`] | copies elsewhere, and one-file bundles | nothing of its own |
//! | [`restore`] | plan, check, journal, replay, read back | the logs in `restores/` |
//! | [`schedule`] | when a run is due, what it consists of, what became of it | `schedule/` in the archive |
//! | [`sandbox`] | an account that exists only here | `fixtures/contract/` is its law |
//! | [`cli`] | arguments in, words out | `pdbak.toml`, `man/` |
//!
//! # Who may import whom
//!
//! `tests/layers.rs` holds this table, reads every file, and fails on a breach, a
//! cycle, or a module that has no place in it.
//!
//! ```text
//! cli      ─▶ everything
//! restore  ─▶ diff, archive, record, catalogue, clock, monitor    (replay and doubt also ─▶ account)
//! capture  ─▶ account, archive, record, catalogue, clock, monitor
//! diff     ─▶ archive, record, catalogue              offsite, schedule ─▶ archive
//! brake    ─▶ archive, catalogue
//! account  ─▶ record, catalogue, clock                archive ─▶ record, catalogue::ObjectName, clock, monitor
//! record   ─▶ catalogue                               monitor ─▶ catalogue::ObjectName
//! catalogue, clock ─▶ nothing of ours                 sandbox ─▶ nothing of ours
//! ```

pub mod catalogue;
pub mod clock;
pub mod monitor;
pub mod record;

pub mod account;
pub mod archive;
pub mod brake;
pub mod capture;
pub mod diff;
pub mod offsite;
pub mod restore;
pub mod schedule;

pub mod sandbox;

pub mod cli;
