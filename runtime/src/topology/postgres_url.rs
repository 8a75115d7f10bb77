//! Where a PostgreSQL server is, and who speaks to it.

use std::{error::Error, fmt, sync::Arc};

use tokio_postgres::config::{Config, Host, SslMode};
use zeroize::Zeroizing;

use crate::{
    confine::{Addresses, Confinement},
    model::{Secret, SecretName, hide},
};

/// Where a URL names none.
const PORT: u16 = 5432;

/// `postgres://user:password@host:port/database`. Prints without the password; one that is a secret
/// prints as the secret's name.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// None: a secret that has no value yet.
    config: Option<Box<Config>>,
    secret: Option<(SecretName, Option<Secret>)>,
    /// What its hosts may lead to; none: anything.
    allowed: Option<Arc<Addresses>>,
}

/// A text that leads to no server. Says nothing of the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Of another database, or no URL.
    #[error("must start with postgres://")]
    Scheme,
    /// What stands behind that cannot be read.
    #[error("is no URL of a PostgreSQL server: {0}")]
    Unreadable(String),
    /// Nobody to speak to.
    #[error("names no host")]
    NoHost,
    /// An `@` that ended the password early.
    #[error("has an @ in its host")]
    AtInHost,
    /// TLS was asked for.
    #[error("asks for TLS, which this version does not speak yet")]
    Tls,
}

impl PostgresUrl {
    /// A URL as `psql` takes it; parameters as in `?connect_timeout=5` are those of the crate
    /// `tokio-postgres`.
    ///
    /// # Errors
    /// When it is none, or asks for TLS.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        {
            return Err(InvalidUrl::Scheme);
        }
        let config: Config = text.parse().map_err(|error: tokio_postgres::Error| {
            let cause = error.source().map(ToString::to_string);
            InvalidUrl::Unreadable(cause.unwrap_or_else(|| error.to_string()))
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(InvalidUrl::NoHost);
        }
        let at_in_host = |host: &Host| matches!(host, Host::Tcp(name) if name.contains('@'));
        if config.get_hosts().iter().any(at_in_host) {
            return Err(InvalidUrl::AtInHost);
        }
        if config.get_ssl_mode() == SslMode::Require {
            return Err(InvalidUrl::Tls);
        }
        Ok(Self {
            config: Some(Box::new(config)),
            secret: None,
            allowed: None,
        })
    }

    /// One that is a secret, which has no value yet.
    pub fn secret(name: SecretName) -> Self {
        Self {
            config: None,
            secret: Some((name, None)),
            allowed: None,
        }
    }

    /// The secret that it is, if it is one.
    pub fn secret_name(&self) -> Option<&SecretName> {
        self.secret.as_ref().map(|(name, _)| name)
    }

    /// Puts the value of the secret there.
    pub(super) fn fill(&mut self, value: &Secret) -> Result<(), InvalidUrl> {
        if let Some((_, secret)) = &mut self.secret {
            self.config = Self::parse(value.expose())?.config;
            *secret = Some(value.clone());
        }
        Ok(())
    }

    /// What to connect with, the password included; none if nobody gave the secret its value.
    pub(crate) fn config(&self) -> Option<&Config> {
        self.config.as_deref()
    }

    /// What its hosts may lead to; none: anything.
    pub(crate) fn allowed(&self) -> Option<&Addresses> {
        self.allowed.as_deref()
    }

    /// Each host, or the address that the URL says it has, with its port; none for a socket of this
    /// machine.
    pub(crate) fn servers(&self) -> Vec<Option<(String, u16)>> {
        let Some(config) = &self.config else {
            return Vec::new();
        };
        let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
        let ports = config.get_ports();
        let servers = (0..hosts.len().max(addresses.len())).map(|at| {
            let port = *ports.get(at).or(ports.first()).unwrap_or(&PORT);
            match (addresses.get(at), hosts.get(at)) {
                (Some(address), _) => Some((address.to_string(), port)),
                (None, Some(Host::Tcp(name))) => Some((name.clone(), port)),
                (None, Some(Host::Unix(_)) | None) => None,
            }
        });
        servers.collect()
    }

    /// The same, to be connected to only where that is allowed. What a secret without a value leads to
    /// is found out when it is connected to.
    ///
    /// # Errors
    /// Says which host is not.
    pub fn confined(&self, confinement: &Confinement) -> Result<Self, String> {
        let Some(allowed) = confinement.allowed_addresses() else {
            return Ok(self.clone());
        };
        for server in self.servers() {
            let Some((host, port)) = server else {
                return Err("sockets of this machine are not allowed; name a host".to_owned());
            };
            let host = match host.contains(':') {
                true => format!("[{host}]"),
                false => host,
            };
            let tied = confinement.to_connect(&format!("{host}:{port}").into());
            tied.map_err(|why| self.hide(&why))?;
        }
        Ok(Self {
            allowed: Some(allowed),
            ..self.clone()
        })
    }

    /// The text without the password; without anything else of a URL that is a secret, too.
    pub(crate) fn hide(&self, text: &str) -> String {
        let Some(config) = &self.config else {
            return text.to_owned();
        };
        let password = config.get_password().map(String::from_utf8_lossy);
        let mut hidden: Vec<String> = password.map(Into::into).into_iter().collect();
        if let Some((_, value)) = &self.secret {
            hidden.extend(value.iter().map(|value| value.expose().to_owned()));
            let words = [config.get_user(), config.get_dbname(), config.get_options()];
            hidden.extend(words.into_iter().flatten().map(ToOwned::to_owned));
            let hosts = config.get_hosts().iter().map(|host| match host {
                Host::Tcp(name) => name.clone(),
                Host::Unix(path) => path.display().to_string(),
            });
            hidden.extend(hosts);
            let addresses = config.get_hostaddrs().iter();
            hidden.extend(addresses.map(ToString::to_string));
        }
        let hidden = Zeroizing::new(hidden);
        hide(text, hidden.iter().map(String::as_str))
    }
}

