//! `rsrt usage`: what a namespace and its topologies have used, and what they may.

use std::{fmt::Write as _, process::ExitCode};

use serde_json::json;

use super::{Remote, answer, client::Client, table::columns};
use crate::{
    cli::{Environment, Failure, output::grouped},
    hosting::{Cpu, ServerUsage, Usage},
};

const EXAMPLES: &str = "\
Examples:
  rsrt usage                          what your topologies have used, and your quotas
  rsrt usage --all                    all namespaces and the process, for administrators
  rsrt usage --format json

All is counted since the server began. CPU is that of threads, in seconds: what a topology's tasks,
receivers, sinks and states have used. Of an operator it is what it used in the sandbox and around it.
P99: of 100 batches 99 took no longer from their ticks to their ends.";

/// Show what topologies use, and what they may
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(in crate::cli) struct Arguments {
    /// Of all namespaces, and of the process
    #[arg(long, conflicts_with = "namespace")]
    all: bool,
    #[command(flatten)]
    remote: Remote,
}

pub(in crate::cli) fn run(
    arguments: &Arguments,
    environment: &Environment,
) -> Result<ExitCode, Failure> {
    let remote = &arguments.remote;
    if arguments.all {
        let all: ServerUsage = Client::of_server(remote, environment)?.get_at("/v1/usage")?;
        return answer(remote.format, &json!(all), || of_all(&all));
    }
    let usage: Usage = Client::new(remote, environment)?.get_beside("/usage")?;
    answer(remote.format, &json!(usage), || of_namespace(&usage))
}

fn of_all(all: &ServerUsage) -> String {
    let head = [
        "NAMESPACE",
        "CPU",
        "RECORDS",
        "BYTES",
        "MEMORY",
        "TOPOLOGIES",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(all.namespaces.iter().map(|one| {
        [
            one.namespace.clone(),
            seconds(one.cpu.total),
            grouped(one.records),
            grouped(one.bytes),
            grouped(one.memory_peak),
            grouped(one.topologies.len() as u64),
        ]
    }));
    format!(
        "the process has used {} of CPU, {} of it for nobody\n\n{}",
        seconds(all.process_cpu),
        seconds(all.nobodys_cpu),
        columns(&rows)
    )
}

fn of_namespace(usage: &Usage) -> String {
    let mut text = format!("{}: {}\n", usage.namespace, shares(&usage.cpu));
    let _ = writeln!(
        text,
        "{} records, {} bytes read; {} bytes of memory at most\n",
        grouped(usage.records),
        grouped(usage.bytes),
        grouped(usage.memory_peak)
    ); // to memory
    let head = [
        "TOPOLOGY", "PART", "CPU", "IN", "BYTES", "OUT", "MEMORY", "P99",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    for topology in &usage.topologies {
        rows.push([
            topology.name.clone(),
            String::new(),
            seconds(topology.cpu.total),
            grouped(topology.records),
            grouped(topology.bytes),
            String::new(),
            grouped(topology.instance_peak),
            seconds(topology.latency.p99),
        ]);
        rows.extend(topology.nodes.iter().map(|node| {
            [
                String::new(),
                node.name.clone(),
                seconds(node.cpu),
                grouped(node.records_in),
                grouped(node.bytes_in),
                grouped(node.records_out),
                grouped(node.instance_peak),
                String::new(),
            ]
        }));
    }
    text.push_str(&columns(&rows));
    let mut rows = vec![["QUOTA", "LIMIT", "USED"].map(str::to_owned)];
    rows.extend(usage.quotas.iter().map(|quota| {
        [
            quota.quota.clone(),
            grouped(quota.limit),
            quota.used.map_or_else(String::new, grouped),
        ]
    }));
    text.push('\n');
    text.push_str(&columns(&rows));
    if usage.log_lines_dropped > 0 {
        let dropped = grouped(usage.log_lines_dropped);
        let _ = writeln!(text, "\n{dropped} lines of plugins were not logged"); // to memory
    }
    text
}

fn shares(cpu: &Cpu) -> String {
    format!(
        "{} of CPU (tasks {}, batches {}, receiving {}, state {}, opening {})",
        seconds(cpu.total),
        seconds(cpu.tasks),
        seconds(cpu.batches),
        seconds(cpu.receiving),
        seconds(cpu.state),
        seconds(cpu.opening)
    )
}

fn seconds(micros: u64) -> String {
    let millis = micros / 1_000;
    format!("{}.{:03} s", grouped(millis / 1_000), millis % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hosting::{BatchLatency, NodeUsage, QuotaUse, TopologyUsage};

    #[test]
    fn a_topology_has_a_line_and_so_has_each_part() {
        let cpu = Cpu {
            total: 1_234_567,
            tasks: 1_000_000,
            batches: 234_567,
            ..Cpu::default()
        };
        let usage = Usage {
            namespace: "sales".to_owned(),
            cpu,
            records: 1_000,
            bytes: 20_000,
            instance_peak: 1_114_112,
            memory_peak: 2_228_224,
            log_lines_dropped: 3,
            quotas: vec![QuotaUse {
                quota: "topologies".to_owned(),
                limit: 100,
                used: Some(1),
            }],
            topologies: vec![TopologyUsage {
                name: "counts".to_owned(),
                cpu,
                records: 1_000,
                bytes: 20_000,
                instance_peak: 1_114_112,
                latency: BatchLatency {
                    half: 12_000,
                    p99: 25_000,
                    longest: 30_000,
                },
                state_bytes: 0,
                log_lines_dropped: 3,
                nodes: vec![NodeUsage {
                    name: "words".to_owned(),
                    cpu: 900_000,
                    records_in: 1_000,
                    bytes_in: 24_000,
                    records_out: 5_000,
                    instance_peak: 1_114_112,
                }],
            }],
        };
        insta::assert_snapshot!(of_namespace(&usage), @r"
        sales: 1.234 s of CPU (tasks 1.000 s, batches 0.234 s, receiving 0.000 s, state 0.000 s, opening 0.000 s)
        1,000 records, 20,000 bytes read; 2,228,224 bytes of memory at most

        TOPOLOGY  PART   CPU      IN     BYTES   OUT    MEMORY     P99
        counts           1.234 s  1,000  20,000         1,114,112  0.025 s
                  words  0.900 s  1,000  24,000  5,000  1,114,112

        QUOTA       LIMIT  USED
        topologies  100    1

        3 lines of plugins were not logged
        ");
        let all = ServerUsage {
            process_cpu: 1_300_000,
            nobodys_cpu: 65_433,
            namespaces: vec![usage],
        };
        insta::assert_snapshot!(of_all(&all), @r"
        the process has used 1.300 s of CPU, 0.065 s of it for nobody

        NAMESPACE  CPU      RECORDS  BYTES   MEMORY     TOPOLOGIES
        sales      1.234 s  1,000    20,000  2,228,224  1
        ");
    }
}
