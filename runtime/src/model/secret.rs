//! Values that nobody may read, and the text of a topology that may be one.

use std::{fmt, sync::Arc};

use zeroize::Zeroizing;

use super::SecretName;

/// Shorter values are not looked for in messages: they would be found everywhere.
const SHORTEST_HIDDEN: usize = 3;

/// Lines of a value that are at least so long are looked for by themselves.
const SHORTEST_LINE: usize = 8;

/// A value that nobody may read. It prints as nothing, and its memory is wiped at the end.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Keeps a value.
    pub fn new(value: String) -> Self {
        Self(Arc::new(Zeroizing::new(value)))
    }

    /// The value, for whoever needs it and nobody else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret stands where its value is needed, and nobody has put it there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the secret `{0}` has no value here: a topology is run as `Topology::with_secrets` made it"
)]
pub struct NoValue(pub SecretName);

/// A text of a topology: as written, or a secret. Prints as the name of the secret, never as its
/// value.
#[derive(Clone, PartialEq, Eq)]
pub enum Text {
    /// As written.
    Written(String),
    /// `{ secret = "NAME" }`.
    Secret {
        /// Which one.
        name: SecretName,
        /// None before the topology is started.
        value: Option<Secret>,
    },
}

impl Text {
    /// A secret that has no value yet.
    pub fn secret(name: SecretName) -> Self {
        Self::Secret { name, value: None }
    }

    /// The text itself.
    ///
    /// # Errors
    /// When it is a secret that has no value yet.
    pub fn expose(&self) -> Result<&str, NoValue> {
        match self {
            Self::Written(text) => Ok(text),
            Self::Secret { name, value } => match value {
                Some(value) => Ok(value.expose()),
                None => Err(NoValue(name.clone())),
            },
        }
    }

    /// Its secret, if it is one.
    pub fn secret_name(&self) -> Option<&SecretName> {
        match self {
            Self::Written(_) => None,
            Self::Secret { name, .. } => Some(name),
        }
    }

    /// The value of its secret, if it is one and has it.
    pub fn secret_value(&self) -> Option<&Secret> {
        match self {
            Self::Written(_) => None,
            Self::Secret { value, .. } => value.as_ref(),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Written(text.to_owned())
    }
}

impl From<&Text> for Text {
    fn from(text: &Text) -> Self {
        text.clone()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(text) => f.write_str(text),
            Self::Secret { name, .. } => write!(f, "secret:{name}"),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written(text) => write!(f, "{text:?}"),
            Self::Secret { name, .. } => write!(f, "secret:{name}"),
        }
    }
}

/// Where the values of secrets come from.
pub trait SecretSource {
    /// The value of a secret, if there is one.
    ///
    /// # Errors
    /// When there is one that cannot be read.
    fn secret(&self, name: &SecretName) -> Result<Option<Secret>, SecretError>;

    /// What a person does so that there is a value.
    fn advice(&self, name: &SecretName) -> String;
}

/// A value that is there and cannot be read. The text has no part of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SecretError(pub String);

/// The text without these values, wherever they stand in it.
pub fn hide<'a>(text: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let mut hidden: Vec<&str> = Vec::new();
    for value in values {
        hidden.push(value);
        let lines = value.lines().filter(|line| line.len() >= SHORTEST_LINE);
        hidden.extend(lines.filter(|line| *line != value));
    }
    hidden.retain(|value| value.len() >= SHORTEST_HIDDEN);
    // What is part of another value must not spare the rest of it.
    hidden.sort_by_key(|value| std::cmp::Reverse(value.len()));
    let mut text = text.to_owned();
    for value in hidden {
        if text.contains(value) {
            text = text.replace(value, "[secret]");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Option<&str>) -> Text {
        Text::Secret {
            name: "key".parse().unwrap(),
            value: value.map(|value| Secret::new(value.to_owned())),
        }
    }

    #[test]
    fn a_secret_prints_as_its_name() {
        let text = text(Some("hunter22"));
        assert_eq!(text.expose(), Ok("hunter22"));
        let printed = format!("{text} {text:?} {:?}", text.secret_value());
        assert_eq!(printed, "secret:key secret:key Some(Secret(…))");
    }

    #[test]
    fn a_secret_without_a_value_says_so() {
        let error = text(None).expose().unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the secret `key` has no value here")
        );
        assert_eq!(Text::from("a").expose(), Ok("a"));
    }

    #[test]
    fn values_are_taken_out_of_messages_the_longest_first() {
        let hidden = hide(
            "no hunter22, no hunter, no ab",
            ["hunter", "hunter22", "ab"],
        );
        assert_eq!(hidden, "no [secret], no [secret], no ab");
        let lines = hide("line 2: second-line", ["first-line\nsecond-line"]);
        assert_eq!(lines, "line 2: [secret]");
    }
}
