//! What a topology file says: every key read and checked by itself, with its place in the text.
//!
//! Nothing here knows what a name refers to or what a plugin offers: that is `compile`. A manifest
//! holds what could be read; its problems are kept and reported with those that compiling finds.

mod bytes;
mod database;
mod dataset;
mod duration;
mod files;
mod format;
mod intake;
mod limits;
mod operator;
mod own_plugin;
mod plugin;
mod schema;
mod sink;
mod source;
mod spanned;
mod storage;
mod table;
mod top_level;
mod value;
mod verb;

pub(crate) use database::POSTGRES_NAME;
pub(crate) use dataset::DataSetEntry;
pub(crate) use duration::parse as parse_duration;
pub use files::NamedFile;
pub(crate) use operator::{InverseEntry, OperatorEntry};
pub use own_plugin::{NoOwnPlugin, OwnPlugin};
pub(crate) use plugin::PluginEntry;
pub(crate) use sink::{ForeachEntry, SinkEntry};
pub(crate) use source::SourceEntry;
pub(crate) use spanned::Spanned;
pub(crate) use verb::{FunctionOwner, FunctionRef, SortEntry, VerbEntry};

use std::{num::NonZeroUsize, path::Path, time::Duration};

use toml::de::DeTable;

use super::{
    CatchUp, InvalidTopology, Limits, OnFailedBatch, Plugin,
    problem::{ProblemKind, Problems},
};
use crate::{
    confine::Place,
    model::{BatchInterval, Location, PluginName, TopologyName},
};
use table::{Table, Value};

/// A topology file, read but not yet checked against its plugins.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub(crate) file: String,
    pub(crate) text: String,
    pub(crate) problems: Problems,
    pub(crate) name: Option<TopologyName>,
    pub(crate) batch_interval: Option<BatchInterval>,
    pub(crate) parallelism: Option<NonZeroUsize>,
    pub(crate) on_failed_batch: Option<OnFailedBatch>,
    pub(crate) checkpoint: Option<Location>,
    pub(crate) checkpoint_interval: Option<Duration>,
    pub(crate) retain_batches: Option<u64>,
    pub(crate) catch_up: Option<CatchUp>,
    /// As written.
    pub(crate) spill_directory: Option<Place>,
    pub(crate) limits: Limits,
    pub(crate) plugins: Vec<PluginEntry>,
    pub(crate) sources: Vec<SourceEntry>,
    pub(crate) operators: Vec<OperatorEntry>,
    pub(crate) sinks: Vec<SinkEntry>,
}

impl Manifest {
    /// Reads `text`; `file` is what messages call it.
    ///
    /// # Errors
    /// When the text is not TOML. Every other problem is kept and reported by
    /// [`Manifest::compile`], so that a person sees all of them at once.
    pub fn parse(file: &str, text: &str) -> Result<Self, InvalidTopology> {
        let mut problems = Problems::default();
        let (root, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            // What a broken line opened or closed makes later keys look repeated.
            if !problems.is_empty() && error.message() == "duplicate key" {
                continue;
            }
            let at = error.span().unwrap_or(0..0).into();
            let message = error.message().to_owned();
            problems.report(ProblemKind::Syntax { message }, at);
        }
        if !problems.is_empty() {
            return Err(InvalidTopology::new(file, text.to_owned(), problems));
        }
        let mut root = Table::new("the topology".to_owned(), 0.into(), root.get_ref());
        let keys = top_level::read(&mut root, &mut problems);
        let limits = limits::read(&mut root, &mut problems);
        let plugins = named_tables(&mut root, "plugin", plugin::read, &mut problems);
        let plugins = plugins.into_iter().flatten().collect();
        let surroundings = storage::Surroundings {
            has_checkpoint: keys.has_checkpoint,
            spill_directory: keys.spill_directory.clone(),
        };
        let source = |name, table: &mut _, problems: &mut _| {
            source::read(name, table, keys.batch_interval, &surroundings, problems)
        };
        let sources = named_tables(&mut root, "source", source, &mut problems);
        let mut operators = named_tables(&mut root, "operator", operator::read, &mut problems);
        let converters = sources.iter().enumerate();
        operators.extend(converters.filter_map(|(at, s)| OperatorEntry::of_converter(s, at)));
        let sinks = named_tables(&mut root, "sink", sink::read, &mut problems);
        root.finish(&mut problems);
        Ok(Self {
            file: file.to_owned(),
            text: text.to_owned(),
            problems,
            name: keys.name,
            batch_interval: keys.batch_interval,
            parallelism: keys.parallelism,
            on_failed_batch: keys.on_failed_batch,
            checkpoint: keys.checkpoint,
            checkpoint_interval: keys.checkpoint_interval,
            retain_batches: keys.retain_batches,
            catch_up: keys.catch_up,
            spill_directory: keys.spill_directory,
            limits,
            plugins,
            sources,
            operators,
            sinks,
        })
    }

