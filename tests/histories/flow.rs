//! Topologies over several batches, made up of choices.

use std::fmt::{self, Write as _};

use serde_json::Value;

use super::reference::{self, Batches, Keeps, Window};

/// What the rows of a stream look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Text and a number.
    Numbers,
    /// Text and text; only sources.
    Texts,
    /// A key and a list, or two.
    Lists,
    /// Nothing reads it but a sink.
    Other,
}

#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// Its slide, in batches.
    every: usize,
    pub(super) batches: Batches,
}

impl Stream {
    /// It has a batch whenever it could.
    fn is_solid(&self) -> bool {
        let due = self.batches.iter().enumerate();
        let mut due = due.filter(|(at, _)| (at + 1) % self.every == 0);
        due.all(|(_, batch)| batch.is_some())
    }
}

/// A topology, and what each of its streams has.
#[derive(Clone)]
pub(super) struct Flow {
    toml: String,
    pub(super) sources: usize,
    pub(super) streams: Vec<Stream>,
}

impl fmt::Debug for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.streams[..self.sources].iter();
        let batches: Vec<_> = sources
            .map(|s| (&s.name, Value::from_iter(s.batches.clone())))
            .collect();
        write!(f, "{}\n{batches:?}", self.toml)
    }
}

impl Flow {
    /// The same, whose state is written every so many seconds.
    pub(super) fn checkpointed_every(mut self, seconds: u8) -> Self {
        let interval = format!("checkpoint = \"x\"\ncheckpoint-interval = \"{seconds}s\"");
        self.toml = self.toml.replacen("checkpoint = \"x\"", &interval, 1);
        self
    }

    /// Of sources with so many partitions each.
    pub(super) fn new(sources: Vec<(Shape, usize, Batches)>, parallelism: usize) -> Self {
        let mut toml = format!(
            "name = \"law\"\nbatch-interval = \"1s\"\nparallelism = {parallelism}\ncheckpoint = \"x\"\n[plugin.text]\npath = \"text.wasm\"\n"
        );
        let mut streams = Vec::new();
        for (at, (shape, partitions, batches)) in sources.into_iter().enumerate() {
            let kind = match shape {
                Shape::Texts => "utf8",
                _ => "int64",
            };
            let name = format!("s{at}");
            let _ = write!(
                toml,
                "[source.{name}]\ntype = \"queue\"\npartitions = {partitions}\nschema = {{ key = \"utf8\", value = \"{kind}\" }}\n"
            );
            streams.push(Stream {
                name,
                shape,
                every: 1,
                batches,
            });
        }
        Self {
            toml,
            sources: streams.len(),
            streams,
        }
    }

    /// With a sink for each stream, named after it.
    pub(super) fn toml(&self) -> String {
        let sinks = self.streams.iter().map(|stream| {
            let sink = stream.name.replace('.', "-");
            format!(
                "[sink.of-{sink}]\ninput = \"{}\"\ntype = \"null\"\n",
                stream.name
            )
        });
        self.toml.clone() + &sinks.collect::<String>()
    }

