//! Contents of files, stored once whatever they are called.
//!
//! Most contents are small: they are hashed before a draft is begun, so that those
//! which are there already cost no file. Larger ones are read through once, straight
//! into their draft. The index finds contents by a keyed hash, so that it tells nobody
//! what they are. One pair of zstd contexts serves all blobs of a run: making them
//! costs more than packing a few kilobytes.

use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use zstd::zstd_safe::{CCtx, CParameter, DCtx};

use super::disk::Input;
use super::error::Error;
use super::seal::{Opened, Sealing};
use super::segment::{header_frame, read_header};
use super::store::Store;
use super::writer::SnapshotWriter;
use super::{Archive, BlobRef, Inner, Role};

/// Where contents lie.
pub(super) const BLOBS: &str = "blobs";
/// Level 3 gives up on what cannot be compressed within a few blocks, at a cost of 3 bytes each.
const LEVEL: i32 = 3;
/// Contents up to this size are held in memory until they are known.
const HELD: u64 = 1 << 20;
/// How much of larger contents is read at a time.
const PIECE: usize = 64 * 1024;

/// What the blobs of a run share.
#[derive(Default)]
pub(super) struct BlobPacker {
    compressor: Option<CCtx<'static>>,
    decompressor: Option<DCtx<'static>>,
    held: Vec<u8>,
}

impl SnapshotWriter<'_> {
    /// Stores contents once, whatever their name; the same contents are found again.
    pub fn blob(&mut self, contents: &mut dyn Read) -> Result<BlobRef, Error> {
        let inner = &self.archive.inner;
        let packed = inner.write_blob(contents, &mut self.blob_packer);
        if packed.is_err() {
            // A context that was left in the middle of a frame would go on with it.
            self.blob_packer = BlobPacker::default();
        }
        let (blob, stored) = packed?;
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
    fn write_blob(&self, contents: &mut dyn Read, packer: &mut BlobPacker) -> Result<(BlobRef, Option<u64>), Error> {
        let path = self.store.path(BLOBS);
        let receive = || Error::file("receive contents for", &path);
        let BlobPacker { compressor, decompressor, held } = packer;
        held.clear();
        (&mut *contents).take(HELD).read_to_end(held).map_err(receive())?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(held);
        let mut bytes = held.len() as u64;
        let all_held = bytes < HELD;
        if all_held && let Some(blob) = self.known_blob(&hasher)? {
            return Ok((blob, None));
        }
        let refused = || Error::file("write", &path);
        let sealing = Sealing::new(self.data_recipient.as_ref(), self.store.draft()?).map_err(refused())?;
        let context = compressor.get_or_insert_with(CCtx::create);
        let length = all_held.then_some(bytes);
        let mut encoder = header_then_zstd(sealing, &self.header.archive, context, length).map_err(refused())?;
        encoder.write_all(held).map_err(refused())?;
        if !all_held {
            let mut piece = vec![0; PIECE];
            loop {
                match contents.read(&mut piece).map_err(receive())? {
                    0 => break,
                    read => {
                        hasher.update(&piece[..read]);
                        bytes += read as u64;
                        encoder.write_all(&piece[..read]).map_err(refused())?;
                    }
                }
            }
        }
        let draft = encoder.finish().and_then(Sealing::finish).map_err(refused())?;
        if !all_held && let Some(blob) = self.known_blob(&hasher)? {
            return Ok((blob, None));
        }
        let blake3 = hasher.finalize().to_hex().to_string();
        let expected = (bytes, blake3.clone());
        let placed = draft.place_one_of_many(BLOBS, |input| {
            if self.data_recipient.is_some() && self.secrets.data.is_empty() {
                return Ok(());
            }
            let context = decompressor.get_or_insert_with(DCtx::create);
            let (found, _) = self.copy_blob(input, &path, &mut io::sink(), context)?;
            if found == expected { Ok(()) } else { Err(Error::damaged(&path, "contents do not read back the same")) }
        })?;
        Ok((BlobRef { blob: placed.name, bytes, blake3 }, Some(placed.bytes)))
    }

    /// The stored blob with these contents.
    fn known_blob(&self, contents: &blake3::Hasher) -> Result<Option<BlobRef>, Error> {
        let blake3 = contents.finalize().to_hex().to_string();
        let known = self.index().blob(&self.blob_key(&blake3))?;
        Ok(known.filter(|blob| self.store.exists(&Store::spread(BLOBS, &blob.blob))))
    }

    /// Copies the contents out of a stored blob; returns their length and hash, and the last part,
    /// which is given out by whoever compared these with what they should be.
    pub(super) fn copy_blob(
        &self,
        input: Box<dyn Input>,
        path: &Path,
        into: &mut dyn Write,
        context: &mut DCtx<'static>,
    ) -> Result<((u64, String), Vec<u8>), Error> {
        let mut opened = Opened::new(&self.secrets.data, input).map_err(Error::file("read", path))?;
        read_header(&mut opened, &self.header.archive, "blob", path)?;
        let mut decoder = zstd::Decoder::with_context(BufReader::with_capacity(PIECE, opened), context);
        let (mut hasher, mut bytes, mut held) = (blake3::Hasher::new(), 0u64, Vec::new());
        let mut buffer = vec![0; PIECE];
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

/// Begins a blob: what is written to it comes after its header, in one frame.
fn header_then_zstd<'c, W: Write>(
    mut out: W,
    archive: &str,
    context: &'c mut CCtx<'static>,
    length: Option<u64>,
) -> io::Result<zstd::Encoder<'c, W>> {
    out.write_all(&header_frame(archive, "blob"))?;
    let mut encoder = zstd::Encoder::with_context(out, context);
    encoder.set_parameter(CParameter::CompressionLevel(LEVEL))?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(length)?;
    Ok(encoder)
}

impl Archive {
    /// Reads contents back and returns their length. The last part is given out only when the hash of
    /// all of them is right: contents that end are contents that were verified.
    pub fn read_blob(&self, blob: &BlobRef, into: &mut dyn Write) -> Result<u64, Error> {
        if !self.inner.reads_data() {
            return Err(self.inner.secrets.needs("read contents", Role::Restore));
        }
        let name = Store::spread(BLOBS, &blob.blob);
        let path = self.inner.store.path(&name);
        let input = self.inner.store.open(&name)?;
        let ((bytes, blake3), rest) = self.inner.copy_blob(input, &path, into, &mut DCtx::create())?;
        if bytes != blob.bytes || blake3 != blob.blake3 {
            let fact = format!("contents of {bytes} bytes with another hash, expected {} bytes", blob.bytes);
            return Err(Error::damaged(&path, fact));
        }
        into.write_all(&rest).map_err(Error::file("copy contents of", &path))?;
        Ok(bytes)
    }
}
