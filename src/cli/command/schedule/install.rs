//! `pdbak schedule install` and `uninstall`: units of systemd, or a line of cron.
//!
//! Only files that begin with pdbak's own mark are replaced or removed; nothing is
//! started: what to run next is printed, and a person runs it.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf, absolute};

use clap::Args;
use serde::Serialize;

use crate::cli::complain::Failure;
use crate::cli::config::home_folder;
use crate::cli::config::is_address;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::View;
use crate::schedule::{Call, MARK, timer};

/// Which service calls pdbak.
#[derive(Args, Debug)]
pub(super) struct Where {
    /// Units of systemd; what is meant when nothing is said
    #[arg(long, conflicts_with = "cron")]
    systemd: bool,
    /// A line for cron, which asks every quarter of an hour
    #[arg(long)]
    cron: bool,
    /// For your own user instead of the system
    #[arg(long)]
    user: bool,
    /// Say what would be done and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `pdbak schedule install`.
#[derive(Args, Debug)]
pub(super) struct Install {
    #[command(flatten)]
    place: Where,
}

/// Arguments of `pdbak schedule uninstall`.
#[derive(Args, Debug)]
pub(super) struct Uninstall {
    #[command(flatten)]
    place: Where,
}

/// A file of somebody else's service.
#[derive(Serialize)]
struct Unit {
    path: PathBuf,
    text: String,
}

/// What was done, or would be.
#[derive(Serialize)]
struct Done {
    dry_run: bool,
    /// Written, or removed where `removed` says so.
    files: Vec<Unit>,
    removed: bool,
    /// What a person runs next.
    next: Vec<String>,
}

impl View for Done {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for Unit { path, text } in &self.files {
            match (self.dry_run, self.removed) {
                (true, false) => write!(out, "# {}\n{text}\n", path.display())?,
                (true, true) => writeln!(out, "would remove {}", path.display())?,
                (false, true) => writeln!(out, "removed {}", path.display())?,
                (false, false) => writeln!(out, "written {}", path.display())?,
            }
        }
        if self.files.is_empty() && self.removed {
            writeln!(out, "there is nothing to remove")?;
        }
        self.next.iter().try_for_each(|line| writeln!(out, "next: {line}"))
    }
}

impl Where {
    /// The folder and the files of an archive with this name.
    fn paths(&self, name: &str) -> Result<Vec<PathBuf>, Failure> {
        let folder = match (self.cron, self.user) {
            (true, true) => return Ok(Vec::new()),
            (true, false) => PathBuf::from("/etc/cron.d"),
            (false, false) => PathBuf::from("/etc/systemd/system"),
            (false, true) => home_folder()
                .ok_or_else(|| Failure::usage("neither HOME nor XDG_CONFIG_HOME is set"))?
                .join("systemd/user"),
        };
        let files =
            if self.cron { vec![name.to_owned()] } else { vec![format!("{name}.service"), format!("{name}.timer")] };
        Ok(files.into_iter().map(|file| folder.join(file)).collect())
    }

    fn systemctl(&self) -> &'static str {
        if self.user { "systemctl --user" } else { "systemctl" }
    }
}

/// The name of the units: letters that every service takes.
fn name(session: &Session) -> Result<String, Failure> {
    let title = session.title()?;
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    Ok(format!("pdbak-{}", title.chars().map(plain).collect::<String>()))
}

/// Whether pdbak wrote a file; `None` if it is not there.
fn is_ours(path: &Path) -> Result<Option<bool>, Failure> {
    match fs::read(path) {
        Ok(text) => Ok(Some(text.starts_with(MARK.as_bytes()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::from(error).while_doing(format_args!("read {}", path.display()))),
    }
}

fn foreign(path: &Path) -> Failure {
    Failure::new(Exit::Failed, format!("{} is there, and pdbak did not write it", path.display()))
        .hint("move it away, or see with --dry-run what pdbak would write and put it elsewhere yourself")
}

/// How pdbak is called for this archive.
fn call(session: &Session) -> Result<Call, Failure> {
    let (config, profile) = session.configuration();
    let config =
        config.ok_or_else(|| Failure::usage("there is no configuration file that a service could be given"))?;
    let whole = |path: &Path| absolute(path).map_err(Failure::from);
    Ok(Call {
        program: std::env::current_exe()?,
        config: whole(config)?,
        profile: profile.map(str::to_owned),
        archive: match session.has_archive_of_its_own() {
            true => None,
            false if is_address(&session.named()?) => Some(session.named()?),
            false => Some(whole(&session.named()?)?),
        },
    })
}

impl Install {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let (schedule, place) = (super::read(session)?, self.place);
        let (name, title, call) = (name(session)?, session.title()?, call(session)?);
        let texts = match (place.cron, place.user) {
            (true, true) => Vec::new(),
            (true, false) => vec![format!("{MARK}\n{}\n", call.cron_line(Some("root")))],
            (false, user) => vec![call.service(&title, user), timer(&schedule.when, &title)],
        };
        let files: Vec<Unit> =
            place.paths(&name)?.into_iter().zip(texts).map(|(path, text)| Unit { path, text }).collect();
        // All are looked at before the first is written.
        for Unit { path, .. } in &files {
            if is_ours(path)? == Some(false) {
                return Err(foreign(path));
            }
        }
        if !place.dry_run {
            for Unit { path, text } in &files {
                let doing = || format!("write {}", path.display());
                let folder = path.parent().unwrap_or(Path::new("/"));
                fs::create_dir_all(folder).map_err(|error| Failure::from(error).while_doing(doing()))?;
                fs::write(path, text).map_err(|error| {
                    Failure::from(error).while_doing(doing()).hint("run it as root, or with --user for your own user")
                })?;
            }
        }
        let next = match (place.cron, place.user) {
            (true, true) => vec![format!("add this line with \"crontab -e\": {}", call.cron_line(None))],
            (true, false) => vec!["pdbak schedule notify --test".to_owned()],
            (false, user) => {
                let control = place.systemctl();
                let mut next = vec![format!("{control} daemon-reload && {control} enable --now {name}.timer")];
                next.extend(user.then(|| "loginctl enable-linger    # it runs while you are not logged in".to_owned()));
                next
            }
        };
        session.show(&Done { dry_run: place.dry_run, files, removed: false, next })?;
        Ok(Exit::Done)
    }
}

impl Uninstall {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let (place, name) = (self.place, name(session)?);
        let mut files = Vec::new();
        for path in place.paths(&name)? {
            match is_ours(&path)? {
                Some(true) => files.push(Unit { path, text: String::new() }),
                Some(false) => return Err(foreign(&path)),
                None => {}
            }
        }
        if !place.dry_run {
            for Unit { path, .. } in &files {
                fs::remove_file(path)
                    .map_err(|error| Failure::from(error).while_doing(format_args!("remove {}", path.display())))?;
            }
        }
        let control = place.systemctl();
        let next = match (place.cron, place.user, files.is_empty()) {
            (true, true, _) => vec!["remove the line with \"crontab -e\"".to_owned()],
            (false, _, false) => vec![format!("{control} disable --now {name}.timer; {control} daemon-reload")],
            _ => Vec::new(),
        };
        session.show(&Done { dry_run: place.dry_run, files, removed: true, next })?;
        Ok(Exit::Done)
    }
}
