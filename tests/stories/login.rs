//! Logging in: what is kept, where it goes, and every way in which it ends badly.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, ChildStderr, Stdio};

use pdbak::sandbox::{Assumptions, Options};
use serde_json::{Value, json};

use crate::support::{Output, Program, World};

const SECRET: &str = "the-secret-of-the-application";

fn world_with(assume: Assumptions) -> World {
    let oauth = Some((format!("app:{SECRET}"), String::new()));
    let world = World::with(Options { oauth, records: 60, assume, ..Options::default() });
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    world
}

fn world() -> World {
    world_with(Assumptions::default())
}

/// The program without any token: whatever it opens, it opens with the login.
fn without_token(world: &World, arguments: &[&str]) -> Program {
    let mut program = world.pdbak_command(arguments);
    program.0.env_remove("PDBAK_API_TOKEN");
    program
}

/// A login that waits for the browser.
struct Waiting {
    child: Child,
    talk: BufReader<ChildStderr>,
    page: String,
}

impl Waiting {
    fn begin(world: &World) -> Waiting {
        let mut program = without_token(world, &["login", "--oauth", "--client-id", "app", "--port", "0", "--json"]).0;
        program.env("PDBAK_CLIENT_SECRET", SECRET).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = program.spawn().expect("the program runs");
        let mut talk = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut page = String::new();
        while !page.trim_start().starts_with("http://") {
            page.clear();
            assert!(talk.read_line(&mut page).expect("a line") > 0, "it ended before it named a page");
        }
        Waiting { child, talk, page: page.trim().to_owned() }
    }

    /// What a browser does: one request, and whatever it is sent to.
    fn visit(&self, world: &World, url: &str) -> u16 {
        let answer = world.run(async { reqwest::get(url).await.expect("an answer").status() });
        answer.as_u16()
    }

    fn decide(&self, world: &World, decision: &str) -> u16 {
        assert_eq!(self.visit(world, &self.page), 200, "a person sees the page first");
        self.visit(world, &self.page.replace("/oauth/authorize?", &format!("/oauth/authorize/{decision}?")))
    }

    fn end(mut self) -> Output {
        let mut stderr = String::new();
        while self.talk.read_line(&mut stderr).expect("a line") > 0 {}
        let output = self.child.wait_with_output().expect("it ends");
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Output { code: output.status.code().unwrap_or(-1), stdout, stderr }
    }
}

fn logged_in(world: &World) -> Output {
    let waiting = Waiting::begin(world);
    assert_eq!(waiting.decide(world, "allow"), 200);
    let ended = waiting.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    ended
}

fn login_file(world: &World) -> std::path::PathBuf {
    world.path(".config/pdbak/logins/default.json")
}

#[test]
fn a_user_who_allows_pdbak_needs_no_token_any_more() {
    let world = world();
    let ended = logged_in(&world);
    assert_eq!(ended.json()["base_url"], world.url());
    let kept = fs::read_to_string(login_file(&world)).expect("a login");
    let access = serde_json::from_str::<Value>(&kept).expect("JSON")["grant"]["access_token"].clone();
    let access = access.as_str().expect("a token");
    assert!(!ended.stdout.contains(access) && !ended.stderr.contains(access) && !ended.stderr.contains(SECRET));
    let mode = fs::metadata(login_file(&world)).expect("a file").permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else may read it");

    let taken = without_token(&world, &["snapshot", "--json"]).run();
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    let mut anywhere = without_token(&world, &["doctor", "--json"]);
    anywhere.0.env_remove("PDBAK_BASE_URL");
    let told = anywhere.run().json();
    assert_eq!(told["is_admin"], true);
    assert_eq!(
        told["scopes_missing"].as_array().map(|scopes| scopes.contains(&json!("mail:full"))),
        Some(true),
        "{told}"
    );
}

#[test]
fn a_login_outlives_its_access_tokens() {
    for rotates in ["refresh-rotates=no", "refresh-rotates=yes"] {
        let mut assume = Assumptions::default();
        assume.set(rotates).expect("an answer");
        let world = world_with(assume);
        logged_in(&world);
        let before = fs::read_to_string(login_file(&world)).expect("a login");
        // The service's hour is over, which this machine's clock does not know.
        world.advance_seconds(7_200);
        for _run in 0..2 {
            let taken = without_token(&world, &["snapshot"]).run();
            assert_eq!(taken.code, 0, "{rotates}: {}", taken.stderr);
            world.call("POST", "/sandbox/oauth", Some(&json!({"revoke": "access"})));
        }
        assert_ne!(fs::read_to_string(login_file(&world)).expect("a login"), before, "the new tokens are kept");
    }
}

