//! Stories of which snapshots stay.

use chrono::TimeZone;

use super::*;
use crate::archive::{Contents, Source};
use crate::catalogue::ObjectName;

fn seen(object: &'static str, coverage: Coverage) -> Contents {
    let time = Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap();
    Contents {
        object: ObjectName::known(object),
        records: 0,
        new: 0,
        changed: 0,
        deleted: 0,
        root: String::new(),
        coverage,
        gaps: Vec::new(),
        seen_at: time,
        deletions_seen_at: None,
        watermark: None,
        without: Vec::new(),
        certificate: None,
    }
}

fn part() -> Coverage {
    Coverage::Part { reason: "cut off".to_owned() }
}

fn snapshot(sequence: u64, time: &str) -> Manifest {
    let source = Source {
        company_id: 4711,
        company_name: "Acme".to_owned(),
        company_domain: "acme".to_owned(),
        user_id: 1,
        user_name: "Kim".to_owned(),
        is_admin: true,
        kind: "api".to_owned(),
    };
    let finished = format!("{time}Z").parse().unwrap();
    Manifest {
        id: SnapshotId(format!("{sequence:02}")),
        sequence,
        parent: None,
        source,
        started: finished,
        finished,
        // Nobody ever sees the mail of others.
        contents: vec![seen("deals", Coverage::Whole), seen("mailThreadsInbox", part())],
        requests: 0,
        tokens: 0,
        bytes_added: 0,
        version: String::new(),
        notes: serde_json::Value::Null,
    }
}

fn standing_alone(snapshots: &[Manifest]) -> Vec<(&Manifest, Standing)> {
    snapshots.iter().map(|snapshot| (snapshot, Standing::default())).collect()
}

fn kept(policy: &Policy, snapshots: &[(&Manifest, Standing)]) -> Vec<u64> {
    let now = Utc.with_ymd_and_hms(2027, 6, 1, 0, 0, 0).unwrap();
    let mut kept: Vec<u64> = policy
        .decide(snapshots, now)
        .into_iter()
        .filter(|decision| !decision.reasons.is_empty())
        .map(|decision| decision.snapshot.0.parse().unwrap())
        .collect();
    kept.sort_unstable();
    kept
}

#[test]
fn the_newest_of_a_day_stands_for_it_and_empty_days_use_nothing_up() {
    let times = ["2026-11-01T02:00:00", "2026-11-01T14:00:00", "2026-11-02T02:00:00", "2026-11-09T02:00:00"];
    let all: Vec<Manifest> = (1..).zip(times).map(|(number, time)| snapshot(number, time)).collect();
    assert_eq!(kept(&Policy { daily: 2, ..Policy::default() }, &standing_alone(&all)), [3, 4]);
    assert_eq!(kept(&Policy { daily: 3, ..Policy::default() }, &standing_alone(&all)), [2, 3, 4]);
    // Fewer days than asked for: the oldest stays as well.
    assert_eq!(kept(&Policy { daily: 9, ..Policy::default() }, &standing_alone(&all)), [1, 2, 3, 4]);
}

#[test]
fn an_iso_week_goes_on_over_the_end_of_the_year() {
    let times = ["2026-12-20T02:00:00", "2026-12-29T02:00:00", "2027-01-02T02:00:00", "2027-01-05T02:00:00"];
    let all: Vec<Manifest> = (1..).zip(times).map(|(number, time)| snapshot(number, time)).collect();
    assert_eq!(kept(&Policy { weekly: 2, ..Policy::default() }, &standing_alone(&all)), [3, 4]);
    assert_eq!(kept(&Policy { yearly: 2, ..Policy::default() }, &standing_alone(&all)), [2, 4]);
}

#[test]
fn a_stopped_schedule_cannot_empty_the_archive() {
    let times = ["2024-01-01T02:00:00", "2024-01-20T02:00:00", "2024-01-21T02:00:00"];
    let all: Vec<Manifest> = (1..).zip(times).map(|(number, time)| snapshot(number, time)).collect();
    let policy = Policy { within: Some("3d".parse().unwrap()), ..Policy::default() };
    assert_eq!(kept(&policy, &standing_alone(&all)), [2, 3]);
}

#[test]
fn newest_pinned_held_tagged_and_future_ones_stay_whatever_the_rules_say() {
    let times = [
        "2026-01-01T02:00:00",
        "2026-01-02T02:00:00",
        "2026-01-03T02:00:00",
        "2026-01-04T02:00:00",
        "2031-01-05T02:00:00",
        "2026-01-06T02:00:00",
    ];
    let all: Vec<Manifest> = (1..).zip(times).map(|(number, time)| snapshot(number, time)).collect();
    let mut standing = standing_alone(&all);
    standing[0].1.pinned = true;
    standing[1].1.held = Some(Utc.with_ymd_and_hms(2028, 1, 1, 0, 0, 0).unwrap());
    standing[2].1.held = Some(Utc.with_ymd_and_hms(2026, 2, 1, 0, 0, 0).unwrap());
    standing[3].1.tags.insert("audit".to_owned());
    assert_eq!(kept(&Policy::default(), &standing), [1, 2, 5, 6]);
    let tagged = Policy { tags: vec![vec!["audit".to_owned()]], ..Policy::default() };
    assert_eq!(kept(&tagged, &standing), [1, 2, 4, 5, 6]);
}

#[test]
fn a_snapshot_that_saw_less_pushes_no_complete_one_out() {
    let times: Vec<String> = (1..=8).map(|day| format!("2026-11-{day:02}T02:00:00")).collect();
    let mut all: Vec<Manifest> = (1..).zip(&times).map(|(number, time)| snapshot(number, time)).collect();
    for lesser in [5, 6, 7] {
        all[lesser].contents[0].coverage = part();
    }
    // Three complete days and the three lesser ones in between, of which the last is the newest.
    assert_eq!(kept(&Policy { daily: 3, ..Policy::default() }, &standing_alone(&all)), [3, 4, 5, 6, 7, 8]);
    assert_eq!(kept(&Policy { last: 2, ..Policy::default() }, &standing_alone(&all)), [4, 5, 6, 7, 8]);
    // A later complete one stands for the lesser ones before it.
    all[7].contents[0].coverage = Coverage::Whole;
    assert_eq!(kept(&Policy { last: 2, ..Policy::default() }, &standing_alone(&all)), [5, 8]);
    // The newest complete one stays even when no rule asks for any.
    all[7].contents[0].coverage = part();
    assert_eq!(kept(&Policy::default(), &standing_alone(&all)), [5, 8]);
}

#[test]
fn companies_do_not_push_each_other_out() {
    let mut all: Vec<Manifest> =
        (1..=4).map(|number| snapshot(number, &format!("2026-11-0{number}T02:00:00"))).collect();
    all[1].source.company_id = 12;
    assert_eq!(kept(&Policy { last: 1, ..Policy::default() }, &standing_alone(&all)), [2, 4]);
}

#[test]
fn a_length_of_time_is_read_or_refused() {
    let time = Utc.with_ymd_and_hms(2026, 3, 31, 12, 0, 0).unwrap();
    let before = |text: &str| text.parse::<Span>().unwrap().before(time).to_rfc3339();
    assert_eq!(before("1m1d2h"), "2026-02-27T10:00:00+00:00");
    assert_eq!(before("1y2w"), "2025-03-17T12:00:00+00:00");
    for wrong in ["", "7", "d", "7x", "0d", "4294967295y"] {
        assert!(wrong.parse::<Span>().is_err(), "{wrong}");
    }
}
