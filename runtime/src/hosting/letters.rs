//! Dead letters of hosted topologies.

use std::sync::Arc;

use super::{Hosting, HostingError};
use crate::{
    checkpoint::{BatchLetters, ShownLetters},
    model::{Namespace, TopologyName},
    scheduler::Permit,
};

impl Hosting {
    /// Dead letters of a topology: from that place on, at most so many. Blocks while they are read,
    /// which is work of the namespace's, on its share of the cores.
    ///
    /// # Errors
    /// When there is no such topology in the namespace, nothing is written down, or it does not read.
    pub fn letters(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        operator: Option<String>,
        page: (u64, u64),
    ) -> Result<ShownLetters, HostingError> {
        let (place, _) = self.find(namespace, name)?.kept()?;
        let read = move |_: &Arc<Permit>| {
            let batches = BatchLetters::read(&place)?;
            Ok(ShownLetters::of(&batches, operator.as_deref(), page)?)
        };
        let mut read = self.tenant(namespace).run(vec![read]);
        let read = read.pop().flatten();
        read.unwrap_or(Err(HostingError::Fell("reading its dead letters")))
    }

    /// Has the batches to come of a topology that runs take dead letters once more, and answers with
    /// how many these are. Blocks while they are counted.
    ///
    /// # Errors
    /// When there is no such topology in the namespace, nothing is written down, it does not run, or
    /// they do not read.
    pub fn retry_letters(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        operator: Option<&str>,
    ) -> Result<u64, HostingError> {
        let (_, open) = self.find(namespace, name)?.kept()?;
        let checkpoint = open.ok_or_else(|| HostingError::NotRunning(name.clone()))?;
        Ok(checkpoint.ask_to_retry(operator)?)
    }

    /// Removes dead letters of a topology, whether it runs or not, and answers with how many there
    /// were. Blocks while they are removed.
    ///
    /// # Errors
    /// When there is no such topology in the namespace, nothing is written down, or it does not read
    /// or write.
    pub fn drop_letters(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        operator: Option<&str>,
    ) -> Result<u64, HostingError> {
        let (place, open) = self.find(namespace, name)?.kept()?;
        if let Some(checkpoint) = open {
            return Ok(checkpoint.forget_letters(operator)?);
        }
        let now = self.shared.launcher.clock.wall_millis();
        Ok(BatchLetters::forget(&place, operator, now)?)
    }
}
