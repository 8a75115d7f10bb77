//! Makes batches: claims, executes, gives to sinks, and writes down what must outlive the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use arrow_array::RecordBatch;

use super::{BatchReport, SinkReport, shadow::KeptInput, trial::is_of_version};
use crate::{
    account::thread_cpu,
    checkpoint::{
        BatchLetters, Checkpoint, ClaimFact, NewClaim, RecoveredClaim, SourceFact, Written,
    },
    clock::Clock,
    crash_points::around,
    model::{Batch, BatchTime, NodeName},
    scheduler::{BatchError, BatchInput, BatchOutput, Executor, LeftOutRows, References},
    sink::Sink,
    source::{Claim, DataSet, Source, SourceError},
    topology::{OnFailedBatch, ReferenceId, SourceId, StreamRef, Topology},
};

/// By name: versions of the topology share them.
pub(super) type Sources = Vec<(NodeName, Box<dyn Source>)>;
pub(super) type Sinks = Vec<((NodeName, StreamRef), Box<dyn Sink>)>;

/// All that the batches of one version of a topology share. Its methods block.
pub(super) struct Batches {
    pub(super) topology: Arc<Topology>,
    pub(super) sources: Arc<Mutex<Sources>>,
    pub(super) sinks: Mutex<Sinks>,
    pub(super) executor: Arc<Executor>,
    pub(super) references: Mutex<Vec<DataSet>>,
    pub(super) clock: Arc<dyn Clock>,
    /// None: nothing outlives the process.
    pub(super) checkpoint: Option<Arc<Checkpoint>>,
}

/// A batch that was claimed and waits for its turn.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Claimed {
    pub(super) time: BatchTime,
    pub(super) number: u64,
    pub(super) given: Result<Given, BatchError>,
    /// How far each source has come with it.
    pub(super) sources: Vec<SourceFact>,
    pub(super) at: Duration,
    /// Dead letters that it takes once more.
    pub(super) letters: Vec<BatchLetters>,
    pub(super) exhausted: bool,
    /// The run cannot go on behind this batch.
    pub(super) fatal: bool,
    /// No sink was ever given any of it.
    pub(super) untouched: bool,
    /// There is a way back from the version that makes it.
    pub(super) on_trial: bool,
}

pub(super) struct Given {
    pub(super) claims: BTreeMap<SourceId, Claim>,
    pub(super) references: References,
}

/// A batch is over.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Ended {
    pub(super) report: BatchReport,
    pub(super) committed: Committed,
    pub(super) number: u64,
    /// What sinks were given, by what they read.
    pub(super) streams: BTreeMap<StreamRef, Batch>,
    /// What it was made of, if that was to be kept.
    pub(super) input: Option<KeptInput>,
    pub(super) sources: Vec<SourceFact>,
    pub(super) exhausted: bool,
    pub(super) fatal: bool,
    /// It failed, and no sink was ever given any of it.
    pub(super) untouched: bool,
    /// Nothing was concluded of it: it failed because of its version, from which there is a way
    /// back.
    pub(super) goes_back: bool,
}

impl Ended {
    /// Nobody looks at them any more.
    pub(super) fn without_streams(self) -> Self {
        Self {
            streams: BTreeMap::new(),
            ..self
        }
    }
}

/// Whether a batch is where it belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Committed {
    /// It will be made again.
    No,
    /// Since now.
    Now,
    /// By an earlier run.
    Before {
        /// Part of it failed then.
        failed: bool,
    },
}

impl Batches {
    /// Takes what belongs to a batch, and writes down what that is.
    pub(super) fn claim(&self, time: BatchTime, number: u64) -> Claimed {
        let mut sources = lock(&self.sources);
        let claims = sources.iter_mut();
        let claims = claims.filter_map(|(name, source)| Some((self.source_id(name)?, source)));
        let claims = claims.map(|(id, source)| Ok((id, source.claim(time)?)));
        let claims: Result<BTreeMap<_, _>, SourceError> = claims.collect();
        let mut fatal = claims.as_ref().is_err_and(SourceError::is_fatal);
        let exhausted = sources.iter().all(|(_, source)| source.is_exhausted());
        let taken = self.taken(&sources);
        drop(sources);
        let claims = claims.map_err(|error| claim_error(time, error));
        let mut given = claims.and_then(|claims| {
            let references = self.read_references(time)?;
            Ok(Given { claims, references })
        });
        let letters = given
            .as_ref()
            .map_or_else(|_| Vec::new(), |given| self.to_retry(number, &given.claims));
        if let Err(error) = self.write_claim((time, number), &given, &taken, &letters) {
            given = Err(error);
            fatal = true;
        }
        Claimed {
            time,
            number,
            given,
            sources: taken,
            letters,
            at: self.clock.monotonic(),
            exhausted,
            fatal,
            untouched: true,
            on_trial: false,
        }
    }

    /// A claim waits for nothing.
    pub(super) fn claims_at_once(&self) -> bool {
        let sources = lock(&self.sources);
        let at_once = sources.iter().all(|(_, source)| source.claims_at_once());
        at_once && self.checkpoint.is_none() && self.topology.references.is_empty()
    }

