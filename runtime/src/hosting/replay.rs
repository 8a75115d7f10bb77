//! A batch of a deployed topology, once more.

use std::collections::BTreeMap;

use super::{Hosting, HostingError, NextVersion, Record, loading, supplied::Uploaded};
use crate::{
    account::Work,
    checkpoint::{ProgramFiles, Retained, Version},
    launch::State,
    model::{BatchTime, Namespace, TopologyName},
    replay::{Replay, ReplayAnswer, ReplayError, Runnable, way},
    topology::Manifest,
};

/// Which batch, and what of it.
#[derive(Debug, Clone)]
pub struct ReplayRequest {
    /// Its time.
    pub batch: BatchTime,
    /// This stream instead of those of the sinks.
    pub stream: Option<String>,
    /// It is made by this version, too.
    pub other: Option<NextVersion>,
    /// So many rows of each stream, at most.
    pub rows: usize,
}

impl Hosting {
    /// Makes a batch of a topology once more from what its checkpoint keeps, for nobody but whoever asks. Blocks
    /// while it is made, on the namespace's share of the cores; the topology may run meanwhile.
    ///
    /// # Errors
    /// When there is no such topology in the namespace, the batch is not kept, or something that it reads is not there any
    /// more.
    pub fn replay(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        asked: ReplayRequest,
    ) -> Result<ReplayAnswer, HostingError> {
        let hosted = self.find(namespace, name)?;
        let (place, _) = hosted.kept()?;
        let record = hosted.record();
        let account = self.tenants.account(namespace);
        let (retained, before) = Retained::at(&place, asked.batch)?;
        let way = way(&retained, &before, asked.batch);
        let load = || {
            let mut programs = BTreeMap::new();
            for version in &way.versions {
                let files = retained.files(version)?;
                let files = files.ok_or(ReplayError::NotKept {
                    version: version.id,
                    batch: asked.batch,
                })?;
                programs.insert(version.id, self.runnable(&record, version, files)?);
            }
            let other = asked.other.map(|next| self.candidate(&record, next));
            let other = other.transpose()?.map(|candidate| Runnable {
                topology: candidate.loaded.topology,
                plugins: candidate.loaded.plugins,
            });
            Ok::<_, HostingError>((programs, other))
        };
        let (programs, other) = account.measure(Work::Opening, load)?;
        let tenant = self.tenant(namespace);
        let replay = Replay {
            retained: &retained,
            before: &before,
            programs: &programs,
            tenant: &tenant,
            clock: self.shared.launcher.clock.as_ref(),
            stream: asked.stream.as_deref(),
        };
        let make = || replay.make(asked.batch, other.as_ref());
        let replayed = account.measure_around_tasks(Work::Batches, make)?;
        Ok(ReplayAnswer::new(
            &replayed,
            (&before, way.batches),
            asked.rows,
        )?)
    }

    fn runnable(
        &self,
        record: &Record,
        version: &Version,
        files: ProgramFiles,
    ) -> Result<Runnable, HostingError> {
        let name = format!("the topology of version {} of its checkpoint", version.id);
        let manifest = Manifest::parse(&name, &files.text);
        let manifest = manifest.map_err(|invalid| HostingError::Launch(invalid.into()))?;
        let uploaded = Uploaded(files.plugins);
        let work = self.shared.registry.make_work(record)?;
        let (of, how) = ((manifest, &uploaded), (&*work, State::Kept));
        let loaded = loading::load(&self.shared, &record.namespace, of, how)?;
        Ok(Runnable {
            topology: loaded.topology,
            plugins: loaded.plugins,
        })
    }
}
