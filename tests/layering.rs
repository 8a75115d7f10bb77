//! The layers of `ARCHITECTURE.md`, enforced: who may import whom, and who may name what.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Lower layers first. A module may import those below and what its own layer's line allows.
const LAYERS: [&[&str]; 11] = [
    &[
        "model",
        "clock",
        "account",
        "codec",
        "telemetry",
        "crash_points",
        "confine",
    ],
    &[
        "topology",
        "plugin",
        "format",
        "toolchain",
        "journal",
        "spill",
        "secrets",
    ],
    &["receiver", "operator", "sink"],
    &["source"],
    &["scheduler"],
    &["checkpoint"],
    &["stream", "cases", "replay"],
    &["launch"],
    &["hosting"],
    &["server"],
    &["cli"],
];

/// Imports inside a layer that are meant: (who, whom).
const SIDEWAYS: [(&str, &str); 6] = [
    // A format's decoder is part of what a topology says of a source.
    ("format", "topology"),
    ("cases", "stream"),
    // Vocabulary builds on vocabulary.
    ("telemetry", "model"),
    // A location may be a place, and an object store's folder is allowed by its URL.
    ("model", "confine"),
    ("confine", "model"),
    // What is allowed is allowed a second.
    ("account", "clock"),
];

/// A word that only some files may say: (word, who may, why).
const WORDS: [(&str, &[&str], &str); 10] = [
    (
        "wasmtime::",
        &["plugin/"],
        "the engine is narrowed in one folder",
    ),
    (
        "bincode::",
        &["codec.rs"],
        "bincode is replaceable while one file names it",
    ),
    (
        "toml::",
        &["topology/", "cli/", "server/config.rs"],
        "topologies are read in one place",
    ),
    (
        "rusqlite::",
        &["sink/"],
        "databases are where rows go, and nothing else",
    ),
    (
        "tokio_postgres::",
        &["sink/", "topology/postgres_url.rs"],
        "databases are where rows go, and a URL is checked before anything runs",
    ),
    (
        "chacha20poly1305::",
        &["secrets/"],
        "values are encrypted in one folder",
    ),
    (
        "object_store::",
        &["journal/objects/"],
        "a disk is a disk, wherever it lies",
    ),
    (
        "async fn",
        &[
            "receiver/",
            "source/",
            "stream/",
            "cases/",
            "cli/",
            "sink/",
            "launch/",
            "hosting/",
            "server/",
            "account/room.rs", // who wants room waits for it
        ],
        "decisions and operators are synchronous",
    ),
    (
        "std::fs",
        &[
            "receiver/",
            "source/",
            "sink/",
            "journal/directory.rs",
            "spill/",
            "secrets/",
            "confine/", // every file of a topology
            "plugin/cache.rs",
            "plugin/wasi/", // cap_std: what is granted
            "toolchain/",
            "stream/",
            "cases/",
            "hosting/",
            "server/",
            "cli/",
        ],
        "decisions and operators do no I/O",
    ),
    (
        "unsafe {",
        &["plugin/cache.rs"],
        "one module argues for its `unsafe`",
    ),
];

