//! What namespaces and topologies have used, for whoever asks.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Quota;
use crate::{
    account::{Account, Spent, Work},
    model::Namespace,
};

/// CPU time since the server began, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Cpu {
    /// All of it.
    pub total: u64,
    /// Loading, checking and opening.
    pub opening: u64,
    /// Receivers.
    pub receiving: u64,
    /// Tasks: decoding, operators, sandboxes.
    pub tasks: u64,
    /// What is around tasks: claims, sinks, commits.
    pub batches: u64,
    /// Making bytes of state, and writing them.
    pub state: u64,
}

/// What a source, operator or sink has used since the server began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct NodeUsage {
    /// Its name.
    pub name: String,
    /// CPU time in microseconds, in the sandbox and around it.
    pub cpu: u64,
    /// Records that came in.
    pub records_in: u64,
    /// Their bytes: as they were read, or in columns. A sink's are not counted.
    pub bytes_in: u64,
    /// Records that came out.
    pub records_out: u64,
    /// The most memory of one instance, in bytes.
    pub instance_peak: u64,
}

/// How long batches took from their ticks to their ends, in microseconds, rounded up by one part in
/// eight at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BatchLatency {
    /// Half of them took no longer.
    pub half: u64,
    /// 99 of 100 took no longer.
    pub p99: u64,
    /// None took longer.
    pub longest: u64,
}

/// What a topology has used since the server began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct TopologyUsage {
    /// Its name.
    pub name: String,
    /// CPU time of all threads that worked for it.
    pub cpu: Cpu,
    /// Records read from sources.
    pub records: u64,
    /// Bytes read from sources.
    pub bytes: u64,
    /// The most memory of one instance, in bytes.
    pub instance_peak: u64,
    /// How long its batches took from their ticks on.
    pub latency: BatchLatency,
    /// Bytes of the states in its checkpoint, while it runs.
    pub state_bytes: u64,
    /// Lines that were not logged because there were too many in their second.
    pub log_lines_dropped: u64,
    /// Its sources, operators and sinks, by name.
    pub nodes: Vec<NodeUsage>,
}

/// A quota and what is used of it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct QuotaUse {
    /// As the configuration calls it.
    pub quota: String,
    /// How much is allowed.
    pub limit: u64,
    /// How much is used; none of what is counted by the second, or one by one.
    pub used: Option<u64>,
}

/// What a namespace has used since the server began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Usage {
    /// Its name.
    pub namespace: String,
    /// CPU time of all threads that worked for it; that of topologies that are gone is part of it.
    pub cpu: Cpu,
    /// Records read from sources.
    pub records: u64,
    /// Bytes read from sources.
    pub bytes: u64,
    /// The most memory of one instance, in bytes.
    pub instance_peak: u64,
    /// The most memory of all its instances at a time, in bytes.
    pub memory_peak: u64,
    /// Lines that were not logged because there were too many in their second.
    pub log_lines_dropped: u64,
    /// What it may have.
    pub quotas: Vec<QuotaUse>,
    /// What is deployed, by name.
    pub topologies: Vec<TopologyUsage>,
}

/// What all have used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ServerUsage {
    /// CPU time of the server's process, in microseconds.
    pub process_cpu: u64,
    /// What of it is nobody's: starting, requests, the machine's own threads.
    pub nobodys_cpu: u64,
    /// Those that used something, by name.
    pub namespaces: Vec<Usage>,
}

impl Cpu {
    fn of(account: &Account) -> Self {
        let of = |work| micros(account.cpu_of(work));
        Self {
            total: micros(account.cpu()),
            opening: of(Work::Opening),
            receiving: of(Work::Receiving),
            tasks: of(Work::Tasks),
            batches: of(Work::Batches),
            state: of(Work::State),
        }
    }
}

impl TopologyUsage {
    pub(super) fn of(name: String, account: &Account) -> Self {
        let nodes = account.nodes().into_iter();
        Self {
            name,
            cpu: Cpu::of(account),
            records: account.records(),
            bytes: account.bytes(),
            instance_peak: account.instance_peak() as u64,
            latency: BatchLatency {
                half: micros(account.latency().of_a_thousand(500)),
                p99: micros(account.latency().of_a_thousand(990)),
                longest: micros(account.latency().of_a_thousand(1_000)),
            },
            state_bytes: account.state(),
            log_lines_dropped: account.log_lines_dropped(),
            nodes: nodes.map(|(name, spent)| node(name, spent)).collect(),
        }
    }
}

fn node(name: String, spent: Spent) -> NodeUsage {
    NodeUsage {
        name,
        cpu: micros(spent.cpu),
        records_in: spent.records_in,
        bytes_in: spent.bytes_in,
        records_out: spent.records_out,
        instance_peak: spent.memory_peak as u64,
    }
}

impl Usage {
    pub(super) fn of(
        namespace: &Namespace,
        account: &Account,
        (quota, plugins): (&Quota, u64),
        topologies: Vec<TopologyUsage>,
    ) -> Self {
        let used = account.allowance().in_use();
        let quotas = [
            (
                "topologies",
                quota.topologies as u64,
                Some(topologies.len() as u64),
            ),
            ("plugin-bytes", quota.plugin_bytes, None),
            ("plugins-total", quota.plugins_total, Some(plugins)),
            (
                "memory-per-instance",
                quota.memory_per_instance as u64,
                None,
            ),
            (
                "memory-total",
                quota.memory_total as u64,
                Some(used.memory as u64),
            ),
            ("ingest-rate", quota.ingest_rate.get(), None),
            ("state-bytes", quota.state_bytes, Some(used.state)),
            (
                "block-store-bytes",
                quota.block_store_bytes as u64,
                used.blocks.map(|b| b as u64),
            ),
            ("log-lines", quota.log_lines.get(), None),
        ];
        let quotas = quotas.into_iter().map(|(quota, limit, used)| QuotaUse {
            quota: quota.to_owned(),
            limit,
            used,
        });
        Self {
            namespace: namespace.to_string(),
            cpu: Cpu::of(account),
            records: account.records(),
            bytes: account.bytes(),
            instance_peak: account.instance_peak() as u64,
            memory_peak: used.memory_peak as u64,
            log_lines_dropped: account.log_lines_dropped(),
            quotas: quotas.collect(),
            topologies,
        }
    }
}

impl ServerUsage {
    pub(super) fn of(process: Duration, namespaces: Vec<Usage>) -> Self {
        let theirs: u64 = namespaces.iter().map(|one| one.cpu.total).sum();
        Self {
            process_cpu: micros(process),
            nobodys_cpu: micros(process).saturating_sub(theirs),
            namespaces,
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
