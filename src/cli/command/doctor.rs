//! `pdbak doctor`: what this login can see, before anybody relies on a backup of it.
//!
//! Each question costs one or two tokens. What has no such question is named with
//! its price, not guessed.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::account::{Account, Allowance, Identity, Offer};
use crate::catalogue::{self, Listing, Object, ObjectName};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::cli::show::certificate::out_of_sight;
use crate::cli::show::{View, count, number};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak doctor              who am I, what may I see, what is left to spend
  pdbak doctor --json       for scripts; exit code 3 when something is out of sight";

/// The most that a visit costs; what is left unasked is named.
const FEE: u64 = 100;

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
    let mut objects = Vec::new();
    for object in catalogue::ALL.iter().copied().filter(|object| matches!(object.listing, Listing::Flat(_))) {
        objects.push(asked(account, object).await?);
    }
    let Identity { company_id, company_name, company_domain, user_id, user_name, is_admin } =
        account.identity().clone();
    let (left, limit) = account.tokens_today().unzip();
    Ok(Diagnosis {
        out_of_sight: out_of_sight(is_admin),
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

async fn asked(account: &Account, object: &'static Object) -> Result<Answer, Failure> {
    let title = ObjectName::known(object.name).title();
    let price = object.single.map_or(u64::from(object.price), |single| u64::from(single.price));
    let too_dear = account.spent().tokens + price > FEE || price > 2;
    let offer = if too_dear { Offer::NotAsked } else { account.offers(object).await? };
    let (answer, why) = match offer {
        Offer::Offered => ("offered", None),
        Offer::NotOffered(words) => ("not offered", Some(words)),
        Offer::NotAsked => {
            ("not asked", Some(format!("a page costs {}", count(object.price.into(), "token", "tokens"))))
        }
    };
    Ok(Answer { object: title, answer, why })
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
