//! `rsrt replay`: a batch that a run has made, once more.

mod text;

use std::{
    collections::BTreeMap,
    num::{NonZeroU32, NonZeroUsize},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use super::{
    Environment, Failure,
    loading::{self, Given, GivenPlugin, How, Loaded, State},
    logging,
    output::{self, Format},
    remote::{self, Remote},
    secret_values::SecretValues,
};
use crate::{
    checkpoint::{CheckpointError, ProgramFiles, Retained, Version},
    clock::SystemClock,
    format::parse_timestamp,
    model::{BatchTime, Location, PluginName},
    replay::{Replay, ReplayAnswer, ReplayError, Runnable, way},
    scheduler::Pool,
    topology::{self, Manifest, SecretsOf},
};

const EXAMPLES: &str = "\
Examples:
  rsrt replay counts --batch 1767225600000 --plugin new.wasm           of a deployed topology
  rsrt replay checkpoints --batch 1767225600000
  rsrt replay checkpoints --batch 2026-01-01T00:00:00Z --operator words.rejected
  rsrt replay checkpoints --batch 1767225600000 --plugin new.wasm      what would be different
  rsrt replay copy-of-checkpoints --batch 1767225600000 --base-dir /srv/words --format json

The batch is made of what the checkpoint keeps: the newest state before it, its claim, and the logged blocks;
files are read where they lie. The program that made it is kept there, too. No sink gets anything, nothing is
written, and the run that the checkpoint belongs to may go on meanwhile. `retain-batches` of the topology says
how many batches stay.

With --plugin, --topology or --set the batch is made a second time, as if that version had taken over at it; then
rows that only one of them has are shown. Rows of `print` and files are for --operator, too: they are what a
sink's stream holds.

Exit codes: 0 done, and with another version both make the same; 1 they do not, or the batch fails; 2 what was
given is wrong, such as a batch that is not kept.";

/// Make a batch of a checkpoint once more, and show what comes of it
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// A deployed topology, or the `checkpoint` of a run, or a copy of it
    #[arg(value_name = "NAME|DIR|URL")]
    of: String,
    /// The batch: milliseconds since the epoch, or ISO 8601
    #[arg(long, value_name = "TIME", value_parser = batch_time)]
    batch: BatchTime,
    /// Look at this stream instead of those of the sinks: NAME, NAME.rejected or NAME.snapshots
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// Make it by this topology, too
    #[arg(long, short, value_name = "FILE")]
    topology: Option<PathBuf>,
    #[command(flatten)]
    given: Given,
    /// Where relative paths of the kept topology start [default: at the topology given, or here]
    #[arg(long, value_name = "DIR")]
    base_dir: Option<PathBuf>,
    /// Where secrets are that no variable RSRT_SECRET_NAME has; only those of operators are needed
    #[arg(long, value_name = "FILE")]
    secrets: Option<PathBuf>,
    /// Show so many rows of each stream, at most [default: all]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// Cores that tasks may use [default: all]
    #[arg(long, value_name = "N")]
    cores: Option<NonZeroUsize>,
    #[command(flatten)]
    remote: Remote,
}

/// As `rsrt checkpoint show` prints it, or as a timestamp.
fn batch_time(text: &str) -> Result<BatchTime, String> {
    let millis = text.trim_end_matches("ms").trim();
    let time = parse_timestamp(millis).map(BatchTime::from_millis);
    time.ok_or_else(|| {
        "it is neither milliseconds since the epoch nor a time such as 2026-01-01T00:00:00Z"
            .to_owned()
    })
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let Some(name) = arguments.remote.deployed(&arguments.of, environment) else {
        return logging(environment, |environment| run_here(arguments, environment));
    };
    let given = &arguments.given;
    if arguments.topology.is_some() || !given.assignments.is_empty() {
        let failure = "a batch of a deployed topology is made with other plugins only";
        return Err(Failure::input(failure));
    }
    let replayed = remote::Replayed {
        name: &name,
        batch: arguments.batch,
        stream: arguments.operator.as_deref(),
        plugins: &given.plugins,
        rows: arguments.rows,
    };
    remote::replay(&replayed, &arguments.remote, environment)
}

