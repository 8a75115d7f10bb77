//! `cargo xtask bench`: what the sandbox and the batches cost, against loops written by hand.
//!
//! One table from one run. Each figure is the median of several processes, host and loop in turns,
//! so that a busy moment hits both. CPU time is what counts: it depends least on what else runs.

mod measure;
pub(crate) mod native;
mod options;
mod report;
mod text;
mod workload;

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use measure::{Cost, measure, median};
use options::Options;
use report::{Fixed, Throughput, fixed_table, throughput_table};
use workload::{Input, NEEDLE_RANK, PAIR_BYTES, Workload};

use crate::{
    command::{Failed, execute},
    repository::{Host, Repository},
};

/// One-line batches of the shorter run whose CPU time is compared with one twice as long.
const BATCHES: u64 = 10_000;

pub(crate) fn run(arguments: &[&str]) -> Result<(), Failed> {
    let options = Options::parse(arguments)?;
    let repository = Repository::find()?;
    let host = repository.release_host()?;
    // This program is compiled without optimisation, but its loops must not be.
    execute(&mut repository.cargo(&["build", "--release", "--package", "xtask"]))?;
    let bench = Bench {
        folder: repository.target.join("bench"),
        native: repository.target.join("release/xtask"),
        needle: text::word(NEEDLE_RANK),
        repository,
        host,
    };
    for plugin in ["word-count", "bench"] {
        bench.repository.build_plugin(&bench.host, plugin)?;
    }
    let text = bench.text(options.megabytes)?;
    let pairs = bench.pairs(options.megabytes * 1_000_000 / (2 * PAIR_BYTES), 100_000)?;
    let mut rows = Vec::new();
    for workload in &options.workloads {
        for threads in &options.threads {
            let input = match workload.input() {
                Input::Text => &text,
                Input::Pairs => &pairs,
            };
            rows.push(bench.throughput(*workload, *threads, input, options.runs)?);
        }
    }
    let fixed = bench.fixed(options.runs)?;

    let tables = format!(
        "{}\n{}\n{}",
        heading(&options),
        throughput_table(&rows),
        fixed_table(&fixed)
    );
    print!("{tables}");
    if let Some(path) = options.output {
        fs::write(&path, tables).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// `generate FILE BYTES`: in a process of its own, compiled for speed.
pub(crate) fn generate(arguments: &[&str]) -> Result<(), Failed> {
    let [file, bytes] = arguments else {
        return Err(Failed("generate FILE BYTES".to_owned()));
    };
    let part = Path::new(file).with_extension("part");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&part)?);
    text::write(&mut out, bytes.parse()?)?;
    out.flush()?;
    fs::rename(part, file)?;
    Ok(())
}

struct Bench {
    repository: Repository,
    host: Host,
    native: PathBuf,
    /// Where texts and topologies lie.
    folder: PathBuf,
    needle: String,
}

