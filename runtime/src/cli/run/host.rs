//! What a run needs of the process: threads, a clock, someone to stop it.

use std::{
    fmt::Display,
    io::Write,
    num::{NonZeroU32, NonZeroUsize},
    sync::Arc,
};

use tokio::{runtime::Runtime, task::spawn_blocking};

use super::{
    Again, Arguments,
    narrator::Narrator,
    signals,
    summary::{Ended, How},
    watch::{LOOK, Watched},
};
use crate::{
    cli::{Failure, console::Console, loading::Loaded},
    clock::{Clock, SystemClock},
    launch::{self, Launcher, Options, Outputs, Purpose},
    model::Location,
    scheduler::{Outcome, Pool},
    stream::{Next, Stop, Summary, SwapError, Swapper},
};

/// Runs topologies, one after the other, until one is stopped.
pub(super) struct Host {
    runtime: Runtime,
    launcher: Launcher,
    stop: Stop,
    console: Console,
}

/// `print` sinks write to standard output.
impl Outputs for Console {
    fn output(&self) -> Box<dyn Write + Send> {
        Box::new(Console::output(self))
    }
}

impl Host {
    pub(super) fn start(cores: NonZeroUsize, console: &Console) -> Result<Self, Failure> {
        let pool = Pool::new(cores).map_err(|error| {
            Failure::run(format!("the threads of the pool do not start: {error}"))
        })?;
        let runtime = runtime()?;
        Ok(Self {
            launcher: Launcher {
                runtime: runtime.handle().clone(),
                clock: Arc::new(SystemClock::new()),
                pool,
            },
            runtime,
            stop: Stop::new(),
            console: console.clone(),
        })
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        self.launcher.clock.as_ref()
    }

    /// Someone wants it to stop.
    pub(super) fn is_asked(&self) -> bool {
        self.stop.is_asked()
    }

    /// Signals stop it, and time as it was given.
    pub(super) fn stop_as(&self, arguments: &Arguments) -> Result<(), Failure> {
        signals::stop_on_signals(self.stop.clone(), self.console.clone())?;
        if let Some(timeout) = arguments.timeout {
            let stop = self.stop.clone();
            self.runtime.spawn(async move {
                tokio::time::sleep(timeout).await;
                stop.graceful();
            });
        }
        if let Some(timeout) = arguments.stop_timeout {
            let (stop, console) = (self.stop.clone(), self.console.clone());
            self.runtime.spawn(async move {
                stop.asked().await;
                tokio::time::sleep(timeout).await;
                console.write("stopping took too long: what is in flight is given up\n");
                stop.abort();
            });
        }
        Ok(())
    }

    /// Runs a topology to its end; it goes on from its checkpoint at `place`, if it has one.
    pub(super) fn run(
        &self,
        loaded: Loaded,
        place: Option<&Location>,
        how_to: (Purpose, Options),
    ) -> Result<Ended, Failure> {
        let tenant = self.launcher.pool.tenant(NonZeroU32::MIN);
        let launched = self.launcher.launch(
            loaded.launched,
            place,
            how_to,
            (tenant, self.stop.clone()),
            &self.console,
        )?;
        let clock = self.launcher.clock.clone();
        let mut narrator = Narrator::new(self.console.clone(), clock, self.stop.clone());
        let (run, left) = self.runtime.block_on(launched.run(&mut narrator));
        Ok(Ended {
            how: how(&run, &self.stop, &narrator),
            left,
            run,
        })
    }

    /// The same, and what its files become while it runs takes over.
    pub(super) fn run_watched(
        &self,
        loaded: Loaded,
        place: Option<&Location>,
        watched: Watched,
        again: Again,
    ) -> Result<Ended, Failure> {
        let tenant = self.launcher.pool.tenant(NonZeroU32::MIN);
        let mut launched = self.launcher.launch(
            loaded.launched,
            place,
            (Purpose::Run, again.options),
            (tenant, self.stop.clone()),
            &self.console,
        )?;
        let swapper = launched.swapper();
        let told = (self.console.clone(), self.stop.clone());
        let watching = watch(watched, again, swapper, told);
        let watching = self.runtime.spawn(watching);
        let clock = self.launcher.clock.clone();
        let mut narrator = Narrator::new(self.console.clone(), clock, self.stop.clone());
        let (run, left) = self.runtime.block_on(launched.run(&mut narrator));
        watching.abort();
        Ok(Ended {
            how: how(&run, &self.stop, &narrator),
            left,
            run,
        })
    }

    /// A source that hangs in the system does not hold the end.
    pub(super) fn end(self) {
        self.runtime.shutdown_background();
    }
}

/// Takes each new version of the files to the stream, until that ends.
async fn watch(
    mut watched: Watched,
    again: Again,
    swapper: Swapper,
    (console, stop): (Console, Stop),
) {
    let again = Arc::new(again);
    loop {
        tokio::time::sleep(LOOK).await;
        if !watched.have_changed() {
            continue;
        }
        let (loader, to, outputs) = (again.clone(), swapper.clone(), console.clone());
        let asked = spawn_blocking(move || {
            let loaded = loader
                .load()
                .map_err(|failure| failure.lines().join("; "))?;
            let (of, accepts) = ((&to, loader.options), loader.accepts_loss);
            let next = Next {
                shadow: loader.shadow,
                ..launch::next(loaded.launched, of, accepts, &outputs)
            };
            to.swap(next).map_err(|error| error.to_string())
        });
        let decided = match asked.await {
            Ok(Ok(asked)) => Ok(asked.decided().await),
            Ok(Err(error)) => Err(error),
            Err(panic) => Err(panic.to_string()),
        };
        let goes_on = |why: &dyn Display| {
            console.warning(&format!("the running version goes on: {why}"));
        };
        // That one takes over the stream says itself.
        let report = match decided {
            Ok(Ok(swapped)) => swapped.shadow,
            _ if stop.is_asked() => return,
            Ok(Err(error)) => {
                goes_on(&error);
                match error {
                    SwapError::Shadow(_, report) => Some(*report),
                    _ => None,
                }
            }
            Err(why) => {
                goes_on(&why);
                None
            }
        };
        if let Some(report) = report {
            console.write(&format!("{report}\n"));
        }
    }
}

fn how(summary: &Summary, stop: &Stop, narrator: &Narrator) -> How {
    if narrator.reader_left() {
        return How::Unread;
    }
    match summary.outcome {
        Outcome::Stopped if stop.is_aborted() => How::Aborted,
        Outcome::BatchFailed(_) => How::Failed,
        _ if summary.failed > 0 => How::Failed,
        Outcome::Stopped => How::Stopped,
        Outcome::Exhausted => How::Exhausted,
    }
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::run(format!("the threads for sources do not start: {error}")))
}
