//! One value of the TOML tree, read as the type that its key wants.

use miette::SourceSpan;
use toml::de::{DeInteger, DeTable, DeValue};

use super::spanned::Spanned;
use crate::{
    model::Text,
    topology::problem::{ProblemKind, Problems},
};

/// A value and the key that it stands under.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value<'t> {
    pub(crate) key: &'t str,
    /// Place of the value.
    pub(crate) at: SourceSpan,
    /// Place of the key.
    pub(crate) key_at: SourceSpan,
    pub(crate) toml: &'t DeValue<'t>,
}

impl<'t> Value<'t> {
    /// Reports that the value is not `wanted`.
    pub(crate) fn is_not(&self, wanted: &'static str, problems: &mut Problems) {
        if self.is_secret() {
            let key = self.key.to_owned();
            let problem = problems.report(ProblemKind::SecretHere { key }, self.at);
            problem.help(
                "a secret can stand at the `address` of a socket, at the `url` of a database, and in `settings`; write a text here",
            );
            return;
        }
        let kind = ProblemKind::WrongType {
            key: self.key.to_owned(),
            wanted,
            found: type_name(self.toml),
        };
        problems.report(kind, self.at);
    }

    /// Reports that the value is of the right type, but not valid.
    pub(crate) fn is_bad<'p>(
        &self,
        why: impl ToString,
        problems: &'p mut Problems,
    ) -> &'p mut crate::topology::problem::Problem {
        let key = self.key.to_owned();
        let why = why.to_string();
        problems.report(ProblemKind::BadValue { key, why }, self.at)
    }

    pub(crate) fn text(
        &self,
        wanted: &'static str,
        problems: &mut Problems,
    ) -> Option<Spanned<&'t str>> {
        if let DeValue::String(text) = self.toml {
            return Some(Spanned::new(text.as_ref(), self.at));
        }
        self.is_not(wanted, problems);
        None
    }

    /// Whether it looks like `{ secret = "NAME" }`.
    fn is_secret(&self) -> bool {
        matches!(self.toml, DeValue::Table(table) if table.len() == 1 && table.contains_key("secret"))
    }

    /// A text, or `{ secret = "NAME" }`.
    pub(crate) fn text_or_secret(
        &self,
        wanted: &'static str,
        problems: &mut Problems,
    ) -> Option<Text> {
        match self.toml {
            DeValue::Table(table) if self.is_secret() => {
                let name = entries(table).into_iter().next()?;
                let text = name.text("the name of a secret", problems)?;
                match text.value.parse() {
                    Ok(name) => Some(Text::secret(name)),
                    Err(invalid) => {
                        problems.report(ProblemKind::BadName(invalid), name.at);
                        None
                    }
                }
            }
            _ => Some(Text::from(self.text(wanted, problems)?.value)),
        }
    }

    pub(crate) fn boolean(&self, problems: &mut Problems) -> Option<bool> {
        if let DeValue::Boolean(value) = self.toml {
            return Some(*value);
        }
        self.is_not("true or false", problems);
        None
    }

    /// A whole number of at least one.
    pub(crate) fn positive(&self, problems: &mut Problems) -> Option<u64> {
        const WANTED: &str = "a whole number of at least 1";
        let DeValue::Integer(integer) = self.toml else {
            self.is_not(WANTED, problems);
            return None;
        };
        let value = integer_value(integer).and_then(|value| u64::try_from(value).ok());
        if !matches!(value, Some(1..)) {
            self.is_bad(format!("must be {WANTED}, not {integer}"), problems);
            return None;
        }
        value
    }

    /// The values of a list, each under the list's key.
    pub(crate) fn list(
        &self,
        wanted: &'static str,
        problems: &mut Problems,
    ) -> Option<Vec<Value<'t>>> {
        let DeValue::Array(values) = self.toml else {
            self.is_not(wanted, problems);
            return None;
        };
        let values = values.iter().map(|value| Value {
            key: self.key,
            at: value.span().into(),
            key_at: self.key_at,
            toml: value.get_ref(),
        });
        Some(values.collect())
    }

    pub(crate) fn table(
        &self,
        wanted: &'static str,
        problems: &mut Problems,
    ) -> Option<&'t DeTable<'t>> {
        if let DeValue::Table(table) = self.toml {
            return Some(table);
        }
        self.is_not(wanted, problems);
        None
    }
}

/// The keys and values of a table, in the order in which they stand in the text.
pub(crate) fn entries<'t>(table: &'t DeTable<'t>) -> Vec<Value<'t>> {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| Value {
            key: key.get_ref().as_ref(),
            at: value.span().into(),
            key_at: key.span().into(),
            toml: value.get_ref(),
        })
        .collect();
    entries.sort_by_key(|entry| entry.key_at.offset());
    entries
}

/// The integer, if 64 bits hold it.
pub(crate) fn integer_value(integer: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
