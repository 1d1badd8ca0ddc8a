//! Downloads at signed addresses, which are answered without the API token.

use crate::sandbox::answer::{Answer, refusal};
use crate::sandbox::http::{Asked, Shared, locked};

/// The answer, if the path is one of ours.
pub(super) fn reply(shared: &Shared, asked: &Asked) -> Option<Answer> {
    let signature = asked.path.strip_prefix("/signed/")?;
    Some(download(shared, asked, signature).unwrap_or_else(|answer| answer))
}

/// A file at its signed address. A client that sends its token along has leaked it, so that is refused.
fn download(shared: &Shared, asked: &Asked, signature: &str) -> Result<Answer, Answer> {
    if asked.header("x-api-token").is_some() || asked.header("authorization").is_some() {
        return Err(refusal(400, "Only one auth mechanism allowed"));
    }
    let account = locked(&shared.account);
    crate::sandbox::files::by_signature(&account, signature).ok_or_else(|| refusal(403, "Request has expired"))
}
