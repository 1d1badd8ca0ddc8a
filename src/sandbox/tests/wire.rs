//! Over real sockets: connections, tokens, headers, faults and the sandbox's own endpoints.

use serde_json::{Value, json};

use crate::sandbox::{Options, Running, Sandbox};

#[tokio::test]
async fn a_real_client_lists_over_a_real_socket() {
    let running = started(Options::default()).await;
    let (status, headers, body) =
        fetch(&running, "GET", "/api/v2/stages?limit=2", Some(running.token())).await.unwrap();
    assert_eq!((status, body["data"].as_array().map(Vec::len)), (200, Some(2)));
    // A day without a limit has nothing to tell.
    assert!(headers.contains_key("x-ratelimit-remaining"));
    assert!(!headers.contains_key("x-daily-ratelimit-token-remaining"));
    let cursor = body["additional_data"]["next_cursor"].as_str().unwrap();
    let next = fetch(&running, "GET", &format!("/api/v2/stages?limit=2&cursor={cursor}"), Some(running.token()))
        .await
        .unwrap();
    assert_ne!(next.2["data"][0]["id"], body["data"][0]["id"]);
    let (status, _, body) = fetch(&running, "GET", "/api/v2/stages", Some("wrong")).await.unwrap();
    assert_eq!((status, &body["errorCode"]), (401, &json!(401)));
    running.stop().await;
}

async fn started(options: Options) -> Running {
    Sandbox::start(options).await.expect("a free port on loopback")
}

type Fetched = (u16, hyper::HeaderMap, Value);

async fn fetch(
    running: &Running,
    method: &str,
    path: &str,
    token: Option<&str>,
) -> Result<Fetched, Box<dyn std::error::Error>> {
    use http_body_util::{BodyExt, Empty};
    let address = running.url().trim_start_matches("http://").to_owned();
    let stream = tokio::net::TcpStream::connect(&address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = hyper::Request::builder().method(method).uri(path).header("host", address);
    if let Some(token) = token {
        request = request.header("x-api-token", token);
    }
    let answer = sender.send_request(request.body(Empty::<bytes::Bytes>::new())?).await?;
    let (head, body) = answer.into_parts();
    let bytes = body.collect().await?.to_bytes();
    Ok((head.status.as_u16(), head.headers, serde_json::from_slice(&bytes)?))
}

async fn get(running: &Running, path: &str) -> Result<Fetched, Box<dyn std::error::Error>> {
    fetch(running, "GET", path, Some(running.token())).await
}

fn with_fault(order: &str) -> Options {
    Options { faults: vec![order.parse().unwrap()], ..Options::default() }
}

#[tokio::test]
async fn only_the_paths_of_the_versions_answer() {
    let running = started(Options::default()).await;
    for (path, status) in
        [("/v1/users", 200), ("/api/v1/users", 200), ("/v2/deals", 404), ("/api/v2/nothing", 404), ("/", 404)]
    {
        assert_eq!(get(&running, path).await.unwrap().0, status, "{path}");
    }
    let (status, _, body) = fetch(&running, "PATCH", "/v1/notes/1", Some(running.token())).await.unwrap();
    assert_eq!(status, 404);
    assert!(body["error"].as_str().unwrap().contains("Unknown method"));
}

#[tokio::test]
async fn a_fault_strikes_once_and_is_over() {
    let running = started(with_fault("GET /api/v2/stages status=503 retry-after=1")).await;
    let (status, headers, _) = get(&running, "/api/v2/stages").await.unwrap();
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (503, "1"));
    assert_eq!(get(&running, "/api/v2/stages").await.unwrap().0, 200);
}

#[tokio::test]
async fn a_stream_that_is_cut_does_not_arrive() {
    let running = started(with_fault("GET /api/v2/stages cut=50")).await;
    assert!(get(&running, "/api/v2/stages").await.is_err());
    assert!(get(&running, "/api/v2/stages").await.is_ok());
}

#[tokio::test]
async fn a_dropped_request_did_not_happen_and_a_lost_answer_did() {
    let mut options = with_fault("DELETE /api/v2/stages/* drop");
    options.faults.push("DELETE /api/v2/pipelines/* lose-answer".parse().unwrap());
    let running = started(options).await;
    for (kind, alive) in [("stages", false), ("pipelines", true)] {
        let id = get(&running, &format!("/api/v2/{kind}")).await.unwrap().2["data"][0]["id"].clone();
        let path = format!("/api/v2/{kind}/{id}");
        assert!(fetch(&running, "DELETE", &path, Some(running.token())).await.is_err());
        assert_eq!(get(&running, &path).await.unwrap().2["data"]["is_deleted"], alive, "{kind}");
    }
}

