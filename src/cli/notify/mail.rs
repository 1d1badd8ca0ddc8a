//! Messages by mail: through a server, or a command such as `sendmail -t`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::{Message as Letter, SmtpTransport, Transport};

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::notify::Message;
use crate::cli::notify::settings::{Mail, Security};

/// Sends a message.
pub(super) fn send(mail: &Mail, message: &Message) -> Result<(), Failure> {
    let letter = letter(mail, message)?;
    match (&mail.server, &mail.command) {
        (Some(server), None) => by_server(mail, server, &letter),
        (None, Some(command)) => by_command(command, &letter.formatted()),
        _ => Err(Failure::usage("[notify.mail] wants either a server or a command")
            .hint("write server = \"smtp.example.com\" or command = \"sendmail -t\" to it in pdbak.toml")),
    }
}

fn letter(mail: &Mail, message: &Message) -> Result<Letter, Failure> {
    let mailbox = |text: &String| {
        text.parse::<Mailbox>().map_err(|error| Failure::usage(format!("[notify.mail] {text}: {error}")))
    };
    let mut letter = Letter::builder().from(mailbox(&mail.from)?).date_now().message_id(None);
    for to in &mail.to {
        letter = letter.to(mailbox(to)?);
    }
    let letter = letter.subject(&message.title).header(ContentType::TEXT_PLAIN);
    let mut letter = letter.body(message.text.clone()).map_err(|error| {
        Failure::from_error(Exit::Usage, &error).while_doing("write a mail as [notify.mail] wants it")
    })?;
    // Nobody's absence answers a program.
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    letter.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
    Ok(letter)
}

fn by_server(mail: &Mail, server: &str, letter: &Letter) -> Result<(), Failure> {
    // Somebody may have installed it before.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let failed = |error: lettre::transport::smtp::Error| {
        Failure::from_error(Exit::Failed, &error).while_doing(format_args!("send a mail through {server}"))
    };
    let builder = match mail.security {
        Security::Tls => SmtpTransport::relay(server).map_err(failed)?,
        Security::StartTls => SmtpTransport::starttls_relay(server).map_err(failed)?,
        Security::None => SmtpTransport::builder_dangerous(server),
    };
    let mut builder = builder.timeout(Some(Duration::from_secs(20)));
    if let Some(port) = mail.port {
        builder = builder.port(port);
    }
    if let (Some(user), Some(password)) = (&mail.user, mail.password()?) {
        builder = builder.credentials(Credentials::new(user.clone(), password.to_string()));
    }
    builder.build().send(letter).map(drop).map_err(failed)
}

fn by_command(command: &str, letter: &[u8]) -> Result<(), Failure> {
    let doing = "send a mail by the command set for it";
    let failed = |error: std::io::Error| Failure::from_error(Exit::Failed, &error).while_doing(doing);
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(letter));
    let status = child.wait().map_err(failed)?;
    match status.success() {
        // One that did not want to read all of it and is content has sent it.
        true => Ok(()),
        false => Err(written.map_or_else(failed, |()| {
            Failure::new(Exit::Failed, format!("it ended with {status}")).while_doing(doing)
        })),
    }
}
