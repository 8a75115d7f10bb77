//! What `TOPOLOGY.md` says of each verb is so: parts of topologies do what the cases behind them say,
//! every verb has such a case, and the tables name the keys that it takes.

use std::collections::BTreeSet;

use rsrt::topology::ProblemKind;
use serde_json::Value;

use super::{Block, Page, problems_in, root, whole};
use crate::{cli::Folder, guests};

/// The head of the tables that say of each verb what it does.
const HEAD: &str =
    "| verb | keys | columns in | columns out | of an empty batch | without a batch |";

/// Keys that only some verbs take, of any.
const KEYS: [&str; 16] = [
    "by",
    "checkpoint-interval",
    "filter",
    "initial",
    "inverse",
    "key",
    "length",
    "map-side",
    "n",
    "partitions",
    "persist",
    "reference",
    "slide",
    "timeout",
    "window-memory",
    "with",
];

/// A part of a topology with what stands right behind it: the files that it names, and its cases.
struct Example {
    line: usize,
    part: String,
    files: Vec<Block>,
    cases: Vec<String>,
}

impl Example {
    /// All of a page. A case that belongs to no part would never be run, so it must not be there.
    fn all(page: &Page) -> Vec<Self> {
        let mut examples: Vec<Self> = Vec::new();
        let mut end = 0;
        for block in page.fenced() {
            let is_behind = block.line == end + 2; // a blank line lies between
            end = block.end;
            match (block.info.as_str(), examples.last_mut()) {
                ("toml fragment", _) => examples.push(Self {
                    line: block.line,
                    part: block.text,
                    files: Vec::new(),
                    cases: Vec::new(),
                }),
                ("json case", Some(example)) if is_behind => example.cases.push(block.text),
                ("json case", _) => panic!("line {}: a case behind no part", block.line),
                (_, Some(example)) if is_behind && block.file().is_some() => {
                    example.files.push(block);
                }
                _ => end = 0,
            }
        }
        examples.retain(|example| !example.cases.is_empty());
        examples
    }

    /// Runs the cases as a user would; what `rsrt test` says if they do not pass.
    fn run(&self, page: &Page) -> Option<String> {
        let cases = format!("{{\"cases\": [\n{}\n]}}", self.cases.join(",\n"));
        let topology = whole(&self.part);
        let folder = Folder::new(&[("topo.toml", &topology), ("cases.json", &cases)]);
        for file in &self.files {
            folder.write(file.file()?, file.text.as_bytes());
        }
        let default = guests::plugin("word-count");
        let text = format!("text={}", guests::plugin("text-tools").display());
        let ended = folder.rsrt(&[
            "test",
            "topo.toml",
            "--plugin",
            default.to_str()?,
            "--plugin",
            &text,
            "--cases",
            "cases.json",
        ]);
        let passed = format!("\n{} passed, 0 failed\n", self.cases.len());
        let is_passed = ended.code == 0 && ended.stdout.ends_with(&passed);
        let said = format!(
            "{}:{}\n{}\n{}{}",
            page.name(),
            self.line,
            self.part,
            ended.stdout,
            ended.stderr
        );
        (!is_passed).then_some(said)
    }

    /// Whether one of its operators has this verb.
    fn has(&self, verb: &str) -> bool {
        let part: toml::Table = self.part.parse().unwrap();
        let operators = part.get("operator").and_then(toml::Value::as_table);
        let operators = operators.into_iter().flat_map(toml::Table::values);
        let mut operators = operators.filter_map(toml::Value::as_table);
        operators.any(|operator| {
            // A window may have a key that is called like a verb.
            let is_key = verb == "filter" && operator.contains_key("reduce-by-key-and-window");
            operator.contains_key(verb) && !is_key
        })
    }

    fn cases(&self) -> impl Iterator<Item = Value> {
        let read = |case: &String| {
            serde_json::from_str(case).unwrap_or_else(|error| panic!("{error}\n{case}"))
        };
        self.cases.iter().map(read)
    }

    /// What sources are given in its cases, batch by batch.
    fn batches(&self) -> Vec<Value> {
        let sources = self.cases().flat_map(|case| lists(&case["sources"]));
        sources.flatten().collect()
    }
}

/// The batches of each source or sink.
fn lists(of: &Value) -> Vec<Vec<Value>> {
    let lists = of.as_object().unwrap().values();
    lists.map(|list| list.as_array().unwrap().clone()).collect()
}

fn page() -> Page {
    Page::read(root().join("runtime/TOPOLOGY.md"))
}

/// What the compiler lists when an operator has no verb: the names that it knows.
fn verbs() -> Vec<String> {
    let problems = problems_in(&whole("[operator.idle]\ninput = \"lines\"\n"));
    let mut help = problems.into_iter().filter_map(|problem| problem.help);
    let names = help.find_map(|help| Some(help.strip_prefix("verbs: ")?.to_owned()));
    let names: Vec<String> = names.unwrap().split(", ").map(str::to_owned).collect();
    assert!(names.len() > 30, "{names:?}");
    names
}

