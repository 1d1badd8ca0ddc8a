//! Settings: the configuration file, then the environment, then flags; later wins.
//!
//! The file holds no secret, only where a secret comes from. A `pdbak.toml` that
//! merely lies in the current folder may not run commands: whoever unpacks a
//! stranger's folder and types `pdbak snapshots` there must not run his programs.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;

use crate::account::Allowance;
use crate::brake::{Limit, Limits};
use crate::catalogue::{self, ObjectName};
use crate::cli::complain::Failure;
use crate::cli::notify::Notify;
use crate::cli::status::Tolerance;
use crate::offsite::Address;
use crate::schedule;

/// Settings that every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Flags {
    /// The folder of the archive, or its address in an object store: s3://BUCKET/PREFIX, gs://…, az://…
    #[arg(long, short = 'a', global = true, value_name = "PLACE", env = "PDBAK_ARCHIVE", hide_env_values = true)]
    pub(crate) archive: Option<PathBuf>,
    /// The configuration file [default: ./pdbak.toml, then pdbak/pdbak.toml in your configuration folder]
    #[arg(long, global = true, value_name = "FILE", env = "PDBAK_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,
    /// The profile of the configuration file to use
    #[arg(long, short = 'p', global = true, value_name = "NAME", env = "PDBAK_PROFILE", hide_env_values = true)]
    pub(crate) profile: Option<String>,
    /// A file that holds the passphrase of the archive
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// A key file that opens the archive instead of its passphrase
    #[arg(long, global = true, value_name = "FILE", env = "PDBAK_KEY_FILE", hide_env_values = true)]
    pub(crate) key_file: Option<PathBuf>,
    /// A file that holds the API token
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) api_token_file: Option<PathBuf>,
    /// The account's address, such as https://acme.pipedrive.com
    #[arg(long, global = true, value_name = "URL", env = "PDBAK_BASE_URL", hide_env_values = true)]
    pub(crate) base_url: Option<String>,
    /// Print JSON on stdout instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say only what went wrong
    #[arg(long, short = 'q', global = true)]
    pub(crate) quiet: bool,
}

/// One profile of the configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    /// The word in front of it, by which its login is kept.
    #[serde(skip)]
    pub(crate) name: Option<String>,
    pub(crate) archive: Option<PathBuf>,
    /// How to get into the store that the archive lives in.
    pub(crate) store: Option<Store>,
    pub(crate) base_url: Option<String>,
    pub(crate) api_token_file: Option<PathBuf>,
    pub(crate) api_token_command: Option<String>,
    pub(crate) passphrase_file: Option<PathBuf>,
    pub(crate) passphrase_command: Option<String>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) budget: Option<String>,
    /// The share of a capture's sweep, in percent.
    pub(crate) sweep: Option<u8>,
    pub(crate) login_file: Option<PathBuf>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_secret_file: Option<PathBuf>,
    pub(crate) client_secret_command: Option<String>,
    /// When pdbak runs by itself; the file's own `[schedule]` where the profile has none.
    pub(crate) schedule: Option<schedule::Settings>,
    /// Who is told how a run ended; likewise.
    pub(crate) notify: Option<Notify>,
    /// The file all this stands in.
    #[serde(skip)]
    pub(crate) file: Option<PathBuf>,
    /// The targets of copies, whatever the profile is.
    #[serde(skip)]
    pub(crate) offsite: BTreeMap<String, OffsiteTarget>,
    /// What raises an alarm, likewise.
    #[serde(skip)]
    pub(crate) brake: Limits,
    /// How old things may become, likewise.
    #[serde(skip)]
    pub(crate) status: Tolerance,
    /// Where metrics go, likewise.
    #[serde(skip)]
    pub(crate) metrics: Metrics,
}

/// Where metrics go: `[metrics]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Metrics {
    /// The file that is written after each run of the schedule.
    pub(crate) file: Option<PathBuf>,
    /// Where `schedule run` serves them.
    pub(crate) listen: Option<SocketAddr>,
}

/// How to get into the store that an archive lives in: `[profiles.NAME.store]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) credentials_file: Option<PathBuf>,
    pub(crate) credentials_command: Option<String>,
    /// `governance` or `compliance`.
    pub(crate) lock: Option<String>,
    pub(crate) lock_days: Option<u32>,
    pub(crate) limit_upload: Option<String>,
    pub(crate) limit_download: Option<String>,
    /// How much of what was fetched stays on this machine.
    pub(crate) cache: Option<String>,
}

