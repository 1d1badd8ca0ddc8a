//! `pdbak key`: who can open the archive, and what for.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::archive::{Archive, Holder, KeyFacts, KeyKind, Role, Unlock, keys_in};
use crate::cli::command::consent::agree;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::secret::{Given, Source};
use crate::cli::session::Session;
use crate::cli::show::keys::{KeyList, KeyView, KeysChecked, Rotated, short};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak key list                                    who can open the archive; asks for nothing
  pdbak key add --write-identity recovery.key       a second way in, to be kept elsewhere
  pdbak key add --role put --write-identity put.key for a machine that takes snapshots and can read none
  pdbak key add --role list --new-passphrase        for whoever looks after retention
  pdbak key add --recipient age1…                   for somebody who has an age identity already
  pdbak key remove 3fa9
  pdbak key rotate                                  new keys for all that is written from now on
  pdbak key check recovery.key put.key              do they open this archive

Whoever had a key may have kept what it opens: removing and rotating keys protects what is
written afterwards. What was exposed remains exposed, also in copies elsewhere.";

/// Arguments of `pdbak key`.
#[derive(Args, Debug)]
pub(crate) struct Key {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// List the keys; nothing has to be opened for it
    List,
    /// Add a key: a passphrase, an age recipient, or a new key file
    Add(Add),
    /// Remove a key; the last one that can restore stays
    Remove(Remove),
    /// Replace the archive's keys, for everything that is written from now on
    Rotate(Rotate),
    /// Try the passphrase and key files on the archive
    Check(Check),
}

/// What a key may.
#[derive(Clone, Copy, ValueEnum, Debug)]
enum RoleName {
    /// Take snapshots; reads nothing that is in the archive
    Put,
    /// See which snapshots there are, tag, pin, forget and prune; reads no record
    List,
    /// Everything
    Restore,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Role {
        match name {
            RoleName::Put => Role::Put,
            RoleName::List => Role::List,
            RoleName::Restore => Role::Restore,
        }
    }
}

#[derive(Args, Debug)]
struct Add {
    /// What the key may
    #[arg(long, value_enum, default_value = "restore")]
    role: RoleName,
    #[command(flatten)]
    way: Way,
    /// What "key list" calls it; readable by whoever has the folder
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

/// What opens the key that is added.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Way {
    /// A passphrase: asked twice, or from PDBAK_NEW_PASSPHRASE, PDBAK_NEW_PASSPHRASE_FILE or PDBAK_NEW_PASSPHRASE_COMMAND
    #[arg(long)]
    new_passphrase: bool,
    /// The public half of an age identity that somebody has
    #[arg(long, value_name = "AGE1…")]
    recipient: Option<String>,
    /// Write a new key to this file, which must not exist
    #[arg(long, value_name = "FILE")]
    write_identity: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Remove {
    /// Its id, or the begin of it
    #[arg(value_name = "KEY")]
    key: String,
    /// Do not ask, also when a single key that can restore is left
    #[arg(long)]
    yes: bool,
}

#[derive(Args, Debug)]
struct Rotate {
    /// A file with the passphrase of another key that goes on; may be repeated
    #[arg(long, value_name = "FILE")]
    keep_passphrase_file: Vec<PathBuf>,
    /// A key file that goes on; needed for those that are listed without a recipient, may be repeated
    #[arg(long, value_name = "FILE")]
    keep_key_file: Vec<PathBuf>,
    /// A key that ends; may be repeated
    #[arg(long, value_name = "KEY")]
    drop: Vec<String>,
    /// Do not ask, also when a single key that can restore is left
    #[arg(long)]
    yes: bool,
}

#[derive(Args, Debug)]
struct Check {
    /// Key files to try besides what opens the archive every day
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Key {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self.what {
            What::List => {
                let keys = keys_in(session.shelf()?)?;
                session.show(&KeyList(keys.iter().map(KeyView::from).collect()))?;
                if restorers(&keys) == 1 {
                    session.say(ONE_LEFT);
                }
                Ok(Exit::Done)
            }
            What::Add(add) => add.run(session),
            What::Remove(remove) => remove.run(session),
            What::Rotate(rotate) => rotate.run(session),
            What::Check(check) => check.run(session),
        }
    }
}

/// Said wherever one accident is enough.
pub(crate) const ONE_LEFT: &str = "Only one key can restore: if it is lost, everything is lost, and nobody can help. \
    Make a second one and keep it away from this machine: pdbak key add --write-identity FILE.";

/// How many keys can restore, as far as they say what they may.
pub(crate) fn restorers(keys: &[KeyFacts]) -> usize {
    keys.iter().filter(|key| key.role.is_none_or(|role| role == Role::Restore)).count()
}

/// Asks before only one key is left that can restore.
fn one_is_enough(yes: bool, what: &str) -> Result<(), Failure> {
    if agree(&format!("{what} leaves a single key that can restore: if it is lost, everything is lost. Go on?"), yes)? {
        return Ok(());
    }
    Err(Failure::new(
        Exit::LeftOver,
        format!("nothing has been changed: {what} would leave a single key that can restore"),
    )
    .hint("make another one first with \"pdbak key add\", or say --yes"))
}

impl Add {
    fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let role = self.role.into();
        let added = match (&self.way.recipient, &self.way.write_identity) {
            (_, Some(path)) => archive.add_identity(role, path, self.name)?,
            (Some(recipient), None) => archive.add_key(role, &Holder::Recipient(recipient.clone()), self.name)?,
            (None, None) => {
                let passphrase = Source::new_passphrase().read_or_choose()?;
                archive.add_key(role, &Holder::Passphrase(passphrase), self.name)?
            }
        };
        session.show(&KeyView::from(&added))?;
        if let Some(path) = &self.way.write_identity {
            session.say(&format!("{}: {}", path.display(), use_of(role)));
        }
        Ok(Exit::Done)
    }
}

