//! Field definitions, values of custom fields, filters, and what an account is set up with.

use serde_json::{Value, json};

use super::Desk;

fn field(desk: &Desk, shape: &str, labels: &[&str]) -> Value {
    let mut body = json!({"field_name": format!("A {shape}"), "field_type": shape});
    if !labels.is_empty() {
        body["options"] = labels.iter().map(|label| json!({"label": label})).collect();
    }
    desk.ok("POST", "/api/v2/dealFields", body)
}

fn code(field: &Value) -> String {
    field["field_code"].as_str().unwrap().to_owned()
}

#[test]
fn each_of_the_16_types_takes_its_shape_and_no_other() {
    let desk = Desk::new();
    let me = desk.get("/v1/users/me")["id"].clone();
    let person = desk.person("Ada");
    let org = desk.ok("POST", "/api/v2/organizations", json!({"name": "Acme"}))["id"].clone();
    let good: Vec<(&str, Value, Value)> = vec![
        ("varchar", json!("x"), json!("")),
        ("varchar_auto", json!("x"), json!(1)),
        ("text", json!("long"), json!("")),
        ("double", json!(1.5), json!("1.5")),
        ("monetary", json!({"value": 5, "currency": "USD"}), json!(5)),
        ("user", me, json!(1)),
        ("org", org, json!("1")),
        ("people", json!(person), json!(1)),
        ("phone", json!("+49 1"), json!("")),
        ("date", json!("2026-01-31"), json!("31.01.2026")),
        ("daterange", json!({"value": "2026-01-01", "until": "2026-02-01"}), json!({"value": "2026-01-01"})),
        ("time", json!({"value": "09:00:00"}), json!("09:00:00")),
        ("timerange", json!({"value": "09:00:00", "until": "10:00:00"}), json!({"value": "nine", "until": "ten"})),
        ("address", json!({"value": "1 Main St"}), json!("1 Main St")),
    ];
    let deal = desk.deal(json!({"title": "a"}));
    for (shape, value, wrong) in good {
        let code = code(&field(&desk, shape, &[]));
        assert!(code.len() == 40 && code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let path = format!("/api/v2/deals/{deal}");
        let row = desk.ok("PATCH", &path, json!({"custom_fields": {code.as_str(): value}}));
        assert!(!row["custom_fields"][&code].is_null(), "{shape}");
        let error = desk.refused(400, "PATCH", &path, json!({"custom_fields": {code.as_str(): wrong}}));
        assert!(error.contains(&code), "{shape}: {error}");
        let row = desk.ok("PATCH", &path, json!({"custom_fields": {code.as_str(): null}}));
        assert!(row["custom_fields"].get(&code).is_none_or(Value::is_null), "{shape}");
    }
}

#[test]
fn options_are_ids_of_the_field_and_are_never_used_twice() {
    let desk = Desk::new();
    let field = field(&desk, "set", &["Red", "Blue"]);
    let (code, options) = (code(&field), format!("/api/v2/dealFields/{}/options", code(&field)));
    let red = field["options"][0]["id"].clone();
    let deal = desk.deal(json!({"title": "a", "custom_fields": {code.as_str(): [red]}}));
    desk.refused(400, "PATCH", &format!("/api/v2/deals/{deal}"), json!({"custom_fields": {code.as_str(): []}}));
    desk.refused(400, "PATCH", &format!("/api/v2/deals/{deal}"), json!({"custom_fields": {code.as_str(): [999_999]}}));
    desk.refused(400, "PATCH", &options, json!([{"id": red, "label": "Rose"}, {"id": 999_999, "label": "?"}]));
    desk.ok("DELETE", &options, json!([{"id": red}]));
    let again = desk.ok("POST", &options, json!([{"label": "Red"}]));
    assert_ne!(again[0]["id"], red);
    let v1 = desk.get("/v1/dealFields?limit=500");
    let shown = v1.as_array().unwrap().iter().find(|row| row["key"] == json!(code)).unwrap();
    assert_eq!(shown["options_deleted"][0]["id"], red);
    assert!(shown["id"].is_u64());
    desk.refused(400, "POST", "/api/v2/dealFields/label_ids/options", json!([{"label": "x"}]));
    let open = Desk::assuming("odd=no,builtin-options=yes");
    open.ok("POST", "/api/v2/dealFields/label_ids/options", json!([{"label": "x"}]));
}

#[test]
fn a_deleted_field_takes_its_values_along_and_its_key_is_refused() {
    let desk = Desk::new();
    let code = code(&field(&desk, "varchar", &[]));
    let deal = desk.deal(json!({"title": "a", "custom_fields": {code.as_str(): "x"}}));
    desk.ok("DELETE", &format!("/api/v2/dealFields/{code}"), Value::Null);
    assert_eq!(desk.get(&format!("/api/v2/deals/{deal}"))["custom_fields"], json!({}));
    let error =
        desk.refused(400, "PATCH", &format!("/api/v2/deals/{deal}"), json!({"custom_fields": {code.as_str(): "y"}}));
    assert!(error.contains(&code));
    desk.refused(404, "GET", &format!("/api/v2/dealFields/{code}"), Value::Null);
    desk.refused(403, "DELETE", "/api/v2/dealFields/title", Value::Null);
}

#[test]
fn both_versions_show_the_same_field_in_their_own_way() {
    let desk = Desk::new();
    let code = code(&field(&desk, "monetary", &[]));
    let v2 = desk.get(&format!("/api/v2/dealFields/{code}?include_fields=ui_visibility"));
    assert!(v2.get("id").is_none() && v2["ui_visibility"].is_object() && v2.get("required_fields").is_none());
    let v1 = desk.get("/v1/leadFields?limit=500");
    let keys: Vec<&str> = v1.as_array().unwrap().iter().filter_map(|row| row["key"].as_str()).collect();
    assert!(keys.contains(&code.as_str()) && keys.contains(&format!("{code}_currency").as_str()));
    let number = v1.as_array().unwrap().iter().find(|row| row["key"] == json!(code)).unwrap()["id"].clone();
    assert_eq!(desk.ok("PUT", &format!("/v1/dealFields/{number}"), json!({"name": "Price"}))["name"], "Price");
}

#[test]
fn a_lead_carries_custom_fields_flat() {
    let desk = Desk::new();
    let (price, set) = (code(&field(&desk, "monetary", &[])), field(&desk, "set", &["A", "B"]));
    let person = desk.person("Ada");
    let both = json!([set["options"][0]["id"], set["options"][1]["id"]]);
    let sent = json!({"title": "x", "person_id": person, price.as_str(): 5, code(&set): both, "0123456789012345678901234567890123456789": 1});
    let lead = desk.ok("POST", "/v1/leads", sent);
    assert_eq!((&lead[&price], &lead[format!("{price}_currency")]), (&json!(5), &json!("EUR")));
    assert!(lead[code(&set)].as_str().is_some_and(|text| text.contains(',')));
    assert!(lead.get("0123456789012345678901234567890123456789").is_none());
    let path = format!("/v1/leads/{}", lead["id"].as_str().unwrap());
    let row = desk.ok("PATCH", &path, json!({price.as_str(): null}));
    assert!(row.get(&price).is_none() && row.get(format!("{price}_currency")).is_none());
}

#[test]
fn a_filter_has_two_groups_and_numbers_of_fields() {
    let desk = Desk::new();
    let fields = desk.get("/v1/dealFields?limit=500");
    let status = fields.as_array().unwrap().iter().find(|row| row["key"] == "status").unwrap()["id"].clone();
    let one = |value: &str| json!({"object": "deal", "field_id": status, "operator": "=", "value": value});
    let of = |conditions: Vec<Value>| json!({"glue": "and", "conditions": [{"glue": "and", "conditions": conditions}, {"glue": "or", "conditions": []}]});
    let sent = json!({"name": "Won", "type": "deals", "conditions": of(vec![one("won")])});
    let filter = desk.ok("POST", "/v1/filters?include_field_code=true", sent);
    assert_eq!(filter["conditions"]["conditions"][0]["conditions"][0]["field_code"], "status");
    assert!(desk.get("/v1/filters")[0].get("conditions").is_none());
    desk.deal(json!({"title": "open"}));
    let won = desk.deal(json!({"title": "won", "status": "won"}));
    let listed = desk.get(&format!("/api/v2/deals?filter_id={}&ids=1", filter["id"]));
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["id"]), (Some(1), &json!(won)));
    let many = json!({"name": "x", "type": "deals", "conditions": of(vec![one("won"); 17])});
    assert!(desk.refused(400, "POST", "/v1/filters", many).contains("at most 16"));
    let unknown = json!({"object": "deal", "field_id": 1, "operator": "=", "value": 1});
    desk.refused(400, "POST", "/v1/filters", json!({"name": "x", "type": "deals", "conditions": of(vec![unknown])}));
    desk.refused(400, "POST", "/v1/filters", json!({"name": "x", "type": "deals", "conditions": {"glue": "and"}}));
}

