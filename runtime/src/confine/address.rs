//! A server's address, and what it may lead to.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use super::Addresses;
use crate::model::{NoValue, Secret, SecretName, Text};

/// `host:port`, or a secret that is one. A confined one is resolved once for each connection, and what it resolved to is what
/// is compared and connected to.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    text: Text,
    allowed: Option<Arc<Addresses>>,
}

/// What a name resolved to may not be connected to. Does not say what that is: names of the
/// operator's network are the operator's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} leads only to addresses that topologies may not connect to here; whoever runs this server can allow more"
)]
pub struct Refused(String);

impl Address {
    /// One that is a secret, which has no value yet.
    pub fn secret(name: SecretName) -> Self {
        Text::secret(name).into()
    }

    /// What is connected to.
    ///
    /// # Errors
    /// When it is a secret that has no value yet.
    pub fn expose(&self) -> Result<&str, NoValue> {
        self.text.expose()
    }

    /// Its secret, if it is one.
    pub fn secret_name(&self) -> Option<&SecretName> {
        self.text.secret_name()
    }

    /// Puts the value of its secret there, if it is one.
    pub(crate) fn fill(&mut self, secret: &Secret) {
        if let Text::Secret { value, .. } = &mut self.text {
            *value = Some(secret.clone());
        }
    }

    /// It is compared with what is allowed.
    pub fn is_confined(&self) -> bool {
        self.allowed.is_some()
    }

    pub(super) fn confined(&self, allowed: Arc<Addresses>) -> Self {
        Self {
            text: self.text.clone(),
            allowed: Some(allowed),
        }
    }

    /// Those of the addresses that it resolved to which may be connected to.
    ///
    /// # Errors
    /// When it is none.
    pub fn allowed(
        &self,
        resolved: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Refused> {
        match &self.allowed {
            None => Ok(resolved.collect()),
            Some(allowed) => {
                let text = self.text.expose().unwrap_or_default();
                let (name, _) = split(text).unwrap_or((text, 0));
                allowed_of(name, resolved, allowed).map_err(|refused| match &self.text {
                    Text::Written(_) => refused,
                    Text::Secret { .. } => Refused(self.to_string()),
                })
            }
        }
    }
}

/// Those of the addresses that a name resolved to which may be connected to.
pub(crate) fn allowed_of(
    name: &str,
    resolved: impl Iterator<Item = SocketAddr>,
    allowed: &Addresses,
) -> Result<Vec<SocketAddr>, Refused> {
    let same = same_name(name);
    // Connected to as it was compared.
    let addresses = resolved.map(|address| SocketAddr::new(mapped(address.ip()), address.port()));
    let addresses: Vec<_> = addresses.filter(|it| allowed.allow(&same, *it)).collect();
    match addresses.is_empty() {
        true => Err(Refused(name.to_owned())),
        false => Ok(addresses),
    }
}

fn mapped(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// Says why no address of this name can be allowed, as far as the name alone tells; of a secret
/// without a value it tells nothing.
pub(super) fn refused_name(address: &Address, allowed: &Addresses) -> Result<(), String> {
    let Ok(text) = address.expose() else {
        return Ok(());
    };
    let (name, port) = split(text).ok_or_else(|| format!("{address} is no host:port"))?;
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let may = match bare.parse::<IpAddr>() {
        Ok(ip) => allowed.allow(name, SocketAddr::new(ip, port)),
        Err(_) => allowed.may_allow(&same_name(name), port),
    };
    match may {
        true => Ok(()),
        false => Err(format!("{address} is not allowed (what is: {allowed})")),
    }
}

/// Names differ neither in case nor in the dot at their end.
pub(super) fn same_name(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn split(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}

impl From<Text> for Address {
    fn from(text: Text) -> Self {
        Self {
            text,
            allowed: None,
        }
    }
}

impl From<&str> for Address {
    fn from(text: &str) -> Self {
        Text::from(text).into()
    }
}

impl From<String> for Address {
    fn from(text: String) -> Self {
        Text::Written(text).into()
    }
}

impl From<&String> for Address {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

impl From<&Self> for Address {
    fn from(address: &Self) -> Self {
        address.clone()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confine::Confinement;

    fn confined(text: &str, allowed: &[&str]) -> Result<Address, String> {
        let allowed = allowed.iter().map(|text| text.parse().unwrap());
        Confinement::nothing()
            .addresses(allowed)
            .to_connect(&text.into())
    }

    #[test]
    fn what_a_name_alone_tells_is_told_before_anything_runs() {
        for (text, allowed, expected) in [
            ("db.x:5432", &["db.x:5432"][..], true),
            ("DB.X.:5432", &["db.x:5432"], true),
            ("db.x:5433", &["db.x:5432"], false),
            ("evil.x:5432", &["db.x:5432"], false),
            ("evil.x:5432", &["10.0.0.0/8:5432"], true),
            ("127.0.0.1:80", &["*:*"], false),
            ("[::ffff:127.0.0.1]:80", &["*:*"], false),
            ("[::ffff:127.0.0.1]:80", &["127.0.0.1:80"], true),
            ("169.254.169.254:80", &["*:*", "localhost:*"], false),
            ("8.8.8.8:80", &["*:*"], true),
            ("db.x:5432", &[], false),
        ] {
            assert_eq!(
                confined(text, allowed).is_ok(),
                expected,
                "{text} {allowed:?}"
            );
        }
        assert_eq!(
            confined("evil.x:1", &["db.x:5432", "*:443"]).unwrap_err(),
            "evil.x:1 is not allowed (what is: db.x:5432, *:443)"
        );
    }

    /// A name that the list knows may lead anywhere tomorrow.
    #[test]
    fn what_a_name_resolved_to_is_what_is_compared() {
        let address = confined("db.x:80", &["db.x:80", "*:80"]).unwrap();
        let resolved = |ips: &[&str]| -> Vec<SocketAddr> {
            ips.iter().map(|ip| ip.parse().unwrap()).collect()
        };
        let mixed = resolved(&[
            "127.0.0.1:80",
            "8.8.8.8:80",
            "[::ffff:8.8.4.4]:80",
            "8.8.8.8:81",
        ]);
        assert_eq!(
            address.allowed(mixed.into_iter()).unwrap(),
            resolved(&["8.8.8.8:80", "8.8.4.4:80"])
        );
        let rebound = resolved(&["169.254.169.254:80", "[::1]:80"]);
        let error = address
            .allowed(rebound.into_iter())
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("db.x leads only to addresses"), "{error}");
        assert!(!error.contains("169"), "{error}");
    }
}
