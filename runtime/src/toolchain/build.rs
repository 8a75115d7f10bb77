//! A plugin's crate -> its component, through cargo.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use super::{ComponentizeError, GuestToolchain, artifact, componentize};

/// What to build, and where to put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The directory of its `Cargo.toml`.
    pub directory: PathBuf,
    /// Where the component goes. None: `<package>.wasm` in `directory`.
    pub output: Option<PathBuf>,
    /// Cargo's target directory. None: as cargo chooses.
    pub target_directory: Option<PathBuf>,
}

/// A plugin could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no crate.
    #[error("{directory} holds no Cargo.toml: give the directory of a plugin's crate")]
    NoCrate {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// Cargo is not there, or cannot be run.
    #[error("cargo could not be started: {0}")]
    NoCargo(std::io::Error),
    /// It does not compile. What cargo said went to standard error as it said it.
    #[error("cargo build of {directory} failed ({status}); its messages are above")]
    Cargo {
        /// The crate.
        directory: PathBuf,
        /// As cargo ended.
        status: ExitStatus,
    },
    /// It compiles, to something that is no wasm module.
    #[error(
        "the crate in {directory} makes no wasm module: its Cargo.toml needs\n\
         [lib]\ncrate-type = [\"cdylib\", \"rlib\"]"
    )]
    NoModule {
        /// The crate.
        directory: PathBuf,
    },
    /// The module is no plugin.
    #[error("{module}: {source}")]
    Componentize {
        /// What cargo made.
        module: PathBuf,
        /// What is wrong with it.
        source: ComponentizeError,
    },
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Compiles a plugin's crate and makes a component of it. Returns where that lies. What was there
/// before stays if anything fails. Cargo's messages go to standard error.
///
/// Always with one codegen unit and link-time optimisation: what runs for each row is worth it.
///
/// # Errors
/// When the crate does not compile, or does not compile to a plugin.
pub fn build(toolchain: &GuestToolchain, guest: &Guest) -> Result<PathBuf, BuildError> {
    let manifest =
        fs::canonicalize(guest.directory.join("Cargo.toml")).map_err(|_| BuildError::NoCrate {
            directory: guest.directory.clone(),
        })?;
    let messages = compile(toolchain, guest, &manifest)?;
    let artifact = artifact::find(&messages, &manifest).ok_or_else(|| BuildError::NoModule {
        directory: guest.directory.clone(),
    })?;

    let module = fs::read(&artifact.module).map_err(at(&artifact.module))?;
    let component = componentize(module).map_err(|source| BuildError::Componentize {
        module: artifact.module.clone(),
        source,
    })?;
    let output = guest
        .output
        .clone()
        .unwrap_or_else(|| guest.directory.join(format!("{}.wasm", artifact.package)));
    write_whole(&output, &component)?;
    Ok(output)
}

fn compile(
    toolchain: &GuestToolchain,
    guest: &Guest,
    manifest: &Path,
) -> Result<Vec<u8>, BuildError> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--release", "--lib"])
        .arg("--message-format=json-render-diagnostics")
        .args(["--config", "profile.release.codegen-units=1"])
        .args(["--config", "profile.release.lto=\"fat\""])
        .args(["--config", "profile.release.panic=\"abort\""])
        .args(["--config", "profile.release.strip=\"debuginfo\""]) // names stay, for traces
        .arg("--manifest-path")
        .arg(manifest)
        .current_dir(&guest.directory) // for its rust-toolchain and .cargo/config.toml
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    if let Some(target) = &guest.target_directory {
        cargo.arg("--target-dir").arg(target);
    }
    toolchain.apply(&mut cargo);
    let output = cargo.output().map_err(BuildError::NoCargo)?;
    if !output.status.success() {
        return Err(BuildError::Cargo {
            directory: guest.directory.clone(),
            status: output.status,
        });
    }
    Ok(output.stdout)
}

/// Through a temporary file beside it, so that a running topology never loads half a plugin.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let write = || {
        fs::create_dir_all(parent)?;
        let mut file = tempfile::Builder::new()
            .prefix(".rsrt-build-")
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
            .tempfile_in(parent)?;
        file.write_all(bytes)?;
        file.persist(path).map_err(|error| error.error)
    };
    write().map(drop).map_err(at(path))
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> BuildError + use<'_> {
    move |source| BuildError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use wit_component::{StringEncoding, metadata};
    use wit_parser::Resolve;

    use super::*;
    use crate::toolchain::{Environment, Install, find};

    fn guest(directory: &Path) -> Guest {
        Guest {
            directory: directory.to_owned(),
            output: None,
            // Of its own: crates of other tests have the same name.
            target_directory: Some(directory.join("target")),
        }
    }

    #[test]
    fn a_directory_without_a_crate_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = build(&GuestToolchain::Rustup, &guest(directory.path())).unwrap_err();
        assert!(matches!(error, BuildError::NoCrate { .. }), "{error}");
        assert!(error.to_string().contains("holds no Cargo.toml"), "{error}");
    }

    const INTERFACE: &str = "package test:small; world small { export run: func() -> u32; }";

    /// A crate that exports `run`, written without any SDK.
    fn write_crate(directory: &Path, source: &str) {
        let mut resolve = Resolve::default();
        let package = resolve.push_source("small.wit", INTERFACE).unwrap();
        let world = resolve.select_world(&[package], Some("small")).unwrap();
        let section = metadata::encode(&resolve, world, StringEncoding::UTF8, None, false).unwrap();
        let manifest = "[package]\nname = \"one-more\"\nedition = \"2024\"\n\
            [lib]\ncrate-type = [\"cdylib\"]\n[workspace]\n";
        fs::create_dir(directory.join("src")).unwrap();
        fs::write(directory.join("Cargo.toml"), manifest).unwrap();
        fs::write(directory.join("src/section.bin"), &section).unwrap();
        let source = source.replace("LENGTH", &section.len().to_string());
        fs::write(directory.join("src/lib.rs"), source).unwrap();
    }

    /// What is installed here; nothing is installed for a test.
    fn installed(directory: &Path) -> GuestToolchain {
        find(&Environment::read(directory, Install::Forbidden).unwrap()).unwrap()
    }

    #[test]
    fn a_crate_becomes_a_component_named_after_its_package() {
        let directory = tempfile::tempdir().unwrap();
        write_crate(
            directory.path(),
            r#"
            #[unsafe(link_section = "component-type:small")]
            #[used]
            static SECTION: [u8; LENGTH] = *include_bytes!("section.bin");

            #[unsafe(no_mangle)]
            extern "C" fn run() -> u32 { 7 }
            "#,
        );
        let toolchain = installed(directory.path());
        let path = build(&toolchain, &guest(directory.path())).unwrap();
        assert_eq!(path, directory.path().join("one-more.wasm"));
        assert!(wasmparser::Parser::is_component(&fs::read(path).unwrap()));
    }

    #[test]
    fn a_crate_that_is_no_plugin_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        write_crate(directory.path(), "");
        let toolchain = installed(directory.path());
        let error = build(&toolchain, &guest(directory.path())).unwrap_err();
        assert!(error.to_string().contains("rsrt::plugin!"), "{error}");
        assert!(!directory.path().join("one-more.wasm").exists());
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wasm");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        let error = write_whole(&path.join("b.wasm"), b"x").unwrap_err();
        assert!(error.to_string().contains("a.wasm/b.wasm"), "{error}");
    }
}
