//! What the environment says, read once and passed on as values.

use std::{
    env,
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use crate::telemetry::Colors;

/// What the environment says.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    /// Of standard error.
    pub(super) colors: Colors,
    /// Of standard output.
    pub(super) output_colors: Colors,
    /// Standard error is a terminal.
    pub(super) has_terminal: bool,
    /// Where compiled plugins are kept, if there is any place for them.
    pub(super) code_cache: Option<PathBuf>,
    /// Which server is asked.
    pub(super) remote: RemoteEnvironment,
}

/// What the environment says of servers.
#[derive(Debug, Clone)]
pub(super) struct RemoteEnvironment {
    pub(super) server: Option<String>,
    pub(super) token: Option<String>,
    /// A certificate (PEM) that is trusted besides the system's.
    pub(super) certificate: Option<PathBuf>,
    /// Where contexts are kept.
    pub(super) config: Option<PathBuf>,
}

impl RemoteEnvironment {
    fn read() -> Self {
        let text = |name| variable(name)?.into_os_string().into_string().ok();
        let xdg = variable("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
        let home = xdg.or_else(|| Some(variable("HOME")?.join(".config")));
        Self {
            server: text("RSRT_SERVER"),
            token: text("RSRT_TOKEN"),
            certificate: variable("RSRT_CERTIFICATE"),
            config: home.map(|home| home.join("rsrt/config.toml")),
        }
    }
}

impl Environment {
    /// Reads `NO_COLOR`, `RSRT_CACHE`, `XDG_CACHE_HOME`, `HOME`, and what says which server is
    /// asked.
    pub(super) fn read() -> Self {
        let has_terminal = io::stderr().is_terminal();
        let colors = |is_terminal| match is_terminal && variable("NO_COLOR").is_none() {
            true => Colors::On,
            false => Colors::Off,
        };
        Self {
            colors: colors(has_terminal),
            output_colors: colors(io::stdout().is_terminal()),
            has_terminal,
            code_cache: code_cache(variable),
            remote: RemoteEnvironment::read(),
        }
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// `$RSRT_CACHE/code`, else as the XDG base directory specification says.
fn code_cache(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let xdg = || variable("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let base = variable("RSRT_CACHE").or_else(|| {
        let caches = xdg().or_else(|| Some(variable("HOME")?.join(".cache")))?;
        Some(caches.join("rsrt"))
    });
    Some(base?.join("code"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_where_it_is_wished_else_where_xdg_says_else_at_home() {
        // RSRT_CACHE, XDG_CACHE_HOME, HOME
        let cases = [
            (
                Some("/mine"),
                Some("/xdg"),
                Some("/home/a"),
                Some("/mine/code"),
            ),
            (None, Some("/xdg"), Some("/home/a"), Some("/xdg/rsrt/code")),
            (
                None,
                Some("relative"),
                Some("/home/a"),
                Some("/home/a/.cache/rsrt/code"),
            ),
            (
                None,
                None,
                Some("/home/a"),
                Some("/home/a/.cache/rsrt/code"),
            ),
            (None, None, None, None),
        ];
        for (mine, xdg, home, expected) in cases {
            let variable = |name: &str| match name {
                "RSRT_CACHE" => mine.map(PathBuf::from),
                "XDG_CACHE_HOME" => xdg.map(PathBuf::from),
                "HOME" => home.map(PathBuf::from),
                _ => None,
            };
            assert_eq!(code_cache(variable), expected.map(PathBuf::from));
        }
    }
}
