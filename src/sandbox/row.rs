//! What a row of the sandbox's account is: its id, its contents, and the door through which a company generator fills the store.
//!
//! Why a trait and not the store itself: the generator makes rows and knows nothing of how they are kept, so the store may change its
//! memory layout without touching a single generated name.

use serde_json::{Map, Value};

/// A row's id as the service shows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Id {
    /// Most objects: a positive integer.
    Number(u64),
    /// Leads and lead labels: a UUID.
    Text(Box<str>),
    /// Follower rows: (parent id, user id).
    Pair(u64, u64),
}

/// Contents of an uploaded or generated file.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes somebody uploaded.
    Bytes(bytes::Bytes),
    /// Produced again on each download, so that it costs no memory.
    Made {
        /// Seed of the bytes.
        seed: u64,
        /// How many bytes.
        size: u64,
        /// What kind of file the bytes pretend to be.
        mime: &'static str,
    },
}

/// What a company generator fills.
pub trait Sink {
    /// Takes one row, in the store shape of its kind.
    fn row(&mut self, kind: &'static str, id: Id, row: &Map<String, Value>);
    /// Takes the contents of a row that stands for a file or a picture.
    fn content(&mut self, kind: &'static str, id: Id, content: Content);
}
