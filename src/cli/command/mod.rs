//! The commands, one file each: arguments, then `run`: parse, open, one call of the library, show.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod consent;
pub(crate) mod demo;
pub(crate) mod diff;
pub(crate) mod doctor;
pub(crate) mod forget;
pub(crate) mod get;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod live;
pub(crate) mod login;
pub(crate) mod ls;
pub(crate) mod man;
pub(crate) mod objects;
pub(crate) mod prune;
pub(crate) mod reindex;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod sandbox;
pub(crate) mod show;
pub(crate) mod snapshot;
pub(crate) mod snapshots;
pub(crate) mod tag;
