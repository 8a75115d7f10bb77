//! `rsrt serve`: topologies of several tenants in this process, until someone stops it.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::{Environment, Failure, console::Console, loading, output};
use crate::{
    clock::{Clock, SystemClock},
    hosting::{Hosting, Registry, Walls},
    launch::Launcher,
    plugin::CompileLimits,
    scheduler::Pool,
    secrets::Store,
    server::{Audit, Config, ServeError, Server, Tokens, is_loopback},
    telemetry::{self, LogFilter},
};

/// Threads that wait for batches, sinks and disks, at most. They end when they are not needed.
const BLOCKING_THREADS: usize = 4_096;

const EXAMPLES: &str = "\
Examples:
  rsrt serve --config server.toml
  rsrt token new --config server.toml --namespace sales      a token to deploy with

When it listens it says so on standard output, as `listening on http://127.0.0.1:7878`. What is
deployed runs again when the server does. Ctrl-C or SIGTERM stops after the batches in flight.
Exit codes: 0 stopped, 1 it failed, 2 what was given is wrong.";

/// Host topologies of several tenants, with an HTTP API
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The configuration
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Listen on other addresses than this machine's own without TLS: who listens in reads tokens
    #[arg(long)]
    insecure: bool,
    /// What is logged: a level, or directives such as guest=debug
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: String,
}

/// The configuration in a file.
pub(super) fn read_config(file: &PathBuf) -> Result<Config, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::input(format!("cannot read {}: {error}", file.display())))?;
    Config::parse(file, &text).map_err(Failure::Config)
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let filter = LogFilter::parse(&arguments.log).map_err(Failure::input)?;
    let console = Console::plain(environment.colors);
    telemetry::start_hosting(filter, environment.colors, console);
    let config = read_config(&arguments.config)?;
    if !is_loopback(config.listen) && config.tls.is_none() && !arguments.insecure {
        let failure = format!(
            "{} can be reached from other machines, and there is no TLS",
            config.listen
        );
        return Err(Failure::input(failure).hint(
            "configure [tls], listen on 127.0.0.1, or say --insecure if a proxy speaks TLS",
        ));
    }
    let registry = Registry::open(&config.data).map_err(Failure::input)?;
    let tokens = Tokens::open(registry.path()).map_err(Failure::input)?;
    let audit = Audit::open(&registry.path().join("audit.jsonl"))
        .map_err(|error| Failure::input(format!("cannot open the audit log: {error}")))?;
    let compiling = CompileLimits {
        cpu_time: config.limits.compile_time,
        memory: config.limits.compile_memory,
    };
    let loaders = loading::loaders(environment)?.limited(compiling);
    let cores = config.cores.unwrap_or_else(loading::cores);
    let pool = Pool::new(cores)
        .map_err(|error| Failure::run(format!("the threads of the pool do not start: {error}")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        // Each batch holds one, however long it waits for its turn or for a sink: those of one
        // namespace must leave some for the others.
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .map_err(|error| Failure::run(format!("the threads for requests do not start: {error}")))?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let launcher = Launcher {
        runtime: runtime.handle().clone(),
        clock: clock.clone(),
        pool,
    };
    let done = runtime.block_on(async {
        let listener = TcpListener::bind(config.listen).await;
        let listener = listener.map_err(|error| {
            Failure::run(ServeError::Bind {
                address: config.listen,
                error,
            })
        })?;
        let address = listener.local_addr().map_err(Failure::run)?;
        let walls = walls(&config, registry.path(), address)?;
        let hosting = Hosting::open(registry, launcher, loaders, config.shares(), walls);
        let hosting = Arc::new(hosting.map_err(Failure::input)?);
        let stop = CancellationToken::new();
        stop_on_signals(stop.clone())?;
        let scheme = if config.tls.is_some() {
            "https"
        } else {
            "http"
        };
        output::answer(&format!("listening on {scheme}://{address}\n"))?;
        let limits = config.limits;
        let server = Server::new(hosting.clone(), (tokens, audit), clock, limits);
        let served = server.serve(listener, &config, stop).await;
        hosting.end(limits.stop_timeout).await;
        served.map_err(Failure::input)
    });
    runtime.shutdown_background();
    done.map(|()| ExitCode::SUCCESS)
}

/// What the configuration allows each namespace, and where secrets lie.
fn walls(config: &Config, data: &Path, address: SocketAddr) -> Result<Walls, Failure> {
    let key = match &config.secrets.key {
        Some(key) => key.clone(),
        None => beside(data).ok_or_else(|| {
            Failure::input("there is nothing beside the data directory")
                .hint("say where the key of secrets lies: [secrets] key = \"PATH\"")
        })?,
    };
    let secrets = Store::open(&data.join("secrets")).map_err(Failure::input)?;
    let allowances = config.namespaces.iter();
    let allowances = allowances.map(|(name, given)| (name.clone(), given.allowance()));
    let walls = Walls::new(allowances.collect(), secrets.with_key(&key), Some(address));
    let mut of_server = vec![data, &key];
    if let Some(tls) = &config.tls {
        of_server.push(&tls.key);
    }
    walls.check(&of_server).map_err(Failure::input)?;
    Ok(walls)
}

/// The key of secrets does not lie in the directory that is copied with them.
fn beside(data: &Path) -> Option<PathBuf> {
    let data = std::path::absolute(data).ok()?;
    let mut name = data.file_name()?.to_owned();
    name.push(".key");
    Some(data.with_file_name(name))
}

fn stop_on_signals(stop: CancellationToken) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::run(format!("signals cannot be handled: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::runtime::Handle::current().spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping after the batches in flight");
        stop.cancel();
    });
    Ok(())
}
