//! Whose a checkpoint is, and what made its batches. Pure.

use super::{CheckpointError, Manifest, Program, RecoveredClaim};
use crate::topology::Topology;

impl Program {
    /// Of a topology's text and the digests of its plugins, in its order.
    pub fn new(topology: &str, plugins: Vec<String>) -> Self {
        Self {
            topology: blake3::hash(topology.as_bytes()).to_hex().to_string(),
            plugins,
        }
    }
}

/// The manifest of a checkpoint that begins. What makes it `unique` becomes its uid.
pub(super) fn begun(topology: &Topology, program: Program, unique: &str) -> Manifest {
    let uid = blake3::hash(unique.as_bytes()).to_hex();
    Manifest {
        uid: uid.as_str()[..16].to_owned(),
        topology: topology.name.to_string(),
        interval: topology.batch_interval.as_millis(),
        parallelism: topology.parallelism.get() as u64,
        program,
        states: Vec::new(),
        journal_from: 1,
        next_blocks: Vec::new(),
        positions: Vec::new(),
        finished: false,
    }
}

/// Checks that it is of this topology.
pub(super) fn belongs(
    manifest: &Manifest,
    topology: &Topology,
    place: &str,
) -> Result<(), CheckpointError> {
    if manifest.topology != topology.name.as_str() {
        return Err(CheckpointError::OtherTopology {
            place: place.to_owned(),
            found: manifest.topology.clone(),
            expected: topology.name.to_string(),
        });
    }
    let changed = |what, before: String, now: String| CheckpointError::Changed {
        what,
        before,
        now,
        place: place.to_owned(),
    };
    let interval = topology.batch_interval.as_millis();
    if manifest.interval != interval {
        let (before, now) = (
            format!("{} ms", manifest.interval),
            format!("{interval} ms"),
        );
        return Err(changed("`batch-interval`", before, now));
    }
    let parallelism = topology.parallelism.get() as u64;
    if manifest.parallelism != parallelism {
        let (before, now) = (manifest.parallelism.to_string(), parallelism.to_string());
        return Err(changed("`parallelism`", before, now));
    }
    Ok(())
}

/// Checks that batches can be made again as they were.
pub(super) fn same_program(
    before: &Program,
    now: &Program,
    claims: &[RecoveredClaim],
) -> Result<(), CheckpointError> {
    let what = match before {
        _ if before.topology != now.topology => "the topology",
        _ if before.plugins != now.plugins => "its plugins",
        _ => return Ok(()),
    };
    match claims {
        [] => Ok(()),
        [first, ..] => Err(CheckpointError::OtherProgram {
            claims: claims.len(),
            from: first.time.as_millis(),
            what,
        }),
    }
}
