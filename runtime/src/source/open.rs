//! From what a topology describes to a source that runs.

use std::{num::NonZeroUsize, sync::Arc};

use tokio::runtime::Handle;

use super::{
    DirectorySource, FileReading, FileSource, GeneratorSource, QueueSource, ReceiverSource, Source,
    SourceError, SourceProblem,
};
use crate::{
    account::Account,
    clock::Clock,
    format::{LineDecoder, rows_from_json},
    model::BatchInterval,
    receiver::{
        BlockLogs, PidEstimator, PidSettings, RateLimit, RawSocketReceiver, Receiver, ReceiverSpec,
        RunningReceiver, SocketReceiver,
    },
    topology::{self, Decoder, FileRows, Framing, Intake, SourceKind},
};

/// What sources need to run.
#[derive(Debug, Clone, Copy)]
pub struct SourceSetup<'a> {
    /// Says from when on files of a directory are new.
    pub clock: &'a dyn Clock,
    /// Runs receivers.
    pub runtime: &'a Handle,
    /// Of the topology.
    pub interval: BatchInterval,
    /// Partitions of a batch where a source names none.
    pub parallelism: NonZeroUsize,
    /// Where the blocks of receivers become durable; none: nowhere.
    pub logs: Option<&'a dyn BlockLogs>,
    /// What receivers use is charged to this; none: to nobody.
    pub account: Option<&'a Arc<Account>>,
}

/// Opens a source; receivers start at once.
///
/// # Errors
/// When its file cannot be read or holds something else, its pattern is none, or it is a
/// `receiver`, which only [`open_receiver`] opens.
pub fn open_source(
    source: &topology::Source,
    setup: SourceSetup,
) -> Result<Box<dyn Source>, SourceError> {
    let (name, schema) = (&source.name, &source.schema);
    let line_decoder = |decoder: &Decoder| LineDecoder::new(schema, &source.rejected, decoder);
    Ok(match &source.kind {
        SourceKind::Socket {
            address,
            framing,
            connect_attempts,
            block_interval,
            intake,
            storage,
            decoder,
        } => {
            // Only one that has its value can ever be reached.
            let known = address.expose();
            known.map_err(|error| SourceError::new(name, SourceProblem::NoValue(error)))?;
            let decoder = Arc::new(line_decoder(decoder));
            let receiver: Box<dyn Receiver> = match framing {
                Framing::Lines => Box::new(SocketReceiver::new(address, decoder.clone())),
                Framing::Blocks { longest } => {
                    let decoder = decoder.clone();
                    Box::new(RawSocketReceiver::new(address, *longest, decoder))
                }
            };
            let spec = ReceiverSpec {
                name: name.clone(),
                schema: schema.clone(),
                block_interval: *block_interval,
                connect_attempts: *connect_attempts,
                storage: storage.clone(),
                limit: limit(intake),
                log: setup.logs.and_then(|logs| logs.of(name)),
                account: setup.account.cloned().unwrap_or_default(),
            };
            let receiver = start(setup.runtime, spec, receiver)?;
            let source = ReceiverSource::new(name, receiver, decoder);
            Box::new(source.with_estimator(estimator(intake, setup.interval)))
        }
        SourceKind::Receiver { .. } => {
            return Err(SourceError::new(name, SourceProblem::NoReceiver));
        }
        SourceKind::File { .. }
        | SourceKind::Directory { .. }
        | SourceKind::Queue { .. }
        | SourceKind::Generator(_) => {
            let now = setup.clock.wall_millis();
            return open_readable(source, now, (setup.interval, setup.parallelism));
        }
    })
}

