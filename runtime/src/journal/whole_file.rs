//! Files that are there whole or not at all.

use super::{Disk, JournalError};

/// Writes a file under a name that nobody reads, then gives it its own. When this returns, the file
/// is durable; if it fails, the file that had the name before still has it.
///
/// # Errors
/// When the disk fails.
pub fn write_whole(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
    let temporary = format!(".{name}.tmp");
    let failed = |action| {
        move |error| JournalError::Disk {
            action,
            name: name.to_owned(),
            place: disk.place(),
            error,
        }
    };
    match disk.remove(&temporary) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed("replace")(error));
        }
        _ => {}
    }
    disk.append(&temporary, &[bytes]).map_err(failed("write"))?;
    disk.sync(&temporary).map_err(failed("sync"))?;
    disk.rename(&temporary, name)
        .map_err(failed("put in place"))?;
    disk.sync_directory().map_err(failed("sync"))
}

/// A file, if there is one.
///
/// # Errors
/// When the disk fails.
pub fn read_whole(disk: &dyn Disk, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
    match disk.read(name) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(JournalError::Disk {
            action: "read",
            name: name.to_owned(),
            place: disk.place(),
            error,
        }),
    }
}
