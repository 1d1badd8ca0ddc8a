//! Contents of files, stored once whatever they are called.
//!
//! A blob is read through once, straight into its draft, and its hash is known
//! only at the end: contents that are there already cost a draft that is thrown
//! away. The index finds them by a keyed hash, so that it tells nobody what they are.

use std::io::{Read, Write};
use std::path::Path;

use super::error::Error;
use super::seal::{Opened, Sealing};
use super::segment::{header_frame, read_header};
use super::store::Store;
use super::writer::SnapshotWriter;
use super::{Archive, BlobRef, Inner};

/// Where contents lie.
pub(super) const BLOBS: &str = "blobs";
/// Level 3 gives up on what cannot be compressed within a few blocks, at a cost of 3 bytes each.
const LEVEL: i32 = 3;

impl SnapshotWriter<'_> {
    /// Stores contents once, whatever their name; the same contents are found again.
    pub fn blob(&mut self, contents: &mut dyn Read) -> Result<BlobRef, Error> {
        let inner = &self.archive.inner;
        let (blob, stored) = inner.write_blob(contents)?;
        // Contents found again are named too: the run that stored them may never have finished.
        self.blobs.insert(blob.blob.clone(), blob.clone());
        if let Some(stored) = stored {
            self.bytes_added += stored;
            inner.index().put_blob(&inner.blob_key(&blob.blake3), &blob)?;
        }
        Ok(blob)
    }
}

impl Inner {
    /// How the index names contents: hashed again, with the archive's secret.
    pub(super) fn blob_key(&self, blake3: &str) -> [u8; 32] {
        *blake3::keyed_hash(&self.secrets.digest.0, blake3.as_bytes()).as_bytes()
    }

    /// Writes contents; the stored length is `None` when they were there already.
    fn write_blob(&self, contents: &mut dyn Read) -> Result<(BlobRef, Option<u64>), Error> {
        let path = self.store.path(BLOBS);
        let refused = || Error::file("write", &path);
        let sealing = Sealing::new(self.data_recipient.as_ref(), self.store.draft()?).map_err(refused())?;
        let mut encoder = header_then_zstd(sealing, &self.header.archive).map_err(refused())?;
        let (mut hasher, mut bytes, mut buffer) = (blake3::Hasher::new(), 0u64, vec![0; 64 * 1024]);
        loop {
            match contents.read(&mut buffer).map_err(Error::file("receive contents for", &path))? {
                0 => break,
                read => {
                    hasher.update(&buffer[..read]);
                    bytes += read as u64;
                    encoder.write_all(&buffer[..read]).map_err(refused())?;
                }
            }
        }
        let blake3 = hasher.finalize().to_hex().to_string();
        let known = self.index().blob(&self.blob_key(&blake3))?;
        if let Some(blob) = known.filter(|blob| self.store.exists(&Store::spread(BLOBS, &blob.blob))) {
            return Ok((blob, None));
        }
        let draft = encoder.finish().and_then(Sealing::finish).map_err(refused())?;
        let placed = draft.place_one_of_many(BLOBS, |input| {
            if self.data_recipient.is_some() && self.secrets.data.is_none() {
                return Ok(());
            }
            let (found, _) = self.copy_blob(input, &path, &mut std::io::sink())?;
            if found == (bytes, blake3.clone()) {
                Ok(())
            } else {
                Err(Error::damaged(&path, "contents do not read back the same"))
            }
        })?;
        Ok((BlobRef { blob: placed.name, bytes, blake3 }, Some(placed.bytes)))
    }

    /// Copies the contents out of a stored blob; returns their length and hash, and the last part,
    /// which is given out by whoever compared these with what they should be.
    pub(super) fn copy_blob(
        &self,
        input: Box<dyn super::disk::Input>,
        path: &Path,
        into: &mut dyn Write,
    ) -> Result<((u64, String), Vec<u8>), Error> {
        let mut opened = Opened::new(self.secrets.data.as_ref(), input).map_err(Error::file("read", path))?;
        read_header(&mut opened, &self.header.archive, "blob", path)?;
        let mut decoder = zstd::Decoder::new(opened).map_err(Error::file("read", path))?;
        let (mut hasher, mut bytes, mut held) = (blake3::Hasher::new(), 0u64, Vec::new());
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = decoder.read(&mut buffer).map_err(|error| Error::damaged(path, error.to_string()))?;
            if read == 0 {
                return Ok(((bytes, hasher.finalize().to_hex().to_string()), held));
            }
            into.write_all(&held).map_err(Error::file("copy contents of", path))?;
            hasher.update(&buffer[..read]);
            bytes += read as u64;
            held.clear();
            held.extend_from_slice(&buffer[..read]);
        }
    }
}

fn header_then_zstd<W: Write>(mut out: W, archive: &str) -> std::io::Result<zstd::Encoder<'static, W>> {
    out.write_all(&header_frame(archive, "blob"))?;
    let mut encoder = zstd::Encoder::new(out, LEVEL)?;
    encoder.include_checksum(true)?;
    Ok(encoder)
}

impl Archive {
    /// Reads contents back and returns their length. The last part is given out only when the hash of
    /// all of them is right: contents that end are contents that were verified.
    pub fn read_blob(&self, blob: &BlobRef, into: &mut dyn Write) -> Result<u64, Error> {
        if !self.inner.reads_data() {
            return Err(Error::NeedsKey { doing: "read contents", role: self.inner.secrets.role.as_str() });
        }
        let name = Store::spread(BLOBS, &blob.blob);
        let path = self.inner.store.path(&name);
        let ((bytes, blake3), rest) = self.inner.copy_blob(self.inner.store.open(&name)?, &path, into)?;
        if bytes != blob.bytes || blake3 != blob.blake3 {
            let fact = format!("contents of {bytes} bytes with another hash, expected {} bytes", blob.bytes);
            return Err(Error::damaged(&path, fact));
        }
        into.write_all(&rest).map_err(Error::file("copy contents of", &path))?;
        Ok(bytes)
    }
}
