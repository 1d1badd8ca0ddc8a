//! Where secrets come from: the environment, a file, a command, or a person at the terminal. Never from argv.
//!
//! Arguments of a process can be read by every user of a machine and end up in
//! shell histories; none of the ways here does.

use std::borrow::Cow;
use std::cell::RefCell;
use std::env;
use std::fs;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use crate::archive::{Error, Unlock};
use crate::cli::complain::Failure;
use crate::cli::config::{Flags, OffsiteTarget, Profile, Store};

/// A secret's text, wiped when it is no longer needed.
pub(crate) type Secret = Zeroizing<String>;

/// Where one secret may come from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    /// What it is, for messages and the prompt.
    what: &'static str,
    /// The environment variable; `_FILE` and `_COMMAND` behind it name its other forms.
    variable: Cow<'static, str>,
    flag: Option<PathBuf>,
    file: Option<PathBuf>,
    command: Option<String>,
    /// All its lines count, not only the first.
    whole: bool,
}

impl Source {
    /// The token of the account.
    pub(crate) fn token(flags: &Flags, profile: &Profile) -> Source {
        Source {
            what: "API token",
            variable: "PDBAK_API_TOKEN".into(),
            flag: flags.api_token_file.clone(),
            file: profile.api_token_file.clone(),
            command: profile.api_token_command.clone(),
            whole: false,
        }
    }

    /// The token of an account to restore another company's snapshot into.
    pub(crate) fn token_elsewhere(profile: &Profile) -> Source {
        Source {
            what: "API token of the other company",
            variable: "PDBAK_TO_API_TOKEN".into(),
            flag: None,
            file: profile.api_token_file.clone(),
            command: profile.api_token_command.clone(),
            whole: false,
        }
    }

    /// The secret of the OAuth application.
    pub(crate) fn client_secret(profile: &Profile) -> Source {
        Source {
            what: "secret of the OAuth application",
            variable: "PDBAK_CLIENT_SECRET".into(),
            flag: None,
            file: profile.client_secret_file.clone(),
            command: profile.client_secret_command.clone(),
            whole: false,
        }
    }

    /// The passphrase of the archive.
    pub(crate) fn passphrase(flags: &Flags, profile: &Profile) -> Source {
        Source {
            what: "passphrase",
            variable: "PDBAK_PASSPHRASE".into(),
            flag: flags.passphrase_file.clone(),
            file: profile.passphrase_file.clone(),
            command: profile.passphrase_command.clone(),
            whole: false,
        }
    }

    /// The passphrase of a key that is being added.
    pub(crate) fn new_passphrase() -> Source {
        Source { what: "passphrase", variable: "PDBAK_NEW_PASSPHRASE".into(), ..Source::default() }
    }

    /// What opens the target of copies with this name.
    pub(crate) fn credentials(name: &str, target: &OffsiteTarget) -> Source {
        let word: String =
            name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
        Source {
            what: "credentials of the target",
            variable: format!("PDBAK_OFFSITE_{}", word.to_ascii_uppercase()).into(),
            flag: None,
            file: target.credentials_file.clone(),
            command: target.credentials_command.clone(),
            whole: true,
        }
    }

    /// What opens the store that the archive lives in.
    pub(crate) fn store_credentials(store: &Store) -> Source {
        Source {
            what: "credentials of the archive's store",
            variable: "PDBAK_ARCHIVE_CREDENTIALS".into(),
            flag: None,
            file: store.credentials_file.clone(),
            command: store.credentials_command.clone(),
            whole: true,
        }
    }

    /// Whether a flag or the environment says where it comes from.
    pub(crate) fn is_set_for_this_run(&self) -> bool {
        let set = |suffix: &str| variable(&format!("{}{suffix}", self.variable)).is_some();
        self.flag.is_some() || ["", "_FILE", "_COMMAND"].into_iter().any(set)
    }

    /// A secret with a variable of its own, and what the configuration says of it.
    pub(crate) fn of(
        what: &'static str,
        variable: &'static str,
        file: &Option<PathBuf>,
        command: &Option<String>,
    ) -> Source {
        let (file, command) = (file.clone(), command.clone());
        Source { what, variable: variable.into(), flag: None, file, command, whole: false }
    }

