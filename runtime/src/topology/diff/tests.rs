//! A version, another one, and what is said of the way between them.

use std::{collections::BTreeMap, num::NonZeroUsize};

use super::*;
use crate::{
    model::{
        AggregateFunction, Field, Function, PluginInfo, PluginName, Role, Schema, StatefulFunction,
        StatefulVerb, TransformFunction, TransformVerb,
    },
    topology::{Catalog, Defaults, compile},
};

/// A plugin with a function of each kind, whose state is this.
struct Guest(PluginInfo);

fn schema(columns: &str) -> Schema {
    let fields = columns.split(", ").map(|column| {
        let (name, kind) = column.split_once(' ').unwrap();
        Field::parse(name, kind).unwrap()
    });
    Schema::new(fields.collect()).unwrap()
}

impl Guest {
    fn new(state: &str, version: u32) -> Self {
        let function = |name: &str, input: &str, role| Function {
            name: name.to_owned(),
            doc: String::new(),
            input: Some(schema(input)),
            role,
        };
        let stateful = |verb, output: Option<&str>| {
            Role::Stateful(StatefulFunction {
                verb,
                keys: None,
                state: schema(state),
                state_version: version,
                output: output.map(schema),
                skips_idle: true,
            })
        };
        let map = Role::Transform(TransformFunction {
            verb: TransformVerb::Map,
            sides: Vec::new(),
            output: schema("key utf8, value int64"),
            fusion: None,
        });
        let aggregate = Role::Aggregate(AggregateFunction {
            keys: None,
            output: schema("value int64"),
            associative: true,
            merge: None,
            inverse: None,
        });
        let functions = vec![
            function("parse", "key utf8, value int64", map),
            function("best", "value int64", aggregate),
            function(
                "running",
                "value int64",
                stateful(StatefulVerb::UpdateStateByKey, None),
            ),
            function(
                "changes",
                "value int64",
                stateful(StatefulVerb::MapWithState, Some("value int64")),
            ),
        ];
        Self(PluginInfo {
            name: "guest".to_owned(),
            version: "1.0.0".to_owned(),
            doc: String::new(),
            functions,
            resolves: false,
            migrates: false,
        })
    }
}

impl Catalog for Guest {
    fn plugin(&self, _: Option<&PluginName>) -> Option<&PluginInfo> {
        Some(&self.0)
    }

    fn resolve(
        &self,
        _: Option<&PluginName>,
        _: &str,
        _: &BTreeMap<String, String>,
        input: &Schema,
    ) -> Result<Schema, String> {
        Ok(input.clone())
    }
}

const TOPOLOGY: &str = r#"
name = "clicks"
batch-interval = "1s"
parallelism = 2
checkpoint = "kept"
[source.numbers]
type = "queue"
schema = { key = "utf8", value = "int64" }
partitions = 2
[operator.parsed]
input = "numbers"
map = "parse"
[operator.totals]
input = "parsed"
update-state-by-key = "running"
[operator.recent]
input = "parsed"
reduce-by-key-and-window = "best"
length = "3s"
[operator.kept]
input = "parsed"
window = "2s"
[sink.out]
input = "totals"
type = "null"
[sink.recent-out]
input = "recent"
type = "null"
[sink.kept-out]
input = "kept"
type = "text-files"
path = "out"
"#;

struct Given {
    topology: Topology,
    code: Vec<Code>,
}

impl Given {
    fn new(text: &str, guest: &Guest, code: &str) -> Self {
        let defaults = Defaults {
            parallelism: NonZeroUsize::MIN,
            base_dir: "".into(),
            needs_checkpoint: true,
        };
        let topology = match compile("topo.toml", text, guest, &defaults) {
            Ok(topology) => topology,
            Err(invalid) => panic!("{:?}\n{text}", invalid.problems()),
        };
        let code = topology.plugins.iter().map(|_| Code {
            digest: code.to_owned(),
            migrates: code == "migrating",
        });
        Self {
            code: code.collect(),
            topology,
        }
    }

