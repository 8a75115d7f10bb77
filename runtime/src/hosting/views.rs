//! What those who own a topology see of its insides.

use std::sync::Arc;

use super::{Hosting, HostingError};
use crate::{
    model::{Namespace, TopologyName},
    scheduler::Tap,
    telemetry::TopologyLog,
};

impl Hosting {
    /// The last lines that were logged about a topology.
    ///
    /// # Errors
    /// When there is none of this name in the namespace.
    pub fn log(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
    ) -> Result<Arc<TopologyLog>, HostingError> {
        Ok(self.find(namespace, name)?.log.clone())
    }

    /// Looks at a stream of a topology while its rows pass.
    ///
    /// # Errors
    /// When there is none of this name in the namespace, it does not run, or has no such stream.
    pub fn tap(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        stream: &str,
    ) -> Result<Tap, HostingError> {
        let taps = self.find(namespace, name)?.taps();
        let taps = taps.ok_or_else(|| HostingError::NotRunning(name.clone()))?;
        Ok(taps.tap(stream)?)
    }
}
