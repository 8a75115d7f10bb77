//! A checkpoint's place: opened, looked at, moved aside.

use std::{io, num::NonZeroUsize, sync::Arc};

use super::{
    Checkpoint, CheckpointError, Opened, Program,
    inside::{is_its_own, read_history},
    lock::Lock,
    program::belongs,
    store::read_manifest,
    version::turn,
};
use crate::{
    confine::Place,
    journal::{DirectoryDisk, Disk, Holder, ObjectDisk},
    model::{Location, ObjectUrl},
    topology::Topology,
};

impl Checkpoint {
    /// Opens the checkpoint in this place, or begins one there. `now` is the wall clock's time, in
    /// milliseconds since the epoch.
    ///
    /// A directory is locked: it is refused while another process has it open. A folder of an object
    /// store is taken over: another process that has it open fails when it writes next.
    ///
    /// # Errors
    /// When another process has it open, it is of another topology, it is damaged, or it holds
    /// batches that this program would make differently.
    pub fn open_at(
        location: &Location,
        topology: &Topology,
        program: Program,
        now: i64,
    ) -> Result<Opened, CheckpointError> {
        match location {
            Location::Directory(path) => open_directory(path, topology, program, now),
            Location::Objects(url) => {
                let disk = ObjectDisk::connect(url).map_err(|error| failed(url, error))?;
                Self::open_objects(disk, topology, program, now)
            }
        }
    }

    /// Opens the checkpoint on a disk in an object store, as [`open_at`](Self::open_at) does.
    ///
    /// # Errors
    /// As there.
    pub fn open_objects(
        disk: ObjectDisk,
        topology: &Topology,
        program: Program,
        now: i64,
    ) -> Result<Opened, CheckpointError> {
        let disk = Arc::new(disk);
        // Who has no business here must not stop who has.
        may_open(disk.clone(), topology, &program)?;
        let holder = Holder::this(now);
        disk.take_over(&holder)
            .map_err(|error| CheckpointError::Store {
                place: disk.place(),
                error,
            })?;
        let unique = format!("{} {} {}", topology.name, holder.unique(), disk.place());
        Self::open_locked(disk, topology, program, &unique, None)
    }

    /// Gives a checkpoint another name, so that a new one can begin in its place; answers with that
    /// name, or none if there is none.
    ///
    /// # Errors
    /// When another process has its directory open, or the system or store says no.
    pub fn move_aside(location: &Location, now: i64) -> Result<Option<Location>, CheckpointError> {
        match location {
            Location::Directory(path) => move_directory(path, now),
            Location::Objects(url) => {
                let disk = ObjectDisk::connect(url).map_err(|error| failed(url, error))?;
                if disk.is_empty() {
                    return Ok(None);
                }
                let aside = ObjectUrl {
                    bucket: url.bucket.clone(),
                    folder: format!("{}.before-{now}", url.folder),
                };
                disk.move_to(&aside.folder, &Holder::this(now))
                    .map_err(|error| failed(url, error))?;
                Ok(Some(Location::Objects(aside)))
            }
        }
    }

    /// The partitions after a shuffle that the checkpoint in this place was begun with; none if
    /// there is no checkpoint that can be read.
    ///
    /// # Errors
    /// When an object store cannot be reached.
    pub fn parallelism(location: &Location) -> Result<Option<NonZeroUsize>, CheckpointError> {
        let disk = match (look_at(location), location) {
            (Ok(disk), _) => disk,
            (Err(_), Location::Directory(_)) => return Ok(None),
            (Err(error), Location::Objects(_)) => return Err(error),
        };
        let manifest = read_manifest(&*disk).ok().flatten();
        let parallelism =
            manifest.and_then(|manifest| usize::try_from(manifest.parallelism()).ok());
        Ok(parallelism.and_then(NonZeroUsize::new))
    }
}

fn open_directory(
    path: &Place,
    topology: &Topology,
    program: Program,
    now: i64,
) -> Result<Opened, CheckpointError> {
    let disk = DirectoryDisk::open(path.clone()).map_err(|error| CheckpointError::Directory {
        path: path.shown(),
        error,
    })?;
    let lock = Lock::take(disk.path(), now)?;
    // Unlike others at this time and place.
    let unique = format!(
        "{} {now} {} {}",
        topology.name,
        std::process::id(),
        path.display()
    );
    Checkpoint::open_locked(Arc::new(disk), topology, program, &unique, Some(lock))
}

fn move_directory(path: &Place, now: i64) -> Result<Option<Location>, CheckpointError> {
    if path.look().is_err() {
        return Ok(None);
    }
    let _lock = Lock::take(path, now)?;
    let aside = path.with_suffix(&format!(".before-{now}"));
    DirectoryDisk::rename_all(path, &aside).map_err(|error| CheckpointError::Directory {
        path: path.shown(),
        error,
    })?;
    Ok(Some(Location::Directory(aside)))
}

/// A disk on which nothing is changed.
pub(super) fn look_at(location: &Location) -> Result<Arc<dyn Disk>, CheckpointError> {
    let disk: io::Result<Arc<dyn Disk>> = match location {
        Location::Directory(path) => {
            DirectoryDisk::look_at(path.clone()).map(|disk| Arc::new(disk) as _)
        }
        Location::Objects(url) => ObjectDisk::connect(url).map(|disk| Arc::new(disk) as _),
    };
    disk.map_err(|error| unusable(location, error))
}

pub(super) fn unusable(location: &Location, error: io::Error) -> CheckpointError {
    match location {
        Location::Directory(path) => CheckpointError::Directory {
            path: path.shown(),
            error,
        },
        Location::Objects(url) => failed(url, error),
    }
}

/// Whether what is there fits this topology, as far as it is seen without taking it over.
fn may_open(
    disk: Arc<dyn Disk>,
    topology: &Topology,
    program: &Program,
) -> Result<(), CheckpointError> {
    let Some(manifest) = read_manifest(&*disk)? else {
        return Ok(());
    };
    let place = disk.place();
    belongs(&manifest, topology, &place)?;
    if manifest.parallelism() == topology.parallelism.get() as u64
        && is_its_own(&*disk, &manifest, program)?
    {
        return Ok(());
    }
    let history = read_history(disk, &manifest)?;
    let claims: Vec<_> = history.claims.into_values().collect();
    turn(&history.versions, claims, (program, topology), &place).map(|_| ())
}

fn failed(url: &ObjectUrl, error: io::Error) -> CheckpointError {
    CheckpointError::Store {
        place: url.to_string(),
        error,
    }
}
