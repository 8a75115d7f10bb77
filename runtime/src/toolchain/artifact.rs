//! Reads what `cargo build --message-format=json` says it made. Pure.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The wasm module of a crate.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Artifact {
    /// The package's name.
    pub(super) package: String,
    /// The core module.
    pub(super) module: PathBuf,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Default, Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// The artifact of the crate with this manifest. None if the crate makes no wasm module.
pub(super) fn find(messages: &[u8], manifest: &Path) -> Option<Artifact> {
    messages
        .split(|byte| *byte == b'\n')
        // Lines that a build script or a newer cargo put there are not for us.
        .filter_map(|line| serde_json::from_slice::<Message>(line).ok())
        .filter(|message| message.reason == "compiler-artifact")
        .filter(|message| message.manifest_path == manifest)
        .filter(|message| message.target.kind.iter().any(|kind| kind == "cdylib"))
        .find_map(|message| {
            let is_wasm = |file: &&PathBuf| file.extension().is_some_and(|e| e == "wasm");
            let module = message.filenames.iter().find(is_wasm)?.clone();
            let package = package_name(&message.package_id)
                .map_or_else(|| message.target.name.replace('_', "-"), str::to_owned);
            Some(Artifact { package, module })
        })
}

/// `path+file:///a/text#0.1.0` and `path+file:///a/b#text@0.1.0` are both `text`.
fn package_name(id: &str) -> Option<&str> {
    let (url, fragment) = id.split_once('#')?;
    match fragment.split_once('@') {
        Some((name, _)) => Some(name),
        None => url.rsplit('/').next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(package_id: &str, manifest: &str, kind: &str, file: &str) -> String {
        serde_json::json!({
            "reason": "compiler-artifact",
            "package_id": package_id,
            "manifest_path": manifest,
            "target": { "name": "my_text", "kind": [kind], "doc": true },
            "filenames": [file],
        })
        .to_string()
    }

    #[test]
    fn the_module_of_the_crate_itself_is_found_among_others() {
        let messages = [
            artifact(
                "path+file:///sdk#0.1.0",
                "/sdk/Cargo.toml",
                "lib",
                "/t/libsdk.rlib",
            ),
            artifact(
                "path+file:///x#0.1.0",
                "/x/Cargo.toml",
                "cdylib",
                "/t/x.wasm",
            ),
            "not json".to_owned(),
            artifact(
                "path+file:///my-text#0.1.0",
                "/my-text/Cargo.toml",
                "cdylib",
                "/t/my_text.wasm",
            ),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ]
        .join("\n");
        let found = find(messages.as_bytes(), Path::new("/my-text/Cargo.toml")).unwrap();
        assert_eq!(
            found,
            Artifact {
                package: "my-text".to_owned(),
                module: "/t/my_text.wasm".into(),
            }
        );
    }

    #[test]
    fn a_crate_without_a_cdylib_has_no_module() {
        let message = artifact(
            "path+file:///a#0.1.0",
            "/a/Cargo.toml",
            "lib",
            "/t/liba.rlib",
        );
        assert_eq!(find(message.as_bytes(), Path::new("/a/Cargo.toml")), None);
    }

    #[test]
    fn package_names_are_read_from_ids() {
        let cases = [
            ("path+file:///a/text#0.1.0", Some("text")),
            ("path+file:///a/b#text@0.1.0", Some("text")),
            ("text 0.1.0 (path+file:///a)", None),
        ];
        for (id, expected) in cases {
            assert_eq!(package_name(id), expected, "{id}");
        }
    }
}
