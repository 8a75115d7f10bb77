//! Each function of `plugins/faulty`, called once.

use super::{ENGINE, FAULTY, assert_works, call, instance, limits};
use crate::guests;
use rsrt::plugin::InstanceLimits;
use std::{fmt::Write as _, time::Duration};

/// A call with limits that it runs into soon.
fn tight() -> InstanceLimits {
    InstanceLimits {
        cpu_time: Duration::from_millis(50),
        ..limits()
    }
}

#[test]
fn every_fault_is_caught_blamed_and_gone_with_its_instance() {
    let mut seen = String::new();
    for function in &FAULTY.info().functions {
        let name = function.name.as_str();
        let mut limits = match name {
            "spins" | "never-finishes" => tight(),
            _ => limits(),
        };
        if name == "gigantic-output" {
            limits.memory = 256 << 20;
        }
        let mut called = instance(&FAULTY, &limits).unwrap();
        match call(&mut called, &FAULTY, name, &["one", "two!", "three"]) {
            Ok(rows) => writeln!(seen, "{name}: {} rows", rows.len()).unwrap(),
            Err(fault) => {
                let again = ["may go away", "comes again"][usize::from(fault.is_deterministic())];
                writeln!(seen, "{name}: {fault} ({again})").unwrap();
                let refused = call(&mut called, &FAULTY, "echo", &["a"]).unwrap_err();
                let expected =
                    "the host could not run the function: the instance has faulted before";
                assert_eq!(refused.to_string(), expected, "after {name}");
            }
        }
        drop(called);
        assert_works(&FAULTY);
    }
    insta::assert_snapshot!(seen);
}

#[test]
fn a_trap_shows_where_in_the_guest_it_was() {
    let mut called = instance(&FAULTY, &limits()).unwrap();
    let fault = call(&mut called, &FAULTY, "panics", &["a"]).unwrap_err();
    assert!(
        fault.detail().contains("faulty::traps::panics"),
        "{}",
        fault.detail()
    );
}

#[test]
fn instances_share_nothing() {
    let plugin = guests::load(&ENGINE, "text-tools");
    let runs = |lines: &[&str]| {
        let mut one = instance(&plugin, &limits()).unwrap();
        call(&mut one, &plugin, "runs", lines).unwrap()
    };
    assert_eq!(runs(&["a", "b", "b"]), ["a"]); // the last run comes at the end
    assert_eq!(runs(&["b", "c"]), ["b"]);
}
