//! `server.toml`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    time::Duration,
};

use miette::{Diagnostic, NamedSource, SourceSpan};
use serde::Deserialize;

use super::QuotaTable;
use crate::{
    confine::AllowedAddress,
    hosting::{Allowance, Grantable},
    model::{Namespace, RootName},
    topology::parse_duration,
};

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
    /// Where what encrypts secrets lies.
    #[serde(default)]
    pub secrets: Secrets,
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

/// Where what encrypts secrets lies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Secrets {
    /// A file, which is made for the first secret; beside the data directory, if it does not say.
    pub key: Option<PathBuf>,
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
    /// Of these from one address; more are closed.
    pub connections_per_address: NonZeroUsize,
    /// What one namespace may change in a minute.
    pub changes_per_minute: NonZeroU32,
    /// Deploys that are compiled and checked at once, each of another namespace.
    pub deploys: NonZeroUsize,
    /// CPU time that compiling a plugin may take; whole seconds.
    #[serde(deserialize_with = "duration")]
    pub compile_time: Duration,
    /// Bytes that compiling a plugin may take.
    pub compile_memory: u64,
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
            connections_per_address: NonZeroUsize::MIN.saturating_add(63),
            changes_per_minute: NonZeroU32::MIN.saturating_add(599),
            deploys: NonZeroUsize::MIN.saturating_add(1),
            compile_time: Duration::from_mins(1),
            compile_memory: 4 << 30,
            stop_timeout: Duration::from_secs(30),
        }
    }
}

/// What a tenant has, and may reach.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NamespaceConfig {
    /// Its share of the cores, against the others'.
    #[serde(default = "one")]
    pub weight: NonZeroU32,
    /// Directories that its topologies may read: a topology writes `/NAME/...`.
    #[serde(default)]
    pub read_roots: BTreeMap<RootName, PathBuf>,
    /// Directories that its topologies may read and write.
    #[serde(default)]
    pub write_roots: BTreeMap<RootName, PathBuf>,
    /// Servers that its topologies may connect to.
    #[serde(default, deserialize_with = "addresses")]
    pub addresses: Vec<AllowedAddress>,
    /// `bucket` or `bucket/folder`, for their checkpoints.
    #[serde(default)]
    pub buckets: Vec<String>,
    /// Variables that their plugins may be granted, with what they are set to.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// What their plugins may be granted.
    #[serde(default)]
    pub grants: BTreeSet<Grantable>,
    /// What it may have.
    #[serde(default)]
    pub quota: QuotaTable,
}

impl NamespaceConfig {
    /// What its topologies may reach.
    pub fn allowance(&self) -> Allowance {
        Allowance {
            read_roots: self.read_roots.clone(),
            write_roots: self.write_roots.clone(),
            addresses: self.addresses.clone(),
            buckets: self.buckets.clone(),
            variables: self.variables.clone(),
            grants: self.grants.clone(),
        }
    }

    /// What is wrong with the names of its roots.
    fn wrong_root(&self) -> Option<String> {
        let mut names = self.read_roots.keys().chain(self.write_roots.keys());
        let is_wrong = |name: &&RootName| {
            let both = [&self.read_roots, &self.write_roots];
            name.as_str() == "work" || both.iter().all(|roots| roots.contains_key(*name))
        };
        let name = names.find(is_wrong)?;
        Some(match name.as_str() {
            "work" => "a root cannot be called `work`, which is a topology's own directory".into(),
            name => format!("the root `{name}` is both in read-roots and in write-roots"),
        })
    }
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
                "keys are listen, data, cores, [tls], [limits], [secrets], [quota] and [namespace.NAME]; see SERVER.md"
                    .to_owned(),
        })
        })?;
        let base = file.parent().unwrap_or(Path::new(""));
        for (name, namespace) in &mut config.namespaces {
            if let Some(why) = namespace.wrong_root() {
                return Err(Box::new(ConfigError {
                    file: file.display().to_string(),
                    why: format!("{why} (namespace `{name}`)"),
                    text: NamedSource::new(file.display().to_string(), text.to_owned()),
                    at: None,
                    help: "give it another name; see SERVER.md".to_owned(),
                }));
            }
            let roots = namespace.read_roots.values_mut();
            for path in roots.chain(namespace.write_roots.values_mut()) {
                *path = base.join(&path);
            }
        }
        config.data = base.join(&config.data);
        if let Some(key) = &mut config.secrets.key {
            *key = base.join(&key);
        }
        if let Some(tls) = &mut config.tls {
            tls.certificate = base.join(&tls.certificate);
            tls.key = base.join(&tls.key);
        }
        Ok(config)
    }
}

fn addresses<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<AllowedAddress>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let parsed = texts.iter().map(|text| text.parse());
    parsed
        .collect::<Result<_, _>>()
        .map_err(serde::de::Error::custom)
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
            (
                "data = \"a\"\n[namespace.a]\naddresses = [\"x\"]",
                "no address",
            ),
            (
                "data = \"a\"\n[namespace.a]\ngrants = [\"all\"]",
                "unknown variant",
            ),
            (
                "data = \"a\"\n[namespace.a.read-roots]\n\"../x\" = \"b\"",
                "root name",
            ),
            (
                "data = \"a\"\n[namespace.a.read-roots]\nwork = \"b\"",
                "own directory",
            ),
        ] {
            let error = Config::parse(Path::new("server.toml"), text).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            let has_no_place = text.is_empty() || why == "own directory";
            assert!(error.at.is_some() || has_no_place, "{error}");
        }
    }
}
