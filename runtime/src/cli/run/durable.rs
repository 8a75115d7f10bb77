//! The checkpoint of a run.

use std::path::Path;

use crate::{
    checkpoint::{Checkpoint, Opened, Pending, Program, ProgramFiles},
    cli::{Failure, output::counted},
    clock::Clock,
    model::Location,
    topology::Topology,
};

/// Where the checkpoint of a topology lies; none if it has none. `fresh` moves an old one aside.
pub(super) fn place(
    topology: &Topology,
    base_dir: &Path,
    fresh: bool,
    clock: &dyn Clock,
) -> Result<Option<Location>, Failure> {
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
    Ok(Some(location))
}

/// What an earlier version of the topology or its plugins must make again before this one begins,
/// if it can.
pub(super) fn pending(
    location: &Location,
    files: &ProgramFiles,
) -> Result<Option<ProgramFiles>, Failure> {
    let pending = Pending::read(location, &Program::of(files)).map_err(Failure::input)?;
    Ok(pending.and_then(|pending| {
        tracing::info!(
            "{} claimed by another version of the topology or its plugins, which makes them again first",
            counted(pending.batches as u64, "batch was", "batches were")
        );
        pending.files
    }))
}

/// Opens the checkpoint, or begins one.
pub(super) fn open(
    location: &Location,
    topology: &Topology,
    files: &ProgramFiles,
    clock: &dyn Clock,
) -> Result<Opened, Failure> {
    let program = Program::of(files);
    let opened = Checkpoint::open_at(location, topology, program, clock.wall_millis());
    let opened = opened.map_err(Failure::input)?;
    opened
        .checkpoint
        .keep_program(files)
        .map_err(Failure::input)?;
    Ok(opened)
}
