//! Statements about whole companies: every row is read back, every reference followed, every counter counted again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::sandbox::company::{Size, fill};
use crate::sandbox::row::{Content, Id, Sink};

mod counters;

type Row = Map<String, Value>;

#[derive(Default)]
struct Collected {
    rows: BTreeMap<&'static str, BTreeMap<Id, Row>>,
    contents: BTreeMap<(&'static str, Id), u64>,
    digest: blake3::Hasher,
}

impl Sink for Collected {
    fn row(&mut self, kind: &'static str, id: Id, row: &Row) {
        self.digest.update(format!("{kind} {id:?} {}\n", serde_json::to_string(row).unwrap()).as_bytes());
        let before = self.rows.entry(kind).or_default().insert(id.clone(), row.clone());
        assert!(before.is_none(), "{kind} {id:?} comes twice");
    }

    fn content(&mut self, kind: &'static str, id: Id, content: Content) {
        let Content::Made { size, .. } = content else { panic!("a generated file is made on each download") };
        self.contents.insert((kind, id), size);
    }
}

impl Collected {
    fn kind(&self, kind: &str) -> impl Iterator<Item = &Row> {
        self.rows.get(kind).into_iter().flat_map(BTreeMap::values)
    }

    fn has(&self, kind: &str, reference: &Value) -> bool {
        let id = match reference {
            Value::Number(number) => Id::Number(number.as_u64().unwrap()),
            Value::String(text) => Id::Text(text.as_str().into()),
            other => panic!("{other} is no reference"),
        };
        self.rows.get(kind).is_some_and(|rows| rows.contains_key(&id))
    }

    fn follow(&self, from: &str, row: &Row, member: &str, to: &str) {
        match row.get(member) {
            None | Some(Value::Null) => {}
            Some(reference) => assert!(self.has(to, reference), "{from}.{member} = {reference} is not in {to}"),
        }
    }
}

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).unwrap()
}

fn company(seed: u64, records: u64) -> Collected {
    let mut collected = Collected::default();
    fill(seed, &Size { records, counts: Vec::new() }, now(), &mut collected);
    collected
}

const COUNTED: &[&str] = &[
    "deals",
    "persons",
    "organizations",
    "products",
    "activities",
    "notes",
    "leads",
    "files",
    "dealProducts",
    "dealFollowers",
    "dealParticipants",
    "personFollowers",
    "organizationFollowers",
    "productFollowers",
];

/// Kinds that come on top of the size asked for.
const EXTRAS: &[&str] =
    &["organizationRelationships", "personPictures", "productVariations", "productImages", "noteComments"];

const SETTLED: &[&str] = &[
    "users",
    "currencies",
    "pipelines",
    "stages",
    "dealFields",
    "personFields",
    "organizationFields",
    "productFields",
    "activityFields",
    "noteFields",
    "activityTypes",
    "leadLabels",
    "filters",
    "webhooks",
    "roles",
    "roleSettings",
    "rolePipelines",
    "permissionSets",
    "legacyTeams",
    "goals",
    "callLogs",
    "userSettings",
    "userConnections",
    "leadSources",
];

#[test]
fn the_same_seed_gives_the_same_company() {
    assert_eq!(company(7, 5000).digest.finalize(), company(7, 5000).digest.finalize());
    assert_ne!(company(7, 50).digest.finalize(), company(8, 50).digest.finalize());
}

#[test]
fn a_company_has_as_many_records_as_asked() {
    for records in [50, 500, 5000, 30_000] {
        let made = company(3, records);
        // Mail comes on top, and so do its attachments.
        let attached = made.kind("files").filter(|row| row["mail_message_id"] != "").count();
        let count = COUNTED.iter().map(|kind| made.kind(kind).count()).sum::<usize>() - attached;
        assert!(count.abs_diff(records as usize) * 100 <= records as usize, "{count} rows of {records}");
    }
}

#[test]
fn the_smallest_company_has_every_kind() {
    for seed in 0..20 {
        let made = company(seed, 50);
        for kind in COUNTED.iter().chain(EXTRAS).chain(SETTLED).chain(&["mailThreads", "mailMessages"]) {
            assert!(made.kind(kind).count() > 0, "seed {seed} has no {kind}");
        }
        for kind in ["deals", "leads"] {
            assert!(made.kind(kind).any(|row| row["is_archived"] == true), "seed {seed} has no archived {kind}");
        }
    }
}