#[tokio::test]
async fn a_spoiled_page_is_spoiled_as_ordered() {
    for (fault, check) in [
        ("repeat-page", (|rows: &[Value]| rows.last() == rows.first()) as fn(&[Value]) -> bool),
        ("no-id", |rows| rows[0].get("id").is_none()),
        ("wrong-type", |rows| rows[0]["id"].is_object()),
    ] {
        let running = started(with_fault(&format!("GET /api/v2/stages {fault}"))).await;
        let (_, _, body) = get(&running, "/api/v2/stages").await.unwrap();
        assert!(check(body["data"].as_array().unwrap()), "{fault}: {body}");
    }
    let running = started(with_fault("GET /api/v2/stages malformed")).await;
    assert!(get(&running, "/api/v2/stages").await.is_err());
}

#[tokio::test]
async fn the_budget_runs_out_and_the_headers_say_so() {
    let running = started(Options { daily_tokens: 12, ..Options::default() }).await;
    let (_, headers, _) = get(&running, "/api/v2/stages").await.unwrap();
    assert_eq!(headers["x-daily-ratelimit-token-remaining"], "7");
    assert_eq!(get(&running, "/api/v2/stages").await.unwrap().0, 200);
    let (status, headers, _) = get(&running, "/api/v2/stages").await.unwrap();
    assert_eq!((status, headers["x-daily-ratelimit-token-remaining"].to_str().unwrap()), (429, "0"));
    let meter = fetch(&running, "GET", "/sandbox/meter", None).await.unwrap().2;
    assert_eq!((&meter["requests"], &meter["tokens"]), (&json!(2), &json!(10)));
    assert_eq!(meter["by_endpoint"]["GET /api/v2/stages"]["requests"], 2);
    fetch(&running, "DELETE", "/sandbox/meter", None).await.unwrap();
    assert_eq!(get(&running, "/api/v2/stages").await.unwrap().0, 200);
}

#[tokio::test]
async fn the_judge_tells_every_object_and_the_log_tells_no_secret() {
    let running = started(Options::default()).await;
    let stage = get(&running, "/api/v2/stages").await.unwrap().2["data"][0]["id"].clone();
    fetch(&running, "DELETE", &format!("/api/v2/stages/{stage}?api_token=hush"), Some(running.token())).await.unwrap();
    fetch(&running, "DELETE", &format!("/api/v2/stages/{stage}"), Some(running.token())).await.unwrap();
    let truth = fetch(&running, "GET", "/sandbox/judge", None).await.unwrap().2;
    assert!(truth["DealFields"].as_array().is_some_and(|rows| rows.len() > 10));
    assert_eq!(truth["Webhooks"], json!([]));
    let gone = truth["Stages"].as_array().unwrap().iter().find(|row| row["id"] == stage).unwrap();
    assert_eq!(gone["is_deleted"], true);
    let only = fetch(&running, "GET", "/sandbox/judge?object=Stages", None).await.unwrap().2;
    assert_eq!(only.as_object().map(|all| all.len()), Some(1));
    let log = fetch(&running, "GET", "/sandbox/log", None).await.unwrap().2.to_string();
    assert!(log.contains("/api/v2/stages") && !log.contains("hush") && !log.contains(running.token()));
}

#[tokio::test]
async fn a_sandbox_listens_on_this_machine_only() {
    let listen = "0.0.0.0:0".parse().unwrap();
    assert!(Sandbox::start(Options { listen, ..Options::default() }).await.is_err());
}

#[tokio::test]
async fn answers_carry_the_date_of_the_sandbox() {
    let running = started(Options { now: Some("2031-02-03T04:05:06Z".parse().unwrap()), ..Options::default() }).await;
    let (_, headers, _) = get(&running, "/api/v2/stages").await.unwrap();
    assert!(headers["date"].to_str().unwrap().starts_with("Mon, 03 Feb 2031 04:0"));
}

