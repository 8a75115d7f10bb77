//! What is loaded, and what is refused and why.

use std::time::Duration;

use rsrt::plugin::{CompileLimits, Compiler, LoadError, Loader, PluginFault};

use super::{ENGINE, PLAIN, component, registry};
use crate::guests;

pub(super) fn loader() -> Loader {
    Loader::new(ENGINE.clone(), Compiler::InProcess, None)
}

fn refused(bytes: &[u8]) -> LoadError {
    match loader().load(bytes) {
        Ok(plugin) => panic!("{} was loaded", plugin.info().name),
        Err(error) => error,
    }
}

#[test]
fn a_plugin_of_any_0_1_is_loaded() {
    for version in ["0.1.0", "0.1.7"] {
        let plugin = loader().load(&registry(version, "", PLAIN));
        assert_eq!(plugin.unwrap().info().name, "tiny", "{version}");
    }
}

#[test]
fn other_versions_are_named() {
    for version in ["0.2.0", "0.10.0", "1.0.0"] {
        let found = version.to_owned();
        assert_eq!(
            refused(&registry(version, "", PLAIN)),
            LoadError::OtherVersion { found }
        );
    }
}

#[test]
fn what_is_no_component_is_told_apart() {
    assert_eq!(refused(b""), LoadError::NotWasm);
    assert_eq!(refused(b"#!/bin/sh\n"), LoadError::NotWasm);
    assert_eq!(refused(b"\0asm"), LoadError::NotWasm);
    assert_eq!(
        refused(&wat::parse_str("(module)").unwrap()),
        LoadError::CoreModule
    );
    let cut = registry("0.1.0", "", PLAIN);
    assert!(matches!(
        refused(&cut[..cut.len() / 2]),
        LoadError::Invalid(_)
    ));
}

#[test]
fn a_component_of_another_world_is_refused() {
    let exports = |exports: &str| LoadError::OtherWorld {
        exports: exports.to_owned(),
    };
    assert_eq!(
        refused(&wat::parse_str("(component)").unwrap()),
        exports("nothing")
    );
    let wit = "package acme:shop; interface till { open: func(); } world it { export till; }";
    let shop = component(wit, r#"(module (func (export "acme:shop/till#open")))"#);
    assert_eq!(refused(&shop), exports("acme:shop/till"));
}

#[test]
fn an_import_that_is_not_granted_is_named() {
    let clock = "import wall: interface { now: func() -> u64; }";
    let parts = format!(r#"(import "wall" "now" (func (result i64))) {PLAIN}"#);
    assert_eq!(
        refused(&registry("0.1.0", clock, &parts)),
        LoadError::ImportNotGranted {
            import: "wall".into()
        }
    );
}

#[test]
fn what_the_host_does_not_have_or_has_with_other_types_is_refused() {
    for (function, signature) in [
        ("read-files", "(result i32)"),
        ("log", "(param i32 i32 i32)"),
    ] {
        let parts =
            format!(r#"(import "rsrt:plugin/host@0.1.0" "{function}" (func {signature})) {PLAIN}"#);
        let error = refused(&registry("0.1.0", "import host;", &parts));
        assert!(
            matches!(error, LoadError::WrongTypes(_)),
            "{function}: {error}"
        );
        assert!(error.to_string().contains(function), "{error}");
    }
}

#[test]
fn a_registry_of_another_type_is_refused() {
    let wit = "package rsrt:plugin@0.1.0;
        interface registry { describe: func() -> u32; }
        world it { export registry; }";
    let describe = r#"(module (func (export "rsrt:plugin/registry@0.1.0#describe") (result i32) i32.const 0))"#;
    let error = refused(&component(wit, describe)).to_string();
    assert!(error.contains("registry.describe"), "{error}");
}

#[test]
fn a_plugin_that_traps_when_it_starts_is_to_blame() {
    let parts = format!("(func $start unreachable) (start $start) {PLAIN}");
    let error = refused(&registry("0.1.0", "", &parts));
    assert!(
        matches!(&error, LoadError::Silent(PluginFault::Trapped { .. })),
        "{error:?}"
    );
}

fn child(cpu_time: Duration, memory: u64) -> Loader {
    let compiler = Compiler::Child {
        program: env!("CARGO_BIN_EXE_rsrt").into(),
        limits: CompileLimits { cpu_time, memory },
    };
    Loader::new(ENGINE.clone(), compiler, None)
}

#[test]
fn a_child_compiles_the_same_plugin() {
    let limits = CompileLimits::default();
    let bytes = registry("0.1.0", "", PLAIN);
    let plugin = child(limits.cpu_time, limits.memory).load(&bytes).unwrap();
    assert_eq!(plugin.info().name, "tiny");
    let damaged = child(limits.cpu_time, limits.memory).load(&bytes[..bytes.len() / 2]);
    assert!(matches!(damaged, Err(LoadError::Invalid(why)) if !why.contains("it takes more")));
}

#[test]
fn a_component_that_takes_too_much_memory_to_compile_is_refused() {
    let bytes = std::fs::read(guests::plugin("word-count")).unwrap();
    let refused = child(Duration::from_mins(1), 50 << 20).load(&bytes);
    let Err(LoadError::Invalid(why)) = refused else {
        panic!("it was compiled");
    };
    let expected = "it takes more than 60 s of CPU or 50 MiB of memory to compile";
    assert!(why.starts_with(expected), "{why}");
}

#[test]
fn a_component_that_takes_too_long_to_compile_is_refused() {
    let refused = child(Duration::from_secs(1), 8 << 30).load(&endless(400));
    let Err(LoadError::Invalid(why)) = refused else {
        panic!("it was compiled");
    };
    let expected = "it takes more than 1 s of CPU or 8192 MiB of memory to compile";
    assert!(why.starts_with(expected), "{why}");
}

/// A component of so many functions with tens of thousands of additions each.
pub(crate) fn endless(functions: usize) -> Vec<u8> {
    let section = |id: u8, content: &[u8]| [&[id], &leb(content.len())[..], content].concat();
    let mut body = vec![0, 0x20, 0]; // no locals, local.get 0
    for n in 0..30_000_u16 {
        body.extend([0x41, u8::try_from(n % 64).unwrap(), 0x6a]); // i32.const, i32.add
    }
    body.push(0x0b);
    let body = [leb(body.len()), body].concat();
    let types = [1, 0x60, 1, 0x7f, 1, 0x7f];
    let count = leb(functions);
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &types),
        section(3, &[&count[..], &vec![0; functions]].concat()),
        section(10, &[count, body.repeat(functions)].concat()),
    ];
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module.concat())].concat()
}

/// An unsigned number as WebAssembly writes it.
fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(u8::try_from(number % 0x80).unwrap() | 0x80);
        number /= 0x80;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}