/// The cells of the rows of all tables with this head.
fn rows_under(head: &str, page: &Page) -> Vec<Vec<String>> {
    let prose = page.prose();
    let mut rows = Vec::new();
    let mut lines = prose.lines();
    while lines.any(|line| line == head) {
        let table = lines
            .by_ref()
            .skip(1)
            .take_while(|line| line.starts_with('|'));
        let cells = |line: &str| {
            line.trim_matches('|')
                .split('|')
                .map(str::trim)
                .map(str::to_owned)
                .collect()
        };
        rows.extend(table.map(cells));
    }
    rows
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

#[test]
fn parts_of_topologies_do_what_their_cases_say() {
    let page = page();
    let examples = Example::all(&page);
    let failed = examples.iter().filter_map(|example| example.run(&page));
    let failed: Vec<_> = failed.collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// `rsrt test` does not compare a batch that failed, so this keeps such a case from saying that
/// something came out.
#[test]
fn of_a_batch_that_fails_nothing_comes_out() {
    let examples = Example::all(&page());
    let mut failing = 0;
    for case in examples.iter().flat_map(Example::cases) {
        let Some(error) = case["expect-error"].as_str() else {
            continue;
        };
        failing += 1;
        let time = error
            .strip_prefix("batch ")
            .and_then(|e| e.split_once("000 ms: "));
        let number: usize = time.unwrap().0.parse().unwrap();
        for list in lists(&case["expect"]) {
            assert!(list[number - 1].is_null(), "{error}: {list:?}");
        }
    }
    assert!(failing > 5, "{failing} cases");
}

#[test]
fn every_verb_has_a_case_with_an_empty_batch_and_one_that_is_not_there() {
    let examples = Example::all(&page());
    for verb in verbs() {
        let of_verb = examples.iter().filter(|example| example.has(&verb));
        let batches: Vec<Value> = of_verb.flat_map(Example::batches).collect();
        let is_empty = |batch: &Value| batch.as_array().is_some_and(Vec::is_empty);
        assert!(batches.iter().any(is_empty), "{verb}: no empty batch");
        assert!(batches.iter().any(Value::is_null), "{verb}: always a batch");
    }
}

#[test]
fn every_verb_has_a_line_that_says_what_it_does() {
    let mut said = Vec::new();
    for row in rows_under(HEAD, &page()) {
        assert_eq!(row.len(), 6, "{row:?}");
        assert!(row.iter().all(|cell| !cell.is_empty()), "{row:?}");
        said.extend(quoted(&row[0]));
    }
    let names: BTreeSet<String> = said.iter().cloned().collect();
    assert_eq!(names.len(), said.len(), "a verb has two lines: {said:?}");
    assert_eq!(names, verbs().into_iter().collect());
}

/// The value that an example gives the verb.
fn value_of<'e>(verb: &str, examples: &'e [Example]) -> &'e str {
    let example = examples.iter().find(|example| example.has(verb)).unwrap();
    let mut lines = example.part.lines();
    let value = lines.find_map(|line| line.strip_prefix(verb)?.strip_prefix(" = "));
    value.unwrap()
}

/// Whether a verb with this value takes the key.
fn is_taken(key: &str, verb: &str, value: &str) -> bool {
    // No key takes a list of lists, so one that the verb takes is complained about as such.
    let line = format!("{key} = [[]]\n");
    // This one belongs to another key.
    let other = match key {
        "checkpoint-interval" if verb.ends_with("window") => "inverse = true\n",
        _ => "",
    };
    let text = whole(&format!(
        "[operator.probe]\ninput = \"lines\"\n{verb} = {value}\n{other}{line}"
    ));
    let at = text.find(&line).unwrap();
    let at = at..at + line.len();
    let mut problems = problems_in(&text).into_iter();
    problems.any(|problem| {
        use ProblemKind::{SeveralVerbs, UnknownKey};
        let is_refused = matches!(problem.kind, UnknownKey { .. } | SeveralVerbs { .. });
        at.contains(&problem.at.offset()) && !is_refused
    })
}

#[test]
fn a_verb_takes_the_keys_that_its_line_names_and_no_other() {
    let page = page();
    let examples = Example::all(&page);
    let lines: Vec<(String, BTreeSet<String>)> = rows_under(HEAD, &page)
        .into_iter()
        .flat_map(|row| {
            let keys: BTreeSet<_> = quoted(&row[1]).collect();
            let verbs: Vec<_> = quoted(&row[0]).collect();
            verbs.into_iter().map(move |verb| (verb, keys.clone()))
        })
        .collect();
    for (verb, keys) in &lines {
        assert!(
            keys.iter().all(|key| KEYS.contains(&key.as_str())),
            "{verb}: {keys:?}"
        );
        // Some verbs take a key only where their own value does not say the same.
        let mut values = vec!["true", value_of(verb, &examples)];
        values.dedup();
        for key in KEYS.iter().filter(|key| **key != verb.as_str()) {
            let is_taken = values.iter().any(|value| is_taken(key, verb, value));
            assert_eq!(is_taken, keys.contains(*key), "{verb}: {key}");
        }
    }
}
