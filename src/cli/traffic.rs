//! How copying goes on: a bar on a terminal, silence in a log until it is done.

use std::io::{IsTerminal, Write, stderr};

use indicatif::{ProgressBar, ProgressStyle};

use crate::offsite::{Amount, Progress};

/// Tells a person at a terminal how many bytes have travelled.
pub(crate) struct Traffic {
    bar: ProgressBar,
}

impl Traffic {
    /// A bar on stderr, if somebody sees it.
    pub(crate) fn new(quiet: bool) -> Traffic {
        let bar = if quiet || !stderr().is_terminal() { ProgressBar::hidden() } else { ProgressBar::new(0) };
        let template = "{bar:24} {bytes:>10} of {total_bytes}  {bytes_per_sec}, {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is checked by a test"));
        Traffic { bar }
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Traffic {
    fn expects(&self, amount: Amount) {
        self.bar.set_length(amount.bytes);
    }

    fn did(&self, amount: Amount) {
        self.bar.inc(amount.bytes);
    }

    fn warned(&self, text: &str) {
        // When stderr is gone there is nobody left to tell.
        self.bar.suspend(|| {
            let _unheard = writeln!(stderr(), "warning: {text}");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::Traffic;
    use crate::offsite::{Amount, Progress};

    #[test]
    fn the_bar_has_a_template_that_can_be_read() {
        let traffic = Traffic::new(true);
        traffic.expects(Amount::one(10));
        traffic.did(Amount::one(4));
        assert_eq!(traffic.bar.position(), 4);
    }
}
