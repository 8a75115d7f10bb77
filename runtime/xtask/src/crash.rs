//! `cargo xtask crash`: a run is killed again and again, and at the end every batch is there once.
//!
//! The child is killed with SIGKILL, half of the time after a random while, half at a named point
//! before or after a write, sync, rename or removal, and then started again. After each death, what
//! is in place must be what an undisturbed run puts there; at the end all of it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    command::Failed,
    repository::{Host, Repository},
};

/// How often a process is killed when nothing else is said.
const CRASHES: u64 = 40;
/// Deaths of one stream before it is left to finish.
const DEATHS: u64 = 5;

const POINTS: [&str; 16] = [
    "disk-append-before",
    "disk-append-after",
    "disk-sync-before",
    "disk-sync-after",
    "disk-rename-before",
    "disk-rename-after",
    "disk-remove-before",
    "disk-remove-after",
    "disk-names-before",
    "disk-names-after",
    "file-sync-before",
    "file-sync-after",
    "file-rename-before",
    "file-rename-after",
    "sinks-before",
    "sinks-after",
];

const TOPOLOGY: &str = r#"
name = "crash"
batch-interval = "1s"
parallelism = 2
checkpoint = "checkpoint"
checkpoint-interval = "4s"

[source.lines]
type = "file"
path = "in.txt"
batch-bytes = "600B"

[operator.words]
input = "lines"
flat-map = "split"

[operator.totals]
input = "words"
update-state-by-key = "running"

[operator.recent]
input = "words"
reduce-by-key-and-window = "std:sum"
length = "5s"
inverse = true

[operator.last-lines]
input = "lines"
window = "2s"

[sink.totals-out]
input = "totals"
type = "text-files"
path = "out/totals"

[sink.recent-out]
input = "recent"
type = "json-files"
path = "out/recent"

[sink.lines-out]
input = "last-lines"
type = "text-files"
path = "out/lines"
"#;

pub(crate) fn run(options: &[&str]) -> Result<(), Failed> {
    let (mut crashes, mut seed) = (CRASHES, 1);
    let mut words = options.iter();
    while let Some(option) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{option} needs a number"))?;
        match *option {
            "--crashes" => crashes = value.parse()?,
            "--seed" => seed = value.parse()?,
            other => {
                return Err(Failed(format!(
                    "no option {other}: there are --crashes and --seed"
                )));
            }
        }
    }
    let repository = Repository::find()?;
    let host = repository.failing_host()?;
    let plugin = repository.build_plugin(&host, "word-count")?;
    let folder = repository.fresh_folder("crash")?;
    let expected = undisturbed(&host, &plugin, &folder.join("undisturbed"))?;
    let mut random = Random(seed);
    let (mut killed, mut at_points, mut streams) = (0, 0, 0);
    while killed < crashes {
        let place = folder.join(format!("stream-{streams}"));
        prepare(&place)?;
        let mut deaths = 0;
        while deaths < DEATHS && killed < crashes {
            let mut child = command(&host, &plugin, &place);
            let at_point = random.below(2) == 0;
            if at_point {
                let point = POINTS[usize::try_from(random.below(POINTS.len() as u64))?];
                let passes = random.below(40);
                child.env("FAILPOINTS", format!("{point}={passes}*off->return"));
            }
            let mut child = child.spawn()?;
            if !at_point {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a random moment is what is wanted"
                )]
                thread::sleep(Duration::from_millis(5 + random.below(120)));
                child.kill()?;
            }
            let died = child.wait()?.code().is_none();
            partly(&place, &expected)?;
            if !died {
                break; // it was done before anybody killed it
            }
            deaths += 1;
            killed += 1;
            at_points += u64::from(at_point);
        }
        let ended = command(&host, &plugin, &place).status()?;
        if !ended.success() {
            return Err(Failed(format!(
                "{} does not go on: {ended}",
                place.display()
            )));
        }
        if outputs(&place)? != expected {
            return Err(Failed(format!(
                "{} has other batches than an undisturbed run",
                place.display()
            )));
        }
        fs::remove_dir_all(&place)?;
        streams += 1;
    }
    println!(
        "{killed} crashes of {streams} streams, {at_points} of them at named points: every batch is there once"
    );
    Ok(())
}

fn command(host: &Host, plugin: &Path, place: &Path) -> Command {
    let mut rsrt = host.command();
    rsrt.args(["run", "--quiet", "--topology", "topo.toml"])
        .arg(plugin)
        .current_dir(place)
        .stdout(Stdio::null());
    rsrt
}

fn prepare(place: &Path) -> Result<(), Failed> {
    fs::create_dir_all(place)?;
    fs::write(place.join("topo.toml"), TOPOLOGY)?;
    let lines = (0..1_500_u32).map(|at| format!("w{} w{}\n", at % 7, at * at % 31));
    fs::write(place.join("in.txt"), lines.collect::<String>())?;
    Ok(())
}

/// What files hold, by sink and batch (counted from the sink's first), then by name.
type Outputs = BTreeMap<(String, i64), BTreeMap<String, Vec<u8>>>;

fn undisturbed(host: &Host, plugin: &Path, place: &Path) -> Result<Outputs, Failed> {
    prepare(place)?;
    let ended = command(host, plugin, place).status()?;
    if !ended.success() {
        return Err(Failed(format!("the undisturbed run failed: {ended}")));
    }
    let outputs = outputs(place)?;
    match outputs.len() {
        ..30 => Err(Failed(format!("only {} batches", outputs.len()))),
        _ => Ok(outputs),
    }
}

fn outputs(place: &Path) -> Result<Outputs, Failed> {
    let mut found: BTreeMap<(String, i64), PathBuf> = BTreeMap::new();
    let Ok(directories) = fs::read_dir(place.join("out")) else {
        return Ok(Outputs::new());
    };
    for directory in directories {
        let path = directory?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // What begins with a dot is not in place yet.
        if let Some((sink, time)) = name.rsplit_once('-').filter(|_| !name.starts_with('.')) {
            found.insert((sink.to_owned(), time.parse()?), path);
        }
    }
    let mut first = BTreeMap::new();
    let mut outputs = Outputs::new();
    for ((sink, time), path) in found {
        let zero = *first.entry(sink.clone()).or_insert(time);
        let mut files = BTreeMap::new();
        for file in fs::read_dir(path)? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            files.insert(name, fs::read(file.path())?);
        }
        outputs.insert((sink, (time - zero) / 1_000), files);
    }
    Ok(outputs)
}

/// Each batch that is there is as it should be, and none before it is missing.
fn partly(place: &Path, expected: &Outputs) -> Result<(), Failed> {
    for ((sink, batch), files) in outputs(place)? {
        if expected.get(&(sink.clone(), batch)) != Some(&files) {
            let place = place.display();
            return Err(Failed(format!(
                "{place}: batch {batch} of {sink} is another"
            )));
        }
    }
    Ok(())
}

/// Numbers that look random, the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}