    fn edition(&self) -> Edition<'_> {
        Edition {
            topology: &self.topology,
            code: &self.code,
        }
    }
}

/// What is not unchanged, a line each.
fn told(old: &Given, new: &Given) -> Vec<String> {
    let diff = Diff::between(old.edition(), new.edition());
    let changed = diff.changes.iter();
    let changed = changed.filter(|change| change.fate != Fate::Unchanged);
    changed
        .map(|change| {
            let reasons: Vec<_> = change.reasons.iter().map(ToString::to_string).collect();
            let (noun, name, fate) = (change.part.noun(), &change.name, change.fate);
            match reasons.is_empty() {
                true => format!("{noun} {name}: {fate}"),
                false => format!("{noun} {name}: {fate}: {}", reasons.join("; ")),
            }
        })
        .collect()
}

fn check(edits: &[(&str, &str)], expected: &[&str]) {
    let old = Given::new(TOPOLOGY, &Guest::new("value int64", 1), "a");
    let mut text = TOPOLOGY.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let new = Given::new(&text, &Guest::new("value int64", 1), "a");
    assert_eq!(told(&old, &new), expected, "{edits:?}");
}

#[test]
fn every_edit_of_a_topology_has_its_fate() {
    check(&[], &[]);
    check(
        &[("name = \"clicks\"", "name = \"cliques\"")],
        &["topology cliques: refused: name was `clicks` and is `cliques`"],
    );
    check(
        &[("parallelism = 2", "parallelism = 3")],
        &[
            "topology clicks: needs a restart: parallelism was `2` and is `3`",
            "operator totals: safe: its definition: not as before",
            "operator recent: safe: its definition: not as before",
        ],
    );
    check(
        &[("partitions = 2", "partitions = 1")],
        &["source numbers: needs a restart: what it reads: not as before"],
    );
    check(
        &[(
            "[operator.parsed]",
            "[operator.parsed]\nsettings = { a = \"1\" }",
        )],
        &["operator parsed: safe: settings: not as before"],
    );
    check(
        &[("[operator.totals]", "[operator.totals]\npartitions = 5")],
        &["operator totals: safe: its definition: not as before"],
    );
    check(
        &[(
            "update-state-by-key = \"running\"",
            "map-with-state = \"changes\"",
        )],
        &[
            "operator totals: loses state: verb was `update-state-by-key` and is `map-with-state`; function was `running` and is `changes`; columns was `key: utf8, value: int64` and is `value: int64`; what one verb remembers means nothing to another",
            "sink out: safe: columns was `key: utf8, value: int64` and is `value: int64`",
        ],
    );
    check(
        &[("length = \"3s\"", "length = \"4s\"")],
        &["operator recent: loses state: window length in batches was `3` and is `4`"],
    );
    check(
        &[("= \"best\"", "= \"std:sum\"")],
        &[
            "operator recent: loses state: function was `best` and is `std:sum`; what is in its window was reduced by the other function",
        ],
    );
    check(
        &[("path = \"out\"", "path = \"elsewhere\"")],
        &["sink kept-out: safe: what it does with rows: not as before"],
    );
}

#[test]
fn what_is_renamed_keeps_its_state_and_what_is_gone_does_not() {
    let renamed = [
        (
            "[operator.totals]",
            "[operator.sums]\nrenamed-from = \"totals\"",
        ),
        ("input = \"totals\"", "input = \"sums\""),
    ];
    check(
        &renamed,
        &[
            "operator sums: safe: name was `totals` and is `sums`",
            "sink out: safe: input was `totals` and is `sums`",
        ],
    );
    let renamed = [("[operator.totals]", "[operator.sums]"), renamed[1]];
    check(
        &renamed,
        &[
            "operator sums: added",
            "operator totals: loses state: it is gone: say renamed-from where it has another name now",
            "sink out: safe: input was `totals` and is `sums`",
        ],
    );
    check(
        &[
            (
                "[operator.parsed]\ninput = \"numbers\"\nmap = \"parse\"\n",
                "",
            ),
            ("input = \"parsed\"", "input = \"numbers\""),
        ],
        &[
            "operator totals: safe: input was `parsed` and is `numbers`",
            "operator recent: safe: input was `parsed` and is `numbers`",
            "operator kept: safe: input was `parsed` and is `numbers`",
            "operator parsed: removed",
        ],
    );
}

