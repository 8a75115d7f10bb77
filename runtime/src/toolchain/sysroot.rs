//! The standard library for wasm that Debian's rustc needs, built once per machine.
//!
//! Cached under a name that says which compiler and flags it was built with. It appears by one
//! rename, so it is whole or not there, and two processes may build it at once.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    TARGET,
    command::{CommandError, output_of},
    machine::{DEBIAN_RUSTC, debian_version},
};

/// Every flag that code inside the library must be compiled with too. `embed-bitcode`: so that
/// guests can optimise across it.
const FLAGS: [&str; 2] = ["-Cembed-bitcode=yes", "-Ctarget-feature=+simd128"];

const MANIFEST: &str = r#"[package]
name = "sysroot"
version = "0.0.0"
edition = "2024"

[profile.release]
panic = "abort"

[workspace]
"#;

/// The sysroot could not be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum SysrootError {
    #[error("{DEBIAN_RUSTC} is not there")]
    NoCompiler,
    #[error("{0}")]
    Cargo(#[from] CommandError),
    #[error("{path}: {source}")]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
}

/// The cached sysroot of Debian's present compiler, if it was built.
pub(super) fn cached(cache: &Path) -> Option<PathBuf> {
    Some(place(cache, &debian_version()?)).filter(|path| path.is_dir())
}

/// Builds the sysroot of Debian's present compiler into the cache.
pub(super) fn build(cache: &Path) -> Result<PathBuf, SysrootError> {
    let place = place(cache, &debian_version().ok_or(SysrootError::NoCompiler)?);
    fs::create_dir_all(cache).map_err(at(cache))?;
    let scratch = tempfile::Builder::new()
        .prefix(".sysroot-")
        .tempdir_in(cache)
        .map_err(at(cache))?;

    let source = scratch.path().join("crate");
    fs::create_dir_all(source.join("src")).map_err(at(&source))?;
    fs::write(source.join("Cargo.toml"), MANIFEST).map_err(at(&source))?;
    fs::write(source.join("src/lib.rs"), "#![no_std]\n").map_err(at(&source))?;
    output_of(
        Command::new("cargo")
            .args(["build", "--release", "-Zbuild-std=std,panic_abort"])
            .args(["--target", TARGET, "--target-dir", "target"])
            .env("RUSTC", DEBIAN_RUSTC)
            .env("RUSTC_BOOTSTRAP", "1") // -Z on a stable compiler: this build only
            .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\x1f"))
            .env_remove("RUSTC_WRAPPER")
            .env_remove("RUSTC_WORKSPACE_WRAPPER")
            .current_dir(&source),
    )?;

    let built = source.join("target").join(TARGET).join("release/deps");
    let sysroot = scratch.path().join("sysroot");
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&library).map_err(at(&library))?;
    for entry in fs::read_dir(&built).map_err(at(&built))? {
        let file = entry.map_err(at(&built))?.path();
        let name = file.file_name().unwrap_or_default();
        let is_library = file
            .extension()
            .is_some_and(|extension| extension == "rlib");
        if is_library && !name.to_string_lossy().starts_with("libsysroot-") {
            fs::rename(&file, library.join(name)).map_err(at(&file))?;
        }
    }
    match fs::rename(&sysroot, &place) {
        Err(_) if place.is_dir() => Ok(place), // another process was faster
        result => result.map(|()| place.clone()).map_err(at(&place)),
    }
}

fn place(cache: &Path, version: &[u8]) -> PathBuf {
    let mut hash = blake3::Hasher::new();
    hash.update(version);
    for flag in FLAGS {
        hash.update(flag.as_bytes()).update(b"\0");
    }
    hash.update(MANIFEST.as_bytes());
    let digest = hash.finalize().to_hex();
    cache.join(format!("sysroot-{}", &digest[..16]))
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> SysrootError + use<'_> {
    move |source| SysrootError::File {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_compiler_has_its_own_sysroot() {
        let cache = Path::new("/cache");
        let one = place(cache, b"rustc 1.96.0");
        assert_eq!(one, place(cache, b"rustc 1.96.0"));
        assert_ne!(one, place(cache, b"rustc 1.97.0"));
        assert!(one.starts_with(cache));
    }
}
