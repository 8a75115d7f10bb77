//! Topologies of several tenants in one process: what is deployed outlives the process, each runs
//! by itself, and nobody's end is another's.
//!
//! [`Hosting`] is the door. What is deployed lies in a [`Registry`] on disk;
//! what it does now is its [`Status`].

mod allowance;
mod batch_lines;
mod candidate;
mod error;
mod files;
mod hosted;
mod in_flight;
mod letters;
mod life;
mod loading;
mod new_files;
mod plan;
mod quota;
mod record;
mod registry;
mod replay;
mod staging;
mod status;
mod supplied;
mod swap;
mod tail;
mod tenants;
mod usage;
mod version;
mod views;
mod walls;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use allowance::{Allowance, Grantable};
pub use candidate::NextVersion;
pub use error::HostingError;
pub use files::{LONGEST_FILE, UploadedFile};
pub use plan::ShownChange;
pub use quota::{OverQuota, Quota, Share, Shares};
pub use record::{Desired, Record};
pub use registry::Registry;
pub use replay::ReplayRequest;
pub use status::{Phase, Status};
pub use swap::{ShownPlugin, ShownVersion, SwapTerms};
pub use usage::{BatchLatency, Cpu, NodeUsage, QuotaUse, ServerUsage, TopologyUsage, Usage};
pub use version::{PluginDigest, VersionOutcome, VersionRecord};
pub use walls::{OpenWall, Walls};

use files::Files;
use hosted::Hosted;
use supplied::Uploaded;
use tenants::Tenants;

use crate::{
    account::{Account, Work, process_cpu},
    launch::{Launcher, Loaders, State},
    model::{Namespace, TopologyName},
    scheduler::Tenant,
    secrets::StoreFile,
    topology::Manifest,
};

/// Bytes of a topology's text, at most.
const LONGEST_TEXT: usize = 1 << 20;

/// What is uploaded to be deployed.
#[derive(Debug, Clone)]
pub struct Upload {
    /// What the topology's file is called, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
    /// Plugins by alias; none is the default.
    pub plugins: Vec<(Option<String>, Vec<u8>)>,
    /// Files that it reads, by paths below its directory.
    pub files: Vec<UploadedFile>,
}

/// Hosts topologies.
pub struct Hosting {
    shared: Arc<Shared>,
    /// By namespace and name.
    topologies: Mutex<BTreeMap<(Namespace, TopologyName), Arc<Hosted>>>,
    tenants: Tenants,
    /// One change at a time: of what is deployed, and of its files.
    changes: Mutex<()>,
}

/// What all hosted topologies use.
struct Shared {
    launcher: Launcher,
    loaders: Loaders,
    registry: Registry,
    walls: Walls,
}

impl Hosting {
    /// Takes up what is deployed in the registry, and starts what is to run. To be called on a
    /// tokio runtime.
    ///
    /// # Errors
    /// When the registry cannot be read.
    pub fn open(
        registry: Registry,
        launcher: Launcher,
        loaders: Loaders,
        shares: Shares,
        walls: Walls,
    ) -> Result<Self, HostingError> {
        let (clock, pool) = (launcher.clock.clone(), launcher.pool.clone());
        let hosting = Self {
            shared: Arc::new(Shared {
                launcher,
                loaders,
                registry,
                walls,
            }),
            topologies: Mutex::default(),
            tenants: Tenants::new(shares, clock, pool),
            changes: Mutex::default(),
        };
        for mut record in hosting.shared.registry.read()? {
            let crashed = hosting.shared.registry.in_flight(&record).take();
            if record.count_crash(crashed) {
                hosting.shared.registry.write(&record)?;
            }
            let key = (record.namespace.clone(), record.name.clone());
            let hosted = hosting.hosted(record);
            lock(&hosting.topologies).insert(key, hosted.clone());
            hosting.run_if_desired(&hosted);
        }
        Ok(hosting)
    }

    /// Checks a topology with its plugins, keeps it, and starts it. Blocks while plugins compile.
    ///
    /// # Errors
    /// When it is wrong, when there is one of its name, when it is more than the namespace may have,
    /// or when the disk fails.
    pub fn deploy(
        &self,
        namespace: &Namespace,
        upload: Upload,
        by: &str,
    ) -> Result<Status, HostingError> {
        let account = self.tenants.account(namespace);
        account.measure(Work::Opening, || self.take_in(namespace, upload, by))
    }

