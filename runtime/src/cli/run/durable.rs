//! Opens the checkpoint of a run.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    checkpoint::{Checkpoint, Opened, Program},
    cli::{Failure, loading},
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
    let location = checkpoint.location.as_str();
    let Some(path) = loading::checkpoint_directory(Some(location), base_dir) else {
        let what = format!("`checkpoint` cannot be {location:?} yet: write a directory");
        return Err(Failure::input(what));
    };
    if fresh {
        move_aside(&path, clock.wall_millis())?;
    }
    let digests = plugins.iter().map(|plugin| plugin.digest().to_string());
    let program = Program::new(text, digests.collect());
    let opened = Checkpoint::open_directory(&path, topology, program, clock.wall_millis());
    opened.map(Some).map_err(Failure::input)
}

fn move_aside(path: &Path, now: i64) -> Result<(), Failure> {
    if !path.exists() {
        return Ok(());
    }
    let mut aside = path.as_os_str().to_owned();
    aside.push(format!(".before-{now}"));
    let aside = PathBuf::from(aside);
    fs::rename(path, &aside).map_err(|error| {
        let (path, aside) = (path.display(), aside.display());
        Failure::input(format!("cannot move {path} to {aside}: {error}"))
    })?;
    tracing::info!("the old checkpoint is now {}", aside.display());
    Ok(())
}
