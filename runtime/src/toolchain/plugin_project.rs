//! Writes a new plugin's project: a crate that compiles, a topology that runs, a test that passes.
//!
//! It works anywhere, offline: the SDK's sources come along and nothing else is needed. The files
//! lie in `template/`; `{{name}}` in them stands for the plugin's name.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::sdk_sources::SDK;
use crate::model::{InvalidName, PluginName};

/// Where the project goes, what is in it.
const TEMPLATE: [(&str, &str); 7] = [
    ("Cargo.toml", include_str!("template/manifest.toml")),
    ("src/lib.rs", include_str!("template/src/lib.rs")),
    ("topo.toml", include_str!("template/topo.toml")),
    ("readings.txt", include_str!("template/readings.txt")),
    ("cases.json", include_str!("template/cases.json")),
    ("README.md", include_str!("template/README.md")),
    (".gitignore", include_str!("template/gitignore")),
];

/// Where the SDK goes. `template/manifest.toml` says so too.
const SDK_FOLDER: &str = ".rsrt-sdk";

/// Crates that the compiler knows already; a plugin of this name would not compile.
const TAKEN: [&str; 9] = [
    "alloc",
    "core",
    "proc-macro",
    "rsrt",
    "rsrt-sdk",
    "rsrt-sdk-macros",
    "self",
    "std",
    "test",
];

/// Words of the language, which cargo refuses as names.
const KEYWORDS: [&str; 49] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate",
    "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl",
    "in", "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref",
    "return", "static", "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe",
    "unsized", "use", "virtual", "where", "while",
];

/// A project could not be written. Nothing of it is there.
#[derive(Debug, thiserror::Error)]
pub enum NewPluginError {
    /// Not a name at all.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A name that Rust needs for itself.
    #[error("a plugin cannot be called {0:?}: Rust or the SDK uses that name; choose another")]
    Taken(String),
    /// There is something already.
    #[error("{0} is there and not empty: nothing was written; give a new directory")]
    Exists(PathBuf),
    /// A file could not be written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes the project of a plugin called `name` into `directory`, which must be new or empty.
///
/// # Errors
/// When the name will not do, the directory holds something, or the disk refuses.
pub fn new_plugin(directory: &Path, name: &str) -> Result<(), NewPluginError> {
    let name: PluginName = name.parse()?;
    if TAKEN.contains(&name.as_str()) || KEYWORDS.contains(&name.as_str()) {
        return Err(NewPluginError::Taken(name.as_str().to_owned()));
    }
    if holds_something(directory).map_err(at(directory))? {
        return Err(NewPluginError::Exists(directory.to_owned()));
    }
    let parent = match directory.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(at(parent))?;

    // Written beside, then renamed: a project is there as a whole or not at all.
    let scratch = tempfile::Builder::new()
        .prefix(".rsrt-new-")
        .tempdir_in(parent)
        .map_err(at(parent))?;
    let project = scratch.path().join("project");
    for (path, text) in TEMPLATE {
        let text = text.replace("{{name}}", name.as_str());
        write(&project.join(path), text.as_bytes())?;
    }
    for (path, bytes) in SDK {
        write(&project.join(SDK_FOLDER).join(path), bytes)?;
    }
    fs::rename(&project, directory).map_err(at(directory))
}

fn holds_something(directory: &Path) -> io::Result<bool> {
    match fs::read_dir(directory) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), NewPluginError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(at(folder))?;
    }
    fs::write(path, bytes).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> NewPluginError + use<'_> {
    move |source| NewPluginError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::toolchain::{Environment, Guest, Install, build, find};

    #[test]
    fn a_project_has_everything_and_its_name() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("deep/room-heat");
        new_plugin(&directory, "room-heat").unwrap();
        let text = |path: &str| fs::read_to_string(directory.join(path)).unwrap();
        for (path, _) in TEMPLATE {
            assert!(!text(path).contains("{{"), "{path}");
        }
        for path in ["Cargo.toml", "topo.toml", "README.md"] {
            assert!(text(path).contains("room-heat"), "{path}");
        }
        let manifest: toml::Table = text("Cargo.toml").parse().unwrap();
        assert_eq!(
            manifest["dependencies"]["rsrt"]["path"].as_str(),
            Some(SDK_FOLDER)
        );
        assert!(directory.join(SDK_FOLDER).join("Cargo.toml").is_file());
        serde_json::from_str::<serde_json::Value>(&text("cases.json")).unwrap();
        assert_eq!(fs::read_dir(parent.path().join("deep")).unwrap().count(), 1);
    }

    #[test]
    fn a_project_passes_its_own_tests_offline_and_becomes_a_plugin() {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("room-heat");
        new_plugin(&directory, "room-heat").unwrap();
        let tested = Command::new("cargo")
            .args(["test", "--offline", "--target-dir", "target"])
            .current_dir(&directory)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&tested.stderr);
        assert!(tested.status.success(), "{said}");
        assert!(!said.contains("warning"), "{said}");

        let environment = Environment::read(&directory, Install::Forbidden).unwrap();
        let guest = Guest {
            directory: directory.clone(),
            output: None,
            target_directory: Some(directory.join("target")),
        };
        let component = build(&find(&environment).unwrap(), &guest).unwrap();
        assert_eq!(component, directory.join("room-heat.wasm"));
    }

    #[test]
    fn an_empty_directory_will_do_and_a_filled_one_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        new_plugin(directory.path(), "one").unwrap();
        let error = new_plugin(directory.path(), "two").unwrap_err();
        assert!(matches!(error, NewPluginError::Exists(_)), "{error}");
        let manifest = fs::read_to_string(directory.path().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("\"one\""), "{manifest}");
    }

    #[test]
    fn names_that_would_not_compile_are_refused() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["", "Upper", "9lives", "a_b", "../a", "match", "std", "rsrt"] {
            let directory = parent.path().join("new");
            let error = new_plugin(&directory, name).unwrap_err();
            assert!(!directory.exists(), "{name}");
            assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
        }
    }

    #[test]
    fn a_parent_that_is_a_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = new_plugin(&file.path().join("a"), "a").unwrap_err();
        assert!(matches!(error, NewPluginError::File { .. }), "{error}");
    }
}
