//! What is asked of files that lie elsewhere: each way there costs time, and other machines go there, too.
//!
//! On a disk of this machine all of it is nothing, or the same as elsewhere.

use std::path::PathBuf;

use super::Store;
use crate::archive::disk::Partial;
use crate::archive::error::Error;
use crate::archive::working::FarTurn;

impl Store {
    /// Takes the right to write among machines that share what lies here, if several do.
    pub(in crate::archive) fn far_turn(&self, about: &[u8]) -> Result<Option<FarTurn>, Error> {
        self.disk.turn(about)
    }

    /// Looks again at what lies elsewhere.
    pub(in crate::archive) fn look_again(&self) -> Result<(), Error> {
        self.disk.look_again()
    }

    /// Makes sure that what is read next is what lies there, not a copy of it on this machine; of segments and contents only
    /// for those that are meant.
    pub(in crate::archive) fn read_anew(&self, is_meant: &dyn Fn(&str) -> bool) -> Result<(), Error> {
        self.disk.read_anew(is_meant).map_err(Error::file("read", &self.root))
    }

    /// Files that should lie elsewhere, and are on this machine only.
    pub(in crate::archive) fn unsent(&self) -> Vec<String> {
        self.disk.unsent()
    }

    /// Something about what lies elsewhere that somebody should know.
    pub(in crate::archive) fn remark(&self) -> Option<String> {
        self.disk.remark()
    }

    /// Whether what lies here comes from elsewhere, and each way there costs time.
    pub(in crate::archive) fn is_far(&self) -> bool {
        self.disk.label().is_some()
    }

    /// These are going to be opened one after the other, as a whole or in part.
    pub(in crate::archive) fn fetch_ahead(&self, names: &[String], whole: bool) -> Result<(), Error> {
        let paths: Vec<PathBuf> = names.iter().map(|name| self.path(name)).collect();
        self.disk.fetch_ahead(&paths, whole).map_err(Error::file("read", &self.root))
    }

    /// The same where only some of it is going to be read.
    pub(in crate::archive) fn open_in_part(&self, name: &str) -> Result<Partial, Error> {
        let path = self.path(name);
        self.disk.open_in_part(&path).map_err(Error::file("read", &path))
    }
}
