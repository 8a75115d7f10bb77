//! The checkpoint of a run.

use std::path::{Path, PathBuf};

use crate::{
    checkpoint::{Checkpoint, Opened, Pending, Program, ProgramFiles},
    cli::{Failure, loading, output::counted},
    clock::Clock,
    topology::Topology,
};

/// Where the checkpoint of a topology lies; none if it has none. `fresh` moves an old one aside.
pub(super) fn place(
    topology: &Topology,
    base_dir: &Path,
    fresh: bool,
    clock: &dyn Clock,
) -> Result<Option<PathBuf>, Failure> {
    let Some(checkpoint) = &topology.checkpoint else {
        return match fresh {
            true => Err(Failure::input("--fresh: the topology has no `checkpoint`")),
            false => Ok(None),
        };
    };
    let location = checkpoint.location.as_str();
    let Some(path) = loading::checkpoint_directory(Some(location), base_dir) else {
        let what = format!("`checkpoint` cannot be {location:?} yet: write a directory");
        return Err(Failure::input(what));
    };
    if fresh {
        let aside = Checkpoint::move_aside(&path, clock.wall_millis());
        if let Some(aside) = aside.map_err(Failure::input)? {
            tracing::info!("the old checkpoint is now {}", aside.display());
        }
    }
    Ok(Some(path))
}

/// What an earlier version of the topology or its plugins must make again before this one begins,
/// if it can.
pub(super) fn pending(path: &Path, files: &ProgramFiles) -> Result<Option<ProgramFiles>, Failure> {
    let pending = Pending::read(path).map_err(Failure::input)?;
    let other = pending.filter(|pending| pending.program != Program::of(files));
    Ok(other.and_then(|pending| {
        tracing::info!(
            "{} claimed by another version of the topology or its plugins, which makes them again first",
            counted(pending.batches as u64, "batch was", "batches were")
        );
        pending.files
    }))
}

/// Opens the checkpoint, or begins one.
pub(super) fn open(
    path: &Path,
    topology: &Topology,
    files: &ProgramFiles,
    clock: &dyn Clock,
) -> Result<Opened, Failure> {
    let program = Program::of(files);
    let opened = Checkpoint::open_directory(path, topology, program, clock.wall_millis());
    let opened = opened.map_err(Failure::input)?;
    opened
        .checkpoint
        .keep_program(files)
        .map_err(Failure::input)?;
    Ok(opened)
}
