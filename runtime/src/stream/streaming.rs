//! The life of a stream: set up, started, stopped; never the other way (spec 1.1).

use std::{fmt, sync::Arc, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle};

use super::{Listener, Run, Stop, Stream, Summary, remembered::Remembered};
use crate::{
    model::{Batch, BatchInterval, BatchTime, NodeName},
    scheduler::BatchError,
};

/// A stream and where it is in its life.
///
/// ```
/// use std::{collections::BTreeMap, num::NonZeroUsize, sync::{Arc, Mutex}, time::Duration};
/// use rsrt::{
///     clock::SystemClock, scheduler::{Mode, Pool}, sink::{FunctionSink, Sink},
///     source::QueueSource, stream::{Plugins, Run, Stop, Stream, Streaming},
///     topology::{Builder, Defaults, QueueOrder, SourceId, operator, sink, source},
/// };
///
/// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let one = NonZeroUsize::MIN;
/// let topology = Builder::new("sums", Duration::from_secs(1))
///     .source("numbers", source("queue").set("schema", "int64"))
///     .operator("sum", operator("reduce", "std:sum").input("numbers"))
///     .sink("out", sink("null").input("sum"))
///     .compile(&Plugins::default(), &Defaults {
///         parallelism: one, base_dir: ".".into(), needs_checkpoint: true,
///     })?;
/// let topology = Arc::new(topology);
///
/// // A source with two batches, and a sink that is a function of this program.
/// let numbers = &topology.sources[0];
/// let batches = vec![Some(vec![1.into(), 2.into()]), Some(vec![3.into()])];
/// let queue = QueueSource::new(&numbers.name, &numbers.schema, QueueOrder::OneAtATime, one, batches);
/// let rows = Arc::new(Mutex::new(Vec::new()));
/// let seen = rows.clone();
/// let out = FunctionSink::new(&topology.sinks[0].name, move |_, batch| {
///     seen.lock().map_err(|error| error.to_string())?.push(batch.rows());
///     Ok(())
/// });
///
/// let stream = Stream::new(
///     topology, Vec::new(), BTreeMap::from([(SourceId(0), Box::new(queue) as _)]),
///     vec![Box::new(out)], &Pool::new(one)?,
/// );
/// let mut streaming = Streaming::new(stream);
/// streaming.start(Run {
///     mode: Mode::Virtual, start: Some(0), batches: Some(2),
///     clock: Arc::new(SystemClock::new()), stop: Stop::new(),
/// }, Box::new(()))?;
/// streaming.await_termination().await?;
/// assert_eq!(*rows.lock().unwrap(), [1, 1]);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// # Ok::<_, std::io::Error>(())
/// ```
pub struct Streaming {
    life: Life,
    names: Vec<NodeName>,
    interval: BatchInterval,
    remember: Option<Duration>,
    remembered: Remembered,
}

enum Life {
    Initialized(Box<Stream>),
    Active {
        stop: Stop,
        run: JoinHandle<Summary>,
    },
    Stopped(Option<Box<Summary>>),
}

/// Where a stream is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamingState {
    /// Not started yet.
    Initialized,
    /// Started; it may have come to its end already.
    Active,
    /// Stopped, for good.
    Stopped,
}

impl fmt::Display for StreamingState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Initialized => "not started",
            Self::Active => "running",
            Self::Stopped => "stopped",
        })
    }
}

/// How to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// What was received is processed first (spec 1.7).
    Graceful,
    /// Now; a running batch is given up.
    Immediate,
}

/// It is not the time for that (spec 1.1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LifeError {
    /// It is in the wrong state.
    #[error("cannot {what}: the stream is {state}{}", hint(*state))]
    WrongState {
        /// As in "cannot start".
        what: &'static str,
        /// The state it is in.
        state: StreamingState,
    },
    /// How long to remember can be said once (spec 1.11).
    #[error("cannot remember for {asked:?}: it was set to {set:?} before, and it can be set once")]
    RememberedTwice {
        /// First.
        set: Duration,
        /// Then.
        asked: Duration,
    },
    /// There is no such sink.
    #[error("no sink is called `{0}`: batches can be asked for by the sink that reads them")]
    UnknownSink(String),
    /// Nothing is remembered.
    #[error("batches are not remembered: call `remember` before `start`")]
    NotRemembered,
    /// It must be called on a tokio runtime.
    #[error("cannot start outside of a tokio runtime")]
    NoRuntime,
}

fn hint(state: StreamingState) -> &'static str {
    match state {
        StreamingState::Initialized => "; it has not been initialized by `start`",
        StreamingState::Active => "",
        StreamingState::Stopped => ", and a stopped stream does not start again; make a new one",
    }
}

/// Why waiting for the end came to an error.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Terminated {
    /// It was never started.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// The latest error of any batch (spec 1.8). Later batches may have run.
    #[error(transparent)]
    Batch(Arc<BatchError>),
}

impl Streaming {
    /// A stream that is not started yet.
    pub fn new(stream: Stream) -> Self {
        Self {
            names: stream.sink_names(),
            interval: stream.interval(),
            life: Life::Initialized(Box::new(stream)),
            remember: None,
            remembered: Remembered::default(),
        }
    }

