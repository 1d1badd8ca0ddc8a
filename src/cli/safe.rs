//! The login that `pdbak login` keeps between runs: an API token, or what a user allowed an OAuth application.
//!
//! One JSON document, either in a file that only its owner may read, replaced as a
//! whole by a rename, or in the system's keyring with a file that says so. A run
//! takes turns with other runs by a lock on a file beside it: two that refresh the same grant at
//! once would end each other's.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::account::oauth::{Application, Grant, Vault};
use crate::account::{Credential, Token};
use crate::cli::complain::Failure;
use crate::cli::config::{self, Profile};
use crate::cli::exit::Exit;

/// The name under which secrets stand in the system's keyring.
#[cfg(feature = "keyring")]
const SERVICE: &str = "pdbak";

/// What is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum Login {
    /// A user's API token.
    ApiToken { base_url: String, api_token: Zeroizing<String> },
    /// What a user allowed an application.
    OAuth { authority: String, client_id: String, client_secret: Zeroizing<String>, grant: Grant },
    /// The document is in the keyring, under this name.
    Keyring { entry: String },
}

impl Login {
    /// The account's address.
    pub(crate) fn base_url(&self) -> &str {
        match self {
            Login::ApiToken { base_url, .. } => base_url,
            Login::OAuth { grant, .. } => &grant.api_domain,
            Login::Keyring { .. } => "",
        }
    }

    /// What opens the account; a grant is renewed in the vault that is made of it.
    pub(crate) fn credential<V: Vault + 'static>(
        &self,
        vault: impl FnOnce(&Grant) -> V,
    ) -> Result<Credential, Failure> {
        Ok(match self {
            Login::ApiToken { api_token, .. } => Credential::Token(Token::new(api_token.to_string())),
            Login::OAuth { authority, client_id, client_secret, grant } => {
                let secret = Token::new(client_secret.to_string());
                let application = Application::new(authority, client_id.clone(), secret)?;
                Credential::Grant(application, Box::new(vault(grant)))
            }
            Login::Keyring { .. } => return Err(Failure::new(Exit::Failed, "the keyring refers to itself")),
        })
    }
}

/// A grant that is tried before it is kept anywhere.
pub(crate) struct Held(Mutex<Grant>);

impl Held {
    pub(crate) fn new(grant: &Grant) -> Held {
        Held(Mutex::new(grant.clone()))
    }
}

impl Vault for Held {
    fn load(&self) -> io::Result<Grant> {
        Ok(self.0.lock().expect("nobody panics while holding it").clone())
    }

    fn store(&self, grant: &Grant) -> io::Result<()> {
        *self.0.lock().expect("nobody panics while holding it") = grant.clone();
        Ok(())
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        Ok(Box::new(()))
    }
}

/// Where a profile's login is kept.
#[derive(Clone, Debug)]
pub(crate) struct Safe {
    path: PathBuf,
}

impl Safe {
    /// The safe of a profile: a file named by environment or profile, or one among the user's configuration.
    pub(crate) fn of(profile: &Profile) -> Result<Safe, Failure> {
        let named = std::env::var_os("PDBAK_LOGIN_FILE").map(PathBuf::from).or_else(|| profile.login_file.clone());
        let name = profile.name.as_deref().unwrap_or("default");
        let own = || config::own_folder().map(|folder| folder.join("logins").join(format!("{name}.json")));
        let path = named.or_else(own).ok_or_else(|| {
            Failure::usage("there is no folder for your configuration")
                .hint("set HOME, or name a file in PDBAK_LOGIN_FILE, and run \"pdbak login\" again")
        })?;
        Ok(Safe { path })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What is kept, if anything is.
    pub(crate) fn load(&self) -> Result<Option<Login>, Failure> {
        match self.read() {
            Ok(login) => Ok(Some(login)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::from_error(Exit::Failed, &error)
                .while_doing(format_args!("read the login in {}", self.path.display()))
                .hint("run \"pdbak login\" to make a new one")),
        }
    }

    /// Keeps a login, in the keyring if that is wanted.
    pub(crate) fn keep(&self, login: &Login, keyring: bool) -> Result<(), Failure> {
        let kept = if keyring { self.keep_in_keyring(login) } else { self.write(login) };
        kept.map_err(|error| Failure::from_error(Exit::Failed, &error).while_doing("keep the login"))
    }

    /// Forgets the login; false when there was none.
    pub(crate) fn forget(&self) -> Result<bool, Failure> {
        let forgotten = || -> io::Result<bool> {
            if let Ok(Login::Keyring { entry }) = read_file(&self.path) {
                keyring::delete(&entry)?;
            }
            match fs::remove_file(&self.path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                done => done.map(|()| true),
            }
        };
        forgotten().map_err(|error| Failure::from_error(Exit::Failed, &error).while_doing("forget the login"))
    }

    /// What opens the account.
    pub(crate) fn credential(&self, login: &Login) -> Result<Credential, Failure> {
        login.credential(|_| self.clone())
    }

    fn read(&self) -> io::Result<Login> {
        match read_file(&self.path)? {
            Login::Keyring { entry } => decoded(&keyring::get(&entry)?),
            login => Ok(login),
        }
    }

    fn keep_in_keyring(&self, login: &Login) -> io::Result<()> {
        let entry = self.path.display().to_string();
        keyring::set(&entry, &encoded(login))?;
        self.write(&Login::Keyring { entry })
    }

    /// Replaces the file as a whole; only its owner may read it from the first byte on.
    fn write(&self, login: &Login) -> io::Result<()> {
        let folder = self.folder()?;
        let mut file = tempfile::Builder::new().prefix(".login").tempfile_in(&folder)?;
        file.write_all(encoded(login).as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        File::open(&folder)?.sync_all()
    }

    fn folder(&self) -> io::Result<PathBuf> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        Ok(folder.to_owned())
    }
}

impl Vault for Safe {
    fn load(&self) -> io::Result<Grant> {
        match self.read()? {
            Login::OAuth { grant, .. } => Ok(grant),
            _ => Err(io::Error::other("it is not one by OAuth any more")),
        }
    }

