//! `pdbak completions`: lets the shell complete commands and flags.

use std::io::{Write, stdout};

use clap::Args;
use clap_complete::Shell;

use crate::cli;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak completions bash > ~/.local/share/bash-completion/completions/pdbak
  pdbak completions zsh > ~/.zfunc/_pdbak
  pdbak completions fish > ~/.config/fish/completions/pdbak.fish";

/// Arguments of `pdbak completions`.
#[derive(Args, Debug)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut cli::tree(), "pdbak", &mut script);
        if session.json() {
            let script = String::from_utf8_lossy(&script);
            session.document(&serde_json::json!({ "shell": self.shell.to_string(), "script": script }))?;
        } else {
            stdout().write_all(&script)?;
        }
        Ok(Exit::Done)
    }
}
