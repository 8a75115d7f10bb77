//! A grant becomes what a plugin is given.

use std::path::Path;

use super::LaunchError;
use crate::{
    confine::{Confinement, Place},
    model::Grant,
    plugin::{Access, Grants},
};

/// The same, and what this grant says, as far as `confinement` allows it. Relative directories start
/// at `base`; `variable` knows what a variable is set to.
///
/// # Errors
/// When that is not allowed, or cannot be had.
pub fn granted(
    grants: Grants,
    grant: &Grant,
    (base, confinement): (&Path, &Confinement),
    variable: &dyn Fn(&str) -> Result<Option<String>, LaunchError>,
) -> Result<Grants, LaunchError> {
    let refused = |why| LaunchError::input(format!("{grant} cannot be granted: {why}"));
    let place = |path: &Path| Place::from(base.join(path));
    match grant {
        Grant::Env(name) => {
            confinement.may_grant_variable(name).map_err(refused)?;
            // One that is not set is not set for the plugin, too.
            if let Some(value) = variable(name)? {
                return Ok(grants.variable(name, &value));
            }
            tracing::warn!("the variable {name}, which is granted, is not set");
            Ok(grants)
        }
        Grant::Read(path) => {
            let place = confinement.to_read(&place(path)).map_err(refused)?;
            directory(grants, path, place, Access::Read)
        }
        Grant::Write(path) => {
            let place = confinement.to_write(&place(path)).map_err(refused)?;
            directory(grants, path, place, Access::Write)
        }
        Grant::Stdout => {
            confinement.may_grant_stdout().map_err(refused)?;
            Ok(grants.stdout())
        }
    }
}

fn directory(
    grants: Grants,
    path: &Path,
    place: Place,
    access: Access,
) -> Result<Grants, LaunchError> {
    let name = path
        .to_str()
        .ok_or_else(|| LaunchError::input(format!("the path {} is no UTF-8", path.display())))?;
    grants
        .directory(name, place, access)
        .map_err(LaunchError::input)
}
