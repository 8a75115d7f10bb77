//! What a table of a database is called.

use std::fmt;

/// Whoever keeps the identities of batches in a database keeps them in a table of this name.
pub(crate) const IDENTITIES: &str = "rsrt_batches";

/// A table's name, with or without its schema. Any text that a database takes between double
/// quotes; a part has no dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    schema: Option<String>,
    name: String,
}

/// A text that names no table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTableName {
    /// Nothing before or behind a dot, or nothing at all.
    #[error("has an empty part, and must be a name or a schema, a dot and a name")]
    Empty,
    /// More than a schema and a name.
    #[error("has more than one dot, and must be a name or a schema, a dot and a name")]
    Dots,
    /// Nothing that a person can see.
    #[error("has a control character, and names of tables have none")]
    Control,
    /// The name of the runtime's own table.
    #[error("is `rsrt_batches`, where the identities of batches lie")]
    Taken,
}

impl TableName {
    /// `name`, or `schema.name`.
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(text: &str) -> Result<Self, InvalidTableName> {
        if text.chars().any(char::is_control) {
            return Err(InvalidTableName::Control);
        }
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        if name.contains('.') {
            return Err(InvalidTableName::Dots);
        }
        if name.is_empty() || schema.is_some_and(str::is_empty) {
            return Err(InvalidTableName::Empty);
        }
        if name.eq_ignore_ascii_case(IDENTITIES) {
            return Err(InvalidTableName::Taken);
        }
        Ok(Self {
            schema: schema.map(str::to_owned),
            name: name.to_owned(),
        })
    }

    /// What stands before the dot.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name without the schema.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for TableName {
    /// As it is parsed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_have_a_schema() {
        let parsed = |text| {
            let table = TableName::parse(text).unwrap();
            assert_eq!(table.to_string(), text);
            (table.schema().map(str::to_owned), table.name().to_owned())
        };
        assert_eq!(parsed("words"), (None, "words".to_owned()));
        assert_eq!(
            parsed("public.words"),
            (Some("public".to_owned()), "words".to_owned())
        );
        let evil = "a\"; drop table \"b";
        assert_eq!(parsed(evil), (None, evil.to_owned()));
    }

    #[test]
    fn what_names_no_table_is_refused() {
        for (text, expected) in [
            ("", InvalidTableName::Empty),
            (".a", InvalidTableName::Empty),
            ("a.", InvalidTableName::Empty),
            ("a.b.c", InvalidTableName::Dots),
            ("a\nb", InvalidTableName::Control),
            ("a\0", InvalidTableName::Control),
            ("RSRT_batches", InvalidTableName::Taken),
            ("s.rsrt_batches", InvalidTableName::Taken),
        ] {
            assert_eq!(TableName::parse(text), Err(expected), "{text:?}");
        }
    }
}
