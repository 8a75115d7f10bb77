//! What a person who wrote a topology sees. A case is a file: `topology/valid/*.toml` compile to
//! what is beside them, `topology/invalid/*.toml` to a report.

pub(crate) mod catalog;
mod laws;

use std::{
    fmt::Write as _,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

use miette::{GraphicalReportHandler, GraphicalTheme};
use rsrt::topology::{Defaults, InvalidTopology, Manifest, Topology, compile};

use catalog::Plugins;

pub(crate) fn defaults() -> Defaults {
    Defaults {
        parallelism: NonZeroUsize::new(2).unwrap(),
        base_dir: PathBuf::from("dir"),
        needs_checkpoint: true,
    }
}

fn check(file: &str, text: &str) -> String {
    match compile(file, text, &Plugins::default(), &defaults()) {
        Ok(topology) => describe(&topology),
        Err(invalid) => report(&invalid),
    }
}

pub(crate) fn report(invalid: &InvalidTopology) -> String {
    let mut report = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_width(100)
        .render_report(&mut report, invalid)
        .unwrap();
    let lines = report.lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n")
}

/// One line a fact, so that a change shows where it is.
fn describe(topology: &Topology) -> String {
    let mut text = String::new();
    let Topology {
        name,
        batch_interval,
        parallelism,
        on_failed_batch,
        checkpoint,
        limits,
        plugins,
        sources,
        operators,
        references,
        sinks,
    } = topology;
    writeln!(
        text,
        "{name} every {:?}, parallelism {parallelism}, {on_failed_batch:?}\n{limits:?}",
        batch_interval.as_duration()
    )
    .unwrap();
    if let Some(checkpoint) = checkpoint {
        writeln!(text, "{checkpoint:?}").unwrap();
    }
    for plugin in plugins {
        writeln!(text, "{plugin:?}").unwrap();
    }
    for source in sources {
        writeln!(text, "\nsource {}\n  {:?}", source.name, source.kind).unwrap();
        writeln!(
            text,
            "  -> {}\n  rejected -> {}",
            source.schema, source.rejected
        )
        .unwrap();
    }
    for reference in references {
        writeln!(text, "\n{reference:?}").unwrap();
    }
    for operator in operators {
        let inputs = operator.inputs.iter();
        let inputs = inputs.map(|i| format!("{}.{:?}", topology.node_name(i.node), i.port));
        let inputs = inputs.collect::<Vec<_>>().join(", ");
        writeln!(text, "\noperator {} reads {inputs}", operator.name).unwrap();
        writeln!(text, "  {:?}", operator.verb).unwrap();
        if operator.every.get() > 1 {
            writeln!(text, "  every {} intervals", operator.every).unwrap();
        }
        if !operator.settings.is_empty() {
            writeln!(text, "  settings {:?}", operator.settings).unwrap();
        }
        writeln!(
            text,
            "  -> {}\n  rejected -> {}",
            operator.output, operator.rejected
        )
        .unwrap();
        if let Some(snapshots) = &operator.snapshots {
            writeln!(text, "  snapshots -> {snapshots}").unwrap();
        }
    }
    for sink in sinks {
        let input = topology.node_name(sink.input.node);
        let (name, port) = (&sink.name, sink.input.port);
        writeln!(
            text,
            "\nsink {name} reads {input}.{port:?}\n  {:?}",
            sink.kind
        )
        .unwrap();
    }
    text
}

fn check_folder(folder: &str, is_right: fn(&str, &str) -> bool) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/topology")
        .join(folder);
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "{} has no case", folder.display());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for case in cases {
            let text = fs::read_to_string(&case).unwrap();
            let name = case.file_stem().unwrap().to_str().unwrap();
            let seen = check(&format!("{name}.toml"), &text);
            assert!(is_right(&text, &seen), "{name}:\n{seen}");
            insta::assert_snapshot!(name, seen);
        }
    });
}

#[test]
fn what_is_right_compiles() {
    check_folder("valid", |_, seen| !seen.contains('×'));
}

#[test]
fn what_is_wrong_is_reported_with_its_place() {
    check_folder("invalid", |_, seen| seen.contains('×'));
}

#[test]
fn a_missing_default_plugin_is_reported_where_it_is_called() {
    let text = include_str!("../topology/valid/word-count.toml");
    let text = text.replace("std:sum", "sum");
    let plugins = Plugins::without_default();
    let invalid = compile("topo.toml", &text, &plugins, &defaults()).unwrap_err();
    insta::assert_snapshot!(report(&invalid));
}

#[test]
fn the_plugins_to_load_are_known_before_they_are_loaded() {
    let text = r#"
name = "plugins"
[plugin.text]
path = "text.wasm"
[plugin.unused]
path = "unused.wasm"
[operator.a]
map = "text:upper"
[operator.b]
map = "undefined:f"
[operator.c]
reduce = "std:sum"
[operator.d]
map = "text:lower"
"#;
    let manifest = Manifest::parse("topo.toml", text).unwrap();
    let plugins = |manifest: &Manifest| -> Vec<_> {
        let plugins = manifest.plugins(Path::new("dir")).into_iter();
        plugins
            .map(|p| (p.alias.map(String::from), p.path))
            .collect()
    };
    let text_plugin = (
        Some("text".to_owned()),
        Some(PathBuf::from("dir/text.wasm")),
    );
    assert_eq!(plugins(&manifest), std::slice::from_ref(&text_plugin));
    assert!(!manifest.uses_default_plugin());

    let with_default = format!("{text}\n[operator.e]\nmap = \"f\"");
    let manifest = Manifest::parse("topo.toml", &with_default).unwrap();
    assert_eq!(plugins(&manifest), [text_plugin, (None, None)]);
    assert!(manifest.uses_default_plugin());
}
