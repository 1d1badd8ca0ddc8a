//! The certificate of completeness: of each object, what was handed out, what is stored and what was read back.
//!
//! Each number is counted in another place, so that none vouches for itself: what the service handed out, by whoever
//! takes its pages; what is stored, in the manifest's map; what was read back, by the lines of the blocks as they came
//! out again after they were packed. What an earlier run wrote was read back then, and the index, which is made of
//! segments as they are on disk, still has its blocks: an increment stays cheap.

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::writer::SnapshotWriter;

/// What one object's numbers are, and where they come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Certificate {
    /// Distinct records that the service handed out in this capture; none where nobody counted (imports).
    pub listed: Option<u64>,
    /// Records of the snapshot before that were carried over without being handed out.
    pub carried: u64,
    /// Records that were handed out and gone before the capture ended.
    pub withdrawn: u64,
    /// Records of the snapshot that were found in blocks that unpacked to what was packed.
    pub read_back: u64,
    /// Those of them that this run wrote; the others were read back by the runs that wrote them.
    pub read_back_now: u64,
}

impl Certificate {
    /// What does not add up, in words, for an object of which so many records are stored.
    pub fn mismatch(&self, stored: u64) -> Option<String> {
        let Certificate { listed, carried, withdrawn, read_back, .. } = *self;
        let expected = listed.map(|listed| (listed + carried).saturating_sub(withdrawn));
        match (expected, listed) {
            (Some(expected), Some(listed)) if expected != stored => Some(format!(
                "{listed} listed and {carried} carried over, less {withdrawn} gone meanwhile, make {expected}; {stored} are stored"
            )),
            _ if read_back != stored => Some(format!("{stored} are stored, {read_back} could be read back")),
            _ => None,
        }
    }
}

impl SnapshotWriter<'_> {
    /// Counts what was read back, once everything is on disk.
    pub(super) fn certify(&mut self) -> Result<(), Error> {
        let first = self.first_segment;
        for (object, progress) in &mut self.objects {
            let read_back = progress.seen.and(&self.archive.inner.index().extent(object.as_str())?);
            let now = read_back.segments().filter(|(segment, _)| *segment >= first).map(|(_, lines)| lines.len()).sum();
            if let Some(certificate) = progress.closed.as_mut().and_then(|closed| closed.certificate.as_mut()) {
                (certificate.read_back, certificate.read_back_now) = (read_back.len(), now);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_add_up_is_told_whichever_number_is_wrong() {
        let sound = Certificate { listed: Some(7), carried: 3, withdrawn: 1, read_back: 9, read_back_now: 6 };
        assert_eq!(sound.mismatch(9), None);
        assert!(sound.mismatch(8).expect("words").contains("make 9; 8 are stored"));
        let lost = Certificate { read_back: 8, ..sound };
        assert_eq!(lost.mismatch(9).expect("words"), "9 are stored, 8 could be read back");
        assert_eq!(Certificate { listed: None, ..sound }.mismatch(9), None);
    }
}
