//! What raises an alarm and what does not, on companies of numbers.

use chrono::{DateTime, Datelike, TimeDelta, TimeZone, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::*;
use crate::archive::{Contents, Coverage, Source, What};
use crate::catalogue::ObjectName;

fn monday() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 2, 2, 0, 0).unwrap()
}

/// What happened to an object: records afterwards, new, changed, deleted.
type Day<'a> = &'a [(&'static str, [u64; 4])];

fn contents(object: &'static str, [records, new, changed, deleted]: [u64; 4], at: DateTime<Utc>) -> Contents {
    Contents {
        object: ObjectName::known(object),
        records,
        new,
        changed,
        deleted,
        root: String::new(),
        coverage: Coverage::Whole,
        gaps: Vec::new(),
        seen_at: at,
        deletions_seen_at: Some(at),
        watermark: None,
        without: Vec::new(),
        certificate: None,
    }
}

/// Snapshots one after the other.
#[derive(Default)]
struct Company {
    manifests: Vec<Manifest>,
    alarms: Vec<Alarm>,
}

impl Company {
    /// The next snapshot, so many hours after the one before.
    fn after(&mut self, hours: i64, day: Day<'_>) -> &mut Manifest {
        let at = self.manifests.last().map_or(monday(), |last| last.finished + TimeDelta::hours(hours));
        let number = self.manifests.len() as u64 + 1;
        self.manifests.push(Manifest {
            id: SnapshotId(format!("{number:064}")),
            sequence: number,
            parent: self.manifests.last().map(|last| last.id.clone()),
            source: Source {
                company_id: 1,
                company_name: String::new(),
                company_domain: String::new(),
                user_id: 1,
                user_name: String::new(),
                is_admin: true,
                kind: "api".to_owned(),
            },
            started: at - TimeDelta::minutes(3),
            finished: at,
            contents: day.iter().map(|(object, counts)| contents(object, *counts, at)).collect(),
            requests: 0,
            tokens: 0,
            bytes_added: 0,
            version: String::new(),
            notes: Value::Null,
        });
        self.manifests.last_mut().expect("just pushed")
    }

    fn next_day(&mut self, day: Day<'_>) -> &mut Manifest {
        self.after(24, day)
    }

    /// A company in which a few hundredths of 1,000 deals change each day, and now and then one is deleted.
    fn of_days(days: u64) -> Company {
        let mut company = Company::default();
        company.next_day(&[("deals", [1_000, 1_000, 0, 0])]);
        for day in 0..days {
            company.next_day(&[("deals", [1_000, 1, 20 + day % 7, 1])]);
        }
        company
    }

    fn verdict_with(&self, limits: &Limits, restored: &[Restored]) -> Vec<(String, What, u64, u64)> {
        let (last, earlier) = self.manifests.split_last().expect("a snapshot");
        let earlier: Vec<&Manifest> = earlier.iter().collect();
        let excesses = judge(last, &History::new(&earlier, &self.alarms), limits, restored);
        excesses.into_iter().map(|one| (one.object.title(), one.what, one.count, one.allowed)).collect()
    }

    fn verdict(&self) -> Vec<(String, What, u64, u64)> {
        self.verdict_with(&Limits::default(), &[])
    }

    /// The newest snapshot raised an alarm, which was acknowledged.
    fn acknowledge(&mut self, usual: bool) {
        let (last, earlier) = self.manifests.split_last().expect("a snapshot");
        let earlier: Vec<&Manifest> = earlier.iter().collect();
        let excesses = judge(last, &History::new(&earlier, &self.alarms), &Limits::default(), &[]);
        assert!(!excesses.is_empty());
        self.alarms.push(Alarm {
            snapshot: last.id.clone(),
            sequence: last.sequence,
            raised: last.finished,
            good: None,
            excesses,
            acknowledged: Some((last.finished, usual)),
        });
    }
}

#[test]
fn a_bulk_edit_after_ordinary_days_is_told_with_what_is_usual() {
    let mut company = Company::of_days(20);
    assert_eq!(company.verdict(), []);
    company.next_day(&[("deals", [1_000, 0, 400, 0])]);
    assert_eq!(company.verdict(), [("Deals".to_owned(), What::Changed, 400, 100)]);
}

#[test]
fn deletions_weigh_more_than_changes() {
    let mut company = Company::of_days(20);
    company.next_day(&[("deals", [900, 0, 100, 100])]);
    assert_eq!(company.verdict(), [("Deals".to_owned(), What::Deleted, 100, 20)]);
}

#[test]
fn half_a_year_of_weeks_with_their_mondays_cries_no_wolf() {
    for seed in 0..20 {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let (mut company, mut deals, mut persons) = (Company::default(), 2_000u64, 5_000u64);
        company.next_day(&[("deals", [deals, deals, 0, 0]), ("persons", [persons, persons, 0, 0])]);
        for _ in 0..180 {
            let today = company.manifests.last().expect("one").finished.weekday().number_from_monday();
            let busy = match today {
                1 => 180,
                2..=5 => 60,
                _ => 2,
            };
            let mut some = |most: u64| dice.random_range(most / 2..=most);
            let (new, changed, gone) = (some(busy / 4), some(busy), some(busy / 12));
            deals += new - gone.min(new);
            persons += new;
            let day = [("deals", [deals, new, changed, gone.min(new)]), ("persons", [persons, new, changed / 2, 0])];
            company.next_day(&day);
            assert_eq!(company.verdict(), [], "seed {seed}, {today}");
        }
    }
}

#[test]
fn hourly_snapshots_know_the_night() {
    let mut company = Company::default();
    company.next_day(&[("deals", [1_000, 1_000, 0, 0])]);
    for hour in 0..24 * 21 {
        let working = (8..18).contains(&(hour % 24)) && (hour / 24) % 7 < 5;
        company.after(1, &[("deals", [1_000, 0, if working { 25 } else { 0 }, u64::from(working)])]);
        assert_eq!(company.verdict(), [], "hour {hour}");
    }
}

#[test]
fn a_slow_drift_is_learned_and_a_leap_to_the_same_place_is_not() {
    let mut company = Company::of_days(10);
    for day in 0..100 {
        company.next_day(&[("deals", [1_000, 0, 30 + 4 * day, 0])]);
        assert_eq!(company.verdict(), [], "day {day}");
    }
    let mut company = Company::of_days(10);
    company.next_day(&[("deals", [1_000, 0, 430, 0])]);
    assert_eq!(company.verdict().len(), 1);
}

#[test]
fn small_objects_raise_no_alarm_over_a_handful() {
    let mut company = Company::default();
    company.next_day(&[("pipelines", [3, 3, 0, 0]), ("stages", [14, 14, 0, 0])]);
    for _ in 0..20 {
        company.next_day(&[("pipelines", [3, 0, 0, 0]), ("stages", [14, 0, 0, 0])]);
    }
    company.next_day(&[("pipelines", [2, 0, 1, 1]), ("stages", [12, 0, 12, 2])]);
    assert_eq!(company.verdict(), []);
}

#[test]
fn before_there_is_enough_to_learn_from_only_what_nobody_overlooks_is_told() {
    let mut company = Company::of_days(2);
    company.next_day(&[("deals", [1_200, 200, 1_000, 0])]);
    assert_eq!(company.verdict(), []);
    company.next_day(&[("deals", [600, 0, 0, 600])]);
    assert_eq!(company.verdict(), [("Deals".to_owned(), What::Deleted, 600, 360)]);
}

#[test]
fn a_first_snapshot_and_what_stands_on_a_partial_one_tell_nothing() {
    let mut company = Company::default();
    company.next_day(&[("deals", [1_000, 1_000, 0, 0])]);
    assert_eq!(company.verdict(), []);
    let mut company = Company::of_days(20);
    company.next_day(&[("deals", [10, 0, 0, 990])]).notes = json!({"unfinished": true});
    assert_eq!(company.verdict(), []);
    company.next_day(&[("deals", [5_000, 4_990, 0, 0])]);
    assert_eq!(company.verdict(), []);
}

#[test]
fn first_looks_and_looks_at_other_fields_are_no_changes_of_the_account() {
    let mut company = Company::of_days(20);
    company.next_day(&[("deals", [9_000, 8_000, 900, 0])]).notes = json!({"ahead": {"deals": 5}});
    assert_eq!(company.verdict(), []);
    let mut company = Company::of_days(20);
    company.next_day(&[("deals", [1_000, 0, 1_000, 0])]).contents[0].without = vec!["custom fields".to_owned()];
    assert_eq!(company.verdict(), []);
    let mut company = Company::of_days(20);
    company.manifests[20].contents[0].coverage = Coverage::NotOffered { reason: String::new() };
    company.next_day(&[("deals", [9_000, 8_000, 900, 0])]);
    assert_eq!(company.verdict(), []);
}

#[test]
fn a_full_capture_tells_of_deletions_only_and_teaches_nothing() {
    let mut company = Company::of_days(20);
    company.next_day(&[("deals", [1_000, 0, 1_000, 50])]).notes = json!({"full": true});
    assert_eq!(company.verdict(), []);
    company.next_day(&[("deals", [1_000, 0, 400, 0])]);
    assert_eq!(company.verdict().len(), 1);
}

#[test]
fn a_week_without_snapshots_may_show_as_much_more_but_not_everything() {
    let mut company = Company::of_days(20);
    company.after(24 * 7, &[("deals", [1_000, 7, 300, 60])]);
    assert_eq!(company.verdict(), []);
    company.manifests.pop();
    company.after(24 * 30, &[("deals", [600, 0, 300, 400])]);
    assert_eq!(company.verdict(), [("Deals".to_owned(), What::Deleted, 400, 300)]);
}

#[test]
fn deletions_that_are_seen_once_a_week_are_those_of_a_week() {
    let mut company = Company::of_days(0);
    let begin = monday();
    for day in 1..60 {
        let seen = begin + TimeDelta::days(day / 7 * 7);
        let deleted = if day % 7 == 0 { 70 } else { 0 };
        company.next_day(&[("deals", [1_000, 0, 20, deleted])]).contents[0].deletions_seen_at = Some(seen);
        assert_eq!(company.verdict(), [], "day {day}");
    }
}

#[test]
fn what_raised_an_alarm_is_not_learned_unless_it_was_called_usual() {
    for usual in [false, true] {
        let mut company = Company::of_days(20);
        company.next_day(&[("deals", [1_000, 0, 400, 0])]);
        company.acknowledge(usual);
        for _ in 0..5 {
            company.next_day(&[("deals", [1_000, 0, 20, 0])]);
        }
        company.next_day(&[("deals", [1_000, 0, 420, 0])]);
        assert_eq!(company.verdict().is_empty(), usual);
    }
}

#[test]
fn what_a_restore_wrote_is_told_apart_and_the_rest_is_not() {
    let mut company = Company::of_days(20);
    let last = company.next_day(&[("deals", [1_000, 0, 400, 0])]).finished;
    let restored = |writes, hours| Restored {
        company: 1,
        begun: last - TimeDelta::hours(hours),
        ended: last - TimeDelta::hours(hours - 1),
        made: 0,
        deleted: 0,
        writes,
    };
    let verdict = |restored| company.verdict_with(&Limits::default(), &[restored]).len();
    assert_eq!([verdict(restored(380, 2)), verdict(restored(100, 2)), verdict(restored(380, 50))], [0, 1, 1]);
}

#[test]
fn limits_of_people_stand_in_place_of_what_was_learned() {
    let mut company = Company::of_days(20);
    company.next_day(&[("deals", [940, 0, 60, 60])]);
    let limits = |default: &str, deals: Option<&str>| Limits {
        default: default.parse().unwrap(),
        objects: deals.map(|text| (ObjectName::known("deals"), text.parse().unwrap())).into_iter().collect(),
    };
    let told = |limits: Limits| company.verdict_with(&limits, &[]).len();
    assert_eq!(told(limits("learned", None)), 1, "more deletions than usual");
    assert_eq!(told(limits("5%", None)), 2);
    assert_eq!(told(limits("5%", Some("10%"))), 0);
    assert_eq!(told(limits("off", None)), 0);
    assert_eq!(told(limits("off", Some("59"))), 2);
    assert_eq!(told(limits("1%", Some("off"))), 0);
    assert!("much".parse::<Limit>().unwrap_err().contains("neither a share"));
}
