//! Questions that a plan leaves open, asked before anybody is asked for consent.
//!
//! What becomes of a reference to something that is gone, and whose value stays where
//! somebody has edited it again. The plan is made anew with the answers, so that the
//! replay has none to give. Where nobody can answer, the flags that say it are named.

use std::collections::BTreeMap;
use std::io::{self, BufRead, IsTerminal, Write, stderr, stdin};

use crate::archive::Archive;
use crate::cli::command::prompt::choose;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::show::View;
use crate::cli::show::conflicts::{ConflictView, views};
use crate::cli::show::plans::gone;
use crate::restore::{Dangling, Missing, Plan, Policy, Side};

/// Which questions are asked.
#[derive(Clone, Copy)]
pub(crate) struct Questions {
    /// What becomes of references to what is gone; it has to be answered.
    pub(crate) missing: bool,
    /// Whose value stays; where nobody can answer, the account keeps what it has.
    pub(crate) conflicts: bool,
}

impl Questions {
    /// Asks what the plan leaves open, and makes it anew with the answers until nothing is.
    pub(crate) fn settle(
        self,
        archive: &Archive,
        mut plan: Plan,
        again: impl Fn(&Policy) -> Result<Plan, Failure>,
    ) -> Result<Plan, Failure> {
        loop {
            let mut policy = plan.policy.clone();
            let dangling = undecided(&plan);
            if self.missing && !dangling.is_empty() {
                if !stdin().is_terminal() {
                    return Err(nobody_there(&dangling));
                }
                let answers = missing(&dangling, &mut stdin().lock(), &mut stderr())?.ok_or_else(quit)?;
                policy.missing_of.extend(answers);
                plan = again(&policy)?;
                continue;
            }
            let contested = contested(archive, &plan)?;
            if !self.conflicts || contested.is_empty() || !stdin().is_terminal() {
                return Ok(plan);
            }
            let sides = conflicts(&contested, &mut stdin().lock(), &mut stderr())?.ok_or_else(quit)?;
            for (conflict, side) in contested.iter().zip(sides) {
                policy.decided.entry(conflict.record.clone()).or_default().insert(conflict.field.clone(), side);
            }
            plan = again(&policy)?;
        }
    }
}

/// The kinds of missing records about which nothing was said yet.
fn undecided(plan: &Plan) -> BTreeMap<String, Dangling> {
    let known = |object: &String| plan.policy.missing_of.contains_key(object);
    plan.dangling.iter().filter(|(object, _)| !known(object)).map(|(object, found)| (object.clone(), *found)).collect()
}

/// The conflicts about which nothing was said yet.
fn contested(archive: &Archive, plan: &Plan) -> Result<Vec<ConflictView>, Failure> {
    let mut found = views(archive, plan)?;
    let decided = &plan.policy.decided;
    found.retain(|one| !decided.get(&one.record).is_some_and(|fields| fields.contains_key(&one.field)));
    Ok(found)
}

fn nobody_there(dangling: &BTreeMap<String, Dangling>) -> Failure {
    let told: Vec<String> = dangling.iter().map(|(object, found)| gone(object, *found)).collect();
    Failure::new(Exit::LeftOver, format!("nothing has been written: {}", told.join("; ")))
        .because("there is no terminal to ask at what to do about them")
        .hint("give --missing create to bring them back too, --missing empty to leave the references empty, or --missing skip to leave those records out")
}

fn quit() -> Failure {
    Failure::new(Exit::LeftOver, "nothing has been written: you quit")
        .hint("run the same command again to answer, or with --dry-run to look first")
}

