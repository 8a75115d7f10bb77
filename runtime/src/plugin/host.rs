//! What a guest may ask of the host (`interface host`), and what one instance has used.

use std::{borrow::Cow, sync::Arc, time::Duration};

use wasmtime::{ResourceLimiter, component::Linker};

use super::{
    abi::{Level, Setting, Task as AbiTask},
    fault::printable,
    preempt::{Preempt, Tick},
    task::{InstanceLimits, Task},
    wasi::World,
};
use crate::{
    account::thread_cpu,
    model::{NoValue, Secret, hide},
};

/// Bytes of a log line that are kept.
const LONGEST_LINE: usize = 4_000;

/// The interface's full name; other versions of 0.1 match it.
const HOST: &str = "rsrt:plugin/host@0.1.0";

/// What a store holds.
pub(super) struct Host {
    /// None while the plugin is asked who it is.
    pub(super) task: Option<Task>,
    pub(super) limits: InstanceLimits,
    pub(super) preempt: Arc<dyn Preempt>,
    /// None: the plugin imports nothing of WASI.
    pub(super) world: Option<Box<World>>,
    pub(super) cpu: CpuMeter,
    pub(super) memory_peak: usize,
    /// Who would not give it more.
    pub(super) memory_refused: Option<Refused>,
    /// What all its memories have.
    memory: usize,
    pub(super) last_error: Option<String>,
    log_lines: u32,
    log_dropped: u32,
}

impl Host {
    pub(super) fn new(
        task: Option<Task>,
        limits: InstanceLimits,
        preempt: Arc<dyn Preempt>,
        world: Option<Box<World>>,
    ) -> Self {
        Self {
            task,
            limits,
            preempt,
            world,
            cpu: CpuMeter::default(),
            memory_peak: 0,
            memory_refused: None,
            memory: 0,
            last_error: None,
            log_lines: 0,
            log_dropped: 0,
        }
    }

    /// Called every few milliseconds of a call.
    pub(super) fn tick(&self) -> Result<(), Interrupt> {
        if self.preempt.tick() == Tick::Abort {
            return Err(Interrupt::Aborted);
        }
        if self.cpu.used() > self.limits.cpu_time {
            return Err(Interrupt::OutOfTime);
        }
        Ok(())
    }

    /// Logs lines that the plugin printed.
    pub(super) fn log_all(&mut self, level: Level, lines: &[String]) {
        for line in lines.iter().filter(|line| !line.trim().is_empty()) {
            self.log(level, line);
        }
    }

    /// A guest's words without the values of secrets that it was given.
    pub(super) fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let settings = self.task.iter().flat_map(|task| task.settings.iter());
        let values = settings.filter_map(|(_, text)| text.secret_value());
        let values: Vec<&str> = values.map(Secret::expose).collect();
        match values.is_empty() {
            true => Cow::Borrowed(text),
            false => Cow::Owned(hide(text, values)),
        }
    }

    /// The operator, as the log calls it.
    fn speaker(&self) -> Cow<'_, str> {
        match &self.task {
            None => "".into(),
            Some(task) if self.preempt.is_shadow() => format!("{} (shadow)", task.operator).into(),
            Some(task) => (&*task.operator).into(),
        }
    }

    fn log(&mut self, level: Level, message: &str) {
        let line = printable(&self.hide(message), LONGEST_LINE);
        if level == Level::Error {
            self.last_error = Some(line.clone());
        }
        if self.log_lines == self.limits.log_lines || !self.preempt.may_log() {
            self.log_dropped += 1;
            return;
        }
        self.log_lines += 1;
        let speaker = self.speaker();
        let (operator, batch, partition) = match &self.task {
            Some(task) => (&*speaker, task.batch_time.as_millis(), task.partition),
            None => ("", 0, 0),
        };
        match level {
            Level::Debug => tracing::debug!(target: "guest", operator, batch, partition, "{line}"),
            Level::Info => tracing::info!(target: "guest", operator, batch, partition, "{line}"),
            Level::Warn => tracing::warn!(target: "guest", operator, batch, partition, "{line}"),
            Level::Error => tracing::error!(target: "guest", operator, batch, partition, "{line}"),
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some([printed, complained]) = self.world.as_mut().map(|world| world.ends()) {
            self.log_all(Level::Info, printed.as_slice());
            self.log_all(Level::Error, complained.as_slice());
        }
        self.preempt.shrink(self.memory);
        let dropped = self.log_dropped > 0 && self.preempt.may_log();
        if let (Some(task), true) = (&self.task, dropped) {
            tracing::warn!(
                operator = &*self.speaker(),
                batch = task.batch_time.as_millis(),
                partition = task.partition,
                dropped = self.log_dropped,
                "the plugin logged too much; lines were dropped"
            );
        }
    }
}

impl ResourceLimiter for Host {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let by = desired.saturating_sub(current);
        if desired > self.limits.memory || maximum.is_some_and(|most| desired > most) {
            self.memory_refused.get_or_insert(Refused::ByItsLimit);
            return Ok(false);
        }
        let all = self.memory.saturating_add(by);
        if !self.preempt.grow(self.memory, all) {
            self.memory_refused = Some(Refused::ByOthers);
            return Ok(false);
        }
        self.memory = all;
        self.memory_peak = self.memory_peak.max(desired);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        const MOST: usize = 100_000;
        Ok(desired <= MOST && maximum.is_none_or(|most| desired <= most))
    }
}

/// Why a guest got no more memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has as much as it may have.
    ByItsLimit,
    /// Others have what they may have together.
    ByOthers,
}

/// Why the host ended a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Interrupt {
    #[error("aborted")]
    Aborted,
    #[error("out of CPU time")]
    OutOfTime,
    #[error("there is no task while the plugin is asked who it is")]
    NoTask,
    #[error(transparent)]
    NoValue(#[from] NoValue),
}

/// CPU time of this thread while calls run, so that a busy neighbour costs nobody anything.
#[derive(Debug, Default)]
pub(super) struct CpuMeter {
    before: Duration,
    started: Option<Duration>,
}

impl CpuMeter {
    pub(super) fn start(&mut self) {
        self.started = Some(thread_cpu());
    }

    pub(super) fn stop(&mut self) {
        self.before = self.used();
        self.started = None;
    }

    pub(super) fn used(&self) -> Duration {
        let running = self.started.map_or(Duration::ZERO, |started| {
            thread_cpu().saturating_sub(started)
        });
        self.before + running
    }
}

/// Gives guests `interface host`.
pub(super) fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    let mut host = linker.instance(HOST)?;
    host.func_wrap(
        "current-task",
        |store: wasmtime::StoreContextMut<Host>, (): ()| {
            let task = store.data().task.as_ref().ok_or(Interrupt::NoTask)?;
            let settings = task.settings.iter().map(|(name, value)| {
                Ok(Setting {
                    name: name.clone(),
                    value: value.expose()?.to_owned(),
                })
            });
            Ok((AbiTask {
                topology: task.topology.to_string(),
                operator: task.operator.to_string(),
                batch_time: task.batch_time.as_millis(),
                partition: task.partition,
                seed: task.seed(),
                settings: settings.collect::<Result<_, Interrupt>>()?,
            },))
        },
    )?;
    host.func_wrap(
        "log",
        |mut store: wasmtime::StoreContextMut<Host>, (level, message): (Level, String)| {
            store.data_mut().log(level, &message);
            Ok(())
        },
    )?;
    Ok(())
}
