//! The WebAssembly engine, narrowed to what rsrt uses, with the settings that were measured to be
//! best (see `ARCHITECTURE.md`).

use std::{
    num::NonZeroUsize,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy,
    WasmBacktraceDetails,
};

/// How often running guests are asked whether they should stop or step aside.
const EPOCH: Duration = Duration::from_millis(5);

/// Instances alive at a time; each slot reserves addresses, not memory.
const INSTANCES: u32 = 1_000;

/// Memory of a slot that stays mapped between instances: most guests touch less, so a fresh
/// instance costs a `memset` instead of page faults.
const KEEP_RESIDENT: usize = 1 << 20;

/// What an engine is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineOptions {
    /// Count instructions, for limits that are the same on every machine. Costs 7 to 11 %.
    pub fuel: bool,
}

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine refused its settings, on this CPU or kernel.
    #[error("the WebAssembly engine does not start here: {0}")]
    Engine(String),
    /// No thread for the ticks.
    #[error("no thread for the engine's clock")]
    Ticker(#[source] std::io::Error),
}

/// Compiles and runs plugins. One per process, or one per [`EngineOptions`].
#[derive(Debug)]
pub struct Engine {
    engine: wasmtime::Engine,
    options: EngineOptions,
    ticker: Option<Ticker>,
}

impl Engine {
    /// An engine that can run what it compiles.
    ///
    /// # Errors
    /// When the machine does not have what the engine needs.
    pub fn new(options: EngineOptions) -> Result<Arc<Self>, EngineError> {
        let mut config = settings(options);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
        let engine = wasmtime::Engine::new(&config).or_else(|refused| {
            // Where addresses are rationed (ulimit -v), instances are mapped one by one.
            tracing::debug!(%refused, "no pooled instances");
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            wasmtime::Engine::new(&config)
        });
        let engine = engine.map_err(|error| EngineError::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(engine.clone()).map_err(EngineError::Ticker)?;
        Ok(Arc::new(Self {
            engine,
            options,
            ticker: Some(ticker),
        }))
    }

    /// An engine that only compiles, for the child process that does so.
    pub(super) fn compiling(options: EngineOptions) -> Result<wasmtime::Engine, EngineError> {
        wasmtime::Engine::new(&settings(options))
            .map_err(|error| EngineError::Engine(format!("{error:#}")))
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// What it was made for.
    pub fn options(&self) -> EngineOptions {
        self.options
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(ticker) = self.ticker.take() {
            ticker.stop();
        }
    }
}

/// Whatever changes compiled code is here and nowhere else: the child that compiles uses the same.
fn settings(options: EngineOptions) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        // A batch that runs again must come out bit for bit the same.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .consume_fuel(options.fuel)
        .memory_init_cow(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(32));
    config
}

fn pool() -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(4 * INSTANCES)
        .total_memories(INSTANCES)
        .total_tables(2 * INSTANCES)
        // Components of interpreted languages hold dozens of core instances.
        .max_core_instances_per_component(128)
        .max_memories_per_component(1)
        .max_tables_per_component(16)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .table_elements(100_000)
        .max_memory_size(4 << 30)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// The thread that moves the engine's epoch.
#[derive(Debug)]
struct Ticker {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Ticker {
    fn start(engine: wasmtime::Engine) -> Result<Self, std::io::Error> {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = stop.clone();
        let tick = move || {
            let (flag, wake) = &*stopped;
            let mut stop = flag.lock().unwrap_or_else(PoisonError::into_inner);
            while !*stop {
                (stop, _) = wake
                    .wait_timeout(stop, EPOCH)
                    .unwrap_or_else(PoisonError::into_inner);
                engine.increment_epoch();
            }
        };
        let thread = std::thread::Builder::new()
            .name("epoch".into())
            .spawn(tick)?;
        Ok(Self { stop, thread })
    }

    fn stop(self) {
        let (flag, wake) = &*self.stop;
        *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wake.notify_all();
        let _ = self.thread.join(); // it cannot panic
    }
}