impl Bench {
    /// The text, made once.
    fn text(&self, megabytes: u64) -> Result<PathBuf, Failed> {
        fs::create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("text-{megabytes}MB.txt"));
        if !path.is_file() {
            let mut generate = Command::new(&self.native);
            generate.arg("generate").arg(&path);
            execute(generate.arg((megabytes * 1_000_000).to_string()))?;
        }
        Ok(path)
    }

    fn throughput(
        &self,
        workload: Workload,
        threads: usize,
        text: &Path,
        runs: usize,
    ) -> Result<Throughput, Failed> {
        let mut rsrt = self.rsrt(workload, text, workload.batch_bytes(), threads)?;
        let mut native = Command::new(&self.native);
        native.args(["native", workload.name()]).arg(text);
        let batch_bytes = workload.batch_bytes().to_string();
        native.args([&batch_bytes, &threads.to_string(), &self.needle]);
        measure(&mut rsrt)?; // compiles the plugin into the cache, reads the text into memory
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for run in 1..=runs {
            eprint!("\r{}, {threads} threads: {run}/{runs} ", workload.name());
            ours.push(measure(&mut rsrt)?);
            theirs.push(measure(&mut native)?);
        }
        eprintln!();
        Ok(Throughput {
            workload,
            threads,
            bytes: fs::metadata(text)?.len()
                * match workload.input() {
                    Input::Text => 1,
                    Input::Pairs => 2, // the file is both sides of the join
                },
            rsrt: median(&ours),
            native: median(&theirs),
        })
    }

    /// So many lines of two numbers, whose keys are below `keys`; made once.
    fn pairs(&self, lines: u64, keys: u64) -> Result<PathBuf, Failed> {
        let path = self.folder.join(format!("pairs-{lines}-{keys}.csv"));
        if !path.is_file() {
            let part = path.with_extension("part");
            let mut out = BufWriter::with_capacity(1 << 20, File::create(&part)?);
            text::pairs(&mut out, lines, keys)?;
            out.flush()?;
            fs::rename(part, &path)?;
        }
        Ok(path)
    }

    /// CPU time of a batch of 10,000 records for `map-with-state` once so many keys are known.
    fn touched(&self, keys: u64, runs: usize) -> Result<Duration, Failed> {
        const BATCHES: u32 = 100;
        let cost = |batches: u64| {
            eprintln!("{keys} keys, then {batches} batches of 10000 records");
            let records = self.pairs(keys + batches * 10_000, keys)?;
            let topology = self.folder.join(format!("touched-{keys}-{batches}.toml"));
            fs::write(&topology, workload::touched(&records))?;
            let mut rsrt = self.run("bench", &topology, 1);
            let costs: Result<Vec<Cost>, _> = (0..runs).map(|_| measure(&mut rsrt)).collect();
            Ok::<_, Failed>(median(&costs?))
        };
        let (known, more) = (cost(0)?, cost(u64::from(BATCHES))?);
        Ok(more.cpu.saturating_sub(known.cpu) / BATCHES)
    }

    /// What a batch costs that has next to nothing in it.
    fn fixed(&self, runs: usize) -> Result<Fixed, Failed> {
        let batches = |batches: u64, runs: usize| {
            eprintln!("{batches} one-line batches");
            let text = self.folder.join(format!("lines-{batches}.txt"));
            fs::write(
                &text,
                "one line of text\n".repeat(usize::try_from(batches)?),
            )?;
            let mut rsrt = self.rsrt(Workload::WordCount, &text, 1, 1)?;
            let costs: Result<Vec<Cost>, _> = (0..runs).map(|_| measure(&mut rsrt)).collect();
            Ok::<_, Failed>(median(&costs?))
        };
        let one = batches(1, runs)?;
        let short = batches(BATCHES, runs)?;
        let long = batches(2 * BATCHES, runs)?;
        let memory = |count| Ok::<_, Failed>((count, batches(count, 1)?.peak_memory));
        let difference = long.cpu.saturating_sub(short.cpu).as_secs_f64();
        Ok(Fixed {
            batch: Duration::from_secs_f64(difference / BATCHES as f64),
            operator: self.operator(runs)?,
            memory_after: vec![memory(1_000)?, memory(100_000)?],
            touched: [10_000, 1_000_000]
                .into_iter()
                .map(|keys| Ok((keys, self.touched(keys, runs)?)))
                .collect::<Result<_, Failed>>()?,
            one_line: one.wall,
        })
    }

    /// What one more operator of a plugin costs in a batch of one line: an instance made, called
    /// once and dropped.
    fn operator(&self, runs: usize) -> Result<Duration, Failed> {
        const MORE: u32 = 20;
        let text = self.folder.join(format!("lines-{BATCHES}.txt"));
        let chain = |operators: u32| {
            eprintln!("{BATCHES} one-line batches through {operators} operators");
            let topology = self.folder.join(format!("chain-{operators}.toml"));
            fs::write(&topology, workload::chain(operators, &text))?;
            let mut rsrt = self.run("bench", &topology, 1);
            let costs: Result<Vec<Cost>, _> = (0..runs).map(|_| measure(&mut rsrt)).collect();
            Ok::<_, Failed>(median(&costs?))
        };
        let (short, long) = (chain(1)?, chain(1 + MORE)?);
        let difference = long.cpu.saturating_sub(short.cpu).as_secs_f64();
        let operators = BATCHES as f64 * f64::from(MORE);
        Ok(Duration::from_secs_f64(difference / operators))
    }

    fn rsrt(
        &self,
        workload: Workload,
        text: &Path,
        batch_bytes: u64,
        threads: usize,
    ) -> Result<Command, Failed> {
        let stem = text.file_stem().unwrap_or_default().to_string_lossy();
        let name = format!("{}-{threads}-{stem}.toml", workload.name());
        let topology = self.folder.join(name);
        fs::write(
            &topology,
            workload.topology(text, batch_bytes, threads, &self.needle),
        )?;
        Ok(self.run(workload.plugin(), &topology, threads))
    }

    fn run(&self, plugin: &str, topology: &Path, threads: usize) -> Command {
        let mut rsrt = self.host.command();
        rsrt.arg("run").arg(self.repository.component(plugin));
        rsrt.arg("--topology").arg(topology);
        rsrt.args(["--quiet", "--cores", &threads.to_string()]);
        let text = fs::read_to_string(topology).unwrap_or_default();
        if text.contains(workload::CHECKPOINT) {
            rsrt.arg("--fresh"); // each run makes all batches
        }
        rsrt
    }
}

/// What was measured, where.
fn heading(options: &Options) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(": ")?.1.to_owned())
        })
        .unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (megabytes, runs) = (options.megabytes, options.runs);
    format!(
        "{megabytes} MB of generated text, batches of 10 MB, median of {runs}; {cpu}, {cores} cores\n"
    )
}
