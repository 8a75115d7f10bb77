//! Opens the checkpoint of a run.

use std::path::Path;

use crate::{
    checkpoint::{Checkpoint, Opened, Program},
    cli::Failure,
    clock::Clock,
    plugin::Plugin,
    topology::Topology,
};

/// Opens the checkpoint that the topology names, if it names one; `fresh` moves an old one aside.
pub(super) fn open(
    (topology, text): (&Topology, &str),
    plugins: &[Plugin],
    base_dir: &Path,
    fresh: bool,
    clock: &dyn Clock,
) -> Result<Option<Opened>, Failure> {
    let Some(checkpoint) = &topology.checkpoint else {
        return match fresh {
            true => Err(Failure::input("--fresh: the topology has no `checkpoint`")),
            false => Ok(None),
        };
    };
    let location = checkpoint.location.under(base_dir);
    if fresh {
        let aside = Checkpoint::move_aside(&location, clock.wall_millis());
        if let Some(aside) = aside.map_err(Failure::input)? {
            tracing::info!("the old checkpoint is now {aside}");
        }
    }
    let digests = plugins.iter().map(|plugin| plugin.digest().to_string());
    let program = Program::new(text, digests.collect());
    let opened = Checkpoint::open_at(&location, topology, program, clock.wall_millis());
    opened.map(Some).map_err(Failure::input)
}
