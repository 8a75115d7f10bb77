//! What is run and killed: topologies that together have every source, sink and state that promises
//! something.

/// Lines that sources which wait for others are given.
pub(super) const LINES: usize = 240;

/// A topology, and how it is fed.
pub(super) struct Flow {
    pub(super) name: &'static str,
    /// Of `plugins/`; none: it needs none.
    pub(super) plugin: Option<&'static str>,
    pub(super) fed: Fed,
    pub(super) table: Option<Table>,
    /// Points that other flows do not come to.
    pub(super) points: &'static [&'static str],
    topology: &'static str,
}

/// Where rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fed {
    /// From a file: time is virtual, and two runs make the same batches.
    File,
    /// Files appear in a directory.
    Directory,
    /// From whoever has a connection; what was sent cannot be asked for again.
    Socket,
    /// From someone who waits until each block is acknowledged, and then forgets it.
    Acknowledged,
}

/// A sink that is no file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Sqlite,
    Postgres,
}

impl Table {
    /// The sink, and the files that have the same rows.
    pub(super) const NAME: &str = "table";
    pub(super) const TWIN: &str = "totals";
}

/// Every flow.
pub(super) const FLOWS: [Flow; 7] = [
    Flow {
        name: "windows",
        plugin: Some("word-count"),
        fed: Fed::File,
        table: None,
        points: &[],
        topology: r#"
[source.lines]
type = "file"
path = "in.txt"
batch-bytes = "300B"
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
[operator.pairs]
input = "words"
reduce-by-key-and-window = "std:sum"
length = "4s"
slide = "2s"
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
[sink.pairs-out]
input = "pairs"
type = "json-files"
path = "out/pairs"
[sink.lines-out]
input = "last-lines"
type = "text-files"
path = "out/lines"
"#,
    },
    Flow {
        name: "timeouts",
        plugin: Some("sessions"),
        fed: Fed::File,
        table: None,
        points: &[],
        topology: r#"
[source.clicks]
type = "file"
path = "in.txt"
batch-bytes = "600B"
format = "json"
schema = { user = "utf8", page = "utf8" }
[operator.sessions]
input = "clicks"
key = ["user"]
map-with-state = "session"
timeout = "3s"
checkpoint-interval = "2s"
[sink.ended-out]
input = "sessions"
type = "json-files"
path = "out/ended"
[sink.open-out]
input = "sessions.snapshots"
type = "json-files"
path = "out/open"
"#,
    },
    Flow {
        name: "sqlite",
        plugin: Some("word-count"),
        fed: Fed::File,
        table: Some(Table::Sqlite),
        points: &[
            "sqlite-begin-before",
            "sqlite-begin-after",
            "sqlite-commit-before",
            "sqlite-commit-after",
            "sqlite-keep-before",
            "sqlite-keep-after",
        ],
        topology: r#"
[source.lines]
type = "file"
path = "in.txt"
batch-bytes = "300B"
[operator.words]
input = "lines"
flat-map = "split"
[operator.totals]
input = "words"
update-state-by-key = "running"
[sink.table]
input = "totals"
type = "sqlite"
path = "out.db"
table = "totals"
[sink.totals-out]
input = "totals"
type = "text-files"
path = "out/totals"
"#,
    },
    Flow {
        name: "postgres",
        plugin: Some("word-count"),
        fed: Fed::File,
        table: Some(Table::Postgres),
        points: &[
            "postgres-begin-before",
            "postgres-begin-after",
            "postgres-commit-before",
            "postgres-commit-after",
        ],
        topology: r#"
[source.lines]
type = "file"
path = "in.txt"
batch-bytes = "300B"
[operator.words]
input = "lines"
flat-map = "split"
[operator.totals]
input = "words"
update-state-by-key = "running"
[sink.table]
input = "totals"
type = "postgres"
url = "{url}"
table = "{table}"
[sink.totals-out]
input = "totals"
type = "text-files"
path = "out/totals"
"#,
    },
    Flow {
        name: "directory",
        plugin: Some("word-count"),
        fed: Fed::Directory,
        table: None,
        points: &[],
        topology: r#"
[source.lines]
type = "directory"
path = "in"
new-files-only = false
[operator.words]
input = "lines"
flat-map = "split"
[operator.totals]
input = "words"
update-state-by-key = "running"
[sink.lines-out]
input = "lines"
type = "text-files"
path = "out/lines"
[sink.totals-out]
input = "totals"
type = "text-files"
path = "out/totals"
"#,
    },
    Flow {
        name: "socket",
        plugin: Some("word-count"),
        fed: Fed::Socket,
        table: None,
        points: &[],
        topology: r#"
[source.lines]
type = "socket"
address = "{address}"
block-interval = "20ms"
[operator.words]
input = "lines"
flat-map = "split"
[operator.totals]
input = "words"
update-state-by-key = "running"
[sink.lines-out]
input = "lines"
type = "text-files"
path = "out/lines"
[sink.totals-out]
input = "totals"
type = "text-files"
path = "out/totals"
"#,
    },
    Flow {
        name: "acknowledged",
        plugin: None,
        fed: Fed::Acknowledged,
        table: None,
        points: &[],
        topology: r#"
[source.lines]
type = "receiver"
[operator.last-lines]
input = "lines"
window = "300ms"
[sink.lines-out]
input = "lines"
type = "text-files"
path = "out/lines"
[sink.windows-out]
input = "last-lines"
type = "text-files"
path = "out/windows"
"#,
    },
];

impl Flow {
    /// The topology's text; `values` stand for the names in braces.
    pub(super) fn topology(&self, values: &[(&str, String)]) -> String {
        let (interval, state) = match self.fed {
            Fed::File => ("1s", "4s"),
            _ => ("100ms", "400ms"),
        };
        let head = format!(
            "name = \"{}\"\nbatch-interval = \"{interval}\"\nparallelism = 2\n\
             checkpoint = \"checkpoint\"\ncheckpoint-interval = \"{state}\"\n",
            self.name
        );
        let mut text = head + self.topology;
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), value);
        }
        text
    }

    /// What the file holds, if rows come from one.
    pub(super) fn file(&self) -> String {
        let lines = (0..1_500_u32).map(|at| match self.plugin {
            // Users come, click, and leave without a word, or with one.
            Some("sessions") => {
                let user = at / 40 * 3 % 17 + at % 3;
                let page = match at % 23 {
                    0 => "logout".to_owned(),
                    page => format!("p{page}"),
                };
                format!("{{\"user\": \"u{user}\", \"page\": \"{page}\"}}\n")
            }
            _ => format!("w{} w{}\n", at % 7, at * at % 31),
        });
        lines
            .take(if self.plugin == Some("sessions") {
                700
            } else {
                1_500
            })
            .collect()
    }

    /// Whether two runs make the same batches.
    pub(super) fn is_virtual(&self) -> bool {
        self.fed == Fed::File
    }
}

/// One of [`LINES`]: no two are the same, and their first words are few.
pub(super) fn line(at: usize) -> String {
    format!("k{} n{at}", at % 5)
}
