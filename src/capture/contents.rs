//! Contents of files: fetched once for each version, several at a time, never held in memory whole.
//!
//! A record of pdbak's own says which blob belongs to which file and by which
//! facts a newer version is told. Contents that cannot be fetched are a gap; the
//! older ones stay, and the next capture asks again.

use std::collections::{HashMap, VecDeque};
use std::io::{Seek, SeekFrom};

use futures_util::stream::{self, StreamExt};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tempfile::SpooledTempFile;

use super::Error;
use super::notes::{Download, Failure};
use super::run::{Run, Stop, Trouble};
use crate::account::{self, AT_ONCE};
use crate::archive::Outline;
use crate::catalogue::{self, Contents, Listing, Object, ObjectName};
use crate::record::{Key, Record, RecordId};

/// Contents up to this size wait in memory, larger ones in an unnamed file.
const IN_MEMORY: usize = 1 << 20;
/// So many failures without one success, and the rest is not asked for.
const FUTILE: u64 = 20;

/// The fields of a row that tell of its contents.
pub(super) fn fields(contents: &Contents) -> impl Iterator<Item = &'static str> + use<> {
    let address = contents.at.and_then(|at| at.split('.').next());
    contents.version.map(|(field, _)| field).into_iter().chain(address)
}

/// The version of a record's contents, from the fields of its row.
pub(super) fn download(contents: Contents, key: &Key, fields: &[&str], found: &[Option<&RawValue>]) -> Download {
    let value = |name: &str| -> Value {
        let at = fields.iter().position(|field| *field == name);
        let text = at.and_then(|at| found[at]).map_or("null", RawValue::get);
        serde_json::from_str(text).unwrap_or(Value::Null)
    };
    let address = contents.at.and_then(|at| {
        let mut parts = at.split('.');
        let top = value(parts.next()?);
        parts.try_fold(&top, |value, part| value.get(part)).and_then(Value::as_str).map(str::to_owned)
    });
    Download { key: key.to_string(), version: contents.version.map(|(field, _)| value(field)), address }
}