impl InvalidUrl {
    /// The same of a URL that is a secret: without words of it.
    pub(super) fn in_secret(&self) -> String {
        match self {
            Self::Unreadable(_) => "is no URL of a PostgreSQL server".to_owned(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for PostgresUrl {
    /// `postgres://user@host:port/database`, or `secret:NAME`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = match (&self.secret, &self.config) {
            (Some((name, _)), _) => return write!(f, "secret:{name}"),
            (None, Some(config)) => config,
            (None, None) => return Ok(()), // it is one or the other
        };
        f.write_str("postgres://")?;
        if let Some(user) = config.get_user() {
            write!(f, "{user}@")?;
        }
        let names = config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) if name.contains(':') => format!("[{name}]"),
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let mut hosts: Vec<_> = names.collect();
        if hosts.is_empty() {
            let addresses = config.get_hostaddrs().iter();
            hosts = addresses.map(ToString::to_string).collect();
        }
        // One port may stand for all hosts.
        let ports = config.get_ports();
        for (at, host) in hosts.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            match ports.get(at).or(ports.first()) {
                Some(port) => write!(f, "{comma}{host}:{port}")?,
                None => write!(f, "{comma}{host}")?,
            }
        }
        write!(f, "/{}", config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_prints_without_its_password() {
        for (text, expected) in [
            (
                "postgres://ann:s3cret@db.example:5433/sales",
                "postgres://ann@db.example:5433/sales",
            ),
            (
                "postgresql://ann@db.example/sales?password=s3cret&connect_timeout=3",
                "postgres://ann@db.example:5432/sales",
            ),
            (
                "postgres://ann:s3c%40ret@%2Frun%2Fpg/sales",
                "postgres://ann@/run/pg:5432/sales",
            ),
            (
                "postgres://ann@a:1,[::1]:2/sales",
                "postgres://ann@a:1,[::1]:2/sales",
            ),
            ("postgres://db.example", "postgres://db.example:5432/"),
        ] {
            let url = PostgresUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), expected);
            assert_eq!(format!("{url:?}"), expected);
        }
    }

    #[test]
    fn what_leads_to_no_server_is_refused_without_a_word_of_the_password() {
        let unreadable = |why: &str| InvalidUrl::Unreadable(why.to_owned());
        for (text, expected) in [
            ("mysql://ann@db/sales", InvalidUrl::Scheme),
            ("host=db", InvalidUrl::Scheme),
            ("postgres://", InvalidUrl::NoHost),
            ("postgres://ann:s3cret@/sales", InvalidUrl::NoHost),
            ("postgres://ann:s3@cret@db/sales", InvalidUrl::AtInHost),
            ("postgres://db/sales?sslmode=require", InvalidUrl::Tls),
            (
                "postgres://ann:s3cret@db:port/sales",
                unreadable("invalid value for option `port`"),
            ),
            (
                "postgres://ann:s3cret@db/sales?colour=red",
                unreadable("unknown option `colour`"),
            ),
        ] {
            assert_eq!(PostgresUrl::parse(text), Err(expected), "{text}");
        }
    }
}