    pub(super) fn source_id(&self, name: &NodeName) -> Option<SourceId> {
        let mut sources = self.topology.sources.iter();
        sources
            .position(|source| source.name == *name)
            .map(SourceId)
    }

    /// What each source took last; those that cannot say are left out.
    fn taken(&self, sources: &Sources) -> Vec<SourceFact> {
        if self.checkpoint.is_none() {
            return Vec::new();
        }
        let taken = sources.iter().filter_map(|(name, source)| {
            let taken = source.taken()?;
            Some(SourceFact {
                source: name.to_string(),
                range: taken.range,
                position: taken.position,
            })
        });
        taken.collect()
    }

    pub(super) fn write_claim(
        &self,
        (time, number): (BatchTime, u64),
        given: &Result<Given, BatchError>,
        taken: &[SourceFact],
        letters: &[BatchLetters],
    ) -> Result<(), BatchError> {
        let Some(checkpoint) = &self.checkpoint else {
            return Ok(());
        };
        let references: Vec<_> = match given {
            Ok(given) => given.references.values().cloned().collect(),
            // The run ends here, and the next one claims this batch again.
            Err(_) if self.topology.on_failed_batch == OnFailedBatch::Stop => return Ok(()),
            Err(_) => Vec::new(),
        };
        let claim = NewClaim {
            time,
            number,
            sources: given.is_ok().then(|| taken.to_vec()),
            references: &references,
            letters,
        };
        let written = checkpoint.claim(&claim);
        written.map_err(|error| not_durable(time, "claim it", &error))
    }

    /// Takes what an earlier run claimed for a batch.
    pub(super) fn claim_again(&self, claim: &RecoveredClaim) -> Claimed {
        let time = claim.time;
        let mut sources = lock(&self.sources);
        let mut given = match (&claim.claim, &self.checkpoint) {
            (Some(fact), Some(checkpoint)) => {
                let mut claims = BTreeMap::new();
                let mut failed = None;
                for (name, source) in sources.iter_mut() {
                    let Some(id) = self.source_id(name) else {
                        continue;
                    };
                    let taken = fact.sources.iter().find(|t| t.source == name.as_str());
                    // The position also has what is not of one batch: when the source began.
                    let again = match taken {
                        Some(taken) => source.replay(time, &taken.range).and_then(|again| {
                            source.resume(&taken.position)?;
                            Ok(again)
                        }),
                        None => Ok(Claim::NoBatch),
                    };
                    match again {
                        Ok(again) => {
                            claims.insert(id, again);
                        }
                        Err(error) => failed = failed.or(Some(claim_error(time, error))),
                    }
                }
                let references = match claim.is_free() {
                    true => self.read_references(time),
                    // Another version has claimed it, perhaps with other data sets.
                    false if claim.superseded => claimed_references(checkpoint, fact)
                        .ok()
                        .filter(|references| references.len() == self.topology.references.len())
                        .map_or_else(|| self.read_references(time), Ok),
                    false => claimed_references(checkpoint, fact),
                };
                match failed {
                    Some(error) => Err(error),
                    None => references.map(|references| Given { claims, references }),
                }
            }
            _ => Err(BatchError::NotDurable {
                time,
                what: "make it again",
                why: "it could not be claimed by the run before".to_owned(),
            }),
        };
        let taken = self.taken(&sources);
        let mut letters = claim.letters.clone();
        if claim.superseded && !claim.is_free() {
            letters.retain(|of| self.fit(of));
        }
        if claim.is_free() && given.is_ok() {
            // Perhaps by another program: from here on it is bound to this one. Its letters wait for
            // someone to ask again.
            let back = self.give_back(time, std::mem::take(&mut letters));
            let at = (time, claim.number);
            if let Err(error) = back.and_then(|()| self.write_claim(at, &given, &taken, &[])) {
                given = Err(error);
            }
        }
        Claimed {
            time,
            number: claim.number,
            fatal: given.is_err() && claim.claim.is_some(),
            given,
            sources: taken,
            letters,
            at: self.clock.monotonic(),
            exhausted: sources.iter().all(|(_, source)| source.is_exhausted()),
            untouched: claim.is_free(),
            on_trial: false,
        }
    }

