//! Another version of a deployed topology: looked at, taken, gone back from.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    Hosting, HostingError, NextVersion, ShownChange, VersionRecord, candidate::Candidate,
    hosted::Hosted, lock, plan,
};
use crate::{
    account::Work,
    launch::{self, Options},
    model::{Namespace, TopologyName},
    stream::{Shadow, ShadowReport, SwapError, Swapping, check_swap},
};

/// On which terms a version is taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct SwapTerms {
    /// State that would be lost may be.
    pub accepts_loss: bool,
    /// What does not run is started with it.
    pub starts: bool,
    /// It runs beside the one that runs first, without effect; none: it does not.
    pub shadow: Option<Shadow>,
}

/// A version of a deployed topology.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShownVersion {
    /// Counts what was deployed under the topology's name, from 1.
    pub version: u64,
    /// `waiting`, `live`, `replaced`, `refused` or `rolled-back`.
    pub outcome: String,
    /// Why it was refused or rolled back.
    pub why: Option<String>,
    /// The first batch that it made when it took over from a running version, in milliseconds since the epoch.
    pub from: Option<i64>,
    /// Who deployed it.
    pub by: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// How it did when it ran beside the version before: rows compared, rows that differ, CPU time and memory, as
    /// lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shadow: Vec<String>,
    /// BLAKE3 of the topology's text.
    pub topology: String,
    /// BLAKE3 of each plugin.
    pub plugins: Vec<ShownPlugin>,
}

/// A plugin of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ShownPlugin {
    /// What the topology calls it; none for the default plugin.
    pub name: Option<String>,
    /// Of its bytes.
    pub digest: String,
}

impl ShownVersion {
    fn of(version: &VersionRecord) -> Self {
        let plugins = version.plugins.iter();
        let plugins = plugins.map(|(name, digest)| ShownPlugin {
            name: name.clone(),
            digest: digest.clone(),
        });
        Self {
            version: version.number,
            outcome: version.outcome.word().to_owned(),
            why: version.outcome.why().map(ToOwned::to_owned),
            from: version.from,
            by: version.by.clone(),
            at: version.at,
            shadow: version.tried.clone(),
            topology: blake3::hash(version.text.as_bytes()).to_hex().to_string(),
            plugins: plugins.collect(),
        }
    }
}

impl Hosting {
    /// What another version of a topology would change, part by part. Blocks while plugins compile;
    /// changes nothing.
    ///
    /// # Errors
    /// When there is no such topology in the namespace, or the version is wrong.
    pub fn plan(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        next: NextVersion,
    ) -> Result<Vec<ShownChange>, HostingError> {
        let record = self.find(namespace, name)?.record();
        let account = self.tenants.account(namespace);
        account.measure(Work::Opening, || {
            let candidate = self.candidate(&record, next)?;
            let live = self.live(&record)?;
            Ok(ShownChange::all(&plan::between(&live, &candidate.loaded)))
        })
    }

    /// Checks a version of a topology and has it take over at the next batch, if it may; answers with its
    /// number, and [`decided`](Self::decided) with what became of it. What does not run has it at once. Blocks
    /// while plugins compile.
    ///
    /// # Errors
    /// When there is no such topology in the namespace, the version is wrong, another one is just taking over, or the disk
    /// fails. The version that is live stays so then.
    pub fn swap(
        &self,
        (namespace, name): (&Namespace, &TopologyName),
        (next, terms): (NextVersion, SwapTerms),
        by: &str,
    ) -> Result<u64, HostingError> {
        let hosted = self.find(namespace, name)?;
        let account = self.tenants.account(namespace);
        let record = hosted.record();
        let candidate = account.measure(Work::Opening, || self.candidate(&record, next))?;
        let number = match hosted.is_running() {
            true => self.take_live(&hosted, candidate, terms, by)?,
            false => self.take_at_rest(&hosted, candidate, terms, by)?,
        };
        if terms.starts && !hosted.is_running() {
            self.start(namespace, name, by)?;
        }
        Ok(number)
    }

