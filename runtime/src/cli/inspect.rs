//! `rsrt inspect`: what a plugin offers, and what it may do.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::{Map, Value, json};
use wasmparser::{Parser, Payload};

use super::{
    Environment, Failure, loading,
    output::{self, Format, grouped},
};
use crate::{
    model::{Function, PluginInfo, Role, Schema},
    plugin::{EngineOptions, Plugin, is_core_module, is_wasi},
    toolchain::componentize,
};

const EXAMPLES: &str = "\
Examples:
  rsrt inspect plugin.wasm
  rsrt inspect plugin.wasm --format json | jq '.functions[].name'";

/// What every plugin is held to, unless a topology grants it more.
const GUARANTEES: [&str; 3] = [
    "a fresh instance for each operator, partition and batch: nothing is remembered between them",
    "no files, network, environment, clock or random numbers but the task's batch time and seed",
    "so a batch that runs again gives the same bits",
];

/// Show a plugin's functions, their types, its imports, size and digest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The plugin
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: PathBuf,
    /// How it is shown
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn run(arguments: &Arguments, environment: &Environment) -> Result<ExitCode, Failure> {
    if arguments.plugin.extension().is_some_and(|e| e == "toml") {
        let path = arguments.plugin.display();
        return Err(
            Failure::input(format!("{path} is a topology, not a plugin"))
                .hint(format!("rsrt check {path} shows a topology")),
        );
    }
    let loader = loading::plugin_loader(EngineOptions::default(), environment)?;
    let plugin = loading::load_plugin(&loader, &arguments.plugin)?;
    let imports = imports(&arguments.plugin)?;
    let text = match arguments.format {
        Format::Text => text(&arguments.plugin, &plugin, &imports),
        Format::Json => format!("{}\n", json(&arguments.plugin, &plugin, &imports)),
    };
    output::answer(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What the component imports by name. It has been loaded, so all of it is granted.
fn imports(path: &Path) -> Result<Vec<String>, Failure> {
    let unreadable =
        |why: String| Failure::input(format!("cannot read plugin {}: {why}", path.display()));
    let mut bytes = fs::read(path).map_err(|error| unreadable(error.to_string()))?;
    if is_core_module(&bytes) {
        bytes = componentize(bytes).map_err(|error| unreadable(error.to_string()))?;
    }
    let mut depth = 0;
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload.map_err(|error| unreadable(error.to_string()))? {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|error| unreadable(error.to_string()))?;
                    names.push(import.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(names)
}

fn text(path: &Path, plugin: &Plugin, imports: &[String]) -> String {
    let info = plugin.info();
    let mut text = heading(info);
    for function in &info.functions {
        text.push_str(&describe(function));
    }
    let _ = write!(
        text,
        "\nfile        {}, {} bytes\ndigest      blake3:{}\nimports     {}\nguarantees  {}\n",
        path.display(),
        grouped(plugin.size() as u64),
        plugin.digest(),
        granted(imports),
        guarantees(imports).join("\n            ")
    );
    text
}

/// Imports as people read them: of those that are ours, only the host's interface has functions.
fn granted(imports: &[String]) -> String {
    let (wasi, ours): (Vec<&str>, Vec<&str>) = imports
        .iter()
        .map(String::as_str)
        .partition(|name| is_wasi(name));
    let (host, types): (Vec<_>, Vec<_>) =
        ours.into_iter().partition(|name| name.contains("/host@"));
    let mut lines: Vec<String> = host
        .iter()
        .map(|host| format!("{host} (its task, the log)"))
        .collect();
    if !types.is_empty() {
        lines.push(format!("types only: {}", types.join(", ")));
    }
    if !wasi.is_empty() {
        lines.push("linked to nothing, unless a topology grants more:".to_owned());
        lines.extend(wasi.iter().map(|name| format!("  {name}")));
    }
    match lines.is_empty() {
        true => "none".to_owned(),
        false => lines.join("\n            "),
    }
}

/// What a plugin that can be granted more is held to only as long as it is not.
fn guarantees(imports: &[String]) -> Vec<&'static str> {
    let mut guarantees = GUARANTEES.to_vec();
    if imports.iter().any(|name| is_wasi(name)) {
        guarantees.push("a topology that grants it more takes back the last two");
    }
    guarantees
}

fn heading(info: &PluginInfo) -> String {
    let doc = match info.doc.as_str() {
        "" => String::new(),
        doc => format!(": {doc}"),
    };
    let settings = match info.resolves {
        true => "settings are checked at load",
        false => "settings are not checked",
    };
    format!("{} {}{doc}\n{settings}\n", info.name, info.version)
}

fn describe(function: &Function) -> String {
    let mut text = format!(
        "\n  {} {}: {}",
        verb(function),
        function.name,
        takes(function)
    );
    if let Some(output) = output_of(function) {
        let _ = write!(text, " -> ({output})"); // to memory
    }
    text.push('\n');
    for line in function.doc.lines() {
        let _ = writeln!(text, "      {line}");
    }
    for note in notes(function) {
        let _ = writeln!(text, "      {note}");
    }
    text
}

/// The verb of a topology that calls it.
fn verb(function: &Function) -> &'static str {
    match &function.role {
        Role::Transform(transform) => transform.verb.name(),
        Role::Filter => "filter",
        Role::Aggregate(aggregate) if aggregate.merge.is_some() => "combine-by-key",
        Role::Aggregate(_) => "reduce-by-key",
        Role::Stateful(stateful) => stateful.verb.name(),
        Role::Foreach => "foreach",
    }
}

fn takes(function: &Function) -> String {
    match &function.input {
        Some(schema) => format!("({schema})"),
        None => "(any columns)".to_owned(),
    }
}

fn output_of(function: &Function) -> Option<&Schema> {
    match &function.role {
        Role::Transform(transform) => Some(&transform.output),
        Role::Aggregate(aggregate) => Some(&aggregate.output),
        Role::Stateful(stateful) => stateful.output.as_ref(),
        Role::Filter | Role::Foreach => None,
    }
}

fn notes(function: &Function) -> Vec<String> {
    let mut notes = Vec::new();
    match &function.role {
        Role::Transform(transform) => {
            if let Some(fusion) = &transform.fusion {
                let (first, combine) = (&fusion.first, &fusion.combine);
                notes.push(format!(
                    "does `{first}` and combines with `{combine}` in one go"
                ));
            }
            for side in &transform.sides {
                let columns = side
                    .input
                    .as_ref()
                    .map_or("any columns".to_owned(), Schema::to_string);
                notes.push(format!(
                    "reads `{}` ({columns}) whole, before its first chunk",
                    side.name
                ));
            }
        }
        Role::Aggregate(aggregate) => {
            if aggregate.associative {
                notes.push("associative: may be applied in parts".to_owned());
            }
            if let Some(merge) = &aggregate.merge {
                notes.push(format!("what it makes is merged by `{merge}`"));
            }
            if let Some(inverse) = &aggregate.inverse {
                notes.push(format!("`{inverse}` takes values out again"));
            }
        }
        Role::Stateful(stateful) => {
            let (state, version) = (&stateful.state, stateful.state_version);
            notes.push(format!("state ({state}), version {version}"));
            if stateful.skips_idle {
                notes.push("not called for keys without new values".to_owned());
            }
        }
        Role::Filter | Role::Foreach => {}
    }
    notes
}

fn json(path: &Path, plugin: &Plugin, imports: &[String]) -> Value {
    let info = plugin.info();
    let functions = info.functions.iter().map(|function| {
        json!({
            "name": function.name,
            "verb": verb(function),
            "doc": function.doc,
            "input": function.input.as_ref().map(columns),
            "output": output_of(function).map(columns),
            "notes": notes(function),
        })
    });
    json!({
        "name": info.name,
        "version": info.version,
        "doc": info.doc,
        "checks-settings": info.resolves,
        "functions": functions.collect::<Vec<_>>(),
        "file": path.display().to_string(),
        "bytes": plugin.size(),
        "blake3": plugin.digest().to_string(),
        "imports": imports,
        "linked-to-nothing": imports.iter().filter(|name| is_wasi(name)).collect::<Vec<_>>(),
        "guarantees": guarantees(imports),
    })
}

/// Types by column name, in order.
fn columns(schema: &Schema) -> Value {
    let columns = schema.fields().iter();
    let columns = columns.map(|field| (field.name.clone(), Value::from(field.type_text())));
    Value::Object(columns.collect::<Map<_, _>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AggregateFunction, Fusion, Kind, TransformFunction, TransformVerb};

    #[test]
    fn a_function_is_shown_with_its_types_and_what_it_promises() {
        let pair = Schema::pair(Kind::Utf8, Kind::Int64);
        let functions = [
            Function {
                name: "split".into(),
                doc: "Splits a line.\nKeeps case.".into(),
                input: Some(Schema::plain(Kind::Utf8)),
                role: Role::Transform(TransformFunction {
                    verb: TransformVerb::FlatMap,
                    sides: Vec::new(),
                    output: pair.clone(),
                    fusion: None,
                }),
            },
            Function {
                name: "split-sum".into(),
                doc: String::new(),
                input: None,
                role: Role::Transform(TransformFunction {
                    verb: TransformVerb::MapPartitions,
                    sides: Vec::new(),
                    output: pair,
                    fusion: Some(Fusion {
                        first: "split".into(),
                        combine: "std:sum".into(),
                    }),
                }),
            },
            Function {
                name: "sum".into(),
                doc: "Adds.".into(),
                input: Some(Schema::plain(Kind::Int64)),
                role: Role::Aggregate(AggregateFunction {
                    keys: None,
                    output: Schema::plain(Kind::Int64),
                    associative: true,
                    merge: None,
                    inverse: Some("subtract".into()),
                }),
            },
        ];
        let text: String = functions.iter().map(describe).collect();
        insta::assert_snapshot!(text);
    }
}
