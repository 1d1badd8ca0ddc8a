//! The thread that seals and stores segments while pages are still being read, and has blocks compressed for them.
//!
//! It learns of blocks through a short queue, so that a capture is never more
//! than a few blocks ahead of the disk. Where a segment ends depends on the
//! sizes of blocks that are certainly done, never on who was faster.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::Inner;
use super::error::Error;
use super::segment::{Directory, Effort, Growing, RawBlock};
use super::store::Placed;

/// Blocks on their way.
const AHEAD: usize = 1;

enum Order {
    Block(RawBlock),
    /// Store what there is; `go_on` keeps it growing, to be stored again with more.
    Store {
        number: u32,
        go_on: bool,
    },
}

enum Reply {
    Block(Result<u64, Error>),
    Stored(Result<Stored, Error>),
}

/// A segment that is on disk.
pub(super) struct Stored {
    pub(super) number: u32,
    pub(super) placed: Placed,
    pub(super) directory: Directory,
}

/// The near end of the thread.
pub(super) struct Packer {
    orders: Option<SyncSender<Order>>,
    replies: Receiver<Reply>,
    thread: Option<JoinHandle<()>>,
    blocks_on_their_way: usize,
    stores_on_their_way: usize,
    stored: Vec<Stored>,
    /// Something could not be stored: nothing that counts on it may be entered in the index.
    failed: bool,
    /// Compressed bytes of the growing segment, as far as they are known.
    pub(super) growing_bytes: u64,
}

impl Packer {
    pub(super) fn start(inner: &Arc<Inner>, effort: Effort) -> Result<Packer, Error> {
        let (orders, inbox) = sync_channel(AHEAD);
        let (outbox, replies) = sync_channel(AHEAD + 16);
        let growing = Growing::new(&inner.header.archive, effort);
        let inner = Arc::clone(inner);
        let thread = std::thread::spawn(move || work(&inner, growing, &inbox, &outbox));
        Ok(Packer {
            orders: Some(orders),
            replies,
            thread: Some(thread),
            blocks_on_their_way: 0,
            stores_on_their_way: 0,
            stored: Vec::new(),
            failed: false,
            growing_bytes: 0,
        })
    }

    fn order(&mut self, order: Order) -> Result<(), Error> {
        if self.orders.as_ref().is_some_and(|orders| orders.send(order).is_ok()) {
            return Ok(());
        }
        // The thread ended, and said why before it did.
        loop {
            self.wait()?;
        }
    }

    fn wait(&mut self) -> Result<(), Error> {
        let outcome = self.hear();
        self.failed |= outcome.is_err();
        outcome
    }

    fn hear(&mut self) -> Result<(), Error> {
        match self.replies.recv().map_err(|_| Error::PackerEnded)? {
            Reply::Block(bytes) => {
                self.blocks_on_their_way -= 1;
                self.growing_bytes = bytes?;
            }
            Reply::Stored(stored) => {
                self.stores_on_their_way -= 1;
                self.stored.push(stored?);
            }
        }
        Ok(())
    }

    pub(super) fn add(&mut self, block: RawBlock) -> Result<(), Error> {
        self.order(Order::Block(block))?;
        self.blocks_on_their_way += 1;
        while self.blocks_on_their_way > AHEAD {
            self.wait()?;
        }
        Ok(())
    }

    /// Orders the growing segment to be stored under this number; the reply comes with [`Packer::settle`].
    pub(super) fn store(&mut self, number: u32, go_on: bool) -> Result<(), Error> {
        self.order(Order::Store { number, go_on })?;
        self.stores_on_their_way += 1;
        while self.blocks_on_their_way > 0 {
            self.wait()?;
        }
        if !go_on {
            self.growing_bytes = 0;
        }
        Ok(())
    }

    /// Waits until everything ordered is on disk, and returns what was stored since the last time.
    pub(super) fn settle(&mut self) -> Result<Vec<Stored>, Error> {
        if self.failed {
            return Err(Error::PackerEnded);
        }
        while self.blocks_on_their_way + self.stores_on_their_way > 0 {
            self.wait()?;
        }
        Ok(std::mem::take(&mut self.stored))
    }
}

impl Drop for Packer {
    fn drop(&mut self) {
        // Closing both queues lets the thread end, whatever it is doing.
        self.orders = None;
        while self.replies.recv().is_ok() {}
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(inner: &Inner, mut growing: Growing, inbox: &Receiver<Order>, outbox: &SyncSender<Reply>) {
    let recipient = inner.data_recipient.as_ref();
    while let Ok(order) = inbox.recv() {
        let reply = match order {
            Order::Block(block) => Reply::Block(growing.add(block).map(|()| growing.stored_bytes())),
            Order::Store { number, go_on } => {
                let stored = growing.store(&inner.store, recipient, &inner.secrets.data);
                if !go_on {
                    growing.clear();
                }
                Reply::Stored(stored.map(|(placed, directory)| Stored { number, placed, directory }))
            }
        };
        let failed = matches!(&reply, Reply::Block(Err(_)) | Reply::Stored(Err(_)));
        if outbox.send(reply).is_err() || failed {
            return;
        }
    }
}