    /// Has a version that ran before take over again: the one with this number, or the last that did. Answers with
    /// its number, as [`swap`](Self::swap) does.
    ///
    /// # Errors
    /// As there; and when there is no such version.
    pub fn roll_back(
        &self,
        (namespace, name): (&Namespace, &TopologyName),
        (version, accepts_loss): (Option<u64>, bool),
        by: &str,
    ) -> Result<u64, HostingError> {
        let hosted = self.find(namespace, name)?;
        let record = hosted.record();
        let wanted = version.or_else(|| record.last_replaced());
        let number = wanted.ok_or_else(|| HostingError::NothingBefore(name.clone()))?;
        if number == record.live.number {
            return Err(HostingError::IsLive(name.clone(), number));
        }
        if record.on_trial && record.last_replaced() == Some(number) {
            match self.back(&hosted) {
                // Too late: it takes over as any other version does.
                Err(SwapError::NoWayBack(why)) => tracing::debug!("{why}"),
                Err(error) => return Err(HostingError::Swap(error)),
                Ok(()) => return Ok(number),
            }
        }
        let terms = SwapTerms {
            accepts_loss,
            ..SwapTerms::default()
        };
        self.swap((namespace, name), (NextVersion::Known(number), terms), by)
    }

    /// Waits until a version of a topology has taken over, or has not.
    ///
    /// # Errors
    /// When it has not, when there is no such topology in the namespace, or no such version any more.
    pub async fn decided(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        number: u64,
    ) -> Result<ShownVersion, HostingError> {
        let hosted = self.find(namespace, name)?;
        hosted.decided(number).await;
        match hosted.refused(number) {
            Some(why) => Err(HostingError::NotTaken(why)),
            None => self.version(namespace, name, number),
        }
    }

    /// One version of a topology.
    ///
    /// # Errors
    /// When there is no such topology in the namespace, or no such version any more.
    pub fn version(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        number: u64,
    ) -> Result<ShownVersion, HostingError> {
        let versions = self.versions(namespace, name)?.into_iter();
        let mut versions = versions.filter(|version| version.version == number);
        versions.next().ok_or(HostingError::NoVersion(number))
    }

    /// The versions of a topology, by rising number; the oldest are forgotten.
    ///
    /// # Errors
    /// When there is none of this name in the namespace.
    pub fn versions(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
    ) -> Result<Vec<ShownVersion>, HostingError> {
        let record = self.find(namespace, name)?.record();
        Ok(record.versions().map(ShownVersion::of).collect())
    }

    /// The version before makes the batches since the last swap again, at the next batch boundary. Blocks until
    /// it has.
    fn back(&self, hosted: &Hosted) -> Result<(), SwapError> {
        let not_now = || SwapError::NoWayBack("it does not run now".to_owned());
        let swapping = hosted.swapper().ok_or_else(not_now)?.back()?;
        self.shared.launcher.runtime.block_on(swapping.decided())?;
        Ok(())
    }

