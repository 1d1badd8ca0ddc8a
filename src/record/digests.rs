//! Digests of many versions at once.
//!
//! A version has one chunk of BLAKE3 or two and uses, hashed by itself, one lane of a
//! processor that has up to sixteen: more than half of what a full check took. Chunks
//! of as many whole blocks go side by side up to their last block, which each has its own
//! way to end. How a chunk is hashed is the specification's (BLAKE3, 2020, section 2.4);
//! side by side, the crate offers it under an interface that it does not promise to keep,
//! so Cargo.toml names one version of it, and a test compares with the one it promises.
//! Nodes of a tree, of two hashes each, go side by side from their beginning to their end.

use blake3::IncrementCounter;
use blake3::platform::{Platform, le_bytes_from_words_32, words_from_le_bytes_32};

use super::{Digest, DigestKey};
use crate::catalogue::ObjectName;

const BLOCK: usize = 64;
const BLOCKS: usize = 16;
const CHUNK: usize = BLOCKS * BLOCK;
/// The most lanes that any processor has.
const LANES: usize = 16;

/// What a hash without a key begins with: BLAKE3, table 1.
const IV: [u32; 8] =
    [0x6A09_E667, 0xBB67_AE85, 0x3C6E_F372, 0xA54F_F53A, 0x510E_527F, 0x9B05_688C, 0x1F83_D9AB, 0x5BE0_CD19];

// Flags of a block: BLAKE3, table 3.
const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const PARENT: u8 = 1 << 2;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;

