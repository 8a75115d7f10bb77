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
}

/// The word that `FilterField` looks for: of rank 100, so in nearly one of a hundred lines.
pub(super) const NEEDLE_RANK: usize = 99;

impl Workload {
    pub(super) const ALL: [Self; 5] = [
        Self::WordCount,
        Self::WordCountUncombined,
        Self::FilterField,
        Self::Identity,
        Self::Neighbours,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::WordCount => "word-count",
            Self::WordCountUncombined => "word-count-uncombined",
            Self::FilterField => "filter-field",
            Self::Identity => "identity",
            Self::Neighbours => "neighbours",
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
            Self::WordCount => "word-count",
            Self::WordCountUncombined | Self::FilterField | Self::Identity | Self::Neighbours => {
                "bench"
            }
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
            Self::Identity => (one("same", "lines", "map = \"same\""), "same"),
            Self::FilterField => {
                let filter =
                    format!("filter = \"contains\"\nsettings = {{ needle = \"{needle}\" }}");
                let filter = one("matching", "lines", &filter);
                let field = one("field", "matching", "map = \"third-field\"");
                (filter + &field, "field")
            }
        };
        let text = text.display();
        format!(
            "name = \"bench\"\nbatch-interval = \"1s\"\nparallelism = {threads}\n\n\
             [source.lines]\ntype = \"file\"\npath = \"{text}\"\nbatch-bytes = {batch_bytes}\nformat = \"text\"\n\n\
             {operators}[sink.out]\ninput = \"{last}\"\ntype = \"null\"\n"
        )
    }
}

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
