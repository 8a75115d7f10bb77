//! From what a file says to what can run: names resolved, order found, types checked.
//!
//! Whatever could not be understood is left out and the rest is still checked, so that one run
//! reports every problem. **Invariant:** each part that is left out has been reported.

mod aggregate;
mod call;
mod columns;
mod combine;
mod database;
mod foreach;
mod functions;
mod fusion;
mod graph;
mod join;
mod keyed;
mod keys;
mod lists;
mod names;
mod operator;
mod reduced;
mod references;
mod renames;
mod rows;
mod slides;
mod state;
mod streams;
mod transform;
mod window;

use std::{
    cell::RefCell,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Catalog, Checkpoint, InvalidTopology, Manifest, NodeId, OnError, OnFailedBatch, Operator,
    OperatorId, PaneStorage, Reference, Sink, SinkKind, Source, SourceId, SourceKind, StreamRef,
    Topology, problem::ProblemKind,
};
use functions::Functions;
use names::Names;
use operator::{Checked, Whole};
use streams::Streams;

/// `checkpoint-interval` of a topology.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(10);

/// `retain-batches` of a topology.
const RETAIN_BATCHES: u64 = 10;

/// What a topology that does not say otherwise gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defaults {
    /// Partitions after a shuffle.
    pub parallelism: NonZeroUsize,
    /// What paths are relative to: the folder of the topology's file.
    pub base_dir: PathBuf,
    /// Operators that keep state are refused if the topology does not say where it is kept: true,
    /// but for tests, which keep none.
    pub needs_checkpoint: bool,
}

/// Compiles `text`; `file` is what messages call it.
///
/// # Errors
/// Every problem there is, with its place.
pub fn compile(
    file: &str,
    text: &str,
    catalog: &dyn Catalog,
    defaults: &Defaults,
) -> Result<Topology, InvalidTopology> {
    Manifest::parse(file, text)?.compile(catalog, defaults)
}

impl Manifest {
    /// Resolves names and checks types against the plugins.
    ///
    /// # Errors
    /// Every problem there is, those found while reading included.
    pub fn compile(
        mut self,
        catalog: &dyn Catalog,
        defaults: &Defaults,
    ) -> Result<Topology, InvalidTopology> {
        let mut problems = std::mem::take(&mut self.problems);
        if self.sinks.is_empty() {
            let problem = problems.report(ProblemKind::NothingToExecute, 0.into());
            problem
                .help("say where rows go, as in [sink.out] with input = \"…\", type = \"print\"");
        }
        let names = Names::of(&self, &mut problems);
        renames::check(&self.operators, &mut problems);
        let inputs: Vec<_> = self
            .operators
            .iter()
            .map(|operator| match operator.converts {
                Some(source) => vec![Some(StreamRef::source(SourceId(source)))],
                None => names.resolve_all(&operator.inputs, &mut problems),
            })
            .collect();
        let order = graph::order(&self.operators, &inputs, &mut problems);
        let parallelism = self.parallelism.unwrap_or(defaults.parallelism);
        let plugins = self.plugins(&defaults.base_dir);
        let whole = Whole {
            functions: Functions::new(catalog, &plugins, &self.plugins),
            parallelism,
            interval: self.batch_interval,
            base_dir: &defaults.base_dir,
            has_checkpoint: self.checkpoint.is_some() || !defaults.needs_checkpoint,
            references: RefCell::default(),
        };

        let mut streams = Streams::of_sources(&self.sources, self.operators.len(), &mut problems);
        let mut checked: Vec<Option<Checked>> = self.operators.iter().map(|_| None).collect();
        for &at in &order {
            let known: Vec<_> = inputs[at].iter().map(|input| streams.get(*input)).collect();
            let entry = &self.operators[at];
            let operator = operator::check(entry, &known, &whole, &mut problems);
            streams.add_operator(at, entry, &operator, &mut problems);
            checked[at] = Some(operator);
        }
        let sink_inputs: Vec<_> = self
            .sinks
            .iter()
            .map(|sink| names.resolve_one(sink, &mut problems))
            .collect();

        for (sink, input) in self.sinks.iter().zip(&sink_inputs) {
            if let Some(schema) = &streams.get(*input).schema {
                database::check(sink, schema, &mut problems);
            }
        }
        let foreach = self.sinks.iter().zip(&sink_inputs).map(|(sink, input)| {
            let input = streams.get(*input).schema;
            foreach::check(
                sink.foreach.as_ref()?,
                input.as_ref(),
                whole.functions,
                &mut problems,
            )
        });
        let foreach = foreach.collect();
        let topology = Assembly {
            manifest: &self,
            base_dir: &defaults.base_dir,
            streams: &streams,
            order: &order,
            places: places(&order),
            references: whole.references.into_inner(),
            foreach,
        };
        let topology = topology.build(checked, &inputs, &sink_inputs, parallelism, &plugins);
        match topology {
            Some(topology) if problems.is_empty() => Ok(topology),
            _ => Err(InvalidTopology::new(&self.file, self.text, problems)),
        }
    }
}

/// Puts the parts together once all are known.
struct Assembly<'a> {
    manifest: &'a Manifest,
    base_dir: &'a Path,
    streams: &'a Streams,
    order: &'a [usize],
    /// Where in the order an operator is, by its place of definition.
    places: Vec<OperatorId>,
    references: Vec<Reference>,
    /// Of each sink that calls a function.
    foreach: Vec<Option<SinkKind>>,
}