#[test]
fn a_newborn_account_has_nobodys_records() {
    let made = company(1, 0);
    for kind in COUNTED {
        assert_eq!(made.kind(kind).count(), 0, "{kind}");
    }
    assert_eq!(made.kind("users").count(), 1);
    assert_eq!(made.kind("webhooks").count(), 0);
    assert!(made.kind("dealFields").all(|field| field["is_custom_field"] == false));
    assert!(made.kind("stages").count() >= 3 && made.kind("activityTypes").count() >= 6);
}

#[test]
fn every_reference_between_people_points_to_a_row() {
    let made = company(7, 500);
    let references = [
        ("users", "role_id", "roles"),
        ("roles", "parent_role_id", "roles"),
        ("roleSettings", "role_id", "roles"),
        ("rolePipelines", "pipeline_id", "pipelines"),
        ("legacyTeams", "manager_id", "users"),
        ("callLogs", "activity_id", "activities"),
        ("callLogs", "deal_id", "deals"),
    ];
    for (from, member, to) in references {
        assert!(made.kind(from).next().is_some(), "{from}");
        made.kind(from).for_each(|row| made.follow(from, row, member, to));
    }
}

#[test]
fn every_reference_points_to_a_row() {
    let made = company(7, 5000);
    let references = [
        ("stages", "pipeline_id", "pipelines"),
        ("persons", "org_id", "organizations"),
        ("deals", "person_id", "persons"),
        ("deals", "org_id", "organizations"),
        ("deals", "stage_id", "stages"),
        ("deals", "pipeline_id", "pipelines"),
        ("deals", "creator_user_id", "users"),
        ("deals", "next_activity_id", "activities"),
        ("deals", "last_activity_id", "activities"),
        ("dealProducts", "deal_id", "deals"),
        ("dealProducts", "product_id", "products"),
        ("dealParticipants", "deal_id", "deals"),
        ("dealParticipants", "person_id", "persons"),
        ("dealFollowers", "deal_id", "deals"),
        ("personFollowers", "person_id", "persons"),
        ("organizationFollowers", "org_id", "organizations"),
        ("productFollowers", "product_id", "products"),
        ("leads", "person_id", "persons"),
        ("leads", "organization_id", "organizations"),
        ("leads", "next_activity_id", "activities"),
        ("filters", "user_id", "users"),
        ("webhooks", "owner_id", "users"),
        ("mailThreads", "user_id", "users"),
        ("mailThreads", "deal_id", "deals"),
        ("mailThreads", "lead_id", "leads"),
        ("mailMessages", "mail_thread_id", "mailThreads"),
        ("mailMessages", "deal_id", "deals"),
        ("mailMessages", "person_id", "persons"),
        ("mailMessages", "org_id", "organizations"),
    ];
    for (kind, member, to) in references {
        made.kind(kind).for_each(|row| made.follow(kind, row, member, to));
        assert!(made.kind(kind).any(|row| !row[member].is_null()), "{kind}.{member} is never set");
    }
    for kind in ["activities", "notes", "files"] {
        for (member, to) in
            [("deal_id", "deals"), ("lead_id", "leads"), ("person_id", "persons"), ("org_id", "organizations")]
        {
            made.kind(kind).for_each(|row| made.follow(kind, row, member, to));
            assert!(made.kind(kind).any(|row| !row[member].is_null()), "{kind}.{member} is never set");
        }
    }
    for file in made.kind("files") {
        made.follow("files", file, "product_id", "products");
        made.follow("files", file, "activity_id", "activities");
    }
    for kind in COUNTED.iter().filter(|kind| **kind != "dealProducts" && **kind != "dealParticipants") {
        for row in made.kind(kind) {
            made.follow(kind, row, "owner_id", "users");
            made.follow(kind, row, "user_id", "users");
        }
    }
    for activity in made.kind("activities") {
        for participant in activity["participants"].as_array().unwrap() {
            assert!(made.has("persons", &participant["person_id"]));
        }
        let linked = ["deal_id", "lead_id", "project_id"].iter().filter(|member| !activity[**member].is_null()).count();
        assert!(linked <= 1, "an activity hangs on one of deal, lead and project");
    }
    for lead in made.kind("leads") {
        assert!(lead["label_ids"].as_array().unwrap().iter().all(|label| made.has("leadLabels", label)));
    }
}

