//! Lists that show only what belongs to the token's own user: a mailbox.
//!
//! Another user's token shows another mailbox, and not to be shown says nothing about what belongs to somebody else.
//! So of such objects everything that is not the user's own is carried over, whoever looks; what is the user's own is
//! judged by that user's eyes, and they are always the right ones.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::run::{Run, Trouble};
use super::way::Way;
use crate::archive::Outline;
use crate::catalogue::{self, Object, ObjectName};
use crate::record::{Key, RecordId};

impl Run<'_> {
    /// Carries over what belongs to others, after the list was walked.
    pub(super) fn keep_foreign(&self, object: &'static Object) -> Result<(), Trouble> {
        let walked = self.desk().notes.progress(object.name).way == Some(Way::Walk);
        let Some(base) = self.base.as_ref().filter(|_| object.own.is_some() && walked) else { return Ok(()) };
        let mut carried = 0;
        let name = ObjectName::known(object.name);
        for outline in base.outlines(&name).map_err(super::Error::from)? {
            let Outline { key, fields } = outline.map_err(super::Error::from)?;
            if self.is_foreign(object, &fields) {
                self.desk().writer.keep(&RecordId::new(name.clone(), key)).map_err(super::Error::from)?;
                carried += 1;
            }
        }
        self.desk().notes.progress(object.name).carried = carried;
        Ok(())
    }

    /// Whether a row belongs to another user than the token's, where that decides whether it is shown.
    pub(super) fn is_foreign(&self, object: &Object, fields: &Map<String, Value>) -> bool {
        let owner = object.own.and_then(|own| fields.get(own.field)).and_then(Value::as_u64);
        owner.is_some_and(|owner| owner != self.account.identity().user_id)
    }

    /// Parents of the snapshot below that belong to others: no list shows them, and their children cannot be read.
    pub(super) fn foreign_parents(&self, object: &Object) -> Result<HashSet<Key>, super::Error> {
        let mut foreign = HashSet::new();
        let parents = object.parents().iter().filter_map(|name| catalogue::find(&ObjectName::known(name)));
        for parent in parents.filter(|parent| parent.own.is_some()) {
            let Some(base) = &self.base else { continue };
            for outline in base.outlines(&ObjectName::known(parent.name))? {
                let Outline { key, fields } = outline?;
                if self.is_foreign(parent, &fields) {
                    foreign.insert(key);
                }
            }
        }
        Ok(foreign)
    }

    /// Whether what the object's lists do not show may be taken for gone.
    pub(super) fn sees(&self, object: &Object) -> bool {
        self.same_eyes || object.own.is_some()
    }
}
