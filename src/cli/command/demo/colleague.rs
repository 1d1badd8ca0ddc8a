//! Somebody with access and a bad day: causes the accident, with a client of the demo's own.
//!
//! It shares nothing with the account client, so that what pdbak believes about
//! the service is not what makes its own test pass.

use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::show::count;

/// Deals edited in bulk.
const DEALS: usize = 40;
/// Organizations deleted.
const ORGANIZATIONS: u64 = 3;
/// Junk deals and junk persons.
const JUNK: usize = 5;

/// A client with a token.
pub(super) struct Colleague<'a> {
    client: Client,
    url: &'a str,
    token: &'a str,
}

impl<'a> Colleague<'a> {
    pub(super) fn new(url: &'a str, token: &'a str) -> Colleague<'a> {
        Colleague { client: Client::new(), url, token }
    }

    /// What the service says to a request; its `data`.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let failed = |error: reqwest::Error| {
            Failure::from_error(Exit::Failed, &error.without_url()).while_doing("cause the accident")
        };
        let request = self.client.request(method, format!("{}{path}", self.url)).header("x-api-token", self.token);
        let request = if let Some(body) = body { request.json(body) } else { request };
        let answer = request.send().await.map_err(failed)?;
        let mut answer: Value = answer.error_for_status().map_err(failed)?.json().await.map_err(failed)?;
        Ok(answer["data"].take())
    }

    async fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        match self.call(Method::GET, path, None).await? {
            Value::Array(rows) => Ok(rows),
            _ => Ok(Vec::new()),
        }
    }

    /// The whole accident; answers what was done, in words.
    pub(super) async fn cause_the_accident(&self) -> Result<Vec<String>, Failure> {
        Ok(vec![
            self.edit_deals().await?,
            self.delete_organizations().await?,
            self.edit_product().await?,
            self.add_junk().await?,
        ])
    }

    /// A spreadsheet with shifted columns, imported over the open deals.
    async fn edit_deals(&self) -> Result<String, Failure> {
        let stages = self.list("/api/v2/stages").await?;
        let deals = self.list("/api/v2/deals?status=open&limit=200").await?;
        let mut edited = 0;
        for deal in deals.iter().take(DEALS) {
            let same = |stage: &&Value| stage["pipeline_id"] == deal["pipeline_id"] && stage["id"] != deal["stage_id"];
            let stage = stages.iter().find(same).map_or(&deal["stage_id"], |stage| &stage["id"]);
            let body =
                json!({"title": format!("IMPORT {}", edited + 2), "stage_id": stage, "expected_close_date": null});
            self.call(Method::PATCH, &format!("/api/v2/deals/{}", deal["id"]), Some(&body)).await?;
            edited += 1;
        }
        Ok(format!(
            "{} got the title of a spreadsheet's row, another stage and no closing date",
            count(edited, "deal", "deals")
        ))
    }

    /// Organizations that have persons and notes, with all of them.
    async fn delete_organizations(&self) -> Result<String, Failure> {
        let rows =
            self.list("/api/v2/organizations?limit=100&include_fields=people_count,notes_count,files_count").await?;
        let some = |row: &Value, counter: &str| row[counter].as_u64() > Some(0);
        // Nothing that hangs on files: no call of the service links a file again, and the demo is to end well.
        let busy = rows
            .iter()
            .filter(|row| some(row, "people_count") && some(row, "notes_count") && !some(row, "files_count"));
        let (mut organizations, mut persons, mut notes) = (0, 0, 0);
        for id in busy.map(|row| &row["id"]) {
            if organizations == ORGANIZATIONS {
                break;
            }
            let people = self.list(&format!("/api/v2/persons?org_id={id}&limit=100")).await?;
            for note in self.list(&format!("/api/v1/notes?org_id={id}&limit=100")).await? {
                self.call(Method::DELETE, &format!("/api/v1/notes/{}", note["id"]), None).await?;
                notes += 1;
            }
            for person in people {
                self.call(Method::DELETE, &format!("/api/v2/persons/{}", person["id"]), None).await?;
                persons += 1;
            }
            self.call(Method::DELETE, &format!("/api/v2/organizations/{id}"), None).await?;
            organizations += 1;
        }
        let organizations = count(organizations, "organization", "organizations");
        let (persons, notes) = (count(persons, "person", "persons"), count(notes, "note", "notes"));
        Ok(format!("{organizations} deleted, with {persons} and {notes}"))
    }

    /// A product renamed and repriced; the added price is the one good thing of the day, and has to stay.
    async fn edit_product(&self) -> Result<String, Failure> {
        let products = self.list("/api/v2/products?limit=50").await?;
        let priced = |product: &&Value| product["prices"].as_array().is_some_and(|prices| !prices.is_empty());
        let Some(product) = products.iter().find(priced) else {
            return Ok("no product has a price, so none was edited".to_owned());
        };
        let price =
            |price: &Value| json!({"currency": price["currency"], "price": price["price"], "cost": price["cost"]});
        let mut prices: Vec<Value> = product["prices"].as_array().into_iter().flatten().map(price).collect();
        let taken = |code: &&str| prices.iter().any(|price| price["currency"] == *code);
        let added = ["CHF", "CAD", "PLN", "USD"].into_iter().find(|code| !taken(code)).unwrap_or("EUR");
        prices[0]["price"] = json!(1);
        prices.push(json!({"currency": added, "price": 99.5, "cost": 0}));
        let body = json!({"name": "do not use", "prices": prices});
        self.call(Method::PATCH, &format!("/api/v2/products/{}", product["id"]), Some(&body)).await?;
        let name = product["name"].as_str().unwrap_or_default();
        Ok(format!("product \"{name}\" renamed and sold for 1; it also gained a price in {added}, which is right"))
    }

    async fn add_junk(&self) -> Result<String, Failure> {
        for number in 1..=JUNK {
            self.call(Method::POST, "/api/v2/deals", Some(&json!({"title": format!("asdf {number}")}))).await?;
            self.call(Method::POST, "/api/v2/persons", Some(&json!({"name": format!("Test Test {number}")}))).await?;
        }
        Ok(format!("{JUNK} junk deals and {JUNK} junk persons added"))
    }
}
