//! What a person reads when guests cannot be compiled: the three ways, and what stands in each.

use std::fmt;

use super::{
    Install, TARGET, Way,
    decide::{Failure, Machine, Step},
};

/// Nothing here compiles Rust guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoToolchain {
    forced: Option<Way>,
    /// What stands in the way of: the installed target, rustup, Debian.
    obstacles: [String; 3],
}

impl std::error::Error for NoToolchain {}

impl fmt::Display for NoToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [target, rustup, debian] = &self.obstacles;
        write!(
            f,
            "nothing here compiles Rust to WebAssembly; there are three ways:\
             \n  1. a Rust toolchain that has the target {TARGET}\n     {target}\
             \n  2. rustup target add {TARGET}\n     {rustup}\
             \n  3. on Debian: apt-get install --no-install-recommends rustc-web rust-web-src\n     {debian}"
        )?;
        match self.forced {
            Some(Way::Rustup) => f.write_str("\n(RSRT_GUEST_TOOLCHAIN=rustup rules out the third)"),
            Some(Way::Debian) => {
                f.write_str("\n(RSRT_GUEST_TOOLCHAIN=debian rules out the first two)")
            }
            None => Ok(()),
        }
    }
}

impl NoToolchain {
    pub(super) fn new(
        machine: &Machine,
        forced: Option<Way>,
        install: Install,
        failed: &[Failure],
    ) -> Self {
        let failure = |step: &Step| failed.iter().find(|failure| failure.step == *step);
        let not_run = match install {
            Install::Allowed => "not tried",
            Install::Forbidden => "not tried: run it yourself, or give --install",
        };
        let obstacle = |available: bool, missing: &str, steps: &[Step]| {
            if let Some(failure) = steps.iter().rev().find_map(failure) {
                indented(&failure.reason)
            } else if available {
                not_run.to_owned()
            } else {
                missing.to_owned()
            }
        };
        let target = if machine.wasm_target {
            "installed"
        } else {
            "not installed in the active toolchain"
        };
        let debian_missing = if machine.debian_rustc {
            "it lacks a linker for wasm: install the package lld-19"
        } else {
            "apt-get was not found"
        };
        Self {
            forced,
            obstacles: [
                target.to_owned(),
                obstacle(machine.rustup, "rustup was not found", &[Step::AddTarget]),
                obstacle(
                    machine.apt,
                    debian_missing,
                    &[Step::InstallPackages, Step::BuildSysroot],
                ),
            ],
        }
    }
}

fn indented(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join("\n     ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_machine_is_told_all_three_ways() {
        let error = NoToolchain::new(&Machine::default(), None, Install::Forbidden, &[]);
        insta::assert_snapshot!(error, @r"
        nothing here compiles Rust to WebAssembly; there are three ways:
          1. a Rust toolchain that has the target wasm32-unknown-unknown
             not installed in the active toolchain
          2. rustup target add wasm32-unknown-unknown
             rustup was not found
          3. on Debian: apt-get install --no-install-recommends rustc-web rust-web-src
             apt-get was not found
        ");
    }

    #[test]
    fn what_failed_is_told_in_the_tools_words() {
        let machine = Machine {
            rustup: true,
            apt: true,
            ..Machine::default()
        };
        let failed = [Failure {
            step: Step::AddTarget,
            reason: "`rustup target add` failed (exit status: 1):\nno network".to_owned(),
        }];
        let error = NoToolchain::new(&machine, Some(Way::Rustup), Install::Allowed, &failed);
        insta::assert_snapshot!(error, @r"
        nothing here compiles Rust to WebAssembly; there are three ways:
          1. a Rust toolchain that has the target wasm32-unknown-unknown
             not installed in the active toolchain
          2. rustup target add wasm32-unknown-unknown
             `rustup target add` failed (exit status: 1):
             no network
          3. on Debian: apt-get install --no-install-recommends rustc-web rust-web-src
             not tried
        (RSRT_GUEST_TOOLCHAIN=rustup rules out the third)
        ");
    }

    #[test]
    fn what_may_not_be_installed_is_said() {
        let machine = Machine {
            rustup: true,
            ..Machine::default()
        };
        let error = NoToolchain::new(&machine, None, Install::Forbidden, &[]).to_string();
        assert!(
            error.contains("run it yourself, or give --install"),
            "{error}"
        );
    }
}
