//! `rsrt test`: golden cases of a topology.

mod report;

use std::{fs, num::NonZeroUsize, path::PathBuf, process::ExitCode, sync::Arc};

use super::{
    Environment, Failure,
    loading::{self, Given, Loaded, State},
    output::{self, Format},
};
use crate::{
    cases::{Case, CaseFile, CaseRunner, Got, Verdict, judge},
    launch,
    scheduler::{Plan, Pool},
    topology::{Assignment, SecretsOf, Topology},
};
use report::Judged;

const EXAMPLES: &str = r#"
Examples:
  rsrt test topo.toml --plugin plugin.wasm --cases cases.json
  rsrt test topo.toml --cases cases.json --case "an empty batch" --format json

A file of cases:
  {"cases": [{
    "name": "words are counted",
    "sources": {"lines": [["a b a"], [], null]},
    "batches": 4,
    "expect": {"out": [[["a", 2], ["b", 1]], [], null, []]},
    "ordered": false,
    "restart-after": [2],
    "left-out": {"prices": [1, 0]},
    "expect-error": "part of a message"
  }]}

One list of rows per batch, null for no batch; time starts at 0, so batch i is at i times the batch
interval. Sources of any type have the given batches, then empty ones. A row is a scalar for a plain
stream, [key, value] for a pair, [key, [left, right]] for a join, an object for a record. Without
`ordered`, the rows of a batch may come in any order. With `restart-after` the process dies after each
of these batches (from 1) and another goes on from what is durable. `left-out` says how many rows an
operator with `on-error` skips or makes dead letters of, batch by batch. With `expect-error` an error must come, at load
or in a batch, and batches that did not fail are still compared. Secrets of operators have the values of
"secrets": {"NAME": "VALUE"}, beside "cases".

Exit codes: 0 all cases passed, 1 one failed, 2 what was given is wrong."#;

/// Cases may run on any machine, so what they get must not depend on its cores.
const PARALLELISM: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// Test a topology with golden cases
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The topology
    #[arg(value_name = "TOPOLOGY")]
    topology: PathBuf,
    #[command(flatten)]
    given: Given,
    /// The cases
    #[arg(long, value_name = "FILE.json")]
    cases: PathBuf,
    /// Only the case of this name
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// How the result is written, on standard output
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Partitions after a shuffle, whatever the topology says
    #[arg(long, value_name = "N")]
    parallelism: Option<NonZeroUsize>,
    /// Do not combine by key inside plugins
    #[arg(long)]
    no_fusion: bool,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    let file = read_cases(arguments)?;
    let mut given = arguments.given.clone();
    if let Some(parallelism) = arguments.parallelism {
        let assignment = format!("parallelism={parallelism}").parse::<Assignment>();
        given.assignments.push(assignment.map_err(Failure::input)?);
    }
    let judged = match loading::load(
        &arguments.topology,
        &given,
        PARALLELISM,
        State::Dropped,
        environment,
    )
    .and_then(loading::check_initial)
    .and_then(|loaded| loading::with_secrets(loaded, &file, SecretsOf::Operators))
    {
        Ok(loaded) => run_cases(file, loaded, arguments)?,
        Err(failure) => judge_load(file, failure)?,
    };
    let text = match arguments.format {
        Format::Text => report::text(&judged),
        Format::Json => format!("{}\n", report::json(&judged)),
    };
    output::answer(&text)?;
    Ok(match judged.iter().all(Judged::is_passed) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn read_cases(arguments: &Arguments) -> Result<CaseFile, Failure> {
    let path = arguments.cases.display();
    let text = fs::read(&arguments.cases)
        .map_err(|error| Failure::input(format!("cannot read cases {path}: {error}")))?;
    let mut file =
        CaseFile::parse(&text).map_err(|error| Failure::input(format!("{path}: {error}")))?;
    if let Some(name) = &arguments.case {
        let names: Vec<String> = file
            .cases
            .iter()
            .map(|case| format!("{:?}", case.name))
            .collect();
        file.cases.retain(|case| case.name == *name);
        if file.cases.is_empty() {
            return Err(Failure::input(format!("{path} has no case {name:?}"))
                .hint(format!("there are {}", names.join(", "))));
        }
    }
    Ok(file)
}

fn run_cases(
    file: CaseFile,
    loaded: Loaded,
    arguments: &Arguments,
) -> Result<Vec<Judged>, Failure> {
    let launch::Loaded {
        topology, plugins, ..
    } = loaded.launched;
    let path = arguments.cases.display();
    let fit = |entry| Case::new(entry, &topology);
    let cases: Result<Vec<Case>, _> = file.cases.into_iter().map(fit).collect();
    let cases = cases.map_err(|error| Failure::input(format!("{path}: {error}")))?;
    let plan = Plan::with_fusion(&topology, !arguments.no_fusion);
    let pool = Pool::new(loading::cores())
        .map_err(|error| Failure::run(format!("the threads of the pool do not start: {error}")))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::run(format!("the thread for batches does not start: {error}")))?;
    let runner = CaseRunner::new(topology.clone(), plan, plugins, pool);
    let judged = cases.into_iter().map(|case| {
        let got = runtime.block_on(runner.run(&case));
        judged(&case, &got, &topology)
    });
    Ok(judged.collect())
}

fn judged(case: &Case, got: &Got, topology: &Arc<Topology>) -> Judged {
    Judged {
        name: case.name.clone(),
        batches: got.batches.len(),
        sinks: topology
            .sinks
            .iter()
            .map(|sink| sink.name.to_string())
            .collect(),
        verdict: judge(case, got),
    }
}

/// The topology or a plugin does not load: wrong input, unless that is what cases expect.
fn judge_load(file: CaseFile, failure: Failure) -> Result<Vec<Judged>, Failure> {
    if file.cases.iter().all(|case| case.expect_error.is_none()) {
        return Err(failure);
    }
    let error = failure.lines().join("\n");
    let judged = file.cases.into_iter().map(|entry| {
        let case = Case {
            name: entry.name.clone(),
            sources: Vec::new(),
            batches: 0,
            expect: Vec::new(),
            ordered: false,
            restart_after: Vec::new(),
            left_out: std::collections::BTreeMap::new(),
            expect_error: entry.expect_error,
        };
        let got = Got {
            load_error: Some(error.clone()),
            ..Got::default()
        };
        let verdict: Verdict = judge(&case, &got);
        Judged {
            name: entry.name,
            batches: 0,
            sinks: Vec::new(),
            verdict,
        }
    });
    Ok(judged.collect())
}
