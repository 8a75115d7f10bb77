//! Topologies of people who do not trust each other reach what they may, and nothing else.

mod connecting;
mod naming;
mod reading;
mod writing;

use std::{
    fs,
    num::NonZeroUsize,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use rsrt::{
    clock::ManualClock,
    confine::Confinement,
    model::BatchTime,
    source::{Claim, Source, SourceSetup, open_source},
    stream::Plugins,
    topology::{Defaults, NotConfined, Topology, compile, confine},
};
use tempfile::TempDir;

/// `data` may be written and read, `shared` may be read, `secret` is somebody else's.
struct Yard(TempDir);

impl Yard {
    fn new() -> Self {
        let yard = Self(tempfile::tempdir().unwrap());
        for directory in ["data/sub", "shared", "secret"] {
            fs::create_dir_all(yard.path(directory)).unwrap();
        }
        yard.put("data/in.txt", "mine\n");
        yard.put("shared/in.txt", "ours\n");
        yard.put("secret/in.txt", "secret\n");
        yard
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn put(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    /// A link below `data`.
    fn link(&self, name: &str, to: impl AsRef<Path>) {
        symlink(to, self.path("data").join(name)).unwrap();
    }

    /// What lies in `secret`, by name.
    fn secrets(&self) -> Vec<(String, String)> {
        let entries = fs::read_dir(self.path("secret")).unwrap();
        let mut found: Vec<_> = entries
            .map(|entry| {
                let entry = entry.unwrap();
                let text = fs::read_to_string(entry.path()).unwrap_or_default();
                (entry.file_name().into_string().unwrap(), text)
            })
            .collect();
        found.sort();
        found
    }

    fn is_untouched(&self) -> bool {
        self.secrets() == [("in.txt".to_owned(), "secret\n".to_owned())]
    }

    fn confinement(&self) -> Confinement {
        let confinement = Confinement::nothing().read_root("shared", &self.path("shared"));
        let confinement = confinement.unwrap();
        confinement.write_root("data", &self.path("data")).unwrap()
    }

    /// The topology as it is written, with paths that start at `data`.
    fn compiled(&self, text: &str) -> Topology {
        let text = format!("name = \"t\"\nbatch-interval = \"1s\"\n{text}");
        let defaults = Defaults {
            parallelism: NonZeroUsize::MIN,
            base_dir: self.path("data"),
            needs_checkpoint: false,
        };
        compile("t.toml", &text, &Plugins::default(), &defaults).unwrap()
    }

    fn confined(&self, text: &str) -> Result<Topology, NotConfined> {
        confine(self.compiled(text), &self.path("data"), &self.confinement())
    }

    /// Says what went wrong, and no path that is the operator's.
    fn told(&self, error: &impl ToString) -> String {
        let error = error.to_string();
        let place = self.0.path().to_str().unwrap();
        assert!(!error.contains(place), "{error}");
        error
    }
}

fn opened(topology: &Topology) -> Result<Box<dyn Source>, String> {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let setup = SourceSetup {
        clock: &ManualClock::at(0),
        runtime: runtime.handle(),
        interval: topology.batch_interval,
        parallelism: NonZeroUsize::MIN,
        logs: None,
        account: None,
    };
    open_source(&topology.sources[0], setup).map_err(|error| error.to_string())
}

/// The rows of the batch at this time, or why there are none.
fn rows(source: &mut dyn Source, time: i64) -> Result<Vec<String>, String> {
    let claim = source.claim(BatchTime::from_millis(time));
    read(claim.map_err(|error| error.to_string())?)
}

fn read(claim: Claim) -> Result<Vec<String>, String> {
    let Claim::Batch(readers) = claim else {
        return Ok(Vec::new());
    };
    let mut rows = Vec::new();
    for mut reader in readers {
        while let Some(chunk) = reader.next_chunk().map_err(|error| error.to_string())? {
            let column = chunk.rows.column(0).as_any();
            let texts = column.downcast_ref::<arrow_array::StringArray>().unwrap();
            rows.extend(texts.iter().map(|text| text.unwrap().to_owned()));
        }
    }
    Ok(rows)
}

/// Later than any change of a file.
const LATE: i64 = 100_000_000_000_000;