#[test]
fn an_old_access_token_is_renewed_before_it_is_refused() {
    let world = world();
    logged_in(&world);
    let mut login: Value =
        serde_json::from_str(&fs::read_to_string(login_file(&world)).expect("a login")).expect("JSON");
    login["grant"]["expires"] = json!("2020-01-01T00:00:00Z");
    fs::write(login_file(&world), login.to_string()).expect("a file");
    world.call("DELETE", "/sandbox/log", None);
    assert_eq!(without_token(&world, &["doctor"]).run().code, 3, "scopes are missing");
    let log = world.call("GET", "/sandbox/log", None);
    assert!(log.as_array().expect("lines").iter().all(|line| line["status"] != 401), "{log}");
}

#[test]
fn a_login_that_is_dead_says_how_to_make_a_new_one() {
    let world = world();
    logged_in(&world);
    world.call("POST", "/sandbox/oauth", Some(&json!({"revoke": "all"})));
    let dead = without_token(&world, &["snapshot"]).run();
    assert_eq!(dead.code, 1, "{}", dead.stderr);
    assert!(
        dead.stderr.contains("refresh token is invalid") && dead.stderr.contains("pdbak login --oauth"),
        "{}",
        dead.stderr
    );
}

#[test]
fn a_user_who_says_no_leaves_nothing_behind() {
    let world = world();
    let waiting = Waiting::begin(&world);
    assert_eq!(waiting.decide(&world, "deny"), 200);
    let ended = waiting.end();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("not allowed: user_denied"), "{}", ended.stderr);
    assert!(!login_file(&world).exists());
}

#[test]
fn an_answer_to_somebody_elses_question_is_refused() {
    let world = world();
    let waiting = Waiting::begin(&world);
    let back = waiting.page.split("redirect_uri=").nth(1).and_then(|rest| rest.split('&').next()).expect("an address");
    let back = back.replace("%3A", ":").replace("%2F", "/");
    assert_eq!(waiting.visit(&world, &format!("{back}?code=stolen&state=another")), 400);
    let ended = waiting.end();
    assert_eq!(ended.code, 1);
    assert!(ended.stderr.contains("state is another one"), "{}", ended.stderr);
    assert!(!login_file(&world).exists());
}

#[test]
fn a_token_is_tried_kept_used_and_forgotten() {
    let world = world();
    let wrong = {
        let mut program = world.pdbak_command(&["login"]);
        program.0.env("PDBAK_API_TOKEN", "not-a-token-of-this-account");
        program.run()
    };
    assert_eq!(wrong.code, 1);
    assert!(!login_file(&world).exists(), "what opens nothing is not kept");
    assert_eq!(world.pdbak(&["login"]).code, 0);
    assert_eq!(without_token(&world, &["snapshot"]).run().code, 0);

    let elsewhere = without_token(&world, &["snapshot", "--base-url", "http://127.0.0.1:9"]).run();
    assert_eq!(elsewhere.code, 2, "the token goes to no other address: {}", elsewhere.stderr);
    assert_eq!(world.pdbak(&["login", "--forget"]).code, 0);
    assert_eq!(without_token(&world, &["snapshot"]).run().code, 2);
}

#[test]
fn a_login_in_the_keyring_needs_one_and_says_so() {
    let world = world();
    let none = world.pdbak(&["login", "--keyring"]);
    assert_eq!(none.code, 1, "there is no keyring in a test");
    assert!(none.stderr.contains("keyring"), "{}", none.stderr);
    assert!(!login_file(&world).exists());
}

#[test]
fn a_doctor_tells_what_is_there_for_little() {
    let world = world();
    let before = world.meter()["tokens"].as_u64().expect("tokens");
    let told = world.pdbak(&["doctor", "--json"]);
    assert_eq!(told.code, 0, "{} {}", told.stdout, told.stderr);
    let told = told.json();
    let spent = world.meter()["tokens"].as_u64().expect("tokens") - before;
    assert!(spent < 100 && told["tokens"] == spent, "{spent}: {told}");
    let answer = |object: &str| {
        let all = told["objects"].as_array().expect("objects");
        all.iter().find(|one| one["object"] == object).expect("an object")["answer"].clone()
    };
    // What has no cheap question is asked for as far as the fee goes.
    for object in ["Deals", "UserSettings", "LeadSources", "LeadLabels", "ProjectBoards", "Webhooks"] {
        assert_eq!(answer(object), "offered", "{object}: {told}");
    }
    assert_eq!(answer("Currencies"), "not asked");
    assert!(told["only_yours"].to_string().contains("CallLogs: only your own calls"), "{told}");

    world.order(&["GET /api/v2/products/0 status=403", "GET /api/v1/webhooks status=402"]);
    let told = world.pdbak(&["doctor"]);
    assert_eq!(told.code, 3);
    assert!(told.stdout.contains("Products: 403") && told.stdout.contains("Webhooks: 402"), "{}", told.stdout);
}
