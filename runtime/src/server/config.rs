//! `server.toml`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::Deserialize;

use super::QuotaTable;
use crate::{model::Namespace, topology::parse_duration};

/// What a server is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Where it listens.
    #[serde(default = "loopback")]
    pub listen: SocketAddr,
    /// Its data directory; a relative one starts at the file's.
    pub data: PathBuf,
    /// Cores that tasks may use; all, if it does not say.
    pub cores: Option<NonZeroUsize>,
    /// Certificates.
    pub tls: Option<Tls>,
    /// What a request may take.
    #[serde(default)]
    pub limits: Limits,
    /// What a tenant may have of which nothing else is said.
    #[serde(default)]
    pub quota: QuotaTable,
    /// Tenants. One that is not here has the defaults.
    #[serde(default, rename = "namespace")]
    pub namespaces: BTreeMap<Namespace, NamespaceConfig>,
}

/// Where the server's certificate lies.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Tls {
    /// A chain of certificates (PEM), the server's first.
    pub certificate: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
}

/// What a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of a body.
    pub body_bytes: usize,
    /// From the end of its head to its answer.
    #[serde(deserialize_with = "duration")]
    pub request_timeout: Duration,
    /// For its head, and for the greetings of TLS.
    #[serde(deserialize_with = "duration")]
    pub header_timeout: Duration,
    /// Connections at once; more wait.
    pub connections: NonZeroUsize,
    /// For batches in flight, when the server ends.
    #[serde(deserialize_with = "duration")]
    pub stop_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            request_timeout: Duration::from_mins(1),
            header_timeout: Duration::from_secs(10),
            connections: NonZeroUsize::MIN.saturating_add(255),
            stop_timeout: Duration::from_secs(30),
        }
    }
}

/// What a tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NamespaceConfig {
    /// Its share of the cores, against the others'.
    #[serde(default = "one")]
    pub weight: NonZeroU32,
    /// What it may have.
    #[serde(default)]
    pub quota: QuotaTable,
}

/// A `server.toml` that cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
#[error("{file} is no configuration of a server: {why}")]
pub struct ConfigError {
    file: String,
    why: String,
    #[source_code]
    text: NamedSource<String>,
    #[label("here")]
    at: Option<SourceSpan>,
    #[help]
    help: String,
}

impl Config {
    /// The configuration in a text; `file` says where it was read, and where relative paths start.
    ///
    /// # Errors
    /// When a key is wrong, missing or not known.
    pub fn parse(file: &Path, text: &str) -> Result<Self, Box<ConfigError>> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            Box::new(ConfigError {
            file: file.display().to_string(),
            why: error.message().to_owned(),
            text: NamedSource::new(file.display().to_string(), text.to_owned()),
            at: error.span().map(Into::into),
            help:
                "keys are listen, data, cores, [tls], [limits], [quota] and [namespace.NAME]; see SERVER.md"
                    .to_owned(),
        })
        })?;
        let base = file.parent().unwrap_or(Path::new(""));
        config.data = base.join(&config.data);
        if let Some(tls) = &mut config.tls {
            tls.certificate = base.join(&tls.certificate);
            tls.key = base.join(&tls.key);
        }
        Ok(config)
    }
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 7878))
}

const fn one() -> NonZeroU32 {
    NonZeroU32::MIN
}

fn duration<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse_duration(&text).map_err(|invalid| serde::de::Error::custom(format!("it {invalid}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_the_file_and_the_rest_has_defaults() {
        let text =
            "data = \"kept\"\n[limits]\nrequest-timeout = \"5s\"\n[namespace.a]\nweight = 3\n";
        let config = Config::parse(Path::new("/etc/rsrt/server.toml"), text).unwrap();
        assert_eq!(config.data, Path::new("/etc/rsrt/kept"));
        assert!(config.listen.ip().is_loopback());
        assert_eq!(config.limits.request_timeout, Duration::from_secs(5));
        assert_eq!(config.limits.body_bytes, 32 << 20);
        let weight = config.namespaces[&"a".parse().unwrap()].weight;
        assert_eq!(weight.get(), 3);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, why) in [
            ("", "missing field `data`"),
            ("data = \"a\"\nlisten = \"x\"", "socket address"),
            ("data = \"a\"\nport = 1", "unknown field `port`"),
            ("data = \"a\"\n[namespace.A]\n", "namespace name"),
            ("data = \"a\"\n[limits]\nrequest-timeout = \"soon\"", "it "),
        ] {
            let error = Config::parse(Path::new("server.toml"), text).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.at.is_some() || text.is_empty(), "{error}");
        }
    }
}
