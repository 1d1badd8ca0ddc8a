//! `pdbak doctor`: what this login can see, before anybody relies on a backup of it.
//!
//! Most questions cost one or two tokens; first pages of lists are asked for as far as
//! the fee goes. What is left unasked is named with its price, not guessed.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::account::{Account, Allowance, Identity, Offer};
use crate::catalogue::{self, Dml, Listing, Object, ObjectName};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::cli::show::certificate::out_of_sight;
use crate::cli::show::{View, count, number};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak doctor              who am I, what may I see, what is left to spend
  pdbak doctor --json       for scripts; exit code 3 when something is out of sight";

/// A visit costs less than this; what is left unasked is named.
const FEE: u64 = 100;
/// A question of so many tokens is asked whatever else is to be asked.
const CHEAP: u32 = 2;

/// What a whole backup needs an OAuth application to be allowed (api/wire.md, Authentication).
const SCOPES: &[&str] = &[
    "base",
    "deals:full",
    "contacts:full",
    "activities:full",
    "leads:full",
    "products:full",
    "projects:full",
    "mail:full",
    "users:read",
    "goals:full",
    "admin",
    "recents:read",
    "search:read",
    "phone-integration",
    "deal-fields:full",
    "contact-fields:full",
    "product-fields:full",
    "project-fields:full",
];

/// Arguments of `pdbak doctor`.
#[derive(Args, Debug)]
pub(crate) struct Doctor {}

/// What was found.
#[derive(Serialize)]
struct Diagnosis {
    company_id: u64,
    company_name: String,
    company_domain: String,
    user_id: u64,
    user_name: String,
    is_admin: bool,
    tokens_left_today: Option<u64>,
    tokens_a_day: Option<u64>,
    requests_in_two_seconds: Option<u64>,
    objects: Vec<Answer>,
    scopes_missing: Vec<String>,
    out_of_sight: Vec<String>,
    /// What everybody sees of his own alone, an admin, too.
    only_yours: Vec<String>,
    archive: String,
    tokens: u64,
}

/// Whether an object is there.
#[derive(Serialize)]
struct Answer {
    object: String,
    /// `offered`, `not offered`, `not asked`.
    answer: &'static str,
    /// The service's words about it, or what asking would cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

impl View for Diagnosis {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let rank = if self.is_admin { "admin" } else { "not an admin" };
        writeln!(
            out,
            "{} (company {}, {}) as {}, {rank}",
            self.company_name, self.company_id, self.company_domain, self.user_name
        )?;
        let told = |amount: Option<u64>| amount.map_or_else(|| "not told".to_owned(), number);
        writeln!(out, "tokens left today       {} of {}", told(self.tokens_left_today), told(self.tokens_a_day))?;
        writeln!(out, "requests in 2 seconds   {}", told(self.requests_in_two_seconds))?;
        writeln!(out, "archive                 {}", self.archive)?;
        let of = |answer: &str| self.objects.iter().filter(move |one| one.answer == answer).collect::<Vec<_>>();
        let (there, missing, unasked) = (of("offered"), of("not offered"), of("not asked"));
        writeln!(out, "objects offered         {} of {}", there.len(), there.len() + missing.len())?;
        for one in missing {
            writeln!(out, "  {}: {}", one.object, one.why.as_deref().unwrap_or("no reason given"))?;
        }
        if !unasked.is_empty() {
            let names: Vec<&str> = unasked.iter().map(|one| one.object.as_str()).collect();
            writeln!(out, "not asked, a page each   {}", names.join(", "))?;
        }
        for line in &self.out_of_sight {
            writeln!(out, "out of sight            {line}")?;
        }
        if !self.only_yours.is_empty() {
            writeln!(out, "only yours              {}", self.only_yours.join("; "))?;
        }
        if !self.scopes_missing.is_empty() {
            writeln!(out, "scopes missing          {}", self.scopes_missing.join(", "))?;
        }
        writeln!(out, "asking cost {}", count(self.tokens, "token", "tokens"))
    }
}