/// Opens a source that has no receiver; of a directory files are new that were changed after `now`,
/// if it has new ones only.
pub(super) fn open_readable(
    source: &topology::Source,
    now: i64,
    (interval, parallelism): (BatchInterval, NonZeroUsize),
) -> Result<Box<dyn Source>, SourceError> {
    let (name, schema) = (&source.name, &source.schema);
    let line_decoder = |decoder: &Decoder| LineDecoder::new(schema, &source.rejected, decoder);
    Ok(match &source.kind {
        SourceKind::Socket { .. } | SourceKind::Receiver { .. } => {
            return Err(SourceError::new(name, SourceProblem::NoReceiver));
        }
        SourceKind::File {
            path,
            batch_bytes,
            partitions,
            decoder,
        } => {
            let partitions = partitions.unwrap_or(parallelism);
            let decoder = line_decoder(decoder);
            Box::new(FileSource::open(
                name,
                path,
                *batch_bytes,
                partitions,
                decoder,
            )?)
        }
        SourceKind::Directory {
            path,
            new_files_only,
            remember,
            rows,
        } => {
            let ignored_until = match new_files_only {
                true => now,
                false => 0,
            };
            let reading = match rows {
                FileRows::Lines(decoder) => FileReading::Lines(Arc::new(line_decoder(decoder))),
                FileRows::Records(length) => FileReading::Records(*length),
            };
            Box::new(DirectorySource::new(
                name,
                path,
                ignored_until,
                *remember,
                interval,
                reading,
            )?)
        }
        SourceKind::Queue {
            path,
            order,
            default,
            partitions,
        } => {
            let Some(path) = path else {
                return Err(SourceError::new(name, SourceProblem::NoPath));
            };
            rows_from_json(schema, default)
                .map_err(|error| SourceError::new(name, SourceProblem::DefaultRow { error }))?;
            let queue = QueueSource::open(name, schema, *order, *partitions, path)?;
            Box::new(queue.with_default(default.clone()))
        }
        SourceKind::Generator(spec) => Box::new(GeneratorSource::new(
            name,
            schema,
            spec,
            parallelism,
            interval,
        )),
    })
}

/// Opens a source of the type `receiver` with a receiver of this program, which starts at once.
///
/// ```
/// use std::{collections::BTreeMap, num::NonZeroUsize, sync::{Arc, Mutex}, time::Duration};
/// use rsrt::{
///     clock::SystemClock, format::rows_from_json, receiver::channel, scheduler::{Mode, Pool},
///     sink::FunctionSink, source::{SourceSetup, open_receiver},
///     stream::{Plugins, Run, Stop, StopMode, Stream, Streaming},
///     topology::{Builder, Defaults, SourceId, operator, sink, source},
/// };
///
/// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let one = NonZeroUsize::MIN;
/// let topology = Builder::new("sums", Duration::from_millis(20))
///     .source("numbers", source("receiver").set("format", "json").columns("schema", &[("n", "int64")]))
///     .operator("sum", operator("reduce", "std:sum").input("numbers"))
///     .sink("out", sink("null").input("sum"))
///     .compile(&Plugins::default(), &Defaults {
///         parallelism: one, base_dir: ".".into(), needs_checkpoint: true,
///     })?;
/// let topology = Arc::new(topology);
/// let clock = Arc::new(SystemClock::new());
///
/// // The program holds one end of a channel, the stream the other.
/// let (sender, receiver) = channel(one);
/// let numbers = open_receiver(&topology.sources[0], Box::new(receiver), SourceSetup {
///     clock: &*clock, runtime: &tokio::runtime::Handle::current(),
///     interval: topology.batch_interval, parallelism: one, logs: None, account: None,
/// })?;
/// let rows = Arc::new(Mutex::new(0));
/// let seen = rows.clone();
/// let out = FunctionSink::new(&topology.sinks[0].name, move |_, batch| {
///     *seen.lock().map_err(|error| error.to_string())? += batch.rows();
///     Ok(())
/// });
/// let schema = topology.sources[0].schema.clone();
/// let stream = Stream::new(
///     topology, Vec::new(), BTreeMap::from([(SourceId(0), numbers)]), vec![Box::new(out)],
///     &Pool::new(one)?,
/// );
/// let mut streaming = Streaming::new(stream);
/// streaming.start(
///     Run { mode: Mode::Live, start: None, batches: None, clock, stop: Stop::new() }, Box::new(()),
/// )?;
///
/// let row = serde_json::json!({ "n": 7 });
/// sender.send(rows_from_json(&schema, &[row])?).await?;
/// // A graceful stop processes what was sent.
/// streaming.stop(StopMode::Graceful).await;
/// assert_eq!(*rows.lock().unwrap(), 1);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # Errors
/// When the source is of another type, or there cannot be files in its `spill-directory`.
pub fn open_receiver(
    source: &topology::Source,
    receiver: Box<dyn Receiver>,
    setup: SourceSetup,
) -> Result<Box<dyn Source>, SourceError> {
    let name = &source.name;
    let SourceKind::Receiver {
        block_interval,
        intake,
        storage,
        decoder,
    } = &source.kind
    else {
        return Err(SourceError::new(name, SourceProblem::NotAReceiver));
    };
    let decoder = LineDecoder::new(&source.schema, &source.rejected, decoder);
    let spec = ReceiverSpec {
        name: name.clone(),
        schema: source.schema.clone(),
        block_interval: *block_interval,
        connect_attempts: None,
        storage: storage.clone(),
        limit: limit(intake),
        log: setup.logs.and_then(|logs| logs.of(name)),
        account: setup.account.cloned().unwrap_or_default(),
    };
    let receiver = start(setup.runtime, spec, receiver)?;
    let source = ReceiverSource::new(name, receiver, Arc::new(decoder));
    Ok(Box::new(
        source.with_estimator(estimator(intake, setup.interval)),
    ))
}

