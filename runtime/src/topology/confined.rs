//! Ties what a topology names to what it may reach.

use std::{fmt, path::Path};

use super::{SinkKind, SourceKind, Topology};
use crate::{
    confine::{Confinement, Place},
    model::Grant,
};

/// What a topology names and may not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Of which node, as in ``source `lines` ``.
    pub node: String,
    /// Under which key.
    pub key: String,
    /// Why not, and what may be reached.
    pub why: String,
}

/// A topology names what it may not reach.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct NotConfined(pub Vec<Violation>);

fn lines(violations: &[Violation]) -> String {
    let lines: Vec<_> = violations.iter().map(Violation::to_string).collect();
    lines.join("\n")
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, key, why } = self;
        write!(f, "{node}, `{key}`: {why}")
    }
}

/// All that the topology names and may not reach, as far as names alone tell: what links and names
/// of servers lead to is found out when they are opened. Directories of grants and the checkpoint
/// start at `base_dir` unless they are absolute.
pub fn check_confined(
    topology: &Topology,
    base_dir: &Path,
    confinement: &Confinement,
) -> Vec<Violation> {
    match confine(topology.clone(), base_dir, confinement) {
        Ok(_) => Vec::new(),
        Err(NotConfined(violations)) => violations,
    }
}

/// The same topology, in which every place and address is tied to what it may reach: however often
/// one is opened, it leads nowhere else.
///
/// # Errors
/// With all that it names and may not reach.
pub fn confine(
    mut topology: Topology,
    base_dir: &Path,
    confinement: &Confinement,
) -> Result<Topology, NotConfined> {
    if confinement.is_everything() {
        return Ok(topology);
    }
    let mut tying = Tying {
        confinement,
        violations: Vec::new(),
    };
    for source in &mut topology.sources {
        tying.source(&format!("source `{}`", source.name), &mut source.kind);
    }
    for sink in &mut topology.sinks {
        tying.sink(&format!("sink `{}`", sink.name), &mut sink.kind);
    }
    for reference in &mut topology.references {
        let node = format!("operator `{}`", reference.operator);
        tying.read(&node, &reference.role, &mut reference.path);
    }
    let mut spill = None;
    for operator in &mut topology.operators {
        if let Some(directory) = &mut operator.panes.spill_directory {
            spill = Some(directory.clone());
            // They are all the topology's one; that is told once, below.
            if let Ok(tied) = confinement.to_write(directory) {
                *directory = tied;
            }
        }
    }
    for source in &mut topology.sources {
        if let SourceKind::Socket { storage, .. } | SourceKind::Receiver { storage, .. } =
            &mut source.kind
            && let Some(directory) = &mut storage.spill_directory
        {
            spill = Some(directory.clone());
            if let Ok(tied) = confinement.to_write(directory) {
                *directory = tied;
            }
        }
    }
    if let Some(mut directory) = spill {
        tying.write("the topology", "spill-directory", &mut directory);
    }
    if let Some(checkpoint) = &mut topology.checkpoint {
        match confinement.location(&checkpoint.location, base_dir) {
            Ok(location) => checkpoint.location = location,
            Err(why) => tying.violate("the topology", "checkpoint", why),
        }
    }
    for plugin in &topology.plugins {
        let node = match &plugin.alias {
            Some(alias) => format!("plugin `{alias}`"),
            None => "the default plugin".to_owned(),
        };
        if let Some(path) = &plugin.path {
            tying.read(&node, "path", &mut path.into());
        }
        for grant in &plugin.grants {
            if let Err(why) = may_grant(confinement, grant, base_dir) {
                tying.violate(&node, &format!("grants: {grant}"), why);
            }
        }
    }
    match tying.violations.is_empty() {
        true => Ok(topology),
        false => Err(NotConfined(tying.violations)),
    }
}

struct Tying<'a> {
    confinement: &'a Confinement,
    violations: Vec<Violation>,
}

impl Tying<'_> {
    fn source(&mut self, node: &str, kind: &mut SourceKind) {
        match kind {
            SourceKind::Socket { address, .. } => {
                let tied = self.confinement.to_connect(address);
                self.put(node, "address", address, tied);
            }
            SourceKind::File { path, .. }
            | SourceKind::Directory { path, .. }
            | SourceKind::Queue {
                path: Some(path), ..
            } => self.read(node, "path", path),
            SourceKind::Receiver { .. }
            | SourceKind::Queue { path: None, .. }
            | SourceKind::Generator(_) => {}
        }
    }

    fn sink(&mut self, node: &str, kind: &mut SinkKind) {
        match kind {
            SinkKind::Files { path, .. } => self.write(node, "path", path),
            SinkKind::Sqlite { path, .. } => {
                let tied = self.confinement.to_write(path).and_then(|tied| {
                    let by_name = tied.by_name().map_err(|error| error.to_string());
                    by_name.map(|_| tied)
                });
                self.put(node, "path", path, tied);
            }
            SinkKind::Postgres { url, .. } => {
                let tied = url.confined(self.confinement);
                self.put(node, "url", url, tied);
            }
            SinkKind::Print { .. } | SinkKind::Foreach { .. } | SinkKind::Null => {}
        }
    }

    fn read(&mut self, node: &str, key: &str, place: &mut Place) {
        let tied = self.confinement.to_read(place);
        self.put(node, key, place, tied);
    }

    fn write(&mut self, node: &str, key: &str, place: &mut Place) {
        let tied = self.confinement.to_write(place);
        self.put(node, key, place, tied);
    }

    fn put<T>(&mut self, node: &str, key: &str, at: &mut T, tied: Result<T, String>) {
        match tied {
            Ok(tied) => *at = tied,
            Err(why) => self.violate(node, key, why),
        }
    }

    fn violate(&mut self, node: &str, key: &str, why: String) {
        self.violations.push(Violation {
            node: node.to_owned(),
            key: key.to_owned(),
            why,
        });
    }
}

/// Whether a plugin may have this, as far as names tell.
fn may_grant(confinement: &Confinement, grant: &Grant, base_dir: &Path) -> Result<(), String> {
    let place = |path: &Path| Place::from(base_dir.join(path));
    match grant {
        Grant::Env(name) => confinement.may_grant_variable(name),
        Grant::Read(path) => confinement.to_read(&place(path)).map(|_| ()),
        Grant::Write(path) => confinement.to_write(&place(path)).map(|_| ()),
        Grant::Stdout => confinement.may_grant_stdout(),
    }
}
