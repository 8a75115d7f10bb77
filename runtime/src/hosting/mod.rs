//! Topologies of several tenants in one process: what is deployed outlives the process, each runs
//! by itself, and nobody's end is another's.
//!
//! [`Hosting`] is the door. What is deployed lies in a [`Registry`] on disk;
//! what it does now is its [`Status`].

mod allowance;
mod error;
mod files;
mod hosted;
mod in_flight;
mod life;
mod loading;
mod record;
mod registry;
mod staging;
mod status;
mod supplied;
mod tail;
mod walls;

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

pub use allowance::{Allowance, Grantable};
pub use error::HostingError;
pub use files::{LONGEST_FILE, UploadedFile};
pub use record::{Desired, PluginDigest, Record};
pub use registry::Registry;
pub use status::{Phase, Status};
pub use walls::{OpenWall, Walls};

use files::Files;
use hosted::Hosted;
use supplied::Uploaded;

use crate::{
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
    tenants: Mutex<BTreeMap<Namespace, Tenant>>,
    /// What is granted to each namespace of the cores; one that is not here has 1.
    weights: BTreeMap<Namespace, NonZeroU32>,
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
        weights: BTreeMap<Namespace, NonZeroU32>,
        walls: Walls,
    ) -> Result<Self, HostingError> {
        let hosting = Self {
            shared: Arc::new(Shared {
                launcher,
                loaders,
                registry,
                walls,
            }),
            topologies: Mutex::default(),
            tenants: Mutex::default(),
            weights,
            changes: Mutex::default(),
        };
        for mut record in hosting.shared.registry.read()? {
            let crashed = hosting.shared.registry.in_flight(&record).take();
            if record.count_crash(crashed) {
                hosting.shared.registry.write(&record)?;
            }
            let key = (record.namespace.clone(), record.name.clone());
            let hosted = Arc::new(Hosted::new(record));
            lock(&hosting.topologies).insert(key, hosted.clone());
            hosting.run_if_desired(&hosted);
        }
        Ok(hosting)
    }

    /// Checks a topology with its plugins, keeps it, and starts it. Blocks while plugins compile.
    ///
    /// # Errors
    /// When it is wrong, when there is one of its name, or when the disk fails.
    pub fn deploy(
        &self,
        namespace: &Namespace,
        upload: Upload,
        by: &str,
    ) -> Result<Status, HostingError> {
        if upload.text.len() > LONGEST_TEXT {
            let what = format!("the topology's text has more than {LONGEST_TEXT} bytes");
            return Err(HostingError::Upload(what));
        }
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
        let name = loaded.topology.name.clone();
        let _change = lock(&self.changes);
        self.check_new(namespace, &name)?;
        let now = self.shared.launcher.clock.wall_millis();
        let plugins = self.shared.registry.keep_plugins(namespace, &uploaded)?;
        let record = Record::new(
            (namespace, &name),
            (upload.file, upload.text),
            (plugins, files.digests()),
            (by, now),
        );
        self.shared.registry.settle(staging, &record)?;
        self.shared.registry.write(&record)?;
        let hosted = Arc::new(Hosted::new(record));
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
        let tenant = self.tenant(&namespace);
        life::start(&self.shared, hosted, tenant);
    }

    /// A share of the namespace's cores.
    fn tenant(&self, namespace: &Namespace) -> Tenant {
        let mut tenants = lock(&self.tenants);
        let tenant = tenants.entry(namespace.clone()).or_insert_with(|| {
            let weight = self.weights.get(namespace).copied();
            let pool = &self.shared.launcher.pool;
            pool.tenant(weight.unwrap_or(NonZeroU32::MIN))
        });
        tenant.fellow()
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