#[test]
fn a_deal_stands_in_a_stage_of_its_pipeline() {
    let made = company(7, 5000);
    for deal in made.kind("deals") {
        let stage = &made.rows["stages"][&Id::Number(deal["stage_id"].as_u64().unwrap())];
        assert_eq!(stage["pipeline_id"], deal["pipeline_id"]);
        assert!(!deal["person_id"].is_null() || !deal["org_id"].is_null());
        assert_eq!(deal["won_time"].is_string(), deal["status"] == "won");
        assert_eq!(deal["lost_time"].is_string(), deal["status"] == "lost");
        assert_eq!(deal["close_time"].is_string(), deal["status"] != "open");
        assert!(deal["lost_reason"].is_null() || deal["status"] == "lost");
        assert_eq!(deal["archive_time"].is_string(), deal["is_archived"] == true);
    }
}

#[test]
fn nothing_changed_before_it_was_added_or_after_now() {
    let made = company(7, 5000);
    for (kind, rows) in &made.rows {
        for row in rows.values() {
            let time = |member: &str| row.get(member).and_then(Value::as_str).map(|text| text.replace(['T', 'Z'], " "));
            let (Some(add), Some(update)) = (time("add_time"), time("update_time")) else { continue };
            assert!(add <= update, "{kind} {}: {add} > {update}", row["id"]);
            assert!(update.trim_end() <= now().format("%Y-%m-%d %H:%M:%S.999").to_string().as_str(), "{kind} {update}");
        }
    }
}

/// The shape that a value of a type has in v2. api/custom-fields.md, "Value shapes by type".
fn fits(made: &Collected, field: &Row, value: &Value) -> bool {
    let options: BTreeSet<u64> =
        field["options"].as_array().into_iter().flatten().map(|option| option["id"].as_u64().unwrap()).collect();
    let has = |parts: &[&str]| parts.iter().all(|part| value.get(part).is_some_and(|part| !part.is_null()));
    match field["field_type"].as_str().unwrap() {
        "varchar" | "varchar_auto" | "text" | "phone" | "date" => value.as_str().is_some_and(|text| !text.is_empty()),
        "double" => value.is_number(),
        "monetary" => value["value"].is_number() && made.kind("currencies").any(|row| row["code"] == value["currency"]),
        "enum" => value.as_u64().is_some_and(|id| options.contains(&id)),
        "set" => {
            let ids: Vec<u64> = value.as_array().unwrap().iter().map(|id| id.as_u64().unwrap()).collect();
            let distinct: BTreeSet<u64> = ids.iter().copied().collect();
            !ids.is_empty() && distinct.len() == ids.len() && distinct.is_subset(&options)
        }
        "user" => made.has("users", value),
        "org" => made.has("organizations", value),
        "people" => made.has("persons", value),
        "daterange" => has(&["value", "until"]),
        "time" => has(&["value", "timezone_id", "timezone_name"]),
        "timerange" => has(&["value", "until", "timezone_id", "timezone_name"]),
        "address" => has(&["value", "formatted_address", "country"]) && value.as_object().unwrap().len() == 11,
        other => panic!("{other}"),
    }
}

#[test]
fn custom_values_have_the_shape_of_their_type_and_deals_show_all_sixteen() {
    let made = company(7, 2000);
    let mut types = BTreeSet::new();
    for (kind, definitions) in [
        ("deals", "dealFields"),
        ("persons", "personFields"),
        ("organizations", "organizationFields"),
        ("products", "productFields"),
    ] {
        let custom: Vec<&Row> = made.kind(definitions).filter(|field| field["is_custom_field"] == true).collect();
        assert!(custom.len() >= 5, "{kind} have {} custom fields", custom.len());
        for row in made.kind(kind) {
            let values = row["custom_fields"].as_object().unwrap();
            assert_eq!(values.len(), custom.len(), "a live {kind} row carries every custom key");
            for field in &custom {
                let code = field["field_code"].as_str().unwrap();
                assert!(code.len() == 40 && code.bytes().all(|byte| byte.is_ascii_hexdigit()));
                let value = &values[code];
                assert!(
                    value.is_null() || fits(&made, field, value),
                    "{kind} {}: {value} as {}",
                    row["id"],
                    field["field_type"]
                );
                if kind == "deals" && !value.is_null() {
                    types.insert(field["field_type"].as_str().unwrap());
                }
            }
        }
    }
    assert_eq!(types.len(), 16, "{types:?}");
}

