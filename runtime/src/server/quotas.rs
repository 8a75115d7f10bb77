//! What `server.toml` says of quotas.

use std::num::{NonZeroU32, NonZeroU64};

use serde::Deserialize;

use super::Config;
use crate::hosting::{Quota, Share, Shares};

/// A table `quota`. What it does not say is as the server's table has it, or the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct QuotaTable {
    /// Topologies that are deployed.
    pub topologies: Option<usize>,
    /// Bytes of one plugin.
    pub plugin_bytes: Option<u64>,
    /// Bytes of all plugins.
    pub plugins_total: Option<u64>,
    /// Bytes of memory that a topology may give each instance.
    pub memory_per_instance: Option<usize>,
    /// Bytes of memory of all instances that live at a time.
    pub memory_total: Option<usize>,
    /// Records a second that receivers take in.
    pub ingest_rate: Option<NonZeroU64>,
    /// Bytes of states in checkpoints.
    pub state_bytes: Option<u64>,
    /// Bytes of blocks in memory and on disk.
    pub block_store_bytes: Option<usize>,
    /// Lines a second that plugins log.
    pub log_lines: Option<NonZeroU64>,
}

impl QuotaTable {
    /// This, and what it does not say from there.
    pub fn over(self, other: Quota) -> Quota {
        Quota {
            topologies: self.topologies.unwrap_or(other.topologies),
            plugin_bytes: self.plugin_bytes.unwrap_or(other.plugin_bytes),
            plugins_total: self.plugins_total.unwrap_or(other.plugins_total),
            memory_per_instance: (self.memory_per_instance).unwrap_or(other.memory_per_instance),
            memory_total: self.memory_total.unwrap_or(other.memory_total),
            ingest_rate: self.ingest_rate.unwrap_or(other.ingest_rate),
            state_bytes: self.state_bytes.unwrap_or(other.state_bytes),
            block_store_bytes: self.block_store_bytes.unwrap_or(other.block_store_bytes),
            log_lines: self.log_lines.unwrap_or(other.log_lines),
        }
    }
}

impl Config {
    /// What each namespace has.
    pub fn shares(&self) -> Shares {
        let default = Share {
            weight: NonZeroU32::MIN,
            quota: self.quota.over(Quota::default()),
        };
        let namespaces = self.namespaces.iter().map(|(name, given)| {
            let share = Share {
                weight: given.weight,
                quota: given.quota.over(default.quota),
            };
            (name.clone(), share)
        });
        Shares {
            default,
            namespaces: namespaces.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_namespace_has_its_own_then_the_servers_then_the_defaults() {
        let text = "data = \"kept\"\n[quota]\ntopologies = 7\nlog-lines = 9\n\
            [namespace.a]\nweight = 2\n[namespace.a.quota]\ntopologies = 3\n";
        let shares = Config::parse(Path::new("server.toml"), text)
            .unwrap()
            .shares();
        let a = shares.of(&"a".parse().unwrap());
        assert_eq!((a.weight.get(), a.quota.topologies), (2, 3));
        assert_eq!(a.quota.log_lines.get(), 9);
        assert_eq!(a.quota.state_bytes, Quota::default().state_bytes);
        let b = shares.of(&"b".parse().unwrap());
        assert_eq!((b.weight.get(), b.quota.topologies), (1, 7));
    }

    #[test]
    fn quotas_that_are_not_known_or_nothing_are_refused() {
        for quota in ["topologys = 1", "log-lines = 0", "memory-total = -1"] {
            let text = format!("data = \"kept\"\n[namespace.a.quota]\n{quota}\n");
            Config::parse(Path::new("server.toml"), &text).unwrap_err();
        }
    }
}
