//! The generated company against the rules of the account: what the generator counted, the account counts as well.

use crate::sandbox::counters::recount;
use crate::sandbox::http::locked;
use crate::sandbox::kinds::KINDS;
use crate::sandbox::row::Id;

use super::Desk;

#[test]
fn the_counters_of_a_new_company_are_those_the_account_would_count() {
    let desk = Desk::of_company(3_000);
    let mut account = locked(&desk.shared.account);
    for kind in ["deals", "persons", "organizations", "leads"] {
        let ids: Vec<Id> = account.store.table(kind).rows.keys().cloned().collect();
        assert!(!ids.is_empty(), "no {kind}");
        for id in ids {
            let before = account.store.get(kind, &id);
            for child in KINDS.iter().filter(|child| child.links.iter().any(|(_, target)| *target == kind)) {
                recount(&mut account, kind, &id, child.name);
                let after = account.store.get(kind, &id);
                let differs = |key: &String| before.as_ref().unwrap().get(key) != after.as_ref().unwrap().get(key);
                let changed: Vec<&String> = after.as_ref().unwrap().keys().filter(|key| differs(key)).collect();
                assert!(changed.is_empty(), "{} recounted {changed:?} of {kind} {id:?}", child.name);
            }
        }
    }
}

#[test]
fn every_link_of_a_new_company_leads_somewhere() {
    let desk = Desk::of_company(2_000);
    let account = locked(&desk.shared.account);
    for kind in KINDS {
        for (id, row) in &account.store.table(kind.name).rows {
            for (member, target) in kind.links {
                let Some(text) = row.member(member).filter(|text| *text != "null") else { continue };
                let found = match text.parse() {
                    Ok(number) => account.is_live(target, &Id::Number(number)),
                    Err(_) => account.is_live(target, &Id::Text(text.trim_matches('"').into())),
                };
                assert!(found, "{}.{member} of {id:?} points to {text}", kind.name);
            }
        }
    }
}

#[test]
fn every_record_takes_its_own_values_back() {
    let desk = Desk::of_company(500);
    for kind in ["deals", "persons", "organizations", "products"] {
        let page = desk.get(&format!("/api/v2/{kind}?limit=100"));
        for row in page.as_array().unwrap() {
            let path = format!("/api/v2/{kind}/{}", row["id"]);
            let custom = &row["custom_fields"];
            let answer = desk.ok("PATCH", &path, serde_json::json!({"custom_fields": custom}));
            assert_eq!(&answer["custom_fields"], custom, "{path}");
            assert_eq!(answer["update_time"], row["update_time"], "{path} changed by its own values");
        }
    }
}
