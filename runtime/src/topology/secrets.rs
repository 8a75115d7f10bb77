//! The secrets of a topology: where they stand, and putting their values there.

use std::{collections::BTreeMap, fmt};

use super::{PostgresUrl, SinkKind, SourceKind, Topology, source::is_address};
use crate::{
    confine::Address,
    model::{NodeName, Secret, SecretName, SecretSource, Text},
};

/// A secret and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretUse {
    /// Its name.
    pub name: SecretName,
    /// Where, for people: "`url` of sink out".
    pub place: String,
}

/// Which secrets of a topology need values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretsOf {
    /// All.
    Everything,
    /// Those of operators: under test nothing else is opened.
    Operators,
}

/// A secret without a usable value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusableSecret {
    /// Its name.
    pub name: SecretName,
    /// Where it stands.
    pub places: Vec<String>,
    /// What is wrong; no part of the value.
    pub why: String,
    /// What to do.
    pub advice: String,
}

/// A topology cannot start: secrets of it have no usable value. Holds all of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct UnusableSecrets(pub Vec<UnusableSecret>);

impl fmt::Display for UnusableSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => f.write_str("a secret has no usable value:")?,
            n => write!(f, "{n} secrets have no usable value:")?,
        }
        for secret in &self.0 {
            let places = secret.places.join(", ");
            let UnusableSecret {
                name, why, advice, ..
            } = secret;
            write!(f, "\n  `{name}` ({places}) {why}: {advice}")?;
        }
        Ok(())
    }
}

/// A place of a topology that takes a secret.
enum Slot<'t> {
    Setting(&'t mut Text),
    Address(&'t mut Address),
    Url(&'t mut PostgresUrl),
}

impl Slot<'_> {
    fn name(&self) -> Option<&SecretName> {
        match self {
            Self::Setting(text) => text.secret_name(),
            Self::Address(address) => address.secret_name(),
            Self::Url(url) => url.secret_name(),
        }
    }

    /// Puts the value there, or says why it does not fit, without any part of it.
    fn fill(&mut self, secret: &Secret) -> Result<(), String> {
        match self {
            Self::Address(_) if !is_address(secret.expose()) => {
                Err("must be host and port".to_owned())
            }
            Self::Address(address) => {
                address.fill(secret);
                Ok(())
            }
            Self::Setting(text) => {
                if let Text::Secret { value, .. } = text {
                    *value = Some(secret.clone());
                }
                Ok(())
            }
            Self::Url(url) => url.fill(secret).map_err(|invalid| invalid.in_secret()),
        }
    }
}

impl Topology {
    /// Every place of this topology where a secret stands, in order.
    pub fn secrets(&self) -> Vec<SecretUse> {
        let mut copy = self.clone();
        let slots = copy.slots(SecretsOf::Everything).into_iter();
        let used = slots.filter_map(|(place, slot)| {
            let name = slot.name()?.clone();
            Some(SecretUse { name, place })
        });
        used.collect()
    }

    /// This topology with the values of its secrets, with which it can run.
    ///
    /// # Errors
    /// Names every secret that has no value, or one that does not fit its place.
    pub fn with_secrets(
        &self,
        source: &dyn SecretSource,
        of: SecretsOf,
    ) -> Result<Self, UnusableSecrets> {
        let mut filled = self.clone();
        let mut known: BTreeMap<SecretName, Result<Secret, String>> = BTreeMap::new();
        let mut unusable: Vec<UnusableSecret> = Vec::new();
        for (place, mut slot) in filled.slots(of) {
            let Some(name) = slot.name().cloned() else {
                continue;
            };
            let value = known
                .entry(name.clone())
                .or_insert_with(|| match source.secret(&name) {
                    Ok(Some(value)) => Ok(value),
                    Ok(None) => Err("has no value".to_owned()),
                    Err(error) => Err(format!("cannot be read ({error})")),
                });
            let why = match value {
                Ok(value) => match slot.fill(value) {
                    Ok(()) => continue,
                    Err(why) => format!("has a value that {why}"),
                },
                Err(why) => why.clone(),
            };
            let mut same = unusable.iter_mut();
            match same.find(|other| other.name == name && other.why == why) {
                Some(other) => other.places.push(place),
                None => unusable.push(UnusableSecret {
                    advice: source.advice(&name),
                    places: vec![place],
                    name,
                    why,
                }),
            }
        }
        match unusable.is_empty() {
            true => Ok(filled),
            false => Err(UnusableSecrets(unusable)),
        }
    }

    /// Every place that takes a secret, and what it is called.
    fn slots(&mut self, of: SecretsOf) -> Vec<(String, Slot<'_>)> {
        let mut slots = Vec::new();
        let everything = of == SecretsOf::Everything;
        for source in &mut self.sources {
            match &mut source.kind {
                SourceKind::Socket { address, .. } if everything => {
                    let place = format!("`address` of source {}", source.name);
                    slots.push((place, Slot::Address(address)));
                }
                SourceKind::Socket { .. }
                | SourceKind::Receiver { .. }
                | SourceKind::File { .. }
                | SourceKind::Directory { .. }
                | SourceKind::Queue { .. }
                | SourceKind::Generator(_) => {}
            }
        }
        for operator in &mut self.operators {
            // A converter is an operator that has its source's name.
            settings(&operator.name, &mut operator.settings, &mut slots);
        }
        for sink in self.sinks.iter_mut().filter(|_| everything) {
            match &mut sink.kind {
                SinkKind::Postgres { url, .. } => {
                    let place = format!("`url` of sink {}", sink.name);
                    slots.push((place, Slot::Url(url)));
                }
                SinkKind::Foreach { settings: text, .. } => {
                    settings(&sink.name, text, &mut slots);
                }
                SinkKind::Print { .. }
                | SinkKind::Files { .. }
                | SinkKind::Sqlite { .. }
                | SinkKind::Null => {}
            }
        }
        slots
    }
}

fn settings<'t>(
    node: &NodeName,
    settings: &'t mut BTreeMap<String, Text>,
    slots: &mut Vec<(String, Slot<'t>)>,
) {
    for (key, text) in settings {
        let place = format!("setting {key:?} of {node}");
        slots.push((place, Slot::Setting(text)));
    }
}
