//! Copies elsewhere, as people and scripts see them.

use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;

use crate::cli::show::{View, count, size};
use crate::offsite::{Amount, Compared, Fault, Held, Pulled, Pushed};

fn amount(amount: Amount) -> String {
    format!("{}, {}", count(amount.files, "file", "files"), size(amount.bytes))
}

fn faults(faults: &[Fault], out: &mut dyn Write) -> io::Result<()> {
    faults.iter().try_for_each(|fault| writeln!(out, "problem: {}: {}", fault.file, fault.problem))
}

/// What a push did.
#[derive(Serialize)]
pub(crate) struct Sent {
    pub(crate) target: String,
    #[serde(flatten)]
    pub(crate) pushed: Pushed,
}

impl View for Sent {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Pushed { sent, there, by_checksum, read_back, mended, locked_until, held_back, .. } = &self.pushed;
        faults(&self.pushed.faults, out)?;
        let mut proofs = Vec::new();
        if *by_checksum > 0 {
            proofs.push(format!("{by_checksum} proven by the store's checksum"));
        }
        if *read_back > 0 {
            proofs.push(format!("{read_back} read back"));
        }
        let proofs = if proofs.is_empty() { String::new() } else { format!(" ({})", proofs.join(", ")) };
        writeln!(out, "{}: sent {}{proofs}  ·  there already: {}", self.target, amount(*sent), amount(*there))?;
        if *mended > 0 {
            writeln!(out, "{} sent again", count(*mended, "damaged file was", "damaged files were"))?;
        }
        if *held_back > 0 {
            writeln!(
                out,
                "{} until the files before them have arrived: push again",
                count(*held_back, "snapshot waits", "snapshots wait")
            )?;
        }
        match locked_until {
            Some(until) => writeln!(out, "nobody can remove or replace it there before {until}"),
            None => Ok(()),
        }
    }
}

/// What a pull did.
#[derive(Serialize)]
pub(crate) struct Fetched {
    pub(crate) target: String,
    pub(crate) folder: PathBuf,
    #[serde(flatten)]
    pub(crate) pulled: Pulled,
}

impl View for Fetched {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Pulled { fetched, there, .. } = &self.pulled;
        faults(&self.pulled.faults, out)?;
        let folder = self.folder.display();
        writeln!(
            out,
            "{}: fetched {} into {folder}  ·  here already: {}",
            self.target,
            amount(*fetched),
            amount(*there)
        )?;
        writeln!(out, "\"pdbak check --read-data\" reads all of it; \"pdbak reindex\" makes its index")
    }
}

/// What a comparison found.
#[derive(Serialize)]
pub(crate) struct Looked {
    pub(crate) target: String,
    pub(crate) compared_with_archive: bool,
    #[serde(flatten)]
    pub(crate) compared: Compared,
}

impl View for Looked {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Compared { there, hashed, only_there, faults: found, .. } = &self.compared;
        faults(found, out)?;
        let verdict = match found.len() {
            0 => "whole".to_owned(),
            problems => count(problems as u64, "problem", "problems"),
        };
        let with =
            if self.compared_with_archive { "compared with the archive" } else { "no archive here to compare with" };
        let read = if hashed.files > 0 {
            format!("{} hashed", amount(*hashed))
        } else {
            "nothing hashed; --read-data does".to_owned()
        };
        writeln!(out, "{}: {verdict}: {}  ·  {with}, {read}", self.target, amount(*there))?;
        if *only_there > 0 {
            writeln!(
                out,
                "{} there and not here (forgotten here, or of another machine)",
                count(*only_there, "file is", "files are")
            )?;
        }
        Ok(())
    }
}

/// What a copy holds.
#[derive(Serialize)]
pub(crate) struct There {
    pub(crate) target: String,
    #[serde(flatten)]
    pub(crate) held: Held,
}

impl View for There {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let sealed = if self.held.encrypted { "encrypted" } else { "not encrypted" };
        writeln!(out, "{}: copy of archive {}, {sealed}", self.target, self.held.archive)?;
        for (part, of) in &self.held.parts {
            writeln!(out, "  {part:10} {}", amount(*of))?;
        }
        for id in &self.held.snapshots {
            writeln!(out, "  snapshot {}", id.get(..8).unwrap_or(id))?;
        }
        Ok(())
    }
}