    fn store(&self, grant: &Grant) -> io::Result<()> {
        let in_keyring = matches!(read_file(&self.path)?, Login::Keyring { .. });
        let Login::OAuth { authority, client_id, client_secret, .. } = self.read()? else {
            return Err(io::Error::other("it is not one by OAuth any more"));
        };
        let login = Login::OAuth { authority, client_id, client_secret, grant: grant.clone() };
        if in_keyring { self.keep_in_keyring(&login) } else { self.write(&login) }
    }

    fn lock(&self) -> io::Result<Box<dyn Send>> {
        self.folder()?;
        let file = File::create(self.path.with_extension("lock"))?;
        file.lock()?;
        Ok(Box::new(file))
    }
}

fn read_file(path: &Path) -> io::Result<Login> {
    decoded(&Zeroizing::new(fs::read_to_string(path)?))
}

fn decoded(text: &str) -> io::Result<Login> {
    // What a parser says of a secret may repeat it.
    serde_json::from_str(text).map_err(|_| io::Error::other("it is not what \"pdbak login\" writes"))
}

fn encoded(login: &Login) -> Zeroizing<String> {
    Zeroizing::new(serde_json::to_string(login).expect("a login is plain data"))
}

/// The system's keyring.
#[cfg(feature = "keyring")]
mod keyring {
    use std::io;

    use keyring::v1::Entry;
    use zeroize::Zeroizing;

    fn entry(name: &str) -> io::Result<Entry> {
        Entry::new(super::SERVICE, name).map_err(|_| io::Error::other("this machine has no keyring that answers"))
    }

    /// The library's words may hold what was stored.
    fn refused<T>(answer: keyring::v1::Result<T>) -> io::Result<T> {
        answer.map_err(|error| match error {
            keyring::v1::Error::NoEntry => io::Error::other("the keyring does not have it"),
            _ => io::Error::other("the keyring is locked or does not answer"),
        })
    }

    pub(super) fn get(name: &str) -> io::Result<Zeroizing<String>> {
        refused(entry(name)?.get_password()).map(Zeroizing::new)
    }

    pub(super) fn set(name: &str, secret: &str) -> io::Result<()> {
        refused(entry(name)?.set_password(secret))
    }

    pub(super) fn delete(name: &str) -> io::Result<()> {
        refused(entry(name)?.delete_credential())
    }
}

/// A build without the system's keyring.
#[cfg(not(feature = "keyring"))]
mod keyring {
    use std::io;

    use zeroize::Zeroizing;

    fn none<T>() -> io::Result<T> {
        Err(io::Error::other("this pdbak was built without the feature keyring"))
    }

    pub(super) fn get(_: &str) -> io::Result<Zeroizing<String>> {
        none()
    }

    pub(super) fn set(_: &str, _: &str) -> io::Result<()> {
        none()
    }

    pub(super) fn delete(_: &str) -> io::Result<()> {
        none()
    }
}
