//! The list of books. One binary, so that the library links once.

/// The catalogue against the published description.
mod catalogue;
/// Random histories, compared with the truth.
mod histories;
/// What strangers may hand to pdbak.
mod hostile;
/// Archives of earlier versions, kept for ever.
mod museum;
/// What a user would tell: whole runs against a sandbox, compared with its judge.
mod stories;
/// The world the stories live in.
mod support;

/// The sources, as the rules below read them.
mod source;

/// Who may import whom.
mod layers;
/// The house style: sizes, first lines, what may not appear.
mod tidy;

/// The manual and the transcript of the README.
mod generated;
