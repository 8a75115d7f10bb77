//! What those who own a topology see of its insides.

use std::sync::Arc;

use super::{Hosting, HostingError};
use crate::{
    checkpoint::{StateError, StateRows, WhichRows},
    model::{Namespace, TopologyName},
    scheduler::{Permit, Tap},
    telemetry::TopologyLog,
};

/// How often what is being replaced is read again.
const READS: usize = 3;

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

    /// What an operator of a topology remembers, as it was last written down. Blocks while it is
    /// read, which is work of the namespace's, on its share of the cores.
    ///
    /// # Errors
    /// When there is no such topology in the namespace, nothing is written down, the operator has no
    /// state, or it does not read.
    pub fn state(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        (operator, key): (String, Option<String>),
        (from, limit): (u64, u64),
    ) -> Result<StateRows, HostingError> {
        let (place, _) = self.find(namespace, name)?.kept()?;
        let read = move |_: &Arc<Permit>| {
            let which = WhichRows {
                operator: &operator,
                key: key.as_deref(),
                from,
                limit,
            };
            // A run that goes on replaces what it has written.
            let again = (0..READS).map(|_| StateRows::read(&place, which));
            let mut last = None;
            for read in again {
                match read {
                    Err(error @ StateError::Checkpoint(_)) => last = Some(error),
                    read => return Some(read),
                }
            }
            last.map(Err)
        };
        let read = self.tenant(namespace).run(vec![read]);
        let read = read.into_iter().flatten().flatten().next();
        let read = read.ok_or(HostingError::Fell("reading its state"))?;
        Ok(read?)
    }
}
