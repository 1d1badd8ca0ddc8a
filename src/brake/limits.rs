//! Limits that people set, in words of the configuration: `5%`, `200`, `off`, `learned`.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

use crate::archive::What;
use crate::catalogue::ObjectName;

/// How much may change.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Measure {
    /// This share of the records that were there before.
    Share(f64),
    /// So many records.
    Records(u64),
}

/// What raises an alarm about an object.
#[derive(Clone, PartialEq, Debug, Default)]
pub enum Limit {
    /// More than usual.
    #[default]
    Learned,
    /// Nothing.
    Off,
    /// More than this; what is not set is learned.
    Set {
        /// Of records that changed.
        changed: Option<Measure>,
        /// Of records that are gone.
        deleted: Option<Measure>,
        /// Of records that are new.
        added: Option<Measure>,
    },
}

/// The limits of all objects: `default` and those of single ones.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Limits {
    /// Of every object that is not named.
    pub default: Limit,
    /// Of those that are.
    pub objects: BTreeMap<ObjectName, Limit>,
}

/// How a limit is written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Word(String),
    Each(Each),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Each {
    changed: Option<Amount>,
    deleted: Option<Amount>,
    added: Option<Amount>,
}

/// A measure as it is written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Amount {
    Number(u64),
    Word(String),
}

impl Amount {
    fn measure(self) -> Result<Measure, String> {
        match self {
            Amount::Number(records) => Ok(Measure::Records(records)),
            Amount::Word(word) => word.parse(),
        }
    }
}

impl Limit {
    /// The set measure of what happened.
    pub(super) fn measure(&self, what: What) -> Option<Measure> {
        match (self, what) {
            (Limit::Set { changed, .. }, What::Changed) => *changed,
            (Limit::Set { deleted, .. }, What::Deleted) => *deleted,
            (Limit::Set { added, .. }, What::Added) => *added,
            _ => None,
        }
    }
}

impl Limits {
    /// The limit of an object, and whether it was set for this very object.
    pub(super) fn of(&self, object: &ObjectName) -> (&Limit, bool) {
        self.objects.get(object).map_or((&self.default, false), |limit| (limit, true))
    }
}

impl FromStr for Measure {
    type Err = String;

    fn from_str(text: &str) -> Result<Measure, String> {
        let refuse = || format!("\"{text}\" is neither a share (5%) nor a number of records");
        match text.trim().strip_suffix('%') {
            Some(share) => match share.trim().parse::<f64>() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(Measure::Share(share / 100.0)),
                _ => Err(refuse()),
            },
            None => text.trim().replace([',', '_'], "").parse().map(Measure::Records).map_err(|_| refuse()),
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Limit, String> {
        match text.trim() {
            "off" => Ok(Limit::Off),
            "learned" => Ok(Limit::Learned),
            other => {
                let measure = other.parse().map_err(|error| format!("{error}, nor \"off\", nor \"learned\""))?;
                Ok(Limit::Set { changed: Some(measure), deleted: Some(measure), added: None })
            }
        }
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Limit, D::Error> {
        let limit = match Written::deserialize(input)? {
            Written::Number(records) => records.to_string().parse(),
            Written::Word(word) => word.parse(),
            Written::Each(Each { changed, deleted, added }) => {
                let measure = |amount: Option<Amount>| amount.map(Amount::measure).transpose();
                measure(changed)
                    .and_then(|changed| Ok(Limit::Set { changed, deleted: measure(deleted)?, added: measure(added)? }))
            }
        };
        limit.map_err(serde::de::Error::custom)
    }
}
