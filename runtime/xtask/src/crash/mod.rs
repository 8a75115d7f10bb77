//! `cargo xtask crash`: runs are killed again and again, and at the end every batch is there once.
//!
//! The child is killed with SIGKILL, half of the time after a random while, half at a named point
//! before or after a write, sync, rename, removal or statement, and then started again. After each
//! death, what is in place must be what an undisturbed run puts there, but for the newest batch,
//! which some sinks may lack; at the end all of it.

mod batches;
#[path = "../../../../tests/databases/cluster.rs"]
mod cluster;
mod feed;
mod flow;
mod life;
mod stream;

use std::{collections::BTreeMap, env, fs, path::PathBuf, process, thread, time::Duration};

use crate::{
    command::Failed,
    repository::{FailingHost, Repository},
};
use cluster::Cluster;
use flow::{FLOWS, Flow, Table};
use stream::{Stream, Tally};

/// How often a process is killed when nothing else is said.
const CRASHES: u64 = 40;
/// Deaths of one stream before it is left to finish.
const DEATHS: u64 = 6;

pub(crate) fn run(options: &[&str]) -> Result<(), Failed> {
    let (mut crashes, mut seed, mut only) = (CRASHES, 1, None);
    let mut words = options.iter();
    while let Some(option) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{option} needs a value"))?;
        match *option {
            "--crashes" => crashes = value.parse()?,
            "--seed" => seed = value.parse()?,
            "--only" => only = Some(*value),
            other => {
                return Err(Failed(format!(
                    "no option {other}: there are --crashes, --seed and --only"
                )));
            }
        }
    }
    let mut flows: Vec<&Flow> = FLOWS.iter().collect();
    if let Some(only) = only {
        flows.retain(|flow| flow.name == only);
    }
    let server = match flows.iter().any(|flow| flow.table == Some(Table::Postgres)) {
        true => Server::start()?,
        false => None,
    };
    if server.is_none() {
        flows.retain(|flow| flow.table != Some(Table::Postgres));
    }
    if flows.is_empty() {
        let names = FLOWS.map(|flow| flow.name).join(", ");
        return Err(Failed(format!("nothing to run: there are {names}")));
    }
    let repository = Repository::find()?;
    let host = repository.failing_host()?;
    let folder = repository.fresh_folder("crash")?;
    let tallies = kill_all(
        &repository,
        &host,
        &flows,
        server.as_ref(),
        &folder,
        (crashes, seed),
    )?;
    for (flow, tally) in flows.iter().zip(&tallies) {
        println!("{:<13} {tally}", flow.name);
    }
    let mut all = Tally::default();
    for tally in &tallies {
        all.add(tally);
    }
    println!("{:<13} {all}", "all");
    Ok(())
}

fn kill_all(
    repository: &Repository,
    host: &FailingHost,
    flows: &[&Flow],
    server: Option<&Server>,
    folder: &std::path::Path,
    (crashes, seed): (u64, u64),
) -> Result<Vec<Tally>, Failed> {
    let mut random = Random(seed);
    let mut plugins = BTreeMap::new();
    for plugin in flows.iter().filter_map(|flow| flow.plugin) {
        if !plugins.contains_key(plugin) {
            plugins.insert(plugin, repository.build_plugin(&host.host, plugin)?);
        }
    }
    let mut streams = Vec::new();
    for flow in flows {
        let plugin = flow.plugin.and_then(|name| plugins.get(name).cloned());
        let stream = Stream {
            flow,
            host,
            plugin,
            url: server.map(Server::url),
            folder: folder.join(flow.name),
        };
        let expected = stream.undisturbed();
        let expected = expected.map_err(|Failed(why)| format!("{} undisturbed: {why}", flow.name));
        streams.push((stream, expected?));
    }
    let mut tallies: Vec<Tally> = flows.iter().map(|_| Tally::default()).collect();
    let mut number: u64 = 0;
    loop {
        for ((stream, expected), tally) in streams.iter().zip(&mut tallies) {
            let left = crashes.saturating_sub(number);
            if left == 0 {
                return Ok(tallies);
            }
            let before = tally.crashes;
            let lived = stream.live(expected, &mut random, DEATHS.min(left), tally);
            lived.map_err(|Failed(why)| {
                let (name, place) = (stream.flow.name, stream.folder.display());
                format!(
                    "{name}, seed {seed}, crash {}: {why}\n{place} has it",
                    number + 1
                )
            })?;
            number += tally.crashes - before;
        }
    }
}

/// A server for tables.
struct Server {
    cluster: Option<Cluster>,
    folder: PathBuf,
}

impl Server {
    /// None, said loudly, if this machine has no PostgreSQL.
    fn start() -> Result<Option<Self>, Failed> {
        let Some(programs) = cluster::programs() else {
            println!("NOT RUN: the flow postgres; this machine has no initdb, pg_ctl and postgres");
            return Ok(None);
        };
        let folder = env::temp_dir().join(format!("rsrt-crash-{}", process::id()));
        fs::create_dir_all(&folder)?;
        let cluster = Some(Cluster::start(&folder, programs)?);
        Ok(Some(Self { cluster, folder }))
    }

    fn url(&self) -> String {
        let folder = self.folder.display().to_string();
        let host = folder.replace('/', "%2F");
        format!("postgres://postgres@{host}/postgres")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It stops before its folder goes.
        self.cluster = None;
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{} stays: {error}", self.folder.display());
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "real processes die at random moments: that is what is wanted"
)]
fn pause(millis: u64) {
    thread::sleep(Duration::from_millis(millis));
}

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }
}
