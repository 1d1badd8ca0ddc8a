//! Calls that write: where they go, what they cost, how their body is sent and which fields they take.

use super::object::Version;

/// A call that writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Call {
    /// The HTTP method.
    pub method: Method,
    /// API generation of this call.
    pub version: Version,
    /// Path with `{id}` and `{parent}`, or with the names of fields in braces, which then stay out of the body.
    pub path: &'static str,
    /// Tokens of the call.
    pub price: u32,
    /// The body as JSON text with names of fields in braces, where it is another than the fields themselves. Of several
    /// forms the next is sent when the service refuses the one before.
    pub forms: &'static [&'static str],
}

impl Call {
    /// A call of v1.
    pub(super) const fn v1(method: Method, path: &'static str, price: u32) -> Call {
        Call { method, version: Version::V1, path, price, forms: &[] }
    }

    /// A call of v2.
    pub(super) const fn v2(method: Method, path: &'static str, price: u32) -> Call {
        Call { method, version: Version::V2, path, price, forms: &[] }
    }

    /// Whether it counts against the writes that a user has a day (api/wire.md, Rate limits: POST and PUT). UNCONFIRMED:
    /// that PATCH and DELETE do not.
    pub const fn is_counted(&self) -> bool {
        matches!(self.method, Method::Post | Method::Put)
    }

    /// The same call with a body of its own.
    pub(super) const fn with(self, forms: &'static [&'static str]) -> Call {
        Call { forms, ..self }
    }
}

/// The methods that write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// Creates.
    Post,
    /// Replaces or, in v1, updates.
    Put,
    /// Updates.
    Patch,
    /// Deletes.
    Delete,
}

/// How a body is sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// A JSON object.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data` with the contents in `file`.
    Multipart,
}

/// A call that creates or changes a record, and the fields it takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Write {
    /// The call.
    pub call: Call,
    /// How the body is sent.
    pub encoding: Encoding,
    /// The top-level fields the service accepts, custom fields apart.
    pub fields: &'static [&'static str],
    /// The fields without which it refuses.
    pub required: &'static [&'static str],
}

impl Write {
    /// A call that takes a JSON object.
    pub(super) const fn json(
        call: Call,
        fields: &'static [&'static str],
        required: &'static [&'static str],
    ) -> Option<Write> {
        Some(Write { call, encoding: Encoding::Json, fields, required })
    }
}

/// Other paths for bodies that lack certain fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Otherwise {
    /// The fields.
    pub lacking: &'static [&'static str],
    /// The path that creates.
    pub create: &'static str,
    /// The path that updates, with `{id}`.
    pub update: &'static str,
}

/// What fills a field that no list shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Inline {
    /// The field.
    pub field: &'static str,
    /// The object with the records, which are listed under this one's.
    pub from: &'static str,
    /// Which of their fields are taken.
    pub take: &'static [&'static str],
    /// Only records that have one of these values in this field.
    pub only: (&'static str, &'static [&'static str]),
}

/// A form in which a deleted record may be brought back; all of them UNCONFIRMED.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Undelete {
    /// The call.
    pub call: Call,
    /// The body's single field and its value, as JSON text.
    pub body: (&'static str, &'static str),
}