    fn take_in(
        &self,
        namespace: &Namespace,
        upload: Upload,
        by: &str,
    ) -> Result<Status, HostingError> {
        if upload.text.len() > LONGEST_TEXT {
            let what = format!("the topology's text has more than {LONGEST_TEXT} bytes");
            return Err(HostingError::Upload(what));
        }
        let quota = self.tenants.quota(namespace);
        quota.one_more(namespace, self.count(namespace))?;
        quota.plugins(namespace, &upload.plugins)?;
        let manifest = Manifest::parse(&upload.file, &upload.text)
            .map_err(|invalid| HostingError::Launch(invalid.into()))?;
        let named = manifest.name().cloned();
        if let Some(name) = &named {
            self.check_new(namespace, name)?;
        }
        let uploaded = Uploaded::new(upload.plugins)?;
        uploaded.check_aliases(&manifest)?;
        let files = Files::new(upload.files, &manifest)?;
        // Everything is checked before it has a folder of its name.
        let staging = self.shared.registry.stage(&files)?;
        let loaded = loading::load(
            &self.shared,
            namespace,
            (manifest, &uploaded),
            (staging.path(), State::Planned),
        )?;
        quota.instances(namespace, &loaded.topology)?;
        let name = loaded.topology.name.clone();
        let _change = lock(&self.changes);
        self.check_new(namespace, &name)?;
        quota.one_more(namespace, self.count(namespace))?;
        let sizes = self.shared.registry.plugin_sizes(namespace, &uploaded)?;
        quota.all_plugins(namespace, sizes)?;
        let now = self.shared.launcher.clock.wall_millis();
        let plugins = self.shared.registry.keep_plugins(namespace, &uploaded)?;
        let first = VersionRecord {
            number: 1,
            file: upload.file,
            text: upload.text,
            files: files.digests(),
            plugins,
            by: by.to_owned(),
            at: now,
            from: None,
            tried: Vec::new(),
            outcome: VersionOutcome::Waiting,
        };
        let record = Record::new((namespace, &name), first);
        self.shared.registry.settle(staging, &record)?;
        self.shared.registry.write(&record)?;
        let hosted = self.hosted(record);
        lock(&self.topologies).insert((namespace.clone(), name), hosted.clone());
        self.run_if_desired(&hosted);
        Ok(hosted.status())
    }

    fn check_new(&self, namespace: &Namespace, name: &TopologyName) -> Result<(), HostingError> {
        match self.find(namespace, name) {
            Ok(_) => Err(HostingError::Exists(name.clone())),
            Err(_) => Ok(()),
        }
    }

    /// What is deployed in a namespace, by name.
    pub fn list(&self, namespace: &Namespace) -> Vec<Status> {
        let topologies = lock(&self.topologies);
        let own = topologies.iter().filter(|((n, _), _)| n == namespace);
        own.map(|(_, hosted)| hosted.status()).collect()
    }

    /// What one topology does.
    ///
    /// # Errors
    /// When there is none of this name in the namespace.
    pub fn status(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
    ) -> Result<Status, HostingError> {
        Ok(self.find(namespace, name)?.status())
    }

    /// The last that its `print` sinks put out.
    ///
    /// # Errors
    /// When there is none of this name in the namespace.
    pub fn output(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
    ) -> Result<Vec<u8>, HostingError> {
        Ok(self.find(namespace, name)?.output())
    }

    /// The secrets of a namespace.
    pub fn secrets(&self, namespace: &Namespace) -> StoreFile {
        self.shared.walls.secrets(namespace)
    }

    /// Starts what is stopped, failed or quarantined. What runs goes on.
    ///
    /// # Errors
    /// When there is none of this name in the namespace, it is just being stopped, or the disk
    /// fails.
    pub fn start(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        by: &str,
    ) -> Result<Status, HostingError> {
        let hosted = self.find(namespace, name)?;
        let _change = lock(&self.changes);
        if hosted.is_stopping() {
            return Err(HostingError::Stopping(name.clone()));
        }
        let now = self.shared.launcher.clock.wall_millis();
        let record = hosted.change(|record| record.start(by, now));
        self.shared.registry.write(&record)?;
        self.run_if_desired(&hosted);
        Ok(hosted.status())
    }

