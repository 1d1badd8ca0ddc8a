//! Sealing and opening of files: age, or nothing at all.
//!
//! age has a published format, a second implementation, and chunks that can be
//! read from the middle. An archive made with `--no-encryption` goes through
//! the same two types, so that nothing above here asks which kind it is.

use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};

use age::stream::{StreamReader, StreamWriter};
use age::x25519;

use super::disk::Input;

/// Writes what only the holder of a secret can read.
pub(super) enum Sealing<W: Write> {
    Clear(W),
    Age(Box<StreamWriter<W>>),
}

impl<W: Write> Sealing<W> {
    /// Without a recipient nothing is sealed.
    pub(super) fn new(recipient: Option<&x25519::Recipient>, out: W) -> io::Result<Sealing<W>> {
        let Some(recipient) = recipient else { return Ok(Sealing::Clear(out)) };
        let recipients = std::iter::once(recipient as &dyn age::Recipient);
        let encryptor = age::Encryptor::with_recipients(recipients).map_err(io::Error::other)?;
        Ok(Sealing::Age(Box::new(encryptor.wrap_output(out)?)))
    }

    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Sealing::Clear(out) => Ok(out),
            Sealing::Age(writer) => writer.finish(),
        }
    }
}

impl<W: Write> Write for Sealing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Sealing::Clear(out) => out.write(bytes),
            Sealing::Age(writer) => writer.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sealing::Clear(out) => out.flush(),
            Sealing::Age(writer) => writer.flush(),
        }
    }
}

/// A sealed file, open for reading from any place.
pub(super) enum Opened {
    Clear(BufReader<Box<dyn Input>>),
    Age(Box<StreamReader<BufReader<Box<dyn Input>>>>),
}

impl Opened {
    /// With any of these; without one the file is read as it is.
    pub(super) fn new(identities: &[x25519::Identity], input: Box<dyn Input>) -> io::Result<Opened> {
        let input = BufReader::with_capacity(64 * 1024, input);
        if identities.is_empty() {
            return Ok(Opened::Clear(input));
        }
        let garbled = |error| match error {
            age::DecryptError::Io(error) => error,
            error => io::Error::new(io::ErrorKind::InvalidData, error.to_string()),
        };
        let decryptor = age::Decryptor::new_buffered(input).map_err(garbled)?;
        let reader =
            decryptor.decrypt(identities.iter().map(|identity| identity as &dyn age::Identity)).map_err(garbled)?;
        Ok(Opened::Age(Box::new(reader)))
    }
}

impl Read for Opened {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Opened::Clear(input) => input.read(buffer),
            Opened::Age(reader) => reader.read(buffer),
        }
    }
}

impl Seek for Opened {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Opened::Clear(input) => input.seek(to),
            Opened::Age(reader) => reader.seek(to),
        }
    }
}

/// Seals a few bytes in memory.
pub(super) fn seal(recipient: Option<&x25519::Recipient>, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut sealing = Sealing::new(recipient, Vec::with_capacity(bytes.len() + 512))?;
    sealing.write_all(bytes)?;
    sealing.finish()
}

/// Opens a few bytes in memory.
pub(super) fn open(identities: &[x25519::Identity], bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut clear = Vec::with_capacity(bytes.len());
    Opened::new(identities, Box::new(io::Cursor::new(bytes)))?.read_to_end(&mut clear)?;
    Ok(clear)
}
