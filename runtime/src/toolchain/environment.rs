//! What the outside says about compiling guests, read once and passed on as a value.

use std::{
    env,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::Install;

/// A way to compile Rust guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The active toolchain with its wasm target, which rustup installs.
    Rustup,
    /// Debian's `rustc-web`, with a standard library for wasm built from `rust-web-src`.
    Debian,
}

/// `RSRT_GUEST_TOOLCHAIN` names no way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("RSRT_GUEST_TOOLCHAIN is {0:?}, but must be `rustup` or `debian`, or not set")]
pub struct InvalidWay(String);

impl FromStr for Way {
    type Err = InvalidWay;

    fn from_str(text: &str) -> Result<Self, InvalidWay> {
        match text {
            "rustup" => Ok(Way::Rustup),
            "debian" => Ok(Way::Debian),
            _ => Err(InvalidWay(text.to_owned())),
        }
    }
}

/// Where and how guests are to be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// The crate's directory; its `rust-toolchain` file counts.
    pub directory: PathBuf,
    /// May things be installed?
    pub install: Install,
    /// Only this way, if set.
    pub forced: Option<Way>,
    /// Where what is built once per machine is kept.
    pub cache: PathBuf,
}

impl Environment {
    /// Reads `RSRT_GUEST_TOOLCHAIN`, `XDG_CACHE_HOME` and `HOME`.
    ///
    /// # Errors
    /// When `RSRT_GUEST_TOOLCHAIN` names no way.
    pub fn read(directory: &Path, install: Install) -> Result<Self, InvalidWay> {
        let forced = match variable("RSRT_GUEST_TOOLCHAIN") {
            Some(text) => Some(text.parse()?),
            None => None,
        };
        // Without it no tool would start, and blame would fall on the tool.
        let directory = if directory.is_dir() {
            directory
        } else {
            Path::new(".")
        };
        Ok(Self {
            directory: directory.to_owned(),
            install,
            forced,
            cache: cache(variable("XDG_CACHE_HOME"), variable("HOME")),
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place here that reads the environment"
)]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// As the XDG base directory specification says; the temporary directory for those without a home.
fn cache(xdg: Option<String>, home: Option<String>) -> PathBuf {
    xdg.map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| home.map(|home| Path::new(&home).join(".cache")))
        .unwrap_or_else(env::temp_dir)
        .join("rsrt")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_xdg_says_else_at_home() {
        let text = |text: &str| Some(text.to_owned());
        let cases = [
            (text("/xdg"), text("/home/a"), PathBuf::from("/xdg/rsrt")),
            (None, text("/home/a"), "/home/a/.cache/rsrt".into()),
            (
                text("relative"),
                text("/home/a"),
                "/home/a/.cache/rsrt".into(),
            ),
            (None, None, env::temp_dir().join("rsrt")),
        ];
        for (xdg, home, expected) in cases {
            assert_eq!(cache(xdg, home), expected);
        }
    }

    #[test]
    fn a_directory_that_is_not_there_does_not_hide_the_tools() {
        let directory = tempfile::tempdir().unwrap();
        let read = |path: &Path| Environment::read(path, Install::Forbidden).unwrap();
        assert_eq!(read(directory.path()).directory, directory.path());
        assert_eq!(read(&directory.path().join("no")).directory, Path::new("."));
    }

    #[test]
    fn an_unknown_way_is_named_with_those_that_exist() {
        assert_eq!("debian".parse(), Ok(Way::Debian));
        insta::assert_snapshot!(
            "apt".parse::<Way>().unwrap_err(),
            @r#"RSRT_GUEST_TOOLCHAIN is "apt", but must be `rustup` or `debian`, or not set"#
        );
    }
}
