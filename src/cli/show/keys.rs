//! Keys of an archive, as people and scripts see them.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::archive::{KeyCheck, KeyFacts, KeyKind};
use crate::cli::show::{View, moment, print, table};

/// One key.
#[derive(Clone, Serialize)]
pub(crate) struct KeyView {
    /// The name of its holder file.
    pub(crate) key: String,
    kind: Option<&'static str>,
    role: Option<&'static str>,
    name: Option<String>,
    recipient: Option<String>,
    added: Option<DateTime<Utc>>,
}

impl From<&KeyFacts> for KeyView {
    fn from(facts: &KeyFacts) -> KeyView {
        let KeyFacts { id, kind, role, recipient, name, added } = facts.clone();
        let kind = kind.map(|kind| match kind {
            KeyKind::Passphrase => "passphrase",
            KeyKind::Recipient => "recipient",
        });
        KeyView { key: id, kind, role: role.map(|role| role.as_str()), name, recipient, added }
    }
}

/// The begin of a key's id, for people.
pub(crate) fn short(key: &str) -> &str {
    key.get(..8).unwrap_or(key)
}

impl KeyView {
    /// How it is called in a sentence.
    pub(crate) fn called(&self) -> String {
        let name = self.name.as_ref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
        format!("{}{name} ({})", short(&self.key), self.kind.unwrap_or("unreadable"))
    }
}

impl View for KeyView {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let role = self.role.unwrap_or("unknown");
        writeln!(out, "key {}, role {role}", self.called())
    }
}

/// All of them.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct KeyList(pub(crate) Vec<KeyView>);

impl View for KeyList {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut keys = table(&["key", "kind", "role", "added", "name"], &[]);
        for key in &self.0 {
            keys.add_row([
                short(&key.key).to_owned(),
                key.kind.unwrap_or("unreadable").to_owned(),
                key.role.unwrap_or("unknown").to_owned(),
                key.added.map(moment).unwrap_or_default(),
                key.name.clone().or_else(|| key.recipient.clone()).unwrap_or_default(),
            ]);
        }
        print(&keys, out)
    }
}

/// What a rotation did.
#[derive(Serialize)]
pub(crate) struct Rotated {
    /// They open what was and what will be.
    pub(crate) keys: Vec<KeyView>,
    /// They open nothing any more.
    pub(crate) dropped: Vec<KeyView>,
}

impl View for Rotated {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for key in &self.dropped {
            writeln!(out, "let go: key {}", key.called())?;
        }
        writeln!(out, "what is written from now on opens with these keys:")?;
        KeyList(self.keys.clone()).text(out)
    }
}

/// One key that was given to a check.
#[derive(Serialize)]
struct GivenView {
    given: String,
    key: Option<String>,
    role: Option<&'static str>,
}

/// What is wrong with a file.
#[derive(Serialize)]
struct ProblemView {
    file: String,
    problem: String,
}

/// What a check of the keys found.
#[derive(Serialize)]
pub(crate) struct KeysChecked {
    given: Vec<GivenView>,
    not_tried: Vec<String>,
    problems: Vec<ProblemView>,
}

impl KeysChecked {
    pub(crate) fn of(given: &[String], check: KeyCheck) -> KeysChecked {
        let KeyCheck { opened, not_tried, problems } = check;
        let given = given.iter().zip(opened).map(|(given, opened)| GivenView {
            given: given.clone(),
            role: opened.as_ref().map(|opened| opened.role.as_str()),
            key: opened.map(|opened| opened.id),
        });
        let problems = problems.into_iter().map(|(file, problem)| ProblemView { file, problem });
        KeysChecked { given: given.collect(), not_tried, problems: problems.collect() }
    }

    /// Whether every key that was given opens the archive.
    pub(crate) fn all_open(&self) -> bool {
        self.given.iter().all(|given| given.key.is_some())
    }

    pub(crate) fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

impl View for KeysChecked {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for ProblemView { file, problem } in &self.problems {
            writeln!(out, "problem: {file}: {problem}")?;
        }
        for GivenView { given, key, role } in &self.given {
            match (key, role) {
                (Some(key), Some(role)) => writeln!(out, "{given} opens the archive: key {}, role {role}", short(key))?,
                _ => writeln!(out, "{given} opens nothing here")?,
            }
        }
        for key in &self.not_tried {
            writeln!(out, "not tried: key {}", short(key))?;
        }
        Ok(())
    }
}
