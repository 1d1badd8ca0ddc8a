//! The client against the sandbox, over the wire: whatever the catalogue says can be read and written is read and written.

use std::io::Write as _;

use pdbak::account::{Account, Allowance, Ask, Attached, Consent, Endpoint, Error, Position, Token};
use pdbak::catalogue::{ALL, KeyIn, Listing, Object, ObjectName, find};
use pdbak::clock::Clock;
use pdbak::record::{Key, Record};
use pdbak::sandbox::Options;
use serde_json::{Map, Value, json};

use crate::support::World;

fn object(name: &str) -> &'static Object {
    find(&ObjectName::new(name)).expect("an object of the catalogue")
}

fn body(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// All records of a list.
async fn walk(account: &Account, object: &'static Object, parents: &[Key]) -> Vec<Record> {
    let first = object.parts.map(|parts| (parts.parameter, parts.values[0].to_owned()));
    let mut records = Vec::new();
    for asked in 0..object.questions.len().max(1) {
        let question = object.questions.get(asked).into_iter().flat_map(|question| question.iter());
        let extra: Vec<(&str, String)> =
            question.map(|(name, value)| (*name, (*value).to_owned())).chain(first.clone()).collect();
        let mut ask = Ask { parents, extra: &extra, ..Ask::first(object) };
        loop {
            let page = account.page(&ask).await.unwrap_or_else(|error| panic!("{}: {error}", object.name));
            let parent = parents.first().filter(|_| parents.len() == 1);
            records.extend(page.rows.iter().map(|row| Record::read(object, parent, row).expect("a record")));
            let Some(next) = page.next else { break };
            ask.position = next;
        }
    }
    records
}

#[test]
fn every_list_of_the_catalogue_is_served_to_its_end() {
    let world = World::of(2_000);
    let account = world.account();
    world.run(async {
        // What was taken away has stories of its own.
        for object in ALL.iter().filter(|object| !object.is_removed()) {
            let records = match object.listing {
                Listing::Flat(_) | Listing::Within { .. } => walk(&account, object, &[]).await,
                Listing::Bulk { batch, parents, .. } => {
                    let parents = walk(&account, find(&ObjectName::new(parents[0])).expect("parents"), &[]).await;
                    let keys: Vec<Key> = parents.iter().map(|parent| parent.id().key.clone()).take(batch).collect();
                    walk(&account, object, &keys).await
                }
                Listing::Under { parents, .. } => {
                    let parents = walk(&account, find(&ObjectName::new(parents[0])).expect("parents"), &[]).await;
                    walk(&account, object, &[parents[0].id().key.clone()]).await
                }
                Listing::Derived { .. } => continue,
            };
            let under = !matches!(object.listing, Listing::Flat(_) | Listing::Within { .. });
            assert!(under || !records.is_empty(), "{} is empty", object.name);
            // Of two ids one may be a word.
            let paired = !matches!(object.key, KeyIn::Field(_));
            let pairs = records.iter().all(|record| record.id().key.to_string().contains(':') == paired);
            assert!(pairs, "{}: keys", object.name);
            // What was listed is also there by its own id.
            if let (Some(_), Some(record)) = (object.single, records.first()) {
                let one = account.one(object, &record.id().key).await.expect("an answer").expect("it is there");
                let key = record.id().key.to_string();
                let parent = key.split_once(':').map(|(parent, _)| Key::parse(parent));
                let one = Record::read(object, parent.as_ref(), &one).expect("a record");
                assert_eq!(one.id(), record.id(), "{}", object.name);
            }
        }
    });
}

#[test]
fn a_burst_of_pages_is_never_answered_with_429() {
    let world = World::with(Options { records: 500, burst: 40, ..Options::default() });
    let account = world.account();
    world.run(async {
        let ask = Ask { position: Position::Start, ..Ask::first(object("pipelines")) };
        let pages = futures_util::future::join_all((0..60).map(|_| account.page(&ask))).await;
        assert!(pages.into_iter().all(|page| page.is_ok()));
    });
    let log = world.call("GET", "/sandbox/log", None);
    let seen = log.as_array().or_else(|| log["requests"].as_array()).expect("a list");
    assert!(seen.len() >= 60 && seen.iter().all(|request| request["status"] == 200), "{log}");
    // Every request is counted at the price at which the service meters it.
    let meter = world.meter();
    assert_eq!(meter["requests"], account.spent().requests, "{meter}");
    assert_eq!(meter["tokens"], account.spent().tokens, "{meter}");
}

#[test]
fn an_answer_that_is_lost_leaves_one_record_and_a_doubt() {
    let world = World::of(500);
    let account = world.account();
    world.order(&["POST /api/v2/deals lose-answer"]);
    let title = "asked for once";
    let made = world.run(async {
        let consent = Consent::given();
        account.writer(&consent).create(object("deals"), None, &body(json!({"title": title}))).await
    });
    assert!(matches!(made, Err(Error::InDoubt(_))), "{made:?}");
    assert_eq!(world.judge().to_string().matches(title).count(), 1);
}

#[test]
fn what_hangs_on_a_deal_is_made_changed_and_taken_away() {
    let world = World::of(500);
    let account = world.account();
    world.run(async {
        let writer = account.writer(&Consent::given());
        let first = async |name: &str| walk(&account, object(name), &[]).await[0].fields()["id"].clone();
        let (user, person, product) = (first("users").await, first("persons").await, first("products").await);
        let deal = writer.create(object("deals"), None, &body(json!({"title": "x"}))).await.expect("a deal");
        let deal_key = Key::Number(deal["id"].as_u64().expect("an id"));
        let attached = [
            ("dealProducts", json!({"product_id": product, "item_price": 5, "quantity": 2})),
            ("dealParticipants", json!({"person_id": person})),
            ("dealFollowers", json!({"user_id": user})),
        ];
        for (name, fields) in attached {
            let object = object(name);
            let before = walk(&account, object, std::slice::from_ref(&deal_key)).await;
            // The service may make the owner a follower by itself.
            if before.is_empty() {
                writer.create(object, Some(&deal_key), &body(fields)).await.expect(name);
            }
            let made = walk(&account, object, std::slice::from_ref(&deal_key)).await;
            assert_eq!(made.len(), 1, "{name}");
            if object.update.is_some() {
                let changed = body(json!({"quantity": 3}));
                let row = writer.update(object, &made[0].id().key, &changed).await.expect(name);
                assert_eq!(row["quantity"], 3, "{name}");
            }
            assert!(writer.delete(object, &made[0].id().key, &Map::new()).await.expect(name), "{name}");
            assert!(walk(&account, object, std::slice::from_ref(&deal_key)).await.is_empty(), "{name}");
        }
        assert!(writer.delete(object("deals"), &deal_key, &Map::new()).await.expect("deleted"));
        let form = &object("deals").undelete[0];
        let back = writer.undelete(object("deals"), &deal_key, form).await.expect("an answer");
        assert_eq!((back["id"].clone(), back["is_deleted"].clone()), (deal["id"].clone(), json!(false)));
    });
}

#[test]
fn a_file_goes_up_and_comes_down_byte_for_byte() {
    let world = World::of(500);
    let account = world.account();
    let contents: Vec<u8> = (0..300_000_u32).flat_map(|number| number.to_le_bytes()).collect();
    let mut source = tempfile::NamedTempFile::new().expect("a file");
    source.write_all(&contents).expect("written");
    world.run(async {
        let files = object("files");
        let writer = account.writer(&Consent::given());
        let deal = walk(&account, object("deals"), &[]).await[0].fields()["id"].clone();
        let row = {
            let contents = Attached { name: "Angebot.pdf", path: source.path() };
            writer.upload(files, None, &body(json!({"deal_id": deal})), contents).await
        };
        let row = row.expect("a file");
        let key = Key::Number(row["id"].as_u64().expect("an id"));
        let mut received = Vec::new();
        let kept = files.contents.as_ref().expect("contents");
        let length = account.download(kept, &key, &mut received).await.expect("contents");
        assert_eq!((length, received == contents), (contents.len() as u64, true));
        let renamed = writer.update(files, &key, &body(json!({"name": "Angebot (2).pdf"}))).await.expect("renamed");
        assert_eq!(renamed["name"], "Angebot (2).pdf");
        assert!(writer.delete(files, &key, &Map::new()).await.expect("deleted"));
        assert!(matches!(account.download(kept, &key, &mut Vec::new()).await, Err(Error::Gone)));
        // Conditions come with an extended request; a filter that was deleted has none.
        let filters = object("filters");
        let filter = walk(&account, filters, &[]).await[0].id().key.clone();
        let fields = account.extended(filters, &filters.extended[0], &filter).await.expect("conditions");
        assert!(fields["conditions"].is_object());
    });
}

#[test]
fn a_wrong_token_and_a_refusal_are_named() {
    let world = World::of(500);
    let endpoint = Endpoint::parse(&world.url()).expect("an address");
    let wrong = Token::new("not-the-token-of-anybody".to_owned());
    let outcome = world.run(Account::connect(endpoint, wrong, Allowance::Unlimited, Clock::System));
    assert!(matches!(outcome, Err(Error::Unauthorised(_))));
    let account = world.account();
    let refused = world.run(async {
        let consent = Consent::given();
        account.writer(&consent).create(object("deals"), None, &body(json!({"title": "x", "value": "many"}))).await
    });
    let Err(Error::Refused { status, message, .. }) = refused else { panic!("{refused:?}") };
    assert!(status == 400 && message.contains("value"), "{message}");
}