    /// Adds an operator, as these numbers choose.
    #[expect(clippy::too_many_lines, reason = "one line of thought for each verb")]
    pub(super) fn grow(&mut self, choices: &[u16]) {
        let choice = |at: usize, of: usize| usize::from(choices[at]) % of;
        let from = &self.streams[choice(0, self.streams.len())].clone();
        let every = from.every;
        let length = every * (1 + choice(1, 4));
        let slide = every * (1 + choice(2, 3));
        let window = Window { length, slide };
        let tight = Window {
            length,
            slide: slide.min(length),
        };
        let keys = |window: Window| {
            format!(
                "length = \"{}s\"\nslide = \"{}s\"",
                window.length, window.slide
            )
        };
        let input = &from.batches;
        let (numbers, lists, other) = (Shape::Numbers, Shape::Lists, Shape::Other);
        let made = match (from.shape, choice(3, 14)) {
            (Shape::Texts, _) => {
                let (timeout, checkpoint) = (1 + choice(1, 3), 1 + choice(2, 3));
                let (passed, snapshots) = reference::map_with_state(input, timeout, checkpoint);
                let verb = format!(
                    "map-with-state = \"text:changes\"\ntimeout = \"{timeout}s\"\ncheckpoint-interval = \"{checkpoint}s\""
                );
                let name = self.add(&from.name, &verb, other, 1, passed);
                self.streams.push(Stream {
                    name: format!("{name}.snapshots"),
                    shape: other,
                    every: 1,
                    batches: snapshots,
                });
                return;
            }
            (Shape::Numbers, 0) => (
                "reduce-by-key = \"std:sum\"".into(),
                numbers,
                every,
                reference::reduce_by_key(input),
            ),
            (Shape::Numbers, 1) => (
                "group-by-key = true".into(),
                lists,
                every,
                reference::group_by_key(input),
            ),
            (Shape::Numbers, 2) => (
                format!("window = true\n{}", keys(window)),
                numbers,
                slide,
                reference::window(input, window),
            ),
            (Shape::Numbers, 3) => (
                format!("reduce-by-key-and-window = \"std:sum\"\n{}", keys(window)),
                numbers,
                slide,
                reference::reduce_by_key_and_window(input, window),
            ),
            (Shape::Numbers, 4) => (
                format!("reduce-by-key-and-window = \"sum\"\n{}", keys(window)),
                numbers,
                slide,
                reference::reduce_by_key_and_window(input, window),
            ),
            (Shape::Numbers, 5) => (
                format!(
                    "reduce-by-key-and-window = \"std:sum\"\ninverse = true\n{}",
                    keys(tight)
                ),
                numbers,
                tight.slide,
                reference::inverse(input, tight),
            ),
            (Shape::Numbers, 6) => (
                format!(
                    "reduce-by-key-and-window = \"sum\"\ninverse = true\n{}",
                    keys(tight)
                ),
                numbers,
                tight.slide,
                reference::inverse(input, tight),
            ),
            (Shape::Numbers, 7) => (
                format!("count-by-window = true\n{}", keys(tight)),
                other,
                tight.slide,
                reference::count_by_window(input, tight),
            ),
            (Shape::Numbers, 8) => (
                format!("count-by-value-and-window = true\n{}", keys(tight)),
                other,
                tight.slide,
                reference::count_by_value_and_window(input, tight),
            ),
            (Shape::Numbers, 9) => (
                format!("group-by-key-and-window = true\n{}", keys(window)),
                lists,
                slide,
                reference::group_by_key_and_window(input, window),
            ),
            (Shape::Numbers, 10) => (
                "update-state-by-key = \"running\"".into(),
                numbers,
                every,
                reference::update_state(input, every),
            ),
            (Shape::Numbers, _) => return self.bring_together(from, choices),
            (Shape::Lists | Shape::Other, _) => return,
        };
        let (verb, shape, every, batches) = made;
        self.add(&from.name, &verb, shape, every, batches);
    }

    /// Adds an operator over two streams that have a batch whenever they could (spec 5.1), if there
    /// are such.
    fn bring_together(&mut self, from: &Stream, choices: &[u16]) {
        let fits = |other: &&Stream| {
            other.shape == Shape::Numbers && other.every == from.every && other.is_solid()
        };
        let others: Vec<_> = self.streams.iter().filter(fits).cloned().collect();
        if !from.is_solid() || others.is_empty() {
            return;
        }
        let other = &others[usize::from(choices[1]) % others.len()];
        let input = format!("{}\", \"{}", from.name, other.name);
        let keeps = |left, right| Keeps { left, right };
        let (left, right) = (&from.batches, &other.batches);
        let join = |keeps| (Shape::Other, reference::join(left, right, keeps));
        let (verb, (shape, batches)) = match choices[2] % 6 {
            0 => ("join", join(keeps(false, false))),
            1 => ("left-outer-join", join(keeps(true, false))),
            2 => ("right-outer-join", join(keeps(false, true))),
            3 => ("full-outer-join", join(keeps(true, true))),
            4 => ("cogroup", (Shape::Lists, reference::cogroup(left, right))),
            _ => ("union", (Shape::Numbers, reference::union(left, right))),
        };
        self.add(
            &input,
            &format!("{verb} = true"),
            shape,
            from.every,
            batches,
        );
    }

    fn add(
        &mut self,
        input: &str,
        verb: &str,
        shape: Shape,
        every: usize,
        batches: Batches,
    ) -> String {
        let name = format!("o{}", self.streams.len());
        let _ = write!(
            self.toml,
            "[operator.{name}]\ninput = [\"{input}\"]\n{verb}\n"
        );
        self.streams.push(Stream {
            name: name.clone(),
            shape,
            every,
            batches,
        });
        name
    }
}
