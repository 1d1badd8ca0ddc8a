//! How the certificate of completeness looks: listed, stored, read back, and what is out of sight.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde::Serialize;

use crate::archive::{self, Certificate, Contents, Manifest, Snapshot};
use crate::cli::show::{count, number};

/// The certificate of one object.
#[derive(Serialize)]
pub(crate) struct Certified {
    #[serde(flatten)]
    certificate: Certificate,
    stored: u64,
    agrees: bool,
    /// What does not add up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mismatch: Option<String>,
}

/// All objects together.
#[derive(Serialize)]
pub(crate) struct Sum {
    /// None where nobody counted, as in an import.
    listed: Option<u64>,
    carried: u64,
    withdrawn: u64,
    stored: u64,
    read_back: u64,
    read_back_now: u64,
    agrees: bool,
}

/// What reading a whole snapshot again found.
#[derive(Serialize)]
pub(crate) struct Verified {
    records: u64,
    problems: Vec<String>,
}

/// What does not add up in one object.
pub(crate) fn mismatch(contents: &Contents) -> Option<String> {
    contents.certificate.and_then(|certificate| certificate.mismatch(contents.records))
}

impl Certified {
    pub(crate) fn of(contents: &Contents) -> Option<Certified> {
        let (certificate, mismatch) = (contents.certificate?, mismatch(contents));
        Some(Certified { certificate, stored: contents.records, agrees: mismatch.is_none(), mismatch })
    }
}

/// Listed, carried over and read back, as a table shows them.
pub(crate) fn columns(certified: Option<&Certified>) -> [String; 3] {
    let told = |amount: Option<u64>| amount.map_or_else(|| "–".to_owned(), number);
    let certificate = certified.map(|certified| certified.certificate);
    [
        told(certificate.and_then(|one| one.listed)),
        told(certificate.map(|one| one.carried)),
        told(certificate.map(|one| one.read_back)),
    ]
}

impl Sum {
    /// None when an object has no certificate: what was not counted is not summed up.
    pub(crate) fn of(contents: &[Contents]) -> Option<Sum> {
        let all: Vec<Certificate> = contents.iter().map(|contents| contents.certificate).collect::<Option<_>>()?;
        let sum = |of: fn(&Certificate) -> u64| all.iter().map(of).sum();
        Some(Sum {
            listed: all.iter().map(|one| one.listed).sum(),
            carried: sum(|one| one.carried),
            withdrawn: sum(|one| one.withdrawn),
            stored: contents.iter().map(|contents| contents.records).sum(),
            read_back: sum(|one| one.read_back),
            read_back_now: sum(|one| one.read_back_now),
            agrees: contents.iter().all(|contents| mismatch(contents).is_none()),
        })
    }

    /// Whether every object adds up.
    pub(crate) fn agrees(&self) -> bool {
        self.agrees
    }

    /// `certificate: 6,700 listed + 167 carried over = 6,867 stored = 6,867 read back (12 now, the others when they were written)`.
    pub(crate) fn words(&self) -> String {
        let Sum { listed, carried, withdrawn, stored, read_back, read_back_now, agrees } = self;
        let mut given =
            listed.map_or_else(|| "not counted while read".to_owned(), |listed| format!("{} listed", number(listed)));
        if *carried > 0 {
            given.push_str(&format!(" + {} carried over", number(*carried)));
        }
        if *withdrawn > 0 {
            given.push_str(&format!(" - {} gone meanwhile", number(*withdrawn)));
        }
        let sign = match (agrees, listed) {
            (false, _) => "but",
            (true, None) => "and",
            (true, Some(_)) => "=",
        };
        let now = if read_back_now == read_back {
            String::new()
        } else {
            format!(" ({} now, the others when they were written)", number(*read_back_now))
        };
        let (stored, read_back) = (number(*stored), number(*read_back));
        format!(
            "certificate: {given} {sign} {stored} stored {} {read_back} read back{now}",
            if *agrees { "=" } else { "and" }
        )
    }
}

/// What the token's user cannot see, whatever the snapshot holds.
pub(crate) fn cannot_see(manifest: &Manifest) -> Vec<String> {
    if manifest.source.kind == "import" {
        return Vec::new();
    }
    let only = manifest.notes["only"].as_object().into_iter().flat_map(|only| only.values());
    let only: BTreeSet<&str> = only.filter_map(|words| words.as_str()).collect();
    let of_others =
        only.into_iter().map(|words| format!("what belongs to other users where the service shows {words}"));
    out_of_sight(manifest.source.is_admin).into_iter().chain(of_others).collect()
}

/// What the user of a token never sees, whatever it may do (api/objects.md, api/wire.md).
pub(crate) fn out_of_sight(is_admin: bool) -> Vec<String> {
    if is_admin {
        return Vec::new();
    }
    vec![
        "records and filters whose visibility leaves this user out, hidden pipelines with their deals, and settings that only admins see"
            .to_owned(),
    ]
}

impl Verified {
    /// Reads every record of a snapshot again and compares number and root of each object with the manifest.
    pub(crate) fn of(snapshot: &Snapshot<'_>) -> Result<Verified, archive::Error> {
        let mut verified = Verified { records: 0, problems: Vec::new() };
        for contents in &snapshot.manifest().contents {
            for record in snapshot.records(&contents.object)? {
                match record {
                    Ok(_) => verified.records += 1,
                    Err(error @ archive::Error::NeedsKey { .. }) => return Err(error),
                    Err(error) => verified.problems.push(format!("{}: {error}", contents.object.title())),
                }
            }
        }
        Ok(verified)
    }

    /// Whether all of it is as the manifest says.
    pub(crate) fn is_well(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for problem in &self.problems {
            writeln!(out, "error in {problem}")?;
        }
        let records = count(self.records, "record", "records");
        match self.problems.len() {
            0 => writeln!(
                out,
                "verified: {records} read again, number and root of every object are those of the manifest"
            ),
            _ => writeln!(out, "not verified: {records} read again; run \"pdbak check --read-data\""),
        }
    }
}
