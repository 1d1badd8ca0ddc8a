//! An increment of lists that are too dear to be walked every day: what changed is asked for, the rest is carried over.

use pdbak::archive::Coverage;
use pdbak::capture::Wanted;
use pdbak::catalogue::{self, ObjectName};
use pdbak::sandbox::Options;
use serde_json::json;

use super::capture::ids;
use crate::support::{World, contents};

#[test]
fn a_dear_list_is_asked_for_what_changed_and_its_deletions_wait_for_the_next_walk() {
    // With so few tokens a day, walking the notes costs more than a fiftieth of what is left.
    let world = World::with(Options { records: 60_000, daily_tokens: 8_000, ..Options::default() });
    let notes = catalogue::find(&ObjectName::known("notes")).expect("an object");
    let wanted = Wanted { objects: vec![notes], ..Wanted::default() };
    let first = world.snapshot_of(&wanted);
    let records = contents(&first, "notes").records;
    let notes = ids(&world, "Notes");
    world.call("PUT", &format!("/v1/notes/{}", notes[0]), Some(&json!({"content": "edited"})));
    world.call("DELETE", &format!("/v1/notes/{}", notes[1]), None);
    world.call("POST", "/v1/notes", Some(&json!({"content": "new", "deal_id": ids(&world, "Deals")[0]})));
    let second = world.snapshot_of(&wanted);
    let seen = contents(&second, "notes");
    assert_eq!((seen.new, seen.changed, seen.deleted), (1, 1, 0));
    assert_eq!((seen.records, &seen.coverage), (records + 1, &Coverage::Whole));
    assert_eq!(seen.deletions_seen_at, contents(&first, "notes").deletions_seen_at);
    assert!(second.tokens < first.tokens / 4, "{} of {}", second.tokens, first.tokens);
    // A walk over everything finds what is gone.
    let third = world.snapshot_of(&Wanted { full: true, ..wanted });
    assert_eq!((contents(&third, "notes").deleted, contents(&third, "notes").records), (1, records));
}
