//! Where a secret may stand: every text of every topology of these tests is made one, in turn.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    num::NonZeroUsize,
    path::Path,
};

use rsrt::{
    model::{Secret, SecretError, SecretName, SecretSource},
    topology::{Defaults, InvalidTopology, ProblemKind, SecretsOf, Topology, compile},
};
use toml_edit::{DocumentMut, InlineTable, Item, Value};

use crate::topology_ui::catalog::Plugins;

use super::VALUE;

/// The places that take one, whatever the parts are called.
const PLACES: [&str; 5] = [
    "operator.*.settings.*",
    "sink.*.settings.*",
    "sink.*.url",
    "source.*.address",
    "source.*.settings.*",
];

struct Given(BTreeMap<&'static str, &'static str>);

impl SecretSource for Given {
    fn secret(&self, name: &SecretName) -> Result<Option<Secret>, SecretError> {
        if name.as_str() == "torn" {
            return Err(SecretError("it is torn".to_owned()));
        }
        let value = self.0.get(name.as_str());
        Ok(value.map(|value| Secret::new((*value).to_owned())))
    }

    fn advice(&self, name: &SecretName) -> String {
        format!("give {name}")
    }
}

fn compiled(text: &str) -> Result<Topology, InvalidTopology> {
    let defaults = Defaults {
        parallelism: NonZeroUsize::MIN,
        base_dir: "dir".into(),
        needs_checkpoint: true,
    };
    compile("topo.toml", text, &Plugins::default(), &defaults)
}

type Keys = Vec<String>;

/// The keys of every text.
fn texts(item: &Item, at: &Keys, found: &mut Vec<Keys>) {
    let below = |key: &str| [at.clone(), vec![key.to_owned()]].concat();
    if item.as_str().is_some() {
        found.push(at.clone());
    } else if let Some(table) = item.as_table_like() {
        for (key, item) in table.iter() {
            texts(item, &below(key), found);
        }
    } else if let Some(array) = item.as_array() {
        for (index, value) in array.iter().enumerate() {
            texts(
                &Item::Value(value.clone()),
                &below(&index.to_string()),
                found,
            );
        }
    }
}

fn secret(name: &str) -> Value {
    InlineTable::from_iter([("secret", name)]).into()
}

/// Puts a secret at these keys.
fn set(item: &mut Item, keys: &[String], name: &str) {
    let (first, rest) = keys.split_first().unwrap();
    if let Some(array) = item.as_array_mut() {
        assert!(rest.is_empty(), "no test has tables in lists");
        array.replace(first.parse().unwrap(), secret(name));
        return;
    }
    let table = item.as_table_like_mut().unwrap();
    let below = table.get_mut(first).unwrap();
    match rest {
        [] => *below = Item::Value(secret(name)),
        _ => set(below, rest, name),
    }
}

/// The keys without the names that people give.
fn place(keys: &[String]) -> String {
    let named = ["source", "operator", "sink", "plugin"];
    let is_part = named.contains(&keys[0].as_str());
    let word = |(at, key): (usize, &String)| match at {
        1 if is_part => "*".to_owned(),
        3 if keys[2] == "settings" => "*".to_owned(),
        _ => key.clone(),
    };
    let words: Keys = keys.iter().enumerate().map(word).collect();
    words.join(".")
}

#[test]
fn every_text_of_a_topology_can_be_a_secret_or_says_that_it_cannot() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/topology/valid");
    let (mut taken, mut refused) = (BTreeSet::new(), BTreeSet::new());
    for file in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = file.path();
        if path.extension().is_none_or(|end| end != "toml") {
            continue;
        }
        let document: DocumentMut = fs::read_to_string(&path).unwrap().parse().unwrap();
        let mut found = Vec::new();
        texts(document.as_item(), &Vec::new(), &mut found);
        for keys in found {
            let mut changed = document.clone();
            set(changed.as_item_mut(), &keys, "that-one");
            let place = place(&keys);
            match compiled(&changed.to_string()) {
                Ok(topology) => {
                    let used = topology.secrets();
                    let here = used.iter().filter(|used| used.name.as_str() == "that-one");
                    match here.count() {
                        // A column may be called so, and a setting.
                        0 => assert!(!PLACES.contains(&place.as_str()), "{place}: {changed}"),
                        _ => drop(taken.insert(place)),
                    }
                }
                Err(invalid) => {
                    let mut problems = invalid.problems().iter();
                    let says = problems
                        .any(|problem| matches!(problem.kind, ProblemKind::SecretHere { .. }));
                    if !says {
                        refused.insert(place);
                    }
                }
            }
        }
    }
    assert_eq!(Vec::from_iter(&taken), PLACES, "places that take a secret");
    // Tables that mean something else here, and say what is wrong with them as such.
    insta::assert_debug_snapshot!(refused);
}

const MANY: &str = r#"
name = "many"
batch-interval = "1s"
[source.lines]
type = "socket"
address = { secret = "feed" }
[source.posts]
type = "raw-socket"
address = { secret = "feed" }
[operator.words]
input = "lines"
flat-map = "split"
settings = { key = { secret = "torn" }, plain = "a", other = { secret = "api-key" } }
[sink.table]
input = "words"
type = "postgres"
table = "words"
url = { secret = "database" }
[sink.none]
input = "posts"
type = "null"
"#;

#[test]
fn all_secrets_without_a_usable_value_are_told_at_once() {
    let topology = compiled(MANY).unwrap();
    let given = Given(BTreeMap::from([
        ("feed", "no-address"),
        ("database", "postgres://ann:x@db/shop?colour=zq7"),
    ]));
    let error = topology.with_secrets(&given, SecretsOf::Everything);
    insta::assert_snapshot!(error.unwrap_err(), @r#"
    4 secrets have no usable value:
      `feed` (`address` of source lines, `address` of source posts) has a value that must be host and port: give feed
      `torn` (setting "key" of words) cannot be read (it is torn): give torn
      `api-key` (setting "other" of words) has no value: give api-key
      `database` (`url` of sink table) has a value that is no URL of a PostgreSQL server: give database
    "#);
    let operators = topology.with_secrets(&Given(BTreeMap::new()), SecretsOf::Operators);
    assert_eq!(operators.unwrap_err().0.len(), 2);
}

#[test]
fn a_topology_with_values_prints_as_one_without() {
    let topology = compiled(&MANY.replace("torn", "feed")).unwrap();
    let given = Given(BTreeMap::from([
        ("feed", "feed.zq7:99"),
        ("api-key", VALUE),
        ("database", "postgres://ann:hunter22@db/shop"),
    ]));
    let filled = topology
        .with_secrets(&given, SecretsOf::Everything)
        .unwrap();
    assert_ne!(topology, filled);
    assert_eq!(format!("{topology:?}"), format!("{filled:?}"));
    assert_eq!(filled.operators[0].settings["other"].expose(), Ok(VALUE));
    assert!(topology.operators[0].settings["other"].expose().is_err());
}
