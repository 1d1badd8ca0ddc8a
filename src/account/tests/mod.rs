//! Stories over a real socket: what the service does, and what the caller gets.

mod tls;

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::retry::Patience;
use super::scripted::{Reply, Scripted};
use super::*;
use crate::catalogue::{ObjectName, find};

const TOKEN: &str = "0123456789abcdef0123456789abcdef01234567";

const ME: &str = r#"{"success":true,"data":{"id":9,"name":"Kim","company_id":4711,"company_name":"Acme",
    "company_domain":"acme","access":[{"app":"sales","admin":true}]}}"#;

/// As patient as in earnest, without the pauses.
const AT_ONCE: Patience = Patience { first: Duration::ZERO, longest: Duration::ZERO, ..Patience::LONG };

fn object(name: &str) -> &'static Object {
    find(&ObjectName::new(name)).expect("an object of the catalogue")
}

fn body(value: Value) -> Map<String, Value> {
    value.as_object().expect("an object").clone()
}

/// An account whose service answers `users/me` and then these.
async fn account(replies: impl IntoIterator<Item = Reply>) -> (Scripted, Account) {
    let service = Scripted::new([Reply::good(ME)].into_iter().chain(replies)).await;
    let account = open(&service).await.expect("an account");
    (service, account)
}

fn pass(token: &str) -> Pass {
    Pass::new(Token::new(token.to_owned()).into(), Clock::System).expect("a header")
}

async fn open(service: &Scripted) -> Result<Account, Error> {
    let endpoint = Endpoint::parse(&service.url)?;
    let wire = Wire::new(endpoint, pass(TOKEN))?;
    Account::over(wire, Allowance::Unlimited, Clock::System, (AT_ONCE, AT_ONCE)).await
}

/// What the list of deals comes to when the service answers with these.
async fn listed(replies: impl IntoIterator<Item = Reply>) -> (usize, Result<Page, Error>) {
    let (service, account) = account(replies).await;
    let page = account.page(&Ask::first(object("deals"))).await;
    (service.asked().len() - 1, page)
}

/// What creating a deal comes to when the service answers with these, and how often it was asked.
async fn created(replies: impl IntoIterator<Item = Reply>) -> (usize, Result<Map<String, Value>, Error>) {
    let (service, account) = account(replies).await;
    let writer = account.writer(&Consent::given());
    let made = writer.create(object("deals"), None, &body(json!({"title": "x"}))).await;
    (service.asked().len() - 1, made)
}

const DEALS: &str = r#"{"success":true,"data":[{"id":1},{"id":2}],"additional_data":{"next_cursor":"b"}}"#;
const DEAL: &str = r#"{"success":true,"data":{"id":7,"title":"x"}}"#;

#[tokio::test]
async fn the_account_says_whose_it_is() {
    let (service, account) = account([]).await;
    assert_eq!(account.identity().company_name, "Acme");
    assert_eq!((account.identity().company_id, account.identity().user_id), (4711, 9));
    assert!(account.identity().is_admin);
    assert_eq!(service.lines(), ["GET /api/v1/users/me"]);
    assert_eq!(account.spent(), Spent { requests: 1, tokens: 2 });
}

#[tokio::test]
async fn the_token_stands_in_one_header_and_nowhere_else() {
    let (service, account) = account([Reply::good(DEALS)]).await;
    account.page(&Ask::first(object("deals"))).await.expect("a page");
    let asked = service.asked();
    assert!(asked[1].headers.contains(&format!("x-api-token: {TOKEN}")));
    assert_eq!(asked[1].headers.matches(TOKEN).count(), 1);
    assert!(asked.iter().all(|asked| !asked.line.contains(TOKEN)));
}

