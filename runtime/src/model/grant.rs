//! What a plugin is given besides its input.

use std::{fmt, path::PathBuf, str::FromStr};

/// One thing that a plugin is given besides its input. As text: `env:NAME`, `read:DIR`,
/// `write:DIR`, `stdout`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// A variable of the environment.
    Env(String),
    /// A directory with all that lies in it, to be read. The plugin calls it as it is written here.
    Read(PathBuf),
    /// The same, to be read and changed.
    Write(PathBuf),
    /// The standard output of the program that runs the topology.
    Stdout,
}

impl Grant {
    /// The forms of all there are, for people.
    pub const FORMS: [&'static str; 4] = ["env:NAME", "read:DIR", "write:DIR", "stdout"];
}

/// A text that is no grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGrant {
    /// No grant is called so.
    #[error("{0:?} is not a grant")]
    Unknown(String),
    /// The network.
    #[error("granting a plugin the network is not supported by this version yet")]
    Network,
    /// A known word without what it needs, or with what it cannot have.
    #[error("the grant {grant:?} {why}")]
    Incomplete {
        /// As it was written.
        grant: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl FromStr for Grant {
    type Err = InvalidGrant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let incomplete = |why| InvalidGrant::Incomplete {
            grant: text.to_owned(),
            why,
        };
        let (word, what) = text.split_once(':').unwrap_or((text, ""));
        match word {
            "stdout" if text != word => Err(incomplete("stands alone")),
            "stdout" => Ok(Self::Stdout),
            "env" if what.is_empty() => Err(incomplete("names no variable")),
            "env" if what.contains(['=', '\0']) => {
                Err(incomplete("names what no variable can be called"))
            }
            "env" => Ok(Self::Env(what.to_owned())),
            "read" | "write" if what.is_empty() => Err(incomplete("names no directory")),
            "read" => Ok(Self::Read(what.into())),
            "write" => Ok(Self::Write(what.into())),
            "tcp" | "udp" => Err(InvalidGrant::Network),
            _ => Err(InvalidGrant::Unknown(text.to_owned())),
        }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::Read(path) => write!(f, "read:{}", path.display()),
            Self::Write(path) => write!(f, "write:{}", path.display()),
            Self::Stdout => f.write_str("stdout"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_shown_as_it_is_written() {
        for text in ["env:HOME", "read:a:b", "write:/tmp/out", "stdout"] {
            assert_eq!(text.parse::<Grant>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_grant_says_why() {
        for (text, why) in [
            ("net", "\"net\" is not a grant"),
            ("", "\"\" is not a grant"),
            ("tcp:localhost:80", "the network"),
            ("env:", "names no variable"),
            ("env:A=B", "no variable can be called"),
            ("read", "names no directory"),
            ("stdout:x", "stands alone"),
        ] {
            let error = text.parse::<Grant>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