#[test]
fn another_key_is_refused() {
    let text = r#"
name = "clicks"
batch-interval = "1s"
checkpoint = "kept"
[source.numbers]
type = "queue"
schema = { a = "utf8", b = "utf8", value = "int64" }
[operator.totals]
input = "numbers"
reduce-by-key-and-window = "std:first"
length = "2s"
key = ["a"]
[sink.out]
input = "totals"
type = "null"
"#;
    let guest = Guest::new("value int64", 1);
    let old = Given::new(text, &guest, "a");
    let new = Given::new(&text.replace("[\"a\"]", "[\"b\"]"), &guest, "a");
    let told = told(&old, &new);
    assert!(
        told[0].starts_with("operator totals: refused: "),
        "{told:?}"
    );
    assert!(
        told[0].ends_with("give the operator another name"),
        "{told:?}"
    );
}

/// Of `totals`, when its function's state goes from one schema and version to another.
fn of_state(from: (&str, u32), to: (&str, u32), code: &str) -> String {
    let old = Given::new(TOPOLOGY, &Guest::new(from.0, from.1), "a");
    let new = Given::new(TOPOLOGY, &Guest::new(to.0, to.1), code);
    let told = told(&old, &new).into_iter();
    let mut told = told.filter(|line| line.starts_with("operator totals"));
    told.next().unwrap_or_default()
}

#[test]
fn state_is_kept_migrated_or_lost() {
    let same = ("value int64", 1);
    assert_eq!(of_state(same, same, "a"), "");
    assert_eq!(
        of_state(same, same, "b"),
        "operator totals: safe: the default plugin is another build"
    );
    for (from, to, code, fate) in [
        // Only the meaning is another.
        (
            same,
            ("value int64", 2),
            "migrating",
            "migrates state (version 1 to 2)",
        ),
        (same, ("value int64", 2), "b", "loses state"),
        // Widened, narrowed, renamed.
        (
            same,
            ("value.0 int64, value.1 utf8", 2),
            "migrating",
            "migrates state (version 1 to 2)",
        ),
        (
            ("value.0 int64, value.1 utf8", 2),
            ("value int64", 3),
            "migrating",
            "migrates state (version 2 to 3)",
        ),
        (
            ("value.a int64", 1),
            ("value.b int64", 2),
            "migrating",
            "migrates state (version 1 to 2)",
        ),
        // Without saying so.
        (
            ("value.a int64", 1),
            ("value.b int64", 1),
            "migrating",
            "loses state",
        ),
        (same, ("value float64", 1), "b", "loses state"),
        // Backwards.
        (("value int64", 2), same, "migrating", "loses state"),
    ] {
        let told = of_state(from, to, code);
        let expected = format!("operator totals: {fate}: ");
        assert!(told.starts_with(&expected), "{from:?} to {to:?}: {told}");
    }
}

#[test]
fn the_way_back_is_the_same_with_the_versions_in_turn() {
    let guest = Guest::new("value int64", 1);
    let (old, new) = (
        Given::new(TOPOLOGY, &guest, "a"),
        Given::new(TOPOLOGY, &guest, "b"),
    );
    assert_eq!(told(&old, &new), told(&new, &old));
    let text = TOPOLOGY.replace("[operator.totals]", "[operator.totals]\npartitions = 5");
    let other = Given::new(&text, &guest, "a");
    assert_eq!(told(&old, &other), told(&other, &old));
}