#[tokio::test]
async fn a_list_is_walked_page_by_page() {
    let last = r#"{"success":true,"data":[{"id":3}],"additional_data":{"next_cursor":null}}"#;
    let (service, account) = account([Reply::good(DEALS), Reply::good(last)]).await;
    let mut ask = Ask::first(object("deals"));
    let first = account.page(&ask).await.expect("a page");
    assert_eq!(first.rows.len(), 2);
    ask.position = first.next.expect("a next page");
    let second = account.page(&ask).await.expect("a page");
    assert_eq!((second.rows[0].get(), second.next), (r#"{"id":3}"#, None));
    assert!(service.lines()[2].ends_with("&limit=500&cursor=b"), "{:?}", service.lines());
    assert_eq!(account.spent(), Spent { requests: 3, tokens: 22 });
}

#[tokio::test]
async fn faults_that_pass_are_waited_out() {
    // 500, 503, a cut answer, no answer at all, and a 429 in between.
    let faults = [
        Reply::json(500, r#"{"success":false,"error":"oops"}"#),
        Reply::html(503),
        Reply::good(DEALS).cut(),
        Reply::hang_up(),
        Reply::json(429, r#"{"success":false,"error":"request over limit"}"#).with("retry-after", "0"),
    ];
    let (asked, page) = listed(faults.into_iter().chain([Reply::good(DEALS)])).await;
    assert_eq!((asked, page.expect("a page").rows.len()), (6, 2));
}

#[tokio::test]
async fn faults_that_stay_are_named() {
    let told = |reply: Reply| async move {
        let (asked, page) = listed(vec![reply; 9]).await;
        (asked, page.expect_err("no page").to_string())
    };
    // A server that stays ill: six tries, then its words.
    let ill = told(Reply::json(500, r#"{"success":false,"error":"oops"}"#)).await;
    assert_eq!(ill, (6, "cannot reach the service: 500: oops".to_owned()));
    // A connection that always breaks.
    let (asked, broken) = told(Reply::good(DEALS).cut()).await;
    assert!(asked == 6 && broken.starts_with("garbled answer: the answer ended after 81 bytes"), "{broken}");
    let (asked, silent) = told(Reply::hang_up()).await;
    assert!(asked == 6 && silent.starts_with("cannot reach the service:"), "{silent}");
    // HTML or half a document with status 200: one more try, for it may have been a deployment.
    let page = told(Reply::html(200)).await;
    assert_eq!(page, (2, "garbled answer: an HTML page instead of JSON".to_owned()));
    let half = told(Reply::good(r#"{"success":true,"data":[{"id":1}"#)).await;
    assert_eq!(half, (2, "garbled answer: the JSON ends too early at line 1 column 32".to_owned()));
    let text = told(Reply::good(r#"{"success":true,"data":"Kim"}"#)).await;
    assert_eq!(text.0, 2);
    assert!(!text.1.contains("Kim"), "{}", text.1);
    // What the service does not offer is asked for once.
    let missing = told(Reply::json(402, r#"{"success":false,"error":"Payment required"}"#)).await;
    assert_eq!(missing, (1, "not offered: 402: Payment required".to_owned()));
    // The block page for clients that ignored 429 is not provoked further.
    let blocked = told(Reply::html(403)).await;
    assert_eq!(blocked, (1, "garbled answer: status 403 with an HTML page instead of JSON".to_owned()));
    let (asked, refused) = told(Reply::json(400, r#"{"success":false,"error":"bad cursor"}"#)).await;
    assert_eq!((asked, refused.as_str()), (1, "refused: bad cursor"));
}

#[tokio::test]
async fn a_wrong_token_is_named_and_not_repeated() {
    let words = format!(r#"{{"success":false,"error":"unauthorized access {TOKEN}","errorCode":401}}"#);
    let service = Scripted::new([Reply::json(401, &words)]).await;
    let error = open(&service).await.err().expect("no account");
    assert_eq!(error.to_string(), "unauthorised: unauthorized access ***");
    assert!(matches!(error, Error::Unauthorised(_)));
}

#[tokio::test]
async fn a_service_that_is_no_pipedrive_is_named() {
    let service = Scripted::new([Reply::html(404), Reply::html(404)]).await;
    assert_eq!(open(&service).await.err().expect("no account").to_string(), "not offered: 404: an HTML page");
}

#[tokio::test]
async fn nobody_listens() {
    let address = Scripted::new([]).await.url.replace("127.0.0.1", "127.77.77.77");
    let wire = Wire::new(Endpoint::parse(&address).expect("an address"), pass("t")).expect("a wire");
    let outcome = Account::over(wire, Allowance::Unlimited, Clock::System, (AT_ONCE, AT_ONCE)).await;
    let error = outcome.err().expect("no account").to_string();
    assert!(error.starts_with("cannot reach the service: ") && error.contains("refused"), "{error}");
}

#[tokio::test]
async fn an_unknown_host_is_named() {
    let endpoint = Endpoint::parse("https://nobody.invalid").expect("an address");
    let wire = Wire::new(endpoint, pass("t")).expect("a wire");
    let outcome = Account::over(wire, Allowance::Unlimited, Clock::System, (AT_ONCE, AT_ONCE)).await;
    assert_eq!(outcome.err().expect("no account").to_string(), "cannot reach the service: unknown host");
}

#[tokio::test]
async fn the_day_s_tokens_end_the_run_and_not_the_patience() {
    let spent = Reply::json(429, r#"{"success":false,"error":"request over limit"}"#)
        .with("x-daily-ratelimit-token-limit", "30000")
        .with("x-daily-ratelimit-token-remaining", "0");
    let (asked, page) = listed(vec![spent; 3]).await;
    assert!(asked == 1 && matches!(page, Err(Error::BudgetSpent(_))), "{page:?}");
    // Without the header the service is believed when it goes on saying no.
    let (asked, page) = listed(vec![Reply::json(429, "{}").with("retry-after", "0"); 9]).await;
    assert!(asked == 6 && matches!(page, Err(Error::BudgetSpent(_))), "{page:?}");
    // What it asks to wait for is longer than anybody waits.
    let (asked, page) = listed([Reply::json(429, "{}").with("retry-after", "3600")]).await;
    assert!(asked == 1 && matches!(page, Err(Error::BudgetSpent(_))), "{page:?}");
}

#[tokio::test]
async fn a_run_spends_its_share_and_stops() {
    let counted = |left: u32, body: &str| {
        let reply = Reply::good(body).with("x-daily-ratelimit-token-limit", "30000");
        reply.with("x-daily-ratelimit-token-remaining", &left.to_string())
    };
    let service = Scripted::new([counted(50, ME), counted(40, DEALS), counted(30, DEALS), counted(20, DEALS)]).await;
    let wire = Wire::new(Endpoint::parse(&service.url).expect("an address"), pass(TOKEN)).expect("a wire");
    let account = Account::over(wire, Allowance::Share(0.5), Clock::System, (AT_ONCE, AT_ONCE)).await.expect("open");
    assert_eq!(account.tokens_today(), Some((50, 30_000)));
    let ask = Ask::first(object("deals"));
    for _ in 0..2 {
        account.page(&ask).await.expect("within the share");
    }
    assert!(matches!(account.page(&ask).await, Err(Error::BudgetSpent(_))));
    assert_eq!((account.spent(), service.left()), (Spent { requests: 3, tokens: 22 }, 1));
}

#[tokio::test]
async fn the_day_s_writes_end_the_run_before_the_service_refuses_them() {
    let last = Reply::good(DEALS).with("x-daily-requests-left", "0");
    let (service, account) = account([last, Reply::good(DEALS)]).await;
    let ask = Ask::first(object("deals"));
    account.page(&ask).await.expect("a page");
    let (writer, body) = (account.writer(&Consent::given()), Map::new());
    assert!(matches!(writer.create(object("notes"), None, &body).await, Err(Error::BudgetSpent(_))));
    assert_eq!(service.left(), 1);
    account.page(&ask).await.expect("reading goes on");
}

#[tokio::test]
async fn the_service_s_clock_counts_and_a_pause_may_be_a_moment_of_it() {
    let date = "Mon, 23 Nov 2026 18:00:00 GMT";
    let busy = Reply::json(429, "{}").with("date", date).with("retry-after", "Mon, 23 Nov 2026 21:00:00 GMT");
    let (_service, account) = account([busy]).await;
    let Err(Error::BudgetSpent(until)) = account.page(&Ask::first(object("deals"))).await else { panic!("spent") };
    assert_eq!(until.format("%F %H:%M").to_string(), "2026-11-23 21:00");
    assert_eq!(account.now().format("%F %H").to_string(), "2026-11-23 18");
}

#[tokio::test]
async fn one_record_is_there_or_not() {
    let gone = r#"{"success":false,"error":"Deal not found"}"#;
    let deleted = [Reply::good(DEAL), Reply::json(404, gone), Reply::json(410, gone)];
    let (service, account) = account(deleted).await;
    let key = Key::Number(7);
    let row = account.one(object("deals"), &key).await.expect("an answer").expect("a deal");
    assert_eq!(row.get(), r#"{"id":7,"title":"x"}"#);
    assert!(account.one(object("deals"), &key).await.expect("an answer").is_none());
    assert!(account.one(object("deals"), &key).await.expect("an answer").is_none());
    // Of the list's parameters the call for one record knows only this one; v2 refuses others.
    assert!(service.lines()[1].starts_with("GET /api/v2/deals/7?include_fields="), "{:?}", service.lines());
    assert!(!service.lines()[1].contains("sort_by"));
    // A key that cannot be one does not become another call.
    assert!(account.one(object("deals"), &Key::Text("..".into())).await.expect("an answer").is_none());
}

#[tokio::test]
async fn some_records_are_read_by_id_and_what_is_gone_is_left_out() {
    let found = r#"{"success":true,"data":[{"id":7}],"additional_data":{"next_cursor":null}}"#;
    let (service, account) = account([Reply::good(found)]).await;
    let rows = account.many(object("deals"), &[Key::Number(7), Key::Number(8)]).await.expect("rows");
    assert_eq!(rows.len(), 1);
    assert!(service.lines()[1].contains("ids=7%2C8"), "{:?}", service.lines());
    assert!(matches!(account.many(object("notes"), &[Key::Number(7)]).await, Err(Error::NoSuchCall { .. })));
}

#[tokio::test]
async fn a_list_under_a_parent_that_vanished_is_gone_and_not_unoffered() {
    let (_service, account) = account([Reply::json(404, r#"{"success":false,"error":"Deal not found"}"#)]).await;
    let parents = [Key::Number(7)];
    let ask = Ask { parents: &parents, ..Ask::first(object("dealFollowers")) };
    assert!(matches!(account.page(&ask).await, Err(Error::Gone)));
}

#[tokio::test]
async fn an_extended_request_brings_its_fields_and_no_others() {
    let filter = r#"{"success":true,"data":{"id":3,"name":"x","conditions":{"glue":"and"}}}"#;
    let (service, account) = account([Reply::good(filter)]).await;
    let filters = object("filters");
    let fields = account.extended(filters, &filters.extended[0], &Key::Number(3)).await.expect("fields");
    assert_eq!(Value::Object(fields), json!({"conditions": {"glue": "and"}}));
    assert_eq!(service.lines()[1], "GET /api/v1/filters/3?include_field_code=true");
}

#[tokio::test]
async fn an_extended_request_under_a_parent_is_asked_by_the_record_s_own_id_and_says_what_is_not_there() {
    let (service, account) = account([Reply::good(r#"{"success":true,"data":{"id":3,"subject":"x"}}"#)]).await;
    let messages = object("mailMessages");
    let fields = account.extended(messages, &messages.extended[0], &Key::Pair(7, 3)).await.expect("fields");
    assert_eq!(Value::Object(fields), json!({"body": null}));
    assert_eq!(service.lines()[1], "GET /api/v1/mailbox/mailMessages/3?include_body=1");
}

#[tokio::test]
async fn contents_arrive_whole_in_spite_of_a_broken_connection() {
    let contents = object("files").contents.as_ref().expect("contents");
    let bytes: Vec<u8> = (0..200_000_u32).map(|number| (number % 251) as u8).collect();
    let replies = [
        Reply::good("").body(bytes[..1_000].to_vec()).cut(),
        Reply::json(502, "{}"),
        Reply::good("").body(bytes.clone()),
    ];
    let (_service, account) = account(replies).await;
    let mut received = Vec::new();
    let length = account.download(contents, &Key::Number(5), &mut received).await.expect("contents");
    assert_eq!((length, received == bytes), (200_000, true));
    assert_eq!(account.spent(), Spent { requests: 4, tokens: 62 });
}

#[tokio::test]
async fn a_download_is_followed_without_the_token() {
    let contents = object("files").contents.as_ref().expect("contents");
    let storage = Scripted::new([Reply::good("").body(b"hello".to_vec())]).await;
    let away = Reply::json(302, "").with("location", &format!("{}/bucket/5?signature=x", storage.url));
    let (service, account) = account([away]).await;
    let mut received = Vec::new();
    account.download(contents, &Key::Number(5), &mut received).await.expect("contents");
    assert_eq!(received, b"hello");
    assert!(service.asked()[1].headers.contains("x-api-token"));
    let followed = &storage.asked()[0];
    assert_eq!(followed.line, "GET /bucket/5?signature=x");
    assert!(!followed.headers.contains("x-api-token") && !followed.headers.contains(TOKEN), "{}", followed.headers);
}

#[tokio::test]
async fn a_download_is_not_followed_into_the_clear() {
    let contents = object("files").contents.as_ref().expect("contents");
    let away = Reply::json(302, "").with("location", "http://storage.example/5");
    let (_service, account) = account([away]).await;
    let error = account.download(contents, &Key::Number(5), &mut Vec::new()).await.expect_err("no contents");
    assert_eq!(error.to_string(), "cannot reach the service: redirected to an address without TLS");
}

#[tokio::test]
async fn contents_that_are_gone_are_gone() {
    let contents = object("files").contents.as_ref().expect("contents");
    let (_service, account) = account([Reply::json(404, r#"{"success":false,"error":"File not found"}"#)]).await;
    let mut received = Vec::new();
    assert!(matches!(account.download(contents, &Key::Number(5), &mut received).await, Err(Error::Gone)));
    assert!(received.is_empty());
}

#[tokio::test]
async fn a_record_is_created_and_answered() {
    let (service, account) = account([Reply::json(201, DEAL)]).await;
    let writer = account.writer(&Consent::given());
    let row = writer.create(object("deals"), None, &body(json!({"title": "x"}))).await.expect("a deal");
    assert_eq!(row["id"], 7);
    let asked = &service.asked()[1];
    assert_eq!((asked.line.as_str(), asked.body.as_str()), ("POST /api/v2/deals", r#"{"title":"x"}"#));
    assert!(asked.headers.contains("content-type: application/json"));
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_in_doubt_and_never_repeated() {
    // No answer, half an answer, a server error, an answer that cannot be read: the record may be there.
    for reply in [
        Reply::hang_up(),
        Reply::json(201, DEAL).cut(),
        Reply::json(500, r#"{"success":false,"error":"oops"}"#),
        Reply::html(504),
        Reply::html(201),
        Reply::json(201, "{"),
        Reply::json(201, r#"{"success":true,"data":null}"#),
    ] {
        let (asked, made) = created(vec![reply.clone(); 3]).await;
        assert!(asked == 1 && matches!(made, Err(Error::InDoubt(_))), "{reply:?}: {asked} {made:?}");
    }
}

#[tokio::test]
async fn a_creation_that_certainly_did_not_take_place_is_repeated() {
    let busy = Reply::json(429, r#"{"success":false,"error":"request over limit"}"#).with("retry-after", "0");
    let (asked, made) = created([busy.clone(), busy, Reply::json(201, DEAL)]).await;
    assert_eq!((asked, made.expect("a deal")["id"].clone()), (3, json!(7)));
}

#[tokio::test]
async fn a_refusal_carries_code_and_field() {
    let words =
        r#"{"success":false,"error":"Validation failed","code":"ERR_SCHEMA_VALIDATION_FAILED","field_code":"abc"}"#;
    let (asked, made) = created([Reply::json(400, words)]).await;
    let Err(Error::Refused { status, code, message, field }) = made else { panic!("{made:?}") };
    assert_eq!((asked, status, message.as_str()), (1, 400, "Validation failed"));
    assert_eq!((code.as_deref(), field.as_deref()), (Some("ERR_SCHEMA_VALIDATION_FAILED"), Some("abc")));
}

#[tokio::test]
async fn a_change_is_repeated_and_a_deletion_of_what_is_gone_is_done() {
    let (service, account) = account([
        Reply::hang_up(),
        Reply::good(DEAL),
        Reply::json(502, "{}"),
        Reply::good(r#"{"success":true,"data":{"id":7}}"#),
        Reply::json(410, r#"{"success":false,"error":"gone"}"#),
    ])
    .await;
    let writer = account.writer(&Consent::given());
    let line = object("dealProducts");
    let row = writer.update(line, &Key::Pair(4, 7), &body(json!({"quantity": 2}))).await.expect("a row");
    assert_eq!(row["id"], 7);
    assert!(writer.delete(line, &Key::Pair(4, 7), &Map::new()).await.expect("deleted"));
    assert!(!writer.delete(line, &Key::Pair(4, 7), &Map::new()).await.expect("gone"));
    assert_eq!(service.lines()[1], "PATCH /api/v2/deals/4/products/7");
    assert_eq!(service.lines()[5], "DELETE /api/v2/deals/4/products/7");
    // A key without its parent reaches nothing, least of all the call that empties the deal.
    assert!(matches!(writer.delete(line, &Key::Number(7), &Map::new()).await, Err(Error::NoSuchCall { .. })));
    assert_eq!(service.asked().len(), 6);
}

#[tokio::test]
async fn a_child_is_created_under_its_parent() {
    let (service, account) = account([Reply::json(201, r#"{"success":true,"data":{"user_id":9}}"#)]).await;
    let writer = account.writer(&Consent::given());
    let followers = object("dealFollowers");
    writer.create(followers, Some(&Key::Number(4)), &body(json!({"user_id": 9}))).await.expect("a follower");
    assert_eq!(service.lines()[1], "POST /api/v2/deals/4/followers");
    let orphan = writer.create(followers, None, &body(json!({"user_id": 9}))).await;
    assert!(matches!(orphan, Err(Error::NoSuchCall { .. })));
}

#[tokio::test]
async fn a_file_is_uploaded_and_then_renamed_by_form() {
    let (service, account) =
        account([Reply::json(201, DEAL), Reply::good(r#"{"success":true,"data":{"id":7}}"#)]).await;
    let writer = account.writer(&Consent::given());
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(b"contents of the file").expect("written");
    let fields = body(json!({"deal_id": 4, "lead_id": null}));
    writer
        .upload(object("files"), None, &fields, Attached { name: "angebot.pdf", path: file.path() })
        .await
        .expect("a file");
    let asked = &service.asked()[1];
    assert_eq!(asked.line, "POST /api/v1/files");
    for part in ["name=\"deal_id\"\r\n\r\n4\r\n", "filename=\"angebot.pdf\"", "contents of the file"] {
        assert!(asked.body.contains(part), "{part}: {}", asked.body);
    }
    assert!(!asked.body.contains("lead_id"));
    let named = body(json!({"name": "Angebot & mehr", "description": null}));
    writer.update(object("files"), &Key::Number(7), &named).await.expect("renamed");
    let asked = &service.asked()[2];
    assert_eq!(
        (asked.line.as_str(), asked.body.as_str()),
        ("PUT /api/v1/files/7", "description=&name=Angebot+%26+mehr")
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_a_trouble_of_this_machine() {
    let (service, account) = account([]).await;
    let writer = account.writer(&Consent::given());
    let missing = std::path::Path::new("/nonexistent/file");
    let error = writer
        .upload(object("files"), None, &Map::new(), Attached { name: "x", path: missing })
        .await
        .expect_err("no file");
    assert!(matches!(error, Error::Local { .. }), "{error}");
    assert_eq!(service.asked().len(), 1);
}

#[tokio::test]
async fn a_deleted_deal_is_asked_back_in_the_catalogue_s_form() {
    let (service, account) = account([Reply::good(DEAL), Reply::good(DEAL)]).await;
    let writer = account.writer(&Consent::given());
    for form in object("deals").undelete {
        writer.undelete(object("deals"), &Key::Number(7), form).await.expect("a deal");
    }
    let asked = service.asked();
    assert_eq!((asked[1].line.as_str(), asked[1].body.as_str()), ("PATCH /api/v2/deals/7", r#"{"is_deleted":false}"#));
    assert_eq!((asked[2].line.as_str(), asked[2].body.as_str()), ("PUT /api/v1/deals/7", r#"{"status":"open"}"#));
}

#[tokio::test]
async fn every_form_of_undeletion_is_json() {
    for object in crate::catalogue::ALL {
        for form in object.undelete {
            let (_, value) = form.body;
            assert!(serde_json::from_str::<Value>(value).is_ok(), "{}: {value}", object.name);
        }
    }
}

#[tokio::test]
async fn an_answer_without_end_is_refused() {
    let endless = Reply::good("").body(vec![b' '; exchange::JSON_LIMIT + 1]);
    let (asked, page) = listed([endless.clone(), endless]).await;
    assert_eq!(asked, 1);
    assert_eq!(page.expect_err("no page").to_string(), "garbled answer: the answer is larger than 64 MiB");
}
