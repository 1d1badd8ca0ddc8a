//! What filters match, and what they say about mistakes.

use serde_json::{Value, json};

use super::{Filter, Unbound};
use crate::archive::Error;
use crate::catalogue::ObjectName;
use crate::diff::names::{Book, Names, Rows};
use crate::record::{Record, RecordId};

const SIZE: &str = "0123456789012345678901234567890123456789";
const BUDGET: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";

/// A few rows.
struct Shelf(Vec<Record>);

impl Book for Shelf {
    fn objects(&self) -> Vec<ObjectName> {
        let mut objects: Vec<ObjectName> = self.0.iter().map(|record| record.id().object.clone()).collect();
        objects.dedup();
        objects
    }

    fn rows(&self, object: &ObjectName) -> Result<Rows<'_>, Error> {
        let object = object.clone();
        Ok(Box::new(self.0.iter().filter(move |record| record.id().object == object).cloned().map(Ok)))
    }

    fn row(&self, id: &RecordId) -> Result<Option<Record>, Error> {
        Ok(self.0.iter().find(|record| record.id() == id).cloned())
    }
}

fn record(id: &str, row: &Value) -> Record {
    Record::new(RecordId::parse(id).expect("an id"), row.as_object().expect("an object"))
}

/// A small company: deals 1 to 4, and what they point to.
fn company() -> Shelf {
    let field = |code: &str, name: &str, kind: &str, options: &Value| {
        let row = json!({"field_code": code, "field_name": name, "field_type": kind, "options": options});
        record(&format!("dealFields/{code}"), &row)
    };
    let deal = |id: u64, row: &Value| record(&format!("deals/{id}"), row);
    Shelf(vec![
        field("title", "Title", "varchar", &json!(null)),
        field("value", "Value", "monetary", &json!(null)),
        field("notes_count", "Number of notes", "int", &json!(null)),
        field("person_id", "Contact person", "people", &json!(null)),
        field("stage_id", "Stage", "stage", &json!(null)),
        field(SIZE, "Size", "set", &json!([{"id": 7, "label": "Small"}, {"id": 8, "label": "Large"}])),
        field(BUDGET, "Budget", "monetary", &json!(null)),
        record("persons/11", &json!({"id": 11, "name": "Zoë Müller"})),
        record("stages/3", &json!({"id": 3, "name": "Offer sent"})),
        record("users/5", &json!({"id": 5, "name": "Kim"})),
        deal(
            1,
            &json!({"title": "Ten chairs", "value": 12000, "status": "open", "owner_id": 5, "person_id": 11,
            "stage_id": 3, "add_time": "2026-01-31T23:59:59Z", "label_ids": [1, 2], "is_archived": false,
            "custom_fields": {SIZE: [7, 8], BUDGET: {"value": 50, "currency": "EUR"}}}),
        ),
        deal(
            2,
            &json!({"title": "A table, round", "value": 10000, "status": "won", "owner_id": 6, "person_id": null,
            "stage_id": 4, "add_time": "2026-02-01 00:00:00", "label_ids": [], "is_archived": true,
            "custom_fields": {SIZE: [8], BUDGET: {"value": 5000, "currency": "USD"}}}),
        ),
        deal(
            3,
            &json!({"title": "Chairs \"again\"", "value": null, "status": "open", "owner_id": 6, "person_id": 12,
            "stage_id": 3, "add_time": "2026-03-01T10:00:00Z", "label_ids": [2], "is_archived": false}),
        ),
        deal(
            4,
            &json!({"title": "", "value": "15000.50", "status": "Lost", "owner_id": 5, "person_id": 11,
            "stage_id": 3, "add_time": null, "label_ids": null, "is_archived": false}),
        ),
    ])
}

/// The deals that pass, or what is said.
fn passing(text: &str) -> Result<Vec<u64>, String> {
    let company = company();
    let names = Names::of(&company).expect("names");
    let deals = ObjectName::known("deals");
    let filter = Filter::parse(text).map_err(|error| error.to_string())?;
    let sieve = filter.on(&names, &deals).map_err(|error| match error {
        Unbound::Field(error) => error.to_string(),
        Unbound::Archive(error) => panic!("{error}"),
    })?;
    let rows = company.rows(&deals).expect("rows").map(|row| row.expect("a row"));
    let found = rows.filter(|row| sieve.passes(&names, row));
    Ok(found.map(|row| row.id().key.to_string().parse().expect("a number")).collect())
}

