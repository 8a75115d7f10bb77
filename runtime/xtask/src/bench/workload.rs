//! What is measured: for each workload a topology, and the plugin it needs.

use std::path::Path;

/// A workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workload {
    /// Lines to counts of words, combined in the sandbox.
    WordCount,
    /// The same, but every word comes out of the sandbox.
    WordCountUncombined,
    /// Lines that hold a word, and their third field.
    FilterField,
    /// Lines to the same lines.
    Identity,
    /// A flat-map of a kind that nothing else has: neighbouring words to (int64, float64).
    Neighbours,
    /// Words counted since the beginning: all counts come out with each batch.
    RunningCount,
    /// Words counted over ten batches, each time; what leaves is taken out.
    WindowInverse,
    /// The same, reduced anew.
    Window,
    /// Two streams of 100,000 rows a batch, joined by a number.
    Join,
}

/// What a workload reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// Lines of words.
    Text,
    /// Lines of two numbers.
    Pairs,
}

/// Of a line of two numbers.
pub(super) const PAIR_BYTES: u64 = 16;

/// The word that `FilterField` looks for: of rank 100, so in nearly one of a hundred lines.
pub(super) const NEEDLE_RANK: usize = 99;

impl Workload {
    pub(super) const ALL: [Self; 9] = [
        Self::WordCount,
        Self::WordCountUncombined,
        Self::FilterField,
        Self::Identity,
        Self::Neighbours,
        Self::RunningCount,
        Self::WindowInverse,
        Self::Window,
        Self::Join,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WordCount => "word-count",
            Self::WordCountUncombined => "word-count-uncombined",
            Self::FilterField => "filter-field",
            Self::Identity => "identity",
            Self::Neighbours => "neighbours",
            Self::RunningCount => "running-count",
            Self::WindowInverse => "window-inverse",
            Self::Window => "window",
            Self::Join => "join",
        }
    }

    /// For the table.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::WordCount => "word count",
            Self::WordCountUncombined => "word count, no map-side combine",
            Self::FilterField => "filter + field",
            Self::Identity => "identity",
            Self::Neighbours => "unknown flat-map, combined",
            Self::RunningCount => "running count over 100,000 keys",
            Self::WindowInverse => "window 10/1 with inverse",
            Self::Window => "window 10/1 without inverse",
            Self::Join => "join of two 100,000-row batches",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|workload| workload.name() == name)
    }

    /// A folder of `plugins/`.
    pub(super) fn plugin(self) -> &'static str {
        match self {
            Self::WordCount
            | Self::RunningCount
            | Self::WindowInverse
            | Self::Window
            | Self::Join => "word-count",
            Self::WordCountUncombined | Self::FilterField | Self::Identity | Self::Neighbours => {
                "bench"
            }
        }
    }

    pub(super) fn input(self) -> Input {
        match self {
            Self::Join => Input::Pairs,
            _ => Input::Text,
        }
    }

    /// Of one batch of one source.
    pub(super) fn batch_bytes(self) -> u64 {
        match self {
            Self::Join => 100_000 * PAIR_BYTES,
            _ => 10_000_000,
        }
    }

    /// The topology that does it: lines of a file to a sink that drops them.
    pub(super) fn topology(
        self,
        text: &Path,
        batch_bytes: u64,
        threads: usize,
        needle: &str,
    ) -> String {
        let (operators, last) = match self {
            Self::WordCount => (reduced("split", "sum"), "counts"),
            Self::WordCountUncombined => (reduced("words", "std:sum"), "counts"),
            Self::Neighbours => (reduced("neighbours", "add"), "counts"),
            Self::RunningCount => {
                let new = reduced("split", "sum");
                let running = one("running", "counts", "update-state-by-key = \"running\"");
                (new + &running, "running")
            }
            Self::WindowInverse => (windowed("inverse = true"), "counts"),
            Self::Window => (windowed(""), "counts"),
            Self::Join => {
                let right = source("others", text, batch_bytes, PAIRS);
                let join = one("joined", "lines", "with = \"others\"\njoin = true");
                (right + &join, "joined")
            }
            Self::Identity => (one("same", "lines", "map = \"same\""), "same"),
            Self::FilterField => {
                let filter =
                    format!("filter = \"contains\"\nsettings = {{ needle = \"{needle}\" }}");
                let filter = one("matching", "lines", &filter);
                let field = one("field", "matching", "map = \"third-field\"");
                (filter + &field, "field")
            }
        };
        let format = match self.input() {
            Input::Text => "format = \"text\"",
            Input::Pairs => PAIRS,
        };
        let lines = source("lines", text, batch_bytes, format);
        let checkpoint = match self {
            Self::RunningCount | Self::WindowInverse => CHECKPOINT,
            _ => "",
        };
        format!(
            "name = \"bench\"\nbatch-interval = \"1s\"\nparallelism = {threads}\n{checkpoint}\n\
             {lines}{operators}[sink.out]\ninput = \"{last}\"\ntype = \"null\"\n"
        )
    }
}

