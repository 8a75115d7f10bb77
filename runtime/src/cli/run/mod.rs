//! `rsrt run`: a topology in this process, until its sources end or someone stops it.

mod host;
mod narrator;
mod signals;
mod summary;
mod watch;

use std::{
    num::{NonZeroU64, NonZeroUsize},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use super::{
    Environment, Failure,
    console::Console,
    loading::{self, Given, GivenPlugin, Loaded, State},
    output::Format,
    secret_values::SecretValues,
};
use crate::{
    checkpoint::ProgramFiles,
    launch::{self, Options, Purpose},
    stream::Shadow,
    telemetry::{self, LogFilter},
    topology::{self, SecretsOf},
};
use host::Host;
use summary::How;

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
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag that can be given"
)]
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
    batches: Option<NonZeroU64>,
    /// Move the old checkpoint aside and start anew
    #[arg(long)]
    fresh: bool,
    /// Stop gracefully after so long, such as 30s or 5m
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// Abort a graceful stop that takes longer, such as 30s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    stop_timeout: Option<Duration>,
    /// Where secrets are that no variable RSRT_SECRET_NAME has; see `rsrt secret`
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// Swap in the topology and its plugins when their files change, while the stream runs
    #[arg(long)]
    watch: bool,
    /// With --watch: a version that loses state may take over, too
    #[arg(long, requires = "watch")]
    accept_state_loss: bool,
    /// With --watch: a version runs beside the running one for N batches first, without effect, and
    /// takes over if its sinks would get the same
    #[arg(long, value_name = "N", requires = "watch")]
    shadow: Option<NonZeroU64>,
    /// With --shadow: so many rows may differ
    #[arg(long, value_name = "ROWS", requires = "shadow", default_value_t = 0)]
    max_diff: u64,
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
        Format::Text if arguments.quiet || summary.how == How::Unread => {}
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
    let file = &arguments.topology;
    let loaded = loading::load(file, &given, cores, State::Kept, environment)?;
    let loaded = loading::check_initial(loaded)?;
    let values = SecretValues::new(arguments.secrets.as_deref())?;
    let loaded = loading::with_secrets(loaded, &values, SecretsOf::Everything)?;
    let host = Host::start(cores, console)?;
    host.stop_as(arguments)?;
    let base_dir = file.parent().unwrap_or(Path::new(""));
    let place = launch::place(
        &loaded.launched.topology,
        base_dir,
        arguments.fresh,
        host.clock(),
    )?;
    let options = Options {
        fusion: !arguments.no_fusion,
        batches: arguments.batches.map(Into::into),
    };
    let mut recovered = None;
    while let (Some(place), None) = (&place, &recovered) {
        // One version after the other, each what it has claimed.
        let Some(kept) = launch::pending(place, &loaded.launched.files)? else {
            break;
        };
        let earlier = loading::load_kept(file, &kept, &given, cores, environment)?;
        let earlier = loading::with_secrets(earlier, &values, SecretsOf::Everything)?;
        let ended = host.run(earlier, Some(place), (Purpose::Recover, options))?;
        recovered = Some(ended).filter(|ended| ended.how != How::Stopped || host.is_asked());
    }
    let files = files(file, &given, &loaded);
    let run = |loaded: Loaded| match arguments.watch {
        true => {
            let watched = watch::Watched::new(files.iter().map(PathBuf::as_path));
            let again = Again {
                file: file.clone(),
                secrets: arguments.secrets.clone(),
                environment: environment.clone(),
                accepts_loss: arguments.accept_state_loss,
                shadow: arguments.shadow.map(|batches| Shadow {
                    batches: batches.get(),
                    max_diff: arguments.max_diff,
                }),
                given: given.clone(),
                cores,
                options,
            };
            host.run_watched(loaded, place.as_ref(), watched, again)
        }
        false => host.run(loaded, place.as_ref(), (Purpose::Run, options)),
    };
    let mut ended = match recovered {
        Some(ended) => ended,
        None => run(loaded)?,
    };
    while let (Some(place), true) = (&place, ended.run.went_back) {
        // An earlier run had left the version behind that is gone now.
        let Some(kept) = ProgramFiles::kept(place).map_err(Failure::input)? else {
            break;
        };
        let before = loading::load_kept(file, &kept, &given, cores, environment)?;
        let before = loading::with_secrets(before, &values, SecretsOf::Everything)?;
        ended = run(before)?;
    }
    host.end();
    let code = match ended.how {
        How::Aborted | How::Failed => ExitCode::FAILURE,
        How::Exhausted | How::Stopped | How::Unread => ExitCode::SUCCESS,
    };
    Ok((ended, code))
}

/// All that the topology is made of.
fn files(topology: &Path, given: &Given, loaded: &Loaded) -> Vec<PathBuf> {
    let plugins = loaded.launched.topology.plugins.iter();
    let plugins = plugins.filter_map(|plugin| plugin.path.as_deref());
    let default = given.plugins.iter().map(GivenPlugin::path);
    [topology]
        .into_iter()
        .chain(plugins)
        .chain(default)
        .map(Path::to_owned)
        .collect()
}

/// Loads the topology as it was loaded at first, from the files as they are now.
struct Again {
    file: PathBuf,
    given: Given,
    cores: NonZeroUsize,
    secrets: Option<PathBuf>,
    environment: Environment,
    accepts_loss: bool,
    shadow: Option<Shadow>,
    options: Options,
}

impl Again {
    fn load(&self) -> Result<Loaded, Failure> {
        let (file, environment) = (&self.file, &self.environment);
        let loaded = loading::load(file, &self.given, self.cores, State::Kept, environment)?;
        let loaded = loading::check_initial(loaded)?;
        let values = SecretValues::new(self.secrets.as_deref())?;
        loading::with_secrets(loaded, &values, SecretsOf::Everything)
    }
}

/// A duration as topologies write it.
fn duration(text: &str) -> Result<Duration, String> {
    topology::parse_duration(text).map_err(|invalid| format!("it {invalid}"))
}
