//! Topologies over several batches, made up of choices, and what each of their streams has.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::{feed::Deal, offers::Offer, reference::Batches};

/// What the rows of a stream look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text and an integer.
    Numbers,
    /// Text and text; the rows of a key stand in the order that the runtime knows, too.
    Texts,
    /// Text and a float.
    Floats,
    /// Text, and the sum of floats with how many they were.
    Sums,
    /// Plain text.
    Lines,
    /// A plain integer.
    Plain,
    /// A key and a list, or two, in whatever order.
    Lists,
    /// One list for each partition; to the reference, which knows no partitions, their items.
    Gloms,
    /// Anything else.
    Other,
}

impl Shape {
    /// The columns of a source.
    fn columns(self) -> &'static str {
        match self {
            Self::Numbers => "key = \"utf8\", value = \"int64\"",
            Self::Texts => "key = \"utf8\", value = \"utf8\"",
            Self::Floats => "key = \"utf8\", value = \"float64\"",
            Self::Lines => "value = \"utf8\"",
            Self::Plain => "value = \"int64\"",
            Self::Sums | Self::Lists | Self::Gloms | Self::Other => {
                panic!("no source has {self:?}")
            }
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// Its slide, in batches.
    pub(super) every: usize,
    pub(super) batches: Batches,
    /// It has a sink in any case.
    pub(super) watched: bool,
    /// Some operator reads it, or it is another's second output: it may go without a sink.
    pub(super) spared: bool,
}

impl Stream {
    /// It has a batch whenever it could.
    pub(super) fn is_solid(&self) -> bool {
        let due = self.batches.iter().enumerate();
        let mut due = due.filter(|(at, _)| (at + 1) % self.every == 0);
        due.all(|(_, batch)| batch.is_some())
    }

    /// Rows of its largest batch.
    pub(super) fn rows(&self) -> usize {
        let batches = self.batches.iter().flatten();
        batches.map(Vec::len).max().unwrap_or(0)
    }
}

/// A source as it was made up.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) shape: Shape,
    pub(super) batches: Batches,
    pub(super) deal: Deal,
    /// Also a sink reads it.
    pub(super) watched: bool,
}

/// A topology, and what each of its streams has.
#[derive(Clone)]
pub(super) struct Flow {
    parallelism: usize,
    /// In seconds; none: by default.
    checkpoint_interval: Option<u8>,
    /// Batches may fail, and the run goes on; then what streams have is not what is said here.
    pub(super) may_fail: bool,
    /// Sources and operators.
    toml: String,
    pub(super) sources: Vec<Source>,
    pub(super) streams: Vec<Stream>,
    /// By name, what lies beside the topology.
    pub(super) files: Vec<(String, String)>,
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.toml())?;
        for (name, text) in &self.files {
            writeln!(f, "{name}: {text:?}")?;
        }
        for (at, source) in self.sources.iter().enumerate() {
            let batches = Value::from_iter(source.batches.clone()).to_string();
            let batches: String = batches.chars().take(3_000).collect();
            writeln!(f, "s{at}: {:?}\n{batches}", source.deal)?;
        }
        Ok(())
    }
}

impl Flow {
    /// The same, whose state is written every so many seconds.
    pub(super) fn checkpointed_every(self, seconds: u8) -> Self {
        let checkpoint_interval = Some(seconds);
        Self {
            checkpoint_interval,
            ..self
        }
    }

    pub(super) fn new(sources: Vec<Source>, parallelism: usize, may_fail: bool) -> Self {
        let mut toml = String::new();
        let mut streams = Vec::new();
        for (at, source) in sources.iter().enumerate() {
            let (name, columns) = (format!("s{at}"), source.shape.columns());
            let _ = write!(
                toml,
                "[source.{name}]\ntype = \"queue\"\nschema = {{ {columns} }}\n"
            );
            streams.push(Stream {
                name,
                shape: source.shape,
                every: 1,
                batches: source.batches.clone(),
                watched: source.watched,
                spared: false,
            });
        }
        Self {
            parallelism,
            checkpoint_interval: None,
            may_fail,
            toml,
            sources,
            streams,
            files: Vec::new(),
        }
    }

    /// What must come to the same: with another parallelism, and a sink at every stream, so that no
    /// chain of steps is longer than one.
    pub(super) fn otherwise(&self) -> Self {
        let streams = self.streams.iter().map(|stream| Stream {
            watched: true,
            ..stream.clone()
        });
        Self {
            streams: streams.collect(),
            parallelism: self.parallelism % 3 + 1,
            ..self.clone()
        }
    }

    /// Streams with a sink: what has none ends no chain of steps.
    pub(super) fn watched(&self) -> Vec<&Stream> {
        let streams = self.streams.iter();
        streams.filter(|s| s.watched || !s.spared).collect()
    }

    pub(super) fn toml(&self) -> String {
        let sinks = self.watched().into_iter().map(|stream| {
            let sink = stream.name.replace('.', "-");
            format!(
                "[sink.of-{sink}]\ninput = \"{}\"\ntype = \"null\"\n",
                stream.name
            )
        });
        let interval = self.checkpoint_interval;
        let interval = interval.map(|seconds| format!("checkpoint-interval = \"{seconds}s\"\n"));
        let on_failed = ["stop", "continue"][usize::from(self.may_fail)];
        format!(
            "name = \"law\"\non-failed-batch = \"{on_failed}\"\nbatch-interval = \"1s\"\nparallelism = {}\ncheckpoint = \"x\"\n{}\
             [plugin.text]\npath = \"text.wasm\"\n[plugin.sessions]\npath = \"sessions.wasm\"\n\
             [plugin.faulty]\npath = \"faulty.wasm\"\n{}{}",
            self.parallelism,
            interval.unwrap_or_default(),
            self.toml,
            sinks.collect::<String>()
        )
    }

    /// Adds a file; its name.
    pub(super) fn add_file(&mut self, lines: &[String], suffix: &str) -> String {
        let name = format!("f{}.{suffix}", self.files.len());
        let text = lines
            .iter()
            .flat_map(|line| [line.as_str(), "\n"])
            .collect();
        self.files.push((name.clone(), text));
        name
    }

    /// Adds an operator.
    pub(super) fn add(&mut self, offer: Offer, watched: bool) {
        let name = format!("o{}", self.streams.len());
        for stream in &mut self.streams {
            stream.spared |= offer.inputs.contains(&stream.name);
        }
        let inputs = offer.inputs.join("\", \"");
        let _ = write!(
            self.toml,
            "[operator.{name}]\ninput = [\"{inputs}\"]\n{}\n",
            offer.verb
        );
        let second = offer.second.map(|(port, shape, batches)| Stream {
            name: format!("{name}.{port}"),
            shape,
            every: offer.every,
            batches,
            watched,
            spared: true,
        });
        let main = Stream {
            name,
            shape: offer.shape,
            every: offer.every,
            batches: offer.batches,
            watched,
            spared: false,
        };
        self.streams.extend([main].into_iter().chain(second));
    }
}