/// Asks about each kind of record that is referred to and gone.
fn missing(
    dangling: &BTreeMap<String, Dangling>,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> io::Result<Option<BTreeMap<String, Missing>>> {
    let answers = [
        ("e", Missing::Empty),
        ("empty", Missing::Empty),
        ("s", Missing::Skip),
        ("skip", Missing::Skip),
        ("c", Missing::Create),
        ("create", Missing::Create),
    ];
    let mut decided = BTreeMap::new();
    for (object, found) in dangling {
        writeln!(output, "{}", gone(object, *found))?;
        let question = "leave the references [e]mpty, [s]kip those records, [c]reate what is gone as well, [q]uit: ";
        let Some(answer) = choose(question, &answers, input, output)? else { return Ok(None) };
        decided.insert(object.clone(), answer);
    }
    Ok(Some(decided))
}

/// Asks about each conflict, until somebody answers for all of the rest.
fn conflicts(
    contested: &[ConflictView],
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> io::Result<Option<Vec<Side>>> {
    let (theirs, ours) = (Side::Snapshot, Side::Account);
    let answers = [
        ("t", (theirs, false)),
        ("theirs", (theirs, false)),
        ("o", (ours, false)),
        ("ours", (ours, false)),
        ("ta", (theirs, true)),
        ("oa", (ours, true)),
    ];
    let mut sides = Vec::new();
    for (at, conflict) in contested.iter().enumerate() {
        writeln!(output, "conflict {} of {}", at + 1, contested.len())?;
        conflict.text(output)?;
        let question = "write [t]heirs, the snapshot's; keep [o]urs, the account's; [ta] or [oa] for this and all that follow; [q]uit: ";
        let Some((side, all)) = choose(question, &answers, input, output)? else { return Ok(None) };
        sides.push(side);
        if all {
            sides.resize(contested.len(), side);
            break;
        }
    }
    Ok(Some(sides))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn contested(fields: &[&str]) -> Vec<ConflictView> {
        let view = |field: &&str| ConflictView {
            record: "deals/42".to_owned(),
            title: "Ten chairs".to_owned(),
            field: (*field).to_owned(),
            name: "Title".to_owned(),
            values: [json!("Ten chairs"), json!("import"), json!("by hand")],
            said: ["Ten chairs", "import", "by hand"].map(str::to_owned),
            when: Some("2026-11-02T10:00:00Z".to_owned()),
            who: Some("Kim".to_owned()),
            winner: Side::Account,
        };
        fields.iter().map(view).collect()
    }

    /// What was asked, and what was decided.
    fn asked(fields: &[&str], typed: &[u8]) -> (String, Option<Vec<Side>>) {
        let mut output = Vec::new();
        let sides = conflicts(&contested(fields), &mut &*typed, &mut output).expect("nothing fails in memory");
        (String::from_utf8(output).expect("text"), sides)
    }

    #[test]
    fn each_conflict_is_shown_and_decided_one_by_one_or_for_all_that_follow() {
        let (shown, sides) = asked(&["title"], b"t\n");
        assert_eq!(sides, Some(vec![Side::Snapshot]));
        let told = "conflict 1 of 1\n    deals/42 \"Ten chairs\"  Title\n        snapshot  Ten chairs\n        then      import\n        now       by hand   written 2026-11-02 10:00 UTC by Kim\n";
        assert!(shown.starts_with(told), "{shown}");
        let three = ["a", "b", "c"];
        let (ours, theirs) = (Side::Account, Side::Snapshot);
        for (typed, sides) in [
            ("o\nt\no\n", [ours, theirs, ours]),
            ("OURS\ntheirs\n o \n", [ours, theirs, ours]),
            ("o\nta\n", [ours, theirs, theirs]),
            ("oa\n", [ours, ours, ours]),
            ("yes\n\ny\nt\noa\n", [theirs, ours, ours]),
        ] {
            assert_eq!(asked(&three, typed.as_bytes()).1, Some(sides.to_vec()), "{typed:?}");
        }
    }

    #[test]
    fn whoever_quits_or_goes_away_has_decided_nothing() {
        for typed in [&b""[..], b"q\n", b"t\nquit\n", b"t\n", b"t\no", b"\xff\n", &b"t".repeat(5_000)] {
            assert_eq!(asked(&["a", "b"], typed).1, None, "{typed:?}");
        }
    }

    #[test]
    fn each_kind_of_missing_record_is_asked_about_with_its_numbers() {
        let found = |records, from| Dangling { records, from };
        let dangling = BTreeMap::from([("organizations".to_owned(), found(2, 3)), ("persons".to_owned(), found(1, 1))]);
        let mut output = Vec::new();
        let answers = missing(&dangling, &mut &b"what?\nc\nskip\n"[..], &mut output).expect("nothing fails in memory");
        let expected = [("organizations", Missing::Create), ("persons", Missing::Skip)];
        assert_eq!(answers, Some(expected.map(|(object, answer)| (object.to_owned(), answer)).into()));
        let shown = String::from_utf8(output).expect("text");
        assert!(shown.starts_with("Organizations: 2 are gone, 3 records refer to them\n"), "{shown}");
        assert!(shown.contains("Persons: 1 is gone, 1 record refers to it\n"), "{shown}");
        assert!(shown.contains("please type one of: e, empty, s, skip, c, create, q\n"), "{shown}");
        assert_eq!(missing(&dangling, &mut &b"c\n"[..], &mut Vec::new()).expect("nothing fails in memory"), None);
    }
}