/// Where copies of the archive go: `[offsite.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OffsiteTarget {
    pub(crate) url: String,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) account: Option<String>,
    pub(crate) credentials_file: Option<PathBuf>,
    pub(crate) credentials_command: Option<String>,
    /// `governance` or `compliance`.
    pub(crate) lock: Option<String>,
    pub(crate) lock_days: Option<u32>,
    pub(crate) limit_upload: Option<String>,
    pub(crate) limit_download: Option<String>,
    /// In place of `ssh`.
    pub(crate) ssh_command: Option<String>,
}

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    /// The profile to use when none is named.
    profile: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
    #[serde(default)]
    offsite: BTreeMap<String, OffsiteTarget>,
    #[serde(default)]
    brake: BTreeMap<String, Limit>,
    schedule: Option<schedule::Settings>,
    #[serde(default)]
    status: Tolerance,
    #[serde(default)]
    metrics: Metrics,
    notify: Option<Notify>,
}

fn parse(text: &str) -> Result<ConfigFile, Failure> {
    toml::from_str(text).map_err(|error| Failure::usage(error.to_string().trim_end()))
}

/// Reads the text of a configuration file with all that is in it, and uses nothing of it; the error is what a person
/// would be told.
pub fn check_config(text: &str) -> Result<(), String> {
    let told = |failure: Failure| failure.text();
    let file = parse(text).map_err(told)?;
    let targets: Vec<String> = file.offsite.keys().cloned().collect();
    for target in file.offsite.values() {
        Address::parse(&target.url).map_err(|error| error.to_string())?;
    }
    let schedules = file.profiles.values().filter_map(|profile| profile.schedule.as_ref()).chain(&file.schedule);
    for schedule in schedules {
        schedule.read(&targets).map_err(|error| error.to_string())?;
    }
    for budget in file.profiles.values().filter_map(|profile| profile.budget.as_deref()) {
        allowance(budget)?;
    }
    limits(file.brake).map(drop).map_err(told)
}

/// Reads the profile that applies; an empty one without a configuration file.
pub(crate) fn profile(flags: &Flags) -> Result<Profile, Failure> {
    let Some((path, named)) = find(flags) else {
        return match &flags.profile {
            Some(name) => Err(Failure::usage(format!("there is no configuration file that could hold profile {name}"))
                .hint("write it to pdbak.toml or name the file with --config; \"pdbak man\" describes it")),
            None => Ok(Profile::default()),
        };
    };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Failure::usage(error).while_doing(format_args!("read {}", path.display())))?;
    let mut file = parse(&text).map_err(|failure| failure.while_doing(format_args!("read {}", path.display())))?;
    let (tolerance, metrics) = (file.status, std::mem::take(&mut file.metrics));
    let (targets, schedule, notify) = (std::mem::take(&mut file.offsite), file.schedule.take(), file.notify.take());
    let limits = limits(std::mem::take(&mut file.brake))
        .map_err(|failure| failure.while_doing(format_args!("read {}", path.display())))?;
    let mut profile = choose(file, flags.profile.as_deref(), &path)?;
    profile.offsite = targets;
    profile.brake = limits;
    profile.schedule = profile.schedule.or(schedule);
    (profile.status, profile.metrics) = (tolerance, metrics);
    profile.notify = profile.notify.or(notify);
    profile.file = Some(path.clone());
    if !named && runs_commands(&profile) {
        return Err(Failure::usage(format!("{} names a command to run, and nobody named that file", path.display()))
            .hint(format!("if you trust the file, run the command again with --config {}", path.display())));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let files = [&mut profile.api_token_file, &mut profile.passphrase_file, &mut profile.client_secret_file];
    let of_targets = profile.offsite.values_mut().map(|target| &mut target.credentials_file);
    let of_notify = profile.notify.iter_mut().flat_map(Notify::files);
    let own = [&mut profile.login_file, &mut profile.key_file, &mut profile.metrics.file];
    let of_store = profile.store.iter_mut().map(|store| &mut store.credentials_file);
    let archive = profile.archive.iter_mut().filter(|archive| !is_address(archive));
    let files = files.into_iter().chain(own).chain(of_targets).chain(of_store).flatten().chain(archive);
    for path in files.chain(of_notify) {
        *path = folder.join(&*path);
    }
    Ok(profile)
}