#[test]
fn what_an_account_is_set_up_with_is_there_from_the_start() {
    let desk = Desk::new();
    assert_eq!(desk.get("/v1/users/me")["company_name"], "Sandbox");
    assert_eq!(desk.get("/v1/currencies?term=euro")[0]["code"], "EUR");
    let made = desk.ok("POST", "/v1/activityTypes", json!({"name": "Video call", "icon_key": "camera"}));
    assert_eq!(made["key_string"], "video_call");
    let path = format!("/v1/activityTypes/{}", made["id"]);
    assert_eq!(desk.ok("DELETE", &path, Value::Null)["active_flag"], false);
    let listed = desk.get("/v1/activityTypes");
    assert!(listed.as_array().unwrap().iter().all(|row| row["id"] != made["id"]));
}

#[test]
fn a_webhook_is_made_and_deleted_and_its_address_is_tried_if_assumed() {
    let hook = json!({"subscription_url": "https://hooks.example/x", "event_action": "*", "event_object": "deal", "name": "x"});
    let desk = Desk::new();
    let (status, body) = desk.ask("POST", "/v1/webhooks", hook.clone());
    assert_eq!((status, &body["status"]), (201, &json!("ok")));
    desk.ok("DELETE", &format!("/v1/webhooks/{}", body["data"]["id"]), Value::Null);
    assert_eq!(desk.get("/v1/webhooks"), json!([]));
    let (status, body) = Desk::assuming("odd=no,webhook-check=yes").ask("POST", "/v1/webhooks", hook);
    assert_eq!((status, &body["errors"]["subscription_url"][0]), (400, &json!("invalid or non-reachable URL")));
}

#[test]
fn unset_custom_fields_are_absent_or_null_as_assumed() {
    for (assume, shown) in [("odd=no,unset-custom=absent", false), ("odd=no,unset-custom=null", true)] {
        let desk = Desk::assuming(assume);
        let code = code(&field(&desk, "varchar", &[]));
        let deal = desk.deal(json!({"title": "a"}));
        for path in [format!("/api/v2/deals/{deal}"), format!("/api/v2/deals?ids={deal}")] {
            let answer = desk.get(&path);
            let row = if answer.is_array() { &answer[0] } else { &answer };
            assert_eq!(row["custom_fields"].get(&code), shown.then_some(&Value::Null), "{path} {assume}");
        }
    }
}
