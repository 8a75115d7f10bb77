//! The plugins of `plugins/`, built for tests: once, whoever comes first.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use rsrt::{
    plugin::{Compiler, Engine, EngineOptions, Loader, Plugin},
    stream::Plugins,
};

/// The plugins that the documentation speaks of: `word-count` is the default, `text-tools` is called
/// `text`; `sessions`; and `faulty`. Loaded once.
pub(crate) fn catalog() -> &'static Plugins {
    static CATALOG: LazyLock<Plugins> = LazyLock::new(|| {
        let engine = Engine::new(EngineOptions::default()).unwrap();
        let mut plugins = Plugins::default();
        plugins.add(None, load(&engine, "word-count"));
        plugins.add(Some("text".parse().unwrap()), load(&engine, "text-tools"));
        plugins.add(Some("sessions".parse().unwrap()), load(&engine, "sessions"));
        plugins.add(Some("faulty".parse().unwrap()), load(&engine, "faulty"));
        plugins
    });
    &CATALOG
}

/// The plugin `plugins/<name>`, compiled in this process.
pub(crate) fn load(engine: &Arc<Engine>, name: &str) -> Plugin {
    let component = fs::read(plugin(name)).unwrap();
    let loader = Loader::new(engine.clone(), Compiler::InProcess, None);
    loader.load(&component).unwrap()
}

/// The component of `plugins/<name>`, built if it is not there or older than what it is made of.
pub(crate) fn plugin(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let guests = target().join("guests");
    fs::create_dir_all(&guests).unwrap();
    // Tests run in threads and in processes: a lock on an open file keeps both apart.
    let lock = File::create(guests.join(".lock")).unwrap();
    lock.lock().unwrap();
    let component = guests.join(format!("{name}.wasm"));
    let sources = [
        root.join("plugins").join(name),
        root.join("sdk/rust"),
        root.join("runtime/src/toolchain"),
    ];
    let newest = sources.iter().map(|folder| newest(folder)).max().unwrap();
    let is_fresh = fs::metadata(&component)
        .and_then(|file| file.modified())
        .is_ok_and(|built| built > newest);
    if !is_fresh {
        let built = Command::new(env!("CARGO_BIN_EXE_rsrt"))
            .arg("build")
            .arg(root.join("plugins").join(name))
            .arg("-o")
            .arg(&component)
            .env("CARGO_TARGET_DIR", &guests)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&built.stderr);
        assert!(built.status.success(), "plugin {name}: {said}");
    }
    component
}

/// Cargo's target directory: the program under test lies in `<target>/<profile>`.
fn target() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_rsrt"));
    program.ancestors().nth(2).unwrap().to_owned()
}

/// When the newest file of a folder was written.
fn newest(folder: &Path) -> SystemTime {
    let files = walkdir::WalkDir::new(folder).into_iter();
    let files = files.filter_entry(|entry| entry.file_name() != "target");
    let written = files.filter_map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_source = [".rs", ".toml", ".wit"].iter().any(|e| name.ends_with(e));
        is_source.then(|| entry.metadata().unwrap().modified().unwrap())
    });
    written.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