/// What to do with a new key file.
fn use_of(role: Role) -> &'static str {
    match role {
        Role::Put => {
            "take it to the machine that takes snapshots: PDBAK_KEY_FILE=FILE pdbak snapshot. It reads nothing in the archive."
        }
        Role::List => {
            "for whoever looks after retention: PDBAK_KEY_FILE=FILE pdbak forget, pdbak prune. It reads no record."
        }
        Role::Restore => "keep it away from the archive: it opens everything, for whoever finds it.",
    }
}

impl Remove {
    fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let key = archive.key(&self.key)?;
        if archive.restorers_without(&key.id)? == 1 {
            one_is_enough(self.yes, &format!("removing key {}", short(&key.id)))?;
        }
        archive.remove_key(&key.id)?;
        session.show(&KeyView::from(&key))?;
        session.say("removed. Whoever had it may have kept what it opens, and copies elsewhere still have its file: \"pdbak key rotate\" shuts it out of what is written from now on.");
        Ok(Exit::Done)
    }
}

impl Rotate {
    fn run(self, session: &Session) -> Result<Exit, Failure> {
        let keyring = session.keyring();
        let archive = session.archive_with(&keyring)?;
        let drop: Vec<String> = self.drop.iter().map(|key| Ok(archive.key(key)?.id)).collect::<Result<_, Failure>>()?;
        let mut known = Given::passphrase_files(&self.keep_passphrase_file)?;
        known.extend(self.keep_key_file.iter().cloned().map(Given::KeyFile));
        let (mut heirs, left) = loop {
            let all: Vec<&dyn Unlock> =
                std::iter::once(&keyring as &dyn Unlock).chain(known.iter().map(|one| one as &dyn Unlock)).collect();
            let mut found = archive.succession(&all)?;
            found.left.retain(|key| !drop.contains(&key.id));
            match asked_for(&found.left)? {
                Some(passphrase) => known.push(passphrase),
                None => break (found.heirs, found.left),
            }
        };
        if !left.is_empty() {
            return Err(undecided(&left));
        }
        let all = archive.keys()?;
        heirs.retain(|heir| !drop.contains(&heir.facts.id));
        let restoring = heirs.iter().filter(|heir| heir.role == Role::Restore).count();
        if restoring == 1 {
            one_is_enough(self.yes, "the rotation")?;
        }
        let keys = archive.rotate(&heirs)?;
        let dropped = all.iter().filter(|key| drop.contains(&key.id)).map(KeyView::from).collect();
        session.show(&Rotated { keys: keys.iter().map(KeyView::from).collect(), dropped })?;
        session.say(AFTERWARDS);
        Ok(Exit::Done)
    }
}

const AFTERWARDS: &str = "What was written before is sealed as it was: whoever had a key that was exposed can read it still, here and in \
    copies. Passphrases and key files stay what they were. The next \"pdbak offsite push\" brings the new keys to the copies.";

/// Asks for the passphrase of a key that would not go on otherwise; none where nobody can be asked, or nobody knows.
fn asked_for(left: &[KeyFacts]) -> Result<Option<Given>, Failure> {
    for key in left.iter().filter(|key| key.kind == Some(KeyKind::Passphrase)) {
        let prompt = format!("passphrase of key {} (nothing if you do not have it): ", KeyView::from(key).called());
        if let Some(passphrase) = Given::asked(&prompt)? {
            return Ok(Some(passphrase));
        }
    }
    Ok(None)
}

/// A key ends only when somebody says so.
fn undecided(left: &[KeyFacts]) -> Failure {
    let names: Vec<String> = left.iter().map(|key| KeyView::from(key).called()).collect();
    let failure = Failure::new(
        Exit::LeftOver,
        format!("nothing has been changed: the new keys cannot be handed on to {}", names.join(", ")),
    );
    let ends: Vec<String> = left.iter().map(|key| format!("--drop {}", short(&key.id))).collect();
    failure
        .because("what a passphrase opens can be sealed anew only by whoever knows it")
        .hint("give --keep-passphrase-file FILE or --keep-key-file FILE for those that go on")
        .hint(format!("or let them go, and add them again later: pdbak key rotate {}", ends.join(" ")))
}

impl Check {
    fn run(self, session: &Session) -> Result<Exit, Failure> {
        let keyring = session.keyring();
        let files: Vec<Given> = self.files.iter().cloned().map(Given::KeyFile).collect();
        // With key files named, the everyday key is tried as well where it needs nobody to type it.
        let own = self.files.is_empty() || keyring.is_at_hand()?;
        let given = own.then_some(&keyring as &dyn Unlock).into_iter();
        let given: Vec<&dyn Unlock> = given.chain(files.iter().map(|file| file as &dyn Unlock)).collect();
        let names = own.then(|| keyring.called()).into_iter();
        let names: Vec<String> = names.chain(self.files.iter().map(|file| file.display().to_string())).collect();
        let check = Archive::check_keys(session.shelf()?, &given).map_err(|error| keyring.explain(error))?;
        let checked = KeysChecked::of(&names, check);
        session.show(&checked)?;
        match (checked.is_sound(), checked.all_open()) {
            (false, _) => Err(Failure::new(Exit::Failed, "a key of the archive is damaged")
                .hint("remove it with \"pdbak key remove\" and add it again; the other keys are not affected")),
            (true, false) => Err(Failure::new(Exit::WrongKey, "a key that was given does not open the archive")
                .hint("run \"pdbak key list\" to see who holds a key of it")),
            (true, true) => Ok(Exit::Done),
        }
    }
}
