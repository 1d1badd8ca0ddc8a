//! Records while very many of them are kept: some hundred packed together, a fraction of their text.
//!
//! What was lost is read several times on the way to a plan, each time in much the
//! same order, so the parcels that were opened last stay open.

use std::cell::RefCell;
use std::collections::VecDeque;

use crate::record::{Record, RecordId};

/// How much text a parcel holds, in bytes.
const PARCEL: usize = 64 * 1024;

/// How many parcels stay open: records of an object and of its twin may be read by turns.
const OPEN: usize = 4;

/// Of zstd: most of what there is to gain is names that repeat, which the quickest level finds.
const LEVEL: i32 = 1;

/// Where a record lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    parcel: u32,
    from: u32,
    bytes: u32,
}

/// The records; each is known by its place.
#[derive(Default)]
pub(super) struct Packed {
    parcels: Vec<Box<[u8]>>,
    /// What the next parcel will hold.
    next: String,
    open: RefCell<VecDeque<(u32, String)>>,
}

impl Packed {
    /// Puts a record beside the others.
    pub(super) fn put(&mut self, record: &Record) -> Place {
        if self.next.len() >= PARCEL {
            let parcel = zstd::bulk::compress(self.next.as_bytes(), LEVEL).expect("what is in memory can be packed");
            self.parcels.push(parcel.into());
            self.next.clear();
        }
        let (from, text) = (self.next.len(), record.text());
        self.next.push_str(text);
        Place { parcel: self.parcels.len() as u32, from: from as u32, bytes: text.len() as u32 }
    }

    /// The record of this identity at this place. Unpacks; keep the result when it is needed twice.
    pub(super) fn record(&self, id: &RecordId, place: Place) -> Record {
        let text = |parcel: &str| parcel[place.from as usize..][..place.bytes as usize].into();
        let Some(packed) = self.parcels.get(place.parcel as usize) else {
            return Record::stored(id.clone(), text(&self.next));
        };
        let mut open = self.open.borrow_mut();
        if !open.iter().any(|(number, _)| *number == place.parcel) {
            open.truncate(OPEN - 1);
            open.push_front((place.parcel, unpacked(packed)));
        }
        let parcel = open.iter().find(|(number, _)| *number == place.parcel).expect("it was opened");
        Record::stored(id.clone(), text(&parcel.1))
    }
}

fn unpacked(parcel: &[u8]) -> String {
    let bytes = zstd::stream::decode_all(parcel).expect("it was packed here");
    String::from_utf8(bytes).expect("it was packed from texts")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_what_was_put_whatever_was_read_before() {
        let mut packed = Packed::default();
        let put = |number: u64| {
            let id = RecordId::parse(&format!("deals/{number}")).expect("an id");
            let text = format!("{{\"id\":{number},\"title\":\"{}\"}}", "x".repeat((number * 37 % 5000) as usize));
            Record::stored(id, text.into())
        };
        let records: Vec<Record> = (0..400).map(put).collect();
        let places: Vec<Place> = records.iter().map(|record| packed.put(record)).collect();
        assert!(packed.parcels.len() > OPEN, "{} parcels", packed.parcels.len());
        for at in (0..400).chain((0..400).rev()).chain((0..400).map(|at| at * 7 % 400)) {
            assert_eq!(packed.record(records[at].id(), places[at]), records[at]);
        }
    }
}