fn places(order: &[usize]) -> Vec<OperatorId> {
    let mut places = vec![OperatorId(0); order.len()];
    for (place, &defined) in order.iter().enumerate() {
        places[defined] = OperatorId(place);
    }
    places
}

impl Assembly<'_> {
    fn build(
        &self,
        mut checked: Vec<Option<Checked>>,
        inputs: &[Vec<Option<StreamRef>>],
        sink_inputs: &[Option<StreamRef>],
        parallelism: NonZeroUsize,
        plugins: &[super::Plugin],
    ) -> Option<Topology> {
        let operators = self.order.iter().map(|&at| {
            let entry = &self.manifest.operators[at];
            let inputs = inputs[at].iter().map(|input| Some(self.placed((*input)?)));
            Some(Operator {
                name: entry.name.value.parse().ok()?,
                inputs: inputs.collect::<Option<_>>()?,
                every: self.streams.operators[at].every?,
                verb: checked.get_mut(at)?.take()?.verb?,
                panes: self.panes(&entry.panes),
                output: self.streams.operators[at].main.clone()?,
                rejected: self.streams.operators[at].rejected.clone()?,
                snapshots: self.streams.operators[at].snapshots.clone(),
                settings: entry.settings.clone(),
                on_error: entry.on_error.as_ref().map_or(OnError::Fail, |on| on.value),
                renamed_from: entry.renamed_from.as_ref().map(|old| old.value.clone()),
            })
        });
        let operators = operators.collect::<Option<Vec<_>>>()?;
        let sinks = self.manifest.sinks.iter().zip(sink_inputs);
        let sinks = sinks.zip(&self.foreach).map(|((entry, input), foreach)| {
            Some(Sink {
                name: entry.name.value.parse().ok()?,
                input: self.placed((*input)?),
                kind: self.sink_kind(entry.kind.clone().or_else(|| foreach.clone())?),
            })
        });
        Some(Topology {
            name: self.manifest.name.clone()?,
            batch_interval: self.manifest.batch_interval?,
            parallelism,
            on_failed_batch: self.manifest.on_failed_batch.unwrap_or({
                // With a checkpoint what was not processed can still be, once the cause is gone;
                // without one it is Spark's way (spec 1.8).
                match self.manifest.checkpoint {
                    Some(_) => OnFailedBatch::Stop,
                    None => OnFailedBatch::Continue,
                }
            }),
            checkpoint: self.manifest.checkpoint.clone().map(|location| Checkpoint {
                location,
                interval: self
                    .manifest
                    .checkpoint_interval
                    .unwrap_or(CHECKPOINT_INTERVAL),
                catch_up: self.manifest.catch_up.unwrap_or_default(),
                retain_batches: self.manifest.retain_batches.unwrap_or(RETAIN_BATCHES),
            }),
            limits: self.manifest.limits.clone(),
            plugins: plugins.to_vec(),
            sources: self.sources()?,
            operators,
            references: self.references.clone(),
            sinks: sinks.collect::<Option<_>>()?,
        })
    }

    fn sources(&self) -> Option<Vec<Source>> {
        let sources = self.manifest.sources.iter().zip(&self.streams.sources);
        let sources = sources.map(|(entry, ports)| {
            Some(Source {
                name: entry.name.value.parse().ok()?,
                schema: ports.main.clone()?,
                rejected: ports.rejected.clone()?,
                kind: self.source_kind(entry.kind.clone()?),
            })
        });
        sources.collect()
    }

    /// The stream by its operator's place in the order.
    fn placed(&self, stream: StreamRef) -> StreamRef {
        let NodeId::Operator(OperatorId(defined)) = stream.node else {
            return stream;
        };
        StreamRef {
            node: NodeId::Operator(self.places[defined]),
            port: stream.port,
        }
    }

    fn panes(&self, panes: &PaneStorage) -> PaneStorage {
        let spill = self.manifest.spill_directory.as_ref();
        PaneStorage {
            spill_directory: spill.map(|path| path.under(self.base_dir)),
            ..panes.clone()
        }
    }

    fn source_kind(&self, mut kind: SourceKind) -> SourceKind {
        match &mut kind {
            SourceKind::File { path, .. }
            | SourceKind::Directory { path, .. }
            | SourceKind::Queue {
                path: Some(path), ..
            } => *path = path.under(self.base_dir),
            SourceKind::Socket { storage, .. } | SourceKind::Receiver { storage, .. } => {
                let spill = storage.spill_directory.as_mut();
                if let Some(path) = spill {
                    *path = path.under(self.base_dir);
                }
            }
            SourceKind::Queue { path: None, .. } | SourceKind::Generator(_) => {}
        }
        kind
    }

    fn sink_kind(&self, mut kind: SinkKind) -> SinkKind {
        match &mut kind {
            SinkKind::Files { path, .. } | SinkKind::Sqlite { path, .. } => {
                *path = path.under(self.base_dir);
            }
            SinkKind::Print { .. }
            | SinkKind::Foreach { .. }
            | SinkKind::Postgres { .. }
            | SinkKind::Null => {}
        }
        kind
    }
}