#[test]
fn records_are_found_by_what_is_in_them() {
    for (text, found) in [
        ("value > 10000", &[1, 4][..]),
        ("value >= 10000", &[1, 2, 4]),
        ("value < 12000", &[2]),
        ("value <= 12000", &[1, 2]),
        ("value = 15000.5", &[4]),
        ("value = null", &[3]),
        ("value != null and status = \"OPEN\"", &[1]),
        ("status = 'open' or value = 10000 and status = 'lost'", &[1, 3]),
        ("(status = 'open' or value = 10000) and not value = 12000", &[2, 3]),
        ("status in (\"won\", \"lost\")", &[2, 4]),
        ("status NOT IN ('won', 'lost')", &[1, 3]),
        ("title contains 'CHAIR'", &[1, 3]),
        ("title not contains 'chair'", &[2, 4]),
        ("Title = \"Chairs \\\"again\\\"\"", &[3]),
        ("title = null", &[4]),
        ("label_ids = 2", &[1, 3]),
        ("label_ids = null", &[2, 4]),
        ("is_archived = true", &[2]),
        ("add_time = 2026-01-31", &[1]),
        ("add_time > 2026-01-31", &[2, 3]),
        ("add_time >= 2026-02-01 and add_time <= 2026-02-01", &[2]),
        ("add_time < 2026-02-01", &[1]),
        ("add_time = 2026-03-01T10:00:00Z", &[3]),
        ("add_time != 2026-03-01", &[1, 2, 4]),
    ] {
        assert_eq!(passing(text).as_deref(), Ok(found), "{text}");
    }
}

#[test]
fn fields_and_values_go_by_the_names_that_people_read() {
    for (text, found) in [
        ("Stage = \"offer sent\"", &[1, 3, 4][..]),
        ("stage_id = 3", &[1, 3, 4]),
        ("owner_id = \"Kim\"", &[1, 4]),
        ("\"Contact person\" = \"Zoë Müller\"", &[1, 4]),
        ("'contact person' contains 'müller'", &[1, 4]),
        ("\"Contact person\" = 12", &[3]),
        ("Size = \"large\"", &[1, 2]),
        ("Size = 'Small' and Size = 'Large'", &[1]),
        ("Size = null", &[3, 4]),
        ("Budget > 1000", &[2]),
        ("Budget.currency = 'eur'", &[1]),
        (&format!("{SIZE} = 8"), &[1, 2]),
    ] {
        assert_eq!(passing(text).as_deref(), Ok(found), "{text}");
    }
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (text, at, told) in [
        ("", 0, "the name of a field was expected, not the end"),
        ("value", 5, "one of = != < <= > >= in contains was expected, not the end"),
        ("value >", 7, "a value was expected, not the end"),
        ("value > 5 status = 'x'", 10, "\"and\", \"or\" or the end was expected, not status"),
        ("status = open", 9, "a value was expected, not open; texts are written in quotes: \"open\""),
        (
            "contact person = 5",
            8,
            "a sign such as = was expected after contact; a name of several words is written in quotes: \"contact person …\"",
        ),
        ("(value > 5", 10, "\")\" was expected, not the end"),
        ("status in 'open'", 10, "\"(\" was expected, not \"open\""),
        ("status in ('open'", 17, "\",\" or \")\" was expected, not the end"),
        ("title > 'm'", 8, "> compares numbers and dates"),
        ("title contains 5", 15, "a text in quotes was expected, not 5"),
        ("title = \"abc", 8, "the quote is not closed"),
        ("value > 1 and vlaue < 5", 14, "unknown field vlaue of Deals; did you mean value?"),
        ("\"Contact preson\" = 5", 0, "unknown field Contact preson of Deals; did you mean \"Contact person\"?"),
        (
            "\"number of notes\" = 5",
            0,
            "Deals are kept without number of notes, which the service counts anew each time",
        ),
        ("zzzz = 5", 0, "unknown field zzzz of Deals"),
        ("value = 2026-13-01", 8, "a value was expected, not 2026-13-01; texts are written in quotes: \"2026-13-01\""),
    ] {
        let told = format!("{told}\n    {text}\n    {:at$}^", "");
        assert_eq!(passing(text), Err(told), "{text}");
    }
    assert!(passing("\"Zoë\" contains 5").expect_err("no text").ends_with("\n                   ^"));
}

#[test]
fn no_expression_exhausts_the_stack() {
    for deep in ["(".repeat(100_000), "not ".repeat(100_000)] {
        let told = passing(&deep).expect_err("too deep");
        assert!(told.starts_with("nested deeper than 50 levels"), "{}", &told[..80]);
    }
    let long = vec!["value = 1"; 20_000].join(" or ");
    assert_eq!(passing(&long).as_deref(), Ok(&[][..]));
}