    /// What the topology is called, if it says so.
    pub fn name(&self) -> Option<&TopologyName> {
        self.name.as_ref()
    }

    /// What was read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where what outlives the process is written, as the file says it.
    pub fn checkpoint(&self) -> Option<&Location> {
        self.checkpoint.as_ref()
    }

    /// The plugins that operators and sinks call, in order of first mention; paths are joined to `base_dir`.
    /// The default plugin, which has neither alias nor path, is among them if it is called. A
    /// plugin that is called but not defined is not: compiling reports it.
    pub fn plugins(&self, base_dir: &Path) -> Vec<Plugin> {
        let mut plugins: Vec<Plugin> = Vec::new();
        for function in self.functions() {
            let plugin = match &function.owner {
                FunctionOwner::Std => continue,
                FunctionOwner::Default => Some(Plugin {
                    alias: None,
                    path: None,
                    grants: Vec::new(),
                }),
                FunctionOwner::Plugin(alias) => self.defined_plugin(alias, base_dir),
            };
            if let Some(plugin) = plugin
                && !plugins.contains(&plugin)
            {
                plugins.push(plugin);
            }
        }
        plugins
    }

    /// Whether an operator or a sink calls a function of the default plugin, the one on the command line.
    pub fn uses_default_plugin(&self) -> bool {
        self.functions()
            .any(|function| function.owner == FunctionOwner::Default)
    }

    /// The functions that operators call, then those of sinks.
    fn functions(&self) -> impl Iterator<Item = &FunctionRef> {
        let sinks = self.sinks.iter().filter_map(|sink| sink.foreach.as_ref());
        let operators = self.operators.iter().flat_map(OperatorEntry::functions);
        operators.chain(sinks.map(|foreach| &foreach.function))
    }

    fn defined_plugin(&self, alias: &str, base_dir: &Path) -> Option<Plugin> {
        let mut entries = self.plugins.iter();
        let entry = entries.find(|entry| entry.alias.value.as_str() == alias)?;
        Some(Plugin {
            alias: Some(PluginName::clone(&entry.alias.value)),
            path: entry.path.as_ref().map(|path| base_dir.join(path)),
            grants: entry.grants.clone(),
        })
    }
}

/// Reads `[<key>.<name>]` tables, in the order in which they stand in the text.
fn named_tables<'t, T>(
    root: &mut Table<'t>,
    key: &'static str,
    read: impl Fn(Spanned<String>, &mut Table<'t>, &mut Problems) -> T,
    problems: &mut Problems,
) -> Vec<T> {
    const WANTED: &str = "a table";
    let Some(outer) = root.take(key) else {
        return Vec::new();
    };
    let Some(tables) = outer.table(WANTED, problems) else {
        return Vec::new();
    };
    let read_one = |entry: Value<'t>| {
        let inner = entry.table(WANTED, problems)?;
        let name = Spanned::new(entry.key.to_owned(), entry.key_at);
        let mut table = Table::new(format!("{key} `{}`", entry.key), entry.key_at, inner);
        Some(read(name, &mut table, problems))
    };
    value::entries(tables)
        .into_iter()
        .filter_map(read_one)
        .collect()
}
