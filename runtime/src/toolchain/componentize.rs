//! Wasm bytes -> component bytes. Pure: no files, no processes; also used when a plugin is loaded.
//!
//! Guest compilers make core modules; the `wit-bindgen` glue leaves the interface in a custom
//! section, and from both a component is made. What is a component already is left alone. Nothing
//! is checked here about which interfaces it has: loading does that.

use wasmparser::{Parser, Payload};
use wit_component::ComponentEncoder;

/// Bytes could not become a component.
#[derive(Debug, thiserror::Error)]
pub enum ComponentizeError {
    /// Not WebAssembly at all.
    #[error("not a WebAssembly file: it does not start with the bytes `\\0asm`")]
    NotWasm,
    /// Starts like WebAssembly, then breaks.
    #[error("the WebAssembly file is damaged at byte {offset}: {reason}")]
    Damaged {
        /// Where.
        offset: u64,
        /// Why.
        reason: String,
    },
    /// A core module that does not say which interface it has.
    #[error(
        "this is a core WebAssembly module without a component interface: it has no \
         `component-type` section, which the SDK puts there; call `rsrt::plugin!` in the crate, or \
         build it with a toolkit that makes components"
    )]
    NoInterface,
    /// The module does not fit the interface in its section.
    #[error("the module does not fit the interface it claims: {0}")]
    Mismatch(String),
}

/// Makes a component of a core module that carries its interface; returns a component as it is.
///
/// # Errors
/// When the bytes are neither.
pub fn componentize(bytes: Vec<u8>) -> Result<Vec<u8>, ComponentizeError> {
    if !bytes.starts_with(b"\0asm") {
        return Err(ComponentizeError::NotWasm);
    }
    if Parser::is_component(&bytes) {
        return Ok(bytes);
    }
    if !has_interface(&bytes)? {
        return Err(ComponentizeError::NoInterface);
    }
    ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(ComponentEncoder::encode)
        .map_err(|error| ComponentizeError::Mismatch(format!("{error:#}")))
}

fn has_interface(module: &[u8]) -> Result<bool, ComponentizeError> {
    for payload in Parser::new(0).parse_all(module) {
        match payload {
            Ok(Payload::CustomSection(section)) if section.name().starts_with("component-type") => {
                return Ok(true);
            }
            Ok(_) => {}
            Err(error) => {
                return Err(ComponentizeError::Damaged {
                    offset: error.offset(),
                    reason: error.message().to_owned(),
                });
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use wit_component::{StringEncoding, embed_component_metadata};
    use wit_parser::Resolve;

    use super::*;

    const RUNS: &str = r#"(module (func (export "run") (result i32) i32.const 1))"#;

    /// A module that claims to export `run: func() -> u32`.
    fn module(text: &str) -> Vec<u8> {
        let mut module = wat::parse_str(text).unwrap();
        let mut resolve = Resolve::default();
        let world = "package test:small; world small { export run: func() -> u32; }";
        let package = resolve.push_source("small.wit", world).unwrap();
        let world = resolve.select_world(&[package], Some("small")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
            .unwrap();
        module
    }

    #[test]
    fn a_module_with_its_interface_becomes_a_component() {
        let component = componentize(module(RUNS)).unwrap();
        assert!(Parser::is_component(&component));
    }

    #[test]
    fn a_component_passes_as_it_is() {
        let component = componentize(module(RUNS)).unwrap();
        assert_eq!(componentize(component.clone()).unwrap(), component);
    }

    #[test]
    fn what_cannot_become_a_component_says_why() {
        let damaged = [wat::parse_str(RUNS).unwrap(), vec![0xff]].concat();
        let cases = [
            (b"hello".to_vec(), "not a WebAssembly file"),
            (Vec::new(), "not a WebAssembly file"),
            (damaged, "damaged at byte"),
            (wat::parse_str(RUNS).unwrap(), "no `component-type` section"),
            (module("(module)"), "does not fit the interface it claims"),
            (
                module(
                    r#"(module (import "env" "now" (func)) (func (export "run") (result i32) i32.const 1))"#,
                ),
                "env",
            ),
        ];
        for (bytes, expected) in cases {
            let error = componentize(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
