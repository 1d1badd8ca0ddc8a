//! A push to a folder on a disk that fails at the n-th operation, for every n.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::Ordering;

use tokio::runtime::{Builder, Runtime};

use super::{Pushed, push_to};
use crate::archive::tests::faulty::{Script, faulty_shelf};
use crate::archive::tests::{World, copy, deal, snapshot_of};
use crate::archive::{Archive, Problem, Shelf};
use crate::offsite::place::Place;
use crate::offsite::{Address, Amount, Error, Haul, Progress, Target};

struct Silent;

impl Progress for Silent {
    fn expects(&self, _amount: Amount) {}
    fn did(&self, _amount: Amount) {}
    fn warned(&self, _text: &str) {}
}

/// An archive with two snapshots, and a copy from before the second.
struct Story {
    _world: World,
    archive: Archive,
    snapshots: usize,
    copy: tempfile::TempDir,
    runtime: Runtime,
}

impl Story {
    fn begin() -> Story {
        let (world, archive) = World::clear();
        let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let story = Story { _world: world, archive, snapshots: 2, copy: tempfile::tempdir().unwrap(), runtime };
        snapshot_of(&story.archive, &[deal(1, "first"), deal(2, "first")]);
        assert!(story.push(Shelf::at(story.copy.path()), story.copy.path()).unwrap().is_whole());
        snapshot_of(&story.archive, &[deal(1, "first"), deal(2, "second")]);
        story
    }

    /// One file after the other, so that the n-th operation is the same each time.
    fn push(&self, to: Shelf, root: &Path) -> Result<Pushed, Error> {
        let target = Target::at(Address::Folder(root.to_owned()));
        let (haul, place) = (Haul { transfers: 1, ..Haul::default() }, Place::Folder(to));
        self.runtime.block_on(push_to(place, &self.archive.shelf(), &target, (haul, false), &Silent))
    }

    /// What is in a copy is whole; how many snapshots that are.
    fn look(&self, root: &Path, when: &str) -> usize {
        let copy = World::at(root);
        copy.check(true, &mut |problem: Problem| panic!("{when}: {problem:?}")).unwrap();
        copy.snapshots().unwrap().len()
    }

    /// Lets the push of the second snapshot meet the fault at every operation: the first stays whole, the next push ends the work.
    fn at_every_operation(&self, script: Script) -> u64 {
        for at in 1.. {
            let root = tempfile::tempdir().unwrap();
            copy(self.copy.path(), root.path());
            let (shelf, done) = faulty_shelf(root.path(), script, at);
            let outcome = self.push(shelf, root.path());
            let struck = done.load(Ordering::SeqCst) >= at;
            let when = format!("{script:?} at operation {at}");
            let there = self.look(root.path(), &when);
            assert!(there >= 1, "{when}");
            match &outcome {
                Ok(pushed) if pushed.is_whole() => {
                    assert_eq!(there, self.snapshots, "{when}");
                    assert!(!struck || script != Script::LoseAtSync, "{when}: nobody was told");
                }
                // Each file that did not arrive is named, with what the system said.
                Ok(pushed) => {
                    assert!(struck && script != Script::Short && script != Script::Interrupt, "{when}: {pushed:?}");
                    let said = |problem: &str| problem.starts_with("cannot ") || problem.starts_with("waits until all");
                    assert!(pushed.faults.iter().all(|fault| said(&fault.problem)), "{when}: {pushed:?}");
                }
                Err(error) => assert!(error.to_string().starts_with("cannot "), "{when}: {error}"),
            }
            let again =
                self.push(Shelf::at(root.path()), root.path()).unwrap_or_else(|error| panic!("{when}: {error}"));
            assert!(again.is_whole(), "{when}: {again:?}");
            assert_eq!(self.look(root.path(), &when), self.snapshots, "{when}");
            if !struck {
                assert!(outcome.unwrap().is_whole());
                return at;
            }
        }
        unreachable!("the loop ends when no operation is left to fail")
    }
}

#[test]
fn a_push_that_meets_a_fault_at_any_operation_leaves_a_copy_that_is_whole_as_far_as_it_goes() {
    let story = Story::begin();
    let scripts = [
        (Script::Fail(ErrorKind::StorageFull), 15),
        (Script::Fail(ErrorKind::PermissionDenied), 15),
        (Script::Stick(ErrorKind::Other), 15),
        (Script::Crash, 15),
        (Script::LoseAtSync, 3),
        (Script::Short, 2),
        (Script::Interrupt, 2),
    ];
    for (script, least) in scripts {
        let operations = story.at_every_operation(script);
        assert!(operations > least, "{script:?}: {operations} operations");
    }
}