impl Run<'_> {
    /// Fetches the contents that are new, changed or still missing.
    pub(super) async fn read_contents(&self, object: &'static Object) -> Result<(), Stop> {
        let Listing::Derived { from } = object.listing else { return Ok(()) };
        let Some(owner) = catalogue::find(&ObjectName::known(from)) else { return Ok(()) };
        let Some(contents) = owner.contents.as_ref() else { return Ok(()) };
        if !self.set_out(object) {
            return Ok(());
        }
        let end = match self.keep_known(object, owner, contents) {
            Ok(()) => self.fetch(object, owner, contents).await,
            Err(error) => Err(error.into()),
        };
        self.arrive(object, end)
    }

    /// Carries over what the snapshot below holds of unchanged versions, and leaves the rest to be fetched.
    fn keep_known(&self, object: &Object, owner: &Object, contents: &Contents) -> Result<(), Error> {
        let (kept, missing) = self.kept_and_missing(object, owner, contents)?;
        let mut desk = self.desk();
        for download in kept {
            desk.writer.keep(&RecordId::new(ObjectName::known(object.name), Key::parse(&download.key)))?;
        }
        desk.notes.downloads.insert(owner.name.to_owned(), missing);
        Ok(())
    }

    /// The contents that were listed: those of which the snapshot below has this version, and those to be fetched.
    pub(super) fn kept_and_missing(
        &self,
        object: &Object,
        owner: &Object,
        contents: &Contents,
    ) -> Result<(Vec<Download>, VecDeque<Download>), Error> {
        let known = self.known_versions(object, contents)?;
        let all = self.desk().notes.downloads.remove(owner.name).unwrap_or_default();
        let (mut kept, mut missing) = (Vec::new(), VecDeque::new());
        for download in all {
            match known.get(&download.key) == Some(&stamp(&download.version)) {
                true => kept.push(download),
                false => missing.push_back(download),
            }
        }
        Ok((kept, missing))
    }

    /// The version of the contents that the snapshot below has for each record.
    fn known_versions(&self, object: &Object, contents: &Contents) -> Result<HashMap<String, u64>, Error> {
        let mut known = HashMap::new();
        if let Some(base) = self.base.as_ref().filter(|_| !self.fully(object)) {
            for outline in base.outlines(&ObjectName::known(object.name))? {
                let Outline { key, fields } = outline?;
                let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
                known.insert(key.to_string(), stamp(&contents.version.map(|(_, name)| field(name))));
            }
        }
        Ok(known)
    }

    async fn fetch(&self, object: &'static Object, owner: &Object, contents: &'static Contents) -> Result<(), Trouble> {
        let missing: Vec<Download> =
            self.desk().notes.downloads.get(owner.name).into_iter().flatten().cloned().collect();
        let fetched = |download: Download| async move {
            let mut file = SpooledTempFile::new(IN_MEMORY);
            let key = Key::parse(&download.key);
            let answer = match (&download.address, contents.at) {
                (Some(address), _) => self.account.download_from(address, &mut file).await,
                (None, None) => self.account.download(contents, &key, &mut file).await,
                (None, Some(_)) => Err(account::Error::Garbled("the row does not say where they are".to_owned())),
            };
            let answer = self.judged(answer);
            (download, key, answer.map(|_| file))
        };
        let mut downloads = stream::iter(missing).map(fetched).buffered(AT_ONCE);
        while let Some((download, key, answer)) = downloads.next().await {
            match answer {
                Ok(file) => self.store_contents((object, contents), &download, key, file)?,
                Err(Trouble::Stop(stop)) => return Err(Trouble::Stop(stop)),
                Err(Trouble::Gone) => self.missed(object, &key, "the service has none")?,
                Err(Trouble::Object(failure)) => self.missed(object, &key, failure.reason())?,
            }
            if let Some(waiting) = self.desk().notes.downloads.get_mut(owner.name) {
                waiting.pop_front();
            }
            self.turn_page(object, None, 1)?;
        }
        self.desk().notes.downloads.remove(owner.name);
        Ok(())
    }

    fn store_contents(
        &self,
        (object, contents): (&Object, &Contents),
        download: &Download,
        key: Key,
        mut file: SpooledTempFile,
    ) -> Result<(), Error> {
        let mut desk = self.desk();
        let rewound = file.seek(SeekFrom::Start(0)).map(|_| ());
        rewound.map_err(|error| Error::Scratch(error.to_string()))?;
        let blob = desk.writer.blob(&mut file)?;
        let mut body = Map::from_iter([
            ("id".to_owned(), id(&key)),
            ("blob".to_owned(), json!(blob.blob)),
            ("bytes".to_owned(), json!(blob.bytes)),
            ("blake3".to_owned(), json!(blob.blake3)),
        ]);
        body.extend(contents.version.iter().map(|(_, name)| (*name).to_owned()).zip(download.version.clone()));
        let record = Record::new(RecordId::new(ObjectName::known(object.name), key), &body);
        desk.take(object.name, &[record])?;
        desk.grew(blob.bytes);
        Ok(())
    }

    /// Contents that could not be fetched: what the snapshot below has of them stays.
    fn missed(&self, object: &Object, key: &Key, reason: &str) -> Result<(), Trouble> {
        let mut desk = self.desk();
        desk.writer.keep(&RecordId::new(ObjectName::known(object.name), key.clone())).map_err(Error::from)?;
        let progress = desk.notes.progress(object.name);
        progress.unread += 1;
        progress.gap(format!("contents of {key}: {reason}"));
        if progress.listed == 0 && progress.unread >= FUTILE {
            return Err(Trouble::Object(Failure::Part(format!("none of {FUTILE} contents could be read: {reason}"))));
        }
        Ok(())
    }
}

fn id(key: &Key) -> Value {
    match key {
        Key::Number(number) => json!(number),
        other => json!(other.to_string()),
    }
}

/// A version as a number: equal facts, equal numbers.
fn stamp([first, second]: &[Value; 2]) -> u64 {
    let hash = blake3::hash(format!("{first} {second}").as_bytes());
    u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("eight of thirty-two bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::specimen;
    use crate::record::peek;

    #[test]
    fn a_version_is_told_by_size_and_time() {
        let contents = specimen::object("files").contents.expect("files have contents");
        let names: Vec<&str> = fields(&contents).collect();
        let of = |row: &str| stamp(&download(contents, &Key::Number(7), &names, &peek(row, &names)).version);
        let first = of(r#"{"id":7,"file_size":10,"update_time":"2026-01-01 00:00:00"}"#);
        assert_eq!(first, of(r#"{"update_time":"2026-01-01 00:00:00","file_size":10,"name":"other"}"#));
        assert_ne!(first, of(r#"{"file_size":11,"update_time":"2026-01-01 00:00:00"}"#));
        assert_ne!(first, of(r#"{"file_size":10}"#));
    }

    #[test]
    fn a_picture_says_where_it_is() {
        let contents = specimen::object("personPictures").contents.expect("pictures have contents");
        let names: Vec<&str> = fields(&contents).collect();
        let row = r#"{"id":3,"pictures":{"128":"https://a/s","512":"https://a/l"}}"#;
        let download = download(contents, &Key::Pair(7, 7), &names, &peek(row, &names));
        assert_eq!(download.address.as_deref(), Some("https://a/l"));
    }
}
