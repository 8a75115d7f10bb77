//! The sandbox through its own interface: whatever a plugin does, the host says what it was and who
//! is to blame, and the next instance is as good as new.

mod faults;
mod hostile;
mod limits;
pub(crate) mod loading;
mod logs;
mod world;

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use arrow_array::{ArrayRef, RecordBatch, StringArray, cast::AsArray};
use rsrt::{
    model::{BatchTime, Kind, Role, Schema, TransformVerb},
    plugin::{
        Engine, EngineOptions, Instance, InstanceLimits, Plugin, PluginFault, Preempt, Task,
        Unhurried,
    },
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::guests;

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Engine::new(EngineOptions::default()).unwrap());

static FAULTY: LazyLock<Plugin> = LazyLock::new(|| guests::load(&ENGINE, "faulty"));

fn limits() -> InstanceLimits {
    InstanceLimits {
        memory: 16 << 20,
        cpu_time: Duration::from_secs(30),
        output: 1 << 20,
        fuel: None,
        log_lines: 100,
    }
}

fn instance(plugin: &Plugin, limits: &InstanceLimits) -> Result<Instance, PluginFault> {
    instance_for(plugin, limits, Arc::new(Unhurried))
}

fn instance_for(
    plugin: &Plugin,
    limits: &InstanceLimits,
    preempt: Arc<dyn Preempt>,
) -> Result<Instance, PluginFault> {
    let task = Task {
        topology: "topology".into(),
        operator: "operator".into(),
        batch_time: BatchTime::from_millis(7_000),
        partition: 3,
        settings: Arc::new([]),
    };
    plugin.instantiate(task, limits, preempt)
}

fn lines(lines: &[&str]) -> RecordBatch {
    let column: ArrayRef = Arc::new(StringArray::from(lines.to_vec()));
    RecordBatch::try_new(Schema::plain(Kind::Utf8).to_arrow(), vec![column]).unwrap()
}

/// Calls a function with lines; the rows that come back, if they are text.
fn call(instance: &mut Instance, plugin: &Plugin, name: &str, given: &[&str]) -> Answer {
    let chunk = lines(given);
    let functions = &plugin.info().functions;
    let function = functions.iter().find(|f| f.name == name).unwrap();
    let Role::Transform(transform) = &function.role else {
        let selected = instance.select(name, &chunk, &[0])?;
        return Ok(selected.keep.iter().map(|keep| keep.to_string()).collect());
    };
    let made = instance.process(name, &chunk, &[0], &transform.output)?;
    if transform.verb == TransformVerb::MapPartitions {
        while instance.finish(name, &transform.output)?.is_some() {}
    }
    let text = made.rows.column(0).as_string_opt::<i32>();
    let rows = text.map(|text| text.iter().flatten().map(str::to_owned).collect());
    Ok(rows.unwrap_or_default())
}

type Answer = Result<Vec<String>, PluginFault>;

/// A fresh instance does what it should.
fn assert_works(plugin: &Plugin) {
    let mut fresh = instance(plugin, &limits()).unwrap();
    let rows = call(&mut fresh, plugin, "echo", &["a", "ä"]);
    assert_eq!(rows.unwrap(), ["a", "ä"]);
}

/// A component of a core module in text and the world `it` of a WIT package.
fn component(wit: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("it")).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false).unwrap();
    let mut encoder = ComponentEncoder::default();
    encoder.validate(true).module(&module).unwrap();
    encoder.encode().unwrap()
}

/// A plugin without functions, of this version of the interface. `imports` are those of its world,
/// `parts` further parts of its module.
fn registry(version: &str, imports: &str, parts: &str) -> Vec<u8> {
    let wit = format!(
        "package rsrt:plugin@{version};
         interface types {{ record unused {{ a: u32 }} }}
         interface host {{ log: func(level: u8, message: string); read-files: func() -> u32; }}
         interface registry {{
             record about {{ name: string, version: string, doc: string }}
             describe: func() -> about;
         }}
         world it {{ {imports} export registry; }}"
    );
    let module = format!(
        r#"(module
            {parts}
            (data (i32.const 16) "\40\00\00\00\04\00\00\00\40\00\00\00\00\00\00\00\40\00\00\00\00\00\00\00")
            (data (i32.const 64) "tiny")
            (func (export "rsrt:plugin/registry@{version}#describe") (result i32) i32.const 16)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#
    );
    component(&wit, &module)
}

/// One page of memory, and nothing else.
const PLAIN: &str = r#"(memory (export "memory") 1)"#;
