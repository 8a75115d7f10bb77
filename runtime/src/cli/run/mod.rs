//! `rsrt run`: a topology in this process, until its sources end or someone stops it.

mod clock_mode;
mod durable;
mod narrator;
mod signals;
mod summary;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use tokio::runtime::Runtime;

use super::{
    Environment, Failure,
    console::Console,
    loading::{self, Given, GivenPlugin, Loaded, State},
    output::Format,
};
use crate::{
    clock::{Clock, SystemClock},
    model::NodeName,
    plugin::Plugin,
    receiver::BlockLogs,
    scheduler::{Mode, Outcome, Plan, Pool},
    sink::{PrintSink, Sink, open_sink},
    source::{Source, SourceError, SourceSetup, open_source},
    stream::{Run, Stop, Stream, Summary},
    telemetry::{self, LogFilter},
    topology::{self, SinkKind, SourceId, SourceKind, Topology},
};
use narrator::Narrator;

const EXAMPLES: &str = "\
Examples:
  rsrt run plugin.wasm --topology topo.toml
  rsrt run plugin.wasm --topology topo.toml --set source.lines.path=/var/log/syslog
  rsrt run --topology topo.toml --plugin text=text.wasm --cores 2
  rsrt run plugin.wasm --topology topo.toml --quiet --format json 2>summary.json

Standard output carries what `print` sinks print and nothing else. Everything else goes to standard
error, the summary last; with --format json it is one line with these keys: outcome (exhausted,
stopped, unread, aborted, failed), batches, failed-batches, records, bytes, rejected, replaced, seconds,
records-per-second, bytes-per-second, cpu-seconds, sandbox-seconds, last-error; with a checkpoint also
batches-left and blocks-left, which the next run begins with.

Ctrl-C stops after the batches in flight; a second one aborts.
Exit codes: 0 done, 1 a batch failed or a source gave up, 2 what was given is wrong.";

/// Run a topology in this process
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The default plugin, whose functions the topology calls without a prefix
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: Option<PathBuf>,
    /// The topology
    #[arg(long, short, value_name = "FILE")]
    topology: PathBuf,
    #[command(flatten)]
    given: Given,
    /// Cores that tasks may use [default: all]
    #[arg(long, value_name = "N")]
    cores: Option<NonZeroUsize>,
    /// End after N batches (for sources that do not wait for anyone: file, queue, generator)
    #[arg(long, value_name = "N")]
    batches: Option<std::num::NonZeroU64>,
    /// Move the old checkpoint aside and start anew
    #[arg(long)]
    fresh: bool,
    /// Stop gracefully after so long, such as 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// Abort a graceful stop that takes longer, such as 30s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    stop_timeout: Option<Duration>,
    /// Only warnings and errors: no progress, no text summary
    #[arg(long, short)]
    quiet: bool,
    /// What is logged: a level, or directives such as guest=debug
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// How the summary is written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Do not combine by key inside plugins
    #[arg(long, hide = true)]
    no_fusion: bool,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let console = match environment.has_terminal && !arguments.quiet {
        true => Console::with_progress(environment.colors),
        false => Console::plain(environment.colors),
    };
    let level = if arguments.quiet { "warn" } else { "info" };
    let filter = LogFilter::parse(arguments.log.as_deref().unwrap_or(level));
    let filter = filter.map_err(Failure::input)?;
    telemetry::start(filter, environment.colors, console.clone());
    let done = run_topology(arguments, environment, &console);
    console.end_progress();
    let (summary, code) = done?;
    match arguments.format {
        Format::Json => console.write(&format!("{}\n", summary::json(&summary))),
        Format::Text if arguments.quiet || summary.how == summary::How::Unread => {}
        Format::Text => console.write(&summary::text(&summary)),
    }
    Ok(code)
}