/// Versions whose digests are made side by side, in memory that can be used again.
#[derive(Default)]
pub struct Versions {
    /// What is hashed, one after the other, and where each ends.
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Versions {
    /// Adds a version: its object, the bytes of its key, its body.
    pub fn push(&mut self, object: &ObjectName, key: &[u8], body: &str) {
        let parts = [object.as_str().as_bytes(), b"\0", key, b"\0", body.as_bytes()];
        parts.iter().for_each(|part| self.text.extend_from_slice(part));
        self.ends.push(self.text.len());
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

impl DigestKey {
    /// The digests of versions of one object, each given by the bytes of its key and its body.
    pub fn digests<K: AsRef<[u8]>, B: AsRef<str>>(
        &self,
        object: &ObjectName,
        given: impl IntoIterator<Item = (K, B)>,
    ) -> Vec<Digest> {
        let mut versions = Versions::default();
        given.into_iter().for_each(|(key, body)| versions.push(object, key.as_ref(), body.as_ref()));
        self.digests_of(&versions)
    }

    /// The digests of versions, in their order.
    pub fn digests_of(&self, versions: &Versions) -> Vec<Digest> {
        Lanes::of(self).hash(&versions.text, &versions.ends)
    }
}

/// The hash of each two nodes that follow one another; of one that is left over, nothing.
pub(crate) fn hash_pairs(nodes: &[[u8; 32]]) -> Vec<[u8; 32]> {
    let (platform, mut hashes) = (Platform::detect(), vec![[0; 32]; nodes.len() / 2]);
    let pairs = nodes.as_flattened().as_chunks::<BLOCK>().0;
    for (pairs, hashes) in pairs.chunks(LANES).zip(hashes.chunks_mut(LANES)) {
        let mut inputs = [&pairs[0]; LANES];
        inputs.iter_mut().zip(pairs).for_each(|(input, pair)| *input = pair);
        let (inputs, no, all) = (&inputs[..pairs.len()], IncrementCounter::No, CHUNK_END | ROOT);
        platform.hash_many(inputs, &IV, 0, no, 0, CHUNK_START, all, hashes.as_flattened_mut());
    }
    hashes
}

/// Hashes messages side by side.
struct Lanes<'k> {
    key: &'k DigestKey,
    words: [u32; 8],
    platform: Platform,
}

/// A chunk of a message, by the message's place.
type Chunk<'t> = (usize, &'t [u8]);

impl<'k> Lanes<'k> {
    fn of(key: &'k DigestKey) -> Lanes<'k> {
        Lanes { key, words: words_from_le_bytes_32(&key.0), platform: Platform::detect() }
    }

    /// The digests of the messages that end at these places, in their order.
    fn hash(&self, text: &[u8], ends: &[usize]) -> Vec<Digest> {
        let mut digests = vec![Digest([0; 32]); ends.len()];
        // Full chunks with another behind them, and what came of them.
        let (mut full, mut firsts) = (Vec::new(), Vec::new());
        // Last chunks: of messages of one or two, of as many whole blocks before their last one.
        let mut last: [[Vec<Chunk<'_>>; BLOCKS]; 2] = Default::default();
        let mut begins = 0;
        for (at, end) in ends.iter().enumerate() {
            let message = &text[begins..*end];
            begins = *end;
            if message.len() > 2 * CHUNK {
                digests[at] = Digest(*blake3::keyed_hash(&self.key.0, message).as_bytes());
                continue;
            }
            let (number, chunk) = match message.split_at_checked(CHUNK).filter(|(_, second)| !second.is_empty()) {
                Some((first, second)) => {
                    full.push((at, first));
                    (1, second)
                }
                None => (0, message),
            };
            let whole = chunk.len().saturating_sub(1) / BLOCK;
            let waiting = &mut last[number][whole];
            waiting.push((at, chunk));
            if waiting.len() == LANES {
                self.end(number, whole, waiting, &mut digests);
            }
            if full.len() == LANES {
                self.chunks(&mut full, &mut firsts);
            }
        }
        self.chunks(&mut full, &mut firsts);
        for (number, lists) in last.iter_mut().enumerate() {
            lists.iter_mut().enumerate().for_each(|(whole, list)| self.end(number, whole, list, &mut digests));
        }
        firsts.iter().for_each(|(at, first)| digests[*at] = self.join(first, &digests[*at].0));
        digests
    }

    /// Hashes full chunks that are not their message's last.
    fn chunks(&self, full: &mut Vec<Chunk<'_>>, firsts: &mut Vec<(usize, [u8; 32])>) {
        let mut states = [[0; 32]; LANES];
        self.blocks::<CHUNK>(0, full, CHUNK_END, states.as_flattened_mut());
        firsts.extend(full.drain(..).zip(states).map(|((at, _), state)| (at, state)));
    }

    /// Hashes last chunks of so many whole blocks to their ends.
    fn end(&self, number: usize, whole: usize, waiting: &mut Vec<Chunk<'_>>, digests: &mut [Digest]) {
        let mut states = [[0; 32]; LANES];
        self.begin(number as u64, whole, waiting, states.as_flattened_mut());
        // The only chunk is the root; another is joined with the one before it.
        let root = if number == 0 { ROOT } else { 0 };
        for ((at, chunk), state) in waiting.drain(..).zip(states) {
            let (mut words, start) = match whole {
                0 => (self.words, CHUNK_START),
                _ => (words_from_le_bytes_32(&state), 0),
            };
            let last = &chunk[whole * BLOCK..];
            let mut block = [0; BLOCK];
            block[..last.len()].copy_from_slice(last);
            let flags = KEYED_HASH | start | CHUNK_END | root;
            self.platform.compress_in_place(&mut words, &block, last.len() as u8, number as u64, flags);
            digests[at] = Digest(le_bytes_from_words_32(&words));
        }
    }

    /// The root over two chunks.
    fn join(&self, first: &[u8; 32], second: &[u8; 32]) -> Digest {
        let mut block = [0; BLOCK];
        block[..32].copy_from_slice(first);
        block[32..].copy_from_slice(second);
        let mut words = self.words;
        self.platform.compress_in_place(&mut words, &block, BLOCK as u8, 0, KEYED_HASH | PARENT | ROOT);
        Digest(le_bytes_from_words_32(&words))
    }

    /// What the whole blocks come to.
    fn begin(&self, number: u64, whole: usize, chunks: &[Chunk<'_>], states: &mut [u8]) {
        match whole {
            1 => self.blocks::<64>(number, chunks, 0, states),
            2 => self.blocks::<128>(number, chunks, 0, states),
            3 => self.blocks::<192>(number, chunks, 0, states),
            4 => self.blocks::<256>(number, chunks, 0, states),
            5 => self.blocks::<320>(number, chunks, 0, states),
            6 => self.blocks::<384>(number, chunks, 0, states),
            7 => self.blocks::<448>(number, chunks, 0, states),
            8 => self.blocks::<512>(number, chunks, 0, states),
            9 => self.blocks::<576>(number, chunks, 0, states),
            10 => self.blocks::<640>(number, chunks, 0, states),
            11 => self.blocks::<704>(number, chunks, 0, states),
            12 => self.blocks::<768>(number, chunks, 0, states),
            13 => self.blocks::<832>(number, chunks, 0, states),
            14 => self.blocks::<896>(number, chunks, 0, states),
            15 => self.blocks::<960>(number, chunks, 0, states),
            _ => {}
        }
    }

    fn blocks<const BYTES: usize>(&self, number: u64, chunks: &[Chunk<'_>], end: u8, states: &mut [u8]) {
        let Some(first) = chunks.first().and_then(|(_, chunk)| chunk.first_chunk::<BYTES>()) else { return };
        // All lanes take little longer than one: those that are left over hash something that nobody asked for.
        let lanes = if chunks.len() == 1 { 1 } else { LANES };
        let mut inputs = [first; LANES];
        for (input, (_, chunk)) in inputs.iter_mut().zip(chunks) {
            *input = chunk.first_chunk().unwrap_or(first);
        }
        let (inputs, no) = (&inputs[..lanes], IncrementCounter::No);
        self.platform.hash_many(inputs, &self.words, number, no, KEYED_HASH, CHUNK_START, end, states);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_hash_to_what_each_is_by_itself() {
        let nodes: Vec<[u8; 32]> = (0..75_u8).map(|node| *blake3::hash(&[node]).as_bytes()).collect();
        for length in 0..nodes.len() {
            let alone: Vec<_> =
                nodes[..length].chunks_exact(2).map(|pair| *blake3::hash(pair.as_flattened()).as_bytes()).collect();
            assert_eq!(hash_pairs(&nodes[..length]), alone);
        }
    }

    #[test]
    fn many_digests_are_what_each_is_by_itself() {
        let (key, object) = (DigestKey([7; 32]), ObjectName::known("deals"));
        // Around the end of each block and of the chunk, and often enough for every lane.
        let lengths = (0..2_300).chain([0, 1, 63, 64, 65, 1_010, 1_023, 1_024, 1_025, 2_040, 4_096].repeat(40));
        let bodies: Vec<String> =
            lengths.enumerate().map(|(at, length)| format!("{at:07}").chars().cycle().take(length).collect()).collect();
        let keys: Vec<Vec<u8>> = (0..bodies.len()).map(|at| at.to_be_bytes()[at % 8..].to_vec()).collect();
        let alone: Vec<Digest> = keys.iter().zip(&bodies).map(|(own, body)| key.digest(&object, own, body)).collect();
        assert_eq!(key.digests(&object, keys.iter().zip(&bodies)), alone);
        assert_eq!(key.digests(&object, std::iter::empty::<(Vec<u8>, String)>()), []);
    }
}
