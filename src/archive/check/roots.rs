//! Content roots again, of all snapshots in one pass over the index, whose digests are compared with the records beside it.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use super::{Check, Problem, Remedy, Seen};
use crate::archive::Inner;
use crate::archive::error::Error;
use crate::archive::index::Ledger;
use crate::archive::manifest::SNAPSHOTS;
use crate::archive::map::Map;
use crate::archive::merkle::{Forest, Merkle};
use crate::record::Digest;

/// Snapshots whose roots can be made again, by their place among all, with their positions.
pub(super) type Whole = Vec<(usize, Map)>;

/// What the index says of all versions.
pub(super) struct Told {
    pub(super) ledger: Ledger,
    /// By the object's number the root of each snapshot.
    roots: HashMap<u32, Vec<String>>,
}

/// Which trees have which lines of a segment.
#[derive(Default)]
struct Alive<'m> {
    trees: Vec<(usize, &'m RoaringBitmap)>,
    /// Lines that all of them have: most, and asked once.
    in_all: RoaringBitmap,
}

impl<'m> Alive<'m> {
    fn add(&mut self, tree: usize, lines: &'m RoaringBitmap) {
        if self.trees.is_empty() {
            self.in_all = lines.clone();
        } else {
            self.in_all &= lines;
        }
        self.trees.push((tree, lines));
    }

    fn of(&self, line: u32) -> impl Iterator<Item = usize> {
        let in_all = self.in_all.contains(line);
        self.trees.iter().filter(move |(_, lines)| in_all || lines.contains(line)).map(|(tree, _)| *tree)
    }
}

/// Reads the index once from its first version to its last.
pub(super) fn read_index(inner: &Inner, whole: &Whole) -> Result<Told, Error> {
    let mut alive: HashMap<u32, Alive<'_>> = HashMap::new();
    for (tree, (_, map)) in whole.iter().enumerate() {
        map.segments().for_each(|(segment, lines)| alive.entry(segment).or_default().add(tree, lines));
    }
    let mut roots = HashMap::new();
    let mut open: Option<(u32, Forest)> = None;
    let ledger = inner.index().ledger(&mut |object, (segment, line), digest: &Digest| {
        if let Some((before, forest)) = open.take_if(|(before, _)| *before != object) {
            roots.insert(before, forest.roots());
        }
        let (_, forest) = open.get_or_insert_with(|| (object, Forest::of(whole.len())));
        alive.get(&segment).into_iter().flat_map(|alive| alive.of(line)).for_each(|tree| forest.push(tree, digest));
    })?;
    roots.extend(open.map(|(object, forest)| (object, forest.roots())));
    Ok(Told { ledger, roots })
}

impl Told {
    fn root(&self, object: &str, tree: usize) -> String {
        let named = self.roots.iter().find(|(number, _)| self.ledger.object(**number) == Some(object));
        named.map_or_else(|| Merkle::default().root(), |(_, roots)| roots[tree].clone())
    }
}

impl Check<'_> {
    /// The positions of all snapshots, read anew.
    pub(super) fn whole(&self) -> Result<Whole, Error> {
        let mut whole = Whole::new();
        for (at, Seen { id, .. }) in self.snapshots.iter().enumerate().filter(|(_, seen)| seen.readable) {
            match self.inner.map(id) {
                Ok(map) => whole.push((at, map)),
                Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.known(whole)
    }

    /// Without those that have lines of which nobody knows what they held: these have been told of, and have no digest.
    pub(super) fn known(&self, mut whole: Whole) -> Result<Whole, Error> {
        let blank = self.inner.mending()?;
        whole.retain(|(_, map)| map.and(&blank.blank).is_empty());
        Ok(whole)
    }

    /// Compares them with what the manifests say.
    pub(super) fn roots(&mut self, whole: &Whole, told: &Told) {
        for (tree, (at, _)) in whole.iter().enumerate() {
            let Seen { id, line, .. } = &self.snapshots[*at];
            let other = |object: &str, root: &str| told.root(object, tree) != root;
            let wrong = line.contents.iter().filter(|contents| other(contents.object.as_str(), &contents.root));
            let objects: Vec<_> = wrong.map(|contents| contents.object.clone()).collect();
            let (id, file) = (id.clone(), format!("{SNAPSHOTS}/{}", id.0));
            for object in objects {
                let text = format!("its {object} have another root than it says");
                self.found(Problem::of(&file, Remedy::None, text).hurting(std::slice::from_ref(&id)));
            }
        }
    }
}
