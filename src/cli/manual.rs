//! The manual: man pages from the command tree, the catalogue and the description of the format.
//!
//! `pdbak man` writes them, `man/` holds them, and a test compares the two, so
//! the manual cannot fall behind the program.

mod roff;

use std::collections::BTreeMap;

use clap::Command;
use clap_mangen::Man;

use crate::cli::show::objects::{ObjectView, everything};
use crate::cli::{EXIT_CODES, commands};

/// The description of the archive's format, kept beside the code that writes it.
const FORMAT: &str = include_str!("../archive/FORMAT.md");

const SETTINGS: &str = r#"
# CONFIGURATION

Settings come from the configuration file, then from the environment, then from flags; later wins.
The file is named by `--config` or `PDBAK_CONFIG`; otherwise it is `pdbak.toml` in the current folder or
`pdbak/pdbak.toml` in your configuration folder. It holds no secret, only where a secret comes from:

```
profile = "acme"

[profiles.acme]
archive = "/srv/backup/acme"
base_url = "https://acme.pipedrive.com"
api_token_command = "pass show pipedrive"
passphrase_file = "/etc/pdbak/acme"
budget = "50%"
```

A `pdbak.toml` that merely lies in the current folder may not name commands to run.

An archive can live in an object store:

```
[profiles.cloud]
archive = "s3://acme-crm/daily"

[profiles.cloud.store]
region = "eu-central-1"
credentials_file = "/etc/pdbak/store"
lock = "governance"
lock_days = 30
limit_upload = "2M"
cache = "20G"
```

- `archive`: a folder, `file:///PATH`, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`; `PDBAK_ARCHIVE` and `--archive` likewise
- `endpoint`, `region`, `account`: the server of an S3-compatible store, its region, the storage account of Azure; also `PDBAK_ARCHIVE_ENDPOINT`,
  `PDBAK_ARCHIVE_REGION`, `PDBAK_ARCHIVE_ACCOUNT`
- `credentials_file`, `credentials_command`: as for a target of copies below; also `PDBAK_ARCHIVE_CREDENTIALS`, `PDBAK_ARCHIVE_CREDENTIALS_FILE`,
  `PDBAK_ARCHIVE_CREDENTIALS_COMMAND`; without any of them what the store's own tools read
- `lock` (`governance` or `compliance`), `lock_days`: S3 object lock for every file of the archive from the moment it is sent; a bucket that
  has none refuses, and nothing is stored. `prune` and `forget` go on as before: what they remove stays behind as an older version, takes
  room until its lock ends, and then goes by a rule of the bucket. A journal that grows, and a header after `key rotate`, leave versions as well
- `limit_upload`, `limit_download`: bytes a second, such as `500k` or `2M`
- `cache`: how much of the segments and contents that were fetched stays on this machine, such as `500M`; `0` keeps none (default `4G`)

pdbak works in a folder below `pdbak/archives` in your cache folder (`XDG_CACHE_HOME`, or `~/.cache`), which only you can look into: the index,
files that were fetched (as much of segments and contents as `cache` says) and what is not sent yet. It can go at any time, but for the last.
A snapshot is finished when its manifest is in the store. A line that is cut is waited for for two minutes. What was read before the line was cut is kept there and sent by the next run.
Whoever looks something up fetches the blocks that it may stand in, not whole segments, and proves each by its hash. A folder that was emptied fetches every segment once before the next snapshot.
The journal of a restore is in the working folder before each request and in the store a few seconds later: an interrupted restore
goes on only on the machine where it began; others read it, and can undo it. What `pdbak repair` replaces is kept in the working folder. `pdbak offsite pull` and `pdbak bundle import` bring
an archive into a folder only; `pdbak offsite push` brings it from there to a store, where it can live from then on.

Targets of copies, for `pdbak offsite`, stand beside the profiles:

```
[offsite.vault]
url = "s3://acme-backup/crm"
region = "eu-central-1"
credentials_file = "/etc/pdbak/vault"
lock = "compliance"
lock_days = 30
limit_upload = "2M"

[offsite.disk]
url = "/mnt/usb/acme"

[offsite.nas]
url = "sftp://kim@nas.example.com/srv/backup/crm"
ssh_command = "ssh -i /etc/pdbak/nas"
```

- `url`: a folder, `file:///PATH`, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX`, `az://CONTAINER/PREFIX` or
  `sftp://[USER@]HOST[:PORT]/PATH`; `sftp://HOST/~/PATH` is below the user's own folder