/// A client that others wrote, so that our reading of forms and redirects is not the only one.
fn other_client() -> reqwest::Client {
    // The second caller finds it installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

#[tokio::test]
async fn a_file_goes_up_as_multipart_is_renamed_by_a_form_and_comes_down() {
    let assume = "download=redirect".parse().unwrap();
    let running = started(Options { assume, ..Options::default() }).await;
    let (client, files) = (other_client(), format!("{}/v1/files", running.url()));
    let part = reqwest::multipart::Part::bytes(b"%PDF-1.7".as_slice()).file_name("plan.pdf");
    let upload = client.post(&files).header("x-api-token", running.token());
    let upload = upload.multipart(reqwest::multipart::Form::new().part("file", part)).send().await.unwrap();
    let file: Value = upload.json().await.unwrap();
    assert_eq!((&file["data"]["name"], &file["data"]["file_size"]), (&json!("plan.pdf"), &json!(8)));
    let own = format!("{files}/{}", file["data"]["id"]);
    let renamed =
        client.put(&own).header("x-api-token", running.token()).form(&[("name", "a b.pdf")]).send().await.unwrap();
    assert_eq!(renamed.json::<Value>().await.unwrap()["data"]["name"], "a b.pdf");
    let moved = client.get(format!("{own}/download")).header("x-api-token", running.token()).send().await.unwrap();
    let address = moved.headers()["location"].to_str().unwrap();
    assert!(!address.contains("/files/"));
    let leaked = client.get(address).header("x-api-token", running.token()).send().await.unwrap();
    assert_eq!(leaked.status(), 400);
    let bytes = client.get(address).send().await.unwrap().bytes().await.unwrap();
    assert_eq!(&bytes[..], b"%PDF-1.7");
    let truth = fetch(&running, "GET", "/sandbox/judge?object=Files", None).await.unwrap().2;
    assert_eq!(truth["Files"][0]["content_blake3"], blake3::hash(b"%PDF-1.7").to_hex().as_str());
}

#[tokio::test]
async fn an_access_token_is_a_bearer_and_an_api_token_is_not() {
    let oauth = Some(("client:secret".to_owned(), "1:1:refresh".to_owned()));
    let running = started(Options { oauth, ..Options::default() }).await;
    let (client, me) = (other_client(), format!("{}/v1/users/me", running.url()));
    assert_eq!(client.get(&me).bearer_auth(running.token()).send().await.unwrap().status(), 401);
    let token = format!("{}/oauth/token", running.url());
    for (secret, refresh, status) in
        [("wrong", "1:1:refresh", 400), ("secret", "old", 400), ("secret", "1:1:refresh", 200)]
    {
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let answer = client.post(&token).basic_auth("client", Some(secret)).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), status, "{secret} {refresh}");
        if status == 200 {
            let given: Value = answer.json().await.unwrap();
            let access = given["access_token"].as_str().unwrap();
            assert_eq!(client.get(&me).bearer_auth(access).send().await.unwrap().status(), 200);
        }
    }
}

#[tokio::test]
async fn a_clock_that_is_moved_opens_a_new_budget() {
    let now = Some("2026-03-01T12:00:00Z".parse().unwrap());
    let running = started(Options { daily_tokens: 5, now, ..Options::default() }).await;
    assert_eq!(get(&running, "/api/v2/stages").await.unwrap().0, 200);
    assert_eq!(get(&running, "/api/v2/stages").await.unwrap().0, 429);
    let moved =
        other_client().post(format!("{}/sandbox/clock", running.url())).json(&json!({"advance_seconds": 86_400}));
    assert_eq!(moved.send().await.unwrap().status(), 200);
    assert_eq!(get(&running, "/api/v2/stages").await.unwrap().0, 200);
}

#[tokio::test]
async fn faults_are_ordered_told_and_cleared_over_the_wire() {
    let running = started(Options::default()).await;
    let (client, faults) = (other_client(), format!("{}/sandbox/faults", running.url()));
    let orders = json!([{"method": "GET", "path": "/api/v2/*", "times": 2, "fault": "html"}, "* /v1/* drop"]);
    assert_eq!(client.post(&faults).json(&orders).send().await.unwrap().status(), 200);
    assert_eq!(client.post(&faults).json(&json!("GET /x explode")).send().await.unwrap().status(), 400);
    let page = client.get(format!("{}/api/v2/stages", running.url())).send().await.unwrap();
    assert!(page.status() == 403 && page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    let left: Value = client.get(&faults).send().await.unwrap().json().await.unwrap();
    assert_eq!((&left[0]["times"], &left[1]["fault"]), (&json!(1), &json!("drop")));
    client.delete(&faults).send().await.unwrap();
    assert_eq!(get(&running, "/v1/users").await.unwrap().0, 200);
}