fn run_topology(
    arguments: &Arguments,
    environment: &Environment,
    console: &Console,
) -> Result<(summary::Ended, ExitCode), Failure> {
    let mut given = arguments.given.clone();
    let positional = arguments.plugin.as_deref().map(GivenPlugin::default_plugin);
    given.plugins.extend(positional);
    let cores = arguments.cores.unwrap_or_else(loading::cores);
    let loaded = loading::load(&arguments.topology, &given, cores, State::Kept, environment)?;
    let Loaded {
        topology,
        text,
        plugins,
        ..
    } = loading::check_initial(loaded)?;
    let plan = Plan::with_fusion(&topology, !arguments.no_fusion);
    let needed = || plan.sources.iter().map(|id| &topology.sources[id.0]);
    let mode = clock_mode::of(needed(), arguments.batches.is_some()).map_err(Failure::input)?;
    warn_of_losses(needed(), topology.checkpoint.is_some());
    warn_of_unneeded(&topology, &plan);

    let runtime = runtime()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let pool = Pool::new(cores)
        .map_err(|error| Failure::run(format!("the threads of the pool do not start: {error}")))?;
    let base_dir = arguments.topology.parent().unwrap_or(Path::new(""));
    let fresh = arguments.fresh;
    let opened = durable::open(
        (&topology, &text),
        &plugins,
        base_dir,
        fresh,
        clock.as_ref(),
    )?;
    let logs = opened
        .as_ref()
        .map(|opened| &*opened.checkpoint as &dyn BlockLogs);
    let sources = open_sources(&topology, &plan, (clock.as_ref(), logs), &runtime)?;
    let uid = opened.as_ref().map(|opened| opened.checkpoint.uid());
    let sinks = open_sinks(&topology, &plugins, uid.as_deref(), console);
    let stop = Stop::new();
    signals::stop_on_signals(stop.clone(), console.clone())?;
    if let Some(timeout) = arguments.timeout {
        let stop = stop.clone();
        runtime.spawn(async move {
            tokio::time::sleep(timeout).await;
            stop.graceful();
        });
    }
    if let Some(timeout) = arguments.stop_timeout {
        let (stop, console) = (stop.clone(), console.clone());
        runtime.spawn(async move {
            stop.asked().await;
            tokio::time::sleep(timeout).await;
            console.write("stopping took too long: what is in flight is given up\n");
            stop.abort();
        });
    }
    let every = topology.batch_interval.as_duration();
    match mode {
        Mode::Live => tracing::info!("running {}: a batch every {every:?}", topology.name),
        Mode::Virtual => tracing::info!("running {} until its sources end", topology.name),
    }
    let mut narrator = Narrator::new(console.clone(), clock.clone(), stop.clone());
    let mut stream = Stream::planned(topology, plan, plugins, sources, sinks, &pool);
    let checkpoint = opened.as_ref().map(|opened| opened.checkpoint.clone());
    if let Some(opened) = opened {
        stream = stream.with_checkpoint(opened);
    }
    let run = Run {
        mode,
        start: None,
        batches: arguments.batches.map(Into::into),
        clock,
        stop: stop.clone(),
    };
    let summary = runtime.block_on(stream.run(run, &mut narrator));
    // A source that hangs in the system must not hold the end.
    runtime.shutdown_background();
    let ended = summary::Ended {
        how: how(&summary, &stop, &narrator),
        left: checkpoint.map(|checkpoint| checkpoint.left()),
        run: summary,
    };
    let code = match ended.how {
        summary::How::Aborted | summary::How::Failed => ExitCode::FAILURE,
        summary::How::Exhausted | summary::How::Stopped | summary::How::Unread => ExitCode::SUCCESS,
    };
    Ok((ended, code))
}

/// A duration as topologies write it.
fn duration(text: &str) -> Result<Duration, String> {
    topology::parse_duration(text).map_err(|invalid| format!("it {invalid}"))
}

fn how(summary: &Summary, stop: &Stop, narrator: &Narrator) -> summary::How {
    if narrator.reader_left() {
        return summary::How::Unread;
    }
    match summary.outcome {
        Outcome::Stopped if stop.is_aborted() => summary::How::Aborted,
        Outcome::BatchFailed(_) => summary::How::Failed,
        _ if summary.failed > 0 => summary::How::Failed,
        Outcome::Stopped => summary::How::Stopped,
        Outcome::Exhausted => summary::How::Exhausted,
    }
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::run(format!("the threads for sources do not start: {error}")))
}

fn open_sources(
    topology: &Topology,
    plan: &Plan,
    (clock, logs): (&dyn Clock, Option<&dyn BlockLogs>),
    runtime: &Runtime,
) -> Result<BTreeMap<SourceId, Box<dyn Source>>, Failure> {
    let setup = SourceSetup {
        clock,
        runtime: runtime.handle(),
        interval: topology.batch_interval,
        parallelism: topology.parallelism,
        logs,
    };
    let open = |id: &SourceId| Ok((*id, open_source(&topology.sources[id.0], setup)?));
    let sources: Result<_, SourceError> = plan.sources.iter().map(open).collect();
    sources.map_err(Failure::input)
}

fn open_sinks(
    topology: &Topology,
    plugins: &[Plugin],
    uid: Option<&str>,
    console: &Console,
) -> Vec<Box<dyn Sink>> {
    let sinks = topology.sinks.iter();
    sinks
        .map(|sink| -> Box<dyn Sink> {
            let schema = topology.schema(sink.input);
            match &sink.kind {
                SinkKind::Print { n } => {
                    let output = console.output();
                    Box::new(PrintSink::new(&sink.name, schema, *n, output))
                }
                _ => open_sink(sink, topology, plugins, uid),
            }
        })
        .collect()
}

/// Says where rows can get lost, so that nobody finds out later.
fn warn_of_losses<'a>(sources: impl Iterator<Item = &'a topology::Source>, has_checkpoint: bool) {
    let lossy = sources.filter(|source| match &source.kind {
        SourceKind::Socket { storage, .. } => !has_checkpoint || !storage.log,
        _ => false,
    });
    let names: Vec<&str> = lossy.map(|source| NodeName::as_str(&source.name)).collect();
    if names.is_empty() {
        return;
    }
    let names = names.join(", ");
    let what = if has_checkpoint {
        "what a socket has sent is not logged (log = false): if this process dies, what no batch has committed is lost, and for what operators remember also what came after their state was last written"
    } else {
        "what a socket has sent and no batch has finished is lost if this process dies"
    };
    tracing::warn!("{what} (at most once): {names}");
}

/// Says what is not read, so that nobody waits for it.
fn warn_of_unneeded(topology: &Topology, plan: &Plan) {
    for (at, source) in topology.sources.iter().enumerate() {
        if !plan.sources.contains(&SourceId(at)) {
            tracing::warn!(
                "source {} is not opened: no sink depends on it",
                source.name
            );
        }
    }
}
