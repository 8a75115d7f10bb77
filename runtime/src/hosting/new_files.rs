//! Files of a version that is not taken yet.

use std::path::Path;

use super::{HostingError, UploadedFile};
use crate::{
    confine::{Confinement, Place},
    journal::{DirectoryDisk, write_whole},
    launch::LaunchError,
};

/// Files that were written beside those of versions that run, and are removed again if the version that
/// reads them does not come to run.
#[derive(Debug, Default)]
pub(super) struct NewFiles(Vec<Place>);

impl NewFiles {
    /// Writes a file below `work`, durably.
    pub(super) fn write(
        &mut self,
        file: &UploadedFile,
        work: &Path,
        confinement: &Confinement,
    ) -> Result<(), HostingError> {
        let path = work.join(&file.path);
        let name = path.file_name().and_then(|name| name.to_str());
        let (Some(folder), Some(name)) = (path.parent(), name) else {
            return Err(HostingError::Upload(format!("{} is no file", file.path)));
        };
        let place = confinement.to_write(&folder.into());
        let place = place.map_err(LaunchError::input)?;
        let failed = |error| HostingError::Disk {
            action: "make",
            path: folder.to_owned(),
            error,
        };
        let disk = DirectoryDisk::open(place.clone()).map_err(failed)?;
        self.0.push(place.join(name));
        Ok(write_whole(&disk, name, &file.bytes)?)
    }

    /// They stay.
    pub(super) fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        for file in &self.0 {
            let _ = file.remove(); // one that stays does no harm
        }
    }
}