fn start(
    runtime: &Handle,
    spec: ReceiverSpec,
    receiver: Box<dyn Receiver>,
) -> Result<RunningReceiver, SourceError> {
    let name = spec.name.clone();
    RunningReceiver::start(runtime, spec, receiver)
        .map_err(|error| SourceError::new(&name, SourceProblem::Spill(Arc::new(error))))
}

/// None if records need not be counted.
fn limit(intake: &Intake) -> Option<RateLimit> {
    let (initial, most) = (intake.initial_rate, intake.max_rate);
    let is_limited = initial.is_some() || most.is_some() || intake.backpressure.is_some();
    is_limited.then(|| RateLimit::new(initial, most))
}

fn estimator(intake: &Intake, interval: BatchInterval) -> Option<PidEstimator> {
    let settings = intake.backpressure.map(|weights| PidSettings {
        proportional: weights.proportional,
        integral: weights.integral,
        derived: weights.derived,
        min_rate: weights.min_rate,
    });
    settings.map(|settings| PidEstimator::new(interval.as_millis(), settings))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        clock::ManualClock,
        model::{BatchTime, Field, Kind, Schema},
        source::Claim,
        topology::{BlockStorage, Format, GeneratorSpec, OnInvalid, QueueOrder},
    };

    fn open(kind: SourceKind) -> Result<Box<dyn Source>, String> {
        let fields = ["value", "reason"].map(|name| Field::new(name, Kind::Utf8));
        let source = topology::Source {
            name: "in".parse().unwrap(),
            schema: Schema::plain(Kind::Utf8),
            rejected: Schema::new(fields.to_vec()).unwrap(),
            kind,
        };
        let setup = SourceSetup {
            clock: &ManualClock::at(5_000),
            runtime: &Handle::current(),
            interval: BatchInterval::new(Duration::from_secs(1)).unwrap(),
            parallelism: NonZeroUsize::new(3).unwrap(),
            logs: None,
            account: None,
        };
        open_source(&source, setup).map_err(|error| error.to_string())
    }

    /// Partitions of the first batch.
    fn partitions(source: Result<Box<dyn Source>, String>) -> usize {
        match source.unwrap().claim(BatchTime::from_millis(6_000)) {
            Ok(Claim::Batch(readers)) => readers.len(),
            _ => panic!("no batch"),
        }
    }

    fn decoder() -> Decoder {
        Decoder {
            format: Format::Text,
            on_invalid: OnInvalid::Replace,
            max_line: NonZeroUsize::new(100).unwrap(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_kind_of_source_opens() {
        let root = tempfile::tempdir().unwrap();
        let old = root.path().join("old");
        std::fs::write(&old, "[[\"a\"]]").unwrap();
        let modified = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(4);
        let times = std::fs::FileTimes::new().set_modified(modified);
        let file = std::fs::File::options().write(true).open(&old).unwrap();
        file.set_times(times).unwrap();

        let file = SourceKind::File {
            path: (&old).into(),
            batch_bytes: NonZeroUsize::MIN,
            partitions: None,
            decoder: decoder(),
        };
        assert_eq!(partitions(open(file)), 3);
        for (new_files_only, expected) in [(true, 0), (false, 1)] {
            let directory = SourceKind::Directory {
                path: root.path().into(),
                new_files_only,
                remember: Duration::from_mins(1),
                rows: FileRows::Lines(decoder()),
            };
            assert_eq!(partitions(open(directory)), expected, "{new_files_only}");
        }
        let queue = |path| SourceKind::Queue {
            path,
            order: QueueOrder::OneAtATime,
            default: Vec::new(),
            partitions: NonZeroUsize::MIN,
        };
        assert_eq!(partitions(open(queue(Some(old.into())))), 1);
        assert_eq!(
            open(queue(None)).err().unwrap(),
            "source in: a queue needs `path`, the JSON file with its batches"
        );
        let generator = SourceKind::Generator(GeneratorSpec {
            rate: NonZeroUsize::MIN,
            count: None,
            partitions: None,
            words: NonZeroUsize::new(2),
        });
        assert_eq!(partitions(open(generator)), 3);
        let socket = SourceKind::Socket {
            address: "127.0.0.1:9".into(),
            framing: Framing::Lines,
            connect_attempts: None,
            block_interval: Duration::from_millis(200),
            intake: Intake::default(),
            storage: BlockStorage::default(),
            decoder: decoder(),
        };
        assert_eq!(partitions(open(socket)), 0);
    }
}
