//! What a store said, and what it means: each kind has its own words for the same few things.

use object_store::Error as StoreError;

use crate::offsite::Error;

/// How stores say that they take nothing more: by the status, Ceph as if it were a matter of permission, MinIO.
pub(super) const FULL: [&str; 3] = ["InsufficientStorage", "QuotaExceeded", "XMinioStorageFull"];
/// That requests carry another time than theirs.
const OTHER_CLOCK: [&str; 2] = ["RequestTimeTooSkewed", "RequestExpired"];
/// That there is no such bucket or container; a file that is not there is told otherwise.
const NO_BUCKET: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "InvalidBucketName"];
/// That the bucket lies in another region than was said.
const OTHER_REGION: [&str; 3] =
    ["AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException"];
/// Where a machine in a cloud asks for credentials of its own, when nobody gave it any.
const OWN_CREDENTIALS: [&str; 3] = ["//169.254.169.254", "//metadata.google.internal", "//metadata/"];
/// What people make of an answer is at most so long.
const SHOWN: usize = 300;

/// Whether a file is not there; false where the place itself is not.
pub(super) fn is_gone(error: &StoreError) -> bool {
    matches!(error, StoreError::NotFound { .. }) && !says(&chain(error), &NO_BUCKET)
}

/// Whether a store gave all of a file where some of it was asked for.
pub(super) fn is_whole(error: &StoreError) -> bool {
    chain(error).contains("non-partial response")
}

/// Whether a store says that it knows no conditional writes.
pub(super) fn is_unknown_condition(error: &StoreError) -> bool {
    let text = chain(error);
    matches!(error, StoreError::NotImplemented { .. } | StoreError::NotSupported { .. })
        || ["NotImplemented", "501 ", "not implemented"].iter().any(|word| text.contains(word))
}

/// What went wrong at a target while doing something with a file of it, or with all of it.
pub(super) fn refusal(target: &str, doing: &'static str, name: Option<&str>, error: &StoreError) -> Error {
    let text = chain(error);
    let (target, fact) = (target.to_owned(), tidy(&text));
    if says(&text, &OTHER_CLOCK) {
        return Error::ClockIsOff { target };
    }
    if says(&text, &FULL) {
        return Error::Full { target, fact };
    }
    if says(&text, &NO_BUCKET) {
        return Error::NoBucket { target, fact };
    }
    if says(&text, &OTHER_REGION) || text.contains("redirect without LOCATION") {
        return Error::OtherRegion { target, fact };
    }
    if OWN_CREDENTIALS.iter().any(|place| text.contains(place)) {
        return Error::NoCredentials { target };
    }
    match error {
        StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
            Error::Denied { target, doing, fact }
        }
        _ => {
            let target = name.map_or(target.clone(), |name| format!("{target}/{name}"));
            Error::Store { doing, target, fact }
        }
    }
}

fn says(text: &str, codes: &[&str]) -> bool {
    codes.iter().any(|code| text.contains(&format!("<Code>{code}</Code>")))
}

/// An error with all its causes.
fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let own = error.to_string();
        if !text.contains(&own) {
            text.push_str(": ");
            text.push_str(&own);
        }
        cause = error.source();
    }
    text
}

/// The part of an answer that people can use: code and message where the store wrote XML, what broke where nobody
/// answered, otherwise its first words.
pub(super) fn tidy(text: &str) -> String {
    let between = |tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>"))?;
        rest.split_once(&format!("</{tag}>")).map(|(inside, _)| inside.trim().to_owned())
    };
    let said: Vec<String> = [between("Code"), between("Message")].into_iter().flatten().collect();
    if !said.is_empty() {
        return said.join(": ");
    }
    // What stands before it says how often was asked, and of which address.
    let broke = ["error sending request: ", "HTTP error: "].iter().find_map(|before| text.split_once(before));
    let told = broke.map_or(text, |(_, broke)| broke);
    let flat = told.split_whitespace().collect::<Vec<_>>().join(" ");
    let flat = flat.strip_prefix("client error (Connect): ").unwrap_or(&flat);
    flat.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn a_stores_answer_is_told_without_its_xml() {
        let xml = "status code: 403: <Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>";
        assert_eq!(tidy(xml), "AccessDenied: Access Denied");
        assert_eq!(tidy("a\n  b"), "a b");
        assert_eq!(tidy(&"x".repeat(1000)).len(), 300);
    }

    #[test]
    fn a_line_that_is_not_there_is_told_by_what_broke() {
        let text = "Generic S3 error: Error performing GET http://127.0.0.1:9/acme/archive.json in 1.5s, after 8 retries, \
            max_retries: 8, retry_timeout: 120s - HTTP error: error sending request: client error (Connect): \
            tcp connect error: Connection refused (os error 111)";
        assert_eq!(tidy(text), "tcp connect error: Connection refused (os error 111)");
    }
}