impl Doctor {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = match session.folder() {
            Ok(folder) if folder.join("archive.json").is_file() => folder.display().to_string(),
            Ok(folder) => format!("none yet in {}: pdbak init", folder.display()),
            Err(_) => "none named: set PDBAK_ARCHIVE".to_owned(),
        };
        let scope = session.scope()?;
        let diagnosis = wait(async {
            let account = session.account(Some(Allowance::Tokens(FEE))).await?;
            examine(&account, archive, scope.as_deref()).await
        })?;
        let well = diagnosis.out_of_sight.is_empty() && diagnosis.scopes_missing.is_empty();
        let whole = diagnosis.objects.iter().all(|one| one.answer != "not offered");
        session.show(&diagnosis)?;
        Ok(if well && whole { Exit::Done } else { Exit::Gaps })
    }
}

async fn examine(account: &Account, archive: String, scope: Option<&str>) -> Result<Diagnosis, Failure> {
    let objects = answers(account).await?;
    let Identity { company_id, company_name, company_domain, user_id, user_name, is_admin } =
        account.identity().clone();
    let (left, limit) = account.tokens_today().unzip();
    Ok(Diagnosis {
        out_of_sight: out_of_sight(is_admin),
        only_yours: only_yours(),
        scopes_missing: scope.map(missing_scopes).unwrap_or_default(),
        company_id,
        company_name,
        company_domain,
        user_id,
        user_name,
        is_admin,
        tokens_left_today: left,
        tokens_a_day: limit,
        requests_in_two_seconds: account.burst(),
        objects,
        archive,
        tokens: account.spent().tokens,
    })
}

/// Asks for each object that has a list of its own, in the order of the catalogue.
///
/// First what costs a token or two; then, for what is left of the fee, first pages: the cheapest first, and what a
/// restore may write before what can only be read.
async fn answers(account: &Account) -> Result<Vec<Answer>, Failure> {
    let flat = catalogue::ALL.iter().copied().filter(|object| matches!(object.listing, Listing::Flat(_)));
    let mut offers: Vec<(&'static Object, Offer)> = Vec::new();
    for object in flat {
        let cheap = object.single.is_some_and(|single| single.price <= CHEAP && affordable(account, single.price));
        offers.push((object, if cheap { account.offers(object).await? } else { Offer::NotAsked }));
    }
    let mut open: Vec<&mut (&'static Object, Offer)> =
        offers.iter_mut().filter(|(object, offer)| *offer == Offer::NotAsked && !object.is_removed()).collect();
    open.sort_by_key(|(object, _)| (object.price, object.dml == Dml::NOTHING));
    for (object, offer) in open {
        if affordable(account, object.price) {
            *offer = account.lists(object).await?;
        }
    }
    Ok(offers.into_iter().map(|(object, offer)| answer(object, offer)).collect())
}

fn affordable(account: &Account, price: u32) -> bool {
    account.spent().tokens + u64::from(price) < FEE
}

fn answer(object: &'static Object, offer: Offer) -> Answer {
    let title = ObjectName::known(object.name).title();
    let (answer, why) = match offer {
        Offer::Offered => ("offered", None),
        Offer::NotOffered(words) => ("not offered", Some(words)),
        Offer::NotAsked => {
            ("not asked", Some(format!("a page costs {}", count(object.price.into(), "token", "tokens"))))
        }
    };
    Answer { object: title, answer, why }
}

/// What the list of nobody shows of others: `MailThreads: only your own mailbox`.
fn only_yours() -> Vec<String> {
    let own = |object: &&'static Object| Some((ObjectName::known(object.name).title(), object.own?.words));
    catalogue::ALL.iter().filter_map(own).map(|(title, words)| format!("{title}: {words}")).collect()
}

fn missing_scopes(given: &str) -> Vec<String> {
    let given: Vec<&str> = given.split([' ', ',']).filter(|scope| !scope.is_empty()).collect();
    SCOPES.iter().filter(|scope| !given.contains(scope)).map(|scope| (*scope).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{SCOPES, missing_scopes};

    #[test]
    fn scopes_are_told_one_by_one() {
        assert_eq!(missing_scopes(&SCOPES.join(",")), Vec::<String>::new());
        assert_eq!(missing_scopes(&SCOPES[1..].join(" ")), ["base"]);
    }
}