/// Whether something in it wants a command to be run.
fn runs_commands(profile: &Profile) -> bool {
    let commands = [&profile.api_token_command, &profile.passphrase_command, &profile.client_secret_command];
    let of_targets = profile.offsite.values().flat_map(|target| [&target.credentials_command, &target.ssh_command]);
    let of_store = profile.store.iter().map(|store| &store.credentials_command);
    let of_notify = profile.notify.iter().flat_map(Notify::commands);
    commands.into_iter().chain(of_targets).chain(of_store).flatten().chain(of_notify).next().is_some()
}

/// The configuration file, and whether a person chose it (by name, or by keeping it in the own configuration folder).
fn find(flags: &Flags) -> Option<(PathBuf, bool)> {
    if let Some(named) = &flags.config {
        return Some((named.clone(), true));
    }
    let here = PathBuf::from("pdbak.toml");
    if here.is_file() {
        return Some((here, false));
    }
    let own = own_folder()?.join("pdbak.toml");
    own.is_file().then_some((own, true))
}

/// pdbak's folder among the user's configuration.
pub(crate) fn own_folder() -> Option<PathBuf> {
    Some(home_folder()?.join("pdbak"))
}

/// Whether an archive is named by an address, not by a path.
pub(crate) fn is_address(archive: &Path) -> bool {
    archive.to_str().is_some_and(|text| text.contains("://"))
}

/// pdbak's folder among what a user's programs can make again.
#[cfg(feature = "object-store")]
pub(crate) fn cache_folder() -> Option<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| set("LOCALAPPDATA")).or_else(|| Some(set("HOME")?.join(".cache")));
    Some(caches?.join("pdbak"))
}

/// Where a user's configuration lies.
pub(crate) fn home_folder() -> Option<PathBuf> {
    let home = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")))
}

fn choose(mut file: ConfigFile, wanted: Option<&str>, path: &Path) -> Result<Profile, Failure> {
    let only = || (file.profiles.len() == 1).then(|| file.profiles.keys().next().cloned()).flatten();
    let Some(name) = wanted.map(str::to_owned).or_else(|| file.profile.clone()).or_else(only) else {
        return Ok(Profile::default());
    };
    let known: Vec<String> = file.profiles.keys().cloned().collect();
    let profile = file.profiles.remove(&name);
    profile.map(|profile| Profile { name: Some(name.clone()), ..profile }).ok_or_else(|| {
        Failure::usage(format!("{} has no profile {name}", path.display()))
            .hint(format!("choose one of these with --profile: {}", known.join(", ")))
    })
}

/// The limits of `[brake]`: objects by their names, and `default`.
fn limits(written: BTreeMap<String, Limit>) -> Result<Limits, Failure> {
    let mut limits = Limits::default();
    for (name, limit) in written {
        let object = ObjectName::new(&name);
        match name.as_str() {
            "default" => limits.default = limit,
            _ if catalogue::find(&object).is_some() => drop(limits.objects.insert(object, limit)),
            _ => {
                return Err(Failure::usage(format!("[brake] names {name}, and there is no such object"))
                    .hint("\"pdbak objects\" lists them all"));
            }
        }
    }
    Ok(limits)
}

