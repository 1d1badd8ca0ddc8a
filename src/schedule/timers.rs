//! Units of systemd and a line of cron that call `pdbak schedule run --once`, as text.
//!
//! No secret is in them: they name the configuration file. The times stand there,
//! too; a timer asks once an hour besides, so that a machine that slept, a budget
//! that was spent and a configuration that changed are not waited for until the
//! next night. What is not due ends at once.

use std::path::{Path, PathBuf};

use crate::schedule::due::When;

/// The first line of every file that pdbak writes for somebody else's service, and by which it knows it again.
pub const MARK: &str = "# Written by \"pdbak schedule install\"; \"pdbak schedule uninstall\" removes it.";

/// What calls pdbak.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// The program.
    pub program: PathBuf,
    /// The configuration file.
    pub config: PathBuf,
    /// The profile, if one was chosen.
    pub profile: Option<String>,
    /// The archive, if it does not stand in the file.
    pub archive: Option<PathBuf>,
}

impl Call {
    fn arguments(&self) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        let mut arguments = vec![text(&self.program), "--config".to_owned(), text(&self.config)];
        if let Some(profile) = &self.profile {
            arguments.extend(["--profile".to_owned(), profile.clone()]);
        }
        if let Some(archive) = &self.archive {
            arguments.extend(["--archive".to_owned(), text(archive)]);
        }
        arguments
    }

    /// The service unit of this archive, of the system or of one user.
    pub fn service(&self, title: &str, user: bool) -> String {
        let quoted: Vec<String> = self.arguments().iter().map(|word| for_systemd(word)).collect();
        let (start, title) = (quoted.join(" "), title.replace('%', "%%"));
        // What a user's own manager may not set up is left out there.
        let system = if user { "" } else { SYSTEM };
        format!(
            "{MARK}\n[Unit]\nDescription=pdbak: snapshots, retention and copies of {title}\nDocumentation=man:pdbak-schedule(1)\n\
             Wants=network-online.target\nAfter=network-online.target\n\n\
             [Service]\nType=oneshot\nExecStart={start} schedule run --once\n\
             # Gaps and a spent budget are told, and are no failure of the service.\nSuccessExitStatus=3 4\n\
             Nice=10\nIOSchedulingClass=idle\nUMask=0077\nNoNewPrivileges=yes\nLockPersonality=yes\nRestrictRealtime=yes\n\
             RestrictSUIDSGID=yes\nMemoryDenyWriteExecute=yes\nRestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX\n\
             SystemCallArchitectures=native\n{system}"
        )
    }

    /// A line for cron, which has one zone and makes up for nothing: it asks every quarter of an hour.
    pub fn cron_line(&self, user: Option<&str>) -> String {
        let quoted: Vec<String> = self.arguments().iter().map(|word| for_cron(word)).collect();
        let user = user.map(|user| format!("{user} ")).unwrap_or_default();
        format!("*/15 * * * * {user}{} --quiet schedule run --once >/dev/null", quoted.join(" "))
    }
}

/// What the system's manager keeps away from the service besides.
const SYSTEM: &str = "ProtectSystem=full\nPrivateTmp=yes\nPrivateDevices=yes\nProtectKernelTunables=yes\nProtectKernelModules=yes\n\
                      ProtectKernelLogs=yes\nProtectControlGroups=yes\nProtectClock=yes\nProtectHostname=yes\nRestrictNamespaces=yes\n\
                      CacheDirectory=pdbak\nCacheDirectoryMode=0700\nEnvironment=XDG_CACHE_HOME=%C\n";

/// The timer unit of the service.
pub fn timer(when: &When, title: &str) -> String {
    let mut times: Vec<String> = calendar(when).iter().map(|time| format!("OnCalendar={time}\n")).collect();
    times
        .push("# What was slept through, failed or ran out of tokens is gone on with.\nOnCalendar=hourly\n".to_owned());
    let jitter = match when.jitter.num_seconds() {
        0 => String::new(),
        seconds => format!("RandomizedDelaySec={seconds}\nFixedRandomDelay=true\n"),
    };
    let title = title.replace('%', "%%");
    format!(
        "{MARK}\n[Unit]\nDescription=When pdbak runs for {title}\nDocumentation=man:pdbak-schedule(1)\n\n\
         [Timer]\n{}Persistent=true\n{jitter}\n[Install]\nWantedBy=timers.target\n",
        times.concat()
    )
}

