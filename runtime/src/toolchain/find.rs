//! Takes the steps that `decide.rs` names until guests can be compiled or nothing is left to try.

use std::{path::PathBuf, process::Command};

use tracing::info;

use super::{
    Environment, NoToolchain, TARGET,
    command::output_of,
    decide::{Failure, Machine, Step, next_step},
    machine::{self, DEBIAN_RUSTC},
    sysroot,
};

/// What compiles Rust guests here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestToolchain {
    /// The active toolchain, which has the wasm target.
    Rustup,
    /// Debian's compiler.
    Debian {
        /// With a standard library for wasm,
        sysroot: PathBuf,
        /// and a linker.
        linker: PathBuf,
    },
}

impl GuestToolchain {
    /// Makes `cargo` compile for wasm with this toolchain. Flags and wrappers that the caller's
    /// environment sets are meant for other code and do not count.
    pub(super) fn apply(&self, cargo: &mut Command) {
        let mut flags = vec!["-Ctarget-feature=+simd128".to_owned()];
        cargo
            .args(["--target", TARGET])
            .env_remove("RUSTC")
            .env_remove("RUSTC_WORKSPACE_WRAPPER");
        if let Self::Debian { sysroot, linker } = self {
            flags.push(format!("--sysroot={}", sysroot.display()));
            if !linker.ends_with("rust-lld") {
                flags.push("-Clinker-flavor=wasm-ld".to_owned());
            }
            cargo
                .env("RUSTC", DEBIAN_RUSTC)
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        }
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    }
}

/// Finds, and if allowed installs, what compiles Rust guests.
///
/// # Errors
/// When there is nothing, and nothing may or can be installed.
pub fn find(environment: &Environment) -> Result<GuestToolchain, NoToolchain> {
    let mut failed = Vec::new();
    loop {
        let machine = machine::look(environment);
        let step = next_step(&machine, environment.forced, environment.install, &failed);
        let result = match &step {
            Step::UseRustup => return Ok(GuestToolchain::Rustup),
            Step::UseDebian { sysroot, linker } => {
                return Ok(GuestToolchain::Debian {
                    sysroot: sysroot.clone(),
                    linker: linker.clone(),
                });
            }
            Step::GiveUp => {
                let (forced, install) = (environment.forced, environment.install);
                return Err(NoToolchain::new(&machine, forced, install, &failed));
            }
            Step::AddTarget => add_target(environment),
            Step::InstallPackages => install_packages(&machine),
            Step::BuildSysroot => build_sysroot(environment),
        };
        // A step that changed nothing would come again; that it was tried counts as a failure.
        let reason = match result {
            Ok(()) => "it ended well, but what it should have brought is not there".to_owned(),
            Err(reason) => reason,
        };
        failed.push(Failure { step, reason });
    }
}

fn add_target(environment: &Environment) -> Result<(), String> {
    info!("installing the wasm target: rustup target add {TARGET}");
    let mut rustup = Command::new("rustup");
    rustup
        .args(["target", "add", TARGET])
        .current_dir(&environment.directory);
    output_of(&mut rustup).map(drop).map_err(|e| e.to_string())
}

fn install_packages(machine: &Machine) -> Result<(), String> {
    let mut packages = vec!["rustc-web", "rust-web-src"];
    if machine.linker.is_none() {
        packages.push("lld-19");
    }
    info!("installing Debian's Rust compiler: {}", packages.join(", "));
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        output_of(&mut apt).map_err(|error| error.to_string())
    };
    let install = [
        &["install", "-y", "-q", "--no-install-recommends"],
        packages.as_slice(),
    ]
    .concat();
    // Lists may be missing or old: fetch them if the first try fails, which is rare and slow.
    apt(&install)
        .or_else(|_| apt(&["update", "-q"]).and_then(|_| apt(&install)))
        .map(drop)
}

fn build_sysroot(environment: &Environment) -> Result<(), String> {
    info!("building the standard library for wasm, once on this machine (about a minute)");
    sysroot::build(&environment.cache)
        .map(drop)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, ffi::OsStr};

    use super::*;

    /// The environment that a toolchain gives to cargo.
    fn variables(toolchain: &GuestToolchain) -> BTreeMap<String, Option<String>> {
        let mut cargo = Command::new("cargo");
        toolchain.apply(&mut cargo);
        let text = |text: &OsStr| text.to_str().unwrap().to_owned();
        cargo
            .get_envs()
            .map(|(name, value)| (text(name), value.map(text)))
            .collect()
    }

    #[test]
    fn every_guest_is_compiled_with_simd() {
        let debian = GuestToolchain::Debian {
            sysroot: "/sysroot".into(),
            linker: "/rust-lld".into(),
        };
        for toolchain in [GuestToolchain::Rustup, debian] {
            let variables = variables(&toolchain);
            let flags = variables["CARGO_ENCODED_RUSTFLAGS"].as_deref().unwrap();
            assert!(flags.contains("+simd128"), "{toolchain:?}: {flags}");
        }
    }

    #[test]
    fn debian_brings_its_compiler_sysroot_and_linker() {
        let variables = variables(&GuestToolchain::Debian {
            sysroot: "/sysroot".into(),
            linker: "/usr/bin/wasm-ld-19".into(),
        });
        assert_eq!(variables["RUSTC"].as_deref(), Some(DEBIAN_RUSTC));
        assert_eq!(
            variables["CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER"].as_deref(),
            Some("/usr/bin/wasm-ld-19")
        );
        assert_eq!(
            variables["CARGO_ENCODED_RUSTFLAGS"].as_deref(),
            Some("-Ctarget-feature=+simd128\x1f--sysroot=/sysroot\x1f-Clinker-flavor=wasm-ld")
        );
    }
}