    /// It takes over at a batch boundary.
    fn take_live(
        &self,
        hosted: &Arc<Hosted>,
        candidate: Candidate,
        terms: SwapTerms,
        by: &str,
    ) -> Result<u64, HostingError> {
        let name = hosted.record().name;
        let swapper = hosted.swapper();
        let swapper = swapper.ok_or(HostingError::Unsettled(name))?;
        let number = self.keep(hosted, &candidate, by)?;
        let Candidate {
            loaded, new_files, ..
        } = candidate;
        let options = Options {
            fusion: true,
            batches: None,
        };
        let mut next = launch::next(
            loaded,
            (&swapper, options),
            terms.accepts_loss,
            &hosted.tail,
        );
        next.shadow = terms.shadow;
        let account = hosted.account.clone();
        let swapping = account.measure(Work::Opening, || swapper.swap(next));
        let deciding = match swapping {
            Ok(swapping) => swapping,
            Err(error) => {
                hosted.not_taken(error.to_string());
                self.write_down(hosted)?;
                return Err(HostingError::Swap(error));
            }
        };
        hosted.is_deciding(number);
        let (shared, hosted) = (self.shared.clone(), hosted.clone());
        let runtime = shared.launcher.runtime.clone();
        // Whoever asked may not wait for it.
        runtime.spawn(async move {
            decide(&hosted, number, deciding).await;
            if hosted.record().live.number == number {
                new_files.keep();
            }
            let there = tokio::task::spawn_blocking(move || {
                let written = shared.registry.write_latest(|| hosted.record());
                if let Err(error) =
                    written.and_then(|()| shared.registry.release_plugins(&hosted.namespace()))
                {
                    tracing::error!(parent: None, "cannot note what became of a version: {error}");
                }
            });
            let _ = there.await; // it does not panic
        });
        Ok(number)
    }

    /// It is what the next start runs.
    fn take_at_rest(
        &self,
        hosted: &Arc<Hosted>,
        candidate: Candidate,
        terms: SwapTerms,
        by: &str,
    ) -> Result<u64, HostingError> {
        let record = hosted.record();
        let live = self.live(&record)?;
        let diff = plan::between(&live, &candidate.loaded);
        if let Some(lost) = diff.losses().next().filter(|_| terms.accepts_loss) {
            return Err(HostingError::LosesAtRest(record.name, lost.name.clone()));
        }
        check_swap(&diff.at_rest(), false).map_err(HostingError::Swap)?;
        let number = self.keep(hosted, &candidate, by)?;
        hosted.change(|record| record.taken_over(None));
        self.write_down(hosted)?;
        candidate.new_files.keep();
        self.shared.registry.release_plugins(&record.namespace)?;
        Ok(number)
    }

    /// Keeps what a version is made of, durably; it waits then.
    fn keep(
        &self,
        hosted: &Arc<Hosted>,
        candidate: &Candidate,
        by: &str,
    ) -> Result<u64, HostingError> {
        let _change = lock(&self.changes);
        let record = hosted.record();
        let namespace = &record.namespace;
        self.find(namespace, &record.name)?; // it may just have been undeployed
        if record.waiting.is_some() {
            return Err(HostingError::Swapping(record.name));
        }
        let registry = &self.shared.registry;
        let sizes = registry.plugin_sizes(namespace, &candidate.uploaded)?;
        self.tenants
            .quota(namespace)
            .all_plugins(namespace, sizes)?;
        let plugins = registry.keep_plugins(namespace, &candidate.uploaded)?;
        let now = self.shared.launcher.clock.wall_millis();
        let next = candidate.record(&record, plugins, (by, now));
        let number = next.number;
        hosted.change(|record| record.wait(next));
        if let Err(error) = self.write_down(hosted) {
            hosted.not_taken(error.to_string());
            return Err(error);
        }
        Ok(number)
    }

    fn write_down(&self, hosted: &Hosted) -> Result<(), HostingError> {
        self.shared.registry.write_latest(|| hosted.record())
    }
}

/// That it has taken over is told to the stream's listener, before.
async fn decide(hosted: &Hosted, number: u64, swapping: Swapping) {
    let lines = |report: &ShadowReport| {
        let text = report.to_string();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let (refused, tried) = match swapping.decided().await {
        Ok(swapped) => (None, swapped.shadow.as_ref().map(lines)),
        Err(error) => {
            let report = match &error {
                SwapError::Shadow(_, report) => Some(lines(report)),
                _ => None,
            };
            let why = error.to_string();
            let told = [vec![why.clone()], report.clone().unwrap_or_default()];
            (Some((why, told.concat().join("\n"))), report)
        }
    };
    if let Some(tried) = tried {
        hosted.change(|record| record.was_tried(number, tried));
    }
    hosted.is_decided(refused);
}
