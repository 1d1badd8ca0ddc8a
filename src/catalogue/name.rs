//! The word by which an object is known.

use std::borrow::Cow;
use std::fmt;

use super::ALL;

/// The word by which an object is known on disk and on the command line; never reused.
///
/// On disk it is written as in the service's paths (`dealProducts`); people read
/// the title (`DealProducts`). An archive may hold names that this version does
/// not know, so the word is not limited to the catalogue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ObjectName(Cow<'static, str>);

impl ObjectName {
    /// The name of an entry of the catalogue.
    pub const fn known(name: &'static str) -> ObjectName {
        ObjectName(Cow::Borrowed(name))
    }

    /// A name met in an archive or typed by a person; the first letter's case does not matter.
    pub fn new(name: &str) -> ObjectName {
        // Ids are kept by the hundred thousand: a word of the catalogue is not held once more for each.
        if let Some(object) = ALL.iter().find(|object| object.name == name) {
            return ObjectName::known(object.name);
        }
        let mut letters = name.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        ObjectName(Cow::Owned(first.into_iter().chain(letters).collect()))
    }

    /// The word as it is written on disk: `dealProducts`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same, to be kept.
    pub fn word(&self) -> Cow<'static, str> {
        self.0.clone()
    }

    /// The word as people read it: `DealProducts`.
    pub fn title(&self) -> String {
        let mut letters = self.0.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect()
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}