    /// The secret, if one of its sources is set: flag, environment, configuration.
    pub(crate) fn read(&self) -> Result<Option<Secret>, Failure> {
        if let Some(path) = &self.flag {
            return self.read_file(path).map(Some);
        }
        if let Some(secret) = variable(&self.variable) {
            return Ok(Some(Zeroizing::new(secret)));
        }
        if let Some(path) = variable(&format!("{}_FILE", self.variable)) {
            return self.read_file(Path::new(&path)).map(Some);
        }
        if let Some(command) = variable(&format!("{}_COMMAND", self.variable)) {
            return self.run_command(&command).map(Some);
        }
        if let Some(path) = &self.file {
            return self.read_file(path).map(Some);
        }
        self.command.as_deref().map(|command| self.run_command(command)).transpose()
    }

    /// The secret, asked of a person if no source is set; an error where nobody can be asked.
    pub(crate) fn read_or_ask(&self) -> Result<Secret, Failure> {
        match self.read()? {
            Some(secret) => Ok(secret),
            None => self.ask(""),
        }
    }

    /// Asks twice, because a new secret with a typing error is lost.
    pub(crate) fn read_or_choose(&self) -> Result<Secret, Failure> {
        if let Some(secret) = self.read()? {
            return self.not_empty(secret);
        }
        let first = self.not_empty(self.ask("new ")?)?;
        if self.ask("the same ")? != first {
            return Err(Failure::usage(format!("the two {}s differ", self.what)).hint("run the same command again"));
        }
        Ok(first)
    }

    fn ask(&self, which: &str) -> Result<Secret, Failure> {
        if !stdin().is_terminal() {
            return Err(Failure::usage(format!("no {} was given, and there is no terminal to ask at", self.what))
                .hint(format!("set {0}, {0}_FILE or {0}_COMMAND, and run \"pdbak\" again", self.variable)));
        }
        let typed = rpassword::prompt_password(format!("{which}{}: ", self.what));
        Ok(Zeroizing::new(typed?))
    }

    fn not_empty(&self, secret: Secret) -> Result<Secret, Failure> {
        if secret.is_empty() {
            return Err(Failure::usage(format!("the {} is empty", self.what)));
        }
        Ok(secret)
    }

    fn trimmed(&self, text: String) -> Secret {
        if self.whole { Zeroizing::new(text) } else { first_line(text) }
    }

    fn read_file(&self, path: &Path) -> Result<Secret, Failure> {
        let text = fs::read_to_string(path).map_err(|error| {
            Failure::usage(error).while_doing(format_args!("read the {} from {}", self.what, path.display()))
        })?;
        Ok(self.trimmed(text))
    }

    fn run_command(&self, command: &str) -> Result<Secret, Failure> {
        let run = Command::new("sh").arg("-c").arg(command).stdin(Stdio::inherit()).stderr(Stdio::inherit()).output();
        let doing = format!("get the {} from the command set for it", self.what);
        let output = run.map_err(|error| Failure::usage(error).while_doing(&doing))?;
        if !output.status.success() {
            return Err(Failure::usage(format!("it ended with {}", output.status)).while_doing(doing));
        }
        let text = String::from_utf8(output.stdout);
        text.map(|text| self.trimmed(text))
            .map_err(|_| Failure::usage("what it printed is not text").while_doing(doing))
    }
}

/// A variable that is set to something.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The text up to its first line's end: editors and commands add one.
fn first_line(text: String) -> Secret {
    let text = Zeroizing::new(text);
    Zeroizing::new(text.lines().next().unwrap_or_default().to_owned())
}

/// Opens an archive with a passphrase from its sources or with a recovery key.
pub(crate) struct Keyring {
    passphrase: Source,
    recovery_key: Option<PathBuf>,
    /// A person is asked once.
    asked: RefCell<Option<Secret>>,
    /// Why there was no passphrase: the archive can only be told that there was none.
    failure: RefCell<Option<Failure>>,
}

