//! Reading files side by side: hashing and unpacking keep one core busy, and most machines have more.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;

use crate::archive::error::Error;
use crate::archive::press::cores;

/// More threads want more memory and wait for the same disk.
const MOST: usize = 6;

/// How many threads help at all.
pub(super) fn threads() -> usize {
    cores().min(MOST)
}

/// Does the work for every job on as many threads as help, each with memory that it uses again; `each` hears of the
/// results on this one, in no order.
pub(super) fn side_by_side<J: Sync, M: Default, R: Send>(
    jobs: &[J],
    work: impl Fn(&J, &mut M) -> R + Sync,
    mut each: impl FnMut(&J, R) -> Result<(), Error>,
) -> Result<(), Error> {
    let threads = threads().min(jobs.len());
    let (next, (outbox, inbox)) = (AtomicUsize::new(0), sync_channel(1));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (outbox, next, work) = (outbox.clone(), &next, &work);
            scope.spawn(move || {
                let mut memory = M::default();
                while let Some((at, job)) =
                    Some(next.fetch_add(1, Ordering::SeqCst)).and_then(|at| Some((at, jobs.get(at)?)))
                {
                    if outbox.send((at, work(job, &mut memory))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(outbox);
        let mut heard = 0;
        for (at, result) in &inbox {
            heard += 1;
            if let Err(error) = each(&jobs[at], result) {
                // Whoever is still reading finds nobody listening, and ends.
                drop(inbox);
                return Err(error);
            }
        }
        if heard == jobs.len() { Ok(()) } else { Err(Error::PackerEnded) }
    })
}