/// What keeps state writes it down, as it would for anybody.
pub(super) const CHECKPOINT: &str = "checkpoint = \"checkpoint\"\n";

const PAIRS: &str = "format = \"csv\"\nschema = { key = \"int64\", value = \"int64\" }";

fn source(name: &str, file: &Path, batch_bytes: u64, format: &str) -> String {
    let file = file.display();
    format!(
        "[source.{name}]\ntype = \"file\"\npath = \"{file}\"\nbatch-bytes = {batch_bytes}\n{format}\n\n"
    )
}

/// Counts of words over ten batches.
fn windowed(inverse: &str) -> String {
    let window = format!("reduce-by-key-and-window = \"sum\"\nlength = \"10s\"\n{inverse}");
    one("words", "lines", "flat-map = \"split\"") + &one("counts", "words", &window)
}

/// A sum for each key, over records that touch some of them.
pub(super) fn touched(records: &Path) -> String {
    let records = source("records", records, TOUCHED_BYTES, PAIRS);
    let sums = one("sums", "records", "map-with-state = \"total\"");
    format!(
        "name = \"bench\"\nbatch-interval = \"1s\"\nparallelism = 1\n{CHECKPOINT}\n\
         {records}{sums}[sink.out]\ninput = \"sums\"\ntype = \"null\"\n"
    )
}

/// Of a batch of records for [`touched`].
const TOUCHED_BYTES: u64 = 10_000 * PAIR_BYTES;

/// So many maps in a row, over batches of one line.
pub(super) fn chain(operators: u32, text: &Path) -> String {
    let mut topology = format!(
        "name = \"bench\"\nbatch-interval = \"1s\"\nparallelism = 1\n\n\
         [source.lines]\ntype = \"file\"\npath = \"{}\"\nbatch-bytes = 1\n\n",
        text.display()
    );
    let mut input = "lines".to_owned();
    for number in 0..operators {
        let name = format!("same-{number}");
        topology += &one(&name, &input, "map = \"same\"");
        input = name;
    }
    topology + &format!("[sink.out]\ninput = \"{input}\"\ntype = \"null\"\n")
}

fn one(name: &str, input: &str, verb: &str) -> String {
    format!("[operator.{name}]\ninput = \"{input}\"\n{verb}\n\n")
}

fn reduced(flat_map: &str, reduce: &str) -> String {
    one("words", "lines", &format!("flat-map = \"{flat_map}\""))
        + &one("counts", "words", &format!("reduce-by-key = \"{reduce}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_reads_from_link_to_link() {
        let topology = chain(2, Path::new("/text"));
        let links = [
            "input = \"lines\"",
            "input = \"same-0\"",
            "input = \"same-1\"",
        ];
        for link in links {
            assert!(topology.contains(link), "{topology}");
        }
    }

    #[test]
    fn every_workload_is_known_by_its_name_and_has_a_topology() {
        for workload in Workload::ALL {
            assert_eq!(Workload::named(workload.name()), Some(workload));
            let topology = workload.topology(Path::new("/text"), 10, 2, "abc");
            assert!(
                topology.contains("path = \"/text\"\nbatch-bytes = 10"),
                "{topology}"
            );
            assert!(topology.contains("[sink.out]"), "{topology}");
        }
    }
}
