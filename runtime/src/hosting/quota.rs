//! What a namespace may have.

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroU64},
};

use crate::{
    account::Bounds,
    model::{Namespace, TopologyName},
    topology::Topology,
};

/// What a namespace may have. The defaults are those of a namespace of which nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Topologies that are deployed, running or not.
    pub topologies: usize,
    /// Bytes of one plugin.
    pub plugin_bytes: u64,
    /// Bytes of all its plugins together.
    pub plugins_total: u64,
    /// Bytes of memory that a topology may give each instance.
    pub memory_per_instance: usize,
    /// Bytes of memory of all instances that live at a time.
    pub memory_total: usize,
    /// Records a second that its receivers take in.
    pub ingest_rate: NonZeroU64,
    /// Bytes of states in checkpoints of topologies that run.
    pub state_bytes: u64,
    /// Bytes of blocks that wait for their batch, in memory and on disk.
    pub block_store_bytes: usize,
    /// Lines a second that its plugins log.
    pub log_lines: NonZeroU64,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            topologies: 100,
            plugin_bytes: 16 << 20,
            plugins_total: 256 << 20,
            memory_per_instance: 256 << 20,
            memory_total: 1 << 30,
            ingest_rate: NonZeroU64::MIN.saturating_add(499_999),
            state_bytes: 1 << 30,
            block_store_bytes: 4 << 30,
            log_lines: NonZeroU64::MIN.saturating_add(99),
        }
    }
}

/// What a namespace has of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Its share of the cores, against the others'.
    pub weight: NonZeroU32,
    /// What it may have.
    pub quota: Quota,
}

impl Default for Share {
    fn default() -> Self {
        Self {
            weight: NonZeroU32::MIN,
            quota: Quota::default(),
        }
    }
}

/// Who has what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shares {
    /// Of a namespace of which nothing is said.
    pub default: Share,
    /// Of the others.
    pub namespaces: BTreeMap<Namespace, Share>,
}

impl Shares {
    /// That of a namespace.
    pub fn of(&self, namespace: &Namespace) -> Share {
        let own = self.namespaces.get(namespace);
        own.copied().unwrap_or(self.default)
    }
}

/// Something is more than a quota allows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what}: the quota `{quota}` of namespace `{namespace}` is {limit}; {advice}, or ask for a higher quota"
)]
pub struct OverQuota {
    /// Which one, as the configuration calls it.
    pub quota: &'static str,
    /// Whose it is.
    pub namespace: Namespace,
    /// How much is allowed.
    pub limit: u64,
    /// How much there is or would be.
    pub what: String,
    /// What can be done about it.
    pub advice: &'static str,
}

impl Quota {
    /// What is held to while topologies run.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            memory: Some(self.memory_total),
            ingest_rate: Some(self.ingest_rate),
            state_bytes: Some(self.state_bytes),
            block_bytes: Some(self.block_store_bytes),
            log_lines: Some(self.log_lines),
        }
    }

    /// One more topology may be deployed beside so many.
    pub(super) fn one_more(&self, namespace: &Namespace, have: usize) -> Result<(), OverQuota> {
        if have < self.topologies {
            return Ok(());
        }
        Err(OverQuota {
            quota: "topologies",
            namespace: namespace.clone(),
            limit: self.topologies as u64,
            what: format!("{have} topologies are deployed"),
            advice: "undeploy one that is not needed",
        })
    }

    /// Each of these plugins is small enough.
    pub(super) fn plugins(
        &self,
        namespace: &Namespace,
        plugins: &[(Option<String>, Vec<u8>)],
    ) -> Result<(), OverQuota> {
        let sizes = plugins
            .iter()
            .map(|(name, bytes)| (name, bytes.len() as u64));
        let large = sizes
            .into_iter()
            .find(|(_, bytes)| *bytes > self.plugin_bytes);
        let Some((name, bytes)) = large else {
            return Ok(());
        };
        let name = name.as_deref().map_or_else(
            || "the default plugin".to_owned(),
            |name| format!("plugin `{name}`"),
        );
        Err(OverQuota {
            quota: "plugin-bytes",
            namespace: namespace.clone(),
            limit: self.plugin_bytes,
            what: format!("{name} has {bytes} bytes"),
            advice: "build it for release and strip it",
        })
    }

    /// So many bytes of new plugins fit beside those that are there.
    pub(super) fn all_plugins(
        &self,
        namespace: &Namespace,
        (have, new): (u64, u64),
    ) -> Result<(), OverQuota> {
        if new == 0 || have.saturating_add(new) <= self.plugins_total {
            return Ok(());
        }
        Err(OverQuota {
            quota: "plugins-total",
            namespace: namespace.clone(),
            limit: self.plugins_total,
            what: format!("its plugins have {have} bytes, and these would add {new}"),
            advice: "undeploy what is not needed",
        })
    }

    /// A topology asks for no more than it may have.
    pub(super) fn instances(
        &self,
        namespace: &Namespace,
        topology: &Topology,
    ) -> Result<(), OverQuota> {
        let most = self.memory_per_instance.min(self.memory_total);
        let asked = topology.limits.memory;
        if asked <= most {
            return Ok(());
        }
        let name: &TopologyName = &topology.name;
        Err(OverQuota {
            quota: match self.memory_total < self.memory_per_instance {
                true => "memory-total",
                false => "memory-per-instance",
            },
            namespace: namespace.clone(),
            limit: most as u64,
            what: format!("`{name}` gives an instance {asked} bytes of memory"),
            advice: "lower `memory` in its [limits]",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace() -> Namespace {
        "sales".parse().unwrap()
    }

    #[test]
    fn a_refusal_says_which_quota_how_much_and_what_to_do() {
        let quota = Quota {
            topologies: 2,
            plugin_bytes: 10,
            plugins_total: 15,
            ..Quota::default()
        };
        quota.one_more(&namespace(), 1).unwrap();
        let refused = quota.one_more(&namespace(), 2).unwrap_err().to_string();
        assert_eq!(
            refused,
            "2 topologies are deployed: the quota `topologies` of namespace `sales` is 2; \
             undeploy one that is not needed, or ask for a higher quota"
        );
        let plugin = |bytes| vec![(None, vec![0; bytes])];
        quota.plugins(&namespace(), &plugin(10)).unwrap();
        let refused = quota.plugins(&namespace(), &plugin(11)).unwrap_err();
        assert_eq!((refused.quota, refused.limit), ("plugin-bytes", 10));
        quota.all_plugins(&namespace(), (5, 10)).unwrap();
        quota.all_plugins(&namespace(), (20, 0)).unwrap();
        let refused = quota.all_plugins(&namespace(), (6, 10)).unwrap_err();
        assert_eq!(refused.quota, "plugins-total");
    }

    #[test]
    fn who_is_not_named_has_the_defaults() {
        let own = Share {
            weight: NonZeroU32::new(3).unwrap(),
            ..Share::default()
        };
        let shares = Shares {
            namespaces: BTreeMap::from([(namespace(), own)]),
            ..Shares::default()
        };
        assert_eq!(shares.of(&namespace()), own);
        assert_eq!(shares.of(&"other".parse().unwrap()), Share::default());
    }
}
