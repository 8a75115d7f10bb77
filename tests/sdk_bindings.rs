//! The SDK's bindings are what `wit/plugin.wit` says.
//!
//! They are committed, so that guests compile without a generator. After a change of the interface
//! `RSRT_UPDATE=1 cargo test -p rsrt --test it sdk_bindings` writes them again.

use std::{fs, path::Path};

use wit_bindgen_core::{Files, WorldGenerator as _, wit_parser::Resolve};

#[test]
fn the_sdks_bindings_are_those_of_the_interface() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(root.join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();

    let options = wit_bindgen_rust::Opts {
        format: true,
        generate_all: true,
        runtime_path: Some("crate::abi::rt".into()),
        export_macro_name: Some("export_plugin".into()),
        pub_export_macro: true,
        default_bindings_module: Some("::rsrt::abi::bindings".into()),
        ..Default::default()
    };
    let mut files = Files::default();
    options
        .build()
        .generate(&mut resolve, world, &mut files)
        .unwrap();
    let (_, generated) = files.iter().next().unwrap();
    let generated = without_docs(str::from_utf8(generated).unwrap());

    let path = root.join("sdk/rust/src/abi/bindings.rs");
    #[expect(clippy::disallowed_methods, reason = "a switch of this test alone")]
    let update = std::env::var("RSRT_UPDATE").is_ok();
    if update {
        fs::write(&path, &generated).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == generated,
        "sdk/rust/src/abi/bindings.rs is not what wit/plugin.wit gives: run \
         `RSRT_UPDATE=1 cargo test -p rsrt --test it sdk_bindings`"
    );
}

/// Without doc comments: they are in the interface itself, and indented lines in them would be
/// taken for tests.
fn without_docs(code: &str) -> String {
    code.lines()
        .filter(|line| !line.trim_start().starts_with("///"))
        .flat_map(|line| [line, "\n"])
        .collect()
}