fn run_here(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let location: Location = arguments.of.parse().map_err(Failure::input)?;
    let (retained, before) = Retained::at(&location, arguments.batch).map_err(Failure::input)?;
    let way = way(&retained, &before, arguments.batch);
    let mut programs = BTreeMap::new();
    let mut maker = None;
    for version in &way.versions {
        let files = kept(&retained, version, arguments.batch)?;
        let program = Program::kept(version, files.clone());
        programs.insert(version.id, program.load(arguments, environment)?);
        if retained.line(arguments.batch).maker(arguments.batch) == Some(version) {
            maker = Some((version, files));
        }
    }
    let other = match maker.filter(|_| wants_other(arguments)) {
        Some((version, files)) => {
            let other = Program::other(version, files, arguments)?;
            Some(other.load(arguments, environment)?)
        }
        None => None,
    };
    let pool = Pool::new(arguments.cores.unwrap_or_else(loading::cores));
    let pool = pool
        .map_err(|error| Failure::run(format!("the threads of the pool do not start: {error}")))?;
    let clock = SystemClock::new();
    let replay = Replay {
        retained: &retained,
        before: &before,
        programs: &programs,
        tenant: &pool.tenant(NonZeroU32::MIN),
        clock: &clock,
        stream: arguments.operator.as_deref(),
    };
    let replayed = replay.make(arguments.batch, other.as_ref()).map_err(told)?;
    let limit = arguments.rows.unwrap_or(usize::MAX);
    let answer = match arguments.remote.format() {
        Format::Text => text::text(&replayed, (&before, &way), limit).map_err(told)?,
        Format::Json => {
            let answer = ReplayAnswer::new(&replayed, (&before, way.batches), limit);
            let answer = serde_json::to_string(&answer.map_err(told)?);
            answer.map_err(Failure::run)? + "\n"
        }
    };
    output::answer(&answer)?;
    let fails = match &replayed.other {
        Some(_) => !replayed.is_equal(),
        None => replayed.made.error.is_some(),
    };
    Ok(match fails {
        false => ExitCode::SUCCESS,
        true => ExitCode::FAILURE,
    })
}

/// What is missing or does not fit was given so.
fn told(error: ReplayError) -> Failure {
    match error {
        ReplayError::Internal(_) => Failure::run(error),
        error => Failure::input(error),
    }
}

fn kept(retained: &Retained, version: &Version, batch: BatchTime) -> Result<ProgramFiles, Failure> {
    let files = retained.files(version);
    let files = files.map_err(|error: CheckpointError| Failure::input(error))?;
    files.ok_or_else(|| {
        let version = version.id;
        Failure::input(ReplayError::NotKept { version, batch })
    })
}

fn wants_other(arguments: &Arguments) -> bool {
    let given = &arguments.given;
    arguments.topology.is_some() || !given.plugins.is_empty() || !given.assignments.is_empty()
}

/// A program, before it is loaded.
struct Program {
    manifest: Result<Manifest, Failure>,
    /// Where relative paths start, if it says so itself.
    base_dir: Option<PathBuf>,
    parallelism: NonZeroUsize,
    files: ProgramFiles,
    /// Those of the command line and of the topology go before what was kept.
    is_other: bool,
}

impl Program {
    /// As it was.
    fn kept(version: &Version, files: ProgramFiles) -> Self {
        let name = format!("the topology of version {}", version.id);
        Self {
            manifest: Manifest::parse(&name, &files.text).map_err(Failure::from),
            base_dir: None,
            parallelism: parallelism(version),
            files,
            is_other: false,
        }
    }