- `ssh_command`: in place of `ssh`, the command that connects, with its first options; its words are parted by spaces
- `endpoint`, `region`, `account`: the server of an S3-compatible store, its region, the storage account of Azure
- `credentials_file`, `credentials_command`: `ID:SECRET` or `ID:SECRET:SESSION` for S3, the JSON of a service account for Google,
  an access key for Azure; also `PDBAK_OFFSITE_VAULT`, `PDBAK_OFFSITE_VAULT_FILE`, `PDBAK_OFFSITE_VAULT_COMMAND`; without any of them
  what the store's own tools read: `AWS_ACCESS_KEY_ID` and its like, `GOOGLE_…`, `AZURE_…`
- `lock` (`governance` or `compliance`), `lock_days`: S3 object lock for what is sent, where the bucket has it
- `limit_upload`, `limit_download`: bytes a second, such as `500k` or `2M`

SFTP goes through the `ssh` of this machine, so `~/.ssh/config`, agents, jumps and known hosts hold for it. It is never asked a
question: connect once yourself, and use a key without a passphrase or an agent. A connection that breaks is made again, and what
was on its way goes on; after five that broke with nothing arrived between them, the run ends. Every file is read back before it
gets its name, which by the protocol replaces nothing. Whoever has the key can erase there, as in any folder: let the server keep
snapshots of its own, or use a store with object locks as well.

A copy holds `keys/` as well: wrapped, but open to guessing the passphrase for whoever gets at the copy. Choose a long one.

When pdbak runs by itself, for `pdbak schedule`, beside the profiles or, for one of them, as `[profiles.acme.schedule]`:

```
[schedule]
cron = "15 2 * * *"
time_zone = "Europe/Tallinn"
jitter = "20m"
catch_up = true
prune = "weekly"
check = "1/7"
drill = "monthly"
offsite = ["vault"]
tags = ["nightly"]
budget = "50%"

[schedule.forget]
keep_daily = 7
keep_weekly = 5
keep_monthly = 12
```

- `cron`: minute, hour, day of month, month, day of week, as cron reads them, or `@daily` and its like; in `time_zone`, an IANA name (without
  it, the zone of the machine). A time that the change of the clock skips runs right after it, one that comes twice runs once
- `jitter`: a run begins up to so much later, always as much for the same time
- `catch_up`: a time that was slept through is made up for, once however many were missed; `false` only tells of it
- `forget`: the rules of `pdbak forget`, in the same words; without them nothing is forgotten. `prune`: how often room is given back
- `check`: `"1/7"` checks the structure and reads a seventh of the data with each run, `"weekly"` or the like all of it so often,
  `"structure"` none of it; `"never"` checks nothing
- `drill`: how often the newest snapshot is restored into an account on this machine; wants a key that reads
- `offsite`: the targets that get a copy; all of them without it
- `tags`, `budget`, `sweep`: of the snapshots, as `pdbak snapshot` takes them

Who is told how a run ended, for `pdbak schedule`, likewise beside the profiles or for one of them:

```
[notify]
on = ["failure", "warning"]

[notify.webhook]
url = "https://chat.example.com/hooks/pdbak"
header = "Authorization"
secret_file = "/etc/pdbak/webhook"

[notify.mail]
from = "pdbak@example.com"
to = ["kim@example.com"]
server = "smtp.example.com"
user = "pdbak"
password_file = "/etc/pdbak/mail"

[notify.ping]
url_file = "/etc/pdbak/ping"
```

- `on`: `"failure"`, `"warning"` (gaps, a spent budget, missed runs) and `"success"`; the first two unless it says otherwise. Who hears
  of failures also hears when they are over
- `webhook`: each message as JSON (`event`, `archive`, `title`, `text`, `run`), no record of the account; `url_file` or `url_command` where the
  address is a secret, `secret_file` or `secret_command` for a header. Redirects are not followed
- `mail`: a `server` with `port` and `security` (`"tls"`, `"starttls"`, or `"none"` for a server on this machine), or a `command` such as
  `"sendmail -t"` that gets the whole message
- `ping`: a dead man's switch: `url/start` when a run begins, `url` when it has a snapshot and nothing failed, `url/fail` when something did;
  `start`, `success` and `fail` name other addresses. A run whose budget was spent before its snapshot gives no sign at its end

A message that does not arrive is tried three times, then told and sent again by the next run; no backup fails for it. Secrets may also come
from `PDBAK_WEBHOOK_URL`, `PDBAK_WEBHOOK_SECRET`, `PDBAK_MAIL_PASSWORD` and `PDBAK_PING_URL`, each with `_FILE` or `_COMMAND`.

How often: `"daily"`, `"weekly"`, `"monthly"`, `"quarterly"`, `"yearly"`, a number such as `"10d"`, `"always"` with each run, or `"never"`.

# ENVIRONMENT

