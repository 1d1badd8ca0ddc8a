//! What a check can find, and what can be done about it.

use std::path::{Path, PathBuf};

use crate::archive::blob::BLOBS;
use crate::archive::drills::DRILLS;
use crate::archive::excerpt::EXCERPTS;
use crate::archive::header::{HEADER, HEADER_COPY};
use crate::archive::holders::HOLDERS;
use crate::archive::index::INDEX;
use crate::archive::labels::LABELS;
use crate::archive::log::LOGS;
use crate::archive::losses::LOSSES;
use crate::archive::manifest::SNAPSHOTS;
use crate::archive::marks::MARKS;
use crate::archive::moves::MOVES;
use crate::archive::prune::DOOMED;
use crate::archive::segment::SEGMENTS;
use crate::archive::{FileName, SnapshotId, Subset};
use crate::catalogue::ObjectName;

/// How much is read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Reading {
    /// Structure only.
    Structure,
    /// Every byte of some segments and blobs.
    Some(Subset),
    /// Every byte.
    All,
}

impl From<bool> for Reading {
    fn from(all: bool) -> Reading {
        if all { Reading::All } else { Reading::Structure }
    }
}

/// What kind of thing is hurt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `archive.json` or its copy.
    Header,
    /// A wrapped key.
    Key,
    /// Record versions.
    Segment,
    /// Contents of a file.
    Contents,
    /// A manifest, or the chain of them.
    Snapshot,
    /// A decision about snapshots.
    Mark,
    /// A note on where snapshots came from, or on what is lost.
    Note,
    /// What a prune will remove.
    List,
    /// A journal of a restore, or what a drill found.
    Journal,
    /// The derived index.
    Index,
    /// Something that no archive has.
    Stranger,
}

impl Kind {
    /// The word for people and scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Header => "header",
            Kind::Key => "key",
            Kind::Segment => "segment",
            Kind::Contents => "contents",
            Kind::Snapshot => "snapshot",
            Kind::Mark => "mark",
            Kind::Note => "note",
            Kind::List => "list",
            Kind::Journal => "journal",
            Kind::Index => "index",
            Kind::Stranger => "stranger",
        }
    }

    fn of(name: &str) -> Kind {
        match name.split('/').next().unwrap_or_default() {
            HEADER => Kind::Header,
            HOLDERS if name == HEADER_COPY => Kind::Header,
            HOLDERS | LABELS => Kind::Key,
            SEGMENTS => Kind::Segment,
            BLOBS => Kind::Contents,
            SNAPSHOTS => Kind::Snapshot,
            MARKS => Kind::Mark,
            EXCERPTS | LOSSES | MOVES => Kind::Note,
            DOOMED => Kind::List,
            LOGS | DRILLS => Kind::Journal,
            name if name.starts_with(INDEX) => Kind::Index,
            _ => Kind::Stranger,
        }
    }
}

/// What can be done about a problem.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remedy {
    /// A copy of the archive may have the file.
    Fetch,
    /// A copy may have a mark that is missing, whatever its name is.
    FetchMarks,
    /// The header and its copy stand in for each other.
    Header,
    /// The log is whole up to some entry.
    Log,
    /// It holds nothing that cannot be made again.
    Drop,
    /// Somebody put it there.
    MoveOut,
    /// Nothing: it follows from another problem, or is over already.
    None,
}

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// What is hurt.
    pub kind: Kind,
    /// The file it was found in.
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub text: String,
    /// Snapshots that need what is damaged.
    pub snapshots: Vec<SnapshotId>,
    /// Objects whose records are hurt, where that is known.
    pub objects: Vec<ObjectName>,
    /// A repair could not mend it and wrote it down: it is no news.
    pub known: bool,
    /// What can be done.
    pub remedy: Remedy,
}

impl Problem {
    pub(super) fn of(name: &str, remedy: Remedy, text: impl Into<String>) -> Problem {
        Problem {
            kind: Kind::of(name),
            file: Some(PathBuf::from(name)),
            text: text.into(),
            snapshots: Vec::new(),
            objects: Vec::new(),
            known: false,
            remedy,
        }
    }

    pub(super) fn hurting(self, snapshots: &[SnapshotId]) -> Problem {
        Problem { snapshots: snapshots.to_vec(), ..self }
    }

    /// The file's name in an archive at `root`, if it is one that archives have.
    pub fn name(&self, root: &Path) -> Option<FileName> {
        let below = self.file.as_ref()?.strip_prefix(root).ok()?;
        let parts: Option<Vec<&str>> = below.components().map(|part| part.as_os_str().to_str()).collect();
        FileName::parse(&parts?.join("/"))
    }
}

/// What a check looked at.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Checked {
    /// Manifests read.
    pub snapshots: u64,
    /// Segments looked at.
    pub segments: u64,
    /// Blobs looked at.
    pub blobs: u64,
    /// Snapshots that came in a bundle without the ones before them.
    pub alone: u64,
    /// Record versions read back from their bytes.
    pub records: u64,
    /// Stored bytes read whole.
    pub bytes_read: u64,
    /// Segments and blobs that were read whole.
    pub read: u64,
    /// Segments and blobs from which a subset was chosen.
    pub to_read: u64,
    /// After a subset: the last moment, in seconds since 1970, of which it is true that all segments and blobs that were there
    /// then have been read whole since and found right, or are known to be lost.
    pub read_as_of: Option<i64>,
    /// Files kept in quarantine.
    pub quarantined: u64,
    /// Problems that a repair wrote down as losses.
    pub known: u64,
    /// Other problems told.
    pub problems: u64,
}