/// Reads how much may be spent: `50%`, a number of tokens, or `all`.
pub(crate) fn allowance(text: &str) -> Result<Allowance, String> {
    let refuse = || format!("{text} is neither a share (50%), nor a number of tokens, nor \"all\"");
    if text == "all" {
        return Ok(Allowance::Unlimited);
    }
    match text.strip_suffix('%') {
        Some(share) => match share.trim().parse::<f64>() {
            Ok(share) if (0.0..=100.0).contains(&share) => Ok(Allowance::Share(share / 100.0)),
            _ => Err(refuse()),
        },
        None => text.replace([',', '_'], "").parse().map(Allowance::Tokens).map_err(|_| refuse()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Flags, Limit, ObjectName, Profile, allowance, profile};
    use crate::account::Allowance;
    use crate::brake::Measure;

    fn with_file(text: &str, name: Option<&str>) -> (tempfile::TempDir, Flags) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pdbak.toml");
        std::fs::write(&path, text).unwrap();
        let flags = Flags { config: Some(path), profile: name.map(str::to_owned), ..Flags::default() };
        (folder, flags)
    }

    #[test]
    fn a_profile_is_chosen_by_flag_then_by_the_file_then_because_it_is_the_only_one() {
        let two = "profile = \"b\"\n[profiles.a]\nbase_url = \"A\"\n[profiles.b]\nbase_url = \"B\"\n";
        let one = "[profiles.one]\nbase_url = \"1\"\n";
        for (text, name, expected) in [(two, Some("a"), "A"), (two, None, "B"), (one, None, "1")] {
            let (_folder, flags) = with_file(text, name);
            assert_eq!(profile(&flags).unwrap().base_url.as_deref(), Some(expected));
        }
    }

    #[test]
    fn paths_in_the_file_are_meant_from_its_folder() {
        let (folder, flags) = with_file("[profiles.one]\narchive = \"acme\"\n", None);
        assert_eq!(profile(&flags).unwrap().archive, Some(folder.path().join("acme")));
    }

    #[test]
    fn an_address_in_the_file_is_no_path_and_its_credentials_may_be_a_command() {
        let text = "[profiles.one]\narchive = \"s3://acme/crm\"\n[profiles.one.store]\nregion = \"here\"\ncredentials_file = \"key\"\n";
        let (folder, flags) = with_file(text, None);
        let found = profile(&flags).unwrap();
        assert_eq!(found.archive, Some(PathBuf::from("s3://acme/crm")));
        let store = found.store.clone().unwrap();
        assert_eq!((store.region.as_deref(), store.credentials_file), (Some("here"), Some(folder.path().join("key"))));
        let runs = Profile {
            store: Some(super::Store { credentials_command: Some("x".into()), ..store_of(&found) }),
            ..found
        };
        assert!(super::runs_commands(&runs), "nobody's folder may run it");
    }

    fn store_of(profile: &Profile) -> super::Store {
        super::Store { credentials_file: None, ..profile.store.clone().unwrap_or_default() }
    }

    #[test]
    fn a_secret_in_the_file_is_refused_as_any_unknown_word() {
        let (_folder, flags) = with_file("[profiles.one]\napi_token = \"x\"\n", None);
        let text = profile(&flags).unwrap_err().text();
        assert!(text.contains("unknown field `api_token`"), "{text}");
    }

    #[test]
    fn an_unknown_profile_is_told_with_the_known_ones() {
        let (_folder, flags) = with_file("[profiles.one]\n[profiles.two]\n", Some("three"));
        let text = profile(&flags).unwrap_err().text();
        assert!(text.contains("has no profile three") && text.contains("one, two"), "{text}");
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        let flags = Flags { config: Some(PathBuf::from("nowhere.toml")), ..Flags::default() };
        assert!(profile(&flags).unwrap_err().text().contains("cannot read nowhere.toml"));
        assert!(!Path::new("nowhere.toml").exists());
    }

    #[test]
    fn every_configuration_that_is_shown_to_people_is_one() {
        for (text, least) in [(include_str!("../../README.md"), 3), (include_str!("manual.rs"), 4)] {
            let shown: Vec<&str> = text
                .split("\n```")
                .map(|block| block.strip_prefix("toml").unwrap_or(block).trim_start())
                .filter(|block| block.starts_with("[") || block.starts_with("profile = "))
                .collect();
            assert!(shown.len() >= least, "{shown:?}");
            for block in shown {
                let (_folder, flags) = with_file(block, None);
                let read = profile(&flags);
                assert!(read.is_ok(), "{block}\n{}", read.unwrap_err().text());
            }
        }
    }

    #[test]
    fn limits_of_the_brake_are_read_and_a_slip_of_the_pen_is_told() {
        let text = "[brake]\ndefault = \"5%\"\nPipelines = \"off\"\nDeals = { changed = \"20%\", deleted = 50 }\n";
        let (_folder, flags) = with_file(text, None);
        let limits = profile(&flags).unwrap().brake;
        assert_eq!(limits.default, "5%".parse().unwrap());
        let (changed, deleted) = (Some(Measure::Share(0.2)), Some(Measure::Records(50)));
        let of = |object| limits.objects[&ObjectName::known(object)].clone();
        assert_eq!(of("deals"), Limit::Set { changed, deleted, added: None });
        assert_eq!(of("pipelines"), Limit::Off);
        for wrong in ["Deal = \"5%\"", "Deals = \"much\"", "Deals = { change = 5 }", "default = \"101%\""] {
            let (_folder, flags) = with_file(&format!("[brake]\n{wrong}\n"), None);
            assert!(profile(&flags).unwrap_err().text().contains("cannot read"), "{wrong}");
        }
    }

    #[test]
    fn a_budget_is_a_share_a_number_or_all() {
        assert_eq!(allowance("50%"), Ok(Allowance::Share(0.5)));
        assert_eq!(allowance("20,000"), Ok(Allowance::Tokens(20_000)));
        assert_eq!(allowance("all"), Ok(Allowance::Unlimited));
        assert!(allowance("150%").is_err() && allowance("half").is_err() && allowance("-3").is_err());
    }
}
