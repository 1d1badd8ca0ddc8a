//! The folder that a demo leaves behind: an archive, its passphrase, and a configuration to open it with.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rand::RngExt;

use crate::cli::complain::Failure;
use crate::cli::secret::Secret;

/// The first line of the configuration; by it a demo knows its own folder.
const MARK: &str = "# made by \"pdbak demo\"; it may be deleted, and the next demo does";

/// A demo's folder.
pub(super) struct Folder {
    path: PathBuf,
    pub(super) passphrase: Secret,
}

impl Folder {
    /// Makes the folder, or empties one that an earlier demo made. Anything else is left alone.
    pub(super) fn make(path: &Path) -> Result<Folder, Failure> {
        let refuse = |error: io::Error| Failure::from(error).while_doing(format_args!("make {}", path.display()));
        let folder =
            Folder { path: path.to_owned(), passphrase: Secret::new(hex::encode(rand::rng().random::<[u8; 12]>())) };
        if path.exists() && fs::read_dir(path).map_err(refuse)?.next().is_some() {
            folder.clear()?;
        }
        fs::create_dir_all(path).map_err(refuse)?;
        // The mark first: a demo that dies in between can be cleared by the next one.
        fs::write(folder.config(), folder.settings()).map_err(refuse)?;
        fs::write(path.join("passphrase"), format!("{}\n", *folder.passphrase)).map_err(refuse)?;
        Ok(folder)
    }

    fn clear(&self) -> Result<(), Failure> {
        let ours = fs::read_to_string(self.config()).is_ok_and(|text| text.starts_with(MARK));
        if !ours {
            return Err(Failure::usage(format!("{} is in use and was not made by a demo", self.path.display()))
                .hint("run \"pdbak demo --folder DIR\" with a folder that does not exist yet"));
        }
        let refuse = |error: io::Error| Failure::from(error).while_doing(format_args!("clear {}", self.path.display()));
        let archive = self.archive();
        if archive.exists() {
            fs::remove_dir_all(archive).map_err(refuse)?;
        }
        Ok(())
    }

    /// The archive in it.
    pub(super) fn archive(&self) -> PathBuf {
        self.path.join("archive")
    }

    /// The configuration in it.
    pub(super) fn config(&self) -> PathBuf {
        self.path.join("pdbak.toml")
    }

    fn settings(&self) -> String {
        format!("{MARK}\n[profiles.demo]\narchive = \"archive\"\npassphrase_file = \"passphrase\"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::Folder;

    #[test]
    fn only_a_folder_of_a_demo_is_made_anew() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("demo");
        let first = Folder::make(&path).unwrap();
        std::fs::create_dir(first.archive()).unwrap();
        let second = Folder::make(&path).unwrap();
        assert!(!second.archive().exists() && *first.passphrase != *second.passphrase);

        std::fs::write(home.path().join("thesis.txt"), "years of work").unwrap();
        let refused = Folder::make(home.path()).err().unwrap().text();
        assert!(refused.contains("was not made by a demo"), "{refused}");
        assert!(home.path().join("thesis.txt").exists());
    }
}
