//! What exists on this machine -> what to do next, so that Rust guests can be compiled. Pure.
//!
//! Always in the same order: an installed wasm target, then rustup's, then Debian's compiler. A way
//! that failed is not tried again.

use std::path::PathBuf;

use super::Way;

/// What was found on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says of one thing whether it is there"
)]
pub(super) struct Machine {
    /// The active rustc has the standard library for wasm.
    pub(super) wasm_target: bool,
    /// `rustup` is there.
    pub(super) rustup: bool,
    /// `/usr/bin/rustc` and its library's source are there.
    pub(super) debian_rustc: bool,
    /// `apt-get` is there.
    pub(super) apt: bool,
    /// A linker for wasm.
    pub(super) linker: Option<PathBuf>,
    /// The standard library that Debian's rustc made for wasm, in the cache.
    pub(super) sysroot: Option<PathBuf>,
}

/// May things be installed?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Install {
    /// Yes: rustup targets, Debian packages.
    Allowed,
    /// No: only what is there is used. (Filling the cache counts as use.)
    Forbidden,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Done: the active rustc compiles guests.
    UseRustup,
    /// Done: Debian's rustc compiles guests.
    UseDebian {
        /// With this standard library,
        sysroot: PathBuf,
        /// and this linker.
        linker: PathBuf,
    },
    /// Let rustup install the target.
    AddTarget,
    /// Let apt install compiler, source and linker.
    InstallPackages,
    /// Build the standard library for wasm.
    BuildSysroot,
    /// Nothing is left.
    GiveUp,
}

/// A step that did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// Which.
    pub(super) step: Step,
    /// What the tool said.
    pub(super) reason: String,
}

/// The next step, given what is there and what has failed.
pub(super) fn next_step(
    machine: &Machine,
    forced: Option<Way>,
    install: Install,
    failed: &[Failure],
) -> Step {
    let may = |step: Step| (!failed.iter().any(|f| f.step == step)).then_some(step);
    let rustup = || {
        if machine.wasm_target {
            return Some(Step::UseRustup);
        }
        if install == Install::Allowed && machine.rustup {
            return may(Step::AddTarget);
        }
        None
    };
    let debian = || match (machine.debian_rustc, &machine.linker, &machine.sysroot) {
        (true, Some(linker), Some(sysroot)) => Some(Step::UseDebian {
            sysroot: sysroot.clone(),
            linker: linker.clone(),
        }),
        (true, Some(_), None) => may(Step::BuildSysroot),
        _ if install == Install::Allowed && machine.apt => may(Step::InstallPackages),
        _ => None,
    };
    let step = match forced {
        Some(Way::Rustup) => rustup(),
        Some(Way::Debian) => debian(),
        None => rustup().or_else(debian),
    };
    step.unwrap_or(Step::GiveUp)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian(sysroot: bool) -> Machine {
        Machine {
            debian_rustc: true,
            linker: Some("/lld".into()),
            sysroot: sysroot.then(|| "/sysroot".into()),
            ..Machine::default()
        }
    }

    fn failed(steps: &[Step]) -> Vec<Failure> {
        let failure = |step: &Step| Failure {
            step: step.clone(),
            reason: String::new(),
        };
        steps.iter().map(failure).collect()
    }

    fn use_debian() -> Step {
        Step::UseDebian {
            sysroot: "/sysroot".into(),
            linker: "/lld".into(),
        }
    }

    #[test]
    fn ways_are_tried_in_order() {
        use Install::{Allowed, Forbidden};
        let bare = Machine::default();
        let ready = Machine {
            wasm_target: true,
            rustup: true,
            apt: true,
            ..debian(true)
        };
        let rustup = Machine {
            rustup: true,
            apt: true,
            ..Machine::default()
        };
        let both = Machine {
            rustup: true,
            apt: true,
            ..debian(true)
        };
        let apt = Machine {
            apt: true,
            ..Machine::default()
        };
        // machine, forced, install, failed so far, expected
        let cases = [
            (&ready, None, Forbidden, vec![], Step::UseRustup),
            (&ready, Some(Way::Debian), Forbidden, vec![], use_debian()),
            (&rustup, None, Allowed, vec![], Step::AddTarget),
            (&rustup, None, Forbidden, vec![], Step::GiveUp),
            (
                &rustup,
                None,
                Allowed,
                vec![Step::AddTarget],
                Step::InstallPackages,
            ),
            (
                &rustup,
                Some(Way::Rustup),
                Allowed,
                vec![Step::AddTarget],
                Step::GiveUp,
            ),
            (&both, None, Forbidden, vec![], use_debian()),
            (&both, Some(Way::Rustup), Forbidden, vec![], Step::GiveUp),
            (&both, None, Allowed, vec![Step::AddTarget], use_debian()),
            (&apt, None, Allowed, vec![], Step::InstallPackages),
            (
                &apt,
                None,
                Allowed,
                vec![Step::InstallPackages],
                Step::GiveUp,
            ),
            (&bare, None, Allowed, vec![], Step::GiveUp),
        ];
        for (machine, forced, install, steps, expected) in cases {
            assert_eq!(
                next_step(machine, forced, install, &failed(&steps)),
                expected,
                "{machine:?} {forced:?} {install:?} {steps:?}"
            );
        }
    }

    #[test]
    fn a_sysroot_is_built_once_even_if_nothing_may_be_installed() {
        let machine = debian(false);
        let step = |steps: &[Step]| next_step(&machine, None, Install::Forbidden, &failed(steps));
        assert_eq!(step(&[]), Step::BuildSysroot);
        assert_eq!(step(&[Step::BuildSysroot]), Step::GiveUp);
    }

    #[test]
    fn debian_without_a_linker_installs_one() {
        let machine = Machine {
            linker: None,
            apt: true,
            ..debian(true)
        };
        let step = |install| next_step(&machine, None, install, &[]);
        assert_eq!(step(Install::Allowed), Step::InstallPackages);
        assert_eq!(step(Install::Forbidden), Step::GiveUp);
    }
}
