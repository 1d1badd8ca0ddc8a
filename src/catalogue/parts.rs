//! Lists that come in parts, and lists that show one user's own records only: mail.

/// A list that comes in parts; a record may stand in several.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parts {
    /// The query parameter that names the part.
    pub parameter: &'static str,
    /// All parts; together they show every record.
    pub values: &'static [&'static str],
    /// The field in which a row lists the parts it stands in.
    pub field: &'static str,
}

/// Whose records a list shows when it shows those of the token's own user only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Own {
    /// The field with the user's id.
    pub field: &'static str,
    /// What a snapshot says of the object.
    pub words: &'static str,
}
