//! Does the account offer an object, asked as cheaply as it can be asked.
//!
//! A page costs 10 to 40 tokens however short it is; asking for record 0, which no
//! account has, costs one or two. "There is no such record" is what an object that is
//! offered answers; a refusal that names plan, feature or rights is what others do.

use serde_json::value::RawValue;

use super::answer::{Asked, Envelope};
use super::{Account, Ask, Error, address, reading};
use crate::catalogue::{Listing, Object};

/// What a probe says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Offer {
    /// The service answers for it.
    Offered,
    /// It does not, in its own words.
    NotOffered(String),
    /// There is no cheap question about it.
    NotAsked,
}

impl Account {
    /// Asks whether the account offers an object, for the price of one record.
    pub async fn offers(&self, object: &'static Object) -> Result<Offer, Error> {
        let Some(single) = object.single else { return Ok(Offer::NotAsked) };
        let Some(segments) = address::segments(single.path, Some("0"), Some("0")) else { return Ok(Offer::NotAsked) };
        let request = reading(single.version, segments, Vec::new(), single.price);
        let answer: Result<Envelope<Box<RawValue>>, Error> = self.fetch(&request, Asked::One).await;
        offer(answer.map(drop))
    }

    /// The same of a flat list without such a question, for the price of its first page.
    pub async fn lists(&self, object: &'static Object) -> Result<Offer, Error> {
        match object.listing {
            Listing::Flat(_) => offer(self.page(&Ask::first(object)).await.map(drop)),
            _ => Ok(Offer::NotAsked),
        }
    }
}

fn offer(answer: Result<(), Error>) -> Result<Offer, Error> {
    match answer {
        Ok(()) | Err(Error::Gone | Error::Garbled(_)) => Ok(Offer::Offered),
        Err(Error::NotOffered(words)) => Ok(Offer::NotOffered(words)),
        Err(Error::Refused { status: 403, message, .. }) => Ok(Offer::NotOffered(format!("403: {message}"))),
        // It understood the question well enough to find fault with the id.
        Err(Error::Refused { .. }) => Ok(Offer::Offered),
        Err(error) => Err(error),
    }
}
