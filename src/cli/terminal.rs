//! The monitor for people: bars on a terminal, plain lines otherwise.
//!
//! All of it goes to stderr, so that stdout stays data. A bar disappears when its
//! object ends and one line stays, so a finished run reads the same on a
//! terminal and in a log file.

use std::collections::HashMap;
use std::fmt;
use std::io::{IsTerminal, Write, stderr};
use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use crate::catalogue::ObjectName;
use crate::monitor::Monitor;

/// The width of the column of object names.
const NAME_WIDTH: usize = 22;

/// Tells a person at a terminal, or a log file, how work goes on.
pub(crate) struct Terminal {
    bars: Option<MultiProgress>,
    quiet: bool,
    running: Mutex<HashMap<ObjectName, Running>>,
}

/// An object being worked on.
#[derive(Default)]
struct Running {
    bar: Option<ProgressBar>,
    records: u64,
    tokens: u64,
}

impl Terminal {
    /// A monitor on stderr; a quiet one tells only what somebody should know.
    pub(crate) fn new(quiet: bool) -> Terminal {
        let bars = (!quiet && stderr().is_terminal()).then(MultiProgress::new);
        Terminal { bars, quiet, running: Mutex::default() }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<ObjectName, Running>> {
        // A panic elsewhere must not silence the progress of what still runs.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a line that stays, above the bars if there are any.
    fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| say(text)),
            None => say(text),
        }
    }

    fn bar(&self, object: &ObjectName, expected: Option<u64>) -> Option<ProgressBar> {
        let bars = self.bars.as_ref()?;
        let (bar, template) = match expected.filter(|expected| *expected > 0) {
            Some(expected) => (ProgressBar::new(expected), "{prefix:22} {bar:24} {human_pos:>10}  {rate}, {eta} left"),
            None => (ProgressBar::no_length(), "{prefix:22} {spinner} {human_pos:>10}  {rate}"),
        };
        let style =
            ProgressStyle::with_template(template).expect("the template is checked by a test").with_key("rate", rate);
        let bar = bars.add(bar.with_style(style));
        bar.set_prefix(object.title());
        Some(bar)
    }
}

/// Whole records a second: nobody reads the fractions.
fn rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    // A bar that cannot be drawn is no reason to stop.
    let _undrawn = write!(out, "{:.0}/s", state.per_sec());
}

fn say(text: &str) {
    // When stderr is gone there is nobody left to tell.
    let _unheard = writeln!(stderr(), "{text}");
}

impl Monitor for Terminal {
    fn began(&self, object: &ObjectName, expected: Option<u64>) {
        let bar = self.bar(object, expected);
        self.running().insert(object.clone(), Running { bar, ..Running::default() });
    }

    fn advanced(&self, object: &ObjectName, records: u64, tokens: u64) {
        let mut running = self.running();
        let one = running.entry(object.clone()).or_default();
        one.records += records;
        one.tokens += tokens;
        if let Some(bar) = &one.bar {
            // What was expected is a guess from the last snapshot: a bar never stands full while work goes on.
            if bar.length().is_some_and(|length| one.records > length) {
                bar.set_length(one.records);
            }
            bar.set_position(one.records);
        }
    }

    fn ended(&self, object: &ObjectName, outcome: &str) {
        let ended = self.running().remove(object);
        if let Some(bar) = ended.and_then(|one| one.bar) {
            bar.finish_and_clear();
        }
        if !self.quiet {
            self.line(format!("{:NAME_WIDTH$} {outcome}", object.title()).trim_end());
        }
    }

    fn warned(&self, text: &str) {
        self.line(&format!("warning: {text}"));
    }
}

#[cfg(test)]
mod tests {
    use indicatif::MultiProgress;

    use super::Terminal;
    use crate::catalogue::ObjectName;

    #[test]
    fn both_bars_have_a_template_that_can_be_read() {
        let terminal = Terminal { bars: Some(MultiProgress::new()), quiet: false, running: Default::default() };
        assert!(terminal.bar(&ObjectName::known("deals"), Some(10)).is_some());
        assert!(terminal.bar(&ObjectName::known("deals"), None).is_some());
    }
}
