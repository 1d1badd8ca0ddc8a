//! The fields an object's records have, by key and by the names people know.

use std::collections::{BTreeMap, BTreeSet};

use super::parse::Test;
use super::{NotAFilter, Unbound};
use crate::archive::Error;
use crate::catalogue::{self, ObjectName};
use crate::diff::Names;

/// So many records are looked at for fields that nothing defines.
const LOOKED_AT: usize = 100;
/// How alike a name must be to be offered instead, from 0 to 1.
const ALIKE: f64 = 0.8;

/// Where a field is: its key, and the way on to a part of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Place {
    pub(super) key: String,
    pub(super) part: Vec<String>,
}

/// The fields of one object.
pub(super) struct Known {
    title: String,
    /// Name in small letters to keys: two fields may have one name.
    named: BTreeMap<String, BTreeSet<String>>,
    /// Keys that rows hold.
    keys: BTreeSet<String>,
    /// Names as people write them.
    words: Vec<String>,
    /// Keys and names of fields that no row holds, in small letters: the service counts them anew each time.
    unkept: BTreeSet<String>,
}

impl Known {
    /// Gathers what the definitions, the catalogue and the first records tell.
    pub(super) fn of(names: &Names<'_>, object: &ObjectName) -> Result<Known, Error> {
        let (named, keys, words, unkept) = Default::default();
        let mut known = Known { title: object.title(), named, keys, words, unkept };
        let entry = catalogue::find(object);
        known.keys.extend(entry.into_iter().flat_map(|entry| entry.writable()).map(str::to_owned));
        for record in names.rows(object)?.take(LOOKED_AT) {
            known.keys.extend(record?.fields().into_iter().map(|(key, _)| key));
        }
        for (key, name) in names.fields_of(object) {
            // A key that no row has could match nothing.
            if key.len() == 40 || known.keys.contains(key) {
                known.named.entry(name.to_lowercase()).or_default().insert(key.to_owned());
                known.words.push(name.to_owned());
                known.keys.insert(key.to_owned());
            } else {
                known.unkept.extend([key, name].map(str::to_lowercase));
            }
        }
        Ok(known)
    }

    /// The field that a test names.
    pub(super) fn find(&self, text: &str, test: &Test) -> Result<Place, Unbound> {
        let whole = self.key(text, test, &test.field)?;
        if let Some(key) = whole {
            return Ok(Place { key, part: Vec::new() });
        }
        for (at, _) in test.field.match_indices('.') {
            if let Some(key) = self.key(text, test, &test.field[..at])? {
                return Ok(Place { key, part: test.field[at + 1..].split('.').map(str::to_owned).collect() });
            }
        }
        if self.unkept.contains(&test.field.to_lowercase()) {
            let what =
                format!("{} are kept without {}, which the service counts anew each time", self.title, test.field);
            return Err(NotAFilter::new(text, test.at, what).into());
        }
        let what = match self.alike(&test.field) {
            Some(other) => format!("unknown field {} of {}; did you mean {other}?", test.field, self.title),
            None => format!("unknown field {} of {}", test.field, self.title),
        };
        Err(NotAFilter::new(text, test.at, what).into())
    }

    /// The key of a field by its key or its name; an error where a name is that of several.
    fn key(&self, text: &str, test: &Test, word: &str) -> Result<Option<String>, NotAFilter> {
        if self.keys.contains(word) {
            return Ok(Some(word.to_owned()));
        }
        if let Some(keys) = self.named.get(&word.to_lowercase()) {
            if keys.len() > 1 {
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                let what = format!("{} fields of {} are called {word}: write the key of one, ", keys.len(), self.title);
                return Err(NotAFilter::new(text, test.at, what + &keys.join(" or ")));
            }
            return Ok(keys.first().cloned());
        }
        Ok(self.keys.iter().find(|key| key.eq_ignore_ascii_case(word)).cloned())
    }

    /// The name or key that is most like a word; quoted if it has to be.
    fn alike(&self, word: &str) -> Option<String> {
        let word = word.to_lowercase();
        let names = self.words.iter().chain(self.keys.iter().filter(|key| key.len() < 40));
        let scored = names.map(|name| (strsim::jaro_winkler(&name.to_lowercase(), &word), name));
        let best = scored.filter(|(score, _)| *score >= ALIKE).max_by(|(one, _), (other, _)| one.total_cmp(other));
        let bare = |name: &str| name.chars().all(|letter| letter.is_alphanumeric() || "_.-".contains(letter));
        best.map(|(_, name)| if bare(name) { name.clone() } else { format!("\"{name}\"") })
    }
}
