//! A file of cases, as it is written.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use crate::model::{Secret, SecretError, SecretName, SecretSource};

/// `{"cases": [...]}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    /// In order.
    pub cases: Vec<CaseEntry>,
    /// Values of secrets that operators have.
    #[serde(default)]
    pub secrets: BTreeMap<SecretName, String>,
}

impl SecretSource for CaseFile {
    fn secret(&self, name: &SecretName) -> Result<Option<Secret>, SecretError> {
        Ok(self.secrets.get(name).cloned().map(Secret::new))
    }

    fn advice(&self, name: &SecretName) -> String {
        format!("give it in the file of cases, as in \"secrets\": {{\"{name}\": \"…\"}}")
    }
}

/// One list of rows per batch; null is "no batch".
pub type Batches = Vec<Option<Vec<Value>>>;

/// A case as written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct CaseEntry {
    /// Unique in its file.
    pub name: String,
    /// What each source has; a source that is not named has empty batches.
    #[serde(default)]
    pub sources: BTreeMap<String, Batches>,
    /// How many batches are run; by default as many as the longest list of a source.
    pub batches: Option<u64>,
    /// What each sink is to get; a sink that is not named is not compared.
    #[serde(default)]
    pub expect: BTreeMap<String, Batches>,
    /// The rows of a batch come in the order in which they are listed.
    #[serde(default)]
    pub ordered: bool,
    /// The process dies after each of these batches (from 1), and another goes on.
    #[serde(default)]
    pub restart_after: Vec<u64>,
    /// How many rows each operator with `on-error` leaves out of each batch; one that is not named is
    /// not compared.
    #[serde(default)]
    pub left_out: BTreeMap<String, Vec<u64>>,
    /// Part of the message of an error that must come, at load or in a batch.
    pub expect_error: Option<String>,
}

/// A file that holds no cases.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCases {
    /// Not JSON, an unknown or missing key, or a value of another type.
    #[error("{0}")]
    Json(String),
    /// There is nothing to test.
    #[error("there is no case")]
    Empty,
    /// Two cases with the same name.
    #[error("two cases are called {0:?}")]
    Duplicate(String),
}

impl CaseFile {
    /// Reads a file's text.
    ///
    /// # Errors
    /// When it holds something else, with its place.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidCases> {
        let file: Self =
            serde_json::from_slice(text).map_err(|error| InvalidCases::Json(error.to_string()))?;
        if file.cases.is_empty() {
            return Err(InvalidCases::Empty);
        }
        let mut names = BTreeSet::new();
        match file.cases.iter().find(|case| !names.insert(&case.name)) {
            Some(again) => Err(InvalidCases::Duplicate(again.name.clone())),
            None => Ok(file),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_read_as_it_is_written() {
        let text = br#"{"cases":[{"name":"a","sources":{"lines":[["a b"],[],null]},"batches":4,
            "expect":{"out":[[["a",1],["b",1]],[],null,[]]},"ordered":false,"expect-error":"e"}]}"#;
        let file = CaseFile::parse(text).unwrap();
        let case = &file.cases[0];
        assert_eq!(case.sources["lines"].len(), 3);
        assert_eq!(case.sources["lines"][2], None);
        assert_eq!(case.batches, Some(4));
        assert_eq!(case.expect["out"][1], Some(Vec::new()));
        assert_eq!(case.expect_error.as_deref(), Some("e"));
        let least = CaseFile::parse(br#"{"cases":[{"name":"a"}]}"#).unwrap();
        assert!(!least.cases[0].ordered);
    }

    #[test]
    fn what_is_no_case_is_refused_with_its_place() {
        let error = |text: &str| CaseFile::parse(text.as_bytes()).unwrap_err().to_string();
        insta::assert_snapshot!(
            [
                error("{"),
                error(r#"{"cases":[]}"#),
                error("{\"cases\":[{\"name\":\"a\",\n\"expects\":{}}]}"),
                error(r#"{"cases":[{"expect":{}}]}"#),
                error(r#"{"cases":[{"name":"a","sources":{"lines":[1]}}]}"#),
                error(r#"{"cases":[{"name":"a"},{"name":"a"}]}"#),
                error(r#"{"cases":[{"name":"a","batches":-1}]}"#),
                error(r#"{"case":[]}"#),
            ]
            .join("\n"),
            @r#"
        EOF while parsing an object at line 1 column 1
        there is no case
        unknown field `expects`, expected one of `name`, `sources`, `batches`, `expect`, `ordered`, `restart-after`, `left-out`, `expect-error` at line 2 column 9
        missing field `name` at line 1 column 23
        invalid type: integer `1`, expected a sequence at line 1 column 43
        two cases are called "a"
        invalid value: integer `-1`, expected u64 at line 1 column 34
        unknown field `case`, expected `cases` or `secrets` at line 1 column 7
        "#
        );
    }
}