#[test]
fn leads_carry_deal_fields_flat_and_leave_unset_ones_out() {
    let made = company(7, 2000);
    let custom = |lead: &Row| -> Vec<String> { lead.keys().filter(|key| key.len() >= 40).cloned().collect() };
    let codes: Vec<&str> = made
        .kind("dealFields")
        .filter(|field| field["is_custom_field"] == true)
        .map(|field| field["field_code"].as_str().unwrap())
        .collect();
    let mut suffixed = 0;
    for lead in made.kind("leads") {
        for key in custom(lead) {
            assert!(codes.iter().any(|code| key == *code || key.starts_with(&format!("{code}_"))));
            assert!(!lead[&key].is_object() && !lead[&key].is_array());
            suffixed += usize::from(key.len() > 40);
        }
    }
    assert!(suffixed > 0 && made.kind("leads").any(|lead| custom(lead).is_empty()));
}

#[test]
fn filters_name_fields_and_options_by_number() {
    let made = company(7, 500);
    let mut conditions = Vec::new();
    for filter in made.kind("filters") {
        for group in filter["conditions"]["conditions"].as_array().unwrap() {
            conditions
                .extend(group["conditions"].as_array().unwrap().iter().map(|condition| condition["field_id"].clone()));
        }
    }
    let numbers: BTreeSet<String> = made
        .rows
        .iter()
        .filter(|(kind, _)| kind.ends_with("Fields"))
        .flat_map(|(_, rows)| rows.values())
        .map(|row| row["id"].to_string())
        .collect();
    assert!(!conditions.is_empty());
    assert!(conditions.iter().all(|id| numbers.contains(id.as_str().unwrap())));
}

#[test]
fn persons_organizations_and_deals_point_at_each_other_in_circles() {
    let made = company(7, 2000);
    let field = made.kind("organizationFields").find(|field| field["field_type"] == "people").unwrap();
    let code = field["field_code"].as_str().unwrap();
    let circles = made.kind("organizations").filter(|row| {
        let contact = row["custom_fields"][code].as_u64();
        contact.is_some_and(|contact| made.rows["persons"][&Id::Number(contact)]["org_id"] == row["id"])
    });
    assert!(circles.count() > 10);
}

#[test]
fn products_have_one_price_a_currency_and_files_have_contents() {
    let made = company(7, 5000);
    let mut most = 0;
    for product in made.kind("products") {
        let prices = product["prices"].as_array().unwrap();
        let currencies: BTreeSet<&str> = prices.iter().map(|price| price["currency"].as_str().unwrap()).collect();
        assert!(!prices.is_empty() && currencies.len() == prices.len());
        assert!(prices.iter().all(|price| price["product_id"] == product["id"]));
        most = most.max(prices.len());
    }
    assert_eq!(most, 4);
    for file in made.kind("files") {
        assert_eq!(
            made.contents[&("files", Id::Number(file["id"].as_u64().unwrap()))],
            file["file_size"].as_u64().unwrap()
        );
    }
}

#[test]
fn every_member_of_a_record_is_one_of_its_fields() {
    let made = company(7, 500);
    for (kind, definitions) in [
        ("deals", "dealFields"),
        ("persons", "personFields"),
        ("organizations", "organizationFields"),
        ("products", "productFields"),
        ("activities", "activityFields"),
    ] {
        let codes: BTreeSet<&str> = made.kind(definitions).map(|field| field["field_code"].as_str().unwrap()).collect();
        // Parts of another field, and members that no field describes.
        let parts = ["custom_fields", "participants", "attendees"];
        let unknown = |key: &&String| {
            !codes.contains(key.as_str()) && !parts.contains(&key.as_str()) && !key.starts_with("conference_")
        };
        let row = made.kind(kind).next().unwrap();
        assert_eq!(row.keys().filter(unknown).collect::<Vec<_>>(), Vec::<&String>::new(), "{kind}");
    }
}
