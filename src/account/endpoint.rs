//! Where the account is and what opens it.
//!
//! The token leaves this machine in one header of one kind of request, over TLS;
//! plain HTTP is for a sandbox on this machine. Neither address nor token can be
//! printed by accident: the address holds no secret, the token prints as `***`.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use reqwest::header::HeaderValue;
use zeroize::Zeroizing;

use super::Error;
use crate::catalogue::Version;

/// The base address; `https://company.pipedrive.com` or, for a sandbox, `http://127.0.0.1:PORT`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Reads an address. A bare company name or host means `https`; anything but a sandbox on this machine must use it.
    pub fn parse(text: &str) -> Result<Endpoint, Error> {
        let text = text.trim();
        let bare = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let whole = match (text.contains("://"), bare && text != "localhost") {
            (true, _) => text.to_owned(),
            (false, true) => format!("https://{text}.pipedrive.com"),
            (false, false) => format!("https://{text}"),
        };
        let bad = |why: &str| Error::BadEndpoint(why.to_owned());
        let mut url = Url::parse(&whole).map_err(|error| bad(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it must not hold a name or a password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it must not hold a query: the token has a place of its own"));
        }
        match url.scheme() {
            "https" => {}
            "http" if is_this_machine(&url) => {}
            "http" => return Err(bad("http would show the token to everybody on the way; use https")),
            other => return Err(bad(&format!("{other} is no protocol of the service; use https"))),
        }
        // People paste what the documentation shows: the versions are added by each call.
        let path = url.path().trim_end_matches('/').trim_end_matches("/v1").trim_end_matches("/v2");
        let path = path.trim_end_matches("/api").to_owned();
        url.set_path(&path);
        Ok(Endpoint(url))
    }

    /// Whether it is a sandbox on this machine, to which no proxy leads.
    pub(super) fn is_local(&self) -> bool {
        is_this_machine(&self.0)
    }

    /// The address of a call; the segments are escaped here and nowhere else.
    pub(super) fn url(&self, version: Version, segments: &[String], query: &[(String, String)]) -> Url {
        let mut url = self.0.clone();
        {
            let mut path = url.path_segments_mut().expect("an http address has a path");
            path.pop_if_empty().push("api").push(match version {
                Version::V1 => "v1",
                Version::V2 => "v2",
            });
            path.extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Whether an address leads nowhere but to this machine.
pub(super) fn is_this_machine(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What opens the account. Prints as `***` and is wiped when dropped.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

impl Token {
    /// A token as it was given; space around it is dropped, since files end with a line break.
    pub fn new(text: String) -> Token {
        let text = Zeroizing::new(text);
        Token(Zeroizing::new(text.trim().to_owned()))
    }

    /// The header's value, marked so that nothing prints it.
    pub(super) fn header(&self) -> Result<HeaderValue, Error> {
        let told = |why: &str| Error::Unauthorised(why.to_owned());
        if self.0.is_empty() {
            return Err(told("the token is empty"));
        }
        let mut value = HeaderValue::from_str(&self.0).map_err(|_| told("the token has letters that no token has"))?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The secret itself, for the one place that needs it as text.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Takes the token out of words that somebody else chose.
    pub(super) fn redact(&self, text: &str) -> String {
        // A sandbox takes tokens of a letter or two, which would be found in every word.
        if self.0.len() < 8 { text.to_owned() } else { text.replace(self.0.as_str(), "***") }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> String {
        Endpoint::parse(text).map_or_else(|error| error.to_string(), |endpoint| endpoint.to_string())
    }

    #[test]
    fn an_address_may_be_given_as_people_know_it() {
        for text in
            ["acme", "acme.pipedrive.com", "https://acme.pipedrive.com/", " https://acme.pipedrive.com/api/v2/ "]
        {
            assert_eq!(address(text), "https://acme.pipedrive.com", "{text}");
        }
        assert_eq!(address("http://127.0.0.1:8642/v1"), "http://127.0.0.1:8642");
        assert_eq!(address("http://[::1]:8642"), "http://[::1]:8642");
        assert_eq!(address("http://localhost:8642"), "http://localhost:8642");
    }

    #[test]
    fn the_token_never_travels_in_the_clear() {
        assert!(address("http://acme.pipedrive.com").contains("use https"));
        assert!(address("http://127.0.0.1.evil.example").contains("use https"));
        assert!(address("ftp://acme.pipedrive.com").contains("ftp is no protocol"));
        assert!(address("https://acme.pipedrive.com/?api_token=abc").contains("must not hold a query"));
        assert!(address("https://kim:secret@acme.pipedrive.com").contains("must not hold a name"));
        assert!(!address("https://kim:secret@acme.pipedrive.com").contains("secret"));
    }

    #[test]
    fn ids_cannot_change_the_path() {
        let endpoint = Endpoint::parse("acme").expect("an address");
        let url = endpoint.url(Version::V2, &["deals".into(), "4/../7?x".into()], &[("ids".into(), "1,2&3".into())]);
        assert_eq!(url.as_str(), "https://acme.pipedrive.com/api/v2/deals/4%2F..%2F7%3Fx?ids=1%2C2%263");
    }

    #[test]
    fn a_token_does_not_print() {
        let token = Token::new("0123456789abcdef\n".to_owned());
        assert_eq!(format!("{token:?} {token}"), "*** ***");
        let header = token.header().expect("a header");
        assert_eq!(header.to_str().expect("text"), "0123456789abcdef");
        assert!(!format!("{header:?}").contains("0123"));
        assert_eq!(token.redact("bad token 0123456789abcdef!"), "bad token ***!");
        assert!(Token::new(" ".to_owned()).header().is_err());
        assert!(Token::new("a\nb".to_owned()).header().is_err());
    }
}
