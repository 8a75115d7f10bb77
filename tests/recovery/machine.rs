//! What a run stands on, which may stop at any step.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result as Done,
    memory::InMemory, path::Path,
};
use rsrt::{
    checkpoint::{Checkpoint, Opened, Program},
    journal::{Disk as _, MemoryDisk, ObjectDisk},
    topology::Topology,
};

/// Clones are the same machine.
pub(super) trait Machine: Clone + Default + Send + 'static {
    fn open(&self, topology: &Topology, program: Program) -> Result<Opened, String>;

    /// Something happens that is no step of the checkpoint.
    fn step(&self) -> Result<(), String>;

    /// Steps so far.
    fn steps(&self) -> u64;

    /// From this step on everything fails; none: nothing does.
    fn fail_at(&self, step: Option<u64>);

    /// The process is gone; what it wrote stays to be read, none the more durable.
    fn kill(&self);

    /// Everything that runs on it is gone; `kept` says what of unfinished steps comes through.
    fn crash(&self, kept: usize);
}

impl Machine for MemoryDisk {
    fn open(&self, topology: &Topology, program: Program) -> Result<Opened, String> {
        let opened = Checkpoint::open(Arc::new(self.clone()), topology, program, "test");
        opened.map_err(|error| error.to_string())
    }

    fn step(&self) -> Result<(), String> {
        self.append("sinks", &[]).map_err(|error| error.to_string())
    }

    fn steps(&self) -> u64 {
        self.steps()
    }

    fn fail_at(&self, step: Option<u64>) {
        self.fail_at(step);
    }

    fn kill(&self) {
        self.kill();
    }

    fn crash(&self, kept: usize) {
        self.crash(kept);
    }
}

/// An object store that is gone from some request on. The request at which it goes may have been
/// carried out.
#[derive(Debug, Clone, Default)]
pub(super) struct Objects {
    store: InMemory,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    steps: AtomicU64,
    fails_at: AtomicU64,
    /// Odd: the request at which it goes is carried out.
    kept: AtomicU64,
    fault: Mutex<Option<Fault>>,
}

/// What is wrong with a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Of every few writes the first time nobody is told that it was carried out.
    LosesAnswers,
    /// What must not be overwritten is overwritten.
    Overwrites,
}

impl Default for State {
    fn default() -> Self {
        Self {
            steps: AtomicU64::new(0),
            fails_at: AtomicU64::new(u64::MAX),
            kept: AtomicU64::new(0),
            fault: Mutex::default(),
        }
    }
}

impl Objects {
    /// The store that is left when everything that ran is gone, with a fate of its own.
    pub(super) fn same_store(&self) -> Self {
        Self {
            store: self.store.clone(),
            state: Arc::default(),
        }
    }

    pub(super) fn with(fault: Fault) -> Self {
        let store = Self::default();
        *store.state.fault.lock().unwrap() = Some(fault);
        store
    }

    /// Whether a request that changes something is carried out, and whether that is told.
    fn count(&self) -> (bool, bool) {
        let step = self.state.steps.fetch_add(1, Ordering::SeqCst) + 1;
        let end = self.state.fails_at.load(Ordering::SeqCst);
        let comes_through = self.state.kept.load(Ordering::SeqCst) % 2 == 1;
        (step < end || (step == end && comes_through), step < end)
    }

    fn check(&self) -> Done<()> {
        let steps = self.state.steps.load(Ordering::SeqCst);
        match steps < self.state.fails_at.load(Ordering::SeqCst) {
            true => Ok(()),
            false => Err(gone()),
        }
    }
}

fn gone() -> Error {
    Error::PermissionDenied {
        path: "anywhere".into(),
        source: "the disk is gone".into(),
    }
}

impl Machine for Objects {
    fn open(&self, topology: &Topology, program: Program) -> Result<Opened, String> {
        let disk = ObjectDisk::over(Arc::new(self.clone()), "kept", "s3://b/kept");
        let disk = disk.map_err(|error| error.to_string())?;
        let opened = Checkpoint::open_objects(disk, topology, program, 0);
        opened.map_err(|error| error.to_string())
    }

    fn step(&self) -> Result<(), String> {
        match self.count() {
            (_, true) => Ok(()),
            (_, false) => Err(gone().to_string()),
        }
    }

    fn steps(&self) -> u64 {
        self.state.steps.load(Ordering::SeqCst)
    }

    fn fail_at(&self, step: Option<u64>) {
        let end = step.unwrap_or(u64::MAX);
        self.state.fails_at.store(end, Ordering::SeqCst);
    }

    fn kill(&self) {
        self.crash(0);
    }

    fn crash(&self, kept: usize) {
        // Of the next request that is cut short; what was in memory is gone with the disk.
        self.state.kept.store(kept as u64, Ordering::SeqCst);
        self.fail_at(None);
    }
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("objects in memory")
    }
}

#[async_trait]
impl ObjectStore for Objects {
    async fn put_opts(&self, at: &Path, bytes: PutPayload, options: PutOptions) -> Done<PutResult> {
        let (is_done, is_told) = self.count();
        if !is_done {
            return Err(gone());
        }
        let fault = *self.state.fault.lock().unwrap();
        if fault == Some(Fault::Overwrites) {
            return self.store.put_opts(at, bytes, PutOptions::default()).await;
        }
        let done = self.store.put_opts(at, bytes, options).await?;
        if fault == Some(Fault::LosesAnswers) && self.steps().is_multiple_of(7) {
            return Err(Error::Generic {
                store: "test",
                source: "the line is dead".into(),
            });
        }
        if is_told { Ok(done) } else { Err(gone()) }
    }

    async fn put_multipart_opts(
        &self,
        at: &Path,
        options: PutMultipartOptions,
    ) -> Done<Box<dyn MultipartUpload>> {
        self.check()?;
        self.store.put_multipart_opts(at, options).await
    }

    async fn get_opts(&self, at: &Path, options: GetOptions) -> Done<GetResult> {
        self.check()?;
        self.store.get_opts(at, options).await
    }

    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Done<Vec<bytes::Bytes>> {
        self.check()?;
        self.store.get_ranges(at, ranges).await
    }

    fn delete_stream(&self, all: BoxStream<'static, Done<Path>>) -> BoxStream<'static, Done<Path>> {
        let this = self.clone();
        // One by one, so that some may be gone and others not.
        all.then(move |path| {
            let this = this.clone();
            async move {
                let path = path?;
                let (is_done, is_told) = this.count();
                if is_done {
                    let one = futures_util::stream::iter([Ok(path.clone())]).boxed();
                    let _: Vec<_> = this.store.delete_stream(one).collect().await;
                }
                if is_told { Ok(path) } else { Err(gone()) }
            }
        })
        .boxed()
    }

    fn list(&self, below: Option<&Path>) -> BoxStream<'static, Done<ObjectMeta>> {
        match self.check() {
            Ok(()) => self.store.list(below),
            Err(error) => futures_util::stream::iter([Err(error)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, below: Option<&Path>) -> Done<ListResult> {
        self.check()?;
        self.store.list_with_delimiter(below).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Done<()> {
        self.check()?;
        self.store.copy_opts(from, to, options).await
    }
}