    /// Makes a batch of what was claimed. `committed` says that the sinks have it from an earlier
    /// run, and whether part of it failed then.
    pub(super) fn make(&self, claimed: Claimed, committed: Option<bool>) -> Ended {
        let began = self.clock.monotonic();
        let Claimed {
            time,
            number,
            given,
            sources,
            letters,
            at,
            exhausted,
            mut fatal,
            untouched,
            on_trial,
        } = claimed;
        let given = given.and_then(|given| Ok((given, self.again(time, &letters)?)));
        let made = match given {
            Ok((Given { claims, references }, again)) => self.executor.run(BatchInput {
                time,
                number,
                claims,
                references,
                again,
            }),
            Err(error) => {
                self.executor.give_up(time, number);
                Err(error)
            }
        };
        let untouched = untouched && made.is_err() && !fatal;
        let goes_back = on_trial
            && untouched
            && committed.is_none()
            && !self.executor.is_aborted()
            && made.as_ref().is_err_and(is_of_version);
        let (output, sinks, errors) = match made {
            Ok(output) if committed.is_some() => (output, Vec::new(), Vec::new()),
            Ok(output) => match self.may_give((time, on_trial), &output, &sources) {
                Ok(()) => {
                    let (sinks, errors) =
                        around("sinks-before", "sinks-after", || self.write(time, &output));
                    (output, sinks, errors)
                }
                Err(error) => {
                    fatal = true;
                    (output, Vec::new(), vec![Arc::new(error)])
                }
            },
            Err(error) => (BatchOutput::default(), Vec::new(), vec![Arc::new(error)]),
        };
        let ended = self.clock.monotonic();
        let ended = Ended {
            report: BatchReport {
                time,
                records: output.records,
                bytes: output.bytes,
                replaced: output.replaced,
                dropped: output.dropped,
                left_out: LeftOutRows::count(&output.left_out),
                sinks,
                scheduling_delay: began.saturating_sub(at),
                processing: ended.saturating_sub(began),
                cpu: output.cpu,
                operators: output.operators,
                errors,
            },
            committed: Committed::No,
            number,
            streams: output.streams,
            input: None,
            sources,
            exhausted,
            fatal,
            untouched,
            goes_back,
        };
        match goes_back {
            true => ended,
            false => self.conclude(ended, committed),
        }
    }

    /// Gives the batch to every sink, in the order of definition (spec 4.1). One that fails does not
    /// keep the others from theirs (spec 4.6).
    fn write(
        &self,
        time: BatchTime,
        output: &BatchOutput,
    ) -> (Vec<SinkReport>, Vec<Arc<BatchError>>) {
        let (mut reports, mut errors) = (Vec::new(), Vec::new());
        for ((name, input), sink) in &mut *lock(&self.sinks) {
            let Some(batch) = output.streams.get(input) else {
                continue;
            };
            let node = self.executor.account().node(name.as_str());
            node.took(batch.rows() as u64, 0);
            let began = thread_cpu();
            let written = sink.write(time, batch);
            node.used(thread_cpu().saturating_sub(began));
            match written {
                Ok(()) => reports.push(SinkReport {
                    sink: name.clone(),
                    rows: batch.rows() as u64,
                }),
                Err(error) => errors.push(Arc::new(BatchError::Sink {
                    time,
                    error: Box::new(error),
                })),
            }
        }
        (reports, errors)
    }

    /// The state after the last batch, which was this one: the `whole`, or what changed since the
    /// last call.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub(super) fn state(
        &self,
        (time, number): (BatchTime, u64),
        sources: Vec<SourceFact>,
        whole: bool,
    ) -> Result<Written, BatchError> {
        let memory = self.executor.save(whole);
        let memory = memory.map_err(|error| not_durable(time, "write the state after it", &error));
        Ok(Written {
            time,
            number,
            whole,
            memory: memory?,
            sources,
        })
    }

    /// The state after this batch is durable: neither it nor those before it will be made again.
    pub(super) fn are_covered(&self, time: BatchTime) {
        let next = BatchTime::from_millis(time.as_millis().saturating_add(1));
        for (_, sink) in &mut *lock(&self.sinks) {
            sink.forget_before(next);
        }
    }

    /// The data sets from files, as they are now.
    pub(super) fn read_references(&self, time: BatchTime) -> Result<References, BatchError> {
        let mut references = lock(&self.references);
        let rows = references.iter_mut().enumerate();
        rows.map(|(at, reference)| {
            let rows: Arc<[RecordBatch]> =
                reference.rows().map_err(|error| BatchError::DataSet {
                    time,
                    error: Box::new(error),
                })?;
            Ok((ReferenceId(at), rows))
        })
        .collect()
    }

    /// Sources take in nothing more.
    pub(super) fn stop_receivers(&self, runtime: &tokio::runtime::Handle) {
        for (_, source) in lock(&self.sources).iter_mut() {
            runtime.block_on(source.stop());
        }
    }

    /// Nothing will ever come again.
    pub(super) fn is_exhausted(&self) -> bool {
        let sources = lock(&self.sources);
        sources.iter().all(|(_, source)| source.is_exhausted())
    }
}

fn claim_error(time: BatchTime, error: SourceError) -> BatchError {
    BatchError::Claim {
        time,
        error: Box::new(error),
    }
}

fn claimed_references(
    checkpoint: &Checkpoint,
    claim: &ClaimFact,
) -> Result<References, BatchError> {
    let time = BatchTime::from_millis(claim.time);
    let references = claim.references.iter().enumerate().map(|(at, digest)| {
        let rows = checkpoint.reference(at, digest);
        let rows = rows.map_err(|error| not_durable(time, "make it again", &error))?;
        Ok((ReferenceId(at), rows))
    });
    references.collect()
}

pub(super) fn not_durable(
    time: BatchTime,
    what: &'static str,
    error: &dyn std::error::Error,
) -> BatchError {
    BatchError::NotDurable {
        time,
        what,
        why: error.to_string(),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
