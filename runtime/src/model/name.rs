//! Names that people give in a topology. One macro, so every name parses and prints alike.

use serde::{Deserialize, Serialize};

/// A name was empty, too long, or held a character that names may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} name {name:?} must be 1 to 63 of a-z, 0-9 and '-', and start with a letter")]
pub struct InvalidName {
    kind: &'static str,
    name: String,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident => $kind:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                if is_valid(&name) {
                    Ok(Self(name.into_boxed_str()))
                } else {
                    Err(InvalidName { kind: $kind, name })
                }
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidName;
            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::try_from(name.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.into()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

names! {
    /// A topology.
    TopologyName => "topology";
    /// A source, operator or sink, unique within its topology.
    NodeName => "node";
    /// A plugin as a topology calls it: `text` in `[plugin.text]` and in `"text:split"`.
    PluginName => "plugin";
    /// A secret: what stands in the text instead of its value.
    SecretName => "secret";
    /// What belongs to one tenant of a server.
    Namespace => "namespace";
    /// A directory of a server's, as topologies call it: `data` in `/data/file.csv`.
    RootName => "root";
}

fn is_valid(name: &str) -> bool {
    (1..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_lower_case_words() {
        let longest = "a".repeat(63);
        for good in ["a", "two-words", "v2", longest.as_str()] {
            assert!(good.parse::<NodeName>().is_ok(), "{good}");
        }
        let too_long = "a".repeat(64);
        for bad in ["", "A", "2v", "-a", "a_b", "a.b", "ä", too_long.as_str()] {
            assert!(bad.parse::<NodeName>().is_err(), "{bad}");
        }
    }
}
