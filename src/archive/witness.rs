//! A file that is hashed while it is decoded, so that it is read once.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::Input;

/// A file from its begin to its end, hashed while somebody decodes it.
pub(super) struct Witnessed(Arc<Mutex<Witness>>);

struct Witness {
    input: Box<dyn Input>,
    hasher: blake3::Hasher,
}

impl Witnessed {
    pub(super) fn new(input: Box<dyn Input>) -> Witnessed {
        Witnessed(Arc::new(Mutex::new(Witness { input, hasher: blake3::Hasher::new() })))
    }

    /// The same file, for somebody else to read on.
    pub(super) fn again(&self) -> Witnessed {
        Witnessed(Arc::clone(&self.0))
    }

    /// Reads what nobody asked for, and returns the hex BLAKE3 of all.
    pub(super) fn hash(&self) -> io::Result<String> {
        let mut witness = self.witness();
        let mut rest = vec![0; 64 * 1024];
        while witness.read(&mut rest)? > 0 {}
        Ok(witness.hasher.finalize().to_hex().to_string())
    }

    fn witness(&self) -> MutexGuard<'_, Witness> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Witness {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.hasher.update(&buffer[..read]);
        Ok(read)
    }
}

impl Read for Witnessed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.witness().read(buffer)
    }
}

impl Seek for Witnessed {
    /// Bytes that were skipped or read twice would make another hash.
    fn seek(&mut self, _to: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
