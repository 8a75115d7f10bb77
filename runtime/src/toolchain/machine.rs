//! Looks at this machine: which compilers, linkers and caches are there. Changes nothing.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{Environment, TARGET, command::output_of, decide::Machine, sysroot};

/// Debian's compiler; not a proxy of rustup, which lives in the home directory.
pub(super) const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// The source of its standard library.
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/Cargo.lock";

/// What there is to compile guests with.
pub(super) fn look(environment: &Environment) -> Machine {
    let active = active_sysroot(&environment.directory);
    let debian_rustc = Path::new(DEBIAN_SOURCE).is_file() && debian_version().is_some();
    Machine {
        wasm_target: active.as_deref().is_some_and(has_wasm_library),
        rustup: answers("rustup"),
        debian_rustc,
        apt: answers("apt-get"),
        linker: linker(active.as_deref()),
        sysroot: debian_rustc
            .then(|| sysroot::cached(&environment.cache))
            .flatten(),
    }
}

/// What Debian's rustc says of itself; none if it is not there.
pub(super) fn debian_version() -> Option<Vec<u8>> {
    output_of(Command::new(DEBIAN_RUSTC).arg("-vV")).ok()
}

/// Asked in the crate's directory, so that a `rust-toolchain` file there decides.
fn active_sysroot(directory: &Path) -> Option<PathBuf> {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "sysroot"]).current_dir(directory);
    let path = String::from_utf8(output_of(&mut rustc).ok()?).ok()?;
    Some(PathBuf::from(path.trim_end()))
}

/// Without `libstd` an interrupted installation would count.
fn has_wasm_library(sysroot: &Path) -> bool {
    let library = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    std::fs::read_dir(library).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

/// The active toolchain's `rust-lld`, else one that Debian installed.
fn linker(active: Option<&Path>) -> Option<PathBuf> {
    let own = active.and_then(|sysroot| {
        let targets = std::fs::read_dir(sysroot.join("lib/rustlib")).ok()?;
        targets
            .flatten()
            .map(|target| target.path().join("bin/rust-lld"))
            .find(|lld| lld.is_file())
    });
    own.or_else(|| {
        let names = [
            "rust-lld",
            "wasm-ld",
            "wasm-ld-22",
            "wasm-ld-21",
            "wasm-ld-20",
            "wasm-ld-19",
        ];
        names
            .map(|name| Path::new("/usr/bin").join(name))
            .into_iter()
            .find(|lld| lld.is_file())
    })
}

fn answers(program: &str) -> bool {
    output_of(Command::new(program).arg("--version")).is_ok()
}