/// The times as systemd writes them; none for a pattern that it cannot say, such as the last Friday of a month.
fn calendar(when: &When) -> Vec<String> {
    let pattern = &when.cron().pattern;
    let fields = [&pattern.minutes, &pattern.hours, &pattern.days, &pattern.months, &pattern.days_of_week];
    if fields.iter().any(|field| field.has_modifiers()) {
        return Vec::new();
    }
    let list = |values: Vec<u16>, all: usize| {
        let values: Vec<String> = values.iter().map(|value| format!("{value:02}")).collect();
        if values.len() >= all { "*".to_owned() } else { values.join(",") }
    };
    let (minutes, hours) = (list(pattern.minutes.values(), 60), list(pattern.hours.values(), 24));
    let (days, months) = (list(pattern.days.values(), 31), list(pattern.months.values(), 12));
    let names = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    let week: Vec<&str> =
        pattern.days_of_week.values().iter().filter_map(|day| names.get(usize::from(*day % 7)).copied()).collect();
    let line = |week: &str, days: &str| format!("{week}*-{months}-{days} {hours}:{minutes}:00 {}", when.zone.name());
    let of_week = format!("{} ", week.join(","));
    match (pattern.is_dom_wildcard(), pattern.is_dow_wildcard()) {
        (_, true) => vec![line("", &days)],
        (true, false) => vec![line(&of_week, "*")],
        // Cron takes either.
        (false, false) => vec![line("", &days), line(&of_week, "*")],
    }
}

/// A word as systemd reads it back.
fn for_systemd(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    format!("\"{escaped}\"")
}

/// A word as cron and its shell read it back.
fn for_cron(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''").replace('%', "\\%"))
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{Call, MARK, calendar, timer};
    use crate::schedule::When;

    fn when(pattern: &str, zone: &str) -> When {
        When::new(pattern, zone.parse().unwrap(), TimeDelta::minutes(20)).unwrap()
    }

    fn call() -> Call {
        Call {
            program: "/opt/my tools/pdbak".into(),
            config: "/etc/pdbak/100%.toml".into(),
            profile: Some("acme".to_owned()),
            archive: None,
        }
    }

    #[test]
    fn a_pattern_is_said_as_systemd_says_it() {
        for (pattern, zone, expected) in [
            ("15 2 * * *", "Europe/Tallinn", &["*-*-* 02:15:00 Europe/Tallinn"][..]),
            ("0,30 6-8 * * 1-5", "UTC", &["Mon,Tue,Wed,Thu,Fri *-*-* 06,07,08:00,30:00 UTC"]),
            ("5 4 1 */6 *", "UTC", &["*-01,07-01 04:05:00 UTC"]),
            ("0 3 1 * 0", "UTC", &["*-*-01 03:00:00 UTC", "Sun *-*-* 03:00:00 UTC"]),
            ("* * * * *", "UTC", &["*-*-* *:*:00 UTC"]),
            ("0 3 L * *", "UTC", &[]),
            ("0 3 * * 5L", "UTC", &[]),
        ] {
            assert_eq!(calendar(&when(pattern, zone)), expected, "{pattern}");
        }
    }

    #[test]
    fn a_timer_makes_up_for_what_was_slept_through() {
        let text = timer(&when("15 2 * * *", "UTC"), "acme");
        for line in ["Persistent=true", "OnCalendar=hourly", "RandomizedDelaySec=1200", "WantedBy=timers.target"] {
            assert!(text.lines().any(|one| one == line), "{line}: {text}");
        }
        assert!(text.starts_with(MARK));
    }

    #[test]
    fn words_are_quoted_for_whoever_reads_them() {
        let service = call().service("acme", false);
        let start = "ExecStart=\"/opt/my tools/pdbak\" \"--config\" \"/etc/pdbak/100%%.toml\" \"--profile\" \"acme\" schedule run --once";
        assert!(service.lines().any(|line| line == start), "{service}");
        assert!(service.contains("ProtectSystem=full") && !call().service("acme", true).contains("ProtectSystem"));
        let line = call().cron_line(Some("root"));
        assert_eq!(
            line,
            "*/15 * * * * root '/opt/my tools/pdbak' '--config' '/etc/pdbak/100\\%.toml' '--profile' 'acme' --quiet schedule run --once >/dev/null"
        );
    }
}
