//! `key.path=value`: one value of a topology's text changed from outside.
//!
//! The text is edited, not what was read of it, so that every message still shows a place.

use std::str::FromStr;

use toml_edit::{DocumentMut, Item, Key, TableLike, Value};

/// A value and the key it goes to.
#[derive(Debug, Clone)]
pub struct Assignment {
    keys: Vec<Key>,
    value: Value,
}

/// Text that is no assignment, or one that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAssignment {
    /// There is no `=`.
    #[error("{0:?} is no assignment; write key.path=value, such as source.lines.path=input.txt")]
    NoEquals(String),
    /// What stands before `=` is no key.
    #[error("{0:?} is no key of a topology; write words with dots between them")]
    BadKey(String),
    /// The key leads through something that is no table.
    #[error("`{key}` cannot be set, because `{within}` is no table")]
    NoTable {
        /// The whole key.
        key: String,
        /// The part of it that is no table.
        within: String,
    },
}

impl Assignment {
    /// The text `value` for the key that these words make.
    pub fn text(keys: &[&str], value: &str) -> Self {
        Self {
            keys: keys.iter().map(|key| Key::new(*key)).collect(),
            value: Value::from(value),
        }
    }

    fn apply(&self, document: &mut DocumentMut) -> Result<(), BadAssignment> {
        let Some((last, tables)) = self.keys.split_last() else {
            return Ok(()); // a key has at least one word
        };
        let mut table: &mut dyn TableLike = document.as_table_mut();
        for (depth, key) in tables.iter().enumerate() {
            let implicit = || {
                let mut table = toml_edit::Table::new();
                table.set_implicit(true);
                Item::Table(table)
            };
            let item = table.entry(key.get()).or_insert_with(implicit);
            let within = || words(&self.keys[..=depth]);
            table = item
                .as_table_like_mut()
                .ok_or_else(|| BadAssignment::NoTable {
                    key: words(&self.keys),
                    within: within(),
                })?;
        }
        let mut value = self.value.clone();
        if let Some(Item::Value(old)) = table.get(last.get()) {
            *value.decor_mut() = old.decor().clone();
        }
        table.insert(last.get(), Item::Value(value));
        Ok(())
    }
}

/// The text with these values in it; text that is not TOML stays as it is, for whoever reads it to
/// say what is wrong with it.
///
/// # Errors
/// The first assignment that cannot be made.
pub fn assign(text: &str, assignments: &[Assignment]) -> Result<String, BadAssignment> {
    let Ok(mut document) = text.parse::<DocumentMut>() else {
        return Ok(text.to_owned());
    };
    if assignments.is_empty() {
        return Ok(text.to_owned());
    }
    for assignment in assignments {
        assignment.apply(&mut document)?;
    }
    Ok(document.to_string())
}

fn words(keys: &[Key]) -> String {
    let words: Vec<&str> = keys.iter().map(Key::get).collect();
    words.join(".")
}

impl FromStr for Assignment {
    type Err = BadAssignment;

    /// The value is TOML if it is any, else it is text: `3`, `true` and `"3"` mean what they mean
    /// in a topology, `1s` and `/a/file.txt` need no quotes.
    fn from_str(text: &str) -> Result<Self, BadAssignment> {
        let Some((key, value)) = text.split_once('=') else {
            return Err(BadAssignment::NoEquals(text.to_owned()));
        };
        let keys = Key::parse(key).map_err(|_| BadAssignment::BadKey(key.to_owned()))?;
        let value = value.trim();
        Ok(Self {
            keys,
            value: value.parse().unwrap_or_else(|_| Value::from(value)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"name = "a" # a comment

[source.lines]
type = "file"
path = "in.txt" # which file
[operator]
words = { input = "lines" }
"#;

    fn set(assignment: &str) -> Result<String, String> {
        let assignment: Assignment = assignment
            .parse()
            .map_err(|e: BadAssignment| e.to_string())?;
        assign(TEXT, &[assignment]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_replaced_and_all_else_stays() {
        let replaced = |to: &str| TEXT.replace(r#""in.txt""#, to);
        for (assignment, expected) in [
            ("source.lines.path=other.txt", replaced(r#""other.txt""#)),
            ("source.lines.path=/a=b c", replaced(r#""/a=b c""#)),
            (r#"source.lines.path="3""#, replaced(r#""3""#)),
            ("source.lines.path=3", replaced("3")),
            ("source.lines.path = true", replaced("true")),
            ("source.lines.path=", replaced(r#""""#)),
        ] {
            assert_eq!(set(assignment), Ok(expected), "{assignment}");
        }
    }

    #[test]
    fn a_value_that_is_not_there_is_added() {
        let added = set("source.lines.batch-bytes=1KB").unwrap();
        assert!(
            added.contains("# which file\nbatch-bytes = \"1KB\"\n"),
            "{added}"
        );
        let added = set("limits.cpu-time=1s").unwrap();
        assert!(added.contains("[limits]\ncpu-time = \"1s\"\n"), "{added}");
        let added = set("operator.words.flat-map=split").unwrap();
        assert!(
            added.contains(r#"{ input = "lines" , flat-map = "split" }"#)
                || added.contains(r#"{ input = "lines", flat-map = "split" }"#),
            "{added}"
        );
        assert!(
            set("parallelism=3")
                .unwrap()
                .contains("\nparallelism = 3\n")
        );
    }

    #[test]
    fn what_cannot_be_set_is_said() {
        let error = |assignment| set(assignment).unwrap_err();
        insta::assert_snapshot!(
            [error("source.lines"), error("a b=1"), error("=1"), error("name.first=1")].join("\n"),
            @r#"
        "source.lines" is no assignment; write key.path=value, such as source.lines.path=input.txt
        "a b" is no key of a topology; write words with dots between them
        "" is no key of a topology; write words with dots between them
        `name.first` cannot be set, because `name` is no table
        "#
        );
    }

    #[test]
    fn text_that_is_no_toml_is_left_for_its_reader() {
        let assignment: Assignment = "a=1".parse().unwrap();
        assert_eq!(assign("a = ", &[assignment]).unwrap(), "a = ");
    }
}
