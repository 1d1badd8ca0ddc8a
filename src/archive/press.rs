//! Threads that compress blocks side by side, and unpack each again before it counts.
//!
//! Compressing is most of what packing costs. Blocks come back in the order in which they were given, and so
//! many of them are on their way at most, whatever the machine: the same lines make the same segments everywhere.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

use super::error::Error;
use super::segment::{BlockFacts, Effort, RawBlock, SEGMENTS};

/// Blocks on their way.
pub(super) const AHEAD: usize = 4;
/// The first blocks of a run, which are all that most runs have, are worth all the work.
const FEW_BLOCKS: u32 = 4;
/// Shorter matches than this save less than they cost in records, where keys repeat: without it a segment is 2 % larger.
const MIN_MATCH: u32 = 6;

/// How many threads this machine runs at once.
pub(super) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A block as it is stored.
pub(super) struct Pressed {
    /// One frame of zstd.
    pub(super) stored: Vec<u8>,
    /// Without its offset.
    pub(super) facts: BlockFacts,
}

type Outcome = Result<Pressed, Error>;

struct Job {
    block: RawBlock,
    effort: Effort,
    outcome: SyncSender<Outcome>,
}

/// The near end of the threads.
pub(super) struct Press {
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
    on_their_way: VecDeque<Receiver<Outcome>>,
    effort: Effort,
    /// Blocks that were given to it.
    given: u32,
}

impl Press {
    pub(super) fn start(effort: Effort, threads: usize) -> Press {
        let (jobs, inbox) = sync_channel::<Job>(AHEAD);
        let inbox = Arc::new(Mutex::new(inbox));
        let begin = |_| {
            let inbox = Arc::clone(&inbox);
            std::thread::spawn(move || work(&inbox))
        };
        let threads = (0..threads.clamp(1, AHEAD)).map(begin).collect();
        Press { jobs: Some(jobs), threads, on_their_way: VecDeque::new(), effort, given: 0 }
    }

    /// Gives it a block.
    pub(super) fn give(&mut self, block: RawBlock) -> Result<(), Error> {
        let effort = if self.given < FEW_BLOCKS { Effort::Thorough } else { self.effort };
        let (outcome, heard) = sync_channel(1);
        self.given = self.given.saturating_add(1);
        self.on_their_way.push_back(heard);
        let jobs = self.jobs.as_ref().ok_or(Error::PackerEnded)?;
        jobs.send(Job { block, effort, outcome }).map_err(|_| Error::PackerEnded)
    }

    /// How many blocks did not come back yet.
    pub(super) fn on_their_way(&self) -> usize {
        self.on_their_way.len()
    }

    /// Waits for the oldest of them.
    pub(super) fn next(&mut self) -> Option<Outcome> {
        Some(self.on_their_way.pop_front()?.recv().unwrap_or(Err(Error::PackerEnded)))
    }
}

impl Drop for Press {
    fn drop(&mut self) {
        self.jobs = None;
        self.on_their_way.clear();
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

fn work(inbox: &Mutex<Receiver<Job>>) {
    let mut tools: Option<Tools> = None;
    loop {
        let received = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { block, effort, outcome }) = received else { return };
        // The tables of more work are large: they go when less is wanted.
        let fitting = tools.take().filter(|tools| tools.effort == effort);
        let fitting = fitting.map_or_else(|| Tools::new(effort).map_err(refused), Ok);
        let pressed = fitting.and_then(|fitting| tools.insert(fitting).press(&block));
        // Whoever does not listen any more failed elsewhere.
        let _unheard = outcome.send(pressed);
    }
}

fn refused(source: std::io::Error) -> Error {
    Error::File { doing: "compress for", path: PathBuf::from(SEGMENTS), source }
}

/// What one thread works with.
struct Tools {
    effort: Effort,
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
    unpacked: Vec<u8>,
}

impl Tools {
    fn new(effort: Effort) -> std::io::Result<Tools> {
        let mut compressor = Compressor::new(effort.level())?;
        compressor.set_parameter(CParameter::ChecksumFlag(true))?;
        compressor.set_parameter(CParameter::MinMatch(MIN_MATCH))?;
        Ok(Tools { effort, compressor, decompressor: Decompressor::new()?, unpacked: Vec::new() })
    }

    /// Compresses a block, and unpacks it again.
    fn press(&mut self, block: &RawBlock) -> Result<Pressed, Error> {
        let stored = self.compressor.compress(&block.text).map_err(refused)?;
        self.unpacked.clear();
        self.unpacked.reserve_exact(block.text.len());
        self.decompressor.decompress_to_buffer(&stored, &mut self.unpacked).map_err(refused)?;
        let hash = blake3::hash(&block.text);
        // A bit that flipped between compressing and storing is found here, while the record can still be had.
        if blake3::hash(&self.unpacked) != hash {
            return Err(Error::damaged(&PathBuf::from(SEGMENTS), "a block does not unpack to what was packed"));
        }
        // Counted in what came back, so that a certificate rests on it.
        let lines = memchr::memchr_iter(b'\n', &self.unpacked).count() as u32;
        let facts = BlockFacts {
            object: block.object.clone(),
            offset: 0,
            stored: stored.len() as u64,
            raw: block.text.len() as u64,
            lines,
            first: block.first.to_string(),
            last: block.last.to_string(),
            blake3: hash.to_hex().to_string(),
        };
        Ok(Pressed { stored, facts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Key;

    fn block(number: u64) -> RawBlock {
        let line = |of| format!("{{\"id\":{},\"title\":\"deal {}\"}}\n", of * (number + 3), of % (number + 5));
        let text = (0..6_000 + number * 100).map(line).collect::<String>().into_bytes();
        RawBlock { object: "deals".to_owned(), text, lines: 1, first: Key::Number(number), last: Key::Number(number) }
    }

    #[test]
    fn blocks_come_back_in_order_and_the_same_however_many_threads() {
        let pressed_by = |threads| {
            let mut press = Press::start(Effort::Quick, threads);
            let mut pressed = Vec::new();
            for number in 0..24 {
                press.give(block(number)).unwrap();
                if press.on_their_way() > AHEAD {
                    pressed.push(press.next().unwrap().unwrap());
                }
            }
            pressed.extend(std::iter::from_fn(|| press.next()).map(Result::unwrap));
            pressed
        };
        let (one, many) = (pressed_by(1), pressed_by(4));
        assert_eq!(one.len(), 24);
        for (number, (one, many)) in one.iter().zip(&many).enumerate() {
            assert_eq!((&one.facts, &one.stored), (&many.facts, &many.stored));
            assert_eq!(one.facts.first, number.to_string());
            let unpacked = zstd::decode_all(one.stored.as_slice()).unwrap();
            assert_eq!(unpacked, block(number as u64).text);
        }
    }
}