    /// Stops a topology after the batches in flight, and waits for its end; it stays deployed.
    ///
    /// # Errors
    /// When there is none of this name in the namespace, or the disk fails.
    pub async fn stop(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        by: &str,
    ) -> Result<Status, HostingError> {
        let hosted = self.find(namespace, name)?;
        {
            let _change = lock(&self.changes);
            let now = self.shared.launcher.clock.wall_millis();
            let record = hosted.change(|record| record.stop(by, now));
            self.shared.registry.write(&record)?;
            hosted.ask_to_stop();
        }
        hosted.ended().await;
        Ok(hosted.status())
    }

    /// Stops a topology and removes it, with all that it kept below the data directory.
    ///
    /// # Errors
    /// When there is none of this name in the namespace, or the disk fails.
    pub async fn undeploy(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
        by: &str,
    ) -> Result<(), HostingError> {
        self.stop(namespace, name, by).await?;
        let _change = lock(&self.changes);
        let hosted = self.find(namespace, name)?;
        if hosted.is_running() {
            return Err(HostingError::Stopping(name.clone())); // someone started it again
        }
        self.shared.registry.remove(namespace, name)?;
        lock(&self.topologies).remove(&(namespace.clone(), name.clone()));
        hosted.log.close();
        Ok(())
    }

    /// Stops everything after the batches in flight, which get so long; what is deployed stays so,
    /// and runs again with the next process.
    pub async fn end(&self, grace: Duration) {
        let all: Vec<Arc<Hosted>> = lock(&self.topologies).values().cloned().collect();
        for hosted in &all {
            hosted.ask_to_stop();
        }
        let ended = async {
            for hosted in &all {
                hosted.ended().await;
            }
        };
        if tokio::time::timeout(grace, ended).await.is_err() {
            tracing::warn!("stopping took too long: what is in flight is given up");
            for hosted in &all {
                hosted.abort();
            }
            for hosted in &all {
                hosted.ended().await;
            }
        }
    }

    fn find(
        &self,
        namespace: &Namespace,
        name: &TopologyName,
    ) -> Result<Arc<Hosted>, HostingError> {
        let found = lock(&self.topologies)
            .get(&(namespace.clone(), name.clone()))
            .cloned();
        found.ok_or(HostingError::NotFound)
    }

    fn run_if_desired(&self, hosted: &Arc<Hosted>) {
        let namespace = hosted.namespace();
        let tenant = self.tenants.fellow(&namespace, hosted.account.clone());
        let quota = self.tenants.quota(&namespace);
        life::start(&self.shared, hosted, (tenant, quota));
    }

    /// For what the namespace asks for besides batches, on its own share and account.
    fn tenant(&self, namespace: &Namespace) -> Tenant {
        self.tenants
            .fellow(namespace, self.tenants.account(namespace))
    }

    fn hosted(&self, record: Record) -> Arc<Hosted> {
        let account = Account::under(&self.tenants.account(&record.namespace));
        Arc::new(Hosted::new(record, account, &self.shared.launcher.clock))
    }

    fn count(&self, namespace: &Namespace) -> usize {
        let topologies = lock(&self.topologies);
        topologies.keys().filter(|(n, _)| n == namespace).count()
    }

    /// What a namespace and its topologies have used since this began.
    ///
    /// # Errors
    /// When its plugins cannot be counted.
    pub fn usage(&self, namespace: &Namespace) -> Result<Usage, HostingError> {
        let account = self.tenants.account(namespace);
        let topologies = lock(&self.topologies);
        let own = topologies.iter().filter(|((n, _), _)| n == namespace);
        let own =
            own.map(|((_, name), hosted)| TopologyUsage::of(name.to_string(), &hosted.account));
        let own = own.collect();
        drop(topologies);
        let plugins = self.shared.registry.plugins_total(namespace)?;
        let quota = self.tenants.quota(namespace);
        Ok(Usage::of(namespace, &account, (&quota, plugins), own))
    }

    /// What all namespaces have used since this began, and the process.
    ///
    /// # Errors
    /// When plugins cannot be counted.
    pub fn usage_of_all(&self) -> Result<ServerUsage, HostingError> {
        let all = self.tenants.all().into_iter();
        let all = all.map(|(namespace, _)| self.usage(&namespace));
        let all = all.collect::<Result<_, _>>()?;
        Ok(ServerUsage::of(process_cpu(), all))
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