    /// With what was given instead.
    fn other(
        version: &Version,
        files: ProgramFiles,
        arguments: &Arguments,
    ) -> Result<Self, Failure> {
        let given = &arguments.given;
        let manifest = if let Some(file) = &arguments.topology {
            loading::read(file, given)?
        } else {
            let text = topology::assign(&files.text, &given.assignments);
            let name = format!("the topology of version {} as given", version.id);
            Manifest::parse(&name, &text.map_err(Failure::input)?)?
        };
        let file = arguments.topology.as_deref();
        Ok(Self {
            manifest: Ok(manifest),
            base_dir: file.and_then(Path::parent).map(Path::to_owned),
            parallelism: parallelism(version),
            files,
            is_other: true,
        })
    }

    fn load(self, arguments: &Arguments, environment: &Environment) -> Result<Runnable, Failure> {
        let given = &arguments.given;
        let manifest = self.manifest?;
        let given_base = arguments.base_dir.clone();
        let of_topology = arguments.topology.as_deref().and_then(Path::parent);
        let base = self.base_dir.or(given_base);
        let base = base.or(of_topology.map(Path::to_owned)).unwrap_or_default();
        if self.is_other {
            all_are_called(&manifest, given, &base)?;
        }
        let (is_other, from_file) = (self.is_other, arguments.topology.is_some());
        let bytes = |plugin: &topology::Plugin| {
            let alias = plugin.alias.as_ref().map(PluginName::as_str);
            let mut plugins = given.plugins.iter().filter(|_| is_other);
            let given = plugins.find(|given| given.alias() == alias);
            let path = given.map(GivenPlugin::path);
            let path = path.or(plugin.path.as_deref().filter(|_| is_other && from_file));
            if let Some(path) = path {
                return Ok(Some((
                    path.display().to_string(),
                    loading::component(path)?,
                )));
            }
            let mut kept = self.files.plugins.iter();
            let kept = kept.find(|(known, _)| known.as_deref() == alias);
            let name = alias.unwrap_or("the default plugin").to_owned();
            Ok(kept.map(|(_, bytes)| (name, Arc::clone(bytes))))
        };
        let how = How {
            parallelism: self.parallelism,
            // Its state lies where this looks, wherever the topology says it lies.
            state: State::Dropped,
            only_reads: true,
            environment,
        };
        let file = base.join("topology");
        let loaded = loading::assemble(&file, manifest, given, bytes, how)?;
        let values = SecretValues::new(arguments.secrets.as_deref())?;
        let Loaded { launched, .. } = loading::with_secrets(loaded, &values, SecretsOf::Operators)?;
        Ok(Runnable {
            topology: launched.topology,
            plugins: launched.plugins,
        })
    }
}

fn parallelism(version: &Version) -> NonZeroUsize {
    let parallelism = usize::try_from(version.parallelism).unwrap_or(1);
    NonZeroUsize::new(parallelism).unwrap_or(NonZeroUsize::MIN)
}

/// A plugin that nobody calls would change nothing, which would look as if it made the same.
fn all_are_called(manifest: &Manifest, given: &Given, base: &Path) -> Result<(), Failure> {
    let called = manifest.plugins(base);
    let is_called = |alias: Option<&str>| {
        let mut called = called.iter();
        called.any(|plugin| plugin.alias.as_ref().map(PluginName::as_str) == alias)
    };
    let unused = given.plugins.iter().find(|given| !is_called(given.alias()));
    match unused {
        None => Ok(()),
        Some(unused) => {
            let name = unused.path().display();
            let failure = Failure::input(format!("the topology calls nothing of {name}"));
            Err(failure.hint("--plugin FILE is the default one, --plugin NAME=FILE another"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_named_as_it_is_shown_or_by_its_time() {
        for (text, millis) in [
            ("4000", Some(4_000)),
            ("4000 ms", Some(4_000)),
            ("1970-01-01T00:00:04Z", Some(4_000)),
            ("1970-01-01T00:00:04.000Z", Some(4_000)),
            ("1970-01-01T02:00:04+02:00", Some(4_000)),
            ("", None),
            ("ms", None),
            ("yesterday", None),
            ("99999999999999999999", None),
        ] {
            let time = batch_time(text).ok().map(BatchTime::as_millis);
            assert_eq!(time, millis, "{text}");
        }
    }
}
