//! The checkpoint of a topology.

use std::path::Path;

use super::LaunchError;
use crate::{
    checkpoint::{Checkpoint, Opened, Pending, Program, ProgramFiles},
    clock::Clock,
    model::Location,
    topology::Topology,
};

/// Where the checkpoint of a topology lies; none if it has none. `fresh` moves an old one aside.
///
/// # Errors
/// When there is none to begin anew, or it cannot be moved.
pub fn place(
    topology: &Topology,
    base_dir: &Path,
    fresh: bool,
    clock: &dyn Clock,
) -> Result<Option<Location>, LaunchError> {
    let Some(checkpoint) = &topology.checkpoint else {
        return match fresh {
            true => Err(LaunchError::input(
                "--fresh: the topology has no `checkpoint`",
            )),
            false => Ok(None),
        };
    };
    let location = checkpoint.location.under(base_dir);
    if fresh {
        let aside = Checkpoint::move_aside(&location, clock.wall_millis());
        if let Some(aside) = aside.map_err(LaunchError::input)? {
            tracing::info!("the old checkpoint is now {aside}");
        }
    }
    Ok(Some(location))
}

/// What an earlier version of the topology or its plugins must make again before this one begins,
/// if it can.
///
/// # Errors
/// When the checkpoint cannot be read.
pub fn pending(
    location: &Location,
    files: &ProgramFiles,
) -> Result<Option<ProgramFiles>, LaunchError> {
    let pending = Pending::read(location, &Program::of(files)).map_err(LaunchError::input)?;
    Ok(pending.and_then(|pending| {
        tracing::info!(
            "{} {} claimed by another version of the topology or its plugins, which makes them again first",
            pending.batches,
            if pending.batches == 1 { "batch was" } else { "batches were" }
        );
        pending.files
    }))
}

/// Opens the checkpoint, or begins one.
///
/// # Errors
/// When it is in use, is of another topology, or cannot be read or written.
pub fn open(
    location: &Location,
    topology: &Topology,
    files: &ProgramFiles,
    clock: &dyn Clock,
) -> Result<Opened, LaunchError> {
    let program = Program::of(files);
    let opened = Checkpoint::open_at(location, topology, program, clock.wall_millis());
    let opened = opened.map_err(LaunchError::input)?;
    opened
        .checkpoint
        .keep_program(files)
        .map_err(LaunchError::input)?;
    Ok(opened)
}