    /// Where it is in its life.
    pub fn state(&self) -> StreamingState {
        match self.life {
            Life::Initialized(_) => StreamingState::Initialized,
            Life::Active { .. } => StreamingState::Active,
            Life::Stopped(_) => StreamingState::Stopped,
        }
    }

    fn wrong(&self, what: &'static str) -> LifeError {
        let state = self.state();
        LifeError::WrongState { what, state }
    }

    /// Keeps the batches that sinks get for so long, for [`slice`](Self::slice).
    ///
    /// # Errors
    /// Once it is started, or when it was said before (spec 1.11).
    pub fn remember(&mut self, length: Duration) -> Result<(), LifeError> {
        if !matches!(self.life, Life::Initialized(_)) {
            return Err(self.wrong("remember batches"));
        }
        if let Some(set) = self.remember {
            return Err(LifeError::RememberedTwice { set, asked: length });
        }
        self.remember = Some(length);
        Ok(())
    }

    /// Starts it on the tokio runtime that this is called on. Starting what runs is a warning and
    /// nothing else.
    ///
    /// # Errors
    /// When it is stopped, or there is no runtime.
    pub fn start(&mut self, run: Run, mut listener: Box<dyn Listener>) -> Result<(), LifeError> {
        let runtime = Handle::try_current().map_err(|_| LifeError::NoRuntime)?;
        match std::mem::replace(&mut self.life, Life::Stopped(None)) {
            Life::Initialized(mut stream) => {
                if let Some(length) = self.remember {
                    stream.wrap_sinks(|name, sink| self.remembered.around(name, sink, length));
                }
                let stop = run.stop.clone();
                let run = runtime.spawn(async move { stream.run(run, &mut *listener).await });
                self.life = Life::Active { stop, run };
                Ok(())
            }
            running @ Life::Active { .. } => {
                tracing::warn!("the stream is started already");
                self.life = running;
                Ok(())
            }
            stopped @ Life::Stopped(_) => {
                self.life = stopped;
                Err(self.wrong("start"))
            }
        }
    }

    /// Stops it, and waits until it has. What is not started is stopped for good, with a warning;
    /// what is stopped stays so.
    pub async fn stop(&mut self, mode: StopMode) {
        match &self.life {
            Life::Initialized(_) => {
                tracing::warn!("the stream was never started");
                self.life = Life::Stopped(None);
            }
            Life::Active { stop, .. } => {
                match mode {
                    StopMode::Graceful => stop.graceful(),
                    StopMode::Immediate => stop.abort(),
                }
                self.ended().await;
            }
            Life::Stopped(_) => tracing::warn!("the stream is stopped already"),
        }
    }

    /// Waits for the end of what runs.
    async fn ended(&mut self) {
        if let Life::Active { run, .. } = &mut self.life {
            // The loop itself never panics; if it did there is no summary.
            let summary = run.await.ok().map(Box::new);
            self.life = Life::Stopped(summary);
        }
    }

    /// Waits until it is stopped or its sources have ended.
    ///
    /// # Errors
    /// The latest error of any batch (spec 1.8); or when it was never started.
    pub async fn await_termination(&mut self) -> Result<Option<&Summary>, Terminated> {
        if matches!(self.life, Life::Initialized(_)) {
            return Err(self.wrong("wait for the end").into());
        }
        self.ended().await;
        let Life::Stopped(summary) = &self.life else {
            return Ok(None);
        };
        match summary.as_deref() {
            Some(Summary {
                last_error: Some(error),
                ..
            }) => Err(Terminated::Batch(error.clone())),
            summary => Ok(summary),
        }
    }

    /// As [`await_termination`](Self::await_termination), but for at most so long: false if it runs
    /// on.
    ///
    /// # Errors
    /// The same.
    pub async fn await_termination_or_timeout(
        &mut self,
        timeout: Duration,
    ) -> Result<bool, Terminated> {
        match tokio::time::timeout(timeout, self.await_termination()).await {
            Ok(ended) => ended.map(|_| true),
            Err(_) => Ok(false),
        }
    }

    /// The batches that a sink got from one time to another, both included (spec 2.5). A time off
    /// the grid counts as the one before. What is no longer remembered, or had no batch, is left
    /// out: nothing is computed again.
    ///
    /// # Errors
    /// Before it is started, without [`remember`](Self::remember), or if there is no such sink.
    pub fn slice(
        &self,
        sink: &str,
        from: BatchTime,
        to: BatchTime,
    ) -> Result<Vec<(BatchTime, Batch)>, LifeError> {
        if matches!(self.life, Life::Initialized(_)) {
            return Err(self.wrong("slice"));
        }
        if self.remember.is_none() {
            return Err(LifeError::NotRemembered);
        }
        let name = self.names.iter().find(|name| name.as_str() == sink);
        let name = name.ok_or_else(|| LifeError::UnknownSink(sink.to_owned()))?;
        let on_grid = |time: BatchTime| {
            let millis = time.as_millis();
            BatchTime::from_millis(millis - millis.rem_euclid(self.interval.as_millis()))
        };
        Ok(self.remembered.slice(name, on_grid(from), on_grid(to)))
    }
}

#[cfg(test)]
mod tests;