- `PDBAK_ARCHIVE`: the folder of the archive
- `PDBAK_BASE_URL`: the account's address, such as https://acme.pipedrive.com
- `PDBAK_API_TOKEN`, `PDBAK_API_TOKEN_FILE`, `PDBAK_API_TOKEN_COMMAND`: the token, a file that holds it, or a command that prints it
- `PDBAK_PASSPHRASE`, `PDBAK_PASSPHRASE_FILE`, `PDBAK_PASSPHRASE_COMMAND`: the passphrase of the archive, likewise
- `PDBAK_KEY_FILE`: a recovery key that opens the archive instead of its passphrase
- `PDBAK_CONFIG`, `PDBAK_PROFILE`: the configuration file and the profile to use

# FILES

An archive is a folder; pdbak-archive(7) describes it so that records can be read without pdbak.

# SEE ALSO

pdbak-objects(7), pdbak-archive(7), and a page for each command: pdbak-snapshot(1), pdbak-restore(1), …
"#;

/// Every page by its file name.
pub fn pages() -> BTreeMap<String, String> {
    let mut commands = commands();
    commands.build();
    let mut pages = BTreeMap::new();
    pages.insert("pdbak.1".to_owned(), page(&commands, SETTINGS));
    for command in commands.get_subcommands().filter(|command| command.get_name() != "help") {
        pages.insert(format!("pdbak-{}.1", command.get_name()), page(command, "# SEE ALSO\n\npdbak(1)\n"));
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            let name = format!("pdbak-{}-{}.1", command.get_name(), below.get_name());
            // The examples stand with the command above; what differs here is the options.
            let more = command.get_after_help().cloned().unwrap_or_default();
            let also = format!("# SEE ALSO\n\npdbak-{}(1)\n", command.get_name());
            pages.insert(name, page(&below.clone().after_help(more), &also));
        }
    }
    let about = "the format of a pdbak archive, so that records can be restored without pdbak";
    pages.insert("pdbak-archive.7".to_owned(), roff::page("pdbak-archive", 7, about, FORMAT));
    let about = "what pdbak captures of a Pipedrive account, and what a restore may do about it";
    pages.insert("pdbak-objects.7".to_owned(), roff::page("pdbak-objects", 7, about, &objects()));
    pages
}

/// A page of section 1: what the command tree tells, then examples, exit codes and what else is to say.
fn page(command: &Command, more: &str) -> String {
    let man = Man::new(command.clone()).date("");
    let mut text = Vec::new();
    let parts =
        [Man::render_title, Man::render_name_section, Man::render_synopsis_section, Man::render_description_section];
    let written = parts.iter().try_for_each(|part| part(&man, &mut text)).and_then(|()| {
        man.render_options_section(&mut text)?;
        if command.has_subcommands() { man.render_subcommands_section(&mut text) } else { Ok(()) }
    });
    written.expect("writing to memory does not fail");
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (_, examples) = examples.split_once('\n').unwrap_or_default();
    let codes = EXIT_CODES.iter().map(|(_, number, meaning)| format!("| {number} | {meaning} |\n")).collect::<String>();
    let more =
        format!("# EXAMPLES\n```\n{examples}\n```\n# EXIT STATUS\n| code | meaning |\n|---|---|\n{codes}\n{more}");
    String::from_utf8(text).expect("a page is made of texts") + &roff::sections(&more)
}

/// The catalogue as Markdown.
fn objects() -> String {
    let mut text = String::from(
        "# DESCRIPTION\n\nEvery object in the order of a capture: the word on the command line, where it is read, what a page \
         costs, what the next snapshot asks for, what a restore may do about a difference, and what it cannot bring back.\n\n\
         # OBJECTS\n",
    );
    for object in everything() {
        let ObjectView { title, path, listing, price, incremental, restore, limits, .. } = object;
        text.push_str(&format!("\n## {title}\n\n- read from `{path}`, {listing}; {price} tokens a call\n"));
        text.push_str(&format!("- next time: {incremental}\n- a restore may: {restore}\n"));
        if !limits.is_empty() {
            text.push_str(&format!("- cannot come back: {limits}\n"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::pages;

    #[test]
    fn every_command_has_a_page_and_the_overview_tells_the_exit_codes() {
        let pages = pages();
        for name in ["pdbak.1", "pdbak-snapshot.1", "pdbak-restore.1", "pdbak-archive.7", "pdbak-objects.7"] {
            assert!(pages.contains_key(name), "there is no page {name}");
        }
        assert!(pages["pdbak.1"].contains("budget spent"));
        assert!(pages["pdbak.1"].contains("PDBAK\\_PASSPHRASE") || pages["pdbak.1"].contains("PDBAK_PASSPHRASE"));
    }
}
