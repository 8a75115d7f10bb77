//! Reads a TOML table key by key and refuses what nobody asked for.
//!
//! **Invariant:** a key is either taken, or [`Table::finish`] reports it.

use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

use miette::SourceSpan;
use toml::de::DeTable;

use super::{bytes, duration, spanned::Spanned, value};
use crate::topology::problem::{ProblemKind, Problems, suggest};

pub(crate) use super::value::Value;

/// Partitions that a stream may have, at most: each costs memory in every batch.
const MOST_PARTITIONS: u64 = 10_000;

/// A table of the topology.
pub(crate) struct Table<'t> {
    /// As messages call it: `source "lines"`.
    pub(crate) what: String,
    /// Its name in the text.
    pub(crate) at: SourceSpan,
    left: BTreeMap<&'t str, Value<'t>>,
    asked: Vec<&'static str>,
}

impl<'t> Table<'t> {
    pub(crate) fn new(what: String, at: SourceSpan, table: &'t DeTable<'t>) -> Self {
        let left = value::entries(table).into_iter().map(|e| (e.key, e));
        Self {
            what,
            at,
            left: left.collect(),
            asked: Vec::new(),
        }
    }

    /// The value under `key`, if it is there.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<Value<'t>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.left.remove(key)
    }

    /// The value under `key`, which must be there.
    pub(crate) fn require(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Value<'t>> {
        let value = self.take(key);
        if value.is_none() {
            let of = self.what.clone();
            problems.report(ProblemKind::MissingKey { key, of }, self.at);
        }
        value
    }

    /// The value under `key`, which stays there to be taken.
    pub(crate) fn peek(&self, key: &str) -> Option<Value<'t>> {
        self.left.get(key).copied()
    }

    /// Whether `key` is there and not taken yet.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.left.contains_key(key)
    }

    /// Whether every key that is there was taken.
    pub(crate) fn is_used_up(&self) -> bool {
        self.left.is_empty()
    }

    /// The value under a key of a later version; such keys are not among those suggested.
    pub(crate) fn take_later(&mut self, key: &str) -> Option<Value<'t>> {
        self.left.remove(key)
    }

    /// Suggests, for keys that nobody took, only these and those asked for from now on.
    pub(crate) fn suggest_only(&mut self, keys: &[&'static str]) {
        self.asked = keys.to_vec();
    }

    /// Reports the keys that nobody took.
    pub(crate) fn finish(&mut self, problems: &mut Problems) {
        for (key, value) in std::mem::take(&mut self.left) {
            let kind = ProblemKind::UnknownKey {
                key: key.to_owned(),
                of: self.what.clone(),
            };
            let help = suggest(key, "its keys are", self.asked.iter().copied());
            problems.report(kind, value.key_at).help(help);
        }
    }

    pub(crate) fn boolean(&mut self, key: &'static str, problems: &mut Problems) -> Option<bool> {
        self.take(key)?.boolean(problems)
    }

    pub(crate) fn text(
        &mut self,
        key: &'static str,
        wanted: &'static str,
        problems: &mut Problems,
    ) -> Option<Spanned<&'t str>> {
        self.take(key)?.text(wanted, problems)
    }

    pub(crate) fn require_text(
        &mut self,
        key: &'static str,
        wanted: &'static str,
        problems: &mut Problems,
    ) -> Option<Spanned<&'t str>> {
        let value = self.require(key, problems)?;
        let text = value.text(wanted, problems)?;
        if text.value.is_empty() {
            value.is_bad("must not be empty", problems);
            return None;
        }
        Some(text)
    }

    pub(crate) fn duration(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Spanned<Duration>> {
        duration::read(&self.take(key)?, problems)
    }

    pub(crate) fn bytes(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<NonZeroUsize> {
        let value = self.take(key)?;
        let parsed = match value.toml {
            toml::de::DeValue::String(text) => bytes::parse(text),
            toml::de::DeValue::Integer(_) => return to_size(&value, problems),
            _ => {
                value.is_not(bytes::SIZE, problems);
                return None;
            }
        };
        match parsed {
            Ok(size) => Some(size),
            Err(why) => {
                value.is_bad(why, problems);
                None
            }
        }
    }

    pub(crate) fn positive(&mut self, key: &'static str, problems: &mut Problems) -> Option<u64> {
        self.take(key)?.positive(problems)
    }

    pub(crate) fn size(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<NonZeroUsize> {
        to_size(&self.take(key)?, problems)
    }

    pub(crate) fn partitions(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<NonZeroUsize> {
        let value = self.take(key)?;
        to_partitions(&value, problems)
    }

    /// One of several words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let text = self.text(key, "text", problems)?;
        let found = choices.iter().find(|(name, _)| *name == text.value);
        if found.is_none() {
            let kind = ProblemKind::UnknownChoice {
                what: format!("`{key}`"),
                name: text.value.to_owned(),
            };
            let help = suggest(
                text.value,
                "it can be",
                choices.iter().map(|(name, _)| *name),
            );
            problems.report(kind, text.at).help(help);
        }
        found.map(|(_, choice)| *choice)
    }
}

/// A whole number of at least one that memory can count.
pub(crate) fn to_size(value: &Value<'_>, problems: &mut Problems) -> Option<NonZeroUsize> {
    let number = value.positive(problems)?;
    let size = usize::try_from(number).ok().and_then(NonZeroUsize::new);
    if size.is_none() {
        value.is_bad("is more than this machine can count", problems);
    }
    size
}

/// A number of partitions.
pub(crate) fn to_partitions(value: &Value<'_>, problems: &mut Problems) -> Option<NonZeroUsize> {
    let number = value.positive(problems)?;
    if number > MOST_PARTITIONS {
        value.is_bad(
            format!("is more than the {MOST_PARTITIONS} partitions a stream may have"),
            problems,
        );
        return None;
    }
    to_size(value, problems)
}