#[test]
fn modules_import_only_downwards() {
    let layers: BTreeMap<&str, usize> = LAYERS
        .iter()
        .enumerate()
        .flat_map(|(layer, modules)| modules.iter().map(move |module| (*module, layer)))
        .collect();
    let mut wrong = Vec::new();
    for file in sources() {
        let module = module_of(&file);
        let Some(layer) = layers.get(module.as_str()) else {
            continue; // lib.rs and main.rs see everything
        };
        for imported in imports(&fs::read_to_string(&file).unwrap()) {
            let sideways = SIDEWAYS.contains(&(module.as_str(), imported.as_str()));
            match layers.get(imported.as_str()) {
                _ if imported == module || sideways => {}
                Some(below) if below < layer => {}
                Some(_) => wrong.push(format!("{}: {module} -> {imported}", file.display())),
                None => wrong.push(format!("{}: {imported} has no layer", file.display())),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that do not point down: {wrong:#?}"
    );
}

#[test]
fn every_module_has_a_layer() {
    let known: Vec<&str> = LAYERS.concat();
    for file in sources() {
        let module = module_of(&file);
        let is_root = ["lib", "main"].contains(&module.as_str());
        assert!(
            is_root || known.contains(&module.as_str()),
            "{module} has no layer"
        );
    }
}

#[test]
fn some_words_are_said_in_one_place() {
    let mut wrong = Vec::new();
    for file in sources() {
        let path = file
            .strip_prefix(root())
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let is_test = path.contains("/tests/") || path.ends_with("tests.rs");
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (word, may, why) in WORDS {
            if !is_test && code.contains(word) && !may.iter().any(|m| path.starts_with(m)) {
                wrong.push(format!("{path} says `{word}`: {why}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_small_and_named_for_what_they_hold() {
    const MOST: usize = 500;
    let tests = root().join("../../tests");
    for file in sources().into_iter().chain(files_below(&tests)) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(
            lines <= MOST,
            "{} has {lines} lines; {MOST} are the most",
            file.display()
        );
        let name = file.file_stem().unwrap().to_str().unwrap();
        let vague = ["utils", "util", "helpers", "common", "misc", "manager"];
        assert!(!vague.contains(&name), "{} says nothing", file.display());
    }
}

/// The runtime is for any plugin, and knows none.
#[test]
fn no_line_of_the_runtime_knows_word_count() {
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap().to_lowercase();
        for word in ["word-count", "word_count", "wordcount"] {
            assert!(!text.contains(word), "{} says {word}", file.display());
        }
    }
}

/// The journey of a record in `ARCHITECTURE.md` names functions; they must exist.
#[test]
fn the_ten_hops_of_a_record_exist() {
    let map = fs::read_to_string(root().join("../ARCHITECTURE.md")).unwrap();
    let journey = map.split("## A record's journey").nth(1).unwrap();
    let journey = journey.split("\n## ").next().unwrap();
    let mut hops = 0;
    for line in journey.lines() {
        let Some((number, rest)) = line.split_once(". `") else {
            continue;
        };
        if number.parse::<u32>().is_err() {
            continue;
        }
        hops += 1;
        let (name, rest) = rest.split_once('`').unwrap();
        let (_, link) = rest.split_once("(src/").unwrap();
        let (path, _) = link.split_once(')').unwrap();
        let function = name.rsplit("::").next().unwrap();
        let text = fs::read_to_string(root().join(path)).unwrap();
        assert!(
            text.contains(&format!("fn {function}")),
            "{path} has no fn {function}"
        );
    }
    assert_eq!(hops, 10);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file of the runtime, but not the templates that it writes.
fn sources() -> Vec<PathBuf> {
    files_below(&root())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .filter(|path| !path.to_str().unwrap().contains("/template/"))
        .collect();
    files.sort();
    files
}

/// The first folder or file below `src`.
fn module_of(file: &Path) -> String {
    let path = file.strip_prefix(root()).unwrap();
    let first = path
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Every `foo` in a `crate::foo` or `crate::{foo, ..}`.
fn imports(text: &str) -> Vec<String> {
    text.split("crate::")
        .skip(1)
        .flat_map(first_segments)
        .collect()
}

fn first_segments(path: &str) -> Vec<String> {
    let Some(group) = path.strip_prefix('{') else {
        return vec![identifier(path)];
    };
    let mut depth = 0;
    let mut names = Vec::new();
    for piece in group.split_inclusive(['{', '}', ',']) {
        let name = identifier(piece);
        if depth == 0 && !name.is_empty() {
            names.push(name);
        }
        match piece.chars().last() {
            Some('{') => depth += 1,
            Some('}') if depth == 0 => break,
            Some('}') => depth -= 1,
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> String {
    let text = text.trim_start();
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}
