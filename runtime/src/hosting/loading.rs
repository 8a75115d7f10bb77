//! A deployed topology, loaded with all walls around it.

use std::path::Path;

use super::{
    HostingError, Shared,
    supplied::{Supplied, Uploaded},
    walls::WORK,
};
use crate::{
    launch::{self, LaunchError, Loaded, State, Terms},
    model::Namespace,
    topology::{Manifest, SecretsOf},
};

/// Loads a topology of a namespace whose work directory is `work`, as far as it can be checked
/// before anything runs: secrets have their values, and whatever it opens from here on is tied to
/// what it may reach.
pub(super) fn load(
    shared: &Shared,
    namespace: &Namespace,
    (manifest, uploaded): (Manifest, &Uploaded),
    (work, state): (&Path, State),
) -> Result<Loaded, HostingError> {
    let walls = &shared.walls;
    let confinement = walls.confinement(namespace, work);
    let confinement = confinement.map_err(LaunchError::input)?;
    let base = Path::new(WORK);
    let supplied = Supplied {
        uploaded,
        allowance: walls.allowance(namespace),
        confinement: &confinement,
    };
    let terms = Terms {
        base_dir: base,
        parallelism: shared.launcher.pool.cores(),
        state,
        confinement: &confinement,
        loaders: &shared.loaders,
    };
    let loaded = launch::assemble(manifest, &supplied, terms)?;
    supplied.check_imports(&loaded)?;
    // A secret may be an address: it is compared with what is allowed, too.
    let loaded = loaded
        .without_plugin_paths()
        .with_secrets(&walls.values(namespace), SecretsOf::Everything)?
        .confined(base, &confinement)?;
    launch::check_initial(&loaded.topology)?;
    Ok(loaded)
}