impl Keyring {
    /// A keyring of a passphrase's sources and, if one was named, a recovery key.
    pub(crate) fn new(passphrase: Source, recovery_key: Option<PathBuf>) -> Keyring {
        Keyring { passphrase, recovery_key, asked: RefCell::default(), failure: RefCell::default() }
    }

    /// Whether it opens without asking anybody.
    pub(crate) fn is_at_hand(&self) -> Result<bool, Failure> {
        Ok(self.recovery_key.is_some() || self.passphrase.read()?.is_some())
    }

    /// What it is, in a sentence.
    pub(crate) fn called(&self) -> String {
        self.recovery_key.as_ref().map_or_else(|| "the passphrase".to_owned(), |path| path.display().to_string())
    }

    /// What a person should read when opening failed.
    pub(crate) fn explain(&self, error: Error) -> Failure {
        self.failure.take().unwrap_or_else(|| error.into())
    }
}

impl Unlock for Keyring {
    fn passphrase(&self) -> Result<Secret, Error> {
        if let Some(asked) = self.asked.borrow().as_ref() {
            return Ok(asked.clone());
        }
        let passphrase = self.passphrase.read_or_ask().map_err(|failure| {
            self.failure.replace(Some(failure));
            Error::WrongKey
        })?;
        self.asked.replace(Some(passphrase.clone()));
        Ok(passphrase)
    }

    fn identity_file(&self) -> Option<PathBuf> {
        self.recovery_key.clone()
    }
}

/// One key beside the one that opens the archive.
pub(crate) enum Given {
    /// A passphrase.
    Passphrase(Secret),
    /// A file with age identities.
    KeyFile(PathBuf),
}

impl Given {
    /// The passphrases in files.
    pub(crate) fn passphrase_files(paths: &[PathBuf]) -> Result<Vec<Given>, Failure> {
        let source = Source { what: "passphrase", ..Source::default() };
        paths.iter().map(|path| source.read_file(path).map(Given::Passphrase)).collect()
    }

    /// What a person types; none where there is nobody, or nothing was typed.
    pub(crate) fn asked(prompt: &str) -> Result<Option<Given>, Failure> {
        if !stdin().is_terminal() {
            return Ok(None);
        }
        let typed = Zeroizing::new(rpassword::prompt_password(prompt)?);
        Ok((!typed.is_empty()).then_some(Given::Passphrase(typed)))
    }
}

impl Unlock for Given {
    fn passphrase(&self) -> Result<Secret, Error> {
        match self {
            Given::Passphrase(passphrase) => Ok(passphrase.clone()),
            Given::KeyFile(_) => Err(Error::WrongKey),
        }
    }

    fn identity_file(&self) -> Option<PathBuf> {
        match self {
            Given::Passphrase(_) => None,
            Given::KeyFile(path) => Some(path.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Source;

    fn source() -> Source {
        Source { what: "passphrase", variable: "PDBAK_TEST_OF_SECRETS".into(), ..Source::default() }
    }

    #[test]
    fn the_end_of_the_line_is_no_part_of_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "correct horse \r\n").unwrap();
        let read = Source { file: Some(path), ..source() }.read().unwrap().unwrap();
        assert_eq!(*read, "correct horse ");
    }

    #[test]
    fn a_command_may_print_the_secret_and_its_failure_is_told_without_naming_it() {
        let read = |command: &str| Source { command: Some(command.to_owned()), ..source() }.read();
        assert_eq!(**read("echo horse").unwrap().as_ref().unwrap(), "horse");
        let text = read("echo horse; false").unwrap_err().text();
        assert!(text.contains("from the command set for it") && !text.contains("horse"), "{text}");
    }

    #[test]
    fn a_flag_wins_over_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flag");
        std::fs::write(&path, "flag").unwrap();
        let read = Source { flag: Some(path), command: Some("echo profile".into()), ..source() }.read().unwrap();
        assert_eq!(read.as_deref().map(String::as_str), Some("flag"));
    }

    #[test]
    fn without_any_source_there_is_no_secret() {
        assert!(source().read().unwrap().is_none());
    }
}
